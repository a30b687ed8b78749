//! What the coordinator's ledger holds of one attempt, and the shadow: a round fed with nothing but
//! that.

use super::cast::{ATTEMPT_MS, Cast, PHASE_MS, STOPS};
use super::checks::{Broken, Check, hold};
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_common::round::{Closed, Entry, PhaseName, Round, Terms};
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Message, Plan, Released, SignedPlan};

/// One attempt as it is written down.
pub struct Record {
    plan: SignedPlan,
    at: Moment,
    /// The world's moment of it, where the coordinator's clock may be off.
    opened: Moment,
    entries: Vec<Vec<u8>>,
    shadow: Round,
    closed: Vec<Closed>,
}

impl Record {
    /// The attempt's first entry: its plan.
    ///
    /// # Errors
    /// [`Broken`] when the plan is none.
    pub fn new(
        plan: SignedPlan,
        (at, opened): (Moment, Moment),
        cast: &Cast,
    ) -> Result<Self, Broken> {
        let shadow = empty(&plan, at, cast)?;
        Ok(Self {
            plan,
            at,
            opened,
            entries: Vec::new(),
            shadow,
            closed: Vec::new(),
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan.plan
    }

    /// A round to which all that was written is applied again.
    ///
    /// # Errors
    /// [`Broken`] when an entry does not follow from those before it.
    pub fn replay(&self, cast: &Cast) -> Result<Round, Broken> {
        let mut round = empty(&self.plan, self.at, cast)?;
        for bytes in &self.entries {
            apply(&mut round, bytes, cast)?;
        }
        Ok(round)
    }

    /// Writes an entry down and shows it to the shadow, as the bytes that a replay would read.
    ///
    /// # Errors
    /// [`Broken`] when the entry cannot be applied.
    pub fn write(&mut self, entry: &Entry, cast: &Cast) -> Check {
        let bytes = entry.to_bytes();
        if let Entry::Closed(closed) = entry {
            self.closed.push(closed.clone());
        }
        apply(&mut self.shadow, &bytes, cast)?;
        self.entries.push(bytes);
        Ok(())
    }

    /// Whether the record gives this message for this node.
    pub fn gives(&self, node: NodeId, message: &Message) -> bool {
        self.shadow.pending(node).contains(message)
    }

    /// The live round and the replay of its record say the same; what they say to these nodes is
    /// compared, too.
    ///
    /// # Errors
    /// [`Broken`] when they do not.
    pub fn compare(&self, live: &Round, nodes: &[NodeId]) -> Check {
        let shadow = &self.shadow;
        let open = live.phase() < PhaseName::Released;
        let same = live.phase() == shadow.phase()
            && live.t2() == shadow.t2()
            && live.refused() == shadow.refused()
            && (!open || live.deadline() == shadow.deadline());
        hold(same, || {
            let (recorded, real) = (shadow.phase().as_str(), live.phase().as_str());
            format!("the record gives phase `{recorded}`, the round is in `{real}`")
        })?;
        let told = |node: &NodeId| {
            live.pending(*node) == shadow.pending(*node)
                && live.header(*node) == shadow.header(*node)
        };
        hold(nodes.iter().all(told), || {
            "the round has something to say that its record does not give".to_owned()
        })
    }

    /// Who went on when the phase of this number closed, counted from 0.
    pub fn closed(&self, phase: usize) -> Option<&[NodeId]> {
        self.closed.get(phase).map(|closed| closed.nodes.as_slice())
    }

    /// The release, once it is on record.
    pub fn released(&self) -> Option<Released> {
        let node = *self.plan().candidates.first()?;
        self.shadow
            .pending(node)
            .into_iter()
            .find_map(|message| match message {
                Message::Released(released) => Some(released),
                _ => None,
            })
    }

    /// Who complained about whom.
    pub fn complaint(&self) -> Option<(NodeId, NodeId)> {
        self.shadow
            .complaint()
            .map(|complaint| (complaint.node, complaint.dealer))
    }

    /// Cosignatures of sites outside of the line-up.
    pub fn witnesses(&self) -> usize {
        let heard = |bytes: &&Vec<u8>| matches!(Entry::from_bytes(bytes), Ok(Entry::Heard(heard)) if heard.message.kind() == "cosignature");
        self.entries.iter().filter(heard).count()
    }

    /// The code under which the attempt was abandoned, if it was.
    pub fn code(&self) -> Option<Code> {
        self.entries
            .iter()
            .find_map(|bytes| match Entry::from_bytes(bytes) {
                Ok(Entry::Abandoned(code)) => Code::parse(&code),
                _ => None,
            })
    }

    /// By then all phases are over, however often the coordinator stopped: a clock that was set
    /// back meanwhile begins the present phase again.
    pub fn patience(&self) -> u64 {
        self.opened.ms + ATTEMPT_MS + u64::from(2 + STOPS) * u64::from(PHASE_MS)
    }
}

fn empty(plan: &SignedPlan, at: Moment, cast: &Cast) -> Result<Round, Broken> {
    let terms =
        Terms::new(plan.clone(), &cast.roster).map_err(|refusal| Broken(refusal.to_string()))?;
    Ok(Round::open(terms, at))
}

fn apply(round: &mut Round, bytes: &[u8], cast: &Cast) -> Check {
    let entry = Entry::from_bytes(bytes).map_err(|error| Broken(error.to_string()))?;
    let applied = round.apply(entry, &cast.coordinator);
    applied.map_err(|refusal| Broken(format!("a recorded entry cannot be applied: {refusal}")))
}

/// An entry in a few words.
pub fn brief(entry: &Entry) -> String {
    match entry {
        Entry::Heard(heard) => format!("`{}` of {}", heard.message.kind(), heard.node),
        Entry::Uploaded(node) => format!("the upload of {node}"),
        Entry::Closed(closed) => format!("a phase closed with {} nodes", closed.nodes.len()),
        Entry::Committed(_) => "the set is committed".to_owned(),
        Entry::Folded(_) => "the sum".to_owned(),
        Entry::Released(_) => "released".to_owned(),
        Entry::Abandoned(code) => format!("abandoned: {code}"),
    }
}
