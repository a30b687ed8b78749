//! The catalogue: of every dataset that a steward
//! told of, the latest word. It is on record
//! before anybody hears of it; who reads verifies
//! it, since this program could keep one back.

use crate::entries::Listed;
use crate::members::{Caller, storage};
use motet_common::catalogue::{MOST_DATASETS, Notice, SignedNotice};
use motet_common::enrol::{Enrolment, Role};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_ledger::Ledger;
use motet_proto::v1::{CatalogueResponse, KnownNotice};
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::{Mutex, mpsc};
use tonic::Status;

const STREAM: &str = "catalogue";

/// Bytes of one site's notices that go on record
/// in a day: they stay for ever, and are read at
/// each start.
const A_DAY: usize = 2 << 20;

/// What the shortest notice counts for: so each
/// dataset may be told of twice in a day.
const LEAST: usize = A_DAY / (2 * MOST_DATASETS);

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// Of every dataset the latest notice.
pub(crate) struct Catalogue {
    ledger: Ledger,
    /// Held from the look into the book to the record
    /// of what follows from it.
    writing: Mutex<()>,
    book: RwLock<Book>,
}

#[derive(Default)]
struct Book {
    /// By site and dataset, those that were taken out
    /// as well: else an older one could come back.
    latest: BTreeMap<(NodeId, String), Listed>,
    /// Bytes of each site's notices that came since
    /// when, for a day.
    pace: BTreeMap<NodeId, (usize, Moment)>,
}

impl Book {
    fn apply(&mut self, listed: Listed) {
        let notice = &listed.notice.notice;
        if !self.takes_out(notice) {
            let (bytes, since) = self.today(notice.site, listed.at);
            let bytes = bytes.saturating_add(cost(&listed.notice));
            self.pace.insert(notice.site, (bytes, since));
        }
        let key = (notice.site, notice.dataset.clone());
        let before = self.latest.get(&key);
        if before.is_none_or(|known| known.notice.notice.number < notice.number) {
            self.latest.insert(key, listed);
        }
    }

    fn known(&self, notice: &Notice) -> Option<&SignedNotice> {
        let known = self.latest.get(&(notice.site, notice.dataset.clone()));
        known.map(|listed| &listed.notice)
    }

    /// Whether it takes out what stands: nobody is
    /// made to wait with that.
    fn takes_out(&self, notice: &Notice) -> bool {
        let stands = self.known(notice).and_then(|known| known.notice.offer());
        stands.is_some() && notice.offer().is_none()
    }

    /// Bytes of a site's notices that came since
    /// when, for a day.
    fn today(&self, site: NodeId, now: Moment) -> (usize, Moment) {
        match self.pace.get(&site) {
            Some((bytes, since)) if now.ms < since.ms.saturating_add(DAY_MS) => (*bytes, *since),
            _ => (0, now),
        }
    }

    /// Whether it is to go on record; one that is
    /// there already is not, and nobody minds.
    fn admits(&self, signed: &SignedNotice, now: Moment) -> Result<bool, Refusal> {
        let notice = &signed.notice;
        match self.known(notice) {
            Some(known) if known == signed => return Ok(false),
            Some(known) if known.notice.number >= notice.number => {
                let detail = format!("dataset `{}`, number {}", notice.dataset, notice.number);
                return Err(Refusal::new(Code::NoticeStale, detail));
            }
            Some(_) => {}
            None => {
                let own = self.latest.keys().filter(|(site, _)| *site == notice.site);
                if own.count() >= MOST_DATASETS {
                    let detail = format!("more than {MOST_DATASETS} datasets of one site");
                    return Err(Refusal::new(Code::TooFast, detail));
                }
            }
        }
        let (bytes, _) = self.today(notice.site, now);
        if !self.takes_out(notice) && bytes.saturating_add(cost(signed)) > A_DAY {
            let detail = format!(
                "more than {} MiB of one site's notices in a day, each counted as {} KiB at the least",
                A_DAY >> 20,
                LEAST >> 10
            );
            return Err(Refusal::new(Code::TooFast, detail));
        }
        Ok(true)
    }
}

/// What a notice counts for in its site's day,
/// bytes.
fn cost(signed: &SignedNotice) -> usize {
    signed.to_bytes().len().max(LEAST)
}

impl Catalogue {
    /// Reads the stream, page by page: most of it is
    /// overtaken.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) async fn load(ledger: Ledger) -> anyhow::Result<Self> {
        let mut book = Book::default();
        let mut page = ledger.read_page(STREAM, 1).await?;
        while let Some(last) = page.last().map(|recorded| recorded.version) {
            for recorded in page {
                book.apply(Listed::from_bytes(&recorded.entry)?);
            }
            page = ledger.read_page(STREAM, last.saturating_add(1)).await?;
        }
        Ok(Self {
            ledger,
            writing: Mutex::new(()),
            book: RwLock::new(book),
        })
    }

    /// Takes in a notice from the line of a site that
    /// stands.
    ///
    /// # Errors
    /// `malformed`, also for a notice of another
    /// site; `bad_signature`, `notice_stale`,
    /// `too_fast`, `storage`.
    pub(crate) async fn take(
        &self,
        notice: SignedNotice,
        site: &Enrolment,
        now: Moment,
    ) -> Result<(), Refusal> {
        notice.check()?;
        if notice.notice.site != site.identity.node_id() {
            return Err(Refusal::new(Code::Malformed, "a notice of another site"));
        }
        if !site.steward.is_some_and(|key| notice.is_signed_by(&key)) {
            let detail = format!("the notice of site `{}`", site.name);
            return Err(Refusal::new(Code::BadSignature, detail));
        }
        let _turn = self.writing.lock().await;
        if !self.book().admits(&notice, now)? {
            return Ok(());
        }
        let listed = Listed { notice, at: now };
        let written = self.ledger.append_next(STREAM, &listed.to_bytes()).await;
        written.map_err(storage)?;
        self.book
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(listed);
        Ok(())
    }

    /// Sends what stands of these sites and is for
    /// this caller, no faster than it is taken: one
    /// notice is made ready at a time, as it is then.
    pub(crate) async fn tell(
        &self,
        by: &Caller,
        sites: &[Enrolment],
        to: &mpsc::Sender<Result<CatalogueResponse, Status>>,
    ) {
        for site in sites {
            let node = site.identity.node_id();
            let steward = site.steward.map_or_else(Vec::new, |key| key.0.to_vec());
            for KnownNotice { dataset, .. } in self.known(node) {
                let Some(notice) = self.seen(by, node, dataset) else {
                    continue;
                };
                let told = CatalogueResponse {
                    site: site.name.clone(),
                    country: site.country.clone(),
                    steward: steward.clone(),
                    notice,
                };
                if to.send(Ok(told)).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The notice of a dataset, in bytes, where it
    /// stands and is for this caller.
    fn seen(&self, by: &Caller, site: NodeId, dataset: String) -> Option<Vec<u8>> {
        let book = self.book();
        let listed = book.latest.get(&(site, dataset))?;
        is_for(listed, by).then(|| listed.notice.to_bytes())
    }

    /// What is on record of a site: it need not say
    /// that again.
    pub(crate) fn known(&self, of: NodeId) -> Vec<KnownNotice> {
        let book = self.book();
        let own = book.latest.iter().filter(|((site, _), _)| *site == of);
        own.map(|((_, dataset), listed)| KnownNotice {
            dataset: dataset.clone(),
            number: listed.notice.notice.number,
        })
        .collect()
    }

    fn book(&self) -> RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a dataset stands in the catalogue and
/// is told to this caller: sites and operators
/// read of all; of a researcher who is named it
/// is asked that she had joined when the notice
/// came, for a name that somebody else bears
/// later is not the person whom the steward
/// named.
fn is_for(listed: &Listed, by: &Caller) -> bool {
    let Some(offer) = listed.notice.notice.offer() else {
        return false;
    };
    match by.role {
        Role::Operator | Role::Site => true,
        Role::Coordinator => false,
        Role::Researcher => {
            let signed = listed.notice.notice.when_ms;
            let told = by.since.ms <= listed.at.ms.min(signed);
            offer.researchers.include(&by.name, told)
        }
    }
}

#[cfg(test)]
#[path = "catalogue_tests.rs"]
mod tests;
