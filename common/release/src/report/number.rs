//! The report of federated averaging whose outcome is a number.

use super::{EpochOut, LayerOut};
use crate::context::Context;
use motet_recipes::FedNumberOutcome;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct FedNumber<'a> {
    rows: u64,
    outcome: &'a str,
    layers: Vec<LayerOut<'a>>,
    metrics: Measures,
    history: Vec<EpochOut>,
}

#[derive(Serialize)]
struct Measures {
    /// In the outcome's unit squared.
    mse: f64,
    rmse: f64,
    r_squared: Option<f64>,
}

pub(super) fn body<'a>(model: &'a FedNumberOutcome, context: &'a Context) -> FedNumber<'a> {
    FedNumber {
        rows: model.rows,
        outcome: &context.outcome,
        layers: model
            .layers
            .iter()
            .map(|l| LayerOut {
                name: &l.name,
                shape: &l.shape,
            })
            .collect(),
        metrics: Measures {
            mse: model.mse,
            rmse: model.mse.sqrt(),
            r_squared: model.r_squared,
        },
        history: model
            .history
            .iter()
            // A ranking into two classes means nothing for a number: `auc` is null.
            .map(|e| EpochOut {
                round: e.round,
                loss: e.loss,
            })
            .collect(),
    }
}
