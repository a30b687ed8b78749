//! Where a run stands, read off its state.

use super::{Progress, State};

use crate::method::Standing;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;

impl State {
    /// The digest that chains the rounds.
    pub fn root(&self) -> Digest {
        self.digest("state")
    }

    /// The state of the method alone, without that of the round before it and of its model's
    /// judgement.
    pub fn bare(&self) -> Self {
        Self {
            tally: None,
            judgement: None,
            ..self.clone()
        }
    }

    /// Where the run stands.
    pub fn progress(&self) -> Progress {
        let phase = match (&self.tally, self.method.standing(), &self.judgement) {
            (Some(tally), ..) if !tally.is_over() => tally.phase(),
            (_, Standing::Finished, Some(judgement)) => judgement.phase(),
            (_, standing, _) => standing.phase(),
        };
        Progress {
            phase,
            round: self.pass.rounds,
            measure: self.method.watched(),
        }
    }

    /// Whether the run ended without an estimate.
    pub fn stuck(&self) -> bool {
        self.tally
            .as_ref()
            .is_some_and(|tally| !tally.lacks.is_empty())
            || self.method.standing() == Standing::Stuck
    }
}
