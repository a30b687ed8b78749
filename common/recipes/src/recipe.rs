//! A study's question as a whole: a method, what is counted
//! before it and how its model is judged. Everything
//! outside this crate speaks to a [`Recipe`].
//!
//! ```text
//! [census] -> rounds of the method -> [two rounds that judge its model] -> outcome, [findings]
//!                 ^                          |
//!                 +-- a sum of another set --+    before the first figure of a pass any set will do
//! ```

mod standing; // where a run stands

use crate::census::{Census, Tally};
use crate::error::{RecipeError, require};
use crate::memory::{Answer, Memory};
use crate::method::{Pass, Standing};
use crate::methods::{AnyMethod, AnyState, Outcome, STATE};
use crate::rows::Rows;
use crate::subgroups::{Findings, Judgement, Model, Subgroups};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

canonical! {
    /// A method and its parameters, as a study approves them.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Recipe {
        /// What is counted before it begins.
        pub census: Option<Census>,
        /// The method itself.
        pub method: AnyMethod,
        /// What its finished model is judged by.
        pub judged: Option<Subgroups>,
    }
}

canonical! {
    /// What all parties know between two rounds. It holds its
    /// own step counter, so that no root repeats in a run, and
    /// no id of a study or run, so that the same question can
    /// be recognised elsewhere.
    #[derive(Debug, Clone, PartialEq)]
    pub struct State {
        /// What has been absorbed.
        pub pass: Pass,
        /// What was counted, where anything is.
        pub tally: Option<Tally>,
        /// What the method keeps.
        pub method: AnyState,
        /// The judgement, where there is one.
        pub judgement: Option<Judgement>,
    }
}

/// What a round asks for. It never travels: both sides
/// derive it from the recipe and the state.
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
    /// The phase of the next round; `finished` when there is
    /// none.
    pub phase: &'static str,
    /// Rounds absorbed.
    pub round: u32,
    /// The figure to watch and its last value: `largest step`
    /// or `loss`.
    pub measure: Option<(&'static str, f64)>,
}

/// What the next round belongs to.
enum Stage<'a> {
    Census(&'a Census),
    Method,
    Judgement(&'a Subgroups, &'a Judgement, Box<dyn Model + 'a>),
    Over,
}

impl<M: Into<AnyMethod>> From<M> for Recipe {
    fn from(method: M) -> Self {
        Self {
            census: None,
            method: method.into(),
            judged: None,
        }
    }
}

impl Recipe {
    /// The same behind a first round.
    pub fn counted(mut self, census: Census) -> Self {
        if let Some(sites) = self.method.sites() {
            // What the first round asks for; after a loss there is one less, and it holds all the same.
            *sites = census.min_sites + census.spare;
        }
        Self {
            census: Some(census),
            ..self
        }
    }

    /// The same, its model judged.
    pub fn judged(self, subgroups: Subgroups) -> Self {
        Self {
            judged: Some(subgroups),
            ..self
        }
    }

    /// The method alone, without the round before it and the
    /// judgement of its model.
    pub fn bare(&self) -> Self {
        self.method.clone().into()
    }

    /// The same with no cell told from exactly one patient more
    /// than there are at least, which everybody would then know
    /// of one that is withheld: of a level that fewer than
    /// `sites` sites have, and of fewer events than the first
    /// round's cell, the run ends. And with no column asked for
    /// that fewer patients have than a cell of the study.
    pub fn withholding_beside(mut self, sites: &[u32]) -> Self {
        let mut first = None;
        if let Some(census) = &mut self.census {
            while sites.iter().any(|sites| census.min_cell == sites + 1) {
                census.min_cell += 1;
            }
            first = Some(census.min_cell + 1);
        }
        let judged = self.judged.as_mut().map(|asked| &mut asked.min_cell);
        for cell in self.method.cell().into_iter().chain(judged) {
            while sites.iter().any(|sites| *cell == sites + 1) || first == Some(*cell) {
                *cell += 1;
            }
        }
        let judged = self.judged.as_ref().map(|asked| asked.min_cell);
        let cells = self
            .method
            .cell()
            .map(|cell| *cell)
            .into_iter()
            .chain(judged);
        if let (Some(census), Some(most)) = (&mut self.census, cells.max()) {
            // A mean, and where there is no number a coefficient, is the number of patients with a yes.
            census.cell = census.min_cell.max(most);
        }
        self
    }

    /// How many numbers a site's vector of the first round has;
    /// nothing where there is none.
    pub fn first_numbers(&self) -> Option<usize> {
        let census = self.census.as_ref()?;
        Some(census.numbers(&self.method.beside()))
    }

    /// A number must have more different values than that many,
    /// at enough sites.
    pub fn common_values(&self) -> usize {
        self.method.beside().common
    }

    /// Columns that the method splits or bends: of these every
    /// site has different values.
    pub fn bent_columns(&self) -> Vec<&str> {
        let beside = self.method.beside();
        let census = self.census.as_ref();
        census.map_or_else(Vec::new, |census| census.bent(&beside))
    }

    /// Whether the run leaves a model, which a site's own may
    /// be compared with.
    pub fn has_model(&self) -> bool {
        self.method.measure().is_some()
    }

    /// The name a study file calls it by.
    pub fn kind(&self) -> &'static str {
        self.method.name()
    }

    /// Whether the outcome is that of one table of all rows
    /// (then all its figures come from one set of sites) and
    /// not an approximation that depends on how rows lie at
    /// sites.
    pub fn exact(&self) -> bool {
        self.method.exact()
    }

    /// Largest step of a coefficient at which an exact fit
    /// ends, in the methods that have one.
    pub fn tolerance(&self) -> Option<f64> {
        self.method.tolerance()
    }

    /// The strength of the ridge, in the methods that have one.
    pub fn ridge(&self) -> Option<f64> {
        self.method.clone().ridge().copied()
    }

    /// The method alone with another ridge, where it has one.
    pub fn with_ridge(&self, ridge: f64) -> Self {
        let mut recipe = self.bare();
        if let Some(strength) = recipe.method.ridge() {
            *strength = ridge;
        }
        recipe
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`] names the key of the study
    /// file.
    pub fn check(&self) -> Result<(), RecipeError> {
        require(
            self.judged.is_none() || self.method.measure().is_some(),
            "evaluation",
            "left out: this method has no figures by group",
        )?;
        self.method.check()?;
        if let Some(subgroups) = &self.judged {
            subgroups.check()?;
        }
        if let Some(census) = &self.census {
            census.check(&self.method.beside())?;
        }
        Ok(())
    }

    /// The state before the first round. The seed draws the
    /// first weights of a neural network, and rows and columns
    /// of boosted trees; the others need none. Call
    /// [`Recipe::check`] before. A study with a roster begins
    /// with [`Recipe::start_among`].
    pub fn start(&self, seed: Digest) -> State {
        self.start_among(seed, 0)
    }

    /// The state before the first round of a study whose roster
    /// has that many sites: what sites tell of themselves has a
    /// place for each.
    pub fn start_among(&self, seed: Digest, roster: u32) -> State {
        State {
            pass: Pass::default(),
            tally: self.census.as_ref().map(Census::start),
            method: self.method.start(&seed),
            judgement: self.judged.as_ref().map(|asked| asked.start(roster)),
        }
    }

    fn stage<'a>(&'a self, state: &'a State) -> Result<Stage<'a>, RecipeError> {
        match (&self.census, &state.tally) {
            (None, None) => {}
            (Some(_), Some(tally)) if !tally.lacks.is_empty() => return Ok(Stage::Over),
            (Some(_), Some(Tally { asked: true, .. })) => {}
            (Some(census), Some(_)) => return Ok(Stage::Census(census)),
            _ => return Err(STATE),
        }
        if self.judged.is_some() != state.judgement.is_some() {
            return Err(STATE);
        }
        match (state.method.standing(), &self.judged, &state.judgement) {
            (Standing::Open(_), ..) => Ok(Stage::Method),
            (Standing::Stuck, ..) | (Standing::Finished, None, None) => Ok(Stage::Over),
            (Standing::Finished, Some(asked), Some(judgement)) => {
                let model = self.method.model(&state.method).ok_or(STATE)?;
                Ok(if judgement.is_over() {
                    Stage::Over
                } else {
                    Stage::Judgement(asked, judgement, model)
                })
            }
            (Standing::Finished, ..) => Err(STATE),
        }
    }

    /// The question of the next round to a line-up of `sites`;
    /// nothing when the run is over (then [`Recipe::outcome`]
    /// has the result, or says why there is none).
    ///
    /// # Errors
    /// Parameters out of range, another recipe's state, or more
    /// rows or sites than the number format holds.
    pub fn ask(&self, state: &State, sites: u32) -> Result<Option<Question>, RecipeError> {
        self.check()?;
        let layout = match self.stage(state)? {
            Stage::Census(census) => Some(census.ask(&self.method.beside())?),
            Stage::Method => self.method.ask(&state.method, sites)?,
            Stage::Judgement(asked, judgement, model) => asked.ask(judgement, &*model, sites)?,
            Stage::Over => None,
        };
        Ok(layout.map(|layout| Question {
            layout,
            phase: state.progress().phase,
        }))
    }

    /// One site's answer from its own rows; those that are held
    /// out answer for the judgement of the finished model
    /// alone. `memory` is what the site kept from its last
    /// answer in this run, empty before the first; `rng`
    /// shuffles rows in training, exact recipes do not roll it.
    ///
    /// # Errors
    /// The table does not fit the recipe, or question and state
    /// do not belong together.
    pub fn answer(
        &self,
        state: &State,
        question: &Question,
        rows: &Rows<'_>,
        memory: &Memory,
        rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        if question.phase != state.progress().phase {
            return Err(RecipeError::Mismatch { what: "question" });
        }
        match self.stage(state)? {
            Stage::Census(census) => {
                self.is_answered(state, rows, memory, rng)?;
                let values = census.answer(&self.method.beside(), &rows.fitted())?;
                Ok(ClearUpdate::new(1, values).into())
            }
            Stage::Method => (self.method).answer(&state.method, &rows.fitted(), memory, rng),
            Stage::Judgement(asked, judgement, model) => {
                Ok(ClearUpdate::new(1, asked.answer(judgement, &*model, rows)?).into())
            }
            Stage::Over => Err(STATE),
        }
    }

    /// That the method has an answer to its first question: a
    /// table that it will refuse is refused in the first round,
    /// while the others can still begin without this site.
    fn is_answered(
        &self,
        state: &State,
        rows: &Rows<'_>,
        memory: &Memory,
        rng: &mut impl CryptoRng,
    ) -> Result<(), RecipeError> {
        if let Some(layout) = self.method.ask(&state.method, 1)? {
            let fitted = rows.fitted();
            let first = self.method.answer(&state.method, &fitted, memory, rng)?;
            plain_sum(&layout, Digest::default(), vec![first.update])?;
            if rows.held_out > 0 {
                // What the judgement will refuse is refused now.
                let others = rows.only_held_out();
                self.method.answer(&state.method, &others, memory, rng)?;
            }
        }
        Ok(())
    }

    /// The state after a sum: the same bits at the coordinator
    /// and at every node.
    ///
    /// # Errors
    /// The sum does not answer the state's question, or holds
    /// figures that no honest sites can have; the state stays.
    pub fn absorb(&self, state: &State, sum: &Sum) -> Result<State, RecipeError> {
        let stage = self.stage(state)?;
        let mut next = state.clone();
        if let Stage::Census(census) = stage {
            next.pass = state.pass.counted();
            next.tally = Some(census.absorb(&self.method.beside(), sum)?);
            return Ok(next);
        }
        if matches!(stage, Stage::Over) {
            return Err(STATE);
        }
        // Figures of two sets are those of neither, and their difference would be a site's.
        let is_other = state.pass.set.is_some_and(|set| set != sum.set);
        if is_other && let Some(method) = self.method.again(&state.method)? {
            next.pass = state.pass.again();
            next.method = method;
            next.judgement = self
                .judged
                .as_ref()
                .zip(state.judgement.as_ref())
                .map(|(asked, judgement)| asked.start(judgement.roster));
            return Ok(next);
        }
        if let Stage::Judgement(asked, judgement, model) = stage {
            next.pass = state.pass.counted();
            next.judgement = Some(asked.absorb(judgement, &*model, sum)?);
        } else {
            next.pass = state.pass.after(sum);
            next.method = self.method.absorb(&state.method, &state.pass, sum)?;
        }
        Ok(next)
    }

    /// The result of a finished run.
    ///
    /// # Errors
    /// [`RecipeError::Unfinished`], why there is no finite
    /// estimate, or what there is not enough of.
    pub fn outcome(&self, state: &State) -> Result<Outcome, RecipeError> {
        let (census, tally) = match (&self.census, &state.tally) {
            (None, None) => return self.method.outcome(&state.method, &state.pass),
            (Some(census), Some(tally)) => (census, tally),
            _ => return Err(STATE),
        };
        census.passed(&self.method.beside(), tally)?;
        let mut outcome = self.method.outcome(&state.method, &state.pass)?;
        outcome.withhold(census, tally);
        // With an offset the mean may be that of what it leaves.
        let yes_no = tally.yes_no && census.offset.is_none();
        census.enough(&outcome.classes(yes_no))?;
        Ok(outcome)
    }

    /// How the model of a finished run does by group and by
    /// site; nothing where the study does not ask.
    ///
    /// # Errors
    /// [`RecipeError::Unfinished`].
    pub fn findings(&self, state: &State) -> Result<Option<Findings>, RecipeError> {
        let Some((asked, judgement)) = self.judged.as_ref().zip(state.judgement.as_ref()) else {
            return Ok(None);
        };
        if state.method.standing() != Standing::Finished {
            return Err(RecipeError::Unfinished {
                phase: state.progress().phase,
            });
        }
        let model = self.method.model(&state.method).ok_or(STATE)?;
        asked.findings(judgement, &*model).map(Some)
    }

    /// The whole run on one site's rows alone, for that site's
    /// own report; no number of it leaves the site. The numbers
    /// take the same way through ring words as in a sum over
    /// sites.
    ///
    /// # Errors
    /// As in [`Recipe::answer`] and [`Recipe::outcome`]; a
    /// column that is constant at this site is one.
    pub fn alone(&self, rows: &Rows<'_>, rng: &mut impl CryptoRng) -> Result<Outcome, RecipeError> {
        let recipe = self.bare();
        let mut seed = Digest::default();
        rng.fill_bytes(&mut seed.0);
        let mut state = recipe.start(seed);
        let mut memory = Memory::default();
        while let Some(question) = recipe.ask(&state, 1)? {
            let answer = recipe.answer(&state, &question, rows, &memory, rng)?;
            let sum = plain_sum(&question.layout, Digest::default(), vec![answer.update])?;
            state = recipe.absorb(&state, &sum)?;
            memory = answer.memory.unwrap_or(memory);
        }
        recipe.outcome(&state)
    }
}
