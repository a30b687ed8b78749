//! A test as the reports of times to an event write it.

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
