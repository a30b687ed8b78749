//! What the ledger says of frozen tables: which were kept for
//! which study, over which rows it was answered, and which were
//! deleted, and why.

use crate::records::{self, Answered, Deleted, Ended, FROZEN, FrozenRecord, Kept};
use crate::studies::{Proposal, Studies};
use crate::{NodeError, clock};
use motet_common::decision::Verdict;
use motet_common::moment::Moment;
use motet_ledger::Ledger;
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;

/// Why a table goes that a crash left without a decision.
const UNNAMED: &str = "no decision names it";

/// How long a table stays after its study was seen to be over:
/// the last sum of the last day is followed, and a clock that
/// jumped is set right. It is less than a day, so that the
/// table goes when the day turns next.
const GRACE_MS: u64 = 12 * 60 * 60 * 1000;

/// What is to become of a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is kept.
    Stays,
    /// Its study is over, and that is to go on record.
    Ends,
    /// It is deleted, for this reason.
    Goes(String),
}

/// The stream, folded.
#[derive(Debug, Default)]
pub(crate) struct History {
    kept: BTreeMap<Digest, Kept>,
    deleted: BTreeMap<Digest, Deleted>,
    ended: BTreeMap<Digest, Ended>,
    answered: Vec<Answered>,
}

impl History {
    /// Reads the stream.
    ///
    /// # Errors
    /// As [`records::read`].
    pub(crate) async fn read(ledger: &Ledger) -> Result<Self, NodeError> {
        let mut history = Self::default();
        for record in records::read::<FrozenRecord>(ledger, FROZEN).await? {
            match record {
                FrozenRecord::Kept(kept) => {
                    history.kept.insert(kept.table, kept);
                }
                FrozenRecord::Answered(answered) => history.answered.push(answered),
                FrozenRecord::Deleted(deleted) => {
                    history.deleted.insert(deleted.table, deleted);
                }
                FrozenRecord::Ended(ended) => {
                    history.ended.insert(ended.table, ended);
                }
            }
        }
        Ok(history)
    }

    /// The names of all that were kept and are not deleted.
    pub(crate) fn kept(&self) -> impl Iterator<Item = Digest> {
        let kept = self.kept.keys().copied();
        kept.filter(|name| !self.deleted.contains_key(name))
    }

    /// The same, with what is on record of each.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &Kept> {
        let kept = self.kept.values();
        kept.filter(|kept| !self.deleted.contains_key(&kept.table))
    }

    /// Whether one was kept, be it deleted since.
    pub(crate) fn is_kept(&self, name: &Digest) -> bool {
        self.kept.contains_key(name)
    }

    /// The study for which one was kept.
    pub(crate) fn study_of(&self, name: &Digest) -> Option<&str> {
        self.kept.get(name).map(|kept| kept.id.as_str())
    }

    /// When its rows were read, milliseconds since 1970-01-01 UTC.
    pub(crate) fn read_at(&self, name: &Digest) -> Option<u64> {
        self.kept.get(name).map(|kept| kept.when_ms)
    }

    /// The keyed digest of its rows.
    pub(crate) fn content(&self, name: &Digest) -> Option<[u8; 32]> {
        self.kept.get(name).map(|kept| kept.content)
    }

    /// When one was deleted, and why.
    pub(crate) fn deleted(&self, name: &Digest) -> Option<&Deleted> {
        self.deleted.get(name)
    }

    /// The table that the steward's latest decision under a study's
    /// id names, where it is kept still: of the text that stands now,
    /// or of one in whose place that came.
    pub(crate) fn stands(&self, studies: &Studies, id: &str) -> Option<&Kept> {
        let name = studies.last_word(id)?.decision.frozen?;
        let kept = self.kept.get(&name);
        kept.filter(|_| !self.deleted.contains_key(&name))
    }

    /// The table that the steward's latest decision about exactly
    /// this proposal names, whatever the proposer did with the
    /// study since.
    pub(crate) fn named(&self, studies: &Studies, proposal: &Proposal) -> Option<Digest> {
        let word = studies.last_word(&proposal.study.id)?;
        word.decision.frozen.filter(|_| proposal.is_meant_by(word))
    }

    /// The keyed digests of the rows with which a study was
    /// answered, by the plans that asked.
    pub(crate) fn answers(&self, study: &Digest) -> BTreeMap<Digest, [u8; 32]> {
        self.of(study)
            .map(|answered| (answered.plan, answered.content))
            .collect()
    }

    /// That of the latest answer.
    pub(crate) fn answered_last(&self, study: &Digest) -> Option<[u8; 32]> {
        self.of(study).next_back().map(|answered| answered.content)
    }

    fn of(&self, study: &Digest) -> impl DoubleEndedIterator<Item = &Answered> {
        self.answered
            .iter()
            .filter(move |answered| answered.study == *study)
    }

    /// What is to become of a table. What the proposer or the
    /// coordinator does with the study, but for withdrawing it,
    /// deletes nothing before the steward decides about that.
    pub(super) fn fate(&self, name: &Digest, studies: &Studies, now: Moment) -> Fate {
        if self.deleted.contains_key(name) {
            return Fate::Goes("it was deleted before".to_owned());
        }
        let Some(kept) = self.kept.get(name) else {
            return Fate::Goes(UNNAMED.to_owned());
        };
        let Some(word) = studies.last_word(&kept.id) else {
            return Fate::Goes(UNNAMED.to_owned());
        };
        if word.decision.frozen != Some(*name) {
            return Fate::Goes(match &word.decision.verdict {
                Verdict::Approve(_) => "the decision names another".to_owned(),
                Verdict::Decline(_) => "the steward declined the study".to_owned(),
                Verdict::Withdraw(_) => "the steward withdrew from the study".to_owned(),
            });
        }
        if studies.is_recalled(word) {
            return Fate::Goes("its proposer withdrew the study".to_owned());
        }
        if kept.ends >= clock::day(now) {
            return Fate::Stays;
        }
        match self.ended.get(name) {
            // Seen by a clock that was ahead: it does not count.
            Some(ended) if ended.when_ms > now.ms => Fate::Ends,
            Some(ended) if now.ms - ended.when_ms < GRACE_MS => Fate::Stays,
            Some(_) => Fate::Goes(format!("the study ended on {}", kept.ends)),
            None => Fate::Ends,
        }
    }
}
