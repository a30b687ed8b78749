//! Whose data are not in a result: sites that were asked and are in no sum, and sites that were
//! lost on the way.

use super::{Card, plain};

impl Card<'_> {
    /// Why a site is not there is nobody's business outside: it may have declined, been away, or
    /// had too few patients.
    pub(super) fn sites_absent(&mut self) {
        let context = self.context;
        if context.sites_absent.is_empty() {
            return;
        }
        let named: Vec<String> = context
            .sites_absent
            .iter()
            .map(|site| format!("{} ({})", plain(&site.name), plain(&site.country)))
            .collect();
        self.line(&format!(
            "\n{} of the {} sites that were asked {} in no sum of this release: {}.",
            named.len(),
            named.len() + context.sites.len() + context.sites_lost.len(),
            if named.len() == 1 { "is" } else { "are" },
            named.join(", ")
        ));
    }

    /// `averaged`: training went on without the lost site, so the model still holds what it learned
    /// there.
    pub(super) fn sites_lost(&mut self, averaged: bool) {
        let context = self.context;
        if context.sites_lost.is_empty() {
            self.line("\nNo site was lost during the run.");
            return;
        }
        self.line("\n**Sites lost during the run:**\n");
        for lost in &context.sites_lost {
            let (name, country) = (plain(&lost.name), plain(&lost.country));
            self.line(&format!(
                "- {name} ({country}), not in the sums from round {} on.",
                lost.round
            ));
        }
        self.line(if averaged {
            "\nPatient counts and measures come from the sites in the table above alone; the weights were also trained on \
             the lost sites in the rounds before, and mean and standard deviation of the columns are those of all sites."
        } else {
            "\nEvery number in this release comes from the sites in the table above alone."
        });
        if context.on_site_loss == "continue" {
            self.line(
                "The approved study says `on_site_loss = \"continue\"`: earlier rounds held the lost site, later rounds \
                 do not, and who holds both sums can compute that site's own statistics for those rounds by difference.",
            );
        }
    }
}
