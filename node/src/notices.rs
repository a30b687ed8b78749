//! What this site tells of its datasets in the
//! consortium's catalogue, folded from the
//! ledger: of each the latest notice that its
//! steward signed, and which card was shown last.

use crate::records::{self, CATALOGUE, CatalogueRecord};
use crate::{Home, NodeError, clock};
use motet_common::catalogue::{Notice, SignedNotice};
use motet_ledger::Ledger;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::sign::PublicKey;
use serde::Serialize;
use std::collections::BTreeMap;

/// The number of a dataset's first notice.
const FIRST: u64 = 1;

/// Where a dataset stands in the catalogue, by this
/// site's own record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The dataset.
    pub dataset: String,
    /// The number of its latest notice.
    pub number: u64,
    /// When that was signed.
    pub since: String,
    /// Whether it takes the dataset out.
    pub withdrawn: bool,
    /// When the coordinator was found not to have it,
    /// though it was sent, and not to have it since.
    pub not_taken: Option<String>,
}

impl Published {
    fn of(notice: &Notice, not_taken: Option<u64>) -> Self {
        Self {
            dataset: notice.dataset.clone(),
            number: notice.number,
            since: clock::text(notice.when_ms),
            withdrawn: notice.offer().is_none(),
            not_taken: not_taken.map(clock::text),
        }
    }

    /// The same for people, without the name.
    pub fn text(&self) -> String {
        let Self { number, since, .. } = self;
        let word = if self.withdrawn {
            "taken out"
        } else {
            "published"
        };
        let told = format!("{word} {since}, number {number}");
        match &self.not_taken {
            None => told,
            Some(when) => format!("{told}; NOT TAKEN by the coordinator as of {when}"),
        }
    }
}

/// The notices of a site.
pub(crate) struct Notices {
    site: NodeId,
    steward: PublicKey,
    version: u64,
    latest: BTreeMap<String, SignedNotice>,
    /// Of each dataset the latest that told of it,
    /// taken out since or not: who read it has it.
    published: BTreeMap<String, SignedNotice>,
    shown: BTreeMap<String, Digest>,
    /// Of each dataset the number of the notice that
    /// was sent and is not there, and since when.
    missing: BTreeMap<String, (u64, u64)>,
}

impl Notices {
    /// None yet of this site.
    pub(crate) fn none(home: &Home) -> Self {
        Self {
            site: home.node(),
            steward: home.steward,
            version: 0,
            latest: BTreeMap::new(),
            published: BTreeMap::new(),
            shown: BTreeMap::new(),
            missing: BTreeMap::new(),
        }
    }

    /// Those on record.
    ///
    /// # Errors
    /// [`NodeError::Ledger`], [`NodeError::Entry`].
    pub(crate) async fn read(home: &Home) -> Result<Self, NodeError> {
        let mut notices = Self::none(home);
        notices.read_on(&home.ledger).await?;
        Ok(notices)
    }

    /// Takes in what the stream has grown by since.
    ///
    /// # Errors
    /// As [`Notices::read`].
    pub(crate) async fn read_on(&mut self, ledger: &Ledger) -> Result<(), NodeError> {
        for recorded in ledger.read(CATALOGUE, self.version + 1).await? {
            self.apply(records::decode(CATALOGUE, &recorded)?);
            self.version = recorded.version;
        }
        Ok(())
    }

    fn apply(&mut self, record: CatalogueRecord) {
        match record {
            CatalogueRecord::Shown(card) => {
                self.shown.insert(card.dataset, card.offer);
            }
            CatalogueRecord::Found(found) if found.there => {
                self.missing.remove(&found.dataset);
            }
            CatalogueRecord::Found(found) => {
                let missing = (found.number, found.when_ms);
                self.missing.insert(found.dataset, missing);
            }
            // What another key signed leaves no site.
            CatalogueRecord::Signed(signed) => {
                if signed.notice.site == self.site && signed.is_signed_by(&self.steward) {
                    let dataset = &signed.notice.dataset;
                    if signed.notice.offer().is_some() {
                        self.published.insert(dataset.clone(), signed.clone());
                    }
                    self.latest.insert(dataset.clone(), signed);
                }
            }
        }
    }

    /// Version of the stream they were read from.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// The latest of each dataset.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SignedNotice> {
        self.latest.values()
    }

    /// Where each dataset stands of which a notice was
    /// signed, by name.
    pub(crate) fn standings(&self) -> Vec<Published> {
        let notices = self.latest.values().map(|signed| &signed.notice);
        notices
            .map(|notice| Published::of(notice, self.missing(notice)))
            .collect()
    }

    /// What stands of a dataset, unless it was taken
    /// out.
    pub(crate) fn standing(&self, dataset: &str) -> Option<&Notice> {
        let latest = self.latest.get(dataset).map(|signed| &signed.notice);
        latest.filter(|notice| notice.offer().is_some())
    }

    /// The latest that told of a dataset, taken out
    /// since or not.
    pub(crate) fn published(&self, dataset: &str) -> Option<&Notice> {
        self.published.get(dataset).map(|signed| &signed.notice)
    }

    /// Since when a notice is known not to be there,
    /// though it was sent: milliseconds since
    /// 1970-01-01 UTC.
    pub(crate) fn missing(&self, notice: &Notice) -> Option<u64> {
        let (number, when_ms) = self.missing.get(&notice.dataset)?;
        (*number == notice.number).then_some(*when_ms)
    }

    /// The number of the next notice of a dataset.
    pub(crate) fn next(&self, dataset: &str) -> u64 {
        self.latest
            .get(dataset)
            .map_or(FIRST, |signed| signed.notice.number.saturating_add(1))
    }

    /// Whether the card of this offer is the one that
    /// was shown last.
    pub(crate) fn was_shown(&self, dataset: &str, offer: &Digest) -> bool {
        self.shown.get(dataset) == Some(offer)
    }
}
