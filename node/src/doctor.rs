//! Why it does not work: each check is one line, and each failure says what to send to IT.
//!
//! Every check stands alone, so that a broken key file does not hide a broken firewall. Only names, codes and addresses
//! are printed: nothing about a patient.

use crate::home::Paths;
use crate::studies::Studies;
use crate::{Home, NodeError, clock, data_desk, switch};
use motet_data::Table;
use motet_ledger::Ledger;
use motet_proto::keyfile;
use motet_proto::refusal::refusal;
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::client::{ConnectError, connect};
use motet_proto::v1::UploadStateRequest;
use motet_proto::v1::rounds_client::RoundsClient;
use motet_common::enrol::split_address;
use motet_common::refusal::Code;
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;

/// How long one step of the network checks may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Clocks that differ by more make deadlines and certificates unreliable.
const LARGEST_SKEW_S: u64 = 60;

/// Masked vectors and the ledger need room: a model of 10^8 parameters is 400 MB a round.
const ROOM_KIB: u64 = 1 << 20;

/// How one check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Something is to be done.
    Fail,
    /// It could not be looked at, because an earlier one failed.
    Skip,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// A stable word.
    pub check: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to send to IT, or to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// All lines.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Whether no check failed.
    pub healthy: bool,
    /// Each check.
    pub checks: Vec<Line>,
}

impl Findings {
    fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.checks.push(Line { check, outcome: Outcome::Ok, found: found.into(), advice: None });
    }

    fn fail(&mut self, check: &'static str, found: impl Into<String>, advice: impl Into<String>) {
        let advice = Some(advice.into());
        self.checks.push(Line { check, outcome: Outcome::Fail, found: found.into(), advice });
    }

    fn skip(&mut self, checks: &[&'static str]) {
        let line = |check: &&'static str| Line {
            check,
            outcome: Outcome::Skip,
            found: "not looked at, because of the failure above".to_owned(),
            advice: None,
        };
        self.checks.extend(checks.iter().map(line));
    }
}

/// Looks at everything.
pub async fn examine(dir: &Path) -> Findings {
    let paths = Paths::new(dir);
    let mut findings = Findings::default();
    keys(&paths, &mut findings);
    disk(&paths, &mut findings);
    ledger(&paths, &mut findings).await;
    datasets(&paths, &mut findings);
    policy(&paths, &mut findings).await;
    network(&paths, &mut findings).await;
    findings.healthy = findings.checks.iter().all(|line| line.outcome != Outcome::Fail);
    findings
}

/// The lines for people.
pub fn findings_text(findings: &Findings) -> String {
    let line = |line: &Line| {
        let outcome = match line.outcome {
            Outcome::Ok => "OK  ",
            Outcome::Fail => "FAIL",
            Outcome::Skip => "--  ",
        };
        let advice = line.advice.as_ref().map(|advice| format!("\n                   send or do: {advice}"));
        format!("{outcome}  {:<12} {}{}\n", line.check, line.found, advice.unwrap_or_default())
    };
    findings.checks.iter().map(line).collect()
}

fn keys(paths: &Paths, findings: &mut Findings) {
    let mut sound = true;
    for name in ["identity", "tls", "steward", "state"] {
        if let Err(error) = keyfile::read_secret(&paths.key(name)) {
            findings.fail("keys", error.to_string(), "the node's own account must own these files, mode 0600");
            sound = false;
        }
    }
    if sound {
        findings.ok("keys", "every key file can be read by the node's account only");
    }
}

fn disk(paths: &Paths, findings: &mut Findings) {
    let probe = paths.dir().join(format!(".doctor.{}", std::process::id()));
    let written = std::fs::File::create(&probe).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_all()
    });
    let _ = std::fs::remove_file(&probe);
    let place = paths.dir().display();
    if let Err(cause) = written {
        let advice = format!("the node's account needs to write in `{place}`, on a local disk with room");
        return findings.fail("disk", format!("cannot write in `{place}`: {cause}"), advice);
    }
    match free_kib(paths.dir()) {
        Some(free) if free < ROOM_KIB => {
            let found = format!("{} MiB free in `{place}`", free >> 10);
            findings.fail("disk", found, "give the node 1 GiB at least: it keeps masked vectors until a round is over");
        }
        Some(free) => findings.ok("disk", format!("can write, {} MiB free", free >> 10)),
        None => findings.ok("disk", "can write; how much is free is not known on this system"),
    }
}

/// Room left, asked of the system's own `df`; nothing where there is none.
fn free_kib(dir: &Path) -> Option<u64> {
    let output = std::process::Command::new("df").arg("-Pk").arg(dir).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

async fn ledger(paths: &Paths, findings: &mut Findings) {
    let verified = match paths.ledger().is_dir() {
        true => match Ledger::open(&paths.ledger()).await {
            Ok(ledger) => ledger.verify().await,
            Err(error) => Err(error),
        },
        false => return findings.fail("ledger", "there is no ledger", "restore the folder from a backup"),
    };
    match verified {
        Ok(report) if report.is_sound() => findings.ok("ledger", format!("{} entries, every chain holds", report.entries)),
        Ok(report) => {
            let first = report.faults.first().map(ToString::to_string).unwrap_or_default();
            findings.fail("ledger", first, "stop the node, keep a copy for the inquiry, restore the folder from a backup");
        }
        Err(error) => findings.fail("ledger", error.to_string(), "the disk, or the rights of the node's account"),
    }
}

fn datasets(paths: &Paths, findings: &mut Findings) {
    let names = match data_desk::names(paths) {
        Ok(names) => names,
        Err(error) => return findings.fail("data", error.to_string(), "the rights of the node's account"),
    };
    if names.is_empty() {
        return findings.fail("data", "no dataset", "`motet-node data add NAME --csv F --schema S.toml`");
    }
    for name in names {
        let opened = data_desk::Dataset::find(paths, &name)
            .and_then(|dataset| Ok(Table::open_all(&dataset.csv, &dataset.schema)?));
        match opened {
            Ok(_) => findings.ok("data", format!("dataset `{name}`: readable, every cell as its schema says")),
            Err(error) => {
                let advice = format!("whoever makes the extract; then `motet-node data check {name}`");
                findings.fail("data", format!("dataset `{name}`: {error}"), advice);
            }
        }
    }
}

async fn policy(paths: &Paths, findings: &mut Findings) {
    if let Err(error) = paths.read_settings() {
        return findings.fail("policy", error.to_string(), "correct node.toml; the sample explains every key");
    }
    if let Err(error) = standing(paths, findings).await {
        findings.fail("policy", error.to_string(), "see the lines above");
    }
}

async fn standing(paths: &Paths, findings: &mut Findings) -> Result<(), NodeError> {
    let home = Home::open(paths.dir()).await?;
    if switch::is_stopped(&home.ledger).await? {
        let found = "the steward stopped the node: it answers nothing";
        findings.fail("policy", found, "`motet-node resume`, if the steward wants it to answer again");
    }
    let studies = Studies::read(&home).await?;
    let today = clock::day(clock::now());
    let approved: Vec<_> = studies.all().filter(|known| known.standing.is_approved()).collect();
    for known in &approved {
        if let Err(refusal) = studies.acceptable(known, today) {
            let found = format!("approved study `{}` is not answered: {refusal}", known.proposal.study.id);
            findings.fail("policy", found, "the steward withdraws the approval, or the site changes its rules");
        }
        let dataset = &known.proposal.study.data.dataset;
        if let Err(error) = data_desk::Dataset::find(paths, dataset) {
            let found = format!("approved study `{}`: {error}", known.proposal.study.id);
            findings.fail("policy", found, format!("`motet-node data add {dataset}`"));
        }
    }
    if findings.checks.iter().all(|line| line.check != "policy") {
        findings.ok("policy", format!("node.toml is sound, {} studies approved", approved.len()));
    }
    Ok(())
}

async fn network(paths: &Paths, findings: &mut Findings) {
    let address = match paths.read_settings() {
        Ok(settings) => settings.address,
        Err(_) => return findings.skip(&["dns", "tcp", "tls", "interception", "http2", "certificate", "clock"]),
    };
    let Ok((host, port)) = split_address(&address) else {
        return findings.skip(&["dns", "tcp", "tls", "interception", "http2", "certificate", "clock"]);
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
        findings.fail("tcp", format!("cannot reach `{address}`: {why}"), tcp_advice(&address));
        return findings.skip(&["tls", "interception", "http2", "certificate", "clock"]);
    }
    findings.ok("tcp", format!("`{address}` answers"));
    let client = match paths.client() {
        Ok(client) => client,
        Err(error) => {
            findings.fail("tls", error.to_string(), "restore the file from a backup or join again");
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
    let advice = format!("\"please let this machine resolve the name {host}\"; or does node.toml hold the right address?");
    findings.fail("dns", format!("`{host}`: {why}"), advice);
    findings.skip(&["tcp", "tls", "interception", "http2", "certificate", "clock"]);
}

fn tcp_advice(address: &str) -> String {
    let proxy = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].iter().any(|name| std::env::var_os(name).is_some());
    let tail = match proxy {
        true => "; a proxy is set on this machine, and this version dials directly",
        false => "; if the consortium runs, nothing listens there only while its coordinator is down",
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
                format!("\"please exempt {address} from TLS inspection: both sides show certificates of their own authority\""),
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
            findings.fail("certificate", error.to_string(), "ask the consortium's operator for a new invitation");
            return findings.skip(&["http2", "clock"]);
        }
        ConnectError::Expired { .. } | ConnectError::NotYetValid { .. } => {
            "set this machine's clock by a time server (NTP); if it is right, tell the operator".to_owned()
        }
        _ => format!("\"what stands between this machine and {address}? TLS 1.3 must pass unchanged\""),
    };
    findings.fail("tls", error.to_string(), advice);
    findings.skip(&["interception", "http2", "certificate", "clock"]);
}

/// Asks for an upload that does not exist: the answer shows that the coordinator knows this site, and its clock.
async fn standing_there(channel: Channel, findings: &mut Findings) {
    let asked_at = clock::now().ms / 1000;
    let request = UploadStateRequest { run: vec![0; 16], t2: vec![0; 32] };
    let answer = timeout(PATIENCE, RoundsClient::new(channel).upload_state(request)).await;
    let headers = match answer {
        Err(_) => {
            findings.fail("certificate", "the coordinator did not answer within 10 s", "tell the consortium's operator");
            return findings.skip(&["clock"]);
        }
        Ok(Ok(response)) => {
            findings.ok("certificate", "the coordinator knows this site");
            response.metadata().clone()
        }
        Ok(Err(status)) => {
            match refusal(&status).filter(|refusal| {
                matches!(refusal.code, Code::SiteRevoked | Code::NoClientCertificate | Code::RoleNotAllowed)
            }) {
                Some(refusal) => findings.fail("certificate", refusal.to_string(), "tell the consortium's operator"),
                None => findings.ok("certificate", "the coordinator knows this site"),
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
    let way = if ours_s < theirs_s { "behind" } else { "ahead of" };
    let found = format!("this machine is {apart} s {way} the coordinator");
    findings.fail("clock", found, "set this machine's clock by a time server (NTP)");
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
