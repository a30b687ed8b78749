//! What is shown of boosted trees.

use super::{card, nodes, pictures, report};
use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::cells::{few, one_sided, small};
use crate::kit::page::Page;
use crate::kit::picture::Picture;
use crate::performance::cells::{behind, merge_bins, merge_roc, one_sided_accuracy, unmeasured};
use crate::performance::report::metrics;
use crate::report::Report;
use crate::shown::{Overall, Shown, Weights};
use motet_recipes::Fit;
use motet_recipes::gbdt::GbdtOutcome;
use serde_json::{Value, json};

impl Shown for GbdtOutcome {
    fn protect(&mut self, context: &Context) {
        let smallest = context.smallest_cell;
        let few_trained = few(self.rows, self.events, smallest);
        // Before the first tree the loss is a function of rows and events.
        if let (true, Some(first)) = (few_trained, self.history.first_mut()) {
            first.training = f64::NAN;
        }
        let few = few_trained || small(self.held, smallest) || few_measured(&self.fit, smallest);
        if few {
            for boost in &mut self.history {
                boost.held_out = None;
            }
        }
        match &mut self.fit {
            Fit::Numbers { rmse, r2 } if few => {
                *rmse = f64::NAN;
                *r2 = None;
            }
            Fit::Numbers { .. } => {}
            Fit::Classes {
                metrics,
                roc,
                calibration,
            } => {
                let (rows, events) = behind(calibration);
                *roc = merge_roc(roc, rows, events, smallest);
                *calibration = merge_bins(calibration, smallest);
                one_sided_accuracy(metrics, smallest);
                if few {
                    unmeasured(metrics, roc, calibration);
                }
            }
        }
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(report::body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a prediction model of boosted trees, grown exactly as on one pooled table"
    }

    fn patients(&self, context: &Context) -> String {
        card::patients(self, context)
    }

    fn keeps_missing(&self) -> bool {
        true
    }

    fn result(&self, page: &mut Page<'_>) {
        card::result(page, self);
    }

    fn cautions(&self, page: &mut Page<'_>) {
        card::cautions(page, self);
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        pictures::pictures(self, context)
    }

    fn overall(&self) -> Overall {
        Overall {
            patients: if self.held > 0 { self.held } else { self.rows },
            figure: match &self.fit {
                Fit::Classes { metrics, .. } => Some(metrics.auc),
                Fit::Numbers { .. } => None,
            },
        }
    }

    /// See [`nodes::LAYOUT`]; the names are those of the columns.
    fn weights(&self) -> Weights {
        let names = self.importance.iter().map(|(name, _)| name.clone());
        Weights {
            names: Some(names.collect()),
            tensors: nodes::tensors(self),
            holds: "the trees, 64-bit; `report.json` says how to read them",
        }
    }

    fn own(&self) -> Value {
        json!({ "rounds": self.rounds })
    }

    fn measured(&self) -> Option<Value> {
        Some(match &self.fit {
            Fit::Classes { metrics: found, .. } => json!(metrics(found)),
            Fit::Numbers { rmse, r2 } => json!({ "rmse": rmse, "r_squared": r2 }),
        })
    }
}

/// Whether few of those that it is measured on have the outcome, or have it not.
fn few_measured(fit: &Fit, smallest: u64) -> bool {
    match fit {
        Fit::Classes { calibration, .. } => {
            let (rows, events) = behind(calibration);
            one_sided(rows, events, smallest)
        }
        Fit::Numbers { .. } => false,
    }
}
