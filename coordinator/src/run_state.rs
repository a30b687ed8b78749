//! The states of a run, and which may follow which.
//!
//! ```text
//!            Opened                 Held
//! waiting ----------> running <-----------> paused
//!    |                   |         Opened     |
//!    +-------------------+--------------------+--Ended--> released | failed | abandoned
//! ```
//!
//! Entries of the study's stream open rounds and end runs; that a run is held is the driver's to
//! say and nobody's to record: a restart finds out again.

use crate::entries::End;
use motet_proto::v1::RunPhase;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    /// No round of it has begun.
    Waiting,
    /// In a round, or at work between two.
    Running,
    /// Between two rounds, and something is missing.
    Paused,
    /// Over, with a result.
    Released,
    /// Over, without one.
    Failed,
    /// Given up by the operator.
    Abandoned,
}

/// What happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEvent {
    /// A round begins.
    Opened,
    /// The next step has to wait.
    Held,
    /// It is over.
    Ended(End),
}

impl RunState {
    /// The state that follows; nothing where the event cannot happen in this one.
    pub(crate) fn next(self, event: RunEvent) -> Option<Self> {
        use RunEvent::{Ended, Held, Opened};
        match (self, event) {
            (Self::Waiting | Self::Running | Self::Paused, Opened) => Some(Self::Running),
            (Self::Waiting, Held) => Some(Self::Waiting),
            (Self::Running | Self::Paused, Held) => Some(Self::Paused),
            (Self::Waiting | Self::Running | Self::Paused, Ended(end)) => Some(Self::ended(end)),
            // What is over stays as it is.
            (Self::Released | Self::Failed | Self::Abandoned, _) => None,
        }
    }

    /// The state of a run that ended like this.
    pub(crate) fn ended(end: End) -> Self {
        match end {
            End::Released => Self::Released,
            End::Abandoned => Self::Abandoned,
            End::Failed(_) => Self::Failed,
        }
    }

    /// The same on the wire.
    pub(crate) fn on_the_wire(self) -> RunPhase {
        match self {
            Self::Waiting => RunPhase::Waiting,
            Self::Running => RunPhase::Running,
            Self::Paused => RunPhase::Paused,
            Self::Released => RunPhase::Released,
            Self::Failed => RunPhase::Failed,
            Self::Abandoned => RunPhase::Abandoned,
        }
    }

    /// The word.
    pub(crate) fn as_str(self) -> &'static str {
        self.on_the_wire().word()
    }
}

#[cfg(test)]
mod tests {
    use super::RunEvent::{Ended, Held, Opened};
    use super::*;
    use motet_common::refusal::Code;

    const ALL: [RunState; 6] = [
        RunState::Waiting,
        RunState::Running,
        RunState::Paused,
        RunState::Released,
        RunState::Failed,
        RunState::Abandoned,
    ];

    #[test]
    fn every_transition_is_the_one_in_the_diagram() {
        let events = [
            Opened,
            Held,
            Ended(End::Released),
            Ended(End::Abandoned),
            Ended(End::Failed(Code::SiteLost)),
        ];
        let due = [
            ["running", "waiting", "released", "abandoned", "failed"],
            ["running", "paused", "released", "abandoned", "failed"],
            ["running", "paused", "released", "abandoned", "failed"],
            ["-"; 5],
            ["-"; 5],
            ["-"; 5],
        ];
        for (state, due) in ALL.into_iter().zip(due) {
            let found = events.map(|event| state.next(event).map_or("-", RunState::as_str));
            assert_eq!(found, due, "{state:?}");
        }
    }

    #[test]
    fn a_run_that_is_over_never_waits_and_one_that_began_never_waits_for_its_beginning() {
        for state in ALL.into_iter().filter(|state| *state != RunState::Waiting) {
            for event in [Opened, Held, Ended(End::Released)] {
                assert_ne!(state.next(event), Some(RunState::Waiting));
            }
        }
    }
}
