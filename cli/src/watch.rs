//! Following a run: its report as it comes, over a coordinator's restart too, and one line that
//! says where it stands.

use crate::args::Read;
use crate::failure::{Done, Failure};
use crate::identity::Desk;
use crate::output::{count, figure, moment, remark, short, shown, watched};
use indicatif::{ProgressBar, ProgressStyle};
use motet_common::refusal::Code;
use motet_proto::v1::{self, RoundPhase, RunPhase};
use std::time::Duration;

/// How often a follower calls again when the coordinator is away, one second apart: a restart takes
/// less.
const PATIENCE: u32 = 120;

/// Follows a run to its end. A coordinator that restarts is called again; the run goes on from its
/// ledger.
///
/// # Errors
/// A refusal of the coordinator, or a coordinator that stays away.
pub async fn follow(
    desk: &mut Desk,
    run: &str,
    mut each: impl FnMut(&v1::WatchRunResponse),
) -> Done<v1::RunState> {
    let mut missed = 0;
    loop {
        let error = match desk
            .watch_run(v1::WatchRunRequest {
                run: run.to_owned(),
            })
            .await
        {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(event)) => {
                            missed = 0;
                            each(&event);
                            if let Some(state) = event.state.filter(is_over) {
                                return Ok(state);
                            }
                        }
                        Ok(None) => {
                            break Failure::failed(
                                "the coordinator ended the report of the run",
                                "`motet run watch` goes on",
                            );
                        }
                        Err(status) => break Failure::from(status),
                    }
                }
            }
            Err(status) => status.into(),
        };
        // The report may have ended because the run did, and a later one of the study has begun.
        if let Ok(answer) = desk
            .list_runs(v1::ListRunsRequest {
                study: String::new(),
            })
            .await
        {
            let mut runs = answer.into_inner().runs.into_iter();
            if let Some(state) = runs.find(|state| state.run == run && is_over(state)) {
                return Ok(state);
            }
        }
        missed += 1;
        if error.is_refusal() || missed > PATIENCE {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whether nothing more will happen.
pub fn is_over(state: &v1::RunState) -> bool {
    state.state().is_over()
}

/// Whether the run ended with a release; else the reason.
///
/// # Errors
/// The run's refusal code, or a plain failure when it has none.
pub fn ended(state: &v1::RunState) -> Done {
    if state.state() == RunPhase::Released {
        return Ok(());
    }
    let what = format!(
        "run {} of `{}` {}: {}",
        short(&state.run),
        state.study,
        state.state().word(),
        shown(&state.why)
    );
    Err(match Code::parse(&state.code) {
        Some(code) => Failure::refused(code, what),
        None => Failure::failed(
            what,
            format!(
                "`motet run show {}` and the coordinator's output say more",
                short(&state.run)
            ),
        ),
    })
}

/// What has stood like this for so long is worth a line of its own where nobody watches: a healthy
/// round passes its phases and pauses in less.
const LASTS: Duration = Duration::from_secs(5);

/// Shows a run on its way: one line that moves on a terminal; elsewhere a line a round, and one for
/// whatever lasts.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    plain: Plain,
    /// The line that is written unless something else happens first.
    later: Option<tokio::task::AbortHandle>,
}

impl Progress {
    /// Nothing is shown with `--json`.
    pub(crate) fn new(read: &Read) -> Self {
        let bar = (watched() && !read.json).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            quiet: read.json,
            plain: Plain::default(),
            later: None,
        }
    }

    /// Shows where the run stands.
    pub(crate) fn show(&mut self, event: &v1::WatchRunResponse) {
        if self.quiet {
            return;
        }
        if let Some(bar) = &self.bar {
            return bar.set_message(sentence(event));
        }
        let (now, later) = self.plain.hear(event);
        if let Some(line) = now {
            remark(line);
        }
        if let Some(line) = later {
            self.forget();
            let lasting = async move {
                tokio::time::sleep(LASTS).await;
                remark(line);
            };
            self.later = Some(tokio::spawn(lasting).abort_handle());
        }
    }

    fn forget(&mut self) {
        if let Some(later) = self.later.take() {
            later.abort();
        }
    }

    /// Takes the moving line away.
    pub(crate) fn end(&mut self) {
        self.forget();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What was written of a run, line by line.
#[derive(Default)]
struct Plain {
    /// The latest round, attempt and refusals that have their line.
    round: Option<(u64, u32, Vec<String>)>,
    /// How the run stands, whom it waits for, and in which phase.
    standing: (RunPhase, RoundPhase, Vec<String>),
}

impl Plain {
    /// The line for this event, and the one to be written if nothing else happens for a while.
    fn hear(&mut self, event: &v1::WatchRunResponse) -> (Option<String>, Option<String>) {
        let Some(state) = event.state.as_ref().filter(|state| !is_over(state)) else {
            return (None, None);
        };
        let mut now = None;
        let round = Some((event.round, event.attempt, event.refusals.clone()));
        if state.state() == RunPhase::Running && self.round != round {
            now = Some(brief(event));
            self.round = round;
        }
        let standing = (state.state(), event.phase(), event.awaited.clone());
        let later = (now.is_some() || self.standing != standing).then(|| sentence(event));
        self.standing = standing;
        (now, later)
    }
}

/// A round as it begins.
fn brief(event: &v1::WatchRunResponse) -> String {
    let event = v1::WatchRunResponse {
        phase: RoundPhase::Unspecified.into(),
        awaited: Vec::new(),
        ..event.clone()
    };
    sentence(&event)
}

/// Names for one line: the first three, and how many more there are.
fn some(names: &[String]) -> String {
    const MOST: usize = 3;
    let first = names
        .iter()
        .take(MOST)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > MOST {
        format!("{first} and {} more", names.len() - MOST)
    } else {
        first
    }
}

/// Where a run stands, in one line.
pub fn sentence(event: &v1::WatchRunResponse) -> String {
    let Some(state) = &event.state else {
        return String::new();
    };
    if state.state() != RunPhase::Running {
        let why = if state.why.is_empty() {
            String::new()
        } else {
            format!(": {}", shown(&state.why))
        };
        return format!("{}{why}", state.state().word());
    }
    let mut parts = vec![format!("round {}", event.round)];
    if event.attempt > 1 {
        parts.push(format!("attempt {}", event.attempt));
    }
    parts.extend(
        [event.step.as_str(), event.phase().word()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(shown),
    );
    if !event.sites.is_empty() {
        parts.push(count(event.sites.len(), "site"));
    }
    if !event.awaited.is_empty() {
        let until = if state.until_ms == 0 {
            String::new()
        } else {
            format!(" until {}", moment(state.until_ms))
        };
        parts.push(format!(
            "waiting for {}{until}",
            shown(&some(&event.awaited))
        ));
    }
    if !event.measure.is_empty() && event.value.is_finite() {
        parts.push(format!("{} {}", shown(&event.measure), figure(event.value)));
    }
    parts.extend(event.refusals.iter().map(|refusal| shown(refusal)));
    parts.join(" · ")
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
    fn a_run_ends_with_the_exit_code_of_its_reason() {
        assert!(ended(&state(RunPhase::Released, "")).is_ok());
        assert_eq!(
            ended(&state(RunPhase::Failed, "")).unwrap_err().exit_code(),
            1
        );
        let refused = ended(&state(RunPhase::Failed, "line_up_too_small")).unwrap_err();
        assert_eq!(
            (refused.exit_code(), refused.code()),
            (3, "line_up_too_small")
        );
        assert_eq!(
            ended(&state(RunPhase::Abandoned, "abandoned"))
                .unwrap_err()
                .exit_code(),
            3
        );
    }

    #[test]
    fn a_healthy_run_that_nobody_watches_is_one_line_a_round_and_what_lasts_has_its_own() {
        let mut plain = Plain::default();
        let none = RoundPhase::Unspecified;
        let event = |word: RunPhase, round: u64, phase: RoundPhase, awaited: &[&str]| {
            v1::WatchRunResponse {
                state: Some(state(word, "")),
                round,
                attempt: 1,
                phase: phase.into(),
                awaited: awaited.iter().map(|site| (*site).to_owned()).collect(),
                ..Default::default()
            }
        };
        let mut lines = Vec::new();
        for round in 1..=3 {
            for phase in [
                RoundPhase::Join,
                RoundPhase::Share,
                RoundPhase::Upload,
                RoundPhase::Sign,
                RoundPhase::Reveal,
            ] {
                for awaited in [&["lyon", "nice"][..], &["nice"], &[]] {
                    let heard = plain.hear(&event(RunPhase::Running, round, phase, awaited));
                    assert!(heard.1.is_some(), "each is told if it lasts");
                    assert!(
                        plain
                            .hear(&event(RunPhase::Running, round, phase, awaited))
                            .1
                            .is_none(),
                        "and once"
                    );
                    lines.extend(heard.0);
                }
            }
            lines.extend(
                plain
                    .hear(&event(RunPhase::Paused, round, none, &["lyon"]))
                    .0,
            );
        }
        lines.extend(plain.hear(&event(RunPhase::Released, 3, none, &[])).0);
        assert_eq!(lines, ["round 1", "round 2", "round 3"]);
        let refused = v1::WatchRunResponse {
            refusals: vec!["pau: x".into()],
            ..event(RunPhase::Running, 3, none, &[])
        };
        assert_eq!(plain.hear(&refused).0.as_deref(), Some("round 3 · pau: x"));
    }

    #[test]
    fn one_line_says_where_a_run_stands_and_whom_it_waits_for() {
        let event = v1::WatchRunResponse {
            state: Some(state(RunPhase::Running, "")),
            round: 5,
            attempt: 2,
            phase: RoundPhase::Upload.into(),
            step: "newton 3".into(),
            measure: "largest step".into(),
            value: 0.012_34,
            sites: vec!["a".into(), "b".into()],
            awaited: vec!["b".into()],
            refusals: vec!["c: too_few_rows".into()],
        };
        assert_eq!(
            sentence(&event),
            "round 5 · attempt 2 · newton 3 · upload · 2 sites · waiting for b · largest step 0.0123 · c: too_few_rows"
        );
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        assert_eq!(
            (some(&names[..3]), some(&names)),
            ("a, b, c".to_owned(), "a, b, c and 2 more".to_owned())
        );
        let waiting = v1::WatchRunResponse {
            state: Some(state(RunPhase::Waiting, "")),
            value: f64::NAN,
            ..Default::default()
        };
        assert_eq!(sentence(&waiting), "waiting: w");
    }
}
