//! One approved study at this site: its chain of states, its patients,
//! and the attempt under way. It computes; the session's driver of the
//! study speaks.

mod work; // what is computed on the patients

pub(crate) use work::{Answered, Work, unanswerable};

use crate::data_desk::Dataset;
use crate::frozen::{History, Tables};
use crate::memory::Memories;
use crate::records;
use crate::settings::Limits;
use crate::studies::Proposal;
use crate::{Home, NodeError, clock};
use motet_common::audit::Audit;
use motet_common::chain::Chain;
use motet_common::checks::{Due, Latest};
use motet_common::log::{Mirror, Publication};
use motet_common::opening::Reading;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Expected, Me, Member, Sets};
use motet_common::study::Floors;
use motet_data::Cohort;
use motet_ledger::Recorded;
use motet_recipes::{Outcome, State};
use motet_release::Ending;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::RunId;
use motet_secagg::layout::Layout;
use motet_secagg::mask::chunk_words;
use motet_secagg::message::Released;
use motet_secagg::threshold::FEWEST_SITES;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

canonical! {
    /// A release as this node absorbed it; its aggregate lies among the
    /// ledger's blobs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Absorbed {
        /// How many candidates its question was derived for.
        pub(crate) candidates: u32,
        /// t of its plan.
        pub(crate) threshold: u16,
        /// The release.
        pub(crate) released: Released,
        /// Whether this site made the sum again from the masked
        /// uploads.
        pub(crate) checked: bool,
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
    /// When this process took it up,
    pub(crate) since: Instant,
    /// and how old it was then.
    pub(crate) aged: Duration,
}

impl Attempt {
    /// How long it has been open.
    pub(crate) fn age(&self) -> Duration {
        self.aged + self.since.elapsed()
    }
}

/// One study.
pub(crate) struct Follower {
    /// The approved proposal.
    pub(crate) proposal: Arc<Proposal>,
    /// The states.
    pub(crate) chain: Chain,
    /// The study's log as this site has seen it.
    pub(crate) log: Mirror,
    /// The latest sum.
    pub(crate) latest: Option<Latest>,
    /// The frozen table that the decision names.
    pub(crate) frozen: Option<Digest>,
    /// The patients in it, from the first round of each start on.
    pub(crate) cohort: Option<Arc<Cohort>>,
    /// The keyed digest of their rows.
    pub(crate) content: Option<[u8; 32]>,
    /// What they were read from.
    pub(crate) reading: Option<Reading>,
    /// The keyed digests of the rows that answered, by their plans.
    pub(crate) answered: BTreeMap<Digest, [u8; 32]>,
    /// That of the rows in the first sum that this site's part went into:
    /// no others answer after it.
    pub(crate) bound: Option<[u8; 32]>,
    /// The attempt under way.
    pub(crate) attempt: Option<Attempt>,
    /// How the final model did on this site's own rows; for its own
    /// steward.
    pub(crate) own: Option<Outcome>,
    /// Whether the recipe has no further question.
    pub(crate) is_over: bool,
    /// Whether this site tells how the finished model does on its own
    /// rows, as of the latest message.
    pub(crate) tells: bool,
    /// This site's floors for the study, as of the latest message.
    pub(crate) floors: Floors,
    /// When it was last asked for.
    pub(crate) used: Instant,
}

impl Follower {
    /// Rebuilds the chain from what was absorbed before.
    ///
    /// # Errors
    /// When the ledger cannot be read, or an absorbed release does not
    /// follow any more.
    pub(crate) async fn open(home: &Home, proposal: Arc<Proposal>) -> Result<Self, NodeError> {
        let chain = Chain::start(&proposal.study, &proposal.roster);
        let log = mirror(home, &proposal).await?;
        let past = absorbed(home, &proposal).await?;
        let answered = History::read(&home.ledger).await?.answers(&proposal.digest);
        let mut follower = Self {
            proposal,
            chain,
            log,
            latest: None,
            frozen: None,
            cohort: None,
            content: None,
            reading: None,
            answered,
            bound: None,
            attempt: None,
            own: None,
            is_over: false,
            tells: false,
            floors: Floors::default(),
            used: Instant::now(),
        };
        for absorbed in past {
            let bytes = home.ledger.get_blob(&absorbed.released.aggregate).await?;
            let aggregate = Aggregate::from_bytes(&bytes).map_err(Refusal::from)?;
            let state =
                follower.follow(absorbed.candidates as usize, &absorbed.released, &aggregate)?;
            follower.accept(state, &absorbed)?;
        }
        Ok(follower)
    }

    /// Moves on to a state that was followed and checked.
    pub(crate) fn accept(&mut self, state: State, absorbed: &Absorbed) -> Result<(), Refusal> {
        let Absorbed {
            candidates,
            threshold,
            released,
            checked,
        } = absorbed;
        let layout = self.layout(*candidates as usize)?;
        self.bound = self
            .bound
            .or_else(|| self.answered.get(&released.plan).copied());
        let due = due_of(&layout, *threshold, released);
        self.latest = Some(Latest::after(
            self.latest.as_ref(),
            released.leaf_hash(),
            due,
            *checked,
        ));
        self.chain.accept(state, &released.set, &layout);
        self.is_over = !matches!(self.chain.question(*candidates as usize), Ok(Some(_)));
        self.used = Instant::now();
        Ok(())
    }

    /// The vector that answers the present question.
    fn layout(&self, candidates: usize) -> Result<Layout, Refusal> {
        let question = self.chain.question(candidates)?;
        Ok(question.ok_or(Code::ReleaseMismatch)?.layout)
    }

    /// Whether the recipe has come to its end, with a result.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.chain.question(FEWEST_SITES), Ok(None))
    }

    /// What a plan that asks the present question must say, with at
    /// least `min_sites` sites in its sum.
    ///
    /// # Errors
    /// `log_inconsistent` before the log was seen: then nothing can
    /// follow.
    pub(crate) fn expected<'a>(
        &'a self,
        layout: &'a Layout,
        min_sites: u32,
    ) -> Result<Expected<'a>, Refusal> {
        let opening = self.log.log().hash(0);
        let latest = self.latest.map(|latest| latest.release);
        let previous = latest.or(opening).ok_or_else(|| {
            Refusal::new(
                Code::LogInconsistent,
                "nothing of the study's log was seen yet",
            )
        })?;
        Ok(Expected {
            study: &self.proposal.study.id,
            study_digest: self.proposal.digest,
            recipe: self.chain.recipe_digest(),
            state_root: self.chain.root(),
            layout,
            chunk_words: chunk_words(layout.ring),
            min_sites: min_sites as usize,
            previous,
            due: self.latest.and_then(|latest| latest.due),
        })
    }

    /// A release of the sum that answers the present question, by
    /// evidence that counts at this site.
    ///
    /// # Errors
    /// `set_not_logged`, `bad_signature`, `sum_mismatch`.
    pub(crate) fn audit(
        &self,
        released: &Released,
        evidence: &[u8],
    ) -> Result<(Audit, Option<Due>), Refusal> {
        self.log.is_on_record(released)?;
        let Proposal { roster, study, .. } = &*self.proposal;
        let audit = Audit::of(released, evidence, roster)?;
        let candidates = audit.plan().candidates.len();
        let question = self
            .chain
            .question(candidates)?
            .ok_or(Code::ReleaseMismatch)?;
        // Not this site's own minimum: that is about sums with its own
        // part.
        audit.counts(
            &self.expected(&question.layout, study.privacy.min_sites)?,
            &self.log,
            roster,
        )?;
        let due = due_of(&question.layout, audit.plan().threshold, released);
        Ok((audit, due))
    }

    /// Takes in leaves of the log, once they are on this site's record.
    ///
    /// # Errors
    /// `log_inconsistent` and `bad_signature`: then nothing of it is
    /// believed.
    pub(crate) async fn grow(
        &mut self,
        home: &Home,
        checkpoint: &str,
        news: &[Vec<u8>],
    ) -> Result<(), NodeError> {
        let grown = self.log.grown(checkpoint, news, &self.proposal.roster)?;
        let seen = self.log.log().leaves().len();
        for leaf in grown.log().leaves().iter().skip(seen) {
            home.ledger
                .append_next(&log_stream(&self.proposal), leaf)
                .await?;
        }
        self.log = grown;
        Ok(())
    }

    /// The state that follows from a release; it must be the one the
    /// coordinator announces.
    fn follow(
        &self,
        candidates: usize,
        released: &Released,
        aggregate: &Aggregate,
    ) -> Result<State, Refusal> {
        let question = self
            .chain
            .question(candidates)?
            .ok_or(Code::ReleaseMismatch)?;
        let state = self
            .chain
            .follow(aggregate, &question.layout, &released.set)?;
        if state.root() == released.state_root {
            Ok(state)
        } else {
            Err(Code::ReleaseMismatch.into())
        }
    }

    /// Checks a release against its evidence and the sum it was fetched
    /// with, records it, and moves the chain.
    ///
    /// # Errors
    /// As [`Follower::audit`]; `release_mismatch` and the others of a
    /// sum that cannot be absorbed: nothing moves.
    pub(crate) async fn absorb(
        &mut self,
        home: &Home,
        released: &Released,
        evidence: &[u8],
        bytes: &[u8],
        checked: bool,
    ) -> Result<(), NodeError> {
        let (audit, _) = self.audit(released, evidence)?;
        let candidates = audit.plan().candidates.len();
        let threshold = audit.plan().threshold;
        if Digest::of_file(bytes) != released.aggregate {
            return Err(Refusal::new(
                Code::ReleaseMismatch,
                "the sum is not the one that was announced",
            )
            .into());
        }
        let aggregate = Aggregate::from_bytes(bytes).map_err(Refusal::from)?;
        let state = self.follow(candidates, released, &aggregate)?;
        let candidates = u32::try_from(candidates)
            .map_err(|_| Refusal::broken("a plan of more sites than a roster has"))?;
        let absorbed = Absorbed {
            candidates,
            threshold,
            released: released.clone(),
            checked,
        };
        home.ledger.put_blob(bytes).await?;
        records::append(&home.ledger, &chain_stream(&self.proposal), &absorbed).await?;
        Ok(self.accept(state, &absorbed)?)
    }

    /// This site's place in the roster.
    fn place(&self, home: &Home) -> Option<u32> {
        let mine = home.node();
        let place = self
            .proposal
            .roster
            .entries
            .iter()
            .position(|entry| entry.node == mine)?;
        u32::try_from(place).ok()
    }

    /// Takes over this site's limits of the moment, and the frozen table
    /// that the decision names. Where that is another than before, the
    /// patients of the former leave the memory; while an attempt over them
    /// is open it is false, and that ends first.
    pub(crate) fn hold_to(&mut self, limits: Limits, frozen: Option<Digest>) -> bool {
        (self.tells, self.floors) = (limits.own_metrics, limits.floors);
        if self.frozen.is_some() && self.frozen != frozen {
            self.cohort = None;
            self.reading = None;
            if self.attempt.is_some() {
                return false;
            }
        }
        self.frozen = frozen;
        true
    }

    /// Whether what was masked under this plan is of the rows in the
    /// frozen table that the decision names, as the record has both: the
    /// digest that went on record with the answer, or that of the first
    /// sum, after which no others answer.
    pub(crate) fn is_over_the_table(&self, plan: &Digest, history: &History) -> bool {
        let answered = self.answered.get(plan).copied().or(self.bound);
        let stands = self.frozen.and_then(|name| history.content(&name));
        answered.is_some() && answered == stands
    }

    /// What must be known to answer, to be taken to another thread.
    pub(crate) fn work(&self, home: &Home, memories: &Memories) -> Work {
        Work {
            dataset: Dataset::find(&home.paths, &self.proposal.study.data.dataset),
            proposal: Arc::clone(&self.proposal),
            tables: Tables::of(home),
            frozen: self.frozen,
            cohort: self.cohort.clone(),
            reading: self.reading.clone(),
            bound: self.bound,
            content: self.content,
            chain: self.chain.clone(),
            place: self.place(home),
            tells: self.tells,
            floors: self.floors.clone(),
            memory: memories.before(&self.proposal.digest, &self.chain.root()),
        }
    }
}

/// What is due of a sum of vectors of this layout before anything
/// follows from it.
fn due_of(layout: &Layout, threshold: u16, released: &Released) -> Option<Due> {
    let sites = released.set.len();
    Due::of(released.leaf_hash(), usize::from(threshold), layout, sites)
}

/// The stream that holds a study's log as this site has seen it.
pub(crate) fn log_stream(proposal: &Proposal) -> String {
    format!("log/{}/{}", proposal.study.id, proposal.digest.short())
}

fn chain_stream(proposal: &Proposal) -> String {
    format!("chain/{}/{}", proposal.study.id, proposal.digest.short())
}

/// A study's log as this site has seen it, built again from the ledger.
///
/// # Errors
/// When the ledger cannot be read; `log_inconsistent` when a leaf
/// breaks the rules.
pub(crate) async fn mirror(home: &Home, proposal: &Proposal) -> Result<Mirror, NodeError> {
    let mut log = Mirror::new(&proposal.study, &proposal.roster);
    for recorded in home.ledger.read(&log_stream(proposal), 1).await? {
        log.push(recorded.entry)?;
    }
    Ok(log)
}

/// What this site has absorbed of a study, oldest first; nothing of it
/// is checked.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) async fn absorbed(home: &Home, proposal: &Proposal) -> Result<Vec<Absorbed>, NodeError> {
    let recorded = home.ledger.read(&chain_stream(proposal), 1).await?;
    let mut absorbed = Vec::with_capacity(recorded.len());
    for Recorded { entry, .. } in &recorded {
        absorbed.push(Absorbed::from_bytes(entry).map_err(Refusal::from)?);
    }
    Ok(absorbed)
}

/// The keyed digest of the rows in the first sum of a study that this
/// site's part went into.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) async fn first_answered(
    home: &Home,
    proposal: &Proposal,
    history: &History,
) -> Result<Option<[u8; 32]>, NodeError> {
    let answers = history.answers(&proposal.digest);
    let absorbed = absorbed(home, proposal).await?;
    let mut plans = absorbed.iter().map(|absorbed| &absorbed.released.plan);
    Ok(plans.find_map(|plan| answers.get(plan).copied()))
}

/// What a release of the study follows from, with what a publication
/// says of it.
pub(crate) fn ending<'a>(
    proposal: &'a Proposal,
    chain: &'a Chain,
    governance: Digest,
    publication: &Publication,
) -> Ending<'a> {
    Ending {
        study: &proposal.study,
        roster: &proposal.roster,
        governance,
        chain,
        run: publication.run,
        started: publication.started,
        finished: publication.finished,
    }
}

/// The node in a study: its keys, and what it knows of the study by
/// itself.
pub(crate) fn me<'a>(
    home: &'a Home,
    proposal: &'a Proposal,
    chain: &'a Chain,
    log: &'a Mirror,
) -> Me<'a> {
    Me {
        node: home.node(),
        key: &home.identity,
        witness: &home.witness,
        roster: &proposal.roster,
        log,
        // No other study's sets, and none may leave: `Study::handle`
        // says more where a set is to be signed.
        sets: Sets {
            previous: chain.set(),
            may_leave: 0,
            beside: &[],
            least: 0,
        },
        seconds: clock::now().ms / 1000,
    }
}
