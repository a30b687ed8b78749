//! Removing a member by name: first in this folder, which needs nobody's word, then at the
//! coordinator.
//!
//! ```text
//! here    every invitation kept under the name ends; of whoever was verified, the removal is signed from the kept enrolment
//! there   these removals are sent; then what the coordinator shows under the name: joined: signed and sent, not joined: void
//! ```
//! What the coordinator shows decides about nothing that is kept here: it may show a member under
//! another invitation, as removed, or not at all, and the member is out all the same. Nor does it
//! reach another's invitation by a wrong name. A person enters no roster, and the coordinator may
//! rightly refuse (the last operator stays): it is asked first then.

use crate::args::Remove;
use crate::failure::{Done, Failure};
use crate::identity::{Desk, Identity};
use crate::invitation::{Kept, turn};
use crate::output::{Out, now_ms, shown};
use motet_common::enrol::{Enrolment, Role};
use motet_common::refusal::Code;
use motet_common::roster::{Removal, SignedRemoval};
use motet_proto::v1::{self, MemberState};
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::SecretKey;
use std::collections::BTreeMap;

/// The role of a hospital.
pub(crate) const SITES: &[Role] = &[Role::Site];
/// The roles of people.
pub(crate) const PEOPLE: &[Role] = &[Role::Operator, Role::Researcher];

pub(crate) fn is_one_of(member: &v1::Member, roles: &[Role]) -> bool {
    member
        .role()
        .role()
        .is_some_and(|role| roles.contains(&role))
}

/// Whom a command removes, and in whose name.
struct Leaving<'a> {
    identity: &'a Identity,
    name: &'a str,
    why: &'a str,
    roles: &'a [Role],
    /// Asked for once: it may have a passphrase.
    key: Option<SecretKey>,
}

/// What a command came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    ended: usize,
    signed: usize,
    /// Of those, the ones of members that the coordinator showed, which it took.
    told: usize,
    /// And of these, the operators.
    operators: usize,
    unknown: usize,
    resent: usize,
    voided: usize,
}

/// `motet site remove`, `motet person remove`.
///
/// # Errors
/// `not_in_roster` for a name that nobody has, `last_operator`; when the governance key does not
/// open, or the coordinator shows what contradicts this folder.
pub(crate) async fn remove(args: &Remove, roles: &[Role]) -> Done {
    let identity = Identity::open(args.who.identity.as_deref())?.with_passphrase_file(&args.govern);
    let out = Out::new(false);
    let mut leaving = Leaving {
        identity: &identity,
        name: &args.name,
        why: &args.why,
        roles,
        key: None,
    };
    let mut came = Came::default();
    if roles == SITES {
        came.ended = leaving.end_here(now_ms())?;
        if came.ended > 0 {
            out.line(format!(
                "`{}` is out in this folder: no roster takes it in, whatever the coordinator shows.",
                args.name
            ));
        }
        came.signed = leaving.sign_kept(now_ms())?;
    }
    let mut desk = identity.desk().await?;
    let members = desk
        .list_members(v1::ListMembersRequest {})
        .await?
        .into_inner()
        .members;
    leaving.tell(&mut desk, &members, &mut came).await?;
    // Of a person nothing ended here before the coordinator said yes.
    if leaving.kept()?.values().any(Kept::is_standing) {
        let what = format!(
            "`{}` was verified here, and the coordinator does not show it: it still stands",
            args.name
        );
        return Err(Failure::failed(
            what,
            "look at the coordinator's ledger, and run the command again",
        ));
    }
    let is_known = members
        .iter()
        .any(|member| member.name == args.name && is_one_of(member, roles));
    say(
        out,
        &came,
        args,
        roles,
        is_known || !leaving.kept()?.is_empty(),
    )
}

impl Leaving<'_> {
    /// What this folder keeps under the name.
    fn kept(&self) -> Done<BTreeMap<[u8; 16], Kept>> {
        let mut all = Kept::all(&self.identity.dir)?;
        all.retain(|_, kept| kept.name == self.name && self.has_role(kept));
        Ok(all)
    }

    fn has_role(&self, kept: &Kept) -> bool {
        self.roles.contains(&kept.role)
    }

    /// Nobody counts under any of these invitations from here on. Gives how many did.
    fn end_here(&self, now_ms: u64) -> Done<usize> {
        let _turn = turn(&self.identity.dir)?;
        let mut ended = 0;
        for (invite, mut kept) in self.kept()? {
            if !kept.is_removed() {
                kept.end(now_ms);
                kept.replace(&self.identity.dir, &invite)?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Signs the removal of each who was verified here, from the enrolment that was. Gives how
    /// many.
    fn sign_kept(&mut self, now_ms: u64) -> Done<usize> {
        let mut signed = 0;
        for kept in self.kept()?.values().filter(|kept| kept.removal.is_none()) {
            if let Some(enrolment) = kept.enrolment()? {
                let removal = self.sign(&enrolment, now_ms)?;
                Kept::record_removal(&self.identity.dir, &enrolment, &removal, now_ms)?;
                signed += 1;
            }
        }
        Ok(signed)
    }

    fn sign(&mut self, enrolment: &Enrolment, now_ms: u64) -> Done<Vec<u8>> {
        let key = match self.key.take() {
            Some(key) => key,
            None => crate::governance::key(self.identity)?,
        };
        let key = self.key.insert(key);
        let removal = Removal {
            invite: enrolment.invite,
            node: enrolment.identity.node_id(),
            name: self.name.to_owned(),
            reason: self.why.to_owned(),
            when_ms: now_ms,
        };
        Ok(removal.sign(key)?.to_bytes())
    }

    /// Sends what was signed here, then acts on what the coordinator shows under the name.
    async fn tell(&mut self, desk: &mut Desk, members: &[v1::Member], came: &mut Came) -> Done {
        let dir = self.identity.dir.clone();
        for removal in self.unheard(members, came.signed > 0)? {
            match self.send(desk, removal).await {
                // An older ledger may know nothing of whoever joined since.
                Err(failure) if failure.code() == Code::NotInRoster.as_str() => came.unknown += 1,
                sent => sent.map(|()| came.resent += 1)?,
            }
        }
        let Shown {
            joined,
            waiting,
            ended,
        } = self.shown(members)?;
        for enrolment in joined {
            let removal = self.sign(&enrolment, now_ms())?;
            // A site is out from here on, whatever becomes of the message.
            if self.roles == SITES {
                Kept::record_removal(&dir, &enrolment, &removal, now_ms())?;
                self.send(desk, removal).await?;
            } else {
                self.send(desk, removal.clone()).await?;
                Kept::record_removal(&dir, &enrolment, &removal, now_ms())?;
            }
            came.signed += 1;
            came.told += 1;
            came.operators += usize::from(enrolment.role == Role::Operator);
        }
        if !ended.is_empty() {
            let _turn = turn(&dir)?;
            for invite in ended {
                if let Some(mut kept) = Kept::of(&dir, &invite)?.filter(|kept| !kept.is_removed()) {
                    kept.end(now_ms());
                    kept.replace(&dir, &invite)?;
                    came.ended += 1;
                }
            }
        }
        for invite in waiting {
            desk.void_invitation(v1::VoidInvitationRequest { invite })
                .await?;
            came.voided += 1;
        }
        Ok(())
    }

    /// The signed removals that the coordinator does not show as done; all of them when one is new.
    fn unheard(&self, members: &[v1::Member], all: bool) -> Done<Vec<Vec<u8>>> {
        let is_done = |invite: &[u8; 16]| {
            members
                .iter()
                .any(|member| member.invite == invite && member.state() == MemberState::Removed)
        };
        let kept = self
            .kept()?
            .into_iter()
            .filter(|(invite, _)| all || !is_done(invite));
        Ok(kept.filter_map(|(_, kept)| kept.removal()).collect())
    }

    async fn send(&self, desk: &mut Desk, removal: Vec<u8>) -> Done {
        if self.roles == SITES {
            desk.remove_site(v1::RemoveSiteRequest { removal }).await?;
        } else {
            desk.remove_person(v1::RemovePersonRequest { removal })
                .await?;
        }
        Ok(())
    }

    /// What is left to do about what the coordinator shows under the name.
    ///
    /// # Errors
    /// Where it shows an invitation under this name that is kept here for another, another
    /// enrolment than the one verified under it, or two members whom this folder does not know:
    /// nothing is signed on such a word.
    fn shown(&self, members: &[v1::Member]) -> Done<Shown> {
        let kept = Kept::all(&self.identity.dir)?;
        let mut left = Shown::default();
        let mut strangers = 0;
        for member in members
            .iter()
            .filter(|member| member.name == self.name && is_one_of(member, self.roles))
        {
            let invite = <[u8; 16]>::try_from(member.invite.as_slice())
                .map_err(|_| self.contradicts("that of no invitation"))?;
            let kept = kept.get(&invite);
            if kept.is_some_and(|kept| kept.name != self.name || !self.has_role(kept)) {
                return Err(self.contradicts("under an invitation that was made for somebody else"));
            }
            match member.state() {
                MemberState::Joined => {
                    let enrolment = self.enrolment(member, &invite)?;
                    // One that was signed over another key, on a word that was false, takes nobody
                    // out.
                    let takes_out = |kept: &Kept| {
                        let removal = kept
                            .removal()
                            .and_then(|bytes| SignedRemoval::from_bytes(&bytes).ok());
                        removal.is_some_and(|signed| {
                            signed.removal.node == enrolment.identity.node_id()
                        })
                    };
                    match kept.map(|kept| (kept.is_fixed_on(&enrolment), takes_out(kept))) {
                        Some((Some(false), _)) => {
                            return Err(self.contradicts(
                                "with another enrolment than the one that was verified",
                            ));
                        }
                        Some((_, true)) => continue,
                        Some((_, false)) => {}
                        None => strangers += 1,
                    }
                    left.joined.push(enrolment);
                }
                MemberState::Invited | MemberState::Expired => {
                    left.waiting.push(invite.to_vec());
                    left.ended.push(invite);
                }
                MemberState::Removed | MemberState::Unspecified => left.ended.push(invite),
            }
        }
        if strangers > 1 {
            let what = format!(
                "two members are called `{}`: nothing was signed",
                shown(self.name)
            );
            return Err(Failure::failed(
                what,
                "an honest coordinator has no name twice; look at its ledger",
            ));
        }
        Ok(left)
    }

    fn enrolment(&self, member: &v1::Member, invite: &[u8; 16]) -> Done<Enrolment> {
        let enrolment = Enrolment::from_bytes(&member.enrolment).map_err(|error| {
            self.contradicts(&format!("with a record that is not readable ({error})"))
        })?;
        if enrolment.name == self.name
            && enrolment.invite == *invite
            && self.roles.contains(&enrolment.role)
        {
            Ok(enrolment)
        } else {
            Err(self.contradicts("with the record of another member"))
        }
    }

    fn contradicts(&self, how: &str) -> Failure {
        Failure::failed(
            format!(
                "the coordinator shows `{}` {how}: nothing was signed on its word",
                shown(self.name)
            ),
            "what this folder keeps under the name is out; look at the \
             coordinator's ledger, and tell the other members",
        )
    }
}

/// What the coordinator shows under a name, as far as something is left to do about it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    /// Whose removal is to be signed.
    joined: Vec<Enrolment>,
    /// Invitations to be taken back there.
    waiting: Vec<Vec<u8>>,
    /// Invitations that nobody is to count under here.
    ended: Vec<[u8; 16]>,
}

fn say(out: Out, came: &Came, args: &Remove, roles: &[Role], is_known: bool) -> Done {
    let name = &args.name;
    let (who, list) = if roles == SITES {
        ("Site ", "site")
    } else {
        ("", "person")
    };
    let Came {
        ended,
        signed,
        told,
        operators,
        unknown,
        resent,
        voided,
    } = *came;
    if told > 0 || signed > unknown {
        out.line(format!(
            "{who}`{name}` is removed: its certificate opens nothing any \
             more, and its connections are closed."
        ));
        if operators > 0 {
            out.line(keys_stay(name));
        }
    } else if resent > 0 {
        out.line(format!(
            "`{name}` was removed here before; the recorded removal was sent again."
        ));
    } else if signed > 0 {
        out.line(format!(
            "`{name}` is removed here; the coordinator knows nobody who joined so."
        ));
    } else if voided > 0 {
        out.line(format!(
            "`{name}` has not joined; its invitation is void, here and at the coordinator."
        ));
    } else if ended > 0 {
        out.line(format!(
            "`{name}` is removed here; the coordinator shows nobody of that name who belongs."
        ));
    } else if unknown > 0 {
        out.line(format!(
            "`{name}` was removed here before; the coordinator knows nobody who joined so."
        ));
    } else if is_known {
        out.line(format!("`{name}` is removed already."));
    } else {
        let what = if roles == SITES { "site" } else { "person" };
        return Err(Failure::refused(
            Code::NotInRoster,
            format!("no {what} is called `{}`", shown(name)),
        )
        .instead(format!("`motet {list} list` shows the names")));
    }
    Ok(())
}

/// What a removal does not do.
fn keys_stay(operator: &str) -> String {
    format!(
        "No removal takes a key away: if `{operator}` has a copy of the \
         governance key, it still signs rosters and removals that \
         every site accepts.\nThe only remedy is another governance key, \
         that is, a new consortium that every site joins."
    )
}

#[cfg(test)]
#[path = "removal_tests.rs"]
mod tests;
