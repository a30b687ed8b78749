//! The card of boosted trees.

use super::super::cells::{one_sided, small};
use super::words::{code, digits, figure, percent};
use super::{Card, thousands};
use motet_recipes::{Fit, GbdtOutcome};

/// Columns in the table of importance; all are in the report.
const LISTED: usize = 30;

impl Card<'_> {
    pub(super) fn patients_of_trees(&self, model: &GbdtOutcome) -> String {
        let (sites, smallest) = (self.context.sites_in_words(), self.context.smallest_cell);
        let count = |count| {
            if small(count, smallest) {
                format!("fewer than {smallest}")
            } else {
                thousands(count)
            }
        };
        let mut text = format!(
            "{} patients at {sites} were in the training",
            thousands(model.rows)
        );
        if let Some(events) = model.events {
            let without = model.rows.saturating_sub(events);
            if small(without, smallest) {
                text += &format!("; all but fewer than {smallest} of them had the outcome");
            } else {
                text += &format!("; {} of them had the outcome", count(events));
            }
            if one_sided(model.rows, events, smallest) {
                text += ". Whoever has the model can work out how many: the trees begin at the log odds of the outcome among \
                         these patients (`base`)";
            }
        }
        let held = if model.held > 0 {
            format!(
                "{} other patients of the same sites were held out: they chose how many trees are kept, and the model \
                     was measured on them. Which they are follows from their values and `seed` in `report.json`.",
                capital(&count(model.held))
            )
        } else {
            "No patients were held out.".to_owned()
        };
        format!(
            "{text}. {held} A missing value is allowed in a variable: every split says which way it goes."
        )
    }

    pub(super) fn trees(&mut self, model: &GbdtOutcome) {
        self.section("Result");
        self.line(&format!(
            "{} trees. They are in `model.safetensors`; `report.json` says under `model` how to predict with them.\n",
            model.trees.len()
        ));
        self.importance(model);
        if let (Some(first), Some(kept)) = (
            model.history.first(),
            model
                .history
                .iter()
                .find(|boost| boost.trees as usize == model.trees.len()),
        ) {
            let held = |loss: Option<f64>| {
                loss.map_or_else(String::new, |loss| {
                    format!(", held out {}", digits(loss, 4))
                })
            };
            self.line(&format!(
                "\nLoss before the first tree: training {}{}. With the trees that are kept: training {}{}.",
                digits(first.training, 4),
                held(first.held_out),
                digits(kept.training, 4),
                held(kept.held_out)
            ));
        }
        let measured = if model.held > 0 {
            "Measured on patients of the same sites who were held out of the training. They also chose how many trees \
             are kept, so expect slightly less in new patients of these sites, and less elsewhere."
        } else {
            "Measured on the same patients the model was fitted to, so expect less in new patients: trees can learn their \
             patients by heart."
        };
        match &model.fit {
            Fit::Classes {
                metrics,
                calibration,
                ..
            } => self.performance(metrics, calibration, measured),
            Fit::Numbers { rmse, r2 } => self.number_performance(*rmse, *r2, measured),
        }
    }

    fn importance(&mut self, model: &GbdtOutcome) {
        let total: f64 = model.importance.iter().map(|(_, gain)| gain).sum();
        let mut columns: Vec<&(String, f64)> = model.importance.iter().collect();
        columns.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.line("What the prediction rests on (it does not say what causes the outcome):\n");
        self.line("| Variable | Share of what the splits took off the loss |\n|---|---:|");
        for (name, gain) in columns.into_iter().take(LISTED) {
            let share = if total > 0.0 { gain / total } else { 0.0 };
            self.line(&format!("| {} | {} |", code(name), percent(share)));
        }
    }

    /// How well a number is predicted.
    pub(super) fn number_performance(&mut self, rmse: f64, r_squared: Option<f64>, measured: &str) {
        self.section("How well it predicts");
        self.line(&format!("{measured}\n"));
        self.line("| Measure | Value | How to read it |\n|---|---:|---|");
        self.line(&format!(
            "| Root mean squared error | {} | Typical distance between prediction and outcome, in the outcome's unit |",
            figure(rmse)
        ));
        let r_squared =
            r_squared.map_or_else(|| "not available".to_owned(), |share| digits(share, 4));
        self.line(&format!(
            "| R squared | {r_squared} | 1 is perfect, 0 is no better than the mean; below 0 is worse |"
        ));
    }

    pub(super) fn cautions_of_trees(&mut self, model: &GbdtOutcome) {
        self.line(
            "- The trees are those that one pooled table would give. They can be overfitted all the same: judge them by the \
             patients who were held out, if there are any.",
        );
        if model.held == 0 {
            self.line("- **Nothing was held out:** the measures above flatter the model.");
        }
        self.line(
            "- Edges of the splits and values of the leaves say something about groups of patients; the smallest leaf the \
             study allows is among the parameters (`min_leaf`).",
        );
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
