//! Why it does not work: each check is one line, and each
//! failure says what to send to IT.
//!
//! Every check stands alone, so that a broken key file does
//! not hide a broken firewall. Only names, codes and
//! addresses are printed: nothing about a patient.

mod network;

use crate::error::ANEW;
use crate::frozen::{History, Tables};
use crate::home::Paths;
use crate::studies::{AtSite, Studies};
use crate::{Home, NodeError, clock, data_desk, switch};
use motet_common::enrol::days_left;
use motet_data::Table;
use motet_ledger::{Ledger, LedgerError};
use motet_proto::keyfile;
use motet_proto::tls::authority::certificate_end_ms;
use serde::Serialize;
use std::io::Write as _;
use std::path::Path;

/// Masked vectors and the ledger need room: a model of 10^8
/// parameters is 400 MB a round.
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
        self.checks.push(Line {
            check,
            outcome: Outcome::Ok,
            found: found.into(),
            advice: None,
        });
    }

    fn fail(&mut self, check: &'static str, found: impl Into<String>, advice: impl Into<String>) {
        let advice = Some(advice.into());
        self.checks.push(Line {
            check,
            outcome: Outcome::Fail,
            found: found.into(),
            advice,
        });
    }

    fn skip(&mut self, checks: &[&'static str]) {
        self.checks.extend(checks.iter().map(|check| Line {
            check,
            outcome: Outcome::Skip,
            found: "not looked at, because of the failure above".to_owned(),
            advice: None,
        }));
    }
}

/// Looks at everything.
pub async fn examine(dir: &Path) -> Findings {
    let paths = Paths::new(dir);
    let mut findings = Findings::default();
    keys(&paths, &mut findings);
    certificate(&paths, &mut findings);
    disk(&paths, &mut findings);
    ledger(&paths, &mut findings).await;
    datasets(&paths, &mut findings);
    policy(&paths, &mut findings).await;
    network::look(&paths, &mut findings).await;
    findings.healthy = findings
        .checks
        .iter()
        .all(|line| line.outcome != Outcome::Fail);
    findings
}

/// The lines for people.
pub fn findings_text(findings: &Findings) -> String {
    findings.checks.iter().map(Line::text).collect()
}

impl Line {
    fn text(&self) -> String {
        let outcome = match self.outcome {
            Outcome::Ok => "OK  ",
            Outcome::Fail => "FAIL",
            Outcome::Skip => "--  ",
        };
        let found = format!("{outcome}  {:<12} {}\n", self.check, self.found);
        match &self.advice {
            Some(advice) => format!("{found}                   send or do: {advice}\n"),
            None => found,
        }
    }
}

fn keys(paths: &Paths, findings: &mut Findings) {
    let mut sound = true;
    for name in ["identity", "tls", "steward", "state"] {
        if let Err(error) = keyfile::read_secret(&paths.key(name)) {
            findings.fail(
                "keys",
                error.to_string(),
                "the node's own account must own these files, mode 0600",
            );
            sound = false;
        }
    }
    if sound {
        findings.ok(
            "keys",
            "every key file can be read by the node's account only",
        );
    }
}

/// How long this site may call the coordinator yet.
fn certificate(paths: &Paths, findings: &mut Findings) {
    let end = std::fs::read_to_string(paths.certificate())
        .ok()
        .and_then(|pem| certificate_end_ms(&pem).ok());
    let Some(end) = end else {
        let found = format!(
            "`{}` is not there or is no certificate",
            paths.certificate().display()
        );
        return findings.fail("valid until", found, "restore the file, or join anew");
    };
    let found = clock::text(end);
    match days_left(end, clock::now().ms) {
        None => findings.ok(
            "valid until",
            format!("this site's certificate ends on {found}"),
        ),
        Some(days) => findings.fail(
            "valid until",
            format!(
                "this site's certificate ends on {found}, in {days} days, and nothing renews it"
            ),
            format!("to the consortium's operator: {RENEWAL}"),
        ),
    }
}

/// What is to be done about a certificate that ends.
pub(crate) const RENEWAL: &str = "\"please remove this site (`motet site remove`) and invite it anew (`motet site invite`) when no study of it runs: it joins with new \
     keys, in a new folder, and studies that are still to run are proposed again\"";

fn disk(paths: &Paths, findings: &mut Findings) {
    let probe = paths.dir().join(format!(".doctor.{}", std::process::id()));
    let written = std::fs::File::create(&probe).and_then(|mut file| {
        file.write_all(&[0; 4096])?;
        file.sync_all()
    });
    let _ = std::fs::remove_file(&probe);
    let place = paths.dir().display();
    if let Err(cause) = written {
        let advice =
            format!("the node's account needs to write in `{place}`, on a local disk with room");
        return findings.fail(
            "disk",
            format!("cannot write in `{place}`: {cause}"),
            advice,
        );
    }
    match crate::disk::free_kib(paths.dir()) {
        Some(free) if free < ROOM_KIB => {
            let found = format!("{} MiB free in `{place}`", free >> 10);
            findings.fail(
                "disk",
                found,
                "give the node 1 GiB at least: it keeps masked vectors until a round is over",
            );
        }
        Some(free) => findings.ok("disk", format!("can write, {} MiB free", free >> 10)),
        None => findings.ok(
            "disk",
            "can write; how much is free is not known on this system",
        ),
    }
}

async fn ledger(paths: &Paths, findings: &mut Findings) {
    let verified = match paths.ledger().is_dir() {
        true => match Ledger::open(&paths.ledger()).await {
            Ok(ledger) => ledger.verify().await,
            Err(error) => Err(error),
        },
        false => return findings.fail("ledger", "there is no ledger", ANEW),
    };
    match verified {
        Ok(report) => match report.faults.first() {
            None => findings.ok(
                "ledger",
                format!("{} entries, every chain holds", report.entries),
            ),
            Some(first) => findings.fail("ledger", first.to_string(), ANEW),
        },
        Err(error) if error.is_loss() => findings.fail("ledger", error.to_string(), ANEW),
        // It says itself what to do.
        Err(error @ (LedgerError::NoHeads { .. } | LedgerError::Heads { .. })) => findings.fail(
            "ledger",
            error.to_string(),
            "only where nothing was lost or put back: `motet-node ledger accept`",
        ),
        Err(error) => findings.fail(
            "ledger",
            error.to_string(),
            "the disk, or the rights of the node's account",
        ),
    }
}

fn datasets(paths: &Paths, findings: &mut Findings) {
    let names = match data_desk::names(paths) {
        Ok(names) => names,
        Err(error) => {
            return findings.fail(
                "data",
                error.to_string(),
                "the rights of the node's account",
            );
        }
    };
    if names.is_empty() {
        return findings.fail(
            "data",
            "no dataset",
            "`motet-node data add NAME --csv F --schema S.toml`",
        );
    }
    for name in names {
        let opened = data_desk::Dataset::find(paths, &name)
            .and_then(|dataset| Ok(Table::open_all(&dataset.csv, &dataset.schema)?));
        match opened {
            Ok(_) => findings.ok(
                "data",
                format!("dataset `{name}`: readable, every cell as its schema says"),
            ),
            Err(error) => {
                let advice =
                    format!("whoever makes the extract; then `motet-node data check {name}`");
                findings.fail("data", format!("dataset `{name}`: {error}"), advice);
            }
        }
    }
}

async fn policy(paths: &Paths, findings: &mut Findings) {
    if let Err(error) = paths.read_settings() {
        return findings.fail(
            "policy",
            error.to_string(),
            "correct node.toml; the sample explains every key",
        );
    }
    if let Err(error) = standing(paths, findings).await {
        findings.fail("policy", error.to_string(), "see the lines above");
    }
}

/// Whether the rows that an approved study is answered from
/// are there and whole.
fn table(home: &Home, history: &History, known: &AtSite, findings: &mut Findings) {
    let Some(name) = known.standing.frozen() else {
        return;
    };
    if history.deleted(&name).is_some() {
        return;
    }
    match Tables::of(home).open(&known.proposal, &name) {
        Ok(_) => findings.ok(
            "frozen",
            format!(
                "the frozen table of study `{}` is whole",
                known.proposal.study.id
            ),
        ),
        Err(lost) => findings.fail("frozen", lost.detail.clone(), lost.code.next()),
    }
}

/// The rows that are kept of a text in whose place another
/// came: the steward decides about them.
fn former_table(studies: &Studies, history: &History, known: &AtSite, findings: &mut Findings) {
    let id = &known.proposal.study.id;
    if known.standing.is_approved() {
        // It is the table of what stands.
        return;
    }
    if let Some(kept) = history.stands(studies, id) {
        let read = clock::text(kept.when_ms);
        findings.ok(
            "frozen",
            format!(
                "rows that were read on {read} for an earlier decision about study `{id}` are kept \
                 until you decide about what stands now: \
                 `motet-node study withdraw {id}` deletes \
                 them"
            ),
        );
    }
}

async fn standing(paths: &Paths, findings: &mut Findings) -> Result<(), NodeError> {
    let home = Home::open(paths.dir()).await?;
    if switch::is_stopped(&home.ledger).await? {
        let found = "the steward stopped the node: it answers nothing";
        findings.fail(
            "policy",
            found,
            "`motet-node resume`, if the steward wants it to answer again",
        );
    }
    let studies = Studies::read(&home).await?;
    let today = clock::day(clock::now());
    let approved: Vec<_> = studies
        .all()
        .filter(|known| known.standing.is_approved())
        .collect();
    let history = History::read(&home.ledger).await?;
    for known in studies.all() {
        former_table(&studies, &history, known, findings);
    }
    for known in &approved {
        table(&home, &history, known, findings);
        if let Err(refusal) = studies.acceptable(known, today) {
            let found = format!(
                "approved study `{}` is not answered: {refusal}",
                known.proposal.study.id
            );
            findings.fail(
                "policy",
                found,
                "the steward withdraws the approval, or the site changes its rules",
            );
        }
        let dataset = &known.proposal.study.data.dataset;
        if let Err(error) = data_desk::Dataset::find(paths, dataset) {
            let found = format!("approved study `{}`: {error}", known.proposal.study.id);
            findings.fail("policy", found, format!("`motet-node data add {dataset}`"));
        }
    }
    if findings.checks.iter().all(|line| line.check != "policy") {
        findings.ok(
            "policy",
            format!("node.toml is sound, {} studies approved", approved.len()),
        );
    }
    Ok(())
}

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
