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
use crate::standing::{Kept, Known, Standing, known};
use motet_common::enrol::{Enrolment, JoinCode, Role, check_country, check_name};
use motet_common::refusal::Code;
use motet_common::roster::Removal;
use motet_proto::keyfile::write_new_secret;
use motet_proto::v1;
use motet_secagg::digest::{Digest, to_hex};
use motet_secagg::encode::Canonical as _;
use serde_json::json;

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
    out.line(
        "Give the person the line below by a way you trust: whoever holds it can join once under this name.",
    );
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
    let named =
        members.iter().filter(|member| member.role == Role::Site.as_str() && member.name == args.name);
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
