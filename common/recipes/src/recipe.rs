//! One enum over the methods: everything outside this crate speaks to a [`Recipe`] and never to a
//! method.

mod counted; // a method behind a first round that says whether there is enough
mod judged; //  a method whose model is judged by group and by site
mod standing; // where a run stands

pub use counted::{Counted, CountedState};
pub use judged::{Judged, JudgedState};

use crate::census::Census;
use crate::count::{Count, CountOutcome, CountState};
use crate::cox::{Cox, CoxOutcome, CoxState};
use crate::error::RecipeError;
use crate::fedavg::{self, FedAvg, FedAvgOutcome, FedAvgState, FedNumberOutcome, FedTimeOutcome};
use crate::gbdt::{Gbdt, GbdtOutcome, GbdtState};
use crate::glm::{Glm, GlmOutcome, GlmState};
use crate::km::{KaplanMeier, KmOutcome, KmState};
use crate::memory::{Answer, Memory};
use crate::rows::Rows;
use crate::subgroups::{Findings, Subgroups};
use crate::summary::{Summary, SummaryOutcome, SummaryState};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

canonical! {
    /// A federated method and its parameters, as a study approves them.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Recipe {
        /// Counts, means and variances.
        1 => Summary(Summary),
        // 2 is not used.
        /// Federated averaging.
        3 => FedAvg(FedAvg),
        /// Exact generalised linear models.
        4 => Glm(Glm),
        /// Exact Cox regression.
        5 => Cox(Cox),
        /// Kaplan-Meier curves and the log-rank test.
        6 => KaplanMeier(KaplanMeier),
        /// Gradient boosting of trees.
        7 => Gbdt(Gbdt),
        /// Rounded counts of the cohort.
        8 => Count(Count),
        /// One of the others, its model judged by group and by site.
        9 => Judged(Judged),
        /// One of the others, behind a first round.
        10 => Counted(Counted),
    }
}

canonical! {
    /// What all parties know between two rounds. It holds its own step counter, so that no root
    /// repeats in a run, and no id of a study or run, so that the same question can be recognised
    /// elsewhere.
    #[derive(Debug, Clone, PartialEq)]
    pub enum State {
        /// Of a summary.
        1 => Summary(SummaryState),
        /// Of a run of federated averaging.
        3 => FedAvg(FedAvgState),
        /// Of a generalised linear model.
        4 => Glm(GlmState),
        /// Of a Cox fit.
        5 => Cox(CoxState),
        /// Of Kaplan-Meier curves.
        6 => KaplanMeier(KmState),
        /// Of a run of boosting.
        7 => Gbdt(GbdtState),
        /// Of a count.
        8 => Count(CountState),
        /// Of a method whose model is judged.
        9 => Judged(JudgedState),
        /// Of a method behind a first round.
        10 => Counted(CountedState),
    }
}

/// What a round asks for. It never travels: both sides derive it from the recipe and the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The vector that answers it.
    pub layout: Layout,
    /// The phase it belongs to.
    pub phase: &'static str,
}

/// Where a run stands, for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The phase of the next round; `finished` when there is none.
    pub phase: &'static str,
    /// Rounds absorbed.
    pub round: u32,
    /// The figure to watch and its last value: `largest step` or `loss`.
    pub measure: Option<(&'static str, f64)>,
}

/// The result of a finished run.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Of a summary.
    Summary(SummaryOutcome),
    /// Of a run of federated averaging with a binary outcome.
    FedAvg(FedAvgOutcome),
    /// Of one whose outcome is a number.
    FedNumber(FedNumberOutcome),
    /// Of one whose outcome is a time to an event.
    FedTime(FedTimeOutcome),
    /// Of a Cox fit.
    Cox(CoxOutcome),
    /// Of Kaplan-Meier curves.
    KaplanMeier(KmOutcome),
    /// Of a generalised linear model.
    Glm(GlmOutcome),
    /// Of a run of boosting.
    Gbdt(GbdtOutcome),
    /// Of a count.
    Count(CountOutcome),
}

impl Outcome {
    /// Rounds of the run, all phases.
    pub fn rounds(&self) -> u32 {
        match self {
            Self::Summary(outcome) => outcome.rounds,
            Self::FedAvg(outcome) => outcome.rounds,
            Self::FedNumber(outcome) => outcome.rounds,
            Self::FedTime(outcome) => outcome.rounds,
            Self::Glm(outcome) => outcome.rounds,
            Self::Cox(outcome) => outcome.rounds,
            Self::KaplanMeier(outcome) => outcome.rounds,
            Self::Gbdt(outcome) => outcome.rounds,
            Self::Count(outcome) => outcome.rounds,
        }
    }

    /// Sites that every figure comes from.
    pub fn sites(&self) -> u32 {
        match self {
            Self::Summary(outcome) => outcome.sites,
            Self::FedAvg(outcome) => outcome.sites,
            Self::FedNumber(outcome) => outcome.sites,
            Self::FedTime(outcome) => outcome.sites,
            Self::Glm(outcome) => outcome.sites,
            Self::Cox(outcome) => outcome.sites,
            Self::KaplanMeier(outcome) => outcome.sites,
            Self::Gbdt(outcome) => outcome.sites,
            Self::Count(outcome) => outcome.sites,
        }
    }
}

const STATE: RecipeError = RecipeError::Mismatch { what: "state" };

impl Recipe {
    /// The method itself, without the round before it and the judgement of its model.
    pub fn method(&self) -> &Self {
        match self {
            Self::Counted(counted) => counted.method.method(),
            Self::Judged(judged) => &judged.method,
            _ => self,
        }
    }

    /// What is counted before it begins.
    pub fn first_round(&self) -> Option<&Counted> {
        if let Self::Counted(counted) = self {
            Some(counted)
        } else {
            None
        }
    }

    /// The same method behind a first round.
    pub fn counted(self, census: Census) -> Self {
        let method = if let Self::Counted(counted) = self {
            counted.method
        } else {
            Box::new(self)
        };
        Self::Counted(Counted { census, method })
    }

    /// What is asked of its finished model by group and by site.
    pub fn subgroups(&self) -> Option<&Subgroups> {
        match self {
            Self::Counted(counted) => counted.method.subgroups(),
            Self::Judged(judged) => Some(&judged.subgroups),
            _ => None,
        }
    }

    /// The same method, its model judged.
    pub fn judged(self, subgroups: Subgroups) -> Self {
        Self::Judged(Judged {
            method: Box::new(self.method().clone()),
            subgroups,
        })
    }

    /// The name a study file calls it by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Summary(_) => "summary",
            Self::FedAvg(recipe) => recipe.rule.kind(),
            Self::Cox(_) => "cox",
            Self::KaplanMeier(_) => "km",
            Self::Glm(recipe) => recipe.family.name(),
            Self::Gbdt(_) => "gbdt",
            Self::Count(_) => "count",
            Self::Judged(judged) => judged.method.kind(),
            Self::Counted(counted) => counted.method.kind(),
        }
    }

    /// Whether the outcome is that of one table of all rows (then all its figures come from one set
    /// of sites) and not an approximation that depends on how rows lie at sites.
    pub fn exact(&self) -> bool {
        !matches!(self.method(), Self::FedAvg(_) | Self::Count(_))
    }

    /// The strength of the ridge, in the methods that have one.
    pub fn ridge(&self) -> Option<f64> {
        match self.method() {
            Self::Glm(recipe) => Some(recipe.ridge),
            Self::Cox(recipe) => Some(recipe.ridge),
            _ => None,
        }
    }

    /// The same method with another ridge, where it has one.
    pub fn with_ridge(&self, ridge: f64) -> Self {
        match self.method().clone() {
            Self::Glm(recipe) => Self::Glm(Glm { ridge, ..recipe }),
            Self::Cox(recipe) => Self::Cox(Cox { ridge, ..recipe }),
            other => other,
        }
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`] names the key of the study file.
    pub fn check(&self) -> Result<(), RecipeError> {
        match self {
            Self::Summary(recipe) => recipe.check(),
            Self::FedAvg(recipe) => recipe.check(),
            Self::Cox(recipe) => recipe.check(),
            Self::KaplanMeier(recipe) => recipe.check(),
            Self::Glm(recipe) => recipe.check(),
            Self::Gbdt(recipe) => recipe.check(),
            Self::Count(recipe) => recipe.check(),
            Self::Judged(judged) => judged.check(),
            Self::Counted(counted) => counted.check(),
        }
    }

    /// The state before the first round. The seed draws the first weights of a neural network, and
    /// rows and columns of boosted trees; the others need none. Call [`Recipe::check`] before. A
    /// study with a roster begins with [`Recipe::start_among`].
    pub fn start(&self, seed: Digest) -> State {
        self.start_among(seed, 0)
    }

    /// The state before the first round of a study whose roster has so many sites: what sites tell
    /// of themselves has a place for each.
    pub fn start_among(&self, seed: Digest, roster: u32) -> State {
        match self {
            Self::Summary(recipe) => State::Summary(recipe.start(0)),
            Self::FedAvg(recipe) => State::FedAvg(recipe.start(&seed)),
            Self::Cox(recipe) => State::Cox(recipe.start(0)),
            Self::KaplanMeier(recipe) => State::KaplanMeier(recipe.start(0)),
            Self::Glm(recipe) => State::Glm(recipe.start(0)),
            Self::Gbdt(recipe) => State::Gbdt(recipe.start(seed, 0)),
            Self::Count(recipe) => State::Count(recipe.start()),
            Self::Judged(judged) => State::Judged(JudgedState {
                method: Box::new(judged.method.start(seed)),
                judgement: judged.subgroups.start(roster),
            }),
            Self::Counted(counted) => State::Counted(CountedState {
                tally: counted.census.start(),
                method: Box::new(counted.method.start_among(seed, roster)),
            }),
        }
    }

    /// The question of the next round to a line-up of `sites`; nothing when the run is over (then
    /// [`Recipe::outcome`] has the result, or says why there is none).
    ///
    /// # Errors
    /// Parameters out of range, another recipe's state, or more rows or sites than the number
    /// format holds.
    pub fn ask(&self, state: &State, sites: u32) -> Result<Option<Question>, RecipeError> {
        self.check()?;
        let layout = match (self, state) {
            (Self::Summary(recipe), State::Summary(state)) => recipe.ask(state, sites)?,
            (Self::FedAvg(recipe), State::FedAvg(state)) => recipe.ask(state, sites)?,
            (Self::Cox(recipe), State::Cox(state)) => recipe.ask(state),
            (Self::KaplanMeier(recipe), State::KaplanMeier(state)) => recipe.ask(state),
            (Self::Glm(recipe), State::Glm(state)) => recipe.ask(state, sites),
            (Self::Gbdt(recipe), State::Gbdt(state)) => recipe.ask(state, sites)?,
            (Self::Count(recipe), State::Count(state)) => recipe.ask(state),
            (Self::Judged(judged), State::Judged(state)) => judged.ask(state, sites)?,
            (Self::Counted(counted), State::Counted(state)) => counted.ask(state, sites)?,
            _ => return Err(STATE),
        };
        Ok(layout.map(|layout| Question {
            layout,
            phase: state.progress().phase,
        }))
    }

    /// One site's answer from its own rows. `memory` is what the site kept from its last answer in
    /// this run, empty before the first; `dice` shuffles rows in training, exact recipes do not
    /// roll it.
    ///
    /// # Errors
    /// The table does not fit the recipe, or question and state do not belong together.
    pub fn answer(
        &self,
        state: &State,
        question: &Question,
        rows: &Rows<'_>,
        memory: &Memory,
        dice: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        if question.phase != state.progress().phase {
            return Err(RecipeError::Mismatch { what: "question" });
        }
        self.answer_phase(state, rows, memory, dice)
    }

    fn answer_phase(
        &self,
        state: &State,
        rows: &Rows<'_>,
        memory: &Memory,
        dice: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        match (self, state) {
            (Self::Summary(recipe), State::Summary(state)) => {
                Ok(ClearUpdate::new(1, recipe.answer(state, rows)?).into())
            }
            (Self::FedAvg(recipe), State::FedAvg(state)) => {
                recipe.answer(state, rows, memory, dice)
            }
            (Self::Cox(recipe), State::Cox(state)) => {
                Ok(ClearUpdate::new(1, recipe.answer(state, rows)?).into())
            }
            (Self::KaplanMeier(recipe), State::KaplanMeier(state)) => {
                Ok(ClearUpdate::new(1, recipe.answer(state, rows)?).into())
            }
            (Self::Glm(recipe), State::Glm(state)) => {
                Ok(ClearUpdate::new(1, recipe.answer(state, rows)?).into())
            }
            (Self::Gbdt(recipe), State::Gbdt(state)) => {
                Ok(ClearUpdate::new(1, recipe.answer(state, rows)?).into())
            }
            (Self::Count(recipe), State::Count(_)) => {
                Ok(ClearUpdate::new(1, recipe.answer(rows)?).into())
            }
            (Self::Judged(judged), State::Judged(state)) => {
                judged.answer(state, rows, memory, dice)
            }
            (Self::Counted(counted), State::Counted(state)) => {
                counted.answer(state, rows, memory, dice)
            }
            _ => Err(STATE),
        }
    }

    /// The state after a sum: the same bits at the coordinator and at every node.
    ///
    /// # Errors
    /// The sum does not answer the state's question, or holds figures that no honest sites can
    /// have; the state stays.
    pub fn absorb(&self, state: &State, sum: &Sum) -> Result<State, RecipeError> {
        match (self, state) {
            (Self::Summary(recipe), State::Summary(state)) => {
                recipe.absorb(state, sum).map(State::Summary)
            }
            (Self::FedAvg(recipe), State::FedAvg(state)) => {
                recipe.absorb(state, sum).map(State::FedAvg)
            }
            (Self::Cox(recipe), State::Cox(state)) => recipe.absorb(state, sum).map(State::Cox),
            (Self::KaplanMeier(recipe), State::KaplanMeier(state)) => {
                recipe.absorb(state, sum).map(State::KaplanMeier)
            }
            (Self::Glm(recipe), State::Glm(state)) => recipe.absorb(state, sum).map(State::Glm),
            (Self::Gbdt(recipe), State::Gbdt(state)) => recipe.absorb(state, sum).map(State::Gbdt),
            (Self::Count(recipe), State::Count(state)) => {
                recipe.absorb(state, sum).map(State::Count)
            }
            (Self::Judged(judged), State::Judged(state)) => {
                judged.absorb(state, sum).map(State::Judged)
            }
            (Self::Counted(counted), State::Counted(state)) => {
                counted.absorb(state, sum).map(State::Counted)
            }
            _ => Err(STATE),
        }
    }

    /// The result of a finished run.
    ///
    /// # Errors
    /// [`RecipeError::Unfinished`], or why there is no finite estimate.
    pub fn outcome(&self, state: &State) -> Result<Outcome, RecipeError> {
        match (self, state) {
            (Self::Summary(recipe), State::Summary(state)) => {
                recipe.outcome(state).map(Outcome::Summary)
            }
            (Self::FedAvg(recipe), State::FedAvg(state)) => Ok(match recipe.outcome(state)? {
                fedavg::Finished::Binary(outcome) => Outcome::FedAvg(outcome),
                fedavg::Finished::Number(outcome) => Outcome::FedNumber(outcome),
                fedavg::Finished::Time(outcome) => Outcome::FedTime(outcome),
            }),
            (Self::Cox(recipe), State::Cox(state)) => recipe.outcome(state).map(Outcome::Cox),
            (Self::KaplanMeier(recipe), State::KaplanMeier(state)) => {
                recipe.outcome(state).map(Outcome::KaplanMeier)
            }
            (Self::Glm(recipe), State::Glm(state)) => recipe.outcome(state).map(Outcome::Glm),
            (Self::Gbdt(recipe), State::Gbdt(state)) => recipe.outcome(state).map(Outcome::Gbdt),
            (Self::Count(recipe), State::Count(state)) => recipe.outcome(state).map(Outcome::Count),
            (Self::Judged(judged), State::Judged(state)) => judged.method.outcome(&state.method),
            (Self::Counted(counted), State::Counted(state)) => {
                counted.passed(state)?;
                counted.enough(&state.tally, counted.method.outcome(&state.method)?)
            }
            _ => Err(STATE),
        }
    }

    /// How the model of a finished run does by group and by site; nothing where the study does not
    /// ask.
    ///
    /// # Errors
    /// [`RecipeError::Unfinished`].
    pub fn findings(&self, state: &State) -> Result<Option<Findings>, RecipeError> {
        match (self, state) {
            (Self::Judged(judged), State::Judged(state)) => judged.findings(state).map(Some),
            (Self::Counted(counted), State::Counted(state)) => {
                counted.method.findings(&state.method)
            }
            _ => Ok(None),
        }
    }

    /// The whole run on one site's rows alone, for that site's own report; no number of it leaves
    /// the site. The numbers take the same way through ring words as in a sum over sites.
    ///
    /// # Errors
    /// As in [`Recipe::answer`] and [`Recipe::outcome`]; a column that is constant at this site is
    /// one.
    pub fn alone(
        &self,
        rows: &Rows<'_>,
        dice: &mut impl CryptoRng,
    ) -> Result<Outcome, RecipeError> {
        if matches!(self, Self::Judged(_) | Self::Counted(_)) {
            return self.method().alone(rows, dice);
        }
        let mut seed = Digest::default();
        dice.fill_bytes(&mut seed.0);
        let mut state = self.start(seed);
        let mut memory = Memory::default();
        while let Some(question) = self.ask(&state, 1)? {
            let answer = self.answer(&state, &question, rows, &memory, dice)?;
            let sum = plain_sum(&question.layout, Digest::default(), vec![answer.update])?;
            state = self.absorb(&state, &sum)?;
            memory = answer.memory.unwrap_or(memory);
        }
        self.outcome(&state)
    }
}
