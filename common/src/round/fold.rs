//! The end of phase `reveal`: the uploads of U3 are folded, the masks taken off, the sum absorbed and logged.

use super::entry::{self, Folded};
use super::line_up::Terms;
use super::reveal::Reveal;
use crate::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::mask::Sign;
use motet_secagg::message::{Logged, OpenedSecret, Released};
use motet_secagg::pair::{Kind, PairKeys, self_seed};
use motet_secagg::secret::{Secret, Seed};
use motet_secagg::sign::{SecretKey, Signature};

pub(super) struct Fold {
    reveal: Reveal,
    opened: Vec<OpenedSecret>,
    result: Option<Folded>,
}

impl Fold {
    /// Recomputes every pair seed of a lost node, so that a dealer whose opened secret does not give its advertised
    /// keys is found here and not as a wrong sum.
    pub(super) fn new(reveal: Reveal, opened: Vec<OpenedSecret>) -> Result<Self, Refusal> {
        let fold = Self { reveal, opened, result: None };
        fold.removals()?;
        Ok(fold)
    }

    pub(super) fn t2(&self) -> Digest {
        self.reveal.t2
    }

    pub(super) fn t3(&self) -> Digest {
        self.reveal.t3()
    }

    pub(super) fn result(&self) -> Option<Folded> {
        self.result
    }

    pub(super) fn folded(&mut self, folded: Folded) {
        self.result = Some(folded);
    }

    pub(super) fn task(&self) -> entry::Fold {
        entry::Fold {
            set: self.reveal.set(),
            removals: self.removals().unwrap_or_default(),
            opened: self.opened.clone(),
        }
    }

    pub(super) fn release(self, terms: &Terms, logged: Logged, key: &SecretKey) -> Result<Released, Refusal> {
        let folded = self.result.ok_or(Code::Storage)?;
        let released = Released {
            plan: terms.plan_root(),
            t3: self.reveal.t3(),
            set: self.reveal.set(),
            opened: self.opened,
            aggregate: folded.aggregate,
            state_root: folded.state_root,
            release: logged,
            signature: Signature([0; 64]),
        };
        Ok(released.signed(key))
    }

    /// Self masks of U3 come off; for a lost node, its pair masks with every node of U3.
    fn removals(&self) -> Result<Vec<(Sign, Seed)>, Refusal> {
        let mut removals = Vec::new();
        for opened in &self.opened {
            let secret = Secret::new(opened.secret);
            match opened.kind {
                Kind::Own => removals.push((Sign::Minus, self_seed(&secret, &self.reveal.t2))),
                Kind::Pair => {
                    let keys = self.lost_keys(opened.node, &secret)?;
                    for survivor in self.reveal.set() {
                        let seed = self.pair_seed(&keys, opened.node, survivor)?;
                        // A survivor below the lost node added the mask, one above it subtracted it.
                        let sign = if survivor < opened.node { Sign::Minus } else { Sign::Plus };
                        removals.push((sign, seed));
                    }
                }
            }
        }
        Ok(removals)
    }

    fn lost_keys(&self, lost: NodeId, secret: &Secret) -> Result<PairKeys, Refusal> {
        let keys = PairKeys::derive(secret);
        let advertised = self.reveal.dealt.advert(lost).map(|advert| &advert.pair);
        if advertised == Some(&keys.public()) { Ok(keys) } else { Err(blame(lost)) }
    }

    fn pair_seed(&self, keys: &PairKeys, lost: NodeId, survivor: NodeId) -> Result<Seed, Refusal> {
        let t2 = &self.reveal.t2;
        let advert = self.reveal.dealt.advert(survivor).ok_or_else(|| blame(lost))?;
        let (lower, higher) = if lost < survivor { (lost, survivor) } else { (survivor, lost) };
        let mask_ct = self
            .reveal
            .dealt
            .shares
            .get(&lower)
            .and_then(|shares| shares.bundles.iter().find(|bundle| bundle.holder == higher))
            .map(|bundle| bundle.mask_ct.as_slice())
            .ok_or_else(|| blame(lost))?;
        let seed = if lost == lower {
            let expected = keys.encapsulate(survivor, &advert.pair).map_err(|_| blame(lost))?;
            if expected != mask_ct {
                return Err(blame(lost));
            }
            keys.seed_as_lower(lost, survivor, &advert.pair, t2)
        } else {
            keys.seed_as_upper(lost, survivor, &advert.pair, mask_ct, t2)
        };
        seed.map_err(|_| blame(lost))
    }
}

fn blame(dealer: NodeId) -> Refusal {
    Refusal::new(Code::ReconstructFailed, format!("dealer `{dealer}`"))
}
