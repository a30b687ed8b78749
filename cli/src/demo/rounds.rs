//! One run of the demo, told round by round as it happens.

use crate::output::{Out, WIDTH, count, figure, shown, watched, wrapped};
use indicatif::{ProgressBar, ProgressStyle};
use motet_proto::v1::{RoundPhase, WatchRunResponse};
use std::time::{Duration, Instant};

/// What one round was, once it is over.
struct Passed {
    round: u64,
    step: String,
    sites: usize,
}

/// Tells one run, round by round.
pub(super) struct Rounds {
    out: Out,
    bar: Option<ProgressBar>,
    began: Instant,
    done: u64,
    open: Option<Passed>,
    sites: usize,
    attempt: u32,
}

impl Rounds {
    /// Begins; a line that moves on a terminal, plain lines elsewhere.
    pub(super) fn new(out: Out) -> Self {
        let bar = (watched() && !out.is_json()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("   {spinner} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            out,
            bar,
            began: Instant::now(),
            done: 0,
            open: None,
            sites: 0,
            attempt: 0,
        }
    }

    /// Something happened in the run.
    pub(super) fn event(&mut self, event: &WatchRunResponse) {
        let Some(state) = &event.state else { return };
        while state.rounds > self.done {
            self.done += 1;
            self.passed(event);
        }
        if event.phase() != RoundPhase::Unspecified {
            let sites = event.sites.len();
            if self.sites > sites && event.phase() == RoundPhase::Join {
                self.aside(&format!(
                    "{} fewer: the fit goes on with {sites}",
                    self.sites - sites
                ));
            }
            if event.attempt > 1 && event.attempt != self.attempt {
                self.aside(&format!(
                    "round {}: attempt {}, nothing of the one before was opened",
                    event.round, event.attempt
                ));
            }
            (self.sites, self.attempt) = (sites, event.attempt);
            self.open = Some(Passed {
                round: event.round,
                step: event.step.clone(),
                sites,
            });
        }
        if let Some(bar) = &self.bar {
            bar.set_message(crate::watch::sentence(event));
        }
    }

    fn passed(&mut self, event: &WatchRunResponse) {
        let round = self.done;
        let known = self.open.take().filter(|passed| passed.round == round);
        let (step, joined) = known.map_or((String::new(), self.sites), |passed| {
            (passed.step, passed.sites)
        });
        // Between two rounds the event names the sites of the sum; in a round, those that the next
        // one asks.
        let sites = if event.phase() == RoundPhase::Unspecified {
            event.sites.len()
        } else {
            joined
        };
        // The figure belongs to the last round that was counted, and only to rounds that move it.
        let last = event
            .state
            .as_ref()
            .is_some_and(|state| state.rounds == round);
        let moved = last && event.value.is_finite() && matches!(step.as_str(), "newton" | "train");
        let figure = if moved {
            format!("{} {}", shown(&event.measure), figure(event.value))
        } else {
            String::new()
        };
        let seconds = self.began.elapsed().as_secs_f64();
        self.print(format!(
            "   round {round:>3}  {:<12} {:<9} {figure:<24} {seconds:>6.1} s",
            shown(&step),
            count(sites, "site")
        ));
    }

    /// A remark between two rounds.
    pub(super) fn aside(&self, text: &str) {
        for line in wrapped(text, WIDTH - 12) {
            self.print(format!("         !  {line}"));
        }
    }

    fn print(&self, line: String) {
        let line = line.trim_end();
        match &self.bar {
            Some(bar) => bar.suspend(|| self.out.line(line)),
            None => self.out.line(line),
        }
    }

    /// The run is over.
    pub(super) fn end(self) -> f64 {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.began.elapsed().as_secs_f64()
    }
}
