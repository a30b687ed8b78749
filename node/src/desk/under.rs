//! What a decision rests on besides the study and this site's
//! rows: its limits and the permit of the moment, and what
//! `--again` lifts.

use super::choice::Choice;
use crate::records::Under;
use crate::{Home, NodeError};
use motet_common::opening::{Lifted, Near};
use motet_common::roster::Roster;
use motet_common::study::{Earlier, SiteLoss, Study};
use motet_secagg::digest::Digest;

/// What a decline says that gives no reason. One that follows
/// from this site's rows says the same, so that it is like any
/// other.
pub const STAYS_OUT: &str = "this site does not take part";

/// Under what a decision is made now.
pub(super) fn under(home: &Home, choice: &Choice, again: Lifted) -> Under {
    let permit = match choice {
        Choice::Approve(permit) | Choice::ApproveAgain(permit, _) => permit.as_ref(),
        Choice::Decline(_) | Choice::Withdraw(_) | Choice::Refreeze => None,
    };
    Under {
        decision: Digest::default(),
        again,
        min_sites: home.settings.min_sites,
        max_set_change: home.settings.max_set_change,
        own_metrics: home.settings.limits.own_metrics,
        min_rows: home.settings.limits.floors.min_rows,
        permit: permit.map(|permit| (permit.reference.clone(), permit.until)),
    }
}

/// What a card says of sums that together with those of a study
/// tell of a few sites.
pub(super) fn said(near: &[Near], earlier: &[Earlier]) -> Vec<String> {
    let earlier = earlier.iter().filter(|earlier| earlier.tells_apart());
    let near = near.iter().map(ToString::to_string);
    near.chain(earlier.map(Earlier::together)).collect()
}

/// What is lifted by an approval, and the same in sentences:
/// nothing where it is not one with `--again`.
///
/// # Errors
/// [`NodeError::Usage`] where a site that was named is in no
/// roster or set of these.
pub(super) fn lifted(
    choice: &Choice,
    roster: &Roster,
    near: &[Near],
    earlier: &[Earlier],
) -> Result<(Lifted, Vec<String>), NodeError> {
    let Choice::ApproveAgain(_, named) = choice else {
        return Ok(Default::default());
    };
    let mut lines = said(near, earlier);
    let earlier = || earlier.iter().filter(|earlier| earlier.tells_apart());
    let mut groups: Vec<Vec<String>> = near.iter().map(|near| near.sites.clone()).collect();
    groups.extend(earlier().map(|earlier| earlier.differing().cloned().collect()));
    // Of the same sites, where others were held out, there is no set to sign.
    groups.retain(|group| !group.is_empty());
    groups.dedup();
    let is_known = |name: &String| {
        groups.iter().any(|group| group.contains(name))
            || roster.entries.iter().any(|entry| entry.name == *name)
    };
    if let Some(unknown) = named.iter().find(|name| !is_known(name)) {
        let next = "the card lists the sites of the study's roster";
        return Err(NodeError::Usage(format!(
            "`--again` names `{unknown}`, which is no site of this study: {next}"
        )));
    }
    if !named.is_empty() {
        lines.push(format!(
            "sums that differ from those of other studies over the same data \
             by {} are signed; together they show what \
             those sites alone would say",
            named.join(", ")
        ));
    }
    if lines.is_empty() {
        lines.push(
            "nothing: no earlier sum differs from the whole roster by a few \
             sites. For one that may stay away: `--again=SITE`"
                .to_owned(),
        );
    }
    Ok((
        Lifted {
            lines: groups,
            named: named.clone(),
        },
        lines,
    ))
}

/// What a steward is told of a permit that ends before the
/// study does.
pub(super) fn leaves(choice: &Choice, study: &Study) -> Option<String> {
    let (Choice::Approve(Some(permit)) | Choice::ApproveAgain(Some(permit), _)) = choice else {
        return None;
    };
    if permit.until >= study.ends {
        return None;
    }
    let then = match study.rounds.on_site_loss {
        SiteLoss::Continue => {
            "the others go on without it, and the sums before and after together show what it alone would say"
        }
        SiteLoss::Pause => {
            "a run that is under way waits for it and then ends, and a new study \
             without it would show, together with the sums until \
             then, roughly what it alone would say"
        }
    };
    let until = permit.until;
    let ends = study.ends;
    Some(format!(
        "the permit holds until {until}, the study until {ends}: \
         after that day this site leaves it; {then}"
    ))
}
