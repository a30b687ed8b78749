//! What a decision rests on besides the study: this site's rows, its limits and the permit of the moment, and what `--again` lifts.

use super::Choice;
use crate::data_desk::Dataset;
use crate::records::Under;
use crate::{Home, NodeError};
use motet_common::opening::Near;
use motet_common::study::{Earlier, SiteLoss, Study};
use motet_secagg::digest::Digest;

/// What a decline says that gives no reason. One that follows from this site's rows says the same, so that it is like any other.
pub const STAYS_OUT: &str = "this site does not take part";

/// Whether this site has the rows for a study. That is decided here and once, before anybody else hears of it: afterwards a
/// node that cannot answer for a reason in its rows is a site that is away.
pub(super) fn rows_suffice(home: &Home, study: &Study) -> Result<bool, NodeError> {
    let (dataset, floors) = (Dataset::find(&home.paths, &study.data.dataset)?, &home.settings.limits.floors);
    dataset.fits(study, floors)?;
    match dataset.cohort(study, floors) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == motet_data::Code::TooFewRows => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Under what a decision is made now.
pub(super) fn under(home: &Home, choice: &Choice) -> Under {
    let permit = match choice {
        Choice::Approve(permit) | Choice::ApproveAgain(permit) => permit.as_ref(),
        Choice::Decline(_) | Choice::Withdraw(_) => None,
    };
    Under {
        decision: Digest::default(),
        again: matches!(choice, Choice::ApproveAgain(_)),
        min_sites: home.settings.min_sites,
        max_set_change: home.settings.max_set_change,
        own_metrics: home.settings.limits.own_metrics,
        min_rows: home.settings.limits.floors.min_rows,
        permit: permit.map(|permit| (permit.reference.clone(), permit.until)),
    }
}

/// What a steward says yes to with `--again`, as far as it can be told before the sets are known.
pub(super) fn lifted(near: &[Near], earlier: &[Earlier]) -> Vec<String> {
    let rosters = earlier.iter().filter(|earlier| earlier.tells_apart()).map(Earlier::together);
    let lines: Vec<String> = near.iter().map(ToString::to_string).chain(rosters).collect();
    if lines.is_empty() {
        return vec![
            "no earlier sum differs from the whole roster by a few sites; where some stay away, both sums together tell of them"
                .to_owned(),
        ];
    }
    lines
}

/// What a steward is told of a permit that ends before the study does.
pub(super) fn leaves(choice: &Choice, study: &Study) -> Option<String> {
    let (Choice::Approve(Some(permit)) | Choice::ApproveAgain(Some(permit))) = choice else { return None };
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
