//! The kill switch: `stop` makes the node answer nothing
//! until `resume`, across restarts. It is an entry of the
//! ledger, so that stopping and resuming are on record, and
//! it works while the daemon runs. Together with the
//! decisions it says what may leave: `Consent`.

use crate::home::Paths;
use crate::records::{self, SWITCH, Switch};
use crate::studies::Studies;
use crate::{Home, NodeError};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::Date;
use motet_ledger::Ledger;
use motet_secagg::digest::Digest;

/// Whether the node is stopped.
///
/// # Errors
/// [`NodeError::Ledger`], [`NodeError::Entry`]: whoever
/// cannot tell must take the node for stopped.
pub async fn is_stopped(ledger: &Ledger) -> Result<bool, NodeError> {
    Ok(records::last::<Switch>(ledger, SWITCH)
        .await?
        .is_some_and(|switch| switch.stopped))
}

/// Turns the switch; tells whether that changed anything.
///
/// # Errors
/// [`NodeError::Ledger`].
pub async fn turn(home: &Home, stopped: bool, now: Moment) -> Result<bool, NodeError> {
    if is_stopped(&home.ledger).await? == stopped {
        return Ok(false);
    }
    records::append(
        &home.ledger,
        SWITCH,
        &Switch {
            when_ms: now.ms,
            stopped,
        },
    )
    .await?;
    let (code, text) = match stopped {
        true => (
            "stopped",
            "the steward stopped the node; it answers nothing",
        ),
        false => (
            "resumed",
            "the steward released the node; it answers approved studies again",
        ),
    };
    records::event(&home.ledger, now.ms, code, text).await?;
    Ok(true)
}

/// Whether the steward lets something of a study leave: asked
/// of the ledger each time, so that a stop or a withdrawal
/// holds from the moment on at which it is on record.
#[derive(Clone)]
pub(crate) struct Consent {
    pub(crate) ledger: Ledger,
    pub(crate) studies: Studies,
    /// The study's digest.
    pub(crate) study: Digest,
    /// Its roster's.
    pub(crate) roster: Digest,
    /// The frozen table that what leaves was computed from.
    pub(crate) frozen: Option<Digest>,
    /// The site's folder, for its limits of the moment.
    pub(crate) paths: Paths,
    /// The day on which it was asked first.
    pub(crate) today: Date,
}

impl Consent {
    /// Asks.
    ///
    /// # Errors
    /// `site_stopped`, or as [`Studies::may_run`]; whoever cannot
    /// tell has no consent.
    pub(crate) async fn ask(&mut self) -> Result<(), NodeError> {
        if is_stopped(&self.ledger).await? {
            return Err(Refusal::from(Code::SiteStopped).into());
        }
        self.studies.read_on(&self.ledger).await?;
        self.studies.read_settings(&self.paths)?;
        self.studies
            .may_run(&self.study, &self.roster, self.today)?;
        if self.studies.frozen(&self.study) != self.frozen {
            let detail = "the steward froze the rows anew since";
            return Err(Refusal::new(Code::StudyNotApproved, detail).into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use motet_secagg::sign::SecretKey;

    #[tokio::test]
    async fn the_switch_sticks_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
        let home = Home::open(folder.path()).await.unwrap();
        let now = Moment { ms: 5 };
        assert!(!is_stopped(&home.ledger).await.unwrap());
        assert!(turn(&home, true, now).await.unwrap());
        assert!(
            !turn(&home, true, now).await.unwrap(),
            "stopping twice is one entry"
        );
        home.ledger.close().await;
        let home = Home::open(folder.path()).await.unwrap();
        assert!(is_stopped(&home.ledger).await.unwrap());
        assert!(turn(&home, false, now).await.unwrap());
        assert!(!is_stopped(&home.ledger).await.unwrap());
        let events = records::read::<records::Event>(&home.ledger, records::EVENTS)
            .await
            .unwrap();
        assert_eq!(
            events
                .iter()
                .map(|event| event.code.as_str())
                .collect::<Vec<_>>(),
            ["stopped", "resumed"]
        );
    }
}
