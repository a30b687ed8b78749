//! The gRPC services: whoever gets here was let in; each parses at the edge and asks members, hub
//! or a study's driver.

pub(crate) mod desk;
pub(crate) mod enrolment;
mod export;
mod frames;
pub(crate) mod rounds;

use crate::admission::Admitted;
use crate::members::Caller;
use crate::refusals::status;
use motet_common::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use tonic::{Request, Status};

/// The caller, whom [`Admission`](crate::admission::Admission) has let in: no service answers
/// without it.
pub(crate) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let admitted = request.extensions().get::<Admitted>();
    admitted
        .map(|Admitted(caller)| caller.clone())
        .ok_or_else(|| status(&Code::NoClientCertificate.into()))
}

pub(crate) fn malformed(what: impl std::fmt::Display) -> Status {
    status(&Refusal::new(Code::Malformed, what.to_string()))
}

pub(crate) fn fixed<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], Status> {
    bytes
        .try_into()
        .map_err(|_| malformed(format!("{what} is not {N} bytes")))
}

pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, Status> {
    fixed(bytes, "the digest").map(Digest)
}

pub(crate) fn run_id(text: &str) -> Result<RunId, Status> {
    RunId::from_hex(text).map_err(|_| status(&Refusal::new(Code::RunUnknown, format!("`{text}`"))))
}
