//! What the catalogue is told: at each connection the latest word on
//! every dataset of which the coordinator has another, and a new one
//! when the steward has signed it.

use super::shared::Shared;
use crate::link::{Broken, Link};
use crate::notices::Notices;
use crate::{Home, NodeError};
use motet_common::catalogue::SignedNotice;
use motet_proto::v1::KnownNotice;
use std::collections::BTreeMap;

/// The notices on record, and how far the present connection has
/// carried them.
pub(super) struct Telling {
    notices: Notices,
    /// The numbers that were told, by dataset.
    told: BTreeMap<String, u64>,
}

impl Telling {
    /// Nothing read and nothing told.
    pub(super) fn of(home: &Home) -> Self {
        Self {
            notices: Notices::none(home),
            told: BTreeMap::new(),
        }
    }

    /// A new connection has carried none, and which the coordinator has
    /// on record it says.
    pub(super) fn begin(&mut self, known: &[KnownNotice]) {
        let known = known.iter();
        self.told = known
            .map(|notice| (notice.dataset.clone(), notice.number))
            .collect();
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
                Some(_) => "is told to",
                None => "is taken out of",
            };
            let text = format!("dataset {dataset} {word} the catalogue, number {number}");
            shared.say("catalogue", &text).await?;
            self.told.insert(dataset, number);
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
