//! The floors of a site: what no study that it answers goes below, whatever its stewards would
//! approve. A floor refuses; it never changes what a study asks or what its release shows. A study
//! can ask for more than a floor, and then its own number applies.

use super::Study;
use motet_recipes::{Fineness, Times};

/// Fewest rows with which a site takes part.
pub const LEAST_ROWS: u32 = 10;
/// Fewest patients of a cell that a release shows.
pub const LEAST_CELL: u32 = 5;
/// What `count` rounds to: with less, one patient more or less is seen.
pub const LEAST_MULTIPLE: u32 = 10;
/// Days between two points of the grid of times: a day of death, or nearly, tells who died.
pub const LEAST_STEP: f64 = 7.0;
/// Most bins of a column: of more, many hold one patient.
pub const MOST_BINS: u32 = 256;

/// The floors of one site.
#[derive(Debug, Clone, PartialEq)]
pub struct Floors {
    /// Fewest rows with which the site takes part.
    pub min_rows: u32,
    /// Fewest patients of a cell that a release shows.
    pub min_cell: u32,
    /// What `count` rounds to.
    pub multiple: u32,
    /// Days between two points of the grid of times.
    pub step: f64,
    /// Most bins of a column.
    pub bins: u32,
    /// Whether the smallest and the largest value may be looked for.
    pub extremes: bool,
    /// Whether times may be taken as they are, or on a finer grid than `step`.
    pub exact_times: bool,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            min_rows: LEAST_ROWS,
            min_cell: LEAST_CELL,
            multiple: LEAST_MULTIPLE,
            step: LEAST_STEP,
            bins: MOST_BINS,
            extremes: false,
            exact_times: false,
        }
    }
}

/// Days of a unit of time, by its UCUM code; a month and a year are the mean ones of the Julian
/// calendar.
fn days(unit: &str) -> Option<f64> {
    Some(match unit {
        "s" => 1.0 / 86_400.0,
        "min" => 1.0 / 1_440.0,
        "h" => 1.0 / 24.0,
        "d" => 1.0,
        "wk" => 7.0,
        "mo" | "mo_j" => 30.4375,
        "a" | "a_j" => 365.25,
        _ => return None,
    })
}

impl Study {
    fn fineness(&self) -> Fineness<'_> {
        self.recipe.method.fineness()
    }

    /// Whether times between the points of the grid stay as they are, which a site must allow by
    /// itself.
    pub fn shows_exact_times(&self) -> bool {
        let grid = self.fineness().grid;
        grid.is_some_and(|grid| grid.times == Times::Exact)
    }

    /// Fewest patients of a cell that the release shows, where it shows cells.
    pub fn cell(&self) -> Option<u32> {
        let of_judgement = self.recipe.judged.as_ref().map(|asked| asked.min_cell);
        self.fineness().cell.into_iter().chain(of_judgement).min()
    }

    /// Fewest patients that are few no more in the first round, which a page tells no fewer of.
    pub fn first_cell(&self) -> u32 {
        let census = self.recipe.census.as_ref();
        census.map_or(LEAST_CELL, |census| census.min_cell.max(LEAST_CELL))
    }

    /// The first floor that this study goes below, in words that name the key of node.toml. Of
    /// `min_rows` only the leaves of trees are held here: a site's rows are when they are known.
    pub fn below(&self, floors: &Floors) -> Option<String> {
        less("shows cells from", "min_cell", self.cell(), floors.min_cell)
            .or_else(|| less("rounds its counts to", "multiple", self.fineness().multiple, floors.multiple))
            .or_else(|| {
                let bins = self.fineness().bins.filter(|bins| *bins > floors.bins as usize)?;
                let most = floors.bins;
                Some(format!("divides a column into `{bins}` bins, and the site's floor is `bins = {most}`: the proposer writes fewer"))
            })
            .or_else(|| less("fits leaves of", "min_rows", self.fineness().leaf, floors.min_rows))
            .or_else(|| {
                (self.fineness().extremes && !floors.extremes).then(|| {
                    "looks for the smallest and the largest value, each one \
                     patient's; `extremes = true` under `[limits]` of \
                     node.toml allows that, or the proposer leaves them out"
                        .to_owned()
                })
            })
            .or_else(|| {
                (self.shows_exact_times() && !floors.exact_times).then(|| {
                    "takes times as they are, and the sum shows them; `exact_times = \
                     true` under `[limits]` of node.toml allows that, \
                     or the proposer writes times = \"grid\""
                        .to_owned()
                })
            })
    }

    /// Why the grid of times is finer than the site's floor, given the UCUM unit that its schema
    /// gives the time, where the study names none itself; nothing where it is not, where the study
    /// shows no times, and where the site allows exact ones.
    pub fn too_fine(&self, floors: &Floors, unit: Option<&str>) -> Option<String> {
        let grid = self.fineness().grid.filter(|_| !floors.exact_times)?;
        let step = grid.step;
        let floor = floors.step;
        let unit = self.time_unit().or(unit);
        match unit.and_then(|unit| days(unit).map(|days| (unit, days))) {
            Some((_, days)) if step * days >= floor => None,
            Some((unit, _)) => Some(format!(
                "counts times on a grid of `{step}` {unit}, and the site's floor `step` \
                 is `{floor}` days; `exact_times = true` under \
                 `[limits]` of node.toml allows that, or the proposer writes a wider `step`"
            )),
            None => Some(format!(
                "counts times on a grid of `{step}`, and the schema names no unit \
                 of time for them, so nobody can tell whether \
                 that is the `{floor}` days of the site's floor `step`; write `unit = \"d\"` (or \"wk\", \"mo\", \"a\") in the schema, or \
                 `exact_times = true` under `[limits]` of node.toml"
            )),
        }
    }

    /// The unit of the time, where the study names one: sites convert to it.
    fn time_unit(&self) -> Option<&str> {
        let time = self.data.time.as_deref()?;
        self.meaning(time)?.unit.as_deref()
    }

    /// Which number applies at a site with these floors, a sentence each for the steward.
    pub(super) fn applies(&self, floors: &Floors) -> Vec<String> {
        let asked = self.privacy.min_rows;
        let rows = asked.max(floors.min_rows);
        let mut lines = vec![if self.fineness().multiple.is_some() {
            "your site takes part however few rows it has: so few are told as none".to_owned()
        } else {
            format!(
                "a site takes part with enough rows only: your site's rule is {}, this \
                 study asks for {asked}, so {rows} applies; with \
             fewer, or with values that the \
             method refuses, approving signs a \
             decline that gives no reason, and a site where that is \
             so later is away to the others",
                floors.min_rows
            )
        }];
        lines.extend(line(
            "fewest patients of a cell that is shown",
            floors.min_cell,
            self.cell(),
        ));
        if self.cell().is_none() {
            lines.push(format!(
                "groups of fewer than {} patients are joined in what is released; \
                 your site's `min_cell` does not apply to this \
                 method",
                self.first_cell()
            ));
        }
        lines.extend(line(
            "counts are rounded to multiples",
            floors.multiple,
            self.fineness().multiple,
        ));
        if let Some(bins) = self.fineness().bins {
            lines.push(format!(
                "bins of a column: your site's rule is {} at the most, this study asks for {bins}",
                floors.bins
            ));
        }
        if let Some(grid) = self
            .fineness()
            .grid
            .filter(|grid| grid.times == Times::Grid)
        {
            let rule = if floors.exact_times {
                "any".to_owned()
            } else {
                format!("{} days or more", floors.step)
            };
            lines.push(format!(
                "times are counted on a grid: your site's rule is {rule}, this study asks \
                 for {} of {}; \
                 where that is finer than your rule, `approve` refuses",
                grid.step,
                match self.time_unit() {
                    Some(unit) => format!("the study's unit of time, `{unit}`"),
                    None => "the unit that your schema gives the time".to_owned(),
                }
            ));
        }
        lines
    }
}

/// That a study asks for less than a floor, naming its key.
fn less(of: &str, key: &str, asked: Option<u32>, floor: u32) -> Option<String> {
    let asked = asked.filter(|asked| *asked < floor)?;
    Some(format!(
        "{of} `{asked}`, and the site's floor `{key}` is `{floor}`: the proposer writes that or more"
    ))
}

/// A floor beside what a study asks for; nothing where it asks for none such.
fn line(what: &str, floor: u32, asked: Option<u32>) -> Option<String> {
    let asked = asked?;
    Some(format!(
        "{what}: your site's rule is {floor} or more, this study asks for {asked}"
    ))
}
