//! The kill switch: `stop` makes the node answer nothing until `resume`, across restarts. It is an entry of the ledger, so
//! that stopping and resuming are on record, and it works while the daemon runs.

use crate::records::{self, SWITCH, Switch};
use crate::{Home, NodeError};
use motet_common::moment::Moment;
use motet_ledger::Ledger;

/// Whether the node is stopped.
///
/// # Errors
/// [`NodeError::Ledger`], [`NodeError::Entry`]: whoever cannot tell must take the node for stopped.
pub async fn is_stopped(ledger: &Ledger) -> Result<bool, NodeError> {
    Ok(records::last::<Switch>(ledger, SWITCH).await?.is_some_and(|switch| switch.stopped))
}

/// Turns the switch; tells whether that changed anything.
///
/// # Errors
/// [`NodeError::Ledger`].
pub async fn turn(home: &Home, stopped: bool, now: Moment) -> Result<bool, NodeError> {
    if is_stopped(&home.ledger).await? == stopped {
        return Ok(false);
    }
    records::append(&home.ledger, SWITCH, &Switch { when_ms: now.ms, stopped }).await?;
    let (code, text) = match stopped {
        true => ("stopped", "the steward stopped the node; it answers nothing"),
        false => ("resumed", "the steward released the node; it answers approved studies again"),
    };
    records::event(&home.ledger, now.ms, code, text).await?;
    Ok(true)
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
        assert!(!turn(&home, true, now).await.unwrap(), "stopping twice is one entry");
        home.ledger.close().await;
        let home = Home::open(folder.path()).await.unwrap();
        assert!(is_stopped(&home.ledger).await.unwrap());
        assert!(turn(&home, false, now).await.unwrap());
        assert!(!is_stopped(&home.ledger).await.unwrap());
        let events = records::read::<records::Event>(&home.ledger, records::EVENTS).await.unwrap();
        assert_eq!(
            events.iter().map(|event| event.code.as_str()).collect::<Vec<_>>(),
            ["stopped", "resumed"]
        );
    }
}
