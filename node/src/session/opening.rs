//! Before a set is signed: it is held against the sets of other studies over the same data, and on
//! record before the signature leaves.

use super::{Session, followed};
use crate::NodeError;
use motet_common::opening::{Opening, Reading};
use motet_common::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::message::Message;

/// What a set that is proposed may not come near.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) openings: Vec<Opening>,
    pub(super) least: usize,
    /// How many sites may leave, by the site's own limits.
    pub(super) may_leave: u32,
}

impl Session {
    /// The sets of other studies over this one's data, but for those that differ from the proposed
    /// one in sites of which the steward lets both tell; none where the message proposes no set.
    pub(super) async fn beside(
        &mut self,
        study: &Digest,
        message: &Message,
    ) -> Result<Result<Beside, Refusal>, NodeError> {
        let Message::Proposal(proposed) = message else {
            return Ok(Ok(Beside::default()));
        };
        let reading = match self.reading(study).await {
            Ok(reading) => reading,
            Err(refusal) => {
                self.say("refused", &format!("a set is not signed: {refusal}"))
                    .await?;
                return Ok(Err(refusal));
            }
        };
        let limits = self.studies.limits(study);
        let again = self.studies.again(study);
        let proposal = &followed(&mut self.followers, study)?.proposal;
        let least = proposal.study.privacy.min_sites.max(limits.min_sites) as usize;
        let set: Vec<_> = proposed.roots.iter().map(|root| root.node).collect();
        let mut openings =
            self.openings
                .beside(&proposal.digest, &proposal.roster_digest, &reading);
        openings.retain(|opening| !opening.is_lifted(&set, least, &proposal.roster, &again));
        Ok(Ok(Beside {
            openings,
            least,
            may_leave: limits.max_set_change,
        }))
    }

    /// Puts the set of a proposal that was accepted on record.
    pub(super) async fn keep_opening(
        &mut self,
        study: &Digest,
        message: &Message,
    ) -> Result<(), NodeError> {
        let Message::Proposal(signed) = message else {
            return Ok(());
        };
        let reading = self.reading(study).await?;
        let proposal = &followed(&mut self.followers, study)?.proposal;
        let mut set = Vec::with_capacity(signed.roots.len());
        for root in &signed.roots {
            let entry = proposal.roster.entry(root.node);
            let entry =
                entry.ok_or_else(|| Refusal::broken("a set was signed with a stranger in it"))?;
            set.push((root.node, entry.name.clone()));
        }
        let opening = Opening {
            study: proposal.study.id.clone(),
            digest: proposal.digest,
            roster: proposal.roster_digest,
            reading,
            set,
        };
        self.openings.keep(&self.home, opening).await
    }

    /// What the study's patients are read from; after a start it is found out anew.
    async fn reading(&mut self, study: &Digest) -> Result<Reading, Refusal> {
        let follower = followed(&mut self.followers, study)?;
        if let Some(reading) = &follower.reading {
            return Ok(reading.clone());
        }
        let mut work = follower.work(&self.home);
        let read = tokio::task::spawn_blocking(move || work.reading()).await;
        let reading = read.map_err(|error| {
            Refusal::new(Code::Storage, format!("the file was not read ({error})"))
        })??;
        followed(&mut self.followers, study)?.reading = Some(reading.clone());
        Ok(reading)
    }
}
