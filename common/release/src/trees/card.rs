//! The card of boosted trees.

use crate::context::Context;
use crate::judged::held_out;
use crate::kit::cells::{one_sided, small};
use crate::kit::page::Page;
use crate::kit::patients::{at_sites, counted};
use crate::kit::words::{capital, code, digits, percent};
use crate::performance::card::{number, risk};
use motet_recipes::gbdt::GbdtOutcome;
use motet_recipes::{Boost, Fit};

/// Columns in the table of importance; all are in the report.
const LISTED: usize = 30;

pub(crate) fn patients(model: &GbdtOutcome, context: &Context) -> String {
    let smallest = context.smallest_cell;
    let mut text = format!("{} were in the training", at_sites(model.rows, context));
    if let Some(events) = model.events {
        let without = model.rows.saturating_sub(events);
        if small(without, smallest) {
            text += &format!("; all but fewer than {smallest} of them had the outcome");
        } else {
            text += &format!("; {} of them had the outcome", counted(events, smallest));
        }
        if one_sided(model.rows, events, smallest) {
            text += ". Whoever has the model can work out how many: the trees begin at the log odds of the outcome among \
                     these patients (`base`)";
        }
    }
    let held = if model.held > 0 {
        format!(
            "{} other patients of the same sites were held out: they chose \
             how many trees are kept, and the model \
                 was measured on them. Which they are follows from their values and `seed` in `report.json`.",
            capital(&counted(model.held, smallest))
        )
    } else if held_out::parts(context).is_some() {
        "None of them were put aside to choose how many trees are kept.".to_owned()
    } else {
        "No patients were held out.".to_owned()
    };
    format!(
        "{text}. {held} A missing value is allowed in a variable: every split says which way it goes."
    )
}

pub(crate) fn result(page: &mut Page<'_>, model: &GbdtOutcome) {
    page.section("Result");
    page.line(&format!(
        "{} trees. They are in `model.safetensors`; `report.json` says \
         under `model` how to predict with them.\n",
        model.trees.len()
    ));
    importance(page, model);
    if let (Some(first), Some(kept)) = (
        model.history.first(),
        model
            .history
            .iter()
            .find(|boost| boost.trees as usize == model.trees.len()),
    ) {
        page.line(&format!(
            "\nLoss before the first tree: {}. With the trees that are kept: {}.",
            losses(first),
            losses(kept)
        ));
    }
    let measured = if model.held > 0 {
        "Measured on patients of the same sites who were held out of the \
         training. They also chose how many trees \
         are kept, so expect slightly less in new patients of these sites, and less elsewhere."
    } else {
        "Measured on the same patients the model was fitted to, so expect \
         less in new patients: trees can learn their \
         patients by heart."
    };
    match &model.fit {
        Fit::Classes {
            metrics,
            calibration,
            ..
        } => risk(page, metrics, calibration, measured),
        Fit::Numbers { rmse, r2 } => number(page, *rmse, *r2, measured),
    }
}

fn losses(boost: &Boost) -> String {
    let training = digits(boost.training, 4);
    match boost.held_out {
        Some(held_out) => format!("training {training}, held out {}", digits(held_out, 4)),
        None => format!("training {training}"),
    }
}

fn importance(page: &mut Page<'_>, model: &GbdtOutcome) {
    let total: f64 = model.importance.iter().map(|(_, gain)| gain).sum();
    let mut columns: Vec<&(String, f64)> = model.importance.iter().collect();
    columns.sort_by(|a, b| b.1.total_cmp(&a.1));
    page.line("What the prediction rests on (it does not say what causes the outcome):\n");
    page.line("| Variable | Share of what the splits took off the loss |\n|---|---:|");
    for (name, gain) in columns.into_iter().take(LISTED) {
        let share = if total > 0.0 { gain / total } else { 0.0 };
        page.line(&format!("| {} | {} |", code(name), percent(share)));
    }
}

pub(crate) fn cautions(page: &mut Page<'_>, model: &GbdtOutcome) {
    page.line(
        "- The trees are those that one pooled table would give. They can be \
         overfitted all the same: judge them by the \
         patients who were held out, if there are any.",
    );
    if model.held == 0 && held_out::parts(page.context).is_none() {
        page.line("- **Nothing was held out:** the measures above flatter the model.");
    }
    page.line(
        "- Edges of the splits and values of the leaves say something about \
         groups of patients; the smallest leaf the \
         study allows is among the parameters (`min_leaf`).",
    );
}
