//! What operators and researchers ask.

use super::export::export;
use super::{caller, fixed, malformed, run_id};
use crate::driver::{has_passed, propose};
use crate::entries::{Invited, RunEnded};
use crate::handle::{Ask, Handle};
use crate::members::Caller;
use crate::refusals::status;
use crate::shared::Shared;
use motet_common::enrol::{Enrolment, Role};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::{SignedRemoval, SignedRoster};
use motet_program::clock;
use motet_proto::PIECE;
use motet_proto::v1::desk_server::Desk;
use motet_proto::v1::{
    AbandonRunRequest, AbandonRunResponse, AboutRequest, AboutResponse, CatalogueRequest,
    CatalogueResponse, ExportLedgerRequest, ExportLedgerResponse, GetReleaseRequest,
    GetReleaseResponse, InviteRequest, InviteResponse, ListMembersRequest, ListMembersResponse,
    ListRunsRequest, ListRunsResponse, ListStudiesRequest, ListStudiesResponse, ProposeRequest,
    ProposeResponse, RemovePersonRequest, RemovePersonResponse, RemoveSiteRequest,
    RemoveSiteResponse, RunPhase, StartRunRequest, StartRunResponse, Study, StudyState,
    VoidInvitationRequest, VoidInvitationResponse, WatchRunRequest, WatchRunResponse,
    WithdrawStudyRequest, WithdrawStudyResponse,
};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Whoever removes itself hears the answer on a line that is then cut.
const FAREWELL: Duration = Duration::from_secs(1);

/// Notices of the catalogue that are ready for whoever reads it slowly.
const READY: usize = 4;

pub(crate) struct DeskService(pub(crate) Arc<Shared>);

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn refused(refusal: Refusal) -> Status {
    status(&refusal)
}

impl DeskService {
    async fn run(&self, text: &str) -> Result<(Handle, RunId), Status> {
        let run = run_id(text)?;
        Ok((self.0.study_of_run(&run).await.map_err(refused)?, run))
    }

    /// Records a removal, then cuts what the member has open: what comes later is refused by its
    /// certificate.
    async fn remove(&self, by: &Caller, removal: &[u8], roles: &[Role]) -> Result<(), Status> {
        let removal = SignedRemoval::from_bytes(removal).map_err(malformed)?;
        let governance = self.0.keys.governance.fingerprint();
        let invite = removal.removal.invite;
        let name = self
            .0
            .members
            .remove(removal, &governance, roles, clock::now())
            .await
            .map_err(refused)?;
        let certificate = self.0.members.certificate(&invite).ok_or_else(|| {
            refused(Refusal::broken(
                "a member was removed that never had a certificate",
            ))
        })?;
        if by.name == name {
            let connections = self.0.connections.clone();
            tokio::spawn(async move {
                tokio::time::sleep(FAREWELL).await;
                connections.close(&certificate);
            });
            return Ok(());
        }
        let cut = self.0.connections.close(&certificate);
        tracing::info!(%name, cut, "a member was removed and its connections cut");
        Ok(())
    }

    async fn handles(&self) -> Vec<Handle> {
        self.0.studies.read().await.values().cloned().collect()
    }

    /// The studies that the caller may see.
    async fn seen(&self, by: &Caller) -> Vec<Handle> {
        self.handles()
            .await
            .into_iter()
            .filter(|handle| handle.is_for(by))
            .collect()
    }

    /// The study of this id, for whoever may see it.
    async fn study(&self, id: &str, by: &Caller) -> Result<Handle, Status> {
        let handle = self.0.study(id).await.map_err(refused)?;
        if handle.is_for(by) {
            return Ok(handle);
        }
        let detail = format!("`{id}`, or `{}` is not among its recipients", by.name);
        Err(refused(Refusal::new(Code::StudyUnknown, detail)))
    }
}

/// What became of a study, in a word.
async fn state(handle: &Handle) -> StudyState {
    if handle.is_withdrawn() {
        return StudyState::Withdrawn;
    }
    // Of a study that cannot be read just now nobody knows that it is over.
    let runs = handle.runs().await;
    if runs.is_ok_and(|runs| runs.iter().any(|run| run.state() == RunPhase::Released)) {
        StudyState::Released
    } else if has_passed(handle.ends) {
        StudyState::Ended
    } else {
        StudyState::Open
    }
}

#[tonic::async_trait]
impl Desk for DeskService {
    type WatchRunStream = Boxed<WatchRunResponse>;
    type GetReleaseStream = Boxed<GetReleaseResponse>;
    type ExportLedgerStream = Boxed<ExportLedgerResponse>;
    type CatalogueStream = Boxed<CatalogueResponse>;

    async fn about(
        &self,
        _request: Request<AboutRequest>,
    ) -> Result<Response<AboutResponse>, Status> {
        Ok(Response::new(AboutResponse {
            consortium: self.0.config.consortium.clone(),
            coordinator: self.0.keys.signing.public().0.to_vec(),
            log: self.0.keys.log.public().0.to_vec(),
            governance: self.0.keys.governance.fingerprint().hex(),
            software: env!("CARGO_PKG_VERSION").to_owned(),
            address: self.0.config.address.clone(),
        }))
    }

    async fn invite(
        &self,
        request: Request<InviteRequest>,
    ) -> Result<Response<InviteResponse>, Status> {
        let by = caller(&request)?.invite;
        let request = request.into_inner();
        let role = request.role().role();
        let invited = Invited {
            invite: fixed(&request.invite, "the invitation")?,
            name: request.name,
            country: request.country,
            role: role
                .ok_or_else(|| malformed("the role is none of site, operator, researcher"))?,
            expires: Moment {
                ms: request.expires_ms,
            },
            ticket: Digest(fixed(&request.ticket, "the ticket's digest")?),
            by,
        };
        self.0
            .members
            .invite(invited, clock::now())
            .await
            .map_err(refused)?;
        Ok(Response::new(InviteResponse {}))
    }

    async fn void_invitation(
        &self,
        request: Request<VoidInvitationRequest>,
    ) -> Result<Response<VoidInvitationResponse>, Status> {
        let invite = fixed(&request.into_inner().invite, "the invitation")?;
        self.0.members.void(&invite).await.map_err(refused)?;
        Ok(Response::new(VoidInvitationResponse {}))
    }

    async fn list_members(
        &self,
        _request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let hub = &self.0.hub;
        let mut members = self
            .0
            .members
            .list(clock::now(), |enrolment| {
                hub.is_connected(enrolment.identity.node_id())
            })
            .await;
        for member in &mut members {
            let enrolment = Enrolment::from_bytes(&member.enrolment);
            let node = enrolment.map(|enrolment| enrolment.identity.node_id());
            if let Ok(node) = node {
                member.in_two_places = hub.is_contested(node);
                member.stopped = hub.is_stopped(node);
            }
        }
        Ok(Response::new(ListMembersResponse { members }))
    }

    async fn remove_site(
        &self,
        request: Request<RemoveSiteRequest>,
    ) -> Result<Response<RemoveSiteResponse>, Status> {
        let by = caller(&request)?;
        self.remove(&by, &request.into_inner().removal, &[Role::Site])
            .await?;
        for handle in self.handles().await {
            handle.send_if_awake(Ask::Removed).await;
        }
        Ok(Response::new(RemoveSiteResponse {}))
    }

    async fn remove_person(
        &self,
        request: Request<RemovePersonRequest>,
    ) -> Result<Response<RemovePersonResponse>, Status> {
        let by = caller(&request)?;
        self.remove(
            &by,
            &request.into_inner().removal,
            &[Role::Operator, Role::Researcher],
        )
        .await?;
        Ok(Response::new(RemovePersonResponse {}))
    }

    async fn propose(
        &self,
        request: Request<ProposeRequest>,
    ) -> Result<Response<ProposeResponse>, Status> {
        let peer = caller(&request)?;
        let request = request.into_inner();
        let roster = SignedRoster::from_bytes(&request.roster).map_err(malformed)?;
        let handle = propose(&self.0, request.study, roster, peer.name)
            .await
            .map_err(refused)?;
        // One open study per id: a new text replaces the old, whose approvals it voids.
        for other in self.handles().await {
            if other.id == handle.id && other.digest != handle.digest && !other.is_withdrawn() {
                other
                    .ask(|answer| Ask::Withdraw { answer })
                    .await
                    .map_err(refused)?
                    .map_err(refused)?;
            }
        }
        for entry in &handle.proposed.roster.roster.entries {
            self.0.hub.send(entry.node, handle.proposal(entry.node));
        }
        tracing::info!(study = %handle.id, digest = %handle.digest, "a study was proposed");
        Ok(Response::new(ProposeResponse {
            digest: handle.digest.hex(),
        }))
    }

    async fn list_studies(
        &self,
        request: Request<ListStudiesRequest>,
    ) -> Result<Response<ListStudiesResponse>, Status> {
        let by = caller(&request)?;
        let id = request.into_inner().id;
        let handles = if id.is_empty() {
            self.seen(&by).await
        } else {
            vec![self.study(&id, &by).await?]
        };
        let mut studies = Vec::with_capacity(handles.len());
        for handle in handles {
            studies.push(Study {
                id: handle.id.clone(),
                title: handle.title.clone(),
                digest: handle.digest.hex(),
                state: state(&handle).await.into(),
                text: handle.proposed.text.clone(),
                roster: handle.proposed.roster.to_bytes(),
                sites: handle.standings(by.role == Role::Operator),
            });
        }
        studies.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Response::new(ListStudiesResponse { studies }))
    }

    async fn withdraw_study(
        &self,
        request: Request<WithdrawStudyRequest>,
    ) -> Result<Response<WithdrawStudyResponse>, Status> {
        let handle = self
            .0
            .study(&request.into_inner().id)
            .await
            .map_err(refused)?;
        handle
            .ask(|answer| Ask::Withdraw { answer })
            .await
            .map_err(refused)?
            .map_err(refused)?;
        Ok(Response::new(WithdrawStudyResponse {}))
    }

    async fn start_run(
        &self,
        request: Request<StartRunRequest>,
    ) -> Result<Response<StartRunResponse>, Status> {
        let StartRunRequest {
            study,
            without_undecided,
        } = request.into_inner();
        let handle = self.0.study(&study).await.map_err(refused)?;
        let run = handle
            .ask(|answer| Ask::Start {
                without_undecided,
                answer,
            })
            .await;
        let run = run.map_err(refused)?.map_err(refused)?;
        tracing::info!(study = %handle.id, %run, without_undecided, "a run was started");
        Ok(Response::new(StartRunResponse { run: run.hex() }))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let by = caller(&request)?;
        let study = request.into_inner().study;
        let mut runs = Vec::new();
        for handle in self.seen(&by).await {
            if study.is_empty() || handle.id == study {
                runs.extend(handle.runs().await.map_err(refused)?);
            }
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.started_ms));
        Ok(Response::new(ListRunsResponse { runs }))
    }

    async fn watch_run(
        &self,
        request: Request<WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let by = caller(&request)?;
        let (handle, run) = self.run(&request.into_inner().run).await?;
        if !handle.is_for(&by) {
            return Err(refused(Refusal::new(Code::RunUnknown, format!("`{run}`"))));
        }
        let (views, out) = mpsc::channel(64);
        let live = handle.views().await.map_err(refused)?;
        tokio::spawn(follow(handle, run, live, views));
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn abandon_run(
        &self,
        request: Request<AbandonRunRequest>,
    ) -> Result<Response<AbandonRunResponse>, Status> {
        let (handle, run) = self.run(&request.into_inner().run).await?;
        handle
            .ask(|answer| Ask::Abandon { run, answer })
            .await
            .map_err(refused)?
            .map_err(refused)?;
        Ok(Response::new(AbandonRunResponse {}))
    }

    async fn get_release(
        &self,
        request: Request<GetReleaseRequest>,
    ) -> Result<Response<Self::GetReleaseStream>, Status> {
        let by = caller(&request)?;
        let request = request.into_inner();
        let handle = self.study(&request.study, &by).await?;
        let run = if request.run.is_empty() {
            None
        } else {
            Some(run_id(&request.run)?)
        };
        let releases = handle
            .ask(|answer| Ask::Release { run, answer })
            .await
            .map_err(refused)?;
        if releases.is_empty() && !request.list_only {
            let detail = format!("study `{}` has no release yet", handle.id);
            return Err(refused(Refusal::new(Code::ReleaseUnknown, detail)));
        }
        let wanted: Vec<(RunId, RunEnded)> = if request.list_only {
            releases
        } else {
            releases.into_iter().next_back().into_iter().collect()
        };
        let (sender, out) = mpsc::channel(16);
        tokio::spawn(send_files(
            Arc::clone(&self.0),
            wanted,
            request.list_only,
            sender,
        ));
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn export_ledger(
        &self,
        _request: Request<ExportLedgerRequest>,
    ) -> Result<Response<Self::ExportLedgerStream>, Status> {
        let stream = export(&self.0.ledger).await?;
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn catalogue(
        &self,
        request: Request<CatalogueRequest>,
    ) -> Result<Response<Self::CatalogueStream>, Status> {
        let by = caller(&request)?;
        let wanted = request.into_inner().site;
        // Nothing of a site that was removed.
        let mut sites = self.0.members.sites();
        sites.retain(|site| wanted.is_empty() || wanted == site.name);
        let (sender, out) = mpsc::channel(READY);
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move { shared.catalogue.tell(&by, &sites, &sender).await });
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }
}

/// Sends the present view and every later one until the run is over or the watcher has gone.
async fn follow(
    handle: Handle,
    run: RunId,
    mut live: broadcast::Receiver<WatchRunResponse>,
    views: mpsc::Sender<Result<WatchRunResponse, Status>>,
) {
    let asked = handle.ask(|answer| Ask::Watch { answer }).await;
    let first = asked.and_then(|view| {
        view.ok_or_else(|| Refusal::broken("a run is known of a study without one"))
    });
    let mut view = match first {
        Ok(view) => view,
        Err(refusal) => {
            // The watcher may have gone; the refusal then reaches nobody.
            let _ = views.send(Err(refused(refusal))).await;
            return;
        }
    };
    loop {
        let Some(state) = &view.state else {
            let broken = Refusal::broken("a view of a run does not say where the run stands");
            // The watcher may have gone; the refusal then reaches nobody.
            let _ = views.send(Err(refused(broken))).await;
            return;
        };
        if state.run != run.hex() {
            // A later run of the study has begun: this one is over, and the list of runs says how.
            return;
        }
        let over = state.state().is_over();
        if views.send(Ok(view)).await.is_err() || over {
            return;
        }
        view = loop {
            match live.recv().await {
                Ok(next) => break next,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        };
    }
}

async fn send_files(
    shared: Arc<Shared>,
    releases: Vec<(RunId, RunEnded)>,
    list_only: bool,
    sender: mpsc::Sender<Result<GetReleaseResponse, Status>>,
) {
    for (run, ended) in releases {
        for (name, digest) in ended.files {
            let response = |piece: &[u8]| GetReleaseResponse {
                run: run.hex(),
                name: name.clone(),
                piece: piece.to_vec(),
            };
            if list_only {
                if sender.send(Ok(response(&[]))).await.is_err() {
                    return;
                }
                continue;
            }
            match shared.ledger.get_blob(&digest).await {
                Ok(bytes) => {
                    for piece in bytes.chunks(PIECE) {
                        if sender.send(Ok(response(piece))).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    // The reader may have gone; the refusal then reaches nobody.
                    let _ = sender
                        .send(Err(refused(crate::members::storage(error))))
                        .await;
                    return;
                }
            }
        }
    }
}
