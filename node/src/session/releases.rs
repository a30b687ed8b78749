//! From a release to the next state: fetched, checked like any other,
//! absorbed; and the site's own report at the end.

use super::study::Study;
use crate::downloads::{Fetched, Held};
use crate::follower;
use crate::follower::Work;
use crate::frozen::{FINISHED, History, Tables};
use crate::link::{Again, Broken, Link};
use crate::openings::Beside;
use crate::studies::Proposal;
use crate::{NodeError, local};
use motet_common::audit::Audit;
use motet_common::log::Log;
use motet_common::refusal::{Code, Refusal};
use motet_proto::rng::rng;
use motet_recipes::Outcome;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Checked, Message, Released};
use motet_secagg::secret::scrubbed;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NOT_FOLLOWED: &str = "a release is not followed";

impl Study {
    /// A release: of the attempt under way, or a hint that something
    /// was missed.
    pub(super) async fn released(
        &mut self,
        link: &Link,
        run: RunId,
        released: &Released,
    ) -> Result<(), Broken> {
        let attempt = self.follower.attempt.as_ref();
        let is_own = attempt.is_some_and(|attempt| {
            let terms = attempt.member.terms();
            attempt.run == run
                // A release of a run names the plan.
                && terms.plan_root() == released.plan
        });
        if is_own {
            return self.own_released(link, released).await;
        }
        let proposal = &self.follower.proposal;
        let origin = &released.release.point.origin;
        if Log::of_study(&proposal.study, &proposal.roster).origin() != origin {
            // Of a run of this study, and not of its log: an attempt
            // that is over here.
            return Ok(());
        }
        if self.is_behind(released).await? {
            let id = &proposal.study.id;
            let text = format!(
                "study {id}: the coordinator's latest release is one that this site is beyond: \
                    its record was put back from an older \
                 copy; propose the study anew, under another id"
            );
            return Ok(self.shared.say("log-inconsistent", &text).await?);
        }
        match self.catch_up(link, &released.state_root).await {
            Ok(()) => self.tell_checked(link, run, released).await,
            Err(broken) => self.shared.say_broken(NOT_FOLLOWED, broken).await,
        }
    }

    async fn own_released(&mut self, link: &Link, released: &Released) -> Result<(), Broken> {
        let message = Message::Released(released.clone());
        match self.handle(&message, &Beside::default()) {
            Ok(acts) => self.act(link, acts).await,
            Err(refusal) => {
                let what = "a release was refused";
                Ok(self.shared.say_refused(what, &refusal).await?)
            }
        }
    }

    /// Whether this site has absorbed the release and a later one: a
    /// coordinator whose latest it is has lost what followed.
    async fn is_behind(&self, released: &Released) -> Result<bool, NodeError> {
        if self.follower.chain.root() == released.state_root {
            return Ok(false);
        }
        let past = follower::absorbed(&self.shared.home, &self.follower.proposal).await?;
        Ok(past
            .iter()
            .any(|absorbed| absorbed.released.leaf_hash() == released.leaf_hash()))
    }

    /// Absorbs the releases this node has missed on its way to a state,
    /// each by evidence that counts; the latest of them it makes again,
    /// for nothing vouches for that one yet. Where this node is there
    /// already, only that is left to do.
    pub(super) async fn catch_up(&mut self, link: &Link, root: &Digest) -> Result<(), Broken> {
        if self.follower.chain.root() == *root {
            if let Some(latest) = &self.follower.latest
                && latest.due.is_some()
                && !latest.checked
            {
                return self.check_latest(link).await;
            }
            // It is there, and nothing is left to do.
            return Ok(());
        }
        while self.follower.chain.root() != *root {
            let study = self.follower.proposal.digest;
            let round = self.follower.chain.round();
            let missed = self.meanwhile(link, link.releases(&study, round)).await?;
            if missed.is_empty() {
                break;
            }
            for (left, next) in (0..missed.len()).rev().zip(&missed) {
                self.take_in(link, next, left == 0).await?;
                if self.follower.chain.root() == *root {
                    break;
                }
            }
        }
        self.finish().await?;
        Ok(self.forget_if_past().await?)
    }

    /// An attempt at a question that is answered meanwhile is over: its
    /// secrets and vectors go.
    async fn forget_if_past(&mut self) -> Result<(), NodeError> {
        let here = self.follower.chain.root();
        match &self.follower.attempt {
            Some(attempt) if attempt.member.terms().plan().state_root != here => {
                self.forget().await
            }
            _ => Ok(()),
        }
    }

    /// Makes the latest sum again that was absorbed without.
    async fn check_latest(&mut self, link: &Link) -> Result<(), Broken> {
        // The one on this site's own record: whoever was asked for it
        // could name another, whose sum is the true one.
        let past = follower::absorbed(&self.shared.home, &self.follower.proposal).await?;
        let latest = past.last().map(|absorbed| absorbed.released.clone());
        let latest = latest
            .ok_or_else(|| Refusal::broken("a sum is to be checked, and none is on record"))?;
        self.hold_for(&latest);
        let checked = self.recompute(link, &latest).await;
        self.let_go_of(&checked);
        let checked = checked?;
        if let Some(latest) = self.follower.latest.as_mut() {
            latest.checked = checked;
        }
        Ok(())
    }

    /// What is fetched for a release stays until it is taken in, over a
    /// broken line too.
    fn hold_for(&mut self, released: &Released) {
        let digests = [released.aggregate, released.evidence, released.root()];
        if self.held.as_ref().is_none_or(|held| !held.is_of(&digests)) {
            self.held = Some(Held::new(&self.shared.downloads, digests));
        }
    }

    /// It is not kept, however taking it in went, but where the line
    /// broke.
    fn let_go_of<T>(&mut self, taken: &Result<T, Broken>) {
        if matches!(taken, Ok(_) | Err(Broken::Own(_))) {
            self.held = None;
        }
    }

    pub(super) async fn absorb(
        &mut self,
        link: &Link,
        run: RunId,
        released: &Released,
    ) -> Result<(), Broken> {
        let latest = self.follower.latest.as_ref();
        if latest.is_some_and(|latest| latest.release == released.leaf_hash()) {
            // Absorbed before the attempt was forgotten: a stop came
            // between the two.
            return self.tell_checked(link, run, released).await;
        }
        if let Err(broken) = self.take_in(link, released, true).await {
            return self.shared.say_broken(NOT_FOLLOWED, broken).await;
        }
        self.tell_checked(link, run, released).await?;
        Ok(self.finish().await?)
    }

    /// One release: in the log, by evidence that counts, the sum it
    /// names, made again where it is the latest, and the state that
    /// follows from it.
    async fn take_in(
        &mut self,
        link: &Link,
        released: &Released,
        again: bool,
    ) -> Result<(), Broken> {
        self.hold_for(released);
        let taken = self.fetch_and_absorb(link, released, again).await;
        self.let_go_of(&taken);
        taken
    }

    async fn fetch_and_absorb(
        &mut self,
        link: &Link,
        released: &Released,
        again: bool,
    ) -> Result<(), Broken> {
        self.sync_log(link, &released.release.checkpoint).await?;
        let shared = Arc::clone(&self.shared);
        let downloads = &shared.downloads;
        let both = async {
            tokio::try_join!(
                link.fetch(released.evidence, downloads),
                link.fetch(released.aggregate, downloads),
            )
        };
        let (evidence, sum) = self.meanwhile(link, both).await?;
        let evidence = handed_out(released.evidence, evidence)?;
        let (_, due) = self.follower.audit(released, &evidence)?;
        let checked = again && due.is_some() && self.recompute(link, released).await?;
        let sum = handed_out(released.aggregate, sum)?;
        let home = &self.shared.home;
        let absorbed = self
            .follower
            .absorb(home, released, &evidence, &sum, checked);
        Ok(absorbed.await?)
    }

    /// Makes a sum again from the masked uploads and the opened secrets
    /// (ruling R3). False when the uploads are not handed out any more:
    /// then this site does not vouch for the sum, and goes on only
    /// where t others have.
    async fn recompute(&mut self, link: &Link, released: &Released) -> Result<bool, Broken> {
        let shared = Arc::clone(&self.shared);
        let downloads = &shared.downloads;
        let root = released.root();
        let again = match downloads.verdict(&root) {
            Some(again) => again,
            None => {
                let fetching = link.fetch(released.evidence, downloads);
                let evidence = self.meanwhile(link, fetching).await?;
                let evidence = handed_out(released.evidence, evidence)?;
                let proposal = Arc::clone(&self.follower.proposal);
                let audit = Audit::of(released, &evidence, &proposal.roster)?;
                let making = link.recompute(&proposal.digest, root, audit, downloads);
                self.meanwhile(link, making).await?
            }
        };
        match again {
            Again::Same => Ok(true),
            Again::NotKept => {
                let text = "a sum could not be made again: its uploads are not handed out";
                self.shared.say("not-checked", text).await?;
                Ok(false)
            }
            Again::Wrong(refusal) => {
                let text = format!("the released sum could not be made again: {refusal}");
                self.shared.say("sum-mismatch", &text).await?;
                Err(refusal.into())
            }
        }
    }

    /// Says that this site made the latest sum again.
    async fn tell_checked(
        &mut self,
        link: &Link,
        run: RunId,
        released: &Released,
    ) -> Result<(), Broken> {
        let latest = self.follower.latest.as_ref();
        let due = latest.filter(|latest| {
            latest.checked && latest.due.is_some() && latest.release == released.leaf_hash()
        });
        let Some(latest) = due else {
            // It did not, or nobody waits for that.
            return Ok(());
        };
        let home = &self.shared.home;
        let checked = Checked::sign(latest.release, home.node(), &home.identity);
        self.tell(link, run, &Message::Checked(checked)).await
    }

    /// When the recipe is finished, and enough sites have made the last
    /// sum again, the site's own report is written for its steward, and the
    /// frozen table goes.
    pub(super) async fn finish(&mut self) -> Result<(), NodeError> {
        let follower = &self.follower;
        let sound = follower
            .latest
            .is_some_and(|latest| latest.may_be_used().is_ok());
        if !sound || !matches!(follower.chain.question(3), Ok(None)) {
            return Ok(());
        }
        self.close().await
    }

    /// Writes the report and deletes the table. Where the report cannot be
    /// written for a reason that may pass, the table stays: it is tried
    /// again when the result is heard of next, and goes after the study's
    /// last day in any case.
    pub(super) async fn close(&mut self) -> Result<(), NodeError> {
        let follower = &mut self.follower;
        let work = follower.work(&self.shared.home, &self.shared.memories);
        // Nothing more is asked: the patients do not stay in memory,
        // nor what the recipe kept.
        follower.cohort = None;
        let proposal = Arc::clone(&follower.proposal);
        self.shared.memories.forget(&proposal.digest)?;
        let home = &self.shared.home;
        let history = History::read(&home.ledger).await?;
        let table = follower.frozen;
        let Some(table) = table.filter(|table| history.deleted(table).is_none()) else {
            // It was finished before.
            follower.own = None;
            return Ok(());
        };
        let path = home.paths.local(&proposal.study.id);
        let own = follower.own.clone();
        if !local::is_of(&path, &proposal.digest)
            && !self.report(work, own, &proposal, path).await?
        {
            return Ok(());
        }
        self.follower.own = None;
        let home = &self.shared.home;
        Tables::of(home)
            .delete(&home.ledger, &history, &table, FINISHED)
            .await
    }

    /// Writes the site's own report; false where it may be written later.
    async fn report(
        &self,
        work: Work,
        own: Option<Outcome>,
        proposal: &Arc<Proposal>,
        path: PathBuf,
    ) -> Result<bool, NodeError> {
        let id = &proposal.study.id;
        let site = self.shared.home.settings.site.clone();
        let of = Arc::clone(proposal);
        let written = tokio::task::spawn_blocking(move || {
            scrubbed(|| write_report(work, own.as_ref(), &of, &site, &path))
        });
        let (is_over, what) = match written.await {
            Ok(written) => match written? {
                None => (true, "this site's own report is written".to_owned()),
                Some(why) if is_of_the_rows(why.code) => (
                    true,
                    format!("this site's own report is not written: {why}"),
                ),
                Some(why) => {
                    let text = format!(
                        "this site's own report is not written yet, and its frozen table \
                         stays, at the longest until the study's last day is over: {why}"
                    );
                    (false, text)
                }
            },
            Err(error) => {
                let what = "this site's own report could not be made";
                let text = format!("study {id} is finished; {what} ({error})");
                self.shared.say("internal", &text).await?;
                return Ok(false);
            }
        };
        let text = format!("study {id} is finished; {what}");
        self.shared.say("finished", &text).await?;
        Ok(is_over)
    }
}

/// Whether a report will never be written for this reason: it lies in the
/// frozen rows, which do not change.
fn is_of_the_rows(why: Code) -> bool {
    matches!(
        why,
        Code::TooFewRows | Code::TableLost | Code::DataChanged | Code::RecipeFailed
    )
}

/// The bytes of a blob that was fetched. That the coordinator has not
/// got it is the study's affair: the connection and other studies go
/// on.
fn handed_out(digest: Digest, fetched: Fetched) -> Result<Arc<Vec<u8>>, Refusal> {
    match fetched {
        Fetched::Whole(bytes) => Ok(bytes),
        Fetched::Gone(why) => {
            let detail = format!("the coordinator does not hand out blob `{digest}`: {why}");
            Err(Refusal::new(Code::ReleaseUnknown, detail))
        }
    }
}

/// Writes the site's own report; why not, where its patients cannot be
/// read any more.
fn write_report(
    mut work: Work,
    own: Option<&Outcome>,
    proposal: &Proposal,
    site: &str,
    path: &Path,
) -> Result<Option<Refusal>, NodeError> {
    let cohort = match work.cohort() {
        Ok(cohort) => cohort,
        Err(why) => return Ok(Some(why)),
    };
    let alone = work.alone(&mut rng()).ok();
    let comparison = work.compare(&mut rng());
    let subject = local::Subject {
        site,
        study: &proposal.study.id,
        digest: proposal.digest,
        recipe: proposal.study.recipe.kind(),
        rows: cohort.used.saturating_sub(cohort.rows_held_out()),
        rows_held_out: cohort.held_out.is_some().then(|| cohort.rows_held_out()),
    };
    let report = local::report(&subject, alone.as_ref(), own, comparison.as_ref());
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(NodeError::file("make", parent))?;
    local::set_aside(path)?;
    let text = format!("{report:#}\n");
    std::fs::write(path, text).map_err(NodeError::file("write", path))?;
    Ok(None)
}

#[cfg(test)]
#[path = "releases_tests.rs"]
mod tests;
