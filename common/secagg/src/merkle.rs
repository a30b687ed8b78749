//! The Merkle tree of RFC 6962 section 2.1 (SHA-256, leaves under 0x00, nodes under 0x01): roots,
//! proofs that a leaf is in a tree and that a tree only grew, and their verification as in RFC 9162
//! section 2.1.
//!
//! Functions take the leaf hashes of the whole tree, which stay small here (chunks of an upload,
//! bundles of a dealer, entries of one study's log).

use crate::canonical;
use crate::digest::Digest;
use sha2::{Digest as _, Sha256};

/// The proof does not lead to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Merkle proof does not lead to the root")]
pub struct BadProof;

canonical! {
    /// Proof that a leaf stands at a place of a tree.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Inclusion {
        /// Place of the leaf, from 0.
        pub index: u64,
        /// Leaves of the tree.
        pub size: u64,
        /// Sibling hashes from the leaf upwards.
        pub path: Vec<Digest>,
    }
}

impl Inclusion {
    /// The proof for the leaf at `index`; nothing past the end.
    pub fn of(leaves: &[Digest], index: usize) -> Option<Self> {
        let path = inclusion(leaves, index)?;
        Some(Self {
            index: index as u64,
            size: leaves.len() as u64,
            path,
        })
    }

    /// Checks the proof.
    ///
    /// # Errors
    /// [`BadProof`].
    pub fn verify(&self, leaf: &Digest, root: &Digest) -> Result<(), BadProof> {
        verify_inclusion(leaf, self.index, self.size, &self.path, root)
    }
}

/// The hash of a leaf.
pub fn leaf(bytes: &[u8]) -> Digest {
    Digest(
        Sha256::new()
            .chain_update([0])
            .chain_update(bytes)
            .finalize()
            .into(),
    )
}

fn node(left: &Digest, right: &Digest) -> Digest {
    Digest(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// Splits at the largest power of two below the length; nothing where there is nothing to split.
fn halves(leaves: &[Digest]) -> Option<(&[Digest], &[Digest])> {
    let last = leaves.len().checked_sub(1).filter(|last| *last > 0)?;
    leaves.split_at_checked(1 << last.ilog2())
}

/// The root over leaf hashes; that of no leaves is SHA-256 of nothing.
pub fn root(leaves: &[Digest]) -> Digest {
    match (halves(leaves), leaves.first()) {
        (Some((left, right)), _) => node(&root(left), &root(right)),
        (None, Some(only)) => *only,
        (None, None) => Digest(Sha256::digest([]).into()),
    }
}

/// The sibling hashes of the leaf at `index`, from the leaf upwards; nothing past the end.
pub fn inclusion(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let Some((left, right)) = halves(leaves) else {
        return Some(Vec::new());
    };
    let (mut path, sibling) = if index < left.len() {
        (inclusion(left, index)?, root(right))
    } else {
        (inclusion(right, index - left.len())?, root(left))
    };
    path.push(sibling);
    Some(path)
}

/// Checks that `leaf` stands at `index` of the tree of `size` leaves with this root.
///
/// # Errors
/// [`BadProof`].
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: &Digest,
) -> Result<(), BadProof> {
    if index >= size {
        return Err(BadProof);
    }
    let mut place = index;
    let mut last = size - 1;
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return Err(BadProof);
        }
        if place & 1 == 1 || place == last {
            hash = node(sibling, &hash);
            // A node without a right neighbour moves up unchanged until it is a right child.
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = node(&hash, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    if last == 0 && hash == *root {
        Ok(())
    } else {
        Err(BadProof)
    }
}

/// The proof that the first `old` leaves are the tree that was there before; nothing unless `0 <
/// old <= size`.
pub fn consistency(leaves: &[Digest], old: usize) -> Option<Vec<Digest>> {
    if old == 0 || old > leaves.len() {
        return None;
    }
    Some(subproof(leaves, old, true))
}

/// SUBPROOF of RFC 6962; `whole` while the old tree's root is one the verifier holds.
fn subproof(leaves: &[Digest], old: usize, whole: bool) -> Vec<Digest> {
    let (Some((left, right)), true) = (halves(leaves), old < leaves.len()) else {
        return if whole {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    };
    let (mut proof, sibling) = if old <= left.len() {
        (subproof(left, old, whole), root(right))
    } else {
        (subproof(right, old - left.len(), false), root(left))
    };
    proof.push(sibling);
    proof
}

/// Checks that the tree of `new` leaves starts with the tree of `old` leaves. Nothing needs proof
/// from an empty tree.
///
/// # Errors
/// [`BadProof`].
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Digest,
    new_root: &Digest,
    proof: &[Digest],
) -> Result<(), BadProof> {
    if old > new {
        return Err(BadProof);
    }
    if old == 0 || old == new {
        let same = if old == 0 {
            *old_root == root(&[])
        } else {
            old_root == new_root
        };
        return if same && proof.is_empty() {
            Ok(())
        } else {
            Err(BadProof)
        };
    }
    // A complete old tree is a node of the new one, and its root is left out of the proof.
    let mut path = proof.iter();
    let first = if old.is_power_of_two() {
        old_root
    } else {
        path.next().ok_or(BadProof)?
    };
    let mut place = old - 1;
    let mut last = new - 1;
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    let mut before = *first;
    let mut after = *first;
    for sibling in path {
        if last == 0 {
            return Err(BadProof);
        }
        if place & 1 == 1 || place == last {
            before = node(sibling, &before);
            after = node(sibling, &after);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            after = node(&after, sibling);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    if last == 0 && before == *old_root && after == *new_root {
        Ok(())
    } else {
        Err(BadProof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::from_hex;
    use crate::encode::Canonical as _;

    fn leaves(size: usize) -> Vec<Digest> {
        (0..size).map(|i| leaf(&i.to_le_bytes())).collect()
    }

    /// The roots that the certificate-transparency projects test against.
    #[test]
    fn known_roots() {
        let entries = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
        ];
        let entries = entries
            .into_iter()
            .chain(["606162636465666768696a6b6c6d6e6f"]);
        let leaves: Vec<_> = entries
            .map(|entry| leaf(&from_hex(entry).unwrap()))
            .collect();
        let known = [
            (
                0,
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                1,
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            ),
            (
                2,
                "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            ),
            (
                3,
                "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            ),
            (
                8,
                "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
            ),
        ];
        for (size, expected) in known {
            assert_eq!(root(&leaves[..size]).hex(), expected);
        }
    }

    #[test]
    fn every_leaf_of_every_tree_is_proven_and_nothing_else_is() {
        for size in 0..=64 {
            let leaves = leaves(size);
            let root = root(&leaves);
            assert!(Inclusion::of(&leaves, size).is_none());
            for index in 0..size {
                let proof = Inclusion::of(&leaves, index).unwrap();
                assert_eq!(Inclusion::from_bytes(&proof.to_bytes()).unwrap(), proof);
                proof.verify(&leaves[index], &root).unwrap();
                for other in 0..size {
                    let at = Inclusion {
                        index: other as u64,
                        ..proof.clone()
                    };
                    assert_eq!(at.verify(&leaves[index], &root).is_ok(), other == index);
                    assert_eq!(proof.verify(&leaves[other], &root).is_ok(), other == index);
                }
                for place in 0..proof.path.len() {
                    let mut changed = proof.clone();
                    changed.path[place].0[0] ^= 1;
                    assert!(changed.verify(&leaves[index], &root).is_err());
                }
                let mut longer = proof.clone();
                longer.path.push(root);
                assert!(longer.verify(&leaves[index], &root).is_err());
                longer.path.truncate(proof.path.len().saturating_sub(1));
                assert!(proof.path.is_empty() || longer.verify(&leaves[index], &root).is_err());
                assert!(proof.verify(&leaves[index], &Digest([0; 32])).is_err());
            }
        }
        assert!(verify_inclusion(&leaf(b""), 0, 0, &[], &leaf(b"")).is_err());
    }

    #[test]
    fn every_growth_is_proven_and_no_rewriting_is() {
        let all = leaves(64);
        let mut forked = all.clone();
        forked[0] = leaf(b"rewritten");
        for new in 1..=64 {
            for old in 1..=new {
                let (before, after) = (root(&all[..old]), root(&all[..new]));
                let proof = consistency(&all[..new], old).unwrap();
                let check = |old_root: &Digest, new_root: &Digest, proof: &[Digest]| {
                    verify_consistency(old as u64, new as u64, old_root, new_root, proof)
                };
                check(&before, &after, &proof).unwrap();
                assert!(check(&root(&forked[..old]), &after, &proof).is_err());
                assert!(check(&before, &root(&forked[..new]), &proof).is_err());
                let of_fork = consistency(&forked[..new], old).unwrap();
                assert!(check(&before, &root(&forked[..new]), &of_fork).is_err());
                for place in 0..proof.len() {
                    let mut changed = proof.clone();
                    changed[place].0[31] ^= 1;
                    assert!(check(&before, &after, &changed).is_err());
                    assert!(check(&before, &after, &proof[..place]).is_err());
                }
                let mut longer = proof;
                longer.push(after);
                assert!(check(&before, &after, &longer).is_err());
            }
        }
        assert!(consistency(&all, 0).is_none() && consistency(&all[..3], 4).is_none());
        verify_consistency(0, 3, &root(&[]), &root(&all[..3]), &[]).unwrap();
        assert!(verify_consistency(0, 3, &all[0], &root(&all[..3]), &[]).is_err());
        assert!(verify_consistency(3, 2, &root(&all[..3]), &root(&all[..2]), &[]).is_err());
    }
}
