//! Files that survive a power cut: written aside, synced, then renamed into place.

use crate::LedgerError;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The ending of a file that is still being written. A crash may leave one; every reader here skips
/// it.
pub(crate) const PART: &str = "part";

/// Writes `bytes` so that `path` either is not there or holds all of them, also after a power cut.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    let part = aside(path);
    let written = write_new(&part, bytes)
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| sync_folder(path));
    if written.is_err() {
        // The first error is the one to report; a leftover is harmless.
        let _ = fs::remove_file(&part);
    }
    written.map_err(LedgerError::file("write", path))
}

/// The folder that a path named when it was looked at.
pub(crate) struct Place {
    path: PathBuf,
    folder: Option<fs::File>,
}

impl Place {
    pub(crate) fn of(path: &Path) -> Result<Self, LedgerError> {
        // Elsewhere than on Unix a folder cannot be opened, and a folder in which files are open
        // cannot be moved away.
        let folder = if cfg!(unix) {
            Some(fs::File::open(path).map_err(LedgerError::file("open", path))?)
        } else {
            None
        };
        Ok(Self {
            path: path.to_path_buf(),
            folder,
        })
    }

    /// The folder itself, to be locked.
    pub(crate) fn handle(&self) -> Option<&fs::File> {
        self.folder.as_ref()
    }

    /// Refuses to go on in a folder that was moved away or replaced by another, a copy say.
    pub(crate) fn is_still_there(&self) -> Result<(), LedgerError> {
        let same = self
            .folder
            .as_ref()
            .map_or(Ok(true), |folder| is_the_same(folder, &self.path));
        match same.map_err(LedgerError::file("look at", &self.path))? {
            true => Ok(()),
            false => Err(LedgerError::Moved {
                path: self.path.clone(),
            }),
        }
    }
}

/// Whether a path still names what was opened.
#[cfg(unix)]
pub(crate) fn is_the_same(opened: &fs::File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let Some(named) = absent_is_none(fs::metadata(path))? else {
        return Ok(false);
    };
    let opened = opened.metadata()?;
    Ok((opened.dev(), opened.ino()) == (named.dev(), named.ino()))
}

/// Whether a path still names what was opened: an open file cannot be replaced here.
#[cfg(not(unix))]
pub(crate) fn is_the_same(_opened: &fs::File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Writes that many bytes and removes them again.
pub(crate) fn try_room(path: &Path, bytes: usize) -> Result<(), LedgerError> {
    write_durably(path, &vec![0; bytes])?;
    fs::remove_file(path).map_err(LedgerError::file("remove", path))
}

/// Creates a folder and those above it, readable by this user only: a record tells which study ran
/// where.
pub(crate) fn create_folder(path: &Path) -> Result<(), LedgerError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder
        .create(path)
        .and_then(|()| sync_folder(path))
        .map_err(LedgerError::file("create", path))
}

/// The bytes of a file, or nothing when there is none.
pub(crate) fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, LedgerError> {
    absent_is_none(fs::read(path)).map_err(LedgerError::file("read", path))
}

/// The names in a folder, sorted; none when it does not exist. Names that are not Unicode are not
/// ours.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, LedgerError> {
    let failed = LedgerError::file("list", folder);
    let Some(entries) = absent_is_none(fs::read_dir(folder)).map_err(&failed)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(&failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Does file work off the threads that serve the network.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(LedgerError::Stopping))
}

/// Turns "not found" into `None`.
pub(crate) fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// A name beside `path` that no other writer uses, not even one with the same process id in another
/// container.
fn aside(path: &Path) -> PathBuf {
    let nonce = RandomState::new().build_hasher().finish();
    path.with_extension(format!("{nonce:016x}.{PART}"))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A rename is durable only once its folder is synced; elsewhere than on Unix a folder cannot be
/// opened for that.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) && !parent.as_os_str().is_empty() => {
            fs::File::open(parent)?.sync_all()
        }
        _ => Ok(()),
    }
}
