//! What the catalogue is told: at each connection the latest word on
//! every dataset of which the coordinator has another, and a new one
//! when the steward has signed it. Nothing answers a notice: whether
//! it was taken the next connection says.

use super::shared::Shared;
use crate::link::{Broken, Link};
use crate::notices::Notices;
use crate::records::{self, CATALOGUE, CatalogueRecord, Found};
use crate::{Home, NodeError, clock};
use motet_common::catalogue::SignedNotice;
use motet_proto::v1::KnownNotice;
use std::collections::BTreeMap;

/// The notices on record, and how far the present connection has
/// carried them.
pub(super) struct Telling {
    notices: Notices,
    /// The numbers that were told, by dataset.
    told: BTreeMap<String, u64>,
    /// Those that were sent since the node was started.
    sent: BTreeMap<String, u64>,
}

impl Telling {
    /// Nothing read and nothing told.
    pub(super) fn of(home: &Home) -> Self {
        Self {
            notices: Notices::none(home),
            told: BTreeMap::new(),
            sent: BTreeMap::new(),
        }
    }

    /// A new connection has carried none, and which the coordinator has
    /// on record it says. What was sent and is not among these was not
    /// taken: the steward reads that.
    pub(super) async fn begin(
        &mut self,
        shared: &Shared,
        known: &[KnownNotice],
    ) -> Result<(), NodeError> {
        let known = known.iter();
        self.told = known
            .map(|notice| (notice.dataset.clone(), notice.number))
            .collect();
        self.notices.read_on(&shared.home.ledger).await?;
        for found in self.news() {
            let Found {
                dataset, number, ..
            } = &found;
            let text = match found.there {
                true => format!("the coordinator has number {number} of dataset {dataset} now"),
                false => format!(
                    "the coordinator has not taken number {number} of dataset {dataset}, which \
                     was sent to it: its operator can look in its log why"
                ),
            };
            let record = CatalogueRecord::Found(found);
            records::append(&shared.home.ledger, CATALOGUE, &record).await?;
            shared.say("catalogue", &text).await?;
        }
        Ok(())
    }

    /// What the steward does not know yet of the notices that were sent.
    fn news(&self) -> Vec<Found> {
        let when_ms = clock::now().ms;
        let mut news = Vec::new();
        for notice in self.notices.all().map(|signed| &signed.notice) {
            let there = self.told.get(&notice.dataset) == Some(&notice.number);
            let was_sent = self.sent.get(&notice.dataset) == Some(&notice.number);
            let is_missing = self.notices.missing(notice).is_some();
            let is_news = match there {
                true => is_missing,
                false => was_sent && !is_missing,
            };
            if is_news {
                news.push(Found {
                    when_ms,
                    dataset: notice.dataset.clone(),
                    number: notice.number,
                    there,
                });
            }
        }
        news
    }

    /// Sends every notice that this connection has not carried yet. Of
    /// a node that is stopped nothing is told anew, and what the steward
    /// took out is.
    pub(super) async fn tell(
        &mut self,
        shared: &Shared,
        link: &Link,
        stopped: bool,
    ) -> Result<(), Broken> {
        for notice in self.untold(shared, stopped).await? {
            let dataset = notice.notice.dataset.clone();
            if !link.notify(&notice).await? {
                return Ok(());
            }
            let number = notice.notice.number;
            let word = match notice.notice.offer() {
                Some(_) => "a notice of",
                None => "the word that takes out",
            };
            let text =
                format!("{word} dataset {dataset} was sent to the catalogue, number {number}");
            shared.say("catalogue", &text).await?;
            self.told.insert(dataset.clone(), number);
            self.sent.insert(dataset, number);
        }
        Ok(())
    }

    async fn untold(
        &mut self,
        shared: &Shared,
        stopped: bool,
    ) -> Result<Vec<SignedNotice>, NodeError> {
        self.notices.read_on(&shared.home.ledger).await?;
        let all = self.notices.all().filter(|signed| {
            let notice = &signed.notice;
            let may = !stopped || notice.offer().is_none();
            may && self.told.get(&notice.dataset) != Some(&notice.number)
        });
        Ok(all.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use crate::notices::Published;
    use crate::studies::tests::governance;
    use motet_common::catalogue::{Notice, Word};
    use motet_proto::version::Version;
    use motet_secagg::sign::SecretKey;

    /// What the steward reads of the one dataset.
    async fn read(shared: &Shared) -> Published {
        let notices = Notices::read(&shared.home).await.unwrap();
        notices.standings().remove(0)
    }

    #[tokio::test]
    async fn a_notice_is_said_to_be_sent_and_where_the_coordinator_has_it_not_then_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &governance().public());
        let home = Home::open(folder.path()).await.unwrap();
        let shared = Shared::open(home, None).await.unwrap();
        let notice = Notice {
            site: shared.home.node(),
            dataset: "ward".into(),
            number: 1,
            when_ms: 5,
            word: Word::Withdrawn,
        };
        let signed = notice.sign(&SecretKey::from_seed([101; 32]));
        let signed = CatalogueRecord::Signed(signed);
        let ledger = &shared.home.ledger;
        records::append(ledger, CATALOGUE, &signed).await.unwrap();
        let known = [KnownNotice {
            dataset: "ward".into(),
            number: 1,
        }];

        let (mut link, mut unheard) = Link::to_nobody(&shared.home, "http://nobody.invalid");
        link.speaks(Version::ours());
        let mut telling = Telling::of(&shared.home);
        telling.begin(&shared, &[]).await.unwrap();
        assert_eq!(read(&shared).await.not_taken, None, "it was not sent yet");
        telling.tell(&shared, &link, false).await.unwrap();
        let said = shared.last_said().await;
        assert!(
            said.ends_with("was sent to the catalogue, number 1"),
            "{said}"
        );

        telling.begin(&shared, &[]).await.unwrap();
        let said = shared.last_said().await;
        assert!(
            said.contains("has not taken number 1 of dataset ward"),
            "{said}"
        );
        let one = read(&shared).await;
        assert!(
            one.not_taken.is_some() && one.text().contains("NOT TAKEN"),
            "{one:?}"
        );
        let status = crate::status::status(&shared.home).await.unwrap();
        let status = crate::status::status_text(&status);
        assert!(status.contains("NOT TAKEN by the coordinator"), "{status}");
        // It is sent again at each connection, and said once.
        let before = ledger.version(CATALOGUE).await.unwrap();
        telling.tell(&shared, &link, false).await.unwrap();
        telling.begin(&shared, &[]).await.unwrap();
        assert_eq!(ledger.version(CATALOGUE).await.unwrap(), before);
        for _ in 0..2 {
            unheard.frames.try_recv().unwrap();
        }

        telling.begin(&shared, &known).await.unwrap();
        assert_eq!(read(&shared).await.not_taken, None);
        let mut anew = Telling::of(&shared.home);
        anew.begin(&shared, &[]).await.unwrap();
        assert_eq!(read(&shared).await.not_taken, None, "this one sent nothing");
    }
}
