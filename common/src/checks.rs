//! That enough sites have made a sum again from the masked uploads (ruling R3): how many must,
//! whose word counts, and what waits for it. A site deals no shares after a sum that lacks them,
//! cosigns no publication of it, and writes no report.

use crate::log::{Mirror, Publication};
use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use motet_secagg::digest::Digest;
use motet_secagg::evidence::{RECOMPUTED_BYTES, masked_bytes};
use motet_secagg::layout::Layout;
use motet_secagg::mask::Shape;
use motet_secagg::message::Checked;

/// What is due of a sum before anybody goes on from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// H, the hash of its `Release` leaf.
    pub release: Digest,
    /// Sites that must have made it again: t of its plan.
    pub checks: usize,
}

impl Due {
    /// What is due of a sum of that many sites, each with a vector of this layout, whose plan asked
    /// for `threshold` openers. Nothing where the sum is too large for every site to fetch its
    /// uploads.
    pub fn of(release: Digest, threshold: usize, layout: &Layout, sites: usize) -> Option<Self> {
        let small = masked_bytes(&Shape::of(layout), sites) <= RECOMPUTED_BYTES;
        small.then_some(Self {
            release,
            checks: threshold,
        })
    }

    /// Whether this is the word of a site of the roster about this very sum.
    pub fn counts(&self, checked: &Checked, roster: &Roster) -> bool {
        let entry = roster.entry(checked.node);
        checked.release == self.release
            && entry.is_some_and(|entry| checked.is_signed_by(&entry.identity))
    }

    /// Whether enough different sites have made the sum again; what does not count is passed over.
    ///
    /// # Errors
    /// `plan_rejected` when they are not sorted by node, or one is there twice; `too_few_checks`.
    pub fn met_by(&self, checked: &[Checked], roster: &Roster) -> Result<(), Refusal> {
        if !checked.is_sorted_by(|a, b| a.node < b.node) {
            let what = "the checks of the last sum are not sorted, or repeated";
            return Err(Refusal::new(Code::PlanRejected, what));
        }
        let count = checked
            .iter()
            .filter(|checked| self.counts(checked, roster))
            .count();
        if count >= self.checks {
            Ok(())
        } else {
            Err(Code::TooFewChecks.into())
        }
    }
}

/// The latest sum as a site knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// H, the hash of its `Release` leaf.
    pub release: Digest,
    /// What is due before anything follows from it; nothing where it is too large for that.
    pub due: Option<Due>,
    /// Whether this site has made it again.
    pub checked: bool,
    /// How many sums up to this one were too large for that.
    pub unchecked: u64,
    /// Whether this site has seen that enough have.
    met: bool,
}

impl Latest {
    /// A sum that was just absorbed, after another one or as the first.
    pub fn after(before: Option<&Self>, release: Digest, due: Option<Due>, checked: bool) -> Self {
        let unchecked = before.map_or(0, |before| before.unchecked) + u64::from(due.is_none());
        Self {
            release,
            due,
            checked,
            unchecked,
            met: false,
        }
    }

    /// Takes in what sites say of it. What is not enough, or about another sum, changes nothing.
    pub fn hear(&mut self, checked: &[Checked], roster: &Roster) {
        self.met |= self
            .due
            .is_some_and(|due| due.met_by(checked, roster).is_ok());
    }

    /// Whether a result may rest on it.
    ///
    /// # Errors
    /// `too_few_checks`.
    pub fn may_be_used(&self) -> Result<(), Refusal> {
        if self.due.is_none() || self.met {
            Ok(())
        } else {
            Err(Code::TooFewChecks.into())
        }
    }
}

/// Whether a site makes the folder of a result again that is not in the log yet: of the state that
/// its own log has come to, of the run of its last sum, and after a last sum that enough sites have
/// made again.
///
/// # Errors
/// `release_mismatch`, `too_few_checks`.
pub fn may_remake(
    log: &Mirror,
    latest: Option<&Latest>,
    is_finished: bool,
    publication: &Publication,
) -> Result<(), Refusal> {
    let mismatch = |what: &str| Err(Refusal::new(Code::ReleaseMismatch, what));
    let Some(latest) = latest.filter(|_| is_finished) else {
        return mismatch("a result is shown of a study that has a further question");
    };
    if log.published().is_some_and(|result| result != publication) {
        return mismatch("the log holds another result");
    }
    let last = log.latest_release();
    let Some((release, _)) = last.filter(|(_, hash)| *hash == latest.release) else {
        return mismatch("the log holds a release that this site does not follow");
    };
    if (release.run, release.state_root) != (publication.run, publication.state_root) {
        return mismatch("a result is shown of another sum than the latest");
    }
    if (publication.unchecked, publication.last_checked) != (latest.unchecked, latest.due.is_some())
    {
        return mismatch("the result tells other sums that were too large to be made again");
    }
    latest.may_be_used()
}

/// Whether a site cosigns a log whose leaves it has seen: only where it has absorbed every release
/// in it, the latest being `latest`, and a result only of a recipe that is finished, by a last sum
/// that enough sites have made again. A cosignature tells readers that what stands in the log
/// holds.
///
/// # Errors
/// `release_mismatch` when the log holds a release or a result that this site does not come to;
/// `too_few_checks`.
pub fn may_cosign(log: &Mirror, latest: Option<&Latest>, is_finished: bool) -> Result<(), Refusal> {
    if log.state_root().is_some()
        && log.latest().map(|(_, hash)| hash) != latest.map(|latest| latest.release)
    {
        return mismatch("the log holds a release that this site does not follow");
    }
    match (log.published(), latest) {
        (None, _) => Ok(()),
        (Some(result), Some(latest)) if is_finished => {
            if (result.unchecked, result.last_checked) != (latest.unchecked, latest.due.is_some()) {
                return mismatch(
                    "the result tells other sums that were too large to be made again",
                );
            }
            latest.may_be_used()
        }
        (Some(_), _) => mismatch("a result is published of a study that has a further question"),
    }
}

fn mismatch(what: &str) -> Result<(), Refusal> {
    Err(Refusal::new(Code::ReleaseMismatch, what))
}
