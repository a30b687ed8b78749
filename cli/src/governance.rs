//! The governance key's file: wherever the operator keeps it, plain or sealed under a passphrase.

use crate::failure::{Done, Failure};
use crate::identity::{Identity, read_key, write_key};
use motet_common::refusal::Code;
use motet_node::error::StewardError;
use motet_node::sealed::{Sealed, seal};
use motet_node::steward::{Passphrase, ask_for, read_passphrase};
use motet_proto::keyfile::{read_secret_text, write_new_secret};
use motet_secagg::sign::SecretKey;
use std::path::Path;

/// The key's file, wherever it lies.
pub const FILE: &str = "governance.key";

/// First line of a sealed key's file.
const HEADER: &str = "motet-governance-key 1";

/// The governance key of this consortium, which only the operator who made it holds: in the
/// identity folder, or where identity.toml says.
///
/// # Errors
/// `role_not_allowed` when it is not there; a failure when it is not the key that members trust;
/// those of [`read`].
pub fn key(identity: &Identity) -> Done<SecretKey> {
    let elsewhere = identity.card.governance_key.as_ref();
    let path = elsewhere
        .cloned()
        .unwrap_or_else(|| identity.dir.join(FILE));
    if !path.exists() {
        let what = format!("the governance key is not at `{}`", path.display());
        let next = match elsewhere {
            Some(_) => {
                "plug in the medium that holds it, or write its place as `governance_key` in identity.toml"
            }
            None => {
                "use the identity folder that `motet init` made, or bring the key back from its safe place"
            }
        };
        return Err(Failure::refused(Code::RoleNotAllowed, what).instead(next));
    }
    let key = read(&path, identity.passphrase_file.as_deref())?;
    if key.public() != identity.governance {
        return Err(Failure::failed(
            format!(
                "`{}` is not the governance key that identity.toml names",
                path.display()
            ),
            "bring back the key whose fingerprint members have",
        ));
    }
    Ok(key)
}

/// Writes the key, sealed when there is a file with a passphrase.
///
/// # Errors
/// When there is a file already, it cannot be written, or the passphrase is none.
pub fn write(path: &Path, key: &SecretKey, passphrase_file: Option<&Path>) -> Done {
    let Some(file) = passphrase_file else {
        return write_key(path, key);
    };
    let passphrase = read_passphrase(file).map_err(in_words)?;
    Ok(write_new_secret(
        path,
        seal(HEADER, &key.seed(), &passphrase).as_bytes(),
    )?)
}

/// Reads a key of [`write()`]; a sealed one opens with the passphrase in the file, else the
/// terminal asks.
///
/// # Errors
/// When the file cannot be read, is open to others or holds something else; a wrong passphrase, or
/// nobody to ask.
pub fn read(path: &Path, passphrase_file: Option<&Path>) -> Done<SecretKey> {
    let text = read_secret_text(path)?;
    if !text.starts_with(HEADER) {
        return read_key(path);
    }
    let sealed = Sealed::parse(HEADER, &text)
        .ok_or_else(|| in_words(StewardError::NotAKey(path.to_owned())))?;
    let passphrase: Passphrase =
        ask_for("governance passphrase", passphrase_file).map_err(in_words)?;
    let seed = sealed
        .unseal(&passphrase)
        .ok_or_else(|| in_words(StewardError::WrongPassphrase))?;
    Ok(SecretKey::from_seed(*seed))
}

/// The same mistakes as with a steward's key, in the operator's words.
fn in_words(error: StewardError) -> Failure {
    match error {
        StewardError::WrongPassphrase => Failure::failed(
            "the passphrase does not open the governance key",
            "nothing was signed",
        ),
        StewardError::NobodyToAsk => Failure::usage(
            "the governance key has a passphrase",
            "name its file with --governance-passphrase-file, or run this in a terminal",
        ),
        StewardError::NotAKey(path) => Failure::failed(
            format!("`{}` is not a governance key", path.display()),
            "restore it from a backup",
        ),
        StewardError::Unreadable { path, why } => Failure::usage(
            format!(
                "cannot read the passphrase file `{}`: {why}",
                path.display()
            ),
            "name a file whose one line is the passphrase",
        ),
        // They say themselves what to do.
        other @ (StewardError::Passphrase | StewardError::Terminal(_) | StewardError::Mismatch) => {
            Failure::usage(other.to_string(), "")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::new_key;

    #[test]
    fn a_sealed_governance_key_opens_with_its_passphrase_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        write_new_secret(&path("phrase"), b"correct horse battery\n").unwrap();
        write_new_secret(&path("other"), b"correct horse batterz\n").unwrap();
        #[cfg(unix)]
        {
            std::fs::write(path("open"), "correct horse battery\n").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(path("open"), mode).unwrap();
            let refused = write(&path("third.key"), &new_key(), Some(&path("open")))
                .unwrap_err()
                .to_string();
            assert!(refused.contains("chmod 600"), "{refused}");
        }
        let key = new_key();
        write(&path("governance.key"), &key, Some(&path("phrase"))).unwrap();
        let text = std::fs::read_to_string(path("governance.key")).unwrap();
        let seed = motet_secagg::digest::to_hex(key.seed().as_slice());
        assert!(text.starts_with(HEADER) && !text.contains(&seed), "{text}");
        assert_eq!(
            read(&path("governance.key"), Some(&path("phrase")))
                .unwrap()
                .public(),
            key.public()
        );
        let wrong = read(&path("governance.key"), Some(&path("other")))
            .err()
            .unwrap();
        assert!(
            wrong
                .to_string()
                .contains("does not open the governance key"),
            "{wrong}"
        );
        assert_eq!(
            write(&path("second.key"), &key, Some(&path("none")))
                .unwrap_err()
                .exit_code(),
            2
        );
        assert!(!path("second.key").exists());
    }

    #[test]
    fn a_plain_governance_key_asks_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("governance.key");
        let key = new_key();
        write(&path, &key, None).unwrap();
        assert_eq!(read(&path, None).unwrap().public(), key.public());
        assert!(
            write(&path, &key, None).is_err(),
            "a key is never overwritten"
        );
    }
}
