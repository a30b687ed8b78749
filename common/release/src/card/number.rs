//! The card of federated averaging whose outcome is a number.

use super::words::{code, digits};
use super::{Card, thousands};
use motet_recipes::FedNumberOutcome;

impl Card<'_> {
    pub(super) fn patients_of_number(&self, model: &FedNumberOutcome) -> String {
        format!(
            "{} patients at {}.",
            thousands(model.rows),
            self.context.sites_in_words()
        )
    }

    pub(super) fn number(&mut self, model: &FedNumberOutcome) {
        self.section("Result");
        self.line(&format!(
            "The weights after {} rounds of training are in `model.safetensors`. To use them: subtract \
             `standardise.mean` from the variables and divide by `standardise.sd`; each layer but the last gives \
             tanh(W x + b); multiply what the last gives by `outcome.sd` and add `outcome.mean`.\n",
            model.history.len()
        ));
        self.line("| Layer | Shape |\n|---|---|");
        for layer in &model.layers {
            let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
            self.line(&format!(
                "| {} | {} |",
                code(&layer.name),
                shape.join(" x ")
            ));
        }
        if let Some(last) = model.history.last() {
            self.line(&format!(
                "\nThe common model at the start of the last round: loss {}.",
                digits(last.loss, 4)
            ));
        }
        let measured = "Measured on the same patients the model was fitted to, so expect less in new patients.";
        self.number_performance(model.mse.sqrt(), model.r_squared, measured);
    }
}
