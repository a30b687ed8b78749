//! What one member may say on its line: so many frames at once and so many a second, a frame that
//! means nothing counting for many. What is over that ends the line; the log gets one line a minute
//! and member, with a count.

use motet_common::refusal::{Code, Refusal};
use motet_program::clock;
use motet_secagg::id::NodeId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a member may have saved up: everything that hundreds of studies owe after a broken line.
const MOST: u64 = 8192;

/// What it gets a second. A round of one study takes some six frames of a site.
const A_SECOND: u64 = 512;

/// Bytes that count like a frame.
const BYTES: usize = 16 << 10;

/// What opening a line counts for: a site opens one, and another when it breaks.
pub(crate) const LINE: u64 = 64;

/// What a frame counts for that is malformed or that nobody asked for.
pub(crate) const AMISS: u64 = 32;

/// How often the log says of a member that something is amiss.
const A_MINUTE: Duration = Duration::from_secs(60);

/// What a frame of this length counts for.
pub(crate) fn cost(length: usize) -> u64 {
    1 + (length / BYTES) as u64
}

/// The members' allowances. They outlast a line: whoever dials again has no more than before.
#[derive(Default)]
pub(crate) struct Allowances(Mutex<BTreeMap<NodeId, Allowance>>);

struct Allowance {
    left: u64,
    /// Until when what a second gives was added.
    at: Instant,
    /// Frames that were amiss since the log said so.
    amiss: u64,
    said: Option<Instant>,
}

impl Allowance {
    fn new() -> Self {
        Self {
            left: MOST,
            at: Instant::now(),
            amiss: 0,
            said: None,
        }
    }

    fn refill(&mut self) {
        let more = clock::ms(self.at.elapsed()).saturating_mul(A_SECOND) / 1000;
        // What is less than one stays due.
        if more > 0 {
            self.left = self.left.saturating_add(more).min(MOST);
            self.at = Instant::now();
        }
    }
}

impl Allowances {
    /// Takes what something costs.
    ///
    /// # Errors
    /// `too_fast` where there is not so much left.
    pub(crate) fn spend(&self, node: NodeId, cost: u64) -> Result<(), Refusal> {
        let mut all = self.all();
        let allowance = all.entry(node).or_insert_with(Allowance::new);
        allowance.refill();
        debug_assert!(allowance.left <= MOST, "no more than the most is saved up");
        match allowance.left.checked_sub(cost) {
            Some(left) => {
                allowance.left = left;
                Ok(())
            }
            None => {
                allowance.left = 0;
                Err(Refusal::new(
                    Code::TooFast,
                    format!("more than {A_SECOND} frames a second, or many that mean nothing"),
                ))
            }
        }
    }

    /// Counts something amiss; how many there were since the log last said so, when it is to say so
    /// again.
    pub(crate) fn amiss(&self, node: NodeId) -> Option<u64> {
        let mut all = self.all();
        let allowance = all.entry(node).or_insert_with(Allowance::new);
        allowance.amiss += 1;
        if allowance.said.is_some_and(|said| said.elapsed() < A_MINUTE) {
            return None;
        }
        allowance.said = Some(Instant::now());
        Some(std::mem::take(&mut allowance.amiss))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<NodeId, Allowance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId([1; 16]);
    const OTHER: NodeId = NodeId([2; 16]);

    #[tokio::test(start_paused = true)]
    async fn a_member_that_floods_has_spent_its_allowance_and_another_has_its_own() {
        let allowances = Allowances::default();
        let sent = (0..2 * MOST)
            .take_while(|_| allowances.spend(NODE, 1).is_ok())
            .count();
        assert_eq!(sent as u64, MOST);
        assert_eq!(allowances.spend(NODE, 1).unwrap_err().code, Code::TooFast);
        assert_eq!(allowances.spend(OTHER, MOST), Ok(()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sent = (0..MOST)
            .take_while(|_| allowances.spend(NODE, 1).is_ok())
            .count();
        assert_eq!(sent as u64, A_SECOND);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(allowances.spend(NODE, MOST), Ok(()));
        assert!(
            allowances.spend(NODE, 1).is_err(),
            "no more than the most is saved up"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_says_once_a_minute_how_many_frames_were_amiss() {
        let allowances = Allowances::default();
        assert_eq!(allowances.amiss(NODE), Some(1), "the first at once");
        assert!((0..1000).all(|_| allowances.amiss(NODE).is_none()));
        assert_eq!(allowances.amiss(OTHER), Some(1));
        tokio::time::sleep(A_MINUTE).await;
        assert_eq!(allowances.amiss(NODE), Some(1001));
        assert_eq!(allowances.amiss(NODE), None);
    }

    #[test]
    fn a_frame_counts_by_its_length() {
        assert_eq!((cost(0), cost(100), cost(1 << 20)), (1, 1, 65));
    }
}
