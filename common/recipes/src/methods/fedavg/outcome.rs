//! What a finished run leaves: the model, and what it is worth.

use super::evaluation::{Evaluation, Ranking, Residuals};
use super::{Epoch, FIT, FedAvg, FedAvgState, standard};
use crate::error::RecipeError;
use crate::layer::{Layer, layers};
use crate::method::{Finished, Pass, with_and_without};

use crate::phase::Phase;
use crate::score::{CalibrationBin, Metrics, Score};

/// A finished run with a binary outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct FedAvgOutcome {
    /// Rounds of the run, all phases.
    pub rounds: u32,
    /// Sites of the evaluation.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// Rows with outcome 1.
    pub events: u64,
    /// The model: standardise, then `tanh(W x + b)` a hidden layer, then the log odds.
    pub layers: Vec<Layer>,
    /// On the rows of the evaluation.
    pub metrics: Metrics,
    /// (false positive rate, true positive rate), rising.
    pub roc: Vec<(f64, f64)>,
    /// Ten groups of rising risk.
    pub calibration: Vec<CalibrationBin>,
    /// The rounds of training.
    pub history: Vec<Epoch>,
}

/// A finished run whose outcome is a number.
#[derive(Debug, Clone, PartialEq)]
pub struct FedNumberOutcome {
    /// Rounds of the run, all phases.
    pub rounds: u32,
    /// Sites of the evaluation.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// The model: standardise, hidden layers as in [`FedAvgOutcome`], then `outcome.mean +
    /// outcome.sd * f`.
    pub layers: Vec<Layer>,
    /// Sum of the outcome over them.
    pub total: f64,
    /// Mean squared error, in the outcome's unit squared.
    pub mse: f64,
    /// 1 - squared error / spread around the mean; none where the outcome does not vary at these
    /// sites.
    pub r_squared: Option<f64>,
    /// The rounds of training.
    pub history: Vec<Epoch>,
}

/// A finished run whose outcome is a time to an event.
#[derive(Debug, Clone, PartialEq)]
pub struct FedTimeOutcome {
    /// Rounds of the run, all phases.
    pub rounds: u32,
    /// Sites of the evaluation.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// Rows with an event.
    pub events: u64,
    /// The model: standardise, hidden layers as in [`FedAvgOutcome`], then the log hazard ratio.
    /// The last bias is 0: the baseline hazards of the sites take its place.
    pub layers: Vec<Layer>,
    /// Harrell's C over the pairs within sites; none without such a pair.
    pub c_index: Option<f64>,
    /// Those pairs.
    pub comparable: f64,
    /// Log partial likelihood stratified by site, Breslow's ties.
    pub loglik: f64,
    /// The rounds of training.
    pub history: Vec<Epoch>,
}

impl Finished for FedAvgOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, _yes_no: bool) -> Vec<u64> {
        with_and_without(self.rows, Some(self.events))
    }
}

impl Finished for FedNumberOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    /// Both of the sites of the evaluation; the mean of the standardisation is that of the first
    /// rounds.
    fn classes(&self, yes_no: bool) -> Vec<u64> {
        with_and_without(self.rows, yes_no.then(|| libm::round(self.total) as u64))
    }
}

impl Finished for FedTimeOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, _yes_no: bool) -> Vec<u64> {
        vec![self.events]
    }
}

/// A finished run, by what is explained.
#[derive(Debug, Clone, PartialEq)]
pub enum Averaged {
    /// A yes or no.
    YesNo(FedAvgOutcome),
    /// A number.
    Number(FedNumberOutcome),
    /// A time to an event.
    Time(FedTimeOutcome),
}

impl Averaged {
    fn found(&self) -> &dyn Finished {
        match self {
            Self::YesNo(found) => found,
            Self::Number(found) => found,
            Self::Time(found) => found,
        }
    }
}

impl Finished for Averaged {
    fn rounds(&self) -> u32 {
        self.found().rounds()
    }

    fn sites(&self) -> u32 {
        self.found().sites()
    }

    fn classes(&self, yes_no: bool) -> Vec<u64> {
        self.found().classes(yes_no)
    }
}

impl FedAvg {
    /// The finished run.
    pub(super) fn finished(
        &self,
        state: &FedAvgState,
        pass: &Pass,
    ) -> Result<Averaged, RecipeError> {
        match state.phase {
            Phase::Finished => {}
            Phase::Stuck(stuck) => return Err(stuck.error(&self.columns, &self.outcome, &[])),
            _ => {
                return Err(RecipeError::Unfinished {
                    phase: state.phase.standing(FIT).phase(),
                });
            }
        }
        match &state.evaluation {
            Evaluation::Binary(score) => Ok(Averaged::YesNo(self.binary(state, pass, score))),
            Evaluation::Number(sums) => Ok(Averaged::Number(self.number(state, pass, sums))),
            Evaluation::Time(ranking) => Ok(Averaged::Time(self.time(state, pass, ranking))),
            Evaluation::Nothing => Err(RecipeError::Mismatch { what: "state" }),
        }
    }

    fn binary(&self, state: &FedAvgState, pass: &Pass, score: &Score) -> FedAvgOutcome {
        let (rows, events) = score.rows();
        FedAvgOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows,
            events,
            layers: self.layers(state),
            metrics: score.metrics(),
            roc: score.roc(),
            calibration: score.calibration(),
            history: state.history.clone(),
        }
    }

    fn number(&self, state: &FedAvgState, pass: &Pass, sums: &Residuals) -> FedNumberOutcome {
        let rows = sums.rows.max(1) as f64;
        let (mean, scale) =
            standard::outcome_scale(&self.loss, &state.moments).unwrap_or((0.0, 1.0));
        let spread = sums.outcome_squares - sums.outcome * (sums.outcome / rows);
        FedNumberOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows: sums.rows,
            layers: self.layers(state),
            total: sums.outcome * scale + mean * sums.rows as f64,
            mse: sums.squares / rows * scale * scale,
            r_squared: (spread > 0.0).then(|| 1.0 - sums.squares / spread),
            history: state.history.clone(),
        }
    }

    fn time(&self, state: &FedAvgState, pass: &Pass, ranking: &Ranking) -> FedTimeOutcome {
        let concordant = ranking.concordant + 0.5 * ranking.tied;
        FedTimeOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows: ranking.rows,
            events: ranking.events,
            layers: self.layers(state),
            c_index: (ranking.comparable > 0.0).then(|| concordant / ranking.comparable),
            comparable: ranking.comparable,
            loglik: ranking.loglik,
            history: state.history.clone(),
        }
    }

    fn layers(&self, state: &FedAvgState) -> Vec<Layer> {
        let scale = standard::outcome_scale(&self.loss, &state.moments);
        layers(&self.network(), &state.moments, scale, &state.parameters)
    }
}
