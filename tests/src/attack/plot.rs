//! An attempt that the coordinator plays by itself, with the keys of sites that work with it:
//! whatever plan, sets and sum it likes. Its record holds in itself; whether anybody goes on from
//! it is another matter.

use super::lie::Lie;
use crate::sim::cast::{STUDY, follow};
use motet_common::log::{Commit, Leaf, Publication, Release};
use motet_common::moment::Moment;
use motet_common::refusal::Refusal;
use motet_secagg::channel::ChannelSecret;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::evidence::Evidence;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::mask::{Masks, chunk_hash, upload_root};
use motet_secagg::message::{
    Advert, Checkpoint, Header, Kind, Message, OpenedSecret, Plan, Proposal, Released, SetSign,
    Shares, SignedAdvert, SignedRoot, t3,
};
use motet_secagg::pair::{PairKeys, commit, self_seed};
use motet_secagg::secret::Secret;
use motet_secagg::sign::Signature;
use std::rc::Rc;

impl Lie {
    /// The release of an attempt under any plan that only the first so many sites play, with a sum
    /// of their own choice, masked, committed and opened as it should be.
    pub fn plotted(&mut self, plan: Plan, sites: usize) -> Released {
        self.plotted_in(plan, sites, |commit| commit, None)
    }

    /// The same with another leaf in the log than the commitment to its set, or signed as seen in
    /// another log.
    pub fn plotted_in(
        &mut self,
        plan: Plan,
        sites: usize,
        change: impl FnOnce(Commit) -> Commit,
        seen: Option<Checkpoint>,
    ) -> Released {
        self.begin(plan);
        let root = self.root();
        let own: Vec<Secret> = (0..sites).map(|_| Secret::draw(&mut self.rng)).collect();
        let pair: Vec<Secret> = (0..sites).map(|_| Secret::draw(&mut self.rng)).collect();
        for site in 0..sites {
            let advert = self.plotted_advert(site, root, &own[site], &pair[site]);
            self.heard.adverts.insert(self.cast.node(site), advert);
        }
        let t1 = self.t1();
        for site in 0..sites {
            let (node, key) = (self.cast.node(site), &self.cast.sites[site].key);
            let root = SignedRoot::sign("m4", &t1, node, Digest::of("no bundles", &[]), key);
            self.heard.shares.insert(
                node,
                Shares {
                    t1,
                    bundles: Vec::new(),
                    root,
                },
            );
        }
        let t2 = self.t2();
        for (site, own) in own.iter().enumerate() {
            self.plotted_upload(site, t2, own);
        }
        let counted: Vec<usize> = (0..sites).collect();
        let roots = self.roots(&counted);
        let leaf = Leaf::Commit(change(self.commitment(&roots)));
        let mut proposal = Proposal {
            t2,
            roots,
            commit: self.log(&leaf),
        };
        proposal.commit.point = seen.unwrap_or(proposal.commit.point);
        let opened = |site| OpenedSecret {
            node: self.cast.node(site),
            kind: Kind::Own,
            secret: *own[site].expose(),
        };
        let evidence = Evidence {
            plan: self.plan.clone().expect("a plan"),
            adverts: self.adverts(),
            dealt: self.dealt(),
            lost: Vec::new(),
            uploads: proposal.roots.clone(),
            point: proposal.commit.point.clone(),
            signed: counted
                .iter()
                .map(|site| self.plotted_signature(*site, &proposal))
                .collect(),
            opened: counted.into_iter().map(opened).collect(),
        };
        let sum = self.sum(&evidence);
        self.released(&evidence, &sum)
    }

    fn plotted_signature(&self, site: usize, proposal: &Proposal) -> (NodeId, Signature) {
        let (cast, point) = (&self.cast.sites[site], proposal.commit.point.clone());
        let cosignature = point.cosign(&cast.witness, 1_700_000_000);
        let t3 = t3(&proposal.t2, &proposal.roots);
        (
            cast.node,
            SetSign::sign(t3, point, cast.node, &cast.key, cosignature).signature,
        )
    }

    fn plotted_advert(
        &self,
        site: usize,
        plan: Digest,
        own: &Secret,
        pair: &Secret,
    ) -> SignedAdvert {
        let (node, cast) = (self.cast.node(site), &self.cast.sites[site]);
        let channel = ChannelSecret::derive(own).public();
        let advert = Advert {
            plan,
            node,
            pair: PairKeys::derive(pair).public(),
            channel,
            nonce: [0; 32],
            commit_pair: commit(Kind::Pair, &plan, node, pair),
            commit_own: commit(Kind::Own, &plan, node, own),
            cosignature: self.log.point().cosign(&cast.witness, 1_700_000_000),
        };
        advert.sign(&cast.key)
    }

    fn plotted_upload(&mut self, site: usize, t2: Digest, own: &Secret) {
        let (node, layout) = (self.cast.node(site), &self.cast.layout);
        let (answer, rounding) = (self.cast.answer(&mut self.rng), Secret::draw(&mut self.rng));
        let sites = u32::try_from(self.cast.size()).expect("few sites");
        let encoded = answer
            .update()
            .encode(layout, sites, &rounding)
            .expect("an answer in range");
        let masks = Masks {
            own: self_seed(own, &t2),
            peers: Vec::new(),
        };
        let masked = encoded.with_chunk_words(self.cast.chunk_words).mask(masks);
        let chunks = masked.hashes();
        let root = SignedRoot::sign(
            "m6",
            &t2,
            node,
            upload_root(&chunks),
            &self.cast.sites[site].key,
        );
        let header = Header { t2, chunks, root };
        for (index, chunk) in masked.chunks.into_iter().enumerate() {
            self.spools.take(&header, index, &Rc::new(chunk));
        }
        self.heard.headers.insert(node, header);
    }

    /// A site that is in the present attempt signs another upload over the same T2, and the
    /// coordinator has it.
    pub fn uploads_again(&mut self, site: usize) -> SignedRoot {
        let (node, t2) = (self.cast.node(site), self.t2());
        let own = self.nodes[site].disk.masked(&self.root()).cloned();
        let mut chunks = own.expect("its masked file").chunks;
        // A masked word behind the sentinels, moved, moves the sum by as much.
        chunks[0][8] = chunks[0][8].wrapping_add(1);
        let hashes: Vec<Digest> = chunks.iter().map(|chunk| chunk_hash(chunk)).collect();
        let root = SignedRoot::sign(
            "m6",
            &t2,
            node,
            upload_root(&hashes),
            &self.cast.sites[site].key,
        );
        let header = Header {
            t2,
            chunks: hashes,
            root,
        };
        for (index, chunk) in chunks.into_iter().enumerate() {
            self.spools.take(&header, index, &Rc::new(chunk));
        }
        root
    }

    /// A release with nothing behind it: a commitment and a sum that the coordinator made up, in
    /// the log.
    pub fn made_up(&mut self, state: Digest) -> Released {
        let (run, digest) = (RunId([1; 16]), Digest::of("made up", &[&state.0]));
        let recipe = self.cast.recipe();
        let set: Vec<(NodeId, Digest)> = self
            .cast
            .nodes()
            .iter()
            .map(|node| (*node, digest))
            .collect();
        let ask = Plan::ask_key(STUDY, &recipe, &state);
        let study = STUDY.to_owned();
        let round = self.next_round();
        let commit = Commit {
            study,
            ask,
            run,
            round,
            attempt: 1,
            pin: digest,
            t3: digest,
            set,
        };
        self.log(&Leaf::Commit(commit));
        let state_root = follow(&state, &digest);
        let leaf = Release {
            run,
            round,
            t3: digest,
            aggregate: digest,
            state_root,
            charge: 0,
        };
        let release = self.log(&Leaf::Release(leaf));
        let released = Released {
            plan: digest,
            t3: digest,
            set: self.cast.nodes(),
            opened: Vec::new(),
            aggregate: digest,
            evidence: digest,
            state_root,
            release,
            signature: Signature([0; 64]),
        };
        let released = released.signed(&self.cast.coordinator);
        self.archive.releases.insert(state, released.clone());
        released
    }

    /// The result of the latest state is published in the log; where the log stands then is shown
    /// to a site.
    ///
    /// # Errors
    /// The site's refusal.
    pub fn publish_to(&mut self, site: usize) -> Result<Vec<Message>, Refusal> {
        self.publish_with(site, 0, true)
    }

    /// The same, said to rest on so many sums that were too large to be made again, and on a last
    /// one that was or was not.
    ///
    /// # Errors
    /// The site's refusal.
    pub fn publish_with(
        &mut self,
        site: usize,
        unchecked: u64,
        last_checked: bool,
    ) -> Result<Vec<Message>, Refusal> {
        let files = Digest::of("files", &[]);
        let (run, state_root) = (RunId([1; 16]), self.state);
        let leaf = Leaf::Publication(Publication {
            format: 1,
            started: Moment { ms: 0 },
            finished: Moment { ms: 0 },
            run,
            files,
            state_root,
            unchecked,
            last_checked,
        });
        if self.log.find(&leaf.to_bytes()).is_none() {
            self.log(&leaf);
        }
        let stands = self.stands();
        self.tell(site, stands)
    }
}
