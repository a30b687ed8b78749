//! The domain of Motet and its round machine: pure values, no socket, no file, no clock, no randomness of
//! its own.
//!
//! ```text
//! refusal     stable codes for every no            moment     time as a number
//! roster      who is in a study, signed            enrol      how a site or person joins
//! study       what is asked, and of whom           decision   what a steward says to it
//! catalogue   what stewards tell of their datasets
//! chain       the states of a study's recipe       log        what is on record about its sums
//! round       one attempt: coordinator's `Round`, node's `Member`    audit    making a released sum again
//! opening     sets signed for studies that share data
//! manifest    what a release folder vouches for    proof      what ties a result to its study's log
//! checks      that enough sites made a sum again
//! text        what others sent, fit to be printed
//! units       units of measurement, and what a number in one is in another
//! hex         bytes as text in JSON
//! ```
//!
//! A study as its file has it, and the card that a steward reads:
//!
//! ```
//! use motet_common::roster::{Entry, HubKeys, Roster, SiteKeys};
//! use motet_common::study::{CardContext, Floors, Study};
//! # use motet_secagg::sign::SecretKey;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = |seed| SecretKey::from_seed([seed; 32]).public();
//! # let site = |name, seed| {
//! #     let [identity, steward, witness] = [seed, seed + 1, seed + 2].map(key);
//! #     Entry::new(name, "NL", SiteKeys { identity, steward, witness })
//! # };
//! # let hub = HubKeys { signing: key(1), log: key(2) };
//! let study = Study::parse(
//!     r#"
//!     [study]
//!     id = "stroke-1"
//!     title = "Age and pressure"
//!     question = "How old are they?"
//!     purpose = "53(1)(e)"
//!     ends = 2030-02-28
//!     [data]
//!     dataset = "stroke"
//!     features = ["age", "sbp"]
//!     [recipe]
//!     kind = "summary"
//!     "#,
//! )?;
//! let sites = vec![site("utrecht", 10), site("lyon", 20), site("porto", 30)];
//! let roster = Roster::new(&study.id, 1, hub, "Stroke Europe", sites)?;
//! let card = study.card(&CardContext {
//!     proposer: "ada",
//!     roster: &roster,
//!     earlier: &[],
//!     near: &[],
//!     dir: "node",
//!     floors: &Floors::default(),
//! });
//! assert!(card.starts_with("STUDY stroke-1: Age and pressure"));
//! # println!("{card}");
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

pub mod audit;
pub mod catalogue;
pub mod chain;
pub mod checks;
pub mod decision;
pub mod enrol;
mod hex;
pub mod log;
pub mod manifest;
pub mod moment;
pub mod opening;
pub mod proof;
pub mod refusal;
pub mod roster;
pub mod round;
pub mod study;
pub mod text;
pub mod units;
