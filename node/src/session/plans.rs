//! From a plan to an advert: what a node checks before it computes, and the computation away from
//! the session's thread.

use super::{Away, Computed, Session, clock_day, followed};
use crate::cohort_pin;
use crate::follower::{self, Answered, Attempt, Follower};
use crate::link::Link;
use crate::memory::Memories;
use crate::{NodeError, switch};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Member, admit, refused};
use motet_proto::dice::dice;
use motet_secagg::digest::Digest;
use motet_secagg::message::{Message, SignedPlan};
use motet_secagg::secret::scrubbed;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::time::{Duration, Instant};

impl Session {
    pub(super) async fn planned(&mut self, link: &Link, signed: &SignedPlan) -> Result<(), Away> {
        let study = signed.plan.study_digest;
        self.drill(&study, &Message::Plan(signed.clone()));
        match self.join(link, signed).await {
            Ok(()) => Ok(()),
            Err(Away::Node(NodeError::Refused(refusal))) => {
                let text = format!(
                    "round {} of study {}: {refusal}",
                    signed.plan.round, signed.plan.study
                );
                self.say("refused", &text).await?;
                self.tell(
                    link,
                    &study,
                    signed.plan.run,
                    &refused(signed.plan.root(), &refusal),
                )
                .await
            }
            Err(away) => Err(away),
        }
    }

    /// Everything a node checks before it computes: standing, roster, state, question, thresholds,
    /// pins.
    async fn join(&mut self, link: &Link, signed: &SignedPlan) -> Result<(), Away> {
        let plan = &signed.plan;
        if switch::is_stopped(&self.home.ledger).await? {
            return Err(Refusal::from(Code::SiteStopped).into());
        }
        // Not as at the start: a limit that was changed since holds at once.
        self.read_settings()?;
        let today = clock_day();
        let proposal = self
            .studies
            .may_run(&plan.study_digest, &plan.roster, today)?
            .proposal
            .clone();
        let study = proposal.digest;
        let follower = self.follow(link, &study, proposal).await?;
        if let Some(attempt) = &follower.attempt
            && attempt.member.terms().signed() == signed
        {
            let acts = attempt.member.say_again();
            return self.act(link, &study, acts).await;
        }
        self.sync_log(link, &study, &plan.checkpoint).await?;
        self.catch_up(link, &study, &plan.state_root).await?;
        let own = self.studies.limits(&study).min_sites;
        let follower = followed(&mut self.followers, &study)?;
        let question = follower
            .chain
            .question(plan.candidates.len())?
            .ok_or(Code::PlanRejected)
            .map_err(Refusal::from)?;
        let min_sites = follower.proposal.study.privacy.min_sites.max(own);
        let expected = follower.expected(&question.layout, min_sites)?;
        let me = follower::me(
            &self.home,
            &follower.proposal,
            &follower.chain,
            &follower.log,
        );
        let terms = admit(signed, &expected, &self.pins, &me)?;
        if let Some(latest) = follower.latest.as_mut() {
            latest.hear(&plan.checked, &follower.proposal.roster);
        }
        let member = Member::new(terms);
        // Joining this attempt ends every earlier one at its question: nothing of it is signed or
        // opened from here on. A question goes by the study's name and recipe, so that another text
        // under the same name asks the same.
        let same: Vec<Digest> = self
            .followers
            .iter()
            .filter_map(|(other, follower)| Some((other, follower.attempt.as_ref()?)))
            .filter(|(_, attempt)| attempt.member.terms().plan().ask == plan.ask)
            .map(|(other, _)| *other)
            .collect();
        for other in same {
            self.forget(&other).await?;
        }
        self.forget(&study).await?;
        followed(&mut self.followers, &study)?.attempt = Some(Attempt {
            run: plan.run,
            round: plan.round,
            member,
            layout: question.layout,
            since: Instant::now(),
            aged: Duration::ZERO,
        });
        Ok(self.compute(&study)?)
    }

    /// Starts the computation on patients in a thread of its own.
    pub(super) fn compute(&mut self, study: &Digest) -> Result<(), Refusal> {
        let follower = followed(&mut self.followers, study)?;
        let attempt = follower
            .attempt
            .as_mut()
            .ok_or_else(|| Refusal::broken("an answer for no attempt"))?;
        let training = attempt.member.training_dice(&mut dice());
        let study = *study;
        let plan = attempt.member.terms().plan_root();
        let candidates = attempt.member.terms().plan().candidates.len();
        let work = follower.work(&self.home);
        let results = self.results.clone();
        tokio::task::spawn_blocking(move || {
            let result = scrubbed(|| {
                work.answer(candidates, &mut ChaCha20Rng::from_seed(*training.expose()))
            });
            // A session that has ended computes again when it is back.
            let _ = results.blocking_send(Computed {
                study,
                plan,
                result,
            });
        });
        Ok(())
    }

    pub(super) async fn computed(&mut self, link: &Link, computed: Computed) -> Result<(), Away> {
        let Computed {
            study,
            plan,
            result,
        } = computed;
        if let Err(why) = self.may_go_on(&study).await? {
            self.give_up(&study, &why).await?;
            return self.tell_given_up(link).await;
        }
        let Some(follower) = self.followers.get_mut(&study) else {
            // Nothing more was asked of the study for so long that it was let go.
            return Ok(());
        };
        // On record before anything of the answer is said.
        if let Ok(Answered { pin: Some(pin), .. }) = &result
            && follower.pinned != Some(*pin)
        {
            cohort_pin::keep(&self.home, &follower.proposal, *pin).await?;
            follower.pinned = Some(*pin);
        }
        let Follower {
            proposal,
            attempt,
            cohort,
            reading,
            own,
            chain,
            log,
            ..
        } = follower;
        let Some(attempt) = attempt
            .as_mut()
            .filter(|attempt| attempt.member.terms().plan_root() == plan)
        else {
            // The attempt that it was computed for is over.
            return Ok(());
        };
        let run = attempt.run;
        let round = attempt.round;
        let answered = result.and_then(|answered| {
            *cohort = Some(answered.cohort);
            *reading = Some(answered.reading);
            *own = answered.own.or(own.take());
            if let Some(remembered) = &answered.remembered {
                Memories::open(&self.home)
                    .and_then(|memories| memories.keep(&study, &chain.root(), remembered))
                    .map_err(|error| Refusal::new(Code::Storage, error.to_string()))?;
            }
            let me = follower::me(&self.home, proposal, chain, log);
            attempt
                .member
                .answered(answered.update, &attempt.layout, &me, &mut dice())
        });
        match answered {
            Ok(acts) => self.act(link, &study, acts).await,
            Err(mut refusal) => {
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
                self.forget(&study).await?;
                self.say(
                    "refused",
                    &format!("round {round} of study {id} is not answered: {refusal}"),
                )
                .await?;
                // Whether and why this site's rows do not do is nobody else's business: it is away,
                // and they wait for nobody but the deadline.
                if depends_on_rows(refusal.code) {
                    return Ok(());
                }
                self.tell(link, &study, run, &refused(plan, &refusal)).await
            }
        }
    }
}

/// Whether a reason not to answer tells something of this site's patients. Which columns its schema
/// has does not.
fn depends_on_rows(code: Code) -> bool {
    matches!(
        code,
        Code::TooFewRows
            | Code::DataRefused
            | Code::DataChanged
            | Code::InputRefused
            | Code::RecipeFailed
    )
}
