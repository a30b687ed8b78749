//! What is shown of a summary.

mod card;
mod cells;
mod columns;
mod histograms;
mod report;
mod withheld;

use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::page::Page;
use crate::kit::picture::Picture;
use crate::kit::tensor::Tensor;
use crate::report::Report;
use crate::shown::{Shown, Weights};
use motet_recipes::summary::SummaryOutcome;
use serde_json::{Value, json};

impl Shown for SummaryOutcome {
    /// A variable that too few patients have keeps its name and loses its numbers.
    fn protect(&mut self, context: &Context) {
        let least = cells::Least {
            cell: context.smallest_cell,
            sites: context.asked_sites(),
        };
        cells::protect(self, least);
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(report::body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a table of counts, means and variances over all sites"
    }

    fn patients(&self, context: &Context) -> String {
        let sites = context.sites_in_words();
        format!("Patients at {sites}; the count of each variable is in the table below.")
    }

    fn keeps_missing(&self) -> bool {
        true
    }

    fn result(&self, page: &mut Page<'_>) {
        card::result(page, self);
    }

    fn cautions(&self, page: &mut Page<'_>) {
        page.line("- Means and variances over all sites hide differences between them.");
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        histograms::pictures(self, context)
    }

    /// `means`, `variances`.
    fn weights(&self) -> Weights {
        let columns = self.variables.iter();
        Weights {
            names: Some(columns.clone().map(|own| own.name.clone()).collect()),
            tensors: vec![
                Tensor::column("means", columns.clone().map(|own| own.mean)),
                Tensor::column("variances", columns.map(|own| own.variance)),
            ],
            holds: "means and variances, 64-bit",
        }
    }

    fn own(&self) -> Value {
        json!({ "variables": self.variables.len() })
    }

    fn measured(&self) -> Option<Value> {
        None
    }
}
