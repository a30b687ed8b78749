//! The catalogue as the coordinator hands it out:
//! as it came, for whoever reads it judges it.

use crate::v1::CatalogueRequest;
use crate::v1::desk_client::DeskClient;
use motet_common::catalogue::{Found, MOST_BYTES};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// The most datasets that are read: 250 sites
/// with more than any of them tells of.
const MOST: usize = 4096;

/// Datasets of the site of this name, or of all
/// where it is empty.
///
/// # Errors
/// Why the coordinator does not answer, and one
/// that sends more than there can be.
pub async fn fetch(desk: &mut DeskClient<Channel>, site: &str) -> Result<Vec<Found>, Status> {
    let request = CatalogueRequest {
        site: site.to_owned(),
    };
    let mut stream = desk.catalogue(request).await?.into_inner();
    let mut found = Vec::new();
    while let Some(one) = stream.message().await? {
        if found.len() >= MOST || one.notice.len() > MOST_BYTES {
            let text = "the coordinator sends more of datasets than there can be";
            return Err(Status::new(Code::ResourceExhausted, text));
        }
        found.push(Found {
            site: one.site,
            country: one.country,
            steward: one.steward,
            notice: one.notice,
        });
    }
    Ok(found)
}
