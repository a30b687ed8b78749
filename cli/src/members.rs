//! Sites and people of a consortium: invitations, the check that whoever joined holds the code, and
//! removal.
//!
//! ```text
//! invite   draws a secret, keeps it in invites/ID.toml, tells the coordinator the id only, ends older codes of the name,
//!          prints the code
//! list     reads enrolments, signatures and proofs from the coordinator and checks them, with the kept secret; fixes what held
//! remove   ends what this folder keeps under the name, then tells the coordinator (removal.rs)
//! ```
//! The secret is what a coordinator never learns: it can hand out certificates, but it cannot
//! invent a hospital.

use crate::args::{InvitePerson, InviteSite, Person, PersonRole, Read, Site};
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity, calling};
use crate::invitation::Kept;
use crate::output::{Out, Table, moment, now_ms};
use crate::removal::{self, PEOPLE, SITES, is_one_of};
use crate::standing::{Known, LATE, RIVAL, Standing, Twin, hidden, known};
use motet_common::enrol::{JoinCode, Role, check_country, check_name, days_left, split_address};
use motet_common::refusal::Code;
use motet_proto::v1::{self, MemberRole, MemberState};
use motet_secagg::digest::{Digest, to_hex};
use serde_json::{Value, json};
use std::path::Path;

/// What is said of a node that is there and answers nothing.
pub(crate) const STOPPED: &str = "stopped by its steward";

/// `motet site ...`
///
/// # Errors
/// As the coordinator's answers; a wrong proof is shown, not an error of the list.
pub async fn site(command: &Site) -> Done {
    match command {
        Site::Invite(args) => invite_site(args).await,
        Site::List(args) => list(args, SITES).await,
        Site::Remove(args) => removal::remove(args, SITES).await,
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
        Person::Remove(args) => removal::remove(args, PEOPLE).await,
        Person::Join(args) => crate::person::join(args).await,
    }
}

async fn invite_site(args: &InviteSite) -> Done {
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    invite(
        &identity,
        &mut desk,
        &args.name,
        &args.country,
        Role::Site,
        args.days,
    )
    .await
    .map(|made| {
        let out = Out::new(false);
        out.line(format!(
            "Site `{}` ({}) is invited until {}.",
            args.name,
            args.country,
            moment(made.expires_ms)
        ));
        say_void(out, &made);
        out.line(
            "Give the hospital the line below by a way you trust: whoever \
            holds it can join once under this name.",
        );
        out.line("There:  motet-node join --code-file FILE --dir DIR");
        out.line(
            "Once they have joined, and before that day, run `motet \
            site list`: it fixes their keys.",
        );
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
    out.line(format!(
        "`{}` is invited as {role} until {}.",
        args.name,
        moment(made.expires_ms)
    ));
    say_void(out, &made);
    out.line(
        "Give the person the line below by a way you trust: whoever \
         holds it can join once under this name.",
    );
    out.line("There:  motet person join --code-file FILE --as DIR");
    out.line(
        "Once they have joined, and before that day, run `motet person list`: it fixes their key.",
    );
    out.line(&made.code);
    Ok(())
}

/// Whoever waits with the code of an earlier invitation waits in vain.
fn say_void(out: Out, made: &Invited) {
    if made.replaces {
        out.line(
            "An earlier invitation of this name was open: its code is void \
            from now on, and only the one below works.",
        );
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
    refuse_standing(&identity.dir, name, role)?;
    let authority = Digest::from_hex(&identity.card.authority).map_err(|_| {
        Failure::failed(
            "identity.toml: `authority` is not a fingerprint",
            "restore the folder from a backup",
        )
    })?;
    // Not the address in this identity: the coordinator may have moved since that was made.
    let address = desk.about(v1::AboutRequest {}).await?.into_inner().address;
    split_address(&address)?;
    let code = JoinCode {
        address,
        ca_fingerprint: authority,
        governance_fingerprint: identity.fingerprint(),
        invite: motet_proto::rng::bytes(),
        secret: motet_proto::rng::bytes::<32>().into(),
        role,
    };
    let text = code.to_text()?;
    let expires_ms = now_ms().saturating_add(u64::from(days) * 86_400_000);
    let kept = Kept::new(
        name,
        country,
        role,
        Some(code.secret.as_slice()),
        expires_ms,
    );
    let members = desk
        .list_members(v1::ListMembersRequest {})
        .await?
        .into_inner()
        .members;
    let replaces = members.iter().any(|member| {
        member.state() == MemberState::Invited && member.name.eq_ignore_ascii_case(name)
    });
    // Kept before it is known elsewhere: a joined site whose secret was lost could never be
    // verified.
    kept.keep(&identity.dir, &code.invite)?;
    let request = v1::InviteRequest {
        invite: code.invite.to_vec(),
        name: kept.name.clone(),
        country: kept.country.clone(),
        role: MemberRole::from(role).into(),
        expires_ms,
        ticket: code.ticket().digest().0.to_vec(),
    };
    if let Err(status) = desk.invite(request).await {
        let _ = Kept::forget(&identity.dir, &code.invite);
        return Err(status.into());
    }
    // The coordinator voids an older code of this name; here it is worth nothing either, whatever
    // the coordinator shows later. Not before: where it refuses, somebody may have joined by the
    // older one.
    Kept::replaced(&identity.dir, name, &code.invite, now_ms())?;
    Ok(Invited {
        code: text,
        expires_ms,
        replaces,
    })
}

/// No second code for whoever was verified here: two enrolments under one name would stand against
/// each other.
fn refuse_standing(dir: &Path, name: &str, role: Role) -> Done {
    if !Kept::all(dir)?
        .values()
        .any(|kept| kept.is_standing() && kept.is_for(name, role))
    {
        return Ok(());
    }
    let command = if role == Role::Site { "site" } else { "person" };
    Err(Failure::refused(
        Code::NameTaken,
        format!("`{name}` was verified here and not removed"),
    )
    .instead(format!(
        "choose another name, or run `motet {command} remove {name}` first; whose \
             certificate ends joins anew that way, with new keys"
    )))
}

async fn list(args: &Read, roles: &[Role]) -> Done {
    let out = Out::new(args.json);
    let (identity, mut desk) = calling(args.who.identity.as_deref()).await?;
    let mut all = known(&identity, &mut desk).await?;
    let hidden = hidden(&identity.dir, &all)?;
    all.retain(|known| is_one_of(&known.member, roles));
    out.value(&json!({ "members": all.iter().map(as_json).collect::<Vec<_>>() }));
    say_list(out, &all, roles);
    if roles == SITES {
        for name in hidden {
            out.line(format!(
                "\nALARM: `{}` was verified here, and the coordinator does not show it as a member.",
                crate::output::shown(&name)
            ));
            out.line(
                "  No study over all sites is proposed until it does, or `motet site \
                remove` took the site out. Look at its ledger.",
            );
        }
    }
    Ok(())
}

fn say_list(out: Out, all: &[Known], roles: &[Role]) {
    let mut table = Table::new(&["name", "country", "role", "standing", "now", "key"]);
    for known in all {
        let Known {
            member, standing, ..
        } = known;
        let key = match standing {
            Standing::Verified(enrolment) => enrolment.identity.fingerprint().short(),
            _ => String::new(),
        };
        let mut words = standing.words().to_owned();
        if !known.alarms().is_empty() {
            words.push_str("; ALARM, KEY OF ANOTHER");
        }
        let now = match (member.connected, member.in_two_places, member.stopped) {
            (_, true, _) => "ALARM, IN TWO PLACES",
            (true, false, true) => STOPPED,
            (true, false, false) => "connected",
            (false, false, _) => "",
        };
        let name = member.name.clone();
        let country = member.country.clone();
        let role = member.role().word().to_owned();
        table.row([name, country, role, words, now.to_owned(), key]);
    }
    if !table.is_empty() {
        out.table(&table);
    } else if roles == SITES {
        out.line("Nobody yet. `motet site invite NAME --country CC` makes a join code.");
    } else {
        out.line("Nobody yet. `motet person invite NAME --role ROLE` makes a join code.");
    }
    all.iter()
        .filter_map(|known| ending(&known.member, crate::output::now_ms()))
        .for_each(|line| out.line(line));
    for known in all {
        if known.member.in_two_places {
            let name = crate::output::shown(&known.member.name);
            out.line(format!(
                "\nALARM: two nodes with the certificate of `{name}` take the line from each other."
            ));
            out.line(
                "  Its folder, or a copy of it, runs in two places. Call the site: one \
                of the two is to end, and a copy is never to be",
            );
            out.line(
                "  used, because it does not know what the other has said. If nobody \
                there runs two, somebody has its keys: remove it.",
            );
        }
        if let Standing::Wrong(why) = &known.standing {
            let alarm = if why == RIVAL { "ALARM: " } else { "" };
            out.line(format!(
                "\n{alarm}{}: {why}.",
                crate::output::shown(&known.member.name)
            ));
            out.line(match why.as_str() {
                LATE => "  It may well be honest. Remove the member and invite it anew, and run this list before the new code ends.",
                RIVAL => "  An honest coordinator has no name twice. Ask the site by telephone, remove the name and invite it anew.",
                _ => "  Somebody other than the holder of code and keys sent these. Remove the member, tell the others, invite anew.",
            });
        }
        if known.standing == Standing::Returned {
            let name = crate::output::shown(&known.member.name);
            out.line(format!(
                "\nALARM: `{name}` was removed here or its code replaced, and \
                 the coordinator shows it as a member."
            ));
            out.line(
                "  It enters no roster. Run `remove` for it again, which ends all \
                under this name here and there: the coordinator was",
            );
            out.line("  restored from an older backup, or it does not do what it was told.");
        }
        for alarm in known.alarms() {
            out.line(format!("\nALARM: {alarm}."));
            out.line(
                "  One of the two is not who it says it is. Ask both by telephone \
                and remove whoever joined with the other's key;",
            );
            out.line(
                "  no study is proposed until then. An honest coordinator \
                lets no key pass twice: look at it, too.",
            );
        }
    }
}

/// A certificate that ends soon, or has: nothing renews it.
fn ending(member: &v1::Member, now_ms: u64) -> Option<String> {
    let days =
        days_left(member.until_ms, now_ms).filter(|_| member.state() == MemberState::Joined)?;
    let name = crate::output::shown(&member.name);
    let date = moment(member.until_ms);
    let command = if member.role() == MemberRole::Site {
        "site"
    } else {
        "person"
    };
    let when = match days {
        0 => format!("ended or ends within a day ({date})"),
        days => format!(
            "ends in {}, on {date}",
            crate::output::count(days as usize, "day")
        ),
    };
    Some(format!(
        "\nCERTIFICATE: that of `{name}` {when}; from then on it cannot \
         call, and nothing renews it.\n  \
         Before that day: `motet {command} \
         remove {name}`, then `motet {command} invite {name}`; it joins anew, with new keys{}",
        if command == "site" {
            ", and studies that are still to run are proposed again."
        } else {
            "."
        }
    ))
}

fn as_json(known: &Known) -> serde_json::Value {
    let Known {
        member,
        standing,
        twins,
    } = known;
    let mut value = json!({
        "name": member.name, "country": member.country, "role": member.role().word(), "state": member.state().word(),
        "standing": standing.code(), "connected": member.connected, "in_two_places": member.in_two_places,
        "stopped": member.stopped,
        "certificate_until_ms": member.until_ms, "invite": to_hex(&member.invite),
        "equal_keys": twins.iter().map(twin_json).collect::<Vec<_>>(),
    });
    if let (Some(fields), Standing::Verified(enrolment)) = (value.as_object_mut(), standing) {
        fields.insert(
            "identity".into(),
            json!(enrolment.identity.fingerprint().hex()),
        );
        fields.insert(
            "steward".into(),
            json!(enrolment.steward.map(|key| key.fingerprint().hex())),
        );
        fields.insert("node".into(), json!(enrolment.identity.node_id().hex()));
    }
    value
}

fn twin_json(twin: &Twin) -> Value {
    json!({ "key": twin.purpose.as_str(), "with": twin.with, "their_key": twin.theirs.as_str(), "settled": twin.settled })
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::enrol::Purpose;

    fn member(name: &str, role: MemberRole, state: MemberState, invite: u8) -> v1::Member {
        v1::Member {
            name: name.into(),
            role: role.into(),
            state: state.into(),
            invite: vec![invite; 16],
            ..v1::Member::default()
        }
    }

    #[test]
    fn a_certificate_that_ends_within_sixty_days_is_told_with_what_to_do() {
        const DAY: u64 = 86_400_000;
        let now = 700 * DAY;
        let with = |role: MemberRole, days: u64| v1::Member {
            until_ms: now + days * DAY,
            ..member("lyon", role, MemberState::Joined, 1)
        };
        assert_eq!(ending(&with(MemberRole::Site, 61), now), None);
        let said = ending(&with(MemberRole::Site, 60), now).unwrap();
        for part in [
            "`lyon` ends in 60 days",
            "`motet site remove lyon`",
            "`motet site invite lyon`",
            "proposed again",
        ] {
            assert!(said.contains(part), "{said}");
        }
        let said = ending(&with(MemberRole::Researcher, 1), now).unwrap();
        assert!(
            said.contains("in 1 day, ") && said.contains("`motet person remove lyon`"),
            "{said}"
        );
        let ended = v1::Member {
            until_ms: now - DAY,
            ..member("lyon", MemberRole::Site, MemberState::Joined, 1)
        };
        assert!(ending(&ended, now).unwrap().contains("ended or ends"));
        let removed = v1::Member {
            state: MemberState::Removed.into(),
            ..ended
        };
        assert_eq!(ending(&removed, now), None);
    }

    #[test]
    fn equal_keys_are_an_alarm_in_words_and_in_json() {
        let twin = Twin {
            purpose: Purpose::Identity,
            with: "clev".into(),
            theirs: Purpose::Identity,
            settled: false,
        };
        let member = member("evil", MemberRole::Site, MemberState::Joined, 1);
        let known = Known {
            member,
            standing: Standing::Unchecked,
            twins: vec![twin],
        };
        assert_eq!(
            known.alarms(),
            ["the identity key of `evil` is the identity key of `clev`"]
        );
        let value = as_json(&known);
        assert_eq!(value["equal_keys"][0]["key"], "identity");
        assert_eq!(value["equal_keys"][0]["with"], "clev");
        assert_eq!(value["standing"], "unchecked");
    }

    #[test]
    fn a_second_code_ends_the_first_and_is_not_made_for_whoever_stands() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |name: &str, invite: u8| {
            let kept = Kept::new(name, "FR", Role::Site, Some(&[invite; 32]), 1_000);
            kept.keep(folder.path(), &[invite; 16]).unwrap();
        };
        let of = |invite: u8| Kept::of(folder.path(), &[invite; 16]).unwrap().unwrap();
        kept("lyon", 1);
        kept("Lyon", 2);
        kept("nice", 3);
        refuse_standing(folder.path(), "lyon", Role::Site).unwrap();
        Kept::replaced(folder.path(), "Lyon", &[2; 16], 5).unwrap();
        assert!(
            of(1).secret().is_none() && of(1).is_removed(),
            "the first code is worth nothing"
        );
        assert!(
            of(2).secret().is_some() && of(3).secret().is_some(),
            "others are as they were"
        );
        let mut verified = of(3);
        verified.enrolled = Some("00".into());
        verified.replace(folder.path(), &[3; 16]).unwrap();
        assert_eq!(
            refuse_standing(folder.path(), "NICE", Role::Site)
                .unwrap_err()
                .code(),
            "name_taken"
        );
        refuse_standing(folder.path(), "nice", Role::Researcher).unwrap();
    }

    #[test]
    fn an_invitation_that_cannot_be_forgotten_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder
            .path()
            .join("invites")
            .join(format!("{}.toml", to_hex(&[1; 16])));
        Kept::forget(folder.path(), &[1; 16]).unwrap();
        // A folder of that name stands for any file that does not go.
        std::fs::create_dir_all(&path).unwrap();
        assert!(Kept::forget(folder.path(), &[1; 16]).is_err());
    }

    /// What the list prints goes to standard output, so it is printed by a process of its own.
    #[test]
    fn the_list_says_beside_its_table_whose_certificate_ends_and_what_is_an_alarm() {
        const PRINTS: &str = "MOTET_TEST_PRINTS_THE_LIST";
        const NAME: &str = "members::tests::the_list_says_beside_its_table_whose_certificate_ends_and_what_is_an_alarm";
        let now = crate::output::now_ms();
        let of = |name: &str, standing: Standing| Known {
            member: v1::Member {
                until_ms: now + 700 * 86_400_000,
                ..member(name, MemberRole::Site, MemberState::Joined, 1)
            },
            standing,
            twins: Vec::new(),
        };
        let mut ends = of("lyon", Standing::Unchecked);
        ends.member.until_ms = now + 20 * 86_400_000;
        let mut twice = of("nice", Standing::Unchecked);
        twice.member.in_two_places = true;
        let mut equal = of("evil", Standing::Unchecked);
        equal.twins.push(Twin {
            purpose: Purpose::Identity,
            with: "clev".into(),
            theirs: Purpose::Identity,
            settled: false,
        });
        let all = [
            ends,
            twice,
            equal,
            of("gone", Standing::Returned),
            of("late", Standing::Wrong(LATE.into())),
            of("rival", Standing::Wrong(RIVAL.into())),
            of("good", Standing::Unchecked),
        ];
        if std::env::var_os(PRINTS).is_some() {
            return say_list(Out::new(false), &all, SITES);
        }
        let printed = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(PRINTS, "1")
            .output()
            .unwrap();
        let said = String::from_utf8(printed.stdout).unwrap();
        for part in [
            "CERTIFICATE: that of `lyon` ends in ",
            "ALARM: two nodes with the certificate of `nice`",
            "joined, not checked; ALARM, KEY OF ANOTHER",
            "ALARM: the identity key of `evil` is the identity key of `clev`.",
            "ALARM: `gone` was removed here",
            "\nlate: late: it was first seen here after its invitation had ended",
            "It may well be honest.",
            "\nALARM: rival: another enrolment was verified under this name",
        ] {
            assert!(said.contains(part), "`{part}` is not in {said}");
        }
        assert_eq!(said.matches("CERTIFICATE").count(), 1, "{said}");
        assert_eq!(said.matches("\nALARM").count(), 4, "{said}");
        assert_eq!(said.matches("`good`").count(), 0, "{said}");
    }
}
