//! Folding: the masked uploads of a set are added chunk by chunk, the opened masks come off, and
//! the sum is absorbed.

use crate::members::disk;
use motet_common::chain::Chain;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::Fold;
use motet_ledger::{Ledger, Spool};
use motet_recipes::State;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, FoldError, fold_chunk};
use motet_secagg::id::NodeId;
use motet_secagg::mask::Shape;
use std::path::PathBuf;
use std::sync::Arc;

/// The sum, where it lies, and the state that follows from it.
pub(crate) struct Done {
    pub(crate) aggregate: Aggregate,
    pub(crate) digest: Digest,
    pub(crate) evidence: Digest,
    pub(crate) state: State,
}

/// Name of a node's spool for one attempt.
pub(crate) fn spool_name(t2: &Digest, node: NodeId) -> String {
    format!("{}-{}", t2.hex(), node.hex())
}

/// Folds the uploads of the evidence's set and follows the chain with the sum. Sum and evidence go
/// among the blobs.
///
/// # Errors
/// `sentinel_mismatch`, `range_violation`, `recipe_failed`, or `storage`.
pub(crate) async fn fold(
    fold: Fold,
    t2: Digest,
    shape: Shape,
    chain: Chain,
    candidates: usize,
    spools: PathBuf,
    ledger: Ledger,
) -> Result<Done, Refusal> {
    let set = fold.evidence.set();
    let too_many = |_| Refusal::broken("a sum of more sites, words or chunks than a plan allows");
    let sites = u32::try_from(set.len()).map_err(too_many)?;
    let removals = Arc::new(fold.removals);
    let mut words = Vec::with_capacity(usize::try_from(shape.words).map_err(too_many)?);
    for index in 0..shape.chunks() {
        let mut payloads = Vec::with_capacity(set.len());
        for node in &set {
            let spool = Spool::open(&spools, &spool_name(&t2, *node))
                .await
                .map_err(disk)?;
            payloads.push(
                spool
                    .read_chunk(u32::try_from(index).map_err(too_many)?)
                    .await
                    .map_err(disk)?,
            );
        }
        let removals = Arc::clone(&removals);
        let chunk = tokio::task::spawn_blocking(move || {
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            fold_chunk(&shape, index, &payloads, &removals, sites)
        });
        words.extend(chunk.await.map_err(disk)?.map_err(refusal)?);
    }
    debug_assert_eq!(words.len() as u64, shape.words, "the chunks are the vector");
    let aggregate = Aggregate {
        ring: shape.ring,
        words,
    };
    let digest = ledger.put_blob(&aggregate.to_bytes()).await.map_err(disk)?;
    let evidence = ledger
        .put_blob(&fold.evidence.to_bytes())
        .await
        .map_err(disk)?;
    let (aggregate, state) = tokio::task::spawn_blocking(move || {
        let state = follow(&chain, &aggregate, candidates, &set);
        (aggregate, state)
    })
    .await
    .map_err(disk)?;
    Ok(Done {
        aggregate,
        digest,
        evidence,
        state: state?,
    })
}

fn follow(
    chain: &Chain,
    aggregate: &Aggregate,
    candidates: usize,
    set: &[NodeId],
) -> Result<State, Refusal> {
    let question = chain
        .question(candidates)?
        .ok_or_else(|| Refusal::broken("a sum that answers no question"))?;
    chain.follow(aggregate, &question.layout, set)
}

fn refusal(error: FoldError) -> Refusal {
    let code = match error {
        FoldError::Sentinel { .. } => Code::SentinelMismatch,
        _ => Code::UploadMismatch,
    };
    Refusal::new(code, error.to_string())
}
