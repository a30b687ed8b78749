//! The studies at this site, folded from the ledger: what was proposed, and what the steward
//! decided about exactly that.
//!
//! ```text
//! Proposed  other digest or roster --> undecided again     Decided    counts only for the proposal that stands
//! Proposed  same digest and roster --> nothing changes     Withdrawn  the proposer took it back: no decision counts
//! ```
//! A proposal whose roster is not signed by the governance key of the join code, or does not list
//! this site, decides nothing and displaces nothing; it is shown among the refused ones.

use crate::records::{self, Proposed, STUDIES, StudyRecord, UNDER, Under};
use crate::settings::Settings;
use crate::{Home, NodeError};
use motet_common::decision::{SignedDecision, Verdict};
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::{Entry, Roster};
use motet_common::study::{Date, Earlier, Study};
use motet_ledger::Ledger;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use std::collections::{BTreeMap, BTreeSet};

mod limits;

/// A proposal that passed every check a node can make.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// The study.
    pub study: Study,
    /// Digest of everything it fixes.
    pub digest: Digest,
    /// The roster, its signature checked.
    pub roster: Roster,
    /// Digest of the roster.
    pub roster_digest: Digest,
    /// The study file as it came.
    pub text: String,
    /// Who proposes it, as the coordinator says.
    pub proposer: String,
    /// When it arrived, milliseconds since 1970-01-01 UTC.
    pub when_ms: u64,
}

/// Where the decision about a study stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody decided about what now stands: it is not answered.
    Undecided,
    /// The steward decided about exactly what now stands.
    Decided(Box<SignedDecision>),
    /// The proposer withdrew the study.
    Recalled,
}

impl Standing {
    /// The word in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Decided(signed) => signed.decision.verdict.as_str(),
            Self::Recalled => "withdrawn by its proposer",
        }
    }

    /// The frozen table that the approval names, where it stands.
    pub fn frozen(&self) -> Option<Digest> {
        match self {
            Self::Decided(signed) => signed.decision.frozen,
            Self::Undecided | Self::Recalled => None,
        }
    }

    /// Whether the steward approved exactly what now stands.
    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Decided(signed) if matches!(signed.decision.verdict, Verdict::Approve(_)))
    }
}

/// One study at this site.
#[derive(Debug, Clone)]
pub struct AtSite {
    /// What stands proposed.
    pub proposal: Proposal,
    /// What was decided about it.
    pub standing: Standing,
}

/// Proposals of one study that are kept at any pace: more than anybody makes who mends a text.
const FREE_PROPOSALS: u32 = 32;

/// How far apart later ones are. What is written down here stays for ever, and whoever runs the
/// coordinator can send a thousand texts a second under one roster.
const PROPOSALS_APART_MS: u64 = 60 * 60 * 1000;

/// Proposals kept that nobody can decide about.
const MOST_REFUSED: usize = 32;

/// Bytes of a study's text and of its roster that are kept: what [`Study::parse`] reads, and 250
/// sites with their names.
const MOST_BYTES: usize = 512 << 10;

/// What becomes of a proposal that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is to be written down.
    New,
    /// It was, and nothing has taken its place.
    Known,
    /// There were too many, or it is too large; the first since the node started.
    First,
    /// Another of these.
    Dropped,
}

/// How often a study was proposed, and when last.
#[derive(Debug, Clone, Copy)]
struct Count {
    proposals: u32,
    latest_ms: u64,
}

/// A proposal that nobody can decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unacceptable {
    /// The study's id, as far as it could be read.
    pub id: String,
    /// When it arrived.
    pub when_ms: u64,
    /// Why.
    pub why: Refusal,
    /// Digest of what came: it is not written down again.
    came: Digest,
}

/// An approval in the past: two sums over the same dataset can be compared.
#[derive(Debug, Clone)]
struct Approval {
    id: String,
    dataset: String,
    digest: Digest,
    roster: Digest,
    asks: Digest,
    holds_out: bool,
    sites: BTreeSet<String>,
}

/// Every study at this site.
#[derive(Debug, Clone)]
pub struct Studies {
    settings: Settings,
    me: NodeId,
    governance: Digest,
    /// How many entries of the stream this value has seen.
    version: u64,
    by_id: BTreeMap<String, AtSite>,
    refused: Vec<Unacceptable>,
    counts: BTreeMap<String, Count>,
    /// Whether a proposal was dropped since this value was made.
    dropped: bool,
    approvals: Vec<Approval>,
    /// The steward's latest decision on each id, whatever the proposer did with the study since.
    last_words: BTreeMap<String, SignedDecision>,
    /// Digest and roster of what proposers withdrew, whatever they proposed in its place, until the
    /// steward decides about exactly that again.
    recalled: BTreeSet<(Digest, Digest)>,
    /// Under what was decided, by the decision's digest, and how many entries were read.
    under: BTreeMap<Digest, Under>,
    under_version: u64,
}

impl Proposal {
    /// Reads and checks a proposal: a study, with a roster of that study that the governance key
    /// signed and that lists this node.
    ///
    /// # Errors
    /// `study_invalid`, `malformed`, `bad_signature` (also for another governance key),
    /// `roster_mismatch`, `not_in_roster`.
    pub fn check(record: &Proposed, governance: &Digest, me: NodeId) -> Result<Self, Refusal> {
        let study = Study::parse(&record.text)
            .map_err(|error| Refusal::new(Code::StudyInvalid, error.to_string()))?;
        let signed = record.signed_roster()?;
        let roster = signed
            .verify(governance)
            .map_err(|error| Refusal::new(Code::BadSignature, error.to_string()))?;
        if roster.study_id != study.id {
            let detail = format!(
                "the roster is that of study `{}`, the study is `{}`",
                roster.study_id, study.id
            );
            return Err(Refusal::new(Code::RosterMismatch, detail));
        }
        if roster.entry(me).is_none() {
            return Err(Refusal::new(
                Code::NotInRoster,
                format!("study `{}`", study.id),
            ));
        }
        Ok(Self {
            digest: study.root(),
            roster_digest: roster.digest(),
            roster: roster.clone(),
            text: record.text.clone(),
            proposer: record.proposer.clone(),
            when_ms: record.when_ms,
            study,
        })
    }

    /// Whether a decision is about exactly this study with exactly this roster.
    pub fn is_meant_by(&self, signed: &SignedDecision) -> bool {
        let decision = &signed.decision;
        decision.study == self.study.id
            && decision.study_digest == self.digest
            && decision.roster == self.roster_digest
    }

    fn same(&self, other: &Self) -> bool {
        self.digest == other.digest && self.roster_digest == other.roster_digest
    }

    /// This site's own entry.
    pub fn entry(&self, me: NodeId) -> Option<&Entry> {
        self.roster.entry(me)
    }
}

impl Studies {
    /// Reads the ledger's stream.
    ///
    /// # Errors
    /// [`NodeError::Ledger`] for a record that was altered, [`NodeError::Entry`].
    pub async fn read(home: &Home) -> Result<Self, NodeError> {
        let mut studies = Self::none(
            home.settings.clone(),
            home.node(),
            home.governance.fingerprint(),
        );
        studies.read_on(&home.ledger).await?;
        Ok(studies)
    }

    /// Takes in what the stream has grown by since.
    ///
    /// # Errors
    /// As [`Studies::read`].
    pub(crate) async fn read_on(&mut self, ledger: &Ledger) -> Result<(), NodeError> {
        for recorded in ledger.read(STUDIES, self.version + 1).await? {
            self.apply(&records::decode(STUDIES, &recorded)?);
            self.version = recorded.version;
        }
        // Last: what a decision was made under is written before it.
        for recorded in ledger.read(UNDER, self.under_version + 1).await? {
            let under: Under = records::decode(UNDER, &recorded)?;
            self.under.insert(under.decision, under);
            self.under_version = recorded.version;
        }
        Ok(())
    }

    /// No study, for the node `me` that trusts the governance key with this fingerprint.
    pub fn none(settings: Settings, me: NodeId, governance: Digest) -> Self {
        Self {
            settings,
            me,
            governance,
            version: 0,
            by_id: BTreeMap::new(),
            refused: Vec::new(),
            counts: BTreeMap::new(),
            dropped: false,
            approvals: Vec::new(),
            last_words: BTreeMap::new(),
            recalled: BTreeSet::new(),
            under: BTreeMap::new(),
            under_version: 0,
        }
    }

    /// Takes in one entry.
    pub fn apply(&mut self, record: &StudyRecord) {
        match record {
            StudyRecord::Proposed(proposed) => self.propose(proposed),
            StudyRecord::Withdrawn(digest) => {
                let meant = self
                    .by_id
                    .values_mut()
                    .filter(|known| known.proposal.digest == *digest);
                for known in meant {
                    known.standing = Standing::Recalled;
                    let roster = known.proposal.roster_digest;
                    self.recalled.insert((*digest, roster));
                }
            }
            StudyRecord::Decided(signed) => self.decide(signed),
        }
    }

    /// Every check of a proposal, also against what stands.
    pub(crate) fn check(&self, proposed: &Proposed) -> Result<Proposal, Refusal> {
        let proposal = Proposal::check(proposed, &self.governance, self.me)?;
        let id = &proposal.study.id;
        match self.by_id.get(id) {
            // Whoever goes back to an older roster wants keys to count that governance has
            // replaced.
            Some(known) if known.proposal.roster.epoch > proposal.roster.epoch => {
                Err(Refusal::new(
                    Code::RosterMismatch,
                    format!("study `{id}` already has a later roster"),
                ))
            }
            // Nor do two count under one number: it would be the coordinator's choice which of them
            // is the newer.
            Some(known)
                if known.proposal.roster.epoch == proposal.roster.epoch
                    && known.proposal.roster_digest != proposal.roster_digest =>
            {
                let detail = format!("study `{id}` has another roster under the same number");
                Err(Refusal::new(Code::RosterMismatch, detail))
            }
            _ => Ok(proposal),
        }
    }

    /// What is to become of a proposal that arrives, before it is written down: it is checked
    /// first, and what the coordinator says again on every connection is not written again.
    pub(crate) fn weigh(&mut self, arrived: &Proposed) -> Arrival {
        let too_large = arrived.text.len().max(arrived.roster.len()) > MOST_BYTES;
        let full = too_large
            || match self.check(arrived) {
                Ok(proposal) => {
                    let known = self.by_id.get(&proposal.study.id);
                    let same = |known: &AtSite| {
                        known.proposal.same(&proposal) && known.standing != Standing::Recalled
                    };
                    if known.is_some_and(same) {
                        return Arrival::Known;
                    }
                    let count = self.counts.get(&proposal.study.id);
                    count.is_some_and(|count| {
                        let waited = arrived.when_ms.saturating_sub(count.latest_ms);
                        count.proposals >= FREE_PROPOSALS && waited < PROPOSALS_APART_MS
                    })
                }
                Err(_) => {
                    let came = came(arrived);
                    if self.refused.iter().any(|refused| refused.came == came) {
                        return Arrival::Known;
                    }
                    self.refused.len() >= MOST_REFUSED
                }
            };
        let before = self.dropped;
        self.dropped |= full;
        match (full, before) {
            (false, _) => Arrival::New,
            (true, false) => Arrival::First,
            (true, true) => Arrival::Dropped,
        }
    }

    fn propose(&mut self, proposed: &Proposed) {
        match self.check(proposed) {
            Ok(proposal) => {
                let id = proposal.study.id.clone();
                let before = self.counts.get(&id).map_or(0, |count| count.proposals);
                let count = Count {
                    proposals: before.saturating_add(1),
                    latest_ms: proposed.when_ms,
                };
                self.counts.insert(id.clone(), count);
                let stands = self.by_id.get(&id).is_some_and(|known| {
                    known.proposal.same(&proposal) && known.standing != Standing::Recalled
                });
                if !stands {
                    self.by_id.insert(
                        id,
                        AtSite {
                            proposal,
                            standing: Standing::Undecided,
                        },
                    );
                }
            }
            Err(why) => {
                let id = Study::parse(&proposed.text)
                    .map_or_else(|_| "(unreadable)".to_owned(), |study| study.id);
                let came = came(proposed);
                self.refused.push(Unacceptable {
                    id,
                    when_ms: proposed.when_ms,
                    why,
                    came,
                });
            }
        }
    }

    fn decide(&mut self, signed: &SignedDecision) {
        let Some(known) = self.by_id.get_mut(&signed.decision.study) else {
            return;
        };
        let is_the_stewards = signed.decision.site == self.me
            && known.proposal.is_meant_by(signed)
            && signed.check(&known.proposal.roster).is_ok();
        if !is_the_stewards {
            return;
        }
        let id = signed.decision.study.clone();
        self.last_words.insert(id, signed.clone());
        if known.standing == Standing::Recalled {
            return;
        }
        let Proposal {
            digest,
            roster_digest,
            ..
        } = &known.proposal;
        self.recalled.remove(&(*digest, *roster_digest));
        if let Verdict::Approve(_) = signed.decision.verdict {
            self.approvals.push(Approval {
                id: known.proposal.study.id.clone(),
                dataset: known.proposal.study.data.dataset.clone(),
                digest: known.proposal.digest,
                roster: known.proposal.roster_digest,
                asks: known.proposal.study.asks(),
                holds_out: known.proposal.study.held_out().is_some(),
                sites: known
                    .proposal
                    .roster
                    .entries
                    .iter()
                    .map(|entry| entry.name.clone())
                    .collect(),
            });
        }
        known.standing = Standing::Decided(Box::new(signed.clone()));
    }

    /// The steward's latest decision under a study's id, whatever stands proposed under it now.
    pub(crate) fn last_word(&self, id: &str) -> Option<&SignedDecision> {
        self.last_words.get(id)
    }

    /// Whether the proposer withdrew what the steward's decision is about, and nobody decided about
    /// it since: another text may stand in its place already.
    pub(crate) fn is_recalled(&self, word: &SignedDecision) -> bool {
        let decision = &word.decision;
        self.recalled
            .contains(&(decision.study_digest, decision.roster))
    }

    /// How many entries of the stream were read: what an append that depends on them expects.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every study, by id.
    pub fn all(&self) -> impl Iterator<Item = &AtSite> {
        self.by_id.values()
    }

    /// Proposals that cannot be decided, oldest first.
    pub fn refused(&self) -> &[Unacceptable] {
        &self.refused
    }

    /// The study with this id.
    ///
    /// # Errors
    /// `study_unknown`; the reason instead when only unacceptable proposals came under that id.
    pub fn find(&self, id: &str) -> Result<&AtSite, Refusal> {
        let refused = || {
            self.refused
                .iter()
                .rev()
                .find(|refused| refused.id == id)
                .map(|refused| refused.why.clone())
        };
        self.by_id.get(id).ok_or_else(|| {
            refused().unwrap_or_else(|| {
                Refusal::new(
                    Code::StudyUnknown,
                    format!("no study `{id}` has reached this site"),
                )
            })
        })
    }

    /// Whether the node may answer rounds of this study with this roster today: deny by default.
    ///
    /// # Errors
    /// `study_unknown`, `study_withdrawn`, `roster_mismatch`, `study_not_approved` (also where its
    /// permit is over, or the site now asks for one), `study_ended`, and whatever the site's own
    /// [`Settings::allow`] refuses.
    pub fn may_run(
        &self,
        digest: &Digest,
        roster: &Digest,
        today: Date,
    ) -> Result<&AtSite, Refusal> {
        let known = self
            .by_id
            .values()
            .find(|known| known.proposal.digest == *digest)
            .ok_or(Code::StudyUnknown)?;
        let id = &known.proposal.study.id;
        if known.standing == Standing::Recalled {
            return Err(Refusal::new(Code::StudyWithdrawn, format!("study `{id}`")));
        }
        if known.proposal.roster_digest != *roster {
            return Err(Refusal::new(Code::RosterMismatch, format!("study `{id}`")));
        }
        if !known.standing.is_approved() {
            return Err(Refusal::new(
                Code::StudyNotApproved,
                format!("study `{id}` is {}", known.standing.as_str()),
            ));
        }
        self.acceptable_under(known, today, &self.stricter(self.under(&known.standing)))?;
        self.permitted(known, today)?;
        Ok(known)
    }

    /// Whether the study could be approved today at all.
    ///
    /// # Errors
    /// `study_withdrawn`, `study_ended`, and whatever [`Settings::allow`] refuses.
    pub fn acceptable(&self, known: &AtSite, today: Date) -> Result<(), Refusal> {
        self.acceptable_under(known, today, &self.settings)
    }

    fn acceptable_under(
        &self,
        known: &AtSite,
        today: Date,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let study = &known.proposal.study;
        if known.standing == Standing::Recalled {
            return Err(Refusal::new(
                Code::StudyWithdrawn,
                format!("study `{}`", study.id),
            ));
        }
        if study.ends < today {
            return Err(Refusal::new(
                Code::StudyEnded,
                format!("study `{}` ended on {}", study.id, study.ends),
            ));
        }
        settings.allow(study, &known.proposal.roster)
    }

    /// Approvals of other proposals on the same dataset, with what differs in the roster and in who
    /// is held out: two results together may show the difference of their sites, or patients.
    pub fn earlier(&self, proposal: &Proposal) -> Vec<Earlier> {
        let sites: BTreeSet<String> = proposal
            .roster
            .entries
            .iter()
            .map(|entry| entry.name.clone())
            .collect();
        let other = |approval: &&Approval| {
            approval.dataset == proposal.study.data.dataset
                && (approval.digest != proposal.digest || approval.roster != proposal.roster_digest)
        };
        let holds_out = proposal.study.held_out().is_some();
        let mut seen = BTreeSet::new();
        self.approvals
            .iter()
            .filter(other)
            .filter(|approval| seen.insert((approval.digest, approval.roster)))
            .map(|approval| Earlier {
                id: approval.id.clone(),
                joined: sites.difference(&approval.sites).cloned().collect(),
                left: approval.sites.difference(&sites).cloned().collect(),
                same_question: approval.asks == proposal.study.asks(),
                // The same text holds the same patients out.
                others_held_out: approval.digest != proposal.digest
                    && (holds_out || approval.holds_out),
            })
            .collect()
    }
}

/// Digest of a study's text and roster as they came.
fn came(proposed: &Proposed) -> Digest {
    Digest::of_file(&[proposed.text.as_bytes(), &[0], &proposed.roster].concat())
}

#[cfg(test)]
#[path = "studies_tests.rs"]
pub(crate) mod tests;
