//! The coordinator's two keys as they were at the first proposal from this folder, in
//! `coordinator.toml`: governance signs them into every roster, and a coordinator that was broken
//! into for a day must not have its own there for good.

use crate::failure::{Done, Failure};
use crate::invitation::turn;
use motet_common::roster::HubKeys;
use motet_proto::keyfile::{read_secret_text, write_new_secret};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "coordinator.toml";

#[derive(Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Keys {
    /// Signs plans, releases and manifests; hexadecimal.
    signing: String,
    /// Signs the checkpoints of studies' logs.
    log: String,
}

/// Holds the keys that the coordinator names against those of the first time, which are written
/// down here.
///
/// # Errors
/// When they are others, or the file cannot be read or written.
pub(crate) fn hold(dir: &Path, named: &HubKeys) -> Done {
    let _turn = turn(dir)?;
    let path = dir.join(FILE);
    let named = Keys {
        signing: named.signing.hex(),
        log: named.log.hex(),
    };
    if !path.exists() {
        let text =
            toml::to_string(&named).map_err(|error| Failure::failed(error.to_string(), ""))?;
        return Ok(write_new_secret(&path, text.as_bytes())?);
    }
    let text = read_secret_text(&path)?;
    let known: Keys = Failure::read(&path, &text, "restore it from a backup")?;
    if known == named {
        return Ok(());
    }
    Err(Failure::failed(
        "the coordinator names other keys of its own than at the first \
         proposal from this folder: nothing was signed",
        format!(
            "ask whoever runs it on another line; if its keys were really \
             made anew, remove `{}` and propose again",
            path.display()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::sign::SecretKey;

    #[test]
    fn other_keys_of_the_coordinator_than_the_first_time_are_signed_into_no_roster() {
        let folder = tempfile::tempdir().unwrap();
        let hub = |signing: u8, log: u8| {
            let [signing, log] =
                [signing, log].map(|seed| SecretKey::from_seed([seed; 32]).public());
            HubKeys { signing, log }
        };
        hold(folder.path(), &hub(1, 2)).unwrap();
        hold(folder.path(), &hub(1, 2)).unwrap();
        for other in [hub(3, 2), hub(1, 3), hub(2, 1)] {
            assert_eq!(hold(folder.path(), &other).unwrap_err().exit_code(), 1);
        }
        hold(folder.path(), &hub(1, 2)).unwrap();
    }
}
