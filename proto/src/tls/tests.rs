//! Real handshakes over loopback.

use super::authority::{
    Authority, AuthorityError, ServerIdentity, Subject, Validity, certificate_digest,
    csr_key_digest, make_csr, renew_csr,
};
use super::client::{ClientIdentity, ConnectError, connect, connect_pinned};
use super::peer::{Peer, peer_of};
use super::server::{Caller, Connections, incoming, serve, server_config};
use super::*;
use motet_common::enrol::Role;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, NamedGroup, ProtocolVersion, RootCertStore};
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt as _;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Channel;
use tower::{Service as _, ServiceExt as _};
use x509_parser::prelude::FromDer as _;

#[path = "connections_tests.rs"]
mod connections_tests;

const PAST: Validity = Validity {
    from_s: 1_000_000_000,
    until_s: 1_100_000_000,
};
const FUTURE: Validity = Validity {
    from_s: 4_000_000_000,
    until_s: 4_100_000_000,
};

fn authority() -> Authority {
    Authority::create("Stroke Europe").unwrap()
}

fn server_identity(authority: &Authority, validity: Validity) -> ServerIdentity {
    authority
        .issue_server(&["127.0.0.1".into(), "localhost".into()], "NL", validity)
        .unwrap()
}

fn site() -> Subject {
    Subject {
        name: "amsterdam-2".into(),
        country: "NL".into(),
        role: Role::Site,
        node: Some(NodeId([0xab; 16])),
    }
}

fn identity(authority: &Authority, validity: Validity) -> ClientIdentity {
    let (csr, key_pem) = make_csr("amsterdam-2").unwrap();
    let cert_pem = authority.sign_csr(&csr, &site(), validity).unwrap();
    ClientIdentity {
        ca_pem: authority.cert_pem().to_owned(),
        cert_pem,
        key_pem,
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Connections at a coordinator that has issued every certificate of its authority.
fn everybody() -> Connections {
    Connections::new(|_| true)
}

fn digest(identity: &ClientIdentity) -> Digest {
    certificate_digest(&identity.cert_pem).unwrap()
}

/// A coordinator that answers every call with the caller's name; `/wait` it never answers.
async fn coordinator(authority: &Authority, identity: &ServerIdentity) -> (String, Connections) {
    let connections = everybody();
    (
        listening(authority, identity, &connections).await,
        connections,
    )
}

async fn listening(
    authority: &Authority,
    identity: &ServerIdentity,
    connections: &Connections,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = server_config(authority.cert_pem(), identity).unwrap();
    let service = tower::service_fn(|request: Request<Body>| async move {
        let caller = request.extensions().get::<Caller>().unwrap().clone();
        let name = caller
            .peer
            .map_or_else(|| "nobody".to_owned(), |peer| peer.name.clone());
        if request.uri().path() == "/wait" {
            std::future::pending::<()>().await;
        }
        let answer = Response::builder()
            .header("caller", name)
            .body(Body::empty())
            .unwrap();
        Ok::<_, Infallible>(answer)
    });
    tokio::spawn(serve(listener, config, connections.clone(), service));
    address
}

async fn call(channel: &mut Channel, path: &str) -> Result<String, tonic::transport::Error> {
    let uri = format!("http://coordinator{path}");
    let request = Request::builder()
        .method("POST")
        .uri(uri)
        .body(Body::empty())
        .unwrap();
    let response = channel.ready().await?.call(request).await?;
    Ok(response.headers()["caller"].to_str().unwrap().to_owned())
}

#[tokio::test]
async fn both_sides_show_certificates_and_the_key_exchange_is_post_quantum() {
    let authority = authority();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = server_config(
        authority.cert_pem(),
        &server_identity(&authority, Validity::days(30)),
    )
    .unwrap();
    let mut arriving = incoming(listener, config, everybody()).sites;
    // Plain rustls on the other side, with its own defaults: the server itself must insist.
    let ours = identity(&authority, Validity::days(30));
    let mut roots = RootCertStore::empty();
    roots.add(der(&ours.ca_pem)).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![der(&ours.cert_pem)],
            PrivateKeyDer::from_pem_slice(ours.key_pem.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let dialling = async {
        let tcp = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector
            .connect(ServerName::try_from("127.0.0.1").unwrap(), tcp)
            .await
            .unwrap()
    };
    let (mut client, arrived) = tokio::join!(dialling, arriving.next());
    let mut server = arrived.unwrap().unwrap();
    assert_eq!(
        server.session().protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
    let group = server
        .session()
        .negotiated_key_exchange_group()
        .unwrap()
        .name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
    assert_eq!(server.session().alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(
        server.caller().peer.as_ref().unwrap().node,
        Some(NodeId([0xab; 16]))
    );
    client.write_all(b"hello").await.unwrap();
    client.flush().await.unwrap();
    let mut heard = [0; 5];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
}

#[tokio::test]
async fn a_call_says_who_calls_and_a_caller_without_a_certificate_is_nobody() {
    let authority = authority();
    let (address, connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    let ours = identity(&authority, Validity::days(30));
    let mut channel = connect(&address, &ours, COORDINATOR_NAME).await.unwrap();
    assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
    assert_eq!(connections.count(&digest(&ours)), 1);
    let mut by_address = connect(&address, &ours, "127.0.0.1").await.unwrap();
    assert_eq!(
        call(&mut by_address, "/hello").await.unwrap(),
        "amsterdam-2"
    );

    let mut pinned = connect_pinned(&address, &authority.fingerprint())
        .await
        .unwrap();
    assert_eq!(call(&mut pinned.channel, "/join").await.unwrap(), "nobody");
    assert_eq!(
        Digest::of_file(&der(&pinned.ca_pem)),
        authority.fingerprint()
    );
}

#[tokio::test]
async fn another_authority_is_refused_on_both_sides() {
    let (ours, theirs) = (authority(), authority());
    let (address, _connections) =
        coordinator(&ours, &server_identity(&ours, Validity::days(30))).await;
    // We trust another consortium than the server belongs to.
    let refused = connect(
        &address,
        &identity(&theirs, Validity::days(30)),
        COORDINATOR_NAME,
    )
    .await
    .unwrap_err();
    assert_eq!(refused.code(), "wrong-authority");
    assert!(
        refused.to_string().contains("Stroke Europe CA"),
        "{refused}"
    );
    // The server trusts another consortium than our certificate belongs to.
    let mut mixed = identity(&theirs, Validity::days(30));
    mixed.ca_pem = ours.cert_pem().to_owned();
    let refused = connect(&address, &mixed, COORDINATOR_NAME)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "certificate-refused");
    // A join code with another fingerprint, also the fingerprint of the server's own certificate.
    let refused = connect_pinned(&address, &theirs.fingerprint())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), "wrong-authority");
    let leaf = Digest::of_file(&der(&server_identity(&ours, Validity::days(30)).chain_pem));
    assert_eq!(
        connect_pinned(&address, &leaf).await.err().unwrap().code(),
        "wrong-authority"
    );
}

#[tokio::test]
async fn showing_the_right_root_beside_a_foreign_certificate_does_not_help() {
    let (ours, theirs) = (authority(), authority());
    let mut forged = server_identity(&theirs, Validity::days(30));
    forged.chain_pem.push_str(ours.cert_pem());
    let (address, _connections) = coordinator(&theirs, &forged).await;
    let refused = connect_pinned(&address, &ours.fingerprint())
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), "wrong-authority");
}

#[tokio::test]
async fn a_site_cannot_pose_as_the_coordinator() {
    let authority = authority();
    let site = identity(&authority, Validity::days(30));
    let posing = ServerIdentity {
        chain_pem: format!("{}{}", site.cert_pem, site.ca_pem),
        key_pem: site.key_pem,
    };
    let (address, _connections) = coordinator(&authority, &posing).await;
    let ours = identity(&authority, Validity::days(30));
    assert!(connect(&address, &ours, COORDINATOR_NAME).await.is_err());
    assert!(
        connect_pinned(&address, &authority.fingerprint())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn certificates_outside_their_dates_are_refused_and_the_clock_is_named() {
    let authority = authority();
    for (validity, code) in [
        (PAST, "certificate-expired"),
        (FUTURE, "certificate-not-yet-valid"),
    ] {
        let (address, _connections) =
            coordinator(&authority, &server_identity(&authority, validity)).await;
        let ours = identity(&authority, Validity::days(30));
        for refused in [
            connect(&address, &ours, COORDINATOR_NAME)
                .await
                .err()
                .unwrap(),
            connect_pinned(&address, &authority.fingerprint())
                .await
                .err()
                .unwrap(),
        ] {
            assert_eq!(refused.code(), code);
            assert!(refused.to_string().contains("clock"), "{refused}");
        }
    }
    let (address, _connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    for validity in [PAST, FUTURE] {
        let refused = connect(&address, &identity(&authority, validity), COORDINATOR_NAME)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "certificate-refused");
        assert!(refused.to_string().contains("clock"), "{refused}");
    }
}

#[tokio::test]
async fn another_name_nothing_and_not_a_coordinator_have_their_own_codes() {
    let authority = authority();
    let (address, _connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    let ours = identity(&authority, Validity::days(30));
    let code = |result: Result<Channel, ConnectError>| result.err().unwrap().code();
    assert_eq!(
        code(connect(&address, &ours, "other.example.org").await),
        "wrong-name"
    );
    assert_eq!(
        code(connect("nowhere", &ours, COORDINATOR_NAME).await),
        "bad-address"
    );

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = taken.local_addr().unwrap().to_string();
    drop(taken);
    assert_eq!(
        code(connect(&free, &ours, COORDINATOR_NAME).await),
        "unreachable"
    );

    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = other.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut tcp, _) = other.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        let _ = tcp.read(&mut [0; 4096]).await;
    });
    assert_eq!(
        code(connect(&web, &ours, COORDINATOR_NAME).await),
        "not-a-coordinator"
    );

    let broken = ClientIdentity {
        cert_pem: "no certificate".into(),
        ..ours
    };
    assert_eq!(
        code(connect(&address, &broken, COORDINATOR_NAME).await),
        "bad-identity"
    );
}

#[tokio::test]
async fn removing_a_site_cuts_the_call_under_way_and_only_that_site() {
    let authority = authority();
    let (address, connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    let ours = identity(&authority, Validity::days(30));
    let mut channel = connect(&address, &ours, COORDINATOR_NAME).await.unwrap();
    let mut other = connect_pinned(&address, &authority.fingerprint())
        .await
        .unwrap()
        .channel;
    assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
    let mut waiting = channel.clone();
    let under_way = tokio::spawn(async move { call(&mut waiting, "/wait").await });
    // The call is on the wire once a later one on the same connection is answered.
    tokio::task::yield_now().await;
    assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
    assert_eq!(connections.close(&Digest([1; 32])), 0);
    assert!(!under_way.is_finished());

    assert_eq!(connections.close(&digest(&ours)), 1);
    assert!(under_way.await.unwrap().is_err());
    assert_eq!(connections.count(&digest(&ours)), 0);
    assert_eq!(call(&mut other, "/hello").await.unwrap(), "nobody");
}

#[tokio::test]
async fn a_cut_connection_neither_reads_nor_writes() {
    let authority = authority();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = server_config(
        authority.cert_pem(),
        &server_identity(&authority, Validity::days(30)),
    )
    .unwrap();
    let connections = everybody();
    let mut arriving = incoming(listener, config, connections.clone()).sites;
    let ours = identity(&authority, Validity::days(30));
    let certificate = digest(&ours);
    let dialling = tokio::spawn(async move { connect(&address, &ours, COORDINATOR_NAME).await });
    let mut server = arriving.next().await.unwrap().unwrap();
    assert_eq!(server.caller().peer.as_ref().unwrap().name, "amsterdam-2");
    let cutter = connections.clone();
    let reading = async {
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.map(|_| ())
    };
    // The reader waits for bytes that never come; the cut must wake it.
    let (read, _) = tokio::join!(reading, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(cutter.close(&certificate), 1);
    });
    assert_eq!(
        read.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionAborted
    );
    assert_eq!(
        server.write(b"x").await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionAborted
    );
    assert_eq!(
        server.read(&mut [0; 1]).await.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionAborted
    );
    dialling.abort();
}

#[tokio::test]
async fn garbage_and_silence_do_not_stop_the_server() {
    let authority = authority();
    let (address, connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut tcp = TcpStream::connect(&address).await.unwrap();
        tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    let ours = identity(&authority, Validity::days(30));
    let mut channel = connect(&address, &ours, COORDINATOR_NAME).await.unwrap();
    assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
    // A connection that ends by itself leaves the list.
    drop(channel);
    while connections.count(&digest(&ours)) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A connection without a certificate that speaks no HTTP/2, and the coordinator's end of it.
async fn silent_stranger(
    authority: &Authority,
) -> (
    tokio_rustls::client::TlsStream<TcpStream>,
    super::server::Guarded,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = server_config(
        authority.cert_pem(),
        &server_identity(authority, Validity::days(30)),
    )
    .unwrap();
    let mut arriving = incoming(listener, config, everybody()).strangers;
    let mut roots = RootCertStore::empty();
    roots.add(der(authority.cert_pem())).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let dialling = async {
        let tcp = TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        connector
            .connect(ServerName::try_from("127.0.0.1").unwrap(), tcp)
            .await
            .unwrap()
    };
    let (client, arrived) = tokio::join!(dialling, arriving.next());
    (client, arrived.unwrap().unwrap())
}

#[tokio::test]
async fn a_stranger_who_asks_for_nothing_is_cut_and_one_who_waits_for_an_answer_is_not() {
    let (_client, mut server) = silent_stranger(&authority()).await;
    tokio::time::pause();
    let busy = server.caller().begin();
    let mut byte = [0; 1];
    let waiting = tokio::time::timeout(Duration::from_secs(100), server.read(&mut byte)).await;
    assert!(waiting.is_err(), "a request is under way: {waiting:?}");
    drop(busy);
    let still = tokio::time::timeout(Duration::from_secs(29), server.read(&mut byte)).await;
    assert!(
        still.is_err(),
        "it has half a minute for the next: {still:?}"
    );
    let cut = tokio::time::timeout(Duration::from_secs(2), server.read(&mut byte)).await;
    assert_eq!(
        cut.unwrap().unwrap_err().kind(),
        std::io::ErrorKind::ConnectionAborted
    );
}

#[tokio::test]
async fn a_newcomer_who_finds_no_place_hears_why() {
    let authority = authority();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = server_config(
        authority.cert_pem(),
        &server_identity(&authority, Validity::days(30)),
    )
    .unwrap();
    let mut arriving = incoming(listener, config, everybody()).strangers;
    // Whoever comes has to go at once, as when newer ones take every place.
    tokio::spawn(async move {
        while let Some(Ok(guarded)) = arriving.next().await {
            drop(guarded);
        }
    });
    let error = connect_pinned(&address, &authority.fingerprint())
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "crowded", "{error}");
    assert!(
        error.to_string().contains("try again in a minute"),
        "{error}"
    );
}

#[tokio::test]
async fn the_reason_is_found_again_when_a_channel_dials_by_itself() {
    let authority = authority();
    let (address, connections) =
        coordinator(&authority, &server_identity(&authority, Validity::days(30))).await;
    let past = identity(&authority, PAST);
    let error = connect(&address, &past, COORDINATOR_NAME)
        .await
        .unwrap_err();
    let status = tonic::Status::from_error(Box::new(error.clone()));
    assert_eq!(ConnectError::within(&status), Some(error));
    assert_eq!(ConnectError::within(&std::io::Error::other("x")), None);
    assert_eq!(connections.count(&digest(&past)), 0);
}

#[test]
fn a_request_is_signed_and_its_subject_comes_back() {
    let authority = authority();
    let (csr, key_pem) = make_csr("amsterdam-2").unwrap();
    let first = authority
        .sign_csr(&csr, &site(), Validity::days(30))
        .unwrap();
    let Peer {
        name,
        country,
        role,
        node,
        serial,
        certificate,
    } = peer_of(&der(&first)).unwrap();
    assert_eq!(certificate, certificate_digest(&first).unwrap());
    assert_eq!(
        (name.as_str(), country.as_str(), role),
        ("amsterdam-2", "NL", Role::Site)
    );
    assert_eq!((node, serial.len()), (Some(NodeId([0xab; 16])), 32));
    let second = authority
        .sign_csr(&csr, &site(), Validity::days(30))
        .unwrap();
    assert_ne!(
        peer_of(&der(&second)).unwrap().serial,
        serial,
        "serials are random"
    );
    let key = rcgen::KeyPair::from_pem(&key_pem).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    assert_eq!(csr_key_digest(&csr).unwrap(), Digest::of_file(&spki));
    let again = renew_csr("amsterdam-2", &key_pem).unwrap();
    assert_eq!(
        csr_key_digest(&again).unwrap(),
        Digest::of_file(&spki),
        "a request anew, on the same key"
    );
    let person = Subject {
        name: "anna".into(),
        country: "DE".into(),
        role: Role::Operator,
        node: None,
    };
    let cert = authority
        .sign_csr(&csr, &person, Validity::days(30))
        .unwrap();
    assert_eq!(peer_of(&der(&cert)).unwrap().role, Role::Operator);
    let chain = server_identity(&authority, Validity::days(30)).chain_pem;
    assert_eq!(peer_of(&der(&chain)).unwrap().role, Role::Coordinator);
    assert!(
        peer_of(&der(authority.cert_pem())).is_err(),
        "the authority is nobody"
    );
}

#[test]
fn a_request_that_is_not_what_it_says_is_refused() {
    let authority = authority();
    let (csr, _) = make_csr("amsterdam-2").unwrap();
    let (_, parsed) =
        x509_parser::certification_request::X509CertificationRequest::from_der(&csr).unwrap();
    let signed = 3 + parsed.certification_request_info.raw.len();
    // Between what is signed and the signature stand 15 bytes that only name the algorithm and the
    // length.
    for at in (0..signed).chain(signed + 15..csr.len()) {
        let mut altered = csr.clone();
        altered[at] ^= 1;
        let signed = authority.sign_csr(&altered, &site(), Validity::days(30));
        assert!(signed.is_err(), "byte {at}");
    }
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let other = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let signed = authority.sign_csr(other.der(), &site(), Validity::days(30));
    assert!(matches!(signed, Err(AuthorityError::KeyKind)));
}

#[test]
fn a_request_cannot_ask_for_more_than_its_key() {
    let authority = authority();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut greedy = rcgen::CertificateParams::new(vec![COORDINATOR_NAME.to_owned()]).unwrap();
    greedy.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    greedy.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let csr = greedy.serialize_request(&key).unwrap();
    let cert = der(&authority
        .sign_csr(csr.der(), &site(), Validity::days(30))
        .unwrap());
    let (_, cert) = x509_parser::parse_x509_certificate(&cert).unwrap();
    assert!(!cert.is_ca());
    assert!(cert.subject_alternative_name().unwrap().is_none());
    let usage = cert.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
}

#[test]
fn subjects_that_make_no_sense_are_refused() {
    let authority = authority();
    let (csr, _) = make_csr("amsterdam-2").unwrap();
    let sign = |subject: Subject| authority.sign_csr(&csr, &subject, Validity::days(30));
    assert!(matches!(
        sign(Subject {
            node: None,
            ..site()
        }),
        Err(AuthorityError::Node { .. })
    ));
    assert!(matches!(
        sign(Subject {
            role: Role::Researcher,
            ..site()
        }),
        Err(AuthorityError::Node { .. })
    ));
    assert!(
        sign(Subject {
            role: Role::Coordinator,
            node: None,
            ..site()
        })
        .is_err()
    );
    assert!(
        sign(Subject {
            name: "a,CN=b".into(),
            ..site()
        })
        .is_err()
    );
    assert!(
        sign(Subject {
            country: "nl".into(),
            ..site()
        })
        .is_err()
    );
    assert!(make_csr("not a name").is_err());
    let named = authority.issue_server(&["not a host".into()], "NL", Validity::days(1));
    assert!(matches!(named, Err(AuthorityError::ServerName { .. })));
    assert!(
        authority
            .sign_csr(
                &csr,
                &site(),
                Validity {
                    from_s: 0,
                    until_s: u64::MAX
                }
            )
            .is_ok()
    );
}

#[test]
fn an_authority_comes_back_from_its_files_and_only_with_its_own_key() {
    let (first, second) = (authority(), authority());
    let again = Authority::from_pem(first.cert_pem(), &first.key_pem()).unwrap();
    assert_eq!(again.fingerprint(), first.fingerprint());
    assert_ne!(first.fingerprint(), second.fingerprint());
    assert!(matches!(
        Authority::from_pem(first.cert_pem(), &second.key_pem()),
        Err(AuthorityError::Stored)
    ));
    let site = identity(&first, Validity::days(30));
    assert!(matches!(
        Authority::from_pem(&site.cert_pem, &site.key_pem),
        Err(AuthorityError::Stored)
    ));
}

#[tokio::test]
async fn a_restored_authority_issues_certificates_that_hold() {
    let first = authority();
    let again = Authority::from_pem(first.cert_pem(), &first.key_pem()).unwrap();
    let (address, _connections) =
        coordinator(&first, &server_identity(&again, Validity::days(30))).await;
    let mut channel = connect(
        &address,
        &identity(&again, Validity::days(30)),
        COORDINATOR_NAME,
    )
    .await
    .unwrap();
    assert_eq!(call(&mut channel, "/hello").await.unwrap(), "amsterdam-2");
}
