//! What the other sites' stewards tell of their
//! datasets, each held against the rosters that
//! this site was sent and governance signed.

use crate::link::{record, why};
use crate::studies::Studies;
use crate::{Home, NodeError};
use motet_common::catalogue::Vouched;
use motet_program::catalogue::{Doubted, json, text};
use motet_proto::MAX_MESSAGE;
use motet_proto::catalogue::fetch;
use motet_proto::refusal::refusal;
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::client::connect;
use motet_proto::v1::desk_client::DeskClient;
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;

/// How long the coordinator may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The catalogue, for programs and for people.
///
/// # Errors
/// Why the coordinator cannot be asked.
pub async fn catalogue(home: &Home, site: Option<&str>) -> Result<(Value, String), NodeError> {
    let mut vouched = Vouched::default();
    for study in Studies::read(home).await?.all() {
        vouched.by_roster(&study.proposal.roster);
    }
    let own = (home.settings.site.as_str(), home.settings.country.as_str());
    vouched.of_site(home.node(), own, home.steward);
    let wanted = site.map_or("", |site| site);
    let address = &home.settings.address;
    let channel = connect(address, &home.paths.client()?, COORDINATOR_NAME).await?;
    let mut desk = DeskClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    // A question leaves the site, too.
    record(&home.ledger, "catalogue-request", "", 0, wanted.as_bytes()).await?;
    let late = |_| NodeError::Coordinator("the coordinator did not answer in time".to_owned());
    let answer = timeout(PATIENCE, fetch(&mut desk, wanted)).await;
    let found = answer
        .map_err(late)?
        .map_err(|status| match refusal(&status) {
            Some(refusal) => refusal.into(),
            None => NodeError::Coordinator(why(&status)),
        })?;
    let mut read = Vec::new();
    let mut doubted = Vec::new();
    for one in &found {
        match vouched.judge(one, |_| None) {
            Ok(dataset) => read.push(dataset),
            Err(why) => doubted.push(Doubted {
                site: one.site.clone(),
                why,
            }),
        }
    }
    Ok((json(&read, &doubted), text(&read, &doubted)))
}
