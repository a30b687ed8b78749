//! The two vectors: what is asked, and how the sums are read.

use super::hide::{Level, Place, hide, withhold};
use super::model::{Measure, Model};
use super::ranks;
use super::{BINS, Judgement, Stage, Subgroups};
use crate::error::RecipeError;
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

/// The bins of the score: those of the method's own evaluation joined to about [`BINS`] of equally
/// many rows. One of them begins at risk 0.5.
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

impl Subgroups {
    /// Numbers of a level, and of a place, in the second vector.
    fn widths(&self, model: &dyn Model) -> Result<[Width; 2], RecipeError> {
        Ok(match model.measure() {
            Measure::Risk => [
                Width {
                    counts: 2 * bins(model)?.len,
                    bounded: 2,
                    limbs: 0,
                },
                Width {
                    counts: 4,
                    bounded: 2,
                    limbs: 2,
                },
            ],
            Measure::Number => [0, 0].map(|_| Width {
                counts: 1,
                bounded: 0,
                limbs: 4,
            }),
            Measure::Time => [0, 2].map(|counts| Width {
                counts,
                bounded: 0,
                limbs: ranks::SUMS,
            }),
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
            model.rows().0,
        )
    }

    pub(super) fn ask_figures(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        sites: u32,
    ) -> Result<Layout, RecipeError> {
        let [level, place] = self.widths(model)?;
        let levels = judgement.shown().count();
        let places = judgement.telling();
        let rows = model.rows().0;
        let blocks = [
            counts(levels * level.counts + places * place.counts, rows as f64),
            bounded(levels * level.bounded + places * place.bounded, sites, rows),
            limbs(levels * level.limbs + places * place.limbs),
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
            let total = levels
                .iter()
                .fold((0, 0, 0), |(rows, events, others), level| {
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
        for (levels, both) in &mut groups {
            hide(levels, self, measure, open, *both);
        }
        let groups = groups.into_iter().map(|(levels, _)| levels).collect();
        let next = Judgement {
            stage: Stage::Figures,
            groups,
            places,
            ..judgement.clone()
        };
        let nothing = next.shown().count() == 0 && next.telling() == 0;
        Ok(if nothing {
            Judgement {
                stage: Stage::Finished,
                ..next
            }
        } else {
            next
        })
    }

    pub(super) fn absorb_figures(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let [level, place] = self.widths(model)?;
        let levels = judgement.shown().count();
        let places = judgement.telling();
        let mut values = Values::of(sum);
        let counts = values.counts(
            levels * level.counts + places * place.counts,
            "the figures of a group",
        )?;
        let sums = values
            .take(levels * level.bounded + places * place.bounded)?
            .to_vec();
        let limbs = values
            .take(levels * level.limbs + places * place.limbs)?
            .to_vec();
        values.end()?;
        let next = Judgement {
            stage: Stage::Finished,
            counts,
            sums,
            limbs,
            ..judgement.clone()
        };
        next.holds_together(model.measure(), &[level.counts, place.counts])?;
        Ok(next)
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
    /// The second sum must be about the rows of the first, and each figure one that rows can have.
    fn holds_together(&self, measure: Measure, widths: &[usize; 2]) -> Result<(), RecipeError> {
        let [level, place] = *widths;
        let counts = self
            .counts
            .split_at_checked(level * self.shown().count())
            .ok_or(MISMATCH)?;
        let levels = counts.0.chunks(level.max(1));
        let places = counts.1.chunks(place.max(1));
        let rows = self
            .shown()
            .map(|level| level.rows)
            .chain(places.clone().filter_map(|found| found.first().copied()));
        let good = self
            .shown()
            .zip(levels)
            .all(|(known, found)| match measure {
                Measure::Risk => {
                    let (others, events) = found.split_at(found.len() / 2);
                    (total(others), total(events)) == (known.rows - known.events, known.events)
                }
                Measure::Number => total(found) == known.rows,
                Measure::Time => true,
            })
            && places.clone().all(|found| match found {
                [rows, events, of_events, of_others] => {
                    events <= rows && of_events <= events && *of_others <= rows - events
                }
                [rows, events] => events <= rows,
                _ => true,
            })
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

/// Whether figures are from 0 to `most`, but for the rounding of each site's part.
fn within(figures: &[f64], most: f64) -> bool {
    const ROUNDING: f64 = 1e-6;
    figures
        .iter()
        .all(|figure| (0.0..=most + ROUNDING).contains(figure))
}

fn total(found: &[u64]) -> u64 {
    found.iter().sum()
}
