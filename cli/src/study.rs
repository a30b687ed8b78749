//! Studies from the operator's side: check a file, propose it with a signed roster, look at decisions, withdraw.
//!
//! ```text
//! propose:  parse and lint -> fetch members -> check every proof -> roster, signed by governance.key -> coordinator
//! ```

use crate::args::{LintStudy, Named, NamedWrite, ProposeStudy, Read, Study as Command};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::members::{Known, Standing, known};
use crate::output::{Out, Table, count, now_ms, shown};
use motet_common::enrol::Role;
use motet_common::refusal::Code;
use motet_common::roster::{Entry, Roster, SignedRoster};
use motet_common::study::{Finding, Severity, Study};
use motet_proto::v1;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::PublicKey;
use serde_json::{Value, json};
use std::path::Path;

/// `motet study ...`
///
/// # Errors
/// `study_invalid` with the line; the coordinator's refusals.
pub async fn run(command: &Command) -> Done {
    match command {
        Command::Propose(args) => propose(args).await,
        Command::Lint(args) => lint(args).await,
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
        Command::Withdraw(args) => withdraw(args).await,
    }
}

/// Reads a study file.
///
/// # Errors
/// `study_invalid` with line and fix.
pub fn read(file: &Path) -> Done<(String, Study)> {
    let text = std::fs::read_to_string(file).map_err(Failure::io("read", file))?;
    let study = Study::parse(&text).map_err(|error| {
        Failure::refused(Code::StudyInvalid, format!("`{}`, line {}: {}", file.display(), error.line, error.problem))
            .instead(error.fix)
    })?;
    Ok((text, study))
}

async fn lint(args: &LintStudy) -> Done {
    let out = Out::new(args.read.json);
    let (_, study) = read(&args.file)?;
    let sites = match args.sites {
        Some(sites) => sites,
        None => enrolled(args, &study).await?,
    };
    let findings = study.lint(sites);
    let line_up = if study.sites.is_empty() { sites } else { study.sites.len() };
    let numbers = study.thresholds(line_up).ok();
    out.value(&json!({
        "study": study.id, "digest": study.root().hex(), "sites": line_up,
        "survivors": numbers.map(|n| n.survivors), "threshold": numbers.map(|n| n.threshold),
        "colluders": numbers.map(|n| n.colluders), "quorum": study.quorum(line_up).ok(),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
    }));
    say_numbers(out, &study, line_up);
    for finding in &findings {
        out.line(format!("  {finding}"));
    }
    refuse_errors(&study, &findings)
}

/// How many sites have joined with a proof that holds.
async fn enrolled(args: &LintStudy, study: &Study) -> Done<usize> {
    match Identity::open(args.read.who.identity.as_deref()) {
        Ok(identity) => {
            let mut desk = identity.desk().await?;
            let members = known(&identity, &mut desk).await?;
            Ok(members.iter().filter(|known| is_site(known) && matches!(known.standing, Standing::Verified(_))).count())
        }
        Err(_) if !study.sites.is_empty() => Ok(study.sites.len()),
        Err(_) => Err(Failure::usage(
            "without an identity nobody can say how many sites are enrolled",
            "give --sites N to check for N sites, or --as DIR to ask the coordinator",
        )),
    }
}

fn is_site(known: &Known) -> bool {
    known.member.role == Role::Site.as_str()
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

fn refuse_errors(study: &Study, findings: &[Finding]) -> Done {
    let errors: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.message.as_str())
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(Code::StudyInvalid, format!("study `{}`: {}", study.id, errors.join("; ")))
        .instead("mend the study file and check it again with `motet study lint FILE`"))
}

async fn propose(args: &ProposeStudy) -> Done {
    let out = Out::new(args.read.json);
    let (text, study) = read(&args.file)?;
    let (identity, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let proposed = submit(&identity, &mut desk, &text, &study).await?;
    let Proposed { digest, signed, findings } = &proposed;
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
    out.line("Proposed. Each steward sees this list and decides with `motet-node study show` and `approve`.");
    out.line(format!("Then: motet run start {} --wait", study.id));
    Ok(())
}

/// What a proposal came to.
pub struct Proposed {
    /// The study's digest as the coordinator confirmed it, hexadecimal.
    pub digest: String,
    /// The roster as signed here.
    pub signed: SignedRoster,
    /// Advice, errors excluded: a study with an error is not proposed.
    pub findings: Vec<Finding>,
}

/// Builds and signs the roster, then proposes.
///
/// # Errors
/// `study_invalid` for a finding that is an error; a failure naming each site that is not verified; the coordinator's
/// refusals.
pub async fn submit(identity: &Identity, desk: &mut Desk, text: &str, study: &Study) -> Done<Proposed> {
    let governance = identity.governance_key()?;
    let about = desk.about(v1::AboutRequest {}).await?.into_inner();
    if about.governance != identity.fingerprint().hex() {
        return Err(Failure::failed(
            "the coordinator names another governance key than the one in this identity",
            "compare fingerprints with whoever runs the coordinator before anything else",
        ));
    }
    let coordinator = <[u8; 32]>::try_from(about.coordinator.as_slice()).map(PublicKey).map_err(|_| {
        Failure::failed("the coordinator's key is not 32 bytes", "the coordinator's version may differ; see `motet --version`")
    })?;
    let members = known(identity, desk).await?;
    let entries = entries(&members, &study.sites)?;
    let findings = study.lint(entries.len());
    refuse_errors(study, &findings)?;
    let epoch = next_epoch(desk, &study.id).await?;
    let roster = Roster::new(&study.id, epoch, coordinator, &identity.card.consortium, entries)?;
    let signed = roster.sign(&governance)?;
    let request = v1::ProposeRequest { study: text.to_owned(), roster: signed.to_bytes() };
    let digest = desk.propose(request).await?.into_inner().digest;
    if digest != study.root().hex() {
        return Err(Failure::failed(
            format!("the coordinator registered the study as `{digest}`, here it is `{}`", study.root().hex()),
            "install the same version on both sides, withdraw the study and propose it again",
        ));
    }
    Ok(Proposed { digest, signed, findings })
}

/// The named sites, or all that are verified; a site whose proof was not checked here never enters a roster.
fn entries(members: &[Known], names: &[String]) -> Done<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut missing: Vec<String> = Vec::new();
    let sites = members.iter().filter(|known| is_site(known));
    for Known { member, standing } in sites.clone() {
        let wanted = names.contains(&member.name);
        match standing {
            Standing::Verified(enrolment) if wanted || names.is_empty() => {
                let Some(steward) = enrolment.steward else { continue };
                entries.push(Entry::new(&enrolment.name, &enrolment.country, enrolment.identity, steward));
            }
            // A forged hospital is never passed over in silence, even where the study names others.
            Standing::Wrong(why) => missing.push(format!("`{}` joined with a wrong proof ({why})", shown(&member.name))),
            Standing::Invited | Standing::Expired if wanted => {
                missing.push(format!("`{}` has not joined", member.name));
            }
            Standing::Unchecked if wanted => missing.push(format!("`{}` was invited by another operator", member.name)),
            Standing::Removed if wanted => missing.push(format!("`{}` was removed", member.name)),
            _ => {}
        }
    }
    for name in names {
        if !sites.clone().any(|known| known.member.name == *name) {
            missing.push(format!("`{name}` was never invited"));
        }
    }
    if missing.is_empty() {
        return Ok(entries);
    }
    Err(Failure::refused(Code::NotInRoster, missing.join("; "))
        .instead("`motet site list` shows every site; remove a site with a wrong proof and invite it anew"))
}

/// One more than the roster the coordinator has for this study, so that an old roster is recognised.
async fn next_epoch(desk: &mut Desk, id: &str) -> Done<u64> {
    let studies = match desk.list_studies(v1::ListStudiesRequest { id: id.to_owned() }).await {
        Ok(answer) => answer.into_inner().studies,
        Err(status) => match motet_proto::refusal::refusal(&status) {
            Some(refusal) if refusal.code == Code::StudyUnknown => Vec::new(),
            _ => return Err(status.into()),
        },
    };
    let epochs = studies.iter().filter(|study| study.id == id).filter_map(|study| SignedRoster::from_bytes(&study.roster).ok());
    Ok(epochs.map(|signed| signed.roster.epoch).max().unwrap_or(0).saturating_add(1))
}

fn roster_table(roster: &Roster) -> Table {
    let mut table = Table::new(&["site", "country", "identity key", "steward's key"]);
    let mut entries: Vec<&Entry> = roster.entries.iter().collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries {
        let (identity, steward) = (entry.identity.fingerprint().short(), entry.steward.fingerprint().short());
        table.row([entry.name.clone(), entry.country.clone(), identity, steward]);
    }
    table
}

fn roster_json(roster: &Roster) -> Value {
    let site = |entry: &Entry| {
        json!({
            "name": entry.name, "country": entry.country, "node": entry.node.hex(),
            "identity": entry.identity.fingerprint().hex(), "steward": entry.steward.fingerprint().hex(),
        })
    };
    json!({
        "digest": roster.digest().hex(), "epoch": roster.epoch, "colluders": roster.colluders, "h_min": roster.h_min,
        "sites": roster.entries.iter().map(site).collect::<Vec<_>>(),
    })
}

async fn list(args: &Read) -> Done {
    let out = Out::new(args.json);
    let (_, mut desk) = calling(args.who.identity.as_deref()).await?;
    let studies = desk.list_studies(v1::ListStudiesRequest { id: String::new() }).await?.into_inner().studies;
    out.value(&json!({ "studies": studies.iter().map(study_json).collect::<Vec<_>>() }));
    let mut table = Table::new(&["study", "state", ">approved", ">declined", ">sites", ">connected", "title"]);
    for study in &studies {
        let with = |word: &str| study.sites.iter().filter(|site| site.decision == word).count().to_string();
        let connected = study.sites.iter().filter(|site| site.connected).count().to_string();
        let sites = study.sites.len().to_string();
        let (id, state, title) = (study.id.clone(), study.state.clone(), study.title.clone());
        table.row([id, state, with("approved"), with("declined"), sites, connected, title]);
    }
    if table.is_empty() { out.line("No study yet. `motet study propose FILE.toml` proposes one.") } else { out.table(&table) }
    Ok(())
}

async fn one(desk: &mut Desk, id: &str) -> Done<v1::Study> {
    let studies = desk.list_studies(v1::ListStudiesRequest { id: id.to_owned() }).await?.into_inner().studies;
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
    let verified = roster.as_ref().is_some_and(|signed| signed.verify(&identity.fingerprint()).is_ok());
    let mut value = study_json(&study);
    if let (Some(fields), Some(signed)) = (value.as_object_mut(), &roster) {
        fields.insert("roster".into(), roster_json(&signed.roster));
        fields.insert("roster_signature_holds".into(), json!(verified));
        fields.insert("text".into(), json!(study.text));
    }
    out.value(&value);
    out.heading(format!("Study {}: {}", study.id, shown(&study.title)));
    out.line(format!("  state          {}", study.state));
    out.line(format!("  study digest   {}", study.digest));
    if let Some(signed) = &roster {
        let held = if verified { "signed by the governance key" } else { "NOT SIGNED by the governance key you trust" };
        out.line(format!("  roster digest  {} ({held})", signed.roster.digest().hex()));
    }
    out.line("");
    let mut table = Table::new(&["site", "country", "decision", "now", "reason or permit"]);
    for site in &study.sites {
        let now = if site.connected { "connected" } else { "away" };
        let (name, country, decision) = (site.site.clone(), site.country.clone(), site.decision.clone());
        table.row([name, country, decision, now.to_owned(), site.why.clone()]);
    }
    out.table(&table);
    Ok(())
}

fn study_json(study: &v1::Study) -> Value {
    let site = |site: &v1::Standing| {
        json!({
            "site": site.site, "country": site.country, "decision": site.decision, "why": site.why,
            "connected": site.connected,
        })
    };
    json!({
        "id": study.id, "title": study.title, "digest": study.digest, "state": study.state,
        "sites": study.sites.iter().map(site).collect::<Vec<_>>(),
    })
}

async fn withdraw(args: &NamedWrite) -> Done {
    let (_, mut desk) = calling(args.who.identity.as_deref()).await?;
    desk.withdraw_study(v1::WithdrawStudyRequest { id: args.id.clone() }).await?;
    Out::new(false).line(format!("Study `{}` is withdrawn ({}): no run of it starts or goes on.", args.id, crate::output::moment(now_ms())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::enrol::Enrolment;
    use motet_secagg::digest::Digest;
    use motet_secagg::sign::SecretKey;

    fn site(name: &str, seed: u8, standing: fn(Enrolment) -> Standing) -> Known {
        let enrolment = Enrolment {
            invite: [seed; 16],
            name: name.into(),
            country: "FR".into(),
            role: Role::Site,
            identity: SecretKey::from_seed([seed; 32]).public(),
            steward: Some(SecretKey::from_seed([seed + 100; 32]).public()),
            csr_key_digest: Digest::default(),
            governance_fingerprint: Digest::default(),
        };
        let member = v1::Member { name: name.into(), country: "FR".into(), role: "site".into(), ..v1::Member::default() };
        Known { member, standing: standing(enrolment) }
    }

    fn names(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.name.as_str()).collect()
    }

    #[test]
    fn a_roster_takes_the_verified_sites_and_those_only() {
        let good: fn(Enrolment) -> Standing = |enrolment| Standing::Verified(Box::new(enrolment));
        let members = [site("lyon", 1, good), site("nice", 2, |_| Standing::Invited), site("pau", 3, good)];
        assert_eq!(names(&entries(&members, &[]).unwrap()), ["lyon", "pau"]);
        assert_eq!(names(&entries(&members, &["pau".into()]).unwrap()), ["pau"]);
        let failure = entries(&members, &["pau".into(), "nice".into(), "metz".into()]).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("`nice` has not joined") && text.contains("`metz` was never invited"), "{text}");
        assert_eq!(failure.exit_code(), 3);
    }

    #[test]
    fn a_forged_site_stops_the_proposal() {
        let good: fn(Enrolment) -> Standing = |enrolment| Standing::Verified(Box::new(enrolment));
        let members = [site("lyon", 1, good), site("nice", 2, |_| Standing::Wrong("x".into()))];
        assert!(entries(&members, &[]).unwrap_err().to_string().contains("`nice` joined with a wrong proof"));
    }
}
