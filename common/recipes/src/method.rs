//! What every federated method brings. The list of them is
//! in `methods.rs`, which writes the enums over methods,
//! states and outcomes and asks the compiler for whatever
//! one of them lacks.

use crate::census::{Beside, Census, Tally};
use crate::compared::Compared;
use crate::error::RecipeError;
use crate::memory::{Answer, Memory};
use crate::rows::Rows;
use crate::subgroups::{Measure, Model};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{Layout, Sum};
use rand_core::CryptoRng;

canonical! {
    /// What has been absorbed so far, whatever the method.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Pass {
        /// Sums absorbed: no two states of a run are equal.
        pub rounds: u32,
        /// The set of sites that every figure of the method comes
        /// from; nothing before its first sum.
        pub set: Option<Digest>,
        /// How many sites that is.
        pub sites: u32,
    }
}

impl Pass {
    /// After one sum more.
    pub(crate) fn after(&self, sum: &Sum) -> Self {
        Self {
            rounds: self.rounds + 1,
            set: Some(sum.set),
            sites: sum.sites,
        }
    }

    /// After one sum more that the method does not see, or of
    /// which nothing stays.
    pub(crate) fn counted(&self) -> Self {
        Self {
            rounds: self.rounds + 1,
            ..self.clone()
        }
    }

    /// Before the first sum of a method that begins again.
    pub(crate) fn again(&self) -> Self {
        Self {
            rounds: self.rounds + 1,
            ..Self::default()
        }
    }
}

/// Where a method stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A sum is asked for, in the phase of this name.
    Open(&'static str),
    /// An outcome is ready.
    Finished,
    /// There is none to be had.
    Stuck,
}

impl Standing {
    /// The phase, for people.
    pub(crate) fn phase(self) -> &'static str {
        match self {
            Self::Open(phase) => phase,
            Self::Finished => "finished",
            Self::Stuck => "no finite estimate",
        }
    }
}

/// The types of a method, by which the enums over all
/// methods are written.
pub trait MethodTypes {
    /// What all parties know between two rounds, beside the
    /// [`Pass`].
    type State;
    /// What a finished run leaves.
    type Outcome;
}

/// A federated method with its parameters.
pub(crate) trait Method: MethodTypes<State: Clone, Outcome: Finished> + Clone {
    /// Whether the outcome is that of one table of all rows,
    /// and not an approximation that depends on how rows lie at
    /// sites.
    fn exact(&self) -> bool;

    /// Checks the parameters; an error names the key of the
    /// study file.
    fn check(&self) -> Result<(), RecipeError>;

    /// The state before the first round.
    fn start(&self, seed: &Digest) -> Self::State;

    /// The state that a sum over another set of sites than the
    /// figures so far leads to: the first one, for what comes
    /// from two sets is of neither. Nothing where the sum is
    /// taken in as it is.
    fn again(&self, state: &Self::State) -> Option<Self::State>;

    /// The question to a line-up of `sites`; nothing when there
    /// is none.
    fn ask(&self, state: &Self::State, sites: u32) -> Result<Option<Layout>, RecipeError>;

    /// One site's answer from its own rows.
    fn answer(
        &self,
        state: &Self::State,
        rows: &Rows<'_>,
        memory: &Memory,
        rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError>;

    /// The state after a sum over the set of `before`, or after
    /// the first sum.
    fn absorb(
        &self,
        state: &Self::State,
        before: &Pass,
        sum: &Sum,
    ) -> Result<Self::State, RecipeError>;

    /// The result of a finished run, or why there is none.
    fn outcome(&self, state: &Self::State, pass: &Pass) -> Result<Self::Outcome, RecipeError>;

    /// Where the run stands.
    fn standing(state: &Self::State) -> Standing;

    /// The figure to watch and its last value.
    fn watched(state: &Self::State) -> Option<(&'static str, f64)>;

    /// The strength of the ridge, in a method that has one.
    fn ridge(&mut self) -> Option<&mut f64> {
        None
    }

    /// Largest step of a coefficient at which an exact fit
    /// ends.
    fn tolerance(&self) -> Option<f64> {
        None
    }

    /// Fewest patients of a level that it shows, where it shows
    /// levels that a first round asked for.
    fn cell(&mut self) -> Option<&mut u32> {
        None
    }

    /// Fewest sites of each level, where what it withholds of
    /// one follows from that: the first round's.
    fn sites(&mut self) -> Option<&mut u32> {
        None
    }

    /// Whether what it tells of columns (coefficients with
    /// errors, means) is of yes/no columns and categories as
    /// good as counts: then each of them must stand for enough
    /// patients.
    fn tells_counts(&self) -> bool;

    /// What is counted of the method itself before it begins.
    fn beside(&self) -> Beside {
        Beside::default()
    }

    /// What its model says of a row; nothing where it has none
    /// that can be judged by group.
    fn measure(&self) -> Option<Measure> {
        None
    }

    /// The finished model and a site's rows, to be compared
    /// with the site's own; nothing where the outcome is no yes
    /// or no, or the model is one that is not compared. `sites`
    /// took part.
    fn compared<'a>(
        &'a self,
        _finished: &'a Self::State,
        _sites: u32,
        _rows: &Rows<'_>,
    ) -> Result<Option<Compared<'a>>, RecipeError> {
        Ok(None)
    }

    /// The finished model, to be judged.
    fn model<'a>(&'a self, _finished: &'a Self::State) -> Option<Box<dyn Model + 'a>> {
        None
    }
}

/// What a finished run leaves.
pub(crate) trait Finished {
    /// Rounds of the run, all phases.
    fn rounds(&self) -> u32;

    /// Sites that every figure comes from.
    fn sites(&self) -> u32;

    /// Rows of each class of the outcome, in the order of the
    /// first round: with and without it, or at each of its
    /// levels. Those of a time that have no event are no class.
    /// Of a number they are asked for where it is a yes or no
    /// at every site, and the model tells its mean; else there
    /// are none.
    fn classes(&self, yes_no: bool) -> Vec<u64>;

    /// Withholds what lies at too few sites.
    fn withhold(&mut self, _census: &Census, _tally: &Tally) {}
}

/// The classes of a yes or no: rows with the outcome and
/// without it; none where nobody is with or without it.
pub(crate) fn with_and_without(rows: u64, events: Option<u64>) -> Vec<u64> {
    let classes = events.map(|events| [events, rows.saturating_sub(events)]);
    classes.into_iter().flatten().collect()
}
