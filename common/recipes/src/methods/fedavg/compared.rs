//! An average of a yes/no outcome to be compared with a site's own model.

use super::{FIT, FedAvg, FedAvgState, Weight};
use crate::basis::Basis;
use crate::compared::{Common, Compared, Pooled};
use crate::derivatives;
use crate::error::RecipeError;
use crate::loss::Loss;
use crate::phase::Phase;
use crate::rows::Rows;
use ndarray::{ArrayView1, ArrayView2};

impl FedAvg {
    /// Nothing of another outcome.
    pub(super) fn to_compare<'a>(
        &self,
        state: &'a FedAvgState,
        sites: u32,
        rows: &Rows<'_>,
    ) -> Result<Option<Compared<'a>>, RecipeError> {
        if self.loss != Loss::Binary {
            return Ok(None);
        }
        match &state.phase {
            Phase::Finished => {}
            Phase::Stuck(stuck) => return Err(stuck.error(&self.columns, &self.outcome, &[])),
            phase => {
                return Err(RecipeError::Unfinished {
                    phase: phase.standing(FIT).phase(),
                });
            }
        }
        let network = self.network();
        if !network.fits(&state.parameters) {
            return Err(RecipeError::Mismatch { what: "state" });
        }
        let (x, y) = rows.complete(&self.columns, &self.outcome)?;
        let common = Common {
            network,
            parameters: state.parameters.clone(),
            moments: &state.moments,
            pooled: self.guessed(state, sites, x, y),
        };
        Ok(Some(Compared {
            common,
            x: x.to_owned(),
            y: y.to_owned(),
        }))
    }

    /// Of averaging without hidden layers: the information of this site's rows, over the site's
    /// part of the mean. A ridge of 1 keeps columns that do not vary here from leaving it singular.
    fn guessed(
        &self,
        state: &FedAvgState,
        sites: u32,
        x: ArrayView2<'_, f64>,
        y: ArrayView1<'_, f64>,
    ) -> Option<Pooled> {
        let (intercept, slopes) = state
            .parameters
            .split_last()
            .filter(|_| self.hidden.is_empty())?;
        let beta: Vec<f64> = std::iter::once(intercept).chain(slopes).copied().collect();
        let part = match self.weight {
            Weight::Rows => (y.len() as f64 / state.moments.rows as f64).min(self.weight_cap),
            Weight::Equal => 1.0 / f64::from(sites.max(1)),
        };
        let sums = derivatives::answer(x, y, &state.moments, &beta, &Basis::default());
        let information = sums
            .get(1 + beta.len()..)?
            .iter()
            .map(|sum| sum / part.min(1.0))
            .collect();
        Some(Pooled {
            beta,
            information,
            basis: Basis::default(),
            ridge: 1.0,
        })
    }
}
