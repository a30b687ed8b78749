//! What is computed on the patients of one study, away from the session's thread.

use crate::NodeError;
use crate::data_desk::{Dataset, with_floor};
use crate::frozen::Tables;
use crate::memory::Remembered;
use crate::studies::Proposal;
use motet_common::chain::Chain;
use motet_common::opening::Reading;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::{Floors, Study};
use motet_data::Cohort;
use motet_data::cohort::check_schema;
use motet_recipes::{Comparison, Memory, Outcome, RecipeError, Rows};
use motet_secagg::digest::Digest;
use motet_secagg::fold::{plain_sum, set_digest};
use motet_secagg::layout::ClearUpdate;
use rand_core::CryptoRng;
use std::sync::Arc;

/// Rounds that the site's own evaluation of the final model may take.
const MOST_LOCAL_ROUNDS: usize = 100;

/// The ridge of a method that has none.
const NO_RIDGE: f64 = 0.0;

/// Why a method cannot answer from these patients, with the column that is the likely reason; for
/// this site's own eyes.
pub(crate) fn unanswerable(error: &RecipeError, cohort: &Cohort, study: &Study) -> String {
    match cohort.largest(study) {
        Some(column) => format!("{error}; the largest numbers stand in column `{column}`"),
        None => error.to_string(),
    }
}

/// The refusal of other patients than those of the first sum. It is for this site's own eyes: to
/// everyone else a site whose patients are others is away.
fn changed(id: &str) -> Refusal {
    Refusal::new(
        Code::DataChanged,
        format!(
            "the frozen table of study `{id}` holds other rows than those with which this site \
             answered its first sum; nothing was told to anybody"
        ),
    )
}

/// A computation on patients, away from the session's thread.
pub(crate) struct Work {
    pub(super) dataset: Result<Dataset, NodeError>,
    pub(super) proposal: Arc<Proposal>,
    pub(super) tables: Tables,
    /// The frozen table that the decision names.
    pub(super) frozen: Option<Digest>,
    /// What is in it, where it was opened before.
    pub(super) cohort: Option<Arc<Cohort>>,
    pub(super) reading: Option<Reading>,
    /// What the keyed digest of its rows must be.
    pub(super) bound: Option<[u8; 32]>,
    /// What it is.
    pub(super) content: Option<[u8; 32]>,
    pub(super) chain: Chain,
    /// This site's place in the roster.
    pub(super) place: Option<u32>,
    /// Whether it may tell there how the finished model does on its own rows.
    pub(super) tells: bool,
    /// The site's own floors as they are now.
    pub(super) floors: Floors,
    /// What the answer begins from.
    pub(super) memory: Result<Memory, NodeError>,
}

/// What came of it.
pub(crate) struct Answered {
    /// The patients, to be kept for the next round.
    pub(crate) cohort: Arc<Cohort>,
    /// What they were read from.
    pub(crate) reading: Reading,
    /// The keyed digest of their rows.
    pub(crate) content: [u8; 32],
    /// The answer in the clear: it goes to the round machine, which masks it, and nowhere else.
    pub(crate) update: ClearUpdate,
    /// The final model on this site's own rows, where the question was its evaluation.
    pub(crate) own: Option<Outcome>,
    /// What this site keeps for itself, where the recipe lets it.
    pub(crate) remembered: Option<Remembered>,
}

impl Work {
    /// The patients of the frozen table, and never of the source; that schema and study still agree,
    /// and that the rows are enough, is looked at each time.
    ///
    /// # Errors
    /// `no_dataset`, `schema_refused`; `too_few_rows`, `table_lost`, `data_changed` and
    /// `data_refused` are for the site's own eyes.
    pub(crate) fn cohort(&mut self) -> Result<Arc<Cohort>, Refusal> {
        let dataset = self.dataset.as_ref().map_err(|error| match error {
            NodeError::Refused(refusal) | NodeError::Broken(refusal) => refusal.clone(),
            other => Refusal::new(Code::DataRefused, other.to_string()),
        })?;
        check_schema(&dataset.schema, &self.proposal.study)
            .map_err(|error| Refusal::new(Code::SchemaRefused, error.of_texts()))?;
        dataset
            .fits(&self.proposal.study, &self.floors)
            .map_err(|error| match error {
                NodeError::Refused(refusal) | NodeError::Broken(refusal) => refusal,
                other => Refusal::new(Code::DataRefused, other.to_string()),
            })?;
        let cohort = self.opened()?;
        // What holds now holds for rows that were frozen before, too.
        if cohort
            .too_few(&with_floor(&self.proposal.study, &self.floors))
            .is_some()
        {
            return Err(Code::TooFewRows.into());
        }
        Ok(cohort)
    }

    /// The table, opened once a start of the node, and held to the decision and to what answered
    /// before.
    fn opened(&mut self) -> Result<Arc<Cohort>, Refusal> {
        if let (Some(cohort), Some(_)) = (&self.cohort, &self.content) {
            return Ok(Arc::clone(cohort));
        }
        let id = &self.proposal.study.id;
        let name = self.frozen.ok_or_else(|| {
            let detail = format!("no decision about study `{id}` names a frozen table");
            Refusal::new(Code::StudyNotApproved, detail)
        })?;
        let table = self.tables.open(&self.proposal, &name)?;
        let content = table.content(&self.tables.content);
        if self.bound.is_some_and(|bound| bound != content) {
            return Err(changed(id));
        }
        self.reading = Some(table.reading().clone());
        self.content = Some(content);
        let cohort = Arc::new(table.cohort);
        self.cohort = Some(Arc::clone(&cohort));
        Ok(cohort)
    }

    /// What the patients were read from.
    ///
    /// # Errors
    /// As [`Work::cohort`].
    pub(crate) fn reading(&mut self) -> Result<Reading, Refusal> {
        if self.reading.is_none() {
            self.opened()?;
        }
        self.reading
            .clone()
            .ok_or_else(|| Refusal::broken("a table was opened that says not what it is of"))
    }

    /// Answers the question for this many candidates.
    ///
    /// # Errors
    /// As [`Work::cohort`]; `input_refused` when the recipe cannot answer from these rows.
    pub(crate) fn answer(
        mut self,
        candidates: usize,
        rng: &mut impl CryptoRng,
    ) -> Result<Answered, Refusal> {
        let cohort = self.cohort()?;
        let reading = self.reading()?;
        let rows = Rows {
            slot: self.place.filter(|_| self.tells),
            place: self.place,
            ..cohort.rows()
        };
        let before = std::mem::replace(&mut self.memory, Ok(Memory::default()))
            .map_err(|error| Refusal::new(Code::Storage, error.to_string()))?;
        let question = self.chain.question(candidates)?.ok_or(Code::PlanRejected)?;
        let recipe = self.chain.recipe();
        let answer = recipe
            .answer(self.chain.state(), &question, &rows, &before, rng)
            .map_err(|error| {
                Refusal::new(
                    Code::InputRefused,
                    unanswerable(&error, &cohort, &self.proposal.study),
                )
            })?;
        let remembered = answer.memory.map(|after| Remembered { before, after });
        let own = (question.phase == "evaluate")
            .then(|| evaluate_here(&self.chain, &cohort, rng))
            .flatten();
        let content = self
            .content
            .ok_or_else(|| Refusal::broken("an answer over rows that no digest was made of"))?;
        Ok(Answered {
            cohort,
            reading,
            content,
            update: answer.update,
            own,
            remembered,
        })
    }

    /// The same recipe fitted on this site's rows alone, and the ridge it took: a small site often
    /// has no finite unpenalised estimate, and then a little ridge gives one to compare with.
    ///
    /// # Errors
    /// `recipe_failed` where even that has none.
    pub(crate) fn alone(&mut self, rng: &mut impl CryptoRng) -> Result<(Outcome, f64), Refusal> {
        let cohort = self.cohort()?;
        let recipe = self.chain.recipe();
        match (recipe.alone(&cohort.rows(), rng), recipe.ridge()) {
            (Ok(outcome), ridge) => Ok((outcome, ridge.unwrap_or(NO_RIDGE))),
            (Err(_), Some(ridge)) => {
                let ridge = ridge.max(1.0);
                Ok((
                    recipe
                        .with_ridge(ridge)
                        .alone(&cohort.rows(), rng)
                        .map_err(failed)?,
                    ridge,
                ))
            }
            (Err(error), None) => Err(failed(error)),
        }
    }

    /// Whether the finished model serves this site's own patients; nothing where the method has no
    /// such judgement, or no model.
    pub(crate) fn compare(&mut self, rng: &mut impl CryptoRng) -> Option<Comparison> {
        let cohort = self.cohort().ok()?;
        let mut seed = Digest::default();
        rng.fill_bytes(&mut seed.0);
        motet_recipes::compare(
            self.chain.recipe(),
            self.chain.state(),
            &cohort.rows(),
            seed,
        )
        .ok()?
    }
}

fn failed(error: RecipeError) -> Refusal {
    Refusal::new(Code::RecipeFailed, error.to_string())
}

/// Takes the final model through its evaluation on this site's rows alone.
fn evaluate_here(chain: &Chain, cohort: &Cohort, rng: &mut impl CryptoRng) -> Option<Outcome> {
    let recipe = chain.recipe().bare();
    let rows = cohort.rows();
    let set = set_digest(chain.set());
    let mut state = chain.state().bare();
    for _ in 0..MOST_LOCAL_ROUNDS {
        let Some(question) = recipe.ask(&state, 1).ok()? else {
            return recipe.outcome(&state).ok();
        };
        let update = recipe
            .answer(&state, &question, &rows, &Memory::default(), rng)
            .ok()?
            .update;
        let sum = plain_sum(&question.layout, set, vec![update]).ok()?;
        state = recipe.absorb(&state, &sum).ok()?;
    }
    None
}
