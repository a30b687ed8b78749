//! What is on its way over the present connection, and the messages that wait for it.

use crate::link::Broken;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Downloads at the same time; the others wait their turn.
const MOST: usize = 8;

/// Downloads under way; they stop when the value is dropped.
pub(super) struct Coming {
    /// What is fetched, and for which study.
    underway: BTreeMap<Digest, Digest>,
    tasks: JoinSet<(Digest, Result<(), Broken>)>,
    turns: Arc<Semaphore>,
    waiting: Vec<Waiting>,
}

/// A message of a study that needs something on its way.
struct Waiting {
    study: Digest,
    run: RunId,
    message: Message,
}

impl Default for Coming {
    fn default() -> Self {
        let turns = Arc::new(Semaphore::new(MOST));
        Self { underway: BTreeMap::new(), tasks: JoinSet::new(), turns, waiting: Vec::new() }
    }
}

impl Coming {
    /// Begins to fetch `digest` for a study, unless that is under way.
    pub(super) fn fetch(
        &mut self,
        study: Digest,
        digest: Digest,
        fetching: impl Future<Output = Result<(), Broken>> + Send + 'static,
    ) {
        if self.underway.insert(digest, study).is_none() {
            let turns = Arc::clone(&self.turns);
            self.tasks.spawn(async move {
                // It is never closed; without a turn it would go on all the same.
                let _turn = turns.acquire_owned().await;
                (digest, fetching.await)
            });
        }
    }

    pub(super) fn is_underway(&self, digest: &Digest) -> bool {
        self.underway.contains_key(digest)
    }

    /// Whether nothing is under way, and no message waits.
    pub(super) fn is_idle(&self) -> bool {
        self.underway.is_empty() && self.waiting.is_empty()
    }

    /// The study that the next download to end was for, or why it failed; nothing when none is under way.
    pub(super) async fn next(&mut self) -> Option<Result<Digest, Broken>> {
        Some(match self.tasks.join_next().await? {
            Ok((digest, result)) => {
                let study = self.underway.remove(&digest).unwrap_or_default();
                result.map(|()| study)
            }
            Err(error) => Err(Broken::Line(format!("a download ended early ({error})"))),
        })
    }

    /// Keeps a message of a study that needs something on its way. A plan ends every earlier one of its study.
    pub(super) fn wait(&mut self, study: Digest, run: RunId, message: Message) {
        let plan = matches!(message, Message::Plan(_));
        self.waiting.retain(|waiting| {
            let replaced = plan && matches!(waiting.message, Message::Plan(_));
            waiting.study != study || waiting.message != message && !replaced
        });
        self.waiting.push(Waiting { study, run, message });
    }

    /// Drops a plan that is over before it was heard.
    pub(super) fn abandoned(&mut self, plan: &Digest) {
        self.waiting.retain(
            |waiting| !matches!(&waiting.message, Message::Plan(signed) if signed.plan.root() == *plan),
        );
    }

    /// The messages of a study that wait, in the order in which they came, once nothing more is under way for it.
    pub(super) fn ready(&mut self, study: &Digest) -> Vec<(RunId, Message)> {
        if self.underway.values().any(|of| of == study) {
            return Vec::new();
        }
        let ready = self.waiting.extract_if(.., |waiting| waiting.study == *study);
        ready.map(|waiting| (waiting.run, waiting.message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::message::Abandoned;
    use std::sync::atomic::{AtomicU32, Ordering};

    const STUDY: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);
    const RUN: RunId = RunId([3; 16]);

    fn message(code: &str) -> Message {
        Message::Abandoned(Abandoned { plan: Digest([4; 32]), code: code.to_owned() })
    }

    #[tokio::test]
    async fn a_message_is_heard_again_in_its_order_when_everything_of_its_study_is_here() {
        let mut coming = Coming::default();
        let begun = Arc::new(AtomicU32::new(0));
        for _ in 0..2 {
            let begun = Arc::clone(&begun);
            coming.fetch(STUDY, Digest([5; 32]), async move {
                begun.fetch_add(1, Ordering::Relaxed);
                Ok(())
            });
        }
        let (later, wait) = tokio::sync::oneshot::channel::<()>();
        coming.fetch(STUDY, Digest([6; 32]), async move {
            let _ = wait.await;
            Ok(())
        });
        for (study, code) in [(STUDY, "a"), (OTHER, "b"), (STUDY, "c"), (STUDY, "a")] {
            coming.wait(study, RUN, message(code));
        }
        assert!(matches!(coming.next().await, Some(Ok(STUDY))));
        assert_eq!(begun.load(Ordering::Relaxed), 1, "what is under way is not fetched twice");
        assert_eq!(coming.ready(&STUDY), [], "something more is under way");
        later.send(()).unwrap();
        assert!(matches!(coming.next().await, Some(Ok(STUDY))));
        assert_eq!(coming.ready(&STUDY), [(RUN, message("c")), (RUN, message("a"))]);
        assert!(!coming.is_idle());
        assert_eq!(coming.ready(&OTHER), [(RUN, message("b"))]);
        assert!(coming.is_idle() && coming.next().await.is_none());
    }

    #[tokio::test]
    async fn a_download_that_fails_says_so() {
        let mut coming = Coming::default();
        coming.fetch(STUDY, OTHER, async { Err(Broken::Line("cut".to_owned())) });
        assert!(matches!(coming.next().await, Some(Err(Broken::Line(why))) if why == "cut"));
    }
}
