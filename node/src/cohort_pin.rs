//! That all answers of a study at this site come from the same patients: a digest of their values,
//! under a key of this site's own, is on record from the first answer on. A node that starts again
//! reads the file again, and an export of the night may have put others there; sums over both would
//! be released as if they were over one.

use crate::studies::Proposal;
use crate::{Home, NodeError, clock};
use motet_common::refusal::{Code, Refusal};
use motet_secagg::canonical;
use motet_secagg::encode::Canonical as _;
use motet_secagg::mac;
use zeroize::Zeroizing;

canonical! {
    /// Which patients answered.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Pinned {
        /// When, milliseconds since 1970-01-01 UTC.
        when_ms: u64,
        /// The keyed digest of their values.
        cohort: [u8; 32],
    }
}

/// The key of this site's pins.
pub(crate) fn key(home: &Home) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(mac::mac(home.state_key.expose(), "cohort key", &[]))
}

/// The pin of a study's latest answer.
///
/// # Errors
/// When the ledger cannot be read.
pub(crate) async fn read(home: &Home, proposal: &Proposal) -> Result<Option<[u8; 32]>, NodeError> {
    let recorded = home.ledger.read(&stream(proposal), 1).await?;
    let latest = recorded
        .last()
        .map(|recorded| Pinned::from_bytes(&recorded.entry).map_err(Refusal::from));
    Ok(latest.transpose()?.map(|pinned| pinned.cohort))
}

/// Puts a pin on record.
///
/// # Errors
/// When the ledger cannot be written.
pub(crate) async fn keep(
    home: &Home,
    proposal: &Proposal,
    cohort: [u8; 32],
) -> Result<(), NodeError> {
    let pinned = Pinned {
        when_ms: clock::now().ms,
        cohort,
    };
    home.ledger
        .append_next(&stream(proposal), &pinned.to_bytes())
        .await?;
    Ok(())
}

/// The refusal of other patients. It is for this site's own eyes: to everyone else a site whose
/// table has changed is away.
pub(crate) fn changed(dataset: &str) -> Refusal {
    Refusal::new(
        Code::DataChanged,
        format!(
            "the rows of dataset `{dataset}` for this study, or their order, are not \
             those that this site answered it with before; nothing \
             was told to anybody"
        ),
    )
}

fn stream(proposal: &Proposal) -> String {
    format!("cohort/{}/{}", proposal.study.id, proposal.digest.short())
}
