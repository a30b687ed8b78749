//! A folder for an upload that arrives in chunks and may be interrupted:
//! `spools/<name>/<index>.chunk`.
//!
//! A chunk's file exists only when all of its bytes are on disk, so "which chunk comes next" needs
//! no index beside the folder itself. The beginning of one chunk may lie beside them, for a line
//! that breaks in mid-chunk. Whether the bytes are the right ones is for the owner, who knows their
//! digests.

use crate::LedgerError;
use crate::files::{
    absent_is_none, blocking, create_folder, names, read_if_present, write_durably,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The longest chunk in bytes: many times what a round's chunks have, far below what would strain
/// memory.
pub const MAX_CHUNK: usize = 16 << 20;

/// The file with the first bytes of a chunk: its index, four bytes, then the bytes.
const PART: &str = "part";

/// The longest spool name in bytes: two ids of 32 digits and a few words; file systems end at 255.
const MAX_NAME: usize = 120;

/// The chunks of one upload, on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool `name` under the folder `dir`, created when it is not there; a crash in between
    /// loses nothing.
    ///
    /// # Errors
    /// [`LedgerError::Name`] for a name that is not 1 to 120 of `a-z A-Z 0-9 . _ -` or starts with
    /// a dot (it becomes a folder's name), [`LedgerError::File`] when the folder cannot be made.
    pub async fn open(dir: &Path, name: &str) -> Result<Self, LedgerError> {
        check_name(name)?;
        let folder = dir.join("spools").join(name);
        let spool = Self {
            folder: folder.clone(),
        };
        blocking(move || create_folder(&folder)).await?;
        Ok(spool)
    }

    /// Writes a chunk. Once this returns the chunk survives a power cut. Writing the same bytes
    /// again does nothing.
    ///
    /// # Errors
    /// [`LedgerError::ChunkDiffers`] when other bytes were written before,
    /// [`LedgerError::TooLong`], [`LedgerError::File`].
    pub async fn write_chunk(&self, index: u32, bytes: &[u8]) -> Result<(), LedgerError> {
        if bytes.len() > MAX_CHUNK {
            let what = format!("chunk `{index}`");
            return Err(LedgerError::TooLong {
                what,
                bytes: bytes.len(),
                limit: MAX_CHUNK,
            });
        }
        let folder = self.folder.clone();
        let path = self.path(index);
        let bytes = bytes.to_vec();
        blocking(move || match read_if_present(&path)? {
            Some(stored) if stored == bytes => Ok(()),
            Some(_) => Err(LedgerError::ChunkDiffers {
                index,
                path: folder,
            }),
            None => write_durably(&path, &bytes),
        })
        .await
    }

    /// The first of the chunks `0..count` that is not here; `None` when all are.
    ///
    /// # Errors
    /// [`LedgerError::File`] when the folder cannot be read.
    pub async fn missing(&self, count: u32) -> Result<Option<u32>, LedgerError> {
        let folder = self.folder.clone();
        blocking(move || {
            let names = names(&folder)?;
            let here: BTreeSet<u32> = names.iter().filter_map(|name| index_of(name)).collect();
            Ok((0..count).find(|index| !here.contains(index)))
        })
        .await
    }

    /// The bytes of a chunk.
    ///
    /// # Errors
    /// [`LedgerError::ChunkMissing`], [`LedgerError::File`].
    pub async fn read_chunk(&self, index: u32) -> Result<Vec<u8>, LedgerError> {
        let folder = self.folder.clone();
        let path = self.path(index);
        blocking(move || {
            read_if_present(&path)?.ok_or(LedgerError::ChunkMissing {
                index,
                path: folder,
            })
        })
        .await
    }

    /// Keeps the first bytes of a chunk that a broken line left, instead of those of another. They
    /// need not survive a power cut: what is not here is sent again.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub async fn write_part(&self, index: u32, bytes: &[u8]) -> Result<(), LedgerError> {
        let path = self.folder.join(PART);
        let stored = [&index.to_le_bytes(), bytes].concat();
        blocking(move || std::fs::write(&path, stored).map_err(LedgerError::file("write", &path)))
            .await
    }

    /// The first bytes of a chunk, as far as they were kept.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub async fn read_part(&self, index: u32) -> Result<Vec<u8>, LedgerError> {
        let path = self.folder.join(PART);
        let stored = blocking(move || read_if_present(&path)).await?;
        let part = stored
            .as_deref()
            .and_then(|stored| stored.strip_prefix(index.to_le_bytes().as_slice()));
        Ok(match part {
            Some(part) => part.to_vec(),
            // Nothing was kept, or of another chunk.
            None => Vec::new(),
        })
    }

    /// Deletes the spool `name` under the folder `dir` with all its chunks. Doing it again does
    /// nothing.
    ///
    /// # Errors
    /// [`LedgerError::Name`], [`LedgerError::File`] when the system refuses.
    pub async fn remove(dir: &Path, name: &str) -> Result<(), LedgerError> {
        check_name(name)?;
        let folder = dir.join("spools").join(name);
        blocking(move || {
            let removed = absent_is_none(std::fs::remove_dir_all(&folder));
            removed
                .map(|_| ())
                .map_err(LedgerError::file("remove", &folder))
        })
        .await
    }

    fn path(&self, index: u32) -> PathBuf {
        self.folder.join(format!("{index}.chunk"))
    }
}

fn index_of(name: &str) -> Option<u32> {
    name.strip_suffix(".chunk")?.parse().ok()
}

fn check_name(name: &str) -> Result<(), LedgerError> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || name.starts_with('.')
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    {
        let rule = "1 to 120 of a-z A-Z 0-9 . _ - and no dot in front";
        return Err(LedgerError::Name {
            what: "spool",
            name: name.to_owned(),
            rule,
        });
    }
    Ok(())
}
