//! The rows over which a study is answered: read and frozen
//! before the steward's yes is signed, and kept where a yes
//! stands already.

use crate::data_desk::{Dataset, with_floor};
use crate::follower::{self, unanswerable};
use crate::frozen::{FINISHED, FrozenTable, History, Lock, Tables};
use crate::records::{self, FACTS, FROZEN, FrozenRecord, Kept};
use crate::studies::{Proposal, Studies};
use crate::{Home, NodeError, clock, openings};
use motet_common::chain::Chain;
use motet_common::log::{Asked, Leaf};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::pins::Fact;
use motet_common::study::Study;
use motet_data::Cohort;
use motet_proto::rng::rng;
use motet_recipes::Memory;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use std::collections::BTreeSet;

/// What a steward is told whose rows are too few.
const TOO_FEW: &str = "fewer rows are left than the study asks of a site; `motet-node data check DATA --study STUDY` says how many are left out, and for \
                       want of which column";

/// The patients of a study, for a decision.
pub(super) struct Patients {
    /// What the decision says of them.
    pub(super) name: Digest,
    /// When they were read, milliseconds since 1970-01-01 UTC.
    pub(super) when_ms: u64,
    /// Those that are not on disk yet.
    fresh: Option<FrozenTable>,
    /// Why they cannot answer, for the steward alone.
    pub(super) lacks: Option<String>,
}

impl Patients {
    /// Those that the steward's latest decision on this very
    /// proposal names; where none does, or its table is lost, those
    /// of the file as it is now, to which a link leads now.
    ///
    /// # Errors
    /// [`NodeError::Data`]; `data_changed` for other rows than
    /// those of a sum that was opened, or may be; `data_refused`
    /// where rows that are kept cannot answer any more.
    pub(super) async fn of(
        home: &Home,
        studies: &Studies,
        proposal: &Proposal,
        now: Moment,
    ) -> Result<Self, NodeError> {
        let history = History::read(&home.ledger).await?;
        if let Some(name) = history.named(studies, proposal)
            && let Some(stands) = standing_table(home, proposal, &history, name)?
        {
            return Ok(stands);
        }
        let table = read(home, proposal, now)?;
        let content = table.content(&Tables::of(home).content);
        let answered = match follower::first_answered(home, proposal, &history).await? {
            None => history.answered_last(&proposal.digest),
            first => first,
        };
        let is_other = answered.is_some_and(|answered| answered != content);
        if is_other && may_be_opened(home, proposal).await? {
            return Err(changed(&proposal.study.id).into());
        }
        Self::fresh(home, proposal, table)
    }

    /// Those of the file as it is now, whatever stands.
    ///
    /// # Errors
    /// As [`unopened`]; [`NodeError::Data`]; `data_refused` where
    /// they cannot answer.
    pub(super) async fn anew(
        home: &Home,
        proposal: &Proposal,
        now: Moment,
    ) -> Result<Self, NodeError> {
        unopened(home, proposal).await?;
        let anew = Self::fresh(home, proposal, read(home, proposal, now)?)?;
        match &anew.lacks {
            None => Ok(anew),
            Some(why) => Err(stays(why).into()),
        }
    }

    fn fresh(home: &Home, proposal: &Proposal, table: FrozenTable) -> Result<Self, NodeError> {
        Ok(Self {
            name: table.commitment(),
            when_ms: table.when_ms(),
            lacks: lacks(home, proposal, &table.cohort)?,
            fresh: Some(table),
        })
    }

    /// Those that a decision that stands names.
    fn standing(name: Digest, when_ms: u64) -> Self {
        Self {
            name,
            when_ms,
            fresh: None,
            lacks: None,
        }
    }

    /// Whether a decision that stands names them already.
    pub(super) fn stands(&self) -> bool {
        self.fresh.is_none()
    }

    /// Freezes them, before the decision that names them is signed:
    /// the file is whole on disk, and on record, when this returns.
    ///
    /// # Errors
    /// [`NodeError::File`], [`NodeError::Ledger`]; then nothing is
    /// to be signed.
    pub(super) async fn keep(
        &self,
        home: &Home,
        proposal: &Proposal,
        lock: &Lock,
    ) -> Result<(), NodeError> {
        let Some(table) = &self.fresh else {
            return Ok(());
        };
        let tables = Tables::of(home);
        tables.write(proposal, table, lock)?;
        let kept = Kept {
            when_ms: self.when_ms,
            id: proposal.study.id.clone(),
            study: proposal.digest,
            roster: proposal.roster_digest,
            table: self.name,
            content: table.content(&tables.content),
            ends: proposal.study.ends,
        };
        records::append(&home.ledger, FROZEN, &FrozenRecord::Kept(kept))
            .await
            .map(drop)
    }
}

/// What a steward is told of the rows that are kept.
pub(super) fn rows_text(read_ms: u64, study: &Study) -> String {
    format!(
        "your rows were read on {} and are kept sealed until the study is finished, or you \
         withdraw; else they go within two days after \
         {}, while the node runs. What changes in \
         your file after that reading changes nothing",
        clock::text(read_ms),
        study.ends
    )
}

/// The table that the standing decision names: nothing where it
/// is lost, and is to be made anew. Where the study is finished
/// nothing is asked of it any more.
fn standing_table(
    home: &Home,
    proposal: &Proposal,
    history: &History,
    name: Digest,
) -> Result<Option<Patients>, NodeError> {
    if let Some(deleted) = history.deleted(&name) {
        if deleted.why != FINISHED {
            return Ok(None);
        }
        let Some(when_ms) = history.read_at(&name) else {
            return Err(unread(&proposal.study.id).into());
        };
        return Ok(Some(Patients::standing(name, when_ms)));
    }
    match Tables::of(home).open(proposal, &name) {
        Ok(table) => match lacks(home, proposal, &table.cohort)? {
            // What the sealed file says, and not what may be on record.
            None => Ok(Some(Patients::standing(name, table.when_ms()))),
            Some(why) => Err(stays(&why).into()),
        },
        Err(lost) if lost.code == Code::TableLost => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// The refusal where nobody knows when rows were read.
fn unread(id: &str) -> Refusal {
    Refusal::broken(format!(
        "the ledger says that the frozen table of study `{id}` was deleted, and not when its rows \
         were read: `motet-node ledger verify` says what else it lacks"
    ))
}

/// The refusal of a decision where rows do not do and others
/// are kept: a decline would delete them, and after the first
/// sum for good. Whoever wants that withdraws.
fn stays(why: &str) -> Refusal {
    Refusal::new(
        Code::DataRefused,
        format!(
            "this site could not answer: {why}. Nothing was signed: the approval and the frozen \
             table stand as they were; `motet-node study withdraw` ends both"
        ),
    )
}

/// The rows of the file as it is now.
fn read(home: &Home, proposal: &Proposal, now: Moment) -> Result<FrozenTable, NodeError> {
    let study = &proposal.study;
    let dataset = Dataset::find(&home.paths, &study.data.dataset)?;
    dataset.fits(study, &home.settings.limits.floors)?;
    let tables = Tables::of(home);
    tables.is_of_the_node(home)?;
    let key = home.state_key.derive(openings::KEY);
    let (cohort, reading) = dataset.cohort(study, &tables.patients, |file| {
        openings::reading_of(&dataset, file, &key)
    })?;
    Ok(FrozenTable::taken(cohort, reading, now.ms))
}

/// Why rows cannot answer a study, too few of them, or values
/// that the method refuses, is decided here and once, by the
/// answer to the first question, before anybody else hears of
/// it: afterwards a node that cannot answer for a reason in its
/// rows is a site that is away.
fn lacks(home: &Home, proposal: &Proposal, cohort: &Cohort) -> Result<Option<String>, NodeError> {
    let study = &proposal.study;
    let floors = &home.settings.limits.floors;
    Dataset::find(&home.paths, &study.data.dataset)?.fits(study, floors)?;
    if cohort.too_few(&with_floor(study, floors)).is_some() {
        return Ok(Some(TOO_FEW.to_owned()));
    }
    let chain = Chain::start(study, &proposal.roster);
    let Some(question) = chain.question(proposal.roster.entries.len())? else {
        return Ok(None);
    };
    let answer = chain.recipe().answer(
        chain.state(),
        &question,
        &cohort.rows(),
        &Memory::default(),
        &mut rng(),
    );
    Ok(answer
        .err()
        .map(|error| unanswerable(&error, cohort, study)))
}

/// Other rows may take the place of the frozen ones.
///
/// # Errors
/// `table_in_use` once the study's first sum was opened, or may
/// be.
pub(super) async fn unopened(home: &Home, proposal: &Proposal) -> Result<(), NodeError> {
    if !may_be_opened(home, proposal).await? {
        return Ok(());
    }
    let id = &proposal.study.id;
    let detail = format!(
        "the first sum of study `{id}` was opened, or may be: this site's masked numbers for \
         it have left, and nothing that this site has \
         seen of the study's log says that they \
         came to nothing"
    );
    Err(Refusal::new(Code::TableInUse, detail).into())
}

/// Whether the study's first sum was opened, or may be: this
/// site's masked numbers may have left for it, and the log, as
/// this site has seen it, does not say that the attempt came to
/// nothing.
async fn may_be_opened(home: &Home, proposal: &Proposal) -> Result<bool, NodeError> {
    if !follower::absorbed(home, proposal).await?.is_empty() {
        return Ok(true);
    }
    let ask = Chain::start(&proposal.study, &proposal.roster).ask_key();
    let log = follower::mirror(home, proposal).await?;
    if !matches!(log.asked(&ask), None | Some(Asked::Aborted)) {
        return Ok(true);
    }
    let mut ended = BTreeSet::new();
    for leaf in log.log().leaves() {
        if let Ok(Leaf::Abort(abort)) = Leaf::from_bytes(leaf)
            && abort.ask == ask
        {
            ended.insert(abort.attempt);
        }
    }
    let facts = records::read::<Fact>(&home.ledger, FACTS).await?;
    Ok(facts.iter().any(|fact| match fact {
        Fact::Joined(_) => false,
        Fact::Masked(masked) => masked.ask == ask && !ended.contains(&masked.attempt),
        // Whatever the log says of it later: others may have opened
        // what was signed.
        Fact::Signed((of, _)) | Fact::Spent((of, _)) => *of == ask,
    }))
}

/// The refusal of other rows than those of an opened sum. It is
/// for this site's own eyes.
fn changed(id: &str) -> Refusal {
    Refusal::new(
        Code::DataChanged,
        format!(
            "a sum of study `{id}` was opened, or may be, over other rows of this site than \
             those of now (or in another order, where \
             the schema names no `key`), and the \
             frozen ones are gone; nothing was signed, and nothing was told to anybody"
        ),
    )
}
