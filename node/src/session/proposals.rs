//! Studies as they arrive and go: written down for the steward, who
//! alone decides.

use super::Session;
use crate::link::{Broken, Link};
use crate::records::{self, Proposed, STUDIES, StudyRecord};
use crate::studies::{Arrival, Standing};
use crate::{NodeError, clock};
use motet_common::refusal::Refusal;
use motet_common::text::shown;
use motet_proto::v1::Proposal;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;

/// Letters of a proposer's name that are kept; the coordinator says it,
/// and it is shown to the steward.
const MOST_NAME: usize = 200;

fn named(proposer: &str) -> String {
    shown(proposer).chars().take(MOST_NAME).collect()
}

impl Session {
    /// A proposal, and what the coordinator knows of this steward's
    /// decision about it: another one is told.
    pub(super) async fn heard_of(&self, link: &Link, proposal: Proposal) -> Result<(), Broken> {
        let text = proposal.study.clone();
        let known = proposal.decision.clone();
        self.proposed(proposal).await?;
        let studies = self.shared.studies.lock().await;
        let decided = studies.all().find_map(|at| match &at.standing {
            Standing::Decided(signed) if at.proposal.text == text => Some((**signed).clone()),
            _ => None,
        });
        drop(studies);
        let Some(decision) =
            decided.filter(|decision| decision.digest("decision").0 != known.as_slice())
        else {
            // Undecided, or the coordinator knows.
            return Ok(());
        };
        link.decide(&decision).await
    }

    async fn proposed(&self, proposal: Proposal) -> Result<(), NodeError> {
        let Proposal {
            study,
            roster,
            proposer,
            ..
        } = proposal;
        let record = Proposed {
            text: study,
            roster,
            proposer: named(&proposer),
            when_ms: clock::now().ms,
        };
        let ledger = &self.shared.home.ledger;
        let mut studies = self.shared.studies.lock().await;
        match studies.weigh(&record) {
            Arrival::New => {}
            Arrival::Known | Arrival::Dropped => return Ok(()),
            Arrival::First => {
                let text = "the coordinator sends more proposals than anybody reads, \
                    or larger ones; \
                    they are not kept: ask the operator";
                return self.shared.say("proposals_dropped", text).await;
            }
        }
        records::append(ledger, STUDIES, &StudyRecord::Proposed(record)).await?;
        studies.read_on(ledger).await?;
        let newest = studies.all().max_by_key(|at| at.proposal.when_ms);
        let newest = newest
            .ok_or_else(|| Refusal::broken("a proposal was recorded, and no study is known"))?;
        let id = &newest.proposal.study.id;
        let text = format!(
            "study {id} is proposed by {}: read it with `motet-node study show {id}`",
            newest.proposal.proposer
        );
        self.shared.say("proposed", &text).await
    }

    pub(super) async fn withdrawn(&self, digest: &[u8]) -> Result<(), NodeError> {
        let Ok(digest) = <[u8; 32]>::try_from(digest).map(Digest) else {
            let text = "a withdrawal names no study; the coordinator's version may differ";
            return self.shared.say("malformed", text).await;
        };
        let ledger = &self.shared.home.ledger;
        let mut studies = self.shared.studies.lock().await;
        let standing = studies.all().find(|at| at.proposal.digest == digest);
        let Some(id) = standing
            .filter(|at| at.standing != Standing::Recalled)
            .map(|at| at.proposal.study.id.clone())
        else {
            // Not proposed here, or withdrawn already.
            return Ok(());
        };
        records::append(ledger, STUDIES, &StudyRecord::Withdrawn(digest)).await?;
        studies.read_on(ledger).await?;
        let text = format!("study {id} was withdrawn by its proposer");
        self.shared.say("withdrawn", &text).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposers_name_is_one_line_of_the_card() {
        assert_eq!(
            named("ada\n  what leaves    nothing\x1b[8m"),
            "ada   what leaves    nothing [8m"
        );
        assert_eq!(named(&"x".repeat(MOST_NAME + 1)).len(), MOST_NAME);
    }
}
