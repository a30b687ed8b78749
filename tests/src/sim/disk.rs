//! What a node keeps over a stop: vault, masked files, its ledger of facts, and the state it
//! computed; and what it does with that before it believes a plan, a log or a sum.

use super::cast::{Archive, Cast, follow};
use super::checks::{Broken, Check, hold};
use motet_common::audit::Audit;
use motet_common::checks::{Latest, may_cosign};
use motet_common::log::Mirror;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::Terms;
use motet_common::round::member::{Expected, Me, Member, admit};
use motet_common::round::pins::{Fact, Pins};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::mask::MaskedUpdate;
use motet_secagg::message::{Message, Plan, Released, SignedPlan, Stands};
use motet_secagg::note::Note;
use std::collections::BTreeMap;

/// One node's disk.
pub struct Disk {
    vault: BTreeMap<Digest, Vec<u8>>,
    masked: BTreeMap<Digest, MaskedUpdate>,
    facts: Vec<Vec<u8>>,
    /// Root of the state that follows from the releases so far.
    pub state: Digest,
    /// The study's log as this site has seen it.
    pub log: Mirror,
    /// The latest sum.
    pub latest: Option<Latest>,
    /// Place of its release in the log.
    place: u64,
}

impl Disk {
    /// A disk with nothing on it but the first state and an empty log.
    pub fn new(state: Digest, log: Mirror) -> Self {
        Self {
            vault: BTreeMap::new(),
            masked: BTreeMap::new(),
            facts: Vec::new(),
            state,
            log,
            latest: None,
            place: 0,
        }
    }

    /// Seals the vault's item of an attempt.
    pub fn seal(&mut self, plan: Digest, bytes: Vec<u8>) {
        self.vault.insert(plan, bytes);
    }

    /// Writes the masked file of an attempt.
    pub fn store(&mut self, plan: Digest, masked: MaskedUpdate) {
        self.masked.insert(plan, masked);
    }

    /// The masked file of an attempt.
    pub fn masked(&self, plan: &Digest) -> Option<&MaskedUpdate> {
        self.masked.get(plan)
    }

    /// Appends a fact to the ledger.
    pub fn append(&mut self, fact: &Fact) {
        self.facts.push(fact.to_bytes());
    }

    /// Removes the masked file of an attempt in which it will never count.
    pub fn discard(&mut self, plan: &Digest) {
        self.masked.remove(plan);
    }

    /// Wipes an attempt.
    pub fn forget(&mut self, plan: &Digest) {
        self.vault.remove(plan);
        self.masked.remove(plan);
    }

    /// Wipes every attempt: a new one is joined.
    pub fn forget_all(&mut self) {
        self.vault.clear();
        self.masked.clear();
    }

    /// What the vault holds of an attempt.
    pub fn vault(&self, plan: &Digest) -> Option<&[u8]> {
        self.vault.get(plan).map(Vec::as_slice)
    }

    /// Every fact in the ledger, in order.
    pub fn facts(&self) -> &[Vec<u8>] {
        &self.facts
    }

    /// Follows the log to a checkpoint; leaves can be fetched for every log that was shown to
    /// anybody.
    ///
    /// # Errors
    /// As [`Mirror::grown`]: then nothing of it is believed.
    pub fn sync(
        &mut self,
        checkpoint: &str,
        archive: &Archive,
        cast: &Cast,
    ) -> Result<(), Refusal> {
        let point = checkpoint
            .parse::<Note>()
            .map(|note| note.unverified().clone());
        let news = point
            .map(|point| archive.leaves(&point, self.log.size()))
            .unwrap_or_default();
        if self.log.check(checkpoint, &cast.roster).is_err() {
            self.log = self.log.grown(checkpoint, &news, &cast.roster)?;
        }
        Ok(())
    }

    /// Whether the node joins a plan: through its own door. `open` is the attempt under way, which
    /// speaks for itself until the ledger knows of it, from its advert on.
    ///
    /// # Errors
    /// As [`admit`].
    pub fn admit(
        &self,
        signed: &SignedPlan,
        open: Option<&Plan>,
        pins: &Pins,
        cast: &Cast,
        me: &Me<'_>,
    ) -> Result<Terms, Refusal> {
        let plan = &signed.plan;
        if open.is_some_and(|open| open.ask == plan.ask && open.attempt >= plan.attempt) {
            return Err(Code::RoundReplay.into());
        }
        admit(signed, &self.expected(cast), pins, me)
    }

    fn expected<'a>(&self, cast: &'a Cast) -> Expected<'a> {
        let opening = self.log.log().hash(0).unwrap_or_default();
        let previous = self.latest.map_or(opening, |latest| latest.release);
        cast.expected(
            self.state,
            previous,
            self.latest.and_then(|latest| latest.due),
        )
    }

    /// Absorbs the releases that were missed on the way to a state, each by evidence that counts;
    /// the last of them is made again.
    ///
    /// # Errors
    /// As [`Disk::absorb`].
    pub fn catch_up(
        &mut self,
        root: Option<&Digest>,
        archive: &Archive,
        cast: &Cast,
    ) -> Result<(), Refusal> {
        while root != Some(&self.state)
            && let Some(released) = archive.releases.get(&self.state)
        {
            // The log first, as far as this release: whatever asked may be older than it.
            self.sync(&released.release.checkpoint, archive, cast)?;
            let next = released.state_root;
            let latest = root.map_or(!archive.releases.contains_key(&next), |root| *root == next);
            self.absorb(released, latest, archive, cast)?;
        }
        Ok(())
    }

    /// A release in the log, by evidence that counts; `again` where the sum is made again from the
    /// masked uploads before anything follows from it.
    ///
    /// # Errors
    /// `sum_mismatch` and others: nothing follows then.
    pub fn absorb(
        &mut self,
        released: &Released,
        again: bool,
        archive: &Archive,
        cast: &Cast,
    ) -> Result<(), Refusal> {
        if self.latest.is_some() && released.release.index <= self.place {
            // A copy of an earlier release leads nowhere.
            return Ok(());
        }
        self.log.is_on_record(released)?;
        let evidence = archive.evidence.get(&released.evidence);
        let missing = || Refusal::new(Code::SumMismatch, "the evidence cannot be fetched");
        let mut audit = Audit::of(released, evidence.ok_or_else(missing)?, &cast.roster)?;
        audit.counts(&self.expected(cast), &self.log, &cast.roster)?;
        let due = cast.due(released, audit.plan().candidates.len());
        if again {
            for row in archive
                .uploads
                .get(&audit.evidence().t2())
                .into_iter()
                .flatten()
            {
                let row: Vec<&[u8]> = row.iter().map(|chunk| chunk.as_slice()).collect();
                audit.row(&row)?;
            }
            audit.finish()?;
        }
        let next = follow(&self.state, &released.aggregate);
        if next != released.state_root {
            return Err(Code::ReleaseMismatch.into());
        }
        self.state = next;
        self.latest = Some(Latest::after(
            self.latest.as_ref(),
            due.release,
            Some(due),
            again,
        ));
        self.place = released.release.index;
        Ok(())
    }

    /// Whether this site made the sum of this release again.
    pub fn has_checked(&self, released: &Released) -> bool {
        self.latest
            .is_some_and(|latest| latest.checked && latest.release == released.leaf_hash())
    }

    /// Whether this site cosigns where a log stands; where that holds a result, only from the
    /// result's state, and by a last sum that enough sites have made again.
    ///
    /// # Errors
    /// As [`Disk::sync`], [`Disk::absorb`] and [`may_cosign`].
    pub fn witness(
        &mut self,
        stands: &Stands,
        archive: &Archive,
        cast: &Cast,
    ) -> Result<(), Refusal> {
        self.sync(&stands.checkpoint, archive, cast)?;
        if let Some(root) = self.log.state_root() {
            self.catch_up(Some(&root), archive, cast)?;
        }
        if let Some(latest) = &mut self.latest {
            latest.hear(&stands.checked, &cast.roster);
        }
        may_cosign(&self.log, self.latest.as_ref(), true)
    }

    /// What a start finds: the pins, and the attempt that was under way unless it is over since.
    ///
    /// # Errors
    /// [`Broken`] when something cannot be read back.
    pub fn wake(&mut self, cast: &Cast) -> Result<(Pins, Option<Member>), Broken> {
        let mut pins = Pins::default();
        let mut joined = BTreeMap::new();
        for bytes in &self.facts {
            let fact = Fact::from_bytes(bytes).map_err(|error| Broken(error.to_string()))?;
            if let Fact::Joined(fact) = &fact {
                joined.insert(fact.ask, fact.attempt);
            }
            pins.apply(&fact);
        }
        let mut open = None;
        for (root, bytes) in std::mem::take(&mut self.vault) {
            let member = Member::restore(&bytes, &cast.roster)
                .map_err(|refusal| Broken(format!("the vault cannot be read: {refusal}")))?;
            let plan = member.terms().plan();
            let is_old = joined
                .get(&plan.ask)
                .is_some_and(|attempt| *attempt > plan.attempt);
            if plan.state_root == self.state && !is_old {
                self.vault.insert(root, bytes);
                open = Some(member);
            }
        }
        self.masked.retain(|root, _| self.vault.contains_key(root));
        Ok((pins, open))
    }

    /// What may never be done twice stands in the ledger before it is said.
    ///
    /// # Errors
    /// [`Broken`] when the fact behind the message is missing.
    pub fn knows(&self, plan: &Plan, message: &Message) -> Check {
        let due = |fact: Fact| match (fact, message) {
            (Fact::Joined(joined), Message::Advert(_)) => joined.plan == plan.root(),
            (Fact::Masked(masked), Message::Header(header)) => {
                masked.upload_root == header.root.root
            }
            (Fact::Signed((ask, t3)), Message::SetSign(signed)) => {
                (ask, t3) == (plan.ask, signed.t3)
            }
            (Fact::Spent((ask, _)), Message::RevealReply(_)) => ask == plan.ask,
            (_, Message::Shares(_) | Message::Complaint(_)) => true,
            _ => false,
        };
        let known = self
            .facts
            .iter()
            .rev()
            .any(|bytes| Fact::from_bytes(bytes).is_ok_and(due));
        hold(known, || {
            format!(
                "a node says `{}` before its ledger knows why it may",
                message.kind()
            )
        })
    }
}
