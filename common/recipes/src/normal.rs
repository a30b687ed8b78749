//! The normal distribution, for tests and confidence intervals of coefficients.

/// The 97.5 % point of the standard normal distribution: half the width of a 95 % interval in
/// standard errors.
pub(crate) const Z_95: f64 = 1.959_963_984_540_054;

/// Two-sided p-value of a standard normal statistic: erfc(|z| / sqrt 2), exact in the far tail too.
pub(crate) fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_the_tables() {
        assert_eq!(two_sided(0.0), 1.0);
        assert!((two_sided(Z_95) - 0.05).abs() < 1e-15);
        assert!((two_sided(-1.0) - 0.317_310_507_862_914_1).abs() < 1e-15);
        // 2 * pnorm(-10) = 1.523970604832105e-23
        assert!((two_sided(10.0) / 1.523_970_604_832_105e-23 - 1.0).abs() < 1e-12);
    }
}
