//! How a catalogue is printed, for people and for
//! programs.

use crate::clock;
use crate::table::Table;
use motet_common::catalogue::{HEADS, Read};
use motet_common::text::shown;
use serde_json::{Value, json};

/// A notice that is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubted {
    /// The site that it is said to be of.
    pub site: String,
    /// Why.
    pub why: String,
}

/// The datasets, for people.
pub fn text(read: &[Read], doubted: &[Doubted]) -> String {
    let mut parts: Vec<String> = read.iter().map(one).collect();
    parts.extend(doubted.iter().map(|doubted| {
        let site = shown(&doubted.site);
        format!(
            "ALARM: a notice of site `{site}` is not shown: {}",
            doubted.why
        )
    }));
    if parts.is_empty() {
        return "No dataset is in the catalogue for you. A site's steward tells of one with `motet-node data publish NAME`."
            .to_owned();
    }
    parts.join("\n\n")
}

fn one(read: &Read) -> String {
    let key = if read.vouched {
        "signed by the site's steward, whose key governance signed or you verified"
    } else {
        "signed, and whose key that is IS THE COORDINATOR'S WORD ALONE: no roster that you see names the site yet"
    };
    let rows = read.offer.columns.iter().map(|told| told.cells());
    format!(
        "{} ({}): dataset {}, number {} of {}\n  rows  {}\n  for   {}\n  key   {key}\n\n{}",
        shown(&read.site),
        shown(&read.country),
        read.notice.dataset,
        read.notice.number,
        clock::text(read.notice.when_ms),
        read.offer.size(),
        read.offer.readers(),
        Table::of(HEADS, rows).text()
    )
}

/// The same facts, for programs.
pub fn json(read: &[Read], doubted: &[Doubted]) -> Value {
    let datasets = read.iter().map(|read| {
        json!({
            "site": read.site, "country": read.country, "dataset": read.notice.dataset,
            "number": read.notice.number, "signed_ms": read.notice.when_ms, "vouched": read.vouched,
            "for": read.offer.readers(), "rows": read.offer.rows,
            "rounded_to": read.offer.rounded_to, "columns": read.offer.columns,
        })
    });
    let datasets = datasets.collect::<Vec<_>>();
    let doubted = doubted.iter();
    let doubted = doubted.map(|one| json!({"site": one.site, "why": one.why}));
    json!({ "catalogue": datasets, "doubted": doubted.collect::<Vec<_>>() })
}
