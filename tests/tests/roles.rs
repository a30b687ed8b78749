//! Every method of the compiled schema in every wrong role, against a real coordinator: refused
//! with its code before a byte of the request's body was sent. The table is the one that the
//! coordinator itself refuses by.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::enrol::Role;
use motet_common::refusal::Code;
use motet_proto::access::{Access, METHODS, TABLE, Who};
use motet_proto::refusal::refusal;
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::authority::{Authority, Subject, Validity, make_csr};
use motet_proto::tls::client::{ClientIdentity, ConnectError, connect, connect_pinned};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_tests::consortium::Consortium;
use std::path::Path;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");

/// Calls a method with a body that never comes: whatever answers has not read it.
async fn call(channel: &Channel, path: &str) -> Option<Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    let never = Request::new(tokio_stream::pending::<()>());
    let answer = grpc.streaming(never, path, ProstCodec::<(), ()>::default());
    let answer = tokio::time::timeout(std::time::Duration::from_secs(10), answer).await;
    answer.ok().map(|answer| match answer {
        Ok(_) => Status::ok(""),
        Err(status) => status,
    })
}

/// Calls a method with an empty message.
async fn call_empty(channel: &Channel, path: &str) -> Option<Code> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    let answer = grpc
        .server_streaming(Request::new(()), path, ProstCodec::<(), ()>::default())
        .await;
    answer
        .err()
        .and_then(|status| refusal(&status))
        .map(|refusal| refusal.code)
}

fn identity(authority: &Path, certificate: &Path, key: &Path) -> ClientIdentity {
    let text = |path: &Path| std::fs::read_to_string(path).unwrap();
    ClientIdentity {
        ca_pem: text(authority),
        cert_pem: text(certificate),
        key_pem: text(key).into(),
    }
}

/// Refused with this code in every method that `wrong` picks; the others are let in.
async fn goes_over(channel: &Channel, who: &str, code: Code, wrong: impl Fn(&Access) -> bool) {
    for access in TABLE {
        if wrong(access) {
            let status = call(channel, access.path).await;
            let status =
                status.unwrap_or_else(|| panic!("{who} {}: waits for the body", access.path));
            let found = refusal(&status).map(|refusal| refusal.code);
            assert_eq!(found, Some(code), "{who} {}: {status}", access.path);
        } else {
            let found = call_empty(channel, access.path).await;
            let out = [
                Code::RoleNotAllowed,
                Code::NoClientCertificate,
                Code::SiteRevoked,
            ];
            assert!(
                found.is_none_or(|found| !out.contains(&found)),
                "{who} {}: {found:?}",
                access.path
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_in_every_wrong_role_is_refused_before_its_body() {
    for (path, _) in METHODS {
        assert!(
            Access::of(path).is_some(),
            "`{path}` has no row in the table of who may call it"
        );
    }
    let consortium = Consortium::start(PROGRAM);
    let code = consortium.invite("amsterdam", "NL");
    consortium.desk("amsterdam", &["join", &code]).done();
    let said = consortium
        .operate(&["person", "invite", "jane", "--role", "researcher"])
        .done();
    let jane = consortium.path("jane");
    consortium
        .motet(&[
            "person",
            "join",
            said.lines().last().unwrap(),
            "--as",
            &jane,
        ])
        .done();

    let address = consortium.address();
    let hub = consortium.path("hub");
    let (hub, site) = (Path::new(&hub), consortium.path("amsterdam"));
    let (site, jane) = (Path::new(&site), Path::new(&jane));
    let authority = hub.join("coordinator/authority.pem");
    let person =
        |dir: &Path| identity(&authority, &dir.join("client.pem"), &dir.join("client.key"));
    let members = [
        (
            Role::Site,
            identity(
                &authority,
                &site.join("tls.pem"),
                &site.join("keys/tls.key"),
            ),
        ),
        (Role::Operator, person(&hub.join("operator"))),
        (Role::Researcher, person(jane)),
    ];
    for (role, identity) in &members {
        let channel = connect(&address, identity, COORDINATOR_NAME).await.unwrap();
        goes_over(&channel, role.as_str(), Code::RoleNotAllowed, |access| {
            !access.allows(*role)
        })
        .await;
    }

    // Nobody: the methods for members are refused, those for joining answer.
    let root = {
        use rustls::pki_types::pem::PemObject as _;
        Digest::of_file(&rustls::pki_types::CertificateDer::from_pem_file(&authority).unwrap())
    };
    let pinned = connect_pinned(&address, &root).await.unwrap();
    goes_over(
        &pinned.channel,
        "nobody",
        Code::NoClientCertificate,
        |access| access.who != Who::Anybody,
    )
    .await;

    // A certificate of another authority ends the handshake: no method is reached.
    let foreign = Authority::create("another").unwrap();
    let (csr, key_pem) = make_csr("amsterdam").unwrap();
    let subject = Subject {
        name: "amsterdam".into(),
        country: "NL".into(),
        role: Role::Site,
        node: Some(NodeId([1; 16])),
    };
    let cert_pem = foreign.sign_csr(&csr, &subject, Validity::days(1)).unwrap();
    let ours = ClientIdentity {
        ca_pem: std::fs::read_to_string(&authority).unwrap(),
        cert_pem,
        key_pem,
    };
    let refused = connect(&address, &ours, COORDINATOR_NAME).await.err();
    assert!(
        matches!(refused, Some(ConnectError::Refused { .. })),
        "{refused:?}"
    );

    // A member that was removed is one no more, whatever its certificate says.
    consortium.operate(&["site", "remove", "amsterdam"]).done();
    let channel = connect(&address, &members[0].1, COORDINATOR_NAME)
        .await
        .unwrap();
    goes_over(&channel, "removed", Code::SiteRevoked, |access| {
        access.who != Who::Anybody
    })
    .await;
}
