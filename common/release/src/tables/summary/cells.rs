//! Small cells of histograms and of the table by group. The recipe withholds cells below the
//! study's own limit, and where the limit of the release is higher, further ones go: a histogram
//! with all its cells, and of a line of the table never one cell alone, for its total would give it
//! back. Where the number of a column's values may not be told, no histogram, quantile, share,
//! degree of freedom or test of that column tells it; where that is because few sites lack them, no
//! line by group either. A test goes with the first cell of its line that is withheld.

use super::columns::{DIGITS, SUMS, counts, digits, hide, ones, ones_of, rounded, unit};
use crate::kit::cells::{one_sided, small};
use motet_recipes::Variable;
use motet_recipes::summary::SummaryOutcome;
use motet_recipes::summary::{Cell, Line};
use std::collections::BTreeSet;

/// What is few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Least {
    /// Patients of a cell that is shown.
    pub(crate) cell: u64,
    /// Sites, and so patients, of a cell that is not empty.
    pub(crate) sites: u64,
}

/// Hides what tells of few in the columns, and then in what is told beside them.
pub(crate) fn protect(summary: &mut SummaryOutcome, least: Least) {
    let smallest = least.cell;
    // As they were before anything of them was hidden.
    let told = Columns {
        variables: summary.variables.clone(),
        smallest,
    };
    for variable in &mut summary.variables {
        hide(variable, smallest);
    }
    let Some(details) = &mut summary.details else {
        return;
    };
    for distribution in &mut details.distributions {
        distribution.withhold_below(smallest);
        if let Some(own) = told.of(&distribution.name) {
            distribution.withhold_close(own.count, smallest);
        }
        if told.is_vague(&distribution.name) {
            // Its total is the number of values, and a quantile lies at a fraction of it.
            distribution.withhold();
            distribution.withhold_quantiles();
        }
    }
    let Some(table) = &mut details.table else {
        return;
    };
    let levels: Vec<_> = table
        .levels
        .iter()
        .map(|(_, rows)| rows.map(|rows| (rows, 0)))
        .collect();
    let few = levels
        .iter()
        .map(|level| level.is_some_and(|level| is_few(level, smallest)));
    let hidden = hidden(&levels, few.collect(), least);
    for (level, hidden) in table.levels.iter_mut().zip(hidden) {
        level.1 = level.1.filter(|_| !hidden);
    }
    let levels: Vec<Option<u64>> = table.levels.iter().map(|level| level.1).collect();
    let mut further = BTreeSet::new();
    let mut open = BTreeSet::new();
    for own in &mut table.lines {
        let variable = told.of(&own.name);
        let few = variable.is_some_and(|variable| variable.few_missing);
        for (cell, rows) in own.cells.iter_mut().zip(&levels) {
            if few || rows.is_none() {
                *cell = Cell::Withheld;
            }
        }
        let beside = Beside {
            levels: &levels,
            yes_no: variable.is_some_and(|variable| ones(variable).is_some()),
            vague: told.is_vague(&own.name),
            whole: variable
                .and_then(|of| ones(of).map(|with| (with, of.count.saturating_sub(with)))),
        };
        if line(own, &beside, least) {
            further.extend(own.category);
        }
        if own.cells.contains(&Cell::Withheld) {
            open.extend(own.category);
        }
    }
    // Levels of a category make up a total, and have one test. The recipe has hidden them together;
    // what is hidden of one of them here is hidden of all.
    for line in &mut table.lines {
        let Some(category) = line.category else {
            continue;
        };
        if further.contains(&category) {
            line.cells.fill(Cell::Withheld);
        }
        if open.contains(&category) {
            line.test = None;
        }
    }
}

/// The columns of the summary.
struct Columns {
    variables: Vec<Variable>,
    smallest: u64,
}

impl Columns {
    fn of(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|variable| variable.name == name)
    }

    /// Whether the number of its values is withheld.
    fn is_vague(&self, name: &str) -> bool {
        let own = self.of(name);
        own.is_none_or(|variable| counts(variable, self.smallest).is_none())
    }
}

/// What the rest of the page tells of a line.
struct Beside<'a> {
    /// Rows of each level.
    levels: &'a [Option<u64>],
    /// Whether the column holds nothing but 0 and 1.
    yes_no: bool,
    /// Whether the number of its values is withheld.
    vague: bool,
    /// Of a column of 0 and 1 how many of all have it, and how many do not.
    whole: Option<(u64, u64)>,
}

/// Which cells of a line are hidden besides those that are (`None`): those that are `hidden` by
/// themselves, and then the smallest others until two are hidden at least and what they have
/// together is not few, and more than the least that each of them can have.
fn hidden(cells: &[Option<(u64, u64)>], mut hidden: Vec<bool>, least: Least) -> Vec<bool> {
    if !hidden.contains(&true) {
        return hidden;
    }
    let before = cells.iter().filter(|cell| cell.is_none()).count();
    loop {
        let mine = cells
            .iter()
            .zip(&hidden)
            .filter_map(|(cell, hidden)| cell.filter(|_| *hidden));
        let sum = mine
            .clone()
            .fold((0, 0), |sum, cell| (sum.0 + cell.0, sum.1 + cell.1));
        let filled = mine.clone().fold((0, 0), |filled, cell| {
            let with = filled.0 + u64::from(cell.0 > 0);
            let without = filled.1 + u64::from(cell.1 > 0);
            (with, without)
        });
        if before + mine.count() > 1 && !least.fixes(sum, filled) {
            return hidden;
        }
        let next = cells
            .iter()
            .zip(&mut hidden)
            .filter_map(|(cell, hidden)| cell.filter(|_| !*hidden).map(|cell| (cell, hidden)))
            .min_by_key(|(cell, _)| size(*cell));
        match next {
            Some((_, hidden)) => *hidden = true,
            None => return hidden,
        }
    }
}

/// Hides further cells until what the shown ones leave of the whole is not few: of a yes in groups
/// that are withheld together, too.
fn open_rest(cells: &[Option<(u64, u64)>], hidden: &mut [bool], whole: (u64, u64), least: Least) {
    loop {
        let shown: Vec<(usize, (u64, u64))> = cells
            .iter()
            .zip(hidden.iter())
            .enumerate()
            .filter_map(|(at, (cell, hidden))| cell.filter(|_| !hidden).map(|cell| (at, cell)))
            .collect();
        if shown.len() == cells.len() {
            return;
        }
        let with: u64 = shown.iter().map(|(_, cell)| cell.0).sum();
        let without: u64 = shown.iter().map(|(_, cell)| cell.1).sum();
        let rest = (
            whole.0.saturating_sub(with),
            whole.1.saturating_sub(without),
        );
        let smallest_shown = shown.iter().min_by_key(|(_, cell)| size(*cell));
        // How many of the withheld cells somebody is in is not known here.
        let filled = (cells.len() - shown.len()) as u64;
        let Some((at, _)) = smallest_shown.filter(|_| least.fixes(rest, (filled, filled))) else {
            return;
        };
        if let Some(hidden) = hidden.get_mut(*at) {
            *hidden = true;
        }
    }
}

impl Least {
    /// Whether so many patients of one kind and of the other are few, or no more than each of so
    /// many cells that they are in must have.
    fn fixes(self, patients: (u64, u64), filled: (u64, u64)) -> bool {
        is_few(patients, self.cell)
            || self.is_all(patients.0, filled.0)
            || self.is_all(patients.1, filled.1)
    }

    fn is_all(self, patients: u64, filled: u64) -> bool {
        patients > 0 && patients <= filled * self.sites
    }
}

fn is_few(cell: (u64, u64), smallest: u64) -> bool {
    small(cell.0, smallest) || small(cell.1, smallest)
}

/// The smallest with rows comes first, an empty one last.
fn size((with, without): (u64, u64)) -> (bool, u64) {
    let least = if without == 0 {
        with
    } else {
        with.min(without)
    };
    (least == 0, least)
}

/// Whether cells were hidden that the recipe shows.
fn line(line: &mut Line, beside: &Beside<'_>, least: Least) -> bool {
    let smallest = least.cell;
    debug_assert_eq!(
        line.cells.len(),
        beside.levels.len(),
        "a cell for each level"
    );
    let counts: Vec<Option<(u64, u64)>> = line
        .cells
        .iter()
        .map(|cell| count(cell, beside.yes_no))
        .collect();
    let cells = line.cells.iter().zip(&counts);
    let few = cells.map(|(cell, count)| {
        count.is_some_and(|count| is_few(count, smallest))
            || !beside.yes_no && tells_values(cell, smallest)
    });
    let mut further = hidden(&counts, few.collect(), least);
    if let Some(whole) = beside.whole {
        open_rest(&counts, &mut further, whole, least);
    }
    for (cell, hidden) in line.cells.iter_mut().zip(&further) {
        if *hidden {
            *cell = Cell::Withheld;
        }
    }
    // Beside the rows of a level its values tell those that are missing.
    let mut beside_levels = line.cells.iter().zip(beside.levels);
    let vague = beside.vague
        || beside_levels.any(|(cell, rows)| match (values(cell), rows) {
            (Some(values), Some(rows)) => small(rows.saturating_sub(values), smallest),
            _ => false,
        });
    if vague {
        blur(&mut line.cells, beside, smallest);
    }
    if vague || line.cells.contains(&Cell::Withheld) {
        line.test = None;
    }
    further.contains(&true)
}

/// Those with it and those without it, of a share and of the mean of a yes/no column: both must be
/// many.
fn count(cell: &Cell, yes_no: bool) -> Option<(u64, u64)> {
    match *cell {
        Cell::Number {
            values: Some(values),
            mean,
            ..
        } if yes_no && values > 0 => {
            let ones = (mean * values as f64).round() as u64;
            Some((ones, values.saturating_sub(ones)))
        }
        Cell::Share {
            values: Some(values),
            rows: Some(rows),
            ..
        } => Some((rows, values.saturating_sub(rows))),
        Cell::Number { values, .. } => values.map(|values| (values, 0)),
        Cell::Share { .. } | Cell::Withheld => None,
    }
}

/// Whether mean and standard deviation of a number in a group tell of patients there: all have the
/// same value, or only 0 and 1 and few of one of them.
fn tells_values(cell: &Cell, smallest: u64) -> bool {
    let Cell::Number {
        values: Some(values),
        mean,
        sd,
    } = *cell
    else {
        return false;
    };
    // As exact as means and deviations are told; one that is not known is that of values as close.
    let same = values > 0 && (sd.is_nan() || sd.abs() <= 1e-9 * mean.abs());
    same || ones_of(values, mean, sd * sd).is_some_and(|ones| one_sided(values, ones, smallest))
}

/// Values of which a whole per cent is some number of patients, whatever their number.
const HUNDRED: u64 = 100;

/// The cells of a line whose numbers of values are withheld: rounded means, and shares in whole per
/// cent.
fn blur(cells: &mut [Cell], beside: &Beside<'_>, smallest: u64) {
    let means: Vec<(u64, f64)> = cells
        .iter()
        .filter_map(|cell| Some((values(cell)?, mean(cell)?)))
        .collect();
    let sds: Vec<(u64, f64)> = cells
        .iter()
        .filter_map(|cell| match cell {
            Cell::Number { values, sd, .. } => values.zip(Some(*sd).filter(|sd| sd.is_finite())),
            _ => None,
        })
        .collect();
    let open_means = open(&means, smallest);
    let open_sds = open(&sds, smallest);
    for (cell, rows) in cells.iter_mut().zip(beside.levels) {
        let values = values(cell);
        // So many rows that there are a hundred values however many of the withheld number are
        // missing.
        let many = values.is_some_and(|values| values >= HUNDRED)
            && rows.is_some_and(|rows| rows >= HUNDRED + smallest.saturating_sub(1));
        let is_told = many && open_means <= PER_CENT;
        let unit = rows.or(values).map_or(SUMS, unit);
        let digits = rows.or(values).map_or(DIGITS, digits);
        *cell = match *cell {
            Cell::Number { mean, .. } if beside.yes_no => {
                share(mean, is_told).map_or(Cell::Withheld, |mean| {
                    let sd = rounded((mean * (1.0 - mean)).max(0.0).sqrt(), PER_CENT, DIGITS);
                    Cell::Number {
                        values: None,
                        mean,
                        sd,
                    }
                })
            }
            Cell::Number { mean, sd, .. } => Cell::Number {
                values: None,
                mean: rounded(mean, unit.max(open_means), digits),
                sd: rounded(sd, unit.max(open_sds), digits),
            },
            Cell::Share { share: part, .. } => {
                share(part, is_told).map_or(Cell::Withheld, |share| Cell::Share {
                    values: None,
                    rows: None,
                    share,
                })
            }
            Cell::Withheld => Cell::Withheld,
        };
    }
}

const PER_CENT: f64 = 0.01;

/// A share in whole per cent, where it is told.
fn share(share: f64, is_told: bool) -> Option<f64> {
    let share = is_told.then(|| rounded(share, PER_CENT, DIGITS));
    share.filter(|share| share.is_finite())
}

fn values(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Number { values, .. } | Cell::Share { values, .. } => *values,
        Cell::Withheld => None,
    }
}

fn mean(cell: &Cell) -> Option<f64> {
    let mean = match cell {
        Cell::Number { mean, .. } => *mean,
        Cell::Share { share, .. } => *share,
        Cell::Withheld => return None,
    };
    mean.is_finite().then_some(mean)
}

/// The unit of figures of groups (values, figure) beside number and figure of all patients: a few
/// patients more in one group and fewer in another move the sum by less than the rounding leaves
/// open.
fn open(groups: &[(u64, f64)], smallest: u64) -> f64 {
    let ends = groups.iter().fold((f64::MAX, f64::MIN), |ends, group| {
        (ends.0.min(group.1), ends.1.max(group.1))
    });
    let all: u64 = groups.iter().map(|group| group.0).sum();
    2.0 * smallest as f64 * (ends.1 - ends.0).max(0.0) / all.max(1) as f64
}

#[cfg(test)]
mod tests;
