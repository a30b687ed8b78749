//! Roots and proofs of every tree up to 300 leaves against `ct-merkle`, an implementation of RFC
//! 6962 by other people.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use motet_secagg::digest::Digest;
use motet_secagg::merkle::{
    consistency, inclusion, leaf, root, verify_consistency, verify_inclusion,
};
use sha2::Sha256;

const LARGEST: usize = 300;

/// Every root, every inclusion proof and every consistency proof, byte for byte; each of theirs
/// passes our check.
#[test]
fn trees_of_another_implementation_are_ours() {
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let mut leaves = Vec::new();
    let mut roots = Vec::new();
    for size in 0..=LARGEST {
        let ours = root(&leaves);
        assert_eq!(
            ours.0.as_slice(),
            theirs.root().as_bytes().as_slice(),
            "root of {size}"
        );
        roots.push(ours);
        for index in 0..size {
            let proof = theirs.prove_inclusion(index);
            let path = digests(proof.as_bytes());
            assert_eq!(
                inclusion(&leaves, index),
                Some(path.clone()),
                "leaf {index} of {size}"
            );
            verify_inclusion(&leaves[index], index as u64, size as u64, &path, &ours).unwrap();
        }
        for (old, before) in roots.iter().enumerate().take(size).skip(1) {
            let proof = theirs.prove_consistency(size - old);
            let path = digests(proof.as_bytes());
            assert_eq!(
                consistency(&leaves, old),
                Some(path.clone()),
                "{old} to {size}"
            );
            verify_consistency(old as u64, size as u64, before, &ours, &path).unwrap();
        }
        let entry = vec![size as u8; size % 5];
        leaves.push(leaf(&entry));
        theirs.push(entry);
    }
}

fn digests(bytes: &[u8]) -> Vec<Digest> {
    bytes
        .as_chunks::<32>()
        .0
        .iter()
        .map(|hash| Digest(*hash))
        .collect()
}
