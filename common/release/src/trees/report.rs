//! The report of boosted trees. The trees themselves are tensors: the report says how to read them.

use super::nodes::LAYOUT;
use crate::context::Context;
use crate::kit::cells::{one_sided, told};
use crate::performance::report::{Bin, MetricsOut, bins, metrics};
use motet_recipes::Fit;
use motet_recipes::gbdt::GbdtOutcome;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(crate) struct Gbdt<'a> {
    rows: u64,
    rows_held_out: Option<u64>,
    /// What the rows held out and the columns of a tree were drawn with, hexadecimal: with it one
    /// table gives these trees.
    seed: String,
    events: Option<u64>,
    outcome: &'a str,
    /// `held_out` or `training`: the rows behind metrics, calibration and curve.
    measured_on: &'static str,
    metrics: Measures,
    calibration: Option<Vec<Bin>>,
    roc: Option<&'a [(f64, f64)]>,
    importance: Vec<Importance<'a>>,
    history: Vec<BoostOut>,
    model: Model,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Measures {
    Classes(MetricsOut),
    Numbers { rmse: f64, r_squared: Option<f64> },
}

#[derive(Serialize)]
struct Importance<'a> {
    name: &'a str,
    gain: f64,
    share: f64,
}

#[derive(Serialize)]
struct BoostOut {
    trees: u32,
    loss: f64,
    held_out_loss: Option<f64>,
}

#[derive(Serialize)]
struct Model {
    file: &'static str,
    base: f64,
    trees: usize,
    nodes: usize,
    /// What the score of a row is.
    score: &'static str,
    tensors: BTreeMap<&'static str, &'static str>,
    predict: &'static str,
}

const PREDICT: &str = "names: in the file's metadata, in the order of `importance` here; score = base[0]; for each tree t: \
    n = tree_start[t]; while node_column[n] >= 0: x = the row's value of \
    column names[node_column[n]]; n = node_left[n] if \
    x < node_edge[n], or if x is missing and node_missing_left[n] is 1, \
    else node_left[n] + 1; then score += node_value[n]";

pub(crate) fn body<'a>(model: &'a GbdtOutcome, context: &'a Context) -> Gbdt<'a> {
    let total: f64 = model.importance.iter().map(|(_, gain)| gain).sum();
    let (measures, calibration, roc, score) = match &model.fit {
        Fit::Classes {
            metrics: m,
            roc,
            calibration,
        } => (
            Measures::Classes(metrics(m)),
            Some(bins(calibration)),
            Some(roc.as_slice()),
            "log odds of outcome 1: the risk is 1 / (1 + exp(-score))",
        ),
        Fit::Numbers { rmse, r2 } => (
            Measures::Numbers {
                rmse: *rmse,
                r_squared: *r2,
            },
            None,
            None,
            "the outcome, in its own unit",
        ),
    };
    Gbdt {
        rows: model.rows,
        rows_held_out: told(model.held, context.smallest_cell),
        seed: model.seed.hex(),
        events: model
            .events
            .filter(|e| !one_sided(model.rows, *e, context.smallest_cell)),
        outcome: &context.outcome,
        measured_on: if model.held > 0 {
            "held_out"
        } else {
            "training"
        },
        metrics: measures,
        calibration,
        roc,
        importance: model
            .importance
            .iter()
            .map(|(name, gain)| Importance {
                name,
                gain: *gain,
                share: gain / total,
            })
            .collect(),
        history: model
            .history
            .iter()
            .map(|b| BoostOut {
                trees: b.trees,
                loss: b.training,
                held_out_loss: b.held_out,
            })
            .collect(),
        model: Model {
            file: "model.safetensors",
            base: model.base,
            trees: model.trees.len(),
            nodes: model.trees.iter().map(|tree| tree.nodes.len()).sum(),
            score,
            tensors: LAYOUT.into_iter().collect(),
            predict: PREDICT,
        },
    }
}
