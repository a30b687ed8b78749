//! The steward's desk: look at a study, and say yes or no to
//! exactly that. A decision is one signed entry of the ledger;
//! the daemon reads it there, whether it runs now or later.

mod choice; // what a steward wants to say
mod look; //  the list, and one study with its card
mod rows; //  over which rows a study is answered
mod under; // what a decision rests on besides

pub use choice::Choice;
pub use look::{Line, Shown, Site, kept_of, list, list_text, show, show_text};
pub use under::STAYS_OUT;

use crate::error::StewardError;
use crate::frozen::{Lock, Tables};
use crate::openings;
use crate::permits::Permit;
use crate::records::{self, STUDIES, StudyRecord, UNDER, Under};
use crate::studies::{AtSite, Proposal, Standing, Studies};
use crate::{Home, NodeError, clock, shown};
use motet_common::decision::{Decision, Verdict};
use motet_common::moment::Moment;
use motet_common::opening::Lifted;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::Earlier;
use motet_ledger::LedgerError;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::SecretKey;
use motet_toml::is_plain;
use rows::{Patients, rows_text};
use serde::Serialize;
use std::time::Duration;
use under::{leaves, lifted, said, under};

/// How often a decision is tried again when the daemon wrote to
/// the ledger in between, and the wait before: hundreds of
/// proposals that arrive at once take it some seconds.
const TRIES: usize = 200;
const PAUSE: Duration = Duration::from_millis(100);

/// The longest reason, in bytes: a reason is a sentence.
const LONGEST_REASON: usize = 400;

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
    /// What a permit that ends before the study does means, for the
    /// steward.
    pub leaves: Option<String>,
    /// Why this site's rows cannot answer, for the steward alone;
    /// the decision is a decline then.
    pub lacks: Option<String>,
    /// Of an approval, when this site's rows were read and how long
    /// they are kept.
    pub rows: Option<String>,
    /// Whether an entry was written: deciding the same again writes
    /// none.
    pub recorded: bool,
    /// What an approval with `--again` lets be computed, one line a
    /// study.
    pub again: Vec<String>,
}

/// When a decision is made that follows another: later than it,
/// also where the clock was set back, so that nobody can put
/// the older one in its place.
fn later_than(standing: &Standing, now: Moment) -> u64 {
    match standing {
        Standing::Decided(signed) => now.ms.max(signed.decision.when_ms.saturating_add(1)),
        _ => now.ms,
    }
}

/// Signs and records a decision about the study as it stands;
/// an approval only where that is what was read: `typed`, the
/// digests of a card, or else the card that was shown last.
/// `key` is asked for after everything else has been checked.
///
/// # Errors
/// `study_unknown`, `study_withdrawn`, `study_ended`,
/// `roster_mismatch` when the roster lists another steward for
/// this site, `no_dataset` and whatever else keeps this site's
/// data from answering, `study_not_approved` when the site's
/// own rules or the permit stand against it, what stands is not
/// what was read, or the study changed while the steward
/// decided; [`StewardError`].
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
    let standing = &studies.find(id)?.standing;
    let mut verdict = acceptable(home, &studies, id, choice, now)?;
    let near = openings::near(home, &studies, &seen).await?;
    if let Choice::Approve(_) | Choice::ApproveAgain(..) = choice {
        let lifted = match choice {
            Choice::ApproveAgain(..) => said(&near, &studies.earlier(&seen)),
            _ => Vec::new(),
        };
        shown::check(home, &seen, &lifted, typed).await?;
    }
    let patients = match (&verdict, choice) {
        (Verdict::Approve(_), Choice::Refreeze) => Some(Patients::anew(home, &seen, now).await?),
        (Verdict::Approve(_), _) => Some(Patients::of(home, &studies, &seen, now).await?),
        _ => None,
    };
    let lacks = patients.as_ref().and_then(|rows| rows.lacks.clone());
    let patients = patients.filter(|rows| rows.lacks.is_none());
    if lacks.is_some() {
        verdict = Verdict::Decline(STAYS_OUT.to_owned());
    }
    let is_plain_yes = match choice {
        Choice::Approve(_) => lacks.is_none(),
        // What was lifted at the approval was lifted of the sums that
        // its card named.
        Choice::Refreeze => studies.again(&seen.digest) == Lifted::default(),
        _ => false,
    };
    if let (true, Some(near)) = (is_plain_yes, near.first()) {
        return Err(Refusal::new(Code::QuestionRepeated, near.to_string()).into());
    }
    let (again, lifts) = lifted(choice, &seen.roster, &near, &studies.earlier(&seen))?;
    let under = match choice {
        Choice::Refreeze => studies.under(standing).cloned(),
        _ => None,
    };
    let under = Under {
        decision: Digest::default(),
        ..under.unwrap_or_else(|| self::under(home, choice, again))
    };
    let is_same_table = patients.as_ref().is_none_or(Patients::stands);
    let draft = Draft {
        leaves: leaves(choice, &seen.study).filter(|_| lacks.is_none()),
        seen,
        verdict,
        under,
        patients,
        lacks,
        lifts,
        before: standing.frozen(),
    };
    if is_same_table && draft.is_on_record(&studies, standing) {
        return Ok(draft.decided(false));
    }
    let key = key()?;
    if key.public() != home.steward {
        return Err(StewardError::Mismatch.into());
    }
    let lock = Tables::of(home).locked().await?;
    if let Some(patients) = &draft.patients {
        patients.keep(home, &draft.seen, &lock).await?;
    }
    let signed = sign(home, choice, &draft, now, &key).await;
    // Whether or not it came to a decision: what none names does
    // not stay.
    let swept = sweep(home, now, &lock).await;
    signed?;
    match swept {
        Ok(()) => Ok(draft.decided(true)),
        Err(error) => Err(NodeError::Unsound(format!(
            "the decision is on record, but a frozen table that it ends could not be deleted \
             yet: {error}; the node tries again"
        ))),
    }
}

/// A decision that is about to be signed.
struct Draft {
    seen: Proposal,
    verdict: Verdict,
    under: Under,
    patients: Option<Patients>,
    lacks: Option<String>,
    lifts: Vec<String>,
    leaves: Option<String>,
    /// The frozen table that the decision before it names.
    before: Option<Digest>,
}

impl Draft {
    /// Whether that is what stands already.
    fn is_on_record(&self, studies: &Studies, standing: &Standing) -> bool {
        is_same(standing, &self.verdict)
            && studies.under(standing).is_some_and(|under| {
                Under {
                    decision: Digest::default(),
                    ..under.clone()
                } == self.under
            })
    }

    fn decided(&self, recorded: bool) -> Decided {
        let rows = self
            .patients
            .as_ref()
            .map(|rows| rows_text(rows.when_ms, &self.seen.study));
        Decided {
            id: self.seen.study.id.clone(),
            decision: self.verdict.as_str(),
            text: self.verdict.text().to_owned(),
            study_digest: self.seen.digest.hex(),
            roster_digest: self.seen.roster_digest.hex(),
            roster: self.seen.roster.entries.len(),
            leaves: self.leaves.clone(),
            lacks: self.lacks.clone(),
            rows,
            recorded,
            again: self.lifts.clone(),
        }
    }
}

async fn sweep(home: &Home, now: Moment, lock: &Lock) -> Result<(), NodeError> {
    let studies = Studies::read(home).await?;
    Tables::of(home)
        .sweep_under(&home.ledger, &studies, now, lock)
        .await
}

/// Signs a decision and puts it on record, where what it is
/// about still stands.
async fn sign(
    home: &Home,
    choice: &Choice,
    draft: &Draft,
    now: Moment,
    key: &SecretKey,
) -> Result<(), NodeError> {
    let Draft {
        seen,
        verdict,
        lacks,
        ..
    } = draft;
    let id = &seen.study.id;
    for _ in 0..TRIES {
        let studies = Studies::read(home).await?;
        let proposal = &studies.find(id)?.proposal;
        let is_as_seen = (proposal.digest, proposal.roster_digest)
            == (seen.digest, seen.roster_digest)
            // Nor has another desk frozen other rows meanwhile.
            && studies.find(id)?.standing.frozen() == draft.before;
        if !is_as_seen {
            let detail = format!("study `{id}` changed while you decided: look at it again");
            return Err(Refusal::new(Code::StudyNotApproved, detail).into());
        }
        let allowed = acceptable(home, &studies, id, choice, now)?;
        let verdict = if lacks.is_some() {
            verdict.clone()
        } else {
            allowed
        };
        if let Choice::Refreeze = choice {
            // While the passphrase was typed the node may have answered.
            rows::unopened(home, seen).await?;
        }
        let decision = Decision {
            study: id.clone(),
            study_digest: seen.digest,
            roster: seen.roster_digest,
            site: home.node(),
            verdict: verdict.clone(),
            frozen: draft.patients.as_ref().map(|rows| rows.name),
            when_ms: later_than(&studies.find(id)?.standing, now),
        };
        let signed = decision.sign(key);
        signed.check(&seen.roster)?;
        let under = Under {
            decision: signed.digest("decision"),
            ..draft.under.clone()
        };
        records::append(&home.ledger, UNDER, &under).await?;
        // The decision rests on what was read: if the daemon recorded
        // another proposal meanwhile, this must not count.
        let entry = StudyRecord::Decided(signed).to_bytes();
        match home.ledger.append(STUDIES, studies.version(), &entry).await {
            Ok(_) => {
                let text = match choice {
                    Choice::Refreeze => {
                        format!(
                            "the steward {} study `{id}` over rows read anew",
                            verdict.as_str()
                        )
                    }
                    _ => format!("the steward {} study `{id}`", verdict.as_str()),
                };
                return records::event(&home.ledger, now.ms, "decided", text).await;
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
        Choice::Refreeze => {
            if !known.standing.is_approved() {
                let detail = format!(
                    "study `{id}` is {}; there is no frozen table to be made anew: `approve` \
                     makes one",
                    known.standing.as_str()
                );
                return Err(Refusal::new(Code::StudyNotApproved, detail).into());
            }
            let proposal = &known.proposal;
            studies.may_run(&proposal.digest, &proposal.roster_digest, today)?;
            Ok(Verdict::Approve(approved_text(&known.standing)))
        }
        Choice::Decline(_) if known.standing == Standing::Recalled => {
            Err(Refusal::from(Code::StudyWithdrawn).into())
        }
        Choice::Decline(why) => Ok(Verdict::Decline(reason(why)?)),
        Choice::Withdraw(_)
            if !known.standing.is_approved()
                && !is_withdrawn(&known.standing)
                && !names_a_table(studies, known) =>
        {
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

/// Two sums over one question and nearly the same sites are a
/// statement about the sites that differ: a steward says yes to
/// that in so many words, or not at all. That holds for the
/// same study proposed again over other sites, too: where its
/// start is drawn from text and roster, every question of it is
/// another one.
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

/// Whether the latest decision names rows of a text in whose place this
/// one came: until the steward decides they stay.
fn names_a_table(studies: &Studies, known: &AtSite) -> bool {
    let word = studies.last_word(&known.proposal.study.id);
    word.is_some_and(|word| word.decision.frozen.is_some() && !studies.is_recalled(word))
}

fn is_same(standing: &Standing, verdict: &Verdict) -> bool {
    matches!(standing, Standing::Decided(signed) if signed.decision.verdict == *verdict)
}

/// The permit that a decision cites.
fn approved_text(standing: &Standing) -> String {
    match standing {
        Standing::Decided(signed) => signed.decision.verdict.text().to_owned(),
        Standing::Undecided | Standing::Recalled => String::new(),
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
    let lacks = decided.lacks.iter().map(|why| ("for you alone", why));
    let rows = decided.rows.iter().map(|rows| ("rows", rows));
    let rows: String = lacks
        .chain(rows)
        .map(|(what, text)| format!("\n  {what:<13}  {text}"))
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
