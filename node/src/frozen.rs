//! Frozen tables: the patients of each approved study, read
//! once before the steward's yes is signed, and sealed under
//! the node's state key. A study is answered from its own and
//! from nothing else, until it ends, is withdrawn or the site
//! is removed; then it is deleted, and the ledger says so.
//!
//! ```text
//! frozen/COMMITMENT       one sealed file for each decision, by what the decision says of it
//! frozen/COMMITMENT.part  one that a crash left half-written: it goes at the next sweep
//! ```
//! The file is whole on disk before the decision names it, and
//! goes after a decision names another or none. The folder is
//! locked from the file on until the decision is on record, and
//! while masked numbers of an answer are put on record: a
//! decision over other rows and an answer over the former ones
//! do not pass each other. What no decision names is swept by
//! whoever gets the lock.

mod history; // what the ledger says of them
mod pieces; //  a long text sealed piece by piece
mod shown; //   what the site's own people see of them
mod table; //   one of them

use history::Fate;
pub(crate) use history::History;
pub use shown::KeptRows;
pub(crate) use table::FrozenTable;

use crate::home::{Paths, create_folder, read_seed};
use crate::records::{self, Deleted, Ended, FROZEN, FrozenRecord};
use crate::studies::{Proposal, Studies};
use crate::{Home, NodeError, clock, disk};
use motet_common::moment::Moment;
use motet_common::opening::Reading;
use motet_common::refusal::{Code, Refusal};
use motet_ledger::{Claim, Ledger};
use motet_secagg::digest::Digest;
use motet_secagg::secret::Secret;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Error, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a file's name ends in until it is whole.
const PART: &str = "part";

/// Why the table of a study goes that asks nothing more.
pub(crate) const FINISHED: &str = "the study is finished";

/// How often the lock is tried, and the wait before: a table of
/// ten gigabytes is written meanwhile.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(100);

/// Bytes of a disk that a table leaves to the ledger.
const BESIDE: u64 = 64 << 20;

/// What the state key's children are for: the files, the
/// digests of what is in them, and the pseudonyms of patients.
const FILES: &[u8] = b"frozen files";
const CONTENT: &[u8] = b"frozen content";
const PATIENTS: &[u8] = b"patients";

/// The frozen tables of a node.
pub(crate) struct Tables {
    dir: PathBuf,
    files: Secret,
    /// For digests of their content.
    pub(crate) content: Secret,
    /// For the pseudonyms of patients.
    pub(crate) patients: Secret,
    /// Room on the disk of a folder, in KiB.
    free_kib: fn(&Path) -> Option<u64>,
}

/// Held while a file may be there that no decision names yet.
pub(crate) struct Lock {
    #[expect(dead_code, reason = "the claim is the lock")]
    held: Claim,
}

/// The secret of the patients' pseudonyms; nothing before a site has joined.
///
/// # Errors
/// [`NodeError::File`], [`NodeError::Key`] where the state key cannot be read.
pub(crate) fn secret_of_patients(paths: &Paths) -> Result<Option<Secret>, NodeError> {
    let key = paths.key("state");
    if !key.exists() {
        return Ok(None);
    }
    let state_key = Secret::new(*read_seed(&key)?);
    Ok(Some(state_key.derive(PATIENTS)))
}

impl Tables {
    /// Those in a node's folder.
    pub(crate) fn of(home: &Home) -> Self {
        Self {
            dir: home.paths.frozen(),
            files: home.state_key.derive(FILES),
            content: home.state_key.derive(CONTENT),
            patients: home.state_key.derive(PATIENTS),
            free_kib: disk::free_kib,
        }
    }

    /// Takes the lock, unless another process has it.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn lock(&self) -> Result<Option<Lock>, NodeError> {
        create_folder(&self.dir)?;
        Ok(Claim::take(&self.dir)?.map(|held| Lock { held }))
    }

    /// The same, with some patience, where nothing else is waited
    /// for meanwhile.
    ///
    /// # Errors
    /// [`NodeError::File`]; `storage` where another process holds
    /// it on and on.
    pub(crate) async fn locked(&self) -> Result<Lock, NodeError> {
        for _ in 0..TRIES {
            if let Some(lock) = self.lock()? {
                return Ok(lock);
            }
            tokio::time::sleep(PAUSE).await;
        }
        let detail = "another command has been deciding about this site's studies for a while";
        Err(Refusal::new(Code::Storage, detail).into())
    }

    /// Whether files that this process makes belong to the account
    /// that the node's keys belong to: what another made, the node
    /// could not open.
    ///
    /// # Errors
    /// [`NodeError::File`]; [`NodeError::Usage`] where they do not.
    pub(crate) fn is_of_the_node(&self, home: &Home) -> Result<(), NodeError> {
        let probe = home
            .paths
            .dir()
            .join(format!(".account.{}", std::process::id()));
        let made = private(&probe).and_then(|file| file.metadata());
        let _ = fs::remove_file(&probe);
        let made = made.map_err(NodeError::file("write", &probe))?;
        let key = home.paths.key("state");
        let node = fs::metadata(&key).map_err(NodeError::file("read", &key))?;
        if owner(&made) == owner(&node) {
            return Ok(());
        }
        Err(NodeError::Usage(format!(
            "this runs under another account than the one that `{}` belongs to, and the node \
             could not open what it makes: run it as that account (`sudo -u ACCOUNT ..`)",
            key.display()
        )))
    }

    /// Writes a table durably: it is on disk, whole, when this
    /// returns.
    ///
    /// # Errors
    /// [`NodeError::File`], `storage` where the disk has no room;
    /// then nothing of it is left.
    pub(crate) fn write(
        &self,
        proposal: &Proposal,
        table: &FrozenTable,
        _lock: &Lock,
    ) -> Result<(), NodeError> {
        self.has_room(&proposal.study.id, table.size())?;
        let name = table.commitment();
        let path = self.path(&name);
        let part = path.with_extension(PART);
        let written = private(&part).and_then(|file| {
            let out = BufWriter::new(file);
            let out = table.seal(out, &self.files, &purpose(proposal, &name))?;
            out.into_inner()?.sync_all()?;
            fs::rename(&part, &path)?;
            File::open(&self.dir)?.sync_all()
        });
        written.map_err(|cause| {
            // Whatever else refuses: a sweep takes it away.
            let _ = fs::remove_file(&part);
            NodeError::file("write", &path)(cause)
        })
    }

    /// Whether there is room for a table and for what the node
    /// writes beside it: a ledger that cannot be written ends the
    /// node. Where nobody knows, the disk itself says so.
    fn has_room(&self, id: &str, bytes: u64) -> Result<(), Refusal> {
        let Some(free) = (self.free_kib)(&self.dir).map(|kib| kib.saturating_mul(1 << 10)) else {
            return Ok(());
        };
        if bytes.saturating_add(BESIDE) <= free {
            return Ok(());
        }
        let detail = format!(
            "the frozen table of study `{id}` takes {}, and the disk of `{}` has {} free beside \
             {} for the ledger: nothing was signed",
            disk::size(bytes),
            self.dir.display(),
            disk::size(free.saturating_sub(BESIDE)),
            disk::size(BESIDE)
        );
        Err(Refusal::new(Code::Storage, detail))
    }

    /// Opens the table that a decision about this proposal names.
    ///
    /// # Errors
    /// `table_lost` where it is not there, was changed, or was
    /// sealed under another key; `storage` where the disk refuses.
    pub(crate) fn open(&self, proposal: &Proposal, name: &Digest) -> Result<FrozenTable, Refusal> {
        let path = self.path(name);
        let opened = File::open(&path).and_then(|file| {
            FrozenTable::unseal(BufReader::new(file), &self.files, &purpose(proposal, name))
        });
        let opened = opened.and_then(|table| match table.commitment() == *name {
            true => Ok(table),
            false => Err(Error::new(
                ErrorKind::InvalidData,
                "its content is not what the decision says",
            )),
        });
        opened.map_err(|cause| lost(&proposal.study.id, &path, &cause))
    }

    /// What a table was read from; its patients stay sealed.
    ///
    /// # Errors
    /// As [`Tables::open`].
    pub(crate) fn reading(&self, proposal: &Proposal, name: &Digest) -> Result<Reading, Refusal> {
        let path = self.path(name);
        let purpose = purpose(proposal, name);
        let read = File::open(&path)
            .and_then(|file| table::reading(BufReader::new(file), &self.files, &purpose));
        read.map_err(|cause| lost(&proposal.study.id, &path, &cause))
    }

    /// Removes a table, and what there is of one that was never
    /// whole; whether there was one.
    ///
    /// # Errors
    /// [`NodeError::File`].
    fn remove(&self, name: &Digest) -> Result<bool, NodeError> {
        let path = self.path(name);
        let part = remove(&path.with_extension(PART))?;
        let whole = remove(&path)?;
        if part || whole {
            File::open(&self.dir)
                .and_then(|dir| dir.sync_all())
                .map_err(NodeError::file("write", &self.dir))?;
        }
        Ok(part || whole)
    }

    /// Names of all tables, half-written ones among them.
    ///
    /// # Errors
    /// [`NodeError::File`].
    fn names(&self) -> Result<Vec<Digest>, NodeError> {
        if !self.dir.is_dir() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&self.dir).map_err(NodeError::file("list", &self.dir))?;
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.map_err(NodeError::file("list", &self.dir))?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            names.extend(name.and_then(|name| Digest::from_hex(name).ok()));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn path(&self, name: &Digest) -> PathBuf {
        self.dir.join(name.hex())
    }

    /// Deletes the tables that no decision names any more, and
    /// those of studies that ended; false where a desk is at work,
    /// and it is to be tried again. `studies` is read on by whoever
    /// has the lock: a table may have been named just before.
    ///
    /// # Errors
    /// [`NodeError::File`], [`NodeError::Ledger`].
    pub(crate) async fn sweep(
        &self,
        ledger: &Ledger,
        studies: &mut Studies,
        now: Moment,
    ) -> Result<bool, NodeError> {
        let Some(lock) = self.lock()? else {
            return Ok(false);
        };
        studies.read_on(ledger).await?;
        self.sweep_under(ledger, studies, now, &lock).await?;
        Ok(true)
    }

    /// The same for whoever holds the lock. One that cannot be
    /// deleted keeps no other.
    ///
    /// # Errors
    /// As [`Tables::sweep`].
    pub(crate) async fn sweep_under(
        &self,
        ledger: &Ledger,
        studies: &Studies,
        now: Moment,
        _lock: &Lock,
    ) -> Result<(), NodeError> {
        let history = History::read(ledger).await?;
        let mut names = self.names()?;
        names.extend(history.kept());
        names.sort();
        names.dedup();
        let mut swept = Ok(());
        for name in names {
            let done = match history.fate(&name, studies, now) {
                Fate::Stays => Ok(()),
                Fate::Ends => {
                    let ended = Ended {
                        when_ms: now.ms,
                        table: name,
                    };
                    records::append(ledger, FROZEN, &FrozenRecord::Ended(ended))
                        .await
                        .map(drop)
                }
                Fate::Goes(why) => self.delete(ledger, &history, &name, &why).await,
            };
            swept = swept.and(done);
        }
        swept
    }

    /// Deletes a table and says so in the ledger, once.
    ///
    /// # Errors
    /// As [`Tables::sweep`].
    pub(crate) async fn delete(
        &self,
        ledger: &Ledger,
        history: &History,
        name: &Digest,
        why: &str,
    ) -> Result<(), NodeError> {
        let was_there = self.remove(name)?;
        let is_on_record = history.is_kept(name) && history.deleted(name).is_none();
        if !was_there && !is_on_record {
            return Ok(());
        }
        let why = match was_there {
            true => why.to_owned(),
            false => format!("{why} (its file was not there any more)"),
        };
        let when_ms = clock::now().ms;
        let text = match history.study_of(name) {
            Some(id) => format!("the frozen table of study {id} is deleted: {why}"),
            None => format!("a frozen table is deleted: {why}"),
        };
        let deleted = Deleted {
            when_ms,
            table: *name,
            why,
        };
        records::append(ledger, FROZEN, &FrozenRecord::Deleted(deleted)).await?;
        records::event(ledger, when_ms, "frozen-deleted", text).await
    }

    /// Deletes all of them.
    ///
    /// # Errors
    /// As [`Tables::sweep`].
    pub(crate) async fn delete_all(&self, ledger: &Ledger, why: &str) -> Result<(), NodeError> {
        let history = History::read(ledger).await?;
        let mut deleted = Ok(());
        for name in self.names()? {
            deleted = deleted.and(self.delete(ledger, &history, &name, why).await);
        }
        deleted
    }
}

/// The refusal of a table that cannot be opened; for the site's
/// own eyes, but for a disk that refuses.
fn lost(id: &str, path: &Path, cause: &Error) -> Refusal {
    let code = match cause.kind() {
        ErrorKind::NotFound | ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Code::TableLost,
        _ => Code::Storage,
    };
    let path = path.display();
    let detail = format!("the frozen table of study `{id}` cannot be opened: `{path}`: {cause}");
    Refusal::new(code, detail)
}

/// Whose a file is, where the system says so.
#[cfg(unix)]
fn owner(meta: &fs::Metadata) -> Option<u32> {
    Some(std::os::unix::fs::MetadataExt::uid(meta))
}

#[cfg(not(unix))]
fn owner(_: &fs::Metadata) -> Option<u32> {
    None
}

/// What a file is for, in bytes of one length.
fn purpose(proposal: &Proposal, name: &Digest) -> Vec<u8> {
    purpose_of(&proposal.digest, &proposal.roster_digest, name)
}

/// The same by the digests of study and roster.
fn purpose_of(study: &Digest, roster: &Digest, name: &Digest) -> Vec<u8> {
    [study.0, roster.0, name.0].concat()
}

/// A new file that only the node's account can read.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Removes a file; whether it was there. Its salt is
/// overwritten first, without which the rest is of no use to
/// whoever finds it on the disk, where the disk writes in
/// place.
fn remove(path: &Path) -> Result<bool, NodeError> {
    let removed = unsalted(path).and_then(|()| fs::remove_file(path));
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(NodeError::file("remove", path)(error)),
    }
}

fn unsalted(path: &Path) -> std::io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.seek(SeekFrom::Start(pieces::HEADER.len() as u64))?;
    file.write_all(&[0; pieces::SALT])?;
    file.sync_all()
}

#[cfg(test)]
#[path = "frozen_tests.rs"]
mod tests;
