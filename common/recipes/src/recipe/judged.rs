//! A method whose finished model is judged by group and by site, in two more rounds.

use super::{Recipe, State};
use crate::error::{RecipeError, require};
use crate::fedavg::{self, FedAvgState};
use crate::memory::{Answer, Memory};
use crate::phase::Phase;
use crate::rows::Rows;
use crate::subgroups::{Findings, Judgement, Model, Subgroups};
use motet_secagg::canonical;
use motet_secagg::encode::{Canonical, Malformed, Reader};
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

/// The mark of a judged recipe and of its state. Neither holds another: bytes that nest without end
/// would end the process.
const MARK: u8 = 9;
/// The mark of those behind a first round, which stand around a judged one and not inside.
pub(super) const COUNTED: u8 = 10;

canonical! {
    /// A method, and the groups and sites that its finished model is judged by.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Judged {
        /// The method.
        pub method: Box<Recipe>,
        /// What is asked of its model.
        pub subgroups: Subgroups,
    }
}

canonical! {
    /// The state of the method, and then of its judgement.
    #[derive(Debug, Clone, PartialEq)]
    pub struct JudgedState {
        /// The state of the method; its rounds count those of the judgement too.
        pub method: Box<State>,
        /// The judgement.
        pub judgement: Judgement,
    }
}

macro_rules! boxed {
    ($inner:ty, $what:literal) => {
        impl Canonical for Box<$inner> {
            fn write(&self, out: &mut Vec<u8>) {
                (**self).write(out);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                if matches!(input.peek(), Some(MARK | COUNTED)) {
                    return Err(Malformed { what: $what });
                }
                <$inner>::read(input).map(Self::new)
            }
        }
    };
}
boxed!(Recipe, "Judged");
boxed!(State, "JudgedState");

impl Judged {
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let known = match &*self.method {
            Recipe::Gbdt(_) | Recipe::FedAvg(_) | Recipe::Cox(_) => true,
            Recipe::Glm(recipe) => recipe.measure().is_some(),
            _ => false,
        };
        require(
            known,
            "evaluation",
            "left out: this method has no figures by group",
        )?;
        self.method.check()?;
        self.subgroups.check()
    }

    /// The finished model; nothing while it is not.
    fn model<'a>(&'a self, state: &'a State) -> Option<Model<'a>> {
        if state.progress().phase != "finished" {
            return None;
        }
        match (&*self.method, state) {
            (Recipe::Glm(recipe), State::Glm(state)) => Some(Model::Glm(recipe, state)),
            (Recipe::FedAvg(recipe), State::FedAvg(state)) => Some(Model::FedAvg(recipe, state)),
            (Recipe::Gbdt(recipe), State::Gbdt(state)) => Some(Model::Gbdt(recipe, state)),
            (Recipe::Cox(recipe), State::Cox(state)) => Some(Model::Cox(recipe, state)),
            _ => None,
        }
    }

    pub(super) fn ask(
        &self,
        state: &JudgedState,
        sites: u32,
    ) -> Result<Option<Layout>, RecipeError> {
        match self.model(&state.method) {
            Some(model) => self.subgroups.ask(&state.judgement, &model, sites),
            None => Ok(self
                .method
                .ask(&state.method, sites)?
                .map(|question| question.layout)),
        }
    }

    pub(super) fn answer(
        &self,
        state: &JudgedState,
        rows: &Rows<'_>,
        memory: &Memory,
        dice: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        match self.model(&state.method) {
            Some(model) => Ok(ClearUpdate::new(
                1,
                self.subgroups.answer(&state.judgement, &model, rows)?,
            )
            .into()),
            None => self.method.answer_phase(&state.method, rows, memory, dice),
        }
    }

    pub(super) fn absorb(
        &self,
        state: &JudgedState,
        sum: &Sum,
    ) -> Result<JudgedState, RecipeError> {
        let Some(model) = self.model(&state.method) else {
            let method = Box::new(self.method.absorb(&state.method, sum)?);
            return Ok(JudgedState {
                method,
                judgement: state.judgement.clone(),
            });
        };
        let rounds = state.method.progress().round + 1;
        if sum.set != model.set() {
            let method = Box::new(self.again(&state.method, rounds)?);
            return Ok(JudgedState {
                method,
                judgement: self.subgroups.start(state.judgement.roster),
            });
        }
        let judgement = self.subgroups.absorb(&state.judgement, &model, sum)?;
        Ok(JudgedState {
            method: Box::new(counted(&state.method, rounds)),
            judgement,
        })
    }

    /// The pass of the method begins again; an average over other sites is still an average, and
    /// only its evaluation does.
    fn again(&self, state: &State, rounds: u32) -> Result<State, RecipeError> {
        Ok(match (&*self.method, state) {
            (Recipe::Glm(recipe), _) => State::Glm(recipe.start(rounds)),
            (Recipe::Cox(recipe), _) => State::Cox(recipe.start(rounds)),
            (Recipe::Gbdt(recipe), State::Gbdt(state)) => {
                State::Gbdt(recipe.start(state.seed, rounds))
            }
            (Recipe::FedAvg(_), State::FedAvg(state)) => State::FedAvg(FedAvgState {
                rounds,
                phase: Phase::Evaluate,
                evaluation: fedavg::Evaluation::default(),
                ..state.clone()
            }),
            _ => return Err(super::STATE),
        })
    }

    pub(super) fn findings(&self, state: &JudgedState) -> Result<Findings, RecipeError> {
        let model = self.model(&state.method);
        let model = model.ok_or(RecipeError::Unfinished {
            phase: state.method.progress().phase,
        })?;
        self.subgroups.findings(&state.judgement, &model)
    }
}

/// The same state after so many rounds of the run.
pub(super) fn counted(state: &State, rounds: u32) -> State {
    let mut state = state.clone();
    match &mut state {
        State::Glm(state) => state.rounds = rounds,
        State::FedAvg(state) => state.rounds = rounds,
        State::Gbdt(state) => state.rounds = rounds,
        State::Cox(state) => state.rounds = rounds,
        State::Summary(state) => state.rounds = rounds,
        State::KaplanMeier(state) => state.rounds = rounds,
        State::Judged(judged) => *judged.method = counted(&judged.method, rounds),
        State::Count(_) | State::Counted(_) => {}
    }
    state
}
