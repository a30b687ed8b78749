//! Who is let in to which call: asked of the caller's certificate and of the table of methods,
//! before a byte of the request's body is read. It holds a request to its size and time, and a
//! member to that many requests at once.

use crate::members::Caller as Member;
use crate::refusals::status;
use crate::shared::Shared;
use http_body::{Frame, SizeHint};
use motet_common::refusal::{Code, Refusal};
use motet_proto::access::{AT_ONCE, Access, Who};
use motet_proto::tls::server::{Busy, Caller};
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Request, Response};
use tower::Service;

/// What gRPC puts before a message: a flag and the length.
const PREFIX: usize = 5;

/// The member who was let in, as the book has it; an extension of every request that reaches a
/// service.
#[derive(Clone)]
pub(crate) struct Admitted(pub(crate) Member);

/// The services behind the question who calls.
#[derive(Clone)]
pub(crate) struct Admission<S> {
    services: S,
    shared: Arc<Shared>,
    under_way: UnderWay,
}

impl<S> Admission<S> {
    pub(crate) fn new(services: S, shared: Arc<Shared>) -> Self {
        Self {
            services,
            shared,
            under_way: UnderWay::default(),
        }
    }
}

impl<S> Service<Request<Body>> for Admission<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.services.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // What was found ready is what is called; the clone waits for the next request.
        let next = self.services.clone();
        let services = std::mem::replace(&mut self.services, next);
        let shared = Arc::clone(&self.shared);
        let under_way = self.under_way.clone();
        Box::pin(async move {
            Ok(answer(services, &shared, &under_way, request)
                .await
                .unwrap_or_else(Status::into_http))
        })
    }
}

async fn answer<S>(
    services: S,
    shared: &Shared,
    under_way: &UnderWay,
    mut request: Request<Body>,
) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let caller = request.extensions().get::<Caller>().cloned();
    let caller = caller.ok_or_else(|| Status::internal("the connection does not say who calls"))?;
    let busy = caller.begin();
    let (access, member) = admit(shared, &caller, request.uri().path())?;
    let peer = member.as_ref().zip(caller.peer.as_ref());
    let turn = peer
        .map(|(member, peer)| under_way.turn(peer.certificate, &member.name, access))
        .transpose();
    let turn = turn.map_err(|refusal| status(&refusal))?;
    if let Some(member) = member {
        request.extensions_mut().insert(Admitted(member));
    }
    let response = within(services, access, request).await?;
    // A refusal has its status among the headers; whoever is answered knew an invitation.
    if caller.peer.is_none() && !response.headers().contains_key(Status::GRPC_STATUS) {
        caller.vouch();
    }
    Ok(response.map(|body| {
        Body::new(Held {
            body,
            _busy: busy,
            _turn: turn,
        })
    }))
}

/// The answer to a request that is let in, held to its size and time.
async fn within<S>(
    mut services: S,
    access: &Access,
    request: Request<Body>,
) -> Result<Response<Body>, Status>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Some(patience) = access.patience else {
        let Ok(response) = services.call(request).await;
        return Ok(response);
    };
    let left = access.largest + PREFIX;
    let request = request.map(|body| {
        Body::new(Bounded {
            body,
            left,
            largest: access.largest,
        })
    });
    match tokio::time::timeout(patience, services.call(request)).await {
        Ok(Ok(response)) => Ok(response),
        Err(_) => {
            let seconds = patience.as_secs();
            let why = format!(
                "the request did not arrive or was not answered within {seconds} s: try again"
            );
            Err(Status::deadline_exceeded(why))
        }
    }
}

/// Whether this caller may call this method, and which member it is.
fn admit(
    shared: &Shared,
    caller: &Caller,
    path: &str,
) -> Result<(&'static Access, Option<Member>), Status> {
    let access = Access::of(path);
    if let Some(access) = access.filter(|access| access.who == Who::Anybody) {
        return Ok((access, None));
    }
    let peer = caller
        .peer
        .as_ref()
        .ok_or_else(|| status(&Code::NoClientCertificate.into()))?;
    let member = shared
        .members
        .caller(peer)
        .map_err(|refusal| status(&refusal))?;
    let access = access.ok_or_else(|| Status::unimplemented("there is no such method"))?;
    if access.allows(member.role) {
        return Ok((access, Some(member)));
    }
    let detail = format!("`{}` is a {}", member.name, member.role.as_str());
    Err(status(&Refusal::new(Code::RoleNotAllowed, detail)))
}

/// How many requests of each member (by its certificate) are under way, by method: what one of them
/// holds of the coordinator's memory (a piece, a row of chunks, a blob on its way out) counts so
/// often at most.
#[derive(Clone, Default)]
struct UnderWay(Arc<Mutex<BTreeMap<Digest, BTreeMap<&'static str, usize>>>>);

/// One of them, until it is dropped.
struct Turn {
    under_way: UnderWay,
    certificate: Digest,
    path: &'static str,
}

impl UnderWay {
    fn turn(&self, certificate: Digest, name: &str, access: &Access) -> Result<Turn, Refusal> {
        let mut counts = self.counts();
        let of_member = counts.entry(certificate).or_default();
        let all: usize = of_member.values().sum();
        let count = of_member.get(access.path).copied().unwrap_or(0);
        if all >= AT_ONCE || count >= access.at_once {
            let detail =
                format!("`{name}` has {all} requests under way, {count} of them of this kind");
            return Err(Refusal::new(Code::TooFast, detail));
        }
        of_member.insert(access.path, count + 1);
        Ok(Turn {
            under_way: self.clone(),
            certificate,
            path: access.path,
        })
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Digest, BTreeMap<&'static str, usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.under_way.counts();
        if let Some(of_member) = counts.get_mut(&self.certificate) {
            if let Some(count) = of_member.get_mut(self.path) {
                debug_assert!(*count > 0, "what ends was counted when it began");
                *count = count.saturating_sub(1);
            }
            of_member.retain(|_, count| *count > 0);
            if of_member.is_empty() {
                counts.remove(&self.certificate);
            }
        }
    }
}

/// A request's body, up to its largest size.
struct Bounded {
    body: Body,
    left: usize,
    largest: usize,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(left) = self.left.checked_sub(length) else {
                let detail = format!("the request is larger than {} bytes", self.largest);
                return Poll::Ready(Some(Err(status(&Refusal::new(Code::Malformed, detail)))));
            };
            self.left = left;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body; the request is under way until it has been read.
struct Held {
    body: Body,
    _busy: Busy,
    _turn: Option<Turn>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_proto::refusal::refusal;
    use std::future::poll_fn;

    /// A request's body: that many pieces of a kilobyte, and then its end or nothing more.
    struct Pieces {
        left: usize,
        ends: bool,
    }

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.left.checked_sub(1) {
                Some(left) => {
                    self.left = left;
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; 1024])))))
                }
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    /// What becomes of a request with this body, at a service that reads all of it.
    async fn read(pieces: usize, ends: bool) -> Result<(), Status> {
        let reading = tower::service_fn(|request: Request<Body>| async move {
            let mut body = request.into_body();
            loop {
                match poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await {
                    Some(Ok(_)) => {}
                    Some(Err(status)) => return Ok::<_, Infallible>(status.into_http()),
                    None => return Ok(Response::new(Body::empty())),
                }
            }
        });
        let access = Access::of("/motet.v1.Enrolment/Join").unwrap();
        let request = Request::new(Body::new(Pieces { left: pieces, ends }));
        let response = within(reading, access, request).await?;
        Status::from_header_map(response.headers()).map_or(Ok(()), Err)
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_read_up_to_its_largest_size_and_for_so_long() {
        assert!(read(64, true).await.is_ok());
        let large = read(65, true).await.unwrap_err();
        assert_eq!(
            refusal(&large).map(|refusal| refusal.code),
            Some(Code::Malformed),
            "{large}"
        );
        let slow = read(3, false).await.unwrap_err();
        assert_eq!(slow.code(), tonic::Code::DeadlineExceeded, "{slow}");
    }

    #[test]
    fn a_member_has_so_many_requests_under_way_and_another_has_its_own() {
        let under_way = UnderWay::default();
        let (a, b) = (Digest([1; 32]), Digest([2; 32]));
        let row = |path| Access::of(path).unwrap();
        let (about, fetch) = (row("/motet.v1.Desk/About"), row("/motet.v1.Rounds/Fetch"));
        let mut turns: Vec<Turn> = std::iter::from_fn(|| under_way.turn(a, "lyon", fetch).ok())
            .take(AT_ONCE)
            .collect();
        assert_eq!(turns.len(), fetch.at_once, "few of those that hold a blob");
        turns.extend(std::iter::from_fn(|| under_way.turn(a, "lyon", about).ok()));
        assert_eq!(turns.len(), AT_ONCE);
        assert_eq!(
            under_way
                .turn(a, "lyon", about)
                .err()
                .map(|refusal| refusal.code),
            Some(Code::TooFast)
        );
        turns.push(under_way.turn(b, "lyon", fetch).unwrap());
        turns.remove(0);
        turns.push(under_way.turn(a, "lyon", fetch).unwrap());
        drop(turns);
        assert!(under_way.counts().is_empty(), "who has gone is forgotten");
    }
}
