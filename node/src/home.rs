//! The folder of a site: its settings, its keys, its ledger,
//! and where everything else of the node lies.
//!
//! ```text
//! node.toml  authority.pem  tls.pem  governance.pub  steward.pub
//! keys/      identity.key  witness.key  tls.key  steward.key  state.key            mode 0600
//! ledger/    what happened                  vault/  masked/           secrets of open rounds (daemon only)
//! data/NAME/ source.toml  schema.toml       local/  permits/          for this site's own eyes
//! frozen/    patients of approved studies, sealed
//! ```

use crate::error::NodeError;
use crate::settings::Settings;
use motet_ledger::{Claim, Ledger};
use motet_proto::keyfile;
use motet_proto::tls::client::ClientIdentity;
use motet_secagg::digest::from_hex;
use motet_secagg::id::NodeId;
use motet_secagg::secret::Secret;
use motet_secagg::sign::{PublicKey, SecretKey};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Settings files are a page of text; a longer one is a mistake.
const MAX_TEXT: u64 = 1 << 20;

/// Where things are in the folder of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths(PathBuf);

/// The folder of a site, opened: settings read, keys loaded,
/// ledger at hand. Several processes may have it open.
pub struct Home {
    /// Where things are.
    pub paths: Paths,
    /// `node.toml`.
    pub settings: Settings,
    /// Signs the node's messages.
    pub identity: SecretKey,
    /// Cosigns checkpoints of logs.
    pub witness: SecretKey,
    /// Seals the vault and the frozen tables.
    pub state_key: Secret,
    /// The steward's public key; the private one is opened for a
    /// decision only.
    pub steward: PublicKey,
    /// The key whose signature makes a roster count.
    pub governance: PublicKey,
    /// What happened here.
    pub ledger: Ledger,
}

impl Paths {
    /// The places below `dir`.
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_path_buf())
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// `node.toml`.
    pub fn settings(&self) -> PathBuf {
        self.0.join("node.toml")
    }

    /// A private key: `identity`, `tls`, `steward` or `state`.
    pub fn key(&self, name: &str) -> PathBuf {
        self.0.join("keys").join(format!("{name}.key"))
    }

    /// A public key: `governance` or `steward`.
    pub fn public(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pub"))
    }

    /// The consortium's authority.
    pub fn authority(&self) -> PathBuf {
        self.0.join("authority.pem")
    }

    /// The node's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.0.join("tls.pem")
    }

    /// The ledger's folder.
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger")
    }

    /// Secrets of open rounds.
    pub fn vault(&self) -> PathBuf {
        self.0.join("vault")
    }

    /// The patients of approved studies, sealed.
    pub fn frozen(&self) -> PathBuf {
        self.0.join("frozen")
    }

    /// What recipes keep at this site between rounds.
    pub fn memory(&self) -> PathBuf {
        self.0.join("memory")
    }

    /// Masked vectors of open rounds.
    pub fn masked(&self) -> PathBuf {
        self.0.join("masked")
    }

    /// What the node wrote for its own steward about a study.
    pub fn local(&self, study: &str) -> PathBuf {
        self.0.join("local").join(format!("{study}.json"))
    }

    /// The datasets.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// The permits.
    pub fn permits(&self) -> PathBuf {
        self.0.join("permits")
    }

    /// The settings.
    ///
    /// # Errors
    /// [`NodeError::NotJoined`], [`NodeError::Toml`].
    pub fn read_settings(&self) -> Result<Settings, NodeError> {
        if !self.settings().is_file() {
            return Err(NodeError::NotJoined(self.0.clone()));
        }
        Ok(Settings::parse(&read_text(&self.settings())?)?)
    }

    /// The certificate and key that the node shows to the
    /// coordinator, and the authority it trusts.
    ///
    /// # Errors
    /// [`NodeError::File`], [`NodeError::Key`].
    pub fn client(&self) -> Result<ClientIdentity, NodeError> {
        Ok(ClientIdentity {
            ca_pem: read_text(&self.authority())?,
            cert_pem: read_text(&self.certificate())?,
            key_pem: keyfile::read_secret_text(&self.key("tls"))?,
        })
    }

    /// Claims the folder for the process that runs the node; the
    /// system releases it when the process ends, however it ends.
    ///
    /// # Errors
    /// [`NodeError::Running`] when another process has it.
    pub fn claim(&self) -> Result<Claim, NodeError> {
        Claim::take(&self.0)?.ok_or_else(|| NodeError::Running(self.0.clone()))
    }

    /// Whether a process runs the node now.
    pub fn is_running(&self) -> bool {
        Claim::is_taken(&self.0)
    }
}

impl Home {
    /// Opens the folder of a site.
    ///
    /// # Errors
    /// [`NodeError::NotJoined`] for another folder,
    /// [`NodeError::Toml`], [`NodeError::Key`] for a key file
    /// that others can read, [`NodeError::Ledger`].
    pub async fn open(dir: &Path) -> Result<Self, NodeError> {
        let paths = Paths::new(dir);
        let settings = paths.read_settings()?;
        Ok(Self {
            settings,
            identity: SecretKey::from_seed(*read_seed(&paths.key("identity"))?),
            witness: SecretKey::from_seed(*read_seed(&paths.key("witness"))?),
            state_key: Secret::new(*read_seed(&paths.key("state"))?),
            steward: read_public(&paths.public("steward"))?,
            governance: read_public(&paths.public("governance"))?,
            ledger: Ledger::open(&paths.ledger()).await?,
            paths,
        })
    }

    /// The node's id.
    pub fn node(&self) -> NodeId {
        self.identity.public().node_id()
    }
}

/// Reads a text file of the folder.
pub(crate) fn read_text(path: &Path) -> Result<String, NodeError> {
    let length = fs::metadata(path)
        .map_err(NodeError::file("read", path))?
        .len();
    if length > MAX_TEXT {
        let cause = std::io::Error::other("it is longer than 1 MiB");
        return Err(NodeError::file("read", path)(cause));
    }
    fs::read_to_string(path).map_err(NodeError::file("read", path))
}

/// Writes a file so that after a crash it holds either the
/// old text or the new one.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), NodeError> {
    let draft = path.with_extension("tmp");
    let written = File::create(&draft).and_then(|mut file| {
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    });
    written.map_err(|cause| {
        let _ = fs::remove_file(&draft);
        NodeError::file("write", path)(cause)
    })
}

/// Makes a folder that only the node's account can enter, its
/// parents included.
pub(crate) fn create_folder(path: &Path) -> Result<(), NodeError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(NodeError::file("create", path))
}

/// Thirty-two secret bytes, stored as hexadecimal.
pub(crate) fn read_seed(path: &Path) -> Result<Zeroizing<[u8; 32]>, NodeError> {
    let text = keyfile::read_secret_text(path)?;
    let bytes = from_hex(text.trim())
        .map(Zeroizing::new)
        .ok_or_else(|| NodeError::NotAKey(path.to_owned()))?;
    let seed =
        <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| NodeError::NotAKey(path.to_owned()))?;
    Ok(Zeroizing::new(seed))
}

/// The text of a seed's file.
pub(crate) fn seed_text(seed: &[u8; 32]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(65));
    for byte in seed {
        // Two digits a byte into room that is already there: no copy of the secret stays behind.
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text.push('\n');
    text
}

fn read_public(path: &Path) -> Result<PublicKey, NodeError> {
    PublicKey::from_hex(read_text(path)?.trim()).map_err(|_| NodeError::NotAKey(path.to_owned()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A site's folder as `join` leaves it, with keys from small
    /// seeds; the steward's is `[seed + 100; 32]`.
    pub(crate) fn make(dir: &Path, seed: u8, governance: &PublicKey) -> Paths {
        let paths = Paths::new(dir);
        create_folder(&dir.join("keys")).unwrap();
        let put = |name: &str, seed: u8| {
            keyfile::write_secret(&paths.key(name), seed_text(&[seed; 32]).as_bytes()).unwrap();
        };
        put("identity", seed);
        put("state", seed + 50);
        put("witness", seed + 150);
        put("steward", seed + 100);
        let steward = SecretKey::from_seed([seed + 100; 32]).public();
        write_text(&paths.public("steward"), &format!("{}\n", steward.hex())).unwrap();
        write_text(
            &paths.public("governance"),
            &format!("{}\n", governance.hex()),
        )
        .unwrap();
        let settings = Settings::fresh(
            &format!("site-{seed}"),
            "NL",
            "Stroke Europe",
            "127.0.0.1:1",
        );
        write_text(&paths.settings(), &settings).unwrap();
        let ledger = paths.ledger();
        // In a thread of its own: a test may be in a runtime already.
        let made = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { Ledger::create(&ledger).await.unwrap().close().await });
        });
        made.join().unwrap();
        paths
    }

    #[tokio::test]
    async fn a_folder_opens_with_its_keys_and_only_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let governance = SecretKey::from_seed([9; 32]).public();
        assert!(matches!(
            Home::open(folder.path()).await,
            Err(NodeError::NotJoined(_))
        ));
        let paths = make(folder.path(), 1, &governance);
        let home = Home::open(folder.path()).await.unwrap();
        assert_eq!(
            home.node(),
            SecretKey::from_seed([1; 32]).public().node_id()
        );
        assert_eq!(
            (home.governance, home.settings.site.as_str()),
            (governance, "site-1")
        );
        assert_eq!(home.state_key.expose(), &[51; 32]);

        keyfile::write_secret(&paths.key("state"), b"abcd").unwrap();
        assert!(
            matches!(Home::open(folder.path()).await, Err(NodeError::NotAKey(path)) if path == paths.key("state"))
        );
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_key_that_others_can_read_stops_the_node() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let paths = make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
        fs::set_permissions(paths.key("identity"), fs::Permissions::from_mode(0o644)).unwrap();
        let Err(error) = Home::open(folder.path()).await else {
            panic!("it opened")
        };
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn one_process_runs_the_node_whatever_is_deleted_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path());
        assert!(!paths.is_running());
        let held = paths.claim().unwrap();
        assert!(paths.is_running());
        let _ = fs::remove_file(folder.path().join(Claim::FILE));
        assert!(matches!(paths.claim(), Err(NodeError::Running(_))));
        drop(held);
        // A child that another test is just starting has the lock too, until it runs its program.
        let dropped = std::time::Instant::now();
        while paths.is_running() {
            assert!(dropped.elapsed().as_secs() < 10, "nobody lets go of it");
            std::thread::yield_now();
        }
        assert!(paths.claim().is_ok());
    }

    #[test]
    fn a_seed_comes_back_from_its_text() {
        assert_eq!(seed_text(&[0xa5; 32]).trim(), "a5".repeat(32));
    }
}
