//! The phases that federated averaging goes through.

use crate::error::Stuck;
use crate::method::Standing;
use motet_secagg::canonical;

canonical! {
    /// Where a fit stands: the question of the next round.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Phase {
        /// Rows, events and sums.
        1 => Moments,
        /// Centred squares.
        2 => Spread,
        /// A Newton step, or a round of training.
        3 => Fit,
        /// Scores of the final model.
        4 => Evaluate,
        /// A Newton step of the calibration line.
        5 => Calibrate,
        /// An outcome is ready.
        6 => Finished,
        /// There is none to be had.
        7 => Stuck(Stuck),
    }
}

impl Phase {
    /// Where that is; `fit` is what the recipe calls its own rounds.
    pub(crate) fn standing(&self, fit: &'static str) -> Standing {
        match self {
            Self::Moments => Standing::Open("moments"),
            Self::Spread => Standing::Open("spread"),
            Self::Fit => Standing::Open(fit),
            Self::Evaluate => Standing::Open("evaluate"),
            Self::Calibrate => Standing::Open("calibrate"),
            Self::Finished => Standing::Finished,
            Self::Stuck(_) => Standing::Stuck,
        }
    }
}
