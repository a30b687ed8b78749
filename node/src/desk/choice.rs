//! What a steward may want to say of a study.

use crate::permits::Permit;

/// What a steward wants to say.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Take part, under this permit; where too few rows are left, a
    /// decline is what is signed.
    Approve(Option<Permit>),
    /// The same although an earlier study asked exactly this of
    /// other sites (ruling R5), or a sum differs from that of
    /// another study over the same data by a few sites: those that
    /// the card names, and these besides.
    ApproveAgain(Option<Permit>, Vec<String>),
    /// Do not take part, for this reason.
    Decline(String),
    /// Take part no longer, for this reason.
    Withdraw(String),
    /// Take part as before, over the rows of now: possible until
    /// the first sum is opened.
    Refreeze,
}
