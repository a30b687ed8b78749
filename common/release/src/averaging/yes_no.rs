//! What is shown of a network whose outcome is yes or no.

use super::network::{self, EpochOut, LayerOut};
use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::cells::one_sided;
use crate::kit::page::Page;
use crate::kit::patients::{WEIGHTS, of_a_model, with_class};
use crate::kit::picture::Picture;
use crate::performance::card::{FITTED, risk};
use crate::performance::cells::{merge_bins, merge_roc, one_sided_accuracy, unmeasured};
use crate::performance::pictures::pictures;
use crate::performance::report::{Bin, MetricsOut, bins, metrics};
use crate::performance::scene::{self, Scene};
use crate::report::Report;
use crate::shown::{Overall, Shown, Weights};
use motet_recipes::fedavg::FedAvgOutcome;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Serialize)]
struct Body<'a> {
    rows: u64,
    events: Option<u64>,
    outcome: &'a str,
    layers: Vec<LayerOut<'a>>,
    metrics: MetricsOut,
    calibration: Vec<Bin>,
    roc: &'a [(f64, f64)],
    history: Vec<EpochOut>,
}

fn body<'a>(model: &'a FedAvgOutcome, context: &'a Context) -> Body<'a> {
    let smallest = context.smallest_cell;
    let few = one_sided(model.rows, model.events, smallest);
    Body {
        rows: model.rows,
        events: (!few).then_some(model.events),
        outcome: &context.outcome,
        layers: network::layers(&model.layers),
        metrics: metrics(&model.metrics),
        calibration: bins(&model.calibration),
        roc: &model.roc,
        history: network::epochs(&model.history),
    }
}

impl Shown for FedAvgOutcome {
    fn protect(&mut self, context: &Context) {
        let smallest = context.smallest_cell;
        if one_sided(self.rows, self.events, smallest) {
            unmeasured(&mut self.metrics, &mut self.roc, &mut self.calibration);
        }
        self.roc = merge_roc(&self.roc, self.rows, self.events, smallest);
        self.calibration = merge_bins(&self.calibration, smallest);
        one_sided_accuracy(&mut self.metrics, smallest);
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a prediction model trained by federated averaging, which is an approximation"
    }

    fn patients(&self, context: &Context) -> String {
        let said = with_class(self.rows, self.events, context);
        let is_told = !one_sided(self.rows, self.events, context.smallest_cell);
        of_a_model(said, is_told, WEIGHTS)
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
             tanh(W x + b); the last gives the log odds of the outcome.\n",
            self.history.len()
        ));
        network::shapes(page, &self.layers);
        network::last_loss(page, &self.history);
        risk(page, &self.metrics, &self.calibration, FITTED);
    }

    fn cautions(&self, page: &mut Page<'_>) {
        network::cautions(page);
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        let scene = Scene {
            context,
            rows: self.rows,
            metrics: &self.metrics,
            measured: scene::FITTED,
        };
        let axis = "Mean log loss per patient";
        let settling = network::losses(self.rows, &self.history, axis, context);
        let performance = pictures(&scene, &self.roc, &self.calibration);
        settling.into_iter().chain(performance).collect()
    }

    fn overall(&self) -> Overall {
        Overall {
            patients: self.rows,
            figure: Some(self.metrics.auc),
        }
    }

    fn weights(&self) -> Weights {
        network::weights(&self.layers)
    }

    fn own(&self) -> Value {
        json!({ "rounds": self.rounds })
    }

    fn measured(&self) -> Option<Value> {
        Some(json!(metrics(&self.metrics)))
    }
}
