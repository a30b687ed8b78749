//! Joining against a coordinator with real TLS on loopback: what is left behind, and what is
//! refused.

use super::*;
use motet_common::enrol::{EnrolError, Possession, Ticket};
use motet_proto::refusal::status;
use motet_proto::tls::authority::{Authority, Subject, Validity};
use motet_proto::tls::server::{Connections, serve, server_config};
use motet_proto::v1::enrolment_server::{Enrolment as Service, EnrolmentServer};
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::net::TcpListener;
use tonic::Request;
use zeroize::Zeroizing;

const SECRET: [u8; 32] = [4; 32];

fn governance_key() -> PublicKey {
    crate::studies::tests::governance().public()
}

/// A coordinator that issues certificates, and may lie or refuse.
struct Coordinator {
    authority: Authority,
    governance: PublicKey,
    refuse: Option<Code>,
    /// Another name than the invited one.
    name: Option<String>,
    /// What was issued, by the canonical bytes of the enrolment; the first answer is lost.
    lost: Option<Mutex<BTreeMap<Vec<u8>, String>>>,
}

#[tonic::async_trait]
impl Service for Coordinator {
    async fn invitation(
        &self,
        request: Request<InvitationRequest>,
    ) -> Result<Response<InvitationResponse>, Status> {
        let request = request.into_inner();
        assert_eq!(
            (request.invite, request.ticket),
            (vec![3; 16], Ticket::of(&SECRET, &[3; 16]).0.to_vec())
        );
        let (name, country) = ("amsterdam".to_owned(), "NL".to_owned());
        let role = motet_proto::v1::MemberRole::Site.into();
        Ok(Response::new(InvitationResponse {
            name: self.name.clone().unwrap_or(name),
            country,
            role,
        }))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        if let Some(code) = self.refuse {
            return Err(status(&Refusal::from(code)));
        }
        let request = request.into_inner();
        assert_eq!(request.ticket, Ticket::of(&SECRET, &[3; 16]).0);
        let enrolment =
            Enrolment::from_bytes(&request.enrolment).map_err(|_| Status::internal("enrolment"))?;
        let proof = request
            .proof
            .try_into()
            .map_err(|_| Status::internal("proof"))?;
        // Only the operator's command could check this; the test plays both.
        let possession = Possession::from_bytes(&request.possession)
            .map_err(|_| Status::internal("possession"))?;
        enrolment
            .verify(&SECRET, &proof, &possession)
            .map_err(|error: EnrolError| Status::internal(error.to_string()))?;
        if enrolment.csr_key_digest != csr_key_digest(&request.csr).unwrap() {
            return Err(Status::internal("csr"));
        }
        let known = self
            .lost
            .as_ref()
            .map(|lost| lost.lock().unwrap().get(&request.enrolment).cloned());
        let subject = Subject {
            name: enrolment.name,
            country: enrolment.country,
            role: enrolment.role,
            node: Some(enrolment.identity.node_id()),
        };
        let fresh = self
            .authority
            .sign_csr(&request.csr, &subject, Validity::days(30))
            .unwrap();
        let certificate = match (&self.lost, known.flatten()) {
            (_, Some(certificate)) => certificate,
            (Some(lost), None) if lost.lock().unwrap().is_empty() => {
                lost.lock().unwrap().insert(request.enrolment, fresh);
                return Err(Status::unavailable("the line broke"));
            }
            (Some(_), None) => return Err(status(&Refusal::from(Code::TokenUsed))),
            (None, None) => fresh,
        };
        Ok(Response::new(JoinResponse {
            certificate,
            authority: self.authority.cert_pem().to_owned(),
            governance: self.governance.0.to_vec(),
            consortium: "Stroke Europe".into(),
        }))
    }
}

/// Starts it and gives the join code it would be found with.
pub(crate) async fn coordinator(governance: PublicKey, refuse: Option<Code>) -> String {
    start(governance, refuse, None, None).await
}

async fn start(
    governance: PublicKey,
    refuse: Option<Code>,
    name: Option<String>,
    lost: Option<Mutex<BTreeMap<Vec<u8>, String>>>,
) -> String {
    let authority = Authority::create("Stroke Europe").unwrap();
    let server = authority
        .issue_server(&["127.0.0.1".into()], "NL", Validity::days(30))
        .unwrap();
    let config = server_config(authority.cert_pem(), &server).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let code = code_for(
        &listener.local_addr().unwrap().to_string(),
        authority.fingerprint(),
        Role::Site,
    );
    let service = EnrolmentServer::new(Coordinator {
        authority,
        governance,
        refuse,
        name,
        lost,
    });
    tokio::spawn(serve(listener, config, Connections::new(|_| true), service));
    code
}

fn code_for(address: &str, ca_fingerprint: Digest, role: Role) -> String {
    let code = JoinCode {
        address: address.into(),
        ca_fingerprint,
        governance_fingerprint: governance_key().fingerprint(),
        invite: [3; 16],
        secret: Zeroizing::new(SECRET),
        role,
    };
    code.to_text().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_site_joins_once_and_finds_its_folder_whole() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("node");
    let code = coordinator(governance_key(), None).await;
    let joined = join(&code, &dir, None).await.unwrap();
    assert_eq!(
        joined.warning, None,
        "the new certificate opens a mutual TLS connection"
    );
    assert_eq!(
        (joined.consortium.as_str(), joined.steward_passphrase),
        ("Stroke Europe", false)
    );
    assert!(joined_text(&joined).contains("mode 0600"));
    assert_eq!(names(folder.path()), ["node"], "the draft is gone");
    let home = Home::open(&dir).await.unwrap();
    assert_eq!(
        (home.settings.site.as_str(), home.governance),
        ("amsterdam", governance_key())
    );
    assert_eq!(home.node().hex(), joined.node);
    let key = steward::open(&home.paths.key("steward"), || {
        panic!("there is no passphrase")
    })
    .unwrap();
    assert_eq!(key.public(), home.steward);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        let keys = [
            "identity.key",
            "state.key",
            "steward.key",
            "tls.key",
            "witness.key",
        ];
        assert_eq!(names(&dir.join("keys")), keys);
        names(&dir.join("keys"))
            .iter()
            .for_each(|name| assert_eq!(mode(&dir.join("keys").join(name)), 0o600, "{name}"));
    }
    let again = join(&code, &dir, None).await.unwrap_err();
    assert_eq!((again.code(), again.exit()), (Some("already_joined"), 3));
    assert_eq!(
        Home::open(&dir).await.unwrap().node(),
        home.node(),
        "and nothing was touched"
    );
}

#[tokio::test]
async fn a_passphrase_seals_the_stewards_key_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("node");
    fs::create_dir(&dir).unwrap();
    let code = coordinator(governance_key(), None).await;
    let phrase = Zeroizing::new("correct horse battery".to_owned());
    let joined = join(&code, &dir, Some(&phrase)).await.unwrap();
    assert!(joined.steward_passphrase);
    assert!(steward::is_sealed(&Paths::new(&dir).key("steward")).unwrap());
    assert!(steward::is_sealed(&Paths::new(&dir).key("identity")).is_ok_and(|sealed| !sealed));
}

#[tokio::test]
async fn no_answer_of_the_coordinator_costs_a_newcomer_its_keys() {
    let other = SecretKey::from_seed([10; 32]).public();
    let last = [
        Code::TokenUsed,
        Code::Malformed,
        Code::TokenUnknown,
        Code::TokenExpired,
        Code::KeyTaken,
    ];
    let mut codes = vec![(coordinator(other, None).await, "another governance key")];
    for code in last {
        codes.push((
            coordinator(governance_key(), Some(code)).await,
            code.as_str(),
        ));
    }
    for (code, words) in codes {
        let folder = tempfile::tempdir().unwrap();
        let error = join(&code, &folder.path().join("node"), None)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        let left = names(folder.path());
        assert_eq!(left.len(), 1, "{words}: {left:?}");
        assert!(
            error.to_string().contains(&left[0]),
            "where they lie: {error}"
        );
        assert!(
            folder
                .path()
                .join(&left[0])
                .join("keys/identity.key")
                .exists(),
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_join_that_fails_before_keys_were_sent_leaves_nothing() {
    let elsewhere = {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        code_for(&format!("127.0.0.1:{port}"), Digest([1; 32]), Role::Site)
    };
    let foreign = {
        let real = JoinCode::parse(&coordinator(governance_key(), None).await).unwrap();
        code_for(&real.address, Digest([1; 32]), Role::Site)
    };
    for (code, words) in [
        (
            start(governance_key(), None, Some("../etc".into()), None).await,
            "not acceptable",
        ),
        (elsewhere, "cannot reach"),
        (foreign, "another authority"),
        (
            code_for("127.0.0.1:1", Digest([1; 32]), Role::Researcher),
            "role_not_allowed",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = join(&code, &folder.path().join("node"), None)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(names(folder.path()), [""; 0], "{words}");
    }
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_goes_on_with_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("node");
    let code = start(governance_key(), None, None, Some(Mutex::default())).await;
    let phrase = Zeroizing::new("correct horse battery".to_owned());
    let error = join(&code, &dir, Some(&phrase)).await.unwrap_err();
    assert!(
        error.to_string().contains("the same code and folder go on"),
        "{error}"
    );
    assert!(!dir.exists(), "nothing half-made");
    let keys = |folder: &Path| fs::read(folder.join("keys/identity.key")).unwrap();
    let draft = folder.path().join(&names(folder.path())[0]);
    let before = keys(&draft);
    let elsewhere = join(&code, &folder.path().join("elsewhere"), None)
        .await
        .unwrap_err();
    assert_eq!(
        elsewhere.code(),
        Some("token_used"),
        "other keys have no claim"
    );
    let other = Zeroizing::new("another passphrase".to_owned());
    assert!(
        join(&code, &dir, Some(&other)).await.is_err(),
        "the steward's key is sealed"
    );
    let joined = join(&code, &dir, Some(&phrase)).await.unwrap();
    assert_eq!(joined.warning, None);
    assert_eq!(keys(&dir), before);
    assert!(
        !names(folder.path())
            .iter()
            .any(|name| name.starts_with(".node")),
        "the draft is gone"
    );
}

#[tokio::test]
async fn a_passphrase_given_at_a_later_try_seals_the_key_that_an_earlier_one_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("node");
    let code = start(governance_key(), None, None, Some(Mutex::default())).await;
    join(&code, &dir, None).await.unwrap_err();
    let draft = Paths::new(&folder.path().join(&names(folder.path())[0]));
    let key = steward::open(&draft.key("steward"), || panic!("there is no passphrase")).unwrap();
    let phrase = Zeroizing::new("correct horse battery".to_owned());
    let joined = join(&code, &dir, Some(&phrase)).await.unwrap();
    let sealed = steward::is_sealed(&Paths::new(&dir).key("steward")).unwrap();
    assert_eq!(
        (joined.steward_passphrase, sealed),
        (true, true),
        "what is said is so"
    );
    let opened = steward::open(&Paths::new(&dir).key("steward"), || Ok(phrase)).unwrap();
    assert_eq!(opened.public(), key.public());
}

#[tokio::test]
async fn a_damaged_code_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("node");
    let code = code_for("127.0.0.1:1", Digest([1; 32]), Role::Site);
    let last = code.chars().last().unwrap();
    let damaged = format!(
        "{}{}",
        &code[..code.len() - 1],
        if last == 'a' { 'e' } else { 'a' }
    );
    for bad in ["", "hello", &code[..100], &damaged] {
        let error = join(bad, &dir, None).await.unwrap_err();
        assert_eq!(
            (error.code(), error.exit()),
            (Some("bad_join_code"), 3),
            "{bad}"
        );
    }
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_folder_with_something_in_it_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "x").unwrap();
    let code = code_for("127.0.0.1:1", Digest([1; 32]), Role::Site);
    let error = join(&code, folder.path(), None).await.unwrap_err();
    assert!(matches!(error, NodeError::NotEmpty(_)), "{error}");
    assert_eq!(names(folder.path()), ["thesis.txt"]);
}
