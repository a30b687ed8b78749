//! Where a run stands, in the words of the operator's table. Rebuilt from the book at every look.

use crate::book::Book;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use motet_common::moment::Moment;
use motet_proto::v1::{RunState, WatchRunResponse};

/// Why the present run is not moving, when it is not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pause {
    pub(crate) why: String,
    pub(crate) until: Option<Moment>,
}

/// The present run, or the latest.
pub(crate) fn watch(book: &Book, pause: Option<&Pause>) -> Option<WatchRunResponse> {
    let progress = book.chain.state().progress();
    let measure = progress.measure.unwrap_or(("", f64::NAN));
    let mut view = WatchRunResponse {
        state: Some(latest(book, pause)?),
        round: book.chain.round(),
        attempt: 0,
        phase: String::new(),
        step: progress.phase.to_owned(),
        measure: measure.0.to_owned(),
        value: measure.1,
        sites: book.names(book.chain.set()),
        awaited: Vec::new(),
        refusals: Vec::new(),
    };
    if let Some(round) = book.run.as_ref().and_then(|run| run.round.as_ref()) {
        let plan = round.terms().plan();
        view.round = plan.round;
        view.attempt = plan.attempt;
        view.phase = round.phase().as_str().to_owned();
        view.sites = book.names(&plan.candidates);
        view.awaited = book.names(&round.awaited());
        let refused = round.refused().iter();
        view.refusals = refused.map(|(node, code)| format!("{}: {code}", book.name(*node))).collect();
    }
    Some(view)
}

/// Every run of the study, latest first.
pub(crate) fn runs(book: &Book, pause: Option<&Pause>) -> Vec<RunState> {
    let past = book.past_runs.iter().rev().map(|(started, ended)| RunState {
        run: started.run.hex(),
        study: book.study.id.clone(),
        state: ended_state(&ended.code).to_owned(),
        rounds: book.past.len() as u64,
        why: ended_why(&ended.code, &ended.detail),
        code: ended.code.clone(),
        started_ms: started.at.ms,
    });
    present(book, pause).into_iter().chain(past).collect()
}

fn latest(book: &Book, pause: Option<&Pause>) -> Option<RunState> {
    runs(book, pause).into_iter().next()
}

fn present(book: &Book, pause: Option<&Pause>) -> Option<RunState> {
    let run = book.run.as_ref()?;
    let (state, why) = match (&run.round, pause) {
        (Some(round), _) => {
            let awaited = book.names(&round.awaited());
            let whom = if awaited.is_empty() { "its own work".to_owned() } else { awaited.join(", ") };
            let plan = round.terms().plan();
            let until = clock(round.deadline());
            (
                "running",
                format!(
                    "round {}, phase {}: waits for {whom} until {until}",
                    plan.round,
                    round.phase().as_str()
                ),
            )
        }
        (None, Some(pause)) => {
            let until = pause.until.map(|until| format!(" until {}", clock(until))).unwrap_or_default();
            let state = if book.chain.round() == 0 { "waiting" } else { "paused" };
            (state, format!("{}{until}; `motet run abandon {}` gives up", pause.why, run.started.run.hex()))
        }
        (None, None) => ("running", "between two rounds".to_owned()),
    };
    Some(RunState {
        run: run.started.run.hex(),
        study: book.study.id.clone(),
        state: state.to_owned(),
        rounds: book.chain.round(),
        why,
        code: String::new(),
        started_ms: run.started.at.ms,
    })
}

fn ended_state(code: &str) -> &'static str {
    match code {
        "" => "released",
        "abandoned" => "abandoned",
        _ => "failed",
    }
}

fn ended_why(code: &str, detail: &str) -> String {
    let why = match motet_common::refusal::Code::parse(code) {
        None if code.is_empty() => "released",
        None => code,
        Some(code) => code.next(),
    };
    if detail.is_empty() { why.to_owned() } else { format!("{detail}: {why}") }
}

/// A moment as a person reads it.
pub(crate) fn clock(moment: Moment) -> String {
    let ms = i64::try_from(moment.ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms)
        .map(|time| time.to_zoned(TimeZone::UTC).strftime("%H:%M:%S UTC").to_string())
        .unwrap_or_default()
}

/// A moment as RFC 3339 text.
pub(crate) fn timestamp(moment: Moment) -> String {
    let ms = i64::try_from(moment.ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(ms)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}
