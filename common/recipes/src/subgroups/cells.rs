//! The two vectors: what is asked, and how the sums are
//! read.

use super::hide::{Level, Place, hide, hide_parts, withhold};
use super::lines::{KEPT, Kept, Lines, START};
use super::model::{Measure, Model};
use super::ranks;
use super::{BINS, Judgement, Stage, SubgroupKind, Subgroups};
use crate::error::{MOST_ROWS, RecipeError};
use crate::moments::{bounded, counts, exact, limbs};
use crate::rows::Values;
use crate::score::{self, Score};
use crate::windows::counting;
use motet_secagg::layout::{Layout, Sum};

const MISMATCH: RecipeError = RecipeError::Mismatch { what: "state" };

/// How many of each kind of number a level or a place has.
struct Width {
    counts: usize,
    bounded: usize,
    limbs: usize,
}

/// The bins of the score: those of the method's own
/// evaluation joined to about [`BINS`] of equally many
/// rows. One of them begins at risk 0.5.
pub(super) struct Bins {
    /// The bin of each of the evaluation's.
    of: Vec<usize>,
    /// Log odds around which these lie.
    base: f64,
    /// How many bins.
    pub(super) len: usize,
}

impl Bins {
    pub(super) fn of(score: &Score) -> Self {
        let total = score.rows().0;
        let mut bin = 0;
        let mut seen = 0;
        let mut next = 1;
        let mut of = Vec::with_capacity(score::BINS);
        let rows = score
            .negatives
            .iter()
            .zip(&score.positives)
            .map(|(a, b)| a + b);
        for (at, rows) in rows.enumerate() {
            // A bin ends with the one that takes the rows seen to the next part of all.
            let full = seen * BINS >= total * next;
            if at == score::half(score.base) || full && seen > 0 && at > 0 {
                bin += 1;
                while seen * BINS >= total * next && next <= BINS {
                    next += 1;
                }
            }
            of.push(bin);
            seen += rows;
        }
        Self {
            of,
            base: score.base,
            len: bin + 1,
        }
    }

    /// The bin of a linear predictor.
    pub(super) fn place(&self, x: f64) -> usize {
        self.of
            .get(score::bin(x, self.base))
            .copied()
            .unwrap_or_default()
    }

    /// The bin that begins at risk 0.5.
    pub(super) fn half(&self) -> usize {
        self.of
            .get(score::half(self.base))
            .copied()
            .unwrap_or_default()
    }
}

/// The bins of a model of a yes/no outcome.
pub(super) fn bins(model: &dyn Model) -> Result<Bins, RecipeError> {
    model.score().map(Bins::of).ok_or(MISMATCH)
}

/// How many numbers the second vector has of levels of
/// groups (the parts are two of them) and of places: of
/// each, and together.
struct Widths {
    each: [Width; KINDS],
    of: [usize; KINDS],
}

/// Levels, places.
const KINDS: usize = 2;

impl Widths {
    fn all(&self, width: impl Fn(&Width) -> usize) -> usize {
        let both = self.each.iter().zip(self.of);
        both.map(|(each, of)| width(each) * of).sum()
    }
}

impl Subgroups {
    /// Numbers of the second vector.
    fn widths(&self, judgement: &Judgement, model: &dyn Model) -> Result<Widths, RecipeError> {
        let each = match model.measure() {
            Measure::Risk => {
                let [level, place] = [2 * bins(model)?.len, 4].map(|counts| Width {
                    counts,
                    bounded: 2,
                    limbs: 0,
                });
                [level, Width { limbs: 2, ..place }]
            }
            Measure::Number => [1; KINDS].map(|counts| Width {
                counts,
                bounded: 0,
                limbs: 4,
            }),
            Measure::Time => [0, 2].map(|counts| Width {
                counts,
                bounded: 0,
                limbs: ranks::SUMS,
            }),
        };
        let [levels, parts] = self.shown(judgement).map(|levels| levels.len());
        Ok(Widths {
            each,
            of: [levels + parts, judgement.telling()],
        })
    }

    /// Levels of all groups together.
    fn levels(&self) -> usize {
        self.groups.iter().map(|group| group.levels().len()).sum()
    }

    pub(super) fn ask_levels(&self, places: usize, model: &dyn Model, sites: u32) -> Layout {
        counting(
            model.measure().counted() * self.levels() + self.groups.len() + places,
            sites,
            if self.holds_out() {
                // How many are held out is not known yet.
                MOST_ROWS as u64
            } else {
                model.rows().0
            },
        )
    }

    pub(super) fn ask_figures(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        sites: u32,
    ) -> Result<Layout, RecipeError> {
        let widths = self.widths(judgement, model)?;
        let [_, parts] = self.shown(judgement);
        let most = parts.into_iter().map(|part| part.rows);
        let rows = most.fold(model.rows().0, u64::max);
        let blocks = [
            counts(widths.all(|width| width.counts), rows as f64),
            bounded(widths.all(|width| width.bounded), sites, rows),
            limbs(widths.all(|width| width.limbs)),
        ];
        Ok(exact(
            blocks.into_iter().filter(|block| block.len > 0).collect(),
        ))
    }

    pub(super) fn absorb_levels(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let (measure, all) = (model.measure(), model.rows());
        let mut values = Values::of(sum);
        let mut groups: Vec<(Vec<Level>, u64)> = Vec::with_capacity(self.groups.len());
        let mut first = None;
        for group in &self.groups {
            let mut levels = Vec::new();
            for _ in group.levels() {
                levels.push(Level::read(
                    &values.counts(measure.counted(), "a group")?,
                    u64::from(sum.sites),
                )?);
            }
            let is_parted = group.kind == SubgroupKind::HeldOut;
            let of_model = levels.iter().take(if is_parted { 1 } else { levels.len() });
            let total = of_model.fold((0, 0, 0), |(rows, events, others), level| {
                let Level {
                    rows: of_rows,
                    events: of_events,
                    others: of_others,
                    ..
                } = level;
                (rows + of_rows, events + of_events, others + of_others)
            });
            // Of a number the model knows no classes, but they are the same in every group.
            let known = match measure {
                Measure::Number => total.0 == all.0,
                Measure::Risk | Measure::Time => (total.0, total.1) == all,
            };
            if !known || *first.get_or_insert(total) != total {
                return Err(RecipeError::Implausible {
                    what: "rows of a group",
                });
            }
            let [both] = values
                .counts(1, "sites of a group")?
                .try_into()
                .unwrap_or([u64::MAX]);
            groups.push((levels, both));
        }
        let flags = values.counts(self.places(judgement)?, "sites that tell their figures")?;
        values.end()?;
        let telling = flags.iter().sum::<u64>();
        if flags.iter().any(|flag| *flag > 1) || telling > u64::from(sum.sites) {
            return Err(RecipeError::Implausible {
                what: "sites that tell their figures",
            });
        }
        let places = withhold(&flags, u64::from(sum.sites), u64::from(self.min_sites));
        let open = !places.contains(&Place::Withheld);
        for (group, (levels, both)) in self.groups.iter().zip(&mut groups) {
            match group.kind {
                SubgroupKind::HeldOut => hide_parts(levels, self, measure),
                _ => hide(levels, self, measure, open, *both),
            }
        }
        let groups = groups.into_iter().map(|(levels, _)| levels).collect();
        let next = Judgement {
            groups,
            places,
            ..judgement.clone()
        };
        let is_asked = measure != Measure::Time && !self.shown_parts(&next).is_empty();
        Ok(match is_asked {
            true => Judgement {
                stage: Stage::Predictions,
                ..next
            },
            false => self.before_figures(next),
        })
    }

    /// The judgement before the second sum, where there is
    /// something to ask for.
    pub(super) fn before_figures(&self, judgement: Judgement) -> Judgement {
        let [levels, parts] = self.shown(&judgement);
        let nothing = levels.is_empty() && parts.is_empty() && judgement.telling() == 0;
        let stage = match nothing {
            true => Stage::Finished,
            false => Stage::Figures,
        };
        Judgement { stage, ..judgement }
    }

    pub(super) fn absorb_figures(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let widths = self.widths(judgement, model)?;
        let mut values = Values::of(sum);
        let counts = values.counts(widths.all(|width| width.counts), "the figures of a group")?;
        let sums = values.take(widths.all(|width| width.bounded))?.to_vec();
        let limbs = values.take(widths.all(|width| width.limbs))?.to_vec();
        values.end()?;
        let next = Judgement {
            stage: Stage::Finished,
            counts,
            sums,
            limbs,
            ..judgement.clone()
        };
        next.holds_together(model.measure(), &self.shown(&next), &widths)?;
        Ok(match model.measure() {
            Measure::Risk => self.before_lines(next),
            Measure::Number | Measure::Time => next,
        })
    }
}

impl Subgroups {
    /// The judgement before the first step, where a line is
    /// asked for; `judgement` has all other figures.
    pub(super) fn before_lines(&self, mut judgement: Judgement) -> Judgement {
        let parts = self.shown_parts(&judgement).len();
        if parts > 0 {
            judgement.limbs.extend(START.repeat(parts));
            judgement.stage = Stage::Line(0);
        }
        judgement
    }

    /// The lines so far; of what is no risk there are none.
    pub(super) fn lines(&self, judgement: &Judgement, of: Measure) -> Result<Lines, RecipeError> {
        if of != Measure::Risk {
            return Ok(Lines(Vec::new()));
        }
        let (_, kept) = self.behind(judgement)?;
        Ok(Lines(kept.chunks(KEPT).filter_map(Kept::of).collect()))
    }

    /// The other figures, and what is kept of the lines.
    fn behind<'j>(&self, judgement: &'j Judgement) -> Result<(&'j [f64], &'j [f64]), RecipeError> {
        let kept = KEPT * self.shown_parts(judgement).len();
        let figures = judgement.limbs.as_slice();
        let at = figures.len().checked_sub(kept);
        at.and_then(|at| figures.split_at_checked(at))
            .ok_or(RecipeError::Mismatch { what: "state" })
    }

    pub(super) fn ask_lines(&self, judgement: &Judgement) -> Layout {
        exact(vec![limbs(score::LINE * self.shown_parts(judgement).len())])
    }

    pub(super) fn absorb_lines(
        &self,
        judgement: &Judgement,
        steps: u32,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let mut values = Values::of(sum);
        let Lines(mut lines) = self.lines(judgement, Measure::Risk)?;
        for line in &mut lines {
            let gradient = values.take(2)?;
            let information = values.take(score::LINE - 2)?;
            line.step(gradient, information, steps + 1);
        }
        values.end()?;
        let (figures, _) = self.behind(judgement)?;
        let kept = lines.iter().flat_map(Kept::figures);
        let is_open = lines.iter().any(Kept::is_open);
        Ok(Judgement {
            stage: match is_open {
                true => Stage::Line(steps + 1),
                false => Stage::Finished,
            },
            limbs: figures.iter().copied().chain(kept).collect(),
            ..judgement.clone()
        })
    }
}

impl Level {
    fn read(figures: &[u64], sites: u64) -> Result<Self, RecipeError> {
        match figures {
            [at, apart, rows, events, zeros @ ..]
                if apart <= at
                    && *at <= sites
                    && at <= rows
                    && events <= rows
                    && zeros.iter().all(|zeros| *zeros <= rows - events)
                    && (*at > 0 || *rows == 0) =>
            {
                Ok(Self {
                    sites: *at,
                    apart: *apart,
                    rows: *rows,
                    events: *events,
                    others: zeros.first().copied().unwrap_or(rows - events),
                    hidden: None,
                })
            }
            _ => Err(RecipeError::Implausible {
                what: "rows of a group",
            }),
        }
    }
}

impl Judgement {
    /// The second sum must be about the rows of the first, and
    /// each figure one that rows can have.
    fn holds_together(
        &self,
        measure: Measure,
        [levels, parts]: &[Vec<&Level>; 2],
        widths: &Widths,
    ) -> Result<(), RecipeError> {
        let [level, place] = widths.each.each_ref().map(|width| width.counts);
        let shown = levels.iter().chain(parts);
        let at = level * (levels.len() + parts.len());
        let (of_levels, of_places) = self.counts.split_at_checked(at).ok_or(MISMATCH)?;
        let of_levels = of_levels.chunks(level.max(1));
        let places = of_places.chunks(place.max(1));
        let rows = shown
            .clone()
            .map(|level| level.rows)
            .chain(places.clone().filter_map(|found| found.first().copied()));
        let good = shown.zip(of_levels).all(|(known, found)| match measure {
            Measure::Risk => {
                let (others, events) = found.split_at(found.len() / 2);
                (total(others), total(events)) == (known.rows - known.events, known.events)
            }
            Measure::Number => total(found) == known.rows,
            Measure::Time => true,
        }) && places.clone().all(|found| match found {
            [rows, events, of_events, of_others] => {
                events <= rows && of_events <= events && *of_others <= rows - events
            }
            [rows, events] => events <= rows,
            _ => true,
        }) && match measure {
            Measure::Risk => {
                self.sums.chunks(2).zip(rows).all(|(sums, rows)| within(sums, rows as f64))
                    // Area and variance of each place.
                    && within(&self.limbs, 1.0)
            }
            Measure::Number => self.limbs.chunks(4).all(|sums| match sums {
                [_, d_squares, _, r_squares] => *d_squares >= 0.0 && *r_squares >= 0.0,
                _ => false,
            }),
            Measure::Time => self.limbs.chunks(ranks::SUMS).all(|sums| match sums {
                [n, c, n_squares, both, c_squares] => {
                    within(&[*c], *n)
                        && within(&[*both], *n_squares)
                        && within(&[*c_squares], *n_squares)
                }
                _ => false,
            }),
        };
        if good {
            Ok(())
        } else {
            Err(RecipeError::Implausible {
                what: "the figures of a group",
            })
        }
    }
}

/// Whether figures are from 0 to `most`, but for the
/// rounding of each site's part.
fn within(figures: &[f64], most: f64) -> bool {
    const ROUNDING: f64 = 1e-6;
    figures
        .iter()
        .all(|figure| (0.0..=most + ROUNDING).contains(figure))
}

fn total(found: &[u64]) -> u64 {
    found.iter().sum()
}
