//! What the line and the studies of a node share: the folder, the
//! steward's decisions, the facts, the sets that were signed, and the
//! one way to a line for the steward.

use super::given_up::GivenUp;
use super::inbox::MOST_BYTES;
use crate::downloads::Downloads;
use crate::drill::Drill;
use crate::frozen::Tables;
use crate::link::{Broken, Link, remove_masked};
use crate::memory::Memories;
use crate::openings::Openings;
use crate::records::{self, FACTS};
use crate::settings::Limits;
use crate::studies::{Proposal, Studies};
use crate::vault::Vault;
use crate::{Home, NodeError, clock, output, switch};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::refused;
use motet_common::round::pins::{Fact, Pins};
use motet_common::study::Date;
use motet_secagg::digest::Digest;
use motet_secagg::message::{Plan, SignedPlan};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex as Brief, MutexGuard, PoisonError};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};

pub(super) struct Shared {
    pub(super) home: Home,
    pub(super) vault: Vault,
    /// Opened once: whoever opens the folder sweeps it of what is
    /// half-written there, another study's as well.
    pub(super) memories: Memories,
    pub(super) drill: Option<Drill>,
    pub(super) studies: Mutex<Studies>,
    /// The sets that were signed. Whoever is to sign one holds them
    /// until it is on record: two studies over the same data that
    /// decided at once would not know of each other.
    pub(super) openings: Mutex<Openings>,
    pub(super) downloads: Downloads,
    /// Bytes of messages that may still come before one is heard.
    waiting: Arc<Semaphore>,
    pins: Brief<Pins>,
    /// Attempts that were given up here and of which the coordinator
    /// has not heard that.
    given_up: Brief<VecDeque<GivenUp>>,
    /// The last line said, so that a long outage is one line and not a
    /// thousand.
    last_said: Mutex<String>,
    /// Up to which decision, and on which day, frozen tables that have no
    /// place any more were looked for last.
    swept: Brief<Option<(u64, Date)>>,
    /// Whether the switch was off at the last look; every look is news.
    stopped: watch::Sender<bool>,
}

impl Shared {
    pub(super) async fn open(home: Home, drill: Option<Drill>) -> Result<Arc<Self>, NodeError> {
        let vault = Vault::open(&home.paths.vault(), &home.state_key)?;
        let memories = Memories::open(&home)?;
        let mut pins = Pins::default();
        for fact in records::read::<Fact>(&home.ledger, FACTS).await? {
            pins.apply(&fact);
        }
        let studies = Studies::read(&home).await?;
        let openings = Openings::read(&home).await?;
        Ok(Arc::new(Self {
            home,
            vault,
            memories,
            drill,
            studies: Mutex::new(studies),
            openings: Mutex::new(openings),
            downloads: Downloads::default(),
            waiting: Arc::new(Semaphore::new(MOST_BYTES)),
            pins: Brief::new(pins),
            given_up: Brief::default(),
            last_said: Mutex::default(),
            swept: Brief::default(),
            stopped: watch::Sender::new(false),
        }))
    }

    /// One line for the steward, on record and on the terminal; never
    /// the same line twice in a row.
    pub(super) async fn say(&self, code: &str, text: &str) -> Result<(), NodeError> {
        let mut last = self.last_said.lock().await;
        if *last == text {
            return Ok(());
        }
        text.clone_into(&mut last);
        let now = clock::now();
        output::line(format!("{} {code}: {text}", clock::text(now.ms)));
        records::event(&self.home.ledger, now.ms, code, text).await
    }

    pub(super) async fn say_refused(&self, what: &str, refusal: &Refusal) -> Result<(), NodeError> {
        self.say("refused", &format!("{what}: {refusal}")).await
    }

    /// A refusal is the study's affair: it is said, and the connection
    /// goes on.
    ///
    /// # Errors
    /// Whatever else it is.
    pub(super) async fn say_broken(&self, what: &str, broken: Broken) -> Result<(), Broken> {
        let refusal = broken.refusal()?;
        Ok(self.say_refused(what, &refusal).await?)
    }

    /// Room for a message of that many bytes until it was heard.
    ///
    /// # Errors
    /// Where too much waits already: the line is over, and the
    /// coordinator says it again over the next.
    pub(super) fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Broken> {
        let full = || {
            Broken::Line(format!(
                "more than {MOST_BYTES} bytes of messages wait here"
            ))
        };
        let bytes = u32::try_from(bytes).map_err(|_| full())?;
        let room = Arc::clone(&self.waiting).try_acquire_many_owned(bytes);
        room.map_err(|_| full())
    }

    /// What this site may never do twice.
    pub(super) fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the command line decided, for all studies. True
    /// where the node is stopped.
    pub(super) async fn look(&self) -> Result<bool, NodeError> {
        let is_stopped = switch::is_stopped(&self.home.ledger).await?;
        let mut studies = self.studies.lock().await;
        studies.read_on(&self.home.ledger).await?;
        // An editor may be about to write it: nothing leaves meanwhile,
        // and nothing is given up for that.
        let _unread = studies.read_settings(&self.home.paths);
        self.sweep(&mut studies).await?;
        drop(studies);
        self.stopped.send_replace(is_stopped);
        Ok(is_stopped)
    }

    /// Deletes frozen tables that have no place any more, where something
    /// was decided or the day turned since the last time.
    async fn sweep(&self, studies: &mut Studies) -> Result<(), NodeError> {
        let today = clock_day();
        let last = *self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if last == Some((studies.version(), today)) {
            return Ok(());
        }
        let tables = Tables::of(&self.home);
        let swept = tables.sweep(&self.home.ledger, studies, clock::now());
        let is_swept = match swept.await {
            Ok(is_swept) => is_swept,
            // Nothing else waits for that: it is tried when something is
            // decided, or the day turns.
            Err(error @ NodeError::File { .. }) => {
                let text = format!("a frozen table that is over could not be deleted: {error}");
                self.say("not-deleted", &text).await?;
                true
            }
            Err(error) => return Err(error),
        };
        if is_swept {
            let now = Some((studies.version(), today));
            *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
        Ok(())
    }

    /// Hears of every look from now on.
    pub(super) fn looks(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }

    /// Why nothing of the study goes on, as of the last look.
    pub(super) async fn objection(&self, proposal: &Proposal, today: Date) -> Option<Refusal> {
        if *self.stopped.borrow() {
            return Some(Code::SiteStopped.into());
        }
        let studies = self.studies.lock().await;
        let roster = &proposal.roster_digest;
        let may = studies.may_run(&proposal.digest, roster, today);
        may.err()
    }

    /// The frozen table that the study is answered from, as of the last
    /// look.
    pub(super) async fn frozen(&self, proposal: &Proposal) -> Option<Digest> {
        self.studies.lock().await.frozen(&proposal.digest)
    }

    /// As [`Shared::objection`], for what ended meanwhile may be
    /// followed to its end.
    pub(super) async fn objection_to_the_end(&self, proposal: &Proposal) -> Option<Refusal> {
        let last_day = self.studies.lock().await.last_day(proposal);
        self.objection(proposal, clock_day().min(last_day)).await
    }

    /// Whether the steward lets the study go on, asked of the ledger
    /// and node.toml as they are now: then the site's limits for it, and
    /// the frozen table that it is answered from.
    pub(super) async fn may(
        &self,
        proposal: &Proposal,
        day: impl FnOnce(Date) -> Date,
    ) -> Result<Result<(Limits, Option<Digest>), Refusal>, NodeError> {
        if switch::is_stopped(&self.home.ledger).await? {
            return Ok(Err(Code::SiteStopped.into()));
        }
        let mut studies = self.studies.lock().await;
        studies.read_on(&self.home.ledger).await?;
        if let Err(refusal) = studies.read_settings(&self.home.paths) {
            return Ok(Err(refusal));
        }
        let today = day(studies.last_day(proposal));
        let may = studies.may_run(&proposal.digest, &proposal.roster_digest, today);
        Ok(may.map(|_| {
            let study = &proposal.digest;
            (studies.limits(study).limits, studies.frozen(study))
        }))
    }

    /// Notes an attempt that was given up, for the coordinator to hear,
    /// and says so to the steward.
    pub(super) async fn gave_up(&self, plan: &Plan, why: &Refusal) -> Result<(), NodeError> {
        // Nobody is to hear anything of a site that was removed.
        if why.code != Code::SiteRevoked {
            self.to_be_told(plan, why);
        }
        let what = format!("round {} of study {} is given up", plan.round, plan.study);
        self.say("given-up", &format!("{what}: {why}")).await
    }

    /// Notes an attempt that does not go on here, for the coordinator
    /// to hear.
    pub(super) fn to_be_told(&self, plan: &Plan, why: &Refusal) {
        self.waiting().push_back(GivenUp::of(plan, why));
    }

    /// Nobody is to hear of what was given up.
    pub(super) fn tell_nobody(&self) {
        self.waiting().clear();
    }

    /// Tells the coordinator of attempts that were given up: it need
    /// not wait for this site.
    pub(super) async fn tell_given_up(&self, link: &Link) -> Result<(), Broken> {
        loop {
            let Some(given_up) = self.waiting().pop_front() else {
                return Ok(());
            };
            let GivenUp {
                id,
                round,
                run,
                said,
            } = &given_up;
            if let Err(broken) = link.tell(id, *round, *run, said).await {
                self.waiting().push_front(given_up);
                return Err(broken);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<GivenUp>> {
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses a plan of a study that is not answered. What leaves is
    /// on record under the study's digest then.
    pub(super) async fn refuse_plan(
        &self,
        link: &Link,
        signed: &SignedPlan,
        refusal: &Refusal,
    ) -> Result<(), Broken> {
        let plan = &signed.plan;
        let what = format!("round {} of study {}", plan.round, plan.study);
        self.say_refused(&what, refusal).await?;
        let said = refused(plan.root(), refusal);
        link.tell(&plan.study_digest.short(), 0, plan.run, &said)
            .await
    }

    /// Wipes what an attempt left in the vault and on disk.
    pub(super) async fn wipe(&self, plan: &Digest) -> Result<(), NodeError> {
        self.vault.forget(plan)?;
        remove_masked(&self.home, plan).await
    }

    #[cfg(test)]
    pub(super) fn untold(&self) -> usize {
        self.waiting().len()
    }

    #[cfg(test)]
    pub(super) async fn last_said(&self) -> String {
        self.last_said.lock().await.clone()
    }
}

/// Today, in UTC.
pub(super) fn clock_day() -> Date {
    clock::day(clock::now())
}
