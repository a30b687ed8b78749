//! A small model of the round machine, searched exhaustively: what a lying coordinator can make of
//! one honest site, and of four sites of which it owns one.
//!
//! ```text
//! words    plans, sets, logs, messages as small numbers       site     one honest node: its rules, one line each
//! books    the real `Pins` and `Mirror` behind those rules    search   breadth first, every state once
//! worlds   what is searched and what must hold                replay, hands   the same steps, taken by real `Member`s
//! ```
//! A site is more patient here than in earnest: whatever other sites may ever say up to their
//! uploads is taken to be at hand, and every site may be shown a log of its own. What cannot happen
//! here cannot happen there.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

pub mod books;
pub mod hands;
pub mod replay;
pub mod search;
pub mod site;
pub mod words;
pub mod worlds;
