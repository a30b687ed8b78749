//! The methods: each a folder of this one, and one line of [`methods!`] that writes the variants of
//! method, state and outcome and all that is handed on to them. A method brings what [`Method`] and
//! [`Keyed`] ask for: the compiler names what a new one lacks.

pub mod count; //   rounded counts: is a study feasible
pub mod cox; //     exact Cox regression
pub mod fedavg; //  federated averaging of a regression or a small neural network, and its family
pub mod gbdt; //    gradient boosting of trees
pub mod glm; //     exact generalised linear models
pub mod km; //      exact Kaplan-Meier curves and log-rank test
pub mod ordinal; // exact proportional odds regression
pub mod summary; // counts, means, variances, distributions, a table by group

pub use count::{Count, Rounded};
pub use cox::{Baseline, Clock, Coefficient, Concordance, Cox, Proportionality, Strata, Ties};
pub use fedavg::{Adaptive, Averaged, Epoch, FedAvg, Rule, Weight, fraction_bits};
pub use gbdt::{Boost, Fit, Gbdt, Node, Split, Tree};
pub use glm::{Errors, Estimate, Evaluation, Family, Glm, Knots, Uncertainty};
pub use km::{Curve, CurvePoint, KaplanMeier, LogRank, RestrictedMean};
pub use summary::{Details, Scale, Summary, Variable};

use crate::census::{Beside, Census, Tally};
use crate::compared::Compared;
use crate::data::Data;
use crate::error::RecipeError;
use crate::keyed::{Fineness, Keyed, OffsetWeighs, Remark, Wants};
use crate::memory::{Answer, Memory};
use crate::method::{Finished, Method, MethodTypes, Pass, Standing};
use crate::rows::Rows;
use crate::subgroups::{Measure, Model};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{Layout, Sum};
use motet_toml::{Checked, Keys};
use rand_core::CryptoRng;

/// A state of another method than the recipe's.
pub(crate) const STATE: RecipeError = RecipeError::Mismatch { what: "state" };

/// The kinds of a method, and what they want of the data.
fn named<M: Keyed>() -> impl Iterator<Item = (&'static str, Wants)> {
    M::KINDS.iter().map(|(name, _)| (*name, M::WANTS))
}

macro_rules! methods {
    ($($(#[$meta:meta])* $tag:literal => $module:ident::$method:ident;)*) => {

        canonical! {
            /// A federated method and its parameters.
            #[derive(Debug, Clone, PartialEq)]
            pub enum AnyMethod { $($(#[$meta])* $tag => $method($module::$method)),* }
        }
        canonical! {
            /// What a method keeps between two rounds.
            #[derive(Debug, Clone, PartialEq)]
            pub enum AnyState { $($(#[$meta])* $tag => $method(<$module::$method as MethodTypes>::State)),* }
        }
        /// The result of a finished run.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Outcome { $($(#[$meta])* $method(<$module::$method as MethodTypes>::Outcome)),* }

        $(impl From<$module::$method> for AnyMethod {
            fn from(method: $module::$method) -> Self {
                Self::$method(method)
            }
        })*
        $(impl From<<$module::$method as MethodTypes>::Outcome> for Outcome {
            fn from(found: <$module::$method as MethodTypes>::Outcome) -> Self {
                Self::$method(found)
            }
        })*

        impl AnyMethod {
            /// Every kind of a study file and what it wants of the data, in the order in which a
            /// message lists them.
            pub fn kinds() -> impl Iterator<Item = (&'static str, Wants)> {
                let kinds = std::iter::empty();
                $(let kinds = kinds.chain(named::<$module::$method>());)*
                kinds
            }
            /// The method of a kind from its keys, on the columns of the study; a formula brings
            /// them into its own order. Nothing for an unknown kind.
            ///
            /// # Errors
            /// The first mistake of the file.
            pub fn read(kind: &str, keys: &mut Keys<'_>, data: &mut Data) -> Option<Checked<Self>> {
                $(if let Some((_, kind)) = <$module::$method as Keyed>::KINDS.iter().find(|(name, _)| *name == kind) {
                    return Some($module::$method::read(*kind, keys, data).map(Self::$method));
                })*
                None
            }
            /// The keys that give this method, with every default spelled out.
            pub fn write(&self, data: &Data) -> Vec<String> {
                match self { $(Self::$method(method) => method.write(data)),* }
            }
            /// What a site's vector adds up, in a sentence for the steward.
            pub fn adds_up(&self) -> String {
                match self { $(Self::$method(method) => method.adds_up()),* }
            }
            /// What the sums show of few patients, in sentences for the steward.
            pub fn shows(&self) -> Vec<String> {
                match self { $(Self::$method(method) => method.shows()),* }
            }
            /// The kinds of rounds and how many numbers one site's vector has in each at the most,
            /// without the few words that the masking itself adds.
            pub fn vectors(&self) -> Vec<(&'static str, usize)> {
                match self { $(Self::$method(method) => method.vectors()),* }
            }
            /// Whether what is explained is a number.
            pub fn explains_number(&self) -> bool {
                match self { $(Self::$method(method) => method.explains_number()),* }
            }
            /// Whether an outcome of yes and no, as 1 and 0, will do where a number is explained.
            pub fn takes_yes_no(&self) -> bool {
                match self { $(Self::$method(method) => method.takes_yes_no()),* }
            }
            /// Whether a row with a missing feature stays in the cohort.
            pub fn keeps_missing(&self) -> bool {
                match self { $(Self::$method(method) => method.keeps_missing()),* }
            }
            /// How fine it looks, which a site's own floors are held against.
            pub fn fineness(&self) -> Fineness<'_> {
                match self { $(Self::$method(method) => method.fineness()),* }
            }
            /// The bits of the narrowest ring in which that many sites can train, where the
            /// method's own has too few.
            pub fn too_narrow(&self, sites: u32) -> Option<u32> {
                match self { $(Self::$method(method) => method.too_narrow(sites)),* }
            }
            /// What a proposer should know of it among that many sites.
            pub fn remarks(&self, sites: u32) -> Vec<Remark> {
                match self { $(Self::$method(method) => method.remarks(sites)),* }
            }
            /// Whether a first round is asked before it, and rows must be enough of a site: not
            /// where it says itself what is few.
            pub fn asks_first(&self) -> bool {
                match self { $(Self::$method(method) => method.asks_first()),* }
            }
            /// What the first round tells because of it, in sentences for the steward.
            pub fn first_tells(&self, min_cell: u32, least_sites: &str) -> Option<String> {
                match self { $(Self::$method(method) => method.first_tells(min_cell, least_sites)),* }
            }
            /// How an offset weighs the rows of a site.
            pub fn offset_weighs(&self) -> OffsetWeighs {
                match self { $(Self::$method(method) => method.offset_weighs()),* }
            }
            /// Whether what it tells of yes/no columns and categories is as good as counts.
            pub fn tells_counts(&self) -> bool {
                match self { $(Self::$method(method) => method.tells_counts()),* }
            }
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Self::$method(method) => method.name()),* }
            }
            pub(crate) fn exact(&self) -> bool {
                match self { $(Self::$method(method) => method.exact()),* }
            }
            pub(crate) fn ridge(&mut self) -> Option<&mut f64> {
                match self { $(Self::$method(method) => method.ridge()),* }
            }
            pub(crate) fn tolerance(&self) -> Option<f64> {
                match self { $(Self::$method(method) => method.tolerance()),* }
            }
            pub(crate) fn cell(&mut self) -> Option<&mut u32> {
                match self { $(Self::$method(method) => method.cell()),* }
            }
            pub(crate) fn sites(&mut self) -> Option<&mut u32> {
                match self { $(Self::$method(method) => method.sites()),* }
            }
            pub(crate) fn check(&self) -> Result<(), RecipeError> {
                match self { $(Self::$method(method) => method.check()),* }
            }
            pub(crate) fn start(&self, seed: &Digest) -> AnyState {
                match self { $(Self::$method(method) => AnyState::$method(method.start(seed))),* }
            }
            pub(crate) fn beside(&self) -> Beside {
                match self { $(Self::$method(method) => method.beside()),* }
            }
            pub(crate) fn measure(&self) -> Option<Measure> {
                match self { $(Self::$method(method) => method.measure()),* }
            }
            pub(crate) fn again(&self, state: &AnyState) -> Result<Option<AnyState>, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Ok(method.again(state).map(AnyState::$method))
                    })*
                    _ => Err(STATE),
                }
            }
            pub(crate) fn ask(&self, state: &AnyState, sites: u32) -> Result<Option<Layout>, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => Method::ask(method, state, sites),)*
                    _ => Err(STATE),
                }
            }
            pub(crate) fn answer(
                &self,
                state: &AnyState,
                rows: &Rows<'_>,
                memory: &Memory,
                rng: &mut impl CryptoRng,
            ) -> Result<Answer, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Method::answer(method, state, rows, memory, rng)
                    })*
                    _ => Err(STATE),
                }
            }
            pub(crate) fn absorb(&self, state: &AnyState, before: &Pass, sum: &Sum) -> Result<AnyState, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Method::absorb(method, state, before, sum).map(AnyState::$method)
                    })*
                    _ => Err(STATE),
                }
            }
            pub(crate) fn outcome(&self, state: &AnyState, pass: &Pass) -> Result<Outcome, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Method::outcome(method, state, pass).map(Outcome::from)
                    })*
                    _ => Err(STATE),
                }
            }
            pub(crate) fn compared<'a>(
                &'a self,
                state: &'a AnyState,
                sites: u32,
                rows: &Rows<'_>,
            ) -> Result<Option<Compared<'a>>, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        method.compared(state, sites, rows)
                    })*
                    _ => Err(STATE),
                }
            }
            pub(crate) fn model<'a>(&'a self, state: &'a AnyState) -> Option<Box<dyn Model + 'a>> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => method.model(state),)*
                    _ => None,
                }
            }
        }

        impl AnyState {
            pub(crate) fn standing(&self) -> Standing {
                match self { $(Self::$method(state) => <$module::$method as Method>::standing(state)),* }
            }
            pub(crate) fn watched(&self) -> Option<(&'static str, f64)> {
                match self { $(Self::$method(state) => <$module::$method as Method>::watched(state)),* }
            }
        }

        impl Outcome {
            /// Rounds of the run, all phases.
            pub fn rounds(&self) -> u32 {
                match self { $(Self::$method(found) => found.rounds()),* }
            }
            /// Sites that every figure comes from.
            pub fn sites(&self) -> u32 {
                match self { $(Self::$method(found) => found.sites()),* }
            }
            pub(crate) fn classes(&self, yes_no: bool) -> Vec<u64> {
                match self { $(Self::$method(found) => found.classes(yes_no)),* }
            }
            pub(crate) fn withhold(&mut self, census: &Census, tally: &Tally) {
                match self { $(Self::$method(found) => found.withhold(census, tally)),* }
            }
        }
    };
}

// The numbers are canonical: none is given twice. 2 is not used. In this order a message lists them.
methods! {
    /// Counts, means and variances.
    1 => summary::Summary;
    /// Rounded counts of the cohort.
    8 => count::Count;
    /// Exact generalised linear models.
    4 => glm::Glm;
    /// Exact proportional odds regression.
    9 => ordinal::Ordinal;
    /// Exact Cox regression.
    5 => cox::Cox;
    /// Kaplan-Meier curves and the log-rank test.
    6 => km::KaplanMeier;
    /// Federated averaging.
    3 => fedavg::FedAvg;
    /// Gradient boosting of trees.
    7 => gbdt::Gbdt;
}
