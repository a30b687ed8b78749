//! Sums that this site has absorbed and does not have any more: a file was damaged or removed. The
//! coordinator has them too, and a digest tells whether it is the same one. Until it is here again
//! its study waits, and no other.

use super::{Away, Session};
use crate::NodeError;
use crate::follower::Follower;
use crate::link::Link;
use crate::studies::Proposal;
use motet_common::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;

impl Session {
    /// The study, opened. Where a sum is lacking it is fetched first, and the message at hand is
    /// heard again when it has come.
    ///
    /// # Errors
    /// [`Away::Later`]; a refusal where the coordinator does not hand it out either.
    pub(super) async fn follow(
        &mut self,
        link: &Link,
        study: &Digest,
        proposal: Proposal,
    ) -> Result<&mut Follower, Away> {
        while !self.followers.contains_key(study) {
            let opened = self.follower(study, proposal.clone()).await.map(drop);
            let Err(error) = opened else { break };
            let Some(lacking) = error.lacks() else {
                return Err(error.into());
            };
            if self.downloads.blob(&lacking).is_none() && !self.coming.awaits(*study, &lacking) {
                self.refuse_what_is_gone(&lacking)?;
                self.say(
                    "blob-damaged",
                    &format!("study {}: {error}; it is fetched again", proposal.study.id),
                )
                .await?;
                let link = link.clone();
                let downloads = self.downloads.clone();
                let fetching = async move { link.fetch(lacking, &downloads).await };
                self.coming.fetch(*study, lacking, fetching);
            }
            let is_back = self.put_back(&lacking, &proposal.study.id).await?;
            if !is_back && self.coming.awaits(*study, &lacking) {
                return Err(Away::Later(*study));
            }
        }
        Ok(self.follower(study, proposal).await?)
    }

    /// Takes up open attempts that lacked a sum when the node started.
    pub(super) async fn restore_lacking(&mut self, link: &Link) -> Result<(), Away> {
        for name in std::mem::take(&mut self.lacking).into_keys() {
            let mut lacking = self.restore_sealed(&name).await?;
            while let Some(blob) = lacking {
                link.fetch(blob, &self.downloads).await?;
                if !self.put_back(&blob, "of an open attempt").await? {
                    // It stays sealed: the next connection tries again.
                    break;
                }
                self.lacking.remove(&name);
                lacking = self.restore_sealed(&name).await?;
            }
        }
        Ok(())
    }

    /// Puts a blob that has come among this site's own; false when it has not.
    async fn put_back(&mut self, lacking: &Digest, study: &str) -> Result<bool, NodeError> {
        let Some(bytes) = self.downloads.blob(lacking) else {
            return Ok(false);
        };
        self.downloads.forget(&[*lacking]);
        if Digest::of_file(&bytes) != *lacking {
            let why = "what the coordinator handed out is another sum".to_owned();
            self.downloads.refuse(*lacking, why);
            return Ok(false);
        }
        self.home.ledger.put_blob(&bytes).await?;
        self.say(
            "blob-mended",
            &format!("study {study}: blob `{lacking}` is here again"),
        )
        .await?;
        Ok(true)
    }

    /// A refusal is the study's affair: it is said, and the connection goes on.
    pub(super) async fn refused_one(&mut self, away: Away, what: &str) -> Result<(), Away> {
        match away {
            Away::Node(NodeError::Refused(refusal)) => {
                Ok(self.say("refused", &format!("{what}: {refusal}")).await?)
            }
            away => Err(away),
        }
    }

    fn refuse_what_is_gone(&self, lacking: &Digest) -> Result<(), Refusal> {
        let Some(why) = self.downloads.refused(lacking) else {
            return Ok(());
        };
        let detail = format!(
            "blob `{lacking}` is damaged or missing here, and the coordinator does not hand it out: {why}"
        );
        Err(Refusal::new(Code::Storage, detail))
    }
}
