//! Every attack of the design's table against the code that is to withstand it, one named test
//! each, and the rulings that concern the protocol. A lying coordinator speaks to real nodes
//! (`motet_tests::attack`); what it must not get is a refusal with a stable code. The table of
//! attacks, defences and tests stands in common/secagg/README.md.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::refusal::{Code, Refusal};

#[path = "attacks/inputs.rs"]
mod inputs;
#[path = "attacks/invented.rs"]
mod invented;
#[path = "attacks/log.rs"]
mod log;
#[path = "attacks/masks.rs"]
mod masks;
#[path = "attacks/openings.rs"]
mod openings;
#[path = "attacks/plans.rs"]
mod plans;
#[path = "attacks/restarts.rs"]
mod restarts;
#[path = "attacks/sets.rs"]
mod sets;
#[path = "attacks/shares.rs"]
mod shares;
#[path = "attacks/sums.rs"]
mod sums;

/// The attempt is refused with this code.
#[track_caller]
fn refused<T>(outcome: Result<T, Refusal>, code: Code) -> Refusal {
    let refusal = outcome.map(drop).unwrap_err();
    assert_eq!(refusal.code, code, "{refusal}");
    refusal
}
