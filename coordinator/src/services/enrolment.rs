//! Redeeming invitations: the one service that answers a caller without a certificate.

use super::{fixed, malformed};
use crate::members::Application;
use crate::refusals::status;
use crate::shared::Shared;
use motet_common::enrol::{Enrolment as EnrolmentRecord, Possession, Ticket};
use motet_program::clock;
use motet_proto::v1::enrolment_server::Enrolment;
use motet_proto::v1::{
    InvitationRequest, InvitationResponse, JoinRequest, JoinResponse, MemberRole,
};
use motet_secagg::encode::Canonical as _;
use std::sync::Arc;
use tonic::{Request, Response, Status};

pub(crate) struct EnrolmentService(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl Enrolment for EnrolmentService {
    async fn invitation(
        &self,
        request: Request<InvitationRequest>,
    ) -> Result<Response<InvitationResponse>, Status> {
        let InvitationRequest { invite, ticket } = request.into_inner();
        let invite = fixed(&invite, "the invitation")?;
        let ticket = Ticket(fixed(&ticket, "the ticket")?);
        let invited = self
            .0
            .members
            .invitation(&invite, &ticket)
            .map_err(|refusal| status(&refusal))?;
        Ok(Response::new(InvitationResponse {
            name: invited.name,
            country: invited.country,
            role: MemberRole::from(invited.role).into(),
        }))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        let application = Application {
            ticket: Ticket(fixed(&request.ticket, "the ticket")?),
            enrolment: EnrolmentRecord::from_bytes(&request.enrolment).map_err(malformed)?,
            proof: fixed(&request.proof, "the proof")?,
            possession: Possession::from_bytes(&request.possession).map_err(malformed)?,
            csr: request.csr,
        };
        let keys = &self.0.keys;
        let governance = keys.governance.fingerprint();
        let name = application.enrolment.name.clone();
        let joined = self
            .0
            .members
            .join(&keys.authority, &governance, application, clock::now())
            .await;
        let certificate = joined.map_err(|refusal| status(&refusal))?;
        tracing::info!(%name, "joined");
        Ok(Response::new(JoinResponse {
            certificate,
            authority: keys.authority.cert_pem().to_owned(),
            governance: keys.governance.0.to_vec(),
            consortium: self.0.config.consortium.clone(),
        }))
    }
}
