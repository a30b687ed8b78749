//! Sites and people of a consortium: invitations, the check that whoever joined holds the code, and removal.
//!
//! ```text
//! invite   draws a secret, keeps it in invites/ID.toml, tells the coordinator the id only, prints the code
//! list     reads enrolments, signatures and proofs from the coordinator and checks them, with the kept secret
//! remove   signs a removal of exactly one member with the governance key
//! ```
//! The secret is what a coordinator never learns: it can hand out certificates, but it cannot invent a hospital.

use crate::args::{InvitePerson, InviteSite, Person, PersonRole, Read, Remove, Site};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::output::{Out, Table, moment, now_ms};
use crate::standing::{Kept, Known, Standing, Twin, known};
use motet_common::enrol::{Enrolment, JoinCode, Role, check_country, check_name};
use motet_common::refusal::Code;
use motet_common::roster::Removal;
use motet_proto::v1;
use motet_secagg::digest::{Digest, to_hex};
use motet_secagg::encode::Canonical as _;
use serde_json::json;

const SITES: &[Role] = &[Role::Site];
const PEOPLE: &[Role] = &[Role::Operator, Role::Researcher];

/// `motet site ...`
///
/// # Errors
/// As the coordinator's answers; a wrong proof is shown, not an error of the list.
pub async fn site(command: &Site) -> Done {
    match command {
        Site::Invite(args) => invite_site(args).await,
        Site::List(args) => list(args, SITES).await,
        Site::Remove(args) => remove(args, SITES).await,
    }
}

/// `motet person ...`, but for `join`.
///
/// # Errors
/// As [`site`].
pub async fn person(command: &Person) -> Done {
    match command {
        Person::Invite(args) => invite_person(args).await,
        Person::List(args) => list(args, PEOPLE).await,
        Person::Remove(args) => remove(args, PEOPLE).await,
        Person::Join(args) => crate::person::join(args).await,
    }
}

async fn invite_site(args: &InviteSite) -> Done {
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    invite(&identity, &mut desk, &args.name, &args.country, Role::Site, args.days).await.map(|made| {
        let out = Out::new(false);
        out.line(format!("Site `{}` ({}) is invited until {}.", args.name, args.country, moment(made.expires_ms)));
        out.line("Give the hospital the line below by a way you trust: whoever holds it can join once under this name.");
        out.line("There:  motet-node join --code-file FILE --dir DIR");
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
    out.line(
        "Give the person the line below by a way you trust: whoever holds it can join once under this name.",
    );
    out.line("There:  motet person join --code-file FILE --as DIR");
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
    let authority = Digest::from_hex(&identity.card.authority).map_err(|_| {
        Failure::failed("identity.toml: `authority` is not a fingerprint", "restore the folder from a backup")
    })?;
    let code = JoinCode {
        address: identity.card.address.clone(),
        ca_fingerprint: authority,
        governance_fingerprint: identity.fingerprint(),
        invite: motet_proto::dice::bytes(),
        secret: motet_proto::dice::bytes::<32>().into(),
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
    // Kept before it is known elsewhere: a joined site whose secret was lost could never be verified.
    let path = kept.keep(&identity.dir, &code.invite)?;
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
    all.retain(|known| is_one_of(&known.member, roles));
    out.value(&json!({ "members": all.iter().map(as_json).collect::<Vec<_>>() }));
    say_list(out, &all, roles);
    Ok(())
}

fn is_one_of(member: &v1::Member, roles: &[Role]) -> bool {
    roles.iter().any(|role| role.as_str() == member.role)
}

fn say_list(out: Out, all: &[Known], roles: &[Role]) {
    let mut table = Table::new(&["name", "country", "role", "standing", "now", "key"]);
    for known in all {
        let Known { member, standing, twins } = known;
        let key = match standing {
            Standing::Verified(enrolment) => enrolment.identity.fingerprint().short(),
            _ => String::new(),
        };
        let words = if twins.is_empty() { standing.words() } else { "ALARM, KEY OF ANOTHER" };
        let now = if member.connected { "connected" } else { "" };
        let (name, country, role) = (member.name.clone(), member.country.clone(), member.role.clone());
        table.row([name, country, role, words.to_owned(), now.to_owned(), key]);
    }
    if !table.is_empty() {
        out.table(&table);
    } else if roles == SITES {
        out.line("Nobody yet. `motet site invite NAME --country CC` makes a join code.");
    } else {
        out.line("Nobody yet. `motet person invite NAME --role ROLE` makes a join code.");
    }
    for known in all {
        if let Standing::Wrong(why) = &known.standing {
            out.line(format!("\n{}: {why}.", crate::output::shown(&known.member.name)));
            out.line("  Somebody other than the holder of code and keys sent these. Remove the member, tell the others, invite anew.");
        }
        for alarm in known.alarms() {
            out.line(format!("\nALARM: {alarm}."));
            out.line("  One of the two is not who it says it is. Ask both by telephone and remove whoever joined with the other's key;");
            out.line("  no study is proposed until then. An honest coordinator lets no key pass twice: look at it, too.");
        }
    }
}

fn as_json(known: &Known) -> serde_json::Value {
    let Known { member, standing, twins } = known;
    let twin = |twin: &Twin| json!({ "key": twin.purpose.as_str(), "with": twin.with, "their_key": twin.theirs.as_str() });
    let mut value = json!({
        "name": member.name, "country": member.country, "role": member.role, "state": member.state,
        "standing": standing.code(), "connected": member.connected, "invite": to_hex(&member.invite),
        "equal_keys": twins.iter().map(twin).collect::<Vec<_>>(),
    });
    if let (Some(fields), Standing::Verified(enrolment)) = (value.as_object_mut(), standing) {
        fields.insert("identity".into(), json!(enrolment.identity.fingerprint().hex()));
        fields.insert("steward".into(), json!(enrolment.steward.map(|key| key.fingerprint().hex())));
        fields.insert("node".into(), json!(enrolment.identity.node_id().hex()));
    }
    value
}

async fn remove(args: &Remove, roles: &[Role]) -> Done {
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    let identity = identity.with_passphrase_file(&args.govern);
    let members = desk.list_members(v1::ListMembersRequest {}).await?.into_inner().members;
    let member = named(&members, &args.name, roles)?;
    if member.state != "joined" {
        // Without the kept secret its keys would never be verified: that is all an unused invitation can be cut by.
        let path = identity.dir.join("invites").join(format!("{}.toml", to_hex(&member.invite)));
        let _ = std::fs::remove_file(path);
        Out::new(false)
            .line(format!("`{}` has not joined; its invitation is void here and ends by itself.", args.name));
        return Ok(());
    }
    let enrolment = Enrolment::from_bytes(&member.enrolment).map_err(|error| {
        Failure::failed(format!("the coordinator's record of `{}` is not readable: {error}", args.name), "")
    })?;
    if enrolment.name != args.name || enrolment.invite.as_slice() != member.invite {
        return Err(Failure::failed(
            format!("the coordinator's record of `{}` is that of another member", args.name),
            "nothing was signed; look at the coordinator",
        ));
    }
    let removal = Removal {
        invite: enrolment.invite,
        node: enrolment.identity.node_id(),
        name: args.name.clone(),
        reason: args.why.clone(),
        when_ms: now_ms(),
    };
    let removal = removal.sign(&crate::governance::key(&identity)?)?.to_bytes();
    if enrolment.role == Role::Site {
        desk.remove_site(v1::RemoveSiteRequest { removal }).await?;
    } else {
        desk.remove_person(v1::RemovePersonRequest { removal }).await?;
    }
    let who = if enrolment.role == Role::Site { "Site " } else { "" };
    Out::new(false).line(format!(
        "{who}`{}` is removed: its certificate opens nothing any more, and its connections are closed.",
        args.name
    ));
    Ok(())
}

/// The one member of this name who has joined, else the latest of that name.
fn named<'m>(members: &'m [v1::Member], name: &str, roles: &[Role]) -> Done<&'m v1::Member> {
    let all: Vec<&v1::Member> =
        members.iter().filter(|member| is_one_of(member, roles) && member.name == name).collect();
    let joined: Vec<&v1::Member> = all.iter().copied().filter(|member| member.state == "joined").collect();
    let (what, list) = if roles == SITES { ("site", "site") } else { ("person", "person") };
    match (joined.as_slice(), all.last()) {
        ([one], _) => Ok(one),
        ([], Some(last)) => Ok(last),
        ([], None) => Err(Failure::refused(Code::NotInRoster, format!("no {what} is called `{name}`"))
            .instead(format!("`motet {list} list` shows the names"))),
        _ => Err(Failure::failed(
            format!("two members are called `{name}`: nothing was signed"),
            "an honest coordinator has no name twice; look at its ledger",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::enrol::Purpose;

    fn member(name: &str, role: &str, state: &str, invite: u8) -> v1::Member {
        v1::Member {
            name: name.into(),
            role: role.into(),
            state: state.into(),
            invite: vec![invite; 16],
            ..v1::Member::default()
        }
    }

    #[test]
    fn equal_keys_are_an_alarm_in_words_and_in_json() {
        let twin = Twin { purpose: Purpose::Identity, with: "clev".into(), theirs: Purpose::Identity };
        let member = member("evil", "site", "joined", 1);
        let known = Known { member, standing: Standing::Unchecked, twins: vec![twin] };
        assert_eq!(known.alarms(), ["the identity key of `evil` is the identity key of `clev`"]);
        let value = as_json(&known);
        assert_eq!(value["equal_keys"][0]["key"], "identity");
        assert_eq!(value["equal_keys"][0]["with"], "clev");
        assert_eq!(value["standing"], "unchecked");
    }

    #[test]
    fn a_removal_finds_exactly_one_member() {
        let members = [
            member("lyon", "site", "removed", 1),
            member("lyon", "site", "joined", 2),
            member("lyon", "researcher", "joined", 3),
            member("nice", "site", "joined", 4),
            member("nice", "site", "joined", 5),
            member("pau", "site", "invited", 6),
        ];
        assert_eq!(named(&members, "lyon", SITES).unwrap().invite, [2; 16]);
        assert_eq!(named(&members, "lyon", PEOPLE).unwrap().invite, [3; 16]);
        assert_eq!(named(&members, "pau", SITES).unwrap().invite, [6; 16]);
        assert_eq!(named(&members, "nice", SITES).unwrap_err().exit_code(), 1);
        assert_eq!(named(&members, "pau", PEOPLE).unwrap_err().code(), "not_in_roster");
    }
}
