//! What a member is worth: whether whoever joined holds the code that the operator gave away, and the keys it sent.
//!
//! The secret of an invitation never reaches the coordinator. It can hand out certificates, but it cannot invent a
//! hospital or exchange its keys: the proof under the secret would not hold. Nor does whoever holds a code borrow
//! another's keys: each signs the enrolment. Both are checked here, whatever the coordinator has let pass; and a key that
//! two members have is an alarm, whoever they are.

use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, private_folder};
use motet_common::enrol::{Enrolment, Possession, Purpose, Role};
use motet_proto::keyfile::{read_secret_text, write_new_secret};
use motet_proto::v1;
use motet_secagg::digest::{Digest, from_hex, to_hex};
use motet_secagg::encode::Canonical as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

impl Kept {
    /// Writes it beside the identity, and gives the file.
    pub(crate) fn keep(&self, identity: &Path, invite: &[u8; 16]) -> Done<PathBuf> {
        let written = toml::to_string(self).map_err(|error| Failure::failed(error.to_string(), ""))?;
        let invites = identity.join("invites");
        private_folder(&invites)?;
        let path = invites.join(format!("{}.toml", to_hex(invite)));
        write_new_secret(&path, written.as_bytes())?;
        Ok(path)
    }
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
    /// Keys that another member has, too: never so among honest members.
    pub twins: Vec<Twin>,
}

/// A key that two members have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// What it is for here.
    pub purpose: Purpose,
    /// The other member.
    pub with: String,
    /// What it is for there.
    pub theirs: Purpose,
}

impl Known {
    /// Whether it is a hospital.
    pub fn is_site(&self) -> bool {
        self.member.role == Role::Site.as_str()
    }

    /// A sentence for each key that another member has, too.
    pub fn alarms(&self) -> Vec<String> {
        let (name, shown) = (&self.member.name, crate::output::shown);
        let sentence = |twin: &Twin| {
            let Twin { purpose, with, theirs } = twin;
            format!("the {purpose} of `{}` is the {theirs} of `{}`", shown(name), shown(with))
        };
        self.twins.iter().map(sentence).collect()
    }
}

/// Every member, each proof checked with the secret kept here.
///
/// # Errors
/// When the coordinator does not answer or a kept invitation cannot be read.
pub async fn known(identity: &Identity, desk: &mut Desk) -> Done<Vec<Known>> {
    let members = desk.list_members(v1::ListMembersRequest {}).await?.into_inner().members;
    let twins = twins(&members);
    let judged = members.into_iter().zip(twins).map(|(member, twins)| {
        let kept = keep_of(&identity.dir, &member.invite)?;
        let standing = judge(&member, kept.as_ref(), &identity.fingerprint());
        Ok(Known { member, standing, twins })
    });
    judged.collect()
}

/// Of each member the keys that another has or had, too. Whoever joined counts, also without a proof that could be checked
/// here, and whoever was removed.
fn twins(members: &[v1::Member]) -> Vec<Vec<Twin>> {
    let mut holders: BTreeMap<Digest, Vec<(usize, Purpose)>> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        let enrolment = Enrolment::from_bytes(&member.enrolment);
        for (purpose, key) in enrolment.iter().flat_map(Enrolment::keys) {
            holders.entry(key).or_default().push((at, purpose));
        }
    }
    let mut twins = vec![Vec::new(); members.len()];
    for holders in holders.values().filter(|holders| holders.len() > 1) {
        for &(at, purpose) in holders {
            let others = holders.iter().filter(|(other, _)| *other != at);
            let others = others.filter_map(|(other, theirs)| Some((members.get(*other)?, *theirs)));
            let found = others.map(|(other, theirs)| Twin { purpose, with: other.name.clone(), theirs });
            if let Some(twins) = twins.get_mut(at) {
                twins.extend(found);
            }
        }
    }
    twins
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
    let possession = Possession::from_bytes(&member.possession).map_err(|error| error.to_string())?;
    enrolment.verify(&secret, &proof, &possession).map_err(|error| error.to_string())?;
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

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn governance() -> Digest {
        key(99).public().fingerprint()
    }

    /// An enrolment with the keys of three seeds.
    fn enrolment(name: &str, seed: u8) -> Enrolment {
        Enrolment {
            invite: [seed; 16],
            name: name.into(),
            country: "FR".into(),
            role: Role::Site,
            identity: key(seed).public(),
            steward: Some(key(seed + 1).public()),
            witness: Some(key(seed + 2).public()),
            csr_key_digest: Digest::of("csr", &[&[seed]]),
            governance_fingerprint: governance(),
        }
    }

    /// What the coordinator says of it, with a proof under the secret `[7; 32]` and signatures of the keys of `seed`.
    fn member(enrolment: &Enrolment, seed: u8) -> v1::Member {
        v1::Member {
            name: enrolment.name.clone(),
            country: "FR".into(),
            role: "site".into(),
            state: "joined".into(),
            invite: enrolment.invite.to_vec(),
            proof: enrolment.prove(&[7; 32]).to_vec(),
            possession: enrolment.sign(&key(seed), Some(&key(seed + 1)), Some(&key(seed + 2))).to_bytes(),
            enrolment: enrolment.to_bytes(),
            connected: true,
        }
    }

    fn scene() -> (v1::Member, Kept, Digest) {
        let kept = Kept {
            name: "lyon".into(),
            country: "FR".into(),
            role: "site".into(),
            secret: to_hex(&[7; 32]),
            expires_ms: 0,
        };
        (member(&enrolment("lyon", 2), 2), kept, governance())
    }

    #[test]
    fn keys_from_the_holder_of_the_code_are_verified() {
        let (member, kept, governance) = scene();
        assert!(matches!(judge(&member, Some(&kept), &governance), Standing::Verified(_)));
        assert!(twins(&[member, super::tests::member(&enrolment("nice", 12), 12)]).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_coordinator_that_invents_or_renames_a_hospital_is_seen() {
        let (member, kept, governance) = scene();
        let forged = v1::Member { proof: vec![0; 32], ..member.clone() };
        assert!(matches!(judge(&forged, Some(&kept), &governance), Standing::Wrong(_)));
        let other =
            Enrolment { identity: key(5).public(), ..Enrolment::from_bytes(&member.enrolment).unwrap() };
        let swapped = v1::Member {
            possession: other.sign(&key(5), Some(&key(3)), Some(&key(4))).to_bytes(),
            enrolment: other.to_bytes(),
            ..member.clone()
        };
        assert!(matches!(judge(&swapped, Some(&kept), &governance), Standing::Wrong(_)));
        let renamed = v1::Member { name: "nice".into(), ..member.clone() };
        assert!(matches!(judge(&renamed, Some(&kept), &governance), Standing::Wrong(_)));
        let moved = Kept { country: "DE".into(), ..scene().1 };
        assert!(matches!(judge(&member, Some(&moved), &governance), Standing::Wrong(_)));
        let elsewhere = Digest::of("another", &[]);
        assert!(matches!(judge(&member, Some(&kept), &elsewhere), Standing::Wrong(_)));
    }

    #[test]
    fn a_key_that_did_not_sign_its_enrolment_is_wrong_whatever_the_coordinator_let_pass() {
        let (_, kept, governance) = scene();
        let victim = key(42).public();
        let honest = enrolment("lyon", 2);
        for borrowed in [
            Enrolment { identity: victim, ..honest.clone() },
            Enrolment { steward: Some(victim), ..honest.clone() },
            Enrolment { witness: Some(victim), ..honest },
        ] {
            // The proof under the join secret holds: its holder sent this. The keys of seed 2 are all he has.
            let standing = judge(&member(&borrowed, 2), Some(&kept), &governance);
            let Standing::Wrong(why) = standing else { panic!("{standing:?}") };
            assert!(why.contains("did not sign this enrolment"), "{why}");
        }
    }

    #[test]
    fn a_twin_that_a_coordinator_invents_is_an_alarm_on_both() {
        let lyon = enrolment("lyon", 2);
        let twin = Enrolment {
            name: "nice".into(),
            invite: [9; 16],
            identity: lyon.identity,
            ..enrolment("nice", 12)
        };
        let crossed =
            Enrolment { name: "pau".into(), invite: [8; 16], steward: lyon.witness, ..enrolment("pau", 22) };
        let removed = v1::Member { state: "removed".into(), ..member(&twin, 12) };
        let waiting = v1::Member { name: "metz".into(), state: "invited".into(), ..v1::Member::default() };
        let seen = twins(&[member(&lyon, 2), removed, member(&crossed, 22), waiting]);
        let twin = |purpose, with: &str, theirs| Twin { purpose, with: with.into(), theirs };
        let mut lyons = seen[0].clone();
        lyons.sort_by_key(|twin| twin.with.clone());
        assert_eq!(
            lyons,
            [
                twin(Purpose::Identity, "nice", Purpose::Identity),
                twin(Purpose::Witness, "pau", Purpose::Steward)
            ]
        );
        assert_eq!(seen[1], [twin(Purpose::Identity, "lyon", Purpose::Identity)]);
        assert_eq!(seen[2], [twin(Purpose::Steward, "lyon", Purpose::Witness)]);
        assert_eq!(seen[3], []);
    }

    #[test]
    fn without_the_secret_nothing_is_called_verified() {
        let (member, _, governance) = scene();
        assert_eq!(judge(&member, None, &governance), Standing::Unchecked);
        let removed = v1::Member { state: "removed".into(), ..member };
        assert_eq!(judge(&removed, None, &governance), Standing::Removed);
    }
}
