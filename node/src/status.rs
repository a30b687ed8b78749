//! One look at the site: who it is, whether it runs, what it
//! may answer and what has left.

use crate::doctor::RENEWAL;
pub use crate::frozen::KeptRows;
use crate::frozen::{History, Tables};
use crate::notices::{Notices, Published};
use crate::records::{self, EVENTS, Event, OUTBOUND};
use crate::studies::Studies;
use crate::{Home, NodeError, clock, data_desk, steward, switch};
use motet_common::enrol::days_left;
use motet_proto::tls::authority::certificate_end_ms;
use motet_toml::cleaned;
use serde::Serialize;

/// The site at a glance.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Name of the site.
    pub site: String,
    /// Two capital letters.
    pub country: String,
    /// Name of the consortium.
    pub consortium: String,
    /// Where the coordinator listens.
    pub address: String,
    /// The node's id.
    pub node: String,
    /// Fingerprint of the identity key: what other stewards
    /// compare by telephone.
    pub identity: String,
    /// Fingerprint of the steward's key.
    pub steward: String,
    /// Whether the steward's key has a passphrase.
    pub steward_passphrase: bool,
    /// Fingerprint of the governance key this site trusts.
    pub governance: String,
    /// When the certificate ends with which this site calls the
    /// coordinator; nothing where there is none.
    pub certificate_until: Option<String>,
    /// What to do about it, from sixty days before.
    pub certificate_notice: Option<String>,
    /// Whether a process runs the node.
    pub running: bool,
    /// Whether the steward stopped it.
    pub stopped: bool,
    /// Studies that are approved and could be answered today.
    pub approved: Vec<String>,
    /// Studies that wait for a decision.
    pub undecided: Vec<String>,
    /// Rows that are kept for studies.
    pub frozen: Vec<KeptRows>,
    /// Datasets.
    pub datasets: Vec<String>,
    /// Where they stand in the catalogue.
    pub catalogue: Vec<Published>,
    /// Frames that left.
    pub frames_out: u64,
    /// The last event.
    pub last_event: Option<Last>,
}

/// The last event.
#[derive(Debug, Serialize)]
pub struct Last {
    /// When.
    pub when: String,
    /// Its code.
    pub code: String,
    /// Its line.
    pub text: String,
}

/// Looks at the site.
///
/// # Errors
/// [`NodeError`] when the folder or its ledger cannot be read.
pub async fn status(home: &Home) -> Result<Status, NodeError> {
    let studies = Studies::read(home).await?;
    let today = clock::day(clock::now());
    let mut approved = Vec::new();
    let mut undecided = Vec::new();
    for known in studies
        .all()
        .filter(|known| studies.acceptable(known, today).is_ok())
    {
        let id = known.proposal.study.id.clone();
        match &known.standing {
            standing if standing.is_approved() => approved.push(id),
            crate::studies::Standing::Undecided => undecided.push(id),
            _ => {}
        }
    }
    let history = History::read(&home.ledger).await?;
    let tables = Tables::of(home);
    let last = records::last::<Event>(&home.ledger, EVENTS).await?;
    let end = std::fs::read_to_string(home.paths.certificate()).ok();
    let end = end.and_then(|pem| certificate_end_ms(&pem).ok());
    let notice = end.and_then(|end| days_left(end, clock::now().ms));
    Ok(Status {
        site: home.settings.site.clone(),
        country: home.settings.country.clone(),
        consortium: home.settings.consortium.clone(),
        address: home.settings.address.clone(),
        node: home.node().hex(),
        identity: home.identity.public().fingerprint().hex(),
        steward: home.steward.fingerprint().hex(),
        steward_passphrase: steward::is_sealed(&home.paths.key("steward"))?,
        governance: home.governance.fingerprint().hex(),
        certificate_until: end.map(clock::text),
        certificate_notice: notice
            .map(|days| format!("ends in {days} days: send to the operator {RENEWAL}")),
        running: home.paths.is_running(),
        stopped: switch::is_stopped(&home.ledger).await?,
        approved,
        undecided,
        frozen: history.standing().map(|kept| tables.shown(kept)).collect(),
        datasets: data_desk::names(&home.paths)?,
        catalogue: Notices::read(home).await?.standings(),
        frames_out: home.ledger.version(OUTBOUND).await?,
        last_event: last.map(|event| Last {
            when: clock::text(event.when_ms),
            code: event.code,
            text: event.text,
        }),
    })
}

/// The same for people.
pub fn status_text(status: &Status) -> String {
    let running = match (status.running, status.stopped) {
        (true, false) => "running",
        (true, true) => {
            "running, stopped by its steward: it answers nothing until `motet-node resume`"
        }
        (false, false) => "not running; `motet-node run` starts it",
        (false, true) => "not running, and stopped by its steward",
    };
    let passphrase = if status.steward_passphrase {
        "with a passphrase"
    } else {
        "without a passphrase"
    };
    let last = status.last_event.as_ref().map_or_else(
        || "none".to_owned(),
        |last| format!("{} {}: {}", last.when, last.code, cleaned(&last.text)),
    );
    let until = status.certificate_until.as_deref().unwrap_or("not there");
    let certificate = match &status.certificate_notice {
        Some(notice) => format!("until {until}; {notice}"),
        None => format!("until {until}"),
    };
    let frozen = status.frozen.iter();
    let frozen: Vec<String> = frozen
        .map(|kept| format!("{} ({})", kept.study, kept.text()))
        .collect();
    let catalogue = status.catalogue.iter();
    let catalogue: Vec<String> = catalogue
        .map(|one| format!("{} ({})", one.dataset, one.text()))
        .collect();
    let facts = [
        (
            "site",
            format!(
                "{} ({}), in the consortium {}",
                status.site, status.country, status.consortium
            ),
        ),
        ("node", running.to_owned()),
        ("coordinator", status.address.clone()),
        ("node id", status.node.clone()),
        ("identity", status.identity.clone()),
        ("steward", format!("{} ({passphrase})", status.steward)),
        ("governance", status.governance.clone()),
        ("certificate", certificate),
        ("approved", list(&status.approved)),
        ("undecided", list(&status.undecided)),
        ("frozen", list(&frozen)),
        ("datasets", list(&status.datasets)),
        ("catalogue", list(&catalogue)),
        (
            "left so far",
            format!(
                "{} frames; `motet-node ledger show` lists them",
                status.frames_out
            ),
        ),
        ("last event", last),
    ];
    facts
        .iter()
        .map(|(name, fact)| format!("{name:<12} {fact}\n"))
        .collect()
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use crate::studies::tests::{governance, proposed, roster, study};
    use motet_common::moment::Moment;

    #[tokio::test]
    async fn a_site_at_a_glance() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &governance().public());
        let home = Home::open(folder.path()).await.unwrap();
        let record = proposed(study("ist", "0.0"), roster("ist", 1, 4), &governance());
        records::append(&home.ledger, records::STUDIES, &record)
            .await
            .unwrap();
        switch::turn(
            &home,
            true,
            Moment {
                ms: 1_795_392_000_000,
            },
        )
        .await
        .unwrap();
        let _held = home.paths.claim().unwrap();
        let status = status(&home).await.unwrap();
        assert_eq!((status.running, status.stopped), (true, true));
        assert_eq!(
            (status.undecided.as_slice(), status.approved.as_slice()),
            (&["ist".to_owned()][..], &[][..])
        );
        assert_eq!(status.last_event.as_ref().unwrap().code, "stopped");
        assert!(status_text(&status).contains("stopped by its steward"));
        assert!(
            serde_json::to_string(&status)
                .unwrap()
                .contains("\"undecided\":[\"ist\"]")
        );
    }
}
