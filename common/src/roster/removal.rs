//! The removal of a site or a person from the consortium, signed by the governance key.

use super::{RosterError, check_text, verify};
use crate::enrol::check_name;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::sign::{PublicKey, SecretKey, Signature};

canonical! {
    /// A site or a person leaves the consortium: from here on its certificate opens nothing.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Removal {
        /// The invitation that was redeemed: it names exactly one member, whatever keys or names
        /// another claims.
        pub invite: [u8; 16],
        /// The id of the identity key: a site's node.
        pub node: NodeId,
        /// The name, for people.
        pub name: String,
        /// Why, in the operator's words.
        pub reason: String,
        /// When, in milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
    }
}

canonical! {
    /// A removal with the governance key's signature.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignedRemoval {
        /// What was decided.
        pub removal: Removal,
        /// The key that signed.
        pub governance: PublicKey,
        /// Over tag `removal` and the canonical bytes.
        pub signature: Signature,
    }
}

impl Removal {
    /// Signs with the governance key.
    ///
    /// # Errors
    /// [`RosterError::Entry`] and [`RosterError::Text`] for a name or reason that is not
    /// acceptable.
    pub fn sign(self, governance: &SecretKey) -> Result<SignedRemoval, RosterError> {
        self.check()?;
        let signature = governance.sign("removal", &self.to_bytes());
        Ok(SignedRemoval {
            removal: self,
            governance: governance.public(),
            signature,
        })
    }

    fn check(&self) -> Result<(), RosterError> {
        check_name(&self.name)?;
        check_text("reason of a removal", &self.reason)
    }
}

impl SignedRemoval {
    /// The removal, once it is signed by the governance key with fingerprint `governance`.
    ///
    /// # Errors
    /// As [`SignedRoster::verify`](super::SignedRoster::verify).
    pub fn verify(&self, governance: &Digest) -> Result<&Removal, RosterError> {
        verify(
            "removal",
            &self.governance,
            governance,
            &self.removal.to_bytes(),
            &self.signature,
        )?;
        self.removal.check()?;
        Ok(&self.removal)
    }
}
