//! The join code: what the operator hands to a hospital, as one word.

use super::{EnrolError, Role, may_join, split_address};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::mac;
use zeroize::Zeroizing;

/// The first letters of every join code; the number is the version of its format.
pub(super) const PREFIX: &str = "motet1-";

/// Bytes of the checksum at the end of a code: a mistake goes unseen once in 2^40.
const CHECKSUM: usize = 5;

/// RFC 4648 base 32 in lower case: no letter needs the shift key, and a double click marks the
/// whole word.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

canonical! {
    /// The bytes inside a code.
    struct Inner {
        address: String,
        ca: Digest,
        governance: Digest,
        invite: [u8; 16],
        secret: [u8; 32],
        role: Role,
    }
}

/// An invitation to join a consortium; as text, one word that begins with `motet1-`.
///
/// It holds a secret and therefore has neither `Debug` nor `Clone`; the secret is wiped when the
/// value is dropped.
pub struct JoinCode {
    /// Where the coordinator listens, `host:port`.
    pub address: String,
    /// SHA-256 of the DER bytes of the consortium's CA certificate.
    pub ca_fingerprint: Digest,
    /// Fingerprint of the governance key that will sign every roster.
    pub governance_fingerprint: Digest,
    /// Names the invitation; not secret.
    pub invite: [u8; 16],
    /// Known to the operator's command and to whoever holds the code; used once.
    pub secret: Zeroizing<[u8; 32]>,
    /// What the invited may become: site, operator or researcher.
    pub role: Role,
}

impl JoinCode {
    /// The code as one word, about 240 characters of `a-z`, `2-7` after `motet1-`. It is a secret.
    ///
    /// # Errors
    /// [`EnrolError::Address`] and [`EnrolError::Role`], so that no code is handed out that nobody
    /// can use.
    pub fn to_text(&self) -> Result<String, EnrolError> {
        split_address(&self.address)?;
        may_join(self.role)?;
        let inner = Inner {
            address: self.address.clone(),
            ca: self.ca_fingerprint,
            governance: self.governance_fingerprint,
            invite: self.invite,
            secret: *self.secret,
            role: self.role,
        };
        let mut bytes = Zeroizing::new(inner.to_bytes());
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        Ok(format!("{PREFIX}{}", to_base32(&bytes)))
    }

    /// What its holder shows the coordinator.
    pub fn ticket(&self) -> Ticket {
        Ticket::of(&self.secret, &self.invite)
    }

    /// Reads a code; spaces and line breaks that a mail program put in are ignored, anything else
    /// that differs by a character is refused.
    ///
    /// # Errors
    /// [`EnrolError`], always with what to do next.
    pub fn parse(text: &str) -> Result<Self, EnrolError> {
        let word: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
        let body = word.strip_prefix(PREFIX).ok_or(EnrolError::NotACode)?;
        let Some(bytes) = from_base32(body)?.map(Zeroizing::new) else {
            return Err(damaged(&word));
        };
        let whole = bytes
            .split_last_chunk::<CHECKSUM>()
            .filter(|(inner, sum)| checksum(inner) == **sum);
        let Inner {
            address,
            ca,
            governance,
            invite,
            secret,
            role,
        } = whole
            .and_then(|(inner, _)| Inner::from_bytes(inner).ok())
            .ok_or_else(|| damaged(&word))?;
        split_address(&address)?;
        may_join(role)?;
        Ok(Self {
            address,
            ca_fingerprint: ca,
            governance_fingerprint: governance,
            invite,
            secret: Zeroizing::new(secret),
            role,
        })
    }
}

/// What the holder of a join code shows the coordinator: derived from the code's secret, which
/// stays where it is. The coordinator knows its digest from the invitation, so nobody redeems an
/// invitation whose id alone he has read; and a ticket proves nothing to the operator's command,
/// which asks for the secret's proof.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub [u8; 32]);

impl Ticket {
    /// `HMAC-SHA256(secret, invite)` under a tag of its own, see [`mac`](motet_secagg::mac::mac).
    pub fn of(secret: &[u8; 32], invite: &[u8; 16]) -> Self {
        Self(mac::mac(secret, "ticket", invite))
    }

    /// What the coordinator keeps of it.
    pub fn digest(&self) -> Digest {
        Digest::of("ticket", &[&self.0])
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    let Digest(digest) = Digest::of("join-code", &[bytes]);
    let mut sum = [0; CHECKSUM];
    for (slot, byte) in sum.iter_mut().zip(digest) {
        *slot = byte;
    }
    sum
}

/// Base 32 without padding.
fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(8).div_ceil(5));
    for group in bytes.chunks(5) {
        let bits = group.iter().enumerate().fold(0_u64, |bits, (at, byte)| {
            bits | u64::from(*byte) << (32 - 8 * at)
        });
        let letters = (group.len() * 8).div_ceil(5);
        for at in 0..letters {
            let index = (bits >> (35 - 5 * at)) & 31;
            text.push(
                ALPHABET
                    .get(index as usize)
                    .copied()
                    .map_or('a', char::from),
            );
        }
    }
    text
}

/// The bytes, or nothing when no byte string has this text: a length no encoder makes, or bits set
/// past the end.
fn from_base32(text: &str) -> Result<Option<Vec<u8>>, EnrolError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut bits = 0_u32;
    let mut held = 0_u32;
    for (at, letter) in text.chars().enumerate() {
        let value = ALPHABET
            .iter()
            .zip(0_u32..)
            .find(|(symbol, _)| char::from(**symbol) == letter);
        let Some((_, value)) = value else {
            return Err(EnrolError::Letter {
                at: at + 1 + PREFIX.len(),
                found: letter,
            });
        };
        bits = (bits << 5) | value;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(((bits >> held) & 0xff) as u8);
        }
        bits &= (1 << held) - 1;
    }
    Ok((held < 5 && bits == 0).then_some(bytes))
}

fn damaged(word: &str) -> EnrolError {
    EnrolError::Damaged {
        length: word.chars().count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
        ] {
            assert_eq!(to_base32(bytes.as_bytes()), text);
            assert_eq!(from_base32(text).unwrap().unwrap(), bytes.as_bytes());
        }
        assert_eq!(to_base32(b"foobar"), "mzxw6ytboi");
        assert_eq!(from_base32("mz").unwrap(), None, "bits past the end");
        assert_eq!(
            from_base32("mzxw6y").unwrap(),
            None,
            "a length that no encoder makes"
        );
    }
}
