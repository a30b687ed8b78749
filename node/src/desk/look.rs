//! Looking at studies: the list, and one with its card.

use super::rows::rows_text;
use super::under::said;
use crate::data_desk::Dataset;
use crate::frozen::{History, KeptRows, Tables};
use crate::own_values;
use crate::settings::Limits;
use crate::studies::{AtSite, Proposal, Standing, Studies};
use crate::{Home, NodeError, clock, openings, shown};
use motet_common::moment::Moment;
use motet_common::study::{CardContext, Date, Study};
use motet_program::Table;
use motet_toml::cleaned;
use serde::Serialize;

/// One study in the list.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The study.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Digest of everything it fixes.
    pub digest: String,
    /// undecided, approved, declined, withdrawn, withdrawn by its
    /// proposer, or unacceptable.
    pub decision: String,
    /// Sites in the roster.
    pub roster: usize,
    /// Its last day.
    pub until: String,
    /// Whether that day is over.
    pub ended: bool,
    /// Rows that are kept for it: of this text, or of one before it.
    pub frozen: Option<KeptRows>,
    /// The permit or the reason, or why it is unacceptable.
    pub text: String,
}

/// One study in full.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// As in the list.
    #[serde(flatten)]
    pub line: Line,
    /// Digest of the roster.
    pub roster_digest: String,
    /// Who proposes it.
    pub proposer: String,
    /// When it arrived.
    pub arrived: String,
    /// The sites of the roster.
    pub sites: Vec<Site>,
    /// The study file.
    pub study: String,
    /// The card.
    pub card: String,
    /// Since when this site's rows are kept for it, and how long,
    /// or when and why they were deleted.
    pub rows: Option<String>,
}

/// One site of a roster.
#[derive(Debug, Serialize)]
pub struct Site {
    /// Name.
    pub name: String,
    /// Country.
    pub country: String,
    /// Fingerprint of its identity key.
    pub key: String,
    /// Whether it is this one.
    pub own: bool,
}

/// The studies that reached this site.
///
/// # Errors
/// [`NodeError::Ledger`], [`NodeError::Entry`].
pub async fn list(home: &Home, now: Moment) -> Result<Vec<Line>, NodeError> {
    let studies = Studies::read(home).await?;
    let history = History::read(&home.ledger).await?;
    let tables = Tables::of(home);
    let mut lines: Vec<Line> = studies
        .all()
        .map(|known| {
            let kept = history.stands(&studies, &known.proposal.study.id);
            let kept = kept.map(|kept| tables.shown(kept));
            line(known, kept, clock::day(now))
        })
        .collect();
    lines.extend(studies.refused().iter().map(|refused| Line {
        id: refused.id.clone(),
        title: String::new(),
        digest: String::new(),
        decision: "unacceptable".to_owned(),
        roster: 0,
        until: String::new(),
        ended: false,
        frozen: None,
        text: refused.why.to_string(),
    }));
    Ok(lines)
}

fn line(known: &AtSite, frozen: Option<KeptRows>, today: Date) -> Line {
    let Proposal {
        study,
        digest,
        roster,
        ..
    } = &known.proposal;
    let text = match &known.standing {
        Standing::Decided(signed) => signed.decision.verdict.text().to_owned(),
        Standing::Undecided | Standing::Recalled => String::new(),
    };
    Line {
        id: study.id.clone(),
        title: study.title.clone(),
        digest: digest.hex(),
        decision: known.standing.as_str().to_owned(),
        roster: roster.entries.len(),
        until: study.ends.to_string(),
        ended: study.ends < today,
        frozen,
        text,
    }
}

/// The list as a table.
pub fn list_text(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "no study has reached this site; `motet-node run` must have been connected once"
            .to_owned();
    }
    let head = [
        "id",
        "title",
        "digest",
        "decision",
        "roster",
        "until",
        "frozen rows",
        "permit or reason",
    ];
    Table::of(head, lines.iter().map(row)).text()
}

fn row(line: &Line) -> [String; 8] {
    let until = if line.ended {
        format!("{} (over)", line.until)
    } else {
        line.until.clone()
    };
    let digest = line.digest.chars().take(8).collect();
    let roster = if line.roster == 0 {
        String::new()
    } else {
        line.roster.to_string()
    };
    [
        line.id.clone(),
        cleaned(&line.title),
        digest,
        line.decision.clone(),
        roster,
        until,
        line.frozen
            .as_ref()
            .map_or_else(String::new, KeptRows::text),
        cleaned(&line.text),
    ]
}

/// One study with its card, which is on record as shown from
/// then on.
///
/// # Errors
/// `study_unknown`, or why its proposal is unacceptable;
/// [`NodeError::Ledger`].
pub async fn show(home: &Home, id: &str, now: Moment) -> Result<Shown, NodeError> {
    let studies = Studies::read(home).await?;
    let known = studies.find(id)?;
    let proposal = &known.proposal;
    let near = openings::near(home, &studies, proposal).await?;
    let earlier = studies.earlier(proposal);
    let card = proposal.study.card(&CardContext {
        proposer: &proposal.proposer,
        roster: &proposal.roster,
        earlier: &earlier,
        near: &near,
        dir: &home.paths.dir().display().to_string(),
        floors: &home.settings.limits.floors,
    });
    let card = match own_figures(&studies.limits(&proposal.digest).limits, &proposal.study) {
        Some(line) => format!("{card}\n{line}\n"),
        None => card,
    };
    // How the columns come about here, which the study does not know.
    let card = match Dataset::find(&home.paths, &proposal.study.data.dataset) {
        Ok(dataset) => match dataset.told(&proposal.study) {
            told if told.is_empty() => card,
            told => format!("{card}\n{told}"),
        },
        Err(_) => card,
    };
    let card = match hindrance(home, &proposal.study) {
        // The rows of the approval are frozen: what the file holds now
        // says nothing of them.
        None if known.standing.frozen().is_some() => card,
        None => match own_values(home, &proposal.study) {
            Some(lines) => format!("{card}\n{lines}\n"),
            None => card,
        },
        Some(why) => format!(
            "{card}\nATTENTION: as this site's data are mapped and its rules are now, \
             the study cannot run here, and `approve` refuses: \
             {why}. `decline` tells the others not to wait for this site\n"
        ),
    };
    shown::note(home, proposal, &said(&near, &earlier), now).await?;
    let me = home.node();
    let site = |entry: &motet_common::roster::Entry| Site {
        name: entry.name.clone(),
        country: entry.country.clone(),
        key: entry.identity.fingerprint().hex(),
        own: entry.node == me,
    };
    let history = History::read(&home.ledger).await?;
    let kept = history.stands(&studies, id);
    let kept = kept.map(|kept| Tables::of(home).shown(kept));
    Ok(Shown {
        line: line(known, kept, clock::day(now)),
        roster_digest: proposal.roster_digest.hex(),
        proposer: proposal.proposer.clone(),
        arrived: clock::text(proposal.when_ms),
        sites: proposal.roster.entries.iter().map(site).collect(),
        study: proposal.text.clone(),
        card,
        rows: kept_text(home, &studies, known).await?,
    })
}

/// The approved studies that go on with rows of a dataset as
/// they were read before, a sentence each: what is put in its
/// place now changes nothing in them.
///
/// # Errors
/// As [`list`].
pub async fn kept_of(home: &Home, dataset: &str) -> Result<Vec<String>, NodeError> {
    let studies = Studies::read(home).await?;
    let history = History::read(&home.ledger).await?;
    let mut kept = Vec::new();
    for known in studies.all() {
        let study = &known.proposal.study;
        let name = known.standing.frozen();
        let name = name.filter(|name| history.deleted(name).is_none());
        let Some(read_ms) = name.and_then(|name| history.read_at(&name)) else {
            continue;
        };
        if study.data.dataset == dataset {
            let id = &study.id;
            kept.push(format!(
                "study `{id}` goes on with the rows that were read on {}: until its first sum \
                 `motet-node study refreeze {id}` reads them \
                 anew, and `motet-node study withdraw \
                 {id}` ends its use of them",
                clock::text(read_ms)
            ));
        }
    }
    Ok(kept)
}

/// What became of the rows that the standing approval was
/// signed over, or that of the text before.
async fn kept_text(
    home: &Home,
    studies: &Studies,
    known: &AtSite,
) -> Result<Option<String>, NodeError> {
    let history = History::read(&home.ledger).await?;
    let id = &known.proposal.study.id;
    let Some(name) = known.standing.frozen() else {
        return Ok(history.stands(studies, id).map(|kept| {
            format!(
                "rows that were read on {} for an earlier decision are kept sealed until you \
                 decide about this text: `decline` and \
                 `withdraw` delete them, and `approve` does \
                 where they are not of this very text and roster",
                clock::text(kept.when_ms)
            )
        }));
    };
    Ok(match (history.deleted(&name), history.read_at(&name)) {
        (Some(deleted), _) => Some(format!(
            "your frozen rows were deleted on {}: {}",
            clock::text(deleted.when_ms),
            deleted.why
        )),
        (None, Some(read_ms)) => Some(rows_text(read_ms, &known.proposal.study)),
        (None, None) => None,
    })
}

/// What this site's own rules say to a study that asks how the
/// model does on its rows.
fn own_figures(limits: &Limits, study: &Study) -> Option<&'static str> {
    let asked = study
        .recipe
        .judged
        .as_ref()
        .is_some_and(|asked| asked.sites);
    asked.then_some(if limits.own_metrics {
        "NOTE: node.toml says `own_metrics = true`: as it stands now, this \
         node TELLS this site's own figures to this study"
    } else {
        "NOTE: `own_metrics` of node.toml is false, or was when the study was approved: as it \
         stands now, this node tells no figures of its own and still takes part"
    })
}

/// Why this site could not answer a study, as far as its own
/// floors and its schema tell.
fn hindrance(home: &Home, study: &Study) -> Option<String> {
    if let Some(below) = study.below(&home.settings.limits.floors) {
        return Some(format!("it {below}"));
    }
    match Dataset::find(&home.paths, &study.data.dataset) {
        Err(error) => Some(error.to_string()),
        Ok(dataset) => dataset
            .fits(study, &home.settings.limits.floors)
            .err()
            .map(|error| error.to_string()),
    }
}

/// What the steward reads of this site's own values.
fn own_values(home: &Home, study: &Study) -> Option<String> {
    let dataset = Dataset::find(&home.paths, &study.data.dataset).ok()?;
    match dataset.own_values(study) {
        Ok(columns) => own_values::text(&columns),
        Err(error) => Some(format!("YOUR OWN VALUES could not be looked at: {error}")),
    }
}

/// The card, and where the decision stands.
pub fn show_text(shown: &Shown) -> String {
    let Line {
        decision,
        text: reason,
        ..
    } = &shown.line;
    let reason = if reason.is_empty() {
        String::new()
    } else {
        format!(": {}", cleaned(reason))
    };
    let rows: String = shown.rows.iter().map(|rows| format!("{rows}\n")).collect();
    format!(
        "{}\ndecision at this site: {decision}{reason}\n{rows}",
        shown.card
    )
}
