//! Studies from the operator's side: check a file, propose it with a signed roster, look at
//! decisions, withdraw.
//!

use crate::args::{LintStudy, Named, NamedWrite, ProposeStudy, Read, Study as Command};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::output::{Out, Table, count, now_ms, shown};
use crate::propose::{Proposed, read, refuse_errors, submit};
use crate::standing::{Standing, known};
use motet_common::enrol::Role;
use motet_common::refusal::Code;
use motet_common::roster::{Entry, Roster, SignedRoster};
use motet_common::study::{Finding, Study};
use motet_proto::v1::{self, StewardDecision};
use motet_secagg::encode::Canonical as _;
use serde_json::{Value, json};

/// `motet study ...`
///
/// # Errors
/// `study_invalid` with the line; the coordinator's refusals.
pub async fn run(command: &Command) -> Done {
    match command {
        Command::Propose(args) => propose(args).await,
        Command::Lint(args) => lint(args).await,
        Command::Feasibility(args) => crate::feasibility::run(args).await,
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
        Command::Withdraw(args) => withdraw(args).await,
    }
}

async fn lint(args: &LintStudy) -> Done {
    let out = Out::new(args.read.json);
    let (_, study) = read(&args.file)?;
    let sites = match args.sites {
        Some(sites) => sites,
        None => enrolled(args, &study).await?,
    };
    let findings = study.lint(sites);
    let line_up = if study.sites.is_empty() {
        sites
    } else {
        study.sites.len()
    };
    let numbers = study.thresholds(line_up).ok();
    let facts = json!({
        "study": study.id, "digest": study.root().hex(), "sites": line_up,
        "survivors": numbers.map(|n| n.survivors), "threshold": numbers.map(|n| n.threshold),
        "colluders": numbers.map(|n| n.colluders), "quorum": study.quorum(line_up).ok(),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
    });
    say_numbers(out, &study, line_up);
    for finding in &findings {
        out.line(format!("  {finding}"));
    }
    refuse_errors(&study, sites, &findings).map_err(|failure| failure.with_facts(facts.clone()))?;
    out.value(&facts);
    Ok(())
}

/// How many sites have joined with a proof that holds.
async fn enrolled(args: &LintStudy, study: &Study) -> Done<usize> {
    match Identity::open(args.read.who.identity.as_deref()) {
        Ok(identity) => {
            let mut desk = identity.desk().await?;
            let members = known(&identity, &mut desk).await?;
            Ok(members
                .iter()
                .filter(|known| known.is_site() && matches!(known.standing, Standing::Verified(_)))
                .count())
        }
        Err(_) if !study.sites.is_empty() => Ok(study.sites.len()),
        Err(_) => Err(Failure::usage(
            "without an identity nobody can say how many sites are enrolled",
            "give --sites N to check for N sites, or --as DIR to ask the coordinator",
        )),
    }
}

fn say_numbers(out: Out, study: &Study, line_up: usize) {
    out.heading(format!("Study {}: {}", study.id, shown(&study.title)));
    if let (Ok(numbers), Ok(quorum)) = (study.thresholds(line_up), study.quorum(line_up)) {
        out.line(format!(
            "  with {}: quorum {quorum}, survivors needed s = {}, openers t = {}, colluders withstood C = {}",
            count(line_up, "site"),
            numbers.survivors,
            numbers.threshold,
            numbers.colluders
        ));
    }
}

fn finding_json(finding: &Finding) -> Value {
    json!({ "severity": finding.severity.to_string(), "message": finding.message })
}

async fn propose(args: &ProposeStudy) -> Done {
    let out = Out::new(args.read.json);
    let (text, study) = read(&args.file)?;
    let (identity, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let identity = identity.with_passphrase_file(&args.govern);
    let proposed = submit(&identity, &mut desk, &text, &study).await?;
    let Proposed {
        digest,
        signed,
        findings,
    } = &proposed;
    let roster = &signed.roster;
    let sites = roster.entries.len();
    let numbers = study.thresholds(sites).ok();
    out.value(&json!({
        "study": study.id, "digest": digest, "roster": roster_json(roster),
        "survivors": numbers.map(|n| n.survivors), "quorum": study.quorum(sites).ok(),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
    }));
    for finding in findings {
        out.line(finding);
    }
    out.line("");
    say_numbers(out, &study, sites);
    out.line(format!("  study digest   {digest}"));
    out.line(format!("  roster digest  {}", roster.digest().hex()));
    out.line("");
    out.table(&roster_table(roster));
    out.line("");
    out.line(
        "Proposed. Each steward sees this list and decides with \
        `motet-node study show` and `approve`.",
    );
    out.line(format!("Then: motet run start {} --wait", study.id));
    Ok(())
}

fn roster_table(roster: &Roster) -> Table {
    let mut table = Table::new(&["site", "country", "identity key", "steward's key"]);
    let mut entries: Vec<&Entry> = roster.entries.iter().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let identity = entry.identity.fingerprint().short();
        let steward = entry.steward.fingerprint().short();
        table.row([entry.name.clone(), entry.country.clone(), identity, steward]);
    }
    table
}

fn roster_json(roster: &Roster) -> Value {
    json!({
        "digest": roster.digest().hex(), "epoch": roster.epoch, "colluders": roster.colluders, "h_min": roster.h_min,
        "sites": roster.entries.iter().map(entry_json).collect::<Vec<_>>(),
    })
}

fn entry_json(entry: &Entry) -> Value {
    json!({
        "name": entry.name, "country": entry.country, "node": entry.node.hex(),
        "identity": entry.identity.fingerprint().hex(), "steward": entry.steward.fingerprint().hex(),
    })
}

/// How many of a study's stewards have said this.
fn deciding(study: &v1::Study, decision: StewardDecision) -> String {
    let sites = study.sites.iter();
    sites
        .filter(|site| site.decision() == decision)
        .count()
        .to_string()
}

async fn list(args: &Read) -> Done {
    let out = Out::new(args.json);
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    let studies = desk
        .list_studies(v1::ListStudiesRequest { id: String::new() })
        .await?
        .into_inner()
        .studies;
    out.value(&json!({ "studies": studies.iter().map(study_json).collect::<Vec<_>>() }));
    let told = is_told_of_sites(&identity);
    let mut table = Table::new(&[
        "study",
        "state",
        ">approved",
        ">declined",
        ">sites",
        ">connected",
        "title",
    ]);
    for study in &studies {
        let connected = study.sites.iter().filter(|site| site.connected).count();
        let connected = if told {
            connected.to_string()
        } else {
            NOT_TOLD.to_owned()
        };
        let sites = study.sites.len().to_string();
        let id = study.id.clone();
        let state = study.state().word().to_owned();
        let title = study.title.clone();
        table.row([
            id,
            state,
            deciding(study, StewardDecision::Approved),
            deciding(study, StewardDecision::Declined),
            sites,
            connected,
            title,
        ]);
    }
    if table.is_empty() {
        out.line("No study yet. `motet study propose FILE.toml` proposes one.")
    } else {
        out.table(&table)
    }
    Ok(())
}

async fn one(desk: &mut Desk, id: &str) -> Done<v1::Study> {
    let studies = desk
        .list_studies(v1::ListStudiesRequest { id: id.to_owned() })
        .await?
        .into_inner()
        .studies;
    studies
        .into_iter()
        .find(|study| study.id == id)
        .ok_or_else(|| Failure::refused(Code::StudyUnknown, format!("no study is called `{id}`")))
}

async fn show(args: &Named) -> Done {
    let out = Out::new(args.read.json);
    let (identity, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let study = one(&mut desk, &args.id).await?;
    // The coordinator's word is not enough for what the governance key signed.
    let roster = SignedRoster::from_bytes(&study.roster).ok();
    let verified = roster
        .as_ref()
        .is_some_and(|signed| signed.verify(&identity.fingerprint()).is_ok());
    let mut value = study_json(&study);
    if let (Some(fields), Some(signed)) = (value.as_object_mut(), &roster) {
        fields.insert("roster".into(), roster_json(&signed.roster));
        fields.insert("roster_signature_holds".into(), json!(verified));
        fields.insert("text".into(), json!(study.text));
    }
    out.value(&value);
    out.heading(format!(
        "Study {}: {}",
        shown(&study.id),
        shown(&study.title)
    ));
    out.line(format!("  state          {}", study.state().word()));
    out.line(format!("  study digest   {}", shown(&study.digest)));
    if let Some(signed) = &roster {
        let held = if verified {
            "signed by the governance key"
        } else {
            "NOT SIGNED by the governance key you trust"
        };
        out.line(format!(
            "  roster digest  {} ({held})",
            signed.roster.digest().hex()
        ));
    } else {
        out.line("  roster digest  NOT READABLE: nothing here is signed by the governance key");
    }
    if let Ok(parsed) = Study::parse(&study.text) {
        out.line(format!(
            "  release        {}",
            shown(&parsed.recipients.words())
        ));
    }
    out.line("");
    let told = is_told_of_sites(&identity);
    let mut table = Table::new(&["site", "country", "decision", "now", "reason or permit"]);
    for site in &study.sites {
        let now = match (site.connected, site.stopped) {
            _ if !told => NOT_TOLD,
            (true, true) => crate::members::STOPPED,
            (true, false) => "connected",
            (false, _) => "away",
        };
        let name = site.site.clone();
        let country = site.country.clone();
        let decision = site.decision().word().to_owned();
        table.row([name, country, decision, now.to_owned(), site.why.clone()]);
    }
    out.table(&table);
    Ok(())
}

/// What stands for what the coordinator tells operators alone.
const NOT_TOLD: &str = "-";

/// Which sites are connected is for operators.
fn is_told_of_sites(identity: &Identity) -> bool {
    identity.card.role == Role::Operator
}

fn study_json(study: &v1::Study) -> Value {
    json!({
        "id": study.id, "title": study.title, "digest": study.digest, "state": study.state().word(),
        "sites": study.sites.iter().map(standing_json).collect::<Vec<_>>(),
    })
}

fn standing_json(site: &v1::Standing) -> Value {
    json!({
        "site": site.site, "country": site.country, "decision": site.decision().word(), "why": site.why,
        "connected": site.connected, "stopped": site.stopped,
    })
}

async fn withdraw(args: &NamedWrite) -> Done {
    let (_, mut desk) = calling(args.who.identity.as_deref()).await?;
    desk.withdraw_study(v1::WithdrawStudyRequest {
        id: args.id.clone(),
    })
    .await?;
    Out::new(false).line(format!(
        "Study `{}` is withdrawn ({}): no run of it starts or goes on.",
        args.id,
        crate::output::moment(now_ms())
    ));
    Ok(())
}
