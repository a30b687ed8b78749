//! The steward's key: a file that only its owner can read
//! and, if wanted, [sealed](crate::sealed) under a
//! passphrase.

use crate::error::{NodeError, StewardError};
use crate::home::{read_seed, seed_text};
pub use crate::sealed::Passphrase;
use crate::sealed::{Sealed, seal};
use motet_proto::keyfile::{self, KeyFileError};
use motet_secagg::sign::SecretKey;
use std::io::IsTerminal as _;
use std::path::Path;
use zeroize::Zeroizing;

/// First line of a sealed key's file.
const HEADER: &str = "motet-steward-key 1";

/// Shorter passphrases are guessed whatever slows the guesses
/// down (NIST SP 800-63B asks for 8 at least).
pub const SHORTEST: usize = 8;

/// A passphrase is a line; this is where a wrong file is noticed.
const LONGEST: usize = 1024;

/// The one line of a passphrase file, which only its owner
/// can read, of a pipe, or, for `-`, of standard input; the
/// line's end does not count.
///
/// # Errors
/// [`StewardError::Unreadable`], [`StewardError::Passphrase`].
pub fn read_passphrase(path: &Path) -> Result<Passphrase, StewardError> {
    let text = keyfile::read_passphrase_text(path).map_err(|error| {
        let why = match error {
            KeyFileError::Open { mode, path } => format!(
                "it has mode {mode:04o}, so others on this machine can read it; run: chmod 600 '{}'",
                path.display()
            ),
            KeyFileError::NotAFile { .. } => "it is neither an ordinary file nor a pipe".to_owned(),
            KeyFileError::Io { cause, .. } => cause.to_string(),
            other => other.to_string(),
        };
        StewardError::Unreadable { path: path.to_owned(), why }
    })?;
    checked(Zeroizing::new(
        text.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

/// The steward's passphrase from its file, or from the person
/// at the terminal.
///
/// # Errors
/// [`StewardError`].
pub fn ask(file: Option<&Path>) -> Result<Passphrase, StewardError> {
    ask_for("steward's passphrase", file)
}

/// A passphrase likewise, asked for by this name.
///
/// # Errors
/// [`StewardError`].
pub fn ask_for(whose: &str, file: Option<&Path>) -> Result<Passphrase, StewardError> {
    if let Some(file) = file {
        return read_passphrase(file);
    }
    let terminal = console::Term::stderr();
    if !std::io::stdin().is_terminal() || !terminal.is_term() {
        return Err(StewardError::NobodyToAsk);
    }
    let failed = |cause: std::io::Error| StewardError::Terminal(cause.to_string());
    terminal.write_str(&format!("{whose}: ")).map_err(failed)?;
    checked(Zeroizing::new(terminal.read_secure_line().map_err(failed)?))
}

fn checked(passphrase: Passphrase) -> Result<Passphrase, StewardError> {
    let length = passphrase.chars().count();
    let acceptable =
        (SHORTEST..=LONGEST).contains(&length) && !passphrase.chars().any(char::is_control);
    if acceptable {
        Ok(passphrase)
    } else {
        Err(StewardError::Passphrase)
    }
}

/// Writes the key, sealed when there is a passphrase.
///
/// # Errors
/// [`NodeError::Key`].
pub fn write(
    path: &Path,
    key: &SecretKey,
    passphrase: Option<&Passphrase>,
) -> Result<(), NodeError> {
    let seed = key.seed();
    match passphrase {
        None => keyfile::write_new_secret(path, seed_text(&seed).as_bytes())?,
        Some(passphrase) => {
            keyfile::write_new_secret(path, seal(HEADER, &seed, passphrase).as_bytes())?
        }
    }
    Ok(())
}

/// Seals a key that lies in its file as it is: after a crash
/// the file holds the one or the other.
///
/// # Errors
/// [`NodeError::Key`].
pub fn seal_in_place(
    path: &Path,
    key: &SecretKey,
    passphrase: &Passphrase,
) -> Result<(), NodeError> {
    Ok(keyfile::write_secret(
        path,
        seal(HEADER, &key.seed(), passphrase).as_bytes(),
    )?)
}

/// Whether the key's file asks for a passphrase.
///
/// # Errors
/// [`NodeError::Key`].
pub fn is_sealed(path: &Path) -> Result<bool, NodeError> {
    Ok(keyfile::read_secret_text(path)?.starts_with(HEADER))
}

/// Opens the key; `passphrase` is asked only when the file is sealed.
///
/// # Errors
/// [`StewardError`] and [`NodeError::Key`].
pub fn open(
    path: &Path,
    passphrase: impl FnOnce() -> Result<Passphrase, StewardError>,
) -> Result<SecretKey, NodeError> {
    if !is_sealed(path)? {
        return Ok(SecretKey::from_seed(*read_seed(path)?));
    }
    let text = keyfile::read_secret_text(path)?;
    let sealed =
        Sealed::parse(HEADER, &text).ok_or_else(|| StewardError::NotAKey(path.to_owned()))?;
    let seed = sealed
        .unseal(&passphrase()?)
        .ok_or(StewardError::WrongPassphrase)?;
    Ok(SecretKey::from_seed(*seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str) -> Passphrase {
        Zeroizing::new(text.to_owned())
    }

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steward.key");
        let key = SecretKey::from_seed([7; 32]);
        write(&path, &key, Some(&phrase("correct horse battery"))).unwrap();
        assert!(is_sealed(&path).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("pbkdf2-hmac-sha256 1000000 ") && !text.contains(&"07".repeat(8)),
            "{text}"
        );
        let opened = open(&path, || Ok(phrase("correct horse battery"))).unwrap();
        assert_eq!(opened.public(), key.public());
        let wrong = open(&path, || Ok(phrase("correct horse batterz")))
            .err()
            .unwrap();
        assert!(matches!(
            wrong,
            NodeError::Steward(StewardError::WrongPassphrase)
        ));
        let nobody = open(&path, || Err(StewardError::NobodyToAsk))
            .err()
            .unwrap();
        assert!(nobody.to_string().contains("--steward-passphrase-file"));
    }

    #[test]
    fn a_plain_key_asks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("steward.key");
        let key = SecretKey::from_seed([8; 32]);
        write(&path, &key, None).unwrap();
        assert!(!is_sealed(&path).unwrap());
        let opened = open(&path, || panic!("nobody is to be asked")).unwrap();
        assert_eq!(opened.public(), key.public());
        assert!(
            write(&path, &key, None).is_err(),
            "a key is never overwritten"
        );
    }

    #[test]
    fn a_passphrase_file_is_one_line_of_enough_letters() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phrase");
        for (text, read) in [
            ("correct horse battery\n", Some("correct horse battery")),
            ("correct horse battery\r\n", Some("correct horse battery")),
            (" spaces count here ", Some(" spaces count here ")),
            ("7 chars\n", None),
            ("two lines of a\npassphrase\n", None),
            ("", None),
        ] {
            keyfile::write_secret(&path, text.as_bytes()).unwrap();
            assert_eq!(
                ask(Some(&path)).ok().as_deref().map(String::as_str),
                read,
                "{text:?}"
            );
        }
        let missing = read_passphrase(&folder.path().join("none")).unwrap_err();
        assert!(matches!(missing, StewardError::Unreadable { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn a_passphrase_that_others_can_read_is_refused_with_the_repair_and_a_pipe_is_not() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phrase");
        for mode in [0o644, 0o640, 0o604] {
            keyfile::write_secret(&path, b"correct horse battery\n").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let text = read_passphrase(&path).unwrap_err().to_string();
            assert!(
                text.contains("chmod 600") && !text.contains("horse"),
                "{text}"
            );
        }
        assert!(read_passphrase(folder.path()).is_err());
        // As in a shell's `<(..)`: a pipe keeps nothing that another account could read later.
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"correct horse battery\n").unwrap();
        drop(writer);
        let fd = std::os::fd::AsRawFd::as_raw_fd(&reader);
        let piped = read_passphrase(Path::new(&format!("/dev/fd/{fd}"))).unwrap();
        assert_eq!(piped.as_str(), "correct horse battery");
    }
}
