//! The first round of every method but `count`: is there enough of each column, at enough sites?
//! Nothing else is asked before.
//!
//! ```text
//! census -> [ for each column, level, term: 1 where this site has it | rows, then those of each class of the outcome (events
//!           |   and others, or its levels), each rounded at the site
//!           | for each group that a coefficient stands for: 1 where this site has it | its rows, rounded
//!           | for each cell of each pair of columns: the same, of all and of each class
//!           | for each cell of a histogram: 1 where this site has it, 1 where it has more than a few of it ]
//! ```
//!
//! | what | is there at a site that has |
//! |---|---|
//! | a column of numbers | at least five rows with a value; with another than the two that most have (three in a table, an average and `linear`: its variance is told; of trees one) |
//! | the same | a row with another value than 0 and 1 |
//! | an outcome that is a number | at least five rows with another value than the three that most have |
//! | a column of yes and no | a yes; a no |
//! | a level of a category, group or stratum | a row with it |
//! | missing values of a column of trees, as if they were a level | a row without a value, if there is any at all |
//! | a term of a formula (a power, a logarithm, a product) | more than one value of it |
//! | two neighbouring knots that a formula gives | at least five rows between them |
//! | a cell of a histogram that is released | a row; and whether five: what either says of too few sites is withheld |
//! | the outcome, yes or no, or each of its levels; a group that a coefficient stands for (`cells.rs`), a cell of two yes/no columns (`pairs.rs`) | a row; and how many, rounded |
//!
//! A number that is explained is a yes or no where no site has another value of it than 0 and 1.
//!
//! Five is `min_cell`. Whether a run ends says of the sites only that they are too few, and not how
//! many.
//!
//! A sum over fewer than `min_sites` sites tells of fewer than a steward agreed to, whatever stands
//! around it: a level that lies at one site is that site, and so is a number that is the same for
//! all patients of a site. The others are then the totals less it. So what is at fewer sites ends
//! the run with its name, before anything is added up. Nothing is left out in silence: the proposer
//! joins levels or leaves the column out. That a site beside enough others lacks the values of a
//! number is no reason: what is told is then the others'. But where a number is split (trees) or
//! bent (a power, a logarithm, a product, a spline), the one value that such a site has can stand for
//! that site alone: then every site has different values of it.
//!
//! A study that goes on without a lost site asks for one site more, as long as there are more than
//! `min_sites`: what was counted then holds for those that are left.
//!
//! Only rows of weight above 0 are counted. Rows, and those of each class of the outcome, are rounded
//! as `count` rounds them, to tens and fewer than five as none: so few events, or rows of one level,
//! *in all* that none are certain (no site has five, and fewer sites than `min_cell` have one) end
//! the run too.

mod beside; // what of the method itself is counted
mod cells; //  groups that a coefficient stands for
mod pairs; //  two columns of which one is a yes only with the other
mod seen; //   the rows that count
mod tally; //  what the round said
mod thing; //  what a site has or has not

use crate::error::{MOST_ROWS, RecipeError, require};
use crate::followup::Grouping;
use crate::moments::{counts, exact};
use crate::rows::{Rows, Values};
use crate::windows::histogram;
pub(crate) use beside::Beside;
use motet_secagg::canonical;
use motet_secagg::layout::{Layout, Sum};
use ndarray::{Array1, Axis};
use seen::{Seen, Sight};
use std::ops::Range;
pub use tally::Tally;
use thing::Thing;

/// Counts are rounded to multiples of this, as `count` rounds them unless told otherwise.
const MULTIPLE: u64 = 10;
/// Values of a number that is explained which all that is told of it solves: rows, mean and what is
/// left beside the model (errors, deviance).
pub const COMMON_EXPLAINED: usize = 3;
/// What is asked about of the values of a column in a group: those that are missing, each no and
/// each yes.
const WITHIN: [fn(f64) -> bool; 3] = [f64::is_nan, |value| value == 0.0, |value| value == 1.0];

canonical! {
    /// What is counted before a method begins.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Census {
        /// Columns of the table.
        pub columns: Vec<String>,
        /// Those of them that are levels of one category.
        pub categories: Vec<Category>,
        /// What is explained.
        pub outcome: Option<Explained>,
        /// Other columns of numbers: time, then offset.
        pub time: Option<String>,
        /// See `time`.
        pub offset: Option<String>,
        /// How often a row counts.
        pub weight: Option<String>,
        /// The category that groups or stratifies.
        pub group: Option<Grouping>,
        /// Fewest sites that have a column, a level or different values.
        pub min_sites: u32,
        /// Sites that the run may lose after this round; so many more must have it, as long as
        /// there are more than `min_sites`.
        pub spare: u32,
        /// Fewest events, and rows without one.
        pub min_cell: u32,
        /// Fewest patients of a yes, a level or a product, where the study shows no smaller cell:
        /// means and coefficients tell how many they are. At least `min_cell`.
        pub cell: u32,
        /// Whether the method tells coefficients with their errors: of yes/no columns and
        /// categories alone they are counts.
        pub crosses: bool,
        /// Whether those are the exact ones of one table: then every pair of columns is counted.
        pub pairs: bool,
    }
}

canonical! {
    /// A category of the table: one column for each level but the first.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Category {
        /// Its name and its levels, the reference first.
        pub of: Grouping,
        /// The column of its second level.
        pub first: u32,
    }
}

canonical! {
    /// What is explained.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Explained {
        /// Yes or no.
        1 => YesNo(String),
        /// A number.
        2 => Number(String),
        /// Whether the event was seen.
        3 => Event(String),
        /// One of these levels, which are in this order: a row has the place of its own, from 0.
        4 => Ordered(Grouping),
    }
}

impl Explained {
    /// The column.
    fn name(&self) -> &str {
        match self {
            Self::YesNo(name) | Self::Number(name) | Self::Event(name) => name,
            Self::Ordered(of) => &of.column,
        }
    }

    /// The classes that rows are counted in, by the value that a row of each has: with and without
    /// the outcome, or at each of its levels.
    fn classes(&self) -> Vec<f64> {
        match self {
            Self::YesNo(_) | Self::Number(_) | Self::Event(_) => vec![1.0, 0.0],
            Self::Ordered(of) => (0..of.levels.len()).map(|level| level as f64).collect(),
        }
    }
}

/// Whether it is neither a no nor a yes.
fn is_other(value: f64) -> bool {
    value != 0.0 && value != 1.0
}

impl Category {
    /// The columns of its levels, all but the first.
    pub(crate) fn columns(&self) -> Range<usize> {
        let first = self.first as usize;
        first..first + self.of.levels.len().saturating_sub(1)
    }
}

impl Census {
    pub(crate) fn check(&self, beside: &Beside) -> Result<(), RecipeError> {
        beside
            .products
            .as_ref()
            .filter(|_| self.crosses)
            .map_or(Ok(()), cells::check)?;
        self.pairs_can_be_counted()?;
        require(
            self.categories.iter().all(|category| {
                let end = (category.first as usize).saturating_add(category.of.levels.len());
                category.of.levels.len() >= 2 && end <= self.columns.len() + 1
            }),
            "levels",
            "those of columns of the study",
        )?;
        require(
            (3..=1000).contains(&self.min_sites),
            "min_sites",
            "from 3 to 1000",
        )?;
        require(
            self.spare <= 1,
            "on_site_loss",
            "a loss of one site at most",
        )?;
        require(
            (2..=1000).contains(&self.min_cell),
            "min_cell",
            "from 2 to 1000",
        )
    }

    /// Columns that are no level and that the method splits or bends.
    pub(crate) fn bent<'c>(&'c self, beside: &Beside) -> Vec<&'c str> {
        let columns = self.columns.iter().enumerate();
        columns
            .filter(|(at, _)| !self.is_level(*at) && beside.bends(*at))
            .map(|(_, name)| name.as_str())
            .collect()
    }

    fn is_level(&self, at: usize) -> bool {
        let mut categories = self.categories.iter();
        categories.any(|category| category.columns().contains(&at))
    }

    /// All that is counted, in order; with rows, whether they have it. `beside` has those terms of
    /// the method that are not columns themselves.
    fn things(
        &self,
        beside: &Beside,
        rows: Option<&Rows<'_>>,
    ) -> Result<Vec<(Thing, bool)>, RecipeError> {
        let sight = Sight(rows.map(|rows| Seen {
            rows,
            least: self.min_cell as usize,
        }));
        let mut things = Vec::new();
        for (at, name) in self.columns.iter().enumerate() {
            if beside.parts {
                let is = sight.has_gaps(sight.column(at));
                things.push((Thing::Missing(name.clone()), is));
            }
            if !self.is_level(at) {
                things.push((
                    Thing::Value(name.clone()),
                    sight.many(sight.column(at), |_| true),
                ));
                // One such row makes it a number: hidden behind a yes or no it would be told by the mean.
                things.push((
                    Thing::Other(name.clone()),
                    sight.any(sight.column(at), is_other),
                ));
                let varies = if beside.bends(at) {
                    Thing::Everywhere
                } else {
                    Thing::Varies
                };
                things.push((
                    varies(name.clone(), beside.common),
                    sight.varies(sight.column(at), beside.common, self.min_cell),
                ));
                things.push((
                    Thing::Yes(name.clone()),
                    sight.any(sight.column(at), |value| value == 1.0),
                ));
                things.push((
                    Thing::No(name.clone()),
                    sight.any(sight.column(at), |value| value == 0.0),
                ));
            }
        }
        for category in &self.categories {
            let levels: Vec<_> = category.of.levels.iter().zip(0_usize..).collect();
            // The reference is where no other level is.
            let total = rows.map(|rows| self.first_level(category, rows));
            for (name, at) in levels {
                let is = match at {
                    0 => sight.any(total.as_ref().map(|total| total.view()), |value| {
                        value == 0.0
                    }),
                    _ => sight.any(sight.column(category.first as usize + at - 1), |value| {
                        value == 1.0
                    }),
                };
                things.push((Thing::Level(category.of.column.clone(), name.clone()), is));
            }
        }
        if let Some(design) = &beside.terms {
            let expanded = rows.map(|rows| design.expand(rows)).transpose()?;
            for (at, name) in design.names().into_iter().enumerate() {
                things.push((
                    Thing::Varies(name, 1),
                    sight.varies(expanded.as_ref().map(|all| all.column(at)), 1, 1),
                ));
            }
        }
        for (at, knots) in &beside.knots {
            let name = self
                .columns
                .get(*at)
                .ok_or(RecipeError::Mismatch { what: "formula" })?;
            for ends in knots.windows(2) {
                let [low, high] = *ends else { continue };
                let is = sight.many(sight.column(*at), |value| low <= value && value < high);
                things.push((
                    Thing::Between(name.clone(), format!("{low} and {high}")),
                    is,
                ));
            }
        }
        let y = rows.and_then(|rows| rows.y);
        if let Some(Explained::Number(name)) = &self.outcome {
            things.push((
                Thing::Explains(name.clone(), COMMON_EXPLAINED),
                sight.varies(y, COMMON_EXPLAINED, self.min_cell),
            ));
            things.push((Thing::Number(name.clone()), sight.any(y, is_other)));
        }
        // In the order of the classes.
        let classes = match &self.outcome {
            Some(Explained::Ordered(of)) => {
                let levels = of.levels.iter();
                levels
                    .map(|level| Thing::Rank(of.column.clone(), level.clone()))
                    .collect()
            }
            Some(outcome) => {
                let event = matches!(outcome, Explained::Event(_));
                let name = outcome.name().to_owned();
                vec![Thing::With(name.clone()), Thing::Without(name, event)]
            }
            None => Vec::new(),
        };
        let values = self.classes();
        debug_assert_eq!(classes.len(), values.len(), "a value for each class");
        for (thing, of) in classes.into_iter().zip(values) {
            things.push((thing, sight.any(y, |value| value == of)));
        }
        let numbers = [
            (&self.time, rows.and_then(|rows| rows.time)),
            (&self.offset, rows.and_then(|rows| rows.offset)),
            (&self.weight, rows.and_then(|rows| rows.weight)),
        ];
        for (name, values) in numbers {
            if let Some(name) = name {
                things.push((Thing::Value(name.clone()), sight.many(values, |_| true)));
                let is = sight.varies(values, 1, self.min_cell);
                things.push((Thing::Varies(name.clone(), 1), is));
            }
        }
        if let Some(group) = &self.group {
            let places = rows.and_then(|rows| rows.group);
            let within = sight.by_group(group.levels.len());
            things.push((Thing::Missing(group.column.clone()), sight.has_gaps(places)));
            for (level, name) in group.levels.iter().enumerate() {
                things.push((
                    Thing::Level(group.column.clone(), name.clone()),
                    sight.any(places, |value| value == level as f64),
                ));
                for (at, column) in self.columns.iter().enumerate() {
                    let rows = within
                        .as_ref()
                        .and_then(|counts| counts.get(level)?.get(at));
                    let is = rows.is_some_and(|rows| *rows > 0);
                    things.push((Thing::Within(column.clone(), name.clone()), is));
                }
            }
        }
        Ok(things)
    }

    /// The classes of what is explained; none where nothing is.
    fn classes(&self) -> Vec<f64> {
        self.outcome
            .as_ref()
            .map_or_else(Vec::new, Explained::classes)
    }

    /// How many rounded counts there are.
    fn figures(&self) -> usize {
        1 + self.classes().len()
    }

    /// How many numbers a site's vector has.
    pub(crate) fn numbers(&self, beside: &Beside) -> usize {
        let cells = self.cells(beside, None).map_or(0, |cells| cells.len());
        self.things(beside, None).map_or(0, |things| things.len())
            + self.figures()
            + 3 * cells
            + 2 * self.paired()
            + 2 * beside.cells()
            + 2 * self.gaps(beside)
    }

    pub(crate) fn start(&self) -> Tally {
        Tally {
            asked: false,
            sites: 0,
            rows: 0,
            classes: Vec::new(),
            yes_no: false,
            bins: Vec::new(),
            missing: Vec::new(),
            firsts: Vec::new(),
            lacks: Vec::new(),
        }
    }

    pub(crate) fn ask(&self, beside: &Beside) -> Result<Layout, RecipeError> {
        let things = self.things(beside, None)?.len();
        let most = MOST_ROWS + MULTIPLE as f64;
        let mut blocks = Vec::new();
        if things > 0 {
            blocks.push(counts(things, 1.0));
        }
        blocks.push(counts(self.figures(), most));
        let cells = self.cells(beside, None)?.len();
        if cells > 0 {
            blocks.extend([counts(2 * cells, 1.0), counts(cells, most)]);
        }
        let paired = self.paired();
        if paired > 0 {
            blocks.extend([counts(paired, 1.0), counts(paired, most)]);
        }
        let further = 2 * beside.cells() + 2 * self.gaps(beside);
        if further > 0 {
            blocks.push(counts(further, 1.0));
        }
        Ok(exact(blocks))
    }

    /// A site's answer. The rows have passed the checks of the method.
    pub(crate) fn answer(&self, beside: &Beside, rows: &Rows<'_>) -> Result<Vec<f64>, RecipeError> {
        if rows.x.ncols() != self.columns.len() {
            return Err(RecipeError::Columns {
                expected: self.columns.len(),
                found: rows.x.ncols(),
            });
        }
        let mut values: Vec<f64> = self
            .things(beside, Some(rows))?
            .iter()
            .map(|(_, is)| f64::from(u8::from(*is)))
            .collect();
        let seen = Seen {
            rows,
            least: self.min_cell as usize,
        };
        let all = match rows.weight {
            Some(weight) => seen.of(weight).count(),
            None => rows.x.nrows(),
        };
        values.push(self.rounded(all));
        for class in self.classes() {
            let of_class = rows
                .y
                .map_or(0, |y| seen.of(y).filter(|value| *value == class).count());
            values.push(self.rounded(of_class));
        }
        let cells = self.cells(beside, Some(rows))?;
        values.extend(cells.iter().map(|cell| f64::from(u8::from(cell.rows > 0))));
        values.extend(
            cells
                .iter()
                .map(|cell| f64::from(u8::from(cell.rows >= self.min_cell as usize))),
        );
        values.extend(cells.iter().map(|cell| self.rounded(cell.rows)));
        let paired = self.paired_rows(rows);
        values.extend(paired.iter().map(|rows| f64::from(u8::from(*rows > 0))));
        values.extend(paired.iter().map(|rows| self.rounded(*rows)));
        let mut bins = Vec::with_capacity(beside.cells());
        for (at, edges) in &beside.bins {
            let column: Array1<f64> = if *at < rows.x.ncols() {
                seen.of(rows.x.index_axis_move(Axis(1), *at)).collect()
            } else {
                Array1::default(0)
            };
            bins.extend(histogram(column.view(), edges));
        }
        for least in [1.0, f64::from(self.min_cell)] {
            values.extend(bins.iter().map(|rows| f64::from(u8::from(*rows >= least))));
        }
        let columns: Vec<_> = rows.x.columns().into_iter().take(beside.gaps).collect();
        let mut gaps: Vec<usize> = columns.iter().map(|of| seen.gaps(*of)).collect();
        for level in 0..self.levels() {
            for is in WITHIN {
                gaps.extend(columns.iter().map(|of| seen.within(*of, level, is)));
            }
        }
        if beside.gaps > 0 {
            for level in 0..self.levels() {
                let first = self.categories.iter().map(|of| self.first_level(of, rows));
                gaps.extend(first.map(|of| seen.within(of.view(), level, |other| other == 0.0)));
            }
        }
        for least in [1, self.min_cell as usize] {
            values.extend(gaps.iter().map(|rows| f64::from(u8::from(*rows >= least))));
        }
        Ok(values)
    }

    fn rounded(&self, count: usize) -> f64 {
        let count = count as u64;
        if count < u64::from(self.min_cell) {
            return 0.0;
        }
        ((count + MULTIPLE / 2) / MULTIPLE * MULTIPLE) as f64
    }

    pub(crate) fn absorb(&self, beside: &Beside, sum: &Sum) -> Result<Tally, RecipeError> {
        let things = self.things(beside, None)?;
        let mut values = Values::of(sum);
        let sites = values.counts(things.len(), "sites of the first round")?;
        let rows = values.count("rows of the first round")?;
        let classes = values.counts(self.classes().len(), "rows of the first round")?;
        let cells = self.cells(beside, None)?;
        let crossed = [
            values.counts(cells.len(), "sites of the first round")?,
            values.counts(cells.len(), "sites of the first round")?,
            values.counts(cells.len(), "rows of the first round")?,
        ];
        let paired = [
            values.counts(self.paired(), "sites of the first round")?,
            values.counts(self.paired(), "rows of the first round")?,
        ];
        let bins = [
            values.counts(beside.cells(), "sites of the first round")?,
            values.counts(beside.cells(), "sites of the first round")?,
        ];
        let any = values.counts(self.gaps(beside), "sites of the first round")?;
        let many = values.counts(self.gaps(beside), "sites of the first round")?;
        values.end()?;
        let all = u64::from(sum.sites);
        let places = [
            &sites,
            &crossed[0],
            &crossed[1],
            &paired[0],
            &bins[0],
            &bins[1],
            &any,
            &many,
        ];
        let some = places.into_iter().flatten().any(|sites| *sites > all);
        if some
            || std::iter::once(&rows)
                .chain(&classes)
                .chain(&crossed[2])
                .chain(&paired[1])
                .any(|rows| !rows.is_multiple_of(MULTIPLE))
        {
            return Err(RecipeError::Implausible {
                what: "the first round",
            });
        }
        let numbers = Self::numbers_among(&things, &sites);
        let mut lacks = self.lacks(&things, (&sites, all), &classes);
        if lacks.is_empty() {
            let few = cells::few(self, &cells, &numbers, (&crossed[..], sum.sites));
            lacks.extend(few.map(|few| things.len() + classes.len() + few));
        }
        if lacks.is_empty() {
            let few = self.few_paired(&numbers, (&paired[0], &paired[1]), sum.sites);
            lacks.extend(few.map(|few| things.len() + classes.len() + cells.len() + few));
        }
        let mut missing = self.hidden(&any, &many, sum.sites);
        for (at, (hides, any)) in missing.iter_mut().zip(&any).enumerate() {
            if let Some(column) = self.valued(beside, at) {
                // As for a yes, a no and a level of all patients; 0 and 1 of a number are neither.
                *hides = self.hides(*any, *any, sum.sites) && !numbers.contains(&column);
            }
        }
        Ok(Tally {
            asked: true,
            sites: sum.sites,
            rows,
            classes,
            yes_no: matches!(&self.outcome, Some(Explained::Number(name)) if !numbers.contains(&name.as_str())),
            bins: self.hidden(&bins[0], &bins[1], sum.sites),
            firsts: missing.split_off((beside.gaps * (1 + self.asked_within())).min(missing.len())),
            missing,
            lacks: lacks.into_iter().map(|at| at as u32).collect(),
        })
    }

    /// The column of which this place among what [`Census::gaps`] counts is a no or a yes in a
    /// group.
    fn valued(&self, beside: &Beside, at: usize) -> Option<&str> {
        let within = at.checked_sub(beside.gaps)?;
        if let Some(first) = within.checked_sub(beside.gaps * self.asked_within()) {
            let category = self.categories.get(first % self.categories.len().max(1))?;
            return Some(&category.of.column);
        }
        let is_gap = (within / beside.gaps).is_multiple_of(WITHIN.len());
        let column = self.columns.get(within % beside.gaps)?;
        (!is_gap).then_some(column.as_str())
    }

    fn levels(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.levels.len())
    }

    /// Numbers that are asked about: missing values of columns, of columns in groups what `WITHIN`
    /// says, and the first level of each category in groups.
    fn gaps(&self, beside: &Beside) -> usize {
        let firsts = if beside.gaps > 0 { self.firsts() } else { 0 };
        beside.gaps * (1 + self.asked_within()) + firsts
    }

    /// 0 in the rows of a category's first level, which has no column of its own.
    fn first_level(&self, category: &Category, rows: &Rows<'_>) -> Array1<f64> {
        let columns = category.columns().filter(|at| *at < rows.x.ncols());
        columns.fold(Array1::zeros(rows.x.nrows()), |sum, at| {
            sum + rows.x.column(at)
        })
    }

    /// First levels of categories in groups.
    pub(crate) fn firsts(&self) -> usize {
        self.levels() * self.categories.len()
    }

    /// How many numbers are asked about of each column in groups.
    pub(crate) fn asked_within(&self) -> usize {
        WITHIN.len() * self.levels()
    }
}
