//! The methods, one line each: the line writes the variants of method, state and outcome and all
//! that is handed on to them.

use super::{Pass, STATE};
use crate::census::{Beside, Census, Tally};
use crate::count::{Count, CountOutcome, CountState};
use crate::cox::{Cox, CoxOutcome, CoxState};
use crate::data::Data;
use crate::error::RecipeError;
use crate::fedavg::{self, FedAvg, FedAvgOutcome, FedAvgState, FedNumberOutcome, FedTimeOutcome};
use crate::gbdt::{Gbdt, GbdtOutcome, GbdtState};
use crate::glm::{Glm, GlmOutcome, GlmState};
use crate::keyed::{Fineness, Keyed, Wants};
use crate::km::{KaplanMeier, KmOutcome, KmState};
use crate::memory::{Answer, Memory};
use crate::method::{Guarded, Method, Standing};
use crate::rows::Rows;
use crate::subgroups::{Measure, Model};
use crate::summary::{Summary, SummaryOutcome, SummaryState};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{Layout, Sum};
use motet_toml::{Checked, Keys};
use rand_core::CryptoRng;

macro_rules! methods {
    ($($(#[$meta:meta])* $tag:literal => $method:ident, $state:ty, $($(#[$told:meta])* $outcome:ident($found:ty)),+;)*) => {
        canonical! {
            /// A federated method and its parameters.
            #[derive(Debug, Clone, PartialEq)]
            pub enum AnyMethod { $($(#[$meta])* $tag => $method($method)),* }
        }
        canonical! {
            /// What a method keeps between two rounds.
            #[derive(Debug, Clone, PartialEq)]
            pub enum AnyState { $($(#[$meta])* $tag => $method($state)),* }
        }
        /// The result of a finished run.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Outcome { $($($(#[$told])* $outcome($found)),+),* }

        $(impl From<$method> for AnyMethod {
            fn from(method: $method) -> Self {
                Self::$method(method)
            }
        })*
        $($(impl From<$found> for Outcome {
            fn from(found: $found) -> Self {
                Self::$outcome(found)
            }
        })+)*

        impl AnyMethod {
            /// Every kind of a study file and what it wants of the data, in the order in which a
            /// message lists them.
            pub fn kinds() -> impl Iterator<Item = (&'static str, Wants)> {
                let kinds: &[&[(&'static str, Wants)]] = &[$(<$method as Keyed>::KINDS),*];
                let kinds: Vec<_> = kinds.concat();
                kinds.into_iter()
            }
            /// The method of a kind from its keys, on the columns of the study; a formula brings
            /// them into its own order. Nothing for an unknown kind.
            ///
            /// # Errors
            /// The first mistake of the file.
            pub fn read(kind: &str, keys: &mut Keys<'_>, data: &mut Data) -> Option<Checked<Self>> {
                let has = |kinds: &[(&str, Wants)]| kinds.iter().any(|(own, _)| *own == kind);
                $(if has(<$method as Keyed>::KINDS) {
                    return Some($method::read(kind, keys, data).map(Self::$method));
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
            /// The bits of the narrowest ring in which so many sites can train, where the method's
            /// own has too few.
            pub fn too_narrow(&self, sites: usize) -> Option<u32> {
                match self { $(Self::$method(method) => method.too_narrow(sites)),* }
            }
            /// Whether what it tells of yes/no columns and categories is as good as counts.
            pub fn tells_counts(&self) -> bool {
                match self { $(Self::$method(method) => method.tells_counts()),* }
            }
            pub(super) fn kind(&self) -> &'static str {
                match self { $(Self::$method(method) => method.kind()),* }
            }
            pub(super) fn exact(&self) -> bool {
                match self { $(Self::$method(method) => method.exact()),* }
            }
            pub(super) fn ridge(&mut self) -> Option<&mut f64> {
                match self { $(Self::$method(method) => method.ridge()),* }
            }
            pub(super) fn tolerance(&self) -> Option<f64> {
                match self { $(Self::$method(method) => method.tolerance()),* }
            }
            pub(super) fn cell(&mut self) -> Option<&mut u32> {
                match self { $(Self::$method(method) => method.cell()),* }
            }
            pub(super) fn check(&self) -> Result<(), RecipeError> {
                match self { $(Self::$method(method) => method.check()),* }
            }
            pub(super) fn start(&self, seed: &Digest) -> AnyState {
                match self { $(Self::$method(method) => AnyState::$method(method.start(seed))),* }
            }
            pub(super) fn beside(&self) -> Beside {
                match self { $(Self::$method(method) => method.beside()),* }
            }
            pub(super) fn measure(&self) -> Option<Measure> {
                match self { $(Self::$method(method) => method.measure()),* }
            }
            pub(super) fn again(&self, state: &AnyState) -> Result<Option<AnyState>, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Ok(method.again(state).map(AnyState::$method))
                    })*
                    _ => Err(STATE),
                }
            }
            pub(super) fn ask(&self, state: &AnyState, sites: u32) -> Result<Option<Layout>, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => Method::ask(method, state, sites),)*
                    _ => Err(STATE),
                }
            }
            pub(super) fn answer(
                &self,
                state: &AnyState,
                rows: &Rows<'_>,
                memory: &Memory,
                dice: &mut impl CryptoRng,
            ) -> Result<Answer, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Method::answer(method, state, rows, memory, dice)
                    })*
                    _ => Err(STATE),
                }
            }
            pub(super) fn absorb(&self, state: &AnyState, before: &Pass, sum: &Sum) -> Result<AnyState, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Method::absorb(method, state, before, sum).map(AnyState::$method)
                    })*
                    _ => Err(STATE),
                }
            }
            pub(super) fn outcome(&self, state: &AnyState, pass: &Pass) -> Result<Outcome, RecipeError> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => {
                        Method::outcome(method, state, pass).map(Outcome::from)
                    })*
                    _ => Err(STATE),
                }
            }
            pub(super) fn model<'a>(&'a self, state: &'a AnyState) -> Option<Box<dyn Model + 'a>> {
                match (self, state) {
                    $((Self::$method(method), AnyState::$method(state)) => method.model(state),)*
                    _ => None,
                }
            }
        }

        impl AnyState {
            pub(super) fn standing(&self) -> Standing {
                match self { $(Self::$method(state) => <$method as Method>::standing(state)),* }
            }
            pub(super) fn watched(&self) -> Option<(&'static str, f64)> {
                match self { $(Self::$method(state) => <$method as Method>::watched(state)),* }
            }
        }

        impl Outcome {
            /// Rounds of the run, all phases.
            pub fn rounds(&self) -> u32 {
                match self { $($(Self::$outcome(found) => found.rounds),+),* }
            }
            /// Sites that every figure comes from.
            pub fn sites(&self) -> u32 {
                match self { $($(Self::$outcome(found) => found.sites),+),* }
            }
            pub(super) fn classes(&self, yes_no: bool) -> Option<(u64, u64)> {
                match self { $($(Self::$outcome(found) => found.classes(yes_no)),+),* }
            }
            pub(super) fn withhold(&mut self, census: &Census, tally: &Tally) {
                match self { $($(Self::$outcome(found) => found.withhold(census, tally)),+),* }
            }
        }
    };
}

// The numbers are canonical: none is given twice. 2 is not used. In this order a message lists them.
methods! {
    /// Counts, means and variances.
    1 => Summary, SummaryState,
        /// Of a summary.
        Summary(SummaryOutcome);
    /// Rounded counts of the cohort.
    8 => Count, CountState,
        /// Of a count.
        Count(CountOutcome);
    /// Exact generalised linear models.
    4 => Glm, GlmState,
        /// Of a generalised linear model.
        Glm(GlmOutcome);
    /// Exact Cox regression.
    5 => Cox, CoxState,
        /// Of a Cox fit.
        Cox(CoxOutcome);
    /// Kaplan-Meier curves and the log-rank test.
    6 => KaplanMeier, KmState,
        /// Of Kaplan-Meier curves.
        KaplanMeier(KmOutcome);
    /// Federated averaging.
    3 => FedAvg, FedAvgState,
        /// Of federated averaging with a yes/no outcome.
        FedAvg(FedAvgOutcome),
        /// Of one whose outcome is a number.
        FedNumber(FedNumberOutcome),
        /// Of one whose outcome is a time to an event.
        FedTime(FedTimeOutcome);
    /// Gradient boosting of trees.
    7 => Gbdt, GbdtState,
        /// Of boosted trees.
        Gbdt(GbdtOutcome);
}

impl From<fedavg::Finished> for Outcome {
    fn from(finished: fedavg::Finished) -> Self {
        match finished {
            fedavg::Finished::Binary(found) => found.into(),
            fedavg::Finished::Number(found) => found.into(),
            fedavg::Finished::Time(found) => found.into(),
        }
    }
}
