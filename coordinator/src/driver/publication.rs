//! What must happen between a sum and what follows from it: enough sites recompute it; a result's
//! checkpoint is shown to its witnesses; and the uploads stay until nobody needs them.

use super::{Driver, now};
use crate::book::{Book, Uploads};
use crate::entries::{End, StudyEntry};
use crate::folding;
use crate::members::disk;
use crate::pause::{Pause, Reason};
use crate::publish;
use crate::shared::Shared;
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::witness_quorum;
use motet_ledger::Spool;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Checked, Message, Remade, Witnessed};

/// How long a result waits for the cosignatures of the sites that are connected.
const WITNESS_PATIENCE_MS: u32 = 10_000;
/// The uploads behind a run's last sum stay this long after it.
const LAST_UPLOADS_DAYS: u32 = 7;
const DAY_MS: u32 = 24 * 60 * 60 * 1000;

impl Driver {
    /// A site says that it made the latest sum again.
    pub(super) async fn checked(&mut self, checked: Checked) -> Result<(), Refusal> {
        if !self.book.is_check(&checked) {
            return Ok(());
        }
        let was_over = self.book.is_over();
        self.record(StudyEntry::Checked(checked), None).await?;
        self.show_end(was_over);
        Ok(())
    }

    /// Nothing follows from a sum before t sites have recomputed it (ruling R3): false while they
    /// are awaited.
    pub(super) async fn wait_for_checks(&mut self) -> Result<bool, Refusal> {
        let until = self
            .waiting_since
            .after(self.book.study.rounds.join_s.saturating_mul(1000));
        if now() >= until {
            self.end_run(Code::TooFewChecks, "").await?;
            return Ok(false);
        }
        self.ask_for_checks();
        let set = self.book.chain.set().iter();
        let awaited: Vec<NodeId> = set
            .filter(|node| !self.book.checked.contains_key(node))
            .copied()
            .collect();
        let reason = Reason::Checks(self.book.checks_missing());
        Ok(self.hold(Pause {
            reason,
            awaited,
            until: Some(until),
        }))
    }

    /// Tells of the latest sum, once, the sites that are here and not in it: whoever is in it has
    /// heard, and any may check.
    fn ask_for_checks(&mut self) {
        let latest = self.book.due.map(|due| due.release);
        if std::mem::replace(&mut self.asked_for, latest) == latest {
            return;
        }
        let here = self.shared.hub.present();
        let idle = |node: &NodeId| {
            here.contains(node)
                && self.book.approved(*node)
                && !self.book.chain.set().contains(node)
        };
        self.book
            .roster()
            .nodes()
            .filter(idle)
            .for_each(|node| self.tell_missed(node));
    }

    /// Fixes the result; its leaf then enters the log, and the checkpoint over it goes to the
    /// sites.
    pub(super) async fn publish(&mut self) -> Result<bool, Refusal> {
        let governance = self.shared.keys.governance.fingerprint();
        let written = publish::write(&self.book, governance)?;
        for (_, bytes) in &written.files {
            self.shared.ledger.put_blob(bytes).await.map_err(disk)?;
        }
        // On record before a site sees it: a stop between the two must not make another result of
        // the same state.
        self.record(StudyEntry::Publishing(written.publishing), None)
            .await?;
        Ok(true)
    }

    /// A site made the folder of the result again.
    pub(super) async fn remade(&mut self, remade: Remade) -> Result<(), Refusal> {
        if self.book.is_remake(&remade) {
            self.record(StudyEntry::Remade(remade), None).await?;
        }
        Ok(())
    }

    /// The result enters the log when enough sites have made its folder again, and not before: with
    /// fewer, readers would have the coordinator's word.
    fn wait_for_remakes(&mut self) -> bool {
        if !self.drafted {
            self.drafted = true;
            let nodes: Vec<NodeId> = self.book.roster().nodes().collect();
            nodes.iter().for_each(|node| self.tell_missed(*node));
        }
        let awaited = self
            .book
            .roster()
            .nodes()
            .filter(|node| self.book.approved(*node) && !self.book.remakes.has_same(*node))
            .collect();
        self.hold(Pause {
            reason: Reason::Remakes(self.book.remakes_missing()),
            awaited,
            until: None,
        })
    }

    /// Shows a site how the study stands at its end.
    pub(super) fn ask_witness(&self, node: NodeId) {
        let Some(run) = self.book.latest_run() else {
            return;
        };
        if self.book.is_late(node) && self.book.is_over() {
            self.shared.hub.tell(
                node,
                run,
                &Message::Stands(self.book.stands(&self.shared.keys.log)),
            );
        }
    }

    /// Shows all sites how the study stands at its end.
    pub(super) fn ask_witnesses(&self) {
        self.book
            .roster()
            .nodes()
            .for_each(|node| self.ask_witness(node));
    }

    /// Shows all sites the end that has just come, where a run was over before its last sum had its
    /// checks, or ended without a result: nothing else would tell those that are connected.
    pub(super) fn show_end(&self, was_over: bool) {
        if !was_over && self.book.is_over() {
            self.ask_witnesses();
        }
    }

    /// A site cosigned a checkpoint.
    pub(super) async fn witnessed(
        &mut self,
        node: NodeId,
        witnessed: &Witnessed,
    ) -> Result<(), Refusal> {
        let Some(entry) = self.book.roster().entry(node) else {
            return Ok(());
        };
        let point = self.book.log.point();
        let genuine = witnessed.witness.node == node
            && witnessed.point == point
            && point.is_cosigned_by(&entry.witness, &witnessed.witness.cosignature);
        if genuine && self.book.is_over() && !self.book.cosigned().contains_key(&node) {
            self.record(StudyEntry::Witnessed(witnessed.clone()), None)
                .await?;
        }
        Ok(())
    }

    /// Hands the result out once every connected site that takes part has cosigned, or patience has
    /// ended; the manifest says how many.
    pub(super) async fn publish_when_witnessed(&mut self) -> Result<bool, Refusal> {
        let Some(publishing) = self.book.publishing.clone() else {
            return Ok(false);
        };
        if self.book.published().is_none() {
            if self.book.remakes_missing() > 0 {
                return Ok(self.wait_for_remakes());
            }
            let leaf = self.book.publication_leaf().ok_or(Code::Storage)?;
            self.put_leaf(leaf).await?;
            self.waiting_since = now();
            self.ask_witnesses();
        }
        let removed = self.shared.members.removed_nodes().await;
        let present = self.shared.hub.present();
        // A site that did not approve does not follow the study's log.
        let cosigned = self.book.cosigned();
        let here = |node: &NodeId| {
            present.contains(node) && !removed.contains(node) && self.book.approved(*node)
        };
        let awaited: Vec<NodeId> = self
            .book
            .roster()
            .nodes()
            .filter(|node| here(node) && !cosigned.contains_key(node))
            .collect();
        let until = self.waiting_since.after(WITNESS_PATIENCE_MS);
        if !awaited.is_empty() && now() < until {
            return Ok(self.hold(Pause {
                reason: Reason::Witnesses,
                awaited,
                until: Some(until),
            }));
        }
        let roster = self.book.roster();
        let (witnesses, colluders) = (cosigned.len(), usize::from(roster.colluders));
        if witnesses <= colluders {
            // So few may all work with a coordinator that lies: nobody would take the result from
            // them.
            let awaited = roster
                .nodes()
                .filter(|node| !cosigned.contains_key(node))
                .collect();
            return Ok(self.hold(Pause {
                reason: Reason::Witnesses,
                awaited,
                until: None,
            }));
        }
        let quorum = witness_quorum(roster.entries.len(), colluders);
        if witnesses < quorum {
            tracing::warn!(study = %self.book.study.id, witnesses, quorum,
                "the result is published with fewer witnesses than a quorum");
        }
        let (name, manifest) = publish::manifest(&self.book, &self.shared, &publishing)?;
        let manifest = (
            name,
            self.shared.ledger.put_blob(&manifest).await.map_err(disk)?,
        );
        let files = publishing
            .files
            .into_iter()
            .map(|file| (file.name, file.sha256));
        let remade_by = self.book.remade_by();
        self.run_ended(End::Released, &remade_by, files.chain([manifest]).collect())
            .await?;
        Ok(false)
    }

    /// Removes uploads of the present attempt.
    pub(super) async fn drop_uploads(&self, of: impl Fn(NodeId) -> bool) {
        let Some(uploads) = self.book.spooled.last() else {
            return;
        };
        let nodes = uploads
            .nodes
            .iter()
            .copied()
            .filter(|node| of(*node))
            .collect();
        remove(
            &self.shared,
            &Uploads {
                nodes,
                ..uploads.clone()
            },
        )
        .await;
    }
}

/// Removes uploads that nobody needs: those of attempts that gave no sum at once, those of sums as
/// [`kept_until`] says.
pub(super) async fn sweep_uploads(shared: &Shared, book: &mut Book) {
    if book.run.as_ref().is_none_or(|run| run.round.is_none()) {
        for uploads in std::mem::take(&mut book.spooled) {
            remove(shared, &uploads).await;
        }
    }
    let all = std::mem::take(&mut book.uploads);
    let ends: Vec<_> = kept_until(
        &all,
        shared.config.retain_uploads_days,
        book.needs_no_uploads(),
    )
    .collect();
    for (uploads, end) in all.into_iter().zip(ends) {
        let stay = end.is_none_or(|end| now() < end);
        if stay {
            book.uploads.push(uploads)
        } else {
            remove(shared, &uploads).await
        }
    }
}

async fn remove(shared: &Shared, uploads: &Uploads) {
    for node in &uploads.nodes {
        let name = folding::spool_name(&uploads.t2, *node);
        // A spool that cannot be removed now is in nobody's way.
        let _ = Spool::remove(&shared.spools(), &name).await;
    }
}

/// Until when the uploads of each sum stay, `retained` days at least, nothing for as long as they
/// are needed: those of a sum until the next is there, unless they are kept for auditors; those of
/// a run's last sum a week.
pub(super) fn kept_until(
    uploads: &[Uploads],
    retained: u32,
    is_over: bool,
) -> impl Iterator<Item = Option<Moment>> {
    let last = uploads.len().saturating_sub(1);
    uploads.iter().enumerate().map(move |(index, uploads)| {
        let days = if index == last {
            retained.max(LAST_UPLOADS_DAYS)
        } else {
            retained
        };
        let end = uploads
            .at
            .ms
            .saturating_add(u64::from(days) * u64::from(DAY_MS));
        (index != last || is_over).then_some(Moment { ms: end })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::digest::Digest;

    #[test]
    fn uploads_of_a_sum_stay_until_the_next_and_those_of_the_last_a_week() {
        let days = |days: u64| days * u64::from(DAY_MS);
        let sum = |at: u64| Uploads {
            t2: Digest::default(),
            nodes: Vec::new(),
            at: Moment { ms: at },
        };
        let ends = |retained: u32, is_over: bool| -> Vec<Option<u64>> {
            let uploads = [1, 2, 3].map(sum);
            kept_until(&uploads, retained, is_over)
                .map(|end| end.map(|end| end.ms))
                .collect()
        };
        assert_eq!(
            ends(0, false),
            [Some(1), Some(2), None],
            "the run goes on from the last"
        );
        assert_eq!(ends(0, true), [Some(1), Some(2), Some(3 + days(7))]);
        assert_eq!(
            ends(30, true),
            [1, 2, 3].map(|at| Some(at + days(30))),
            "kept for auditors"
        );
    }
}
