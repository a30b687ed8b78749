//! What must have come of a study's latest sum before anything follows from it, and how the study
//! ends: its one result, who cosigned it, and which sites have yet to hear.

use super::Book;
use motet_common::log::Leaf;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Checked, Cosignature, Stands};
use motet_secagg::sign::SecretKey;
use std::collections::BTreeMap;

impl Book {
    /// How many sites have yet to recompute the latest sum before anything may follow from it.
    pub(crate) fn checks_missing(&self) -> usize {
        self.due
            .map_or(0, |due| due.checks.saturating_sub(self.checked.len()))
    }

    /// Whether a site recomputed the latest sum, and says so for the first time.
    pub(crate) fn is_check(&self, checked: &Checked) -> bool {
        !self.checked.contains_key(&checked.node)
            && self
                .due
                .is_some_and(|due| due.counts(checked, self.roster()))
    }

    /// Whether the uploads with this T2 are still to be made a sum of by sites. They are handed out
    /// to sites no longer than that: beside them and what is public, an image of a hospital's
    /// memory would give its clear vector. It keeps few copies, not none: every site that made the
    /// sum again has had them, and operators fetch them while they are kept.
    pub(crate) fn sites_need(&self, t2: &Digest) -> bool {
        self.checks_missing() > 0 && self.uploads.last().is_some_and(|uploads| uploads.t2 == *t2)
    }

    /// Whether the uploads of the latest sum are kept for auditors only: no run goes on from it, or
    /// its result is fixed, and enough sites made it again.
    pub(crate) fn needs_no_uploads(&self) -> bool {
        (self.run.is_none() || self.publishing.is_some()) && self.checks_missing() == 0
    }

    /// The place of the result's leaf in the log, once it stands there.
    pub(crate) fn published(&self) -> Option<u64> {
        self.log.find(&self.publication_leaf()?)
    }

    /// The leaf that puts the result on record, once it is fixed.
    pub(crate) fn publication_leaf(&self) -> Option<Vec<u8>> {
        self.publication()
            .map(|publication| Leaf::Publication(publication).to_bytes())
    }

    /// Whether nothing of the study can change any more: then its sites cosign how it ended, and
    /// write their own reports.
    pub(crate) fn is_over(&self) -> bool {
        self.checks_missing() == 0
            && (self.published().is_some() || self.run.is_none())
            && matches!(self.chain.question(self.roster().entries.len()), Ok(None))
    }

    /// Cosignatures on the log as it stands now.
    pub(crate) fn cosigned(&self) -> BTreeMap<NodeId, Cosignature> {
        let point = self.log.point();
        let now = self
            .cosigned
            .iter()
            .filter(|(_, witnessed)| witnessed.point == point);
        now.map(|(node, witnessed)| (*node, witnessed.witness.cosignature))
            .collect()
    }

    /// Whether a site is to hear how the study stands, that of the latest sum and of the end,
    /// whenever it comes: it follows the study, and has not said yet that it knows. The study's
    /// last day may be over; how it ended may be cosigned all the same.
    pub(crate) fn is_late(&self, node: NodeId) -> bool {
        let knows = if self.is_over() {
            self.cosigned().contains_key(&node)
        } else if self.publishing.is_some() {
            self.remakes.has_same(node)
        } else {
            self.checked.contains_key(&node)
        };
        !knows && !self.past.is_empty() && !self.withdrawn && self.approved(node)
    }

    /// Where the study's log stands and who made the latest sum again, to be witnessed.
    pub(crate) fn stands(&self, key: &SecretKey) -> Stands {
        let checked = self.checked.values().cloned().collect();
        Stands {
            study: self.digest,
            checkpoint: self.log.checkpoint(key),
            checked,
        }
    }
}
