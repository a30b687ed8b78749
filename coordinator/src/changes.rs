//! How often a site's steward has decided about a study: what is on record stays for ever, so a
//! site that decides without end is slowed down, and one who honestly changes his mind never is.

use motet_common::decision::{Decision, SignedDecision};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_secagg::id::NodeId;
use std::collections::BTreeMap;

/// Decisions of one site about one study that go on record at any pace.
const FREE: u32 = 32;

/// How far apart later ones are: 144 a day are enough for anybody.
const APART_MS: u64 = 10 * 60 * 1000;

/// How often each site has decided, and when last by the coordinator's clock.
#[derive(Default)]
pub(crate) struct Changes(BTreeMap<NodeId, (u32, Moment)>);

impl Changes {
    /// A decision is on record.
    pub(crate) fn note(&mut self, site: NodeId, at: Moment) {
        let count = self.0.get(&site).map_or(0, |(count, _)| *count);
        self.0.insert(site, (count.saturating_add(1), at));
    }

    /// Whether a decision may go on record after the one that is `known`. Only its steward could
    /// have signed it; but whoever has kept an older one could put it in the place of a later, were
    /// it not for its date.
    ///
    /// # Errors
    /// `decision_stale`, `too_fast`.
    pub(crate) fn may(
        &self,
        known: Option<&SignedDecision>,
        decision: &SignedDecision,
        now: Moment,
    ) -> Result<(), Refusal> {
        let Decision {
            site,
            when_ms,
            study,
            ..
        } = &decision.decision;
        if known.is_some_and(|known| *when_ms <= known.decision.when_ms) {
            return Err(Code::DecisionStale.into());
        }
        match self.0.get(site) {
            Some((count, latest))
                if *count >= FREE && now.ms.saturating_sub(latest.ms) < APART_MS =>
            {
                let detail = format!("{count} decisions about study `{study}`");
                Err(Refusal::new(Code::TooFast, detail))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::decision::Verdict;
    use motet_secagg::digest::Digest;
    use motet_secagg::sign::SecretKey;

    const SITE: NodeId = NodeId([1; 16]);

    fn decision(when_ms: u64) -> SignedDecision {
        let decision = Decision {
            study: "study".to_owned(),
            study_digest: Digest::default(),
            roster: Digest::default(),
            site: SITE,
            verdict: Verdict::Approve(String::new()),
            frozen: Some(Digest([7; 32])),
            when_ms,
        };
        decision.sign(&SecretKey::from_seed([1; 32]))
    }

    /// How many of `count` decisions, that many milliseconds apart, go on record.
    fn recorded(count: u64, apart_ms: u64) -> usize {
        let (mut changes, mut known) = (Changes::default(), None);
        let mut recorded = 0;
        for at in 0..count {
            let (next, now) = (
                decision(at + 1),
                Moment {
                    ms: 1_000_000 + at * apart_ms,
                },
            );
            if changes.may(known.as_ref(), &next, now).is_ok() {
                changes.note(SITE, now);
                known = Some(next);
                recorded += 1;
            }
        }
        recorded
    }

    #[test]
    fn a_site_that_decides_without_end_is_not_recorded_for_ever_and_a_steward_is_never_hit() {
        assert_eq!(recorded(10_000, 5), FREE as usize, "160 a second");
        assert_eq!(recorded(20, 1000), 20, "twenty times in as many seconds");
        assert_eq!(recorded(200, 10 * 60 * 1000), 200, "every ten minutes");
        assert_eq!(recorded(FREE.into(), 0), FREE as usize);
    }

    #[test]
    fn an_older_decision_does_not_take_the_place_of_a_later_one() {
        let (changes, known) = (Changes::default(), decision(5));
        for (when_ms, expected) in [
            (4, Some(Code::DecisionStale)),
            (5, Some(Code::DecisionStale)),
            (6, None),
        ] {
            let may = changes.may(Some(&known), &decision(when_ms), Moment { ms: 9 });
            assert_eq!(may.err().map(|refusal| refusal.code), expected, "{when_ms}");
        }
        assert_eq!(
            changes.may(None, &decision(0), Moment { ms: 9 }),
            Ok(()),
            "the first may have any date"
        );
    }
}
