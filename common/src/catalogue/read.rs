//! What a notice is worth to whoever reads it.
//! The coordinator hands it out and could invent
//! a site, so a reader holds it against what
//! governance signed.

use super::{Notice, Offer, SignedNotice};
use crate::roster::Roster;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::sign::PublicKey;
use std::collections::BTreeSet;

/// A dataset as the coordinator hands it out.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The site's name.
    pub site: String,
    /// Its country.
    pub country: String,
    /// The steward's key, 32 bytes.
    pub steward: Vec<u8>,
    /// Canonical bytes of the signed notice.
    pub notice: Vec<u8>,
}

/// A dataset as its steward told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The site's name.
    pub site: String,
    /// Its country.
    pub country: String,
    /// What was signed.
    pub notice: Notice,
    /// What of it is told.
    pub offer: Offer,
    /// Whether the steward's key is not on the
    /// coordinator's word alone.
    pub vouched: bool,
}

/// A site as governance signed it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VouchedSite {
    /// Its node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its country.
    pub country: String,
    /// Its steward's key.
    pub steward: PublicKey,
}

/// The stewards' keys that a reader need not take
/// on the coordinator's word.
#[derive(Debug, Default)]
pub struct Vouched {
    sites: BTreeSet<VouchedSite>,
    removed: BTreeSet<NodeId>,
}

impl Vouched {
    /// Those of a roster whose signature by
    /// governance was checked.
    pub fn by_roster(&mut self, roster: &Roster) {
        for entry in &roster.entries {
            self.of_site(entry.node, (&entry.name, &entry.country), entry.steward);
        }
    }

    /// That of a site whose enrolment was verified.
    pub fn of_site(&mut self, node: NodeId, (name, country): (&str, &str), steward: PublicKey) {
        self.sites.insert(VouchedSite {
            node,
            name: name.to_owned(),
            country: country.to_owned(),
            steward,
        });
    }

    /// All of them, for whoever keeps them: what
    /// governance signed once, no coordinator takes
    /// back by showing it no more.
    pub fn sites(&self) -> impl Iterator<Item = &VouchedSite> {
        self.sites.iter()
    }

    /// A site that the reader removed: whatever
    /// roster named it, nothing of it is believed.
    pub fn removed(&mut self, node: NodeId) {
        self.removed.insert(node);
    }

    /// What a notice is worth. `seen` is the number
    /// of the latest notice of a site's dataset that
    /// was read here before.
    ///
    /// # Errors
    /// Why it is not believed, in words for the
    /// reader.
    pub fn judge(
        &self,
        found: &Found,
        seen: impl FnOnce(&Notice) -> Option<u64>,
    ) -> Result<Read, String> {
        let signed = SignedNotice::from_bytes(&found.notice)
            .map_err(|_| "it cannot be read; its site's version may differ".to_owned())?;
        signed.check().map_err(|refusal| refusal.detail)?;
        let key = <[u8; 32]>::try_from(found.steward.as_slice()).map(PublicKey);
        let key = key.map_err(|_| "it comes without its steward's key".to_owned())?;
        if !signed.is_signed_by(&key) {
            return Err("its steward did not sign it".to_owned());
        }
        let notice = signed.notice;
        if self.removed.contains(&notice.site) {
            return Err(
                "its site was removed with this folder: the coordinator shows it still".to_owned(),
            );
        }
        let vouched = self.sites.iter().any(|known| known.node == notice.site);
        let told = VouchedSite {
            node: notice.site,
            name: found.site.clone(),
            country: found.country.clone(),
            steward: key,
        };
        if vouched && !self.sites.contains(&told) {
            return Err("governance signed another name, country or key for this site".to_owned());
        }
        let before = seen(&notice).filter(|_| vouched);
        if let Some(before) = before.filter(|before| *before > notice.number) {
            return Err(format!(
                "it is number {}, and number {before} was read here before: the coordinator shows an old one",
                notice.number
            ));
        }
        let Some(offer) = notice.offer().cloned() else {
            return Err("its steward took it out of the catalogue".to_owned());
        };
        Ok(Read {
            site: found.site.clone(),
            country: found.country.clone(),
            notice,
            offer,
            vouched,
        })
    }
}
