//! What a site tells its own steward of a fit on its own rows. None of it leaves the site: nothing is
//! hidden.

use crate::methods::shown;
use motet_recipes::Outcome;
use serde_json::{Value, json};

/// The fit, and under `metrics` what it is worth.
pub fn fit(outcome: &Outcome) -> Value {
    let shown = shown(outcome.clone());
    let mut fit = shown.own();
    debug_assert!(fit.is_object(), "a fit is told by names");
    if let Some(fields) = fit.as_object_mut() {
        fields.insert("metrics".to_owned(), json!(shown.measured()));
    }
    fit
}

/// What a model is worth on the rows it was measured on; nothing where its method measures nothing.
pub fn measured(outcome: &Outcome) -> Option<Value> {
    shown(outcome.clone()).measured()
}
