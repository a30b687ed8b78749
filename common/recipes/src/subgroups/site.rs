//! What one site answers from its rows.

use super::cells::{Bins, bins};
use super::hide::{Classes, Place};
use super::lines::Lines;
use super::model::{Measure, Model, Predictions};
use super::ranks::{self, Ranked};
use super::{Judgement, Stage, SubgroupKind, Subgroups, unlike};
use crate::auc::Placements;
use crate::error::RecipeError;
use crate::rows::Rows;
use crate::score::{self, logistic};
use std::collections::BTreeSet;

impl Subgroups {
    /// A site's answer to either question.
    pub(crate) fn answer(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        rows: &Rows<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        let site = Site::of(self, judgement, model, rows)?;
        match judgement.stage {
            Stage::Levels => Ok(site.levels(self, self.places(judgement)?)),
            Stage::Figures => {
                site.is_heard(judgement, rows)?;
                site.figures(judgement, model)
            }
            Stage::Predictions => {
                let parts = site.parts(&self.shown_parts(judgement));
                Ok(unlike::predictions(&parts, model))
            }
            Stage::Unlike => {
                let parts = site.parts(&self.shown_parts(judgement));
                self.unlike(judgement, &parts, model)
            }
            Stage::Line(_) => {
                let lines = self.lines(judgement, model.measure())?;
                Ok(site.lines(&self.shown_parts(judgement), &lines))
            }
            Stage::Finished => Err(RecipeError::Mismatch { what: "state" }),
        }
    }
}

/// The rows of one site, with what the model says of them.
struct Site {
    measure: Measure,
    /// What the model says.
    predictions: Predictions,
    /// The outcome of each row: of a number as the table has it,
    /// for in what the model says it is on the scale of the fit.
    outcomes: Vec<f64>,
    /// Of each group the number of its levels, and the level of
    /// every row.
    groups: Vec<(usize, Vec<usize>)>,
    /// The place where this site tells its figures.
    slot: Option<usize>,
    /// How many rows, the first ones, the model was fitted on: a
    /// site's own figures, and levels of all groups but the parts,
    /// are of these.
    fitted: usize,
}

impl Site {
    fn of(
        asked: &Subgroups,
        judgement: &Judgement,
        model: &dyn Model,
        rows: &Rows<'_>,
    ) -> Result<Self, RecipeError> {
        let rows = &if asked.holds_out() {
            *rows
        } else {
            rows.fitted()
        };
        let mut predictions = model.predictions(&rows.fitted())?;
        let fitted = predictions.pairs.len();
        if asked.holds_out() {
            predictions.add(model.predictions_of_others(&held_out(rows)?)?);
        }
        let count = predictions.pairs.len();
        let columns = rows.fitted().groups;
        let mut groups = Vec::with_capacity(asked.groups.len());
        for (at, group) in asked.groups.iter().enumerate() {
            let places = match group.kind {
                SubgroupKind::HeldOut => (0..count).map(|row| usize::from(row >= fitted)).collect(),
                _ => {
                    let values = columns
                        .filter(|columns| columns.nrows() == fitted && at < columns.ncols())
                        .ok_or_else(|| RecipeError::NoColumn {
                            column: group.column.clone(),
                            rows: fitted,
                        })?;
                    group.places(values.column(at))?
                }
            };
            groups.push((group.levels().len(), places));
        }
        let outcomes: Vec<f64> = match (model.measure(), rows.y) {
            (Measure::Number, Some(y)) if y.len() == count => y.to_vec(),
            (Measure::Number, _) => return Err(RecipeError::Mismatch { what: "table" }),
            _ => {
                let pairs = predictions.pairs.iter();
                pairs
                    .map(|pair| pair.map_or(f64::NAN, |(_, y)| y))
                    .collect()
            }
        };
        let mut site = Self {
            measure: model.measure(),
            predictions,
            outcomes,
            groups,
            slot: None,
            fitted,
        };
        let here = rows
            .slot
            .filter(|slot| asked.sites && *slot < judgement.roster);
        site.slot = here
            .map(|slot| slot as usize)
            .filter(|_| site.is_large(u64::from(asked.min_cell)));
        Ok(site)
    }

    /// Whether this site has rows enough to tell figures of its
    /// own.
    fn is_large(&self, least: u64) -> bool {
        let judged = self.predictions.pairs.iter().zip(&self.outcomes);
        let judged: Vec<f64> = judged
            .take(self.fitted)
            .filter(|(pair, _)| pair.is_some())
            .map(|(_, y)| *y)
            .collect();
        let count = |is: fn(f64) -> bool| judged.iter().filter(|y| is(**y)).count() as u64;
        let classes = Classes {
            rows: count(|_| true),
            events: count(|y| y == 1.0),
            others: count(|y| y == 0.0),
        };
        self.measure.is_large(classes, least)
    }

    /// Whether the place of a site that does not tell is asked:
    /// then somebody has lied about it, or it told when the first
    /// sum was made. With zeros there it would follow from the
    /// total less those who tell.
    fn is_heard(&self, judgement: &Judgement, rows: &Rows<'_>) -> Result<(), RecipeError> {
        let place = rows
            .place
            .and_then(|place| judgement.places.get(place as usize));
        match (place, self.slot) {
            (Some(Place::Told), None) => Err(RecipeError::NotTelling),
            _ => Ok(()),
        }
    }

    fn levels(&self, asked: &Subgroups, places: usize) -> Vec<f64> {
        let mut values = Vec::new();
        for (group, (len, of)) in asked.groups.iter().zip(&self.groups) {
            let mut cells = vec![[0.0; 5]; *len];
            let judged = self
                .predictions
                .pairs
                .iter()
                .zip(of)
                .filter(|(pair, _)| pair.is_some());
            let levels: BTreeSet<usize> = judged.map(|(_, level)| *level).collect();
            // What this site tells is of all its patients: it can be taken off a level that holds
            // them all, and off no other.
            let apart = self.slot.is_none() || levels.len() > 1;
            let rows = self.predictions.pairs.iter().zip(&self.outcomes).zip(of);
            for ((pair, y), level) in rows {
                if let (Some(_), Some([sites, kept, rows, events, zeros])) =
                    (pair, cells.get_mut(*level))
                {
                    (*sites, *kept) = (1.0, f64::from(u8::from(apart)));
                    *rows += 1.0;
                    *events += f64::from(u8::from(*y == 1.0));
                    *zeros += f64::from(u8::from(*y == 0.0));
                }
            }
            // Every site has patients of each part: what counts is whether a figure is made of them.
            if group.kind == SubgroupKind::HeldOut {
                for [_, kept, rows, events, zeros] in &mut cells {
                    if !self.measure.is_made_of(*rows, *events, *zeros) {
                        *kept = 0.0;
                    }
                }
            }
            let counted = self.measure.counted();
            values.extend(
                cells
                    .into_iter()
                    .flat_map(|cell| cell.into_iter().take(counted)),
            );
            values.push(f64::from(u8::from(levels.len() > 1)));
        }
        values.extend((0..places).map(|place| f64::from(u8::from(self.slot == Some(place)))));
        values
    }

    /// The rows that `pick` wants, with their times.
    fn ranked(&self, pick: impl Fn(usize) -> bool) -> Vec<Ranked> {
        let rows = self
            .predictions
            .pairs
            .iter()
            .zip(&self.predictions.times)
            .enumerate();
        let mut ranked = Vec::new();
        for (at, (pair, (time, stratum))) in rows {
            if let Some((score, y)) = pair.filter(|_| pick(at)) {
                ranked.push(Ranked {
                    score,
                    event: y == 1.0,
                    time: *time,
                    stratum: *stratum,
                });
            }
        }
        ranked
    }

    fn figures(&self, judgement: &Judgement, model: &dyn Model) -> Result<Vec<f64>, RecipeError> {
        let centre = model.scale().0;
        let [mut counts, mut sums, mut limbs] = [Vec::new(), Vec::new(), Vec::new()];
        let bins = match self.measure {
            Measure::Risk => Some(bins(model)?),
            Measure::Number | Measure::Time => None,
        };
        for ((_, of), levels) in self.groups.iter().zip(&judgement.groups) {
            for (level, _) in levels
                .iter()
                .enumerate()
                .filter(|(_, level)| level.is_shown())
            {
                let rows = self.rows(|at| of.get(at) == Some(&level));
                match (&bins, self.measure) {
                    (Some(bins), _) => {
                        counts.extend(histogram(&rows, bins));
                        sums.extend(risks(&rows));
                    }
                    (None, Measure::Time) => {
                        let ranked = self.ranked(|at| of.get(at) == Some(&level));
                        limbs.extend(ranks::sums(&ranked));
                    }
                    (None, _) => {
                        counts.push(rows.len() as f64);
                        limbs.extend(rests(&rows, centre));
                    }
                }
            }
        }
        let told = judgement
            .places
            .iter()
            .enumerate()
            .filter(|(_, place)| **place == Place::Told);
        for (place, _) in told {
            // Who does not tell, or tells elsewhere, leaves zeros.
            let mine = if self.slot == Some(place) {
                self.fitted
            } else {
                0
            };
            let rows = self.rows(|at| at < mine);
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
                Measure::Time => {
                    counts.extend(table(&rows).into_iter().take(2));
                    limbs.extend(ranks::sums(&self.ranked(|at| at < mine)));
                }
            }
        }
        Ok([counts, sums, limbs].concat())
    }

    /// Gradient and information of the calibration line of each of
    /// these parts.
    fn lines(&self, parts: &[usize], lines: &Lines) -> Vec<f64> {
        let each = parts.iter().zip(&lines.0);
        each.flat_map(|(part, line)| score::answer_line(&self.part(*part), line.at))
            .collect()
    }

    /// The rows of each of these parts.
    fn parts(&self, parts: &[usize]) -> Vec<Vec<(f64, f64)>> {
        parts.iter().map(|part| self.part(*part)).collect()
    }

    /// The rows of a part.
    fn part(&self, part: usize) -> Vec<(f64, f64)> {
        self.rows(|at| usize::from(at >= self.fitted) == part)
    }

    /// The rows that `pick` wants and the model is judged on.
    fn rows(&self, pick: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
        let rows = self.predictions.pairs.iter().enumerate();
        rows.filter(|(at, _)| pick(*at))
            .filter_map(|(_, pair)| *pair)
            .collect()
    }
}

/// The rows that are held out, of a site that must have some.
fn held_out<'a>(rows: &Rows<'a>) -> Result<Rows<'a>, RecipeError> {
    if rows.held_out == 0 {
        return Err(RecipeError::NothingHeldOut);
    }
    Ok(rows.only_held_out())
}

/// Rows without the outcome in each bin, then those with it.
fn histogram(rows: &[(f64, f64)], bins: &Bins) -> Vec<f64> {
    let mut cells = vec![0.0; 2 * bins.len];
    for (x, y) in rows {
        let at = bins.place(*x) + if *y == 1.0 { bins.len } else { 0 };
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

/// Rows, rows with the outcome, and rightly predicted ones at
/// risk 0.5: with the outcome, without it.
fn table(rows: &[(f64, f64)]) -> [f64; 4] {
    let mut cells = [0.0; 4];
    for (x, y) in rows {
        let high = logistic(*x) >= 0.5;
        let event = *y == 1.0;
        let terms = [true, event, event && high, !event && !high];
        for (cell, term) in cells.iter_mut().zip(terms) {
            *cell += f64::from(u8::from(term));
        }
    }
    cells
}

/// The area under the ROC curve and its variance; zeros where
/// there is none.
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
        let d = y - centre;
        let r = y - mean;
        for (sum, term) in sums.iter_mut().zip([d, d * d, r, r * r]) {
            *sum += term;
        }
    }
    sums
}
