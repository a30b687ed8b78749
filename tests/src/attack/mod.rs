//! A lying coordinator as a program that speaks the real protocol: it makes plans, adverts sets,
//! deliveries, leaves, proposals, requests and releases with the coordinator's and the log's own
//! keys, shows them to real `Member`s through the doors a node has, and each step can be another
//! than the honest one. A test then reads like a story.
//!
//! ```text
//! lie      the coordinator that may say anything          node    a hospital: a `Member`, its disk, kills at any act
//! opened   what comes of an opened set                    forge   what a lying hospital makes: shares of another
//! fair     an honest `Round` over the same nodes, where           secret, another ciphertext
//!          hospitals are lost, or lie                   plot    an attempt that colluding sites play alone
//! ```
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

pub mod fair;
pub mod forge;
pub mod lie;
pub mod node;
pub mod opened;
pub mod plot;
