//! Checkpoints of a log as C2SP signed notes (c2sp.org/signed-note, tlog-checkpoint,
//! tlog-cosignature): a text that people and foreign tools can read, signed by the log and cosigned
//! by its witnesses.
//!
//! ```text
//! <origin>
//! <size>
//! <base64 of the root>
//!
//! — <key name> <base64 of key id || signature>
//! ```
//! A cosignature is `cosignature/v1`: it signs the seconds since 1970, which the caller gives,
//! before the same text.

use crate::canonical;
use crate::digest::Digest;
use crate::encode::{Canonical, Malformed, Reader};
use crate::sign::{PublicKey, SecretKey, Signature};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Signatures a note may carry; more would only be there to exhaust a reader.
pub const MOST_SIGNATURES: usize = 1024;

/// Key types of the signed-note format: the log's own signature and a witness's.
const ED25519: u8 = 1;
const COSIGNATURE: u8 = 4;

canonical! {
    /// What is signed: which log, how many leaves, which root.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Checkpoint {
        /// The log's name, unique and for ever.
        pub origin: String,
        /// Leaves of the tree.
        pub size: u64,
        /// Root of the tree.
        pub root: Digest,
    }
}

canonical! {
    /// A witness's signature on a checkpoint, with the moment at which it was made.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Cosignature {
        /// Seconds since 1970.
        pub seconds: u64,
        /// Over the moment and the checkpoint's text.
        pub signature: Signature,
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    name: String,
    key: [u8; 4],
    bytes: Vec<u8>,
}

/// A checkpoint with its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    checkpoint: Checkpoint,
    lines: Vec<Line>,
}

/// Why a note is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a signed checkpoint.
    #[error("the text is not a signed checkpoint of the C2SP format")]
    Malformed,
    /// An origin or key name is empty or holds a space, a line break or a plus sign.
    #[error("an origin or key name must not be empty or hold spaces, line breaks or `+`")]
    Name,
    /// There is no line by this key.
    #[error("the checkpoint carries no signature by this key")]
    Unsigned,
    /// The line by this key does not verify.
    #[error("the checkpoint's signature by this key does not fit its text")]
    BadSignature,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root.0))
    }

    /// Cosigns at `seconds` since 1970. A witness signs only what it found to continue the log it
    /// knows.
    pub fn cosign(&self, key: &SecretKey, seconds: u64) -> Cosignature {
        Cosignature {
            seconds,
            signature: key.sign_text(cosigned_text(self, seconds).as_bytes()),
        }
    }

    /// Whether `witness` made this cosignature on this checkpoint.
    pub fn is_cosigned_by(&self, witness: &PublicKey, cosignature: &Cosignature) -> bool {
        let text = cosigned_text(self, cosignature.seconds);
        witness
            .verify_text(text.as_bytes(), &cosignature.signature)
            .is_ok()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let origin = lines.next()?;
        let size = lines.next()?;
        let root = lines.next()?;
        let parsed = Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root: Digest(from_base64(root)?.try_into().ok()?),
        };
        // One text per checkpoint: no leading zero, no plus sign, no extension lines.
        (is_name(origin) && lines.next().is_none() && parsed.text() == text).then_some(parsed)
    }
}

impl Note {
    /// Signs a checkpoint under the log's key name.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn sign(checkpoint: Checkpoint, name: &str, key: &SecretKey) -> Result<Self, NoteError> {
        if !is_name(name) || !is_name(&checkpoint.origin) {
            return Err(NoteError::Name);
        }
        let bytes = key.sign_text(checkpoint.text().as_bytes()).0.to_vec();
        let line = Line {
            name: name.to_owned(),
            key: key_id(name, ED25519, &key.public()),
            bytes,
        };
        Ok(Self {
            checkpoint,
            lines: vec![line],
        })
    }

    /// Adds a witness's cosignature.
    ///
    /// # Errors
    /// [`NoteError::Name`], or [`NoteError::BadSignature`] where it is not `key`'s on this
    /// checkpoint.
    pub fn add(
        &mut self,
        name: &str,
        key: &PublicKey,
        cosignature: &Cosignature,
    ) -> Result<(), NoteError> {
        if !is_name(name) {
            return Err(NoteError::Name);
        }
        if !self.checkpoint.is_cosigned_by(key, cosignature) {
            return Err(NoteError::BadSignature);
        }
        let mut bytes = cosignature.seconds.to_be_bytes().to_vec();
        bytes.extend_from_slice(&cosignature.signature.0);
        self.put(Line {
            name: name.to_owned(),
            key: key_id(name, COSIGNATURE, key),
            bytes,
        });
        Ok(())
    }

    /// Takes over the signature lines of another note on the same checkpoint.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when the checkpoints differ.
    pub fn merge(&mut self, other: &Self) -> Result<(), NoteError> {
        if self.checkpoint != other.checkpoint {
            return Err(NoteError::BadSignature);
        }
        other.lines.iter().for_each(|line| self.put(line.clone()));
        Ok(())
    }

    fn put(&mut self, line: Line) {
        self.lines
            .retain(|old| (&old.name, old.key) != (&line.name, line.key));
        self.lines.push(line);
    }

    /// The checkpoint, not yet verified; see [`Note::verify`].
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The checkpoint, where the log's key signed it.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] or [`NoteError::BadSignature`].
    pub fn verify(&self, name: &str, key: &PublicKey) -> Result<&Checkpoint, NoteError> {
        let bytes = self.line(name, key_id(name, ED25519, key))?;
        let signature = Signature(bytes.try_into().map_err(|_| NoteError::BadSignature)?);
        key.verify_text(self.checkpoint.text().as_bytes(), &signature)
            .map_err(|_| NoteError::BadSignature)?;
        Ok(&self.checkpoint)
    }

    /// The time of a witness's cosignature, in seconds since 1970, where it verifies.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] or [`NoteError::BadSignature`].
    pub fn verify_cosignature(&self, name: &str, key: &PublicKey) -> Result<u64, NoteError> {
        let bytes = self.line(name, key_id(name, COSIGNATURE, key))?;
        let (seconds, signature) = bytes
            .split_first_chunk::<8>()
            .ok_or(NoteError::BadSignature)?;
        let seconds = u64::from_be_bytes(*seconds);
        let signature = Signature(signature.try_into().map_err(|_| NoteError::BadSignature)?);
        let made = self
            .checkpoint
            .is_cosigned_by(key, &Cosignature { seconds, signature });
        if made {
            Ok(seconds)
        } else {
            Err(NoteError::BadSignature)
        }
    }

    /// How many signature lines there are, whoever made them.
    pub fn signatures(&self) -> usize {
        self.lines.len()
    }

    fn line(&self, name: &str, key: [u8; 4]) -> Result<&[u8], NoteError> {
        let found = self
            .lines
            .iter()
            .find(|line| line.name == name && line.key == key);
        found
            .map(|line| line.bytes.as_slice())
            .ok_or(NoteError::Unsigned)
    }
}

fn cosigned_text(checkpoint: &Checkpoint, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{}", checkpoint.text())
}

/// The four bytes by which a line names its key; a hint for finding it, not an authentication of
/// it.
fn key_id(name: &str, kind: u8, key: &PublicKey) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind])
        .chain_update(key.0)
        .finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
    [a, b, c, d]
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.checkpoint.text())?;
        for line in &self.lines {
            let bytes = [line.key.as_slice(), &line.bytes].concat();
            writeln!(f, "\u{2014} {} {}", line.name, base64(&bytes))?;
        }
        Ok(())
    }
}

impl FromStr for Note {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        parsed(text).ok_or(NoteError::Malformed)
    }
}

impl Line {
    fn parsed(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = from_base64(bytes)?;
        let (key, bytes) = bytes.split_first_chunk::<4>()?;
        is_name(name).then(|| Self {
            name: name.to_owned(),
            key: *key,
            bytes: bytes.to_vec(),
        })
    }
}

fn parsed(text: &str) -> Option<Note> {
    let (body, signatures) = text.split_once("\n\n")?;
    let lines = signatures.strip_suffix('\n')?.split('\n');
    let lines: Vec<_> = lines
        .take(MOST_SIGNATURES + 1)
        .map(Line::parsed)
        .collect::<Option<_>>()?;
    let checkpoint = Checkpoint::parse(&format!("{body}\n"))?;
    (lines.len() <= MOST_SIGNATURES).then_some(Note { checkpoint, lines })
}

impl Canonical for Note {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_string().write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        String::read(input)?.parse().map_err(|_| Malformed {
            what: "signed checkpoint",
        })
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .zip([16, 8, 0])
            .fold(0_u32, |bits, (byte, at)| bits | u32::from(*byte) << at);
        for place in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * place) & 63) as usize);
            text.push(if place <= group.len() {
                digit.map_or('=', |c| char::from(*c))
            } else {
                '='
            });
        }
    }
    text
}

/// Reads base64 strictly: padded, no spaces, unused bits zero, so that every text has one reading
/// and back.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in text.as_bytes().chunks(4) {
        let digits = group.iter().take_while(|c| **c != b'=').count();
        let mut bits = 0_u32;
        for c in group.iter().take(digits) {
            bits =
                bits << 6 | u32::try_from(ALPHABET.iter().position(|letter| letter == c)?).ok()?;
        }
        bits <<= 6 * (4 - u32::try_from(digits).ok()?);
        bytes.extend_from_slice(bits.to_be_bytes().get(1..digits.max(1))?);
    }
    (base64(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests;
