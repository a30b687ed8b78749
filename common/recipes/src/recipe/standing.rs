//! Where a run stands, read off its state.

use super::{Progress, State};
use crate::cox::CoxPhase;
use crate::fedavg;
use crate::gbdt::{self, Boost};
use crate::glm::GlmPhase;
use crate::phase::Phase;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;

impl State {
    /// The digest that chains the rounds.
    pub fn root(&self) -> Digest {
        self.digest("state")
    }

    /// The state of the method itself, without that of the round before it and of its model's
    /// judgement.
    pub fn method(&self) -> &Self {
        match self {
            Self::Counted(counted) => counted.method.method(),
            Self::Judged(judged) => &judged.method,
            _ => self,
        }
    }

    /// Where the run stands.
    pub fn progress(&self) -> Progress {
        let (phase, round, measure) = match self {
            Self::Summary(state) => (state.phase.name(), state.rounds, None),
            Self::Cox(state) => {
                let last = state.newton.history.last();
                (
                    state.phase.name(),
                    state.rounds,
                    last.map(|step| ("largest step", step.step)),
                )
            }
            Self::KaplanMeier(state) => (state.phase.name(), state.rounds, None),
            Self::FedAvg(state) => {
                let last = state.history.last();
                (
                    state.phase.name(fedavg::FIT),
                    state.rounds,
                    last.map(|epoch| ("loss", epoch.loss)),
                )
            }
            Self::Glm(state) => {
                let last = state.newton.history.last();
                (
                    state.phase.name(),
                    state.rounds,
                    last.map(|step| ("largest step", step.step)),
                )
            }
            Self::Count(state) => (state.phase(), state.rounds, None),
            Self::Judged(state) => {
                let method = state.method.progress();
                let phase = if method.phase == "finished" {
                    state.judgement.phase()
                } else {
                    method.phase
                };
                (phase, method.round, method.measure)
            }
            Self::Counted(state) => {
                let method = state.method.progress();
                (state.phase(), method.round, method.measure)
            }
            Self::Gbdt(state) => {
                let last = state.history.last();
                let loss = |boost: &Boost| ("loss", boost.held_out.unwrap_or(boost.training));
                (state.phase.name(), state.rounds, last.map(loss))
            }
        };
        Progress {
            phase,
            round,
            measure,
        }
    }

    /// Whether the run ended without an estimate.
    pub fn stuck(&self) -> bool {
        match self {
            Self::Summary(_) | Self::KaplanMeier(_) => false,
            Self::Cox(state) => matches!(state.phase, CoxPhase::Stuck(_)),
            Self::FedAvg(state) => matches!(state.phase, Phase::Stuck(_)),
            Self::Glm(state) => matches!(state.phase, GlmPhase::Stuck(_)),
            Self::Gbdt(state) => matches!(state.phase, gbdt::Phase::Stuck(_)),
            Self::Count(_) => false,
            Self::Judged(state) => state.method.stuck(),
            Self::Counted(state) => state.tally.lack.is_some() || state.method.stuck(),
        }
    }
}
