//! The chain of a study's states: every node and the coordinator derive each question from it and
//! recompute each step of it, so that no question and no model is taken on trust.

use crate::log::StudyOpen;
use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use crate::study::{MOST_LOST, SiteLoss, Study};
use motet_recipes::{Question, Recipe, State};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, set_digest};
use motet_secagg::id::NodeId;
use motet_secagg::layout::Layout;
use motet_secagg::message::Plan;

/// A study's recipe with its present state.
#[derive(Clone)]
pub struct Chain {
    study: String,
    study_digest: Digest,
    recipe: Recipe,
    recipe_digest: Digest,
    state: State,
    round: u64,
    set: Vec<NodeId>,
    /// Sites of the first sum that are in the latest no more.
    lost: usize,
}

impl Chain {
    /// The state before the first round; any randomness in it is drawn from what opened the study.
    pub fn start(study: &Study, roster: &Roster) -> Self {
        let open = StudyOpen::of(study, roster);
        let recipe = study.recipe.clone();
        let places = u32::try_from(roster.entries.len()).unwrap_or(u32::MAX);
        let state = recipe.start_among(open.digest("m0"), places);
        Self {
            study: study.id.clone(),
            study_digest: open.study_digest,
            recipe_digest: open.recipe,
            recipe,
            state,
            round: 0,
            set: Vec::new(),
            lost: 0,
        }
    }

    /// Rounds absorbed so far.
    pub fn round(&self) -> u64 {
        self.round
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Its digest.
    pub fn recipe_digest(&self) -> Digest {
        self.recipe_digest
    }

    /// The study's digest.
    pub fn study_digest(&self) -> Digest {
        self.study_digest
    }

    /// The present state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Root of the present state.
    pub fn root(&self) -> Digest {
        self.state.root()
    }

    /// The sites of the latest sum; empty before the first.
    pub fn set(&self) -> &[NodeId] {
        &self.set
    }

    /// How many sites of the latest sum may be missing in the next one, where a study does this
    /// when it loses a site and whoever asks lets so many go; none ever comes or comes back. What
    /// differs between two sums can be computed from them (ruling R5).
    pub fn may_leave(&self, on_site_loss: SiteLoss, most: u32) -> usize {
        let most = match on_site_loss {
            SiteLoss::Pause => 0,
            SiteLoss::Continue => most.min(MOST_LOST) as usize,
        };
        most.saturating_sub(self.lost)
    }

    /// A: what is asked in this state may be opened once.
    pub fn ask_key(&self) -> Digest {
        Plan::ask_key(&self.study, &self.recipe_digest, &self.root())
    }

    /// The question for a line-up of this many candidates; none when the recipe is finished.
    ///
    /// # Errors
    /// `recipe_failed` when the state has no next question, such as no finite estimate.
    pub fn question(&self, candidates: usize) -> Result<Option<Question>, Refusal> {
        let sites = u32::try_from(candidates).unwrap_or(u32::MAX);
        self.recipe
            .ask(&self.state, sites)
            .map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))
    }

    /// The state that follows from a sum over `set`.
    ///
    /// # Errors
    /// `range_violation` when the sum lies outside what the sites may contribute, `recipe_failed`
    /// when it cannot be absorbed.
    pub fn follow(
        &self,
        aggregate: &Aggregate,
        layout: &Layout,
        set: &[NodeId],
    ) -> Result<State, Refusal> {
        let sites = u32::try_from(set.len()).unwrap_or(u32::MAX);
        let sum = aggregate
            .decode(layout, sites, set_digest(set))
            .map_err(|violation| Refusal::new(Code::RangeViolation, violation.to_string()))?;
        self.recipe
            .absorb(&self.state, &sum)
            .map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))
    }

    /// Moves on to a state that was followed and checked.
    pub fn accept(&mut self, state: State, set: &[NodeId]) {
        self.state = state;
        self.lost += self.set.iter().filter(|node| !set.contains(node)).count();
        self.set = set.to_vec();
        self.round += 1;
    }
}
