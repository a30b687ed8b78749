//! What is shown of a network whose outcome is a number.

use super::network::{self, EpochOut, LayerOut};
use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::page::Page;
use crate::kit::patients::at_sites;
use crate::kit::picture::Picture;
use crate::performance::card::{FITTED, number};
use crate::report::Report;
use crate::shown::{Overall, Shown, Weights};
use motet_recipes::fedavg::FedNumberOutcome;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Body<'a> {
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

fn body<'a>(model: &'a FedNumberOutcome, context: &'a Context) -> Body<'a> {
    Body {
        rows: model.rows,
        outcome: &context.outcome,
        layers: network::layers(&model.layers),
        metrics: Measures {
            mse: model.mse,
            rmse: model.mse.sqrt(),
            r_squared: model.r_squared,
        },
        history: network::epochs(&model.history),
    }
}

impl Shown for FedNumberOutcome {
    /// It holds no counts.
    fn protect(&mut self, _context: &Context) {}

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a model of a number, trained by federated averaging, which is an approximation"
    }

    fn patients(&self, context: &Context) -> String {
        format!("{}.", at_sites(self.rows, context))
    }

    fn is_averaged(&self) -> bool {
        true
    }

    fn result(&self, page: &mut Page<'_>) {
        page.section("Result");
        page.line(&format!(
            "The weights after {} rounds of training are in `model.safetensors`. To use them: subtract \
             `standardise.mean` from the variables and divide by \
             `standardise.sd`; each layer but the last gives \
             tanh(W x + b); multiply what the last gives by `outcome.sd` and add `outcome.mean`.\n",
            self.history.len()
        ));
        network::shapes(page, &self.layers);
        network::last_loss(page, &self.history);
        number(page, self.mse.sqrt(), self.r_squared, FITTED);
    }

    fn cautions(&self, page: &mut Page<'_>) {
        network::cautions(page);
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        let axis = "Half the mean squared error, in standard deviations";
        let settling = network::losses(self.rows, &self.history, axis, context);
        settling.into_iter().collect()
    }

    fn overall(&self) -> Overall {
        Overall {
            patients: self.rows,
            figure: None,
        }
    }

    fn weights(&self) -> Weights {
        network::weights(&self.layers)
    }

    fn own(&self) -> Value {
        json!({ "rounds": self.rounds })
    }

    fn measured(&self) -> Option<Value> {
        Some(json!({ "mse": self.mse, "r_squared": self.r_squared }))
    }
}
