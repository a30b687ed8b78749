//! A node whose own folder is in trouble says nothing more, and opens it
//! again until it can be read and written.
//!
//! What is in memory may be ahead of what is on disk when a write
//! fails, so the folder is opened as after a restart: what was sealed
//! and recorded is said again, what was not is computed again.

use super::Session;
use crate::drill::Drill;
use crate::{Home, NodeError, clock, output};
use motet_program::Backoff;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest wait before the folder is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// The first wait before that.
const FIRST_TRY: Duration = Duration::from_secs(1);
const TRIES: Backoff = Backoff::new(FIRST_TRY, LONGEST_WAIT);

/// What was last wrong with the node's own folder.
pub(super) struct Trouble {
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
    /// Says once what is wrong, waits, and opens the folder again until
    /// it can be read and written.
    ///
    /// # Errors
    /// What is found then and is not of a kind that passes.
    pub(super) async fn mend(
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

    /// An event for standard error: the ledger, where events belong, is
    /// what cannot be written.
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
            "{now} {code}: {error}{what_to_do}; \
                    the node says nothing until then and goes on by itself"
        ));
    }
}

/// The folder, opened as after a restart, once there is room to write
/// in it.
async fn again(dir: &Path, drill: Option<Drill>) -> Result<Session, NodeError> {
    let home = Home::open(dir).await?;
    home.ledger.room().await?;
    let session = Session::open(home, drill).await?;
    let text = "the node's folder can be read and written; going on where it stood";
    session.shared.say("mended", text).await?;
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use crate::records::{self, EVENTS, Event};
    use motet_secagg::sign::SecretKey;
    use std::fs;

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
        let events = records::read::<Event>(&session.shared.home.ledger, EVENTS)
            .await
            .unwrap();
        assert_eq!(
            events.last().map(|event| event.code.as_str()),
            Some("mended")
        );
    }
}
