//! Sites and people of a consortium: invitations, the check that whoever joined holds the code, and removal.
//!
//! ```text
//! invite   draws a secret, keeps it in invites/ID.toml, tells the coordinator the id only, prints the code
//! list     reads enrolments, signatures and proofs from the coordinator and checks them, with the kept secret; fixes what held
//! remove   signs a removal of exactly one member with the governance key and keeps it; of whoever has not joined, voids the
//!          invitation
//! ```
//! The secret is what a coordinator never learns: it can hand out certificates, but it cannot invent a hospital.

use crate::args::{InvitePerson, InviteSite, Person, PersonRole, Read, Remove, Site};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::invitation::Kept;
use crate::output::{Out, Table, moment, now_ms};
use crate::standing::{Known, LATE, Standing, Twin, known};
use motet_common::enrol::{Enrolment, JoinCode, Role, check_country, check_name};
use motet_common::refusal::Code;
use motet_common::roster::Removal;
use motet_proto::v1;
use motet_secagg::digest::{Digest, to_hex};
use motet_secagg::encode::Canonical as _;
use serde_json::json;
use std::path::Path;

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
        say_void(out, &made);
        out.line("Give the hospital the line below by a way you trust: whoever holds it can join once under this name.");
        out.line("There:  motet-node join --code-file FILE --dir DIR");
        out.line("Once they have joined, and before that day, run `motet site list`: it fixes their keys.");
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
    say_void(out, &made);
    out.line(
        "Give the person the line below by a way you trust: whoever holds it can join once under this name.",
    );
    out.line("There:  motet person join --code-file FILE --as DIR");
    out.line("Once they have joined, and before that day, run `motet person list`: it fixes their key.");
    out.line(&made.code);
    Ok(())
}

/// Whoever waits with the code of an earlier invitation waits in vain.
fn say_void(out: Out, made: &Invited) {
    if made.replaces {
        out.line("An earlier invitation of this name was open: its code is void from now on, and only the one below works.");
    }
}

/// An invitation that the coordinator knows of.
pub struct Invited {
    /// The join code, a secret.
    pub code: String,
    /// When it ends.
    pub expires_ms: u64,
    /// Whether it took the place of one of the same name that nobody had redeemed.
    pub replaces: bool,
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
        secret: Some(to_hex(code.secret.as_slice())),
        expires_ms,
        enrolled: None,
        removed: None,
    };
    let members = desk.list_members(v1::ListMembersRequest {}).await?.into_inner().members;
    let replaces =
        members.iter().any(|member| member.state == "invited" && member.name.eq_ignore_ascii_case(name));
    // Kept before it is known elsewhere: a joined site whose secret was lost could never be verified.
    kept.keep(&identity.dir, &code.invite)?;
    let request = v1::InviteRequest {
        invite: code.invite.to_vec(),
        name: kept.name.clone(),
        country: kept.country.clone(),
        role: kept.role.clone(),
        expires_ms,
        ticket: code.ticket().digest().0.to_vec(),
    };
    if let Err(status) = desk.invite(request).await {
        let _ = Kept::forget(&identity.dir, &code.invite);
        return Err(status.into());
    }
    Ok(Invited { code: text, expires_ms, replaces })
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
        let Known { member, standing, .. } = known;
        let key = match standing {
            Standing::Verified(enrolment) => enrolment.identity.fingerprint().short(),
            _ => String::new(),
        };
        let mut words = standing.words().to_owned();
        if !known.alarms().is_empty() {
            words.push_str("; ALARM, KEY OF ANOTHER");
        }
        let now = match (member.connected, member.in_two_places) {
            (_, true) => "ALARM, IN TWO PLACES",
            (true, false) => "connected",
            (false, false) => "",
        };
        let (name, country, role) = (member.name.clone(), member.country.clone(), member.role.clone());
        table.row([name, country, role, words, now.to_owned(), key]);
    }
    if !table.is_empty() {
        out.table(&table);
    } else if roles == SITES {
        out.line("Nobody yet. `motet site invite NAME --country CC` makes a join code.");
    } else {
        out.line("Nobody yet. `motet person invite NAME --role ROLE` makes a join code.");
    }
    for known in all {
        if known.member.in_two_places {
            let name = crate::output::shown(&known.member.name);
            out.line(format!(
                "\nALARM: two nodes with the certificate of `{name}` take the line from each other."
            ));
            out.line("  Its folder, or a copy of it, runs in two places. Call the site: one of the two is to end, and a copy is never to be");
            out.line("  used, because it does not know what the other has said. If nobody there runs two, somebody has its keys: remove it.");
        }
        if let Standing::Wrong(why) = &known.standing {
            out.line(format!("\n{}: {why}.", crate::output::shown(&known.member.name)));
            out.line(if why == LATE {
                "  It may well be honest. Remove the member and invite it anew, and run this list before the new code ends."
            } else {
                "  Somebody other than the holder of code and keys sent these. Remove the member, tell the others, invite anew."
            });
        }
        if known.standing == Standing::Returned {
            let name = crate::output::shown(&known.member.name);
            out.line(format!(
                "\nALARM: `{name}` was removed here, and the coordinator shows it as a member."
            ));
            out.line("  It enters no roster. Run `remove` for it again, which sends the recorded removal: the coordinator was restored from an");
            out.line("  older backup, or it does not do what it was told.");
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
    let twin = |twin: &Twin| json!({ "key": twin.purpose.as_str(), "with": twin.with, "their_key": twin.theirs.as_str(), "settled": twin.settled });
    let mut value = json!({
        "name": member.name, "country": member.country, "role": member.role, "state": member.state,
        "standing": standing.code(), "connected": member.connected, "in_two_places": member.in_two_places, "invite": to_hex(&member.invite),
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
    let out = Out::new(false);
    let member = match found(&identity.dir, &members, &args.name, roles)? {
        Found::Joined(member) => member,
        Found::Returned(removals) => {
            for removal in removals {
                send(&mut desk, roles, removal).await?;
            }
            out.line(format!(
                "`{}` was removed here before; the recorded removal was sent again.",
                args.name
            ));
            return Ok(());
        }
        Found::Waiting(waiting) => {
            for member in waiting {
                // Here first: without the kept secret nobody is ever verified under it, whatever the coordinator does.
                Kept::forget(&identity.dir, &member.invite)?;
                desk.void_invitation(v1::VoidInvitationRequest { invite: member.invite.clone() }).await?;
            }
            out.line(format!(
                "`{}` has not joined; its invitation is void, here and at the coordinator.",
                args.name
            ));
            return Ok(());
        }
        Found::Removed => {
            out.line(format!("`{}` is removed already.", args.name));
            return Ok(());
        }
    };
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
    // A site is out from here on, whatever becomes of the message. A person enters no roster, and the coordinator may rightly
    // refuse: the last operator stays.
    if enrolment.role == Role::Site {
        Kept::record_removal(&identity.dir, &enrolment, &removal)?;
        send(&mut desk, roles, removal).await?;
    } else {
        send(&mut desk, roles, removal.clone()).await?;
        Kept::record_removal(&identity.dir, &enrolment, &removal)?;
    }
    let who = if enrolment.role == Role::Site { "Site " } else { "" };
    out.line(format!(
        "{who}`{}` is removed: its certificate opens nothing any more, and its connections are closed.",
        args.name
    ));
    Ok(())
}

async fn send(desk: &mut Desk, roles: &[Role], removal: Vec<u8>) -> Done {
    if roles == SITES {
        desk.remove_site(v1::RemoveSiteRequest { removal }).await?;
    } else {
        desk.remove_person(v1::RemovePersonRequest { removal }).await?;
    }
    Ok(())
}

/// What a removal by name is about.
#[derive(Debug, PartialEq)]
enum Found<'m> {
    /// The one member of this name who has joined.
    Joined(&'m v1::Member),
    /// Members the coordinator shows although they were removed here, by the removals signed then.
    Returned(Vec<Vec<u8>>),
    /// Nobody has joined: every invitation of this name that was not redeemed.
    Waiting(Vec<&'m v1::Member>),
    /// Whoever had this name has gone.
    Removed,
}

/// Names occur twice: whoever was removed keeps the name in the books.
fn found<'m>(identity: &Path, members: &'m [v1::Member], name: &str, roles: &[Role]) -> Done<Found<'m>> {
    let all: Vec<&v1::Member> =
        members.iter().filter(|member| is_one_of(member, roles) && member.name == name).collect();
    let (mut joined, mut returned) = (Vec::new(), Vec::new());
    for member in all.iter().copied().filter(|member| member.state == "joined") {
        match Kept::of(identity, &member.invite)?.and_then(|kept| kept.removal()) {
            Some(removal) => returned.push(removal),
            None => joined.push(member),
        }
    }
    if !returned.is_empty() {
        return Ok(Found::Returned(returned));
    }
    let (what, list) = if roles == SITES { ("site", "site") } else { ("person", "person") };
    match joined.as_slice() {
        [one] => return Ok(Found::Joined(one)),
        [] if all.is_empty() => {
            return Err(Failure::refused(Code::NotInRoster, format!("no {what} is called `{name}`"))
                .instead(format!("`motet {list} list` shows the names")));
        }
        [] => {}
        _ => {
            return Err(Failure::failed(
                format!("two members are called `{name}`: nothing was signed"),
                "an honest coordinator has no name twice; look at its ledger",
            ));
        }
    }
    let is_waiting = |member: &v1::Member| matches!(member.state.as_str(), "invited" | "expired");
    let waiting: Vec<&v1::Member> = all.into_iter().filter(|member| is_waiting(member)).collect();
    Ok(if waiting.is_empty() { Found::Removed } else { Found::Waiting(waiting) })
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
        let twin = Twin {
            purpose: Purpose::Identity,
            with: "clev".into(),
            theirs: Purpose::Identity,
            settled: false,
        };
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
        let folder = tempfile::tempdir().unwrap();
        let found = |name, roles| found(folder.path(), &members, name, roles);
        assert_eq!(found("lyon", SITES).unwrap(), Found::Joined(&members[1]));
        assert_eq!(found("lyon", PEOPLE).unwrap(), Found::Joined(&members[2]));
        assert_eq!(found("pau", SITES).unwrap(), Found::Waiting(vec![&members[5]]));
        assert_eq!(found("nice", SITES).unwrap_err().exit_code(), 1);
        assert_eq!(found("pau", PEOPLE).unwrap_err().code(), "not_in_roster");
    }

    #[test]
    fn a_removal_of_whoever_was_invited_anew_takes_the_invitations_and_not_the_old_member() {
        let mut members = vec![
            member("lyon", "site", "invited", 1),
            member("lyon", "site", "removed", 2),
            member("lyon", "site", "expired", 3),
            member("lyon", "site", "removed", 4),
        ];
        let folder = tempfile::tempdir().unwrap();
        let both = Found::Waiting(vec![&members[0], &members[2]]);
        assert_eq!(found(folder.path(), &members, "lyon", SITES).unwrap(), both);
        members.retain(|member| member.state == "removed");
        assert_eq!(found(folder.path(), &members, "lyon", SITES).unwrap(), Found::Removed);
    }

    #[test]
    fn a_removal_that_the_coordinator_lost_is_sent_again_and_takes_nobody_else() {
        let kept = |removed: Option<&str>| Kept {
            name: "lyon".into(),
            country: "FR".into(),
            role: "site".into(),
            expires_ms: 0,
            secret: None,
            enrolled: Some("x".into()),
            removed: removed.map(str::to_owned),
        };
        let folder = tempfile::tempdir().unwrap();
        kept(Some("0a0b")).keep(folder.path(), &[1; 16]).unwrap();
        kept(None).keep(folder.path(), &[2; 16]).unwrap();
        let members = [member("lyon", "site", "joined", 1), member("lyon", "site", "joined", 2)];
        let found = found(folder.path(), &members, "lyon", SITES).unwrap();
        assert_eq!(found, Found::Returned(vec![vec![10, 11]]));
    }

    #[test]
    fn an_invitation_that_cannot_be_forgotten_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("invites").join(format!("{}.toml", to_hex(&[1; 16])));
        Kept::forget(folder.path(), &[1; 16]).unwrap();
        // A folder of that name stands for any file that does not go.
        std::fs::create_dir_all(&path).unwrap();
        assert!(Kept::forget(folder.path(), &[1; 16]).is_err());
    }
}
