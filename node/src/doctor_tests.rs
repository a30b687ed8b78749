//! Each trouble has its own line, and one trouble does not hide another.

use super::*;
use crate::home::tests::make;
use crate::home::write_text;
use motet_common::enrol::Role;
use motet_common::moment::Moment;
use motet_proto::tls::authority::{Authority, Subject, Validity, make_csr};
use motet_secagg::sign::SecretKey;

fn outcomes<'f>(findings: &'f Findings, check: &str) -> Vec<&'f Line> {
    findings
        .checks
        .iter()
        .filter(|line| line.check == check)
        .collect()
}

async fn site() -> (tempfile::TempDir, Paths) {
    let folder = tempfile::tempdir().unwrap();
    let paths = make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
    keyfile::write_secret(&paths.key("tls"), b"x").unwrap();
    Ledger::open(&paths.ledger()).await.unwrap().close().await;
    (folder, paths)
}

/// A certificate of this many days in the site's folder.
fn with_certificate(paths: &Paths, days: u32) {
    let authority = Authority::create("c").unwrap();
    let (csr, _) = make_csr("site-1").unwrap();
    let node = Some(motet_secagg::id::NodeId([1; 16]));
    let subject = Subject {
        name: "site-1".into(),
        country: "NL".into(),
        role: Role::Site,
        node,
    };
    let pem = authority
        .sign_csr(&csr, &subject, Validity::days(days))
        .unwrap();
    write_text(&paths.certificate(), &pem).unwrap();
}

#[tokio::test]
async fn a_certificate_that_ends_within_sixty_days_is_a_failure_with_what_to_send_and_stands_in_the_status()
 {
    let (folder, paths) = site().await;
    for (days, outcome) in [(62, Outcome::Ok), (59, Outcome::Fail)] {
        with_certificate(&paths, days);
        let findings = examine(folder.path()).await;
        let line = outcomes(&findings, "valid until")[0];
        assert_eq!(line.outcome, outcome, "{}", findings_text(&findings));
        let home = crate::Home::open(folder.path()).await.unwrap();
        let said = crate::status::status_text(&crate::status::status(&home).await.unwrap());
        home.ledger.close().await;
        assert_eq!(said.contains("`motet site remove`"), days < 60, "{said}");
        assert!(said.contains("certificate"), "{said}");
        if outcome == Outcome::Fail {
            assert!(
                line.advice
                    .as_ref()
                    .unwrap()
                    .contains("`motet site remove`"),
                "{line:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_closed_port_fails_alone_and_says_what_to_send() {
    let (folder, paths) = site().await;
    // A port that was just given back: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let settings =
        crate::settings::Settings::fresh("site-1", "NL", "c", &format!("127.0.0.1:{port}"));
    write_text(&paths.settings(), &settings).unwrap();
    let findings = examine(folder.path()).await;
    assert!(!findings.healthy);
    for (check, outcome) in [
        ("keys", Outcome::Ok),
        ("ledger", Outcome::Ok),
        ("data", Outcome::Fail),
        ("policy", Outcome::Ok),
        ("dns", Outcome::Ok),
        ("tcp", Outcome::Fail),
        ("tls", Outcome::Skip),
        ("clock", Outcome::Skip),
    ] {
        assert_eq!(
            outcomes(&findings, check)[0].outcome,
            outcome,
            "{}",
            findings_text(&findings)
        );
    }
    let advice = outcomes(&findings, "tcp")[0].advice.clone().unwrap();
    assert!(
        advice.contains(&format!(
            "outgoing TCP from this machine to 127.0.0.1:{port}"
        )),
        "{advice}"
    );
    assert!(findings_text(&findings).contains("FAIL  tcp"));
}

#[cfg(unix)]
#[tokio::test]
async fn an_open_key_file_and_a_bad_node_toml_are_both_seen() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, paths) = site().await;
    std::fs::set_permissions(paths.key("state"), std::fs::Permissions::from_mode(0o640)).unwrap();
    write_text(&paths.settings(), "colour = 1\n").unwrap();
    let findings = examine(folder.path()).await;
    assert!(outcomes(&findings, "keys")[0].found.contains("chmod 600"));
    assert!(outcomes(&findings, "policy")[0].found.contains("line 1"));
    assert_eq!(outcomes(&findings, "dns")[0].outcome, Outcome::Skip);
}

#[tokio::test]
async fn a_stopped_node_and_a_broken_extract_are_seen() {
    let (folder, paths) = site().await;
    let home = Home::open(folder.path()).await.unwrap();
    switch::turn(&home, true, Moment { ms: 1 }).await.unwrap();
    let csv = folder.path().join("p.csv");
    std::fs::write(&csv, "age\n1\n2\n").unwrap();
    let schema = folder.path().join("s.toml");
    std::fs::write(
        &schema,
        "[dataset]\nname = \"ist\"\n[columns.age]\ntype = \"float\"\n",
    )
    .unwrap();
    data_desk::add(&paths, "ist", &csv, &schema, false).unwrap();
    let healthy = examine(folder.path()).await;
    assert_eq!(outcomes(&healthy, "data")[0].outcome, Outcome::Ok);
    assert!(outcomes(&healthy, "policy")[0].found.contains("stopped"));
    std::fs::write(&csv, "age\n1\nsecret\n").unwrap();
    let broken = examine(folder.path()).await;
    let line = outcomes(&broken, "data")[0];
    assert!(
        line.found.contains("line 3") && !line.found.contains("secret"),
        "{}",
        line.found
    );
}
