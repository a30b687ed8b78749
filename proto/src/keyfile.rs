//! Files that hold a secret: written whole or not at all, readable by their owner only.
//!
//! A key file that other accounts of the machine can read is refused at every start, because nobody
//! looks at file modes twice; the message carries the command that repairs it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest key file that is read: keys and certificates are a few kilobytes.
const MAX_BYTES: usize = 1 << 20;

/// Why a key file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Other accounts of this machine can read the file.
    #[error("key file `{}` has mode {mode:04o}, so others on this machine can read it; run: chmod 600 '{}'", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The path is not an ordinary file (a folder, a device).
    #[error("key file `{}` is not an ordinary file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is longer than any key.
    #[error("key file `{}` is longer than 1 MiB: that is no key", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text where text (PEM, hexadecimal) is expected.
    #[error("key file `{}` is not text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// There is already a key: it is never overwritten by accident.
    #[error("key file `{}` exists already and is left as it is", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} key file `{}`: {cause}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
}

/// Writes `secret` to `path` with mode 0600, replacing what was there: after a crash the file holds
/// either the old bytes or the new ones.
///
/// # Errors
/// [`KeyFileError::Io`].
pub fn write_secret(path: &Path, secret: &[u8]) -> Result<(), KeyFileError> {
    write_beside(path, secret).and_then(|draft| {
        fs::rename(&draft, path)
            .and_then(|()| sync_folder(path))
            .map_err(|cause| {
                let _ = fs::remove_file(&draft);
                failed("write", path, cause)
            })
    })
}

/// Like [`write_secret`], but never replaces a file that exists.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Io`].
pub fn write_new_secret(path: &Path, secret: &[u8]) -> Result<(), KeyFileError> {
    let draft = write_beside(path, secret)?;
    // A hard link fails where the name is taken; a rename would replace it silently.
    let linked = fs::hard_link(&draft, path).and_then(|()| sync_folder(path));
    let _ = fs::remove_file(&draft);
    linked.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists {
            path: path.to_owned(),
        },
        _ => failed("write", path, cause),
    })
}

/// Reads a file written by [`write_secret`].
///
/// # Errors
/// [`KeyFileError::Open`] when the group or others may read or write the file, and the other
/// variants.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let file = File::open(path).map_err(|cause| failed("read", path, cause))?;
    // The mode of the opened file, not of the path: nobody can swap the file between the look and
    // the read.
    let about = file
        .metadata()
        .map_err(|cause| failed("read", path, cause))?;
    if !about.is_file() {
        return Err(KeyFileError::NotAFile {
            path: path.to_owned(),
        });
    }
    check_mode(path, &about)?;
    let length = usize::try_from(about.len()).ok();
    let length = length.filter(|length| *length <= MAX_BYTES);
    let length = length.ok_or_else(|| KeyFileError::TooLong {
        path: path.to_owned(),
    })?;
    // Room for the whole file at once: a vector that grows leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 1));
    file.take(MAX_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(|cause| failed("read", path, cause))?;
    Ok(bytes)
}

/// Reads a secret that is text, such as a private key in PEM.
///
/// # Errors
/// As [`read_secret`], and [`KeyFileError::NotText`].
pub fn read_secret_text(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let bytes = read_secret(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyFileError::NotText {
        path: path.to_owned(),
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Reads a secret that a person keeps, such as a passphrase: from a file that only its owner can
/// read, from a pipe (which keeps nothing), or from standard input where the path is `-`.
///
/// # Errors
/// As [`read_secret_text`].
pub fn read_passphrase_text(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    // A passphrase is a line; this is where a wrong file is noticed.
    const MOST: usize = 4 << 10;
    if path == Path::new("-") {
        return text_of(io::stdin().lock().take(MOST as u64), path, MOST);
    }
    let file = File::open(path).map_err(|source| failed("read", path, source))?;
    let about = file
        .metadata()
        .map_err(|source| failed("read", path, source))?;
    if is_pipe(&about) {
        text_of(file.take(MOST as u64), path, MOST)
    } else {
        read_secret_text(path)
    }
}

fn text_of(
    mut source: impl io::Read,
    path: &Path,
    most: usize,
) -> Result<Zeroizing<String>, KeyFileError> {
    let mut text = Zeroizing::new(String::with_capacity(most + 1));
    source
        .read_to_string(&mut text)
        .map_err(|source| failed("read", path, source))?;
    Ok(text)
}

#[cfg(unix)]
fn is_pipe(about: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&about.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_about: &fs::Metadata) -> bool {
    false
}

/// Reads a join code from a file or, without one, from standard input. The file may be one that
/// others can read: it came by mail or from a pipe, and its code is good once.
///
/// # Errors
/// When it cannot be read or is not text.
pub fn read_code(path: Option<&Path>) -> io::Result<Zeroizing<String>> {
    // A code has some 250 letters; a mail program may have put spaces between them.
    const MOST: u64 = 64 << 10;
    let mut text = Zeroizing::new(String::with_capacity(4096));
    match path {
        Some(path) => File::open(path)?.take(MOST).read_to_string(&mut text)?,
        None => io::stdin().take(MOST).read_to_string(&mut text)?,
    };
    Ok(text)
}

/// Writes the bytes to a new file in the same folder (a rename does not cross file systems) and
/// syncs it.
fn write_beside(path: &Path, secret: &[u8]) -> Result<PathBuf, KeyFileError> {
    let own = path.file_name().ok_or_else(|| {
        let nameless = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
        failed("write", path, nameless)
    })?;
    let mut name = std::ffi::OsString::from(".");
    name.push(own);
    name.push(format!(
        ".{:016x}.tmp",
        u64::from_le_bytes(crate::rng::bytes())
    ));
    let draft = path.with_file_name(name);
    let written = create_private(&draft).and_then(|mut file| {
        file.write_all(secret)?;
        file.sync_all()
    });
    written.map_err(|cause| {
        let _ = fs::remove_file(&draft);
        failed("write", path, cause)
    })?;
    Ok(draft)
}

/// Makes a file that only its owner can read (mode 0600), to be written and read back. There must
/// be none.
///
/// # Errors
/// As the system's.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the new name itself survive a power cut.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn check_mode(path: &Path, about: &fs::Metadata) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(KeyFileError::Open {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn check_mode(_path: &Path, _about: &fs::Metadata) -> Result<(), KeyFileError> {
    Ok(())
}

fn failed(action: &'static str, path: &Path, cause: io::Error) -> KeyFileError {
    KeyFileError::Io {
        action,
        path: path.to_owned(),
        cause,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_comes_back_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        write_secret(&path, b"first").unwrap();
        write_secret(&path, b"second").unwrap();
        assert_eq!(&**read_secret(&path).unwrap(), b"second");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["identity.key"], "no draft is left behind");
    }

    #[test]
    fn a_file_that_the_group_can_read_is_refused_with_the_repair() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.key");
        write_secret(&path, b"secret").unwrap();
        for mode in [0o640, 0o604, 0o660, 0o602] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let text = read_secret(&path).unwrap_err().to_string();
            assert!(
                text.contains(&format!("chmod 600 '{}'", path.display())),
                "{text}"
            );
            assert!(text.contains(&format!("{mode:04o}")), "{text}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(&**read_secret(&path).unwrap(), b"secret");
    }

    #[test]
    fn a_new_key_never_replaces_one_that_exists() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("governance.key");
        write_new_secret(&path, b"first").unwrap();
        assert!(matches!(
            write_new_secret(&path, b"second"),
            Err(KeyFileError::Exists { .. })
        ));
        assert_eq!(&**read_secret(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_or_a_missing_file_is_named_in_the_refusal() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            read_secret(folder.path()),
            Err(KeyFileError::NotAFile { .. })
        ));
        let missing = folder.path().join("none");
        assert!(
            read_secret(&missing)
                .unwrap_err()
                .to_string()
                .contains("none")
        );
        assert!(write_secret(&missing.join("below"), b"x").is_err());
    }
}
