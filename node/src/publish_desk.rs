//! The steward's desk for the catalogue: a card
//! says exactly what would be told of a dataset,
//! and what was read there, and nothing that took
//! its place since, is signed. It is told by the
//! daemon, which reads it in the ledger whether
//! it runs now or later, and it is not renewed by
//! itself.

use crate::data_desk::Dataset;
use crate::error::StewardError;
use crate::notices::Notices;
pub use crate::notices::Published;
use crate::records::{self, CATALOGUE, CardShown, CatalogueRecord};
use crate::{Home, NodeError, clock};
use motet_common::catalogue::{HEADS, HUNDRED, MOST_DATASETS, Notice, Offer, Word};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::{Recipients, shell};
use motet_data::offer::{Asked, offered};
use motet_ledger::LedgerError;
use motet_program::table::Table;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::SecretKey;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// How often a notice is tried again when
/// somebody else wrote to the ledger in between,
/// and the wait before.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// What the steward wants to tell.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// These columns; all that studies are offered,
    /// where none is named.
    pub columns: Option<Vec<String>>,
    /// Columns whose levels are told.
    pub levels: Vec<String>,
    /// Which researchers it is for.
    pub researchers: Recipients,
}

/// What is told, or would be.
#[derive(Debug, Serialize)]
pub struct Card {
    /// The dataset.
    pub dataset: String,
    /// The site.
    pub site: String,
    /// Its country.
    pub country: String,
    /// Whose catalogue.
    pub consortium: String,
    /// The number of the notice, once it is signed.
    pub signed: Option<u64>,
    /// What it says.
    #[serde(flatten)]
    pub offer: Offer,
    /// What is not told for want of patients, a
    /// sentence each: for the steward alone.
    pub withheld: Vec<String>,
    /// Whether the schema's `key` tells a patient's
    /// second row.
    pub keyed: bool,
    /// The moment of the latest notice that told of
    /// it, taken out since or not.
    pub before: Option<String>,
    /// What whoever has read that one learns by this
    /// one, a sentence each.
    pub changes: Vec<String>,
    /// What the steward types to sign it.
    pub yes: String,
}

/// What came of taking a dataset out.
#[derive(Debug, Serialize)]
pub struct Unpublished {
    /// The dataset.
    pub dataset: String,
    /// The number of the notice that takes it out;
    /// none where nothing stood.
    pub signed: Option<u64>,
}

/// Shows what would be told of a dataset or, with
/// `yes`, signs what was shown last; `key` is
/// asked for after everything else has been
/// checked.
///
/// # Errors
/// `no_dataset`, [`NodeError::Data`],
/// [`NodeError::Usage`] for what cannot be told;
/// `not_shown` where another card was shown last,
/// or none; [`StewardError`].
pub async fn publish(
    home: &Home,
    dataset: &str,
    wanted: &Wanted,
    yes: bool,
    now: Moment,
    key: impl FnOnce() -> Result<SecretKey, NodeError>,
) -> Result<Card, NodeError> {
    let mut card = card(home, dataset, wanted)?;
    let notices = Notices::read(home).await?;
    if notices.next(dataset) == 1 && notices.all().count() >= MOST_DATASETS {
        return Err(no_name_is_left(&notices));
    }
    if let Some(before) = notices.published(dataset) {
        card.before = Some(clock::text(before.when_ms));
        let changes = before.offer().map(|before| card.offer.changes(before));
        card.changes = changes.into_iter().flatten().collect();
    }
    if !yes {
        note(home, &notices, &card, now).await?;
        return Ok(card);
    }
    is_as_shown(&notices, &card)?;
    let key = stewards(home, key)?;
    let word = Word::Published(card.offer.clone());
    card.signed = Some(sign(home, dataset, &word, Some(&card), now, &key).await?);
    Ok(card)
}

/// Signs that a dataset is told of no more; its
/// file need not be there.
///
/// # Errors
/// [`StewardError`], [`NodeError::Ledger`].
pub async fn unpublish(
    home: &Home,
    dataset: &str,
    now: Moment,
    key: impl FnOnce() -> Result<SecretKey, NodeError>,
) -> Result<Unpublished, NodeError> {
    let stands = Notices::read(home).await?.standing(dataset).is_some();
    let mut signed = None;
    if stands {
        let key = stewards(home, key)?;
        signed = Some(sign(home, dataset, &Word::Withdrawn, None, now, &key).await?);
    }
    Ok(Unpublished {
        dataset: dataset.to_owned(),
        signed,
    })
}

/// A sentence for whoever exchanges the file of a
/// dataset that the catalogue tells of.
///
/// # Errors
/// [`NodeError::Ledger`].
pub async fn stands(home: &Home, dataset: &str) -> Result<Option<String>, NodeError> {
    let notices = Notices::read(home).await?;
    Ok(notices.standing(dataset).map(|notice| {
        format!(
            "the catalogue tells what was signed at {}, whatever the file is now; \
             `data publish {dataset}` renews it, `data unpublish {dataset}` takes it out",
            clock::text(notice.when_ms)
        )
    }))
}

/// What to do where every name is in use or was.
fn no_name_is_left(notices: &Notices) -> NodeError {
    let gone = notices.all().map(|signed| &signed.notice);
    let gone = gone.filter(|notice| notice.offer().is_none());
    let gone: Vec<&str> = gone.map(|notice| notice.dataset.as_str()).collect();
    let way = match gone.as_slice() {
        [] => "take one out with `data unpublish`, and then give this dataset its name".to_owned(),
        gone => format!(
            "give this dataset the name of one that was taken out: {}",
            gone.join(", ")
        ),
    };
    NodeError::Usage(format!(
        "a site tells of {MOST_DATASETS} datasets at most, those that it took out counted: {way}, \
         in its schema and with `data add`"
    ))
}

/// Where each dataset stands in the catalogue of
/// which a notice was signed, by name.
///
/// # Errors
/// [`NodeError::Ledger`].
pub async fn published(home: &Home) -> Result<Vec<Published>, NodeError> {
    Ok(Notices::read(home).await?.standings())
}

fn stewards(
    home: &Home,
    key: impl FnOnce() -> Result<SecretKey, NodeError>,
) -> Result<SecretKey, NodeError> {
    let key = key()?;
    if key.public() == home.steward {
        return Ok(key);
    }
    Err(StewardError::Mismatch.into())
}

/// What would be told, from the file as it is
/// now.
fn card(home: &Home, name: &str, wanted: &Wanted) -> Result<Card, NodeError> {
    let dataset = Dataset::find(&home.paths, name)?;
    let all = dataset.schema.columns.iter();
    let all = all.filter(|(_, column)| !column.private);
    let names: BTreeSet<&str> = match &wanted.columns {
        Some(columns) => columns.iter().map(String::as_str).collect(),
        None => all.map(|(name, _)| name.as_str()).collect(),
    };
    let table = motet_data::Table::open(&dataset.csv, &dataset.schema, names)?;
    let floors = &home.settings.limits.floors;
    let asked = Asked {
        levels: &wanted.levels,
        floor: floors.min_cell,
    };
    let mut columns = Vec::new();
    let mut withheld = Vec::new();
    for offered in offered(&table, &dataset.schema, asked)? {
        let column = &offered.told.column;
        withheld.extend(offered.withheld.map(|why| format!("of `{column}` {why}")));
        columns.push(offered.told);
    }
    let rounded_to = floors.multiple.max(HUNDRED);
    let offer = Offer {
        researchers: wanted.researchers.clone(),
        rows: Offer::rounded(table.rows(), rounded_to),
        rounded_to,
        columns,
    };
    offer.check().map_err(cannot_be_told)?;
    Ok(Card {
        dataset: name.to_owned(),
        site: home.settings.site.clone(),
        country: home.settings.country.clone(),
        consortium: home.settings.consortium.clone(),
        signed: None,
        offer,
        withheld,
        keyed: dataset.schema.key.is_some(),
        before: None,
        changes: Vec::new(),
        yes: typed(home, name, wanted),
    })
}

fn cannot_be_told(refusal: Refusal) -> NodeError {
    NodeError::Usage(format!(
        "this cannot be told: {}; name other or fewer columns with `--columns`, or mend the schema",
        refusal.detail
    ))
}

/// The command that signs it.
fn typed(home: &Home, name: &str, wanted: &Wanted) -> String {
    let mut line = format!("motet-node data publish {name}");
    if let Some(columns) = &wanted.columns {
        line.push_str(&format!(" --columns {}", columns.join(",")));
    }
    if !wanted.levels.is_empty() {
        line.push_str(&format!(" --levels {}", wanted.levels.join(",")));
    }
    match &wanted.researchers {
        Recipients::Everyone => {}
        Recipients::Nobody => line.push_str(" --no-researchers"),
        Recipients::Named(names) => {
            line.push_str(&format!(" --researchers {}", names.join(",")));
        }
    }
    let dir = home.paths.dir().display().to_string();
    line.push_str(&format!(" --dir {} --yes", shell(&dir)));
    line
}

/// Puts on record that this card is shown.
async fn note(home: &Home, notices: &Notices, card: &Card, now: Moment) -> Result<(), NodeError> {
    let offer = card.offer.digest("offer");
    if notices.was_shown(&card.dataset, &offer) {
        return Ok(());
    }
    let shown = CatalogueRecord::Shown(CardShown {
        when_ms: now.ms,
        dataset: card.dataset.clone(),
        offer,
    });
    records::append(&home.ledger, CATALOGUE, &shown)
        .await
        .map(drop)
}

/// A steward signs what was read and nothing that
/// took its place since.
fn is_as_shown(notices: &Notices, card: &Card) -> Result<(), NodeError> {
    if notices.was_shown(&card.dataset, &card.offer.digest("offer")) {
        return Ok(());
    }
    let detail = format!(
        "what would be told of dataset `{}` now is not what was shown here last",
        card.dataset
    );
    Err(Refusal::new(Code::NotShown, detail).into())
}

/// Signs a word and puts it on record, where its
/// card is still the one that was shown last; its
/// number.
async fn sign(
    home: &Home,
    dataset: &str,
    word: &Word,
    card: Option<&Card>,
    now: Moment,
    key: &SecretKey,
) -> Result<u64, NodeError> {
    for _ in 0..TRIES {
        let notices = Notices::read(home).await?;
        if let Some(card) = card {
            is_as_shown(&notices, card)?;
        }
        let number = notices.next(dataset);
        let notice = Notice {
            site: home.node(),
            dataset: dataset.to_owned(),
            number,
            when_ms: now.ms,
            word: word.clone(),
        };
        let signed = notice.sign(key);
        signed.check()?;
        // The number rests on what was read: if another
        // desk signed meanwhile, this must not count.
        let entry = CatalogueRecord::Signed(signed).to_bytes();
        let written = home.ledger.append(CATALOGUE, notices.version(), &entry);
        match written.await {
            Ok(_) => {
                let what = match word {
                    Word::Published(_) => "published",
                    Word::Withdrawn => "took out of the catalogue",
                };
                let text = format!("the steward {what} dataset `{dataset}`, number {number}");
                records::event(&home.ledger, now.ms, "catalogue", text).await?;
                return Ok(number);
            }
            Err(LedgerError::Conflict { .. }) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    let detail = "the ledger changed again and again; try once more";
    Err(Refusal::new(Code::Storage, detail).into())
}

/// The card, for people.
pub fn card_text(card: &Card) -> String {
    let state = match card.signed {
        None => "NOT SIGNED: nothing is told by this".to_owned(),
        Some(number) => format!("signed, number {number}; the node tells it when it is connected"),
    };
    let mut text = format!(
        "NOTICE of dataset {} of {} ({}), for the catalogue of {}\n{state}\n\n  for   {}\n  rows  {}{}\n\n",
        card.dataset,
        card.site,
        card.country,
        card.consortium,
        card.offer.readers(),
        card.offer.size(),
        if card.keyed {
            ""
        } else {
            "; the schema names no `key`, so rows count as patients"
        },
    );
    let rows = card.offer.columns.iter();
    text.push_str(&Table::of(HEADS, rows.map(|told| told.cells())).text());
    for why in &card.withheld {
        text.push_str(&format!("\nnot told, and said to you alone: {why}"));
    }
    text.push_str(
        "\n\nThis, the site's name and country, the moment and your signature are all that is told. \
         Ranges are\nthose that your schema declares; no count but that of the rows, no mean, no \
         extreme and no row\nleaves. The coordinator's machine reads and keeps it, in backups and \
         exports too, also after\n`data unpublish`; whoever has read it keeps what was read. It is \
         not renewed by itself.",
    );
    if let Some(before) = card.before.as_ref().filter(|_| card.signed.is_none()) {
        text.push_str(&format!(
            "\n\nA notice of {before} told of it before. Whoever has both sees what changed between them: rows \
             that\npassed a bound, a level or a year that became rare, and may know whose rows came or went. \
             The less\noften a notice is renewed, the less that says. Between the two:"
        ));
        if card.changes.is_empty() {
            text.push_str("\n  nothing but the moment");
        }
        for change in &card.changes {
            text.push_str(&format!("\n  {change}"));
        }
    }
    if card.signed.is_none() {
        text.push_str(&format!("\n\nTo tell exactly this:\n  {}", card.yes));
    }
    text
}

/// What was taken out, for people.
pub fn unpublished_text(done: &Unpublished) -> String {
    let dataset = &done.dataset;
    match done.signed {
        None => format!("the catalogue tells nothing of dataset {dataset}; nothing was written"),
        Some(number) => format!(
            "dataset {dataset} is told of no more, number {number}; the node says so when it is \
             connected. Whoever has read of it keeps what was read"
        ),
    }
}

#[cfg(test)]
#[path = "publish_desk_tests.rs"]
mod tests;
