//! What became of this hospital's updates: every set of a
//! study's log that counts one of them, held against what
//! this site has on its own record. Read offline, from the
//! node's own ledger alone.
//!
//! ```text
//! log/ID/DIGEST    Commit with this node   --upload root-->  facts   Masked
//!                  Release of it           <--signed by----  chain/ID/DIGEST   Absorbed, under a signed checkpoint
//! ```
//! A rule that is broken, a root that is another and a
//! signature that does not hold are faults: proof against
//! whoever made them, as long as this record is kept.

use crate::follower::{self, Absorbed, Follower};
use crate::records::{self, FACTS, STUDIES, StudyRecord};
use crate::studies::Proposal;
use crate::{Home, NodeError};
use motet_common::log::{Commit, Leaf, Mirror, StudyOpen};
use motet_common::round::pins::{Fact, Masked};
use motet_program::Table;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::Released;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What became of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// The log does not say yet.
    Open,
    /// Its sum is public.
    Released,
    /// It was opened and its sum is void.
    Void,
    /// It was given up before anything of it was opened.
    GivenUp,
}

/// One set that counts an update of this site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The study's id.
    pub study: String,
    /// Its digest: another text under the same id is another study.
    pub study_digest: String,
    /// The run.
    pub run: String,
    /// Its round.
    pub round: u64,
    /// The attempt.
    pub attempt: u32,
    /// Sites in the set, this one among them.
    pub sites: usize,
    /// What became of it.
    pub became: Became,
    /// Root of the model that followed from its sum.
    pub model: Option<String>,
    /// Whether the upload that the log counts is the one that
    /// this site masked.
    pub own_upload: bool,
    /// Whether the release that this site absorbed is the
    /// coordinator's and stands in the log; nothing where it
    /// absorbed none.
    pub release_holds: Option<bool>,
    /// Whether this site made the sum again; nothing where it
    /// absorbed none.
    pub checked: Option<bool>,
}

/// All of them, and what does not hold.
#[derive(Debug, Default)]
pub struct Receipts {
    /// By study, in the order of the log.
    pub receipts: Vec<Receipt>,
    /// A sentence each.
    pub faults: Vec<String>,
}

/// Every set of every study that ever reached this site.
///
/// # Errors
/// When the studies cannot be read. What is wrong with one
/// study's record is among the faults.
pub async fn read(home: &Home) -> Result<Receipts, NodeError> {
    let mut found = Receipts::default();
    for (id, rosters) in proposals(home).await? {
        let before = found.faults.len();
        if let Err(fault) = read_study(home, &rosters, &mut found).await {
            found.faults.push(fault);
        }
        for fault in found.faults.iter_mut().skip(before) {
            *fault = format!("study {id}: {fault}");
        }
    }
    Ok(found)
}

/// Every acceptable proposal by the study's id and digest,
/// with each roster that it came with.
async fn proposals(home: &Home) -> Result<BTreeMap<String, Vec<Proposal>>, NodeError> {
    let mut proposals: BTreeMap<String, Vec<Proposal>> = BTreeMap::new();
    let governance = home.governance.fingerprint();
    for record in records::read(&home.ledger, STUDIES).await? {
        let StudyRecord::Proposed(proposed) = record else {
            continue;
        };
        // What was never acceptable was never answered.
        let Ok(proposal) = Proposal::check(&proposed, &governance, home.node()) else {
            continue;
        };
        let key = format!("{}/{}", proposal.study.id, proposal.digest.short());
        let known = proposals.entry(key).or_default();
        if known
            .iter()
            .all(|known| known.roster_digest != proposal.roster_digest)
        {
            known.push(proposal);
        }
    }
    Ok(proposals)
}

/// Reads one study's record; a log is that of the roster from
/// which its opening derives.
async fn read_study(home: &Home, rosters: &[Proposal], found: &mut Receipts) -> Result<(), String> {
    let Some(first) = rosters.first() else {
        return Ok(());
    };
    // The daemon may be at work: what it writes last is read first.
    let absorbed = follower::absorbed(home, first)
        .await
        .map_err(|error| error.to_string())?;
    let leaves = home
        .ledger
        .read(&follower::log_stream(first), 1)
        .await
        .map_err(|error| error.to_string())?;
    let opens = |proposal: &&Proposal| {
        let opening = Leaf::StudyOpen(StudyOpen::of(&proposal.study, &proposal.roster)).to_bytes();
        leaves.first().is_some_and(|leaf| leaf.entry == opening)
    };
    let proposal = rosters.iter().find(opens).unwrap_or(first);
    let log = follower::mirror(home, proposal)
        .await
        .map_err(|error| error.to_string())?;
    let masked = masked(home).await.map_err(|error| error.to_string())?;
    let before = found.faults.len();
    let desk = Desk {
        me: home.node(),
        proposal,
        log: &log,
        masked: &masked,
        absorbed: &absorbed,
    };
    desk.write(found);
    // Only what is sound so far is worth following: the states must be those that were released.
    if found.faults.len() == before && !absorbed.is_empty() {
        let followed = Follower::open(home, Arc::new(proposal.clone())).await;
        followed.map_err(|error| format!("what was absorbed does not follow: {error}"))?;
    }
    Ok(())
}

/// Upload roots of this site by question and attempt.
async fn masked(home: &Home) -> Result<BTreeMap<(Digest, u32), Digest>, NodeError> {
    let facts: Vec<Fact> = records::read(&home.ledger, FACTS).await?;
    let masked = facts.into_iter().filter_map(|fact| match fact {
        Fact::Masked(Masked {
            ask,
            attempt,
            upload_root,
            ..
        }) => Some(((ask, attempt), upload_root)),
        _ => None,
    });
    Ok(masked.collect())
}

/// One study's record, side by side.
struct Desk<'a> {
    me: NodeId,
    proposal: &'a Proposal,
    log: &'a Mirror,
    masked: &'a BTreeMap<(Digest, u32), Digest>,
    absorbed: &'a [Absorbed],
}

impl Desk<'_> {
    fn write(&self, found: &mut Receipts) {
        for Absorbed { released, .. } in self.absorbed {
            if let Err(fault) = self.hold(released) {
                found.faults.push(fault);
            }
        }
        let became = became(self.log);
        for commit in leaves(self.log).filter_map(|leaf| match leaf {
            Leaf::Commit(commit) => Some(commit),
            _ => None,
        }) {
            let Some((_, logged)) = commit.set.iter().find(|(node, _)| *node == self.me) else {
                continue;
            };
            if let Some(fault) = self.other_upload(&commit, logged) {
                found.faults.push(fault);
            }
            let became = became
                .get(&commit.t3)
                .copied()
                .unwrap_or((Became::Open, None));
            found.receipts.push(self.receipt(&commit, logged, became));
        }
    }

    fn receipt(
        &self,
        commit: &Commit,
        logged: &Digest,
        (became, model): (Became, Option<Digest>),
    ) -> Receipt {
        let absorbed = self
            .absorbed
            .iter()
            .find(|absorbed| absorbed.released.t3 == commit.t3);
        Receipt {
            study: self.proposal.study.id.clone(),
            study_digest: self.proposal.digest.hex(),
            run: commit.run.hex(),
            round: commit.round,
            attempt: commit.attempt,
            sites: commit.set.len(),
            became,
            model: model.map(|root| root.hex()),
            own_upload: self.other_upload(commit, logged).is_none(),
            release_holds: absorbed.map(|absorbed| self.hold(&absorbed.released).is_ok()),
            checked: absorbed.map(|absorbed| absorbed.checked),
        }
    }

    /// Why the upload that the log counts is not this site's own.
    fn other_upload(&self, commit: &Commit, logged: &Digest) -> Option<String> {
        let Commit { round, attempt, .. } = commit;
        match self.masked.get(&(commit.ask, *attempt)) {
            Some(own) if own == logged => None,
            Some(own) => Some(format!(
                "round {round}, attempt {attempt}: the log counts an upload `{}` of this site, which masked `{}`",
                logged.short(),
                own.short()
            )),
            None => Some(format!(
                "round {round}, attempt {attempt}: the log counts an upload of this site, which masked none"
            )),
        }
    }

    /// Whether a release is signed by the coordinator that
    /// governance named, and stands in the log under a checkpoint
    /// that is signed by the log's key.
    fn hold(&self, released: &Released) -> Result<(), String> {
        let roster = &self.proposal.roster;
        let t3 = released.t3.short();
        if !released.is_signed_by(&roster.coordinator) {
            return Err(format!(
                "the release of set `{t3}` is not signed by the coordinator of the roster"
            ));
        }
        let logged = self.log.is_on_record(released);
        let logged = logged.and_then(|()| {
            self.log
                .check(&released.release.checkpoint, roster)
                .map(drop)
        });
        logged.map_err(|refusal| format!("the release of set `{t3}`: {refusal}"))
    }
}

fn leaves(log: &Mirror) -> impl Iterator<Item = Leaf> {
    // The mirror took in nothing but leaves.
    log.log()
        .leaves()
        .iter()
        .filter_map(|leaf| Leaf::from_bytes(leaf).ok())
}

/// What became of every committed set, by T3, with the
/// model's root where its sum was released.
fn became(log: &Mirror) -> BTreeMap<Digest, (Became, Option<Digest>)> {
    let mut became = BTreeMap::new();
    let mut open = BTreeMap::new();
    for leaf in leaves(log) {
        let (t3, end) = match leaf {
            Leaf::Commit(commit) => {
                open.insert(commit.ask, commit.t3);
                continue;
            }
            Leaf::Release(release) => (
                Some(release.t3),
                (Became::Released, Some(release.state_root)),
            ),
            Leaf::Void(ask) => (open.remove(&ask), (Became::Void, None)),
            Leaf::Abort(abort) => (open.remove(&abort.ask), (Became::GivenUp, None)),
            Leaf::StudyOpen(_) | Leaf::Publication(_) => continue,
        };
        if let Some(t3) = t3 {
            became.insert(t3, end);
        }
    }
    became
}

/// The first digits of a name in hexadecimal: enough to tell
/// two apart.
fn short(hex: &str) -> &str {
    debug_assert!(hex.len() >= 16, "ids and digests have 16 digits and more");
    hex.get(..8).unwrap_or(hex)
}

/// The receipts as a table.
pub fn text(receipts: &[Receipt]) -> String {
    if receipts.is_empty() {
        return "no set of any study's log counts an update of this site\n".to_owned();
    }
    let head = [
        "study",
        "digest",
        "run",
        "round",
        "attempt",
        "sites",
        "became",
        "upload",
        "release",
        "made again",
    ];
    Table::of(head, receipts.iter().map(row)).text()
}

fn row(receipt: &Receipt) -> [String; 10] {
    let became = match (receipt.became, &receipt.model) {
        (Became::Released, Some(model)) => {
            format!("released, model {}", short(model))
        }
        (Became::Released, None) => "released".to_owned(),
        (Became::Void, _) => "void".to_owned(),
        (Became::GivenUp, _) => "given up unopened".to_owned(),
        (Became::Open, _) => "open".to_owned(),
    };
    let upload = if receipt.own_upload {
        "as masked here"
    } else {
        "FAULT"
    };
    let release = match receipt.release_holds {
        Some(true) => "signed, in the log",
        Some(false) => "FAULT",
        None => "not absorbed",
    };
    let checked = match receipt.checked {
        Some(true) => "yes",
        Some(false) => "no",
        None => "",
    };
    [
        receipt.study.clone(),
        short(&receipt.study_digest).to_owned(),
        short(&receipt.run).to_owned(),
        receipt.round.to_string(),
        receipt.attempt.to_string(),
        receipt.sites.to_string(),
        became,
        upload.to_owned(),
        release.to_owned(),
        checked.to_owned(),
    ]
}

#[cfg(test)]
#[path = "receipts_tests.rs"]
mod tests;
