//! Write-once values named by the SHA-256 of their bytes: `blobs/ab/cdef...`, or a map in memory.

use crate::files::{
    absent_is_none, blocking, create_folder, names, read_if_present, write_durably,
};
use crate::{Fault, LedgerError};
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) enum Blobs {
    Memory(Mutex<BTreeMap<Digest, Vec<u8>>>),
    Folder(PathBuf),
}

impl Blobs {
    pub(crate) async fn put(&self, bytes: &[u8]) -> Result<Digest, LedgerError> {
        let digest = Digest::of_file(bytes);
        match self {
            Self::Memory(map) => {
                locked(map).insert(digest, bytes.to_vec());
                Ok(digest)
            }
            Self::Folder(folder) => {
                let folder = folder.clone();
                let bytes = bytes.to_vec();
                blocking(move || {
                    let path = path_of(&folder, &digest);
                    // A blob that is there is read again: putting it once more also mends a damaged
                    // file.
                    if read_if_present(&path)?.is_some_and(|stored| stored == bytes) {
                        return Ok(digest);
                    }
                    create_folder(path.parent().unwrap_or(&folder))?;
                    write_durably(&path, &bytes)?;
                    Ok(digest)
                })
                .await
            }
        }
    }

    pub(crate) async fn get(&self, digest: &Digest) -> Result<Vec<u8>, LedgerError> {
        let bytes = match self {
            Self::Memory(map) => locked(map).get(digest).cloned(),
            Self::Folder(folder) => {
                let path = path_of(folder, digest);
                blocking(move || read_if_present(&path)).await?
            }
        };
        let bytes = bytes.ok_or_else(|| LedgerError::BlobMissing {
            digest: *digest,
            place: self.place(digest),
        })?;
        let found = Digest::of_file(&bytes);
        if found != *digest {
            return Err(LedgerError::BlobCorrupt {
                digest: *digest,
                found,
                place: self.place(digest),
            });
        }
        Ok(bytes)
    }

    pub(crate) async fn has(&self, digest: &Digest) -> Result<bool, LedgerError> {
        match self {
            Self::Memory(map) => Ok(locked(map).contains_key(digest)),
            Self::Folder(folder) => {
                let path = path_of(folder, digest);
                blocking(move || {
                    path.try_exists()
                        .map_err(LedgerError::file("look for", &path))
                })
                .await
            }
        }
    }

    pub(crate) async fn remove(&self, digest: &Digest) -> Result<bool, LedgerError> {
        match self {
            Self::Memory(map) => Ok(locked(map).remove(digest).is_some()),
            Self::Folder(folder) => {
                let path = path_of(folder, digest);
                blocking(move || {
                    let removed = absent_is_none(std::fs::remove_file(&path));
                    Ok(removed
                        .map_err(LedgerError::file("remove", &path))?
                        .is_some())
                })
                .await
            }
        }
    }

    /// The digests of all blobs, sorted.
    pub(crate) async fn list(&self) -> Result<Vec<Digest>, LedgerError> {
        match self {
            Self::Memory(map) => Ok(locked(map).keys().copied().collect()),
            Self::Folder(folder) => {
                let folder = folder.clone();
                blocking(move || {
                    let mut digests = Vec::new();
                    for first in names(&folder)?.into_iter().filter(|name| name.len() == 2) {
                        let rest = names(&folder.join(&first))?;
                        digests.extend(rest.iter().filter_map(|rest| digest_of(&first, rest)));
                    }
                    Ok(digests)
                })
                .await
            }
        }
    }

    /// What is wrong with a blob that [`Blobs::list`] gave, if anything.
    pub(crate) async fn check(&self, digest: &Digest) -> Result<Option<Fault>, LedgerError> {
        match self.get(digest).await {
            Ok(_) => Ok(None),
            // Removed since it was listed.
            Err(LedgerError::BlobMissing { .. }) => Ok(None),
            Err(LedgerError::BlobCorrupt {
                digest,
                found,
                place,
            }) => Ok(Some(Fault::Blob {
                digest,
                found,
                place,
            })),
            Err(other) => Err(other),
        }
    }

    fn place(&self, digest: &Digest) -> String {
        match self {
            Self::Memory(_) => "memory".to_owned(),
            Self::Folder(folder) => format!("`{}`", path_of(folder, digest).display()),
        }
    }
}

fn locked(map: &Mutex<BTreeMap<Digest, Vec<u8>>>) -> MutexGuard<'_, BTreeMap<Digest, Vec<u8>>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two digits of folder keep any one folder short.
fn path_of(folder: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    let (first, rest) = hex.split_at(2);
    folder.join(first).join(rest)
}

fn digest_of(first: &str, rest: &str) -> Option<Digest> {
    let digest = Digest::from_hex(&format!("{first}{rest}")).ok()?;
    (digest.hex().get(2..) == Some(rest)).then_some(digest)
}
