//! The roster of a study: whose keys count, signed by the consortium's governance key.
//!
//! A roster is the root of trust of every masked round. Each steward sees its names and key
//! fingerprints before approving and signs its digest, because nothing else keeps an operator from
//! inventing hospitals.

use crate::enrol::{EnrolError, check_country, check_name};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical;
use motet_secagg::id::NodeId;
use motet_secagg::sign::{PublicKey, SecretKey, Signature};
use motet_secagg::threshold::{
    FEWEST_SITES, LARGEST_LINE_UP, LineUpTooSmall, Thresholds, default_colluders, default_h_min,
};
use std::collections::{BTreeMap, BTreeSet};

mod removal;

pub use removal::{Removal, SignedRemoval};

/// The longest name of a consortium or reason of a removal, in bytes.
pub const MAX_TEXT: usize = 400;

canonical! {
    /// One site of a roster.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Entry {
        /// The node; the first 16 bytes of the fingerprint of `identity`.
        pub node: NodeId,
        /// The site's name.
        pub name: String,
        /// Two capital letters.
        pub country: String,
        /// The key that signs the node's messages.
        pub identity: PublicKey,
        /// The key that signs the steward's decisions.
        pub steward: PublicKey,
        /// The key that cosigns checkpoints of the study's log, and nothing else.
        pub witness: PublicKey,
    }
}

/// The public keys of the coordinator that a roster lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HubKeys {
    /// Signs plans and releases.
    pub signing: PublicKey,
    /// Signs checkpoints of logs.
    pub log: PublicKey,
}

/// The public keys that a site brings into a roster, each for one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteKeys {
    /// Signs the node's messages.
    pub identity: PublicKey,
    /// Signs the steward's decisions.
    pub steward: PublicKey,
    /// Cosigns checkpoints.
    pub witness: PublicKey,
}

impl Entry {
    /// The entry of a site; its node id follows from the identity key.
    pub fn new(name: &str, country: &str, keys: SiteKeys) -> Self {
        let SiteKeys {
            identity,
            steward,
            witness,
        } = keys;
        let node = identity.node_id();
        Self {
            node,
            name: name.to_owned(),
            country: country.to_owned(),
            identity,
            steward,
            witness,
        }
    }
}

canonical! {
    /// The identity keys of one study, sorted by node id. Made by [`Roster::new`]; one that was
    /// read from bytes is to be trusted after [`SignedRoster::verify`] only.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Roster {
        /// The study.
        pub study_id: String,
        /// Grows by one with every change; a lower one is an old roster.
        pub epoch: u64,
        /// The key that signs plans and releases.
        pub coordinator: PublicKey,
        /// The key that signs checkpoints of the study's log.
        pub log: PublicKey,
        /// The consortium's name.
        pub consortium: String,
        /// C: how many sites may collude with the coordinator.
        pub colluders: u16,
        /// Sites that must stay in a sum besides the colluders.
        pub h_min: u16,
        /// The sites, in ascending order of node id.
        pub entries: Vec<Entry>,
    }
}

/// Why a roster or a removal is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// Fewer sites than any sum may have.
    #[error("a roster needs at least {FEWEST_SITES} sites and has {count}: invite more sites")]
    TooFew {
        /// Sites in the roster.
        count: usize,
    },
    /// More sites than the protocol is meant for.
    #[error("a roster holds at most {LARGEST_LINE_UP} sites and this one has {count}")]
    TooMany {
        /// Sites in the roster.
        count: usize,
    },
    /// A study id with other characters or length than allowed.
    #[error("`{given}` is not a study id: 3 to 40 of `a-z`, `0-9` and `-`")]
    Study {
        /// The id.
        given: String,
    },
    /// An empty, overlong or unprintable text.
    #[error("the {what} must have 1 to {MAX_TEXT} bytes on one line")]
    Text {
        /// Which text.
        what: &'static str,
    },
    /// A site's name or country.
    #[error("a roster entry is not acceptable: {0}")]
    Entry(EnrolError),
    /// Two names that differ at most in capitals.
    #[error("the name `{name}` occurs twice in the roster")]
    NameTwice {
        /// The second one.
        name: String,
    },
    /// Two entries for one node.
    #[error("node `{node}` occurs twice in the roster")]
    NodeTwice {
        /// The node.
        node: NodeId,
    },
    /// A key that stands for two things: every identity, steward, coordinator and governance key
    /// must be its own.
    #[error("{second} and {first} have the same key `{}`", key.fingerprint().short())]
    KeyTwice {
        /// The key.
        key: PublicKey,
        /// Whose it is.
        first: String,
        /// Who claims it too.
        second: String,
    },
    /// Bytes that are no Ed25519 key, or a key for which anybody can sign.
    #[error("{whose} is not a sound Ed25519 key")]
    WeakKey {
        /// Whose key.
        whose: String,
    },
    /// A node id that does not follow from the identity key.
    #[error("the node id of `{name}` does not belong to its identity key")]
    WrongNode {
        /// The site.
        name: String,
    },
    /// Entries that do not stand in ascending order of node id.
    #[error("the entries of the roster are not in order of their node ids")]
    Order,
    /// C and `h_min` ask for more sites than there are.
    #[error("{0} (C and h_min stand in the roster)")]
    Thresholds(LineUpTooSmall),
    /// No site besides the colluders would have to stay.
    #[error("h_min must be at least 2: with fewer a sum could be one honest site's own update")]
    HMin,
    /// Signed by another key than the one this reader trusts.
    #[error(
        "signed by governance key `{}`, but `{}` is the one this side \
         trusts: compare the fingerprints by telephone \
         before anything else", found.short(), trusted.short()
    )]
    OtherGovernance {
        /// Fingerprint of the key that signed.
        found: Digest,
        /// Fingerprint that was expected.
        trusted: Digest,
    },
    /// The signature does not fit.
    #[error("the governance signature of the {what} does not fit: it was changed after signing")]
    BadSignature {
        /// Roster or removal.
        what: &'static str,
    },
}

impl From<EnrolError> for RosterError {
    fn from(error: EnrolError) -> Self {
        Self::Entry(error)
    }
}

impl From<LineUpTooSmall> for RosterError {
    fn from(error: LineUpTooSmall) -> Self {
        Self::Thresholds(error)
    }
}

impl Roster {
    /// Sorts the entries, takes C and `h_min` from the number of sites, and checks everything.
    ///
    /// # Errors
    /// [`RosterError`].
    pub fn new(
        study_id: &str,
        epoch: u64,
        hub: HubKeys,
        consortium: &str,
        mut entries: Vec<Entry>,
    ) -> Result<Self, RosterError> {
        let count = entries.len();
        entries.sort_by_key(|entry| entry.node);
        let roster = Self {
            study_id: study_id.to_owned(),
            epoch,
            coordinator: hub.signing,
            log: hub.log,
            consortium: consortium.to_owned(),
            colluders: small(default_colluders(count)),
            h_min: small(default_h_min(count)),
            entries,
        };
        roster.check()?;
        Ok(roster)
    }

    /// The same roster with other assumptions: `colluders` sites may collude, and `h_min` more must
    /// stay.
    ///
    /// # Errors
    /// [`RosterError::Thresholds`] when the roster is too small for them, [`RosterError::HMin`].
    pub fn with_limits(self, colluders: u16, h_min: u16) -> Result<Self, RosterError> {
        let roster = Self {
            colluders,
            h_min,
            ..self
        };
        roster.check()?;
        Ok(roster)
    }

    /// Everything that makes a roster one: sizes, texts, order, sound keys, and no id, name or key
    /// twice.
    ///
    /// # Errors
    /// The first [`RosterError`] found.
    pub fn check(&self) -> Result<(), RosterError> {
        self.check_head()?;
        let mut names = BTreeSet::new();
        let mut keys = BTreeMap::new();
        claim(&mut keys, self.coordinator, "the coordinator".to_owned())?;
        claim(&mut keys, self.log, "the log".to_owned())?;
        let mut before: Option<NodeId> = None;
        for entry in &self.entries {
            check_name(&entry.name)?;
            check_country(&entry.country)?;
            if before == Some(entry.node) {
                return Err(RosterError::NodeTwice { node: entry.node });
            }
            if before > Some(entry.node) {
                return Err(RosterError::Order);
            }
            before = Some(entry.node);
            // `Lyon` and `lyon` would be two sites to the machine and one to the steward who reads
            // the list.
            if !names.insert(entry.name.to_ascii_lowercase()) {
                return Err(RosterError::NameTwice {
                    name: entry.name.clone(),
                });
            }
            claim(
                &mut keys,
                entry.identity,
                format!("the identity of `{}`", entry.name),
            )?;
            claim(
                &mut keys,
                entry.steward,
                format!("the steward of `{}`", entry.name),
            )?;
            claim(
                &mut keys,
                entry.witness,
                format!("the witness of `{}`", entry.name),
            )?;
            if entry.identity.node_id() != entry.node {
                return Err(RosterError::WrongNode {
                    name: entry.name.clone(),
                });
            }
        }
        Ok(())
    }

    fn check_head(&self) -> Result<(), RosterError> {
        let count = self.entries.len();
        if count < FEWEST_SITES {
            return Err(RosterError::TooFew { count });
        }
        if count > LARGEST_LINE_UP {
            return Err(RosterError::TooMany { count });
        }
        if !(3..=40).contains(&self.study_id.len())
            || !self
                .study_id
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        {
            return Err(RosterError::Study {
                given: self.study_id.chars().take(60).collect(),
            });
        }
        check_text("consortium's name", &self.consortium)?;
        if self.h_min < 2 {
            return Err(RosterError::HMin);
        }
        Thresholds::of(
            count,
            count,
            usize::from(self.colluders),
            usize::from(self.h_min),
            FEWEST_SITES,
        )?;
        Ok(())
    }

    /// What plans and stewards' decisions quote.
    pub fn digest(&self) -> Digest {
        Canonical::digest(self, "roster")
    }

    /// The entry of a node.
    pub fn entry(&self, node: NodeId) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by_key(&node, |entry| entry.node)
            .ok()?;
        self.entries.get(at)
    }

    /// The entry of the site with this name.
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Every node id, ascending.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.entries.iter().map(|entry| entry.node)
    }

    /// Signs with the governance key.
    ///
    /// # Errors
    /// [`RosterError`] when the roster is not one, or lists the governance key itself.
    pub fn sign(self, governance: &SecretKey) -> Result<SignedRoster, RosterError> {
        self.check()?;
        self.refuse_key(&governance.public())?;
        let signature = governance.sign("roster", &self.to_bytes());
        Ok(SignedRoster {
            roster: self,
            governance: governance.public(),
            signature,
        })
    }

    /// The governance key may stay offline for years; a site that held it would sign its own
    /// roster.
    fn refuse_key(&self, governance: &PublicKey) -> Result<(), RosterError> {
        let listed = self.entries.iter().flat_map(|entry| {
            [entry.identity, entry.steward, entry.witness].map(|key| (key, &entry.name))
        });
        let holder = listed
            .filter(|(key, _)| key == governance)
            .map(|(_, name)| format!("site `{name}`"))
            .chain(
                [self.coordinator, self.log]
                    .contains(governance)
                    .then(|| "the coordinator".to_owned()),
            )
            .next();
        match holder {
            Some(second) => Err(RosterError::KeyTwice {
                key: *governance,
                first: "the governance".to_owned(),
                second,
            }),
            None => Ok(()),
        }
    }
}

/// Saturates: rosters of more than 250 sites are refused just after.
fn small(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn claim(
    keys: &mut BTreeMap<PublicKey, String>,
    key: PublicKey,
    whose: String,
) -> Result<(), RosterError> {
    if !key.is_sound() {
        return Err(RosterError::WeakKey { whose });
    }
    match keys.insert(key, whose.clone()) {
        None => Ok(()),
        Some(first) => Err(RosterError::KeyTwice {
            key,
            first,
            second: whose,
        }),
    }
}

fn check_text(what: &'static str, text: &str) -> Result<(), RosterError> {
    let acceptable =
        !text.trim().is_empty() && text.len() <= MAX_TEXT && !text.chars().any(char::is_control);
    if acceptable {
        Ok(())
    } else {
        Err(RosterError::Text { what })
    }
}

canonical! {
    /// A roster with the governance key's signature over its canonical bytes.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignedRoster {
        /// The roster.
        pub roster: Roster,
        /// The key that signed; worth nothing until its fingerprint is compared.
        pub governance: PublicKey,
        /// Over tag `roster` and the canonical bytes.
        pub signature: Signature,
    }
}

impl SignedRoster {
    /// The roster, once it is a valid one signed by the governance key with fingerprint
    /// `governance`.
    ///
    /// # Errors
    /// [`RosterError::OtherGovernance`], [`RosterError::BadSignature`], and whatever makes the
    /// content unacceptable.
    pub fn verify(&self, governance: &Digest) -> Result<&Roster, RosterError> {
        verify(
            "roster",
            &self.governance,
            governance,
            &self.roster.to_bytes(),
            &self.signature,
        )?;
        self.roster.check()?;
        self.roster.refuse_key(&self.governance)?;
        Ok(&self.roster)
    }
}

fn verify(
    what: &'static str,
    signer: &PublicKey,
    trusted: &Digest,
    message: &[u8],
    signature: &Signature,
) -> Result<(), RosterError> {
    let found = signer.fingerprint();
    if found != *trusted {
        return Err(RosterError::OtherGovernance {
            found,
            trusted: *trusted,
        });
    }
    signer
        .verify(what, message, signature)
        .map_err(|_| RosterError::BadSignature { what })
}

#[cfg(test)]
mod tests;
