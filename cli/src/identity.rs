//! The folder that says who calls: made by `motet init` (DIR/operator) or `motet person join`.
//!
//! ```text
//! identity.toml   consortium, address, name, country, role, the governance key and the authority's fingerprint
//! authority.pem   the consortium's certificate authority       client.pem, client.key   our side of mutual TLS
//! signing.key     signed the enrolment                        governance.key, invites/  the operator who ran `init`
//! rosters.toml    the number of each study's last roster that was signed here
//! ```
//! Where `init --governance DIR` put the governance key elsewhere, identity.toml says where.

use crate::args::Govern;
use crate::failure::{Done, Failure};
use motet_common::enrol::{Enrolment, Role};
use motet_proto::MAX_MESSAGE;
use motet_proto::keyfile::{read_secret_text, write_new_secret};
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::authority::{csr_key_digest, make_csr, renew_csr};
use motet_proto::tls::client::{ClientIdentity, connect};
use motet_proto::v1::desk_client::DeskClient;
use motet_proto::v1::rounds_client::RoundsClient;
use motet_secagg::digest::{Digest, from_hex, to_hex};
use motet_secagg::sign::{PublicKey, SecretKey};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tonic::transport::Channel;

/// What operators and researchers ask the coordinator through.
pub type Desk = DeskClient<Channel>;

/// What sums are checked with: leaves of logs, releases, masked uploads.
pub type Rounds = RoundsClient<Channel>;

/// What to do about a card that cannot be read.
const RESTORE: &str = "restore the folder from a backup or join again";

/// What `identity.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Name of the consortium.
    pub consortium: String,
    /// The coordinator, `host:port`.
    pub address: String,
    /// Who this is.
    pub name: String,
    /// Two capital letters.
    pub country: String,
    /// operator or researcher.
    #[serde(with = "crate::as_text")]
    pub role: Role,
    /// The governance key, hexadecimal: what rosters and removals must be signed with.
    pub governance: String,
    /// SHA-256 of the authority's certificate: what join codes carry.
    pub authority: String,
    /// Where the governance key's secret half is kept, when it is not in this folder: it may be a
    /// medium that is plugged in for a proposal only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub governance_key: Option<PathBuf>,
}

/// An identity folder.
pub struct Identity {
    /// Where it is.
    pub dir: PathBuf,
    /// What it says.
    pub card: Card,
    /// The governance key that is trusted here.
    pub governance: PublicKey,
    /// File with the passphrase of the governance key, when the command named one.
    pub passphrase_file: Option<PathBuf>,
}

impl Identity {
    /// The folder of `--as` or `MOTET_IDENTITY` (clap puts both into `given`), else the platform's.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(given: Option<&Path>) -> Done<Self> {
        let dir = match given {
            Some(dir) => dir.to_owned(),
            None => default_dir()?,
        };
        let file = dir.join("identity.toml");
        if !file.is_file() {
            return Err(Failure::usage(
                format!("no identity in `{}`", dir.display()),
                "give its folder with --as DIR or MOTET_IDENTITY; `motet init` \
                 makes the operator's, `motet person join` yours",
            ));
        }
        let text = std::fs::read_to_string(&file).map_err(Failure::io("read", &file))?;
        let card: Card = Failure::read(&file, &text, RESTORE)?;
        let governance = PublicKey::from_hex(&card.governance)
            .map_err(|error| Failure::failed(format!("`{}`: {error}", file.display()), RESTORE))?;
        Ok(Self {
            dir,
            card,
            governance,
            passphrase_file: None,
        })
    }

    /// The same identity, with what the command said about the governance key.
    #[must_use]
    pub fn with_passphrase_file(self, govern: &Govern) -> Self {
        Self {
            passphrase_file: govern.governance_passphrase_file.clone(),
            ..self
        }
    }

    /// The fingerprint by which people and join codes name the governance key.
    pub fn fingerprint(&self) -> Digest {
        self.governance.fingerprint()
    }

    /// Connects to the coordinator.
    ///
    /// # Errors
    /// When this folder's files are not usable or the coordinator is not reached.
    pub async fn desk(&self) -> Done<Desk> {
        Ok(self.lines().await?.0)
    }

    /// Connects to the coordinator: the desk, and what is public about rounds, on one channel.
    ///
    /// # Errors
    /// As [`Identity::desk`].
    pub async fn lines(&self) -> Done<(Desk, Rounds)> {
        let read = |name: &str| {
            let path = self.dir.join(name);
            std::fs::read_to_string(&path).map_err(Failure::io("read", &path))
        };
        let identity = ClientIdentity {
            ca_pem: read("authority.pem")?,
            cert_pem: read("client.pem")?,
            key_pem: read_secret_text(&self.dir.join("client.key"))?,
        };
        let channel = connect(&self.card.address, &identity, COORDINATOR_NAME).await?;
        let desk = DeskClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        Ok((
            desk,
            RoundsClient::new(channel).max_decoding_message_size(MAX_MESSAGE),
        ))
    }
}

/// Opens the identity and connects.
///
/// # Errors
/// As [`Identity::open`] and [`Identity::desk`].
pub async fn calling(given: Option<&Path>) -> Done<(Identity, Desk)> {
    let identity = Identity::open(given)?;
    let desk = identity.desk().await?;
    Ok((identity, desk))
}

/// The governance fingerprint that a person's or a site's folder trusts.
///
/// # Errors
/// When there is no such folder, or its key cannot be read.
pub fn governance_of(dir: &Path) -> Done<Digest> {
    let site = dir.join("governance.pub");
    if !site.is_file() {
        return Ok(Identity::open(Some(dir))?.fingerprint());
    }
    let text = std::fs::read_to_string(&site).map_err(Failure::io("read", &site))?;
    let key = PublicKey::from_hex(text.trim());
    key.map(|key| key.fingerprint()).map_err(|_| {
        Failure::failed(
            format!("`{}` does not hold a key", site.display()),
            "restore the folder from a backup",
        )
    })
}

/// What a new identity folder holds besides keys.
pub struct Papers<'a> {
    /// identity.toml.
    pub card: &'a Card,
    /// The authority's certificate, PEM.
    pub authority_pem: &'a str,
    /// Our certificate, PEM.
    pub client_pem: &'a str,
}

impl Papers<'_> {
    /// Writes them into the folder that holds the keys already; role must be a person's.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> Done {
        let made = self.card.role;
        if !matches!(made, Role::Operator | Role::Researcher) {
            return Err(Failure::usage(
                format!("`{made}` is not a person's role"),
                "use an operator's or researcher's code",
            ));
        }
        let text = toml::to_string(self.card).map_err(|error| {
            Failure::failed(format!("identity.toml cannot be written: {error}"), "")
        })?;
        private_folder(&dir.join("invites"))?;
        write_plain(&dir.join("authority.pem"), self.authority_pem)?;
        write_plain(&dir.join("client.pem"), self.client_pem)?;
        write_plain(&dir.join("identity.toml"), &text)
    }
}

/// A person's keys, as they lie in the folder.
pub struct Keys {
    /// Signs the enrolment.
    pub signing: SecretKey,
    /// Request for a certificate on the TLS key, DER.
    pub csr: Vec<u8>,
}

impl Keys {
    /// The keys in `dir`; one that is not there yet is made and written. All are on disk when this
    /// returns.
    ///
    /// # Errors
    /// When a key file cannot be read or written.
    pub fn of(dir: &Path, name: &str) -> Done<Self> {
        private_folder(dir)?;
        let signing = dir.join("signing.key");
        let tls = dir.join("client.key");
        if !signing.exists() {
            write_key(&signing, &new_key())?;
        }
        let csr = if tls.exists() {
            renew_csr(name, &read_secret_text(&tls)?)?
        } else {
            let (csr, pem) = make_csr(name)?;
            write_new_secret(&tls, pem.as_bytes())?;
            csr
        };
        Ok(Self {
            signing: read_key(&signing)?,
            csr,
        })
    }

    /// The enrolment of a person with these keys.
    ///
    /// # Errors
    /// When the request is not readable.
    pub fn enrolment(
        &self,
        invite: [u8; 16],
        (name, country): (&str, &str),
        role: Role,
        governance: Digest,
    ) -> Done<Enrolment> {
        Ok(Enrolment {
            invite,
            name: name.to_owned(),
            country: country.to_owned(),
            role,
            identity: self.signing.public(),
            steward: None,
            witness: None,
            csr_key_digest: csr_key_digest(&self.csr)?,
            governance_fingerprint: governance,
        })
    }
}

/// A fresh signing key.
pub fn new_key() -> SecretKey {
    SecretKey::from_seed(motet_proto::rng::bytes())
}

/// Writes a signing key: its seed as 64 hexadecimal digits, mode 0600, never over another.
///
/// # Errors
/// When there is a file already or it cannot be written.
pub fn write_key(path: &Path, key: &SecretKey) -> Done {
    Ok(write_new_secret(
        path,
        format!("{}\n", to_hex(key.seed().as_slice())).as_bytes(),
    )?)
}

/// Reads a key of [`write_key`].
///
/// # Errors
/// When the file cannot be read, is open to others, or holds something else.
pub fn read_key(path: &Path) -> Done<SecretKey> {
    let text = read_secret_text(path)?;
    let seed = from_hex(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    seed.map(SecretKey::from_seed).ok_or_else(|| {
        Failure::failed(
            format!(
                "key file `{}` does not hold 64 hexadecimal digits",
                path.display()
            ),
            "restore it from a backup",
        )
    })
}

/// Makes a folder that only its owner can enter, and its parents.
///
/// # Errors
/// When the system refuses.
pub fn private_folder(path: &Path) -> Done {
    std::fs::create_dir_all(path).map_err(Failure::io("make", path))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .map_err(Failure::io("protect", path))?;
    }
    Ok(())
}

/// Writes a file that is no secret.
///
/// # Errors
/// When the system refuses.
pub fn write_plain(path: &Path, text: &str) -> Done {
    std::fs::write(path, text).map_err(Failure::io("write", path))
}

/// Refuses a path that holds something already; an empty folder is as good as none.
///
/// # Errors
/// Wrong usage, with the path.
pub fn refuse_existing(path: &Path) -> Done {
    let empty = std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if empty || std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    Err(Failure::usage(
        format!("`{}` exists already and is left as it is", path.display()),
        "give a folder that does not exist yet",
    ))
}

/// Where an identity is looked for when nobody says.
///
/// # Errors
/// When the system names no home.
pub fn default_dir() -> Done<PathBuf> {
    let home = || variable("HOME");
    let config = if cfg!(windows) {
        variable("APPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Application Support"))
    } else {
        variable("XDG_CONFIG_HOME")
            .filter(|dir| dir.is_absolute())
            .or_else(|| home().map(|home| home.join(".config")))
    };
    config.map(|dir| dir.join("motet")).ok_or_else(|| {
        Failure::usage(
            "this system names no configuration folder",
            "give --as DIR or set MOTET_IDENTITY",
        )
    })
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_and_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let key = new_key();
        write_key(&path, &key).unwrap();
        assert_eq!(read_key(&path).unwrap().public(), key.public());
        assert!(write_key(&path, &new_key()).is_err());
        assert_eq!(read_key(&path).unwrap().public(), key.public());
    }

    #[test]
    fn a_folder_that_holds_something_is_refused_and_an_empty_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(refuse_existing(folder.path()).is_ok());
        assert!(refuse_existing(&folder.path().join("none")).is_ok());
        std::fs::write(folder.path().join("a"), "b").unwrap();
        assert_eq!(refuse_existing(folder.path()).unwrap_err().exit_code(), 2);
        assert_eq!(
            refuse_existing(&folder.path().join("a"))
                .unwrap_err()
                .exit_code(),
            2
        );
    }

    #[test]
    fn a_folder_without_an_identity_is_wrong_usage_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Identity::open(Some(folder.path())).err().unwrap();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("--as DIR"), "{failure}");
    }
}
