//! The life of a node: session after session, until its process is told
//! to stop. It outlasts a coordinator that is away and a disk of its
//! own that cannot be written.
//!
//! After an error of its own folder the session ends, with the drivers
//! of all studies, and one is made again: nothing is said in between.

use super::Session;
use super::recovery::Trouble;
use crate::drill::Drill;
use crate::link::Broken;
use crate::{Home, NodeError};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::REDIAL_MS;
use motet_ledger::{Claim, LedgerError};
use motet_program::Backoff;
use motet_proto::rng::rng;
use motet_proto::stop::Stop;
use rand::RngExt as _;
use std::time::{Duration, Instant};

/// The longest wait before dialling again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The waits before dialling again, each with jitter so that sites do
/// not dial in step.
const DIALS: Backoff = Backoff::new(Duration::from_millis(250), LONGEST_WAIT);
/// The coordinator counts on it that every node dials within that time. A wait is lengthened by half
/// at most, and the dial itself takes a moment.
const _: () = assert!(LONGEST_WAIT.as_millis() * 3 / 2 < REDIAL_MS as u128);
/// The first wait of a node whose line was taken by another connection
/// of its site, and what the next is multiplied with. Two nodes that
/// dialled at once would take the line from each other without end.
const REPLACED_WAIT: Duration = Duration::from_secs(10);
const REPLACED_GROWTH: u32 = 3;
/// The time a line is taken at which the node stops: that it was not a
/// mistake of a moment is clear then.
const MOST_REPLACED: u32 = 3;
/// A line that was taken longer ago than this does not count any more.
const REPLACED_FOR: Duration = Duration::from_secs(60 * 60);
/// How often the node looks whether its folder is still in its place.
const LOOK: Duration = Duration::from_secs(1);

/// Runs the node until its process is told to stop. It never ends
/// because the coordinator is away, nor because its folder cannot be
/// written for a while.
///
/// # Errors
/// When the node's own folder cannot be read at the start, or is not as
/// it was written: trying again mends no damage.
pub(crate) async fn run(
    home: Home,
    drill: Option<Drill>,
    claim: &Claim,
    stop: &Stop,
) -> anyhow::Result<()> {
    tokio::select! {
        lasted = last(home, drill) => lasted,
        // Whatever is waited for just then, and all at once: every line
        // that was said is on disk.
        () = stop.told() => Ok(()),
        error = replaced(claim) => Err(NodeError::from(error).into()),
    }
}

/// Returns when the node's folder is not the one any more that this
/// process claimed.
async fn replaced(claim: &Claim) -> LedgerError {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        if let Err(error) = claim.still_holds() {
            return error;
        }
    }
}

/// Every entry follows from the one before it, also in streams that
/// nobody reads in the course of things, such as that of what has left:
/// nothing is appended to a record that was changed.
pub(super) async fn read_all(home: &Home) -> Result<(), NodeError> {
    for stream in home.ledger.streams("").await? {
        home.ledger.read(&stream, 1).await?;
    }
    Ok(())
}

async fn last(home: Home, drill: Option<Drill>) -> anyhow::Result<()> {
    let dir = home.paths.dir().to_path_buf();
    read_all(&home).await?;
    let mut session = Session::open(home, drill).await?;
    let mut dials = DIALS;
    let mut trouble = Trouble::default();
    let mut replaced = Replaced::default();
    loop {
        let attended = session.attend(replaced.times(Instant::now())).await;
        // However the connection ended: whoever was welcome comes back
        // soon.
        if std::mem::take(&mut session.was_welcome) {
            dials = DIALS;
        }
        let said = match attended {
            Ok(()) => {
                let text = "the connection to the coordinator ended; dialling again";
                session.shared.say("disconnected", text).await
            }
            Err(Broken::Line(why)) => session.shared.say("away", &why).await,
            Err(Broken::Replaced) => {
                let patience = replaced.again(Instant::now());
                dials = patience.map_or(dials, |wait| Backoff::new(wait, LONGEST_WAIT));
                let text = replaced_text(patience);
                let said = session.shared.say("replaced", &text).await;
                if patience.is_none() && said.is_ok() {
                    return Err(NodeError::from(Refusal::new(Code::LineReplaced, TAKEN)).into());
                }
                said
            }
            Err(Broken::Removed(why)) => match session.removed().await {
                Ok(()) => session.shared.say("away", &why).await,
                Err(error) => Err(error),
            },
            Err(Broken::Own(NodeError::Broken(refusal))) => {
                // The folder can be written: the steward finds it among
                // the events, too.
                match session.shared.say("internal", &refusal.to_string()).await {
                    Ok(()) => Err(refusal.into()),
                    Err(error) => Err(error),
                }
            }
            Err(Broken::Own(error)) => Err(error),
        };
        let jitter = rng().random::<f64>() + 0.5;
        let rested = match said {
            Ok(()) => {
                session
                    .meanwhile(tokio::time::sleep(dials.wait().mul_f64(jitter)))
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = rested {
            if error.is_damage() {
                return Err(error.into());
            }
            // The old session is gone before the folder is opened again:
            // two would not know of each other.
            session.end().await;
            session = trouble.mend(&dir, drill, error).await?;
            continue;
        }
        dials.next_wait();
    }
}

/// What a node says whose line was taken.
const TAKEN: &str = "the coordinator closed this line because another connection \
                    with this site's certificate took its place: is this \
     folder, or a copy of it, running elsewhere?";

fn replaced_text(patience: Option<Duration>) -> String {
    let then = match patience {
        Some(wait) => format!("dialling again in about {} s", wait.as_secs()),
        None => "it came back again and again, and this node stops".to_owned(),
    };
    format!("{TAKEN} {}; {then}", Code::LineReplaced.next())
}

/// How often this process's line was taken by another that has its
/// certificate. A process that was started again takes the line of one
/// that is gone: nobody hears this then.
#[derive(Default)]
struct Replaced {
    times: u32,
    last: Option<Instant>,
}

impl Replaced {
    /// How often, lately.
    fn times(&self, now: Instant) -> u32 {
        let lately = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < REPLACED_FOR);
        if lately { self.times } else { 0 }
    }

    /// Once more: how long to wait, or nothing where the node is to
    /// stop.
    fn again(&mut self, now: Instant) -> Option<Duration> {
        self.times = self.times(now) + 1;
        self.last = Some(now);
        (self.times < MOST_REPLACED)
            .then(|| REPLACED_WAIT * REPLACED_GROWTH.saturating_pow(self.times - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_whose_line_is_taken_again_and_again_waits_longer_and_then_stops() {
        let (mut replaced, start) = (Replaced::default(), Instant::now());
        assert_eq!(replaced.times(start), 0);
        let waits: Vec<_> = (1..=MOST_REPLACED).map(|_| replaced.again(start)).collect();
        assert_eq!(
            waits,
            [
                Some(REPLACED_WAIT),
                Some(REPLACED_WAIT * REPLACED_GROWTH),
                None
            ]
        );
        assert_eq!(replaced.times(start), MOST_REPLACED);
        assert_eq!(
            replaced.again(start + REPLACED_FOR),
            Some(REPLACED_WAIT),
            "long ago"
        );
    }
}
