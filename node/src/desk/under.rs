//! What a decision rests on besides the study: this site's rows, its limits and the permit of the
//! moment, and what `--again` lifts.

use super::Choice;
use crate::data_desk::Dataset;
use crate::follower::unanswerable;
use crate::records::Under;
use crate::studies::Proposal;
use crate::{Home, NodeError};
use motet_common::chain::Chain;
use motet_common::opening::Near;
use motet_common::roster::Roster;
use motet_common::study::{Earlier, SiteLoss, Study};
use motet_proto::dice::dice;
use motet_recipes::Memory;
use motet_secagg::digest::Digest;
use std::collections::BTreeSet;

/// What a steward is told whose rows are too few.
const TOO_FEW: &str = "fewer rows are left than the study asks of a site; `motet-node data check` shows which are left out";

/// What a decline says that gives no reason. One that follows from this site's rows says the same,
/// so that it is like any other.
pub const STAYS_OUT: &str = "this site does not take part";

/// Why this site's rows cannot answer a study, for the steward alone: too few of them, or values
/// that the method refuses. That is decided here and once, by the answer to the first question,
/// before anybody else hears of it: afterwards a node that cannot answer for a reason in its rows
/// is a site that is away.
pub(super) fn lacks(home: &Home, proposal: &Proposal) -> Result<Option<String>, NodeError> {
    let (study, floors) = (&proposal.study, &home.settings.limits.floors);
    let dataset = Dataset::find(&home.paths, &study.data.dataset)?;
    dataset.fits(study, floors)?;
    let cohort = match dataset.cohort(study, floors) {
        Ok(cohort) => cohort,
        Err(error) if error.kind() == motet_data::Code::TooFewRows => {
            return Ok(Some(TOO_FEW.to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    let chain = Chain::start(study, &proposal.roster);
    let Some(question) = chain.question(proposal.roster.entries.len())? else {
        return Ok(None);
    };
    let answer = chain.recipe().answer(
        chain.state(),
        &question,
        &cohort.rows(),
        &Memory::default(),
        &mut dice(),
    );
    Ok(answer
        .err()
        .map(|error| unanswerable(&error, &cohort, study)))
}

/// Under what a decision is made now.
pub(super) fn under(home: &Home, choice: &Choice, again: Vec<String>) -> Under {
    let permit = match choice {
        Choice::Approve(permit) | Choice::ApproveAgain(permit, _) => permit.as_ref(),
        Choice::Decline(_) | Choice::Withdraw(_) => None,
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

/// What a steward says yes to with `--again`.
#[derive(Default)]
pub(super) struct Lifted {
    /// The sites of which two sums together may tell: those that the card names, and those that she
    /// named.
    pub(super) sites: Vec<String>,
    /// The same in sentences.
    pub(super) lines: Vec<String>,
}

/// What is lifted by an approval: nothing where it is not one with `--again`.
///
/// # Errors
/// [`NodeError::Usage`] where a site that was named is in no roster or set of these.
pub(super) fn lifted(
    choice: &Choice,
    roster: &Roster,
    near: &[Near],
    earlier: &[Earlier],
) -> Result<Lifted, NodeError> {
    let Choice::ApproveAgain(_, named) = choice else {
        return Ok(Lifted::default());
    };
    let earlier = || earlier.iter().filter(|earlier| earlier.tells_apart());
    let mut lines: Vec<String> = near.iter().map(ToString::to_string).collect();
    lines.extend(earlier().map(Earlier::together));
    let mut sites: BTreeSet<String> = near.iter().flat_map(|near| near.sites.clone()).collect();
    sites.extend(earlier().flat_map(|earlier| earlier.joined.iter().chain(&earlier.left).cloned()));
    let is_known = |name: &String| {
        sites.contains(name) || roster.entries.iter().any(|entry| entry.name == *name)
    };
    if let Some(unknown) = named.iter().find(|name| !is_known(name)) {
        let next = "the card lists the sites of the study's roster";
        return Err(NodeError::Usage(format!(
            "`--again` names `{unknown}`, which is no site of this study: {next}"
        )));
    }
    if !named.is_empty() {
        lines.push(format!(
            "sums that differ from those of other studies over the same data by {} are signed; together they show what \
             those sites alone would say",
            named.join(", ")
        ));
    }
    if lines.is_empty() {
        lines.push(
            "nothing: no earlier sum differs from the whole roster by a few sites. For one that may stay away: `--again=SITE`"
                .to_owned(),
        );
    }
    sites.extend(named.iter().cloned());
    Ok(Lifted {
        sites: sites.into_iter().collect(),
        lines,
    })
}

/// What a steward is told of a permit that ends before the study does.
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
            "a run that is under way waits for it and then ends, and a new study without it would show, together with the sums until \
             then, roughly what it alone would say"
        }
    };
    let (until, ends) = (permit.until, study.ends);
    Some(format!(
        "the permit holds until {until}, the study until {ends}: after that day this site leaves it; {then}"
    ))
}
