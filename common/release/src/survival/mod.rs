//! Times to an event: Cox regression and Kaplan-Meier curves, and how curves are drawn.

pub(crate) mod cox;
pub(crate) mod curves;
pub(crate) mod km;
pub(crate) mod sheets;
pub(crate) mod times;
pub(crate) mod words;

#[cfg(test)]
mod card_tests;
#[cfg(test)]
mod report_tests;
