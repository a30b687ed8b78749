//! The folder of a finished study, made again at this site before it is on record, and this site's
//! word that it is the same.

use super::{Away, Session};
use crate::follower::{Follower, ending};
use crate::link::Link;
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

/// How far the coordinator's clock may differ from what this site has on record.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What came of a draft.
enum Came {
    /// The folder is the same.
    Same,
    /// This file of it is not; or this site writes folders in another form.
    Other(String),
}

impl Session {
    /// Makes the folder again that the coordinator would put on record.
    pub(super) async fn draft(
        &mut self,
        link: &Link,
        run: RunId,
        draft: &Draft,
    ) -> Result<(), Away> {
        let study = draft.stands.study;
        const WHAT: &str = "a release is not made again";
        if !self.follow_to_the_end(link, &study, WHAT).await? {
            return Ok(());
        }
        let publication = match Leaf::from_bytes(&draft.publication) {
            Ok(Leaf::Publication(publication)) => publication,
            _ => return self.say_refused(WHAT, &Code::Malformed.into()).await,
        };
        let came = match self.remake(link, draft, &publication).await {
            Err(Away::Node(NodeError::Refused(refusal))) => {
                return self.say_refused(WHAT, &refusal).await;
            }
            came => came?,
        };
        let answer = match came {
            Came::Same => self.remade(&study, &publication),
            Came::Other(what) => {
                self.say("release-differs", &what).await?;
                Some(Message::NotRemade(NotRemade {
                    study,
                    publication: publication.leaf_hash(),
                    format: FORMAT,
                }))
            }
        };
        match answer {
            Some(answer) => self.tell(link, &study, run, &answer).await,
            None => Ok(()),
        }
    }

    /// This site's word on a folder that it has made again.
    fn remade(&self, study: &Digest, publication: &Publication) -> Option<Message> {
        let follower = self.followers.get(study)?;
        let of = MadeOf {
            study: *study,
            roster: follower.proposal.roster_digest,
            release: follower.latest.as_ref()?.release,
            publication: publication.leaf_hash(),
        };
        let remade = Remade::sign(&of, self.home.node(), &self.home.identity);
        Some(Message::Remade(remade))
    }

    pub(super) async fn say_refused(&mut self, what: &str, refusal: &Refusal) -> Result<(), Away> {
        Ok(self.say("refused", &format!("{what}: {refusal}")).await?)
    }

    async fn remake(
        &mut self,
        link: &Link,
        draft: &Draft,
        publication: &Publication,
    ) -> Result<Came, Away> {
        let study = draft.stands.study;
        self.shown(link, &draft.stands).await?;
        let Some(follower) = self.followers.get(&study) else {
            return Err(Refusal::new(Code::ReleaseUnknown, "the study is not followed").into());
        };
        let id = &follower.proposal.study.id;
        if publication.format != FORMAT {
            return Ok(Came::Other(format!(
                "the release of study {id} is written in format {}, and this software writes {FORMAT}: it is not signed here",
                publication.format
            )));
        }
        may_remake(
            &follower.log,
            follower.latest.as_ref(),
            follower.is_finished(),
            publication,
        )?;
        let takes_part = follower.chain.set().contains(&self.home.node());
        let arrived = takes_part.then_some(follower.proposal.when_ms);
        within_a_day(publication, arrived, clock::now().ms)?;
        let id = id.clone();
        let differs = self.differs(&study, publication, Some(draft.files.clone()));
        Ok(differs.await?.map_or(Came::Same, |what| {
            Came::Other(format!(
                "{what} of the release of study {id} is not what follows from its sums at this site: it is not signed here; \
                 tell the operator and keep this node's folder"
            ))
        }))
    }

    /// What of a folder is not as this site makes it. That it is the same is on record before
    /// anybody hears it; it is not made a second time.
    async fn differs(
        &mut self,
        study: &Digest,
        publication: &Publication,
        shown: Option<Vec<(String, Digest)>>,
    ) -> Result<Option<String>, NodeError> {
        let record = Record {
            study: *study,
            state_root: publication.state_root,
            publication: publication.leaf_hash(),
        };
        let before: Vec<Record> = records::read(&self.home.ledger, REMADE).await?;
        if before.contains(&record) {
            return Ok(None);
        }
        let Some(follower) = self.followers.get(study) else {
            return Err(Refusal::from(Code::StudyUnknown).into());
        };
        let governance = self.home.governance.fingerprint();
        let differs = made(follower, publication, governance, shown).await?;
        if differs.is_none() {
            records::append(&self.home.ledger, REMADE, &record).await?;
        }
        Ok(differs)
    }

    /// Where the log holds a result in the form that this site writes, this site's word that its
    /// folder is the one that it makes.
    ///
    /// # Errors
    /// `release_mismatch` where it is not.
    pub(super) async fn holds_own_result(
        &mut self,
        study: &Digest,
    ) -> Result<Option<Message>, Away> {
        let log = self.followers.get(study).map(|follower| &follower.log);
        let published = log.and_then(|log| log.published()).cloned();
        let Some(publication) = published.filter(|of| of.format == FORMAT) else {
            return Ok(None);
        };
        match self.differs(study, &publication, None).await? {
            None => Ok(self.remade(study, &publication)),
            Some(what) => {
                let detail = format!(
                    "{what} of the release in the log is not what follows from its sums here"
                );
                Err(Refusal::new(Code::ReleaseMismatch, detail).into())
            }
        }
    }
}

/// The first file of those shown that is not the same when it is made again, or what else differs
/// from the publication.
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

/// That the coordinator's times are not beyond what this site has on record by more than a day:
/// where it takes part, the study had arrived when the run began.
fn within_a_day(publication: &Publication, arrived: Option<u64>, now: u64) -> Result<(), Refusal> {
    let (started, finished) = (publication.started.ms, publication.finished.ms);
    let since = arrived.map_or(0, |arrived| arrived.saturating_sub(DAY_MS));
    if since <= started && started <= finished && finished <= now.saturating_add(DAY_MS) {
        Ok(())
    } else {
        let what = "its times are more than a day from what this site has on record";
        Err(Refusal::new(Code::ReleaseMismatch, what))
    }
}
