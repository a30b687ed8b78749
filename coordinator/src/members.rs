//! Who was invited, who joined, who was removed. The coordinator issues certificates; whom a roster trusts is decided by
//! the operator's command, which alone holds the invitations' secrets.

use crate::entries::{Invited, Joined, MemberEntry};
use motet_common::enrol::{Enrolment, Role, check_country, check_name};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::SignedRemoval;
use motet_ledger::Ledger;
use motet_proto::tls::authority::{Authority, Subject, Validity, csr_key_digest};
use motet_proto::tls::peer::Peer;
use motet_proto::v1;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// Days a certificate is valid.
const VALID_DAYS: u32 = 730;
const STREAM: &str = "members";

/// The members, rebuilt from their stream.
pub(crate) struct Members {
    ledger: Ledger,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    invited: BTreeMap<[u8; 16], Invited>,
    joined: BTreeMap<[u8; 16], Joined>,
    removed: Vec<SignedRemoval>,
}

impl Book {
    fn apply(&mut self, entry: MemberEntry) {
        match entry {
            MemberEntry::Invited(invited) => {
                // A new invitation of the same name takes the place of one that nobody redeemed.
                let Self { invited: known, joined, .. } = self;
                known.retain(|id, old| old.name != invited.name || joined.contains_key(id));
                known.insert(invited.invite, invited);
            }
            MemberEntry::Joined(joined) => {
                self.joined.insert(joined.enrolment.invite, joined);
            }
            MemberEntry::Removed(removal) => self.removed.push(removal),
        }
    }

    /// A removal names a node, so that its name can be invited again with new keys.
    fn is_removed(&self, node: NodeId) -> bool {
        self.removed.iter().any(|removal| removal.removal.node == node)
    }

    /// A name is free when nobody who still belongs joined under it.
    fn is_taken(&self, name: &str) -> bool {
        let belongs = |joined: &&Joined| !self.is_removed(joined.enrolment.identity.node_id());
        self.joined.values().filter(belongs).any(|joined| joined.enrolment.name == name)
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
        Ok(Self { ledger, book: Mutex::new(book) })
    }

    async fn record(&self, book: &mut Book, entry: MemberEntry) -> Result<(), Refusal> {
        self.ledger.append_next(STREAM, &entry.to_bytes()).await.map_err(storage)?;
        book.apply(entry);
        Ok(())
    }

    /// Makes an invitation known.
    ///
    /// # Errors
    /// `malformed` for a bad name or country, `name_taken`.
    pub(crate) async fn invite(&self, invited: Invited) -> Result<(), Refusal> {
        check_name(&invited.name).map_err(malformed)?;
        check_country(&invited.country).map_err(malformed)?;
        let mut book = self.book.lock().await;
        if book.is_taken(&invited.name) {
            return Err(Refusal::new(Code::NameTaken, format!("`{}`", invited.name)));
        }
        self.record(&mut book, MemberEntry::Invited(invited)).await
    }

    /// Redeems an invitation and issues the certificate.
    ///
    /// # Errors
    /// `token_unknown`, `token_expired`, `token_used`, or `malformed` when the keys and the request disagree.
    pub(crate) async fn join(
        &self,
        authority: &Authority,
        governance: &Digest,
        enrolment: Enrolment,
        proof: [u8; 32],
        csr: &[u8],
        now: Moment,
    ) -> Result<String, Refusal> {
        enrolment.check().map_err(malformed)?;
        let mut book = self.book.lock().await;
        let invited = book.invited.get(&enrolment.invite).ok_or(Code::TokenUnknown)?;
        if book.joined.contains_key(&enrolment.invite) {
            return Err(Refusal::new(Code::TokenUsed, format!("the invitation of `{}`", invited.name)));
        }
        if invited.expires <= now {
            return Err(Refusal::new(Code::TokenExpired, format!("the invitation of `{}`", invited.name)));
        }
        if enrolment.name != invited.name
            || enrolment.country != invited.country
            || enrolment.role != invited.role
        {
            return Err(Refusal::new(
                Code::TokenUnknown,
                "the invitation is for another name, country or role",
            ));
        }
        let same_key = csr_key_digest(csr).is_ok_and(|digest| digest == enrolment.csr_key_digest);
        if enrolment.governance_fingerprint != *governance || !same_key {
            return Err(Refusal::new(Code::Malformed, "the certificate request does not fit the enrolment"));
        }
        let subject = Subject {
            name: invited.name.clone(),
            country: invited.country.clone(),
            role: invited.role,
            node: (invited.role == Role::Site).then(|| enrolment.identity.node_id()),
        };
        let certificate = authority.sign_csr(csr, &subject, Validity::days(VALID_DAYS)).map_err(malformed)?;
        self.record(&mut book, MemberEntry::Joined(Joined { enrolment, proof, at: now })).await?;
        Ok(certificate)
    }

    /// Whom an open invitation is for: what a node needs before it can sign its enrolment.
    pub(crate) async fn invitation(&self, invite: &[u8; 16]) -> Option<Invited> {
        self.book.lock().await.invited.get(invite).cloned()
    }

    /// Records a removal signed by the governance key.
    ///
    /// # Errors
    /// `bad_signature` or `not_in_roster` for an unknown site.
    pub(crate) async fn remove(
        &self,
        removal: SignedRemoval,
        governance: &Digest,
    ) -> Result<String, Refusal> {
        let checked =
            removal.verify(governance).map_err(|e| Refusal::new(Code::BadSignature, e.to_string()))?.clone();
        let mut book = self.book.lock().await;
        let known = book.joined.values().any(|joined| {
            joined.enrolment.name == checked.name && joined.enrolment.identity.node_id() == checked.node
        });
        if !known {
            return Err(Refusal::new(
                Code::NotInRoster,
                format!("no site `{}` with this key has joined", checked.name),
            ));
        }
        if !book.is_removed(checked.node) {
            self.record(&mut book, MemberEntry::Removed(removal)).await?;
        }
        Ok(checked.name)
    }

    /// Refuses a removed caller.
    ///
    /// # Errors
    /// `site_revoked`.
    pub(crate) async fn admit(&self, peer: &Peer) -> Result<(), Refusal> {
        let book = self.book.lock().await;
        if peer.node.is_some_and(|node| book.is_removed(node)) {
            return Err(Refusal::new(Code::SiteRevoked, format!("`{}`", peer.name)));
        }
        Ok(())
    }

    /// Whether a site's node was removed.
    pub(crate) async fn removed_nodes(&self) -> Vec<motet_secagg::id::NodeId> {
        self.book.lock().await.removed.iter().map(|removal| removal.removal.node).collect()
    }

    /// The nodes of every site that belongs.
    pub(crate) async fn nodes(&self) -> Vec<NodeId> {
        let book = self.book.lock().await;
        let sites = book.joined.values().filter(|joined| joined.enrolment.role == Role::Site);
        sites
            .map(|joined| joined.enrolment.identity.node_id())
            .filter(|node| !book.is_removed(*node))
            .collect()
    }

    /// Everybody, by name.
    pub(crate) async fn list(
        &self,
        now: Moment,
        is_connected: impl Fn(&Enrolment) -> bool,
    ) -> Vec<v1::Member> {
        let book = self.book.lock().await;
        let mut members: Vec<v1::Member> = book
            .invited
            .values()
            .map(|invited| {
                let joined = book.joined.get(&invited.invite);
                let state = match joined {
                    Some(joined) if book.is_removed(joined.enrolment.identity.node_id()) => "removed",
                    Some(_) => "joined",
                    None if invited.expires <= now => "expired",
                    None => "invited",
                };
                v1::Member {
                    name: invited.name.clone(),
                    country: invited.country.clone(),
                    role: invited.role.as_str().to_owned(),
                    state: state.to_owned(),
                    invite: invited.invite.to_vec(),
                    enrolment: joined.map(|joined| joined.enrolment.to_bytes()).unwrap_or_default(),
                    proof: joined.map(|joined| joined.proof.to_vec()).unwrap_or_default(),
                    connected: joined.is_some_and(|joined| is_connected(&joined.enrolment)),
                }
            })
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }
}

/// A full or broken disk, in words for the caller; the particulars go to the coordinator's own log.
pub(crate) fn storage(error: impl std::fmt::Display) -> Refusal {
    tracing::error!(%error, "the ledger refused");
    Refusal::new(Code::Storage, "the coordinator could not write its ledger")
}

/// The same for operators, with the file and what to do.
pub(crate) fn disk(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Storage, error.to_string())
}

fn malformed(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::Malformed, error.to_string())
}
