//! The chi-square distribution, for tests of several coefficients or groups at once.

/// A test statistic with its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// The statistic.
    pub statistic: f64,
    /// Degrees of freedom.
    pub df: u32,
    /// Chance of a statistic at least as large where there is no effect.
    pub p: f64,
}

/// A fraction or sum stops changing within far fewer terms than this for all sizes that occur (1024 degrees of freedom).
const MOST_TERMS: u32 = 10_000;
const SMALL: f64 = 1e-16;

impl ChiSquare {
    pub(crate) fn new(statistic: f64, df: u32) -> Self {
        Self { statistic, df, p: upper(0.5 * f64::from(df), 0.5 * statistic) }
    }
}

/// The regularised upper incomplete gamma function Q(a, x): its series below a + 1 and Lentz's continued fraction above
/// (Press et al., Numerical Recipes, section 6.2).
fn upper(a: f64, x: f64) -> f64 {
    if !(x > 0.0 && a > 0.0) {
        return 1.0;
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..MOST_TERMS {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < SMALL * sum {
                break;
            }
        }
        return (1.0 - front * sum).max(0.0);
    }
    let tiny = f64::MIN_POSITIVE / SMALL;
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / tiny, 1.0 / b);
    let mut fraction = d;
    for n in 1..MOST_TERMS {
        let n = f64::from(n);
        let an = -n * (n - a);
        b += 2.0;
        let away = |value: f64| if value.abs() < tiny { tiny } else { value };
        d = 1.0 / away(an * d + b);
        c = away(b + an / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < SMALL {
            break;
        }
    }
    front * fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_tables() {
        let close = |statistic: f64, df: u32, want: f64| {
            let got = ChiSquare::new(statistic, df).p;
            assert!((got / want - 1.0).abs() < 1e-11, "{statistic} on {df}: {got} instead of {want}");
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
