//! One process on one folder. What is locked is the folder itself: a lock file can be deleted, and
//! then two processes hold one each.
//!
//! The lock is the system's own on the open folder (`flock`), apart from those that SQLite takes on
//! its files, and ends with the process, however that ends. Where a folder cannot be opened,
//! elsewhere than on Unix, a file in it stands for it.

use crate::LedgerError;
use crate::files::Place;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Whoever asks whether a folder is claimed holds it for an instant; a claim that comes just then
/// tries again.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Held by the one process that writes a folder.
pub struct Claim {
    place: Place,
    #[expect(dead_code, reason = "the open file is the lock")]
    held: File,
}

impl Claim {
    /// The file that stands for a folder which cannot be locked itself.
    pub const FILE: &str = "run.lock";

    /// Claims the folder, which must be there; nothing when another process has it.
    ///
    /// # Errors
    /// [`LedgerError::File`].
    pub fn take(folder: &Path) -> Result<Option<Self>, LedgerError> {
        let place = Place::of(folder)?;
        let held = handle(&place, folder)?;
        for _ in 0..TRIES {
            match held.try_lock() {
                Ok(()) => return Ok(Some(Self { place, held })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(cause)) => {
                    return Err(LedgerError::file("lock", folder)(cause));
                }
            }
        }
        Ok(None)
    }

    /// Whether a process has claimed the folder.
    pub fn is_taken(folder: &Path) -> bool {
        let held = Place::of(folder).and_then(|place| handle(&place, folder));
        held.is_ok_and(|held| matches!(held.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Refuses when the folder was moved away or replaced since it was claimed.
    ///
    /// # Errors
    /// [`LedgerError::Moved`].
    pub fn still_holds(&self) -> Result<(), LedgerError> {
        self.place.is_still_there()
    }
}

fn handle(place: &Place, folder: &Path) -> Result<File, LedgerError> {
    match place.handle() {
        Some(opened) => opened
            .try_clone()
            .map_err(LedgerError::file("lock", folder)),
        None => {
            let path = folder.join(Claim::FILE);
            File::create(&path).map_err(LedgerError::file("write", &path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn one_process_has_a_folder_whatever_is_deleted_in_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Claim::is_taken(dir.path()));
        let held = Claim::take(dir.path()).unwrap().unwrap();
        for entry in fs::read_dir(dir.path()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert!(Claim::is_taken(dir.path()));
        assert!(Claim::take(dir.path()).unwrap().is_none());
        drop(held);
        // A child that another test is just starting has the lock too, until it runs its program.
        let dropped = std::time::Instant::now();
        while Claim::is_taken(dir.path()) {
            assert!(dropped.elapsed().as_secs() < 10, "nobody lets go of it");
            std::thread::yield_now();
        }
        assert!(Claim::take(dir.path()).unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_was_moved_or_replaced_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let (state, away) = (dir.path().join("state"), dir.path().join("away"));
        fs::create_dir(&state).unwrap();
        let held = Claim::take(&state).unwrap().unwrap();
        held.still_holds().unwrap();
        fs::rename(&state, &away).unwrap();
        assert!(matches!(held.still_holds(), Err(LedgerError::Moved { .. })));
        fs::create_dir(&state).unwrap();
        let error = held.still_holds().unwrap_err().to_string();
        assert!(
            error.contains("state") && error.contains("start it again"),
            "{error}"
        );
        fs::remove_dir(&state).unwrap();
        fs::rename(&away, &state).unwrap();
        held.still_holds().unwrap();
    }
}
