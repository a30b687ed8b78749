//! The way to the coordinator, step by step: name, port, TLS, who answers, and both clocks.

use super::Findings;
use crate::clock;
use crate::home::Paths;
use motet_common::enrol::split_address;
use motet_common::refusal::Code;
use motet_proto::refusal::refusal;
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::client::{ConnectError, connect};
use motet_proto::v1::UploadStateRequest;
use motet_proto::v1::rounds_client::RoundsClient;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

/// How long one step of the network checks may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clocks that differ by more make deadlines and certificates unreliable.
const LARGEST_SKEW_S: u64 = 60;

/// Looks at every step; after the first failure the rest is skipped.
pub(super) async fn look(paths: &Paths, findings: &mut Findings) {
    let address = match paths.read_settings() {
        Ok(settings) => settings.address,
        Err(_) => {
            return findings.skip(&[
                "dns",
                "tcp",
                "tls",
                "interception",
                "http2",
                "certificate",
                "clock",
            ]);
        }
    };
    let Ok((host, port)) = split_address(&address) else {
        return findings.skip(&[
            "dns",
            "tcp",
            "tls",
            "interception",
            "http2",
            "certificate",
            "clock",
        ]);
    };
    match timeout(PATIENCE, lookup_host((host, port))).await {
        Ok(Ok(mut found)) => match found.next() {
            Some(ip) => findings.ok("dns", format!("`{host}` is {}", ip.ip())),
            None => return no_dns(findings, host, "no address"),
        },
        Ok(Err(cause)) => return no_dns(findings, host, &cause.to_string()),
        Err(_) => return no_dns(findings, host, "no answer within 10 s"),
    }
    let reached = timeout(PATIENCE, TcpStream::connect((host, port))).await;
    let why = match reached {
        Ok(Ok(_)) => None,
        Ok(Err(cause)) => Some(cause.to_string()),
        Err(_) => Some("no answer within 10 s".to_owned()),
    };
    if let Some(why) = why {
        findings.fail(
            "tcp",
            format!("cannot reach `{address}`: {why}"),
            tcp_advice(&address),
        );
        return findings.skip(&["tls", "interception", "http2", "certificate", "clock"]);
    }
    findings.ok("tcp", format!("`{address}` answers"));
    let client = match paths.client() {
        Ok(client) => client,
        Err(error) => {
            findings.fail(
                "tls",
                error.to_string(),
                "put back the copy that you kept of the file, or join anew with a new invitation",
            );
            return findings.skip(&["interception", "http2", "certificate", "clock"]);
        }
    };
    match connect(&address, &client, COORDINATOR_NAME).await {
        Ok(channel) => {
            findings.ok("tls", "TLS 1.3 with the consortium's own authority");
            findings.ok("interception", "nobody opens the traffic on the way");
            findings.ok("http2", "HTTP/2 is spoken");
            standing_there(channel, findings).await;
        }
        Err(error) => handshake_failed(&error, &address, findings),
    }
}

fn no_dns(findings: &mut Findings, host: &str, why: &str) {
    let advice = format!(
        "\"please let this machine resolve the name {host}\"; or does node.toml hold the right address?"
    );
    findings.fail("dns", format!("`{host}`: {why}"), advice);
    findings.skip(&[
        "tcp",
        "tls",
        "interception",
        "http2",
        "certificate",
        "clock",
    ]);
}

fn tcp_advice(address: &str) -> String {
    let proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let tail = match proxy {
        true => "; a proxy is set on this machine, and this version dials directly",
        false => {
            "; if the consortium runs, nothing listens there only while its coordinator is down"
        }
    };
    format!("\"please allow outgoing TCP from this machine to {address}; nothing comes in\"{tail}")
}

/// Which of the handshake's checks an error belongs to; what comes before it went well.
fn handshake_failed(error: &ConnectError, address: &str, findings: &mut Findings) {
    let advice = match error {
        ConnectError::WrongAuthority { .. } | ConnectError::WrongName { .. } => {
            findings.ok("tls", "a TLS handshake is possible");
            findings.fail(
                "interception",
                error.to_string(),
                format!(
                    "\"please exempt {address} from TLS inspection: both sides \
                    show certificates of their own authority\""
                ),
            );
            return findings.skip(&["http2", "certificate", "clock"]);
        }
        ConnectError::NotACoordinator { why, .. } if why.contains("HTTP/2") => {
            findings.ok("tls", "a TLS handshake is possible");
            findings.ok("interception", "the certificate is the consortium's");
            findings.fail(
                "http2",
                error.to_string(),
                format!("\"please let HTTP/2 (ALPN h2) pass to {address} unchanged\""),
            );
            return findings.skip(&["certificate", "clock"]);
        }
        ConnectError::Refused { .. } => {
            findings.ok("tls", "a TLS handshake is possible");
            findings.ok("interception", "the certificate is the consortium's");
            findings.fail(
                "certificate",
                error.to_string(),
                "ask the consortium's operator for a new invitation",
            );
            return findings.skip(&["http2", "clock"]);
        }
        ConnectError::Expired { .. } | ConnectError::NotYetValid { .. } => {
            "set this machine's clock by a time server (NTP); if it is right, tell the operator"
                .to_owned()
        }
        _ => format!(
            "\"what stands between this machine and {address}? TLS 1.3 must pass unchanged\""
        ),
    };
    findings.fail("tls", error.to_string(), advice);
    findings.skip(&["interception", "http2", "certificate", "clock"]);
}

/// Asks for an upload that does not exist: the answer shows that the coordinator knows this site,
/// and its clock.
async fn standing_there(channel: Channel, findings: &mut Findings) {
    let asked_at = clock::now().ms / 1000;
    let request = UploadStateRequest {
        run: vec![0; 16],
        t2: vec![0; 32],
    };
    let answer = timeout(PATIENCE, RoundsClient::new(channel).upload_state(request)).await;
    let headers = match answer {
        Err(_) => {
            findings.fail(
                "certificate",
                "the coordinator did not answer within 10 s",
                "tell the consortium's operator",
            );
            return findings.skip(&["clock"]);
        }
        Ok(Ok(response)) => {
            findings.ok("certificate", "the coordinator knows this site");
            response.metadata().clone()
        }
        Ok(Err(status)) => {
            let barred = [
                Code::SiteRevoked,
                Code::NotAMember,
                Code::NoClientCertificate,
                Code::RoleNotAllowed,
            ];
            match refusal(&status) {
                Some(refusal) if barred.contains(&refusal.code) => {
                    findings.fail(
                        "certificate",
                        refusal.to_string(),
                        "tell the consortium's operator",
                    );
                }
                Some(_) => findings.ok("certificate", "the coordinator knows this site"),
                None => {
                    let found = format!(
                        "the coordinator gives no proper answer: {:?}",
                        status.code()
                    );
                    findings.fail(
                        "certificate",
                        found,
                        "tell the consortium's operator; the versions may differ",
                    );
                }
            }
            status.metadata().clone()
        }
    };
    clocks(coordinator_clock_s(&headers), asked_at, findings);
}

/// HTTP's own date, which every answer carries.
fn coordinator_clock_s(headers: &MetadataMap) -> Option<u64> {
    let text = headers.get("date")?.to_str().ok()?;
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(zoned.timestamp().as_second()).ok()
}

fn clocks(theirs_s: Option<u64>, ours_s: u64, findings: &mut Findings) {
    let Some(theirs_s) = theirs_s else {
        return findings.skip(&["clock"]);
    };
    let apart = theirs_s.abs_diff(ours_s);
    if apart <= LARGEST_SKEW_S {
        return findings.ok("clock", "within a minute of the coordinator's");
    }
    let way = if ours_s < theirs_s {
        "behind"
    } else {
        "ahead of"
    };
    let found = format!("this machine is {apart} s {way} the coordinator");
    findings.fail(
        "clock",
        found,
        "set this machine's clock by a time server (NTP)",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Outcome, findings_text};
    use crate::join::{join, tests::coordinator};
    use crate::studies::tests::governance;

    #[tokio::test]
    async fn the_way_to_a_real_coordinator_is_walked_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("node");
        join(&coordinator(governance().public(), None).await, &dir, None)
            .await
            .unwrap();
        let mut findings = Findings::default();
        look(&Paths::new(&dir), &mut findings).await;
        let seen: Vec<_> = findings
            .checks
            .iter()
            .map(|line| (line.check, line.outcome))
            .collect();
        let expected = [
            ("dns", Outcome::Ok),
            ("tcp", Outcome::Ok),
            ("tls", Outcome::Ok),
            ("interception", Outcome::Ok),
            ("http2", Outcome::Ok),
            // This coordinator offers enrolment only: whoever does not answer about rounds is not
            // taken for healthy.
            ("certificate", Outcome::Fail),
            ("clock", Outcome::Ok),
        ];
        assert_eq!(seen, expected, "{}", findings_text(&findings));
    }

    #[test]
    fn what_a_handshake_error_means() {
        let address = "c.example:7443".to_owned();
        let issuer = "Hospital Proxy CA".to_owned();
        for (error, check) in [
            (
                ConnectError::WrongAuthority {
                    address: address.clone(),
                    issuer,
                },
                "interception",
            ),
            (
                ConnectError::NotACoordinator {
                    address: address.clone(),
                    why: "it does not offer HTTP/2".into(),
                },
                "http2",
            ),
            (
                ConnectError::NotACoordinator {
                    address: address.clone(),
                    why: "alert".into(),
                },
                "tls",
            ),
            (
                ConnectError::Refused {
                    address: address.clone(),
                    why: "expired".into(),
                },
                "certificate",
            ),
            (
                ConnectError::Expired {
                    address: address.clone(),
                },
                "tls",
            ),
        ] {
            let mut findings = Findings::default();
            handshake_failed(&error, &address, &mut findings);
            let failed: Vec<_> = findings
                .checks
                .iter()
                .filter(|line| line.outcome == Outcome::Fail)
                .collect();
            assert_eq!(failed.len(), 1);
            assert_eq!(failed[0].check, check);
        }
    }

    #[test]
    fn clocks_a_minute_apart_are_too_far() {
        let mut headers = MetadataMap::new();
        headers.insert("date", "Mon, 23 Nov 2026 00:00:00 GMT".parse().unwrap());
        let theirs = coordinator_clock_s(&headers);
        assert_eq!(theirs, Some(1_795_392_000));
        for (ours, outcome) in [
            (1_795_392_059, Outcome::Ok),
            (1_795_391_941, Outcome::Ok),
            (1_795_392_061, Outcome::Fail),
            (0, Outcome::Fail),
        ] {
            let mut findings = Findings::default();
            clocks(theirs, ours, &mut findings);
            assert_eq!(findings.checks[0].outcome, outcome, "{ours}");
        }
    }
}
