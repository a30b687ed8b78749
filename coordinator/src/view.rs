//! Where a run stands, in the words of the operator's table. Rebuilt from the book at every look.

use crate::book::{Book, Run};
use crate::entries::End;
use crate::pause::{Pause, Reason, clock};
use crate::refusals;
use crate::run_state::{RunEvent, RunState};
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_common::round::{PhaseName, Round};
use motet_program::clock::text;
use motet_proto::v1::{self, RoundPhase, WatchRunResponse};

/// The present run, or the latest.
pub(crate) fn watch(book: &Book, pause: Option<&Pause>) -> Option<WatchRunResponse> {
    let progress = book.chain.state().progress();
    let measure = progress.measure.unwrap_or(("", f64::NAN));
    let mut view = WatchRunResponse {
        state: Some(latest(book, pause)?),
        round: book.chain.round(),
        attempt: 0,
        phase: RoundPhase::Unspecified.into(),
        step: progress.phase.to_owned(),
        measure: measure.0.to_owned(),
        value: measure.1,
        sites: book.names(book.chain.set()),
        awaited: pause.map_or_else(Vec::new, |pause| book.names(&pause.awaited)),
        refusals: Vec::new(),
    };
    if let Some(round) = book.run.as_ref().and_then(|run| run.round.as_ref()) {
        let plan = round.terms().plan();
        view.round = plan.round;
        view.attempt = plan.attempt;
        view.phase = phase(round.phase()).into();
        view.sites = book.names(&plan.candidates);
        view.awaited = book.names(&round.awaited());
        let refused = round.refused().iter();
        view.refusals = refused
            .map(|(node, refused)| format!("{}: {}", book.name(*node), refusals::said(refused)))
            .collect();
    }
    Some(view)
}

fn phase(phase: PhaseName) -> RoundPhase {
    match phase {
        PhaseName::Join => RoundPhase::Join,
        PhaseName::Share => RoundPhase::Share,
        PhaseName::Upload => RoundPhase::Upload,
        PhaseName::Sign => RoundPhase::Sign,
        PhaseName::Reveal => RoundPhase::Reveal,
        PhaseName::Released => RoundPhase::Released,
        PhaseName::Abandoned => RoundPhase::Abandoned,
    }
}

/// Every run of the study, latest first.
pub(crate) fn runs(book: &Book, pause: Option<&Pause>) -> Vec<v1::RunState> {
    let past = book
        .past_runs
        .iter()
        .rev()
        .map(|(started, ended)| v1::RunState {
            run: started.run.hex(),
            study: book.study.id.clone(),
            state: RunState::ended(ended.end).on_the_wire().into(),
            rounds: book.past.len() as u64,
            why: ended_why(ended.end, &ended.detail),
            code: ended
                .end
                .code()
                .map_or_else(String::new, |code| code.as_str().to_owned()),
            started_ms: started.at.ms,
            next: String::new(),
            until_ms: 0,
        });
    present(book, pause).into_iter().chain(past).collect()
}

fn latest(book: &Book, pause: Option<&Pause>) -> Option<v1::RunState> {
    runs(book, pause).into_iter().next()
}

fn present(book: &Book, pause: Option<&Pause>) -> Option<v1::RunState> {
    let run = book.run.as_ref()?;
    let held = pause.map(|pause| (pause, run.state.next(RunEvent::Held).unwrap_or(run.state)));
    let (state, why, next, until) = match (held, &run.round) {
        (Some((pause, state)), _) => (
            state,
            pause.why(book),
            pause.next(book, run.started.run),
            pause.until,
        ),
        (None, Some(round)) => {
            let (why, next) = in_round(book, run, round);
            (run.state, why, next, Some(round.deadline()))
        }
        (None, None) => (
            run.state,
            "between two rounds".to_owned(),
            "nothing: it is at work".to_owned(),
            None,
        ),
    };
    let code = match pause.map(|pause| &pause.reason) {
        Some(Reason::Storage(_)) => Code::Storage.as_str(),
        Some(Reason::Internal(_)) => Code::Internal.as_str(),
        _ => "",
    };
    debug_assert!(
        !state.on_the_wire().is_over(),
        "a run that is over is among the past ones"
    );
    Some(v1::RunState {
        run: run.started.run.hex(),
        study: book.study.id.clone(),
        state: state.on_the_wire().into(),
        rounds: book.chain.round(),
        why,
        code: code.to_owned(),
        started_ms: run.started.at.ms,
        next,
        until_ms: until.map_or(0, |until| until.ms),
    })
}

/// Why a round stands where it stands, and what to do.
fn in_round(book: &Book, run: &Run, round: &Round) -> (String, String) {
    let number = round.terms().plan().round;
    let phase = round.phase().as_str();
    let until = clock(round.deadline());
    let awaited = book.names(&round.awaited()).join(", ");
    if awaited.is_empty() {
        let why = format!("round {number}, phase {phase}: is at work until {until} at the latest");
        return (why, "nothing: it is at work".to_owned());
    }
    (
        format!(
            "round {number}, phase {phase}: waits for {awaited} until {until}, \
             then goes on without them or begins the round anew"
        ),
        format!(
            "nothing yet, or call {awaited}; `motet run abandon {}` gives the run up",
            run.started.run
        ),
    )
}

fn ended_why(end: End, detail: &str) -> String {
    match (end.code(), detail) {
        (None, "") => "released".to_owned(),
        (None, remade_by) => format!("released; {remade_by}"),
        (Some(code), "") => code.next().to_owned(),
        (Some(code), detail) => format!("{detail}: {}", code.next()),
    }
}

/// A moment as RFC 3339 text.
pub(crate) fn timestamp(moment: Moment) -> String {
    text(moment.ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::tests::{book, node, started};
    use motet_proto::v1::RunPhase;

    fn held(reason: Reason) -> Pause {
        Pause {
            reason,
            awaited: vec![node(2)],
            until: Some(Moment {
                ms: 1_795_392_000_000,
            }),
        }
    }

    #[test]
    fn a_held_run_is_shown_with_whom_it_waits_for_until_when_and_what_to_do() {
        let book = started(book(3, &[1]));
        let view = watch(
            &book,
            Some(&held(Reason::Beginning {
                enough: true,
                stopped: Vec::new(),
            })),
        )
        .unwrap();
        let state = view.state.unwrap();
        assert_eq!(
            (state.state(), state.code.as_str()),
            (RunPhase::Waiting, "")
        );
        assert_eq!(
            (view.awaited, state.until_ms),
            (vec!["site-2".to_owned()], 1_795_392_000_000)
        );
        assert!(
            state.why.contains("site-2") && state.why.contains("00:00:00 UTC"),
            "{}",
            state.why
        );
        assert!(state.next.contains("call site-2"), "{}", state.next);
    }

    #[test]
    fn a_coordinator_that_cannot_write_says_storage() {
        let book = started(book(3, &[1]));
        let states = runs(
            &book,
            Some(&held(Reason::Storage("cannot write `x`".into()))),
        );
        assert_eq!(
            (
                states[0].code.as_str(),
                states[0].why.starts_with("storage: ")
            ),
            ("storage", true)
        );
    }

    #[test]
    fn a_run_that_nothing_holds_has_no_end_and_no_code() {
        let states = runs(&started(book(3, &[1])), None);
        assert_eq!(
            (
                states[0].state(),
                states[0].until_ms,
                states[0].code.as_str()
            ),
            (RunPhase::Waiting, 0, "")
        );
    }
}
