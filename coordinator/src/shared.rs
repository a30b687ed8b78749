//! What services and drivers share: keys, ledger, members, the hub, and the list of studies.

use crate::allowance::Allowances;
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::drill::Drill;
use crate::handle::Handle;
use crate::hub::Hub;
use crate::members::Members;
use crate::receiving::Receiving;
use anyhow::Context as _;
use motet_common::refusal::{Code, Refusal};
use motet_ledger::Ledger;
use motet_proto::keyfile::read_secret_text;
use motet_proto::tls::authority::{Authority, ServerIdentity};
use motet_proto::tls::server::Connections;
use motet_secagg::digest::{Digest, from_hex};
use motet_secagg::id::RunId;
use motet_secagg::sign::{PublicKey, SecretKey};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::RwLock;

/// The coordinator's own secrets and certificates.
pub(crate) struct Keys {
    pub(crate) authority: Authority,
    pub(crate) server: ServerIdentity,
    pub(crate) signing: SecretKey,
    /// Signs checkpoints of logs, and nothing else.
    pub(crate) log: SecretKey,
    pub(crate) governance: PublicKey,
}

impl Keys {
    pub(crate) fn read(config: &Config) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = config.keys.join(name);
            std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read `{}`", path.display()))
        };
        let secret =
            |name: &str| read_secret_text(&config.keys.join(name)).map_err(anyhow::Error::from);
        let key = |name: &str| {
            let seed: Option<[u8; 32]> =
                from_hex(secret(name)?.trim()).and_then(|bytes| bytes.try_into().ok());
            let seed = seed.with_context(|| format!("`{name}` is not 64 hexadecimal digits"))?;
            anyhow::Ok(SecretKey::from_seed(seed))
        };
        Ok(Self {
            authority: Authority::from_pem(&text("authority.pem")?, &secret("authority.key")?)?,
            server: ServerIdentity {
                chain_pem: text("server.pem")?,
                key_pem: secret("server.key")?,
            },
            signing: key("signing.key")?,
            log: key("log.key")?,
            governance: config.governance,
        })
    }
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    pub(crate) ledger: Ledger,
    /// A rehearsed loss of this process.
    pub(crate) drill: Option<Drill>,
    pub(crate) members: Arc<Members>,
    pub(crate) catalogue: Catalogue,
    pub(crate) hub: Hub,
    pub(crate) receiving: Receiving,
    /// What each member may still say.
    pub(crate) allowances: Allowances,
    pub(crate) connections: Connections,
    pub(crate) studies: RwLock<BTreeMap<Digest, Handle>>,
    /// Studies that could not be read at the start, by their names, and why.
    pub(crate) set_aside: RwLock<BTreeMap<String, String>>,
    /// The study of every run.
    pub(crate) runs: RwLock<BTreeMap<RunId, Digest>>,
    /// Sums and their evidence, with the studies whose members may fetch them: two studies may have
    /// the same sum.
    pub(crate) fetchable: RwLock<BTreeMap<Digest, Vec<Digest>>>,
}

impl Shared {
    /// Where masked uploads lie until the next release.
    pub(crate) fn spools(&self) -> PathBuf {
        self.config.state.join("spools")
    }

    /// The open study of this id, or the latest of that name.
    pub(crate) async fn study(&self, id: &str) -> Result<Handle, Refusal> {
        let studies = self.studies.read().await;
        let mut named: Vec<&Handle> = studies.values().filter(|handle| handle.id == id).collect();
        named.sort_by_key(|handle| (!handle.is_withdrawn(), handle.proposed.at.ms));
        if let Some(handle) = named.last() {
            return Ok((*handle).clone());
        }
        Err(match self.set_aside.read().await.get(id) {
            Some(why) => Refusal::new(Code::Storage, why.clone()),
            None => Refusal::new(Code::StudyUnknown, format!("`{id}`")),
        })
    }

    /// Leaves a study as it is until the file that it lacks is put back and the coordinator starts
    /// again.
    pub(crate) async fn set_aside(&self, stream: &str, error: &anyhow::Error) {
        let id = stream.split('/').nth(1).unwrap_or(stream);
        let why = format!(
            "study `{id}` is set aside and the others go on: {error:#} (a backup has it; of \
             a sum, so has every site that was in it); then start the \
             coordinator again"
        );
        tracing::error!("{why}");
        self.set_aside.write().await.insert(id.to_owned(), why);
    }

    /// The study a run belongs to.
    pub(crate) async fn study_of_run(&self, run: &RunId) -> Result<Handle, Refusal> {
        let study = self.runs.read().await.get(run).copied();
        let studies = self.studies.read().await;
        let handle = study.and_then(|study| studies.get(&study));
        handle
            .cloned()
            .ok_or_else(|| Refusal::new(Code::RunUnknown, format!("`{run}`")))
    }
}
