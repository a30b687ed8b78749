//! The vault: what a node must keep of an open round over a
//! restart and must be able to forget afterwards. One file
//! for each attempt, AES-256-GCM under the node's state key,
//! the attempt's plan digest as associated data.
//!
//! ```text
//! nonce, 12 bytes | the item, encrypted where it lies | tag, 16 bytes
//! ```

use crate::{NodeError, clock};
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use motet_proto::rng;
use motet_secagg::digest::Digest;
use motet_secagg::secret::{Secret, scrubbed};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroizing;

const NONCE: usize = 12;
const TAG: usize = 16;

/// What an item's file ends in until it is whole.
const PART: &str = "part";

/// A folder of sealed items.
pub(crate) struct Vault {
    dir: PathBuf,
    cipher: Aes256Gcm,
}

impl Vault {
    /// The vault in `dir`, made when absent. What a kill left
    /// half-written there goes: it is sealed under a key that
    /// stays, and nothing reads it.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn open(dir: &Path, state_key: &Secret) -> Result<Self, NodeError> {
        std::fs::create_dir_all(dir).map_err(NodeError::file("make", dir))?;
        for entry in std::fs::read_dir(dir).map_err(NodeError::file("list", dir))? {
            let path = entry.map_err(NodeError::file("list", dir))?.path();
            if path.extension().is_some_and(|extension| extension == PART) {
                remove(&path)?;
            }
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            cipher: Aes256Gcm::new(state_key.expose().into()),
        })
    }

    /// How long ago an item was sealed last.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn age(&self, name: &Digest) -> Result<Duration, NodeError> {
        let path = self.path(name);
        let sealed = std::fs::metadata(&path).and_then(|meta| meta.modified());
        let sealed = sealed.map_err(NodeError::file("read", &path))?;
        let sealed = sealed.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        // Where the clock was set back it is young.
        Ok(Duration::from_millis(clock::now().ms).saturating_sub(sealed))
    }

    /// Seals an item durably: it is on disk, whole, when this
    /// returns. The item is encrypted in the place where it lies,
    /// so that no second one comes into being.
    ///
    /// # Errors
    /// [`NodeError::File`]; the former item then still stands.
    pub(crate) fn seal(
        &self,
        name: &Digest,
        mut item: Zeroizing<Vec<u8>>,
    ) -> Result<(), NodeError> {
        let nonce: [u8; NONCE] = rng::bytes();
        let path = self.path(name);
        let failed =
            |_| NodeError::file("seal", &path)(std::io::Error::other("the item is too large"));
        let tag = scrubbed(|| {
            self.cipher.encrypt_inout_detached(
                &Nonce::from(nonce),
                &name.0,
                item.as_mut_slice().into(),
            )
        })
        .map_err(failed)?;
        let part = path.with_extension(PART);
        let write = || {
            let mut file = File::create(&part)?;
            file.write_all(&nonce)?;
            file.write_all(&item)?;
            file.write_all(tag.as_slice())?;
            file.sync_all()?;
            std::fs::rename(&part, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(NodeError::file("write", &path))
    }

    /// Opens an item.
    ///
    /// # Errors
    /// [`NodeError::File`] also for bytes that were changed, or
    /// sealed under another key or name.
    pub(crate) fn unseal(&self, name: &Digest) -> Result<Zeroizing<Vec<u8>>, NodeError> {
        let path = self.path(name);
        let mut item =
            Zeroizing::new(std::fs::read(&path).map_err(NodeError::file("read", &path))?);
        scrubbed(|| self.open_in_place(name, &mut item)).ok_or_else(|| {
            NodeError::file("open", &path)(std::io::Error::other(
                "it was changed, or the key is another",
            ))
        })?;
        Ok(item)
    }

    /// Decrypts a file's bytes where they lie: nonce and tag go
    /// first, then the item becomes readable.
    fn open_in_place(&self, name: &Digest, bytes: &mut Vec<u8>) -> Option<()> {
        let nonce = Nonce::from(*bytes.first_chunk::<NONCE>()?);
        bytes.drain(..NONCE);
        let tag = Tag::from(*bytes.last_chunk::<TAG>()?);
        bytes.truncate(bytes.len() - TAG);
        self.cipher
            .decrypt_inout_detached(&nonce, &name.0, bytes.as_mut_slice().into(), &tag)
            .ok()
    }

    /// Removes an item, and what there is of one that was never
    /// whole; one that is not there is no error.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn forget(&self, name: &Digest) -> Result<(), NodeError> {
        let path = self.path(name);
        remove(&path.with_extension(PART))?;
        remove(&path)
    }

    /// Names of all items.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn names(&self) -> Result<Vec<Digest>, NodeError> {
        let entries = std::fs::read_dir(&self.dir).map_err(NodeError::file("list", &self.dir))?;
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            Digest::from_hex(entry.ok()?.file_name().to_str()?).ok()
        };
        Ok(entries.filter_map(name).collect())
    }

    fn path(&self, name: &Digest) -> PathBuf {
        self.dir.join(name.hex())
    }
}

/// Removes a file; one that is not there is no error.
fn remove(path: &Path) -> Result<(), NodeError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(NodeError::file("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kill_left_half_written_goes_with_its_item_and_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Vault::open(dir.path(), &Secret::new([1; 32])).unwrap();
        let vault = open();
        let (name, other) = (Digest([2; 32]), Digest([3; 32]));
        let part = |name: &Digest| dir.path().join(format!("{}.part", name.hex()));
        vault
            .seal(&name, Zeroizing::new(b"secret".to_vec()))
            .unwrap();
        for name in [&name, &other] {
            std::fs::write(part(name), "sealed").unwrap();
        }
        vault.forget(&name).unwrap();
        assert!(!part(&name).exists() && part(&other).exists());
        vault
            .seal(&name, Zeroizing::new(b"secret".to_vec()))
            .unwrap();
        let vault = open();
        assert!(!part(&other).exists());
        assert_eq!(
            *vault.unseal(&name).unwrap(),
            b"secret",
            "what is whole stays"
        );
    }

    #[test]
    fn items_come_back_only_unchanged_and_under_their_own_name_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path(), &Secret::new([1; 32])).unwrap();
        let (name, other) = (Digest([2; 32]), Digest([3; 32]));
        let item = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
        vault.seal(&name, item("old")).unwrap();
        vault.seal(&name, item("secret of a round")).unwrap();
        assert_eq!(*vault.unseal(&name).unwrap(), b"secret of a round");
        assert_eq!(vault.names().unwrap(), [name]);
        let path = dir.path().join(name.hex());
        let sealed = std::fs::read(&path).unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        std::fs::copy(&path, dir.path().join(other.hex())).unwrap();
        assert!(vault.unseal(&other).is_err());
        assert!(
            Vault::open(dir.path(), &Secret::new([9; 32]))
                .unwrap()
                .unseal(&name)
                .is_err()
        );
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert!(vault.unseal(&name).is_err());
        for short in [0, NONCE, NONCE + TAG - 1] {
            std::fs::write(&path, &sealed[..short]).unwrap();
            assert!(vault.unseal(&name).is_err(), "{short} bytes");
        }
        vault.forget(&name).unwrap();
        vault.forget(&name).unwrap();
        assert_eq!(vault.names().unwrap(), [other]);
    }
}
