//! One approved study at this site: its chain of states, its patients, and the attempt under way. It computes; the
//! session speaks.

use crate::data_desk::Dataset;
use crate::records;
use crate::studies::Proposal;
use crate::{Home, NodeError};
use motet_common::chain::Chain;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Me, Member};
use motet_data::Cohort;
use motet_recipes::{Outcome, Recipe, State};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, plain_sum, set_digest};
use motet_secagg::id::RunId;
use motet_secagg::layout::{ClearUpdate, Layout};
use motet_secagg::message::Released;
use rand_core::CryptoRng;
use std::sync::Arc;

/// Rounds that the site's own evaluation of the final model may take.
const MOST_LOCAL_ROUNDS: usize = 100;

canonical! {
    /// A release as this node absorbed it; its aggregate lies among the ledger's blobs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Absorbed {
        /// How many candidates its question was derived for.
        pub(crate) candidates: u32,
        /// The release.
        pub(crate) released: Released,
    }
}

/// The attempt under way.
pub(crate) struct Attempt {
    /// The run it belongs to.
    pub(crate) run: RunId,
    /// The round.
    pub(crate) round: u64,
    /// The machine.
    pub(crate) member: Member,
    /// The question's layout.
    pub(crate) layout: Layout,
}

/// One study.
pub(crate) struct Follower {
    /// The approved proposal.
    pub(crate) proposal: Proposal,
    /// The states.
    pub(crate) chain: Chain,
    /// The patients, read at the first round of each start.
    pub(crate) cohort: Option<Arc<Cohort>>,
    /// The attempt under way.
    pub(crate) attempt: Option<Attempt>,
    /// How the final model did on this site's own rows; for its own steward.
    pub(crate) own: Option<Outcome>,
}

impl Follower {
    /// Rebuilds the chain from what was absorbed before.
    ///
    /// # Errors
    /// When the ledger cannot be read, or an absorbed release does not follow any more.
    pub(crate) async fn open(home: &Home, proposal: Proposal) -> Result<Self, NodeError> {
        let chain = Chain::start(&proposal.study, &proposal.roster);
        let mut follower = Self { proposal, chain, cohort: None, attempt: None, own: None };
        for recorded in home.ledger.read(&follower.stream(), 1).await? {
            let absorbed = Absorbed::from_bytes(&recorded.entry).map_err(Refusal::from)?;
            let bytes = home.ledger.get_blob(&absorbed.released.aggregate).await?;
            let aggregate = Aggregate::from_bytes(&bytes).map_err(Refusal::from)?;
            let state = follower.check(&absorbed, &aggregate)?;
            follower.chain.accept(state, &absorbed.released.set);
        }
        Ok(follower)
    }

    fn stream(&self) -> String {
        format!("chain/{}/{}", self.proposal.study.id, self.proposal.digest.short())
    }

    /// The node in this study's roster.
    pub(crate) fn me<'a>(&'a self, home: &'a Home) -> Me<'a> {
        Me { node: home.node(), key: &home.identity, roster: &self.proposal.roster }
    }

    /// The state that follows from a release; it must be the one the coordinator announces.
    fn check(&self, absorbed: &Absorbed, aggregate: &Aggregate) -> Result<State, Refusal> {
        let released = &absorbed.released;
        if !released.is_signed_by(&self.proposal.roster.coordinator) {
            return Err(Refusal::new(Code::BadSignature, "the coordinator's release"));
        }
        let question = self.chain.question(absorbed.candidates as usize)?.ok_or(Code::ReleaseMismatch)?;
        let state = self.chain.follow(aggregate, &question.layout, &released.set)?;
        if state.root() == released.state_root { Ok(state) } else { Err(Code::ReleaseMismatch.into()) }
    }

    /// Checks a release against the sum it was fetched with, records it, and moves the chain.
    ///
    /// # Errors
    /// `release_mismatch` and the others of a sum that cannot be absorbed: nothing moves.
    pub(crate) async fn absorb(
        &mut self,
        home: &Home,
        absorbed: Absorbed,
        bytes: &[u8],
    ) -> Result<(), NodeError> {
        if Digest::of_file(bytes) != absorbed.released.aggregate {
            return Err(
                Refusal::new(Code::ReleaseMismatch, "the sum is not the one that was announced").into()
            );
        }
        let aggregate = Aggregate::from_bytes(bytes).map_err(Refusal::from)?;
        let state = self.check(&absorbed, &aggregate)?;
        home.ledger.put_blob(bytes).await?;
        records::append(&home.ledger, &self.stream(), &absorbed).await?;
        self.chain.accept(state, &absorbed.released.set);
        Ok(())
    }

    /// What must be known to answer, to be taken to another thread.
    pub(crate) fn work(&self, home: &Home) -> Work {
        Work {
            dataset: Dataset::find(&home.paths, &self.proposal.study.data.dataset),
            proposal: self.proposal.clone(),
            cohort: self.cohort.clone(),
            chain: self.chain.clone(),
        }
    }
}

/// A computation on patients, away from the session's thread.
pub(crate) struct Work {
    dataset: Result<Dataset, NodeError>,
    proposal: Proposal,
    cohort: Option<Arc<Cohort>>,
    chain: Chain,
}

/// What came of it.
pub(crate) struct Answered {
    /// The patients, to be kept for the next round.
    pub(crate) cohort: Arc<Cohort>,
    /// The answer in the clear: it goes to the round machine, which masks it, and nowhere else.
    pub(crate) update: ClearUpdate,
    /// The final model on this site's own rows, where the question was its evaluation.
    pub(crate) own: Option<Outcome>,
}

impl Work {
    /// Reads the patients, unless they were read before.
    ///
    /// # Errors
    /// `no_dataset`, `too_few_rows`, or `data_refused` with file, line and column for the site's own eyes.
    pub(crate) fn cohort(&mut self) -> Result<Arc<Cohort>, Refusal> {
        if let Some(cohort) = &self.cohort {
            return Ok(Arc::clone(cohort));
        }
        let dataset = self.dataset.as_ref().map_err(|error| match error {
            NodeError::Refused(refusal) => refusal.clone(),
            other => Refusal::new(Code::DataRefused, other.to_string()),
        })?;
        let cohort = dataset.cohort(&self.proposal.study).map_err(|error| match error.kind() {
            motet_data::Code::TooFewRows => Code::TooFewRows.into(),
            _ => Refusal::new(Code::DataRefused, error.to_string()),
        })?;
        let cohort = Arc::new(cohort);
        self.cohort = Some(Arc::clone(&cohort));
        Ok(cohort)
    }

    /// Answers the question for this many candidates.
    ///
    /// # Errors
    /// As [`Work::cohort`]; `input_refused` when the recipe cannot answer from these rows.
    pub(crate) fn answer(
        mut self,
        candidates: usize,
        dice: &mut impl CryptoRng,
    ) -> Result<Answered, Refusal> {
        let cohort = self.cohort()?;
        let rows = cohort.rows();
        let question = self.chain.question(candidates)?.ok_or(Code::PlanRejected)?;
        let recipe = self.chain.recipe();
        let update = recipe
            .answer(self.chain.state(), &question, &rows, dice)
            .map_err(|error| Refusal::new(Code::InputRefused, error.to_string()))?;
        let own = (question.phase == "evaluate").then(|| evaluate_here(&self.chain, &cohort, dice)).flatten();
        Ok(Answered { cohort, update, own })
    }

    /// The same recipe fitted on this site's rows alone, and the ridge it took: a small site often has no finite
    /// unpenalised estimate, and then a little ridge gives one to compare with.
    ///
    /// # Errors
    /// `recipe_failed` where even that has none.
    pub(crate) fn alone(&mut self, dice: &mut impl CryptoRng) -> Result<(Outcome, f64), Refusal> {
        let cohort = self.cohort()?;
        let recipe = self.chain.recipe();
        let failed = |error: motet_recipes::RecipeError| Refusal::new(Code::RecipeFailed, error.to_string());
        match (recipe.alone(&cohort.rows(), dice), recipe) {
            (Ok(outcome), Recipe::Logistic(logistic)) => Ok((outcome, logistic.ridge)),
            (Ok(outcome), _) => Ok((outcome, 0.0)),
            (Err(_), Recipe::Logistic(logistic)) => {
                let ridge = logistic.ridge.max(1.0);
                let penalised = Recipe::Logistic(motet_recipes::Logistic { ridge, ..logistic.clone() });
                Ok((penalised.alone(&cohort.rows(), dice).map_err(failed)?, ridge))
            }
            (Err(error), _) => Err(failed(error)),
        }
    }
}

/// Takes the final model through its evaluation on this site's rows alone.
fn evaluate_here(chain: &Chain, cohort: &Cohort, dice: &mut impl CryptoRng) -> Option<Outcome> {
    let recipe = chain.recipe();
    let rows = cohort.rows();
    let set = set_digest(chain.set());
    let mut state = chain.state().clone();
    for _ in 0..MOST_LOCAL_ROUNDS {
        let Some(question) = recipe.ask(&state, 1).ok()? else {
            return recipe.outcome(&state).ok();
        };
        let update = recipe.answer(&state, &question, &rows, dice).ok()?;
        let sum = plain_sum(&question.layout, set, vec![update]).ok()?;
        state = recipe.absorb(&state, &sum).ok()?;
    }
    None
}
