//! Student's t distribution, for coefficients whose dispersion is estimated too. Outside the chain.

use crate::normal::Z_95;
use crate::tails::beta_fraction;

/// Two-sided p-value of a t statistic with `df` degrees of freedom: the regularised incomplete beta
/// function I_x(df/2, 1/2) at x = df / (df + t^2).
pub(crate) fn two_sided(t: f64, df: f64) -> f64 {
    incomplete_beta(df / (df + t * t), t * t / (df + t * t), 0.5 * df)
}

/// Its 97.5 % point, by bisection.
pub(crate) fn t_95(df: f64) -> f64 {
    let mut low = Z_95;
    let mut high = 2.0 * Z_95;
    while two_sided(high, df) > 0.05 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        *(if two_sided(middle, df) > 0.05 {
            &mut low
        } else {
            &mut high
        }) = middle;
    }
    0.5 * (low + high)
}

/// I_x(a, 1/2), `y` = 1 - x.
fn incomplete_beta(x: f64, y: f64, a: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let log_beta = 0.5 * libm::log(std::f64::consts::PI) - log_gamma_step(a);
    // Near 1 x has lost the digits that y still has.
    let log_x = if y < 0.5 {
        libm::log1p(-y)
    } else {
        libm::log(x)
    };
    let front = libm::exp(a * log_x + 0.5 * libm::log(y) - log_beta);
    if x < (a + 1.0) / (a + 2.5) {
        front * beta_fraction(a, 0.5, x) / a
    } else {
        1.0 - 2.0 * front * beta_fraction(0.5, a, y)
    }
}

/// log (gamma(a + 1/2) / gamma(a)). The difference of two logarithms would lose the digits of a
/// large a (series: Abramowitz and Stegun 6.1.47).
fn log_gamma_step(a: f64) -> f64 {
    if a < 50.0 {
        return libm::lgamma(a + 0.5) - libm::lgamma(a);
    }
    let square = a * a;
    0.5 * libm::log(a) - (1.0 / 8.0 - (1.0 / 192.0 - 1.0 / (640.0 * square)) / square) / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_and_limits_are_those_of_the_tables() {
        // scipy 1.17: 2 * t.sf(t, df), t.ppf(0.975, df)
        for (t, df, p) in [
            (2.0, 5.0, 0.101_939_478_829_857_66),
            (0.3, 726.0, 0.764_263_030_807_050_2),
            (12.0, 726.0, 2.155_002_442_020_370_6e-30),
        ] {
            let got = two_sided(t, df);
            assert!((got / p - 1.0).abs() < 1e-10, "{t} {df}: {got}");
        }
        for a in [30.0, 49.9, 50.1, 400.0] {
            let direct = libm::lgamma(a + 0.5) - libm::lgamma(a);
            assert!((log_gamma_step(a) - direct).abs() < 1e-12, "{a}");
        }
        // Ever closer to the normal distribution, also for a whole continent.
        let far = two_sided(2.0, 1e9) / crate::normal::two_sided(2.0) - 1.0;
        assert!((0.0..1e-7).contains(&far), "{far}");
        for (df, want) in [
            (1.0, 12.706_204_736_432_095),
            (10.0, 2.228_138_851_986_274),
            (1e6, 1.959_966_356_814_107),
        ] {
            assert!((t_95(df) / want - 1.0).abs() < 1e-9, "{df}: {}", t_95(df));
        }
        assert_eq!(two_sided(0.0, 7.0), 1.0);
    }
}
