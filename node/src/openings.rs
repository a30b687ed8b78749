//! Which sets of sites this node has signed, and over which
//! data: what two studies together would tell of a few sites is
//! not opened but where the steward said so.

use crate::data_desk::Dataset;
use crate::frozen::{History, Tables};
use crate::records::{self, OPENINGS};
use crate::studies::{Proposal, Studies};
use crate::{Home, NodeError};
use motet_common::opening::{Near, Opening, Reading};
use motet_secagg::digest::Digest;
use motet_secagg::mac::mac;
use motet_secagg::secret::Secret;
use std::fs::File;
use std::io::Read as _;
use zeroize::Zeroizing;

/// What the key of a file's digest is derived for.
pub(crate) const KEY: &[u8] = b"openings";

/// A file is taken in by pieces of this size.
const PIECE: u64 = 1 << 20;

/// What a set that is proposed may not come near.
#[derive(Default)]
pub(crate) struct Beside {
    pub(crate) openings: Vec<Opening>,
    pub(crate) least: usize,
    /// How many sites may leave, by the site's own limits.
    pub(crate) may_leave: u32,
}

/// Every set that this node was about to sign.
#[derive(Debug, Default)]
pub(crate) struct Openings(Vec<Opening>);

impl Openings {
    /// What the ledger has.
    ///
    /// # Errors
    /// As [`records::read`].
    pub(crate) async fn read(home: &Home) -> Result<Self, NodeError> {
        Ok(Self(records::read(&home.ledger, OPENINGS).await?))
    }

    /// Those of other studies, or of other rosters of this one,
    /// over the same data.
    pub(crate) fn beside(
        &self,
        study: &Digest,
        roster: &Digest,
        reading: &Reading,
    ) -> Vec<Opening> {
        self.0
            .iter()
            .filter(|opening| opening.is_beside(study, roster, reading))
            .cloned()
            .collect()
    }

    /// Puts a set on record before this site's signature under it
    /// leaves.
    ///
    /// # Errors
    /// [`NodeError::Ledger`].
    pub(crate) async fn keep(&mut self, home: &Home, opening: Opening) -> Result<(), NodeError> {
        if !self.0.contains(&opening) {
            records::append(&home.ledger, OPENINGS, &opening).await?;
            self.0.push(opening);
        }
        Ok(())
    }
}

/// What a study reads of a dataset as it is now; its file is
/// read to the end.
///
/// # Errors
/// [`NodeError::File`].
pub(crate) fn reading(dataset: &Dataset, key: &Secret) -> Result<Reading, NodeError> {
    let path = &dataset.csv;
    let file = File::open(path).map_err(NodeError::file("read", path))?;
    reading_of(dataset, file, key)
}

/// The same of its file, opened.
///
/// # Errors
/// [`NodeError::File`].
pub(crate) fn reading_of(
    dataset: &Dataset,
    file: File,
    key: &Secret,
) -> Result<Reading, NodeError> {
    let path = &dataset.csv;
    let target = path.canonicalize().map_err(NodeError::file("read", path))?;
    Ok(Reading {
        dataset: dataset.name.clone(),
        source: path.display().to_string(),
        target: target.display().to_string(),
        content: content(file, key).map_err(NodeError::file("read", path))?,
    })
}

/// The sets that this site has signed over the same data and
/// that differ from the whole roster in a few sites, once a
/// study.
///
/// # Errors
/// [`NodeError::Ledger`].
pub(crate) async fn near(
    home: &Home,
    studies: &Studies,
    proposal: &Proposal,
) -> Result<Vec<Near>, NodeError> {
    let study = &proposal.study;
    let mut readings = Vec::new();
    // Where the data cannot be read, and none were frozen, the
    // study does not run.
    if let Ok(dataset) = Dataset::find(&home.paths, &study.data.dataset) {
        readings.extend(self::reading(&dataset, &home.state_key.derive(KEY)));
    }
    let history = History::read(&home.ledger).await?;
    if let Some(table) = history.named(studies, proposal) {
        readings.extend(Tables::of(home).reading(proposal, &table));
    }
    let sites: Vec<_> = proposal.roster.nodes().collect();
    let least = study.privacy.min_sites.max(home.settings.min_sites) as usize;
    let mut near: Vec<Near> = Vec::new();
    let openings = Openings::read(home).await?;
    for reading in &readings {
        for opening in openings.beside(&proposal.digest, &proposal.roster_digest, reading) {
            let found = opening.near(&sites, least, &proposal.roster);
            near.extend(found.filter(|found| !near.contains(found)));
        }
    }
    Ok(near)
}

/// A digest of a file under a key of this site: to anybody else
/// it says nothing about the patients.
fn content(mut file: File, key: &Secret) -> std::io::Result<Digest> {
    let mut digest = [0; 32];
    let mut piece = Zeroizing::new(Vec::with_capacity(PIECE as usize + digest.len()));
    loop {
        piece.clear();
        piece.extend_from_slice(&digest);
        let read = file.by_ref().take(PIECE).read_to_end(&mut piece)?;
        digest = mac(key.expose(), "content", &piece);
        if (read as u64) < PIECE {
            return Ok(Digest(digest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_a_file_is_the_same_content_and_one_more_patient_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let key = Secret::new([7; 32]);
        let of = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            content(File::open(path).unwrap(), &key).unwrap()
        };
        // Around the end of a piece, too.
        for length in [0, 1, PIECE as usize - 1, PIECE as usize, PIECE as usize + 1] {
            let bytes = vec![b'7'; length];
            assert_eq!(of("one.csv", &bytes), of("two.csv", &bytes), "{length}");
            assert_ne!(
                of("one.csv", &bytes),
                of("two.csv", &[&bytes[..], b"8"].concat()),
                "{length}"
            );
        }
        std::fs::write(folder.path().join("one.csv"), b"7").unwrap();
        let file = File::open(folder.path().join("one.csv")).unwrap();
        let other = content(file, &Secret::new([8; 32])).unwrap();
        assert_ne!(
            of("one.csv", b"7"),
            other,
            "nobody without the key can try out files"
        );
    }
}
