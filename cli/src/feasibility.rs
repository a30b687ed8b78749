//! `motet study feasibility FILE`: before anything is trained, how many patients a study would
//! have. It is a study of its own, which stewards approve like any other: each site rounds its
//! count and says none where there are few.

use crate::args::Feasibility;
use crate::failure::{Done, Failure};
use crate::identity::{Desk, calling};
use crate::output::{Out, Table, shown};
use crate::propose::{read, submit};
use crate::watch::{Progress, ended, follow};
use motet_common::study::Study;
use motet_proto::v1::{self, StewardDecision};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the stewards' decisions are looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Proposes the count, waits for the approvals and prints what came of it.
///
/// # Errors
/// `study_invalid` with the line; the coordinator's refusals; the reason for which the run ended
/// without a release.
pub(crate) async fn run(args: &Feasibility) -> Done {
    let out = Out::new(args.read.json);
    let (_, study) = read(&args.file)?;
    let counted = study.feasibility(args.multiple);
    let (identity, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let identity = identity.with_passphrase_file(&args.govern);
    let request = v1::ListStudiesRequest { id: String::new() };
    let digest = counted.root().hex();
    if desk
        .list_studies(request)
        .await?
        .into_inner()
        .studies
        .iter()
        .any(|known| known.digest == digest)
    {
        // Asked before: what was counted then is the answer, or the count goes on.
        if let Ok((_, files)) = crate::release::fetch(&mut desk, &counted.id, "").await {
            return conclude(out, &study, &files);
        }
    } else {
        submit(&identity, &mut desk, &counted.to_toml(), &counted).await?;
    }
    out.line(format!(
        "Study `{}` asks for rounded counts only; the stewards approve it first.",
        counted.id
    ));
    approved(&mut desk, &counted, args.without_undecided, out).await?;
    let request = v1::StartRunRequest {
        study: counted.id.clone(),
        without_undecided: args.without_undecided,
    };
    let run = desk.start_run(request).await?.into_inner().run;
    let mut progress = Progress::new(&args.read);
    let end = follow(&mut desk, &run, |event| progress.show(event)).await?;
    progress.end();
    ended(&end)?;
    let (_, files) = crate::release::fetch(&mut desk, &counted.id, &run).await?;
    conclude(out, &study, &files)
}

fn conclude(out: Out, study: &Study, files: &BTreeMap<String, Vec<u8>>) -> Done {
    let report = files
        .get("report.json")
        .ok_or_else(|| Failure::failed("the release has no report.json", ""))?;
    let report: Value = serde_json::from_slice(report)
        .map_err(|error| Failure::failed(format!("report.json is not a report: {error}"), ""))?;
    say(out, study, &report);
    out.value(&report);
    Ok(())
}

/// Until all stewards have decided, or without those who have not until enough have approved for a
/// sum; says once whom it waits for.
async fn approved(desk: &mut Desk, study: &Study, without_undecided: bool, out: Out) -> Done {
    let mut said = String::new();
    loop {
        let request = v1::ListStudiesRequest {
            id: study.id.clone(),
        };
        let studies = desk.list_studies(request).await?.into_inner().studies;
        let sites: Vec<&v1::Standing> = studies.iter().flat_map(|study| &study.sites).collect();
        let silent: Vec<&str> = sites
            .iter()
            .filter(|site| site.decision() == StewardDecision::Undecided)
            .map(|site| site.site.as_str())
            .collect();
        let willing = sites
            .iter()
            .filter(|site| site.decision() == StewardDecision::Approved)
            .count();
        let least = study
            .thresholds(sites.len())
            .map_or(sites.len(), |numbers| numbers.survivors);
        if silent.is_empty() && willing < least {
            let problem = format!(
                "{willing} of {} sites approve the count, {least} are needed",
                sites.len()
            );
            return Err(Failure::failed(
                problem,
                "`motet study show` says who declined, and why",
            ));
        }
        if silent.is_empty() || without_undecided && willing >= least {
            return Ok(());
        }
        let waiting = shown(&silent.join(", "));
        if waiting != said {
            out.line(format!("  waiting for {waiting}"));
            said = waiting;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn cell(count: &Value) -> String {
    count
        .as_u64()
        .map_or_else(|| "-".to_owned(), |count| count.to_string())
}

fn say(out: Out, study: &Study, report: &Value) {
    let mut table = Table::new(&["", ">rounded sum", ">at least", ">at most", ">sites below"]);
    for (name, key) in [("patients", "rows"), ("with the outcome", "events")] {
        let counted = &report[key];
        // A study without an outcome counts none.
        if counted["rounded"].is_u64() {
            let cells = ["rounded", "true_low", "true_high", "sites_below"];
            let [rounded, low, high, below] = cells.map(|part| cell(&counted[part]));
            table.row([name.into(), rounded, low, high, below]);
        }
    }
    out.heading(format!("Feasibility of `{}`", study.id));
    out.table(&table);
    out.line(
        "Each site rounded its own count; a site below the limit said none. Patients \
        without a value that the study needs are not counted.",
    );
}
