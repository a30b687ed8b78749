//! Studies as they arrive and go: written down for the steward, who
//! alone decides.

use super::{Session, Shared};
use crate::link::{Broken, Link};
use crate::records::{self, Proposed, STUDIES, StudyRecord};
use crate::studies::{Arrival, Standing};
use crate::{NodeError, clock};
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

impl Shared {
    /// Writes a proposal down, and says whether there is something to decide.
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
        let ledger = &self.home.ledger;
        let mut studies = self.studies.lock().await;
        match studies.weigh(&record) {
            Arrival::New => {}
            Arrival::Known | Arrival::Dropped => return Ok(()),
            Arrival::First => {
                let text = "the coordinator sends more proposals than anybody reads, \
                    or larger ones; \
                    they are not kept: ask the operator";
                return self.say("proposals_dropped", text).await;
            }
        }
        records::append(ledger, STUDIES, &StudyRecord::Proposed(record.clone())).await?;
        studies.read_on(ledger).await?;
        let proposer = &record.proposer;
        let text = match studies.check(&record) {
            Ok(proposal) => {
                let id = &proposal.study.id;
                format!(
                    "study {id} is proposed by {proposer}: read it with `motet-node study show {id}`"
                )
            }
            Err(why) => format!(
                "a study proposed by {proposer} is one that nobody can decide about: {why}; \
                 `motet-node study list` lists it"
            ),
        };
        self.say("proposed", &text).await
    }
}

impl Session {
    /// A proposal, and what the coordinator knows of this steward's
    /// decision about it: another one is told.
    pub(super) async fn heard_of(&self, link: &Link, proposal: Proposal) -> Result<(), Broken> {
        let text = proposal.study.clone();
        let known = proposal.decision.clone();
        self.shared.proposed(proposal).await?;
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
    use crate::home::{Home, tests::make};
    use crate::records::{EVENTS, Event};
    use crate::studies::tests::{governance, proposed, roster, study};
    use motet_secagg::sign::SecretKey;
    use std::sync::Arc;

    /// A study with a roster that this key signed, as it arrives.
    fn arriving(id: &str, governance: &SecretKey) -> Proposal {
        let record = proposed(study(id, "0.0"), roster(id, 1, 3), governance);
        let StudyRecord::Proposed(record) = record else {
            panic!("{record:?}");
        };
        Proposal {
            study: record.text,
            roster: record.roster,
            proposer: record.proposer,
            ..Proposal::default()
        }
    }

    /// What the site's log says last.
    async fn said(shared: &Arc<Shared>) -> String {
        let events = records::read::<Event>(&shared.home.ledger, EVENTS).await;
        let events = events.unwrap();
        let last = events.last().unwrap();
        format!("{}: {}", last.code, last.text)
    }

    #[tokio::test]
    async fn what_nobody_can_decide_about_is_said_to_be_that_before_and_after_other_studies() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &governance().public());
        let home = Home::open(folder.path()).await.unwrap();
        let shared = Shared::open(home, None).await.unwrap();
        let stranger = SecretKey::from_seed([249; 32]);
        shared.proposed(arriving("zero", &stranger)).await.unwrap();
        let first = said(&shared).await;
        assert!(
            first.contains("nobody can decide about: bad_signature"),
            "{first}"
        );
        shared
            .proposed(arriving("one", &governance()))
            .await
            .unwrap();
        assert!(said(&shared).await.contains("`motet-node study show one`"));
        shared.proposed(arriving("two", &stranger)).await.unwrap();
        let last = said(&shared).await;
        assert!(
            last.contains("nobody can decide about") && !last.contains("show one"),
            "{last}"
        );
    }

    #[test]
    fn a_proposers_name_is_one_line_of_the_card() {
        assert_eq!(
            named("ada\n  what leaves    nothing\x1b[8m"),
            "ada   what leaves    nothing [8m"
        );
        assert_eq!(named(&"x".repeat(MOST_NAME + 1)).len(), MOST_NAME);
    }
}
