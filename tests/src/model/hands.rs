//! What the coordinator of a walk has collected, and the real messages it can make of that.

use super::books::{Books, OPENING};
use super::site::Site;
use super::words::{LIAR, Leaf, Log, Plan, SITES, Set, Step, T3, sets};
use super::worlds::HONEST;
use motet_common::log::Log as RealLog;
use motet_common::round::Terms;
use motet_common::round::member::{Act, Member};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::merkle;
use motet_secagg::message::{
    Abandoned, AdvertSet, Delivered, Delivery, Header, Logged, Message, Proposal, Released,
    RevealRequest, SetSign, Shares, SignedAdvert, SignedRoot, t2, t3,
};
use motet_secagg::sign::Signature;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeMap;

/// Plan and U1.
pub type T1 = (Plan, Set);
/// Plan, U1 and U2.
pub type T2 = (Plan, Set, Set);

/// Everything in the coordinator's hands.
pub struct Hands<'a> {
    /// The books.
    pub books: &'a mut Books,
    /// All rng of the walk.
    pub rng: ChaCha20Rng,
    /// Real logs.
    pub logs: BTreeMap<Log, RealLog>,
    /// M2.
    pub adverts: BTreeMap<(Plan, usize), SignedAdvert>,
    /// M4.
    pub shares: BTreeMap<(T1, usize), Shares>,
    /// M6.
    pub headers: BTreeMap<(T2, usize), Header>,
    /// M8.
    pub signed: BTreeMap<(T3, Log, usize), SetSign>,
    /// What its own site seals where its ways part.
    liar: BTreeMap<(Plan, Set), Vec<u8>>,
}

/// A step in earnest.
#[expect(clippy::large_enum_variant, reason = "one at a time, consumed at once")]
pub enum Made {
    /// A log to follow.
    Log(RealLog),
    /// A message.
    Message(Message),
}

impl<'a> Hands<'a> {
    /// Empty hands.
    pub fn new(books: &'a mut Books, rng: ChaCha20Rng) -> Self {
        Self {
            logs: BTreeMap::from([(OPENING, books.empty_log())]),
            books,
            rng,
            adverts: BTreeMap::new(),
            shares: BTreeMap::new(),
            headers: BTreeMap::new(),
            signed: BTreeMap::new(),
            liar: BTreeMap::new(),
        }
    }

    /// The message of a step; nothing where nobody could have made it.
    pub fn make(&mut self, me: usize, site: &Site, step: Step) -> Option<Made> {
        let message = match step {
            Step::Show(log) => return Some(Made::Log(self.logs.get(&log)?.clone())),
            Step::Plan(plan) => Message::Plan(self.books.plan(plan).clone()),
            Step::Adverts(joined) => {
                let plan = site.kept?.plan;
                Message::AdvertSet(self.adverts_of(plan, joined)?)
            }
            Step::Delivery(dealers) => Message::Delivery(self.delivery(me, site, dealers)?),
            Step::Proposal(t3, point) => Message::Proposal(self.proposal(site, t3, point)?),
            Step::Request(t3, point, by) => Message::RevealRequest(self.request(t3, point, by)?),
            Step::Abandoned => {
                let plan = self.books.plan(site.kept?.plan).plan.root();
                Message::Abandoned(Abandoned {
                    plan,
                    code: "deadline".to_owned(),
                })
            }
            Step::Released(t3) => Message::Released(self.released(t3)?),
        };
        Some(Made::Message(message))
    }

    /// M3 of those who advertised.
    pub fn advert_set(&self, plan: Plan, joined: Set) -> Option<AdvertSet> {
        let adverts = joined
            .sites()
            .map(|site| self.adverts.get(&(plan, site)).cloned());
        let root = self.books.plan(plan).plan.root();
        Some(AdvertSet {
            plan: root,
            adverts: adverts.collect::<Option<_>>()?,
            witnesses: Vec::new(),
        })
    }

    fn adverts_of(&mut self, plan: Plan, joined: Set) -> Option<AdvertSet> {
        let Self { books, rng, .. } = self;
        let (cast, signed) = (&books.cast, books.plan(plan).clone());
        if !self.adverts.contains_key(&(plan, LIAR)) {
            let mut member = Member::new(Terms::new(signed, &cast.roster).expect("a fair plan"));
            let log = books.mirror(OPENING);
            let acts = member.answered(
                cast.answer(rng).update(),
                &cast.layout,
                &cast.me(LIAR, log, 0),
                rng,
            );
            for act in acts.expect("a fair answer") {
                match act {
                    Act::Seal(bytes) => drop(self.liar.insert((plan, Set(0)), bytes.to_vec())),
                    Act::Tell(Message::Advert(advert)) => {
                        drop(self.adverts.insert((plan, LIAR), advert))
                    }
                    _ => {}
                }
            }
        }
        self.advert_set(plan, joined)
    }

    /// The coordinator's own site deals, or masks, from what it sealed.
    fn liars(&mut self, from: (Plan, Set), message: &Message) -> Option<(Vec<u8>, Message)> {
        let Self {
            books, rng, liar, ..
        } = self;
        let cast = &books.cast;
        let mut member = Member::restore(liar.get(&from)?, &cast.roster).ok()?;
        let who = cast.me(LIAR, books.mirror(OPENING), 0);
        member
            .answered(cast.answer(rng).update(), &cast.layout, &who, rng)
            .ok()?;
        let (mut sealed, mut said) = (None, None);
        for act in member.handle(message, &who, rng).ok()? {
            match act {
                Act::Seal(bytes) => sealed = Some(bytes.to_vec()),
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
        dealers
            .sites()
            .map(|site| self.shares.get(&((plan, joined), site)).cloned())
            .collect()
    }

    fn delivery_to(&mut self, to: usize, (plan, joined, dealers): T2) -> Option<Delivery> {
        let dealt = self.shares_of((plan, joined), dealers)?;
        let t1 = dealt.first()?.t1;
        let at = joined.sites().position(|site| site == to)?;
        let mut bundles = Vec::new();
        for shares in dealt
            .iter()
            .filter(|shares| shares.root.node != self.books.cast.node(to))
        {
            let leaves: Vec<Digest> = shares.bundles.iter().map(|bundle| bundle.leaf()).collect();
            let path = merkle::inclusion(&leaves, at)?;
            bundles.push(Delivered {
                bundle: shares.bundles.get(at)?.clone(),
                path,
            });
        }
        Some(Delivery {
            t1,
            roots: dealt.iter().map(|shares| shares.root).collect(),
            bundles,
        })
    }

    fn delivery(&mut self, me: usize, site: &Site, dealers: Set) -> Option<Delivery> {
        let kept = site.kept?;
        // Of the line-up that the site was shown, or of the whole where it was shown none.
        let met = if kept.joined.is_empty() {
            kept.plan.line_up
        } else {
            kept.joined
        };
        let (plan, of) = (kept.plan, (kept.plan, met, dealers));
        if dealers.holds(LIAR) && !self.headers.contains_key(&(of, LIAR)) && of.1.holds(LIAR) {
            let own = self.delivery_to(LIAR, of)?;
            if let Some((_, Message::Header(header))) =
                self.liars((plan, of.1), &Message::Delivery(own))
            {
                self.headers.insert((of, LIAR), header);
            }
        }
        self.delivery_to(me, of)
    }

    /// T2, where everybody has dealt.
    pub fn t2(&self, (plan, joined, dealers): T2) -> Option<Digest> {
        let dealt = dealers
            .sites()
            .map(|site| self.shares.get(&((plan, joined), site)));
        let roots = dealt
            .map(|shares| shares.map(|shares| shares.root))
            .collect::<Option<Vec<SignedRoot>>>()?;
        Some(t2(&self.advert_set(plan, joined)?.t1(), &roots))
    }

    fn roots(&self, set: T3) -> Option<Vec<SignedRoot>> {
        set.set
            .sites()
            .map(|site| Some(self.headers.get(&(of(&set), site))?.root))
            .collect()
    }

    /// T3 of a set, or a digest that stands for one that nobody can make.
    pub fn t3(&self, set: T3) -> Digest {
        let made = || Some(t3(&self.t2(of(&set))?, &self.roots(set)?));
        made().unwrap_or_else(|| Books::t3(set))
    }

    /// The upload root of a site.
    pub fn root(&self, set: T3, site: usize) -> Digest {
        self.headers
            .get(&(of(&set), site))
            .map_or(Digest::default(), |header| header.root.root)
    }

    fn proposal(&self, site: &Site, set: T3, point: Log) -> Option<Proposal> {
        let roots = self.roots(set)?;
        let leaf = self
            .books
            .leaf(
                Leaf::Commit(set),
                |set| self.t3(set),
                |site| self.root(set, site),
            )
            .to_bytes();
        let shown = self.logs.get(&point)?;
        let index = shown
            .find(&leaf)
            .or_else(|| self.logs.get(&site.log)?.find(&leaf))
            .unwrap_or(0);
        let commit = Logged {
            leaf,
            index,
            inclusion: shown.inclusion(index),
            point: shown.point(),
            checkpoint: shown.checkpoint(&self.books.cast.log_key),
            consistency: Vec::new(),
        };
        Some(Proposal {
            t2: self.t2(of(&set))?,
            roots,
            commit,
        })
    }

    fn request(&self, set: T3, point: Log, by: Set) -> Option<RevealRequest> {
        let (t3, at) = (self.t3(set), self.logs.get(&point)?.point());
        let signatures = by.sites().map(|site| {
            if site == LIAR {
                let own = &self.books.cast.sites[LIAR];
                let cosignature = at.cosign(&own.witness, 0);
                return Some(SetSign::sign(
                    t3,
                    at.clone(),
                    own.node,
                    &own.key,
                    cosignature,
                ));
            }
            self.signed.get(&(set, point, site)).cloned()
        });
        Some(RevealRequest {
            t3,
            signatures: signatures.collect::<Option<_>>()?,
        })
    }

    fn released(&self, set: T3) -> Option<Released> {
        let log = &self.logs[&OPENING];
        let released = Released {
            plan: self.books.plan(set.plan).plan.root(),
            t3: self.t3(set),
            set: set
                .set
                .sites()
                .map(|site| self.books.cast.node(site))
                .collect(),
            opened: Vec::new(),
            aggregate: Digest::default(),
            evidence: Digest::default(),
            state_root: Digest::default(),
            release: log.logged(0, 1, &self.books.cast.log_key)?,
            signature: Signature([0; 64]),
        };
        Some(released.signed(&self.books.cast.coordinator))
    }

    /// Sets whose uploads are all there.
    pub fn known_sets(&self) -> Vec<T3> {
        let there = |t3: &T3| {
            t3.set
                .sites()
                .all(|site| self.headers.contains_key(&(of(t3), site)))
        };
        let mut known: Vec<T3> = sets().into_iter().filter(there).collect();
        known.retain(|t3| {
            t3.dealers
                .sites()
                .all(|site| self.shares.contains_key(&((t3.plan, t3.joined), site)))
        });
        known
    }

    /// Who has signed a set under a log, the coordinator's own site among them.
    pub fn signers(&self, t3: T3, point: Log) -> Set {
        let honest = (0..HONEST).filter(|site| self.signed.contains_key(&(t3, point, *site)));
        Set((honest.fold(0, |set, site| set | 1 << site) | 1 << LIAR) & t3.dealers.0)
    }
}

/// T2 of a set.
pub fn of(t3: &T3) -> T2 {
    debug_assert!(t3.set.is_in(Set((1 << SITES) - 1)));
    (t3.plan, t3.joined, t3.dealers)
}
