//! Tables of counts and means: the summary and the rounded count.

pub(crate) mod count;
pub(crate) mod range;
pub(crate) mod summary;
