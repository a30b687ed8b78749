//! One study's driver: it alone writes the study's stream, and it executes the effects of the round machine in order,
//! what is recorded before what is told. Here, and only here at the coordinator, clock and randomness are read for the
//! protocol.

use crate::book::{Book, Past};
use crate::entries::{Planned, Proposed, RunEnded, RunStarted, StudyEntry};
use crate::folding::{self, Done};
use crate::hub::News;
use crate::line_up::{self, LineUp, Next};
use crate::members::storage;
use crate::publish;
use crate::shared::Shared;
use crate::view::{self, Pause};
use motet_common::decision::SignedDecision;
use motet_common::log::Leaf;
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::{Effect, Entry, Folded, Input, PhaseName, Round, Terms};
use motet_ledger::Spool;
use motet_proto::v1::{Proposal, RunState, Standing, WatchRunResponse, attend_response::Frame};
use motet_recipes::Question;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::mask::chunk_words;
use motet_secagg::message::{Durations, Header, Message, PRG, Plan, SUITE, VERSION};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Requests that may wait for a driver.
const INBOX: usize = 1024;
/// Views that a slow watcher may lag behind before it skips some.
const VIEWS: usize = 256;
/// Attempts in a row that may fail before the run does.
const MOST_FAILURES: u32 = 5;

/// What may be asked of a driver.
pub(crate) enum Ask {
    FromNode {
        node: NodeId,
        message: Message,
    },
    Header {
        node: NodeId,
        t2: Digest,
        answer: oneshot::Sender<Option<Header>>,
    },
    Uploaded {
        node: NodeId,
        t2: Digest,
    },
    Decide {
        decision: Box<SignedDecision>,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    Withdraw {
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    Start {
        answer: oneshot::Sender<Result<RunId, Refusal>>,
    },
    Abandon {
        run: RunId,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    HasRun {
        run: RunId,
        answer: oneshot::Sender<bool>,
    },
    Runs {
        answer: oneshot::Sender<Vec<RunState>>,
    },
    Watch {
        answer: oneshot::Sender<Option<WatchRunResponse>>,
    },
    Standings {
        answer: oneshot::Sender<Vec<Standing>>,
    },
    Past {
        after: u64,
        answer: oneshot::Sender<Vec<Past>>,
    },
    Release {
        run: Option<RunId>,
        answer: oneshot::Sender<Vec<(RunId, RunEnded)>>,
    },
    Removed,
    Folded(Box<Result<Done, Refusal>>),
}

/// How the rest of the coordinator reaches a driver.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) id: String,
    pub(crate) digest: Digest,
    pub(crate) proposed_ms: u64,
    pub(crate) proposed: Arc<Proposed>,
    pub(crate) title: String,
    withdrawn: Arc<AtomicBool>,
    inbox: mpsc::Sender<Ask>,
    views: broadcast::Sender<WatchRunResponse>,
}

impl Handle {
    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(ask(answer)).await;
        answered.await.map_err(|_| {
            Refusal::new(
                Code::Storage,
                format!("the driver of study `{}` has stopped", self.id),
            )
        })
    }

    /// Tells, without an answer.
    pub(crate) async fn send(&self, ask: Ask) {
        if self.inbox.send(ask).await.is_err() {
            tracing::error!(study = %self.id, "the study's driver has stopped");
        }
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Relaxed)
    }

    pub(crate) fn views(&self) -> broadcast::Receiver<WatchRunResponse> {
        self.views.subscribe()
    }

    /// What a node of the roster is told about the study.
    pub(crate) fn proposal(&self) -> Frame {
        Frame::Proposal(Proposal {
            study: self.proposed.text.clone(),
            roster: self.proposed.roster.to_bytes(),
            proposer: self.proposed.proposer.clone(),
            when_ms: self.proposed.at.ms,
        })
    }
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
    book: Book,
    stream: String,
    version: u64,
    inbox: mpsc::Receiver<Ask>,
    own: mpsc::Sender<Ask>,
    news: broadcast::Receiver<News>,
    views: broadcast::Sender<WatchRunResponse>,
    withdrawn: Arc<AtomicBool>,
    wake: Option<Moment>,
    pause: Option<Pause>,
    /// Since when the run has waited for its next round.
    waiting_since: Moment,
    /// The sum being published.
    done: Option<Done>,
    folding: bool,
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment {
        ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    }
}

fn random<const N: usize>() -> [u8; N] {
    rand::random()
}

/// Records a proposal and starts its driver.
pub(crate) async fn propose(
    shared: &Arc<Shared>,
    text: String,
    roster: motet_common::roster::SignedRoster,
    proposer: String,
) -> Result<Handle, Refusal> {
    let proposed = Proposed {
        text,
        roster,
        proposer,
        at: now(),
    };
    let book = Book::open(proposed.clone(), &shared.keys.governance.fingerprint())?;
    if book.roster().coordinator != shared.keys.signing.public() {
        return Err(Refusal::new(
            Code::RosterMismatch,
            "the roster names another coordinator",
        ));
    }
    if let Some(known) = shared.studies.read().await.get(&book.digest)
        && !known.is_withdrawn()
    {
        return Err(Refusal::new(
            Code::StudyInvalid,
            format!("the very same study is already proposed as `{}`", known.id),
        ));
    }
    let stream = book.stream();
    let version = shared.ledger.version(&stream).await.map_err(storage)?;
    if version > 0 {
        return Err(Refusal::new(
            Code::StudyWithdrawn,
            "the very same study was withdrawn; change its text to propose it anew",
        ));
    }
    shared
        .ledger
        .append(&stream, 0, &StudyEntry::Proposed(proposed).to_bytes())
        .await
        .map_err(storage)?;
    start(shared, book, 1).await
}

/// Rebuilds a study from its stream and starts its driver.
pub(crate) async fn reopen(shared: &Arc<Shared>, stream: &str) -> anyhow::Result<Handle> {
    let recorded = shared.ledger.read(stream, 1).await?;
    let mut entries = recorded
        .iter()
        .map(|recorded| StudyEntry::from_bytes(&recorded.entry));
    let Some(Ok(StudyEntry::Proposed(proposed))) = entries.next() else {
        anyhow::bail!("stream `{stream}` does not begin with a proposal");
    };
    let mut book = Book::open(proposed, &shared.keys.governance.fingerprint())?;
    for leaf in shared.ledger.read(&book.log_stream(), 1).await? {
        book.log.push(leaf.entry);
    }
    let mut folded: Option<Folded> = None;
    for entry in entries {
        let entry = entry?;
        let mut aggregate = None;
        match &entry {
            StudyEntry::Round(Entry::Folded(result)) => folded = Some(*result),
            StudyEntry::Round(Entry::Released(_)) => {
                let digest = folded.map(|folded| folded.aggregate).unwrap_or_default();
                aggregate = Some(Aggregate::from_bytes(&shared.ledger.get_blob(&digest).await?)?);
                allow(shared, &book, digest).await;
            }
            _ => {}
        }
        book.apply(entry, &shared.keys.signing, aggregate.as_ref())?;
    }
    let version = recorded.len() as u64;
    Ok(start(shared, book, version).await?)
}

async fn allow(shared: &Shared, book: &Book, aggregate: Digest) {
    shared
        .aggregates
        .write()
        .await
        .insert(aggregate, book.roster().nodes().collect());
}

async fn start(shared: &Arc<Shared>, book: Book, version: u64) -> Result<Handle, Refusal> {
    let (own, inbox) = mpsc::channel(INBOX);
    let views = broadcast::channel(VIEWS).0;
    let withdrawn = Arc::new(AtomicBool::new(book.withdrawn));
    let handle = Handle {
        id: book.study.id.clone(),
        digest: book.digest,
        proposed_ms: book.proposed.at.ms,
        proposed: Arc::new(book.proposed.clone()),
        title: book.study.title.clone(),
        withdrawn: Arc::clone(&withdrawn),
        inbox: own.clone(),
        views: views.clone(),
    };
    let stream = book.stream();
    let driver = Driver {
        shared: Arc::clone(shared),
        stream,
        version,
        inbox,
        own,
        news: shared.hub.news(),
        views,
        withdrawn,
        wake: None,
        pause: None,
        waiting_since: now(),
        done: None,
        folding: false,
        book,
    };
    shared.studies.write().await.insert(handle.digest, handle.clone());
    tokio::spawn(driver.run());
    Ok(handle)
}

impl Driver {
    async fn run(mut self) {
        if let Err(refusal) = self.begin().await {
            return self.stopped(&refusal);
        }
        loop {
            let wait = self
                .wake
                .map(|wake| Duration::from_millis(wake.ms.saturating_sub(now().ms)));
            let result = tokio::select! {
                ask = self.inbox.recv() => match ask {
                    Some(ask) => self.asked(ask).await,
                    None => return,
                },
                news = self.news.recv() => match news {
                    Ok(news) => self.heard(news).await,
                    // Too far behind: ask the hub for everybody at once.
                    Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = tokio::time::sleep(wait.unwrap_or(Duration::from_secs(3600))), if wait.is_some() => {
                    self.wake = None;
                    self.input(Input::Tick).await
                }
            };
            let result = match result {
                Ok(()) => self.advance().await,
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = result {
                return self.stopped(&refusal);
            }
            self.show();
        }
    }

    /// A driver stops only when it cannot write; what is written is enough to go on after a restart.
    fn stopped(&self, refusal: &Refusal) {
        tracing::error!(study = %self.book.study.id, %refusal, "the study's driver stops; restart the coordinator when mended");
    }

    async fn begin(&mut self) -> Result<(), Refusal> {
        if self.book.log.leaves().is_empty() {
            let open = motet_common::chain::study_open(&self.book.study, self.book.roster());
            self.put_leaf(Leaf::StudyOpen(open).to_bytes()).await?;
        }
        self.catch_up().await?;
        let effects = self.round().map(Round::resume).unwrap_or_default();
        self.act(effects).await?;
        self.advance().await
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
        let (News::Came(node) | News::Went(node)) = news;
        if self.book.roster().entry(node).is_none() {
            return Ok(());
        }
        match news {
            News::Went(_) => self.input(Input::Gone(node)).await,
            News::Came(_) => {
                self.input(Input::Back(node)).await?;
                // Between rounds, the latest release tells a returning node what it missed.
                if self.round().is_none()
                    && let (Some(past), Some(run)) = (self.book.past.last(), self.latest_run())
                {
                    self.shared
                        .hub
                        .tell(node, run, &Message::Released(past.released.clone()));
                }
                Ok(())
            }
        }
    }

    fn latest_run(&self) -> Option<RunId> {
        let present = self.book.run.as_ref().map(|run| run.started.run);
        present.or_else(|| self.book.past_runs.last().map(|(started, _)| started.run))
    }

    async fn asked(&mut self, ask: Ask) -> Result<(), Refusal> {
        match ask {
            Ask::FromNode { node, message } => self.input(Input::Message(node, message)).await,
            Ask::Header { node, t2, answer } => {
                let header = self
                    .round()
                    .and_then(|round| round.header(node))
                    .filter(|header| header.t2 == t2);
                reply(answer, header.cloned());
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
                    self.withdrawn.store(true, Ordering::Relaxed);
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
            Ask::Start { answer } => self.start_run(answer).await,
            Ask::Abandon { run, answer } => self.abandon(run, answer).await,
            Ask::Folded(result) => self.folded(*result).await,
            Ask::Removed => self.removed().await,
            looking => {
                self.look(looking);
                Ok(())
            }
        }
    }

    /// Questions that change nothing.
    fn look(&self, ask: Ask) {
        let book = &self.book;
        match ask {
            Ask::HasRun { run, answer } => {
                let present = book.run.as_ref().is_some_and(|known| known.started.run == run);
                let past = book.past_runs.iter().any(|(started, _)| started.run == run);
                reply(answer, present || past);
            }
            Ask::Runs { answer } => reply(answer, view::runs(book, self.pause.as_ref())),
            Ask::Watch { answer } => reply(answer, view::watch(book, self.pause.as_ref())),
            Ask::Standings { answer } => reply(answer, self.standings()),
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
            Ask::Release { run, answer } => {
                let released = book.past_runs.iter().filter(|(started, ended)| {
                    ended.code.is_empty() && run.is_none_or(|wanted| wanted == started.run)
                });
                reply(
                    answer,
                    released
                        .map(|(started, ended)| (started.run, ended.clone()))
                        .collect(),
                );
            }
            _ => {}
        }
    }

    fn standings(&self) -> Vec<Standing> {
        let standing = |entry: &motet_common::roster::Entry| {
            let verdict = self
                .book
                .decisions
                .get(&entry.node)
                .map(|signed| &signed.decision.verdict);
            Standing {
                site: entry.name.clone(),
                country: entry.country.clone(),
                decision: verdict.map_or("undecided", |verdict| verdict.as_str()).to_owned(),
                why: verdict
                    .map(|verdict| verdict.text().to_owned())
                    .unwrap_or_default(),
                connected: self.shared.hub.is_connected(entry.node),
            }
        };
        self.book.roster().entries.iter().map(standing).collect()
    }

    async fn decide(
        &mut self,
        decision: SignedDecision,
        answer: oneshot::Sender<Result<(), Refusal>>,
    ) -> Result<(), Refusal> {
        let checked = decision.check(self.book.roster());
        if checked.is_ok() && self.book.decisions.get(&decision.decision.site) != Some(&decision) {
            tracing::info!(study = %self.book.study.id, site = %self.book.name(decision.decision.site),
                decision = decision.decision.verdict.as_str(), "a steward decided");
            self.record(StudyEntry::Decided(decision), None).await?;
        }
        reply(answer, checked);
        Ok(())
    }

    async fn start_run(&mut self, answer: oneshot::Sender<Result<RunId, Refusal>>) -> Result<(), Refusal> {
        let refused = if self.book.withdrawn {
            Some(Code::StudyWithdrawn.into())
        } else if self.has_ended() {
            Some(Code::StudyEnded.into())
        } else if let Some(run) = &self.book.run {
            let run = run.started.run;
            Some(Refusal::new(
                Code::WrongPhase,
                format!("run `{run}` of this study is still going; watch or abandon it"),
            ))
        } else if matches!(self.book.chain.question(3), Ok(None)) {
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
        self.record(StudyEntry::RunStarted(RunStarted { run, at: now() }), None)
            .await?;
        self.waiting_since = now();
        reply(answer, Ok(run));
        Ok(())
    }

    fn has_ended(&self) -> bool {
        let today = view::timestamp(now());
        let ends = &self.book.study.ends;
        let last = format!("{:04}-{:02}-{:02}T23:59:59Z", ends.year, ends.month, ends.day);
        today > last
    }

    async fn abandon(
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
        self.end_run(Code::Abandoned.as_str(), Vec::new()).await?;
        reply(answer, Ok(()));
        Ok(())
    }

    /// Nothing more is awaited from a removed site.
    async fn removed(&mut self) -> Result<(), Refusal> {
        for node in self.shared.members.removed_nodes().await {
            self.input(Input::Gone(node)).await?;
        }
        Ok(())
    }

    async fn record(&mut self, entry: StudyEntry, aggregate: Option<&Aggregate>) -> Result<(), Refusal> {
        self.write(&entry).await?;
        self.book.apply(entry, &self.shared.keys.signing, aggregate)
    }

    async fn write(&mut self, entry: &StudyEntry) -> Result<(), Refusal> {
        let recorded = self
            .shared
            .ledger
            .append(&self.stream, self.version, &entry.to_bytes())
            .await
            .map_err(storage)?;
        self.version = recorded.version;
        Ok(())
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
            .map_err(storage)?;
        Ok(self.book.log.push(leaf))
    }

    /// Hands an input to the round and executes what follows. A refusal of the input is the sender's affair.
    async fn input(&mut self, input: Input) -> Result<(), Refusal> {
        let key = &self.shared.keys.signing;
        let Some(round) = self.book.run.as_mut().and_then(|run| run.round.as_mut()) else {
            return Ok(());
        };
        match round.handle(input, now(), key) {
            Ok(effects) => self.act(effects).await,
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
                    if let Some(run) = self.latest_run() {
                        self.shared.hub.tell(node, run, &message);
                    }
                }
                Effect::Log(leaf) => queue.extend(self.log(leaf).await?),
                Effect::Fold(fold) => self.fold(fold),
                Effect::WakeAt(moment) => self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment))),
                Effect::Publish(released) => {
                    allow(&self.shared, &self.book, released.aggregate).await;
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
        let key = &self.shared.keys.signing;
        let logged = self.book.log.logged(index, known + 1, key).ok_or(Code::Storage)?;
        let Some(round) = self.book.run.as_mut().and_then(|run| run.round.as_mut()) else {
            return Ok(Vec::new());
        };
        round.handle(Input::Logged(logged), now(), key)
    }

    fn fold(&mut self, task: motet_common::round::Fold) {
        let Some(round) = self.round() else { return };
        let Some(t2) = round.t2() else { return };
        if std::mem::replace(&mut self.folding, true) {
            return;
        }
        let Some(round) = self.round() else { return };
        let (shape, candidates) = (round.terms().shape(), round.terms().plan().candidates.len());
        let (chain, ledger) = (self.book.chain.clone(), self.shared.ledger.clone());
        let (spools, own) = (self.shared.spools(), self.own.clone());
        tokio::spawn(async move {
            let result = folding::fold(task, t2, shape, chain, candidates, spools, ledger).await;
            // A driver that has stopped meanwhile folds again after the restart.
            let _ = own.send(Ask::Folded(Box::new(result))).await;
        });
    }

    async fn folded(&mut self, result: Result<Done, Refusal>) -> Result<(), Refusal> {
        self.folding = false;
        match result {
            Ok(done) => {
                let folded = Folded {
                    aggregate: done.digest,
                    state_root: done.state.root(),
                };
                self.done = Some(done);
                self.input(Input::Folded(folded)).await
            }
            Err(refusal) if refusal.code == Code::Storage => Err(refusal),
            Err(refusal) => {
                tracing::error!(study = %self.book.study.id, %refusal, "the sum failed its checks");
                if let Some(round) = self.round() {
                    let void = Leaf::Void(round.terms().plan().ask).to_bytes();
                    self.put_leaf(void).await?;
                }
                self.input(Input::FoldFailed(refusal.code)).await
            }
        }
    }

    /// Moves the run on as far as it goes without anybody: closes an ended round, opens the next, publishes, ends.
    async fn advance(&mut self) -> Result<(), Refusal> {
        loop {
            let over = self
                .round()
                .is_some_and(|round| round.phase() >= PhaseName::Released);
            let aggregate = self.done.as_ref().map(|done| &done.aggregate);
            self.book.settle(aggregate)?;
            if over {
                self.done = None;
                self.waiting_since = now();
                self.sweep_spools().await;
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

    /// One step between rounds; false when there is something to wait for.
    async fn step(&mut self) -> Result<bool, Refusal> {
        if let Some(code) = self.dead_end() {
            self.end_run(code.as_str(), Vec::new()).await?;
            return Ok(false);
        }
        let present = self.shared.hub.present();
        let removed = self.shared.members.removed_nodes().await;
        match self.book.chain.question(self.book.roster().entries.len()) {
            Ok(None) => match self.publish().await {
                // The fit ended without an estimate, such as separated classes: a result, not a fault.
                Err(refusal) if refusal.code == Code::RecipeFailed => {
                    tracing::warn!(study = %self.book.study.id, %refusal, "there is no estimate");
                    self.end_run(refusal.code.as_str(), Vec::new()).await?;
                    Ok(false)
                }
                published => published,
            },
            Err(refusal) => {
                tracing::error!(study = %self.book.study.id, %refusal, "the recipe found no way on");
                self.end_run(refusal.code.as_str(), Vec::new()).await?;
                Ok(false)
            }
            Ok(Some(_)) => match line_up::next(&self.book, &present, &removed, self.waiting_since, now()) {
                Next::Open(line_up) => self.open(line_up).await,
                Next::Wait { why, until } => {
                    self.wake = until;
                    self.pause = Some(Pause { why, until });
                    Ok(false)
                }
                Next::Fail(code) => {
                    self.end_run(code.as_str(), Vec::new()).await?;
                    Ok(false)
                }
            },
        }
    }

    /// Codes after which another attempt would be wrong, or useless.
    fn dead_end(&self) -> Option<Code> {
        if self.book.withdrawn {
            return Some(Code::StudyWithdrawn);
        }
        if self.has_ended() {
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
        );
        (opened || run.failures >= MOST_FAILURES).then_some(code)
    }

    async fn open(&mut self, line_up: LineUp) -> Result<bool, Refusal> {
        let Some(question) = self.book.chain.question(line_up.candidates.len())? else {
            return Ok(true);
        };
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
        let effects = self.round().map(Round::resume).unwrap_or_default();
        self.act(effects).await?;
        Ok(true)
    }

    fn plan(&self, line_up: LineUp, question: &Question) -> Result<Plan, Refusal> {
        let book = &self.book;
        let run = book.run.as_ref().ok_or(Code::Storage)?;
        let rounds = &book.study.rounds;
        let ms = |seconds: u32| seconds.saturating_mul(1000);
        let (chain, layout) = (&book.chain, &question.layout);
        let previous = self.previous_leaf();
        let narrow = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
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
            previous_leaf: book.log.hash(previous).ok_or(Code::Storage)?,
            ring: layout.ring,
            words: layout.words() as u64,
            chunk_words: chunk_words(layout.ring),
            layout: layout.root(),
            weight_max: layout.weight_max,
            candidates: line_up.candidates,
            colluders: book.roster().colluders,
            threshold: narrow(line_up.thresholds.threshold),
            min_start: narrow(line_up.min_start),
            min_survivors: narrow(line_up.thresholds.survivors),
            checkpoint: book.log.checkpoint(&self.shared.keys.signing),
            previous_index: previous,
            previous_proof: book.log.inclusion(previous),
            durations: Durations {
                join: ms(rounds.join_s),
                share: ms(rounds.share_s),
                upload: ms(rounds.upload_s),
                sign: ms(rounds.sign_s),
                reveal: ms(rounds.reveal_s),
            },
            upload_slot_ms: 0,
            nonce: random(),
        })
    }

    /// Index of the latest release in the log, or of the study's opening.
    fn previous_leaf(&self) -> u64 {
        let leaves = self.book.log.leaves();
        let release = leaves
            .iter()
            .rposition(|leaf| matches!(Leaf::from_bytes(leaf), Ok(Leaf::Release(_))));
        release.unwrap_or(0) as u64
    }

    async fn publish(&mut self) -> Result<bool, Refusal> {
        let at = now();
        let files = publish::files(&self.book, &self.shared, at)?;
        let leaf = publish::leaf(&self.book, &files)?;
        let index = self.put_leaf(leaf).await?;
        let manifest = publish::manifest(&self.book, &self.shared, &files, index, at)?;
        let mut stored = Vec::with_capacity(files.len() + 1);
        for (name, bytes) in files.into_iter().chain([manifest]) {
            stored.push((name, self.shared.ledger.put_blob(&bytes).await.map_err(storage)?));
        }
        self.end_run("", stored).await?;
        Ok(false)
    }

    async fn end_run(&mut self, code: &str, files: Vec<(String, Digest)>) -> Result<(), Refusal> {
        let Some(run) = self.book.run.as_ref().map(|run| run.started.run) else {
            return Ok(());
        };
        self.wake = None;
        self.record(
            StudyEntry::RunEnded(RunEnded {
                run,
                code: code.to_owned(),
                files,
                at: now(),
            }),
            None,
        )
        .await?;
        tracing::info!(study = %self.book.study.id, %run, code, "the run is over");
        Ok(())
    }

    /// Uploads of earlier attempts go; those of the latest stay, so that its sum can be recomputed.
    async fn sweep_spools(&mut self) {
        let old = self.book.spooled.len().saturating_sub(1);
        for (t2, nodes) in self.book.spooled.drain(..old).collect::<Vec<_>>() {
            for node in nodes {
                if let Ok(spool) = Spool::open(&self.shared.spools(), &folding::spool_name(&t2, node)).await {
                    // A spool that cannot be removed now is in nobody's way.
                    let _ = spool.remove().await;
                }
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
