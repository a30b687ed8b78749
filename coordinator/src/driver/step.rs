//! Between two rounds: close the ended one, open the next, publish, or end the run.

use super::publication::sweep_uploads;
use super::{Driver, now, random};
use crate::book::{LineUp, Run};
use crate::entries::{End, Planned, RunEnded, StudyEntry};
use crate::line_up::{self, Next, Presence};
use crate::members::storage;
use crate::pause::Pause;
use motet_common::log::Leaf;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::{PhaseName, Round, Terms};
use motet_recipes::Question;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::mask::chunk_words;
use motet_secagg::message::{Durations, PRG, Plan, SUITE, VERSION};

/// Attempts in a row that may fail before the run does.
const MOST_FAILURES: u32 = 5;
/// The place of a study's opening in its log: what comes before the first release.
const OPENING: usize = 0;

impl Driver {
    /// Moves the run on as far as it goes without anybody: closes an ended round, opens the next,
    /// publishes, ends.
    pub(super) async fn advance(&mut self) -> Result<(), Refusal> {
        loop {
            let over = self
                .round()
                .is_some_and(|round| round.phase() >= PhaseName::Released);
            let aggregate = self.released_sum().await?;
            self.book.settle(aggregate.as_ref())?;
            if over {
                self.done = None;
                self.waiting_since = now();
                sweep_uploads(&self.shared, &mut self.book).await;
            }
            self.pause = None;
            if self.book.run.is_none() || self.round().is_some() {
                return Ok(());
            }
            if !self.step().await? {
                return Ok(());
            }
        }
    }

    /// The sum of a round that has just ended with one: as it was folded, or from the ledger when
    /// the coordinator was stopped between the fold and the release.
    async fn released_sum(&mut self) -> Result<Option<Aggregate>, Refusal> {
        let Some(digest) = self
            .round()
            .and_then(Round::released)
            .map(|released| released.aggregate)
        else {
            return Ok(None);
        };
        if let Some(done) = self.done.take_if(|done| done.digest == digest) {
            return Ok(Some(done.aggregate));
        }
        let bytes = self
            .shared
            .ledger
            .get_blob(&digest)
            .await
            .map_err(storage)?;
        Ok(Some(Aggregate::from_bytes(&bytes)?))
    }

    /// The run that is under way.
    fn present(&self) -> Result<&Run, Refusal> {
        let run = self.book.run.as_ref();
        run.ok_or_else(|| Refusal::broken("a step of a run that is not under way"))
    }

    /// One step between rounds; false when there is something to wait for.
    async fn step(&mut self) -> Result<bool, Refusal> {
        if let Some(code) = self.dead_end() {
            let detail = self.present()?.last_detail.clone();
            self.end_run(code, &detail).await?;
            return Ok(false);
        }
        if self.book.checks_missing() > 0 {
            return self.wait_for_checks().await;
        }
        if self.book.is_fixed() {
            return self.publish_when_witnessed().await;
        }
        let who = self.presence().await;
        match self.book.chain.question(self.book.roster().entries.len()) {
            Ok(None) => match self.publish().await {
                // The fit ended without an estimate, such as separated classes: a result, not a
                // fault.
                Err(refusal) if refusal.code == Code::RecipeFailed => {
                    tracing::warn!(study = %self.book.study.id, %refusal, "there is no estimate");
                    self.end_run(refusal.code, &refusal.detail).await?;
                    Ok(false)
                }
                published => published,
            },
            Err(refusal) if refusal.code.is_of_this_process() => Err(refusal),
            Err(refusal) => {
                tracing::error!(study = %self.book.study.id, %refusal, "the recipe found no way on");
                self.end_run(refusal.code, &refusal.detail).await?;
                Ok(false)
            }
            Ok(Some(_)) => {
                match line_up::next(
                    &self.book,
                    self.shared.config.min_sites,
                    &who,
                    self.waiting_since,
                    now(),
                ) {
                    Next::Open(line_up) => self.open(line_up).await,
                    Next::Wait(pause) => Ok(self.hold(pause)),
                    Next::Fail(code) => {
                        self.end_run(code, "").await?;
                        Ok(false)
                    }
                }
            }
        }
    }

    /// Who of the roster is there.
    async fn presence(&self) -> Presence {
        let hub = &self.shared.hub;
        Presence {
            present: hub.present(),
            connected: self
                .book
                .roster()
                .nodes()
                .filter(|node| hub.is_connected(*node))
                .collect(),
            stopped: self
                .book
                .roster()
                .nodes()
                .filter(|node| hub.is_stopped(*node))
                .collect(),
            removed: self.shared.members.removed_nodes().await,
        }
    }

    /// Holds the run until somebody comes, or the moment does; false: nothing goes on by itself.
    pub(super) fn hold(&mut self, pause: Pause) -> bool {
        self.wake = pause.until;
        self.pause = Some(pause);
        false
    }

    /// Codes after which another attempt would be wrong, or useless.
    fn dead_end(&self) -> Option<Code> {
        if self.book.withdrawn {
            return Some(Code::StudyWithdrawn);
        }
        if self.has_ended() && self.book.publishing.is_none() {
            return Some(Code::StudyEnded);
        }
        let run = self.book.run.as_ref()?;
        let code = run.last_code?;
        let opened = matches!(
            code,
            Code::ReconstructFailed
                | Code::SentinelMismatch
                | Code::RangeViolation
                | Code::RecipeFailed
                | Code::UploadMismatch
                | Code::Abandoned
                | Code::RoundSpent
                | Code::ShareOpenFailed
                | Code::ShareCommitment
        );
        (opened || code.is_lasting() || run.failures >= MOST_FAILURES).then_some(code)
    }

    async fn open(&mut self, line_up: LineUp) -> Result<bool, Refusal> {
        let question = self
            .book
            .chain
            .question(line_up.candidates.len())?
            .ok_or_else(|| Refusal::broken("a round of a recipe that asks nothing more"))?;
        let plan = self.plan(line_up, &question)?;
        let signed = plan.sign(&self.shared.keys.signing);
        Terms::new(signed.clone(), self.book.roster())?;
        self.record(
            StudyEntry::Planned(Planned {
                plan: signed,
                at: now(),
            }),
            None,
        )
        .await?;
        self.wake = None;
        self.catch_up().await?;
        let opened = self.round().map(Round::resume);
        let effects =
            opened.ok_or_else(|| Refusal::broken("a plan was recorded, and no round is open"))?;
        self.act(effects).await?;
        Ok(true)
    }

    fn plan(&self, line_up: LineUp, question: &Question) -> Result<Plan, Refusal> {
        let book = &self.book;
        let run = self.present()?;
        let rounds = &book.study.rounds;
        let chain = &book.chain;
        let layout = &question.layout;
        let previous = self.previous_leaf();
        let previous_leaf = book
            .log
            .hash(previous)
            .ok_or_else(|| Refusal::broken("the study's log does not have its own release"))?;
        Ok(Plan {
            version: VERSION,
            suite: SUITE,
            prg: PRG,
            study: book.study.id.clone(),
            study_digest: book.digest,
            roster: book.roster().digest(),
            recipe: chain.recipe_digest(),
            run: run.started.run,
            round: chain.round() + 1,
            attempt: book.next_attempt(&chain.ask_key()),
            ask: chain.ask_key(),
            state_root: chain.root(),
            previous_leaf,
            ring: layout.ring,
            words: layout.words() as u64,
            chunk_words: chunk_words(layout.ring),
            layout: layout.root(),
            weight_max: layout.weight_max,
            candidates: line_up.candidates,
            colluders: book.roster().colluders,
            threshold: narrow(line_up.thresholds.threshold)?,
            min_start: narrow(line_up.min_start)?,
            min_survivors: narrow(line_up.thresholds.survivors)?,
            checkpoint: book.log.checkpoint(&self.shared.keys.log),
            previous_index: previous,
            previous_proof: book.log.inclusion(previous),
            checked: book.checked.values().cloned().collect(),
            durations: Durations {
                join: in_ms(rounds.join_s),
                share: in_ms(rounds.share_s),
                upload: in_ms(rounds.upload_s),
                sign: in_ms(rounds.sign_s),
                reveal: in_ms(rounds.reveal_s),
            },
            nonce: random(),
        })
    }

    /// Index of the latest release in the log, or of the study's opening.
    fn previous_leaf(&self) -> u64 {
        let leaves = self.book.log.leaves();
        let release = leaves
            .iter()
            .rposition(|leaf| matches!(Leaf::from_bytes(leaf), Ok(Leaf::Release(_))));
        release.unwrap_or(OPENING) as u64
    }

    /// Ends the run without a result.
    pub(super) async fn end_run(&mut self, code: Code, detail: &str) -> Result<(), Refusal> {
        let end = match code {
            Code::Abandoned => End::Abandoned,
            code => End::Failed(code),
        };
        self.run_ended(end, detail, Vec::new()).await
    }

    pub(super) async fn run_ended(
        &mut self,
        end: End,
        detail: &str,
        files: Vec<(String, Digest)>,
    ) -> Result<(), Refusal> {
        let run = self.present()?.started.run;
        self.wake = None;
        let ended = RunEnded {
            run,
            end,
            detail: detail.to_owned(),
            files,
            at: now(),
        };
        let was_over = self.book.is_over();
        self.drafted = false;
        self.record(StudyEntry::RunEnded(ended), None).await?;
        self.show_end(was_over);
        // A run that was given up in mid-round leaves uploads of it.
        sweep_uploads(&self.shared, &mut self.book).await;
        tracing::info!(study = %self.book.study.id, %run, ?end, "the run is over");
        Ok(())
    }
}

/// A phase's length as the plan says it.
fn in_ms(seconds: u32) -> u32 {
    seconds.saturating_mul(1000)
}

/// A number of sites as the plan says it: a roster has no more.
fn narrow(sites: usize) -> Result<u16, Refusal> {
    u16::try_from(sites).map_err(|_| Refusal::broken("a line-up of more sites than a roster has"))
}
