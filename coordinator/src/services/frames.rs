//! What a node says on its line: each frame is taken in turn, within what the member may say.

use crate::allowance::{AMISS, cost};
use crate::handle::Ask;
use crate::refusals::status;
use crate::shared::Shared;
use motet_common::catalogue::SignedNotice;
use motet_common::decision::SignedDecision;
use motet_common::refusal::{Code, Refusal};
use motet_program::clock;
use motet_proto::v1::attend_request::Frame;
use motet_proto::v1::{AttendRequest, Envelope};
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::message::Message;
use tokio_stream::StreamExt as _;
use tonic::Streaming;

/// Takes in a node's frames until its line ends, or says more than a member may.
pub(super) async fn listen(
    shared: &Shared,
    node: NodeId,
    line: u64,
    mut frames: Streaming<AttendRequest>,
) {
    while let Some(Ok(request)) = frames.next().await {
        let taken = match request.frame {
            Some(frame) => take(shared, node, frame).await,
            None => amiss(shared, node, &"an empty frame"),
        };
        if let Err(refusal) = taken {
            if let Some(count) = shared.allowances.amiss(node) {
                tracing::warn!(%node, count, %refusal, "a line was cut");
            }
            shared.hub.refuse(node, line, status(&refusal));
            return;
        }
    }
}

/// Notes that something is amiss with a frame, which costs the member more than one that is in
/// order.
fn amiss(shared: &Shared, node: NodeId, what: &dyn std::fmt::Display) -> Result<(), Refusal> {
    if let Some(count) = shared.allowances.amiss(node) {
        tracing::warn!(%node, count, %what, "frames were dropped");
    }
    shared.allowances.spend(node, AMISS)
}

async fn take(shared: &Shared, node: NodeId, frame: Frame) -> Result<(), Refusal> {
    match frame {
        Frame::Hello(_) => shared.allowances.spend(node, cost(0)),
        Frame::Message(envelope) => {
            shared.allowances.spend(node, cost(envelope.body.len()))?;
            take_message(shared, node, envelope).await
        }
        Frame::Decision(bytes) => {
            shared.allowances.spend(node, cost(bytes.len()))?;
            take_decision(shared, node, &bytes).await
        }
        Frame::Notice(bytes) => {
            shared.allowances.spend(node, cost(bytes.len()))?;
            match take_notice(shared, node, &bytes).await {
                Ok(()) => Ok(()),
                Err(refusal) => amiss(shared, node, &format!("a notice was refused: {refusal}")),
            }
        }
        Frame::Stopped(stopped) => {
            shared.allowances.spend(node, cost(0))?;
            shared.hub.turned(node, stopped);
            Ok(())
        }
    }
}

async fn take_decision(shared: &Shared, node: NodeId, bytes: &[u8]) -> Result<(), Refusal> {
    let Ok(decision) = SignedDecision::from_bytes(bytes) else {
        return amiss(shared, node, &"a malformed decision");
    };
    let study = shared
        .studies
        .read()
        .await
        .get(&decision.decision.study_digest)
        .cloned();
    let Some(handle) = study.filter(|_| decision.decision.site == node) else {
        return amiss(
            shared,
            node,
            &"a decision about a study that is not here, or of another site",
        );
    };
    let decided = handle
        .ask(|answer| Ask::Decide {
            decision: Box::new(decision),
            answer,
        })
        .await;
    match decided {
        Ok(Ok(())) => Ok(()),
        Ok(Err(refusal)) | Err(refusal) => {
            amiss(shared, node, &format!("a decision was refused: {refusal}"))
        }
    }
}

async fn take_notice(shared: &Shared, node: NodeId, bytes: &[u8]) -> Result<(), Refusal> {
    let notice = SignedNotice::from_bytes(bytes)?;
    let mut sites = shared.members.sites().into_iter();
    // A line outlasts the removal of its site by a moment.
    let site = sites.find(|site| site.identity.node_id() == node);
    let site = site.ok_or(Code::SiteRevoked)?;
    shared.catalogue.take(notice, &site, clock::now()).await
}

async fn take_message(shared: &Shared, node: NodeId, envelope: Envelope) -> Result<(), Refusal> {
    let run = <[u8; 16]>::try_from(envelope.run.as_slice()).map(RunId);
    let (Ok(run), Ok(message)) = (run, Message::from_bytes(&envelope.body)) else {
        return amiss(shared, node, &"a malformed message");
    };
    match shared.study_of_run(&run).await {
        Ok(handle) if handle.proposed.roster.roster.entry(node).is_none() => {
            return amiss(
                shared,
                node,
                &format!("a message for study `{}` of others", handle.id),
            );
        }
        // Nothing is under way in a study that rests: no other frame of this node waits until it is
        // awake.
        Ok(handle) if !handle.is_awake() => handle.send_soon(Ask::FromNode { node, message }),
        Ok(handle) => handle.send(Ask::FromNode { node, message }).await,
        Err(refusal) => return amiss(shared, node, &format!("a message for no run: {refusal}")),
    }
    Ok(())
}
