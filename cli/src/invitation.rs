//! What the operator's folder keeps of each invitation, in `invites/ID.toml`: its secret until
//! somebody is verified under it, then in the secret's place the one enrolment that was, and at the
//! end that it was removed, with the removal that was signed.
//!
//! None of it is taken back on the coordinator's word: a code that is found later proves nothing
//! any more, and who was removed here stays removed whatever books the coordinator shows. The whole
//! enrolment is kept, so that a removal is signed from this folder and never from what the
//! coordinator shows of a member that was verified.

use crate::failure::{Done, Failure};
use crate::identity::private_folder;
use motet_common::enrol::{Enrolment, Role};
use motet_proto::keyfile::{read_secret_text, write_new_secret, write_secret};
use motet_secagg::digest::{from_hex, to_hex};
use motet_secagg::encode::Canonical as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// What the operator keeps of an invitation. It may hold the secret and therefore has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) country: String,
    #[serde(with = "crate::as_text")]
    pub(crate) role: Role,
    pub(crate) expires_ms: u64,
    /// Until an enrolment was verified with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<String>,
    /// The enrolment that was verified: no other counts under this invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) enrolled: Option<String>,
    /// When it was removed here, or another code took the place of this one: nobody counts under it
    /// from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) removed_ms: Option<u64>,
    /// The signed removal, to be sent again to a coordinator that has lost it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) removal: Option<String>,
}

impl Kept {
    /// An invitation that was just made.
    pub(crate) fn new(
        name: &str,
        country: &str,
        role: Role,
        secret: Option<&[u8]>,
        expires_ms: u64,
    ) -> Self {
        Self {
            name: name.to_owned(),
            country: country.to_owned(),
            role,
            expires_ms,
            secret: secret.map(to_hex),
            enrolled: None,
            removed_ms: None,
            removal: None,
        }
    }

    /// Writes it beside the identity, where there must be none yet.
    pub(crate) fn keep(&self, identity: &Path, invite: &[u8; 16]) -> Done {
        private_folder(&identity.join("invites"))?;
        Ok(write_new_secret(
            &path(identity, invite),
            self.text()?.as_bytes(),
        )?)
    }

    /// Writes it in place of what is there.
    pub(crate) fn replace(&self, identity: &Path, invite: &[u8; 16]) -> Done {
        private_folder(&identity.join("invites"))?;
        Ok(write_secret(
            &path(identity, invite),
            self.text()?.as_bytes(),
        )?)
    }

    /// What is kept of this invitation, if it was made here.
    pub(crate) fn of(identity: &Path, invite: &[u8]) -> Done<Option<Self>> {
        let path = path(identity, invite);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_secret_text(&path)?;
        Failure::read(&path, &text, "restore it from a backup").map(Some)
    }

    /// Every invitation that is kept here, by its id.
    pub(crate) fn all(identity: &Path) -> Done<BTreeMap<[u8; 16], Self>> {
        let invites = identity.join("invites");
        let failed = Failure::io("read", &invites);
        let entries = match std::fs::read_dir(&invites) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>().map_err(failed)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let mut all = BTreeMap::new();
        for entry in entries {
            let name = entry.file_name();
            let id = name
                .to_str()
                .and_then(|name| from_hex(name.strip_suffix(".toml")?));
            let Some(invite) = id.and_then(|id| <[u8; 16]>::try_from(id).ok()) else {
                continue;
            };
            if let Some(kept) = Self::of(identity, &invite)? {
                all.insert(invite, kept);
            }
        }
        Ok(all)
    }

    /// Forgets an invitation that came to nothing. What somebody was verified under, or removed
    /// from, is not forgotten.
    pub(crate) fn forget(identity: &Path, invite: &[u8]) -> Done {
        let _turn = turn(identity)?;
        let path = path(identity, invite);
        if Self::of(identity, invite)?
            .is_some_and(|kept| kept.enrolled.is_some() || kept.is_removed())
        {
            return Err(Failure::failed(
                format!(
                    "`{}` says who was verified or removed and is not forgotten",
                    path.display()
                ),
                "remove the member with `motet site remove` or `motet person remove`",
            ));
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::io("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// From now on this enrolment and no other: the secret has done its work, and whoever finds the
    /// code comes too late.
    pub(crate) fn fix(&mut self, enrolment: &Enrolment) {
        self.enrolled = Some(to_hex(&enrolment.to_bytes()));
        self.secret = None;
    }

    /// The enrolment that was fixed.
    pub(crate) fn enrolment(&self) -> Done<Option<Enrolment>> {
        let Some(text) = self.enrolled.as_deref() else {
            return Ok(None);
        };
        let enrolment = from_hex(text).and_then(|bytes| Enrolment::from_bytes(&bytes).ok());
        enrolment.map(Some).ok_or_else(|| {
            Failure::failed(
                format!(
                    "what is kept of the enrolment of `{}` is damaged",
                    self.name
                ),
                "restore the folder `invites` from a backup",
            )
        })
    }

    /// Whether nobody counts under it any more.
    pub(crate) fn is_removed(&self) -> bool {
        self.removed_ms.is_some()
    }

    /// Whether somebody was verified under it who was not removed since.
    pub(crate) fn is_standing(&self) -> bool {
        self.enrolled.is_some() && !self.is_removed()
    }

    /// Whether it is for this name in this role, capitals or not: the coordinator tells names apart
    /// in the same way.
    pub(crate) fn is_for(&self, name: &str, role: Role) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.role == role
    }

    /// Whether this is the enrolment that was fixed; nothing when none was yet.
    pub(crate) fn is_fixed_on(&self, enrolment: &Enrolment) -> Option<bool> {
        self.enrolled
            .as_ref()
            .map(|fixed| *fixed == to_hex(&enrolment.to_bytes()))
    }

    pub(crate) fn secret(&self) -> Option<[u8; 32]> {
        from_hex(self.secret.as_deref()?)?.try_into().ok()
    }

    /// From now on nobody counts under it.
    pub(crate) fn end(&mut self, now_ms: u64) {
        self.secret = None;
        self.removed_ms.get_or_insert(now_ms);
    }

    /// Ends every invitation of this name that nobody was verified under, but for the one that
    /// takes their place.
    pub(crate) fn replaced(identity: &Path, name: &str, by: &[u8; 16], now_ms: u64) -> Done {
        let _turn = turn(identity)?;
        for (invite, mut kept) in Self::all(identity)? {
            if invite != *by && kept.name.eq_ignore_ascii_case(name) && kept.secret.is_some() {
                kept.end(now_ms);
                kept.replace(identity, &invite)?;
            }
        }
        Ok(())
    }

    /// Records a removal, also of a member whom another operator invited.
    pub(crate) fn record_removal(
        identity: &Path,
        enrolment: &Enrolment,
        removal: &[u8],
        now_ms: u64,
    ) -> Done {
        let _turn = turn(identity)?;
        let Enrolment {
            name,
            country,
            role,
            invite,
            ..
        } = enrolment;
        let kept = Self::of(identity, invite)?;
        let mut kept = kept.unwrap_or_else(|| Self::new(name, country, *role, None, 0));
        kept.end(now_ms);
        kept.removal = Some(to_hex(removal));
        kept.replace(identity, invite)
    }

    /// The removal that was signed here.
    pub(crate) fn removal(&self) -> Option<Vec<u8>> {
        from_hex(self.removal.as_deref()?)
    }

    fn text(&self) -> Done<String> {
        toml::to_string(self).map_err(|error| Failure::failed(error.to_string(), ""))
    }
}

/// Held from reading what is kept to writing what follows from it: a list must not write over a
/// removal that another command records meanwhile, nor two lists fix two enrolments. It ends when
/// the file is dropped.
pub(crate) fn turn(identity: &Path) -> Done<File> {
    let invites = identity.join("invites");
    private_folder(&invites)?;
    let path = invites.join("lock");
    let lock = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path);
    let locked = lock.and_then(|lock| lock.lock().map(|()| lock));
    locked.map_err(Failure::io("lock", &path))
}

fn path(identity: &Path, invite: &[u8]) -> PathBuf {
    identity
        .join("invites")
        .join(format!("{}.toml", to_hex(invite)))
}
