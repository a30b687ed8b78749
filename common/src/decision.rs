//! A steward's decision on a study: signed at the site, bound to everything the study fixes and to
//! its roster.

use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::sign::{PublicKey, SecretKey, Signature};

canonical! {
    /// What was decided.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Verdict {
        /// The site takes part; the text names the permit, or is empty.
        1 => Approve(String),
        /// It does not; the text is the reason.
        2 => Decline(String),
        /// It did, and does no longer; the text is the reason.
        3 => Withdraw(String),
    }
}

canonical! {
    /// One decision.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Decision {
        /// The study's name.
        pub study: String,
        /// Digest of everything it fixes: one changed hyper-parameter voids the decision.
        pub study_digest: Digest,
        /// Digest of the roster the steward saw.
        pub roster: Digest,
        /// The site.
        pub site: NodeId,
        /// What was decided.
        pub verdict: Verdict,
        /// Of an approval, over which patients the site answers: SHA-256 over fresh random bytes
        /// and the digest of the content of its frozen table, which stay at the site.
        pub frozen: Option<Digest>,
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
    }
}

canonical! {
    /// A decision with the steward's signature.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignedDecision {
        /// The decision.
        pub decision: Decision,
        /// By the steward.
        pub signature: Signature,
    }
}

impl Verdict {
    /// The word for tables: approved, declined, withdrawn.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Approve(_) => "approved",
            Self::Decline(_) => "declined",
            Self::Withdraw(_) => "withdrawn",
        }
    }

    /// The permit or the reason.
    pub fn text(&self) -> &str {
        match self {
            Self::Approve(text) | Self::Decline(text) | Self::Withdraw(text) => text,
        }
    }
}

impl Decision {
    /// Signs with the steward's key.
    pub fn sign(self, steward: &SecretKey) -> SignedDecision {
        let signature = steward.sign("decision", &self.to_bytes());
        SignedDecision {
            decision: self,
            signature,
        }
    }
}

impl SignedDecision {
    /// Whether `steward` signed it.
    pub fn is_signed_by(&self, steward: &PublicKey) -> bool {
        steward
            .verify("decision", &self.decision.to_bytes(), &self.signature)
            .is_ok()
    }

    /// Checks the decision against the roster it names: the steward listed there for the site made
    /// it; an approval names a frozen table, and nothing else does.
    ///
    /// # Errors
    /// `not_in_roster`, `roster_mismatch`, `malformed` or `bad_signature`.
    pub fn check(&self, roster: &Roster) -> Result<(), Refusal> {
        let entry = roster
            .entries
            .iter()
            .find(|entry| entry.node == self.decision.site)
            .ok_or(Code::NotInRoster)?;
        if self.decision.roster != roster.digest() {
            return Err(Code::RosterMismatch.into());
        }
        let is_approval = matches!(self.decision.verdict, Verdict::Approve(_));
        if is_approval != self.decision.frozen.is_some() {
            return Err(Refusal::new(
                Code::Malformed,
                "an approval names a frozen table, and no other decision does",
            ));
        }
        if self.is_signed_by(&entry.steward) {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::BadSignature,
                format!("the decision of site `{}`", entry.name),
            ))
        }
    }
}
