//! A chi-square test, as reports write it and as cards say it.

use super::words::{figure, p_value};
use motet_recipes::ChiSquare;
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Test {
    statistic: f64,
    df: u32,
    p: f64,
}

pub(crate) fn test(test: &ChiSquare) -> Test {
    Test {
        statistic: test.statistic,
        df: test.df,
        p: test.p,
    }
}

/// The end of a sentence.
pub(crate) fn in_words(test: &ChiSquare) -> String {
    let degrees = if test.df == 1 { "degree" } else { "degrees" };
    format!(
        "chi-square {} on {} {degrees} of freedom, p {}",
        figure(test.statistic),
        test.df,
        p_value(test.p)
    )
}
