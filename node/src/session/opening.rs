//! Before a set is signed: it is held against the sets of other studies
//! over the same data, and on record before the signature leaves. One
//! study at a time does that: of two that decided at once, neither
//! would know the other's set.

use super::study::Study;
use crate::NodeError;
use crate::openings::{Beside, Openings};
use motet_common::opening::{Opening, Reading};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::Act;
use motet_secagg::message::{Message, Proposal};
use std::sync::Arc;

impl Study {
    /// Accepts a set and puts it on record, or refuses it.
    pub(super) async fn sign(
        &mut self,
        message: &Message,
        set: &Proposal,
        reading: Reading,
    ) -> Result<Result<Vec<Act>, Refusal>, NodeError> {
        let shared = Arc::clone(&self.shared);
        let mut openings = shared.openings.lock().await;
        let beside = self.beside(&openings, set, &reading).await;
        let handled = self.handle(message, &beside);
        if handled.is_ok() {
            let opening = self.opening(set, reading)?;
            openings.keep(&shared.home, opening).await?;
        }
        Ok(handled)
    }

    /// The sets of other studies over this one's data, but for those
    /// that differ from the proposed one in sites of which the steward
    /// lets both tell.
    pub(super) async fn beside(
        &self,
        openings: &Openings,
        set: &Proposal,
        reading: &Reading,
    ) -> Beside {
        let proposal = &self.follower.proposal;
        let studies = self.shared.studies.lock().await;
        let limits = studies.limits(&proposal.digest);
        let again = studies.again(&proposal.digest);
        drop(studies);
        let least = proposal.study.privacy.min_sites.max(limits.min_sites) as usize;
        let set: Vec<_> = set.roots.iter().map(|root| root.node).collect();
        let mut openings = openings.beside(&proposal.digest, &proposal.roster_digest, reading);
        openings.retain(|opening| !opening.is_lifted(&set, least, &proposal.roster, &again));
        Beside {
            openings,
            least,
            may_leave: limits.max_set_change,
        }
    }

    /// The set of a proposal, as it is put on record.
    fn opening(&self, signed: &Proposal, reading: Reading) -> Result<Opening, Refusal> {
        let proposal = &self.follower.proposal;
        let mut set = Vec::with_capacity(signed.roots.len());
        for root in &signed.roots {
            let entry = proposal.roster.entry(root.node);
            let entry =
                entry.ok_or_else(|| Refusal::broken("a set was signed with a stranger in it"))?;
            set.push((root.node, entry.name.clone()));
        }
        Ok(Opening {
            study: proposal.study.id.clone(),
            digest: proposal.digest,
            roster: proposal.roster_digest,
            reading,
            set,
        })
    }

    /// What the study's patients were read from; after a start the frozen
    /// table says it again.
    pub(super) async fn reading(&mut self) -> Result<Reading, Refusal> {
        if let Some(reading) = &self.follower.reading {
            return Ok(reading.clone());
        }
        let mut work = self.follower.work(&self.shared.home, &self.shared.memories);
        let read = tokio::task::spawn_blocking(move || work.reading()).await;
        let reading = read.map_err(|error| {
            Refusal::new(Code::Storage, format!("the table was not read ({error})"))
        })??;
        self.follower.reading = Some(reading.clone());
        Ok(reading)
    }
}
