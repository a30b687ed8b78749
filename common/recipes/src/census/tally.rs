//! What the first round said, and whether it is enough to go on.

use super::thing::Thing;
use super::{Beside, Census, Explained};
use crate::error::RecipeError;
use motet_secagg::canonical;

/// The phase of the round.
const PHASE: &str = "census";

canonical! {
    /// What the round said.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Tally {
        /// Whether it is over.
        pub asked: bool,
        /// The sites of its sum.
        pub sites: u32,
        /// Rows, rounded at each site.
        pub rows: u64,
        /// Those of each class of the outcome: with and without it, or at each of its levels.
        pub classes: Vec<u64>,
        /// Whether a number that is explained is a yes or no at every site.
        pub yes_no: bool,
        /// Of each cell of the histograms that are released, whether it lies at too few sites to be
        /// told.
        pub bins: Vec<bool>,
        /// Of each column of a table, whether its missing values lie at too few sites to be told;
        /// then the same in each group, and of each no and each yes there.
        pub missing: Vec<bool>,
        /// Of each category, whether its first level lies at too few sites in one of the groups,
        /// group by group.
        pub firsts: Vec<bool>,
        /// The places of what there is not enough of; if there is any, the run is over. Behind all
        /// that is asked come the classes of the outcome, then the groups of patients, then the
        /// cells of the pairs.
        pub lacks: Vec<u32>,
    }
}

impl Tally {
    /// The phase of the next round, as long as this one is not over or ends the run.
    pub(crate) fn phase(&self) -> &'static str {
        if !self.lacks.is_empty() {
            "too little to go on"
        } else {
            PHASE
        }
    }

    /// Whether the method's own rounds have begun.
    pub(crate) fn is_over(&self) -> bool {
        self.asked && self.lacks.is_empty()
    }
}

impl Census {
    /// That the first round has let the run go on.
    ///
    /// # Errors
    /// What there is not enough of.
    pub(crate) fn passed(&self, beside: &Beside, tally: &Tally) -> Result<(), RecipeError> {
        match tally.lacks.first() {
            Some(first) => Err(self.error(beside, tally, *first as usize)),
            None if tally.asked => Ok(()),
            None => Err(RecipeError::Unfinished { phase: PHASE }),
        }
    }

    /// That a site that was lost took no class of patients below what may be told, given the rows
    /// of each: coefficients, errors, curves and measures of a few events are those events.
    ///
    /// # Errors
    /// [`RecipeError::FewEvents`], [`RecipeError::FewOfLevel`].
    pub(crate) fn enough(&self, classes: &[u64]) -> Result<(), RecipeError> {
        let least = u64::from(self.min_cell);
        let few = classes.iter().position(|rows| *rows < least);
        few.map_or(Ok(()), |class| Err(self.few(class)))
    }

    /// Whether missing values, or the cell of a histogram, would tell of a few sites: of all that
    /// have some, or of those that have more than a few of them.
    pub(super) fn hides(&self, any: u64, many: u64, sites: u32) -> bool {
        let least = u64::from(self.least(sites));
        [any, many].into_iter().any(|at| at > 0 && at < least)
    }

    /// The same of many of them.
    pub(super) fn hidden(&self, any: &[u64], many: &[u64], sites: u32) -> Vec<bool> {
        debug_assert_eq!(any.len(), many.len());
        any.iter()
            .zip(many)
            .map(|(any, many)| self.hides(*any, *many, sites))
            .collect()
    }

    /// Fewest of so many sites that must have a thing: enough are left when the run has lost those
    /// it may lose.
    pub fn least(&self, all: u32) -> u32 {
        self.min_sites + self.spare.min(all.saturating_sub(self.min_sites))
    }

    /// The columns, or else the class of patients, that there is not enough of.
    pub(super) fn lacks(
        &self,
        things: &[(Thing, bool)],
        (sites, all): (&[u64], u64),
        classes: &[u64],
    ) -> Vec<usize> {
        let least = u64::from(self.least(all as u32));
        debug_assert_eq!(things.len(), sites.len());
        let numbers = Self::numbers_among(things, sites);
        let yes_no: Vec<&str> = things
            .iter()
            .filter_map(|(thing, _)| match thing {
                Thing::Yes(column) | Thing::With(column) => Some(column.as_str()),
                _ => None,
            })
            .filter(|column| !numbers.contains(column))
            .collect();
        let asked: Vec<(&Thing, u64)> = things
            .iter()
            .map(|(thing, _)| thing)
            .zip(sites.iter().copied())
            .collect();
        let few: Vec<usize> = asked
            .iter()
            .enumerate()
            .filter(|(_, (thing, sites))| match thing {
                Thing::Yes(column) | Thing::No(column) if !yes_no.contains(&column.as_str()) => {
                    false
                }
                // Of a yes or no both are asked for.
                Thing::Varies(column, _)
                | Thing::Everywhere(column, _)
                | Thing::Explains(column, _)
                    if yes_no.contains(&column.as_str()) =>
                {
                    false
                }
                thing if thing.is_class_of(&numbers) => false,
                thing => !thing.is_enough(*sites, all, least),
            })
            .map(|(at, _)| at)
            .collect();
        if !few.is_empty() {
            return few;
        }
        let kinds = asked.into_iter().filter(|(thing, _)| thing.is_class());
        let few = kinds.zip(classes).position(|((thing, sites), rounded)| {
            let any = matches!(thing, Thing::Without(_, true)) || thing.is_class_of(&numbers);
            !any && !self.certain(*rounded, sites)
        });
        few.map(|class| things.len() + class).into_iter().collect()
    }

    /// Columns with other values than 0 and 1.
    pub(super) fn numbers_among<'t>(things: &'t [(Thing, bool)], sites: &[u64]) -> Vec<&'t str> {
        things
            .iter()
            .zip(sites)
            .filter_map(|((thing, _), sites)| match thing {
                Thing::Other(column) | Thing::Number(column) if *sites > 0 => Some(column.as_str()),
                _ => None,
            })
            .collect()
    }

    /// Whether there are surely `min_cell`: each site that has one has one at least.
    fn certain(&self, rounded: u64, sites: u64) -> bool {
        rounded.max(sites) >= u64::from(self.min_cell)
    }

    /// Why the run is over.
    fn error(&self, beside: &Beside, tally: &Tally, first: usize) -> RecipeError {
        let things = match self.things(beside, None) {
            Ok(things) => things,
            Err(error) => return error,
        };
        if let Some((thing, _)) = things.get(first) {
            let lacks = tally.lacks.iter().filter_map(|at| things.get(*at as usize));
            let lacks: Vec<&Thing> = lacks.map(|(thing, _)| thing).collect();
            // A column that a whole site lacks is not mended by leaving its rows out.
            let of_all = lacks.iter().find(|thing| matches!(thing, Thing::Value(_)));
            return of_all
                .unwrap_or(&thing)
                .error(&lacks, tally.sites, self.least(tally.sites));
        }
        let class = first.saturating_sub(things.len());
        let Some(group) = class.checked_sub(self.classes().len()) else {
            return self.few(class);
        };
        match self.cells(beside, None) {
            Ok(cells) => match cells.get(group) {
                Some(cell) => cell.error(self.min_cell.max(self.cell)),
                None => self.pair_error(group - cells.len()),
            },
            Err(error) => error,
        }
    }

    /// The outcome's column.
    pub(super) fn outcome_name(&self) -> Option<&str> {
        self.outcome.as_ref().map(Explained::name)
    }

    /// Too few rows of a class of the outcome.
    fn few(&self, class: usize) -> RecipeError {
        let least = self.min_cell;
        match &self.outcome {
            Some(Explained::Ordered(of)) => match of.levels.get(class) {
                Some(level) => RecipeError::FewOfLevel {
                    outcome: of.column.clone(),
                    level: level.clone(),
                    least,
                },
                None => RecipeError::Mismatch { what: "state" },
            },
            Some(outcome) => RecipeError::FewEvents {
                outcome: outcome.name().to_owned(),
                which: if class == 0 { "with" } else { "without" },
                least,
            },
            // Without an outcome there are no classes.
            None => RecipeError::Mismatch { what: "state" },
        }
    }
}
