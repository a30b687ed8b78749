//! What a member is worth: whether whoever joined holds the code that the operator gave away, and
//! the keys it sent.
//!
//! The secret of an invitation never reaches the coordinator. It can hand out certificates, but it
//! cannot invent a hospital or exchange its keys: the proof under the secret would not hold. Nor
//! does whoever holds a code borrow another's keys: each signs the enrolment. Both are checked
//! here, whatever the coordinator has let pass; and a key that two members have is an alarm,
//! whoever they are, until one of the two was removed here.
//!
//! The first enrolment that is verified is fixed and the secret forgotten (`Kept`); a first sight
//! after the invitation's end counts for nothing, since by then a used code may have been found. A
//! removal that was signed here stands here, too.

use crate::failure::Done;
use crate::identity::{Desk, Identity};
use crate::invitation::{Kept, turn};
use crate::output::{now_ms, shown};
use motet_common::enrol::{Enrolment, Possession, Purpose, Role};
use motet_proto::v1::{self, MemberState};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Why a proof that holds does not count.
pub(crate) const LATE: &str = "late: it was first seen here after its invitation had ended, and the code may have been found since";

/// Why an enrolment with another's key does not count.
const KNOWN_KEY: &str = "one of its keys is that of somebody who was verified here before";

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
    /// Whether one of the two was removed by this operator, who has judged then which of them is
    /// genuine.
    pub settled: bool,
}

impl Known {
    /// Whether it is a hospital.
    pub fn is_site(&self) -> bool {
        self.member.role() == v1::MemberRole::Site
    }

    /// A sentence for each key that another member has, too, while neither was removed here.
    pub fn alarms(&self) -> Vec<String> {
        let name = shown(&self.member.name);
        let open = self.twins.iter().filter(|twin| !twin.settled);
        open.map(|twin| twin.alarm(&name)).collect()
    }
}

impl Twin {
    fn alarm(&self, name: &str) -> String {
        let Self {
            purpose,
            with,
            theirs,
            ..
        } = self;
        let with = shown(with);
        format!("the {purpose} of `{name}` is the {theirs} of `{with}`")
    }
}

/// Every member, each proof checked with the secret kept here or, once that is done, against the
/// enrolment fixed then.
///
/// # Errors
/// When the coordinator does not answer or a kept invitation cannot be read or written.
pub async fn known(identity: &Identity, desk: &mut Desk) -> Done<Vec<Known>> {
    let members = desk
        .list_members(v1::ListMembersRequest {})
        .await?
        .into_inner()
        .members;
    judged(&identity.dir, members, &identity.fingerprint(), now_ms())
}

fn judged(
    dir: &Path,
    members: Vec<v1::Member>,
    governance: &Digest,
    now_ms: u64,
) -> Done<Vec<Known>> {
    let _turn = turn(dir)?;
    let mut all = Kept::all(dir)?;
    let mut listed = Vec::with_capacity(members.len());
    let mut standings = Vec::with_capacity(members.len());
    for member in members {
        let invite = <[u8; 16]>::try_from(member.invite.as_slice()).ok();
        let kept = invite.and_then(|invite| all.get(&invite));
        let mut standing = judge(&member, kept, governance, now_ms);
        // Names are what studies and people call a hospital by: two that hold under one are one too
        // many.
        if matches!(standing, Standing::Verified(_))
            && invite.is_some_and(|invite| has_rival(&all, &invite))
        {
            standing = Standing::Wrong(RIVAL.to_owned());
        }
        if let (Standing::Verified(enrolment), Some(kept)) = (&standing, kept)
            && kept.enrolled.is_none()
            && has_known_key(&all, enrolment)?
        {
            standing = Standing::Wrong(KNOWN_KEY.to_owned());
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
    debug_assert_eq!(twins.len(), listed.len(), "a list of twins for each member");
    let known = listed.into_iter().zip(standings).zip(twins);
    Ok(known
        .map(|((Listed { member, .. }, standing), twins)| Known {
            member,
            standing,
            twins,
        })
        .collect())
}

/// Hospitals that were verified here, were not removed here, and are not among those that hold now:
/// a roster without them would be a smaller one on the coordinator's word.
pub(crate) fn hidden(dir: &Path, known: &[Known]) -> Done<Vec<String>> {
    let holds = |invite: &[u8; 16]| {
        known.iter().any(|known| {
            known.member.invite == invite
                && known.is_site()
                && matches!(known.standing, Standing::Verified(_))
        })
    };
    let kept = Kept::all(dir)?;
    let standing = kept
        .iter()
        .filter(|(_, kept)| kept.is_standing() && kept.role == Role::Site);
    Ok(standing
        .filter(|(invite, _)| !holds(invite))
        .map(|(_, kept)| kept.name.clone())
        .collect())
}

/// Whether a newcomer brings a key of somebody who was verified here before, removed since or not.
fn has_known_key(all: &BTreeMap<[u8; 16], Kept>, newcomer: &Enrolment) -> Done<bool> {
    let keys: BTreeSet<Digest> = newcomer.keys().map(|(_, key)| key).collect();
    for (invite, kept) in all {
        if *invite != newcomer.invite
            && kept
                .enrolment()?
                .is_some_and(|known| known.keys().any(|(_, key)| keys.contains(&key)))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A member as the coordinator lists it, and whether it was removed here.
struct Listed {
    member: v1::Member,
    is_gone: bool,
}

/// Whether somebody else stands under the name of this invitation.
fn has_rival(all: &BTreeMap<[u8; 16], Kept>, invite: &[u8; 16]) -> bool {
    let Some(Kept { name, role, .. }) = all.get(invite) else {
        return false;
    };
    all.iter()
        .any(|(other, kept)| other != invite && kept.is_standing() && kept.is_for(name, *role))
}

/// Of each member the keys that another has or had, too. Whoever joined counts, also without a
/// proof that could be checked here, and whoever was removed.
fn twins(listed: &[Listed]) -> Vec<Vec<Twin>> {
    let mut holders: BTreeMap<Digest, Vec<(usize, &Listed, Purpose)>> = BTreeMap::new();
    for (at, one) in listed.iter().enumerate() {
        for (purpose, key) in keys(one) {
            holders.entry(key).or_default().push((at, one, purpose));
        }
    }
    let of = |(at, one): (usize, &Listed)| {
        let mut twins = Vec::new();
        for (purpose, key) in keys(one) {
            let others = holders
                .get(&key)
                .into_iter()
                .flatten()
                .filter(|(other, ..)| *other != at);
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

fn keys(one: &Listed) -> Vec<(Purpose, Digest)> {
    let enrolment = Enrolment::from_bytes(&one.member.enrolment);
    enrolment.iter().flat_map(Enrolment::keys).collect()
}

/// What a member's enrolment is worth. The state is the coordinator's word; the keys are not taken
/// on it.
fn judge(member: &v1::Member, kept: Option<&Kept>, governance: &Digest, now_ms: u64) -> Standing {
    if kept.is_some_and(Kept::is_removed) {
        return if member.state() == MemberState::Joined {
            Standing::Returned
        } else {
            Standing::Removed
        };
    }
    match member.state() {
        MemberState::Removed => return Standing::Removed,
        MemberState::Expired => return Standing::Expired,
        MemberState::Joined => {}
        // What this version does not know is worth no more.
        MemberState::Invited | MemberState::Unspecified => return Standing::Invited,
    }
    let Some(kept) = kept else {
        return Standing::Unchecked;
    };
    match verified(member, kept, governance, now_ms) {
        Ok(enrolment) => Standing::Verified(Box::new(enrolment)),
        Err(why) => Standing::Wrong(why),
    }
}

fn verified(
    member: &v1::Member,
    kept: &Kept,
    governance: &Digest,
    now_ms: u64,
) -> Result<Enrolment, String> {
    let enrolment = Enrolment::from_bytes(&member.enrolment).map_err(|error| error.to_string())?;
    match kept.is_fixed_on(&enrolment) {
        Some(true) => {}
        Some(false) => {
            return Err("another enrolment was verified under this invitation before".to_owned());
        }
        None => {
            let secret = kept.secret().ok_or("the kept invitation is damaged")?;
            let proof = <[u8; 32]>::try_from(member.proof.as_slice())
                .map_err(|_| "the proof is not 32 bytes")?;
            let possession =
                Possession::from_bytes(&member.possession).map_err(|error| error.to_string())?;
            enrolment
                .verify(&secret, &proof, &possession)
                .map_err(|error| error.to_string())?;
            // When it joined is the coordinator's word; when it was first seen is this machine's.
            if now_ms >= kept.expires_ms {
                return Err(LATE.to_owned());
            }
        }
    }
    // A proof that holds, but for another name or consortium, would put one hospital's keys under
    // another's name.
    let fits = enrolment.invite.as_slice() == member.invite
        && (&enrolment.name, &enrolment.country) == (&kept.name, &kept.country)
        && enrolment.name == member.name
        && enrolment.role == kept.role
        && enrolment.governance_fingerprint == *governance;
    if fits {
        Ok(enrolment)
    } else {
        Err("the enrolment is not the one that was invited".to_owned())
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
