//! What a member says and records: the word it last owed, with the same bytes, and the facts that
//! stand before it.

use super::super::pins::{Fact, Joined, Masked};
use super::{Act, Member};
use motet_secagg::encode::Canonical as _;
use motet_secagg::message::Message;

impl Member {
    /// The message this node last owed, with the same bytes; after [`Member::restore`] preceded by
    /// every fact it rests on, because the stop may have come between the vault and the ledger. A
    /// fact recorded twice is the same fact.
    pub fn say_again(&self) -> Vec<Act> {
        let mut acts = if self.restored {
            self.facts()
        } else {
            Vec::new()
        };
        acts.extend(self.last_word());
        acts
    }

    fn last_word(&self) -> Vec<Act> {
        let kept = &self.kept;
        if let Some(complaint) = &kept.complaint {
            vec![Act::Tell(Message::Complaint(complaint.clone()))]
        } else if let Some(reply) = &kept.reply {
            vec![Act::Tell(Message::RevealReply(reply.clone()))]
        } else if let Some(signed) = &kept.signed {
            vec![Act::Tell(Message::SetSign(signed.clone()))]
        } else if let Some(header) = &kept.header {
            vec![
                Act::Tell(Message::Header(header.clone())),
                Act::Upload(header.clone()),
            ]
        } else if let Some(shares) = &kept.shares {
            vec![Act::Tell(Message::Shares(shares.clone()))]
        } else if let Some(advert) = &kept.advert {
            vec![Act::Tell(Message::Advert(advert.clone()))]
        } else {
            Vec::new()
        }
    }

    /// Seal first, then the fact of the step, then say it.
    pub(super) fn acts(&mut self, fact: Option<Fact>) -> Vec<Act> {
        let mut acts = vec![Act::Seal(self.kept.to_bytes())];
        if std::mem::take(&mut self.restored) {
            acts.extend(self.facts());
        } else {
            acts.extend(fact.map(Act::Record));
        }
        acts.extend(self.last_word());
        acts
    }

    /// Every irrevocable step so far, in order. Who is left out of the set may have stopped before
    /// its upload was gone.
    fn facts(&self) -> Vec<Act> {
        let steps = [self.joined(), self.masked(), self.signed(), self.spent()];
        let discard = self.is_left_out().then_some(Act::Discard);
        discard
            .into_iter()
            .chain(steps.into_iter().flatten().map(Act::Record))
            .collect()
    }

    /// A set was signed that the own upload is not in.
    fn is_left_out(&self) -> bool {
        let own = self.kept.advert.as_ref().map(|signed| signed.advert.node);
        self.kept.signed.is_some() && own.is_some_and(|own| !self.kept.set.contains(&own))
    }

    pub(super) fn joined(&self) -> Option<Fact> {
        let plan = self.terms.plan();
        self.kept.advert.as_ref()?;
        Some(Fact::Joined(Joined {
            ask: plan.ask,
            attempt: plan.attempt,
            plan: self.terms.plan_root(),
        }))
    }

    pub(super) fn masked(&self) -> Option<Fact> {
        let plan = self.terms.plan();
        let header = self.kept.header.as_ref()?;
        Some(Fact::Masked(Masked {
            ask: plan.ask,
            attempt: plan.attempt,
            pin: plan.pin(),
            upload_root: header.root.root,
        }))
    }

    pub(super) fn signed(&self) -> Option<Fact> {
        Some(Fact::Signed((
            self.terms.plan().ask,
            self.kept.signed.as_ref()?.t3,
        )))
    }

    pub(super) fn spent(&self) -> Option<Fact> {
        Some(Fact::Spent((
            self.terms.plan().ask,
            self.kept.reply.as_ref()?.digest("reply"),
        )))
    }
}
