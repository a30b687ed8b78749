//! The Newton steps of an exact fit.

use crate::context::Context;
use crate::kit::axis::{Axis, scientific};
use crate::kit::canvas::{BLUE, VERMILION};
use crate::kit::panels::{Panel, convergence, finite, least, most};
use crate::kit::picture::{Heading, Picture};
use motet_recipes::Step;

/// A climb begins where no column has an effect: its likelihood there is a function of rows and
/// events.
pub(crate) fn start_is_withheld(history: &mut [Step]) {
    if let Some(first) = history.first_mut() {
        first.loglik = f64::NAN;
    }
}

/// `convergence.svg`: log-likelihood and largest step per Newton round.
pub(crate) fn picture(
    rows: u64,
    converged: bool,
    history: &[Step],
    context: &Context,
) -> Option<Picture> {
    let logliks = finite(history.iter().map(|step| (step.round, step.loglik)));
    let steps = finite(history.iter().map(|step| (step.round, step.step)));
    let steps: Vec<(u32, f64)> = steps.into_iter().filter(|step| step.1 > 0.0).collect();
    let (Some(lowest), Some(highest)) = (least(&logliks), most(&logliks)) else {
        return None;
    };
    let mut panels = vec![Panel {
        title: "Fit to the data (higher is better)".to_owned(),
        axis: "Log-likelihood",
        y: Axis::widened(lowest, highest),
        points: logliks,
        colour: BLUE,
        mark: None,
    }];
    if let (Some(low), Some(high)) = (least(&steps), most(&steps)) {
        let limit = context
            .tolerance
            .filter(|limit| limit.is_finite() && *limit > 0.0);
        panels.push(Panel {
            title: "How far the coefficients still moved".to_owned(),
            axis: "Largest step, in standard deviations",
            y: Axis::powers(low.min(limit.map_or(low, |limit| limit / 10.0)), high),
            points: steps,
            colour: VERMILION,
            mark: limit.map(|limit| (limit, format!("stops below {}", scientific(limit)))),
        });
    }
    let end = if converged {
        "The fit settled"
    } else {
        "The fit did not settle"
    };
    let heading = Heading {
        title: format!("{end} after {} Newton step{}", history.len(), if history.len() == 1 { "" } else { "s" }),
        how_to_read: "Each Newton step rests on masked sums over all sites, so these are the steps of a fit on the patients \
                      of all sites together."
            .to_owned(),
    };
    Some(convergence(context, rows, &heading, &panels))
}
