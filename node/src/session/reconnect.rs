//! The life of a node: session after session, until its process is told to stop. It outlasts a
//! coordinator that is away and a disk of its own that cannot be written.
//!
//! What is in memory may be ahead of what is on disk when a write fails, so after such an error the
//! folder is opened anew, as after a restart: what was sealed and recorded is said again, what was
//! not is computed again. Nothing is said in between.

use super::{Away, Session};
use crate::drill::Drill;
use crate::{Home, NodeError, clock, output};
use motet_common::refusal::{Code, Refusal};
use motet_ledger::{Claim, LedgerError};
use motet_program::Backoff;
use motet_proto::dice::dice;
use motet_proto::stop::Stop;
use rand::RngExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest wait before dialling again, and before the node's own folder is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The waits before dialling again, each with jitter so that sites do not dial in step.
const DIALS: Backoff = Backoff::new(Duration::from_millis(250), LONGEST_WAIT);
/// The first wait of a node whose line was taken by another connection of its site, and what the
/// next is multiplied with. Two nodes that dialled at once would take the line from each other
/// without end.
const REPLACED_WAIT: Duration = Duration::from_secs(10);
const REPLACED_GROWTH: u32 = 3;
/// The time a line is taken at which the node stops: that it was not a mistake of a moment is clear
/// then.
const MOST_REPLACED: u32 = 3;
/// A line that was taken longer ago than this does not count any more.
const REPLACED_FOR: Duration = Duration::from_secs(60 * 60);
/// How often the node looks whether its folder is still in its place.
const LOOK: Duration = Duration::from_secs(1);
/// The first wait before the node's own folder is tried again.
const FIRST_TRY: Duration = Duration::from_secs(1);
const TRIES: Backoff = Backoff::new(FIRST_TRY, LONGEST_WAIT);

/// Runs the node until its process is told to stop. It never ends because the coordinator is away,
/// nor because its folder cannot be written for a while.
///
/// # Errors
/// When the node's own folder cannot be read at the start, or is not as it was written: trying
/// again mends no damage.
pub async fn run(
    home: Home,
    drill: Option<Drill>,
    claim: &Claim,
    stop: &Stop,
) -> anyhow::Result<()> {
    tokio::select! {
        lasted = last(home, drill) => lasted,
        // Whatever is waited for just then, and all at once: every line that was said is on disk.
        () = stop.told() => Ok(()),
        error = replaced(claim) => Err(NodeError::from(error).into()),
    }
}

/// Returns when the node's folder is not the one any more that this process claimed.
async fn replaced(claim: &Claim) -> LedgerError {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        if let Err(error) = claim.still_holds() {
            return error;
        }
    }
}

/// Every entry follows from the one before it, also in streams that nobody reads in the course of
/// things, such as that of what has left: nothing is appended to a record that was changed.
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
        // However the connection ended: whoever was welcome comes back soon.
        if std::mem::take(&mut session.was_welcome) {
            dials = DIALS;
        }
        let said = match attended {
            Ok(()) | Err(Away::Later(_)) => {
                session
                    .say(
                        "disconnected",
                        "the connection to the coordinator ended; dialling again",
                    )
                    .await
            }
            Err(Away::Coordinator(why)) => session.say("away", &why).await,
            Err(Away::Replaced) => {
                let patience = replaced.again(Instant::now());
                dials = patience.map_or(dials, |wait| Backoff::new(wait, LONGEST_WAIT));
                let said = session.say("replaced", &replaced_text(patience)).await;
                if patience.is_none() && said.is_ok() {
                    return Err(NodeError::from(Refusal::new(Code::LineReplaced, TAKEN)).into());
                }
                said
            }
            Err(Away::Removed(why)) => match session.removed().await {
                Ok(()) => session.say("away", &why).await,
                Err(error) => Err(error),
            },
            Err(Away::Node(NodeError::Broken(refusal))) => {
                // The folder can be written: the steward finds it among the events, too.
                match session.say("internal", &refusal.to_string()).await {
                    Ok(()) => Err(refusal.into()),
                    Err(error) => Err(error),
                }
            }
            Err(Away::Node(error)) => Err(error),
        };
        let jitter = dice().random::<f64>() + 0.5;
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
            // The old session is gone before the folder is opened anew: two would not know of each
            // other.
            drop(session);
            session = trouble.mend(&dir, drill, error).await?;
            continue;
        }
        dials.next_wait();
    }
}

/// What a node says whose line was taken.
const TAKEN: &str = "the coordinator closed this line because another connection with this site's certificate took its place: is this \
     folder, or a copy of it, running elsewhere?";

fn replaced_text(patience: Option<Duration>) -> String {
    let then = match patience {
        Some(wait) => format!("dialling again in about {} s", wait.as_secs()),
        None => "it came back again and again, and this node stops".to_owned(),
    };
    format!("{TAKEN} {}; {then}", Code::LineReplaced.next())
}

/// How often this process's line was taken by another that has its certificate. A process that was
/// started again takes the line of one that is gone: nobody hears this then.
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

    /// Once more: how long to wait, or nothing where the node is to stop.
    fn again(&mut self, now: Instant) -> Option<Duration> {
        self.times = self.times(now) + 1;
        self.last = Some(now);
        (self.times < MOST_REPLACED)
            .then(|| REPLACED_WAIT * REPLACED_GROWTH.saturating_pow(self.times - 1))
    }
}

/// What was last wrong with the node's own folder.
struct Trouble {
    said: bool,
    tries: Backoff,
    mended: Option<Instant>,
}

impl Default for Trouble {
    fn default() -> Self {
        Self {
            said: false,
            tries: TRIES,
            mended: None,
        }
    }
}

impl Trouble {
    /// Says once what is wrong, waits, and opens the folder again until it can be read and written.
    ///
    /// # Errors
    /// What is found then and is not of a kind that passes.
    async fn mend(
        &mut self,
        dir: &Path,
        drill: Option<Drill>,
        mut error: NodeError,
    ) -> Result<Session, NodeError> {
        if self
            .mended
            .is_none_or(|mended| mended.elapsed() > LONGEST_WAIT * 2)
        {
            *self = Self::default();
        }
        loop {
            self.say(&error);
            tokio::time::sleep(self.tries.next_wait()).await;
            match again(dir, drill).await {
                Ok(session) => {
                    (self.said, self.mended) = (false, Some(Instant::now()));
                    return Ok(session);
                }
                Err(next) if next.is_damage() => return Err(next),
                Err(next) => error = next,
            }
        }
    }

    /// An event for standard error: the ledger, where events belong, is what cannot be written.
    fn say(&mut self, error: &NodeError) {
        // The ledger's own errors say what to do.
        let what_to_do = match error {
            NodeError::File { .. } => {
                "; check that the disk has room and that this user may write there"
            }
            _ => "",
        };
        if std::mem::replace(&mut self.said, true) {
            return;
        }
        let code = match error {
            NodeError::Refused(_) => "refused",
            NodeError::Broken(_) => "internal",
            _ => "storage",
        };
        let now = clock::text(clock::now().ms);
        output::note(format!(
            "{now} {code}: {error}{what_to_do}; the node says nothing until then and goes on by itself"
        ));
    }
}

/// The folder, opened as after a restart, once there is room to write in it.
async fn again(dir: &Path, drill: Option<Drill>) -> Result<Session, NodeError> {
    let home = Home::open(dir).await?;
    home.ledger.room().await?;
    let mut session = Session::open(home, drill).await?;
    session
        .say(
            "mended",
            "the node's folder can be read and written; going on where it stood",
        )
        .await?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use crate::records::{self, EVENTS, Event};
    use motet_secagg::sign::SecretKey;
    use std::fs;

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

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_tried_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let paths = make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
        drop(Home::open(folder.path()).await.unwrap());
        // A folder of that name stands for a disk that refuses.
        let refuses = paths.ledger().join("room");
        fs::create_dir(&refuses).unwrap();
        let error = again(folder.path(), None).await.err().unwrap();
        assert!(
            error.to_string().contains("check that the disk has room"),
            "{error}"
        );
        let mut trouble = Trouble::default();
        let mended = async {
            tokio::time::sleep(FIRST_TRY / 10).await;
            fs::remove_dir(&refuses).unwrap();
        };
        let (session, ()) = tokio::join!(trouble.mend(folder.path(), None, error), mended);
        let session = session.unwrap();
        assert_eq!(
            trouble.tries.wait(),
            FIRST_TRY * 2,
            "the next wait is longer"
        );
        let events = records::read::<Event>(&session.home.ledger, EVENTS)
            .await
            .unwrap();
        assert_eq!(
            events.last().map(|event| event.code.as_str()),
            Some("mended")
        );
    }
}
