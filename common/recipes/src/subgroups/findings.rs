//! The figures of groups and sites, in the units of the
//! outcome. Outside the chain.

use super::cells::bins;
use super::hide::{Level, Place, Why};
use super::lines::Lines;
use super::model::{Measure, Model};
use super::parts::PARTS;
use super::ranks;
use super::{Judgement, Stage, SubgroupKind, Subgroups};
use crate::auc::{Interval, binned};
use crate::error::RecipeError;
use crate::linear::Factor;
use crate::normal::Z_95;
use crate::score::area;

/// How the model does in groups and at sites.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The groups as the study names them.
    pub groups: Vec<GroupFindings>,
    /// Fitted rows beside those held out, where the study holds
    /// rows out.
    pub parts: Option<Parts>,
    /// One entry a place of the roster; none where sites are not
    /// asked.
    pub sites: Vec<SiteFindings>,
    /// Fewest rows of a level that is shown, as many with and
    /// without the outcome.
    pub min_cell: u32,
    /// Fewest sites of a level that is shown.
    pub min_sites: u32,
    /// What the model says of a patient.
    pub measure: Measure,
}

/// One group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFindings {
    /// The column.
    pub column: String,
    /// Its levels: those that are shown first, the worst of them
    /// first, then the others as the study names them. Worst is the
    /// lowest AUC or C-index, of a number the largest mean squared
    /// error.
    pub levels: Vec<LevelFindings>,
}

/// One level of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelFindings {
    /// Its name.
    pub name: String,
    /// Its figures, or why it has none here.
    pub shown: Shown,
}

/// Figures, or why there are none.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// Figures.
    Figures(Figures),
    /// Not shown.
    Hidden(Why),
}

/// What a site tells of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum SiteFindings {
    /// Nothing: it does not tell, is too small to, or was not in
    /// the sum.
    NotTold,
    /// It would tell, and is not asked: who does not would follow
    /// from the total.
    Withheld,
    /// Its figures.
    Told(Figures),
}

/// How the model does on some rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Figures {
    /// The risk of a yes/no outcome.
    Risk(RiskFigures),
    /// A number.
    Number(NumberFigures),
    /// A time to an event.
    Time(TimeFigures),
}

/// Of a yes/no outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct RiskFigures {
    /// Rows.
    pub rows: u64,
    /// Rows with the outcome.
    pub events: u64,
    /// Area under the ROC curve with the interval of its log odds
    /// by DeLong's variance; of binned scores where there are
    /// bins.
    pub auc: Option<Interval>,
    /// Bins of the score; 0 where a site computed the area itself.
    pub auc_bins: u32,
    /// The AUC of the unbinned scores differs by no more than this.
    pub auc_error_bound: f64,
    /// Mean of (p - y)^2.
    pub brier: f64,
    /// Share of rows with the outcome.
    pub observed: f64,
    /// Mean risk.
    pub expected: f64,
    /// Observed over expected, with the interval of a binomial
    /// count on the log scale; none without a row with the outcome.
    pub ratio: Option<Interval>,
    /// Share predicted rightly at risk 0.5.
    pub accuracy: f64,
    /// Of the rows with the outcome, the share with risk 0.5 and
    /// above; none without such rows.
    pub sensitivity: Option<f64>,
    /// Of the rows without the outcome, the share below risk 0.5;
    /// none without such rows.
    pub specificity: Option<f64>,
}

/// Of a number.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberFigures {
    /// Rows.
    pub rows: u64,
    /// Mean squared error, in the outcome's unit squared.
    pub mse: f64,
    /// The share of the outcome's variance among these rows that
    /// the model explains; none where it does not vary.
    pub r_squared: Option<f64>,
    /// Mean of outcome less prediction, with its interval: above 0
    /// the model says too little.
    pub bias: Interval,
}

/// Of a time to an event.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeFigures {
    /// Rows.
    pub rows: u64,
    /// Rows with the event.
    pub events: u64,
    /// Harrell's C of the pairs within sites, with its interval;
    /// none without such a pair.
    pub c_index: Option<Interval>,
    /// Those pairs.
    pub pairs: f64,
}

/// How the model does on each part.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// On rows that it was fitted on (of a model that holds rows
    /// out by itself, on those that it is measured on).
    pub fitted: Part,
    /// On rows that no sum of the fit has seen.
    pub held_out: Part,
}

/// How the model does on one of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its figures, or why there are none.
    pub shown: Shown,
    /// Share predicted rightly at risk 0.5; of a risk that is
    /// shown.
    pub accuracy: Option<Interval>,
    /// The calibration line; of a risk that is shown, where it has
    /// a finite fit.
    pub line: Option<Line>,
}

/// A calibration line with its 95 % intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// 0 is perfect.
    pub intercept: Interval,
    /// 1 is perfect; below it the risks are too extreme.
    pub slope: Interval,
}

impl Figures {
    /// Rows.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Risk(figures) => figures.rows,
            Self::Number(figures) => figures.rows,
            Self::Time(figures) => figures.rows,
        }
    }

    /// The lower the worse.
    pub fn merit(&self) -> f64 {
        match self {
            Self::Risk(figures) => figures.auc.map_or(f64::INFINITY, |auc| auc.estimate),
            Self::Number(figures) => -figures.mse,
            Self::Time(figures) => figures
                .c_index
                .map_or(f64::INFINITY, |index| index.estimate),
        }
    }
}

/// Front parts of what is left of the second sum.
struct Rest<'a> {
    counts: &'a [u64],
    sums: &'a [f64],
    limbs: &'a [f64],
}

impl<'a> Rest<'a> {
    fn counts(&mut self, len: usize) -> Result<&'a [u64], RecipeError> {
        front(&mut self.counts, len)
    }

    /// The next two sums: of p and of (p - y)^2.
    fn sums(&mut self) -> Result<(f64, f64), RecipeError> {
        match front(&mut self.sums, 2)? {
            [p, squares] => Ok((*p, *squares)),
            _ => Err(STATE),
        }
    }
}

const STATE: RecipeError = RecipeError::Mismatch { what: "state" };

fn front<'a, T>(rest: &mut &'a [T], len: usize) -> Result<&'a [T], RecipeError> {
    let (head, tail) = rest.split_at_checked(len).ok_or(STATE)?;
    *rest = tail;
    Ok(head)
}

impl Subgroups {
    /// The figures of a finished judgement.
    pub(crate) fn findings(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
    ) -> Result<Findings, RecipeError> {
        if judgement.stage != Stage::Finished {
            return Err(RecipeError::Unfinished {
                phase: judgement.phase(),
            });
        }
        let measure = model.measure();
        let mut rest = Rest {
            counts: &judgement.counts,
            sums: &judgement.sums,
            limbs: &judgement.limbs,
        };
        let mut groups = Vec::with_capacity(self.groups.len());
        let mut parts = None;
        for (group, levels) in self.groups.iter().zip(&judgement.groups) {
            let mut found = Vec::with_capacity(levels.len());
            for (name, level) in group.levels().into_iter().zip(levels) {
                let shown = match level.hidden {
                    Some(why) => Shown::Hidden(why),
                    None => Shown::Figures(level_figures(&mut rest, model, measure, level)?),
                };
                found.push(LevelFindings { name, shown });
            }
            if group.kind == SubgroupKind::HeldOut {
                let levels = found.into_iter().map(|level| level.shown).collect();
                parts = Parts::of(levels, &self.lines(judgement, measure)?);
                continue;
            }
            found.sort_by(|a, b| {
                let (a_is_hidden, a) = a.shown.merit();
                let (b_is_hidden, b) = b.shown.merit();
                a_is_hidden.cmp(&b_is_hidden).then(a.total_cmp(&b))
            });
            groups.push(GroupFindings {
                column: group.column.clone(),
                levels: found,
            });
        }
        let mut sites = Vec::with_capacity(judgement.places.len());
        for place in &judgement.places {
            sites.push(match place {
                Place::NotTold => SiteFindings::NotTold,
                Place::Withheld => SiteFindings::Withheld,
                Place::Told => site_figures(&mut rest, model, measure)?
                    .map_or(SiteFindings::NotTold, SiteFindings::Told),
            });
        }
        Ok(Findings {
            groups,
            parts,
            sites,
            min_cell: self.min_cell,
            min_sites: self.min_sites,
            measure,
        })
    }
}

fn level_figures(
    rest: &mut Rest<'_>,
    model: &dyn Model,
    measure: Measure,
    level: &Level,
) -> Result<Figures, RecipeError> {
    match measure {
        Measure::Number => return number(rest, model, level.rows),
        Measure::Time => return time(rest, level.rows, level.events),
        Measure::Risk => {}
    }
    let bins = bins(model)?;
    let others = rest.counts(bins.len)?;
    let events = rest.counts(bins.len)?;
    let auc_error_bound = area(others, events).1;
    let half = bins.half();
    let risk = Risk {
        rows: level.rows,
        events: level.events,
        of_events: events.iter().skip(half).sum(),
        of_others: others.iter().take(half).sum(),
        auc: binned(others, events),
        auc_bins: bins.len as u32,
        auc_error_bound,
    };
    Ok(Figures::Risk(risk.figures(rest.sums()?)))
}

/// Nothing where a site that said it would tell did not.
fn site_figures(
    rest: &mut Rest<'_>,
    model: &dyn Model,
    measure: Measure,
) -> Result<Option<Figures>, RecipeError> {
    if measure == Measure::Number {
        let figures = number(rest, model, 0)?;
        return Ok(Some(figures).filter(|figures| figures.rows() > 0));
    }
    if measure == Measure::Time {
        let [rows, events] = *rest.counts(2)? else {
            return Err(STATE);
        };
        return time(rest, rows, events).map(|figures| Some(figures).filter(|_| rows > 0));
    }
    let counts = rest.counts(4)?;
    let (sums, [area, variance]) = (rest.sums()?, front(&mut rest.limbs, 2)?) else {
        return Err(STATE);
    };
    let [rows, events, of_events, of_others] = *counts else {
        return Err(STATE);
    };
    let apart = events.min(rows - events) as f64;
    let auc = Some(Interval::of_pairs(*area, *variance, apart))
        .filter(|auc| auc.estimate > 0.0 || *variance > 0.0);
    let risk = Risk {
        rows,
        events,
        of_events,
        of_others,
        auc,
        auc_bins: 0,
        auc_error_bound: 0.0,
    };
    Ok((rows > 0).then(|| Figures::Risk(risk.figures(sums))))
}

/// What is counted of a yes/no outcome.
struct Risk {
    rows: u64,
    events: u64,
    /// Rightly predicted at risk 0.5, with the outcome and without.
    of_events: u64,
    of_others: u64,
    auc: Option<Interval>,
    auc_bins: u32,
    auc_error_bound: f64,
}

impl Shown {
    /// By what levels are put in order: those that are hidden come
    /// last.
    fn merit(&self) -> (bool, f64) {
        match self {
            Self::Figures(figures) => (false, figures.merit()),
            Self::Hidden(_) => (true, 0.0),
        }
    }
}

/// A share of any.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Risk {
    fn figures(self, (p, squares): (f64, f64)) -> RiskFigures {
        let rows = self.rows as f64;
        let observed = self.events as f64 / rows;
        let expected = p / rows;
        RiskFigures {
            rows: self.rows,
            events: self.events,
            auc: self.auc,
            auc_bins: self.auc_bins,
            auc_error_bound: self.auc_error_bound,
            brier: squares / rows,
            observed,
            expected,
            ratio: ratio(self.events as f64, rows, observed / expected),
            accuracy: (self.of_events + self.of_others) as f64 / rows,
            sensitivity: share(self.of_events, self.events),
            specificity: share(self.of_others, self.rows - self.events),
        }
    }
}

/// Observed over expected. The log of a binomial share has
/// about the variance (1 - share) / events (delta method).
fn ratio(events: f64, rows: f64, estimate: f64) -> Option<Interval> {
    if events <= 0.0 || !estimate.is_finite() {
        return None;
    }
    let spread = libm::exp(Z_95 * libm::sqrt((1.0 - events / rows) / events));
    Some(Interval {
        estimate,
        low: estimate / spread,
        high: estimate * spread,
    })
}

/// Figures of a time; `ranks` has the formula.
fn time(rest: &mut Rest<'_>, rows: u64, events: u64) -> Result<Figures, RecipeError> {
    let [n, c, n_squares, both, c_squares] = *front(&mut rest.limbs, ranks::SUMS)? else {
        return Err(STATE);
    };
    let index = c / n;
    let spread = c_squares - 2.0 * index * both + index * index * n_squares;
    // As many pairs without a patient in common as patients who are equally often in one can form.
    let apart = 0.5 * n * n / n_squares;
    let c_index = (n > 0.0).then(|| Interval::of_pairs(index, spread / (0.25 * n * n), apart));
    Ok(Figures::Time(TimeFigures {
        rows,
        events,
        c_index,
        pairs: 0.5 * n,
    }))
}

/// Figures of a number; `rows` are known of a level from the
/// first sum, and equal those of this one.
fn number(rest: &mut Rest<'_>, model: &dyn Model, rows: u64) -> Result<Figures, RecipeError> {
    let counted = rest.counts(1)?.first().copied().unwrap_or(rows);
    let [d, d_squares, r, r_squares] = *front(&mut rest.limbs, 4)? else {
        return Err(STATE);
    };
    let n = counted.max(1) as f64;
    let unit = model.scale().1;
    let spread = d_squares - d * (d / n);
    let bias = r / n;
    let variance = (r_squares - r * bias).max(0.0) / (n - 1.0).max(1.0) / n;
    let interval = Interval::new(bias * unit, variance * unit * unit);
    Ok(Figures::Number(NumberFigures {
        rows: counted,
        mse: r_squares / n * unit * unit,
        r_squared: (spread > 0.0).then(|| 1.0 - r_squares / spread),
        bias: interval,
    }))
}

impl Parts {
    /// Of the two levels and the lines of those that are shown, in
    /// their order; nothing where there are others.
    pub(super) fn of(levels: Vec<Shown>, lines: &Lines) -> Option<Self> {
        let mut lines = lines.0.iter();
        let parts = levels.into_iter().map(|shown| {
            let figures = match &shown {
                Shown::Figures(Figures::Risk(found)) => Some(found),
                _ => None,
            };
            let right = figures.map(|found| (found.accuracy * found.rows as f64).round() as u64);
            let accuracy = figures.zip(right);
            let line = figures.and_then(|_| lines.next());
            Part {
                accuracy: accuracy.map(|(found, right)| Interval::of_share(right, found.rows)),
                line: line.and_then(|line| {
                    let (of_intercept, of_slope) = variances(&line.information)?;
                    line.is_settled().then(|| Line {
                        intercept: Interval::new(line.at.0, of_intercept),
                        slope: Interval::new(line.at.1, of_slope),
                    })
                }),
                shown,
            }
        });
        let [fitted, held_out]: [Part; PARTS] = parts.collect::<Vec<_>>().try_into().ok()?;
        Some(Self { fitted, held_out })
    }
}

/// Of intercept and slope, from the upper triangle of their
/// information.
fn variances(information: &[f64]) -> Option<(f64, f64)> {
    match Factor::of(information, 2, 0.0).ok()?.inverse().as_slice() {
        [intercept, _, _, slope] => Some((*intercept, *slope)),
        _ => None,
    }
}
