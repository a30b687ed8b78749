//! `motet demo`: a whole consortium on this machine, on real data. Nothing is short-cut but the
//! human clicks: the demo types the commands that people type, and reads what they would read.
//!
//! ```text
//! init -> coordinator -> join, data add, run (one process a site) -> propose -> approve -> run: exact, then averaged
//!      -> fetch both releases -> stop every process -> verify offline -> compare with one pooled table
//! ```

mod compare;
pub(crate) mod consortium;
pub(crate) mod data;

mod narrate;
mod process;
mod rounds;

pub use crate::loss::Loss;

use crate::args::Demo;
use crate::failure::{Done, Failure};
use crate::identity::write_plain;
use crate::output::Out;
use compare::{Own, Report};
use consortium::Consortium;
use data::{Data, Site, Told};
use motet_common::study::{MOST_LOST, Study};
use motet_ledger::Ledger;
use motet_node::records::{Frame, OUTBOUND};
use motet_proto::v1;
use motet_secagg::encode::Canonical as _;
use narrate::{Left, Narrator};
use process::words;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The file that says that a folder was made by a demo and may be replaced by the next.
const MARK: &str = ".motet-demo";

/// Runs the demo; Ctrl-C or a termination signal ends every process it started.
///
/// # Errors
/// Wrong usage; the first step that fails, in its own words.
pub async fn run(args: &Demo) -> Done {
    tokio::select! {
        done = play(args) => done,
        () = interrupted() => Err(Failure::failed("the demo was interrupted; its processes are ended", "")),
    }
}

pub(crate) async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn play(args: &Demo) -> Done {
    let out = Out::new(args.json);
    let data = data::of(args.scene);
    check_losses(data, &args.drops)?;
    let folder = take_folder(&args.out)?;
    let work = folder.join("consortium");
    crate::identity::private_folder(&work)?;
    let mut tell = Narrator::new(out);
    tell.opening(data, &args.drops);

    tell.chapter("The consortium");
    data.extract(&work.join("extracts"))?;
    let mut consortium = Consortium::start(&work, data, &args.drops).await?;
    let pid = consortium.coordinator.pid();
    let address = consortium.identity.card.address.clone();
    tell.processes(data, &consortium.members, pid, &address);
    tell.say(format!(
        "every site has redeemed its own join code, and every proof was checked ({:.1} s)",
        tell.seconds()
    ));

    tell.chapter("The stewards decide");
    let exact_study = consortium
        .agree(&proposed(data.exact.text, &args.drops), &[])
        .await?;
    // Who is lost is in some sums and not in others, and both studies read the same patients.
    let lost: Vec<&str> = args.drops.iter().map(|loss| loss.site.as_str()).collect();
    let second_study = consortium
        .agree(&proposed(data.second.text, &args.drops), &lost)
        .await?;
    say_thresholds(&tell, &exact_study, data.sites.len());
    if !lost.is_empty() {
        tell.say(format!(
            "They approve the second with `--again={}`: sums with and \
             without whoever is lost, over the \
             same patients, together show \
             what that hospital alone would say. Without that word the nodes would sign no such sum.",
            lost.join(",")
        ));
    }

    tell.chapter(data.exact.heading);
    let exact = follow(
        &mut consortium,
        &tell,
        &exact_study,
        &folder.join(data.exact.name),
    )
    .await?;
    tell.chapter(data.second.heading);
    let second = follow(
        &mut consortium,
        &tell,
        &second_study,
        &folder.join(data.second.name),
    )
    .await?;

    consortium.own_reports(&exact_study).await;
    consortium.own_reports(&second_study).await;
    // From here on nobody can be asked any more: what follows rests on files.
    consortium.stop();
    tell.chapter("Both releases, checked offline");
    let fingerprint = consortium.identity.fingerprint().hex();
    for name in [data.exact.name, data.second.name] {
        let args = words![
            "release",
            "verify",
            folder.join(name),
            "--governance",
            &fingerprint
        ];
        for line in process::run(consortium.program(), args, "")
            .await?
            .lines()
            .filter(|line| name == data.exact.name || !line.starts_with("  ok"))
        {
            tell.say(line.trim());
        }
    }

    tell.chapter("The exact result");
    tell.coefficients(&exact);
    let extracts = work.join("extracts");
    let pooled = compare::pooled(data, &extracts, &exact_study, &exact.site_names)?;
    let agreement = compare::agreement(&exact, &pooled);
    tell.agreement(&agreement, &exact);

    let alone = keep_local(
        &folder,
        &consortium,
        [(&exact_study, data.exact), (&second_study, data.second)],
    )?;
    if let Some(auc) = pooled.auc {
        tell.chapter("What each model can tell apart");
        tell.models(&exact, auc, &second, &alone);
    }

    tell.chapter("What left the hospitals");
    let left = what_left(&consortium, &exact_study, &second_study).await?;
    tell.what_left(&left, data.second.bytes);

    drop(consortium);
    write_plain(&folder.join("PROVENANCE.md"), data.provenance)?;
    if !args.keep {
        std::fs::remove_dir_all(&work).map_err(Failure::io("remove", &work))?;
    }
    let seconds = tell.seconds();
    let summary = json!({
        "out": folder, "seconds": seconds, "governance": fingerprint, "kept": args.keep,
        "sites": data.sites.iter().map(|site| json!({ "name": site.name, "country": site.country, "patients": site.patients() })).collect::<Vec<_>>(),
        data.exact.name: released(&exact, &folder.join(data.exact.name)),
        data.second.name: released(&second, &folder.join(data.second.name)),
        "pooled": { "auc": pooled.auc, "loglik": pooled.loglik, "rows": pooled.rows },
        "agreement": { "estimates": agreement.estimates, "errors": agreement.errors, "loglik": agreement.loglik },
        "alone": alone.iter().map(|(site, own)| json!({
            "site": site.name, "auc": own.alone, "ridge": own.ridge, "auc_federated": own.federated,
        })).collect::<Vec<_>>(),
        "left": left.iter().map(|left| json!({
            "site": left.site, "frames": left.frames, "exact": left.exact, "averaged": left.averaged, "bytes": left.all,
        })).collect::<Vec<_>>(),
        "dropped": args.drops.iter().map(|loss| json!({ "site": loss.site, "at": loss.drill() })).collect::<Vec<_>>(),
        "verified": true,
    });
    out.value(&summary);
    tell.closing(&places(&folder, data, &fingerprint, args.keep));
    Ok(())
}

fn say_thresholds(tell: &Narrator, study: &Study, sites: usize) {
    let Ok(numbers) = study.thresholds(sites) else {
        return;
    };
    tell.say(format!(
        "{sites} stewards have approved two studies, each with its own \
         signature over study and roster (the demo types the \
         command for them: the only clicks that are not people's). At \
         least {} sites must be in every sum, {} may drop out; \
         the masks hold against {} colluding with the coordinator.",
        numbers.survivors,
        sites - numbers.survivors,
        crate::output::count(numbers.colluders, "site"),
    ));
}

/// Starts a run, tells it round by round, and fetches its release into `place`.
async fn follow(
    consortium: &mut Consortium,
    tell: &Narrator,
    study: &Study,
    place: &Path,
) -> Done<Report> {
    // A hospital that was dropped before has approved this study, too, and would be waited for,
    // however long.
    let mut gone: Vec<&str> = Vec::new();
    for member in &mut consortium.members {
        if member.process.is_over() {
            gone.push(member.site.name);
        }
    }
    if !gone.is_empty() {
        tell.say(format!(
            "started with `--without-undecided`, for {} stays away",
            gone.join(", ")
        ));
    }
    let request = v1::StartRunRequest {
        study: study.id.clone(),
        without_undecided: !gone.is_empty(),
    };
    let run = consortium.desk.start_run(request).await?.into_inner().run;
    let mut rounds = tell.rounds();
    let desk = &mut consortium.desk;
    let members = &mut consortium.members;
    let end = crate::watch::follow(desk, &run, |event| {
        for member in members.iter_mut() {
            if member.process.has_just_ended() {
                rounds.aside(&format!(
                    "{} is gone: its process {} has ended in phase {} of round \
                     {} and stays dead. The others' shares take its \
                     masks out of the sum.",
                    member.site.name,
                    member.process.pid(),
                    event.phase().word(),
                    event.round
                ));
            }
        }
        rounds.event(event);
    })
    .await?;
    let seconds = rounds.end();
    crate::watch::ended(&end)?;
    let (_, files) = crate::release::fetch(desk, &study.id, &run).await?;
    crate::release::write_folder(place, &files)?;
    crate::release::check_folder(place, Some(consortium.identity.fingerprint()))?;
    let bytes = files
        .get("report.json")
        .ok_or_else(|| Failure::failed("the release has no report.json", ""))?;
    let report = compare::report(bytes)?;
    tell.say(format!(
        "released in {seconds:.1} s: {} rounds, {} sites, {} patients",
        report.rounds,
        report.sites,
        narrate::thousands(report.rows)
    ));
    Ok(report)
}

/// Copies what each node wrote for its own steward, and reads what it says about the exact fit.
fn keep_local(
    folder: &Path,
    consortium: &Consortium,
    studies: [(&Study, Told); 2],
) -> Done<Vec<(Site, Own)>> {
    let mut alone = Vec::new();
    for member in &consortium.members {
        let place = folder.join("sites").join(member.site.name);
        std::fs::create_dir_all(&place).map_err(Failure::io("make", &place))?;
        let mut own = Own::default();
        for (at, (study, told)) in studies.into_iter().enumerate() {
            let name = if at == 0 {
                "local.json".to_owned()
            } else {
                format!("local-{}.json", told.name)
            };
            let Ok(bytes) = std::fs::read(member.report(study)) else {
                continue;
            };
            let kept = place.join(name);
            std::fs::write(&kept, &bytes).map_err(Failure::io("write", &kept))?;
            if at == 0 {
                own = compare::own(&bytes);
            }
        }
        alone.push((member.site, own));
    }
    Ok(alone)
}

/// Adds up every node's outbound ledger.
async fn what_left(consortium: &Consortium, exact: &Study, averaged: &Study) -> Done<Vec<Left>> {
    let mut rows = Vec::new();
    for member in &consortium.members {
        let ledger = Ledger::open(&member.dir.join("ledger")).await?;
        let mut left = Left {
            site: member.site.name.to_owned(),
            frames: 0,
            exact: 0,
            averaged: 0,
            all: 0,
        };
        for recorded in ledger.read(OUTBOUND, 1).await? {
            let frame = Frame::from_bytes(&recorded.entry).map_err(|error| {
                Failure::failed(
                    format!(
                        "the outbound ledger of {} is not readable: {error}",
                        member.site.name
                    ),
                    "",
                )
            })?;
            left.frames += 1;
            left.all += frame.bytes;
            if frame.study == exact.id {
                left.exact += frame.bytes;
            } else if frame.study == averaged.id {
                left.averaged += frame.bytes;
            }
        }
        ledger.close().await;
        rows.push(left);
    }
    Ok(rows)
}

fn released(report: &Report, place: &Path) -> Value {
    json!({
        "study": report.study, "run": report.run, "rounds": report.rounds, "sites": report.sites, "rows": report.rows,
        "auc": report.metrics.auc, "brier": report.metrics.brier, "calibration_slope": report.metrics.calibration_slope,
        "loglik": report.loglik, "site_names": report.site_names, "release": place,
        "sites_lost": report.sites_lost.iter().map(|lost| &lost.name).collect::<Vec<_>>(),
    })
}

fn places(folder: &Path, data: &Data, fingerprint: &str, keep: bool) -> Vec<(String, String)> {
    let place = |name: &str| folder.join(name).display().to_string();
    let mut lines = vec![
        ("exact release".to_owned(), place(data.exact.name)),
        ("second release".to_owned(), place(data.second.name)),
        (
            "model card".to_owned(),
            place(&format!("{}/card.md", data.exact.name)),
        ),
        (
            "each site's own report".to_owned(),
            place("sites/NAME/local.json"),
        ),
        ("data: source, licence".to_owned(), place("PROVENANCE.md")),
        (
            "check it again".to_owned(),
            format!("motet release verify {} \\", place(data.exact.name)),
        ),
        (String::new(), format!("  --governance {fingerprint}")),
    ];
    if keep {
        lines.push(("keys, ledgers, logs".to_owned(), place("consortium")));
    }
    lines
}

/// The study's text: where a hospital is to be lost, one that goes on without it.
fn proposed(text: &str, losses: &[Loss]) -> String {
    if losses.is_empty() {
        return text.to_owned();
    }
    text.replace("on_site_loss = \"pause\"", "on_site_loss = \"continue\"")
}

/// Every loss must name a site, and so many may be lost at once that a sum can still be opened.
fn check_losses(data: &Data, losses: &[Loss]) -> Done {
    let names: Vec<&str> = data.sites.iter().map(|site| site.name).collect();
    for loss in losses {
        if !names.contains(&loss.site.as_str()) {
            return Err(Failure::usage(
                format!("--drop: no site is called `{}`", loss.site),
                format!("the sites are {}", names.join(", ")),
            ));
        }
        if losses
            .iter()
            .filter(|other| other.site == loss.site)
            .count()
            > 1
        {
            return Err(Failure::usage(
                format!("--drop: `{}` can be lost once only", loss.site),
                "it stays dead after that",
            ));
        }
    }
    let study =
        Study::parse(data.exact.text).map_err(|error| Failure::failed(error.to_string(), ""))?;
    let survivors = study
        .thresholds(names.len())
        .map_or(names.len(), |numbers| numbers.survivors);
    let spare = names.len() - survivors;
    // What is lost before the first sum is in none.
    if losses.iter().filter(|loss| loss.round > 1).count() > MOST_LOST as usize {
        return Err(Failure::usage(
            "--drop: a second site would be lost after the first sum",
            "lose one there, and any others in round 1: a study goes on without one site at most",
        ));
    }
    if losses.len() > spare {
        return Err(Failure::usage(
            format!(
                "--drop: {} of {} sites would be lost, and {survivors} must stay in every sum",
                losses.len(),
                names.len()
            ),
            format!("lose at most {spare}"),
        ));
    }
    Ok(())
}

/// An empty folder that carries the mark: a former demo's is emptied, any other that holds
/// something is refused.
fn take_folder(out: &Path) -> Done<PathBuf> {
    let folder = std::path::absolute(out)
        .map_err(Failure::io("find", out))?
        .components()
        .collect::<PathBuf>();
    if folder.join(MARK).is_file() {
        std::fs::remove_dir_all(&folder).map_err(Failure::io("empty", &folder))?;
    }
    crate::identity::refuse_existing(&folder).map_err(|failure| {
        failure.instead("no demo made it; give another folder with --out DIR")
    })?;
    std::fs::create_dir_all(&folder).map_err(Failure::io("make", &folder))?;
    write_plain(
        &folder.join(MARK),
        "made by `motet demo`, and replaced by the next one\n",
    )?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Scene;

    #[test]
    fn only_a_former_demo_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        take_folder(&out).unwrap();
        std::fs::write(out.join("report.json"), "old").unwrap();
        take_folder(&out).unwrap();
        assert!(!out.join("report.json").exists());
        let other = folder.path().join("thesis");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("chapter.md"), "years of work").unwrap();
        assert_eq!(take_folder(&other).unwrap_err().exit_code(), 2);
        assert!(other.join("chapter.md").exists());
    }

    #[test]
    fn losses_name_sites_once_and_leave_enough_of_them() {
        let data = data::of(Scene::Stroke);
        let losses = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| text.parse().unwrap())
                .collect::<Vec<Loss>>()
        };
        assert!(
            check_losses(
                data,
                &losses(&["ITAL@upload:2", "BELG@join:1", "SWED@reveal:1"])
            )
            .is_ok()
        );
        for bad in [
            &["PARIS@upload"][..],
            &["ITAL@upload", "ITAL@join"],
            &["ITAL@join:1", "BELG@join:1", "SWED@join:1", "NORW@join:1"],
            // One may leave after the first sum, and no second one.
            &["ITAL@upload:2", "SWED@reveal:3"],
        ] {
            assert_eq!(
                check_losses(data, &losses(bad)).unwrap_err().exit_code(),
                2,
                "{bad:?}"
            );
        }
        assert!(check_losses(data::of(Scene::Heart), &losses(&["va@sign"])).is_ok());
        assert!(
            check_losses(
                data::of(Scene::Heart),
                &losses(&["va@sign", "hungarian@join"])
            )
            .is_err()
        );
    }
}
