//! A released sum and what it was made from: whether its evidence counts at all, and making it
//! again from the masked uploads, which sites do before they go on and an auditor does later.
//!
//! While no more than C sites work with the coordinator, evidence that counts is of an attempt in
//! which honest sites took part: that many sites are in its sum. They joined under a plan that
//! names the release before it and who made that one again. A site that was away therefore needs no
//! more than the evidence of each sum, and the checks of the latest.

use crate::log::Mirror;
use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use crate::round::member::Expected;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::evidence::{BadEvidence, Evidence, Recomputation};
use motet_secagg::message::{Plan, Released};

/// A sum being made again: feed it row after row of the masked uploads, then compare.
pub struct Audit {
    evidence: Evidence,
    again: Recomputation,
    aggregate: Digest,
}

impl From<BadEvidence> for Refusal {
    fn from(bad: BadEvidence) -> Self {
        Self::new(Code::SumMismatch, bad.to_string())
    }
}

fn other(what: &str) -> Refusal {
    Refusal::new(
        Code::SumMismatch,
        format!("the evidence is of another {what}"),
    )
}

impl Audit {
    /// Begins with the evidence that a release names, once it proved to be the record of exactly
    /// that release.
    ///
    /// # Errors
    /// `bad_signature` when the coordinator did not sign the release; `sum_mismatch` with what does
    /// not fit.
    pub fn of(released: &Released, bytes: &[u8], roster: &Roster) -> Result<Self, Refusal> {
        if !released.is_signed_by(&roster.coordinator) {
            return Err(Refusal::new(
                Code::BadSignature,
                "the coordinator's release",
            ));
        }
        if Digest::of_file(bytes) != released.evidence {
            return Err(other("release"));
        }
        let evidence = Evidence::from_bytes(bytes)?;
        evidence.check(&roster.coordinator, |node| {
            roster.entry(node).map(|entry| entry.identity)
        })?;
        if evidence.plan.plan.root() != released.plan
            || evidence.plan.plan.roster != roster.digest()
        {
            return Err(other("plan"));
        }
        if evidence.t3() != released.t3
            || evidence.set() != released.set
            || evidence.opened != released.opened
        {
            return Err(other("set"));
        }
        let again = Recomputation::of(&evidence)?;
        Ok(Self {
            evidence,
            again,
            aggregate: released.aggregate,
        })
    }

    /// Whether the evidence counts for whoever stood here before the sum: its plan asked this very
    /// question with the numbers that the roster demands, after the release that stands before its
    /// commitment in the log and that enough sites had made again; and the log committed to exactly
    /// these uploads, where t sites that signed the set saw it.
    ///
    /// # Errors
    /// `sum_mismatch` with what does not fit.
    pub fn counts(
        &self,
        expected: &Expected<'_>,
        log: &Mirror,
        roster: &Roster,
    ) -> Result<(), Refusal> {
        let plan = self.plan();
        let asked = expected
            .check(plan, roster)
            .and_then(|()| expected.check_due(plan, roster));
        asked.map_err(|why| {
            Refusal::new(
                Code::SumMismatch,
                format!("the evidence's plan could not be asked: {why}"),
            )
        })?;
        let (index, commit) = log
            .committed(&self.evidence.t3())
            .ok_or_else(|| other("set"))?;
        let uploads = self
            .evidence
            .uploads
            .iter()
            .map(|root| (root.node, root.root));
        let same = (commit.ask, commit.run, commit.round, commit.attempt)
            == (plan.ask, plan.run, plan.round, plan.attempt)
            && commit.pin == plan.pin()
            && uploads.eq(commit.set.iter().copied());
        if !same {
            return Err(other("commitment"));
        }
        if !log.covers(&self.evidence.point, &self.evidence.t3()) {
            return Err(other("log"));
        }
        let before = log
            .check(&plan.checkpoint, roster)
            .is_ok_and(|point| point.size <= index);
        if !before || log.release_before(index) != Some((plan.previous_index, plan.previous_leaf)) {
            return Err(other("place in the log"));
        }
        Ok(())
    }

    /// The plan of the attempt that the sum came from.
    pub fn plan(&self) -> &Plan {
        &self.evidence.plan.plan
    }

    /// What the release was made from.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Takes the next chunk of every site of the sum, in order of the set.
    ///
    /// # Errors
    /// `sum_mismatch` when the masks do not come off.
    pub fn row(&mut self, payloads: &[&[u8]]) -> Result<(), Refusal> {
        Ok(self.again.row(payloads)?)
    }

    /// Whether the sum that was made again is the released one, bit for bit.
    ///
    /// # Errors
    /// `sum_mismatch` when it is another, or an upload is not the one its site signed.
    pub fn finish(self) -> Result<(), Refusal> {
        let sum = self.again.finish()?;
        if Digest::of_file(&sum.to_bytes()) == self.aggregate {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::SumMismatch,
                "the sum of the masked uploads is another",
            ))
        }
    }
}
