//! The gRPC services: each checks who calls, parses at the edge, and asks members, hub or a study's driver.

pub(crate) mod desk;
pub(crate) mod enrolment;
mod export;
pub(crate) mod rounds;

use crate::shared::Shared;
use motet_common::enrol::Role;
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_proto::refusal::status;
use motet_proto::tls::peer::Peer;
use motet_proto::tls::server::peer_of_request;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use std::time::{SystemTime, UNIX_EPOCH};
use tonic::{Request, Status};

/// The caller, who must have joined, not be removed, and have one of these roles.
pub(crate) async fn caller<T>(shared: &Shared, request: &Request<T>, roles: &[Role]) -> Result<Peer, Status> {
    let peer = peer_of_request(request).ok_or_else(|| status(&Code::NoClientCertificate.into()))?;
    shared.members.admit(&peer).await.map_err(|refusal| status(&refusal))?;
    if !roles.contains(&peer.role) {
        let detail = format!("`{}` is a {}", peer.name, peer.role.as_str());
        return Err(status(&Refusal::new(Code::RoleNotAllowed, detail)));
    }
    Ok(peer)
}

/// The coordinator's clock, for tokens and clock-skew checks.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment { ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
}

pub(crate) fn malformed(what: impl std::fmt::Display) -> Status {
    status(&Refusal::new(Code::Malformed, what.to_string()))
}

pub(crate) fn fixed<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], Status> {
    bytes.try_into().map_err(|_| malformed(format!("{what} is not {N} bytes")))
}

pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, Status> {
    fixed(bytes, "the digest").map(Digest)
}

pub(crate) fn run_id(text: &str) -> Result<RunId, Status> {
    RunId::from_hex(text).map_err(|_| status(&Refusal::new(Code::RunUnknown, format!("`{text}`"))))
}
