//! The folder of a finished study, made again at this site before it is
//! on record, and this site's word that it is the same.

use super::study::Study;
use crate::follower::{Follower, ending};
use crate::link::{Broken, Link};
use crate::records::{self, REMADE, Remade as Record};
use crate::{NodeError, clock};
use motet_common::checks::may_remake;
use motet_common::log::{Leaf, Publication};
use motet_common::refusal::{Code, Refusal};
use motet_release::FORMAT;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use motet_secagg::message::{Draft, MadeOf, Message, NotRemade, Remade};

/// How far the coordinator's clock may differ from what this site has
/// on record.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Releases of one state that are made again: a coordinator shows
/// another one after a restore, or in another form.
const MOST_DRAFTS: usize = 16;

/// What came of a draft.
enum Came {
    /// The folder is the same.
    Same,
    /// This file of it is not; or this site writes folders in another
    /// form.
    Other(String),
}

impl Study {
    /// Makes the folder again that the coordinator would put on record.
    pub(super) async fn draft(
        &mut self,
        link: &Link,
        run: RunId,
        draft: &Draft,
    ) -> Result<(), Broken> {
        const WHAT: &str = "a release is not made again";
        let publication = match Leaf::from_bytes(&draft.publication) {
            Ok(Leaf::Publication(publication)) => publication,
            _ => {
                let malformed = Code::Malformed.into();
                return Ok(self.shared.say_refused(WHAT, &malformed).await?);
            }
        };
        let came = match self.remake(link, draft, &publication).await {
            Ok(came) => came,
            Err(broken) => {
                let refusal = broken.refusal()?;
                let proposal = &self.follower.proposal;
                // The steward ended the wait for it.
                if self.shared.objection_to_the_end(proposal).await.is_some() {
                    return Ok(self.shared.say_refused(WHAT, &refusal).await?);
                }
                // Why is this site's affair; that it is so, the
                // operator must know.
                Came::Other(format!("{WHAT}: {refusal}"))
            }
        };
        let answer = match came {
            Came::Same => self.remade(&publication)?,
            Came::Other(what) => {
                self.shared.say("release-differs", &what).await?;
                Message::NotRemade(NotRemade {
                    study: draft.stands.study,
                    publication: publication.leaf_hash(),
                    format: FORMAT,
                })
            }
        };
        self.tell(link, run, &answer).await
    }

    /// This site's word on a folder that it has made again.
    fn remade(&self, publication: &Publication) -> Result<Message, Refusal> {
        let latest = self.follower.latest.as_ref();
        let latest =
            latest.ok_or_else(|| Refusal::broken("a folder was made again from no sum"))?;
        let of = MadeOf {
            study: self.follower.proposal.digest,
            roster: self.follower.proposal.roster_digest,
            release: latest.release,
            publication: publication.leaf_hash(),
        };
        let home = &self.shared.home;
        let remade = Remade::sign(&of, home.node(), &home.identity);
        Ok(Message::Remade(remade))
    }

    async fn remake(
        &mut self,
        link: &Link,
        draft: &Draft,
        publication: &Publication,
    ) -> Result<Came, Broken> {
        self.shown(link, &draft.stands).await?;
        let id = &self.follower.proposal.study.id;
        if publication.format != FORMAT {
            return Ok(Came::Other(format!(
                "the release of study {id} is written in format {}, \
                    and this software writes {FORMAT}: it is not signed here",
                publication.format
            )));
        }
        self.is_of_record(publication)?;
        let differs = self.differs(publication, Some(draft.files.clone()));
        Ok(differs.await?.map_or(Came::Same, |what| {
            Came::Other(format!(
                "{what} of the release of study {id} \
                    is not what follows from its sums at \
                    this site: it is not signed here; \
                 tell the operator and keep this node's folder"
            ))
        }))
    }

    /// That a publication is of the run and the state that this site
    /// has followed, and its times not beyond what it has on record.
    fn is_of_record(&self, publication: &Publication) -> Result<(), Refusal> {
        let follower = &self.follower;
        let latest = follower.latest.as_ref();
        may_remake(&follower.log, latest, follower.is_finished(), publication)?;
        let takes_part = follower.chain.set().contains(&self.shared.home.node());
        let arrived = takes_part.then_some(follower.proposal.when_ms);
        within_a_day(publication, arrived, clock::now().ms)
    }

    /// What of a folder is not as this site makes it. That it is the
    /// same is on record before anybody hears it; it is not made a
    /// second time.
    async fn differs(
        &self,
        publication: &Publication,
        shown: Option<Vec<(String, Digest)>>,
    ) -> Result<Option<String>, NodeError> {
        let home = &self.shared.home;
        let record = Record {
            study: self.follower.proposal.digest,
            state_root: publication.state_root,
            publication: publication.leaf_hash(),
        };
        let before: Vec<Record> = records::read(&home.ledger, REMADE).await?;
        if before.contains(&record) {
            return Ok(None);
        }
        let of_state =
            |of: &&Record| (of.study, of.state_root) == (record.study, record.state_root);
        if before.iter().filter(of_state).count() >= MOST_DRAFTS {
            let what = "more releases of one state are shown than any coordinator has to";
            return Err(Refusal::new(Code::ReleaseMismatch, what).into());
        }
        let governance = home.governance.fingerprint();
        let differs = made(&self.follower, publication, governance, shown).await?;
        if differs.is_none() {
            records::append(&home.ledger, REMADE, &record).await?;
        }
        Ok(differs)
    }

    /// Where the log holds a result in the form that this site writes,
    /// this site's word that its folder is the one that it makes.
    ///
    /// # Errors
    /// `release_mismatch` where it is not.
    pub(super) async fn holds_own_result(&self) -> Result<Option<Message>, NodeError> {
        let Some(publication) = self.follower.log.published().cloned() else {
            // There is no result yet.
            return Ok(None);
        };
        self.is_of_record(&publication)?;
        if publication.format != FORMAT {
            // Whether t sites made it, its readers see.
            return Ok(None);
        }
        match self.differs(&publication, None).await? {
            None => Ok(Some(self.remade(&publication)?)),
            Some(what) => {
                let detail = format!(
                    "{what} of the release in the log is not what follows from its sums here"
                );
                Err(Refusal::new(Code::ReleaseMismatch, detail).into())
            }
        }
    }
}

/// The first file of those shown that is not the same when it is made
/// again, or what else differs from the publication.
async fn made(
    follower: &Follower,
    publication: &Publication,
    governance: Digest,
    shown: Option<Vec<(String, Digest)>>,
) -> Result<Option<String>, NodeError> {
    let (proposal, chain) = (follower.proposal.clone(), follower.chain.clone());
    let publication = publication.clone();
    let made = tokio::task::spawn_blocking(move || {
        let ending = ending(&proposal, &chain, governance, &publication);
        ending.difference(&publication, shown.as_deref())
    });
    let made = made.await.map_err(|_| Refusal::from(Code::RecipeFailed))?;
    Ok(made.map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))?)
}

/// That the coordinator's times are not beyond what this site has on
/// record by more than a day: where it takes part, the study had
/// arrived before the last sum was there.
fn within_a_day(publication: &Publication, arrived: Option<u64>, now: u64) -> Result<(), Refusal> {
    let started = publication.started.ms;
    let finished = publication.finished.ms;
    let since = arrived.map_or(0, |arrived| arrived.saturating_sub(DAY_MS));
    if started <= finished && (since..=now.saturating_add(DAY_MS)).contains(&finished) {
        Ok(())
    } else {
        let what = "its times are more than a day from what this site has on record";
        Err(Refusal::new(Code::ReleaseMismatch, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::moment::Moment;
    use motet_secagg::id::RunId;

    #[test]
    fn the_times_of_a_release_are_within_a_day_of_what_a_site_has_on_record() {
        const ARRIVED: u64 = 100 * DAY_MS;
        const NOW: u64 = 110 * DAY_MS;
        let told = |started: u64, finished: u64, arrived: Option<u64>| {
            let publication = Publication {
                format: FORMAT,
                run: RunId([1; 16]),
                started: Moment { ms: started },
                finished: Moment { ms: finished },
                files: Digest::default(),
                state_root: Digest::default(),
                unchecked: 0,
                last_checked: true,
            };
            within_a_day(&publication, arrived, NOW).is_ok()
        };
        let part = Some(ARRIVED);
        assert!(told(ARRIVED, NOW, part));
        // A run that had waited for the sites for weeks.
        assert!(told(ARRIVED - 20 * DAY_MS, ARRIVED, part));
        assert!(told(ARRIVED, NOW + DAY_MS, part));
        assert!(!told(ARRIVED, NOW + DAY_MS + 1, part), "not yet");
        assert!(!told(0, ARRIVED - DAY_MS - 1, part), "before it arrived");
        assert!(told(0, ARRIVED - DAY_MS - 1, None), "a site of no sum");
        assert!(!told(NOW, NOW - 1, part), "ends before it began");
    }
}
