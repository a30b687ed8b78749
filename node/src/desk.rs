//! The steward's desk: look at a study, and say yes or no to exactly that. A decision is one signed
//! entry of the ledger; the daemon reads it there, whether it runs now or later.

mod under;

pub use under::STAYS_OUT;

use crate::data_desk::Dataset;
use crate::error::StewardError;
use crate::openings;
use crate::own_values;
use crate::permits::Permit;
use crate::records::{self, STUDIES, StudyRecord, UNDER, Under};
use crate::settings::Limits;
use crate::studies::{AtSite, Proposal, Standing, Studies};
use crate::{Home, NodeError, clock, shown};
use motet_common::decision::{Decision, Verdict};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::{CardContext, Date, Earlier, Study};
use motet_ledger::LedgerError;
use motet_program::Table;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::SecretKey;
use motet_toml::{cleaned, is_plain};
use serde::Serialize;
use std::time::Duration;
use under::{lacks, leaves, lifted, said, under};

/// How often a decision is tried again when the daemon wrote to the ledger in between, and the wait
/// before: hundreds of proposals that arrive at once take it some seconds.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(100);

/// The longest reason, in bytes: a reason is a sentence.
const LONGEST_REASON: usize = 400;

/// What a steward wants to say.
#[derive(Debug, Clone)]
pub enum Choice {
    /// Take part, under this permit; where too few rows are left, a decline is what is signed.
    Approve(Option<Permit>),
    /// The same although an earlier study asked exactly this of other sites (ruling R5), or a sum
    /// differs from that of another study over the same data by a few sites: those that the card
    /// names, and these besides.
    ApproveAgain(Option<Permit>, Vec<String>),
    /// Do not take part, for this reason.
    Decline(String),
    /// Take part no longer, for this reason.
    Withdraw(String),
}

/// A decision as it was recorded.
#[derive(Debug, Serialize)]
pub struct Decided {
    /// The study.
    pub id: String,
    /// approved, declined or withdrawn.
    pub decision: &'static str,
    /// The permit or the reason.
    pub text: String,
    /// Digest of everything the study fixes.
    pub study_digest: String,
    /// Digest of the roster.
    pub roster_digest: String,
    /// Sites in the roster.
    pub roster: usize,
    /// What a permit that ends before the study does means, for the steward.
    pub leaves: Option<String>,
    /// Why this site's rows cannot answer, for the steward alone; the decision is a decline then.
    pub lacks: Option<String>,
    /// Whether an entry was written: deciding the same again writes none.
    pub recorded: bool,
    /// What an approval with `--again` lets be computed, one line a study.
    pub again: Vec<String>,
}

/// One study in the list.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The study.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Digest of everything it fixes.
    pub digest: String,
    /// undecided, approved, declined, withdrawn, withdrawn by its proposer, or unacceptable.
    pub decision: String,
    /// Sites in the roster.
    pub roster: usize,
    /// Its last day.
    pub until: String,
    /// Whether that day is over.
    pub ended: bool,
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
    let mut lines: Vec<Line> = studies
        .all()
        .map(|known| line(known, clock::day(now)))
        .collect();
    lines.extend(studies.refused().iter().map(|refused| Line {
        id: refused.id.clone(),
        title: String::new(),
        digest: String::new(),
        decision: "unacceptable".to_owned(),
        roster: 0,
        until: String::new(),
        ended: false,
        text: refused.why.to_string(),
    }));
    Ok(lines)
}

fn line(known: &AtSite, today: Date) -> Line {
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
        "permit or reason",
    ];
    Table::of(head, lines.iter().map(row)).text()
}

fn row(line: &Line) -> [String; 7] {
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
        cleaned(&line.text),
    ]
}

/// One study with its card, which is on record as shown from then on.
///
/// # Errors
/// `study_unknown`, or why its proposal is unacceptable; [`NodeError::Ledger`].
pub async fn show(home: &Home, id: &str, now: Moment) -> Result<Shown, NodeError> {
    let studies = Studies::read(home).await?;
    let known = studies.find(id)?;
    let proposal = &known.proposal;
    let near = openings::near(home, proposal).await?;
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
    Ok(Shown {
        line: line(known, clock::day(now)),
        roster_digest: proposal.roster_digest.hex(),
        proposer: proposal.proposer.clone(),
        arrived: clock::text(proposal.when_ms),
        sites: proposal.roster.entries.iter().map(site).collect(),
        study: proposal.text.clone(),
        card,
    })
}

/// What this site's own rules say to a study that asks how the model does on its rows.
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

/// Why this site could not answer a study, as far as its own floors and its schema tell.
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
    format!(
        "{}\ndecision at this site: {decision}{reason}\n",
        shown.card
    )
}

/// When a decision is made that follows another: later than it, also where the clock was set back,
/// so that nobody can put the older one in its place.
fn later_than(standing: &Standing, now: Moment) -> u64 {
    match standing {
        Standing::Decided(signed) => now.ms.max(signed.decision.when_ms.saturating_add(1)),
        _ => now.ms,
    }
}

/// Signs and records a decision about the study as it stands; an approval only where that is what
/// was read: `typed`, the digests of a card, or else the card that was shown last. `key` is asked
/// for after everything else has been checked.
///
/// # Errors
/// `study_unknown`, `study_withdrawn`, `study_ended`, `roster_mismatch` when the roster lists
/// another steward for this site, `no_dataset` and whatever else keeps this site's data from
/// answering, `study_not_approved` when the site's own rules or the permit stand against it, what
/// stands is not what was read, or the study changed while the steward decided; [`StewardError`].
pub async fn decide(
    home: &Home,
    id: &str,
    choice: &Choice,
    typed: Option<&str>,
    now: Moment,
    key: impl FnOnce() -> Result<SecretKey, NodeError>,
) -> Result<Decided, NodeError> {
    let studies = Studies::read(home).await?;
    let seen = studies.find(id)?.proposal.clone();
    let mut verdict = acceptable(home, &studies, id, choice, now)?;
    let near = openings::near(home, &seen).await?;
    if let Choice::Approve(_) | Choice::ApproveAgain(..) = choice {
        let lifted = match choice {
            Choice::ApproveAgain(..) => said(&near, &studies.earlier(&seen)),
            _ => Vec::new(),
        };
        shown::check(home, &seen, &lifted, typed).await?;
    }
    let lacks = if matches!(verdict, Verdict::Approve(_)) {
        lacks(home, &seen)?
    } else {
        None
    };
    if lacks.is_some() {
        verdict = Verdict::Decline(STAYS_OUT.to_owned());
    }
    if let (Choice::Approve(_), None, Some(near)) = (choice, &lacks, near.first()) {
        return Err(Refusal::new(Code::QuestionRepeated, near.to_string()).into());
    }
    let (again, lifts) = lifted(choice, &seen.roster, &near, &studies.earlier(&seen))?;
    let leaves = leaves(choice, &seen.study).filter(|_| lacks.is_none());
    let now_under = under(home, choice, again);
    let standing = &studies.find(id)?.standing;
    if is_same(standing, &verdict)
        && studies.under(standing).is_some_and(|under| {
            Under {
                decision: Digest::default(),
                ..under.clone()
            } == now_under
        })
    {
        return Ok(Decided {
            again: lifts,
            leaves,
            lacks,
            ..decided(&seen, &verdict, false)
        });
    }
    let key = key()?;
    if key.public() != home.steward {
        return Err(StewardError::Mismatch.into());
    }
    for _ in 0..TRIES {
        let studies = Studies::read(home).await?;
        let proposal = &studies.find(id)?.proposal;
        if (proposal.digest, proposal.roster_digest) != (seen.digest, seen.roster_digest) {
            let detail = format!("study `{id}` changed while you decided: look at it again");
            return Err(Refusal::new(Code::StudyNotApproved, detail).into());
        }
        let allowed = acceptable(home, &studies, id, choice, now)?;
        let verdict = if lacks.is_some() {
            verdict.clone()
        } else {
            allowed
        };
        let decision = Decision {
            study: seen.study.id.clone(),
            study_digest: seen.digest,
            roster: seen.roster_digest,
            site: home.node(),
            verdict: verdict.clone(),
            when_ms: later_than(&studies.find(id)?.standing, now),
        };
        let signed = decision.sign(&key);
        signed.check(&seen.roster)?;
        let under = Under {
            decision: signed.digest("decision"),
            ..now_under.clone()
        };
        records::append(&home.ledger, UNDER, &under).await?;
        // The decision rests on what was read: if the daemon recorded another proposal meanwhile,
        // this must not count.
        let entry = StudyRecord::Decided(signed).to_bytes();
        match home.ledger.append(STUDIES, studies.version(), &entry).await {
            Ok(_) => {
                let text = format!("the steward {} study `{id}`", verdict.as_str());
                records::event(&home.ledger, now.ms, "decided", text).await?;
                return Ok(Decided {
                    again: lifts,
                    leaves,
                    lacks,
                    ..decided(&seen, &verdict, true)
                });
            }
            Err(LedgerError::Conflict { .. }) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::new(
        Code::Storage,
        "the ledger changed again and again; try once more",
    )
    .into())
}

/// The verdict, once nothing stands against it.
fn acceptable(
    home: &Home,
    studies: &Studies,
    id: &str,
    choice: &Choice,
    now: Moment,
) -> Result<Verdict, NodeError> {
    let known = studies.find(id)?;
    let today = clock::day(now);
    let listed = known.proposal.entry(home.node()).map(|entry| entry.steward);
    if listed != Some(home.steward) {
        let detail = "the roster lists another steward's key for this site: ask \
            the operator to propose the study again";
        return Err(Refusal::new(Code::RosterMismatch, detail).into());
    }
    match choice {
        Choice::Approve(permit) | Choice::ApproveAgain(permit, _) => {
            studies.acceptable(known, today)?;
            if !matches!(choice, Choice::ApproveAgain(..)) {
                not_repeated(&studies.earlier(&known.proposal))?;
            }
            if permit.is_none() && home.settings.limits.permit_required {
                let detail = "this site approves under a permit only: add `--permit P.toml`";
                return Err(Refusal::new(Code::StudyNotApproved, detail).into());
            }
            permit
                .as_ref()
                .map(|permit| permit.cover(id, today))
                .transpose()?;
            // Without a permit the decision cites none.
            let cited = permit.as_ref().map_or_else(String::new, Permit::citation);
            Ok(Verdict::Approve(cited))
        }
        Choice::Decline(_) if known.standing == Standing::Recalled => {
            Err(Refusal::from(Code::StudyWithdrawn).into())
        }
        Choice::Decline(why) => Ok(Verdict::Decline(reason(why)?)),
        Choice::Withdraw(_) if !known.standing.is_approved() && !is_withdrawn(&known.standing) => {
            let detail = format!(
                "study `{id}` is {}; there is no approval to withdraw",
                known.standing.as_str()
            );
            Err(Refusal::new(Code::StudyNotApproved, detail).into())
        }
        Choice::Withdraw(why) if why.is_empty() => Ok(Verdict::Withdraw(String::new())),
        Choice::Withdraw(why) => Ok(Verdict::Withdraw(reason(why)?)),
    }
}

/// Two sums over one question and nearly the same sites are a statement about the sites that
/// differ: a steward says yes to that in so many words, or not at all. That holds for the same
/// study proposed again over other sites, too: where its start is drawn from text and roster, every
/// question of it is another one.
fn not_repeated(earlier: &[Earlier]) -> Result<(), Refusal> {
    let Some(repeated) = earlier.iter().find(|earlier| earlier.tells_apart()) else {
        return Ok(());
    };
    Err(Refusal::new(Code::QuestionRepeated, repeated.together()))
}

fn reason(why: &str) -> Result<String, NodeError> {
    let why = why.trim();
    if !why.is_empty() && why.len() <= LONGEST_REASON && is_plain(why, false) {
        return Ok(why.to_owned());
    }
    Err(NodeError::Usage(format!(
        "`--why` is a sentence on one line, at most {LONGEST_REASON} bytes; operators will read it"
    )))
}

fn is_withdrawn(standing: &Standing) -> bool {
    matches!(standing, Standing::Decided(signed) if matches!(signed.decision.verdict, Verdict::Withdraw(_)))
}

fn is_same(standing: &Standing, verdict: &Verdict) -> bool {
    matches!(standing, Standing::Decided(signed) if signed.decision.verdict == *verdict)
}

fn decided(proposal: &Proposal, verdict: &Verdict, recorded: bool) -> Decided {
    Decided {
        id: proposal.study.id.clone(),
        decision: verdict.as_str(),
        text: verdict.text().to_owned(),
        study_digest: proposal.digest.hex(),
        roster_digest: proposal.roster_digest.hex(),
        roster: proposal.roster.entries.len(),
        recorded,
        again: Vec::new(),
        leaves: None,
        lacks: None,
    }
}

/// What was recorded, for people.
pub fn decided_text(decided: &Decided) -> String {
    let again = if decided.recorded {
        ""
    } else {
        " already; nothing was written"
    };
    let reason = if decided.text.is_empty() {
        String::new()
    } else {
        format!("\n  text           {}", decided.text)
    };
    let lifted: String = decided
        .again
        .iter()
        .map(|line| format!("\n  again          {line}"))
        .collect();
    let leaves: String = decided
        .leaves
        .iter()
        .map(|line| format!("\n  note           {line}"))
        .collect();
    let rows: String = decided
        .lacks
        .iter()
        .map(|why| format!("\n  for you alone  {why}"))
        .collect();
    format!(
        "study {} is {}{again}\n  study digest   {}\n  roster digest  {} \
         ({} sites){reason}{rows}{lifted}{leaves}",
        decided.id, decided.decision, decided.study_digest, decided.roster_digest, decided.roster
    )
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
