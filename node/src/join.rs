//! From an invitation to the folder of a site. Every key is made here and its private half never
//! leaves; the coordinator gets public halves, their signatures, and a proof that only the holder
//! of the join code can make.
//!
//! ```text
//! code --> coordinator, known by the fingerprint in the code --> for whom the invitation is
//!      --> keys in a draft of DIR --> signatures and proof over their public halves --> certificate
//!      --> the draft becomes DIR
//! ```
//! The draft lies beside DIR until everything is in it. Whatever stops a join (a crash, an answer
//! that is lost, a refusal) leaves it, and the same code goes on with the same keys. Keys are made
//! in this file only; it reads the operating system's randomness.

use crate::error::StewardError;
use crate::home::{Paths, create_folder, read_seed, seed_text, write_text};
use crate::records;
use crate::settings::Settings;
use crate::steward::{self, Passphrase};
use crate::{Home, NodeError, clock};
use motet_common::enrol::{Enrolment, JoinCode, Role, check_country, check_name, is_final};
use motet_common::refusal::{Code, Refusal};
use motet_common::text::shown;
use motet_ledger::Ledger;
use motet_proto::draft::Draft;
use motet_proto::keyfile;
use motet_proto::refusal::{refusal, words};
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::authority::{AuthorityError, csr_key_digest, make_csr, renew_csr};
use motet_proto::tls::client::{ConnectError, Pinned, connect, connect_pinned};
use motet_proto::v1::enrolment_client::EnrolmentClient;
use motet_proto::v1::{InvitationRequest, InvitationResponse, JoinRequest, JoinResponse};
use motet_secagg::encode::Canonical as _;
use motet_secagg::secret::Secret;
use motet_secagg::sign::{PublicKey, SecretKey};
use serde::Serialize;
use std::fs;
use std::future::Future;
use std::path::Path;
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

/// The keys of a new site, as they lie in its draft.
struct Keys {
    identity: SecretKey,
    steward: SecretKey,
    witness: SecretKey,
    csr: Vec<u8>,
}

/// Joins the consortium that invited the site.
///
/// # Errors
/// `bad_join_code`, the coordinator's own refusals such as `token_used`,
/// [`NodeError::AlreadyJoined`], [`NodeError::NotEmpty`], [`NodeError::Connect`].
pub async fn join(
    code: &str,
    dir: &Path,
    passphrase: Option<&Passphrase>,
) -> Result<Joined, NodeError> {
    let code = read_code(code)?;
    refuse_taken(dir)?;
    let Pinned { channel, ca_pem } = connect_pinned(&code.address, &code.ca_fingerprint).await?;
    let mut coordinator = EnrolmentClient::new(channel);
    let InvitationResponse { name, country, .. } = invitation(&mut coordinator, &code).await?;
    // The keys are on disk before the invitation is spent: neither a full disk nor a lost answer
    // costs the site its place.
    let draft =
        Draft::beside(dir, &code.invite).map_err(NodeError::file("make a draft of", dir))?;
    let paths = Paths::new(draft.path());
    let keys = Keys::of(&paths, &name, passphrase)?;
    let request = keys.request(&code, &name, &country)?;
    let answer = match heard(coordinator.join(request)).await {
        Ok(answer) => answer,
        Err(NodeError::Refused(Refusal { code, detail })) if is_final(code) => {
            let kept = draft.kept();
            let detail = if detail.is_empty() {
                kept
            } else {
                format!("{detail}; {kept}")
            };
            return Err(Refusal::new(code, detail).into());
        }
        Err(NodeError::Coordinator(what)) => {
            let dir = dir.display();
            let next = format!(
                "the keys are kept beside `{dir}`: the same code and folder go on with them"
            );
            return Err(NodeError::Coordinator(format!("{what}; {next}")));
        }
        Err(error) => return Err(error),
    };
    let governance = governance(&code, &answer).ok_or_else(|| {
        let kept = draft.kept();
        let what = "the coordinator names another governance key than the join \
            code: do not go on, and call the operator";
        NodeError::Coordinator(format!("{what}; {kept}"))
    })?;

    // The coordinator says it, and it is printed.
    let consortium = shown(&answer.consortium);
    write_text(&paths.authority(), &ca_pem)?;
    write_text(&paths.certificate(), &answer.certificate)?;
    write_text(
        &paths.public("governance"),
        &format!("{}\n", governance.hex()),
    )?;
    write_text(
        &paths.settings(),
        &Settings::fresh(&name, &country, &consortium, &code.address),
    )?;
    paths.read_settings()?;
    let warning = match connect(&code.address, &paths.client()?, COORDINATOR_NAME).await {
        Ok(_) => None,
        Err(error @ ConnectError::Identity { .. }) => {
            let kept = draft.kept();
            return Err(NodeError::Coordinator(format!(
                "the coordinator's certificate does not fit the keys made \
                 here ({error}): tell the operator; {kept}"
            )));
        }
        Err(error) => Some(error.to_string()),
    };
    // Its ledger too is there before the folder has its name: a folder of a site is whole at every
    // moment. Begun here and nowhere else, and again where a join was broken off: a node that finds
    // no ledger has lost one.
    let ledger = paths.ledger();
    if ledger.exists() {
        std::fs::remove_dir_all(&ledger).map_err(NodeError::file("remove", &ledger))?;
    }
    Ledger::create(&ledger).await?.close().await;
    let home = Home::open(draft.path()).await?;
    let text = format!("site {name} joined the consortium {consortium}");
    records::event(&home.ledger, clock::now().ms, "joined", text).await?;
    home.ledger.close().await;
    let steward_passphrase = steward::is_sealed(&paths.key("steward"))?;
    refuse_taken(dir)?;
    draft.keep().map_err(NodeError::file("write", dir))?;
    Ok(Joined {
        site: name,
        country,
        consortium,
        node: home.node().hex(),
        identity: home.identity.public().fingerprint().hex(),
        steward: home.steward.fingerprint().hex(),
        steward_passphrase,
        governance: governance.fingerprint().hex(),
        dir: dir.display().to_string(),
        warning,
    })
}

/// What a person sees after joining.
pub fn joined_text(joined: &Joined) -> String {
    let key = match joined.steward_passphrase {
        true => {
            "the steward's key is sealed under its passphrase: it is asked for at each decision"
                .to_owned()
        }
        false => format!(
            "the steward's key is the file {}/keys/steward.key (mode 0600): \
             whoever can read it decides for this site.\n\
             `join` with --steward-passphrase-file F protects it",
            joined.dir
        ),
    };
    let warning = joined
        .warning
        .as_ref()
        .map_or_else(String::new, |why| format!("\nwarning: {why}"));
    format!(
        "site {} ({}) has joined the consortium {}\n  identity key  {}\n  steward's key {}\n  governance    {}\n{key}\n\
         next: motet-node data add NAME --csv F --schema S.toml --dir \
         {dir}\n      motet-node run --dir {dir}{warning}",
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
    let code = JoinCode::parse(text)
        .map_err(|error| Refusal::new(Code::BadJoinCode, error.to_string()))?;
    if code.role != Role::Site {
        let detail = format!(
            "this invitation is for a {}; a site needs one of `motet site invite`",
            code.role
        );
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
    /// The keys in the draft; one that is not there yet is made and written. All are on disk when
    /// this returns.
    fn of(paths: &Paths, name: &str, passphrase: Option<&Passphrase>) -> Result<Self, NodeError> {
        create_folder(&paths.dir().join("keys"))?;
        let identity = kept(&paths.key("identity"))?;
        let witness = kept(&paths.key("witness"))?;
        // The vault's key: no other half of it is enrolled.
        kept(&paths.key("state"))?;
        let steward = steward_key(&paths.key("steward"), passphrase)?;
        write_text(
            &paths.public("steward"),
            &format!("{}\n", steward.public().hex()),
        )?;
        let unusable = |error: AuthorityError| NodeError::Usage(error.to_string());
        let tls = paths.key("tls");
        let csr = if tls.exists() {
            renew_csr(name, &keyfile::read_secret_text(&tls)?).map_err(unusable)?
        } else {
            let (csr, pem) = make_csr(name).map_err(unusable)?;
            keyfile::write_new_secret(&tls, pem.as_bytes())?;
            csr
        };
        Ok(Self {
            identity,
            steward,
            witness,
            csr,
        })
    }

    fn request(
        &self,
        code: &JoinCode,
        name: &str,
        country: &str,
    ) -> Result<JoinRequest, NodeError> {
        let enrolment = Enrolment {
            invite: code.invite,
            name: name.to_owned(),
            country: country.to_owned(),
            role: Role::Site,
            identity: self.identity.public(),
            steward: Some(self.steward.public()),
            witness: Some(self.witness.public()),
            csr_key_digest: csr_key_digest(&self.csr)
                .map_err(|error| NodeError::Usage(error.to_string()))?,
            governance_fingerprint: code.governance_fingerprint,
        };
        let possession = enrolment.sign(&self.identity, Some(&self.steward), Some(&self.witness));
        Ok(JoinRequest {
            proof: enrolment.prove(&code.secret).to_vec(),
            possession: possession.to_bytes(),
            enrolment: enrolment.to_bytes(),
            csr: self.csr.clone(),
            ticket: code.ticket().0.to_vec(),
        })
    }
}

/// The key in this file, made where there is none.
fn kept(path: &Path) -> Result<SecretKey, NodeError> {
    if !path.exists() {
        let seed = Secret::draw(&mut motet_proto::rng::rng());
        keyfile::write_new_secret(path, seed_text(seed.expose()).as_bytes())?;
    }
    Ok(SecretKey::from_seed(*read_seed(path)?))
}

/// The steward's key likewise; one that an earlier try sealed opens with the same passphrase, and
/// one that an earlier try left open is sealed now.
fn steward_key(path: &Path, passphrase: Option<&Passphrase>) -> Result<SecretKey, NodeError> {
    if path.exists() {
        let key = steward::open(path, || {
            passphrase.cloned().ok_or(StewardError::NobodyToAsk)
        })?;
        if let Some(passphrase) =
            passphrase.filter(|_| steward::is_sealed(path).is_ok_and(|sealed| !sealed))
        {
            steward::seal_in_place(path, &key, passphrase)?;
        }
        return Ok(key);
    }
    let key = SecretKey::from_seed(*Secret::draw(&mut motet_proto::rng::rng()).expose());
    steward::write(path, &key, passphrase)?;
    Ok(key)
}

/// Whom the invitation is for, as the coordinator says. The proof covers these words, and the
/// operator's command holds them against its own record: a coordinator that lies here gains no
/// hospital.
async fn invitation(
    coordinator: &mut EnrolmentClient<Channel>,
    code: &JoinCode,
) -> Result<InvitationResponse, NodeError> {
    let request = InvitationRequest {
        invite: code.invite.to_vec(),
        ticket: code.ticket().0.to_vec(),
    };
    let invited = heard(coordinator.invitation(request)).await?;
    let strange = |why: String| {
        NodeError::Coordinator(format!("the coordinator's answer is not acceptable: {why}"))
    };
    check_name(&invited.name).map_err(|error| strange(error.to_string()))?;
    check_country(&invited.country).map_err(|error| strange(error.to_string()))?;
    Ok(invited)
}

/// The coordinator's answer, or its refusal, or what happened on the way.
async fn heard<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, NodeError> {
    let answer = timeout(PATIENCE, call).await.map_err(|_| {
        let waited = PATIENCE.as_secs();
        NodeError::Coordinator(format!("the coordinator did not answer within {waited} s"))
    })?;
    answer.map(Response::into_inner).map_err(|status| {
        match (refusal(&status), ConnectError::within(&status)) {
            (Some(refusal), _) => refusal.into(),
            (None, Some(error)) => error.into(),
            (None, None) => {
                NodeError::Coordinator(format!("the coordinator failed: {}", words(&status)))
            }
        }
    })
}

/// The governance key, when it is the one that the operator's join code names: every roster will
/// hang on it.
fn governance(code: &JoinCode, answer: &JoinResponse) -> Option<PublicKey> {
    let named = <[u8; 32]>::try_from(answer.governance.as_slice())
        .map(PublicKey)
        .ok();
    named.filter(|key| key.is_sound() && key.fingerprint() == code.governance_fingerprint)
}

#[cfg(test)]
#[path = "join_tests.rs"]
pub(crate) mod tests;
