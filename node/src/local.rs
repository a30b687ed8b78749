//! What the node writes for its own steward when a study is finished: the fit on this site's rows
//! alone, how the federated model does on them, and whether it serves this site's patients. It
//! stays in the node's folder.

use motet_recipes::{Comparison, Difference, Interval, Outcome, Quality};
use motet_release::own;
use serde_json::{Value, json};

/// What the report is about.
pub(crate) struct Subject<'a> {
    pub(crate) site: &'a str,
    pub(crate) study: &'a str,
    pub(crate) recipe: &'a str,
    pub(crate) rows: u64,
}

/// `local/STUDY.json`: `alone`, `federated_here` and `verdict` are null where there is no estimate,
/// or nothing to compare.
pub(crate) fn report(
    subject: &Subject<'_>,
    alone: Option<&(Outcome, f64)>,
    here: Option<&Outcome>,
    comparison: Option<&Comparison>,
) -> Value {
    json!({
        "site": subject.site,
        "study": subject.study,
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

/// The common model, one of this site's rows alone, and the common one tuned to this site.
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
