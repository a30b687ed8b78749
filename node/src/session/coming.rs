//! What is on its way over the present connection, and the messages that wait for it.

use crate::NodeError;
use crate::link::Broken;
use motet_common::refusal::Refusal;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Downloads at the same time; the others wait their turn.
const MOST: usize = 8;

/// Messages that wait at the same time, of all studies: a round has a handful, and a line that
/// brings more is cut.
const MOST_WAITING: usize = 256;

/// Downloads under way; they stop when the value is dropped.
pub(super) struct Coming {
    /// What is fetched, and for which studies.
    underway: BTreeMap<Digest, BTreeSet<Digest>>,
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
        Self {
            underway: BTreeMap::new(),
            tasks: JoinSet::new(),
            turns,
            waiting: Vec::new(),
        }
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
        if !self.awaits(study, &digest) {
            self.underway.insert(digest, BTreeSet::from([study]));
            let turns = Arc::clone(&self.turns);
            self.tasks.spawn(async move {
                let Ok(_turn) = turns.acquire_owned().await else {
                    let closed = Refusal::broken("the turns of downloads are closed");
                    return (digest, Err(NodeError::from(closed).into()));
                };
                (digest, fetching.await)
            });
        }
    }

    /// Whether it is under way; then this study, too, hears of its end.
    pub(super) fn awaits(&mut self, study: Digest, digest: &Digest) -> bool {
        let studies = self.underway.get_mut(digest);
        studies.is_some_and(|studies| {
            studies.insert(study);
            true
        })
    }

    /// Whether nothing is under way, and no message waits.
    pub(super) fn is_idle(&self) -> bool {
        self.underway.is_empty() && self.waiting.is_empty()
    }

    /// The studies that the next download to end was for, or why it failed; nothing when none is
    /// under way.
    pub(super) async fn next(&mut self) -> Option<Result<BTreeSet<Digest>, Broken>> {
        Some(match self.tasks.join_next().await? {
            Ok((digest, result)) => {
                let studies = self.underway.remove(&digest).ok_or_else(|| {
                    Broken::from(NodeError::from(Refusal::broken(
                        "a download ended that no study waits for",
                    )))
                });
                result.and(studies)
            }
            Err(error) => Err(Broken::Line(format!("a download ended early ({error})"))),
        })
    }

    /// Keeps a message of a study that needs something on its way. A plan ends every earlier one of
    /// its study.
    ///
    /// # Errors
    /// When more wait than a coordinator has reason to send.
    pub(super) fn wait(
        &mut self,
        study: Digest,
        run: RunId,
        message: Message,
    ) -> Result<(), Broken> {
        let plan = matches!(message, Message::Plan(_));
        self.waiting.retain(|waiting| {
            let replaced = plan && matches!(waiting.message, Message::Plan(_));
            waiting.study != study || waiting.message != message && !replaced
        });
        if self.waiting.len() >= MOST_WAITING {
            return Err(Broken::Line(format!(
                "more than {MOST_WAITING} messages wait for what is on its way"
            )));
        }
        self.waiting.push(Waiting {
            study,
            run,
            message,
        });
        debug_assert!(self.waiting.len() <= MOST_WAITING);
        Ok(())
    }

    /// Drops a plan that is over before it was heard.
    pub(super) fn abandoned(&mut self, plan: &Digest) {
        self.waiting.retain(
            |waiting| !matches!(&waiting.message, Message::Plan(signed) if signed.plan.root() == *plan),
        );
    }

    /// The messages of a study that wait, in the order in which they came, once nothing more is
    /// under way for it.
    pub(super) fn ready(&mut self, study: &Digest) -> Vec<(RunId, Message)> {
        if self
            .underway
            .values()
            .any(|studies| studies.contains(study))
        {
            return Vec::new();
        }
        let ready = self
            .waiting
            .extract_if(.., |waiting| waiting.study == *study);
        ready
            .map(|waiting| (waiting.run, waiting.message))
            .collect()
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
        Message::Abandoned(Abandoned {
            plan: Digest([4; 32]),
            code: code.to_owned(),
        })
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
            coming.wait(study, RUN, message(code)).unwrap();
        }
        assert_eq!(ended(&mut coming).await, [STUDY]);
        assert_eq!(
            begun.load(Ordering::Relaxed),
            1,
            "what is under way is not fetched twice"
        );
        assert_eq!(coming.ready(&STUDY), [], "something more is under way");
        later.send(()).unwrap();
        assert_eq!(ended(&mut coming).await, [STUDY]);
        assert_eq!(
            coming.ready(&STUDY),
            [(RUN, message("c")), (RUN, message("a"))]
        );
        assert!(!coming.is_idle());
        assert_eq!(coming.ready(&OTHER), [(RUN, message("b"))]);
        assert!(coming.is_idle() && coming.next().await.is_none());
    }

    async fn ended(coming: &mut Coming) -> Vec<Digest> {
        coming.next().await.unwrap().unwrap().into_iter().collect()
    }

    #[tokio::test]
    async fn two_studies_that_need_one_sum_both_go_on_when_it_is_here() {
        let mut coming = Coming::default();
        for study in [STUDY, OTHER] {
            coming.fetch(study, Digest([5; 32]), async { Ok(()) });
            coming.wait(study, RUN, message("a")).unwrap();
        }
        assert!(coming.awaits(OTHER, &Digest([5; 32])) && !coming.awaits(OTHER, &Digest([6; 32])));
        assert_eq!(ended(&mut coming).await, [STUDY, OTHER]);
        for study in [STUDY, OTHER] {
            assert_eq!(coming.ready(&study), [(RUN, message("a"))]);
        }
        assert!(coming.is_idle());
    }

    #[tokio::test]
    async fn messages_that_wait_have_a_bound() {
        let mut coming = Coming::default();
        for at in 0..MOST_WAITING {
            coming.wait(STUDY, RUN, message(&at.to_string())).unwrap();
        }
        coming
            .wait(STUDY, RUN, message("0"))
            .expect("a repetition takes the place of the first");
        assert!(coming.wait(OTHER, RUN, message("more")).is_err());
    }

    #[tokio::test]
    async fn a_download_that_fails_says_so() {
        let mut coming = Coming::default();
        coming.fetch(STUDY, OTHER, async { Err(Broken::Line("cut".to_owned())) });
        assert!(matches!(coming.next().await, Some(Err(Broken::Line(why))) if why == "cut"));
    }

    #[tokio::test]
    async fn a_download_that_no_study_waits_for_is_a_fault_of_this_program() {
        let mut coming = Coming::default();
        coming.fetch(STUDY, OTHER, async { Ok(()) });
        coming.underway.clear();
        let ended = coming.next().await;
        assert!(matches!(
            ended,
            Some(Err(Broken::Own(NodeError::Broken(_))))
        ));
    }
}
