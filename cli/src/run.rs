//! Runs: start, follow to the end, say why one waits, abandon.

use crate::args::{ListRuns, NamedRun, NamedWrite, Run, StartRun};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, calling};
use crate::output::{Out, Table, count, moment, short, shown};
use crate::watch::{Progress, ended, follow, is_over, sentence};
use motet_common::refusal::Code;
use motet_proto::v1::{self, RunPhase};
use serde_json::{Value, json};
use std::time::Duration;

/// How long `run show` waits for the first word about a run under way.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// `motet run ...`
///
/// # Errors
/// The coordinator's refusals; for a run that is followed, the reason for which it ended without a
/// release.
pub async fn run(command: &Run) -> Done {
    match command {
        Run::Start(args) => start(args).await,
        Run::Watch(args) => watch(args).await,
        Run::List(args) => list(args).await,
        Run::Show(args) => show(args).await,
        Run::Abandon(args) => abandon(args).await,
    }
}

async fn start(args: &StartRun) -> Done {
    let out = Out::new(args.read.json);
    let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let request = v1::StartRunRequest {
        study: args.study.clone(),
        without_undecided: args.without_undecided,
    };
    let run = desk.start_run(request).await?.into_inner().run;
    if !args.wait {
        out.value(&json!({ "run": run, "study": args.study }));
        out.line(format!("Run {run} of `{}` is under way.", args.study));
        out.line(format!("Follow it with: motet run watch {}", short(&run)));
        return Ok(());
    }
    out.line(format!("Run {run} of `{}`", args.study));
    let mut progress = Progress::new(&args.read);
    let end = follow(&mut desk, &run, |event| progress.show(event)).await?;
    progress.end();
    conclude(out, &end)
}

async fn watch(args: &NamedRun) -> Done {
    let out = Out::new(args.read.json);
    let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let run = meant(out, &mut desk, &args.id).await?.run;
    let mut progress = Progress::new(&args.read);
    let end = follow(&mut desk, &run, |event| {
        out.value(&event_json(event));
        progress.show(event);
    })
    .await?;
    progress.end();
    if args.read.json {
        ended(&end)
    } else {
        conclude(out, &end)
    }
}

fn conclude(out: Out, state: &v1::RunState) -> Done {
    ended(state)?;
    out.value(&state_json(state));
    out.line(format!("Released after {}.", count(state.rounds, "round")));
    out.line(format!(
        "Fetch it with: motet release get {} --run {} --out DIR",
        shown(&state.study),
        shown(&short(&state.run))
    ));
    Ok(())
}

/// What is asked for on the wire where no study is named.
const EVERY_STUDY: &str = "";

async fn list(args: &ListRuns) -> Done {
    let out = Out::new(args.read.json);
    let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let study = args.study.as_deref().unwrap_or(EVERY_STUDY).to_owned();
    let runs = desk
        .list_runs(v1::ListRunsRequest { study })
        .await?
        .into_inner()
        .runs;
    out.value(&json!({ "runs": runs.iter().map(state_json).collect::<Vec<_>>() }));
    let mut table = Table::new(&["run", "study", "state", ">rounds", "started", "why"]);
    for run in &runs {
        let study = run.study.clone();
        let state = run.state().word().to_owned();
        let why = run.why.clone();
        table.row([
            short(&run.run),
            study,
            state,
            run.rounds.to_string(),
            moment(run.started_ms),
            why,
        ]);
    }
    if table.is_empty() {
        out.line("No run yet. `motet run start STUDY` starts one.")
    } else {
        out.table(&table)
    }
    Ok(())
}

/// The run that is meant: the id of a study stands for its latest run, and it is said which that
/// is.
async fn meant(out: Out, desk: &mut Desk, given: &str) -> Done<v1::RunState> {
    let runs = desk
        .list_runs(v1::ListRunsRequest {
            study: given.to_owned(),
        })
        .await?
        .into_inner()
        .runs;
    // Runs come latest first.
    match runs.into_iter().find(|run| run.study == given) {
        Some(run) => {
            out.line(format!(
                "Run {} is the latest of `{given}`.",
                short(&run.run)
            ));
            Ok(run)
        }
        None => find(desk, given).await,
    }
}

/// The run whose id begins with `given`.
async fn find(desk: &mut Desk, given: &str) -> Done<v1::RunState> {
    let runs = desk
        .list_runs(v1::ListRunsRequest {
            study: String::new(),
        })
        .await?
        .into_inner()
        .runs;
    let mut fitting = runs
        .into_iter()
        .filter(|run| !given.is_empty() && run.run.starts_with(given));
    match (fitting.next(), fitting.next()) {
        (Some(run), None) => Ok(run),
        (None, _) => Err(Failure::refused(
            Code::RunUnknown,
            format!("no run begins with `{given}`, and no study `{given}` has one"),
        )),
        (Some(_), Some(_)) => Err(Failure::usage(
            format!("several runs begin with `{given}`"),
            "give more digits of the id",
        )),
    }
}

async fn show(args: &NamedRun) -> Done {
    let out = Out::new(args.read.json);
    let (_, mut desk) = calling(args.read.who.identity.as_deref()).await?;
    let run = meant(out, &mut desk, &args.id).await?;
    let event = if is_over(&run) {
        None
    } else {
        first_word(&mut desk, &run.run).await
    };
    let advice = advice(&run, event.as_ref());
    let mut value = event.as_ref().map_or_else(|| state_json(&run), event_json);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("next".into(), json!(advice));
    }
    out.value(&value);
    out.heading(format!(
        "Run {} of `{}`, started {}",
        shown(&run.run),
        shown(&run.study),
        moment(run.started_ms)
    ));
    let standing = event.as_ref().map_or_else(String::new, sentence);
    let state = run.state().word();
    let standing = match standing.is_empty() {
        true if run.why.is_empty() || run.why == state => state.to_owned(),
        true => format!("{state}: {}", shown(&run.why)),
        false => standing,
    };
    // A run that failed says what to do in its own sentence.
    if standing.contains(&advice) {
        out.line(format!("  {standing}"));
    } else {
        out.line(format!("  {standing}; what you can do: {advice}"));
    }
    Ok(())
}

/// What the coordinator says about a run under way right now.
async fn first_word(desk: &mut Desk, run: &str) -> Option<v1::WatchRunResponse> {
    let asked = async {
        let mut stream = desk
            .watch_run(v1::WatchRunRequest {
                run: run.to_owned(),
            })
            .await
            .ok()?
            .into_inner();
        stream.message().await.ok()?
    };
    tokio::time::timeout(FIRST_WORD, asked).await.ok()?
}

/// What the operator can do about a run that stands like this.
fn advice(run: &v1::RunState, event: Option<&v1::WatchRunResponse>) -> String {
    let state = event.and_then(|event| event.state.as_ref()).unwrap_or(run);
    if !state.next.is_empty() {
        return shown(&state.next);
    }
    // A coordinator of the release before does not say.
    let awaited = event
        .map(|event| event.awaited.join(", "))
        .filter(|sites| !sites.is_empty());
    match (run.state(), Code::parse(&run.code), awaited) {
        (RunPhase::Released, ..) => format!(
            "motet release get {} --run {} --out DIR",
            run.study,
            short(&run.run)
        ),
        (_, Some(code), _) => code.next().to_owned(),
        (RunPhase::Waiting | RunPhase::Paused, _, Some(sites)) => {
            format!(
                "call {} (`motet study show {}` says who has decided and who is away)",
                shown(&sites),
                run.study
            )
        }
        (RunPhase::Waiting | RunPhase::Paused, ..) => {
            format!(
                "`motet study show {}` says who has decided and who is away",
                run.study
            )
        }
        (RunPhase::Running, _, Some(sites)) => {
            format!(
                "nothing yet; {} has until the phase's deadline",
                shown(&sites)
            )
        }
        (RunPhase::Running, ..) => "nothing: it is at work".to_owned(),
        _ => "start a new run with `motet run start`".to_owned(),
    }
}

async fn abandon(args: &NamedWrite) -> Done {
    let (_, mut desk) = calling(args.who.identity.as_deref()).await?;
    let run = find(&mut desk, &args.id).await?;
    desk.abandon_run(v1::AbandonRunRequest {
        run: run.run.clone(),
    })
    .await?;
    Out::new(false).line(format!(
        "Run {} of `{}` is abandoned; what was released before stays.",
        short(&run.run),
        run.study
    ));
    Ok(())
}

fn state_json(run: &v1::RunState) -> Value {
    json!({
        "run": run.run, "study": run.study, "state": run.state().word(), "rounds": run.rounds, "why": run.why,
        "code": if run.code.is_empty() { Value::Null } else { json!(run.code) }, "started_ms": run.started_ms,
        "until_ms": if run.until_ms == 0 { Value::Null } else { json!(run.until_ms) },
    })
}

fn event_json(event: &v1::WatchRunResponse) -> Value {
    let mut value = event.state.as_ref().map_or_else(|| json!({}), state_json);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("round".into(), json!(event.round));
        fields.insert("attempt".into(), json!(event.attempt));
        fields.insert("phase".into(), json!(event.phase().word()));
        fields.insert("step".into(), json!(event.step));
        fields.insert("measure".into(), json!(event.measure));
        fields.insert("value".into(), finite(event.value));
        fields.insert("sites".into(), json!(event.sites));
        fields.insert("awaited".into(), json!(event.awaited));
        fields.insert("refusals".into(), json!(event.refusals));
    }
    value
}

fn finite(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else {
        Value::Null
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(state: RunPhase, code: &str) -> v1::RunState {
        v1::RunState {
            run: "00ff".into(),
            study: "s".into(),
            state: state.into(),
            why: "w".into(),
            code: code.into(),
            ..Default::default()
        }
    }

    #[test]
    fn what_is_no_number_is_null_in_the_json() {
        let waiting = v1::WatchRunResponse {
            state: Some(state(RunPhase::Waiting, "")),
            value: f64::NAN,
            ..Default::default()
        };
        assert_eq!(event_json(&waiting)["value"], Value::Null);
    }

    #[test]
    fn the_advice_names_the_sites_to_call() {
        let event = v1::WatchRunResponse {
            awaited: vec!["lyon".into()],
            ..Default::default()
        };
        assert!(advice(&state(RunPhase::Waiting, ""), Some(&event)).starts_with("call lyon"));
        assert!(advice(&state(RunPhase::Released, ""), None).starts_with("motet release get s"));
        let said = v1::RunState {
            next: "let the time pass".into(),
            ..state(RunPhase::Paused, "storage")
        };
        assert_eq!(
            advice(&said, None),
            "let the time pass",
            "the coordinator knows best"
        );
    }
}
