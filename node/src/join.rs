//! From an invitation to the folder of a site. Every key is made here and its private half never leaves; the coordinator
//! gets public halves and a proof that only the holder of the join code can make.
//!
//! ```text
//! code --> coordinator, known by the fingerprint in the code --> for whom the invitation is
//!      --> keys in a draft of DIR --> proof over their public halves --> certificate --> the draft becomes DIR
//! ```
//! The draft lies beside DIR until everything is in it, so that a failed join leaves nothing half-made. Keys are made in
//! this file only; it reads the operating system's randomness.

use crate::home::{Paths, create_folder, seed_text, write_text};
use crate::records;
use crate::settings::Settings;
use crate::steward::{self, Passphrase};
use crate::{Home, NodeError, clock};
use motet_common::enrol::{Enrolment, JoinCode, Role, check_country, check_name};
use motet_common::refusal::{Code, Refusal};
use motet_proto::keyfile;
use motet_proto::refusal::refusal;
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::authority::{csr_key_digest, make_csr};
use motet_proto::tls::client::{ConnectError, Pinned, connect, connect_pinned};
use motet_proto::v1::enrolment_client::EnrolmentClient;
use motet_proto::v1::{InvitationRequest, InvitationResponse, JoinRequest, JoinResponse};
use motet_secagg::encode::Canonical as _;
use motet_secagg::secret::Secret;
use motet_secagg::sign::{PublicKey, SecretKey};
use serde::Serialize;
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Response, Status};

/// How long the coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a site has after joining.
#[derive(Debug, Serialize)]
pub struct Joined {
    /// Its name.
    pub site: String,
    /// Two capital letters.
    pub country: String,
    /// The consortium's name.
    pub consortium: String,
    /// The node's id.
    pub node: String,
    /// Fingerprint of the identity key.
    pub identity: String,
    /// Fingerprint of the steward's key.
    pub steward: String,
    /// Whether the steward's key has a passphrase.
    pub steward_passphrase: bool,
    /// Fingerprint of the governance key, the same as in the join code.
    pub governance: String,
    /// The folder.
    pub dir: String,
    /// Why a first connection with the new certificate failed, if it did.
    pub warning: Option<String>,
}

/// The keys of a new site.
struct Keys {
    identity: SecretKey,
    steward: SecretKey,
    witness: SecretKey,
    state: Secret,
    csr: Vec<u8>,
    tls_pem: zeroize::Zeroizing<String>,
}

/// A folder that removes itself unless it became the real one.
struct Draft {
    paths: Paths,
    kept: bool,
}

/// Joins the consortium that invited the site.
///
/// # Errors
/// `bad_join_code`, the coordinator's own refusals such as `token_used`, [`NodeError::AlreadyJoined`],
/// [`NodeError::NotEmpty`], [`NodeError::Connect`].
pub async fn join(code: &str, dir: &Path, passphrase: Option<&Passphrase>) -> Result<Joined, NodeError> {
    let code = read_code(code)?;
    refuse_taken(dir)?;
    let Pinned { channel, ca_pem } = connect_pinned(&code.address, &code.ca_fingerprint).await?;
    let mut coordinator = EnrolmentClient::new(channel);
    let InvitationResponse { name, country, .. } = invitation(&mut coordinator, &code).await?;
    let keys = Keys::make(&name)?;
    // The keys are on disk before the invitation is spent: a full disk must not cost the site its invitation.
    let draft = Draft::beside(dir)?;
    keys.write(&draft.paths, passphrase)?;
    let request = keys.request(&code, &name, &country)?;
    let answer = heard(coordinator.join(request)).await?;
    let governance = governance(&code, &answer)?;

    let paths = &draft.paths;
    write_text(&paths.authority(), &ca_pem)?;
    write_text(&paths.certificate(), &answer.certificate)?;
    write_text(&paths.public("governance"), &format!("{}\n", governance.hex()))?;
    write_text(&paths.settings(), &Settings::fresh(&name, &country, &answer.consortium, &code.address))?;
    paths.read_settings()?;
    let warning = match connect(&code.address, &paths.client()?, COORDINATOR_NAME).await {
        Ok(_) => None,
        Err(error @ ConnectError::Identity { .. }) => {
            return Err(NodeError::Coordinator(format!(
                "the coordinator's certificate does not fit the keys made here ({error}): tell the operator"
            )));
        }
        Err(error) => Some(error.to_string()),
    };
    draft.keep(dir)?;
    let home = Home::open(dir).await?;
    let text = format!("site {name} joined the consortium {}", answer.consortium);
    records::event(&home.ledger, clock::now().ms, "joined", text).await?;
    Ok(Joined {
        site: name,
        country,
        consortium: answer.consortium,
        node: home.node().hex(),
        identity: home.identity.public().fingerprint().hex(),
        steward: home.steward.fingerprint().hex(),
        steward_passphrase: passphrase.is_some(),
        governance: governance.fingerprint().hex(),
        dir: dir.display().to_string(),
        warning,
    })
}

/// What a person sees after joining.
pub fn joined_text(joined: &Joined) -> String {
    let key = match joined.steward_passphrase {
        true => {
            "the steward's key is sealed under its passphrase: it is asked for at each decision".to_owned()
        }
        false => format!(
            "the steward's key is the file {}/keys/steward.key (mode 0600): whoever can read it decides for this site.\n\
             `join` with --steward-passphrase-file F protects it",
            joined.dir
        ),
    };
    let warning = joined.warning.as_ref().map(|why| format!("\nwarning: {why}")).unwrap_or_default();
    format!(
        "site {} ({}) has joined the consortium {}\n  identity key  {}\n  steward's key {}\n  governance    {}\n{key}\n\
         next: motet-node data add NAME --csv F --schema S.toml --dir {dir}\n      motet-node run --dir {dir}{warning}",
        joined.site,
        joined.country,
        joined.consortium,
        joined.identity,
        joined.steward,
        joined.governance,
        dir = joined.dir
    )
}

fn read_code(text: &str) -> Result<JoinCode, NodeError> {
    let code = JoinCode::parse(text).map_err(|error| Refusal::new(Code::BadJoinCode, error.to_string()))?;
    if code.role != Role::Site {
        let detail =
            format!("this invitation is for a {}; a site needs one of `motet site invite`", code.role);
        return Err(Refusal::new(Code::RoleNotAllowed, detail).into());
    }
    Ok(code)
}

fn refuse_taken(dir: &Path) -> Result<(), NodeError> {
    let paths = Paths::new(dir);
    if paths.settings().exists() || paths.key("identity").exists() {
        return Err(NodeError::AlreadyJoined(dir.to_path_buf()));
    }
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(NodeError::NotEmpty(dir.to_path_buf())),
            None => Ok(()),
        },
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(NodeError::file("read", dir)(cause)),
    }
}

impl Keys {
    fn make(name: &str) -> Result<Self, NodeError> {
        let mut dice = motet_proto::dice::dice();
        let mut key = || SecretKey::from_seed(*Secret::draw(&mut dice).expose());
        let (identity, steward, witness) = (key(), key(), key());
        let (csr, tls_pem) = make_csr(name).map_err(|error| NodeError::Usage(error.to_string()))?;
        Ok(Self { identity, steward, witness, state: Secret::draw(&mut dice), csr, tls_pem })
    }

    fn write(&self, paths: &Paths, passphrase: Option<&Passphrase>) -> Result<(), NodeError> {
        create_folder(&paths.dir().join("keys"))?;
        keyfile::write_new_secret(&paths.key("identity"), seed_text(&self.identity.seed()).as_bytes())?;
        keyfile::write_new_secret(&paths.key("witness"), seed_text(&self.witness.seed()).as_bytes())?;
        keyfile::write_new_secret(&paths.key("state"), seed_text(self.state.expose()).as_bytes())?;
        keyfile::write_new_secret(&paths.key("tls"), self.tls_pem.as_bytes())?;
        steward::write(&paths.key("steward"), &self.steward, passphrase)?;
        write_text(&paths.public("steward"), &format!("{}\n", self.steward.public().hex()))
    }

    fn request(&self, code: &JoinCode, name: &str, country: &str) -> Result<JoinRequest, NodeError> {
        let enrolment = Enrolment {
            invite: code.invite,
            name: name.to_owned(),
            country: country.to_owned(),
            role: Role::Site,
            identity: self.identity.public(),
            steward: Some(self.steward.public()),
            witness: Some(self.witness.public()),
            csr_key_digest: csr_key_digest(&self.csr).map_err(|error| NodeError::Usage(error.to_string()))?,
            governance_fingerprint: code.governance_fingerprint,
        };
        let proof = enrolment.prove(&code.secret).to_vec();
        Ok(JoinRequest { enrolment: enrolment.to_bytes(), proof, csr: self.csr.clone() })
    }
}

/// Whom the invitation is for, as the coordinator says. The proof covers these words, and the operator's command holds
/// them against its own record: a coordinator that lies here gains no hospital.
async fn invitation(
    coordinator: &mut EnrolmentClient<Channel>,
    code: &JoinCode,
) -> Result<InvitationResponse, NodeError> {
    let request = InvitationRequest { invite: code.invite.to_vec() };
    let invited = heard(coordinator.invitation(request)).await?;
    let strange =
        |why: String| NodeError::Coordinator(format!("the coordinator's answer is not acceptable: {why}"));
    check_name(&invited.name).map_err(|error| strange(error.to_string()))?;
    check_country(&invited.country).map_err(|error| strange(error.to_string()))?;
    Ok(invited)
}

/// The coordinator's answer, or its refusal, or what happened on the way.
async fn heard<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, NodeError> {
    let answer = timeout(PATIENCE, call).await.map_err(|_| {
        let waited = PATIENCE.as_secs();
        NodeError::Coordinator(format!(
            "the coordinator did not answer within {waited} s: try the same code again"
        ))
    })?;
    answer.map(Response::into_inner).map_err(|status| {
        match (refusal(&status), ConnectError::within(&status)) {
            (Some(refusal), _) => refusal.into(),
            (None, Some(error)) => error.into(),
            (None, None) => NodeError::Coordinator(format!("the coordinator failed: {}", status.message())),
        }
    })
}

/// The governance key, when it is the one that the operator's join code names: every roster will hang on it.
fn governance(code: &JoinCode, answer: &JoinResponse) -> Result<PublicKey, NodeError> {
    let named = <[u8; 32]>::try_from(answer.governance.as_slice()).map(PublicKey).ok();
    named.filter(|key| key.is_sound() && key.fingerprint() == code.governance_fingerprint).ok_or_else(|| {
        NodeError::Coordinator(
            "the coordinator names another governance key than the join code: do not go on, and call the operator".to_owned(),
        )
    })
}

impl Draft {
    fn beside(dir: &Path) -> Result<Self, NodeError> {
        let name = dir.file_name().ok_or_else(|| NodeError::NotEmpty(dir.to_path_buf()))?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{:016x}.joining", u64::from_le_bytes(motet_proto::dice::bytes())));
        let path: PathBuf = parent.join(hidden);
        create_folder(&path)?;
        Ok(Self { paths: Paths::new(&path), kept: false })
    }

    /// Gives the folder its name. An empty folder of that name gives way; anything in it stands.
    fn keep(mut self, dir: &Path) -> Result<(), NodeError> {
        refuse_taken(dir)?;
        if dir.is_dir() {
            fs::remove_dir(dir).map_err(NodeError::file("replace", dir))?;
        }
        fs::rename(self.paths.dir(), dir).map_err(NodeError::file("write", dir))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(self.paths.dir());
        }
    }
}

#[cfg(test)]
#[path = "join_tests.rs"]
pub(crate) mod tests;
