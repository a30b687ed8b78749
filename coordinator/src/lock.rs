//! One coordinator on one state folder: the folder itself is locked as long as the process lives.

use anyhow::bail;
use motet_ledger::Claim;
use std::path::Path;

/// The file that stands for the folder where a folder cannot be locked.
pub const LOCK: &str = Claim::FILE;

/// Held by the one process that may write the state folder; the system releases it when the process
/// ends, however it ends.
pub struct StateLock(Claim);

impl StateLock {
    /// Claims the folder, which must be there.
    ///
    /// # Errors
    /// When another process has it, or the system refuses.
    pub fn claim(state: &Path) -> anyhow::Result<Self> {
        match Claim::take(state)? {
            Some(claim) => Ok(Self(claim)),
            None => {
                bail!(
                    "a coordinator is running on `{}` already: stop that process first",
                    state.display()
                )
            }
        }
    }

    /// Refuses when the folder was moved away or replaced since.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(crate) fn still_holds(&self) -> anyhow::Result<()> {
        Ok(self.0.still_holds()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_state_folder_whatever_is_deleted_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let held = StateLock::claim(folder.path()).unwrap();
        let _ = std::fs::remove_file(folder.path().join(LOCK));
        let Err(error) = StateLock::claim(folder.path()) else {
            panic!("two have it")
        };
        let error = error.to_string();
        assert!(
            error.contains("running") && error.contains(&folder.path().display().to_string()),
            "{error}"
        );
        drop(held);
        StateLock::claim(folder.path()).unwrap();
    }
}
