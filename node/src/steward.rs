//! The steward's key: a file that only its owner can read and, if wanted, sealed under a passphrase.
//!
//! ```text
//! plain      64 hexadecimal digits
//! sealed     motet-steward-key 1
//!            pbkdf2-hmac-sha256 ITERATIONS SALT
//!            aes-256-gcm NONCE SEALED-SEED          the two lines above are authenticated with it
//! ```
//! A passphrase is guessed, not broken: what slows a guess down is the number of iterations. PBKDF2 (RFC 8018) comes with
//! the TLS library that the node has anyway; a memory-hard function would be a further dependency at every hospital.

use crate::error::{NodeError, StewardError};
use crate::home::{read_seed, seed_text};
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use aws_lc_rs::pbkdf2;
use motet_proto::keyfile;
use motet_secagg::digest::{from_hex, to_hex};
use motet_secagg::sign::SecretKey;
use std::io::IsTerminal as _;
use std::num::NonZeroU32;
use std::path::Path;
use zeroize::Zeroizing;

/// First line of a sealed key's file.
const HEADER: &str = "motet-steward-key 1";

/// OWASP asks for 600,000 (2023); one guess of a million takes about a quarter of a second.
const ITERATIONS: u32 = 1_000_000;

/// A file with fewer was weakened on purpose, one with more would hang the command.
const ACCEPTED: std::ops::RangeInclusive<u32> = 600_000..=20_000_000;

/// Shorter passphrases are guessed whatever slows the guesses down (NIST SP 800-63B asks for 8 at least).
pub const SHORTEST: usize = 8;

/// A passphrase is a line; this is where a wrong file is noticed.
const LONGEST: usize = 1024;

/// A passphrase, wiped when dropped.
pub type Passphrase = Zeroizing<String>;

/// The first line of a passphrase file; the line's end does not count.
///
/// # Errors
/// [`StewardError::Unreadable`], [`StewardError::Passphrase`].
pub fn read_passphrase(path: &Path) -> Result<Passphrase, StewardError> {
    let failed =
        |cause: std::io::Error| StewardError::Unreadable { path: path.to_owned(), why: cause.to_string() };
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(failed)?);
    checked(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The passphrase from its file, or from the person at the terminal.
///
/// # Errors
/// [`StewardError`].
pub fn ask(file: Option<&Path>) -> Result<Passphrase, StewardError> {
    if let Some(file) = file {
        return read_passphrase(file);
    }
    let terminal = console::Term::stderr();
    if !std::io::stdin().is_terminal() || !terminal.is_term() {
        return Err(StewardError::NobodyToAsk);
    }
    let failed = |cause: std::io::Error| StewardError::Terminal(cause.to_string());
    terminal.write_str("steward's passphrase: ").map_err(failed)?;
    checked(Zeroizing::new(terminal.read_secure_line().map_err(failed)?))
}

fn checked(passphrase: Passphrase) -> Result<Passphrase, StewardError> {
    let length = passphrase.chars().count();
    let acceptable = (SHORTEST..=LONGEST).contains(&length) && !passphrase.chars().any(char::is_control);
    if acceptable { Ok(passphrase) } else { Err(StewardError::Passphrase) }
}

/// Writes the key, sealed when there is a passphrase.
///
/// # Errors
/// [`NodeError::Key`].
pub fn write(path: &Path, key: &SecretKey, passphrase: Option<&Passphrase>) -> Result<(), NodeError> {
    let seed = key.seed();
    match passphrase {
        None => keyfile::write_new_secret(path, seed_text(&seed).as_bytes())?,
        Some(passphrase) => keyfile::write_new_secret(path, seal(&seed, passphrase, ITERATIONS).as_bytes())?,
    }
    Ok(())
}

/// Whether the key's file asks for a passphrase.
///
/// # Errors
/// [`NodeError::Key`].
pub fn is_sealed(path: &Path) -> Result<bool, NodeError> {
    Ok(keyfile::read_secret_text(path)?.starts_with(HEADER))
}

/// Opens the key; `passphrase` is asked only when the file is sealed.
///
/// # Errors
/// [`StewardError`] and [`NodeError::Key`].
pub fn open(
    path: &Path,
    passphrase: impl FnOnce() -> Result<Passphrase, StewardError>,
) -> Result<SecretKey, NodeError> {
    if !is_sealed(path)? {
        return Ok(SecretKey::from_seed(*read_seed(path)?));
    }
    let text = keyfile::read_secret_text(path)?;
    let sealed = Sealed::parse(&text).ok_or_else(|| StewardError::NotAKey(path.to_owned()))?;
    Ok(SecretKey::from_seed(*sealed.unseal(&passphrase()?)?))
}

struct Sealed<'t> {
    head: &'t str,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    nonce: [u8; 12],
    sealed: Vec<u8>,
}

impl<'t> Sealed<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let (head, rest) = text.split_at_checked(text.find("aes-256-gcm ")?)?;
        let [header, stretch] = head.lines().collect::<Vec<_>>().try_into().ok()?;
        let [name, iterations, salt] = stretch.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let [_, nonce, sealed] = rest.trim_end().split(' ').collect::<Vec<_>>().try_into().ok()?;
        let iterations = iterations.parse::<u32>().ok().filter(|count| ACCEPTED.contains(count))?;
        let salt = from_hex(salt).filter(|salt| salt.len() >= 16)?;
        (header == HEADER && name == "pbkdf2-hmac-sha256").then_some(Self {
            head,
            iterations: NonZeroU32::new(iterations)?,
            salt,
            nonce: from_hex(nonce)?.try_into().ok()?,
            sealed: from_hex(sealed)?,
        })
    }

    fn unseal(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; 32]>, StewardError> {
        let cipher = Aes256Gcm::new((&*stretch(passphrase, &self.salt, self.iterations)).into());
        let payload = Payload { msg: &self.sealed, aad: self.head.as_bytes() };
        let seed = cipher.decrypt(&Nonce::from(self.nonce), payload).map(Zeroizing::new);
        let seed = seed.map_err(|_| StewardError::WrongPassphrase)?;
        <[u8; 32]>::try_from(seed.as_slice()).map(Zeroizing::new).map_err(|_| StewardError::WrongPassphrase)
    }
}

fn seal(seed: &[u8; 32], passphrase: &Passphrase, iterations: u32) -> String {
    let (salt, nonce) = (motet_proto::dice::bytes::<16>(), motet_proto::dice::bytes::<12>());
    let head = format!("{HEADER}\npbkdf2-hmac-sha256 {iterations} {}\n", to_hex(&salt));
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MAX);
    let cipher = Aes256Gcm::new((&*stretch(passphrase, &salt, iterations)).into());
    let payload = Payload { msg: seed, aad: head.as_bytes() };
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM refuses messages of 64 GiB and more only; this one has 32 bytes"
    )]
    let sealed = cipher.encrypt(&Nonce::from(nonce), payload).expect("a seed is short");
    format!("{head}aes-256-gcm {} {}\n", to_hex(&nonce), to_hex(&sealed))
}

fn stretch(passphrase: &Passphrase, salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, passphrase.as_bytes(), key.as_mut_slice());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str) -> Passphrase {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn stretching_is_the_standard_one() {
        // RFC 7914 section 11, PBKDF2-HMAC-SHA-256 ("passwd", "salt", 1), first 32 of its 64 bytes.
        let key = stretch(&phrase("passwd"), b"salt", NonZeroU32::MIN);
        assert_eq!(to_hex(&*key), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steward.key");
        let key = SecretKey::from_seed([7; 32]);
        write(&path, &key, Some(&phrase("correct horse battery"))).unwrap();
        assert!(is_sealed(&path).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(&format!("pbkdf2-hmac-sha256 {ITERATIONS} ")) && !text.contains(&"07".repeat(8)),
            "{text}"
        );
        let opened = open(&path, || Ok(phrase("correct horse battery"))).unwrap();
        assert_eq!(opened.public(), key.public());
        let wrong = open(&path, || Ok(phrase("correct horse batterz"))).err().unwrap();
        assert!(matches!(wrong, NodeError::Steward(StewardError::WrongPassphrase)));
        let nobody = open(&path, || Err(StewardError::NobodyToAsk)).err().unwrap();
        assert!(nobody.to_string().contains("--steward-passphrase-file"));
    }

    #[test]
    fn an_altered_or_weakened_file_does_not_open() {
        let sealed = |iterations: u32| seal(&[7; 32], &phrase("correct horse battery"), iterations);
        let unseal = |text: &str| Sealed::parse(text)?.unseal(&phrase("correct horse battery")).ok();
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
        assert!(unseal(&sealed(1000)).is_none(), "a file that is quick to guess is refused even if it opens");
    }

    #[test]
    fn a_plain_key_asks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steward.key");
        let key = SecretKey::from_seed([8; 32]);
        write(&path, &key, None).unwrap();
        assert!(!is_sealed(&path).unwrap());
        let opened = open(&path, || panic!("nobody is to be asked")).unwrap();
        assert_eq!(opened.public(), key.public());
        assert!(write(&path, &key, None).is_err(), "a key is never overwritten");
    }

    #[test]
    fn a_passphrase_file_is_one_line_of_enough_letters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phrase");
        for (text, read) in [
            ("correct horse battery\n", Some("correct horse battery")),
            ("correct horse battery\r\n", Some("correct horse battery")),
            (" spaces count here ", Some(" spaces count here ")),
            ("7 chars\n", None),
            ("two lines of a\npassphrase\n", None),
            ("", None),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(ask(Some(&path)).ok().as_deref().map(String::as_str), read, "{text:?}");
        }
        let missing = read_passphrase(&folder.path().join("none")).unwrap_err();
        assert!(matches!(missing, StewardError::Unreadable { .. }));
    }
}
