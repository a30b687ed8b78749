//! The coordinator that may say anything: what the honest next step would be, built by hand, so
//! that a test can change it before it is told.

use super::forge::{self, Trick};
use super::node::{Node, Scene};
use crate::sim::cast::{Archive, Asked, Cast};
use crate::sim::spools::Spools;
use motet_common::log::{Commit, Leaf, Log};
use motet_common::refusal::Refusal;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::layout::Ring;
use motet_secagg::merkle;
use motet_secagg::message::{
    AdvertSet, Bundle, Checked, Delivered, Delivery, Header, Logged, Message, Plan, Proposal,
    RevealReply, RevealRequest, SetSign, Shares, SignedAdvert, SignedPlan, SignedRoot, Stands, t2,
    t3,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the coordinator has of one attempt.
#[derive(Default)]
pub struct Heard {
    /// M2.
    pub adverts: BTreeMap<NodeId, SignedAdvert>,
    /// M4.
    pub shares: BTreeMap<NodeId, Shares>,
    /// M6.
    pub headers: BTreeMap<NodeId, Header>,
    /// M8, all of them.
    pub signed: Vec<SetSign>,
    /// M10, all of them.
    pub replies: Vec<RevealReply>,
}

/// A lying coordinator and the hospitals it lies to.
pub struct Lie {
    /// Keys, roster, question.
    pub cast: Cast,
    /// What everybody can fetch.
    pub archive: Archive,
    /// The hospitals, in order of their node ids.
    pub nodes: Vec<Node>,
    /// The log it shows unless a test shows another.
    pub log: Log,
    /// The present attempt's plan.
    pub plan: Option<SignedPlan>,
    /// What was heard in the present attempt.
    pub heard: Heard,
    /// Who made the latest sum again.
    pub checked: BTreeMap<NodeId, Checked>,
    /// The state that asks.
    pub state: Digest,
    /// Its rng.
    pub rng: ChaCha20Rng,
    pub(super) spools: Spools,
}

impl Lie {
    /// A consortium of that many sites, one chunk in the ring of models.
    pub fn with_sites(size: usize) -> Self {
        Self::in_ring(size, Ring::Bits32)
    }

    /// The same in a chosen ring.
    pub fn in_ring(size: usize, ring: Ring) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(41);
        let cast = Cast::new(size, ring, false, &mut rng);
        Self::of(cast, rng)
    }

    /// With this cast.
    pub fn of(cast: Cast, mut rng: ChaCha20Rng) -> Self {
        let state = Digest::of("simulated-state", &[]);
        let fork = |rng: &mut ChaCha20Rng| ChaCha20Rng::seed_from_u64(rng.next_u64());
        let node = |site| Node::new(site, state, cast.mirror(), fork(&mut rng));
        let nodes = (0..cast.size()).map(node).collect();
        let (archive, log) = (Archive::default(), cast.log());
        let (heard, checked) = (Heard::default(), BTreeMap::new());
        Self {
            nodes,
            cast,
            archive,
            log,
            plan: None,
            heard,
            checked,
            state,
            rng,
            spools: Spools::default(),
        }
    }

    /// Every site.
    pub fn all(&self) -> Vec<usize> {
        (0..self.cast.size()).collect()
    }

    /// The round after the latest sum of the log.
    pub fn next_round(&self) -> u64 {
        let is_sum = |leaf: &&Vec<u8>| matches!(Leaf::from_bytes(leaf), Ok(Leaf::Release(_)));
        1 + self.log.leaves().iter().filter(is_sum).count() as u64
    }

    /// The node ids of these sites.
    pub fn ids(&self, sites: &[usize]) -> Vec<NodeId> {
        sites.iter().map(|site| self.cast.node(*site)).collect()
    }

    /// An honest plan for an attempt of everybody.
    pub fn draft(&mut self, attempt: u32) -> Plan {
        self.draft_of(attempt, &self.all())
    }

    /// An honest plan for an attempt of these sites.
    pub fn draft_of(&mut self, attempt: u32, sites: &[usize]) -> Plan {
        let asked = Asked {
            run: RunId([1; 16]),
            round: self.next_round(),
            attempt,
            state: self.state,
            candidates: self.ids(sites),
            checked: self.checked.values().cloned().collect(),
        };
        self.cast.plan(&asked, &self.log, &mut self.rng)
    }

    /// Signs a plan; it is the present attempt's from now on.
    pub fn begin(&mut self, plan: Plan) -> SignedPlan {
        let signed = self.cast.sign(plan);
        self.archive.show(&self.log);
        self.plan = Some(signed.clone());
        self.heard = Heard::default();
        signed
    }

    /// P of the present attempt.
    pub fn root(&self) -> Digest {
        self.plan.as_ref().expect("a plan").plan.root()
    }

    pub(super) fn terms(&self) -> &Plan {
        &self.plan.as_ref().expect("a plan").plan
    }

    /// Shows a message to a site and keeps what it says.
    ///
    /// # Errors
    /// The site's refusal.
    pub fn tell(&mut self, site: usize, message: Message) -> Result<Vec<Message>, Refusal> {
        let scene = Scene {
            cast: &self.cast,
            archive: &self.archive,
        };
        let said = self.nodes[site].hear(&message, &scene)?;
        self.keep(site, &said);
        Ok(said)
    }

    /// A site is killed, starts again, and says what it owes.
    pub fn restart(&mut self, site: usize) -> Vec<Message> {
        let scene = Scene {
            cast: &self.cast,
            archive: &self.archive,
        };
        self.nodes[site].restart(&self.cast);
        let said = self.nodes[site]
            .resume(&scene)
            .expect("it answers as before");
        self.keep(site, &said);
        said
    }

    /// What a site owes is asked for again, without a restart.
    pub fn resume(&mut self, site: usize) -> Vec<Message> {
        let scene = Scene {
            cast: &self.cast,
            archive: &self.archive,
        };
        let said = self.nodes[site]
            .resume(&scene)
            .expect("it answers as before");
        self.keep(site, &said);
        said
    }

    fn keep(&mut self, site: usize, said: &[Message]) {
        let node = self.cast.node(site);
        for message in said {
            match message.clone() {
                Message::Advert(advert) => drop(self.heard.adverts.insert(node, advert)),
                Message::Shares(shares) => drop(self.heard.shares.insert(node, shares)),
                Message::Header(header) => {
                    self.fetch(site, &header);
                    self.heard.headers.insert(node, header);
                }
                Message::SetSign(signed) => self.heard.signed.push(signed),
                Message::RevealReply(reply) => self.heard.replies.push(reply),
                Message::Checked(checked) => drop(self.checked.insert(node, checked)),
                _ => {}
            }
        }
    }

    fn fetch(&mut self, site: usize, header: &Header) {
        let node = &self.nodes[site];
        let masked = node.plan().and_then(|plan| node.disk.masked(&plan.root()));
        for (index, chunk) in masked
            .into_iter()
            .flat_map(|masked| masked.chunks.iter().enumerate())
        {
            self.spools.take(header, index, &Rc::new(chunk.clone()));
        }
    }

    /// M1 to one site.
    ///
    /// # Errors
    /// The site's refusal.
    pub fn join(&mut self, site: usize) -> Result<Vec<Message>, Refusal> {
        let plan = self.plan.clone().expect("a plan");
        self.tell(site, Message::Plan(plan))
    }

    /// An honest first attempt is joined by everybody.
    pub fn join_all(&mut self) {
        self.join_these_to(1, &self.all());
    }

    /// A new honest plan for everybody is the present attempt's, and is joined by these.
    pub fn join_these_to(&mut self, attempt: u32, sites: &[usize]) {
        let plan = self.draft(attempt);
        self.begin(plan);
        self.join_these(sites);
    }

    /// The present attempt is joined by these.
    pub fn join_these(&mut self, sites: &[usize]) {
        sites
            .iter()
            .for_each(|site| drop(self.join(*site).expect("a fair plan is joined")));
    }

    /// M3: everybody who joined.
    pub fn adverts(&self) -> AdvertSet {
        let adverts = self.heard.adverts.values().cloned().collect();
        AdvertSet {
            plan: self.root(),
            adverts,
            witnesses: Vec::new(),
        }
    }

    /// The honest M3 to these sites.
    pub fn share_these(&mut self, sites: &[usize]) {
        let set = Message::AdvertSet(self.adverts());
        sites.iter().for_each(|site| {
            drop(
                self.tell(*site, set.clone())
                    .expect("fair adverts are taken"),
            )
        });
    }

    /// The honest M1 and M3 to everybody.
    pub fn share_all(&mut self) {
        self.join_all();
        self.share_these(&self.all());
    }

    /// T1.
    pub fn t1(&self) -> Digest {
        self.adverts().t1()
    }

    /// The signed roots of everybody who dealt.
    pub fn dealt(&self) -> Vec<SignedRoot> {
        self.heard
            .shares
            .values()
            .map(|shares| shares.root)
            .collect()
    }

    /// T2.
    pub fn t2(&self) -> Digest {
        t2(&self.t1(), &self.dealt())
    }

    /// A dealer's bundle for a holder.
    pub fn delivered(&self, dealer: NodeId, holder: NodeId) -> Delivered {
        let bundles = &self.heard.shares[&dealer].bundles;
        let index = bundles
            .iter()
            .position(|bundle| bundle.holder == holder)
            .expect("a holder of U1");
        let leaves: Vec<Digest> = bundles.iter().map(Bundle::leaf).collect();
        let path = merkle::inclusion(&leaves, index).expect("a leaf of the tree");
        Delivered {
            bundle: bundles[index].clone(),
            path,
        }
    }

    /// M5 for a site, from these dealers.
    pub fn delivery_of(&self, site: usize, dealers: &[usize]) -> Delivery {
        let holder = self.cast.node(site);
        let dealers = self.ids(dealers);
        let roots = self
            .dealt()
            .into_iter()
            .filter(|root| dealers.contains(&root.node))
            .collect();
        let others = self
            .heard
            .shares
            .keys()
            .filter(|node| **node != holder && dealers.contains(node));
        let bundles = others
            .map(|dealer| self.delivered(*dealer, holder))
            .collect();
        Delivery {
            t1: self.t1(),
            roots,
            bundles,
        }
    }

    /// The honest M5 for a site.
    pub fn delivery(&self, site: usize) -> Delivery {
        self.delivery_of(site, &self.all())
    }

    /// The honest M5 to these sites, which upload.
    pub fn upload_these(&mut self, sites: &[usize]) {
        for site in sites {
            let delivery = Message::Delivery(self.delivery(*site));
            self.tell(*site, delivery)
                .expect("a fair delivery is taken");
        }
    }

    /// Everything honest up to the uploads of everybody.
    pub fn upload_all(&mut self) {
        self.share_all();
        self.upload_these(&self.all());
    }

    /// The upload roots of these sites.
    pub fn roots(&self, sites: &[usize]) -> Vec<SignedRoot> {
        self.ids(sites)
            .iter()
            .map(|node| self.heard.headers[node].root)
            .collect()
    }

    /// The leaf that commits to these roots in the present attempt.
    pub fn commitment(&self, roots: &[SignedRoot]) -> Commit {
        let plan = self.terms();
        Commit {
            study: plan.study.clone(),
            ask: plan.ask,
            run: plan.run,
            round: plan.round,
            attempt: plan.attempt,
            pin: plan.pin(),
            t3: t3(&self.t2(), roots),
            set: roots.iter().map(|root| (root.node, root.root)).collect(),
        }
    }

    /// A leaf enters its log, which everybody can fetch.
    pub fn log(&mut self, leaf: &Leaf) -> Logged {
        let mut log = self.log.clone();
        let logged = self.log_in(&mut log, leaf);
        self.log = log;
        logged
    }

    /// A leaf enters another log, which everybody can fetch as well.
    pub fn log_in(&mut self, log: &mut Log, leaf: &Leaf) -> Logged {
        let index = log.push(leaf.to_bytes());
        self.archive.show(log);
        log.logged(index, 1, &self.cast.log_key)
            .expect("the leaf is there")
    }

    /// M7 for these sites, committed in its log.
    pub fn proposal(&mut self, sites: &[usize]) -> Proposal {
        let roots = self.roots(sites);
        let commit = self.log(&Leaf::Commit(self.commitment(&roots)));
        Proposal {
            t2: self.t2(),
            roots,
            commit,
        }
    }

    /// M7 for these sites, committed in a copy of its log that only the reader sees.
    pub fn forked(&mut self, sites: &[usize]) -> Proposal {
        let (roots, mut fork) = (self.roots(sites), self.log.clone());
        let leaf = Leaf::Commit(self.commitment(&roots));
        let commit = self.log_in(&mut fork, &leaf);
        Proposal {
            t2: self.t2(),
            roots,
            commit,
        }
    }

    /// Proposes a set to a site.
    ///
    /// # Errors
    /// The site's refusal.
    pub fn propose_to(
        &mut self,
        site: usize,
        proposal: &Proposal,
    ) -> Result<Vec<Message>, Refusal> {
        self.tell(site, Message::Proposal(proposal.clone()))
    }

    /// These sites sign a proposal.
    pub fn sign_these(&mut self, sites: &[usize], proposal: &Proposal) {
        sites.iter().for_each(|site| {
            drop(
                self.propose_to(*site, proposal)
                    .expect("a fair set is signed"),
            )
        });
    }

    /// M9: every signature over this proposal's set, under whatever log.
    pub fn request(&self, proposal: &Proposal) -> RevealRequest {
        let t3 = t3(&proposal.t2, &proposal.roots);
        let signed = self.heard.signed.iter().filter(|signed| signed.t3 == t3);
        let signatures: BTreeMap<NodeId, SetSign> =
            signed.map(|signed| (signed.node, signed.clone())).collect();
        RevealRequest {
            t3,
            signatures: signatures.into_values().collect(),
        }
    }

    /// Asks a site to open its shares.
    ///
    /// # Errors
    /// The site's refusal.
    pub fn reveal_to(
        &mut self,
        site: usize,
        request: &RevealRequest,
    ) -> Result<Vec<Message>, Refusal> {
        self.tell(site, Message::RevealRequest(request.clone()))
    }

    /// These sites sign a set and open their shares for it.
    pub fn open_with(&mut self, sites: &[usize], proposal: &Proposal) {
        self.sign_these(sites, proposal);
        let request = self.request(proposal);
        sites.iter().for_each(|site| {
            drop(
                self.reveal_to(*site, &request)
                    .expect("a fair request is answered"),
            )
        });
    }

    /// A site deals with a trick: its vault and the coordinator have the forged M4.
    pub fn forge(&mut self, site: usize, trick: Trick) {
        let (root, set, node) = (self.root(), self.adverts(), self.cast.node(site));
        let kept = self.nodes[site].kept(&root).expect("a sealed attempt");
        let dealt = forge::deal(&self.cast, site, &kept, &set, trick, &mut self.rng);
        self.heard.shares.insert(node, dealt.shares.clone());
        self.nodes[site].tamper(&self.cast, |kept| {
            kept.shares = Some(dealt.shares);
            let mine = kept.own_shares.as_mut().expect("it dealt before");
            (mine.pair, mine.own) = (dealt.pair, dealt.own);
        });
        // Its answer was lost with its memory.
        self.resume(site);
    }

    /// A colluding site: it has forgotten everything it ever did, but for the log.
    pub fn corrupt(&mut self, site: usize) {
        let log = self.nodes[site].disk.log.clone();
        let rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        self.nodes[site] = Node::new(site, self.state, log, rng);
    }

    /// The masked chunks of a site's upload in the present attempt.
    pub fn chunks(&self, site: usize) -> Vec<Rc<Vec<u8>>> {
        let header = &self.heard.headers[&self.cast.node(site)];
        let row = |index| {
            self.spools
                .row(header.t2, &[header.root.node], index)
                .expect("a chunk")
                .remove(0)
        };
        (0..header.chunks.len()).map(row).collect()
    }

    /// Where its log stands, as it shows it to those who witness.
    pub fn stands(&mut self) -> Message {
        self.archive.show(&self.log);
        let checkpoint = self.log.checkpoint(&self.cast.log_key);
        let checked = self.checked.values().cloned().collect();
        Message::Stands(Stands {
            study: self.cast.study_digest(),
            checkpoint,
            checked,
        })
    }
}
