//! Sites and people of a consortium: invitations, the check that whoever joined holds the code, and removal.
//!
//! ```text
//! invite   draws a secret, keeps it in invites/ID.toml, tells the coordinator the id only, prints the code
//! list     reads enrolments and proofs from the coordinator and checks every proof with the kept secret
//! remove   signs a removal with the governance key
//! ```
//! The secret is what a coordinator never learns: it can hand out certificates, but it cannot invent a hospital.

use crate::args::{InvitePerson, InviteSite, Person, PersonRole, Read, RemoveSite, Site};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::output::{Out, Table, moment, now_ms};
use motet_common::enrol::{Enrolment, JoinCode, Role, check_country, check_name};
use motet_common::refusal::Code;
use motet_common::roster::Removal;
use motet_proto::keyfile::{read_secret_text, write_new_secret};
use motet_proto::v1;
use motet_secagg::digest::{Digest, from_hex, to_hex};
use motet_secagg::encode::Canonical as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::Path;

/// `motet site ...`
///
/// # Errors
/// As the coordinator's answers; a wrong proof is shown, not an error of the list.
pub async fn site(command: &Site) -> Done {
    match command {
        Site::Invite(args) => invite_site(args).await,
        Site::List(args) => list(args, &[Role::Site]).await,
        Site::Remove(args) => remove(args).await,
    }
}

/// `motet person ...`, but for `join`.
///
/// # Errors
/// As [`site`].
pub async fn person(command: &Person) -> Done {
    match command {
        Person::Invite(args) => invite_person(args).await,
        Person::List(args) => list(args, &[Role::Operator, Role::Researcher]).await,
        Person::Join(args) => crate::person::join(args).await,
    }
}

/// What the operator keeps of an invitation. It holds the secret and therefore has no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: String,
    country: String,
    role: String,
    secret: String,
    expires_ms: u64,
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
    fn words(&self) -> &'static str {
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
    fn code(&self) -> &'static str {
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
    let Some(kept) = kept else { return Standing::Unchecked };
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
        Failure::failed(format!("invitation `{}` cannot be read: {}", path.display(), error.message()), "restore it from a backup")
    })
}

async fn invite_site(args: &InviteSite) -> Done {
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    invite(&identity, &mut desk, &args.name, &args.country, Role::Site, args.days).await.map(|made| {
        let out = Out::new(false);
        out.line(format!("Site `{}` ({}) is invited until {}.", args.name, args.country, moment(made.expires_ms)));
        out.line("Give the hospital the line below by a way you trust: whoever holds it can join once under this name.");
        out.line("There:  motet-node join CODE --dir DIR");
        out.line(&made.code);
    })
}

async fn invite_person(args: &InvitePerson) -> Done {
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    let role = match args.role {
        PersonRole::Operator => Role::Operator,
        PersonRole::Researcher => Role::Researcher,
    };
    let country = args.country.as_deref().unwrap_or(&identity.card.country);
    let made = invite(&identity, &mut desk, &args.name, country, role, args.days).await?;
    let out = Out::new(false);
    out.line(format!("`{}` is invited as {role} until {}.", args.name, moment(made.expires_ms)));
    out.line("Give the person the line below by a way you trust: whoever holds it can join once under this name.");
    out.line("There:  motet person join CODE --as DIR");
    out.line(&made.code);
    Ok(())
}

/// An invitation that the coordinator knows of.
pub struct Invited {
    /// The join code, a secret.
    pub code: String,
    /// When it ends.
    pub expires_ms: u64,
}

/// Draws the secret, keeps it, and makes the invitation's id known.
///
/// # Errors
/// A bad name or country; the coordinator's refusals (`name_taken`, `role_not_allowed`).
pub async fn invite(
    identity: &Identity,
    desk: &mut Desk,
    name: &str,
    country: &str,
    role: Role,
    days: u32,
) -> Done<Invited> {
    check_name(name)?;
    check_country(country)?;
    let authority = Digest::from_hex(&identity.card.authority)
        .map_err(|_| Failure::failed("identity.toml: `authority` is not a fingerprint", "restore the folder from a backup"))?;
    let code = JoinCode {
        address: identity.card.address.clone(),
        ca_fingerprint: authority,
        governance_fingerprint: identity.fingerprint(),
        invite: rand::random(),
        secret: rand::random::<[u8; 32]>().into(),
        role,
    };
    let text = code.to_text()?;
    let expires_ms = now_ms().saturating_add(u64::from(days) * 86_400_000);
    let kept = Kept {
        name: name.to_owned(),
        country: country.to_owned(),
        role: role.to_string(),
        secret: to_hex(code.secret.as_slice()),
        expires_ms,
    };
    let written = toml::to_string(&kept).map_err(|error| Failure::failed(error.to_string(), ""))?;
    let path = identity.dir.join("invites").join(format!("{}.toml", to_hex(&code.invite)));
    crate::identity::private_folder(&identity.dir.join("invites"))?;
    // Kept before it is known elsewhere: a joined site whose secret was lost could never be verified.
    write_new_secret(&path, written.as_bytes())?;
    let request = v1::InviteRequest {
        invite: code.invite.to_vec(),
        name: kept.name.clone(),
        country: kept.country.clone(),
        role: kept.role.clone(),
        expires_ms,
    };
    if let Err(status) = desk.invite(request).await {
        let _ = std::fs::remove_file(&path);
        return Err(status.into());
    }
    Ok(Invited { code: text, expires_ms })
}

async fn list(args: &Read, roles: &[Role]) -> Done {
    let out = Out::new(args.json);
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    let mut all = known(&identity, &mut desk).await?;
    all.retain(|known| roles.iter().any(|role| role.as_str() == known.member.role));
    out.value(&json!({ "members": all.iter().map(as_json).collect::<Vec<_>>() }));
    let mut table = Table::new(&["name", "country", "role", "standing", "now", "key"]);
    for Known { member, standing } in &all {
        let key = match standing {
            Standing::Verified(enrolment) => enrolment.identity.fingerprint().short(),
            _ => String::new(),
        };
        let now = if member.connected { "connected" } else { "" };
        let (name, country, role) = (member.name.clone(), member.country.clone(), member.role.clone());
        table.row([name, country, role, standing.words().to_owned(), now.to_owned(), key]);
    }
    if table.is_empty() {
        out.line("Nobody yet. `motet site invite NAME --country CC` makes a join code.");
    } else {
        out.table(&table);
    }
    for known in &all {
        if let Standing::Wrong(why) = &known.standing {
            out.line(format!("\n{}: {why}.", crate::output::shown(&known.member.name)));
            out.line("  Somebody other than the holder of the code sent these keys. Remove the site, tell the others, invite anew.");
        }
    }
    Ok(())
}

fn as_json(known: &Known) -> serde_json::Value {
    let Known { member, standing } = known;
    let mut value = json!({
        "name": member.name, "country": member.country, "role": member.role, "state": member.state,
        "standing": standing.code(), "connected": member.connected, "invite": to_hex(&member.invite),
    });
    if let (Some(fields), Standing::Verified(enrolment)) = (value.as_object_mut(), standing) {
        fields.insert("identity".into(), json!(enrolment.identity.fingerprint().hex()));
        fields.insert("steward".into(), json!(enrolment.steward.map(|key| key.fingerprint().hex())));
        fields.insert("node".into(), json!(enrolment.identity.node_id().hex()));
    }
    value
}

async fn remove(args: &RemoveSite) -> Done {
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    let governance = identity.governance_key()?;
    let members = desk.list_members(v1::ListMembersRequest {}).await?.into_inner().members;
    let named = members.iter().filter(|member| member.role == Role::Site.as_str() && member.name == args.name);
    let member = named.max_by_key(|member| member.state == "joined");
    let Some(member) = member else {
        return Err(Failure::refused(Code::NotInRoster, format!("no site is called `{}`", args.name))
            .instead("`motet site list` shows the names"));
    };
    if member.state != "joined" {
        // Without the kept secret its keys would never be verified: that is all an unused invitation can be cut by.
        let path = identity.dir.join("invites").join(format!("{}.toml", to_hex(&member.invite)));
        let _ = std::fs::remove_file(path);
        Out::new(false).line(format!(
            "Site `{}` has not joined; its invitation is void here and ends by itself.",
            args.name
        ));
        return Ok(());
    }
    let enrolment = Enrolment::from_bytes(&member.enrolment).map_err(|error| {
        Failure::failed(format!("the coordinator's record of `{}` is not readable: {error}", args.name), "")
    })?;
    let node = enrolment.identity.node_id();
    let removal = Removal { node, name: args.name.clone(), reason: args.why.clone(), when_ms: now_ms() };
    let signed = removal.sign(&governance)?;
    desk.remove_site(v1::RemoveSiteRequest { removal: signed.to_bytes() }).await?;
    Out::new(false).line(format!(
        "Site `{}` is removed: its certificate opens nothing any more, and its connections are closed.",
        args.name
    ));
    Ok(())
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
        let kept =
            Kept { name: "lyon".into(), country: "FR".into(), role: "site".into(), secret: to_hex(&[7; 32]), expires_ms: 0 };
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
        let other = Enrolment { identity: SecretKey::from_seed([5; 32]).public(), ..Enrolment::from_bytes(&member.enrolment).unwrap() };
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
