//! The two vectors: what is asked, what a site answers, and how the sums are read.

use super::hide::{Level, Place, hide, withhold};
use super::model::{Measure, Model};
use super::{BINS, Judgement, Stage, Subgroups};
use crate::auc::Placements;
use crate::error::RecipeError;
use crate::moments::{bounded, counts, exact, limbs};
use crate::rows::{Rows, Values};
use crate::score::{self, Score, logistic};
use crate::windows::counting;
use motet_secagg::layout::{Layout, Sum};

const MISMATCH: RecipeError = RecipeError::Mismatch { what: "state" };

/// How many of each kind of number a level or a place has.
struct Width {
    counts: usize,
    bounded: usize,
    limbs: usize,
}

/// The bins of the score: thousandths of risk joined to about [`BINS`] of equally many rows. One of them begins at risk 0.5.
pub(super) struct Bins {
    /// The bin of each thousandth.
    of: Vec<usize>,
    /// How many bins.
    pub(super) len: usize,
}

impl Bins {
    pub(super) fn of(score: &Score) -> Self {
        let total = score.rows().0;
        let (mut bin, mut seen, mut next) = (0, 0, 1);
        let mut of = Vec::with_capacity(score::BINS);
        let rows = score.negatives.iter().zip(&score.positives).map(|(a, b)| a + b);
        for (at, rows) in rows.enumerate() {
            // A bin ends with the thousandth that takes the rows seen to the next part of all.
            let full = seen * BINS >= total * next;
            if at == score::BINS / 2 || full && seen > 0 && at > 0 {
                bin += 1;
                while seen * BINS >= total * next && next <= BINS {
                    next += 1;
                }
            }
            of.push(bin);
            seen += rows;
        }
        Self { of, len: bin + 1 }
    }

    fn place(&self, p: f64) -> usize {
        self.of.get(score::bin(p, score::BINS)).copied().unwrap_or_default()
    }

    /// The bin that begins at risk 0.5.
    pub(super) fn half(&self) -> usize {
        self.of.get(score::BINS / 2).copied().unwrap_or_default()
    }
}

/// The bins of a model of a yes/no outcome.
pub(super) fn bins(model: &Model<'_>) -> Result<Bins, RecipeError> {
    model.score().map(Bins::of).ok_or(MISMATCH)
}

impl Subgroups {
    /// Numbers of a level, and of a place, in the second vector.
    fn widths(&self, model: &Model<'_>) -> Result<[Width; 2], RecipeError> {
        Ok(match model.measure()? {
            Measure::Risk => [
                Width { counts: 2 * bins(model)?.len, bounded: 2, limbs: 0 },
                Width { counts: 4, bounded: 2, limbs: 2 },
            ],
            Measure::Number => [0, 0].map(|_| Width { counts: 1, bounded: 0, limbs: 4 }),
        })
    }

    /// Levels of all groups together.
    fn levels(&self) -> usize {
        self.groups.iter().map(|group| group.levels().len()).sum()
    }

    pub(super) fn ask_levels(&self, places: usize, model: &Model<'_>, sites: u32) -> Layout {
        counting(4 * self.levels() + places, sites, model.rows().0)
    }

    pub(super) fn ask_figures(
        &self,
        judgement: &Judgement,
        model: &Model<'_>,
        sites: u32,
    ) -> Result<Layout, RecipeError> {
        let [level, place] = self.widths(model)?;
        let (levels, places) = (judgement.shown().count(), judgement.telling());
        let rows = model.rows().0;
        let blocks = [
            counts(levels * level.counts + places * place.counts, rows as f64),
            bounded(levels * level.bounded + places * place.bounded, sites, rows),
            limbs(levels * level.limbs + places * place.limbs),
        ];
        Ok(exact(blocks.into_iter().filter(|block| block.len > 0).collect()))
    }

    /// A site's answer to either question.
    pub(crate) fn answer(
        &self,
        judgement: &Judgement,
        model: &Model<'_>,
        rows: &Rows<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        let site = Site::of(self, judgement, model, rows)?;
        match judgement.stage {
            Stage::Levels => Ok(site.levels(self.places(judgement)?)),
            Stage::Figures => site.figures(judgement, model),
            Stage::Finished => Err(MISMATCH),
        }
    }

    pub(super) fn absorb_levels(
        &self,
        judgement: &Judgement,
        model: &Model<'_>,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let all = model.rows();
        let mut values = Values::of(sum);
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let mut levels = Vec::new();
            for _ in group.levels() {
                levels.push(Level::read(&values.counts(4, "a group")?, u64::from(sum.sites))?);
            }
            let total = levels
                .iter()
                .fold((0, 0), |(rows, events), level| (rows + level.rows, events + level.events));
            if total != all {
                return Err(RecipeError::Implausible { what: "rows of a group" });
            }
            groups.push(levels);
        }
        let flags = values.counts(self.places(judgement)?, "sites that tell their figures")?;
        values.end()?;
        let telling = flags.iter().sum::<u64>();
        if flags.iter().any(|flag| *flag > 1) || telling > u64::from(sum.sites) {
            return Err(RecipeError::Implausible { what: "sites that tell their figures" });
        }
        let places = withhold(&flags, u64::from(sum.sites), u64::from(self.min_sites));
        let open = !places.contains(&Place::Withheld);
        for levels in &mut groups {
            hide(levels, self, model.measure()? == Measure::Risk, open);
        }
        let next = Judgement { stage: Stage::Figures, groups, places, ..judgement.clone() };
        let nothing = next.shown().count() == 0 && next.telling() == 0;
        Ok(if nothing { Judgement { stage: Stage::Finished, ..next } } else { next })
    }

    pub(super) fn absorb_figures(
        &self,
        judgement: &Judgement,
        model: &Model<'_>,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let [level, place] = self.widths(model)?;
        let (levels, places) = (judgement.shown().count(), judgement.telling());
        let mut values = Values::of(sum);
        let counts =
            values.counts(levels * level.counts + places * place.counts, "the figures of a group")?;
        let sums = values.take(levels * level.bounded + places * place.bounded)?.to_vec();
        let limbs = values.take(levels * level.limbs + places * place.limbs)?.to_vec();
        values.end()?;
        let next = Judgement { stage: Stage::Finished, counts, sums, limbs, ..judgement.clone() };
        next.holds_together(model.measure()?, &[level.counts, place.counts])?;
        Ok(next)
    }
}

impl Level {
    fn read(figures: &[u64], sites: u64) -> Result<Self, RecipeError> {
        match figures {
            [at, apart, rows, events]
                if apart <= at && *at <= sites && at <= rows && events <= rows && (*at > 0 || *rows == 0) =>
            {
                Ok(Self { sites: *at, apart: *apart, rows: *rows, events: *events, hidden: None })
            }
            _ => Err(RecipeError::Implausible { what: "rows of a group" }),
        }
    }
}

impl Judgement {
    /// The second sum must be about the rows of the first, and each figure one that rows can have.
    fn holds_together(&self, measure: Measure, widths: &[usize; 2]) -> Result<(), RecipeError> {
        let [level, place] = *widths;
        let counts = self.counts.split_at_checked(level * self.shown().count()).ok_or(MISMATCH)?;
        let (levels, places) = (counts.0.chunks(level.max(1)), counts.1.chunks(place.max(1)));
        let total = |found: &[u64]| found.iter().sum::<u64>();
        let of_level = |(known, found): (&Level, &[u64])| match measure {
            Measure::Risk => {
                let (others, events) = found.split_at(found.len() / 2);
                (total(others), total(events)) == (known.rows - known.events, known.events)
            }
            Measure::Number => total(found) == known.rows,
        };
        let of_place = |found: &[u64]| match found {
            [rows, events, of_events, of_others] => {
                events <= rows && of_events <= events && *of_others <= rows - events
            }
            _ => true,
        };
        let first = |found: &[u64]| found.first().copied().unwrap_or_default();
        let rows = self.shown().map(|level| level.rows).chain(places.clone().map(first));
        let good = self.shown().zip(levels).all(of_level)
            && places.clone().all(of_place)
            && match measure {
                Measure::Risk => {
                    self.sums.chunks(2).zip(rows).all(|(sums, rows)| within(sums, rows as f64))
                    // Area and variance of each place.
                    && within(&self.limbs, 1.0)
                }
                Measure::Number => self.limbs.chunks(4).all(|sums| match sums {
                    [_, d_squares, _, r_squares] => *d_squares >= 0.0 && *r_squares >= 0.0,
                    _ => false,
                }),
            };
        if good { Ok(()) } else { Err(RecipeError::Implausible { what: "the figures of a group" }) }
    }
}

/// Whether figures are from 0 to `most`, but for the rounding of each site's part.
fn within(figures: &[f64], most: f64) -> bool {
    const ROUNDING: f64 = 1e-6;
    figures.iter().all(|figure| (0.0..=most + ROUNDING).contains(figure))
}

/// The rows of one site, with what the model says of them.
struct Site {
    measure: Measure,
    /// What the model says, and the outcome; nothing of rows it is not judged on.
    predictions: Vec<Option<(f64, f64)>>,
    /// Of each group the number of its levels, and the level of every row.
    groups: Vec<(usize, Vec<usize>)>,
    /// The place where this site tells its figures.
    slot: Option<usize>,
}

impl Site {
    fn of(
        asked: &Subgroups,
        judgement: &Judgement,
        model: &Model<'_>,
        rows: &Rows<'_>,
    ) -> Result<Self, RecipeError> {
        let predictions = model.predictions(rows)?;
        let count = predictions.len();
        let mut groups = Vec::with_capacity(asked.groups.len());
        for (at, group) in asked.groups.iter().enumerate() {
            let values = rows.groups.filter(|groups| groups.nrows() == count && at < groups.ncols());
            let missing = || RecipeError::NoColumn { column: group.column.clone(), rows: count };
            groups.push((group.levels().len(), group.places(values.ok_or_else(missing)?.column(at))?));
        }
        let mut site = Self { measure: model.measure()?, predictions, groups, slot: None };
        let here = rows.slot.filter(|slot| asked.sites && *slot < judgement.roster);
        site.slot = here.map(|slot| slot as usize).filter(|_| site.is_large(u64::from(asked.min_cell)));
        Ok(site)
    }

    fn judged(&self) -> impl Iterator<Item = (f64, f64)> {
        self.predictions.iter().flatten().copied()
    }

    /// Whether this site has rows enough to tell figures of its own.
    fn is_large(&self, least: u64) -> bool {
        let rows = self.judged().count() as u64;
        let events = self.judged().filter(|(_, y)| *y == 1.0).count() as u64;
        rows >= least && (self.measure == Measure::Number || events >= least && rows - events >= least)
    }

    fn levels(&self, places: usize) -> Vec<f64> {
        let mut values = Vec::new();
        for (len, of) in &self.groups {
            let mut cells = vec![[0.0; 4]; *len];
            for (pair, level) in self.predictions.iter().zip(of) {
                if let (Some((_, y)), Some([sites, apart, rows, events])) = (pair, cells.get_mut(*level)) {
                    (*sites, *apart) = (1.0, f64::from(u8::from(self.slot.is_none())));
                    *rows += 1.0;
                    *events += if self.measure == Measure::Risk { *y } else { 0.0 };
                }
            }
            values.extend(cells.into_iter().flatten());
        }
        values.extend((0..places).map(|place| f64::from(u8::from(self.slot == Some(place)))));
        values
    }

    fn figures(&self, judgement: &Judgement, model: &Model<'_>) -> Result<Vec<f64>, RecipeError> {
        let bins = match self.measure {
            Measure::Risk => Some(bins(model)?),
            Measure::Number => None,
        };
        let centre = model.scale().0;
        let [mut counts, mut sums, mut limbs] = [Vec::new(), Vec::new(), Vec::new()];
        for ((_, of), levels) in self.groups.iter().zip(&judgement.groups) {
            for (at, _) in levels.iter().enumerate().filter(|(_, level)| level.is_shown()) {
                let rows = self.predictions.iter().zip(of).filter(|(_, level)| **level == at);
                let rows: Vec<(f64, f64)> = rows.filter_map(|(pair, _)| *pair).collect();
                match &bins {
                    Some(bins) => {
                        counts.extend(histogram(&rows, bins));
                        sums.extend(risks(&rows));
                    }
                    None => {
                        counts.push(rows.len() as f64);
                        limbs.extend(rests(&rows, centre));
                    }
                }
            }
        }
        let told = judgement.places.iter().enumerate().filter(|(_, place)| **place == Place::Told);
        for (place, _) in told {
            // Who does not tell, or tells elsewhere, leaves zeros.
            let mine = self.slot == Some(place);
            let rows: Vec<(f64, f64)> = if mine { self.judged().collect() } else { Vec::new() };
            match self.measure {
                Measure::Risk => {
                    counts.extend(table(&rows));
                    sums.extend(risks(&rows));
                    limbs.extend(area(&rows));
                }
                Measure::Number => {
                    counts.push(rows.len() as f64);
                    limbs.extend(rests(&rows, centre));
                }
            }
        }
        Ok([counts, sums, limbs].concat())
    }
}

/// Rows without the outcome in each bin, then those with it.
fn histogram(rows: &[(f64, f64)], bins: &Bins) -> Vec<f64> {
    let mut cells = vec![0.0; 2 * bins.len];
    for (x, y) in rows {
        let at = bins.place(logistic(*x)) + if *y == 1.0 { bins.len } else { 0 };
        if let Some(cell) = cells.get_mut(at) {
            *cell += 1.0;
        }
    }
    cells
}

/// Sum of p, and of (p - y)^2.
fn risks(rows: &[(f64, f64)]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    for (x, y) in rows {
        let p = logistic(*x);
        for (sum, term) in sums.iter_mut().zip([p, (p - y) * (p - y)]) {
            *sum += term;
        }
    }
    sums
}

/// Rows, rows with the outcome, and rightly predicted ones at risk 0.5: with the outcome, without it.
fn table(rows: &[(f64, f64)]) -> [f64; 4] {
    let mut cells = [0.0; 4];
    for (x, y) in rows {
        let (high, event) = (logistic(*x) >= 0.5, *y == 1.0);
        let terms = [true, event, event && high, !event && !high];
        for (cell, term) in cells.iter_mut().zip(terms) {
            *cell += f64::from(u8::from(term));
        }
    }
    cells
}

/// The area under the ROC curve and its variance; zeros where there is none.
fn area(rows: &[(f64, f64)]) -> [f64; 2] {
    let (scores, y): (Vec<f64>, Vec<f64>) = rows.iter().copied().unzip();
    Placements::of(&scores, &y).map_or([0.0; 2], |placements| {
        let (area, variance) = placements.spread();
        [area, variance]
    })
}

/// Sums of d, d^2, r and r^2.
fn rests(rows: &[(f64, f64)], centre: f64) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for (mean, y) in rows {
        let (d, r) = (y - centre, y - mean);
        for (sum, term) in sums.iter_mut().zip([d, d * d, r, r * r]) {
            *sum += term;
        }
    }
    sums
}
