//! Upper tails of the chi-square and the F distribution, for p-values: Lentz's continued fractions
//! of the incomplete gamma and beta functions (Press et al., Numerical Recipes, 3rd edition, 6.2
//! and 6.4), exact in the far tail too.

/// A test of several coefficients or groups at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// The statistic.
    pub statistic: f64,
    /// Degrees of freedom.
    pub df: u32,
    /// Chance of a statistic at least as large where there is no effect.
    pub p: f64,
}

impl ChiSquare {
    pub(crate) fn new(statistic: f64, df: u32) -> Self {
        // Rounding may leave a statistic just below zero.
        Self {
            statistic,
            df,
            p: chi_square(statistic.max(0.0), f64::from(df)),
        }
    }
}

const TINY: f64 = 1e-300;
const STEPS: u32 = 100_000;

/// P(X > x) for chi-square with `df` degrees of freedom; NaN where either is out of range.
pub(crate) fn chi_square(x: f64, df: f64) -> f64 {
    if !(x.is_finite() && x >= 0.0 && df > 0.0) {
        return f64::NAN;
    }
    let a = df / 2.0;
    let x = x / 2.0;
    if x == 0.0 {
        return 1.0;
    }
    let scale = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        // series of the lower part
        let mut term = 1.0 / a;
        let mut sum = 1.0 / a;
        let mut n = a;
        for _ in 0..STEPS {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return 1.0 - sum * scale;
    }
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut h = d;
    for i in 1..STEPS {
        let i = f64::from(i);
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / away(an * d + b);
        c = away(b + an / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    scale * h
}

/// P(X > x) for F with `df1` and `df2` degrees of freedom: I_z(df2/2, df1/2) at z = df2 / (df2 +
/// df1 x).
pub(crate) fn f(x: f64, df1: f64, df2: f64) -> f64 {
    if !(x.is_finite() && x >= 0.0 && df1 > 0.0 && df2 > 0.0) {
        return f64::NAN;
    }
    let rest = df1 * x / (df2 + df1 * x);
    let a = df2 / 2.0;
    let b = df1 / 2.0;
    let z = df2 / (df2 + df1 * x);
    if rest == 0.0 {
        return 1.0;
    }
    let scale = libm::exp(
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
            + a * libm::log1p(-rest)
            + b * libm::log(rest),
    );
    if z < (a + 1.0) / (a + b + 2.0) {
        scale * beta_fraction(a, b, z) / a
    } else {
        1.0 - scale * beta_fraction(b, a, rest) / b
    }
}

/// The continued fraction of the incomplete beta function I_x(a, b), which wants x < (a + 1) / (a +
/// b + 2).
pub(crate) fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in (1..STEPS).map(f64::from) {
        for part in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / away(1.0 + part * d);
            c = away(1.0 + part / c);
            h *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

/// Away from zero, as Lentz's method divides by it.
fn away(x: f64) -> f64 {
    if x.abs() < TINY { TINY } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_tables() {
        let near = |got: f64, want: f64| {
            assert!((got / want - 1.0).abs() < 1e-9, "{got} instead of {want}")
        };
        // R: pchisq(3.841459, 1, lower = FALSE) and the tests of the heart data (tests/reference)
        near(chi_square(3.841_458_820_694_124, 1.0), 0.05);
        near(
            chi_square(125.301_381_246_773_67, 9.0),
            1.094_696_164_121_544_5e-22,
        );
        near(
            chi_square(15.888_162_273_792_508, 9.0),
            0.069_254_101_816_697_08,
        );
        near(
            f(80.200_277_520_075_39, 3.0, 916.0),
            4.509_970_130_307_866e-46,
        );
        near(
            f(0.871_705_143_819_752_4, 3.0, 857.0),
            0.455_275_134_076_329_7,
        );
        near(
            f(414.022_682_933_859_64, 3.0, 886.0),
            4.731_621_562_694_06e-168,
        );
        assert_eq!((chi_square(0.0, 2.0), f(0.0, 2.0, 3.0)), (1.0, 1.0));
        assert!(chi_square(f64::NAN, 1.0).is_nan() && f(1.0, 0.0, 3.0).is_nan());
    }

    #[test]
    fn p_values_are_those_of_the_tables() {
        let close = |statistic: f64, df: u32, want: f64| {
            let got = ChiSquare::new(statistic, df).p;
            assert!(
                (got / want - 1.0).abs() < 1e-11,
                "{statistic} on {df}: {got} instead of {want}"
            );
        };
        // df 1: erfc(sqrt(x / 2)); df 2: exp(-x / 2); df 4: exp(-x / 2) (1 + x / 2)
        close(3.841_458_820_694_124, 1, 0.05);
        close(0.1, 1, libm::erfc(0.05_f64.sqrt()));
        close(7.0, 2, (-3.5_f64).exp());
        close(1.0, 4, (-0.5_f64).exp() * 1.5);
        close(300.0, 4, (-150.0_f64).exp() * 151.0);
        close(103.697_473_904_384_14, 9, 2.805_752_009_543_458_6e-18);
        assert_eq!(ChiSquare::new(0.0, 3).p, 1.0);
        assert!((ChiSquare::new(1024.0, 1024).p - 0.494_123).abs() < 1e-4);
    }
}
