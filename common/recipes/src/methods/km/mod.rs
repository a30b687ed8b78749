//! Kaplan-Meier curves and the log-rank test, exactly as one table of all rows would give them.
//!
//! ```text
//! events  -> [ rows a group | events a group and grid point ]
//! at risk -> [ rows at risk a group and asked grid point ]      asked: any group has an event there, or the study names it
//! ```
//!
//! All elements are counts. The first vector has groups * (1 + grid points) words, the second
//! groups * asked points: when someone was censored shows only as one number between two asked
//! points. A site whose patients of a group are all lost before the first event adds its zeros like
//! any other.
//!
//! **What it shows.** The sum of all sites: at every grid point of every group the number of
//! events, a single one included, to the coordinator and to all sites. `min_cell` rules what the
//! *outcome* prints, for those who read the release; it does not change the sum. A coarser `step`
//! does.
//!
//! **What the outcome keeps back.** Where `min_cell` joins steps or ends a curve, all that is
//! printed of it comes from what is printed: shares in few digits, the median from the steps
//! that are shown, no number at risk that parts a joined step, no restricted mean.
//!
//! Sources: estimate and Greenwood's variance as `survfit`, median as its `print`, restricted mean
//! as `survmean`, log-rank test as `survdiff` of R's package survival 3.5.

mod counts;
mod curve;
#[cfg(test)]
mod histories;
mod keys; // its keys in a study file
mod log_rank;
mod point;

pub use curve::{Curve, Interval, RestrictedMean};
pub use log_rank::LogRank;
pub use point::CurvePoint;

use self::counts::Counts;
use self::curve::Rules;
use crate::error::{MOST_ROWS, RecipeError, require};
use crate::followup::{Follow, Grid, Grouping, follow};
use crate::memory::{Answer, Memory};
use crate::method::{Finished, Method, MethodTypes, Pass, Standing};
use crate::moments::{counts, exact};
use crate::rows::{Rows, Values};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;
use std::collections::BTreeSet;

/// Times for which a study can ask how many are at risk.
const MOST_MARKS: usize = 50;

canonical! {
    /// Survival curves of one or more groups.
    #[derive(Debug, Clone, PartialEq)]
    pub struct KaplanMeier {
        /// The column of times.
        pub time: String,
        /// Whether the event was seen, 0 or 1.
        pub event: String,
        /// The groups; all rows are one without.
        pub group: Option<Grouping>,
        /// The grid of times.
        pub grid: Grid,
        /// Grid points that the outcome tells survival and numbers at risk of, events or not.
        pub marks: Vec<f64>,
        /// The restricted mean runs to this grid point; none without.
        pub tau: Option<f64>,
        /// Kind of the 95 % interval of survival.
        pub interval: Interval,
        /// The outcome prints no smaller number of patients of a group, of events of a step and of
        /// patients at risk; 0 prints all.
        pub min_cell: u32,
    }
}

canonical! {
    /// Where the counting stands.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum KmPhase {
        /// Rows and events.
        1 => Events,
        /// Rows at risk.
        2 => AtRisk,
        /// An outcome is ready.
        3 => Finished,
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct KmState {
        /// Where it stands.
        pub phase: KmPhase,
        /// Rows of each group.
        pub rows: Vec<u64>,
        /// The asked grid points, rising.
        pub cells: Vec<u32>,
        /// Events of the first group at each of them, then of the second, and so on.
        pub events: Vec<u64>,
        /// Rows at risk, in the same order.
        pub at_risk: Vec<u64>,
    }
}

/// A finished count.
#[derive(Debug, Clone, PartialEq)]
pub struct KmOutcome {
    /// Rounds of the run.
    pub rounds: u32,
    /// Sites every figure comes from.
    pub sites: u32,
    /// Their rows.
    pub rows: u64,
    /// Their events.
    pub events: u64,
    /// One curve a group.
    pub curves: Vec<Curve>,
    /// The test that all groups survive alike; none for one group, or where groups cannot be
    /// compared.
    pub log_rank: Option<LogRank>,
}

impl KmOutcome {
    /// Prints curves and test again, with no number of patients or events below `least`. Rows and
    /// events of all stay: whoever prints them leaves them out beside a group whose own are withheld.
    pub fn keep_back(&mut self, least: u64) {
        self.curves
            .iter_mut()
            .for_each(|curve| curve.keep_back(least));
        // A comparison with a group of which little is told tells of it.
        if self.curves.iter().any(|curve| curve.events.is_none()) {
            self.log_rank = None;
        }
        if let Some(log_rank) = &mut self.log_rank
            && self.curves.iter().any(|curve| curve.withheld)
        {
            log_rank.round();
        }
    }
}

impl KaplanMeier {
    fn is_on_grid(&self, time: f64) -> bool {
        time.is_finite() && self.grid.cell(time).is_some()
    }

    /// One curve of all rows with log-log intervals; the outcome prints no number below 5.
    pub fn new(time: String, event: String, grid: Grid) -> Self {
        Self {
            time,
            event,
            group: None,
            grid,
            marks: Vec::new(),
            tau: None,
            interval: Interval::LogLog,
            min_cell: 5,
        }
    }

    fn groups(&self) -> usize {
        self.group.as_ref().map_or(1, |group| group.levels.len())
    }

    fn count_events(&self, follow: &[Follow]) -> Vec<f64> {
        let mut rows = vec![0.0; self.groups()];
        let mut events = vec![0.0; self.groups() * self.grid.cells()];
        for row in follow {
            let group = row.group as usize;
            let at = group * self.grid.cells() + row.cell as usize;
            rows.get_mut(group)
                .into_iter()
                .for_each(|count| *count += 1.0);
            events
                .get_mut(at)
                .filter(|_| row.event)
                .into_iter()
                .for_each(|count| *count += 1.0);
        }
        [rows, events].concat()
    }

    fn count_at_risk(&self, follow: &[Follow], cells: &[u32]) -> Vec<f64> {
        let mut at_risk = vec![0.0; self.groups() * cells.len()];
        for row in follow {
            // The row is at risk at every asked point up to its own cell.
            let reached = cells.partition_point(|cell| *cell <= row.cell);
            if let Some(last) = reached.checked_sub(1)
                && let Some(count) = at_risk.get_mut(row.group as usize * cells.len() + last)
            {
                *count += 1.0;
            }
        }
        for group in at_risk.chunks_mut(cells.len().max(1)) {
            let mut later = 0.0;
            for count in group.iter_mut().rev() {
                later += *count;
                *count = later;
            }
        }
        at_risk
    }

    /// Grid points at which any group has an event, and those that the study names.
    fn asked(&self, events: &[u64]) -> Vec<u32> {
        let cells = self.grid.cells();
        let named = self
            .marks
            .iter()
            .chain(&self.tau)
            .filter_map(|time| self.grid.cell(*time));
        let seen = (0_u32..self.grid.last() + 1).filter(|cell| {
            events
                .iter()
                .skip(*cell as usize)
                .step_by(cells)
                .any(|count| *count > 0)
        });
        named
            .chain(seen)
            .collect::<BTreeSet<u32>>()
            .into_iter()
            .collect()
    }
}

impl MethodTypes for KaplanMeier {
    type State = KmState;
    type Outcome = KmOutcome;
}

impl Method for KaplanMeier {
    fn exact(&self) -> bool {
        true
    }

    fn cell(&mut self) -> Option<&mut u32> {
        Some(&mut self.min_cell)
    }

    fn tells_counts(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), RecipeError> {
        if let Some(group) = &self.group {
            group.check("group")?;
        }
        self.grid.check(self.groups())?;
        let marks =
            self.marks.len() <= MOST_MARKS && self.marks.iter().all(|time| self.is_on_grid(*time));
        require(
            marks,
            "marks",
            "at most 50 multiples of `step` up to the horizon",
        )?;
        let tau = self.tau.is_none_or(|tau| tau > 0.0 && self.is_on_grid(tau));
        require(
            tau,
            "tau",
            "a multiple of `step` above 0, up to the horizon",
        )
    }

    fn start(&self, _seed: &Digest) -> KmState {
        KmState {
            phase: KmPhase::Events,
            rows: Vec::new(),
            cells: Vec::new(),
            events: Vec::new(),
            at_risk: Vec::new(),
        }
    }

    fn again(&self, _state: &KmState) -> Option<KmState> {
        Some(self.start(&Digest::default()))
    }

    fn ask(&self, state: &KmState, _sites: u32) -> Result<Option<Layout>, RecipeError> {
        let groups = self.groups();
        Ok(match state.phase {
            KmPhase::Events => Some(exact(vec![counts(
                groups * (1 + self.grid.cells()),
                MOST_ROWS,
            )])),
            KmPhase::AtRisk => {
                let most = state.rows.iter().fold(0, |most, rows| most.max(*rows));
                Some(exact(vec![counts(groups * state.cells.len(), most as f64)]))
            }
            KmPhase::Finished => None,
        })
    }

    fn answer(
        &self,
        state: &KmState,
        rows: &Rows<'_>,
        _memory: &Memory,
        _rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        let (_, events) = rows.complete(&[], &self.event)?;
        let follow = follow(rows, events, &self.grid, &self.time, self.group.as_ref())?;
        let values = match state.phase {
            KmPhase::Events => self.count_events(&follow),
            KmPhase::AtRisk => self.count_at_risk(&follow, &state.cells),
            KmPhase::Finished => return Err(RecipeError::Mismatch { what: "state" }),
        };
        Ok(ClearUpdate::new(1, values).into())
    }

    fn absorb(&self, state: &KmState, _before: &Pass, sum: &Sum) -> Result<KmState, RecipeError> {
        let mut next = state.clone();
        let mut values = Values::of(sum);
        match state.phase {
            KmPhase::Events => {
                next.rows = values.counts(self.groups(), "rows")?;
                let all = values.counts(self.groups() * self.grid.cells(), "events")?;
                next.cells = self.asked(&all);
                let events = all.chunks_exact(self.grid.cells()).flat_map(|group| {
                    next.cells
                        .iter()
                        .filter_map(|cell| group.get(*cell as usize).copied())
                });
                next.events = events.collect();
                // Nothing to ask: no event anywhere, and the study names no time.
                next.phase = if next.cells.is_empty() {
                    KmPhase::Finished
                } else {
                    KmPhase::AtRisk
                };
            }
            KmPhase::AtRisk => {
                next.at_risk = values.counts(next.events.len(), "rows at risk")?;
                if !groups(&next).all(|group| group.possible()) {
                    return Err(RecipeError::Implausible {
                        what: "rows at risk",
                    });
                }
                next.phase = KmPhase::Finished;
            }
            KmPhase::Finished => return Err(RecipeError::Mismatch { what: "state" }),
        }
        values.end()?;
        Ok(next)
    }

    fn outcome(&self, state: &KmState, pass: &Pass) -> Result<KmOutcome, RecipeError> {
        if state.phase != KmPhase::Finished {
            return Err(RecipeError::Unfinished {
                phase: Self::standing(state).phase(),
            });
        }
        let names = self
            .group
            .as_ref()
            .map_or_else(|| vec!["all".to_owned()], |group| group.levels.clone());
        let rules = Rules {
            grid: &self.grid,
            marks: &self.marks,
            tau: self.tau,
            interval: self.interval,
            least: u64::from(self.min_cell),
        };
        let curves = names
            .iter()
            .zip(groups(state))
            .map(|(name, group)| Curve::of(&rules, name, &group));
        let counts: Vec<Counts<'_>> = groups(state).collect();
        let mut outcome = KmOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows: state.rows.iter().sum(),
            events: state.events.iter().sum(),
            curves: curves.collect(),
            log_rank: LogRank::of(&counts),
        };
        outcome.keep_back(rules.least);
        Ok(outcome)
    }

    fn standing(state: &KmState) -> Standing {
        match state.phase {
            KmPhase::Events => Standing::Open("events"),
            KmPhase::AtRisk => Standing::Open("at risk"),
            KmPhase::Finished => Standing::Finished,
        }
    }

    fn watched(_state: &KmState) -> Option<(&'static str, f64)> {
        None
    }
}

impl Finished for KmOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, _yes_no: bool) -> Vec<u64> {
        vec![self.events]
    }
}

/// The groups of a state, one after the other.
fn groups(state: &KmState) -> impl Iterator<Item = Counts<'_>> {
    let cells = state.cells.len();
    state.rows.iter().enumerate().map(move |(at, rows)| Counts {
        rows: *rows,
        cells: &state.cells,
        events: part(&state.events, at, cells),
        at_risk: part(&state.at_risk, at, cells),
    })
}

/// The numbers of one group; none before they are asked for.
fn part(values: &[u64], group: usize, cells: usize) -> &[u64] {
    match values.chunks(cells.max(1)).nth(group) {
        Some(part) => part,
        None => &[],
    }
}
