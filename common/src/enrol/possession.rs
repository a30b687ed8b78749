//! Possession: every key of a newcomer signs the newcomer's whole enrolment, so that nobody enrols
//! a key of another.
//!
//! Public keys are public: those of every site stand in rosters and manifests. The proof under the
//! join secret says who sent an enrolment; these signatures say that the sender holds the keys in
//! it. The TLS key signs its own certificate request, whose key the enrolment names.

use super::{EnrolError, Enrolment};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::{PublicKey, SecretKey, Signature};
use std::collections::BTreeMap;
use std::fmt;

/// What a key of a member is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Signs for the member in rounds, and in requests to come.
    Identity,
    /// Signs decisions.
    Steward,
    /// Cosigns checkpoints.
    Witness,
    /// Transport.
    Tls,
}

impl Purpose {
    /// The stable word of the JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Steward => "steward",
            Self::Witness => "witness",
            Self::Tls => "tls",
        }
    }

    /// The domain tag of its signature: one for each purpose, so that none passes for another.
    fn tag(self) -> &'static str {
        match self {
            Self::Identity => "enrolment-identity",
            Self::Steward => "enrolment-steward",
            Self::Witness => "enrolment-witness",
            Self::Tls => "enrolment-tls",
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity key",
            Self::Steward => "steward's key",
            Self::Witness => "witness key",
            Self::Tls => "TLS key",
        })
    }
}

canonical! {
    /// The signatures of a newcomer's own keys over the canonical bytes of its enrolment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Possession {
        /// By the identity key.
        pub identity: Signature,
        /// By the steward's key, for a site.
        pub steward: Option<Signature>,
        /// By the witness key, for a site.
        pub witness: Option<Signature>,
    }
}

impl Enrolment {
    /// Signs with the keys that this enrolment names.
    pub fn sign(
        &self,
        identity: &SecretKey,
        steward: Option<&SecretKey>,
        witness: Option<&SecretKey>,
    ) -> Possession {
        let bytes = self.to_bytes();
        Possession {
            identity: identity.sign(Purpose::Identity.tag(), &bytes),
            steward: steward.map(|key| key.sign(Purpose::Steward.tag(), &bytes)),
            witness: witness.map(|key| key.sign(Purpose::Witness.tag(), &bytes)),
        }
    }

    /// Checks the content, and that each key in it signed it.
    ///
    /// # Errors
    /// [`EnrolError::Possession`], and those of [`Enrolment::check`].
    pub fn verify_possession(&self, possession: &Possession) -> Result<(), EnrolError> {
        self.check()?;
        let bytes = self.to_bytes();
        let signed = [
            (
                Purpose::Identity,
                Some(self.identity),
                Some(possession.identity),
            ),
            (Purpose::Steward, self.steward, possession.steward),
            (Purpose::Witness, self.witness, possession.witness),
        ];
        for (purpose, key, signature) in signed {
            let holds = match (key, signature) {
                (Some(key), Some(signature)) => {
                    key.verify(purpose.tag(), &bytes, &signature).is_ok()
                }
                (None, None) => true,
                _ => false,
            };
            if !holds {
                return Err(EnrolError::Possession {
                    name: self.name.clone(),
                    purpose,
                });
            }
        }
        Ok(())
    }

    /// Every key by its digest, with its purpose.
    pub fn keys(&self) -> impl Iterator<Item = (Purpose, Digest)> + use<> {
        let signing = self
            .signing_keys()
            .map(|(purpose, key)| (purpose, key.fingerprint()));
        signing.chain([(Purpose::Tls, self.csr_key_digest)])
    }

    fn signing_keys(&self) -> impl Iterator<Item = (Purpose, PublicKey)> + use<> {
        let keys = [
            (Purpose::Identity, Some(self.identity)),
            (Purpose::Steward, self.steward),
            (Purpose::Witness, self.witness),
        ];
        keys.into_iter()
            .filter_map(|(purpose, key)| Some((purpose, key?)))
    }

    /// Keys that are keys, each for one purpose; the governance key is nobody's own.
    pub(super) fn check_keys(&self) -> Result<(), EnrolError> {
        if let Some((purpose, _)) = self.signing_keys().find(|(_, key)| !key.is_sound()) {
            return Err(EnrolError::WeakKey {
                name: self.name.clone(),
                purpose,
            });
        }
        let mut seen = BTreeMap::new();
        for (purpose, key) in self.keys() {
            if key == self.governance_fingerprint {
                return Err(EnrolError::Governance {
                    name: self.name.clone(),
                    purpose,
                });
            }
            if let Some(first) = seen.insert(key, purpose) {
                return Err(EnrolError::KeyTwice {
                    name: self.name.clone(),
                    first,
                    second: purpose,
                });
            }
        }
        Ok(())
    }
}
