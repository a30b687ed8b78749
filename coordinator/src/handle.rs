//! How the rest of the coordinator reaches a study's driver: what may be asked of it, and the line
//! to it. A driver that nobody needs rests: its book is let go, and read again from the ledger when
//! somebody asks.

use crate::book::{Book, Past};
use crate::entries::{Proposed, RunEnded};
use crate::folding::Done;
use crate::hub::Hub;
use crate::members::Caller;
use motet_common::decision::{SignedDecision, Verdict};
use motet_common::enrol::Role;
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::Entry;
use motet_common::study::{Date, Recipients};
use motet_proto::v1::attend_response::Frame;
use motet_proto::v1::{Proposal, RunState, Standing, StewardDecision, WatchRunResponse};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::mask::Shape;
use motet_secagg::message::{Header, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, broadcast, mpsc, oneshot};

/// What may be asked of a driver.
#[expect(clippy::large_enum_variant, reason = "one at a time, consumed at once")]
pub(crate) enum Ask {
    FromNode {
        node: NodeId,
        message: Message,
    },
    Header {
        node: NodeId,
        t2: Digest,
        answer: oneshot::Sender<Option<(Header, Shape)>>,
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
        /// Without the sites that have not decided.
        without_undecided: bool,
        answer: oneshot::Sender<Result<RunId, Refusal>>,
    },
    Abandon {
        run: RunId,
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    Runs {
        answer: oneshot::Sender<Vec<RunState>>,
    },
    Watch {
        answer: oneshot::Sender<Option<WatchRunResponse>>,
    },
    Leaves {
        from: u64,
        to: u64,
        answer: oneshot::Sender<Vec<Vec<u8>>>,
    },
    /// Whether the uploads of this T2 are those of a released sum.
    HasUploads {
        t2: Digest,
        /// Whether a site asks, which is to make the sum again.
        site: bool,
        answer: oneshot::Sender<bool>,
    },
    Past {
        after: u64,
        answer: oneshot::Sender<Vec<Past>>,
    },
    Release {
        run: Option<RunId>,
        answer: oneshot::Sender<Vec<(RunId, RunEnded)>>,
    },
    /// A node has come; it may have missed the latest release.
    Came(NodeId),
    /// Something lies about that is due to go; reading the book again has removed it.
    Due,
    Removed,
    Folded(Box<Result<Done, Refusal>>),
}

/// A decision on record.
#[derive(Clone)]
pub(crate) struct Decided {
    /// Digest of the signed decision.
    pub(crate) digest: Digest,
    pub(crate) verdict: Verdict,
}

impl Decided {
    pub(crate) fn of(signed: &SignedDecision) -> Self {
        Self {
            digest: signed.digest("decision"),
            verdict: signed.decision.verdict.clone(),
        }
    }
}

/// The ways to a driver.
#[derive(Clone)]
pub(crate) struct Awake {
    pub(crate) inbox: mpsc::Sender<Ask>,
    pub(crate) views: broadcast::Sender<WatchRunResponse>,
}

/// What must be known of a study whose driver rests: no run of it is under way.
pub(crate) struct Resting {
    /// Its rows in the table of runs.
    pub(crate) runs: Vec<RunState>,
    /// Nodes that are to hear of its latest release when they come ..
    pub(crate) owed: BTreeSet<NodeId>,
    /// .. and what they are told, with its run, where there are such nodes.
    pub(crate) latest: Option<(RunId, Vec<Message>)>,
    /// When uploads that are still kept are due to go.
    pub(crate) due: Option<Moment>,
}

pub(crate) enum Line {
    Awake(Awake),
    Resting(Resting),
}

/// Starts the driver of a study that rested.
#[tonic::async_trait]
pub(crate) trait Wake: Send + Sync {
    async fn wake(&self, handle: &Handle) -> Result<Awake, Refusal>;
}

/// How the rest of the coordinator reaches a driver.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) id: String,
    pub(crate) digest: Digest,
    pub(crate) proposed: Arc<Proposed>,
    pub(crate) title: String,
    /// The study's last day.
    pub(crate) ends: Date,
    /// Which researchers receive its release.
    recipients: Recipients,
    withdrawn: Arc<AtomicBool>,
    /// Decisions on record, by node.
    decided: Arc<Mutex<BTreeMap<NodeId, Decided>>>,
    pub(crate) line: Arc<AsyncMutex<Line>>,
    hub: Hub,
    waker: Arc<dyn Wake>,
}

impl Handle {
    /// The way to the study of this book, whose driver rests as yet.
    pub(crate) fn new(waker: Arc<dyn Wake>, hub: Hub, book: &Book, resting: Resting) -> Self {
        let handle = Self {
            id: book.study.id.clone(),
            digest: book.digest,
            proposed: Arc::new(book.proposed.clone()),
            title: book.study.title.clone(),
            ends: book.study.ends,
            recipients: book.study.recipients.clone(),
            withdrawn: Arc::default(),
            decided: Arc::default(),
            line: Arc::new(AsyncMutex::new(Line::Resting(resting))),
            hub,
            waker,
        };
        handle.follow(book);
        handle
    }

    /// Whether somebody may see the study, its runs and its release: operators, the sites of its
    /// roster, and the researchers whom it names as recipients.
    pub(crate) fn is_for(&self, caller: &Caller) -> bool {
        match caller.role {
            Role::Operator => true,
            Role::Site => caller
                .node
                .is_some_and(|node| self.proposed.roster.roster.entry(node).is_some()),
            Role::Coordinator => false,
            Role::Researcher => self
                .recipients
                .include(&caller.name, caller.since <= self.proposed.at),
        }
    }

    /// Takes over from the book what is known without it.
    pub(crate) fn follow(&self, book: &Book) {
        self.set_withdrawn(book.withdrawn);
        let decided = book
            .decisions
            .iter()
            .map(|(node, signed)| (*node, Decided::of(signed)));
        *self.decided() = decided.collect();
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(
        &self,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        deliver(&self.id, &self.awake().await?, ask(answer)).await;
        answered.await.map_err(|_| {
            let detail = format!(
                "study `{}` could not be written down; `motet run list {}` says why",
                self.id, self.id
            );
            Refusal::new(Code::Storage, detail)
        })
    }

    /// Tells, without an answer.
    pub(crate) async fn send(&self, ask: Ask) {
        match self.awake().await {
            Ok(awake) => deliver(&self.id, &awake, ask).await,
            Err(refusal) => {
                tracing::error!(study = %self.id, %refusal, "the study's record cannot be read")
            }
        }
    }

    /// Tells without waiting for a driver that has to be woken.
    pub(crate) fn send_soon(&self, ask: Ask) {
        let handle = self.clone();
        tokio::spawn(async move { handle.send(ask).await });
    }

    /// Whether a driver is there at this moment: what is sent to it arrives in order.
    pub(crate) fn is_awake(&self) -> bool {
        self.line
            .try_lock()
            .is_ok_and(|line| matches!(&*line, Line::Awake(_)))
    }

    /// Tells a driver that does not rest.
    pub(crate) async fn send_if_awake(&self, ask: Ask) {
        let awake = match &*self.line.lock().await {
            Line::Awake(awake) => awake.clone(),
            Line::Resting(_) => return,
        };
        deliver(&self.id, &awake, ask).await;
    }

    /// The driver, woken when it rested.
    async fn awake(&self) -> Result<Awake, Refusal> {
        let mut line = self.line.lock().await;
        if let Line::Awake(awake) = &*line {
            return Ok(awake.clone());
        }
        let awake = self.waker.wake(self).await?;
        *line = Line::Awake(awake.clone());
        Ok(awake)
    }

    /// A node came: it is told of a release that it may have missed. A driver need not wake for
    /// that.
    pub(crate) async fn came(&self, node: NodeId) {
        // Looked at once: a driver that goes to rest between two looks would be neither asked nor
        // spoken for.
        let awake = match &*self.line.lock().await {
            Line::Awake(awake) => awake.clone(),
            Line::Resting(resting) => {
                if let Some((run, told)) = resting
                    .latest
                    .as_ref()
                    .filter(|_| resting.owed.contains(&node))
                {
                    told.iter()
                        .for_each(|message| self.hub.tell(node, *run, message));
                }
                return;
            }
        };
        deliver(&self.id, &awake, Ask::Came(node)).await;
    }

    /// Wakes a driver that has uploads to remove.
    pub(crate) async fn sweep(&self, now: Moment) {
        let due = match &*self.line.lock().await {
            Line::Resting(resting) => resting.due,
            Line::Awake(_) => None,
        };
        if due.is_some_and(|due| due <= now) {
            self.send(Ask::Due).await;
        }
    }

    /// The study's rows in the table of runs, latest first.
    pub(crate) async fn runs(&self) -> Result<Vec<RunState>, Refusal> {
        if let Line::Resting(resting) = &*self.line.lock().await {
            return Ok(resting.runs.clone());
        }
        self.ask(|answer| Ask::Runs { answer }).await
    }

    pub(crate) async fn views(&self) -> Result<broadcast::Receiver<WatchRunResponse>, Refusal> {
        Ok(self.awake().await?.views.subscribe())
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Relaxed)
    }

    pub(crate) fn set_withdrawn(&self, withdrawn: bool) {
        self.withdrawn.store(withdrawn, Ordering::Relaxed);
    }

    pub(crate) fn decided(&self) -> MutexGuard<'_, BTreeMap<NodeId, Decided>> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each site of the roster has decided, and, for an operator, in which words and whether
    /// it is here: who is here and yet in no sum would tell others of its rows.
    pub(crate) fn standings(&self, operator: bool) -> Vec<Standing> {
        let decided = self.decided();
        let standing = |entry: &Entry| {
            let verdict = decided.get(&entry.node).map(|decided| &decided.verdict);
            Standing {
                site: entry.name.clone(),
                country: entry.country.clone(),
                decision: match verdict {
                    None => StewardDecision::Undecided,
                    Some(Verdict::Approve(_)) => StewardDecision::Approved,
                    Some(Verdict::Decline(_)) => StewardDecision::Declined,
                    Some(Verdict::Withdraw(_)) => StewardDecision::Withdrawn,
                }
                .into(),
                why: match verdict {
                    Some(verdict) if operator => verdict.text().to_owned(),
                    _ => String::new(),
                },
                connected: operator && self.hub.is_connected(entry.node),
                stopped: operator && self.hub.is_stopped(entry.node),
            }
        };
        self.proposed
            .roster
            .roster
            .entries
            .iter()
            .map(standing)
            .collect()
    }

    /// The proposal as a node hears it, with what is known of its steward's decision.
    pub(crate) fn proposal(&self, node: NodeId) -> Frame {
        let decision = self.decided().get(&node).map(|decided| decided.digest);
        Frame::Proposal(Proposal {
            // On the wire no bytes are no decision.
            decision: decision.map_or_else(Vec::new, |digest| digest.0.to_vec()),
            study: self.proposed.text.clone(),
            roster: self.proposed.roster.to_bytes(),
            proposer: self.proposed.proposer.clone(),
            when_ms: self.proposed.at.ms,
        })
    }
}

async fn deliver(study: &str, awake: &Awake, ask: Ask) {
    if awake.inbox.send(ask).await.is_err() {
        tracing::error!(%study, "the study's driver has stopped");
    }
}
