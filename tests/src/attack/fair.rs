//! An honest coordinator, a real `Round`, over the same nodes: for what hospitals do, lost ones and
//! lying ones.

use super::lie::Lie;
use motet_common::log::{Leaf, Log};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::{Effect, Input, PhaseName, Round, Terms};
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Complaint, Message, Released};
use std::collections::VecDeque;

/// How an honest attempt went.
#[derive(Debug, Default)]
pub struct Ended {
    /// Where it ended.
    pub phase: Option<PhaseName>,
    /// Why, where there is no sum.
    pub code: Option<Code>,
    /// What the coordinator refused, from which site.
    pub refused: Vec<(usize, Refusal)>,
    /// The complaint that ended it.
    pub complaint: Option<Complaint>,
    /// The release.
    pub released: Option<Released>,
}

/// What a hospital does with what it is about to say: nothing, or something else.
pub type Tamper<'a> = &'a mut dyn FnMut(usize, Message) -> Option<Message>;

/// A site that is silent from a phase on.
pub type Lost = (usize, PhaseName);

impl Lie {
    /// Plays the present attempt with an honest coordinator: these sites are lost from a phase on,
    /// and what any says may be tampered with.
    pub fn fair(&mut self, lost: &[Lost], tamper: Tamper<'_>) -> Ended {
        let signed = self.plan.clone().expect("a plan");
        let terms = Terms::new(signed, &self.cast.roster).expect("a sound plan");
        let mut round = Round::open(terms, Moment { ms: 0 });
        let mut ended = Ended::default();
        let mut now = 0;
        let first = round.resume();
        self.carry(&mut round, first, now, &mut ended);
        while round.phase() < PhaseName::Released {
            let before = round.phase();
            for site in self.all() {
                self.ask(&mut round, site, lost, now, tamper, &mut ended);
            }
            if round.phase() == before {
                // Nobody has anything to add: the deadline passes.
                now = round.deadline().ms;
                let effects = round.handle(Input::Tick, Moment { ms: now }, &self.cast.coordinator);
                self.carry(&mut round, effects.expect("time may pass"), now, &mut ended);
            }
        }
        ended.phase = Some(round.phase());
        ended.complaint = round.complaint().cloned();
        ended
    }

    fn ask(
        &mut self,
        round: &mut Round,
        site: usize,
        lost: &[Lost],
        now: u64,
        tamper: Tamper<'_>,
        ended: &mut Ended,
    ) {
        let gone = lost
            .iter()
            .any(|(gone, phase)| *gone == site && round.phase() >= *phase);
        if gone || round.phase() >= PhaseName::Released {
            return;
        }
        let node = self.cast.node(site);
        for message in round.pending(node) {
            // What the coordinator heard before it became honest is not asked for again.
            let said = match self.known(node, &message) {
                Some(known) => vec![known],
                None => self
                    .tell(site, message)
                    .expect("an honest coordinator is answered"),
            };
            for message in said.into_iter().filter_map(|message| tamper(site, message)) {
                let is_header = matches!(message, Message::Header(_));
                let inputs = [Input::Message(node, message), Input::Uploaded(node)];
                for input in inputs.into_iter().take(1 + usize::from(is_header)) {
                    match round.handle(input, Moment { ms: now }, &self.cast.coordinator) {
                        Ok(effects) => self.carry(round, effects, now, ended),
                        Err(refusal) => ended.refused.push((site, refusal)),
                    }
                }
            }
        }
    }

    fn known(&self, node: NodeId, message: &Message) -> Option<Message> {
        match message {
            Message::Plan(_) => self.heard.adverts.get(&node).cloned().map(Message::Advert),
            Message::AdvertSet(_) => self.heard.shares.get(&node).cloned().map(Message::Shares),
            Message::Delivery(_) => self.heard.headers.get(&node).cloned().map(Message::Header),
            _ => None,
        }
    }

    fn carry(&mut self, round: &mut Round, effects: Vec<Effect>, now: u64, ended: &mut Ended) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let input = match effect {
                Effect::Log(leaf) => match self.log.find(&leaf.to_bytes()) {
                    Some(_) => continue,
                    None => Input::Logged(self.log(&leaf)),
                },
                Effect::Fold(fold) => {
                    match self
                        .spools
                        .fold(&fold, &fold.evidence.shape(), fold.evidence.t2())
                    {
                        Ok(sum) => Input::Folded(self.keep_sum(&fold.evidence, &sum)),
                        Err(_) => Input::FoldFailed(Code::SentinelMismatch),
                    }
                }
                Effect::Publish(released) => {
                    ended.released = Some(*released);
                    continue;
                }
                Effect::End(code) => {
                    ended.code = Some(code);
                    continue;
                }
                Effect::Record(_) | Effect::Tell(..) | Effect::WakeAt(_) => continue,
            };
            let more = round.handle(input, Moment { ms: now }, &self.cast.coordinator);
            effects.extend(more.expect("what it asked for"));
        }
    }
}

/// The last leaf of a log.
pub fn last_leaf(log: &Log) -> Leaf {
    Leaf::from_bytes(log.leaves().last().expect("a leaf")).expect("a readable leaf")
}
