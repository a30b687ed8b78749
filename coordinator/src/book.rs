//! What the coordinator knows about one study: proposal, decisions, chain, log, runs. A pure read
//! model of the study's stream; replaying the stream gives the same book.

mod asked;
mod ending;
mod pinned;
mod remakes;

pub(crate) use pinned::LineUp;
pub(crate) use remakes::Remakes;

use crate::changes::Changes;
use crate::entries::{End, Noted, Planned, Proposed, Publishing, RunEnded, RunStarted, StudyEntry};
use crate::refusals;
use crate::run_state::{RunEvent, RunState};
use motet_common::chain::Chain;
use motet_common::checks::Due;
use motet_common::decision::SignedDecision;
use motet_common::log::Log;
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::Roster;
use motet_common::round::{PhaseName, Round, Terms};
use motet_common::study::Study;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::message::{Checked, Message, Plan, Released, Witnessed};
use motet_secagg::sign::SecretKey;
use std::collections::BTreeMap;

/// A released round, as a node that missed it needs it.
#[derive(Clone)]
pub(crate) struct Past {
    pub(crate) round: u64,
    pub(crate) ask: Digest,
    pub(crate) released: Released,
    /// When it was.
    pub(crate) at: Moment,
}

/// Masked uploads of one attempt, as they lie in spools.
#[derive(Clone)]
pub(crate) struct Uploads {
    pub(crate) t2: Digest,
    pub(crate) nodes: Vec<NodeId>,
    /// When the sum was released; before that, when uploads began.
    pub(crate) at: Moment,
}

/// The present run of a study.
pub(crate) struct Run {
    pub(crate) started: RunStarted,
    pub(crate) state: RunState,
    pub(crate) round: Option<Round>,
    /// Attempts in a row that ended without a sum.
    pub(crate) failures: u32,
    /// Code of the last of them, and particulars.
    pub(crate) last_code: Option<Code>,
    pub(crate) last_detail: String,
}

pub(crate) struct Book {
    pub(crate) proposed: Proposed,
    pub(crate) study: Study,
    pub(crate) digest: Digest,
    pub(crate) decisions: BTreeMap<NodeId, SignedDecision>,
    /// How often each site has decided.
    changes: Changes,
    pub(crate) withdrawn: bool,
    pub(crate) chain: Chain,
    pub(crate) log: Log,
    pub(crate) run: Option<Run>,
    /// Runs that are over, with what began them.
    pub(crate) past_runs: Vec<(RunStarted, RunEnded)>,
    pub(crate) past: Vec<Past>,
    /// Attempts made at each ask-key.
    attempts: BTreeMap<Digest, u32>,
    /// The line-up that an ask-key is pinned to once nodes may have masked for it.
    pinned: Option<(Digest, LineUp)>,
    /// Attempts without a sum, or not yet with one, whose uploads may lie in spools.
    pub(crate) spooled: Vec<Uploads>,
    /// The uploads behind released sums that are still kept, oldest first.
    pub(crate) uploads: Vec<Uploads>,
    /// Who has recomputed the latest sum.
    pub(crate) checked: BTreeMap<NodeId, Checked>,
    /// How many must, before anything follows from it; nothing where it is too large for that.
    pub(crate) due: Option<Due>,
    /// How many sums so far were too large for that.
    pub(crate) unchecked: u64,
    /// The result, from when it is fixed.
    pub(crate) publishing: Option<Publishing>,
    /// Who cosigned the log after the latest sum.
    cosigned: BTreeMap<NodeId, Witnessed>,
    /// Who made the folder of the result again, and who did not come to it.
    pub(crate) remakes: Remakes,
}

impl Book {
    /// Checks a proposal and opens the book on it.
    pub(crate) fn open(proposed: Proposed, governance: &Digest) -> Result<Self, Refusal> {
        let study = Study::parse(&proposed.text)
            .map_err(|error| Refusal::new(Code::StudyInvalid, error.to_string()))?;
        let roster = proposed
            .roster
            .verify(governance)
            .map_err(|error| Refusal::new(Code::BadSignature, error.to_string()))?;
        if roster.study_id != study.id {
            return Err(Refusal::new(
                Code::RosterMismatch,
                "the roster is for another study",
            ));
        }
        let digest = study.root();
        let chain = Chain::start(&study, roster);
        let log = Log::of_study(&study, roster);
        Ok(Self {
            study,
            digest,
            decisions: BTreeMap::new(),
            changes: Changes::default(),
            withdrawn: false,
            chain,
            log,
            run: None,
            past_runs: Vec::new(),
            past: Vec::new(),
            attempts: BTreeMap::new(),
            pinned: None,
            spooled: Vec::new(),
            uploads: Vec::new(),
            checked: BTreeMap::new(),
            due: None,
            unchecked: 0,
            publishing: None,
            cosigned: BTreeMap::new(),
            remakes: Remakes::default(),
            proposed,
        })
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.proposed.roster.roster
    }

    /// The study's stream in the ledger; that of its log is beside it.
    pub(crate) fn stream(&self) -> String {
        stream(&self.study.id, &self.digest)
    }

    pub(crate) fn log_stream(&self) -> String {
        format!("log/{}/{}", self.study.id, self.digest.short())
    }

    /// Takes in a recorded entry. `aggregate` is what a released round summed to.
    pub(crate) fn apply(
        &mut self,
        entry: StudyEntry,
        key: &SecretKey,
        aggregate: Option<&Aggregate>,
    ) -> Result<(), Refusal> {
        match entry {
            StudyEntry::Proposed(_) => {}
            StudyEntry::Decided(Noted { decision, at }) => {
                self.changes.note(decision.decision.site, at);
                self.decisions.insert(decision.decision.site, decision);
            }
            StudyEntry::Withdrawn(_) => self.withdrawn = true,
            StudyEntry::RunStarted(started) => {
                if self.run.is_some() {
                    return Err(Refusal::new(
                        Code::Storage,
                        "the record starts a run while another is going",
                    ));
                }
                self.run = Some(Run {
                    started,
                    state: RunState::Waiting,
                    round: None,
                    failures: 0,
                    last_code: None,
                    last_detail: String::new(),
                });
            }
            StudyEntry::WithoutUndecided(id) => {
                let run = self.run.as_mut().filter(|run| run.started.run == id);
                let run = run.ok_or_else(|| {
                    Refusal::new(Code::Storage, "the record has no such run there")
                })?;
                run.started.without_undecided = true;
            }
            StudyEntry::Planned(planned) => self.plan(planned)?,
            StudyEntry::Round(entry) => {
                let round = self
                    .run
                    .as_mut()
                    .and_then(|run| run.round.as_mut())
                    .ok_or_else(|| {
                        Refusal::new(Code::Storage, "the record has no round under way there")
                    })?;
                round.apply(entry, key)?;
                self.settle(aggregate)?;
            }
            StudyEntry::RunEnded(ended) => {
                self.happens(RunEvent::Ended(ended.end))?;
                if let Some(run) = self.run.take() {
                    self.past_runs.push((run.started, ended));
                }
            }
            StudyEntry::Checked(checked) => {
                self.checked.insert(checked.node, checked);
            }
            StudyEntry::Publishing(publishing) => {
                self.publishing = Some(publishing);
                self.remakes = Remakes::default();
            }
            StudyEntry::Remade(remade) => self.remakes.note(remade),
            StudyEntry::Witnessed(witnessed) => {
                self.cosigned.insert(witnessed.witness.node, witnessed);
            }
        }
        Ok(())
    }

    /// Moves the present run on; a record in which that cannot happen is not followed.
    fn happens(&mut self, event: RunEvent) -> Result<(), Refusal> {
        let run = self
            .run
            .as_mut()
            .ok_or_else(|| Refusal::new(Code::Storage, "the record has no run there"))?;
        run.state = run.state.next(event).ok_or_else(|| {
            Refusal::new(
                Code::Storage,
                format!(
                    "the record says {event:?} of a run that is {}",
                    run.state.as_str()
                ),
            )
        })?;
        Ok(())
    }

    fn plan(&mut self, planned: Planned) -> Result<(), Refusal> {
        let Planned { plan, at } = planned;
        self.happens(RunEvent::Opened)?;
        self.attempts.insert(plan.plan.ask, plan.plan.attempt);
        let terms = Terms::new(plan, self.roster())?;
        let run = self.run.as_mut();
        let run = run.ok_or_else(|| Refusal::broken("a round is opened of no run"))?;
        run.round = Some(Round::open(terms, at));
        Ok(())
    }

    /// Closes a round that is over: a released one moves the chain, an abandoned one counts as a
    /// failure once its last leaf stands in the log; a stop may come between the two, and then it
    /// is resumed.
    pub(crate) fn settle(&mut self, aggregate: Option<&Aggregate>) -> Result<(), Refusal> {
        let Some(run) = self.run.as_mut() else {
            return Ok(());
        };
        let Some(round) = run.round.as_mut() else {
            return Ok(());
        };
        match round.phase() {
            PhaseName::Released => {
                let Some(Message::Released(released)) = first_message(round) else {
                    return Err(Refusal::broken(
                        "a released round says nothing of its release",
                    ));
                };
                let aggregate = aggregate
                    .ok_or_else(|| Refusal::broken("a sum is released that is not at hand"))?;
                let plan = round.terms().plan().clone();
                let at = round.since();
                if let Some(uploads) = self.spooled.last_mut() {
                    // From its release on a sum is kept for auditors, and the uploads of the one
                    // before are not needed.
                    uploads.at = at;
                }
                run.round = None;
                run.failures = 0;
                run.last_code = None;
                self.accept(released, &plan, aggregate, at)
            }
            PhaseName::Abandoned => {
                let owed = round.owed_leaf().map(|leaf| leaf.to_bytes());
                if owed.is_some_and(|leaf| self.log.find(&leaf).is_none()) {
                    return Ok(());
                }
                let Some(Message::Abandoned(abandoned)) = first_message(round) else {
                    return Err(Refusal::broken(
                        "an abandoned round does not say that it is",
                    ));
                };
                let code = Code::parse(&abandoned.code).ok_or_else(|| {
                    Refusal::broken(format!(
                        "a round ended with `{}`, which is no code",
                        abandoned.code
                    ))
                })?;
                run.failures += 1;
                // When nodes say that the question was opened before, another attempt changes
                // nothing.
                let spent = round
                    .refused()
                    .iter()
                    .any(|(_, refused)| refused.code == Code::RoundSpent.as_str());
                run.last_code = Some(if spent { Code::RoundSpent } else { code });
                let refused = round.refused().to_vec();
                let complaint = round
                    .complaint()
                    .map(|complaint| (complaint.node, complaint.dealer));
                run.round = None;
                let named = complaint.map(|(node, dealer)| {
                    format!(
                        "{} complains about the shares of {}",
                        self.name(node),
                        self.name(dealer)
                    )
                });
                let refused: Vec<String> = refused
                    .iter()
                    .map(|(node, refused)| {
                        format!("{} ({})", self.name(*node), refusals::said(refused))
                    })
                    .collect();
                let refused = (!refused.is_empty()).then(|| {
                    format!(
                        "refused by {}; each site's own log has the reason",
                        refused.join(", ")
                    )
                });
                // Of a sum that cannot be, the driver has said why.
                let failed = code == Code::RecipeFailed;
                let named = named.or(refused).filter(|_| !failed);
                if let (Some(run), Some(named)) = (self.run.as_mut(), named) {
                    run.last_detail = named;
                }
                Ok(())
            }
            PhaseName::Upload | PhaseName::Sign | PhaseName::Reveal => {
                let plan = round.terms().plan();
                if self.pinned.as_ref().is_none_or(|(ask, _)| *ask != plan.ask) {
                    self.pinned = Some((plan.ask, LineUp::of(plan)));
                }
                if let Some(t2) = round.t2()
                    && self.spooled.last().is_none_or(|known| known.t2 != t2)
                {
                    self.spooled.push(Uploads {
                        t2,
                        nodes: plan.candidates.clone(),
                        at: round.since(),
                    });
                }
                Ok(())
            }
            PhaseName::Join | PhaseName::Share => Ok(()),
        }
    }

    fn accept(
        &mut self,
        released: Released,
        plan: &Plan,
        aggregate: &Aggregate,
        at: Moment,
    ) -> Result<(), Refusal> {
        let question = self
            .chain
            .question(plan.candidates.len())?
            .ok_or_else(|| Refusal::broken("a sum is released that answers no question"))?;
        self.uploads.extend(self.spooled.pop());
        self.checked.clear();
        self.cosigned.clear();
        let threshold = usize::from(plan.threshold);
        let sites = released.set.len();
        self.due = Due::of(released.leaf_hash(), threshold, &question.layout, sites);
        self.unchecked += u64::from(self.due.is_none());
        let state = self
            .chain
            .follow(aggregate, &question.layout, &released.set)?;
        let ask = self.chain.ask_key();
        self.chain.accept(state, &released.set, &question.layout);
        self.past.push(Past {
            round: self.chain.round(),
            ask,
            released,
            at,
        });
        Ok(())
    }

    /// Whether a site's decision may go on record.
    ///
    /// # Errors
    /// As [`Changes::may`].
    pub(crate) fn may_decide(&self, decision: &SignedDecision, now: Moment) -> Result<(), Refusal> {
        let known = self.decisions.get(&decision.decision.site);
        self.changes.may(known, decision, now)
    }

    /// The next attempt at an ask-key.
    pub(crate) fn next_attempt(&self, ask: &Digest) -> u32 {
        self.attempts
            .get(ask)
            .map_or(1, |last| last.saturating_add(1))
    }

    /// The present run, or the latest.
    pub(crate) fn latest_run(&self) -> Option<RunId> {
        let present = self.run.as_ref().map(|run| run.started.run);
        present.or_else(|| self.past_runs.last().map(|(started, _)| started.run))
    }

    /// Whether the study's result was handed out.
    pub(crate) fn was_released(&self) -> bool {
        self.past_runs
            .iter()
            .any(|(_, ended)| ended.end == End::Released)
    }

    /// A site's name in the roster.
    pub(crate) fn name(&self, node: NodeId) -> String {
        self.roster()
            .entry(node)
            .map_or_else(|| node.to_string(), |entry| entry.name.clone())
    }

    pub(crate) fn names(&self, nodes: &[NodeId]) -> Vec<String> {
        nodes.iter().map(|node| self.name(*node)).collect()
    }
}

/// The stream of the study with this id and digest in the ledger.
pub(crate) fn stream(id: &str, digest: &Digest) -> String {
    format!("study/{id}/{}", digest.short())
}

/// What an ended round says to everybody.
fn first_message(round: &Round) -> Option<Message> {
    let node = round.terms().plan().candidates.first()?;
    round.pending(*node).into_iter().next()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use motet_common::decision::Decision;
    use motet_common::roster::{Entry, HubKeys, SiteKeys};
    use motet_secagg::id::RunId;
    use motet_secagg::threshold::Thresholds;

    pub(crate) const TEXT: &str = r#"
        [study]
        id = "study"
        title = "t"
        question = "How many?"
        purpose = "53(1)(e)"
        ends = 2030-02-28
        [data]
        dataset = "d"
        features = ["age", "sex"]
        [recipe]
        kind = "summary"
        [rounds]
        join = "90s"
    "#;
    const AT: Moment = Moment { ms: 1_000 };

    pub(crate) fn key(seed: usize) -> SecretKey {
        SecretKey::from_seed([u8::try_from(seed).unwrap(); 32])
    }

    /// Site 1, 2, ...
    pub(crate) fn node(site: usize) -> NodeId {
        key(site).public().node_id()
    }

    fn site(number: usize) -> Entry {
        let [identity, steward, witness] = [0, 50, 100].map(|more| key(number + more).public());
        Entry::new(
            &format!("site-{number}"),
            "NL",
            SiteKeys {
                identity,
                steward,
                witness,
            },
        )
    }

    /// A study of that many sites, of which these have approved.
    pub(crate) fn book(sites: usize, approved: &[usize]) -> Book {
        let hub = HubKeys {
            signing: key(201).public(),
            log: key(202).public(),
        };
        let roster =
            Roster::new("study", 1, hub, "trial", (1..=sites).map(site).collect()).unwrap();
        let roster = roster.sign(&key(200)).unwrap();
        let proposed = Proposed {
            text: TEXT.to_owned(),
            roster,
            proposer: "operator".to_owned(),
            at: AT,
        };
        let mut book = Book::open(proposed, &key(200).public().fingerprint()).unwrap();
        for number in approved {
            let decision = Decision {
                study: "study".to_owned(),
                study_digest: book.digest,
                roster: book.roster().digest(),
                site: node(*number),
                verdict: motet_common::decision::Verdict::Approve(String::new()),
                frozen: Some(Digest([7; 32])),
                when_ms: AT.ms,
            };
            apply(
                &mut book,
                StudyEntry::Decided(Noted {
                    decision: decision.sign(&key(number + 50)),
                    at: Moment { ms: 0 },
                }),
            )
            .unwrap();
        }
        book
    }

    /// As if a first sum over these sites had been released.
    pub(crate) fn with_set(mut book: Book, sites: &[usize]) -> Book {
        let mut set: Vec<NodeId> = sites.iter().map(|site| node(*site)).collect();
        set.sort_unstable();
        let state = book.chain.state().clone();
        let layout = book.chain.question(set.len()).unwrap().unwrap().layout;
        book.chain.accept(state, &set, &layout);
        book
    }

    /// As if these sites may have answered the present question.
    pub(crate) fn pinned_to(mut book: Book, sites: &[usize]) -> Book {
        let mut candidates: Vec<NodeId> = sites.iter().map(|site| node(*site)).collect();
        candidates.sort_unstable();
        let thresholds = Thresholds {
            colluders: 1,
            threshold: 3,
            survivors: 3,
        };
        book.pinned = Some((
            book.chain.ask_key(),
            LineUp {
                candidates,
                thresholds,
                min_start: 3,
            },
        ));
        book
    }

    fn apply(book: &mut Book, entry: StudyEntry) -> Result<(), Refusal> {
        book.apply(entry, &key(201), None)
    }

    /// A book with a run.
    pub(crate) fn started(mut book: Book) -> Book {
        apply(
            &mut book,
            StudyEntry::RunStarted(RunStarted {
                run: RunId([1; 16]),
                without_undecided: false,
                at: AT,
            }),
        )
        .unwrap();
        book
    }

    #[test]
    fn a_record_in_which_runs_do_not_follow_each_other_is_not_followed() {
        let ended = |end| {
            let (detail, files) = (String::new(), Vec::new());
            StudyEntry::RunEnded(RunEnded {
                run: RunId([1; 16]),
                end,
                detail,
                files,
                at: AT,
            })
        };
        let mut never = book(3, &[]);
        assert!(
            apply(&mut never, ended(End::Released)).is_err(),
            "none was started"
        );
        let mut twice = started(book(3, &[]));
        let again = StudyEntry::RunStarted(RunStarted {
            run: RunId([2; 16]),
            without_undecided: false,
            at: AT,
        });
        assert!(apply(&mut twice, again.clone()).is_err(), "one is going");
        apply(&mut twice, ended(End::Abandoned)).unwrap();
        apply(&mut twice, again).unwrap();
        assert_eq!(twice.past_runs.len(), 1);
    }
}
