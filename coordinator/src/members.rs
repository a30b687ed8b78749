//! Who was invited, who joined, who was removed, and so who may call. The coordinator issues
//! certificates; whom a roster trusts is decided by the operator's command, which alone holds the
//! invitations' secrets.
//!
//! Admission is by the certificate on record, byte for byte, and not by what a certificate says of
//! its holder: one that the authority issued but that stands in no book (an older ledger, a
//! restored one, a stolen authority) is nobody's.

use crate::entries::{Invited, Joined, MemberEntry};
use motet_common::enrol::{
    Enrolment, MAX_INVITE_DAYS, Possession, Role, Ticket, check_country, check_name,
};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::SignedRemoval;
use motet_ledger::{Ledger, LedgerError};
use motet_proto::tls::authority::{
    Authority, Subject, Validity, certificate_digest, csr_key_digest,
};
use motet_proto::tls::peer::Peer;
use motet_proto::v1::{self, MemberRole, MemberState};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::{Mutex, MutexGuard};

/// Days a certificate is valid.
const VALID_DAYS: u32 = 730;
/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
const STREAM: &str = "members";

/// The id of an invitation: it names a member, whatever keys and names there are.
type Invite = [u8; 16];

/// The members, rebuilt from their stream.
pub(crate) struct Members {
    ledger: Ledger,
    /// Held from the look into the book to the record of what follows from it.
    writing: Mutex<()>,
    book: RwLock<Book>,
}

/// Who calls, as the book has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The invitation it joined under.
    pub(crate) invite: Invite,
    /// When it joined.
    pub(crate) since: Moment,
    /// Of a site, and of a site only.
    pub(crate) node: Option<NodeId>,
}

/// What a newcomer sends.
pub(crate) struct Application {
    /// That it holds the join code.
    pub(crate) ticket: Ticket,
    pub(crate) enrolment: Enrolment,
    /// Under the join secret: for the operator's command.
    pub(crate) proof: [u8; 32],
    pub(crate) possession: Possession,
    /// DER.
    pub(crate) csr: Vec<u8>,
}

#[derive(Default)]
struct Book {
    invited: BTreeMap<Invite, Invited>,
    joined: BTreeMap<Invite, Joined>,
    removed: BTreeSet<Invite>,
    /// Whose certificate has this digest.
    certificates: BTreeMap<Digest, Invite>,
    /// Every key that a member has or had.
    keys: BTreeMap<Digest, Invite>,
}

impl Book {
    fn apply(&mut self, entry: MemberEntry) {
        match entry {
            MemberEntry::Invited(invited) => {
                // A new invitation of the same name takes the place of one that nobody redeemed.
                let Self {
                    invited: known,
                    joined,
                    ..
                } = self;
                known.retain(|id, old| {
                    !old.name.eq_ignore_ascii_case(&invited.name) || joined.contains_key(id)
                });
                known.insert(invited.invite, invited);
            }
            MemberEntry::Joined(joined) => {
                let invite = joined.enrolment.invite;
                self.certificates.insert(joined.fingerprint, invite);
                self.keys
                    .extend(joined.enrolment.keys().map(|(_, key)| (key, invite)));
                self.joined.insert(invite, joined);
            }
            MemberEntry::Removed(removal) => {
                let gone = removal.removal.invite;
                self.removed.insert(gone);
                // Else whoever is removed comes back under another name that it invited itself.
                let Self {
                    invited: known,
                    joined,
                    ..
                } = self;
                known.retain(|id, invited| invited.by != gone || joined.contains_key(id));
            }
            MemberEntry::Voided(invite) => {
                if !self.joined.contains_key(&invite) {
                    self.invited.remove(&invite);
                }
            }
        }
    }

    /// Members who joined and were not removed.
    fn standing(&self) -> impl Iterator<Item = &Joined> {
        self.joined
            .values()
            .filter(|joined| !self.removed.contains(&joined.enrolment.invite))
    }

    /// A name is free when nobody who still belongs joined under it.
    fn is_taken(&self, name: &str) -> bool {
        self.standing()
            .any(|joined| joined.enrolment.name.eq_ignore_ascii_case(name))
    }

    /// Refuses a newcomer who brings a key that any member has or had.
    fn refuse_known_keys(&self, enrolment: &Enrolment) -> Result<(), Refusal> {
        for (purpose, key) in enrolment.keys() {
            if self.keys.contains_key(&key) {
                let detail = format!(
                    "the {purpose} of `{}` is already a key of a member",
                    enrolment.name
                );
                return Err(Refusal::new(Code::KeyTaken, detail));
            }
        }
        Ok(())
    }

    /// Refuses to let the last operator go: nobody could invite another.
    fn refuse_last_operator(&self, leaving: &Enrolment, now: Moment) -> Result<(), Refusal> {
        let may_act = |other: &&Joined| other.enrolment.role == Role::Operator && other.until > now;
        let mut others = self
            .standing()
            .filter(may_act)
            .filter(|other| other.enrolment.invite != leaving.invite);
        if leaving.role == Role::Operator && others.next().is_none() {
            let detail = format!(
                "`{}` is the consortium's only operator with a certificate that is valid",
                leaving.name
            );
            return Err(Refusal::new(Code::LastOperator, detail));
        }
        Ok(())
    }
}

impl Members {
    /// Reads the stream.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) async fn load(ledger: Ledger) -> anyhow::Result<Self> {
        let mut book = Book::default();
        for recorded in ledger.read(STREAM, 1).await? {
            book.apply(MemberEntry::from_bytes(&recorded.entry)?);
        }
        Ok(Self {
            ledger,
            writing: Mutex::new(()),
            book: RwLock::new(book),
        })
    }

    /// Who shows this certificate. The only place where it is decided whether a caller is a member;
    /// what a role may do is decided by whoever asks.
    ///
    /// # Errors
    /// `not_a_member` for a certificate that is not on record, `site_revoked` and `person_revoked`.
    pub(crate) fn caller(&self, peer: &Peer) -> Result<Caller, Refusal> {
        let book = self.book();
        let on_record = book
            .certificates
            .get(&peer.certificate)
            .and_then(|invite| book.joined.get(invite));
        let Some(Joined { enrolment, at, .. }) = on_record else {
            let detail = format!("`{}`, certificate {}", peer.name, peer.certificate.short());
            return Err(Refusal::new(Code::NotAMember, detail));
        };
        let site = enrolment.role == Role::Site;
        if book.removed.contains(&enrolment.invite) {
            let code = if site {
                Code::SiteRevoked
            } else {
                Code::PersonRevoked
            };
            return Err(Refusal::new(code, format!("`{}`", enrolment.name)));
        }
        let node = site.then(|| enrolment.identity.node_id());
        let Enrolment {
            name, role, invite, ..
        } = enrolment;
        Ok(Caller {
            name: name.clone(),
            role: *role,
            invite: *invite,
            since: *at,
            node,
        })
    }

    /// Makes an invitation known, for [`MAX_INVITE_DAYS`] at most.
    ///
    /// # Errors
    /// `malformed` for a bad name or country or an id that is in use, `name_taken`,
    /// `person_revoked` for an inviter who has gone in the meantime.
    pub(crate) async fn invite(&self, mut invited: Invited, now: Moment) -> Result<(), Refusal> {
        check_name(&invited.name)?;
        check_country(&invited.country)?;
        let longest = now
            .ms
            .saturating_add(u64::from(MAX_INVITE_DAYS).saturating_mul(DAY_MS));
        invited.expires.ms = invited.expires.ms.min(longest);
        let turn = self.writing.lock().await;
        // Asked within the turn: a request may have been under way when its sender was removed.
        if self.book().removed.contains(&invited.by) {
            return Err(Refusal::new(
                Code::PersonRevoked,
                "whoever invites was removed",
            ));
        }
        if self.book().is_taken(&invited.name) {
            return Err(Refusal::new(Code::NameTaken, format!("`{}`", invited.name)));
        }
        // Ids are drawn at random: a second one would write another name over a member's.
        if self.book().invited.contains_key(&invited.invite) {
            return Err(Refusal::new(
                Code::Malformed,
                "an invitation with this id exists already",
            ));
        }
        self.record(&turn, MemberEntry::Invited(invited)).await
    }

    /// Takes back an invitation that nobody has redeemed.
    ///
    /// # Errors
    /// `token_used`, `token_unknown`.
    pub(crate) async fn void(&self, invite: &Invite) -> Result<(), Refusal> {
        let turn = self.writing.lock().await;
        if self.book().joined.contains_key(invite) {
            return Err(Refusal::new(
                Code::TokenUsed,
                "whoever joined under it is removed instead",
            ));
        }
        if !self.book().invited.contains_key(invite) {
            return Err(Code::TokenUnknown.into());
        }
        self.record(&turn, MemberEntry::Voided(*invite)).await
    }

    /// Redeems an invitation and issues the certificate. The same application again gets the same
    /// certificate: a newcomer whose answer was lost has no other way in.
    ///
    /// # Errors
    /// `token_unknown`, `token_expired`, `token_used`; `key_unproven` for a key that did not sign,
    /// `key_taken` for one that a member has or had; `malformed` when the keys and the request
    /// disagree. Nothing is recorded then.
    pub(crate) async fn join(
        &self,
        authority: &Authority,
        governance: &Digest,
        application: Application,
        now: Moment,
    ) -> Result<String, Refusal> {
        self.enrol(
            authority,
            governance,
            application,
            Validity::days(VALID_DAYS),
            now,
        )
        .await
    }

    /// [`Members::join`] with a certificate of another length.
    pub(crate) async fn enrol(
        &self,
        authority: &Authority,
        governance: &Digest,
        application: Application,
        validity: Validity,
        now: Moment,
    ) -> Result<String, Refusal> {
        let Application {
            ticket,
            enrolment,
            proof,
            possession,
            csr,
        } = application;
        let turn = self.writing.lock().await;
        let invited = self.redeemed(&enrolment.invite, &ticket)?;
        enrolment.verify_possession(&possession)?;
        let same_key = csr_key_digest(&csr).is_ok_and(|digest| digest == enrolment.csr_key_digest);
        if enrolment.governance_fingerprint != *governance || !same_key {
            return Err(Refusal::new(
                Code::Malformed,
                "the certificate request does not fit the enrolment",
            ));
        }
        if let Some(certificate) = self.answered(&enrolment, &proof)? {
            return Ok(certificate);
        }
        if invited.expires <= now {
            return Err(Refusal::new(
                Code::TokenExpired,
                format!("the invitation of `{}`", invited.name),
            ));
        }
        if (&enrolment.name, &enrolment.country, enrolment.role)
            != (&invited.name, &invited.country, invited.role)
        {
            let detail = "the invitation is for another name, country or role";
            return Err(Refusal::new(Code::TokenUnknown, detail));
        }
        self.book().refuse_known_keys(&enrolment)?;
        let subject = Subject {
            name: invited.name,
            country: invited.country,
            role: invited.role,
            node: (invited.role == Role::Site).then(|| enrolment.identity.node_id()),
        };
        let certificate = authority
            .sign_csr(&csr, &subject, validity)
            .map_err(malformed)?;
        let fingerprint = certificate_digest(&certificate).map_err(malformed)?;
        let issued = certificate.clone();
        let until = Moment {
            ms: validity.until_s.saturating_mul(1000),
        };
        let joined = Joined {
            enrolment,
            proof,
            possession,
            certificate,
            fingerprint,
            until,
            at: now,
        };
        self.record(&turn, MemberEntry::Joined(joined)).await?;
        Ok(issued)
    }

    /// The certificate that this very application got before.
    fn answered(&self, enrolment: &Enrolment, proof: &[u8; 32]) -> Result<Option<String>, Refusal> {
        let book = self.book();
        let Some(joined) = book.joined.get(&enrolment.invite) else {
            return Ok(None);
        };
        let same = joined.enrolment == *enrolment && joined.proof == *proof;
        if same && !book.removed.contains(&enrolment.invite) {
            return Ok(Some(joined.certificate.clone()));
        }
        let detail = format!("the invitation of `{}`", joined.enrolment.name);
        Err(Refusal::new(Code::TokenUsed, detail))
    }

    /// Whom an invitation is for, to whoever holds its code: what a node needs before it can sign
    /// its enrolment.
    ///
    /// # Errors
    /// `token_unknown`, also to whoever knows an invitation's id and not its secret.
    pub(crate) fn invitation(&self, invite: &Invite, ticket: &Ticket) -> Result<Invited, Refusal> {
        // Whoever was removed has no more business with its old code than a stranger.
        if self.book().removed.contains(invite) {
            return Err(unknown());
        }
        self.redeemed(invite, ticket)
    }

    /// The invitation of this id, with its ticket.
    fn redeemed(&self, invite: &Invite, ticket: &Ticket) -> Result<Invited, Refusal> {
        let invited = self.book().invited.get(invite).cloned();
        invited
            .filter(|invited| invited.ticket == ticket.digest())
            .ok_or_else(unknown)
    }

    /// Records a removal signed by the governance key of a member who has one of these roles, and
    /// gives its name.
    ///
    /// # Errors
    /// `bad_signature`, `not_in_roster` for an unknown member, `last_operator`.
    pub(crate) async fn remove(
        &self,
        removal: SignedRemoval,
        governance: &Digest,
        roles: &[Role],
        now: Moment,
    ) -> Result<String, Refusal> {
        let checked = removal
            .verify(governance)
            .map_err(|e| Refusal::new(Code::BadSignature, e.to_string()))?
            .clone();
        let turn = self.writing.lock().await;
        let leaving = self
            .book()
            .joined
            .get(&checked.invite)
            .map(|joined| joined.enrolment.clone());
        let leaving = leaving.filter(|leaving| {
            let name = &leaving.name;
            let node = leaving.identity.node_id();
            roles.contains(&leaving.role) && (name, node) == (&checked.name, checked.node)
        });
        let Some(leaving) = leaving else {
            let detail = format!("nobody called `{}` has joined with this key", checked.name);
            return Err(Refusal::new(Code::NotInRoster, detail));
        };
        if !self.book().removed.contains(&checked.invite) {
            self.book().refuse_last_operator(&leaving, now)?;
            self.record(&turn, MemberEntry::Removed(removal)).await?;
        }
        Ok(checked.name)
    }

    /// The certificate of whoever joined by this invitation, by its digest.
    pub(crate) fn certificate(&self, invite: &Invite) -> Option<Digest> {
        self.book()
            .joined
            .get(invite)
            .map(|joined| joined.fingerprint)
    }

    /// The sites that belong, by name.
    pub(crate) fn sites(&self) -> Vec<Enrolment> {
        let book = self.book();
        let joined = book.standing().map(|joined| &joined.enrolment);
        let mut sites: Vec<Enrolment> = joined
            .filter(|enrolment| enrolment.role == Role::Site)
            .cloned()
            .collect();
        sites.sort_by(|one, other| one.name.cmp(&other.name));
        sites
    }

    /// The nodes of sites that were removed.
    pub(crate) async fn removed_nodes(&self) -> Vec<NodeId> {
        let book = self.book();
        let removed = book
            .removed
            .iter()
            .filter_map(|invite| book.joined.get(invite));
        sites(removed).collect()
    }

    /// The nodes of every site that belongs.
    pub(crate) async fn nodes(&self) -> Vec<NodeId> {
        sites(self.book().standing()).collect()
    }

    /// Everybody, by name.
    pub(crate) async fn list(
        &self,
        now: Moment,
        is_connected: impl Fn(&Enrolment) -> bool,
    ) -> Vec<v1::Member> {
        let book = self.book();
        let mut members: Vec<v1::Member> = book
            .invited
            .values()
            .map(|invited| {
                let joined = book.joined.get(&invited.invite);
                let state = match joined {
                    Some(_) if book.removed.contains(&invited.invite) => MemberState::Removed,
                    Some(_) => MemberState::Joined,
                    None if invited.expires <= now => MemberState::Expired,
                    None => MemberState::Invited,
                };
                let newcomer = v1::Member {
                    name: invited.name.clone(),
                    country: invited.country.clone(),
                    role: MemberRole::from(invited.role).into(),
                    state: state.into(),
                    invite: invited.invite.to_vec(),
                    enrolment: Vec::new(),
                    proof: Vec::new(),
                    possession: Vec::new(),
                    connected: false,
                    // Whoever knows of lines says so.
                    in_two_places: false,
                    stopped: false,
                    until_ms: 0,
                };
                match joined {
                    None => newcomer,
                    Some(joined) => v1::Member {
                        enrolment: joined.enrolment.to_bytes(),
                        proof: joined.proof.to_vec(),
                        possession: joined.possession.to_bytes(),
                        connected: is_connected(&joined.enrolment),
                        until_ms: joined.until.ms,
                        ..newcomer
                    },
                }
            })
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// Writes an entry, then believes it. Only who holds the turn writes, and has looked into the
    /// book within it.
    async fn record(&self, _turn: &MutexGuard<'_, ()>, entry: MemberEntry) -> Result<(), Refusal> {
        self.ledger
            .append_next(STREAM, &entry.to_bytes())
            .await
            .map_err(storage)?;
        self.book
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(entry);
        Ok(())
    }

    fn book(&self) -> RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sites<'a>(members: impl Iterator<Item = &'a Joined>) -> impl Iterator<Item = NodeId> {
    let sites = members.filter(|joined| joined.enrolment.role == Role::Site);
    sites.map(|joined| joined.enrolment.identity.node_id())
}

/// A full or broken disk, in words for the caller; the particulars go to the coordinator's own log.
pub(crate) fn storage(error: LedgerError) -> Refusal {
    if !matches!(error, LedgerError::Stopping) {
        tracing::error!(%error, "the ledger refused");
    }
    Refusal::new(Code::Storage, "the coordinator could not write its ledger")
}

/// The same for operators, with the file and what to do.
pub(crate) fn disk(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Storage, error.to_string())
}

fn unknown() -> Refusal {
    Refusal::new(Code::TokenUnknown, "no such invitation")
}

fn malformed(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Malformed, error.to_string())
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
