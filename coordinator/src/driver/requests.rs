//! What stewards, operators and watchers ask of a driver.

use super::{Driver, now, random, reply};
use crate::entries::{End, Noted, RunStarted, StudyEntry};
use crate::handle::{Ask, Decided};
use crate::view;
use motet_common::decision::SignedDecision;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::Input;
use motet_common::study::{Date, Study};
use motet_secagg::id::RunId;
use tokio::sync::oneshot;

impl Driver {
    /// Questions that change nothing.
    pub(super) fn look(&self, ask: Ask) {
        let book = &self.book;
        match ask {
            Ask::Runs { answer } => reply(answer, view::runs(book, self.pause.as_ref())),
            Ask::Watch { answer } => reply(answer, view::watch(book, self.pause.as_ref())),
            Ask::Past { after, answer } => {
                reply(
                    answer,
                    book.past
                        .iter()
                        .filter(|past| past.round > after)
                        .cloned()
                        .collect(),
                );
            }
            Ask::Leaves { from, to, answer } => {
                let leaves = book.log.leaves().iter().zip(0..);
                let asked = leaves
                    .skip_while(|(_, index)| *index < from)
                    .take_while(|(_, index)| *index < to);
                reply(answer, asked.map(|(leaf, _)| leaf.clone()).collect());
            }
            Ask::HasUploads { t2, site, answer } => {
                let kept = book.uploads.iter().any(|uploads| uploads.t2 == t2);
                reply(answer, kept && (!site || book.sites_need(&t2)));
            }
            Ask::Release { run, answer } => {
                // The run of its last sum, which the folder says, may have ended before another
                // one handed the result out.
                let of_sum = book.publishing.as_ref().map(|of| of.run);
                let released = book.past_runs.iter().filter(|(started, ended)| {
                    ended.end == End::Released
                        && run.is_none_or(|wanted| wanted == started.run || Some(wanted) == of_sum)
                });
                reply(
                    answer,
                    released
                        .map(|(started, ended)| (of_sum.unwrap_or(started.run), ended.clone()))
                        .collect(),
                );
            }
            _ => {}
        }
    }

    pub(super) async fn decide(
        &mut self,
        decision: SignedDecision,
        answer: oneshot::Sender<Result<(), Refusal>>,
    ) -> Result<(), Refusal> {
        let known = self.book.decisions.get(&decision.decision.site) == Some(&decision);
        let checked = decision.check(self.book.roster());
        let checked = if known {
            checked
        } else {
            checked.and_then(|()| self.book.may_decide(&decision, now()))
        };
        if checked.is_ok() && !known {
            tracing::info!(study = %self.book.study.id, site = %self.book.name(decision.decision.site),
                decision = decision.decision.verdict.as_str(), "a steward decided");
            let site = decision.decision.site;
            let decided = Decided::of(&decision);
            self.record(
                StudyEntry::Decided(Noted {
                    decision,
                    at: now(),
                }),
                None,
            )
            .await?;
            self.handle.decided().insert(site, decided);
            // Who follows the study only now is late too.
            self.tell_missed(site);
        }
        reply(answer, checked);
        Ok(())
    }

    pub(super) async fn start_run(
        &mut self,
        without_undecided: bool,
        answer: oneshot::Sender<Result<RunId, Refusal>>,
    ) -> Result<(), Refusal> {
        if let Some(run) = self
            .book
            .waits_for_decisions()
            .filter(|_| without_undecided)
        {
            self.record(StudyEntry::WithoutUndecided(run), None).await?;
            reply(answer, Ok(run));
            return Ok(());
        }
        let refused = if self.book.withdrawn {
            Some(Code::StudyWithdrawn.into())
        } else if self.has_ended() && self.book.publishing.is_none() {
            Some(Code::StudyEnded.into())
        } else if let Some(run) = &self.book.run {
            let run = run.started.run;
            Some(Refusal::new(
                Code::WrongPhase,
                format!("run `{run}` of this study is still going; watch or abandon it"),
            ))
        } else if matches!(self.book.chain.question(3), Ok(None)) && self.book.was_released() {
            Some(Refusal::new(
                Code::RoundSpent,
                "the study's question was answered; fetch its release, or propose a new study",
            ))
        } else {
            None
        };
        if let Some(refusal) = refused {
            reply(answer, Err(refusal));
            return Ok(());
        }
        let run = RunId(random());
        self.record(
            StudyEntry::RunStarted(RunStarted {
                run,
                without_undecided,
                at: now(),
            }),
            None,
        )
        .await?;
        self.shared.runs.write().await.insert(run, self.book.digest);
        self.waiting_since = now();
        reply(answer, Ok(run));
        Ok(())
    }

    pub(super) fn has_ended(&self) -> bool {
        has_ended(&self.book.study)
    }

    pub(super) async fn abandon(
        &mut self,
        run: RunId,
        answer: oneshot::Sender<Result<(), Refusal>>,
    ) -> Result<(), Refusal> {
        if self
            .book
            .run
            .as_ref()
            .is_none_or(|known| known.started.run != run)
        {
            reply(answer, Err(Refusal::new(Code::RunOver, format!("`{run}`"))));
            return Ok(());
        }
        self.input(Input::Abandon).await?;
        self.end_run(Code::Abandoned, "").await?;
        reply(answer, Ok(()));
        Ok(())
    }

    /// Nothing more is awaited from a removed site.
    pub(super) async fn removed(&mut self) -> Result<(), Refusal> {
        for node in self.shared.members.removed_nodes().await {
            self.input(Input::Gone(node)).await?;
        }
        Ok(())
    }
}

/// Whether a study's last day is over.
pub(super) fn has_ended(study: &Study) -> bool {
    has_passed(study.ends)
}

/// Whether a day is over, in UTC.
pub(crate) fn has_passed(day: Date) -> bool {
    let Date { year, month, day } = day;
    view::timestamp(now()) > format!("{year:04}-{month:02}-{day:02}T23:59:59Z")
}
