//! Walks through the model that real `Member`s take beside it, message by message: what the model's
//! site accepts, refuses, writes down and says, the real one does. The walker may do whatever a
//! coordinator may that owns one of the sites.

use super::books::{Books, OPENING};
use super::hands::{Hands, Made, of};
use super::site::{Rules, Site, Stage};
use super::words::{Leaf, Log, Plan, STOPS, Set, Step, Stop, plans, sets};
use super::worlds::HONEST;
use crate::sim::cast::{STUDY, below};
use motet_common::log::Mirror;
use motet_common::refusal::Refusal;
use motet_common::round::member::{Act, Expected, Member, admit};
use motet_common::round::pins::{Fact, Pins};
use motet_secagg::encode::Canonical as _;
use motet_secagg::message::Message;
use rand_chacha::ChaCha20Rng;

/// One real node: its disk and what runs.
struct Node {
    vault: Option<Vec<u8>>,
    facts: Vec<Fact>,
    log: Mirror,
    member: Option<Member>,
}

/// How often the two were compared.
#[derive(Debug, Default, Clone, Copy)]
pub struct Compared {
    /// Steps that both accepted.
    pub accepted: usize,
    /// Steps that both refused.
    pub refused: usize,
    /// Openings.
    pub opened: usize,
}

/// One walk.
pub struct Walk<'a> {
    hands: Hands<'a>,
    model: [Site; HONEST],
    nodes: Vec<Node>,
    heads: [Log; 2],
    compared: Compared,
}

impl<'a> Walk<'a> {
    /// A walk from the beginning.
    pub fn new(books: &'a mut Books, rng: ChaCha20Rng) -> Self {
        let log = books.mirror(OPENING).clone();
        let node = |_| Node {
            vault: None,
            facts: Vec::new(),
            log: log.clone(),
            member: None,
        };
        let nodes = (0..HONEST).map(node).collect();
        let hands = Hands::new(books, rng);
        let (model, heads) = ([Site::default(); HONEST], [OPENING; 2]);
        Self {
            hands,
            model,
            nodes,
            heads,
            compared: Compared::default(),
        }
    }

    /// Takes that many steps.
    ///
    /// # Errors
    /// Where the two part.
    pub fn run(mut self, steps: usize) -> Result<Compared, String> {
        let mut way = Vec::new();
        for _ in 0..steps {
            self.append();
            let me = below(&mut self.hands.rng, HONEST as u64) as usize;
            let step = self.draw(me);
            // A site that stops while it forgets has forgotten, or has not: the walk takes the
            // former.
            let forgets = matches!(step, Step::Show(_) | Step::Abandoned | Step::Released(_));
            let stops = !forgets && below(&mut self.hands.rng, 6) == 0;
            let stop = if stops {
                self.one_of(&STOPS)
            } else {
                Stop::Never
            };
            way.push((me, step, stop));
            self.both(me, step, stop).map_err(|text| {
                format!(
                    "{text}, after {:?}",
                    way.iter().rev().take(6).collect::<Vec<_>>()
                )
            })?;
        }
        Ok(self.compared)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[below(&mut self.hands.rng, all.len() as u64) as usize]
    }

    /// One of the two logs may grow by a leaf; a leaf that no site would follow is tried and
    /// dropped.
    fn append(&mut self) {
        if below(&mut self.hands.rng, 4) > 0 {
            return;
        }
        let at = self.one_of(&[0, 0, 1]);
        let known = self.hands.known_sets();
        let Some(set) = (!known.is_empty()).then(|| self.one_of(&known)) else {
            return;
        };
        let leaf = match below(&mut self.hands.rng, 12) {
            0 => Leaf::Release(set),
            1 => Leaf::Void,
            2 | 3 => Leaf::Abort,
            _ => Leaf::Commit(set),
        };
        let (head, grown) = (self.heads[at], self.hands.books.grow(self.heads[at], leaf));
        let real = self
            .hands
            .books
            .leaf(
                leaf,
                |set| self.hands.t3(set),
                |site| self.hands.root(set, site),
            )
            .to_bytes();
        let mut mirror = self.hands.books.cast.mirror();
        let mut log = self.hands.logs[&head].clone();
        log.leaves()
            .iter()
            .for_each(|leaf| mirror.push(leaf.clone()).expect("a leaf that was followed"));
        assert_eq!(
            mirror.push(real.clone()).is_ok(),
            grown.is_some(),
            "{leaf:?}"
        );
        if let Some(grown) = grown {
            log.push(real);
            self.hands.logs.insert(grown, log);
            self.heads[at] = grown;
        }
        if below(&mut self.hands.rng, 8) == 0 {
            self.heads[1] = self.heads[0];
        }
    }

    /// A step that may lead on, or any.
    fn draw(&mut self, me: usize) -> Step {
        let head = self.one_of(&[self.heads[0], self.heads[0], self.heads[1]]);
        let planned: Vec<Plan> = plans().collect();
        let Some(kept) = self.model[me]
            .kept
            .filter(|_| below(&mut self.hands.rng, 12) > 0)
        else {
            return if below(&mut self.hands.rng, 6) == 0 {
                Step::Show(head)
            } else {
                // Everybody hears the same plan more often than not, and the second attempt after
                // the first.
                let first = planned[usize::from(self.model[me].facts.joined > 0) * 2];
                if below(&mut self.hands.rng, 6) == 0 {
                    Step::Plan(self.one_of(&planned))
                } else {
                    Step::Plan(first)
                }
            };
        };
        let log = self.model[me].log;
        let whole = kept.plan.line_up;
        let part = |walk: &mut Self| {
            let parts: Vec<Set> = whole.parts().collect();
            if below(&mut walk.hands.rng, 8) == 0 {
                walk.one_of(&parts)
            } else {
                whole
            }
        };
        let known = self.hands.known_sets();
        let set = |walk: &mut Self| (!known.is_empty()).then(|| walk.one_of(&known));
        match (kept.stage, below(&mut self.hands.rng, 10)) {
            (_, 0) => Step::Show(head),
            (Stage::Advertised, 1..8) => Step::Adverts(part(self)),
            (Stage::Dealt, 1..9) => Step::Delivery(part(self)),
            (Stage::Masked, 1..3) => Step::Show(head),
            (Stage::Signed, 2..9) if self.model[me].told.signed.iter().any(Option::is_some) => {
                let signed = self.model[me].told.signed;
                let (t3, point) = signed
                    .into_iter()
                    .flatten()
                    .next_back()
                    .expect("one of them");
                Step::Request(t3, point, self.hands.signers(t3, point))
            }
            (Stage::Masked | Stage::Signed | Stage::Spent, 3..9) => {
                let open = self
                    .hands
                    .books
                    .open(log)
                    .map(|(open, _)| open)
                    .filter(|open| known.contains(open));
                let Some(t3) = open.or_else(|| set(self)) else {
                    return Step::Show(head);
                };
                let points = self.hands.books.points(log);
                let point = if below(&mut self.hands.rng, 3) == 0 {
                    self.one_of(&points)
                } else {
                    log
                };
                Step::Proposal(t3, point)
            }
            _ => match (below(&mut self.hands.rng, 8), set(self)) {
                (0, _) => Step::Abandoned,
                (1, Some(t3)) => Step::Released(t3),
                (2, Some(t3)) => Step::Request(t3, head, self.hands.signers(t3, head)),
                (3, Some(t3)) => Step::Proposal(t3, head),
                (4, _) => Step::Adverts(part(self)),
                (5, _) => Step::Delivery(part(self)),
                _ => Step::Plan(self.one_of(&planned)),
            },
        }
    }

    /// One step in the model and in earnest.
    fn both(&mut self, me: usize, step: Step, stop: Stop) -> Result<(), String> {
        let Some(made) = self.hands.make(me, &self.model[me], step) else {
            return Ok(());
        };
        let mut site = self.model[me];
        let accepted = site.step(me, step, Stop::Never, self.hands.books, Rules(None));
        if let Some(next) = accepted {
            site = if stop == Stop::Never {
                next
            } else {
                self.model[me]
                    .step(me, step, stop, self.hands.books, Rules(None))
                    .unwrap_or(site)
            };
        }
        let real = self.take(me, &made);
        match (&accepted, &real) {
            (Some(_), Ok(_)) => self.compared.accepted += 1,
            (None, Err(_)) => self.compared.refused += 1,
            (Some(_), Err(refusal)) => {
                return Err(format!("the model accepts, the member says {refusal}"));
            }
            (None, Ok(_)) => return Err("the model refuses, the member accepts".to_owned()),
        }
        if let Ok(acts) = real {
            self.act(me, acts, stop);
        }
        self.model[me] = site;
        self.same(me)
    }

    /// The ledgers and the last words agree.
    fn same(&mut self, me: usize) -> Result<(), String> {
        let (site, node) = (&self.model[me], &self.nodes[me]);
        let has = |is: fn(&Fact) -> bool| node.facts.iter().any(is);
        let joined = node.facts.iter().filter_map(|fact| match fact {
            Fact::Joined(joined) => Some(joined.attempt),
            _ => None,
        });
        let facts = (
            joined.max().unwrap_or(0) == u32::from(site.facts.joined),
            has(|fact| matches!(fact, Fact::Masked(_))) == (site.facts.masked > 0),
            has(|fact| matches!(fact, Fact::Spent(_))) == site.facts.spent,
        );
        if facts != (true, true, true) {
            return Err(format!("the ledgers differ: {:?} in the model", site.facts));
        }
        let word = node.member.as_ref().and_then(|member| {
            member.say_again().into_iter().find_map(|act| match act {
                Act::Tell(message) => Some(message.kind()),
                _ => None,
            })
        });
        let due = site.kept.map(|kept| match kept.stage {
            Stage::Advertised => "advert",
            Stage::Dealt => "shares",
            Stage::Masked => "upload-header",
            Stage::Signed => "set-sign",
            Stage::Spent => "reveal-reply",
        });
        if word == due {
            Ok(())
        } else {
            Err(format!("the member would say {word:?}, the model {due:?}"))
        }
    }

    /// What a real node makes of a real message.
    fn take(&mut self, me: usize, made: &Made) -> Result<Vec<Act>, Refusal> {
        let Self {
            hands: Hands { books, rng, .. },
            nodes,
            ..
        } = self;
        let node = &mut nodes[me];
        let cast = &books.cast;
        match made {
            Made::Log(log) => {
                let news: Vec<Vec<u8>> = log
                    .leaves()
                    .iter()
                    .skip(node.log.size() as usize)
                    .cloned()
                    .collect();
                let note = log.checkpoint(&cast.log_key);
                if node.log.check(&note, &cast.roster).is_ok() {
                    // Nothing new: the model takes no such step.
                    return Err(motet_common::refusal::Code::LogInconsistent.into());
                }
                node.log = node.log.grown(&note, &news, &cast.roster)?;
                Ok(Vec::new())
            }
            Made::Message(Message::Plan(signed)) => {
                if let Some(member) = node
                    .member
                    .as_ref()
                    .filter(|member| member.terms().signed() == signed)
                {
                    return Ok(member.say_again());
                }
                let mut pins = Pins::default();
                node.facts.iter().for_each(|fact| pins.apply(fact));
                let expected = Expected {
                    study: STUDY,
                    study_digest: cast.study_digest(),
                    recipe: cast.recipe(),
                    state_root: books.state,
                    layout: &cast.layout,
                    chunk_words: cast.chunk_words,
                    min_sites: 3,
                    previous: node.log.latest().map(|(_, hash)| hash).unwrap_or_default(),
                    due: None,
                };
                let who = cast.me(me, &node.log, 0);
                let mut member = Member::new(admit(signed, &expected, &pins, &who)?);
                let answer = cast.answer(rng).update();
                let acts = member.answered(answer, &cast.layout, &who, rng)?;
                (node.vault, node.member) = (None, Some(member));
                Ok(acts)
            }
            Made::Message(message) => {
                let who = cast.me(me, &node.log, 0);
                let Some(member) = &mut node.member else {
                    return Err(motet_common::refusal::Code::WrongPhase.into());
                };
                if matches!(message, Message::Delivery(_)) && member.needs_answer() {
                    // Started again since: the answer is computed once more, and what is said again
                    // is lost.
                    member.answered(cast.answer(rng).update(), &cast.layout, &who, rng)?;
                }
                member.handle(message, &who, rng)
            }
        }
    }

    /// Executes acts up to the stop, and starts again from the disk.
    fn act(&mut self, me: usize, acts: Vec<Act>, stop: Stop) {
        let place = |is: fn(&Act) -> bool| acts.iter().rposition(is).map_or(0, |at| at + 1);
        let sealed = place(|act| matches!(act, Act::Seal(_)));
        let until = match stop {
            Stop::BeforeSeal => 0,
            Stop::AfterSeal => sealed,
            Stop::AfterRecord => sealed.max(place(|act| matches!(act, Act::Record(_)))),
            Stop::Never | Stop::AfterTell => acts.len(),
        };
        for act in acts.into_iter().take(until) {
            let node = &mut self.nodes[me];
            match act {
                Act::Seal(bytes) => node.vault = Some(bytes.to_vec()),
                Act::Record(fact) => node.facts.push(fact),
                Act::Tell(message) => self.collect(me, message),
                Act::Forget => (node.vault, node.member) = (None, None),
                Act::Store(_) | Act::Discard | Act::Upload(_) | Act::Absorb(_) => {}
            }
        }
        if stop != Stop::Never {
            let (node, roster) = (&mut self.nodes[me], &self.hands.books.cast.roster);
            let restored =
                |bytes: &Vec<u8>| Member::restore(bytes, roster).expect("a vault that can be read");
            node.member = node.vault.as_ref().map(restored);
        }
    }

    /// The coordinator keeps whatever it hears.
    fn collect(&mut self, me: usize, message: Message) {
        let Some(kept) = self.nodes[me]
            .member
            .as_ref()
            .map(|member| member.terms().plan_root())
        else {
            return;
        };
        let plan = plans()
            .find(|plan| self.hands.books.plan(*plan).plan.root() == kept)
            .expect("one of ours");
        match message {
            Message::Advert(advert) => drop(self.hands.adverts.insert((plan, me), advert)),
            Message::Shares(shares) => {
                let joined = plan.line_up.parts().find(|part| {
                    self.hands
                        .advert_set(plan, *part)
                        .is_some_and(|set| set.t1() == shares.t1)
                });
                self.hands
                    .shares
                    .insert(((plan, joined.expect("a set that was shown")), me), shares);
            }
            Message::Header(header) => {
                let of = sets()
                    .into_iter()
                    .map(|t3| of(&t3))
                    .find(|t2| self.hands.t2(*t2) == Some(header.t2));
                self.hands
                    .headers
                    .insert((of.expect("a delivery that was made"), me), header);
            }
            Message::SetSign(signed) => {
                let t3 = self
                    .hands
                    .known_sets()
                    .into_iter()
                    .find(|t3| self.hands.t3(*t3) == signed.t3);
                let log = self
                    .hands
                    .logs
                    .iter()
                    .find(|(_, log)| log.point() == signed.point)
                    .map(|(log, _)| *log);
                self.hands.signed.insert(
                    (t3.expect("a known set"), log.expect("a log of ours"), me),
                    signed,
                );
            }
            Message::RevealReply(_) => self.compared.opened += 1,
            _ => {}
        }
    }
}
