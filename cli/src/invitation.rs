//! What the operator's folder keeps of each invitation, in `invites/ID.toml`: its secret until somebody is verified under it,
//! then in the secret's place the one enrolment that was, and at the end the removal that was signed.
//!
//! None of it is taken back on the coordinator's word: a code that is found later proves nothing any more, and who was
//! removed here stays removed whatever books the coordinator shows.

use crate::failure::{Done, Failure};
use crate::identity::private_folder;
use motet_common::enrol::Enrolment;
use motet_proto::keyfile::{read_secret_text, write_new_secret, write_secret};
use motet_secagg::digest::{Digest, from_hex, to_hex};
use motet_secagg::encode::Canonical as _;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What the operator keeps of an invitation. It may hold the secret and therefore has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) role: String,
    pub(crate) expires_ms: u64,
    /// Until an enrolment was verified with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// The digest of the enrolment that was verified: no other counts under this invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) enrolled: Option<String>,
    /// The signed removal, to be sent again to a coordinator that has lost it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) removed: Option<String>,
}

impl Kept {
    /// Writes it beside the identity, where there must be none yet.
    pub(crate) fn keep(&self, identity: &Path, invite: &[u8; 16]) -> Done {
        private_folder(&identity.join("invites"))?;
        Ok(write_new_secret(&path(identity, invite), self.text()?.as_bytes())?)
    }

    /// Writes it in place of what is there.
    pub(crate) fn replace(&self, identity: &Path, invite: &[u8; 16]) -> Done {
        private_folder(&identity.join("invites"))?;
        Ok(write_secret(&path(identity, invite), self.text()?.as_bytes())?)
    }

    /// What is kept of this invitation, if it was made here.
    pub(crate) fn of(identity: &Path, invite: &[u8]) -> Done<Option<Self>> {
        let path = path(identity, invite);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_secret_text(&path)?;
        toml::from_str(&text).map(Some).map_err(|error| {
            Failure::failed(
                format!("invitation `{}` cannot be read: {}", path.display(), error.message()),
                "restore it from a backup",
            )
        })
    }

    /// Forgets an invitation: nobody is ever verified under it.
    pub(crate) fn forget(identity: &Path, invite: &[u8]) -> Done {
        let _turn = turn(identity)?;
        let path = path(identity, invite);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// From now on this enrolment and no other: the secret has done its work, and whoever finds the code comes too late.
    pub(crate) fn fix(&mut self, enrolment: &Enrolment) {
        self.enrolled = Some(digest(enrolment));
        self.secret = None;
    }

    /// Whether this is the enrolment that was fixed; nothing when none was yet.
    pub(crate) fn is_fixed_on(&self, enrolment: &Enrolment) -> Option<bool> {
        self.enrolled.as_ref().map(|fixed| *fixed == digest(enrolment))
    }

    pub(crate) fn secret(&self) -> Option<[u8; 32]> {
        from_hex(self.secret.as_deref()?)?.try_into().ok()
    }

    /// Records a removal, also of a member whom another operator invited.
    pub(crate) fn record_removal(identity: &Path, enrolment: &Enrolment, removal: &[u8]) -> Done {
        let _turn = turn(identity)?;
        let kept = Self::of(identity, &enrolment.invite)?;
        let mut kept = kept.unwrap_or_else(|| Self {
            name: enrolment.name.clone(),
            country: enrolment.country.clone(),
            role: enrolment.role.to_string(),
            expires_ms: 0,
            secret: None,
            enrolled: None,
            removed: None,
        });
        kept.secret = None;
        kept.removed = Some(to_hex(removal));
        kept.replace(identity, &enrolment.invite)
    }

    /// The removal that was signed here.
    pub(crate) fn removal(&self) -> Option<Vec<u8>> {
        from_hex(self.removed.as_deref()?)
    }

    fn text(&self) -> Done<String> {
        toml::to_string(self).map_err(|error| Failure::failed(error.to_string(), ""))
    }
}

/// Held from reading what is kept to writing what follows from it: a list must not write over a removal that another command
/// records meanwhile, nor two lists fix two enrolments. It ends when the file is dropped.
pub(crate) fn turn(identity: &Path) -> Done<File> {
    let invites = identity.join("invites");
    private_folder(&invites)?;
    let path = invites.join("lock");
    let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let locked = lock.and_then(|lock| lock.lock().map(|()| lock));
    locked.map_err(Failure::io("lock", &path))
}

fn path(identity: &Path, invite: &[u8]) -> PathBuf {
    identity.join("invites").join(format!("{}.toml", to_hex(invite)))
}

fn digest(enrolment: &Enrolment) -> String {
    Digest::of("motet kept enrolment", &[&enrolment.to_bytes()]).hex()
}
