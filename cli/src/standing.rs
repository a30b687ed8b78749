//! What a member is worth: whether whoever joined holds the code that the operator gave away, and the keys it sent.
//!
//! The secret of an invitation never reaches the coordinator. It can hand out certificates, but it cannot invent a
//! hospital or exchange its keys: the proof under the secret would not hold. Nor does whoever holds a code borrow
//! another's keys: each signs the enrolment. Both are checked here, whatever the coordinator has let pass; and a key that
//! two members have is an alarm, whoever they are, until one of the two was removed here.
//!
//! The first enrolment that is verified is fixed and the secret forgotten (`Kept`); a first sight after the invitation's end
//! counts for nothing, since by then a used code may have been found. A removal that was signed here stands here, too.

use crate::failure::Done;
use crate::identity::{Desk, Identity};
use crate::invitation::{Kept, turn};
use crate::output::now_ms;
use motet_common::enrol::{Enrolment, Possession, Purpose, Role};
use motet_proto::v1;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use std::collections::BTreeMap;
use std::path::Path;

/// Why a proof that holds does not count.
pub(crate) const LATE: &str =
    "late: it was first seen here after its invitation had ended, and the code may have been found since";

/// Why no enrolment counts beside another of its name.
pub(crate) const RIVAL: &str = "another enrolment was verified under this name and not removed, so neither counts until the name is removed";

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
    /// A removal was signed here, and the coordinator shows the member as one that belongs.
    Returned,
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
            Self::Returned => "removed here; ALARM, STILL ON THE BOOKS",
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
            Self::Returned => "returned",
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
    /// Whether one of the two was removed by this operator, who has judged then which of them is genuine.
    pub settled: bool,
}

impl Known {
    /// Whether it is a hospital.
    pub fn is_site(&self) -> bool {
        self.member.role == Role::Site.as_str()
    }

    /// A sentence for each key that another member has, too, while neither was removed here.
    pub fn alarms(&self) -> Vec<String> {
        let (name, shown) = (&self.member.name, crate::output::shown);
        let sentence = |twin: &Twin| {
            let Twin { purpose, with, theirs, .. } = twin;
            format!("the {purpose} of `{}` is the {theirs} of `{}`", shown(name), shown(with))
        };
        self.twins.iter().filter(|twin| !twin.settled).map(sentence).collect()
    }
}

/// Every member, each proof checked with the secret kept here or, once that is done, against the enrolment fixed then.
///
/// # Errors
/// When the coordinator does not answer or a kept invitation cannot be read or written.
pub async fn known(identity: &Identity, desk: &mut Desk) -> Done<Vec<Known>> {
    let members = desk.list_members(v1::ListMembersRequest {}).await?.into_inner().members;
    judged(&identity.dir, members, &identity.fingerprint(), now_ms())
}

fn judged(dir: &Path, members: Vec<v1::Member>, governance: &Digest, now_ms: u64) -> Done<Vec<Known>> {
    let _turn = turn(dir)?;
    let mut all = Kept::all(dir)?;
    let mut listed = Vec::with_capacity(members.len());
    let mut standings = Vec::with_capacity(members.len());
    for member in members {
        let invite = <[u8; 16]>::try_from(member.invite.as_slice()).ok();
        let kept = invite.and_then(|invite| all.get(&invite));
        let mut standing = judge(&member, kept, governance, now_ms);
        // Names are what studies and people call a hospital by: two that hold under one are one too many.
        if matches!(standing, Standing::Verified(_)) && invite.is_some_and(|invite| has_rival(&all, &invite))
        {
            standing = Standing::Wrong(RIVAL.to_owned());
        }
        let is_gone = kept.is_some_and(Kept::is_removed);
        if let Standing::Verified(enrolment) = &standing
            && let Some(kept) = all.get_mut(&enrolment.invite)
            && kept.enrolled.is_none()
        {
            // Before anybody hears that it is verified: what could not be written down is not.
            kept.fix(enrolment);
            kept.replace(dir, &enrolment.invite)?;
        }
        listed.push(Listed { member, is_gone });
        standings.push(standing);
    }
    let twins = twins(&listed);
    let known = listed.into_iter().zip(standings).zip(twins);
    Ok(known.map(|((Listed { member, .. }, standing), twins)| Known { member, standing, twins }).collect())
}

/// A member as the coordinator lists it, and whether it was removed here.
struct Listed {
    member: v1::Member,
    is_gone: bool,
}

/// Whether somebody else stands under the name of this invitation.
fn has_rival(all: &BTreeMap<[u8; 16], Kept>, invite: &[u8; 16]) -> bool {
    let Some(Kept { name, role, .. }) = all.get(invite) else { return false };
    all.iter().any(|(other, kept)| other != invite && kept.is_standing() && kept.is_for(name, role))
}

/// Of each member the keys that another has or had, too. Whoever joined counts, also without a proof that could be checked
/// here, and whoever was removed.
fn twins(listed: &[Listed]) -> Vec<Vec<Twin>> {
    let keys = |one: &Listed| -> Vec<(Purpose, Digest)> {
        let enrolment = Enrolment::from_bytes(&one.member.enrolment);
        enrolment.iter().flat_map(Enrolment::keys).collect()
    };
    let mut holders: BTreeMap<Digest, Vec<(usize, &Listed, Purpose)>> = BTreeMap::new();
    for (at, one) in listed.iter().enumerate() {
        for (purpose, key) in keys(one) {
            holders.entry(key).or_default().push((at, one, purpose));
        }
    }
    let of = |(at, one): (usize, &Listed)| {
        let mut twins = Vec::new();
        for (purpose, key) in keys(one) {
            let others = holders.get(&key).into_iter().flatten().filter(|(other, ..)| *other != at);
            twins.extend(others.map(|(_, other, theirs)| Twin {
                purpose,
                with: other.member.name.clone(),
                theirs: *theirs,
                settled: one.is_gone || other.is_gone,
            }));
        }
        twins
    };
    listed.iter().enumerate().map(of).collect()
}

/// What a member's enrolment is worth. The state is the coordinator's word; the keys are not taken on it.
fn judge(member: &v1::Member, kept: Option<&Kept>, governance: &Digest, now_ms: u64) -> Standing {
    if kept.is_some_and(Kept::is_removed) {
        return if member.state == "joined" { Standing::Returned } else { Standing::Removed };
    }
    match member.state.as_str() {
        "removed" => return Standing::Removed,
        "expired" => return Standing::Expired,
        "joined" => {}
        _ => return Standing::Invited,
    }
    let Some(kept) = kept else {
        return Standing::Unchecked;
    };
    match verified(member, kept, governance, now_ms) {
        Ok(enrolment) => Standing::Verified(Box::new(enrolment)),
        Err(why) => Standing::Wrong(why),
    }
}

fn verified(member: &v1::Member, kept: &Kept, governance: &Digest, now_ms: u64) -> Result<Enrolment, String> {
    let enrolment = Enrolment::from_bytes(&member.enrolment).map_err(|error| error.to_string())?;
    match kept.is_fixed_on(&enrolment) {
        Some(true) => {}
        Some(false) => return Err("another enrolment was verified under this invitation before".to_owned()),
        None => {
            let secret = kept.secret().ok_or("the kept invitation is damaged")?;
            let proof =
                <[u8; 32]>::try_from(member.proof.as_slice()).map_err(|_| "the proof is not 32 bytes")?;
            let possession = Possession::from_bytes(&member.possession).map_err(|error| error.to_string())?;
            enrolment.verify(&secret, &proof, &possession).map_err(|error| error.to_string())?;
            // When it joined is the coordinator's word; when it was first seen is this machine's.
            if now_ms >= kept.expires_ms {
                return Err(LATE.to_owned());
            }
        }
    }
    // A proof that holds, but for another name or consortium, would put one hospital's keys under another's name.
    let fits = enrolment.invite.as_slice() == member.invite
        && (&enrolment.name, &enrolment.country) == (&kept.name, &kept.country)
        && enrolment.name == member.name
        && enrolment.role.as_str() == kept.role
        && enrolment.governance_fingerprint == *governance;
    if fits { Ok(enrolment) } else { Err("the enrolment is not the one that was invited".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::digest::to_hex;
    use motet_secagg::sign::SecretKey;

    const ENDS: u64 = 1_000;
    const NOW: u64 = 10;

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
            in_two_places: false,
        }
    }

    /// Members of whom none was removed here.
    fn here<const N: usize>(members: [v1::Member; N]) -> Vec<Listed> {
        members.map(|member| Listed { member, is_gone: false }).into()
    }

    #[test]
    fn a_twin_is_settled_by_whoever_of_the_two_was_removed_here_and_by_no_other() {
        let lyon = enrolment("lyon", 2);
        let twin = Enrolment { name: "nice".into(), invite: [9; 16], ..lyon.clone() };
        for gone in [None, Some(0), Some(1), Some(2)] {
            let mut listed = here([member(&lyon, 2), member(&twin, 2), member(&enrolment("pau", 12), 12)]);
            if let Some(gone) = gone {
                listed[gone].is_gone = true;
            }
            let settled = matches!(gone, Some(0 | 1));
            let seen = twins(&listed);
            assert!(seen[0].iter().chain(&seen[1]).all(|twin| twin.settled == settled), "{gone:?}");
            assert_eq!((seen[0].is_empty(), seen[1].is_empty(), seen[2].is_empty()), (false, false, true));
        }
    }

    fn scene() -> (v1::Member, Kept, Digest) {
        let kept = Kept::new("lyon", "FR", Role::Site, Some(&[7; 32]), ENDS);
        (member(&enrolment("lyon", 2), 2), kept, governance())
    }

    #[test]
    fn keys_from_the_holder_of_the_code_are_verified() {
        let (member, kept, governance) = scene();
        assert!(matches!(judge(&member, Some(&kept), &governance, NOW), Standing::Verified(_)));
        assert!(
            twins(&here([member, super::tests::member(&enrolment("nice", 12), 12)]))
                .iter()
                .all(Vec::is_empty)
        );
    }

    #[test]
    fn a_coordinator_that_invents_or_renames_a_hospital_is_seen() {
        let (member, kept, governance) = scene();
        let forged = v1::Member { proof: vec![0; 32], ..member.clone() };
        assert!(matches!(judge(&forged, Some(&kept), &governance, NOW), Standing::Wrong(_)));
        let other =
            Enrolment { identity: key(5).public(), ..Enrolment::from_bytes(&member.enrolment).unwrap() };
        let swapped = v1::Member {
            possession: other.sign(&key(5), Some(&key(3)), Some(&key(4))).to_bytes(),
            enrolment: other.to_bytes(),
            ..member.clone()
        };
        assert!(matches!(judge(&swapped, Some(&kept), &governance, NOW), Standing::Wrong(_)));
        let renamed = v1::Member { name: "nice".into(), ..member.clone() };
        assert!(matches!(judge(&renamed, Some(&kept), &governance, NOW), Standing::Wrong(_)));
        let moved = Kept { country: "DE".into(), ..scene().1 };
        assert!(matches!(judge(&member, Some(&moved), &governance, NOW), Standing::Wrong(_)));
        let elsewhere = Digest::of("another", &[]);
        assert!(matches!(judge(&member, Some(&kept), &elsewhere, NOW), Standing::Wrong(_)));
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
            let standing = judge(&member(&borrowed, 2), Some(&kept), &governance, NOW);
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
        let seen = twins(&here([member(&lyon, 2), removed, member(&crossed, 22), waiting]));
        let twin = |purpose, with: &str, theirs| Twin { purpose, with: with.into(), theirs, settled: false };
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
        assert_eq!(judge(&member, None, &governance, NOW), Standing::Unchecked);
        let removed = v1::Member { state: "removed".into(), ..member };
        assert_eq!(judge(&removed, None, &governance, NOW), Standing::Removed);
    }

    /// An operator's folder in which `lyon` was invited.
    fn folder(kept: &Kept) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        kept.keep(folder.path(), &[2; 16]).unwrap();
        folder
    }

    fn standing(folder: &Path, member: &v1::Member, now: u64) -> Standing {
        judged(folder, vec![member.clone()], &governance(), now).unwrap().remove(0).standing
    }

    fn words(folder: &Path) -> String {
        std::fs::read_to_string(folder.join("invites").join(format!("{}.toml", to_hex(&[2; 16])))).unwrap()
    }

    #[test]
    fn a_code_that_is_found_after_its_use_brings_nobody_in() {
        let (honest, kept, _) = scene();
        let folder = folder(&kept);
        assert!(matches!(standing(folder.path(), &honest, NOW), Standing::Verified(_)));
        let text = words(folder.path());
        assert!(
            !text.contains(&to_hex(&[7; 32])) && text.contains("enrolled ="),
            "the secret is gone: {text}"
        );
        // The finder and the coordinator: other keys, the same secret, the same invitation.
        let forged = member(&Enrolment { invite: [2; 16], ..enrolment("lyon", 50) }, 50);
        for now in [NOW, ENDS + 1] {
            let Standing::Wrong(why) = standing(folder.path(), &forged, now) else { panic!("it was let in") };
            assert!(why.contains("another enrolment was verified"), "{why}");
            assert!(matches!(standing(folder.path(), &honest, now), Standing::Verified(_)), "it stays");
        }
    }

    #[test]
    fn nobody_counts_beside_another_who_was_verified_under_the_name() {
        let folder = tempfile::tempdir().unwrap();
        for seed in [2, 12] {
            let kept =
                Kept::new(if seed == 2 { "lyon" } else { "LYON" }, "FR", Role::Site, Some(&[7; 32]), ENDS);
            kept.keep(folder.path(), &[seed; 16]).unwrap();
        }
        // Both by codes of this folder: a second one was made, the first was found, and an older ledger knows the first alone.
        let (second, first) = (member(&enrolment("LYON", 12), 12), member(&enrolment("lyon", 2), 2));
        assert!(matches!(standing(folder.path(), &second, NOW), Standing::Verified(_)));
        let Standing::Wrong(why) = standing(folder.path(), &first, NOW) else { panic!("it was let in") };
        assert_eq!(why, RIVAL);
        assert!(words(folder.path()).contains("secret ="), "it was not fixed");
        let both = judged(folder.path(), vec![first.clone(), second], &governance(), NOW).unwrap();
        assert!(matches!(
            (&both[0].standing, &both[1].standing),
            (Standing::Wrong(_), Standing::Verified(_))
        ));
        // Once the other is removed here, the name is free.
        Kept::record_removal(folder.path(), &enrolment("LYON", 12), b"signed", NOW).unwrap();
        assert!(matches!(standing(folder.path(), &first, NOW), Standing::Verified(_)));
    }

    #[test]
    fn an_enrolment_that_is_first_seen_after_its_invitation_ended_is_wrong() {
        let (honest, kept, _) = scene();
        let folder = folder(&kept);
        let Standing::Wrong(why) = standing(folder.path(), &honest, ENDS) else { panic!("it was let in") };
        assert!(why.contains("late"), "{why}");
        assert!(matches!(standing(folder.path(), &honest, ENDS - 1), Standing::Verified(_)));
    }

    #[test]
    fn who_was_removed_here_is_never_verified_whatever_the_coordinator_says() {
        let (honest, kept, _) = scene();
        let nobody = tempfile::tempdir().unwrap();
        // Before and after the first sight, and in the folder of an operator who did not invite it.
        let (unseen, seen) = (folder(&kept), folder(&kept));
        standing(seen.path(), &honest, NOW);
        for folder in [&unseen, &seen, &nobody] {
            Kept::record_removal(folder.path(), &enrolment("lyon", 2), b"signed", NOW).unwrap();
            assert_eq!(standing(folder.path(), &honest, NOW), Standing::Returned);
            let told = v1::Member { state: "removed".into(), ..honest.clone() };
            assert_eq!(standing(folder.path(), &told, NOW), Standing::Removed);
            assert!(!words(folder.path()).contains(&to_hex(&[7; 32])));
            assert_eq!(Kept::of(folder.path(), &[2; 16]).unwrap().unwrap().removal().unwrap(), b"signed");
        }
    }

    #[test]
    fn a_forged_twin_that_was_removed_here_is_no_alarm_any_more() {
        let (honest, kept, _) = scene();
        let folder = folder(&kept);
        let forged = Enrolment { invite: [9; 16], identity: key(2).public(), ..enrolment("evil", 12) };
        let both = vec![honest, member(&forged, 12)];
        let alarms = |known: &[Known]| known.iter().map(|known| known.alarms().len()).collect::<Vec<_>>();
        let before = judged(folder.path(), both.clone(), &governance(), NOW).unwrap();
        assert_eq!(alarms(&before), [1, 1]);
        Kept::record_removal(folder.path(), &forged, b"signed", NOW).unwrap();
        let after = judged(folder.path(), both, &governance(), NOW).unwrap();
        assert_eq!(alarms(&after), [0, 0]);
        assert!(matches!(after[0].standing, Standing::Verified(_)));
        assert_eq!(after[1].standing, Standing::Returned);
    }
}
