//! Walks through the model that real `Member`s take beside it, message by message: what the model's site accepts, refuses,
//! writes down and says, the real one does. The walker may do whatever a coordinator may that owns one of the sites.

use super::books::{Books, OPENING};
use super::site::{Rules, Site, Stage};
use super::words::{LIAR, Leaf, Log, Plan, SITES, STOPS, Set, Step, Stop, T3, plans, sets};
use super::worlds::HONEST;
use crate::sim::cast::{STUDY, below};
use motet_common::log::{Log as RealLog, Mirror};
use motet_common::refusal::Refusal;
use motet_common::round::Terms;
use motet_common::round::member::{Act, Expected, Member, admit};
use motet_common::round::pins::{Fact, Pins};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::merkle;
use motet_secagg::message::{
    Abandoned, AdvertSet, Delivered, Delivery, Header, Logged, Message, Proposal, Released, RevealRequest,
    SetSign, Shares, SignedAdvert, SignedRoot, t2, t3,
};
use motet_secagg::sign::Signature;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;

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

type T1 = (Plan, Set);
type T2 = (Plan, Set, Set);

/// One walk.
pub struct Walk<'a> {
    books: &'a mut Books,
    dice: ChaCha20Rng,
    model: [Site; HONEST],
    nodes: Vec<Node>,
    logs: BTreeMap<Log, RealLog>,
    heads: [Log; 2],
    // what the coordinator has collected
    adverts: BTreeMap<(Plan, usize), SignedAdvert>,
    shares: BTreeMap<(T1, usize), Shares>,
    headers: BTreeMap<(T2, usize), Header>,
    signed: BTreeMap<(T3, Log, usize), SetSign>,
    /// What the coordinator's own site seals at each point where its ways part.
    liar: BTreeMap<(Plan, Set), Vec<u8>>,
    compared: Compared,
}

impl<'a> Walk<'a> {
    /// A walk from the beginning.
    pub fn new(books: &'a mut Books, dice: ChaCha20Rng) -> Self {
        let log = books.mirror(OPENING).clone();
        let node = |_| Node { vault: None, facts: Vec::new(), log: log.clone(), member: None };
        let nodes = (0..HONEST).map(node).collect();
        let logs = BTreeMap::from([(OPENING, books.empty_log())]);
        Self {
            books,
            dice,
            model: [Site::default(); HONEST],
            nodes,
            logs,
            heads: [OPENING; 2],
            adverts: BTreeMap::new(),
            shares: BTreeMap::new(),
            headers: BTreeMap::new(),
            signed: BTreeMap::new(),
            liar: BTreeMap::new(),
            compared: Compared::default(),
        }
    }

    /// Takes so many steps.
    ///
    /// # Errors
    /// Where the two part.
    pub fn run(mut self, steps: usize) -> Result<Compared, String> {
        let mut way = Vec::new();
        for _ in 0..steps {
            self.append();
            let me = below(&mut self.dice, HONEST as u64) as usize;
            let step = self.draw(me);
            // A site that stops while it forgets has forgotten, or has not: the walk takes the former.
            let forgets = matches!(step, Step::Show(_) | Step::Abandoned | Step::Released(_));
            let stops = !forgets && below(&mut self.dice, 6) == 0;
            let stop = if stops { self.one_of(&STOPS) } else { Stop::Never };
            way.push((me, step, stop));
            self.both(me, step, stop).map_err(|text| {
                format!("{text}, after {:?}", way.iter().rev().take(6).collect::<Vec<_>>())
            })?;
        }
        Ok(self.compared)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[below(&mut self.dice, all.len() as u64) as usize]
    }

    /// One of the two logs may grow by a leaf; a leaf that no site would follow is tried and dropped.
    fn append(&mut self) {
        if below(&mut self.dice, 4) > 0 {
            return;
        }
        let at = self.one_of(&[0, 0, 1]);
        let known = self.known_sets();
        let Some(set) = (!known.is_empty()).then(|| self.one_of(&known)) else { return };
        let leaf = match below(&mut self.dice, 12) {
            0 => Leaf::Release(set),
            1 => Leaf::Void,
            2 | 3 => Leaf::Abort,
            _ => Leaf::Commit(set),
        };
        let (head, grown) = (self.heads[at], self.books.grow(self.heads[at], leaf));
        let real = self.books.leaf(leaf, |set| self.t3(set), |site| self.root(set, site)).to_bytes();
        let mut mirror = self.books.cast.mirror();
        let mut log = self.logs[&head].clone();
        log.leaves().iter().for_each(|leaf| mirror.push(leaf.clone()).expect("a leaf that was followed"));
        assert_eq!(mirror.push(real.clone()).is_ok(), grown.is_some(), "{leaf:?}");
        if let Some(grown) = grown {
            log.push(real);
            self.logs.insert(grown, log);
            self.heads[at] = grown;
        }
        if below(&mut self.dice, 8) == 0 {
            self.heads[1] = self.heads[0];
        }
    }

    /// Sets whose uploads are all there.
    fn known_sets(&self) -> Vec<T3> {
        let there = |t3: &T3| t3.set.sites().all(|site| self.headers.contains_key(&(of(t3), site)));
        let mut known: Vec<T3> = sets().into_iter().filter(there).collect();
        known.retain(|t3| {
            t3.dealers.sites().all(|site| self.shares.contains_key(&((t3.plan, t3.joined), site)))
        });
        known
    }

    /// A step that may lead on, or any.
    fn draw(&mut self, me: usize) -> Step {
        let head = self.one_of(&[self.heads[0], self.heads[0], self.heads[1]]);
        let planned: Vec<Plan> = plans().collect();
        let Some(kept) = self.model[me].kept.filter(|_| below(&mut self.dice, 12) > 0) else {
            return if below(&mut self.dice, 6) == 0 {
                Step::Show(head)
            } else {
                // Everybody hears the same plan more often than not, and the second attempt after the first.
                let first = planned[usize::from(self.model[me].facts.joined > 0) * 2];
                if below(&mut self.dice, 6) == 0 {
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
            if below(&mut walk.dice, 8) == 0 { walk.one_of(&parts) } else { whole }
        };
        let known = self.known_sets();
        let set = |walk: &mut Self| (!known.is_empty()).then(|| walk.one_of(&known));
        match (kept.stage, below(&mut self.dice, 10)) {
            (_, 0) => Step::Show(head),
            (Stage::Advertised, 1..8) => Step::Adverts(part(self)),
            (Stage::Dealt, 1..9) => Step::Delivery(part(self)),
            (Stage::Masked, 1..3) => Step::Show(head),
            (Stage::Signed, 2..9) if self.model[me].told.signed.iter().any(Option::is_some) => {
                let signed = self.model[me].told.signed;
                let (t3, point) = signed.into_iter().flatten().next_back().expect("one of them");
                Step::Request(t3, point, self.signers(t3, point))
            }
            (Stage::Masked | Stage::Signed | Stage::Spent, 3..9) => {
                let open = self.books.open(log).map(|(open, _)| open).filter(|open| known.contains(open));
                let Some(t3) = open.or_else(|| set(self)) else { return Step::Show(head) };
                let points = self.books.points(log);
                let point = if below(&mut self.dice, 3) == 0 { self.one_of(&points) } else { log };
                Step::Proposal(t3, point)
            }
            _ => match (below(&mut self.dice, 8), set(self)) {
                (0, _) => Step::Abandoned,
                (1, Some(t3)) => Step::Released(t3),
                (2, Some(t3)) => Step::Request(t3, head, self.signers(t3, head)),
                (3, Some(t3)) => Step::Proposal(t3, head),
                (4, _) => Step::Adverts(part(self)),
                (5, _) => Step::Delivery(part(self)),
                _ => Step::Plan(self.one_of(&planned)),
            },
        }
    }

    fn signers(&self, t3: T3, point: Log) -> Set {
        let honest = (0..HONEST).filter(|site| self.signed.contains_key(&(t3, point, *site)));
        Set((honest.fold(0, |set, site| set | 1 << site) | 1 << LIAR) & t3.dealers.0)
    }

    /// One step in the model and in earnest.
    fn both(&mut self, me: usize, step: Step, stop: Stop) -> Result<(), String> {
        let Some(made) = self.make(me, step) else { return Ok(()) };
        let mut site = self.model[me];
        let accepted = site.step(me, step, Stop::Never, self.books, Rules(None));
        if let Some(next) = accepted {
            site = if stop == Stop::Never {
                next
            } else {
                self.model[me].step(me, step, stop, self.books, Rules(None)).unwrap_or(site)
            };
        }
        let real = self.take(me, &made);
        match (&accepted, &real) {
            (Some(_), Ok(_)) => self.compared.accepted += 1,
            (None, Err(_)) => self.compared.refused += 1,
            (Some(_), Err(refusal)) => return Err(format!("the model accepts, the member says {refusal}")),
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
        if word == due { Ok(()) } else { Err(format!("the member would say {word:?}, the model {due:?}")) }
    }

    /// What a real node makes of a real message.
    fn take(&mut self, me: usize, made: &Made) -> Result<Vec<Act>, Refusal> {
        let Self { books, nodes, dice, .. } = self;
        let node = &mut nodes[me];
        let cast = &books.cast;
        match made {
            Made::Log(log) => {
                let news: Vec<Vec<u8>> =
                    log.leaves().iter().skip(node.log.size() as usize).cloned().collect();
                let note = log.checkpoint(&cast.log_key);
                if node.log.check(&note, &cast.roster).is_ok() {
                    // Nothing new: the model takes no such step.
                    return Err(motet_common::refusal::Code::LogInconsistent.into());
                }
                node.log = node.log.grown(&note, &news, &cast.roster)?;
                Ok(Vec::new())
            }
            Made::Message(Message::Plan(signed)) => {
                if let Some(member) = node.member.as_ref().filter(|member| member.terms().signed() == signed)
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
                    due: None,
                    pins: &pins,
                };
                let who = cast.me(me, &node.log, 0);
                let mut member = Member::new(admit(signed, &expected, &who)?);
                let answer = cast.answer(dice).update();
                let acts = member.answered(answer, &cast.layout, &who, dice)?;
                (node.vault, node.member) = (None, Some(member));
                Ok(acts)
            }
            Made::Message(message) => {
                let who = cast.me(me, &node.log, 0);
                let Some(member) = &mut node.member else {
                    return Err(motet_common::refusal::Code::WrongPhase.into());
                };
                if matches!(message, Message::Delivery(_)) && member.needs_answer() {
                    // Started again since: the answer is computed once more, and what is said again is lost.
                    member.answered(cast.answer(dice).update(), &cast.layout, &who, dice)?;
                }
                member.handle(message, &who, dice)
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
                Act::Seal(bytes) => node.vault = Some(bytes),
                Act::Record(fact) => node.facts.push(fact),
                Act::Tell(message) => self.collect(me, message),
                Act::Forget => (node.vault, node.member) = (None, None),
                Act::Store(_) | Act::Discard | Act::Upload(_) | Act::Absorb(_) => {}
            }
        }
        if stop != Stop::Never {
            let (node, roster) = (&mut self.nodes[me], &self.books.cast.roster);
            let restored =
                |bytes: &Vec<u8>| Member::restore(bytes, roster).expect("a vault that can be read");
            node.member = node.vault.as_ref().map(restored);
        }
    }

    /// The coordinator keeps whatever it hears.
    fn collect(&mut self, me: usize, message: Message) {
        let Some(kept) = self.nodes[me].member.as_ref().map(|member| member.terms().plan_root()) else {
            return;
        };
        let plan = plans().find(|plan| self.books.plan(*plan).plan.root() == kept).expect("one of ours");
        match message {
            Message::Advert(advert) => drop(self.adverts.insert((plan, me), advert)),
            Message::Shares(shares) => {
                let joined = plan
                    .line_up
                    .parts()
                    .find(|part| self.advert_set(plan, *part).is_some_and(|set| set.t1() == shares.t1));
                self.shares.insert(((plan, joined.expect("a set that was shown")), me), shares);
            }
            Message::Header(header) => {
                let of = sets().into_iter().map(|t3| of(&t3)).find(|t2| self.t2(*t2) == Some(header.t2));
                self.headers.insert((of.expect("a delivery that was made"), me), header);
            }
            Message::SetSign(signed) => {
                let t3 = self.known_sets().into_iter().find(|t3| self.t3(*t3) == signed.t3);
                let log = self.logs.iter().find(|(_, log)| log.point() == signed.point).map(|(log, _)| *log);
                self.signed.insert((t3.expect("a known set"), log.expect("a log of ours"), me), signed);
            }
            Message::RevealReply(_) => self.compared.opened += 1,
            _ => {}
        }
    }

    /// The message of a step; nothing where nobody could have made it.
    fn make(&mut self, me: usize, step: Step) -> Option<Made> {
        let message = match step {
            Step::Show(log) => return Some(Made::Log(self.logs.get(&log)?.clone())),
            Step::Plan(plan) => Message::Plan(self.books.plan(plan).clone()),
            Step::Adverts(joined) => {
                let plan = self.model[me].kept?.plan;
                Message::AdvertSet(self.adverts_of(plan, joined)?)
            }
            Step::Delivery(dealers) => Message::Delivery(self.delivery(me, dealers)?),
            Step::Proposal(t3, point) => Message::Proposal(self.proposal(me, t3, point)?),
            Step::Request(t3, point, by) => Message::RevealRequest(self.request(t3, point, by)?),
            Step::Abandoned => {
                let plan = self.books.plan(self.model[me].kept?.plan).plan.root();
                Message::Abandoned(Abandoned { plan, code: "deadline".to_owned() })
            }
            Step::Released(t3) => Message::Released(self.released(t3)?),
        };
        Some(Made::Message(message))
    }

    fn advert_set(&self, plan: Plan, joined: Set) -> Option<AdvertSet> {
        let adverts = joined.sites().map(|site| self.adverts.get(&(plan, site)).cloned());
        let root = self.books.plan(plan).plan.root();
        Some(AdvertSet { plan: root, adverts: adverts.collect::<Option<_>>()?, witnesses: Vec::new() })
    }

    fn adverts_of(&mut self, plan: Plan, joined: Set) -> Option<AdvertSet> {
        let Self { books, dice, .. } = self;
        let (cast, signed) = (&books.cast, books.plan(plan).clone());
        if !self.adverts.contains_key(&(plan, LIAR)) {
            let mut member = Member::new(Terms::new(signed, &cast.roster).expect("a fair plan"));
            let log = books.mirror(OPENING);
            let acts =
                member.answered(cast.answer(dice).update(), &cast.layout, &cast.me(LIAR, log, 0), dice);
            for act in acts.expect("a fair answer") {
                match act {
                    Act::Seal(bytes) => drop(self.liar.insert((plan, Set(0)), bytes)),
                    Act::Tell(Message::Advert(advert)) => drop(self.adverts.insert((plan, LIAR), advert)),
                    _ => {}
                }
            }
        }
        self.advert_set(plan, joined)
    }

    /// The coordinator's own site deals, or masks, from what it sealed.
    fn liars(&mut self, from: (Plan, Set), message: &Message) -> Option<(Vec<u8>, Message)> {
        let Self { books, dice, liar, .. } = self;
        let cast = &books.cast;
        let mut member = Member::restore(liar.get(&from)?, &cast.roster).ok()?;
        let who = cast.me(LIAR, books.mirror(OPENING), 0);
        member.answered(cast.answer(dice).update(), &cast.layout, &who, dice).ok()?;
        let (mut sealed, mut said) = (None, None);
        for act in member.handle(message, &who, dice).ok()? {
            match act {
                Act::Seal(bytes) => sealed = Some(bytes),
                Act::Tell(message) => said = Some(message),
                _ => {}
            }
        }
        Some((sealed?, said?))
    }

    fn shares_of(&mut self, (plan, joined): T1, dealers: Set) -> Option<Vec<Shares>> {
        if dealers.holds(LIAR) && !self.shares.contains_key(&((plan, joined), LIAR)) {
            let adverts = Message::AdvertSet(self.adverts_of(plan, joined)?);
            let (sealed, said) = self.liars((plan, Set(0)), &adverts)?;
            self.liar.insert((plan, joined), sealed);
            if let Message::Shares(shares) = said {
                self.shares.insert(((plan, joined), LIAR), shares);
            }
        }
        dealers.sites().map(|site| self.shares.get(&((plan, joined), site)).cloned()).collect()
    }

    fn delivery_to(&mut self, to: usize, (plan, joined, dealers): T2) -> Option<Delivery> {
        let dealt = self.shares_of((plan, joined), dealers)?;
        let t1 = dealt.first()?.t1;
        let at = joined.sites().position(|site| site == to)?;
        let mut bundles = Vec::new();
        for shares in dealt.iter().filter(|shares| shares.root.node != self.books.cast.node(to)) {
            let leaves: Vec<Digest> = shares.bundles.iter().map(|bundle| bundle.leaf()).collect();
            let path = merkle::inclusion(&leaves, at)?;
            bundles.push(Delivered { bundle: shares.bundles.get(at)?.clone(), path });
        }
        Some(Delivery { t1, roots: dealt.iter().map(|shares| shares.root).collect(), bundles })
    }

    fn delivery(&mut self, me: usize, dealers: Set) -> Option<Delivery> {
        let kept = self.model[me].kept?;
        // Of the line-up that the site was shown, or of the whole where it was shown none.
        let met = if kept.joined.is_empty() { kept.plan.line_up } else { kept.joined };
        let (plan, of) = (kept.plan, (kept.plan, met, dealers));
        if dealers.holds(LIAR) && !self.headers.contains_key(&(of, LIAR)) && of.1.holds(LIAR) {
            let own = self.delivery_to(LIAR, of)?;
            if let Some((_, Message::Header(header))) = self.liars((plan, of.1), &Message::Delivery(own)) {
                self.headers.insert((of, LIAR), header);
            }
        }
        self.delivery_to(me, of)
    }

    fn t2(&self, (plan, joined, dealers): T2) -> Option<Digest> {
        let dealt = dealers.sites().map(|site| self.shares.get(&((plan, joined), site)));
        let roots =
            dealt.map(|shares| shares.map(|shares| shares.root)).collect::<Option<Vec<SignedRoot>>>()?;
        Some(t2(&self.advert_set(plan, joined)?.t1(), &roots))
    }

    fn roots(&self, set: T3) -> Option<Vec<SignedRoot>> {
        set.set.sites().map(|site| Some(self.headers.get(&(of(&set), site))?.root)).collect()
    }

    fn t3(&self, set: T3) -> Digest {
        let made = || Some(t3(&self.t2(of(&set))?, &self.roots(set)?));
        made().unwrap_or_else(|| Books::t3(set))
    }

    fn root(&self, set: T3, site: usize) -> Digest {
        self.headers.get(&(of(&set), site)).map_or(Digest::default(), |header| header.root.root)
    }

    fn proposal(&self, me: usize, set: T3, point: Log) -> Option<Proposal> {
        let roots = self.roots(set)?;
        let leaf =
            self.books.leaf(Leaf::Commit(set), |set| self.t3(set), |site| self.root(set, site)).to_bytes();
        let shown = self.logs.get(&point)?;
        let index =
            shown.find(&leaf).or_else(|| self.logs.get(&self.model[me].log)?.find(&leaf)).unwrap_or(0);
        let commit = Logged {
            leaf,
            index,
            inclusion: shown.inclusion(index),
            point: shown.point(),
            checkpoint: shown.checkpoint(&self.books.cast.log_key),
            consistency: Vec::new(),
        };
        Some(Proposal { t2: self.t2(of(&set))?, roots, commit })
    }

    fn request(&self, set: T3, point: Log, by: Set) -> Option<RevealRequest> {
        let (t3, at) = (self.t3(set), self.logs.get(&point)?.point());
        let signatures = by.sites().map(|site| {
            if site == LIAR {
                let own = &self.books.cast.sites[LIAR];
                let cosignature = at.cosign(&own.witness, 0);
                return Some(SetSign::sign(t3, at.clone(), own.node, &own.key, cosignature));
            }
            self.signed.get(&(set, point, site)).cloned()
        });
        Some(RevealRequest { t3, signatures: signatures.collect::<Option<_>>()? })
    }

    fn released(&self, set: T3) -> Option<Released> {
        let log = &self.logs[&OPENING];
        let released = Released {
            plan: self.books.plan(set.plan).plan.root(),
            t3: self.t3(set),
            set: set.set.sites().map(|site| self.books.cast.node(site)).collect(),
            opened: Vec::new(),
            aggregate: Digest::default(),
            evidence: Digest::default(),
            state_root: Digest::default(),
            release: log.logged(0, 1, &self.books.cast.log_key)?,
            signature: Signature([0; 64]),
        };
        Some(released.signed(&self.books.cast.coordinator))
    }
}

fn of(t3: &T3) -> T2 {
    debug_assert!(t3.set.is_in(Set((1 << SITES) - 1)));
    (t3.plan, t3.joined, t3.dealers)
}

/// A step in earnest.
enum Made {
    Log(RealLog),
    Message(Message),
}
