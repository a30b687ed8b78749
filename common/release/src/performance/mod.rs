//! How well a model predicts a yes/no outcome or a number, for every method that has such a model.

pub(crate) mod calibration;
pub(crate) mod card;
pub(crate) mod cells;
pub(crate) mod pictures;
pub(crate) mod report;
pub(crate) mod roc;
pub(crate) mod scene;
