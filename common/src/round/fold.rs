//! The end of phase `reveal`: the uploads of U3 are folded, the masks taken off, the sum absorbed
//! and logged.

use super::entry::{self, Folded};
use super::terms::Terms;
use crate::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::evidence::Evidence;
use motet_secagg::message::{Logged, Released};
use motet_secagg::sign::{SecretKey, Signature};

pub(super) struct Fold {
    evidence: Evidence,
    pub(super) t2: Digest,
    pub(super) t3: Digest,
    result: Option<Folded>,
}

impl Fold {
    /// Derives every mask once, so that a dealer whose opened secret is not the one it committed to
    /// is found here.
    pub(super) fn new(evidence: Evidence, t2: Digest, t3: Digest) -> Result<Self, Refusal> {
        evidence
            .removals()
            .map_err(|bad| Refusal::new(Code::ReconstructFailed, bad.to_string()))?;
        Ok(Self {
            evidence,
            t2,
            t3,
            result: None,
        })
    }

    pub(super) fn result(&self) -> Option<Folded> {
        self.result
    }

    pub(super) fn folded(&mut self, folded: Folded) {
        self.result = Some(folded);
    }

    pub(super) fn task(&self) -> entry::Fold {
        entry::Fold {
            evidence: self.evidence.clone(),
            // They were derived once before this phase began: none is missing now.
            removals: self.evidence.removals().unwrap_or_default(),
        }
    }

    pub(super) fn release(
        self,
        terms: &Terms,
        logged: Logged,
        key: &SecretKey,
    ) -> Result<Released, Refusal> {
        let folded = self.result.ok_or(Code::Storage)?;
        let released = Released {
            plan: terms.plan_root(),
            t3: self.t3,
            set: self.evidence.set(),
            opened: self.evidence.opened,
            aggregate: folded.aggregate,
            evidence: folded.evidence,
            state_root: folded.state_root,
            release: logged,
            signature: Signature([0; 64]),
        };
        Ok(released.signed(key))
    }
}
