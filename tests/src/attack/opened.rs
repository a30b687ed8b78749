//! What comes of an opened set: its public record, the sum, and the release of that sum or of any
//! other.

use super::lie::Lie;
use crate::sim::cast::follow;
use motet_common::log::{Leaf, Release};
use motet_common::round::{Fold, Folded};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::evidence::{Evidence, order};
use motet_secagg::fold::Aggregate;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Kind, Message, OpenedSecret, Proposal, Released, RevealReply, t3};
use motet_secagg::shamir;
use motet_secagg::sign::Signature;
use std::collections::BTreeMap;

impl Lie {
    /// The public record of an opened proposal, its secrets put together from the replies.
    pub fn evidence(&self, proposal: &Proposal) -> Evidence {
        let set: Vec<NodeId> = proposal.roots.iter().map(|root| root.node).collect();
        let threshold = usize::from(self.terms().threshold);
        let nodes: Vec<NodeId> = self.heard.adverts.keys().copied().collect();
        let rank = |node: NodeId| {
            1 + nodes
                .iter()
                .position(|known| *known == node)
                .expect("of U1") as u8
        };
        let t3 = t3(&proposal.t2, &proposal.roots);
        let replies = self.heard.replies.iter().filter(|reply| reply.t3 == t3);
        let replies: BTreeMap<NodeId, &RevealReply> =
            replies.map(|reply| (reply.node, reply)).collect();
        let open = |dealer: &NodeId| {
            let kind = if set.contains(dealer) {
                Kind::Own
            } else {
                Kind::Pair
            };
            let share = |reply: &&RevealReply| {
                let found = reply
                    .opened
                    .iter()
                    .find(|share| share.dealer == *dealer)
                    .expect("every dealer");
                (rank(reply.node), found.share.clone())
            };
            let shares: Vec<_> = replies.values().take(threshold).map(share).collect();
            let secret = shamir::combine(&shares).expect("t shares");
            OpenedSecret {
                node: *dealer,
                kind,
                secret: *secret.expose(),
            }
        };
        let opened: Vec<OpenedSecret> = self.heard.shares.keys().map(open).collect();
        let lost = opened
            .iter()
            .filter(|opened| opened.kind == Kind::Pair)
            .map(|opened| opened.node);
        let pairs = lost.flat_map(|lost| set.iter().map(move |site| order(lost, *site)));
        Evidence {
            plan: self.plan.clone().expect("a plan"),
            adverts: self.adverts(),
            dealt: self.dealt(),
            lost: pairs
                .map(|(lower, upper)| self.delivered(lower, upper))
                .collect(),
            uploads: proposal.roots.clone(),
            point: proposal.commit.point.clone(),
            signed: self
                .request(proposal)
                .signatures
                .iter()
                .map(|by| (by.node, by.signature))
                .collect(),
            opened,
        }
    }

    /// The sum behind the evidence.
    pub fn sum(&self, evidence: &Evidence) -> Aggregate {
        let fold = Fold {
            evidence: evidence.clone(),
            removals: evidence.removals().expect("sound secrets"),
        };
        self.spools
            .fold(&fold, &evidence.shape(), evidence.t2())
            .expect("the masks come off")
    }

    /// Keeps what belongs to a sum where everybody can fetch it.
    pub(super) fn keep_sum(&mut self, evidence: &Evidence, sum: &Aggregate) -> Folded {
        let (aggregate, bytes) = (Digest::of_file(&sum.to_bytes()), evidence.to_bytes());
        let made = Digest::of_file(&bytes);
        let (t2, shape) = (evidence.t2(), evidence.shape());
        let rows =
            (0..shape.chunks()).filter_map(|index| self.spools.row(t2, &evidence.set(), index));
        self.archive.uploads.insert(t2, rows.collect());
        self.archive.evidence.insert(made, bytes);
        let state_root = follow(&evidence.plan.plan.state_root, &aggregate);
        Folded {
            aggregate,
            evidence: made,
            state_root,
        }
    }

    /// M11 for an opened proposal: honest but for the sum, which may be any.
    pub fn released(&mut self, evidence: &Evidence, sum: &Aggregate) -> Released {
        let Folded {
            aggregate,
            evidence: made,
            state_root,
        } = self.keep_sum(evidence, sum);
        let plan = self.terms().clone();
        let leaf = Release {
            run: plan.run,
            round: plan.round,
            t3: evidence.t3(),
            aggregate,
            state_root,
            charge: 0,
        };
        let release = self.log(&Leaf::Release(leaf));
        let released = Released {
            plan: plan.root(),
            t3: evidence.t3(),
            set: evidence.set(),
            opened: evidence.opened.clone(),
            aggregate,
            evidence: made,
            state_root,
            release,
            signature: Signature([0; 64]),
        };
        let released = released.signed(&self.cast.coordinator);
        self.archive.releases.insert(self.state, released.clone());
        released
    }

    /// An honest round of everybody, to its end; gives the release after every site made its sum
    /// again.
    pub fn whole_round(&mut self) -> Released {
        let released = self.whole_but_told();
        self.checked.clear();
        for site in self.all() {
            self.tell(site, Message::Released(released.clone()))
                .expect("an honest sum is made again");
        }
        self.state = released.state_root;
        released
    }

    /// The same up to the release, which nobody has seen yet.
    pub fn whole_but_told(&mut self) -> Released {
        let all = self.all();
        self.join_these_to(1, &all);
        self.share_these(&all);
        self.upload_these(&all);
        let proposal = self.proposal(&all);
        self.open_with(&all, &proposal);
        let evidence = self.evidence(&proposal);
        let sum = self.sum(&evidence);
        self.released(&evidence, &sum)
    }
}
