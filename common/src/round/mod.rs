//! The coordinator's side of one round attempt, as a value.
//!
//! ```text
//! Join --U1--> Share --U2--> Upload --U3--> Sign --t signatures--> Reveal --t replies--> Fold --> Released
//!   |            |             |             |                        |                    |
//!   +------------+-------------+-------------+------------------------+--------------------+--> Abandoned(code)
//! ```
//! [`Round::handle`] checks an input against the phase by reference, writes entries, and only then
//! lets the phase be consumed by its transition. Every phase owns its own data, in its own file.

mod entry;
mod fold;
mod join;
pub mod member;
mod phase_name;
pub mod pins;
mod reveal;
mod share;
mod sign;
mod terms;
mod upload;
mod verdict;

pub use entry::{Closed, Effect, Entry, Fold, Folded, Heard, Input};
pub use phase_name::PhaseName;
pub use terms::{Terms, witness_quorum};

use crate::log::{Abort, Leaf, Release};
use crate::moment::Moment;
use crate::refusal::{Code, Refusal};
use member::LONGEST_WHY;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Abandoned, Complaint, Message, Refused, Released};
use motet_secagg::sign::SecretKey;
use std::collections::BTreeSet;
use verdict::Verdict;

/// A node that has lost its coordinator dials again within this time, in milliseconds, however long
/// the coordinator was away.
pub const REDIAL_MS: u32 = 60_000;

/// One attempt at one round.
pub struct Round {
    terms: Terms,
    phase: Phase,
    /// When the present phase began, as it is on record.
    since: Moment,
    /// When the process last started again in this round. Not recorded.
    returned: Option<Moment>,
    /// Nodes whose lease is over. Not recorded: after a restart the connections tell it again.
    gone: BTreeSet<NodeId>,
    /// Nodes that refused this attempt.
    refused: Vec<(NodeId, Refused)>,
    /// What ended the attempt, where a dealer's shares were bad.
    complaint: Option<Complaint>,
}

enum Phase {
    Join(join::Join),
    Share(share::Share),
    Upload(upload::Upload),
    Sign(sign::Sign),
    Reveal(reveal::Reveal),
    Fold(Box<fold::Fold>),
    Released(Box<Released>),
    /// With the code, and whether the sum had been opened: the question is void then.
    Abandoned(Code, bool),
    /// Only while a transition consumes the phase before it.
    Moving,
}

impl Round {
    /// Opens an attempt whose plan has been recorded at `now`; [`Round::resume`] gives what to do
    /// first.
    pub fn open(terms: Terms, now: Moment) -> Self {
        Self {
            terms,
            phase: Phase::Join(join::Join::default()),
            since: now,
            returned: None,
            gone: BTreeSet::new(),
            refused: Vec::new(),
            complaint: None,
        }
    }

    /// The terms of the attempt.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Where the attempt stands.
    pub fn phase(&self) -> PhaseName {
        match &self.phase {
            Phase::Join(_) | Phase::Moving => PhaseName::Join,
            Phase::Share(_) => PhaseName::Share,
            Phase::Upload(_) => PhaseName::Upload,
            Phase::Sign(_) => PhaseName::Sign,
            Phase::Reveal(_) | Phase::Fold(_) => PhaseName::Reveal,
            Phase::Released(_) => PhaseName::Released,
            Phase::Abandoned(..) => PhaseName::Abandoned,
        }
    }

    /// Who complained about whose shares: both are to be asked by people.
    pub fn complaint(&self) -> Option<&Complaint> {
        self.complaint.as_ref()
    }

    /// Who refused the attempt, and with what.
    pub fn refused(&self) -> &[(NodeId, Refused)] {
        &self.refused
    }

    /// What is public, once it is.
    pub fn released(&self) -> Option<&Released> {
        match &self.phase {
            Phase::Released(released) => Some(released),
            _ => None,
        }
    }

    /// When the present phase began, as recorded.
    pub fn since(&self) -> Moment {
        self.since
    }

    /// The process starts again in this round, at this moment: nodes get the whole time of the
    /// phase, and never less than [`REDIAL_MS`], to come back and say once more what opens a sum.
    /// An attempt of which shares were opened cannot be made again, only finished.
    pub fn returns(&mut self, now: Moment) {
        self.returned = Some(now);
    }

    /// Until when the present phase waits.
    pub fn deadline(&self) -> Moment {
        let durations = &self.terms.plan().durations;
        let phase = self.phase();
        let due = self.since.after(match phase {
            PhaseName::Join => durations.join,
            PhaseName::Share => durations.share,
            PhaseName::Upload => durations.upload,
            PhaseName::Sign => durations.sign,
            PhaseName::Reveal | PhaseName::Released | PhaseName::Abandoned => durations.reveal,
        });
        match self.returned {
            Some(returned) if phase == PhaseName::Reveal => {
                due.max(returned.after(durations.reveal.max(REDIAL_MS)))
            }
            _ => due,
        }
    }

    /// Nodes the present phase still waits for.
    pub fn awaited(&self) -> Vec<NodeId> {
        let open = match &self.phase {
            Phase::Join(phase) => phase.awaited(&self.terms),
            Phase::Share(phase) => phase.awaited(),
            Phase::Upload(phase) => phase.awaited(),
            Phase::Sign(phase) => phase.awaited(),
            Phase::Reveal(phase) => phase.awaited(),
            Phase::Fold(_) | Phase::Released(_) | Phase::Abandoned(..) | Phase::Moving => {
                Vec::new()
            }
        };
        open.into_iter()
            .filter(|node| !self.is_out(*node))
            .collect()
    }

    /// The header that pins a node's upload, while uploads are taken.
    pub fn header(&self, node: NodeId) -> Option<&motet_secagg::message::Header> {
        match &self.phase {
            Phase::Upload(phase) => phase.header(node),
            _ => None,
        }
    }

    /// T2 of the attempt, from the upload on: it names the uploads.
    pub fn t2(&self) -> Option<Digest> {
        match &self.phase {
            Phase::Upload(phase) => Some(phase.t2),
            Phase::Sign(phase) => Some(phase.t2),
            Phase::Reveal(phase) => Some(phase.t2),
            Phase::Fold(phase) => Some(phase.t2),
            _ => None,
        }
    }

    /// Takes one input. A refusal changes nothing.
    ///
    /// # Errors
    /// A [`Refusal`] with a stable code when the input is not acceptable now.
    pub fn handle(
        &mut self,
        input: Input,
        now: Moment,
        key: &SecretKey,
    ) -> Result<Vec<Effect>, Refusal> {
        let mut effects = Vec::new();
        match input {
            Input::Gone(node) => {
                self.gone.insert(node);
            }
            Input::Back(node) => {
                self.gone.remove(&node);
                effects.extend(
                    self.pending(node)
                        .into_iter()
                        .map(|message| Effect::Tell(node, message)),
                );
            }
            Input::Tick => {}
            input => {
                if let Some(entry) = self.decide(input)? {
                    self.step(entry, &mut effects, key)?;
                }
            }
        }
        while let Some(entry) = self.closing(now) {
            self.step(entry, &mut effects, key)?;
        }
        Ok(effects)
    }

    /// Applies a recorded entry, without deciding anything: what a restart replays.
    ///
    /// # Errors
    /// A [`Refusal`] when the entry does not belong to the present phase; the ledger is then not
    /// this round's.
    pub fn apply(&mut self, entry: Entry, key: &SecretKey) -> Result<(), Refusal> {
        match entry {
            Entry::Heard(Heard {
                node,
                message: Message::Refused(refused),
            }) => self.refused.push((node, refused)),
            Entry::Heard(Heard {
                message: Message::Complaint(complaint),
                ..
            }) => {
                self.complaint = Some(complaint);
            }
            Entry::Heard(heard) => match &mut self.phase {
                Phase::Join(phase) => phase.hear(heard),
                Phase::Share(phase) => phase.hear(heard),
                Phase::Upload(phase) => phase.hear(heard),
                Phase::Sign(phase) => phase.hear(heard),
                Phase::Reveal(phase) => phase.hear(heard),
                _ => return Err(misplaced()),
            },
            Entry::Uploaded(node) => match &mut self.phase {
                Phase::Upload(phase) => phase.complete(node),
                _ => return Err(misplaced()),
            },
            Entry::Closed(closed) => {
                self.since = closed.at;
                self.phase = match std::mem::replace(&mut self.phase, Phase::Moving) {
                    Phase::Join(phase) => Phase::Share(phase.close(&self.terms, &closed.nodes)),
                    Phase::Share(phase) => Phase::Upload(phase.close(&closed.nodes)),
                    Phase::Upload(phase) => Phase::Sign(phase.close(&closed.nodes)),
                    Phase::Sign(phase) => Phase::Reveal(phase.close()?),
                    Phase::Reveal(phase) => Phase::Fold(Box::new(phase.close(&self.terms)?)),
                    _ => return Err(misplaced()),
                };
            }
            Entry::Committed(logged) => match &mut self.phase {
                Phase::Sign(phase) => phase.committed(logged),
                _ => return Err(misplaced()),
            },
            Entry::Folded(folded) => match &mut self.phase {
                Phase::Fold(phase) => phase.folded(folded),
                _ => return Err(misplaced()),
            },
            Entry::Released(logged) => {
                self.phase = match std::mem::replace(&mut self.phase, Phase::Moving) {
                    Phase::Fold(phase) => {
                        Phase::Released(Box::new(phase.release(&self.terms, logged, key)?))
                    }
                    _ => return Err(misplaced()),
                };
            }
            Entry::Abandoned(code) => {
                let code = Code::parse(&code).ok_or_else(|| {
                    Refusal::broken(format!(
                        "the record ends an attempt with `{code}`, which is no code"
                    ))
                })?;
                let opened =
                    matches!(self.phase, Phase::Fold(_)) || code == Code::ReconstructFailed;
                self.phase = Phase::Abandoned(code, opened);
            }
        }
        Ok(())
    }

    /// What the present phase waits for, said again: after opening, after a restart.
    pub fn resume(&self) -> Vec<Effect> {
        let mut effects = match &self.phase {
            Phase::Sign(phase) if !phase.is_committed() => {
                vec![Effect::Log(phase.leaf(&self.terms))]
            }
            Phase::Fold(phase) => match phase.result() {
                None => vec![Effect::Fold(phase.task())],
                Some(folded) => vec![Effect::Log(self.release_leaf(folded, phase))],
            },
            Phase::Released(released) => vec![Effect::Publish(released.clone())],
            Phase::Abandoned(code, opened) => {
                vec![
                    Effect::Log(self.last_leaf(*code, *opened)),
                    Effect::End(*code),
                ]
            }
            _ => Vec::new(),
        };
        for node in self.terms.roster() {
            effects.extend(
                self.pending(node)
                    .into_iter()
                    .map(|message| Effect::Tell(node, message)),
            );
        }
        if self.phase() < PhaseName::Released {
            effects.push(Effect::WakeAt(self.deadline()));
        }
        effects
    }

    /// What `node` should be told now: the message it has not answered yet.
    pub fn pending(&self, node: NodeId) -> Vec<Message> {
        let message = match &self.phase {
            Phase::Join(phase) => phase.pending(&self.terms, node),
            Phase::Share(phase) => phase.pending(node),
            Phase::Upload(phase) => phase.pending(node),
            Phase::Sign(phase) => phase.pending(node),
            Phase::Reveal(phase) => return phase.pending(node),
            _ if !self.terms.is_candidate(node) => None,
            Phase::Released(released) => Some(Message::Released((**released).clone())),
            Phase::Abandoned(code, _) => Some(Message::Abandoned(Abandoned {
                plan: self.terms.plan_root(),
                code: code.as_str().to_owned(),
            })),
            Phase::Fold(_) | Phase::Moving => None,
        };
        message.into_iter().collect()
    }

    fn decide(&self, input: Input) -> Result<Option<Entry>, Refusal> {
        match input {
            Input::Message(node, message) => self.decide_message(node, message),
            Input::Uploaded(node) => match &self.phase {
                Phase::Upload(phase) => phase.check_complete(node),
                _ => Ok(None),
            },
            Input::Logged(logged) => match &self.phase {
                Phase::Sign(phase)
                    if !phase.is_committed()
                        && logged.leaf == phase.leaf(&self.terms).to_bytes() =>
                {
                    Ok(Some(Entry::Committed(logged)))
                }
                Phase::Fold(phase) => {
                    let due = phase
                        .result()
                        .map(|folded| self.release_leaf(folded, phase).to_bytes());
                    Ok((due.as_ref() == Some(&logged.leaf)).then_some(Entry::Released(logged)))
                }
                _ => Ok(None),
            },
            Input::Folded(folded) => match &self.phase {
                Phase::Fold(phase) if phase.result().is_none() => Ok(Some(Entry::Folded(folded))),
                _ => Ok(None),
            },
            Input::FoldFailed(code) => Ok(self
                .is_open()
                .then(|| Entry::Abandoned(code.as_str().to_owned()))),
            Input::Abandon => Ok(self
                .is_open()
                .then(|| Entry::Abandoned(Code::Abandoned.as_str().to_owned()))),
            Input::Gone(_) | Input::Back(_) | Input::Tick => Ok(None),
        }
    }

    fn decide_message(&self, node: NodeId, message: Message) -> Result<Option<Entry>, Refusal> {
        if let (Message::Witnessed(witnessed), Phase::Join(phase)) = (&message, &self.phase) {
            let heard = phase.check_witness(&self.terms, node, witnessed)?;
            return Ok(heard.then_some(Entry::Heard(Heard { node, message })));
        }
        if !self.terms.is_candidate(node) {
            return Err(Code::NotInLineUp.into());
        }
        if let Message::Refused(refused) = &message {
            let of_texts = Code::parse(&refused.code).is_some_and(Code::is_of_texts);
            if refused.why.len() > if of_texts { LONGEST_WHY } else { 0 } {
                return Err(Refusal::new(
                    Code::Malformed,
                    format!("the reason of node `{node}`"),
                ));
            }
            let known =
                refused.plan != self.terms.plan_root() || self.is_out(node) || !self.is_open();
            return Ok((!known).then_some(Entry::Heard(Heard { node, message })));
        }
        let heard = match &self.phase {
            Phase::Join(phase) => phase.check(&self.terms, node, &message)?,
            Phase::Share(phase) => phase.check(&self.terms, node, &message)?,
            Phase::Upload(phase) => phase.check(&self.terms, node, &message)?,
            Phase::Sign(phase) => phase.check(&self.terms, node, &message)?,
            Phase::Reveal(phase) => phase.check(&self.terms, node, &message)?,
            _ => return Err(entry::wrong_phase(&message)),
        };
        Ok(heard.then_some(Entry::Heard(Heard { node, message })))
    }

    /// The entry that ends the present phase, when it is due.
    fn closing(&self, now: Moment) -> Option<Entry> {
        if let Some(complaint) = self.complaint.as_ref().filter(|_| self.is_open()) {
            return Some(Entry::Abandoned(complaint.code.clone()));
        }
        let late = now >= self.deadline();
        let waiting = !self.awaited().is_empty();
        let verdict = match &self.phase {
            Phase::Join(phase) => phase.closing(&self.terms, waiting, late),
            Phase::Share(phase) => phase.closing(&self.terms, waiting, late),
            Phase::Upload(phase) => phase.closing(&self.terms, waiting, late),
            Phase::Sign(phase) => phase.closing(&self.terms, waiting, late),
            Phase::Reveal(phase) => phase.closing(&self.terms, waiting, late),
            _ => Verdict::Wait,
        };
        match verdict {
            Verdict::Wait => self
                .hopeless()
                .map(|code| Entry::Abandoned(code.as_str().to_owned())),
            Verdict::Close(nodes) => Some(Entry::Closed(Closed { nodes, at: now })),
            Verdict::Abandon(code) => Some(Entry::Abandoned(code.as_str().to_owned())),
        }
    }

    /// Why nobody needs to be waited for: for a reason that no other attempt changes, too many have
    /// refused.
    fn hopeless(&self) -> Option<Code> {
        let (of, fewest): (Vec<NodeId>, usize) = match &self.phase {
            Phase::Join(_) => (
                self.terms.plan().candidates.clone(),
                self.terms.plan().min_start.into(),
            ),
            Phase::Sign(phase) => (phase.dealers(), self.terms.threshold()),
            _ => return None,
        };
        let lasting = self.refused.iter().filter(|(node, _)| of.contains(node));
        let lasting: Vec<Code> = lasting
            .filter_map(|(_, refused)| Code::parse(&refused.code).filter(|code| code.is_lasting()))
            .collect();
        (of.len().saturating_sub(lasting.len()) < fewest)
            .then(|| lasting.first().copied())
            .flatten()
    }

    fn step(
        &mut self,
        entry: Entry,
        effects: &mut Vec<Effect>,
        key: &SecretKey,
    ) -> Result<(), Refusal> {
        let quiet = matches!(entry, Entry::Heard(_) | Entry::Uploaded(_));
        effects.push(Effect::Record(entry.clone()));
        match self.apply(entry, key) {
            Ok(()) => {}
            // A dealer's shares that do not give its committed secret: the question is void,
            // nothing is released.
            Err(refusal) if refusal.code == Code::ReconstructFailed => {
                effects.pop();
                let abandoned = Entry::Abandoned(refusal.code.as_str().to_owned());
                effects.push(Effect::Record(abandoned.clone()));
                self.apply(abandoned, key)?;
            }
            Err(refusal) => return Err(refusal),
        }
        if !quiet {
            effects.extend(self.resume());
        }
        Ok(())
    }

    /// The leaf that an attempt that was given up owes the log: without it a set that was committed
    /// stands there for ever, and no other attempt at its question follows.
    pub fn owed_leaf(&self) -> Option<Leaf> {
        match &self.phase {
            Phase::Abandoned(code, opened) => Some(self.last_leaf(*code, *opened)),
            _ => None,
        }
    }

    /// The leaf under which an attempt without a sum is on record.
    fn last_leaf(&self, code: Code, opened: bool) -> Leaf {
        let plan = self.terms.plan();
        if opened {
            return Leaf::Void(plan.ask);
        }
        Leaf::Abort(Abort {
            ask: plan.ask,
            attempt: plan.attempt,
            code: code.as_str().to_owned(),
        })
    }

    fn release_leaf(&self, folded: Folded, phase: &fold::Fold) -> Leaf {
        let plan = self.terms.plan();
        Leaf::Release(Release {
            run: plan.run,
            round: plan.round,
            t3: phase.t3,
            aggregate: folded.aggregate,
            state_root: folded.state_root,
            charge: 0,
        })
    }

    fn is_open(&self) -> bool {
        self.phase() < PhaseName::Released
    }

    fn is_out(&self, node: NodeId) -> bool {
        self.gone.contains(&node) || self.refused.iter().any(|(known, _)| *known == node)
    }
}

fn misplaced() -> Refusal {
    Refusal::new(
        Code::Storage,
        "a recorded entry does not follow from those before it",
    )
}
