//! A long secret text sealed piece by piece, so that neither
//! side holds more of it in the clear than a piece.
//!
//! ```text
//! HEADER, 16 bytes: the kind of file and its version | salt, 32 bytes | pieces
//! piece: 65,536 bytes, AES-256-GCM, with its tag of 16
//! nonce: number of the piece, 8 bytes | 1 for the last piece, else 0 | three zeros
//! ```
//! The key is derived from a secret of the node, the salt and
//! what the file is for, so that it seals this one file and
//! nonces may count. With a nonce that says number and end, no
//! piece can be moved, left out, doubled or cut off without the
//! whole being refused (as in STREAM of Hoang, Reyhanitabar,
//! Rogaway and Vizár, CRYPTO 2015). What the file is for is
//! authenticated with each piece. Zeros behind the text make a
//! power of two of its pieces: of a length the order is seen.
//! The salt is nowhere else: once it is overwritten nobody
//! opens the rest.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _, Nonce};
use aes_gcm::{Aes256Gcm, Tag};
use motet_secagg::secret::{Secret, scrubbed};
use std::io::{Error, ErrorKind, Read, Result, Write};
use zeroize::Zeroizing;

/// Bytes of the text in a piece.
pub(super) const PIECE: usize = 64 << 10;

pub(super) const HEADER: &[u8; 16] = b"motet-frozen 1\n\0";
pub(super) const SALT: usize = 32;
const NONCE: usize = 12;
pub(super) const TAG: usize = 16;

/// Bytes of the file of a text of so many.
pub(super) fn size(text: u64) -> u64 {
    let pieces = text.div_ceil(PIECE as u64).max(1).next_power_of_two();
    pieces * (PIECE + TAG) as u64 + (HEADER.len() + SALT) as u64
}

/// What seals the pieces of one file, and what is authenticated
/// with each.
struct Cipher {
    cipher: Aes256Gcm,
    purpose: Vec<u8>,
}

impl Cipher {
    /// `purpose` says what the file is for, in bytes of one length.
    fn new(secret: &Secret, salt: &[u8; SALT], purpose: &[u8]) -> Self {
        let purpose = [HEADER.as_slice(), salt, purpose].concat();
        let key = secret.derive(&purpose);
        Self {
            cipher: Aes256Gcm::new(key.expose().into()),
            purpose,
        }
    }

    fn nonce(number: u64, is_last: bool) -> Nonce<Aes256Gcm> {
        let mut nonce = [0; NONCE];
        let said = number.to_le_bytes().into_iter().chain([u8::from(is_last)]);
        nonce.iter_mut().zip(said).for_each(|(to, from)| *to = from);
        Nonce::<Aes256Gcm>::from(nonce)
    }
}

/// Seals what is written to it.
pub(super) struct Sealing<W> {
    out: W,
    cipher: Cipher,
    piece: Zeroizing<Vec<u8>>,
    /// Pieces that are sealed.
    sealed: u64,
}

impl<W: Write> Sealing<W> {
    /// Begins a file; the salt must be fresh.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn begin(
        mut out: W,
        secret: &Secret,
        salt: &[u8; SALT],
        purpose: &[u8],
    ) -> Result<Self> {
        out.write_all(HEADER)?;
        out.write_all(salt)?;
        Ok(Self {
            out,
            cipher: Cipher::new(secret, salt, purpose),
            piece: Zeroizing::new(Vec::with_capacity(PIECE)),
            sealed: 0,
        })
    }

    /// Seals what is left, and zeros behind it; gives back what it
    /// wrote to.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn end(mut self) -> Result<W> {
        // A piece that is full is sealed when more comes: the last one
        // is never empty before zeros.
        let pieces = self.sealed + 1;
        let padded = pieces.next_power_of_two();
        for number in pieces..=padded {
            self.piece.resize(PIECE, 0);
            self.seal(number == padded)?;
        }
        Ok(self.out)
    }

    fn seal(&mut self, is_last: bool) -> Result<()> {
        debug_assert_eq!(self.piece.len(), PIECE, "every piece is a whole one");
        let nonce = Cipher::nonce(self.sealed, is_last);
        let Cipher { cipher, purpose } = &self.cipher;
        let piece = self.piece.as_mut_slice();
        let tag = scrubbed(|| cipher.encrypt_inout_detached(&nonce, purpose, piece.into()));
        let tag = tag.map_err(|_| Error::other("a piece cannot be sealed"))?;
        self.out.write_all(&self.piece)?;
        self.out.write_all(tag.as_slice())?;
        self.sealed += 1;
        self.piece.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.piece.len() == PIECE {
            self.seal(false)?;
        }
        let room = PIECE - self.piece.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.piece.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Opens what was sealed, piece by piece: what is read was
/// sealed in this place of this file.
pub(super) struct Opening<R> {
    input: R,
    cipher: Cipher,
    /// The piece that is being read, and how far.
    piece: Zeroizing<Vec<u8>>,
    read: usize,
    opened: u64,
    is_last: bool,
}

impl<R: Read> Opening<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// Those of `input`; `InvalidData` for another kind or version
    /// of file.
    pub(super) fn begin(mut input: R, secret: &Secret, purpose: &[u8]) -> Result<Self> {
        let mut header = [0; HEADER.len()];
        let mut salt = [0; SALT];
        input.read_exact(&mut header)?;
        input.read_exact(&mut salt)?;
        if header != *HEADER {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "it is no frozen table of this version",
            ));
        }
        Ok(Self {
            input,
            cipher: Cipher::new(secret, &salt, purpose),
            piece: Zeroizing::new(Vec::new()),
            read: 0,
            opened: 0,
            is_last: false,
        })
    }

    /// Reads to the end: the last piece is one, nothing follows it,
    /// and what is behind the text is zeros.
    ///
    /// # Errors
    /// Those of `input`; `InvalidData` for anything else.
    pub(super) fn end(mut self) -> Result<()> {
        let mut rest = Zeroizing::new(vec![0; PIECE]);
        loop {
            let read = self.read(&mut rest)?;
            if read == 0 {
                break;
            }
            if rest.iter().take(read).any(|byte| *byte != 0) {
                return Err(changed());
            }
        }
        match self.input.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(changed()),
        }
    }

    /// Opens the next piece: as one in the middle, or else as the
    /// last.
    fn open(&mut self) -> Result<()> {
        let mut sealed = Zeroizing::new(vec![0; PIECE]);
        let mut tag = [0; TAG];
        self.input.read_exact(&mut sealed)?;
        self.input.read_exact(&mut tag)?;
        let tag = Tag::from(tag);
        for is_last in [false, true] {
            let nonce = Cipher::nonce(self.opened, is_last);
            self.piece.clear();
            self.piece.extend_from_slice(&sealed);
            let Cipher { cipher, purpose } = &self.cipher;
            let piece = self.piece.as_mut_slice();
            let opened =
                scrubbed(|| cipher.decrypt_inout_detached(&nonce, purpose, piece.into(), &tag));
            if opened.is_ok() {
                self.is_last = is_last;
                self.opened += 1;
                self.read = 0;
                return Ok(());
            }
        }
        self.piece.clear();
        Err(changed())
    }
}

impl<R: Read> Read for Opening<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.read == self.piece.len() {
            if self.is_last {
                return Ok(0);
            }
            self.open()?;
        }
        let left = self.piece.get(self.read..).ok_or_else(changed)?;
        let taken = left.len().min(out.len());
        out.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        self.read += taken;
        Ok(taken)
    }
}

fn changed() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "it was changed or cut off, or the state key is another",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: usize = PIECE + TAG;
    const START: usize = HEADER.len() + SALT;

    fn sealed(text: &[u8]) -> Vec<u8> {
        let key = Secret::new([1; 32]);
        let mut sealing = Sealing::begin(Vec::new(), &key, &[2; SALT], b"study one").unwrap();
        sealing.write_all(text).unwrap();
        sealing.end().unwrap()
    }

    fn opened(bytes: &[u8], length: usize) -> Result<Vec<u8>> {
        opened_with(bytes, length, 1, b"study one")
    }

    fn opened_with(bytes: &[u8], length: usize, key: u8, purpose: &[u8]) -> Result<Vec<u8>> {
        let key = Secret::new([key; 32]);
        let mut opening = Opening::begin(bytes, &key, purpose)?;
        let mut text = vec![0; length];
        opening.read_exact(&mut text)?;
        opening.end()?;
        Ok(text)
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251 + 1) as u8).collect()
    }

    #[test]
    fn a_text_of_any_length_comes_back_and_only_under_its_key_and_purpose() {
        for length in [
            0,
            1,
            PIECE - 1,
            PIECE,
            PIECE + 1,
            20 * PIECE,
            20 * PIECE + 1,
        ] {
            let text = text(length);
            let bytes = sealed(&text);
            assert_eq!(opened(&bytes, length).unwrap(), text, "{length}");
            assert!(opened_with(&bytes, length, 9, b"study one").is_err());
            assert!(opened_with(&bytes, length, 1, b"study two").is_err());
        }
        let bytes = sealed(&text(PIECE));
        let clear = text(64);
        assert!(!bytes.windows(64).any(|window| window == clear));
    }

    #[test]
    fn nothing_can_be_changed_moved_left_out_doubled_or_cut_off() {
        let length = 3 * PIECE + 7;
        let bytes = sealed(&text(length));
        let pieces = bytes[START..].chunks(SEALED).collect::<Vec<_>>();
        assert_eq!(pieces.len(), 4, "a power of two, without a piece of zeros");
        let with = |order: &[usize]| {
            let pieces = order.iter().map(|piece| pieces[*piece]);
            let pieces: Vec<u8> = pieces.collect::<Vec<_>>().concat();
            [&bytes[..START], &pieces].concat()
        };
        assert!(opened(&with(&[0, 1, 2, 3]), length).is_ok());
        for order in [
            &[1, 0, 2, 3][..],
            &[0, 1, 3],
            &[0, 1, 1, 2, 3],
            &[0, 1, 2],
            &[0, 1, 2, 3, 3],
            &[0, 1, 2, 3, 2],
            &[3],
            &[],
        ] {
            let bytes = with(order);
            for length in [0, order.len() * PIECE / 2, order.len() * PIECE] {
                assert!(opened(&bytes, length).is_err(), "{order:?}, {length}");
            }
        }
        for at in [0, 15, 16, START - 1, START, START + PIECE, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, length).is_err(), "{at}");
        }
        for cut in [0, 10, START, START + 1, SEALED, bytes.len() - 1] {
            assert!(opened(&bytes[..cut], length).is_err(), "{cut}");
        }
        // What is behind the text is nobody's: a reader that stops
        // early has not read it.
        assert!(opened(&bytes, length - 1).is_err());
    }

    #[test]
    fn of_a_length_only_the_order_is_seen() {
        let pieces = |length: usize| (sealed(&text(length)).len() - START) / SEALED;
        assert_eq!([0, 1, 60_000, PIECE].map(pieces), [1; 4]);
        assert_eq!([PIECE + 1, 2 * PIECE].map(pieces), [2; 2]);
        assert_eq!([5 * PIECE, 8 * PIECE].map(pieces), [8; 2]);
    }

    /// A file of this version, as another program (Python's
    /// `cryptography`) makes it: another format is another version.
    #[test]
    fn the_first_bytes_of_a_file_are_a_promise() {
        let bytes = sealed(b"patients");
        assert_eq!(&bytes[..16], b"motet-frozen 1\n\0");
        assert_eq!(bytes.len(), START + SEALED);
        let digest = motet_secagg::digest::Digest::of_file(&bytes);
        assert_eq!(digest.short(), "74c1293a");
    }
}
