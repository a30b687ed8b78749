//! A signing key's file, sealed under a passphrase: the steward's at a hospital, governance's at
//! the operator.
//!
//! ```text
//! HEADER                                      whose key, and the version of the format
//! pbkdf2-hmac-sha256 ITERATIONS SALT
//! aes-256-gcm NONCE SEALED-SEED               the two lines above are authenticated with it
//! ```
//! A passphrase is guessed, not broken: what slows a guess down is the number of iterations. PBKDF2
//! (RFC 8018) comes with the TLS library that the node has anyway; a memory-hard function would be
//! a further dependency at every hospital.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use aws_lc_rs::pbkdf2;
use motet_secagg::digest::{from_hex, to_hex};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// A passphrase, wiped when dropped.
pub type Passphrase = Zeroizing<String>;

/// OWASP asks for 600,000 (2023); one guess of a million takes about a quarter of a second.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(1_000_000 - 1);

/// A file with fewer was weakened on purpose, one with more would hang the command.
const ACCEPTED: std::ops::RangeInclusive<u32> = 600_000..=20_000_000;

/// A sealed key's file, read but not opened.
pub struct Sealed<'t> {
    head: &'t str,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    nonce: [u8; 12],
    sealed: Vec<u8>,
}

impl<'t> Sealed<'t> {
    /// Reads the text of a file of this kind; `header` is its first line.
    pub fn parse(header: &str, text: &'t str) -> Option<Self> {
        let (head, rest) = text.split_at_checked(text.find("aes-256-gcm ")?)?;
        let [first, stretch] = head.lines().collect::<Vec<_>>().try_into().ok()?;
        let [name, iterations, salt] = stretch.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let [_, nonce, sealed] = rest
            .trim_end()
            .split(' ')
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        let iterations = iterations
            .parse::<u32>()
            .ok()
            .filter(|count| ACCEPTED.contains(count))?;
        let salt = from_hex(salt).filter(|salt| salt.len() >= 16)?;
        (first == header && name == "pbkdf2-hmac-sha256").then_some(Self {
            head,
            iterations: NonZeroU32::new(iterations)?,
            salt,
            nonce: from_hex(nonce)?.try_into().ok()?,
            sealed: from_hex(sealed)?,
        })
    }

    /// The seed, where this is its passphrase.
    pub fn unseal(&self, passphrase: &Passphrase) -> Option<Zeroizing<[u8; 32]>> {
        let cipher = Aes256Gcm::new((&*stretch(passphrase, &self.salt, self.iterations)).into());
        let payload = Payload {
            msg: &self.sealed,
            aad: self.head.as_bytes(),
        };
        let seed = cipher
            .decrypt(&Nonce::from(self.nonce), payload)
            .map(Zeroizing::new)
            .ok()?;
        <[u8; 32]>::try_from(seed.as_slice())
            .map(Zeroizing::new)
            .ok()
    }
}

/// The text of a file that holds the seed under this passphrase.
pub fn seal(header: &str, seed: &[u8; 32], passphrase: &Passphrase) -> String {
    seal_slowly(header, seed, passphrase, ITERATIONS)
}

fn seal_slowly(
    header: &str,
    seed: &[u8; 32],
    passphrase: &Passphrase,
    iterations: NonZeroU32,
) -> String {
    let salt = motet_proto::rng::bytes::<16>();
    let nonce = motet_proto::rng::bytes::<12>();
    let head = format!(
        "{header}\npbkdf2-hmac-sha256 {iterations} {}\n",
        to_hex(&salt)
    );
    let cipher = Aes256Gcm::new((&*stretch(passphrase, &salt, iterations)).into());
    let payload = Payload {
        msg: seed,
        aad: head.as_bytes(),
    };
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM refuses messages of 64 GiB and more only; this one has 32 bytes"
    )]
    let sealed = cipher
        .encrypt(&Nonce::from(nonce), payload)
        .expect("a seed is short");
    format!("{head}aes-256-gcm {} {}\n", to_hex(&nonce), to_hex(&sealed))
}

fn stretch(passphrase: &Passphrase, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        salt,
        passphrase.as_bytes(),
        key.as_mut_slice(),
    );
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "motet-steward-key 1";

    fn phrase(text: &str) -> Passphrase {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn stretching_is_the_standard_one() {
        // RFC 7914 section 11, PBKDF2-HMAC-SHA-256 ("passwd", "salt", 1), first 32 of its 64 bytes.
        let key = stretch(&phrase("passwd"), b"salt", NonZeroU32::MIN);
        assert_eq!(
            to_hex(&*key),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        );
    }

    #[test]
    fn an_altered_or_weakened_file_does_not_open() {
        let sealed = |iterations: u32| {
            seal_slowly(
                HEADER,
                &[7; 32],
                &phrase("correct horse battery"),
                NonZeroU32::new(iterations).unwrap(),
            )
        };
        let unseal =
            |text: &str| Sealed::parse(HEADER, text)?.unseal(&phrase("correct horse battery"));
        let text = sealed(600_000);
        assert_eq!(*unseal(&text).unwrap(), [7; 32]);
        for (from, to) in [
            ("600000", "600001"),
            ("aes-256-gcm", "aes-128-gcm"),
            ("motet-steward-key 1", "motet-steward-key 2"),
            ("pbkdf2", "pbkdf1"),
        ] {
            assert!(unseal(&text.replace(from, to)).is_none(), "{to}");
        }
        for cut in (0..text.len() - 1).step_by(16) {
            assert!(unseal(&text[..cut]).is_none(), "{cut}");
        }
        assert!(
            unseal(&sealed(1000)).is_none(),
            "a file that is quick to guess is refused even if it opens"
        );
    }

    #[test]
    fn a_key_of_another_kind_does_not_open() {
        let text = seal_slowly(
            HEADER,
            &[7; 32],
            &phrase("correct horse battery"),
            NonZeroU32::new(600_000).unwrap(),
        );
        assert!(Sealed::parse("motet-governance-key 1", &text).is_none());
    }
}
