//! Joining a consortium: the one-line code that the operator hands to a hospital, and the proof
//! that the hospital's keys come from whoever holds that code.
//!
//! ```text
//! operator's command   draws a secret, prints the code, keeps the secret, tells the coordinator a digest of its ticket
//! motet-node join      makes its keys, signs Enrolment with each of them, sends it with HMAC(secret, Enrolment) and the ticket
//! coordinator          checks ticket and signatures, refuses a key that any member has or had, issues the certificate
//! operator's command   reads all of it from the coordinator, checks signatures and HMAC, signs the keys into rosters
//! ```
//!
//! The secret itself never reaches the coordinator, so a coordinator cannot invent a hospital or
//! swap its keys; and whoever holds a code cannot enrol a key that is not his.

use crate::refusal::{Code, Refusal};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical;
use motet_secagg::mac;
use motet_secagg::sign::PublicKey;
use std::fmt;
use std::str::FromStr;

mod code;
mod possession;

use code::PREFIX;
pub use code::{JoinCode, Ticket};
pub use possession::{Possession, Purpose};

/// Days an invitation lasts at most: time for a hospital's committees, and an end to codes that lie
/// about.
pub const MAX_INVITE_DAYS: u32 = 90;

/// How long before its end a certificate is spoken of: a hospital needs weeks for a new invitation.
pub const CERTIFICATE_NOTICE_DAYS: u64 = 60;

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Whole days until a certificate ends, where these are few enough to speak of; 0 on the last day
/// and from then on. Nothing also for an end that is not known, which is 0.
pub fn days_left(until_ms: u64, now_ms: u64) -> Option<u64> {
    let days = until_ms.saturating_sub(now_ms) / DAY_MS;
    (until_ms > 0 && days <= CERTIFICATE_NOTICE_DAYS).then_some(days)
}

/// The longest name of a site or a person, in characters.
pub const MAX_NAME: usize = 40;

canonical! {
    /// What a certificate entitles its holder to be.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Role {
        /// A hospital's node.
        1 => Site,
        /// Someone who starts rounds.
        2 => Operator,
        /// Someone who receives releases.
        3 => Researcher,
        /// The consortium's daemon; nobody joins as one.
        4 => Coordinator,
    }
}

impl Role {
    /// The word in certificates, commands and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Operator => "operator",
            Self::Researcher => "researcher",
            Self::Coordinator => "coordinator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = EnrolError;

    fn from_str(text: &str) -> Result<Self, EnrolError> {
        [
            Self::Site,
            Self::Operator,
            Self::Researcher,
            Self::Coordinator,
        ]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| EnrolError::Role { given: shown(text) })
    }
}

/// A join code, name, country or proof that is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// Not a join code at all.
    #[error("a join code begins with `{PREFIX}`; copy the whole last line that `invite` printed")]
    NotACode,
    /// A letter that no join code contains.
    #[error(
        "character {at} of the join code is `{found}`: only a-z and 2-7 occur after `{PREFIX}`"
    )]
    Letter {
        /// Its place, counted from 1, spaces left out.
        at: usize,
        /// The letter.
        found: char,
    },
    /// The checksum does not fit.
    #[error(
        "the join code is damaged or incomplete ({length} characters): copy it again from the invitation"
    )]
    Damaged {
        /// Characters that were given, spaces left out.
        length: usize,
    },
    /// The address in the code is not `host:port`.
    #[error("`{given}` is not an address of the form `host:port`")]
    Address {
        /// The address.
        given: String,
    },
    /// A name with other characters or length than allowed.
    #[error(
        "`{given}` is not a name: 1 to {MAX_NAME} letters, digits, \
         `-` or `_`, the first a letter or digit"
    )]
    Name {
        /// The name.
        given: String,
    },
    /// Not a country code.
    #[error("`{given}` is not a country: two capital letters are expected, for instance `NL`")]
    Country {
        /// The text.
        given: String,
    },
    /// A role that does not exist or that nobody can join as.
    #[error("`{given}` is not a role to join as: `site`, `operator` or `researcher`")]
    Role {
        /// The text.
        given: String,
    },
    /// A site without a steward's or a witness's key, or a person with one.
    #[error(
        "`{name}` joins as {role}: a site brings a steward's and a witness's key and a person does not"
    )]
    Steward {
        /// Who joins.
        name: String,
        /// As what.
        role: Role,
    },
    /// Bytes that are no Ed25519 key, or a key for which anybody can sign.
    #[error("the {purpose} of `{name}` is not a sound key")]
    WeakKey {
        /// Who joins.
        name: String,
        /// Which key.
        purpose: Purpose,
    },
    /// One key for two purposes.
    #[error(
        "`{name}` brings one key as its {first} and as its {second}: each purpose has a key of its own"
    )]
    KeyTwice {
        /// Who joins.
        name: String,
        /// One purpose.
        first: Purpose,
        /// The other.
        second: Purpose,
    },
    /// The consortium's governance key as a member's own.
    #[error("`{name}` brings the governance key as its {purpose}")]
    Governance {
        /// Who joins.
        name: String,
        /// As what.
        purpose: Purpose,
    },
    /// A key that did not sign the enrolment it stands in.
    #[error("the {purpose} of `{name}` did not sign this enrolment: its holder did not send it")]
    Possession {
        /// Who joins.
        name: String,
        /// Which key.
        purpose: Purpose,
    },
    /// The proof was not made with this invitation's secret over these keys.
    #[error(
        "the keys that arrived for `{name}` were not sent by the holder \
         of the join code: do not accept them, \
         remove the invitation and make a new one"
    )]
    Proof {
        /// Whose keys they claim to be.
        name: String,
    },
}

impl From<EnrolError> for Refusal {
    fn from(error: EnrolError) -> Self {
        let code = match &error {
            EnrolError::KeyTwice { .. } | EnrolError::Governance { .. } => Code::KeyTaken,
            EnrolError::WeakKey { .. }
            | EnrolError::Possession { .. }
            | EnrolError::Proof { .. } => Code::KeyUnproven,
            _ => Code::Malformed,
        };
        Self::new(code, error.to_string())
    }
}

/// Whether a newcomer who was refused with this code will never be admitted with these keys under
/// this invitation. After any other failure the answer may have been lost, and the same application
/// gets it again.
pub fn is_final(code: Code) -> bool {
    let codes = [
        Code::TokenUnknown,
        Code::TokenUsed,
        Code::TokenExpired,
        Code::KeyTaken,
        Code::KeyUnproven,
    ];
    codes.contains(&code) || code == Code::Malformed
}

/// Checks a site's or person's name: `[A-Za-z0-9][A-Za-z0-9_-]{0,39}`.
///
/// # Errors
/// [`EnrolError::Name`].
pub fn check_name(name: &str) -> Result<(), EnrolError> {
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    {
        Ok(())
    } else {
        Err(EnrolError::Name { given: shown(name) })
    }
}

/// Checks that a country is two capital letters (ISO 3166-1 alpha-2 in form; the list itself is not
/// held here).
///
/// # Errors
/// [`EnrolError::Country`].
pub fn check_country(country: &str) -> Result<(), EnrolError> {
    if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(())
    } else {
        Err(EnrolError::Country {
            given: shown(country),
        })
    }
}

/// Splits `host:port`; an IPv6 address stands in brackets, which the host is returned without.
///
/// # Errors
/// [`EnrolError::Address`].
pub fn split_address(address: &str) -> Result<(&str, u16), EnrolError> {
    split(address).ok_or_else(|| EnrolError::Address {
        given: shown(address),
    })
}

fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
    if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        let is_address = inner.parse::<std::net::Ipv6Addr>().is_ok();
        return is_address.then_some((inner, port));
    }
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-');
    is_name.then_some((host, port))
}

/// What a person pasted, cut to a length that fits an error line and without control characters.
fn shown(text: &str) -> String {
    text.chars()
        .take(60)
        .map(|letter| if letter.is_control() { '?' } else { letter })
        .collect()
}

fn may_join(role: Role) -> Result<(), EnrolError> {
    if role == Role::Coordinator {
        Err(EnrolError::Role {
            given: role.to_string(),
        })
    } else {
        Ok(())
    }
}

canonical! {
    /// Everything that a newcomer's proof covers. Canonical; sent beside its proof.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Enrolment {
        /// Which invitation is used.
        pub invite: [u8; 16],
        /// The name that was invited.
        pub name: String,
        /// Two capital letters.
        pub country: String,
        /// Site, operator or researcher.
        pub role: Role,
        /// The Ed25519 key that will sign for the newcomer.
        pub identity: PublicKey,
        /// The first steward's key: for a site, and only for a site.
        pub steward: Option<PublicKey>,
        /// The key that cosigns checkpoints of studies' logs: for a site, and only for a site.
        pub witness: Option<PublicKey>,
        /// SHA-256 of the public key (DER, SubjectPublicKeyInfo) in the certificate request.
        pub csr_key_digest: Digest,
        /// The governance key the newcomer will trust, as its join code says.
        pub governance_fingerprint: Digest,
    }
}

impl Enrolment {
    /// The names, the country, a steward's and a witness's key exactly when a site joins, and sound
    /// keys of which none has two purposes.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub fn check(&self) -> Result<(), EnrolError> {
        check_name(&self.name)?;
        check_country(&self.country)?;
        may_join(self.role)?;
        let site = self.role == Role::Site;
        if site != self.steward.is_some() || site != self.witness.is_some() {
            return Err(EnrolError::Steward {
                name: self.name.clone(),
                role: self.role,
            });
        }
        self.check_keys()
    }

    /// HMAC-SHA256 under the join code's secret over the canonical bytes: 32 bytes.
    pub fn prove(&self, secret: &[u8; 32]) -> [u8; 32] {
        mac::mac(secret, "enrolment", &self.to_bytes())
    }

    /// Checks the content, the signatures of its keys, and the proof; only the operator's command,
    /// which kept the secret, can.
    ///
    /// # Errors
    /// [`EnrolError::Proof`], and those of [`Enrolment::verify_possession`].
    pub fn verify(
        &self,
        secret: &[u8; 32],
        proof: &[u8; 32],
        possession: &Possession,
    ) -> Result<(), EnrolError> {
        self.verify_possession(possession)?;
        mac::verify(secret, "enrolment", &self.to_bytes(), proof).map_err(|_| EnrolError::Proof {
            name: self.name.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
