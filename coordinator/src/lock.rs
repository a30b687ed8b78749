//! One coordinator on one state folder: the file `run.lock` in it, locked as long as the process lives.

use anyhow::{Context as _, bail};
use std::fs::{File, TryLockError};
use std::path::Path;

/// The name of the lock in the state folder.
pub const LOCK: &str = "run.lock";

/// Held by the one process that may write the state folder; the system releases it when the process ends, however it
/// ends.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl StateLock {
    /// Claims the folder, which must be there.
    ///
    /// # Errors
    /// When another process has it, or the system refuses.
    pub fn claim(state: &Path) -> anyhow::Result<Self> {
        let path = state.join(LOCK);
        let file = File::create(&path).with_context(|| {
            format!(
                "cannot write `{}`: check that the disk has room and that this user may write there",
                path.display()
            )
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                bail!("a coordinator is running on `{}` already: stop that process first", state.display())
            }
            Err(TryLockError::Error(cause)) => {
                Err(cause).with_context(|| format!("cannot lock `{}`", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_state_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = StateLock::claim(folder.path()).unwrap();
        let error = StateLock::claim(folder.path()).unwrap_err().to_string();
        assert!(error.contains("running") && error.contains(&folder.path().display().to_string()), "{error}");
        drop(held);
        StateLock::claim(folder.path()).unwrap();
    }
}
