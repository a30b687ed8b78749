//! One frozen table: the patients of a study as a site read
//! them, what they were read from and when, and what the
//! steward's decision says of them.
//!
//! ```text
//! when read | dataset, path, target, keyed digest of the file | 32 fresh bytes | cohort
//! ```

use super::pieces::{self, Opening, SALT, Sealing};
use motet_common::opening::Reading;
use motet_data::Cohort;
use motet_proto::rng;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::mac::mac;
use motet_secagg::secret::Secret;
use std::io::{self, Error, ErrorKind, Read, Write};

/// The longest head, in bytes: two paths and a name.
const MOST_HEAD: u64 = 1 << 20;

canonical! {
    /// What is kept before the patients.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Head {
        /// When they were read, milliseconds since 1970-01-01 UTC.
        when_ms: u64,
        /// What they were read from.
        reading: Reading,
        /// What hides their content in the commitment.
        fresh: [u8; 32],
    }
}

/// The patients of a study, as they were read once.
pub(crate) struct FrozenTable {
    /// The patients.
    pub(crate) cohort: Cohort,
    head: Head,
    content: Digest,
}

impl FrozenTable {
    /// Patients who were just read.
    pub(crate) fn taken(cohort: Cohort, reading: Reading, when_ms: u64) -> Self {
        let head = Head {
            when_ms,
            reading,
            fresh: rng::bytes(),
        };
        Self {
            content: cohort.content(),
            cohort,
            head,
        }
    }

    /// What a decision says of it: SHA-256 over fresh bytes and the
    /// digest of its content. Both stay in the sealed file: to
    /// whoever has not got them it says nothing.
    pub(crate) fn commitment(&self) -> Digest {
        Digest::of("frozen table", &[&self.head.fresh, &self.content.0])
    }

    /// A digest of its content under a key of this site: it tells
    /// the same rows, read again.
    pub(crate) fn content(&self, key: &Secret) -> [u8; 32] {
        mac(key.expose(), "frozen content", &self.content.0)
    }

    /// What it was read from.
    pub(crate) fn reading(&self) -> &Reading {
        &self.head.reading
    }

    /// When it was read, milliseconds since 1970-01-01 UTC.
    pub(crate) fn when_ms(&self) -> u64 {
        self.head.when_ms
    }

    /// Bytes of its file.
    pub(super) fn size(&self) -> u64 {
        let head = self.head.to_bytes().len() as u64 + u64::from(u64::BITS / 8);
        pieces::size(head + self.cohort.written_bytes())
    }

    /// Writes it, sealed.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn seal<W: Write>(&self, out: W, secret: &Secret, purpose: &[u8]) -> io::Result<W> {
        let salt: [u8; SALT] = rng::bytes();
        let mut sealing = Sealing::begin(out, secret, &salt, purpose)?;
        let head = self.head.to_bytes();
        sealing.write_all(&(head.len() as u64).to_le_bytes())?;
        sealing.write_all(&head)?;
        self.cohort.write_to(&mut sealing)?;
        sealing.end()
    }

    /// Reads what was sealed for this purpose.
    ///
    /// # Errors
    /// Those of `input`; `InvalidData` where it is not what was
    /// sealed.
    pub(super) fn unseal(input: impl Read, secret: &Secret, purpose: &[u8]) -> io::Result<Self> {
        let mut opening = Opening::begin(input, secret, purpose)?;
        let head = head(&mut opening)?;
        let cohort = Cohort::read_from(&mut opening)?;
        opening.end()?;
        Ok(Self {
            content: cohort.content(),
            cohort,
            head,
        })
    }
}

/// What the table says of its source, without its patients.
///
/// # Errors
/// As [`FrozenTable::unseal`].
pub(super) fn reading(input: impl Read, secret: &Secret, purpose: &[u8]) -> io::Result<Reading> {
    let mut opening = Opening::begin(input, secret, purpose)?;
    head(&mut opening).map(|head| head.reading)
}

/// The number of its patients, without what is known of them.
///
/// # Errors
/// As [`FrozenTable::unseal`].
pub(super) fn patients(input: impl Read, secret: &Secret, purpose: &[u8]) -> io::Result<u64> {
    let mut opening = Opening::begin(input, secret, purpose)?;
    head(&mut opening)?;
    Cohort::patients_in(&mut opening)
}

fn head(opening: &mut impl Read) -> io::Result<Head> {
    let mut length = [0; 8];
    opening.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let length = usize::try_from(length).ok().filter(|_| length <= MOST_HEAD);
    let mut head = vec![0; length.ok_or_else(unsound)?];
    opening.read_exact(&mut head)?;
    Head::from_bytes(&head).map_err(|_| unsound())
}

fn unsound() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "it is no frozen table of this version",
    )
}
