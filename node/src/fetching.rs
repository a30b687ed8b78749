//! Downloads over a line that may break: a blob from the byte
//! where it stopped, the uploads of a sum from their next
//! row.

use crate::downloads::{Downloads, Fetched, Part};
use crate::link::{Again, Broken, Link, in_time, why};
use motet_common::audit::Audit;
use motet_common::refusal::{Code, Refusal};
use motet_proto::refusal::refusal;
use motet_proto::uploads::{Gathering, UploadsError};
use motet_proto::v1::FetchRequest;
use motet_secagg::digest::Digest;

impl Link {
    /// Fetches a public blob by its digest, unless it is whole in
    /// `downloads` already. That the coordinator does not have it,
    /// whole, is no failure of the line: other studies go on over it.
    ///
    /// # Errors
    /// Why it could not be fetched; what has arrived is kept.
    pub(crate) async fn fetch(
        &self,
        digest: Digest,
        downloads: &Downloads,
    ) -> Result<Fetched, Broken> {
        if let Some(whole) = downloads.blob(&digest) {
            return Ok(Fetched::Whole(whole));
        }
        let _turn = downloads.turn().await?;
        let mut part = downloads.part(digest, self.resumes());
        Ok(match self.fetch_rest(&digest, &mut part).await? {
            None => Fetched::Whole(part.done()),
            Some(refused) => Fetched::Gone(refused.detail),
        })
    }

    /// The rest of a blob; the refusal where it is damaged or missing
    /// at the coordinator.
    async fn fetch_rest(
        &self,
        digest: &Digest,
        part: &mut Part<'_>,
    ) -> Result<Option<Refusal>, Broken> {
        let request = FetchRequest {
            digest: digest.0.to_vec(),
            offset: part.bytes.len() as u64,
        };
        self.record_request("fetch-request", &request).await?;
        let mut stream = match in_time(self.client().fetch(request)).await? {
            Ok(stream) => stream.into_inner(),
            Err(status) => match refusal(&status) {
                Some(gone) if matches!(gone.code, Code::Storage | Code::ReleaseUnknown) => {
                    return Ok(Some(gone));
                }
                _ => return Err(status.into()),
            },
        };
        while let Some(response) = in_time(stream.message()).await?? {
            if !part.take(&response.piece) {
                part.bytes.clear();
                return Err("the coordinator sends more than any sum holds"
                    .to_owned()
                    .into());
            }
        }
        Ok(None)
    }

    /// Makes the sum of a release again from the masked uploads, row by
    /// row as they come in.
    ///
    /// # Errors
    /// Why the uploads could not be fetched; what was added up is kept.
    pub(crate) async fn recompute(
        &self,
        study: &Digest,
        released: Digest,
        audit: Audit,
        downloads: &Downloads,
    ) -> Result<Again, Broken> {
        let _turn = downloads.turn().await?;
        let mut sum = downloads.gathering(released, self.resumes(), || Gathering::new(audit));
        let early = self.gather(study, sum.gathering()?).await?;
        Ok(sum.done(early)?)
    }

    /// Takes in all rows that are missing; a verdict where it is clear
    /// before the end.
    async fn gather(
        &self,
        study: &Digest,
        gathering: &mut Gathering,
    ) -> Result<Option<Again>, Broken> {
        let request = gathering.request(study);
        self.record_request("uploads-request", &request).await?;
        let mut stream = match self.client().uploads(request).await {
            Ok(stream) => stream.into_inner(),
            Err(status) if refusal(&status).is_some_and(|why| why.code == Code::ReleaseUnknown) => {
                return Ok(Some(Again::NotKept));
            }
            Err(status) => return Err(why(&status).into()),
        };
        while let Some(piece) = stream.message().await.map_err(|status| why(&status))? {
            match gathering.take(piece) {
                Ok(()) => {}
                Err(UploadsError::Sum(refusal)) => return Ok(Some(Again::Wrong(refusal))),
                Err(error) => return Err(error.to_string().into()),
            }
        }
        Ok((!gathering.is_whole()).then_some(Again::NotKept))
    }
}
