//! How a finished model does in groups of patients (sex,
//! bands of age, country) and at sites that want to tell
//! it: two more rounds after those of the method, the same
//! for every method with a yes/no outcome, a number or a
//! time to an event.
//!
//! ```text
//! levels    = of each level of each group [ sites with such rows | of those, sites whose part is not told (see `hide`)
//!             | rows | rows with the outcome | of a number those where it is 0 ], of each group [ sites with rows in more than one level ],
//!             of each place of the roster [ 1 where the site tells its own figures ]
//! subgroups = of each level that is shown:  yes/no  [ score histogram without, with the outcome | sum p, sum (p-y)^2 ]
//!                                           number  [ rows | sum d, d^2, r, r^2 ]             d = y - centre, r = y - mean
//!                                           time    [ sum n, c, n^2, n c, c^2 ]               see `ranks`
//!             of each place that tells:     yes/no  [ rows, events, right of both | sum p, sum (p-y)^2 | AUC, its variance ]
//!                                           number  as of a level;  time  [ rows, events | as of a level ]
//! ```
//!
//! **What is asked.** The first sum says who would be seen
//! alone; the second asks for no more than may be shown. A
//! level is shown when it has `min_cell` rows, as many with
//! and without the outcome (of a time as many events; of a
//! number as many where it is neither 0 nor 1, or, where it
//! is one of these in all, as many of each), and
//! `min_sites` sites whose part nobody tells, or when all
//! of its sites tell it anyway. A level (or place) that is
//! not shown must not follow from the total either: see
//! `hide`. So what is small is in the first sum as a count
//! and in the second not at all.
//!
//! **Bins.** The pooled histogram of the method's own
//! evaluation, a thousand bins that all know, is joined to
//! about a hundred of equally many rows, with an edge at
//! 0.5. The AUC of a level comes with the error that these
//! bins can make; its variance is DeLong's of the binned
//! scores. Brier score, accuracy, sensitivity and
//! specificity are those of the rows.
//!
//! **Times.** Pairs of patients are compared within a site,
//! so that none of its times leaves it: the C-index of a
//! group is that of pairs at one site, and depends on which
//! patients share one.
//!
//! **A site's place** in the vector is its place in the
//! roster, which every party knows. Who does not tell
//! leaves zeros there, and a site of fewer than `min_cell`
//! rows with or without the outcome does not tell. A site
//! tells figures, not a histogram: its AUC is computed
//! there, exactly, with DeLong's variance.
//!
//! **What the sums show** to the coordinator and to every
//! site: how many sites, patients and events each level
//! has, also of small ones; histograms of the score of
//! levels that are shown; what the predictions of a part
//! that may be shown add up to; and what sites tell of
//! themselves.
//!
//! **Held-out rows.** Where a study holds rows out, its
//! last group is that of two parts, `fitted` and
//! `held out`, and there are further rounds: before the
//! second sum two that ask for a patient who makes a part's
//! figures alone (not of a time), and of a risk those of a
//! line behind it:
//!
//! ```text
//! predictions, unlike                     see `unlike`
//! line       of each part that is shown:  [ line, see `score` ]      until both have settled
//! ```
//!
//! All else is of fitted rows. What is hidden of one part
//! follows from nothing that is told of the other, for
//! nothing is ever told of both together: so neither is
//! hidden for the other's sake.
//!
//! **One set of sites.** A sum of another set than the
//! model's is laid aside and the method's pass begins
//! again.

mod cells; //    the two vectors
mod findings; // the figures
mod hide; //     what is not shown
mod lines; //    the calibration line of each part
mod model; //    the methods that can be judged
mod parts; //    fitted rows and those held out
mod ranks; //    who has an event before whom
mod site; //     what a site answers
mod unlike; //   a patient who makes a part's figures alone

pub use findings::{
    Figures, Findings, GroupFindings, LevelFindings, Line, NumberFigures, Part, Parts, RiskFigures,
    Shown, SiteFindings, TimeFigures,
};
pub use hide::{Level, Place, Why};
pub use model::Measure;
pub(crate) use model::{Fitted, Model, Predictions};
pub use parts::PARTS;

use crate::error::{RecipeError, require};
use motet_secagg::canonical;
use motet_secagg::layout::{Layout, Sum};
use ndarray::ArrayView1;
use std::collections::BTreeSet;

/// About how many bins the score of a level has.
pub(crate) const BINS: u64 = 100;
/// The most bins: one for each part that is full, what is
/// left, and the cut at risk 0.5.
pub const MOST_BINS: usize = BINS as usize + 2;
/// The most groups, and levels of one group: a person reads
/// the table.
pub const MOST_GROUPS: usize = 20;
/// See [`MOST_GROUPS`].
pub const MOST_LEVELS: usize = 100;
/// The level of patients without a value.
pub const MISSING: &str = "missing";

canonical! {
    /// What a study asks of its finished model.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Subgroups {
        /// The groups, each of which divides all patients.
        pub groups: Vec<Subgroup>,
        /// Whether sites are asked for their own figures.
        pub sites: bool,
        /// Fewest rows of a level that is shown; as many with the
        /// outcome, and without.
        pub min_cell: u32,
        /// Fewest sites of a level that is shown.
        pub min_sites: u32,
    }
}

canonical! {
    /// A column that divides the patients.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Subgroup {
        /// Its name in the dataset.
        pub column: String,
        /// How.
        pub kind: SubgroupKind,
    }
}

canonical! {
    /// How a column divides the patients.
    #[derive(Debug, Clone, PartialEq)]
    pub enum SubgroupKind {
        /// 0 and 1.
        1 => YesNo,
        /// The place of a level among these.
        2 => Category(Vec<String>),
        /// A number, by rising cuts: a band holds its lower cut and
        /// not its upper one.
        3 => Bands(Vec<f64>),
        /// Whether the row is held out; no column says so.
        4 => HeldOut,
    }
}

canonical! {
    /// Where its rounds stand.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Stage {
        /// Who is in each level.
        1 => Levels,
        /// The figures of those that are shown.
        2 => Figures,
        /// Nothing is left to ask.
        3 => Finished,
        /// The calibration line of each part, after that many
        /// steps.
        4 => Line(u32),
        /// What the predictions of each part add up to.
        5 => Predictions,
        /// Whether one patient alone makes its figures.
        6 => Unlike,
    }
}

canonical! {
    /// The public state beside that of the method.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Judgement {
        /// Sites of the roster: the places that figures of sites
        /// have.
        pub roster: u32,
        /// The next round.
        pub stage: Stage,
        /// Of each group the levels, `missing` last; none before
        /// the first round.
        pub groups: Vec<Vec<Level>>,
        /// What is known of each place of the roster; none where
        /// sites are not asked.
        pub places: Vec<Place>,
        /// The second sum: whole numbers, sums, and figures in
        /// limbs, in the order of its layout. Before it in limbs
        /// what the predictions of each part add up to.
        pub counts: Vec<u64>,
        /// See `counts`.
        pub sums: Vec<f64>,
        /// See `counts`.
        pub limbs: Vec<f64>,
    }
}

impl Subgroup {
    /// Whether its levels are the fitted rows and those held
    /// out.
    fn is_of_parts(&self) -> bool {
        self.kind == SubgroupKind::HeldOut && self.column == parts::COLUMN
    }

    /// Names of the levels in order, `missing` last.
    pub fn levels(&self) -> Vec<String> {
        let mut levels = match &self.kind {
            SubgroupKind::YesNo => vec!["no".to_owned(), "yes".to_owned()],
            SubgroupKind::Category(levels) => levels.clone(),
            SubgroupKind::Bands(cuts) => bands(cuts),
            SubgroupKind::HeldOut => return parts::NAMES.map(str::to_owned).to_vec(),
        };
        levels.push(MISSING.to_owned());
        levels
    }

    /// The level of every row, by its place; `missing` is the
    /// last.
    pub(crate) fn places(&self, values: ArrayView1<'_, f64>) -> Result<Vec<usize>, RecipeError> {
        let last = self.levels().len() - 1;
        let places: Vec<usize> = values
            .iter()
            .filter_map(|x| match &self.kind {
                _ if x.is_nan() => Some(last),
                SubgroupKind::YesNo | SubgroupKind::Category(_) | SubgroupKind::HeldOut => {
                    ((0.0..last as f64).contains(x) && x.floor() == *x).then_some(*x as usize)
                }
                SubgroupKind::Bands(cuts) => Some(cuts.partition_point(|cut| cut <= x)),
            })
            .collect();
        match values.len() - places.len() {
            0 => Ok(places),
            rows => Err(RecipeError::NotALevel {
                column: self.column.clone(),
                rows,
            }),
        }
    }
}

/// "below 50", "50 to below 65", "65 and above".
fn bands(cuts: &[f64]) -> Vec<String> {
    let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else {
        return Vec::new();
    };
    let between = cuts.windows(2).filter_map(|pair| match pair {
        [low, high] => Some(format!("{low} to below {high}")),
        _ => None,
    });
    std::iter::once(format!("below {first}"))
        .chain(between)
        .chain([format!("{last} and above")])
        .collect()
}

impl Subgroups {
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        let columns: BTreeSet<&String> = self.groups.iter().map(|group| &group.column).collect();
        require(
            columns.len() == self.groups.len() && self.in_columns().count() <= MOST_GROUPS,
            "evaluation.groups",
            "at most 20 different columns",
        )?;
        // Those of columns are in the order of the columns of a table.
        let parts = self.groups.iter().skip(self.in_columns().count());
        require(
            parts.eq(self.groups.iter().filter(|group| group.is_of_parts())),
            "test_fraction",
            "told apart after all other groups",
        )?;
        require(
            self.sites || !self.groups.is_empty(),
            "evaluation",
            "of a group, or of sites",
        )?;
        for group in &self.groups {
            match &group.kind {
                SubgroupKind::YesNo | SubgroupKind::HeldOut => {}
                SubgroupKind::Category(levels) => {
                    let different = levels.iter().collect::<BTreeSet<_>>().len() == levels.len();
                    let named = !levels.iter().any(|level| level == MISSING);
                    require(
                        different && named && (2..=MOST_LEVELS).contains(&levels.len()),
                        "evaluation.levels",
                        "2 to 100 different levels, none of them called missing",
                    )?;
                }
                SubgroupKind::Bands(cuts) => {
                    let rising = cuts
                        .iter()
                        .zip(cuts.iter().skip(1))
                        .all(|(low, high)| low < high);
                    require(
                        rising
                            && (1..MOST_LEVELS).contains(&cuts.len())
                            && cuts.iter().all(|cut| cut.is_finite()),
                        "evaluation.cuts",
                        "1 to 99 rising numbers",
                    )?;
                }
            }
        }
        require(
            (2..=1000).contains(&self.min_cell),
            "evaluation.min_cell",
            "from 2 to 1000",
        )?;
        require(self.min_sites >= 3, "min_sites", "3 or more")
    }

    /// Before the first of its rounds.
    pub(crate) fn start(&self, roster: u32) -> Judgement {
        Judgement {
            roster,
            stage: Stage::Levels,
            groups: Vec::new(),
            places: Vec::new(),
            counts: Vec::new(),
            sums: Vec::new(),
            limbs: Vec::new(),
        }
    }

    /// Places of the roster that the vectors have.
    fn places(&self, judgement: &Judgement) -> Result<usize, RecipeError> {
        match (self.sites, judgement.roster) {
            (false, _) => Ok(0),
            // A state that was begun without a roster.
            (true, 0) => Err(RecipeError::Mismatch { what: "state" }),
            (true, roster) => Ok(roster as usize),
        }
    }

    pub(crate) fn ask(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        sites: u32,
    ) -> Result<Option<Layout>, RecipeError> {
        match judgement.stage {
            Stage::Levels => Ok(Some(self.ask_levels(self.places(judgement)?, model, sites))),
            Stage::Figures => self.ask_figures(judgement, model, sites).map(Some),
            Stage::Predictions => Ok(Some(self.ask_predictions(judgement))),
            Stage::Unlike => Ok(Some(self.ask_unlike(judgement))),
            Stage::Line(_) => Ok(Some(self.ask_lines(judgement))),
            Stage::Finished => Ok(None),
        }
    }

    pub(crate) fn absorb(
        &self,
        judgement: &Judgement,
        model: &dyn Model,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        match judgement.stage {
            Stage::Levels => self.absorb_levels(judgement, model, sum),
            Stage::Figures => self.absorb_figures(judgement, model, sum),
            Stage::Predictions => self.absorb_predictions(judgement, sum),
            Stage::Unlike => self.absorb_unlike(judgement, sum),
            Stage::Line(steps) => self.absorb_lines(judgement, steps, sum),
            Stage::Finished => Err(RecipeError::Mismatch { what: "state" }),
        }
    }
}

impl Subgroups {
    /// The same, and how the model does on rows that are held
    /// out beside those that it was fitted on.
    pub fn with_held_out(mut self) -> Self {
        self.groups.push(Subgroup {
            column: parts::COLUMN.to_owned(),
            kind: SubgroupKind::HeldOut,
        });
        self
    }

    /// Whether rows are held out.
    pub fn holds_out(&self) -> bool {
        self.groups.len() > self.in_columns().count()
    }

    /// The groups that columns of the dataset give.
    pub fn in_columns(&self) -> impl Iterator<Item = &Subgroup> {
        let groups = self.groups.iter();
        groups.filter(|group| !group.is_of_parts())
    }

    /// The levels of the groups that columns give, and those of
    /// the parts.
    fn levels_and_parts<'j>(&self, judgement: &'j Judgement) -> [&'j [Vec<Level>]; 2] {
        let groups = judgement.groups.as_slice();
        // There are none before the first sum.
        let (levels, parts) = groups.split_at(self.in_columns().count().min(groups.len()));
        [levels, parts]
    }

    /// The levels that are shown, group by group, and the
    /// parts.
    pub(super) fn shown<'j>(&self, judgement: &'j Judgement) -> [Vec<&'j Level>; 2] {
        let all = self.levels_and_parts(judgement);
        all.map(|groups| {
            let levels = groups.iter().flatten();
            levels.filter(|level| level.is_shown()).collect()
        })
    }

    /// Which of the parts are shown, by their place.
    pub(super) fn shown_parts(&self, judgement: &Judgement) -> Vec<usize> {
        let [_, parts] = self.levels_and_parts(judgement);
        let levels = parts.iter().flatten().enumerate();
        levels
            .filter(|(_, level)| level.is_shown())
            .map(|(at, _)| at)
            .collect()
    }
}

impl Judgement {
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Finished
    }

    pub(crate) fn phase(&self) -> &'static str {
        match self.stage {
            Stage::Levels => "levels",
            Stage::Figures => "subgroups",
            Stage::Line(_) => "line",
            Stage::Predictions => "predictions",
            Stage::Unlike => "unlike",
            Stage::Finished => "finished",
        }
    }

    /// How many places tell their figures.
    fn telling(&self) -> usize {
        self.places
            .iter()
            .filter(|place| **place == Place::Told)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    #[test]
    fn a_value_belongs_to_one_level_and_nothing_else_has_one() {
        let group = |kind| Subgroup {
            column: "c".into(),
            kind,
        };
        let bands = group(SubgroupKind::Bands(vec![50.0, 65.5]));
        assert_eq!(
            bands.levels(),
            ["below 50", "50 to below 65.5", "65.5 and above", "missing"]
        );
        let ages = arr1(&[49.9, 50.0, 65.4, 65.5, f64::NAN, -1.0, f64::INFINITY]);
        assert_eq!(bands.places(ages.view()).unwrap(), [0, 1, 1, 2, 3, 0, 2]);
        let yes_no = group(SubgroupKind::YesNo);
        assert_eq!(
            yes_no.places(arr1(&[1.0, 0.0, f64::NAN]).view()).unwrap(),
            [1, 0, 2]
        );
        let refused = yes_no.places(arr1(&[2.0, 0.5, 1.0]).view()).unwrap_err();
        assert_eq!(
            refused,
            RecipeError::NotALevel {
                column: "c".into(),
                rows: 2
            }
        );
        let levels = group(SubgroupKind::Category(vec![
            "a".into(),
            "b".into(),
            "c".into(),
        ]));
        assert_eq!(levels.places(arr1(&[2.0, 0.0]).view()).unwrap(), [2, 0]);
        assert!(
            levels.places(arr1(&[3.0]).view()).is_err()
                && levels.places(arr1(&[-1.0]).view()).is_err()
        );
    }

    #[test]
    fn groups_that_cannot_be_are_refused() {
        let good = Subgroups {
            groups: vec![Subgroup {
                column: "age".into(),
                kind: SubgroupKind::Bands(vec![50.0, 65.0]),
            }],
            sites: false,
            min_cell: 5,
            min_sites: 3,
        };
        assert_eq!(good.check(), Ok(()));
        let with = |kind| Subgroups {
            groups: vec![Subgroup {
                column: "c".into(),
                kind,
            }],
            ..good.clone()
        };
        let twice = Subgroups {
            groups: vec![good.groups[0].clone(); 2],
            ..good.clone()
        };
        for bad in [
            with(SubgroupKind::Bands(vec![65.0, 50.0])),
            with(SubgroupKind::Bands(vec![])),
            with(SubgroupKind::Bands(vec![f64::NAN])),
            with(SubgroupKind::Category(vec!["a".into()])),
            with(SubgroupKind::Category(vec!["a".into(), "missing".into()])),
            with(SubgroupKind::Category(vec!["a".into(), "a".into()])),
            Subgroups {
                groups: vec![],
                ..good.clone()
            },
            Subgroups {
                min_cell: 1,
                ..good.clone()
            },
            Subgroups {
                min_sites: 2,
                ..good.clone()
            },
            twice,
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
