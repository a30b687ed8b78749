//! `motet bench recipes`: what every recipe needs, measured on the ten countries of the stroke
//! demo: real processes, mutual TLS, masks, the log and its checks. Bytes are counted on the line
//! of one site, both ways, with everything that a run takes: plans, keys, shares, and the others'
//! masked vectors, with which a node makes each sum again.

mod cases;
mod meter;

use crate::args::bench::{Bench, Recipes};
use crate::demo::consortium::Consortium;
use crate::demo::data::{Data, STROKE};
use crate::demo::interrupted;
use crate::failure::{Done, Failure};
use crate::identity::{private_folder, write_plain};
use crate::output::{Out, Table, remark};
use cases::Case;
use meter::Meter;
use motet_proto::v1;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The site whose line is measured: ITAL has the most patients, and bytes do not depend on it.
const MEASURED: usize = 2;
/// The stroke trial at hospitals that let its survival studies count days.
const TRIAL: Data = Data {
    exact_times: true,
    ..STROKE
};

/// What one recipe took.
struct Cost {
    case: &'static Case,
    rounds: u64,
    sent: u64,
    received: u64,
    seconds: f64,
}

/// A folder that is gone when it is no longer needed.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Says of a failure where its logs are, or how to keep them.
    fn advise(&self, failure: Failure) -> Failure {
        failure.instead(if self.keep {
            format!("the logs lie in {}", self.path.display())
        } else {
            "--keep leaves the logs".to_owned()
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Runs the command; Ctrl-C or a termination signal ends every process it started.
///
/// # Errors
/// Wrong usage; the first step that fails, in its own words.
pub async fn run(command: &Bench) -> Done {
    let Bench::Recipes(args) = command;
    tokio::select! {
        done = recipes(args) => done,
        () = interrupted() => Err(Failure::failed("interrupted; its processes are ended", "")),
    }
}

async fn recipes(args: &Recipes) -> Done {
    let out = Out::new(args.json);
    let chosen = cases::chosen(&args.only)?;
    let data = &TRIAL;
    let path = std::env::temp_dir().join(format!("motet-bench-{}", std::process::id()));
    let folder = Folder {
        path,
        keep: args.keep,
    };
    private_folder(&folder.path)?;
    extract(data, &folder.path.join("extracts"))?;
    let mut consortium = Consortium::start(&folder.path, data, &[])
        .await
        .map_err(|failure| folder.advise(failure))?;
    let meter = Meter::start(&consortium.identity.card.address).await?;
    consortium
        .reroute(MEASURED, &meter.address)
        .await
        .map_err(|failure| folder.advise(failure))?;
    let mut costs = Vec::new();
    for case in chosen {
        remark(format!("{} ..", case.name));
        match measure(&mut consortium, &meter, case).await {
            Ok(cost) => costs.push(cost),
            Err(failure) => {
                // What was measured took its time; programs get one object, the failure.
                if !out.is_json() {
                    tell(out, data, &costs);
                }
                let failed = Failure::failed(format!("{}: {failure}", case.name), "");
                return Err(folder.advise(failed));
            }
        }
    }
    consortium.stop();
    tell(out, data, &costs);
    if folder.keep {
        out.line(format!("\nkeys, ledgers, logs: {}", folder.path.display()));
    }
    Ok(())
}

/// One study, from its proposal to its release; only the run is measured.
async fn measure(consortium: &mut Consortium, meter: &Meter, case: &'static Case) -> Done<Cost> {
    let study = consortium.agree(&case.study(), &[]).await?;
    let before = meter.passed();
    let began = Instant::now();
    let request = v1::StartRunRequest {
        study: study.id.clone(),
        without_undecided: false,
    };
    let started = consortium.desk.start_run(request).await?;
    let end = crate::watch::follow(&mut consortium.desk, &started.into_inner().run, |_| ()).await?;
    let seconds = began.elapsed().as_secs_f64();
    let after = meter.passed();
    crate::watch::ended(&end)?;
    Ok(Cost {
        case,
        rounds: end.rounds,
        sent: after.0 - before.0,
        received: after.1 - before.1,
        seconds,
    })
}

/// The demo's files, each row with the patient's follow-up beside.
fn extract(data: &Data, folder: &Path) -> Done {
    private_folder(folder)?;
    write_plain(
        &folder.join("schema.toml"),
        &format!("{}{}", data.schema, cases::MORE),
    )?;
    for site in data.sites {
        let table = cases::with_more(site.name, site.csv).ok_or_else(|| {
            let strange = format!("the table of {} is not that of its follow-up", site.name);
            Failure::failed(strange, "")
        })?;
        write_plain(&folder.join(format!("{}.csv", site.name)), &table)?;
    }
    Ok(())
}

fn kilo(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e3)
}

fn tell(out: Out, data: &Data, costs: &[Cost]) {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let sites = data.sites.len();
    let rows = data.patients();
    let mut table = Table::new(&[
        "recipe",
        "what is fitted",
        ">rounds",
        ">kB sent",
        ">kB received",
        ">seconds",
    ]);
    for cost in costs {
        table.row([
            cost.case.name.to_owned(),
            cost.case.what.to_owned(),
            cost.rounds.to_string(),
            kilo(cost.sent),
            kilo(cost.received),
            format!("{:.1}", cost.seconds),
        ]);
    }
    out.table(&table);
    out.line(format!(
        "\n{rows} patients at {sites} sites; bytes on the line of one of them; all \
         processes on this machine: {cores} cores, {build} build"
    ));
    let unmeasured = cases::unmeasured();
    if !unmeasured.is_empty() {
        out.line(format!("not measured: {}", unmeasured.join(", ")));
    }
    let costs: Vec<_> = costs
        .iter()
        .map(|cost| {
            json!({
                "recipe": cost.case.name, "kind": cost.case.kind, "what": cost.case.what, "rounds": cost.rounds,
                "bytes_sent": cost.sent, "bytes_received": cost.received, "seconds": cost.seconds,
            })
        })
        .collect();
    out.value(
        &json!({ "sites": sites, "rows": rows, "cores": cores, "build": build, "recipes": costs }),
    );
}
