//! The files of a release folder, of whatever outcome.

use crate::context::Context;
use crate::error::ReleaseError;
use crate::meaning::stepped;
use crate::methods::shown;
use crate::report::Report;
use crate::{card, judged, weights};
use motet_recipes::Outcome;

/// The files of a release folder but for its manifest, as file name and content, in the order a
/// reader wants them.
///
/// # Errors
/// [`ReleaseError::Outcome`] when tensor shapes, names and context do not agree; the others when a
/// writer fails.
pub fn build(outcome: &Outcome, context: &Context) -> Result<Vec<(String, Vec<u8>)>, ReleaseError> {
    check(outcome, context)?;
    let mut shown = shown(outcome.clone());
    shown.protect(context);
    let report = Report {
        context,
        rounds: outcome.rounds(),
        sites: outcome.sites(),
        steps: stepped(&shown.effects(), context),
    };
    let mut pictures = shown.pictures(context);
    let overall = shown.overall();
    pictures.extend(judged::groups::pictures(
        overall.patients,
        overall.figure,
        context,
    ));
    let weights = shown.weights();
    let others = card::Files {
        weights: weights.holds,
        pictures: &pictures,
    };
    let card = card::text(&*shown, report.rounds, &others, context);
    let mut files = vec![
        (
            "model.safetensors".to_owned(),
            weights::bytes(weights, context)?,
        ),
        ("report.json".to_owned(), shown.report(&report)?),
        ("card.md".to_owned(), card.into_bytes()),
    ];
    let pictures = pictures.into_iter();
    files.extend(pictures.map(|picture| (picture.name, picture.svg.into_bytes())));
    Ok(files)
}

/// The report says "sites" twice (a number and names): they must agree, or a reader trusts the
/// wrong one.
fn check(outcome: &Outcome, context: &Context) -> Result<(), ReleaseError> {
    let sites = outcome.sites();
    if sites as usize != context.sites.len() {
        let what = format!(
            "its sum holds `{sites}` sites and the set names `{}`",
            context.sites.len()
        );
        return Err(ReleaseError::Outcome {
            run: context.run.clone(),
            what,
        });
    }
    let Some(findings) = &context.findings else {
        return Ok(());
    };
    let places = findings.sites.len();
    if places != 0 && places != context.roster.len() {
        let what = format!(
            "its sum has places for `{places}` sites and the roster names `{}`",
            context.roster.len()
        );
        return Err(ReleaseError::Outcome {
            run: context.run.clone(),
            what,
        });
    }
    Ok(())
}
