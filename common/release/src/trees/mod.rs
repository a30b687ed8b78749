//! Boosted trees.

pub(crate) mod card;
pub(crate) mod gbdt;
pub(crate) mod nodes;
pub(crate) mod pictures;
pub(crate) mod report;
