//! How the rest of the coordinator reaches a study's driver: what may be asked of it, and the line to it.

use crate::book::Past;
use crate::entries::{Proposed, RunEnded};
use crate::folding::Done;
use motet_common::decision::SignedDecision;
use motet_common::refusal::{Code, Refusal};
use motet_proto::v1::attend_response::Frame;
use motet_proto::v1::{Proposal, RunState, Standing, WatchRunResponse};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::message::{Header, Message};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, mpsc, oneshot};

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
    Leaves {
        from: u64,
        to: u64,
        answer: oneshot::Sender<Vec<Vec<u8>>>,
    },
    /// Whether the uploads of this T2 are those of a released sum.
    HasUploads {
        t2: Digest,
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
    Removed,
    Folded(Box<Result<Done, Refusal>>),
}

/// Digests of the decisions on record, by node.
pub(crate) type Decided = Arc<Mutex<BTreeMap<NodeId, Digest>>>;

/// How the rest of the coordinator reaches a driver.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) id: String,
    pub(crate) digest: Digest,
    pub(crate) proposed_ms: u64,
    pub(crate) proposed: Arc<Proposed>,
    pub(crate) title: String,
    pub(crate) withdrawn: Arc<AtomicBool>,
    /// Digests of the decisions on record.
    pub(crate) decided: Decided,
    pub(crate) inbox: mpsc::Sender<Ask>,
    pub(crate) views: broadcast::Sender<WatchRunResponse>,
}

impl Handle {
    /// Asks and waits for the answer.
    pub(crate) async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.send(ask(answer)).await;
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
    /// The proposal as a node hears it, with what is known of its steward's decision.
    pub(crate) fn proposal(&self, node: NodeId) -> Frame {
        let decision = self.decided.lock().unwrap_or_else(PoisonError::into_inner).get(&node).copied();
        Frame::Proposal(Proposal {
            decision: decision.map(|digest| digest.0.to_vec()).unwrap_or_default(),
            study: self.proposed.text.clone(),
            roster: self.proposed.roster.to_bytes(),
            proposer: self.proposed.proposer.clone(),
            when_ms: self.proposed.at.ms,
        })
    }
}
