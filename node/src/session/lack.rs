//! An open attempt that waits in the vault for a sum which this site
//! has absorbed and does not have any more: a file was damaged or
//! removed. The coordinator has it too, and a digest tells whether it
//! is the same one. Until it is here again its study waits, and no
//! other.

use super::shared::{Shared, clock_day};
use crate::NodeError;
use crate::studies::Proposal;
use motet_common::refusal::Refusal;
use motet_secagg::digest::Digest;
use motet_secagg::message::Plan;
use std::sync::Arc;

pub(super) struct Lacking {
    /// The attempt's name in the vault.
    pub(super) name: Digest,
    pub(super) plan: Plan,
    pub(super) proposal: Arc<Proposal>,
    /// The sum.
    pub(super) blob: Digest,
}

impl Lacking {
    /// Why it does not go on, as of the last look.
    pub(super) async fn objection(&self, shared: &Shared) -> Option<Refusal> {
        shared.objection(&self.proposal, clock_day()).await
    }

    /// Wipes the attempt.
    pub(super) async fn give_up(&self, shared: &Shared, why: &Refusal) -> Result<(), NodeError> {
        shared.wipe(&self.name).await?;
        shared.gave_up(&self.plan, why).await
    }
}
