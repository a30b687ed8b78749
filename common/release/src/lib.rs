//! A release folder: what the researcher receives when a run has ended.
//!
//! ```text
//! Outcome + Context -> report.json        every number, full double precision     report.rs
//!                   -> model.safetensors  the weights, f64                        weights.rs
//!                   -> card.md            the model card, for clinicians          card.rs
//!                   -> *.svg              pictures for a slide
//!
//! context.rs, error.rs   what is said besides the outcome, and why a folder could not be made
//! kit/                   what the methods share: sheet, axis, page, tensor, words
//! performance/           how well a model predicts: measures, ROC curve, calibration
//! judged/                a model in groups of patients and at sites
//! report.rs              what stands around the numbers of a method
//! shown.rs               what is asked of each outcome: its small cells, and its part of every file
//! regression/, survival/, averaging/, trees/, tables/   the methods: each answers for its outcomes
//! card.rs, weights.rs    the other files, of whatever outcome
//! ```
//! The manifest is made afterwards, over exactly these bytes, because it holds their digests. The
//! same outcome and context always give the same bytes: a coordinator that restarts while it
//! publishes writes the same folder again.

mod averaging;
mod card;
mod context;
mod error;
mod judged;
mod kit;
mod performance;
mod regression;
mod report;
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tables that a test draws")]
mod sample;
mod shown;
mod survival;
mod tables;
mod trees;
mod weights;

pub use context::{Context, LostSite, Site, Survival};
pub use error::ReleaseError;

use motet_recipes::{AnyMethod, Outcome, Recipe};
use report::Report;
use shown::Shown;

/// The files of a release folder but for its manifest, as file name and content, in the order a
/// reader wants them.
///
/// # Errors
/// [`ReleaseError::Outcome`] when tensor shapes, names and context do not agree; the others when a
/// writer fails.
pub fn build(outcome: &Outcome, context: &Context) -> Result<Vec<(String, Vec<u8>)>, ReleaseError> {
    check(outcome, context)?;
    let report = Report {
        context,
        rounds: outcome.rounds(),
        sites: outcome.sites(),
    };
    let mut shown = shown(outcome.clone());
    shown.protect(context);
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

/// The outcome as its method shows it.
fn shown(outcome: Outcome) -> Box<dyn Shown> {
    match outcome {
        Outcome::Summary(found) => Box::new(found),
        Outcome::Count(found) => Box::new(found),
        Outcome::Glm(found) => Box::new(found),
        Outcome::Cox(found) => Box::new(found),
        Outcome::KaplanMeier(found) => Box::new(found),
        Outcome::FedAvg(found) => Box::new(found),
        Outcome::FedNumber(found) => Box::new(found),
        Outcome::FedTime(found) => Box::new(found),
        Outcome::Gbdt(found) => Box::new(found),
    }
}

impl Survival {
    /// As the study fixed it.
    pub fn of(recipe: &Recipe) -> Self {
        match &recipe.method {
            AnyMethod::Cox(method) => method.into(),
            AnyMethod::KaplanMeier(method) => method.into(),
            AnyMethod::FedAvg(method) => method.into(),
            _ => Self::default(),
        }
    }
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

#[cfg(test)]
mod tests;
