//! Starting up: read keys and ledger, reopen every study where it stood, then listen.

use crate::admission::Admission;
use crate::backup;
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
use motet_ledger::Ledger;
use motet_proto::MAX_MESSAGE;
use motet_proto::access::largest;
use motet_proto::tls::server::{Connections, serve, server_config};
use motet_proto::v1::desk_server::DeskServer;
use motet_proto::v1::enrolment_server::EnrolmentServer;
use motet_proto::v1::rounds_server::RoundsServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::service::Routes;

/// Runs the coordinator until it is told to stop (interrupt or terminate).
///
/// # Errors
/// When configuration, keys or ledger cannot be used, or the address is taken.
pub async fn run(config: Config, drill: Option<Drill>) -> anyhow::Result<()> {
    let keys = Keys::read(&config)?;
    std::fs::create_dir_all(&config.state)
        .with_context(|| format!("cannot make the folder `{}`", config.state.display()))?;
    let _lock = StateLock::claim(&config.state)?;
    backup::refuse_draft(&config.state)?;
    let ledger = Ledger::open(&config.state).await?;
    let restored = backup::restored(&ledger).await?;
    let connections = Connections::default();
    let shared = Arc::new(Shared {
        members: Members::load(ledger.clone()).await?,
        receiving: Default::default(),
        allowances: Default::default(),
        hub: Hub::new(Duration::from_millis(u64::from(config.lease_ms()?))),
        connections: connections.clone(),
        studies: Default::default(),
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
        driver::reopen(&shared, &stream, backed_up)
            .await
            .with_context(|| format!("cannot reopen `{stream}`"))?;
    }
    tokio::spawn(driver::sweep(Arc::clone(&shared)));
    let listener = TcpListener::bind(&shared.config.listen).await.with_context(|| {
        format!("cannot listen on `{}`: is another coordinator running?", shared.config.listen)
    })?;
    tracing::info!(address = %shared.config.listen, consortium = %shared.config.consortium, "listening");
    let tls = server_config(shared.keys.authority.cert_pem(), &shared.keys.server)?;
    // A decoder knows no methods: it takes what the largest of its service may; the admission before it knows each.
    let enrolment = EnrolmentServer::new(EnrolmentService(Arc::clone(&shared)))
        .max_decoding_message_size(largest("Enrolment"));
    let rounds = RoundsServer::new(RoundsService(Arc::clone(&shared)))
        .max_decoding_message_size(largest("Rounds"))
        .max_encoding_message_size(MAX_MESSAGE);
    let desk = DeskServer::new(DeskService(Arc::clone(&shared))).max_decoding_message_size(largest("Desk"));
    let services = Routes::new(enrolment).add_service(rounds).add_service(desk).prepare();
    let served = serve(listener, tls, connections, Admission::new(services, Arc::clone(&shared)));
    tokio::select! {
        result = served => result?,
        // Everything said is written: stopping at any moment loses nothing, so open streams are not waited for.
        () = told_to_stop() => {}
    }
    shared.ledger.close().await;
    Ok(())
}

/// Ctrl-C or, where there is one, the service manager's terminate signal.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler the process simply ends.
    let _ = tokio::signal::ctrl_c().await;
}
