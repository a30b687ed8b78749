//! What is shown of a network whose outcome is a time to an event.

use super::network::{self, EpochOut, LayerOut};
use crate::context::{Context, Survival};
use crate::error::ReleaseError;
use crate::kit::cells::{small, told};
use crate::kit::page::Page;
use crate::kit::patients::{WEIGHTS, of_a_model, with_outcome};
use crate::kit::picture::Picture;
use crate::kit::words::digits;
use crate::report::Report;
use crate::shown::{Overall, Shown, Weights};
use crate::survival::words::times;
use motet_recipes::fedavg::FedTimeOutcome;
use motet_recipes::{FedAvg, Loss};
use serde::Serialize;
use serde_json::{Value, json};

impl From<&FedAvg> for Survival {
    fn from(recipe: &FedAvg) -> Self {
        match &recipe.loss {
            Loss::Time(time) => Self {
                time: time.clone(),
                ties: Some("breslow"),
                strata: Some("site".to_owned()),
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    rows: u64,
    events: Option<u64>,
    outcome: &'a str,
    time: &'a str,
    ties: Option<&'a str>,
    strata: Option<&'a str>,
    loglik: f64,
    layers: Vec<LayerOut<'a>>,
    metrics: Measures,
    history: Vec<EpochOut>,
}

#[derive(Serialize)]
struct Measures {
    /// Over pairs of patients of one site.
    c_index: Option<f64>,
    comparable_pairs: f64,
}

fn body<'a>(model: &'a FedTimeOutcome, context: &'a Context) -> Body<'a> {
    Body {
        rows: model.rows,
        events: told(model.events, context.smallest_cell),
        outcome: &context.outcome,
        time: &context.survival.time,
        ties: context.survival.ties,
        strata: context.survival.strata.as_deref(),
        loglik: model.loglik,
        layers: network::layers(&model.layers),
        metrics: Measures {
            c_index: model.c_index,
            comparable_pairs: model.comparable,
        },
        history: network::epochs(&model.history),
    }
}

impl Shown for FedTimeOutcome {
    /// Its events are hidden where they are written.
    fn protect(&mut self, context: &Context) {
        if small(self.events, context.smallest_cell) {
            // Both are those of that many events.
            (self.loglik, self.comparable) = (f64::NAN, f64::NAN);
        }
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a model of the time to an event, trained by federated averaging, which is an approximation"
    }

    fn patients(&self, context: &Context) -> String {
        let said = with_outcome(self.rows, self.events, context);
        of_a_model(said, !small(self.events, context.smallest_cell), WEIGHTS)
    }

    fn is_averaged(&self) -> bool {
        true
    }

    fn result(&self, page: &mut Page<'_>) {
        page.section("Result");
        page.line(&format!(
            "The weights after {} rounds of training are in \
             `model.safetensors`. To use them: \
             subtract `standardise.mean` from \
             the variables and divide by \
             `standardise.sd`; each layer but \
             the last gives tanh(W x + b); the last gives the log \
             hazard ratio. The model ranks \
             patients; it gives no risk by a \
             date, because no baseline hazard left a site.\n",
            self.history.len()
        ));
        times(page);
        network::shapes(page, &self.layers);
        page.line(&format!(
            "\nLog partial likelihood within sites (Breslow's ties): {}.",
            digits(self.loglik, 4)
        ));
        page.section("How well it predicts");
        let c = self
            .c_index
            .map_or_else(|| "not available".to_owned(), |c| digits(c, 4));
        page.line(&format!(
            "Of two patients of one site, the one with the higher predicted \
             hazard had the event first in a share of {c} of the \
             pairs that can be compared \
             (Harrell's C; 1 is perfect, 0.5 is \
             chance). Measured on the same patients the model was \
             fitted to, so expect less in new patients."
        ));
        page.section("What the rounds showed to those who take part");
        page.line(
            "Each site compared its own patients with each other. No time \
             of an event and no group at risk left a site: only \
             sums over all sites were opened.",
        );
    }

    fn cautions(&self, page: &mut Page<'_>) {
        network::cautions(page);
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        let axis = "Mean loss (partial likelihood within sites)";
        let settling = network::losses(self.rows, &self.history, axis, context);
        settling.into_iter().collect()
    }

    fn overall(&self) -> Overall {
        Overall {
            patients: self.rows,
            figure: self.c_index,
        }
    }

    fn weights(&self) -> Weights {
        network::weights(&self.layers)
    }

    fn own(&self) -> Value {
        json!({ "rounds": self.rounds })
    }

    fn measured(&self) -> Option<Value> {
        Some(json!({ "c_index": self.c_index }))
    }
}
