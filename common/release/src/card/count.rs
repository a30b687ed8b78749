//! The card of a count: is a study feasible?

use super::super::range::{Range, Rule};
use super::{Card, thousands};
use motet_recipes::{CountOutcome, Rounded};

impl Card<'_> {
    pub(super) fn counted(&mut self, count: &CountOutcome) {
        self.section("Result");
        let Some(rule) = Rule::of(self.context) else {
            self.line(
                "The study does not say how sites rounded, so nothing is known about the true totals.\n",
            );
            self.totals(count, None, None);
            return;
        };
        let least = rule.min_cell;
        self.line(&format!(
            "Every site rounded its own count to a multiple of {} before anything was added. A site with fewer than {least} \
             answered 0 and counts as a site below the limit.\n",
            rule.multiple
        ));
        self.totals(count, Some(rule.rows(count)), rule.events(count));
        let below = count.events.as_ref().map_or(0, |events| events.below);
        if below > 0
            && let Some(few) = rule.events_if_few(count)
        {
            self.line(&format!(
                "\nA site is below the limit of the outcome when fewer than {least} of its patients had it, or fewer than \
                 {least} did not. If all such sites have few patients with the outcome, the true total is at most {}.",
                thousands(few)
            ));
        }
    }

    fn totals(&mut self, count: &CountOutcome, rows: Option<Range>, events: Option<Range>) {
        self.line("| | Sum of rounded counts | Sites below the limit | True total |\n|---|---:|---:|---:|");
        let range = |range: Option<Range>| match range {
            Some(Range { low, high }) if low == high => thousands(low),
            Some(Range { low, high }) => format!("{} to {}", thousands(low), thousands(high)),
            None => "not known".to_owned(),
        };
        let line = |name: &str, sum: &Rounded, total: Option<Range>| {
            format!(
                "| {name} | {} | {} of {} | {} |",
                thousands(sum.rows),
                sum.below,
                count.sites,
                range(total)
            )
        };
        self.line(&line("Patients", &count.rows, rows));
        if let Some(sum) = &count.events {
            self.line(&line("With the outcome", sum, events));
        }
    }
}
