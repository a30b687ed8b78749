//! What the node writes for its own steward when a study is
//! finished: the fit on this site's rows alone, how the
//! federated model does on them, and whether it serves this
//! site's patients. It stays in the node's folder.

use crate::NodeError;
use motet_recipes::{Comparison, Difference, Interval, Outcome, Quality};
use motet_release::own;
use motet_secagg::digest::Digest;
use serde_json::{Value, json};
use std::path::Path;

/// The field that says which text a report is of, by the digest of
/// everything the study fixes: another may bear the same id.
const DIGEST: &str = "study_digest";

/// What the report is about.
pub(crate) struct Subject<'a> {
    pub(crate) site: &'a str,
    pub(crate) study: &'a str,
    pub(crate) digest: Digest,
    pub(crate) recipe: &'a str,
    pub(crate) rows: u64,
}

/// `local/STUDY.json`: `alone`, `federated_here` and
/// `verdict` are null where there is no estimate, or nothing
/// to compare.
pub(crate) fn report(
    subject: &Subject<'_>,
    alone: Option<&(Outcome, f64)>,
    here: Option<&Outcome>,
    comparison: Option<&Comparison>,
) -> Value {
    json!({
        "site": subject.site,
        "study": subject.study,
        DIGEST: subject.digest.hex(),
        "recipe": subject.recipe,
        "rows": subject.rows,
        "alone": alone.map(|(outcome, _)| own::fit(outcome)),
        "alone_ridge": alone.map(|(_, ridge)| ridge),
        "federated_here": here.and_then(own::measured),
        "verdict": comparison.map(|comparison| comparison.verdict.text()),
        "comparison": comparison.map(compared),
        "note": "made at this site for its own steward; the node sends none of it",
    })
}

/// The digest that a report names; nothing where there is no
/// whole one.
fn named(path: &Path) -> Option<Digest> {
    let text = std::fs::read_to_string(path).ok()?;
    let report: Value = serde_json::from_str(&text).ok()?;
    Digest::from_hex(report.get(DIGEST)?.as_str()?).ok()
}

/// Whether a file is the whole report of the study with this digest.
pub(crate) fn is_of(path: &Path, study: &Digest) -> bool {
    named(path).is_some_and(|named| named == *study)
}

/// Moves a report of an earlier text under the same id out of
/// the way: `STUDY.DIGEST.json`, or `STUDY.earlier.json`
/// where it names none.
///
/// # Errors
/// [`NodeError::File`].
pub(crate) fn set_aside(path: &Path) -> Result<(), NodeError> {
    if !path.exists() {
        // There is none.
        return Ok(());
    }
    let of = named(path).map_or_else(|| "earlier".to_owned(), |study| study.short());
    let aside = path.with_extension(format!("{of}.json"));
    std::fs::rename(path, &aside).map_err(NodeError::file("write", &aside))
}

/// The common model, one of this site's rows alone, and the
/// common one tuned to this site.
fn compared(comparison: &Comparison) -> Value {
    let own = comparison.own.as_ref();
    json!({
        "reading": "in the two comparisons a number above 0 says that the model named first is the better one",
        "rows": comparison.rows,
        "events": comparison.events,
        "common_judged_without_the_rows_it_saw": comparison.held_out,
        "common": quality(&comparison.common),
        "local_only": own.map(|own| quality(&own.local)),
        "personal": own.map(|own| quality(&own.personal)),
        "common_against_local": own.map(|own| difference(&own.common_to_local)),
        "personal_against_common": own.map(|own| difference(&own.personal_to_common)),
        "personal_verdict": comparison.personal_verdict.text(),
    })
}

fn quality(quality: &Quality) -> Value {
    json!({ "auc": quality.auc.as_ref().map(interval), "brier": interval(&quality.brier) })
}

fn difference(difference: &Difference) -> Value {
    json!({ "auc": interval(&difference.auc), "brier": interval(&difference.brier) })
}

fn interval(interval: &Interval) -> Value {
    json!({ "estimate": interval.estimate, "ci_low": interval.low, "ci_high": interval.high })
}
