//! From a plan to an advert: what a node checks before it computes, and
//! the computation in a thread of its own.

use super::halt::refrozen;
use super::inbox::Inbox;
use super::shared::clock_day;
use super::study::{Computed, Computing, Study};
use crate::follower::{self, Answered, Attempt, Follower};
use crate::link::{Broken, Link};
use crate::records::{self, FROZEN, FrozenRecord};
use crate::switch;
use crate::{NodeError, clock};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Act, Member, admit, refused};
use motet_proto::rng::rng;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, SignedPlan};
use motet_secagg::secret::scrubbed;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::time::{Duration, Instant};

impl Study {
    pub(super) async fn planned(
        &mut self,
        link: &Link,
        inbox: &Inbox,
        signed: &SignedPlan,
    ) -> Result<(), Broken> {
        self.drill(&Message::Plan(signed.clone()));
        let Err(broken) = self.join(link, inbox, signed).await else {
            // It joined, or the plan is over.
            return Ok(());
        };
        let refusal = broken.refusal()?;
        let plan = &signed.plan;
        let what = format!("round {} of study {}", plan.round, plan.study);
        self.shared.say_refused(&what, &refusal).await?;
        let said = refused(plan.root(), &refusal);
        self.tell(link, plan.run, &said).await
    }

    /// Everything a node checks before it computes: standing, roster,
    /// state, question, thresholds, pins.
    async fn join(
        &mut self,
        link: &Link,
        inbox: &Inbox,
        signed: &SignedPlan,
    ) -> Result<(), Broken> {
        let plan = &signed.plan;
        self.may_join(signed).await?;
        if let Some(attempt) = &self.follower.attempt
            && attempt.member.terms().signed() == signed
        {
            let acts = attempt.member.say_again();
            // One that was restored from the vault computes nothing yet.
            if attempt.member.needs_answer() && self.computing.is_none() {
                self.compute(link)?;
            }
            return self.act(link, acts).await;
        }
        self.sync_log(link, &plan.checkpoint).await?;
        self.catch_up(link, &plan.state_root).await?;
        if inbox.is_past(&plan.root()) {
            // It was over before this site was ready for it.
            return Ok(());
        }
        // What was fetched may have taken its time.
        let min_sites = self.may_join(signed).await?;
        self.admit(signed, min_sites).await?;
        Ok(self.compute(link)?)
    }

    /// Whether the steward lets this site answer the plan; the fewest
    /// sites that its own limits ask for.
    async fn may_join(&mut self, signed: &SignedPlan) -> Result<u32, NodeError> {
        let plan = &signed.plan;
        if switch::is_stopped(&self.shared.home.ledger).await? {
            return Err(Refusal::from(Code::SiteStopped).into());
        }
        let mut studies = self.shared.studies.lock().await;
        studies.read_on(&self.shared.home.ledger).await?;
        // Not as at the start: a limit that was changed since holds at
        // once.
        studies.read_settings(&self.shared.home.paths)?;
        studies.may_run(&plan.study_digest, &plan.roster, clock_day())?;
        let limits = studies.limits(&plan.study_digest);
        let frozen = studies.frozen(&plan.study_digest);
        drop(studies);
        let min_sites = limits.min_sites;
        if !self.follower.hold_to(limits.limits.clone(), frozen) {
            self.give_up(&refrozen()).await?;
            self.follower.hold_to(limits.limits, frozen);
        }
        Ok(min_sites)
    }

    /// Joins an attempt under the plan. That ends every earlier one at
    /// its question: nothing of it is signed or opened from here on. A
    /// question goes by the study's name and recipe, so that another
    /// text under the same name asks the same: one driver has the name,
    /// and follows one.
    async fn admit(&mut self, signed: &SignedPlan, min_sites: u32) -> Result<(), NodeError> {
        let plan = &signed.plan;
        let follower = &mut self.follower;
        let question = follower
            .chain
            .question(plan.candidates.len())?
            .ok_or(Code::PlanRejected)
            .map_err(Refusal::from)?;
        let min_sites = follower.proposal.study.privacy.min_sites.max(min_sites);
        let expected = follower.expected(&question.layout, min_sites)?;
        let me = follower::me(
            &self.shared.home,
            &follower.proposal,
            &follower.chain,
            &follower.log,
        );
        let terms = admit(signed, &expected, &self.shared.pins(), &me)?;
        if let Some(latest) = follower.latest.as_mut() {
            latest.hear(&plan.checked, &follower.proposal.roster);
        }
        self.forget().await?;
        debug_assert!(
            self.follower.attempt.is_none(),
            "an attempt begins where another is open"
        );
        self.follower.attempt = Some(Attempt {
            run: plan.run,
            round: plan.round,
            member: Member::new(terms),
            layout: question.layout,
            since: Instant::now(),
            aged: Duration::ZERO,
        });
        Ok(())
    }

    /// Starts the computation on patients in a thread of its own; the
    /// result is said over this line.
    pub(super) fn compute(&mut self, link: &Link) -> Result<(), Refusal> {
        let follower = &mut self.follower;
        let attempt = follower
            .attempt
            .as_mut()
            .ok_or_else(|| Refusal::broken("an answer for no attempt"))?;
        let training = attempt.member.training_seed(&mut rng());
        let plan = attempt.member.terms().plan_root();
        let candidates = attempt.member.terms().plan().candidates.len();
        let work = follower.work(&self.shared.home, &self.shared.memories);
        let task = tokio::task::spawn_blocking(move || {
            scrubbed(|| work.answer(candidates, &mut ChaCha20Rng::from_seed(*training.expose())))
        });
        self.computing = Some(Computing {
            plan,
            link: link.clone(),
            task,
        });
        Ok(())
    }

    /// What was computed last, once it is there, and the line that it
    /// is for.
    pub(super) async fn next_computed(&mut self) -> (Link, Computed) {
        let Some(computing) = &mut self.computing else {
            return std::future::pending().await;
        };
        let ended = (&mut computing.task).await;
        let result = ended.unwrap_or_else(|error| {
            let what = format!("the computation ended early ({error})");
            Err(Refusal::new(Code::RecipeFailed, what))
        });
        let link = computing.link.clone();
        let plan = computing.plan;
        self.computing = None;
        (link, Computed { plan, result })
    }

    pub(super) async fn computed(&mut self, link: &Link, computed: Computed) -> Result<(), Broken> {
        if let Err(why) = self.may_go_on().await? {
            self.give_up(&why).await?;
            return self.shared.tell_given_up(link).await;
        }
        let Computed { plan, result } = computed;
        let (run, round) = match &self.follower.attempt {
            Some(attempt) if attempt.member.terms().plan_root() == plan => {
                (attempt.run, attempt.round)
            }
            // The attempt that it was computed for is over.
            _ => return Ok(()),
        };
        self.put_on_record(plan, &result).await?;
        let answered = match result {
            Ok(answered) => self.answer(answered),
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok(acts) => self.act(link, acts).await,
            Err(refusal) => self.not_answered(link, (run, plan), round, refusal).await,
        }
    }

    /// Puts the patients who answer on record, before anything of the
    /// answer is said.
    async fn put_on_record(
        &mut self,
        plan: Digest,
        result: &Result<Answered, Refusal>,
    ) -> Result<(), NodeError> {
        let follower = &mut self.follower;
        let Ok(Answered { content, .. }) = result else {
            return Ok(());
        };
        // Once a sum holds these rows no others answer.
        if follower.bound.is_some() || follower.answered.get(&plan) == Some(content) {
            return Ok(());
        }
        let record = records::Answered {
            when_ms: clock::now().ms,
            study: follower.proposal.digest,
            plan,
            content: *content,
        };
        let ledger = &self.shared.home.ledger;
        records::append(ledger, FROZEN, &FrozenRecord::Answered(record)).await?;
        follower.answered.insert(plan, *content);
        Ok(())
    }

    fn answer(&mut self, answered: Answered) -> Result<Vec<Act>, Refusal> {
        let Follower {
            proposal,
            attempt,
            cohort,
            content,
            reading,
            own,
            chain,
            log,
            ..
        } = &mut self.follower;
        let attempt = attempt
            .as_mut()
            .ok_or_else(|| Refusal::broken("an answer for no attempt"))?;
        *cohort = Some(answered.cohort);
        *content = Some(answered.content);
        *reading = Some(answered.reading);
        *own = answered.own.or(own.take());
        if let Some(remembered) = &answered.remembered {
            self.shared
                .memories
                .keep(&proposal.digest, &chain.root(), remembered)
                .map_err(|error| Refusal::new(Code::Storage, error.to_string()))?;
        }
        let me = follower::me(&self.shared.home, proposal, chain, log);
        attempt
            .member
            .answered(answered.update, &attempt.layout, &me, &mut rng())
    }

    async fn not_answered(
        &mut self,
        link: &Link,
        (run, plan): (RunId, Digest),
        round: u64,
        mut refusal: Refusal,
    ) -> Result<(), Broken> {
        let Follower {
            proposal, cohort, ..
        } = &self.follower;
        let id = proposal.study.id.clone();
        if refusal.code == Code::InputRefused
            && !refusal.detail.contains("; the largest numbers")
            && let Some(column) = cohort
                .as_ref()
                .and_then(|cohort| cohort.largest(&proposal.study))
        {
            refusal
                .detail
                .push_str(&format!("; the largest numbers stand in column `{column}`"));
        }
        // Nor does it stay sealed: a start would take it up again.
        self.forget().await?;
        let what = format!("round {round} of study {id} is not answered");
        self.shared.say_refused(&what, &refusal).await?;
        // Whether and why this site's rows do not do is nobody else's
        // business: it is away, and they wait for nobody but the
        // deadline.
        if depends_on_rows(refusal.code) {
            return Ok(());
        }
        self.tell(link, run, &refused(plan, &refusal)).await
    }
}

/// Whether a reason not to answer tells something of this site's
/// patients. Which columns its schema has does not.
fn depends_on_rows(code: Code) -> bool {
    matches!(
        code,
        Code::TooFewRows
            | Code::DataRefused
            | Code::DataChanged
            | Code::TableLost
            | Code::InputRefused
            | Code::RecipeFailed
    )
}
