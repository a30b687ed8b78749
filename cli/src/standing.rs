//! What a member is worth: whether whoever joined holds the code that the operator gave away.
//!
//! The secret of an invitation never reaches the coordinator. It can hand out certificates, but it cannot invent a
//! hospital or exchange its keys: the proof under the secret would not hold.

use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity};
use motet_common::enrol::{Enrolment, Role};
use motet_proto::keyfile::read_secret_text;
use motet_proto::v1;
use motet_secagg::digest::{Digest, from_hex, to_hex};
use motet_secagg::encode::Canonical as _;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the operator keeps of an invitation. It holds the secret and therefore has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) role: String,
    pub(crate) secret: String,
    pub(crate) expires_ms: u64,
}

/// Where a member stands, as the holder of the invitation's secret sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The code was not used yet.
    Invited,
    /// It was not used in time.
    Expired,
    /// The keys were sent by the holder of the code.
    Verified(Box<Enrolment>),
    /// Another operator holds the invitation: only that one can check the proof.
    Unchecked,
    /// The keys were not sent by the holder of the code, or for somebody else.
    Wrong(String),
    /// A removal was signed.
    Removed,
}

impl Standing {
    /// The words of the table.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Expired => "invitation expired",
            Self::Verified(_) => "joined, verified",
            Self::Unchecked => "joined, not checked",
            Self::Wrong(_) => "joined, PROOF WRONG",
            Self::Removed => "removed",
        }
    }

    /// The stable word of the JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Expired => "expired",
            Self::Verified(_) => "verified",
            Self::Unchecked => "unchecked",
            Self::Wrong(_) => "proof_wrong",
            Self::Removed => "removed",
        }
    }
}

/// A member and where it stands.
pub struct Known {
    /// What the coordinator says.
    pub member: v1::Member,
    /// What that is worth.
    pub standing: Standing,
}

impl Known {
    /// Whether it is a hospital.
    pub fn is_site(&self) -> bool {
        self.member.role == Role::Site.as_str()
    }
}

/// Every member, each proof checked with the secret kept here.
///
/// # Errors
/// When the coordinator does not answer or a kept invitation cannot be read.
pub async fn known(identity: &Identity, desk: &mut Desk) -> Done<Vec<Known>> {
    let members = desk.list_members(v1::ListMembersRequest {}).await?.into_inner().members;
    let judged = members.into_iter().map(|member| {
        let kept = keep_of(&identity.dir, &member.invite)?;
        let standing = judge(&member, kept.as_ref(), &identity.fingerprint());
        Ok(Known { member, standing })
    });
    judged.collect()
}

/// What a member's enrolment is worth. The state is the coordinator's word; the keys are not taken on it.
fn judge(member: &v1::Member, kept: Option<&Kept>, governance: &Digest) -> Standing {
    match member.state.as_str() {
        "removed" => return Standing::Removed,
        "expired" => return Standing::Expired,
        "joined" => {}
        _ => return Standing::Invited,
    }
    let Some(kept) = kept else {
        return Standing::Unchecked;
    };
    match verified(member, kept, governance) {
        Ok(enrolment) => Standing::Verified(Box::new(enrolment)),
        Err(why) => Standing::Wrong(why),
    }
}

fn verified(member: &v1::Member, kept: &Kept, governance: &Digest) -> Result<Enrolment, String> {
    let enrolment = Enrolment::from_bytes(&member.enrolment).map_err(|error| error.to_string())?;
    let secret = secret_of(kept).ok_or("the kept invitation is damaged")?;
    let proof = <[u8; 32]>::try_from(member.proof.as_slice()).map_err(|_| "the proof is not 32 bytes")?;
    enrolment.verify(&secret, &proof).map_err(|error| error.to_string())?;
    // A proof that holds, but for another name or consortium, would put one hospital's keys under another's name.
    let fits = enrolment.invite.as_slice() == member.invite
        && (&enrolment.name, &enrolment.country) == (&kept.name, &kept.country)
        && enrolment.name == member.name
        && enrolment.role.as_str() == kept.role
        && enrolment.governance_fingerprint == *governance;
    if fits { Ok(enrolment) } else { Err("the enrolment is not the one that was invited".to_owned()) }
}

fn secret_of(kept: &Kept) -> Option<[u8; 32]> {
    from_hex(&kept.secret)?.try_into().ok()
}

fn keep_of(dir: &Path, invite: &[u8]) -> Done<Option<Kept>> {
    let path = dir.join("invites").join(format!("{}.toml", to_hex(invite)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::sign::SecretKey;

    fn scene() -> (v1::Member, Kept, Digest) {
        let governance = SecretKey::from_seed([9; 32]).public().fingerprint();
        let enrolment = Enrolment {
            invite: [1; 16],
            name: "lyon".into(),
            country: "FR".into(),
            role: Role::Site,
            identity: SecretKey::from_seed([2; 32]).public(),
            steward: Some(SecretKey::from_seed([3; 32]).public()),
            witness: Some(SecretKey::from_seed([4; 32]).public()),
            csr_key_digest: Digest::of("csr", &[]),
            governance_fingerprint: governance,
        };
        let member = v1::Member {
            name: "lyon".into(),
            country: "FR".into(),
            role: "site".into(),
            state: "joined".into(),
            invite: vec![1; 16],
            proof: enrolment.prove(&[7; 32]).to_vec(),
            enrolment: enrolment.to_bytes(),
            connected: true,
        };
        let kept = Kept {
            name: "lyon".into(),
            country: "FR".into(),
            role: "site".into(),
            secret: to_hex(&[7; 32]),
            expires_ms: 0,
        };
        (member, kept, governance)
    }

    #[test]
    fn keys_from_the_holder_of_the_code_are_verified() {
        let (member, kept, governance) = scene();
        assert!(matches!(judge(&member, Some(&kept), &governance), Standing::Verified(_)));
    }

    #[test]
    fn a_coordinator_that_invents_or_renames_a_hospital_is_seen() {
        let (member, kept, governance) = scene();
        let forged = v1::Member { proof: vec![0; 32], ..member.clone() };
        assert!(matches!(judge(&forged, Some(&kept), &governance), Standing::Wrong(_)));
        let other = Enrolment {
            identity: SecretKey::from_seed([5; 32]).public(),
            ..Enrolment::from_bytes(&member.enrolment).unwrap()
        };
        let swapped = v1::Member { enrolment: other.to_bytes(), ..member.clone() };
        assert!(matches!(judge(&swapped, Some(&kept), &governance), Standing::Wrong(_)));
        let renamed = v1::Member { name: "nice".into(), ..member.clone() };
        assert!(matches!(judge(&renamed, Some(&kept), &governance), Standing::Wrong(_)));
        let moved = Kept { country: "DE".into(), ..scene().1 };
        assert!(matches!(judge(&member, Some(&moved), &governance), Standing::Wrong(_)));
        let elsewhere = Digest::of("another", &[]);
        assert!(matches!(judge(&member, Some(&kept), &elsewhere), Standing::Wrong(_)));
    }

    #[test]
    fn without_the_secret_nothing_is_called_verified() {
        let (member, _, governance) = scene();
        assert_eq!(judge(&member, None, &governance), Standing::Unchecked);
        let removed = v1::Member { state: "removed".into(), ..member };
        assert_eq!(judge(&removed, None, &governance), Standing::Removed);
    }
}
