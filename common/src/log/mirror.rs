//! A site's own copy of a study's log, leaf by leaf, and what a leaf may say after those before it.
//! A node signs nothing about a log that it did not recompute and found to follow these rules:
//!
//! ```text
//! StudyOpen, once, as the site derives it
//!   `- for each question A:   Commit --> Release                 opened and published, for good
//!                             Commit --> Void                    opened and void, for good
//!                             Commit --> Abort --> Commit ..     nothing was opened: another attempt, same terms
//! Publication                 after a Release, of the state it came to; nothing after it
//! ```

use super::{Commit, Leaf, Log, Publication, Release, StudyOpen};
use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use crate::study::Study;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::message::Released;
use motet_secagg::note::{Checkpoint, Note};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves a log may have: far more than any study has rounds, so that nobody fills a site's disk.
pub const MOST_LEAVES: u64 = 1 << 20;

/// Bytes of a leaf at most: a set of as many sites as a sum may hold is a quarter of it.
pub const MOST_LEAF: usize = 64 * 1024;

/// Where a question stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The set with this T3 is committed and may be opened.
    Committed(Digest),
    /// Its attempt ended before anything was opened.
    Aborted,
    /// Its sum is public.
    Released,
    /// It was opened and its sum is void.
    Void,
}

/// A log as one site has seen it.
#[derive(Debug, Clone)]
pub struct Mirror {
    log: Log,
    opening: Vec<u8>,
    asked: BTreeMap<Digest, Asked>,
    /// T3 of every commitment, with the index of its leaf.
    commits: BTreeMap<Digest, (u64, Commit)>,
    /// Places of the releases, in order, and the state that the latest of them came to.
    releases: Vec<u64>,
    state_root: Digest,
    /// The publication of the latest release.
    published: Option<Publication>,
}

/// What a leaf changes, once it may stand where it is.
enum Step {
    Nothing,
    Asked(Digest, Asked),
    Commit(Commit),
    /// A question is answered, and the state is this one from now on.
    Release(Digest, Digest),
    Publication(Publication),
}

impl Mirror {
    /// Nothing seen yet of a study's log.
    pub fn new(study: &Study, roster: &Roster) -> Self {
        Self::empty(
            Log::of_study(study, roster),
            Leaf::StudyOpen(StudyOpen::of(study, roster)).to_bytes(),
        )
    }

    /// Nothing seen yet of an empty `log`, which must open with this leaf.
    pub fn empty(log: Log, opening: Vec<u8>) -> Self {
        Self {
            log,
            opening,
            asked: BTreeMap::new(),
            commits: BTreeMap::new(),
            releases: Vec::new(),
            state_root: Digest::default(),
            published: None,
        }
    }

    /// The leaves.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How many leaves were seen.
    pub fn size(&self) -> u64 {
        self.log.leaves().len() as u64
    }

    /// Where a question stands; nothing where no set of it was ever committed or given up.
    pub fn asked(&self, ask: &Digest) -> Option<Asked> {
        self.asked.get(ask).copied()
    }

    /// The commitment to a set.
    pub fn commit(&self, t3: &Digest) -> Option<&Commit> {
        self.commits.get(t3).map(|(_, commit)| commit)
    }

    /// The commitment to a set, with its place.
    pub fn committed(&self, t3: &Digest) -> Option<(u64, &Commit)> {
        self.commits.get(t3).map(|(index, commit)| (*index, commit))
    }

    /// The publication of the latest release, where it stands in the log.
    pub fn published(&self) -> Option<&Publication> {
        self.published.as_ref()
    }

    /// Root of the state that the latest release is said to lead to; nothing before the first.
    pub fn state_root(&self) -> Option<Digest> {
        (!self.releases.is_empty()).then_some(self.state_root)
    }

    /// Every commitment.
    pub fn commits(&self) -> impl Iterator<Item = &Commit> {
        self.commits.values().map(|(_, commit)| commit)
    }

    /// Whether every set that was ever committed for this question is of a line-up with these
    /// terms.
    pub fn keeps_terms(&self, ask: &Digest, pin: &Digest) -> bool {
        self.commits()
            .filter(|commit| commit.ask == *ask)
            .all(|commit| commit.pin == *pin)
    }

    /// Whether the commitment to a set stands among the leaves that a point of this log covers.
    pub fn covers(&self, point: &Checkpoint, t3: &Digest) -> bool {
        self.holds(point)
            && self
                .commits
                .get(t3)
                .is_some_and(|(index, _)| *index < point.size)
    }

    /// Index and hash of the latest release, or of the opening before the first.
    pub fn latest(&self) -> Option<(u64, Digest)> {
        self.release_before(self.size())
    }

    /// The latest release, with the hash of its leaf.
    pub fn latest_release(&self) -> Option<(Release, Digest)> {
        let (index, hash) = self.latest()?;
        let leaf = self.log.leaves().get(usize::try_from(index).ok()?)?;
        match Leaf::from_bytes(leaf) {
            Ok(Leaf::Release(release)) => Some((release, hash)),
            _ => None,
        }
    }

    /// Index and hash of the latest release before a place, or of the opening before the first.
    pub fn release_before(&self, place: u64) -> Option<(u64, Digest)> {
        let index = self
            .releases
            .iter()
            .rev()
            .find(|index| **index < place)
            .copied()
            .unwrap_or(0);
        Some((index, self.log.hash(index)?))
    }

    /// Whether this log, at that size, is the one a checkpoint tells of.
    pub fn holds(&self, point: &Checkpoint) -> bool {
        self.log.at(point.size).is_some_and(|known| known == *point)
    }

    /// Whether a release stands in this log, about the set that was committed before.
    ///
    /// # Errors
    /// `set_not_logged`.
    pub fn is_on_record(&self, released: &Released) -> Result<(), Refusal> {
        let leaf = self
            .log
            .leaves()
            .get(usize::try_from(released.release.index).unwrap_or(usize::MAX));
        let leaf = leaf
            .filter(|leaf| **leaf == released.release.leaf)
            .map(|leaf| Leaf::from_bytes(leaf));
        let told = matches!(leaf, Some(Ok(Leaf::Release(leaf))) if leaf.t3 == released.t3
            && leaf.aggregate == released.aggregate && leaf.state_root == released.state_root);
        let committed = self.commit(&released.t3).is_some_and(|commit| {
            commit
                .set
                .iter()
                .map(|(node, _)| *node)
                .eq(released.set.iter().copied())
        });
        if told && committed {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::SetNotLogged,
                "a release that the study's log does not hold",
            ))
        }
    }

    /// The point of a checkpoint that is signed by the log's key and tells of the leaves that were
    /// seen.
    ///
    /// # Errors
    /// `bad_signature`, or `log_inconsistent` when it tells of another log than the one this site
    /// knows, or of more.
    pub fn check(&self, note: &str, roster: &Roster) -> Result<Checkpoint, Refusal> {
        let point = self.signed(note, roster)?;
        if self.holds(&point) {
            Ok(point)
        } else {
            Err(self.inconsistent(&point))
        }
    }

    /// This copy, grown to a signed checkpoint by leaves that prove to follow. `news` are the
    /// leaves after those seen.
    ///
    /// # Errors
    /// `bad_signature`; `log_inconsistent` when the checkpoint is not over this site's leaves and
    /// the news, or a leaf breaks the rules: the coordinator then shows different logs, or would
    /// open a question twice.
    pub fn grown(&self, note: &str, news: &[Vec<u8>], roster: &Roster) -> Result<Self, Refusal> {
        let point = self.signed(note, roster)?;
        let mut grown = self.clone();
        for leaf in news {
            if grown.size() >= point.size.min(MOST_LEAVES) {
                break;
            }
            grown.push(leaf.clone())?;
        }
        if grown.holds(&point) {
            Ok(grown)
        } else {
            Err(self.inconsistent(&point))
        }
    }

    fn inconsistent(&self, point: &Checkpoint) -> Refusal {
        let detail = format!(
            "a checkpoint over {} leaves; this site saw {}",
            point.size,
            self.size()
        );
        Refusal::new(Code::LogInconsistent, detail)
    }

    fn signed(&self, note: &str, roster: &Roster) -> Result<Checkpoint, Refusal> {
        let origin = self.log.origin();
        let unsigned = || Refusal::new(Code::BadSignature, "a checkpoint of the study's log");
        let note: Note = note.parse().map_err(|_| unsigned())?;
        let point = note.verify(origin, &roster.log).map_err(|_| unsigned())?;
        if point.origin == origin {
            Ok(point.clone())
        } else {
            Err(unsigned())
        }
    }

    /// Takes in one leaf.
    ///
    /// # Errors
    /// `log_inconsistent` when it may not stand there; nothing changes then.
    pub fn push(&mut self, leaf: Vec<u8>) -> Result<(), Refusal> {
        let index = self.size();
        let step = self.step(&leaf, index);
        match step
            .map_err(|why| Refusal::new(Code::LogInconsistent, format!("leaf {index}: {why}")))?
        {
            Step::Nothing => {}
            Step::Asked(ask, asked) => {
                self.asked.insert(ask, asked);
            }
            Step::Release(ask, state_root) => {
                self.asked.insert(ask, Asked::Released);
                self.releases.push(index);
                (self.state_root, self.published) = (state_root, None);
            }
            Step::Publication(publication) => self.published = Some(publication),
            Step::Commit(commit) => {
                self.asked.insert(commit.ask, Asked::Committed(commit.t3));
                self.commits.insert(commit.t3, (index, commit));
            }
        }
        self.log.push(leaf);
        Ok(())
    }

    fn step(&self, leaf: &[u8], index: u64) -> Result<Step, &'static str> {
        if leaf.len() > MOST_LEAF {
            return Err("it is larger than any leaf has to be");
        }
        let Ok(read) = Leaf::from_bytes(leaf) else {
            return Err("it is no leaf");
        };
        match read {
            Leaf::StudyOpen(_) if index == 0 && leaf == self.opening => Ok(Step::Nothing),
            _ if index == 0 => Err("the study's opening is not the one this site derives"),
            Leaf::StudyOpen(_) => Err("a study opens once"),
            // Whoever cosigns a later tree would cosign the result with it.
            Leaf::Publication(_) if self.published.is_some() => {
                Err("two results are published of one state")
            }
            _ if self.published.is_some() => Err("the log goes on after its result"),
            Leaf::Commit(commit) => match self.asked(&commit.ask) {
                Some(Asked::Committed(_)) => Err("two sets are committed for one question"),
                Some(Asked::Released | Asked::Void) => {
                    Err("a question that was opened is committed again")
                }
                _ if self.commits.contains_key(&commit.t3) => {
                    Err("a transcript is committed twice")
                }
                _ if !self.keeps_terms(&commit.ask, &commit.pin) => {
                    Err("two line-ups for one question")
                }
                _ if !is_set(&commit) => {
                    Err("a committed set is not a sorted list of distinct sites")
                }
                _ => Ok(Step::Commit(commit)),
            },
            Leaf::Abort(abort) => match self.asked(&abort.ask) {
                // It stays opened: nobody who asked in vain opens it again.
                Some(Asked::Released | Asked::Void) => Ok(Step::Nothing),
                _ => Ok(Step::Asked(abort.ask, Asked::Aborted)),
            },
            Leaf::Void(ask) => match self.asked(&ask) {
                Some(Asked::Committed(_)) => Ok(Step::Asked(ask, Asked::Void)),
                _ => Err("a question is void that was not committed"),
            },
            Leaf::Release(release) => match self.commit(&release.t3) {
                Some(commit) if (commit.run, commit.round) != (release.run, release.round) => Err(
                    "a sum is released under another run or round than its set was committed in",
                ),
                Some(commit)
                    if self.releases.last()
                        > self.commits.get(&commit.t3).map(|(index, _)| index) =>
                {
                    Err("another sum is released between a set and its sum")
                }
                // Else a round could be left out of what is shown of a release, and nobody would
                // miss it.
                Some(_) if release.round != self.releases.len() as u64 + 1 => {
                    Err("a sum's round is not the one after the latest sum's")
                }
                Some(commit) if self.asked(&commit.ask) == Some(Asked::Committed(release.t3)) => {
                    Ok(Step::Release(commit.ask, release.state_root))
                }
                _ => Err("a sum is released whose set was not committed"),
            },
            Leaf::Publication(_) if self.releases.is_empty() => {
                Err("a result is published without a sum")
            }
            Leaf::Publication(publication) if publication.state_root == self.state_root => {
                Ok(Step::Publication(publication))
            }
            Leaf::Publication(_) => {
                Err("a result is published of another state than the latest sum's")
            }
        }
    }
}

fn is_set(commit: &Commit) -> bool {
    let nodes: BTreeSet<_> = commit.set.iter().map(|(node, _)| *node).collect();
    nodes.len() == commit.set.len() && commit.set.is_sorted_by(|a, b| a.0 < b.0)
}

#[cfg(test)]
mod tests;
