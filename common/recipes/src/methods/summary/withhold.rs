//! What of a finished summary is not told, by what the first round said and by the levels of
//! categories: a histogram is told whole or not at all, a line by group likewise.

use super::{Cell, SummaryOutcome, Variable};
use crate::census::{Census, Tally};
use crate::method::Finished;

impl Finished for SummaryOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, _yes_no: bool) -> Vec<u64> {
        Vec::new()
    }

    /// Withholds what lies at too few sites, and levels of few patients. What is not known of is
    /// withheld too.
    fn withhold(&mut self, census: &Census, tally: &Tally) {
        if self.details.is_none() {
            // With details the recipe itself knows which columns are levels.
            let categories = census.categories.iter();
            let columns = categories.map(|of| of.columns().collect());
            self.withhold_levels(columns.collect(), census.min_cell);
        }
        let mut bins = tally.bins.iter();
        for of in self
            .details
            .iter_mut()
            .flat_map(|details| &mut details.distributions)
        {
            let cells = of.cells().count();
            if bins.by_ref().take(cells).filter(|few| !**few).count() < cells {
                of.withhold();
            }
        }
        // Of fewer columns nothing is known.
        let (columns, groups) = match tally.missing.split_at_checked(self.variables.len()) {
            Some(parts) => parts,
            None => (&[][..], &[][..]),
        };
        let lines = self
            .details
            .iter_mut()
            .flat_map(|details| &mut details.table)
            .flat_map(|table| &mut table.lines);
        // Beside the rows of a group its values would tell the missing ones; a yes tells its no. What
        // nothing is known of is not told.
        let known = columns.len() == self.variables.len()
            && groups.len() == columns.len() * census.asked_within()
            && tally.firsts.len() == census.firsts();
        let mut untested = Vec::new();
        for (at, line) in lines.enumerate() {
            let of_column = groups.iter().skip(at).step_by(columns.len().max(1));
            let of_first = census
                .categories
                .iter()
                .position(|category| category.columns().contains(&at))
                .into_iter()
                .flat_map(|of| {
                    tally
                        .firsts
                        .iter()
                        .skip(of)
                        .step_by(census.categories.len())
                });
            if !known || of_column.chain(of_first).copied().any(|few| few) {
                line.cells.fill(Cell::Withheld);
                line.test = None;
                untested.extend(line.category);
            }
        }
        // The test of a category is of all its levels.
        let lines = self
            .details
            .iter_mut()
            .flat_map(|details| &mut details.table)
            .flat_map(|table| &mut table.lines);
        for line in lines {
            if line
                .category
                .is_some_and(|category| untested.contains(&category))
            {
                line.test = None;
            }
        }
        let mut missing = columns.iter();
        for variable in &mut self.variables {
            variable.few_missing = *missing.next().unwrap_or(&true) && variable.missing > 0;
        }
    }
}

impl SummaryOutcome {
    /// Levels of each category, the first one included, which has no column of its own and is what
    /// the others leave over: where one has few patients all of them lose mean and variance, for
    /// beside the others it would follow from the total. Says of each column whether it has lost
    /// them.
    pub(crate) fn withhold_levels(
        &mut self,
        categories: Vec<Vec<usize>>,
        min_cell: u32,
    ) -> Vec<bool> {
        let mut blank = vec![false; self.variables.len()];
        for columns in categories {
            let of: Vec<Option<&Variable>> =
                columns.iter().map(|at| self.variables.get(*at)).collect();
            let values = of.iter().flatten().fold(0, |most, of| of.count.max(most));
            // A column that the release does not have holds nobody.
            let ones: Vec<u64> = of
                .iter()
                .map(|of| of.map_or(0, |of| libm::round(of.mean * of.count as f64) as u64))
                .collect();
            let first = values.saturating_sub(ones.iter().sum());
            let few = 1..u64::from(min_cell);
            if !few.contains(&first) && !ones.iter().any(|rows| few.contains(rows)) {
                continue;
            }
            for at in &columns {
                if let (Some(blank), Some(of)) = (blank.get_mut(*at), self.variables.get_mut(*at)) {
                    *blank = true;
                    (of.mean, of.variance) = (f64::NAN, f64::NAN);
                }
            }
        }
        blank
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Detailed, Distribution};
    use super::*;

    #[test]
    fn a_cell_of_which_nothing_is_known_is_withheld_and_no_bin_is_shown_without_the_others() {
        let shown = |few: &[bool]| {
            let of = Distribution {
                name: "x".into(),
                edges: vec![0.0, 1.0, 2.0],
                bins: vec![Some(9), Some(8)],
                below: Some(0),
                above: Some(7),
                quantiles: Vec::new(),
                extremes: None,
                quantiles_withheld: false,
            };
            let mut summary = SummaryOutcome {
                rounds: 2,
                sites: 4,
                variables: Vec::new(),
                details: Some(Detailed {
                    distributions: vec![of],
                    table: None,
                }),
            };
            let census = Census {
                columns: vec!["x".into()],
                categories: Vec::new(),
                outcome: None,
                time: None,
                offset: None,
                weight: None,
                group: None,
                min_sites: 3,
                spare: 0,
                min_cell: 5,
                cell: 5,
                crosses: false,
                pairs: false,
            };
            let tally = Tally {
                bins: few.to_vec(),
                ..census.start()
            };
            summary.withhold(&census, &tally);
            let of = summary.details.unwrap().distributions.remove(0);
            (of.below, of.bins, of.above)
        };
        let whole = (Some(0), vec![Some(9), Some(8)], Some(7));
        assert_eq!(shown(&[false; 4]), whole);
        for few in [&[false, true, false, false][..], &[false; 3], &[]] {
            assert_eq!(shown(few), (None, vec![None, None], None));
        }
    }
}
