//! One study's driver: it alone writes the study's stream, and it executes the effects of the round
//! machine in order, what is recorded before what is told. Here, and only here at the coordinator,
//! clock and randomness are read for the protocol.

mod idle;
mod publication;
mod recovery;
mod replay;
mod requests;
mod step;

pub(crate) use idle::sweep;
pub(crate) use replay::{propose, reopen};

use crate::book::Book;
use crate::drill::Drill;
use crate::entries::StudyEntry;
use crate::folding::{self, Done};
use crate::handle::{Ask, Handle};
use crate::hub::News;
use crate::members::disk;
use crate::pause::Pause;
use crate::shared::Shared;
use crate::view;
use idle::{AWAKE, may_rest};
use motet_common::log::{Leaf, StudyOpen};
use motet_common::moment::Moment;
use motet_common::refusal::Refusal;
use motet_common::round::{Effect, Folded, Input, PhaseName, Round};
use motet_program::{Backoff, clock};
use motet_proto::v1::WatchRunResponse;
use motet_proto::v1::attend_response::Frame;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::NodeId;
use motet_secagg::message::Message;
use replay::allow;
pub(crate) use requests::has_passed;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, oneshot};

pub(crate) struct Driver {
    shared: Arc<Shared>,
    handle: Handle,
    book: Book,
    stream: String,
    version: u64,
    /// The round under way, if there is one, comes from a backup: it is abandoned at once.
    restored: bool,
    inbox: mpsc::Receiver<Ask>,
    own: mpsc::Sender<Ask>,
    news: broadcast::Receiver<News>,
    views: broadcast::Sender<WatchRunResponse>,
    /// When something was last under way or asked for; a driver that nobody needs rests.
    needed: tokio::time::Instant,
    wake: Option<Moment>,
    pause: Option<Pause>,
    /// Since when the run has waited for its next round.
    waiting_since: Moment,
    /// The release whose sum sites outside of it were asked to make again.
    asked_for: Option<Digest>,
    /// Whether the sites that are here were shown the result, to make its folder again.
    drafted: bool,
    /// The sum being published.
    done: Option<Done>,
    folding: bool,
    /// Entries written about the present round, for a rehearsed loss.
    written: u32,
    /// When the disk was last mended, and the waits if it was not.
    mended: Option<(tokio::time::Instant, Backoff)>,
}

/// How far the record was ahead of this machine's clock when a study was read: the clock has been
/// set back since.
static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

/// The wall clock as it stood when this process first looked, and the steady clock from there: a
/// clock that somebody sets while a phase is under way neither ends it early nor makes it longer.
fn now() -> Moment {
    static BEGAN: LazyLock<(SystemTime, Instant)> =
        LazyLock::new(|| (SystemTime::now(), Instant::now()));
    let (wall, steady) = &*BEGAN;
    // A clock that stands before 1970 reads as its first moment.
    let wall = wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let since = clock::ms(wall + steady.elapsed());
    Moment {
        ms: since.saturating_add(AHEAD_MS.load(Ordering::Relaxed)),
    }
}

/// Time does not go on before `recorded`: a phase that a clock now set back has dated keeps the
/// length it was given.
fn not_before(recorded: Moment) {
    let behind = recorded.ms.saturating_sub(now().ms);
    AHEAD_MS.fetch_add(behind, Ordering::Relaxed);
}

fn random<const N: usize>() -> [u8; N] {
    motet_proto::rng::bytes()
}

impl Driver {
    async fn run(mut self) {
        let mut result = self.begin().await;
        loop {
            if let Err(refusal) = result
                && !self.mend(refusal).await
            {
                return;
            }
            // A round is never left without its alarm: the deadline is armed again after every
            // input.
            if let Some(deadline) = self
                .round()
                .filter(|round| round.phase() < PhaseName::Released)
                .map(Round::deadline)
            {
                self.wake = Some(self.wake.map_or(deadline, |wake| wake.min(deadline)));
            }
            self.show();
            let Some(turned) = self.turn().await else {
                return;
            };
            result = turned;
        }
    }

    /// The next thing that happens, and what follows from it; nothing when the driver rests or the
    /// process is ending.
    async fn turn(&mut self) -> Option<Result<(), Refusal>> {
        let wait = self
            .wake
            .map(|wake| Duration::from_millis(wake.ms.saturating_sub(now().ms)));
        if !may_rest(&self.book) {
            self.needed = tokio::time::Instant::now();
        }
        let rest = self.needed + AWAKE;
        let result = tokio::select! {
            ask = self.inbox.recv() => {
                self.needed = tokio::time::Instant::now();
                self.asked(ask?).await
            }
            () = tokio::time::sleep_until(rest), if may_rest(&self.book) => {
                if self.rest() {
                    return None;
                }
                self.needed = tokio::time::Instant::now();
                Ok(())
            }
            news = self.news.recv() => match news {
                Ok(news) => self.heard(news).await,
                // Too far behind: ask the hub for everybody at once.
                Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await,
                Err(broadcast::error::RecvError::Closed) => return None,
            },
            () = tokio::time::sleep(wait.unwrap_or(Duration::from_secs(3600))), if wait.is_some() => {
                self.wake = None;
                self.input(Input::Tick).await
            }
        };
        Some(match result {
            Ok(()) => self.advance().await,
            Err(refusal) => Err(refusal),
        })
    }

    async fn begin(&mut self) -> Result<(), Refusal> {
        if self.book.log.leaves().is_empty() {
            let open = StudyOpen::of(&self.book.study, self.book.roster());
            self.put_leaf(Leaf::StudyOpen(open).to_bytes()).await?;
        }
        if self.restored {
            self.abandon_restored().await?;
        }
        if let Some(round) = self.book.run.as_mut().and_then(|run| run.round.as_mut()) {
            round.returns(now());
        }
        self.catch_up().await?;
        if let Some(effects) = self.round().map(Round::resume) {
            self.act(effects).await?;
        }
        publication::sweep_uploads(&self.shared, &mut self.book).await;
        self.advance().await
    }

    /// Nodes may have heard more about this round than a restored ledger knows: nothing more is
    /// said in it.
    async fn abandon_restored(&mut self) -> Result<(), Refusal> {
        if self
            .round()
            .is_none_or(|round| round.phase() >= PhaseName::Released)
        {
            self.restored = false;
            return Ok(());
        }
        self.input(Input::Abandon).await?;
        // Not before it is on record: after an error of the disk the round would be continued.
        self.restored = false;
        self.book.settle(None)?;
        if let Some(run) = self.book.run.as_mut() {
            "it was open in the backup that this coordinator was restored from"
                .clone_into(&mut run.last_detail);
        }
        Ok(())
    }

    fn round(&self) -> Option<&Round> {
        self.book.run.as_ref()?.round.as_ref()
    }

    /// Whom the round believes present, set right with the hub.
    async fn catch_up(&mut self) -> Result<(), Refusal> {
        let present = self.shared.hub.present();
        let nodes: Vec<NodeId> = self.book.roster().nodes().collect();
        for node in nodes {
            let input = if present.contains(&node) {
                Input::Back(node)
            } else {
                Input::Gone(node)
            };
            self.input(input).await?;
        }
        Ok(())
    }

    async fn heard(&mut self, news: News) -> Result<(), Refusal> {
        let (News::Came(node) | News::Went(node) | News::Turned(node)) = news;
        if self.book.roster().entry(node).is_none() {
            return Ok(());
        }
        match news {
            News::Went(_) => self.input(Input::Gone(node)).await,
            // Only a run that has not begun looks at it, and it looks after every piece of news.
            News::Turned(_) => Ok(()),
            // What it missed it is told when its line asks for that: this news passes by a driver
            // that rests.
            News::Came(_) => self.input(Input::Back(node)).await,
        }
    }

    async fn asked(&mut self, ask: Ask) -> Result<(), Refusal> {
        match ask {
            Ask::FromNode {
                node,
                message: Message::Checked(checked),
            } if checked.node == node => self.checked(checked).await,
            Ask::FromNode {
                node,
                message: Message::Remade(remade),
            } if remade.node == node => self.remade(remade).await,
            Ask::FromNode {
                node,
                message: Message::NotRemade(not),
            } => {
                self.book.did_not_remake(node, &not);
                Ok(())
            }
            Ask::FromNode {
                node,
                message: Message::Witnessed(witnessed),
            } => {
                self.witnessed(node, &witnessed).await?;
                self.input(Input::Message(node, Message::Witnessed(witnessed)))
                    .await
            }
            Ask::FromNode { node, message } => self.input(Input::Message(node, message)).await,
            Ask::Header { node, t2, answer } => {
                let found = self.round().and_then(|round| {
                    let header = round.header(node).filter(|header| header.t2 == t2)?;
                    Some((header.clone(), round.terms().shape()))
                });
                reply(answer, found);
                Ok(())
            }
            Ask::Uploaded { node, t2 } => {
                let current = self
                    .round()
                    .and_then(|round| round.header(node))
                    .is_some_and(|header| header.t2 == t2);
                if current {
                    self.input(Input::Uploaded(node)).await
                } else {
                    Ok(())
                }
            }
            Ask::Decide { decision, answer } => self.decide(*decision, answer).await,
            Ask::Withdraw { answer } => {
                if !self.book.withdrawn {
                    self.record(StudyEntry::Withdrawn(now()), None).await?;
                    self.handle.set_withdrawn(true);
                    for node in self.book.roster().nodes().collect::<Vec<_>>() {
                        self.shared
                            .hub
                            .send(node, Frame::Withdrawn(self.book.digest.0.to_vec()));
                    }
                    self.input(Input::Abandon).await?;
                }
                reply(answer, Ok(()));
                Ok(())
            }
            Ask::Start {
                without_undecided,
                answer,
            } => self.start_run(without_undecided, answer).await,
            Ask::Abandon { run, answer } => self.abandon(run, answer).await,
            Ask::Folded(result) => self.folded(*result).await,
            Ask::Removed => self.removed().await,
            Ask::Came(node) => {
                self.tell_missed(node);
                Ok(())
            }
            Ask::Due => Ok(()),
            looking => {
                self.look(looking);
                Ok(())
            }
        }
    }

    async fn record(
        &mut self,
        entry: StudyEntry,
        aggregate: Option<&Aggregate>,
    ) -> Result<(), Refusal> {
        debug_assert!(
            !matches!(entry, StudyEntry::Round(_)),
            "a round has applied its entries when they are written"
        );
        self.write(&entry).await?;
        self.book.apply(entry, &self.shared.keys.signing, aggregate)
    }

    async fn write(&mut self, entry: &StudyEntry) -> Result<(), Refusal> {
        let rehearsed = self.rehearsed(entry);
        if let Some((drill, round, count)) = &rehearsed {
            drill.at(*round, *count, false);
        }
        let recorded = self
            .shared
            .ledger
            .append(&self.stream, self.version, &entry.to_bytes())
            .await
            .map_err(disk)?;
        debug_assert!(
            recorded.version == self.version + 1,
            "this driver alone writes the stream"
        );
        self.version = recorded.version;
        if let Some((drill, round, count)) = &rehearsed {
            drill.at(*round, *count, true);
        }
        Ok(())
    }

    /// The rehearsed loss of this process, if there is to be one, and which entry of which round
    /// this is.
    fn rehearsed(&mut self, entry: &StudyEntry) -> Option<(Drill, u64, u32)> {
        self.written = match entry {
            StudyEntry::Planned(_) | StudyEntry::Publishing(_) => 1,
            StudyEntry::Round(_) | StudyEntry::Remade(_) | StudyEntry::Witnessed(_) => {
                self.written + 1
            }
            _ => return None,
        };
        Some((
            self.shared.drill?,
            self.book.chain.round() + 1,
            self.written,
        ))
    }

    async fn put_leaf(&mut self, leaf: Vec<u8>) -> Result<u64, Refusal> {
        if let Some(index) = self.book.log.find(&leaf) {
            return Ok(index);
        }
        let size = self.book.log.point().size;
        self.shared
            .ledger
            .append(&self.book.log_stream(), size, &leaf)
            .await
            .map_err(disk)?;
        let index = self.book.log.push(leaf);
        debug_assert_eq!(index, size, "a leaf has the place that its stream gave it");
        Ok(index)
    }

    /// Hands an input to the round and executes what follows. A refusal of the input is the
    /// sender's affair.
    async fn input(&mut self, input: Input) -> Result<(), Refusal> {
        let key = &self.shared.keys.signing;
        let Some(round) = self.book.run.as_mut().and_then(|run| run.round.as_mut()) else {
            // Nothing is under way: it came late, or early.
            return Ok(());
        };
        match round.handle(input, now(), key) {
            Ok(effects) => self.act(effects).await,
            Err(refusal) if refusal.code.is_of_this_process() => Err(refusal),
            Err(refusal) => {
                tracing::debug!(study = %self.book.study.id, %refusal, "refused");
                Ok(())
            }
        }
    }

    async fn act(&mut self, effects: Vec<Effect>) -> Result<(), Refusal> {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::Record(entry) => self.write(&StudyEntry::Round(entry)).await?,
                Effect::Tell(node, message) => {
                    let run = self
                        .book
                        .latest_run()
                        .ok_or_else(|| Refusal::broken("a message of a study without a run"))?;
                    self.shared.hub.tell(node, run, &message);
                }
                Effect::Log(leaf) => queue.extend(self.log(leaf).await?),
                Effect::Fold(fold) => self.fold(fold)?,
                Effect::WakeAt(moment) => {
                    self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)))
                }
                Effect::Publish(released) => {
                    allow(
                        &self.shared,
                        &self.book,
                        [released.aggregate, released.evidence],
                    )
                    .await;
                    tracing::info!(study = %self.book.study.id, round = self.book.chain.round() + 1,
                        sites = released.set.len(), "a sum is released");
                }
                Effect::End(code) => {
                    tracing::warn!(study = %self.book.study.id, code = code.as_str(), "an attempt ended without a sum");
                }
            }
        }
        Ok(())
    }

    async fn log(&mut self, leaf: Leaf) -> Result<Vec<Effect>, Refusal> {
        let known = self
            .round()
            .map_or(0, |round| round.terms().plan().previous_index);
        let index = self.put_leaf(leaf.to_bytes()).await?;
        let logged = self
            .book
            .log
            .logged(index, known + 1, &self.shared.keys.log)
            .ok_or_else(|| Refusal::broken("a leaf that was put into the log is not in it"))?;
        if let Leaf::Commit(commit) = &leaf {
            // What an excluded node has uploaded will never count (ruling R13).
            self.drop_uploads(|node| !commit.set.iter().any(|(counted, _)| *counted == node))
                .await;
        }
        let key = &self.shared.keys.signing;
        let round = self.book.run.as_mut().and_then(|run| run.round.as_mut());
        round
            .ok_or_else(|| Refusal::broken("a leaf of a round that is not under way"))?
            .handle(Input::Logged(logged), now(), key)
    }

    fn fold(&mut self, task: motet_common::round::Fold) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.folding, true) {
            return Ok(());
        }
        let (t2, round) = self
            .round()
            .and_then(|round| Some((round.t2()?, round)))
            .ok_or_else(|| Refusal::broken("uploads to fold, and no round that took them"))?;
        let shape = round.terms().shape();
        let candidates = round.terms().plan().candidates.len();
        debug_assert!(
            task.evidence.set().len() <= candidates,
            "only candidates upload"
        );
        let chain = self.book.chain.clone();
        let ledger = self.shared.ledger.clone();
        let spools = self.shared.spools();
        let own = self.own.clone();
        tokio::spawn(async move {
            let result = folding::fold(task, t2, shape, chain, candidates, spools, ledger).await;
            // A driver that read its book again meanwhile has begun to fold again.
            let _ = own.send(Ask::Folded(Box::new(result))).await;
        });
        Ok(())
    }

    async fn folded(&mut self, result: Result<Done, Refusal>) -> Result<(), Refusal> {
        self.folding = false;
        match result {
            Ok(done) => {
                let folded = Folded {
                    aggregate: done.digest,
                    evidence: done.evidence,
                    state_root: done.state.root(),
                };
                self.done = Some(done);
                self.input(Input::Folded(folded)).await
            }
            Err(refusal) if refusal.code.is_of_this_process() => Err(refusal),
            Err(refusal) => {
                tracing::error!(study = %self.book.study.id, %refusal, "the sum failed its checks");
                if let Some(round) = self.round() {
                    let void = Leaf::Void(round.terms().plan().ask).to_bytes();
                    self.put_leaf(void).await?;
                }
                self.input(Input::FoldFailed(refusal.code)).await?;
                if let Some(run) = self.book.run.as_mut() {
                    run.last_detail = refusal.detail;
                }
                Ok(())
            }
        }
    }

    fn show(&self) {
        if let Some(view) = view::watch(&self.book, self.pause.as_ref()) {
            // Nobody may be watching.
            let _ = self.views.send(view);
        }
    }
}

/// The asker may have gone; then the answer is not needed.
fn reply<T>(answer: oneshot::Sender<T>, value: T) {
    let _ = answer.send(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_from_the_record_and_never_back() {
        let before = now();
        not_before(Moment {
            ms: before.ms - 60_000,
        });
        assert!(
            now().ms < before.ms + 60_000,
            "a record of the past moves nothing"
        );
        let recorded = Moment {
            ms: before.ms + 3_600_000,
        };
        not_before(recorded);
        assert!(now() >= recorded);
        not_before(before);
        assert!(now() >= recorded, "an older record takes nothing back");
    }
}
