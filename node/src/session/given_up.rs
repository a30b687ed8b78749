//! Attempts that this site gave up, for the coordinator to hear, and
//! when one is overdue.

use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::refused;
use motet_common::study::Study;
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Plan};
use std::time::Duration;

/// What an attempt may last beyond its phases: a coordinator or a line
/// that is away for a while costs no round.
const MARGIN: Duration = Duration::from_secs(60 * 60);

/// How long an attempt of a study can be of use: by what its steward
/// approved, not by what a plan says.
pub(super) fn longest(study: &Study) -> Duration {
    let rounds = &study.rounds;
    let phases = [
        rounds.join_s,
        rounds.share_s,
        rounds.upload_s,
        rounds.sign_s,
        rounds.reveal_s,
    ];
    Duration::from_secs(phases.into_iter().map(u64::from).sum()) + MARGIN
}

pub(super) fn overdue() -> Refusal {
    Refusal::new(
        Code::Deadline,
        "nobody ended it, and its phases are long over",
    )
}

/// An attempt that this site gave up, for the coordinator to hear.
pub(super) struct GivenUp {
    pub(super) id: String,
    pub(super) round: u64,
    pub(super) run: RunId,
    pub(super) said: Message,
}

impl GivenUp {
    pub(super) fn of(plan: &Plan, why: &Refusal) -> Self {
        Self {
            id: plan.study.clone(),
            round: plan.round,
            run: plan.run,
            said: refused(plan.root(), why),
        }
    }
}
