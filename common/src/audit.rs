//! Making a released sum again from its evidence: what every node does before it goes on, and what an auditor does later.

use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::evidence::{BadEvidence, Evidence, Recomputation};
use motet_secagg::message::Released;

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

impl Audit {
    /// Begins with the evidence that a release names, once it proved to be the record of exactly that release.
    ///
    /// # Errors
    /// `sum_mismatch` with what does not fit.
    pub fn of(released: &Released, bytes: &[u8], roster: &Roster) -> Result<Self, Refusal> {
        let other =
            |what: &str| Refusal::new(Code::SumMismatch, format!("the evidence is of another {what}"));
        if Digest::of_file(bytes) != released.evidence {
            return Err(other("release"));
        }
        let evidence = Evidence::from_bytes(bytes)?;
        evidence.check(&roster.coordinator, |node| roster.entry(node).map(|entry| entry.identity))?;
        if evidence.plan.plan.root() != released.plan || evidence.plan.plan.roster != roster.digest() {
            return Err(other("plan"));
        }
        if evidence.t3() != released.t3
            || evidence.set() != released.set
            || evidence.opened != released.opened
        {
            return Err(other("set"));
        }
        let again = Recomputation::of(&evidence)?;
        Ok(Self { evidence, again, aggregate: released.aggregate })
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
            Err(Refusal::new(Code::SumMismatch, "the sum of the masked uploads is another"))
        }
    }
}
