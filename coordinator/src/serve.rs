//! Starting up: read keys and ledger, reopen every study where it stood, then listen.

use crate::admission::Admission;
use crate::backup;
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::drill::Drill;
use crate::driver;
use crate::hub::Hub;
use crate::lock::StateLock;
use crate::members::Members;
use crate::services::desk::DeskService;
use crate::services::enrolment::EnrolmentService;
use crate::services::rounds::RoundsService;
use crate::shared::{Keys, Shared};
use anyhow::Context as _;
use motet_ledger::{Ledger, LedgerError};
use motet_proto::MAX_MESSAGE;
use motet_proto::access::largest;
use motet_proto::stop::Stop;
use motet_proto::tls::server::{Connections, serve as serve_calls, server_config};
use motet_proto::v1::desk_server::DeskServer;
use motet_proto::v1::enrolment_server::EnrolmentServer;
use motet_proto::v1::rounds_server::RoundsServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::service::Routes;

/// How often the coordinator looks whether its state folder is still in its place.
const LOOK: Duration = Duration::from_secs(1);

/// How long a coordinator that is told to stop may read, or close its ledger.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs the coordinator until it is told to stop (interrupt or terminate).
///
/// # Errors
/// When configuration, keys or ledger cannot be used, or the address is taken.
pub async fn run(config: Config, drill: Option<Drill>) -> anyhow::Result<()> {
    let stop = Stop::listen().context("cannot listen for signals")?;
    let patience = async {
        stop.told().await;
        tokio::time::sleep(CLOSING).await;
    };
    tokio::select! {
        result = serve(config, drill, &stop) => result.map_err(backup::or_restore),
        // Everything said is written: stopping at any moment loses nothing.
        () = patience => Ok(()),
    }
}

async fn serve(config: Config, drill: Option<Drill>, stop: &Stop) -> anyhow::Result<()> {
    let keys = Keys::read(&config)?;
    backup::refuse_missing(&config.state)?;
    let lock = StateLock::claim(&config.state)?;
    backup::refuse_draft(&config.state)?;
    let ledger = Ledger::open(&config.state).await?;
    let restored = backup::restored(&ledger).await?;
    let members = Arc::new(Members::load(ledger.clone()).await?);
    let catalogue = Catalogue::load(ledger.clone()).await?;
    let book = Arc::clone(&members);
    let connections = Connections::new(move |peer| book.caller(peer).is_ok());
    let shared = Arc::new(Shared {
        members,
        catalogue,
        receiving: Default::default(),
        allowances: Default::default(),
        hub: Hub::new(Duration::from_millis(u64::from(config.lease_ms))),
        connections: connections.clone(),
        studies: Default::default(),
        set_aside: Default::default(),
        runs: Default::default(),
        fetchable: Default::default(),
        ledger,
        keys,
        config,
        drill,
    });
    shared.hub.expect(shared.members.nodes().await);
    for stream in shared.ledger.streams("study/").await? {
        let backed_up = restored.get(&stream).copied().unwrap_or(0);
        match driver::reopen(&shared, &stream, backed_up).await {
            Err(error) if lacks_a_blob(&error) => shared.set_aside(&stream, &error).await,
            reopened => reopened.with_context(|| format!("cannot reopen `{stream}`"))?,
        }
    }
    tokio::spawn(driver::sweep(Arc::clone(&shared)));
    let listener = TcpListener::bind(&shared.config.listen)
        .await
        .with_context(|| {
            format!(
                "cannot listen on `{}`: is another coordinator running?",
                shared.config.listen
            )
        })?;
    tracing::info!(address = %shared.config.listen, consortium = %shared.config.consortium, "listening");
    let tls = server_config(shared.keys.authority.cert_pem(), &shared.keys.server)?;
    // A decoder knows no methods: it takes what the largest of its service may; the admission
    // before it knows each.
    let enrolment = EnrolmentServer::new(EnrolmentService(Arc::clone(&shared)))
        .max_decoding_message_size(largest("Enrolment"));
    let rounds = RoundsServer::new(RoundsService(Arc::clone(&shared)))
        .max_decoding_message_size(largest("Rounds"))
        .max_encoding_message_size(MAX_MESSAGE);
    let desk = DeskServer::new(DeskService(Arc::clone(&shared)))
        .max_decoding_message_size(largest("Desk"));
    let services = Routes::new(enrolment)
        .add_service(rounds)
        .add_service(desk)
        .prepare();
    let served = serve_calls(
        listener,
        tls,
        connections,
        Admission::new(services, Arc::clone(&shared)),
    );
    tokio::select! {
        result = served => result?,
        // Open streams are not waited for either.
        () = stop.told() => {}
        error = replaced(&lock) => return Err(error),
    }
    tracing::info!("stopping: this process was told to");
    // Nobody hears of a ledger that is closed on purpose as of one that cannot be written: whoever
    // is connected calls again.
    shared.connections.close_all();
    shared.ledger.close().await;
    Ok(())
}

/// Whether a study cannot be read because one file of its own was damaged or removed: other studies
/// go on.
fn lacks_a_blob(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<LedgerError>(),
        Some(LedgerError::BlobMissing { .. } | LedgerError::BlobCorrupt { .. })
    )
}

/// Returns when the state folder is not the one any more that this process claimed.
async fn replaced(lock: &StateLock) -> anyhow::Error {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        if let Err(error) = lock.still_holds() {
            return error;
        }
    }
}
