//! A logistic fit to be compared with a site's own model.

use super::{Glm, GlmState};
use crate::compared::{Common, Compared, Pooled};
use crate::error::RecipeError;
use crate::network::{Network, flat};
use crate::rows::Rows;

impl Glm {
    /// Nothing of another family, and of a fit with an offset, weights or a lasso.
    pub(super) fn to_compare<'a>(
        &self,
        state: &'a GlmState,
        rows: &Rows<'_>,
    ) -> Result<Option<Compared<'a>>, RecipeError> {
        if !self.is_plain_logistic() {
            return Ok(None);
        }
        self.finished(state)?;
        let pooled = Pooled {
            beta: state.newton.beta.clone(),
            information: state.newton.information.clone(),
            basis: state.newton.basis.clone(),
            ridge: self.ridge,
        };
        let common = Common {
            network: Network::new(state.moments.mean.len(), &[]),
            parameters: flat(&state.newton.beta),
            moments: &state.moments,
            pooled: Some(pooled),
        };
        let (x, y) = self.terms_and_outcome(state, rows)?;
        Ok(Some(Compared { common, x, y }))
    }
}
