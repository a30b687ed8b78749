//! What a steward has read: the proposals whose cards were shown at this site. Between the reading
//! and the yes another text can take a study's place, under the same id; it is not approved unread.

use crate::records::{self, SHOWN, Shown};
use crate::studies::Proposal;
use crate::{Home, NodeError, output};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::shortened;

async fn last(home: &Home, id: &str) -> Result<Option<Shown>, NodeError> {
    let shown = records::read::<Shown>(&home.ledger, SHOWN).await?;
    Ok(shown.into_iter().rev().find(|shown| shown.id == id))
}

fn is_of(shown: &Shown, proposal: &Proposal) -> bool {
    (shown.study, shown.roster) == (proposal.digest, proposal.roster_digest)
}

/// Whether it said all that is to be said now of sums that were opened before.
fn says(shown: &Shown, said: &[String]) -> bool {
    said.iter().all(|line| shown.near.contains(line))
}

/// Puts on record that this proposal's card is shown. A full disk keeps nobody from reading it.
///
/// # Errors
/// [`NodeError::Ledger`] where the record is damaged.
pub(crate) async fn note(
    home: &Home,
    proposal: &Proposal,
    near: &[String],
    now: Moment,
) -> Result<(), NodeError> {
    let id = proposal.study.id.clone();
    if last(home, &id)
        .await?
        .is_some_and(|shown| is_of(&shown, proposal) && says(&shown, near))
    {
        return Ok(());
    }
    let study = proposal.digest;
    let roster = proposal.roster_digest;
    let near = near.to_vec();
    let shown = Shown {
        when_ms: now.ms,
        id,
        study,
        roster,
        near,
    };
    match records::append(&home.ledger, SHOWN, &shown).await {
        Err(error) if error.is_of_the_disk() => {
            output::note(format!(
                "that this card was shown could not be written down: {error}"
            ));
            Ok(())
        }
        written => written.map(drop),
    }
}

/// A steward signs what was read and nothing that took its place since: the digests that were
/// typed, or else those of the card that was shown last, must be the ones that stand. Of sums that
/// were opened since that card nobody read; digests that were typed are of another desk's card, and
/// what is lifted is printed with the decision.
///
/// # Errors
/// `study_not_approved` when they are not.
pub(crate) async fn check(
    home: &Home,
    proposal: &Proposal,
    near: &[String],
    typed: Option<&str>,
) -> Result<(), NodeError> {
    let id = &proposal.study.id;
    let detail = match (typed, last(home, id).await?) {
        (Some(typed), _) => {
            let stands = shortened(&proposal.digest, &proposal.roster_digest);
            if typed == stands {
                return Ok(());
            }
            format!("what stands under `{id}` is `{stands}` and not what `--digest` names")
        }
        (None, Some(shown)) if is_of(&shown, proposal) && says(&shown, near) => return Ok(()),
        (None, Some(shown)) if is_of(&shown, proposal) => {
            format!(
                "a sum that the card of study `{id}` does not name was opened, or \
                 its like approved, since it was shown here"
            )
        }
        (None, Some(_)) => format!("study `{id}` has changed since it was shown here"),
        (None, None) => {
            format!("study `{id}` was not shown here yet, and no `--digest` says what was read")
        }
    };
    Err(Refusal::new(Code::StudyNotApproved, detail).into())
}
