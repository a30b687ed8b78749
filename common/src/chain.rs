//! The chain of a study's states: every node and the coordinator derive each question from it and
//! recompute each step of it, so that no question and no model is taken on trust.

use crate::log::StudyOpen;
use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use crate::study::{MOST_LOST, SiteLoss, Study};
use motet_recipes::{Question, Recipe, State};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::evidence::masked_bytes;
use motet_secagg::fold::{Aggregate, set_digest};
use motet_secagg::id::NodeId;
use motet_secagg::layout::Layout;
use motet_secagg::mask::Shape;
use motet_secagg::message::Plan;
use std::collections::BTreeMap;

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
    /// Sites of the first sum that are in the latest no more, each with its first round without it.
    lost: BTreeMap<NodeId, u64>,
    /// Masked bytes of all sums together.
    bytes_up: u64,
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
            lost: BTreeMap::new(),
            bytes_up: 0,
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

    /// Sites of earlier sums that are not in the latest, each with the first round without it.
    pub fn lost(&self) -> &BTreeMap<NodeId, u64> {
        &self.lost
    }

    /// Sites of the roster that are in none of the sums.
    pub fn absent<'a>(&'a self, roster: &'a Roster) -> impl Iterator<Item = NodeId> + 'a {
        let is_in = |node: &NodeId| self.set.contains(node) || self.lost.contains_key(node);
        roster.nodes().filter(move |node| !is_in(node))
    }

    /// Bytes of the masked vectors behind all sums: that many a site, times the sites of each sum.
    pub fn bytes_up(&self) -> u64 {
        self.bytes_up
    }

    /// How many sites of the latest sum may be missing in the next one, where a study does this
    /// when it loses a site and whoever asks lets that many go; none ever comes or comes back. What
    /// differs between two sums can be computed from them (ruling R5).
    pub fn may_leave(&self, on_site_loss: SiteLoss, most: u32) -> usize {
        let most = match on_site_loss {
            SiteLoss::Pause => 0,
            SiteLoss::Continue => most.min(MOST_LOST) as usize,
        };
        most.saturating_sub(self.lost.len())
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
        self.recipe
            .ask(&self.state, small(candidates)?)
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
        let sites = small(set.len())?;
        let sum = aggregate
            .decode(layout, sites, set_digest(set))
            .map_err(|violation| Refusal::new(Code::RangeViolation, violation.to_string()))?;
        self.recipe
            .absorb(&self.state, &sum)
            .map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))
    }

    /// Moves on to a state that was followed and checked, from a sum over `set` of vectors of this
    /// layout.
    pub fn accept(&mut self, state: State, set: &[NodeId], layout: &Layout) {
        self.state = state;
        self.round += 1;
        for node in self.set.iter().filter(|node| !set.contains(node)) {
            self.lost.insert(*node, self.round);
        }
        self.set = set.to_vec();
        self.bytes_up += masked_bytes(&Shape::of(layout), set.len());
    }
}

/// A number of sites; rosters have no more than 250.
fn small(sites: usize) -> Result<u32, Refusal> {
    u32::try_from(sites).map_err(|_| Refusal::new(Code::RecipeFailed, "more sites than any roster"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Entry, HubKeys, SiteKeys};
    use motet_secagg::sign::{PublicKey, SecretKey};

    fn roster() -> Roster {
        let public = |seed: u8| -> PublicKey { SecretKey::from_seed([seed; 32]).public() };
        let keys = |n: u8| SiteKeys {
            identity: public(n),
            steward: public(n + 100),
            witness: public(n + 150),
        };
        let hub = HubKeys {
            signing: public(200),
            log: public(201),
        };
        let entries = (1..=4).map(|n| Entry::new(&format!("site-{n}"), "NL", keys(n)));
        Roster::new("one", 1, hub, "Stroke Europe", entries.collect()).unwrap()
    }

    fn chain(recipe: &str) -> Chain {
        let text = format!(
            "[study]\nid = \"one\"\ntitle = \"One\"\nquestion = \"Who dies?\"\npurpose = \"53(1)(e)\"\nends = 2099-12-31\n\
             [data]\ndataset = \"ist\"\nfeatures = [\"age\", \"sbp\"]\n[recipe]\nkind = \"{recipe}\"\n"
        );
        Chain::start(&Study::parse(&text).unwrap(), &roster())
    }

    #[test]
    fn what_a_recipe_cannot_go_on_from_is_refused_with_its_reason() {
        let mut chain = chain("summary");
        let layout = chain.question(4).unwrap().unwrap().layout;
        // Three sites of weight 1, and one row in all: each site rounds to tens.
        let mut words = vec![1; layout.words()];
        words[0] = 3;
        let sum = Aggregate {
            ring: layout.ring,
            words,
        };
        let set: Vec<NodeId> = roster().nodes().take(3).collect();
        let refused = chain.follow(&sum, &layout, &set).unwrap_err();
        assert_eq!(refused.code, Code::RecipeFailed);
        assert!(refused.detail.contains("the first round"), "{refused}");
        // A state of another recipe.
        chain.accept(self::chain("count").state().clone(), &set, &layout);
        let refused = chain.question(4).unwrap_err();
        assert_eq!(refused.code, Code::RecipeFailed);
        assert!(refused.detail.contains("state"), "{refused}");
    }

    #[test]
    fn a_site_of_the_roster_that_is_in_no_sum_is_absent_whatever_it_decided() {
        let mut chain = chain("summary");
        let layout = chain.question(4).unwrap().unwrap().layout;
        let sites: Vec<NodeId> = roster().nodes().collect();
        let state = chain.state().clone();
        for set in [&sites[..3], &sites[..3], &sites[1..3], &sites[1..3]] {
            chain.accept(state.clone(), set, &layout);
        }
        let lost: Vec<(NodeId, u64)> = chain.lost().iter().map(|(node, at)| (*node, *at)).collect();
        assert_eq!(lost, [(sites[0], 3)]);
        let absent: Vec<NodeId> = chain.absent(&roster()).collect();
        assert_eq!(absent, [sites[3]]);
        assert_eq!(chain.bytes_up(), 10 * masked_bytes(&Shape::of(&layout), 1));
    }
}
