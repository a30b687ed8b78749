//! The number of each study's last roster that was signed with this folder, in `rosters.toml`: by
//! it a node tells an old roster from a new one, so no number is signed twice and none is taken
//! from the coordinator unless governance signed it.

use crate::failure::{Done, Failure};
use crate::invitation::turn;
use motet_common::roster::SignedRoster;
use motet_proto::keyfile::{read_secret_text, write_secret};
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;
use std::path::Path;

/// The number before that of a study's first roster.
const NO_ROSTER: u64 = 0;

const FILE: &str = "rosters.toml";

/// The number of the next roster of a study: written down here before anything is signed under it.
/// `shown` are the rosters that the coordinator has of the study; another operator, or this one
/// from another folder, may have signed a later one.
///
/// # Errors
/// When the file cannot be read or written, or there is no further number.
pub(crate) fn next(
    dir: &Path,
    governance: &Digest,
    study: &str,
    shown: &[SignedRoster],
) -> Done<u64> {
    let _turn = turn(dir)?;
    let mut signed = read(dir)?;
    // A roster that governance did not sign says nothing: its number could be the last that there
    // is.
    let verified = shown
        .iter()
        .filter_map(|roster| roster.verify(governance).ok());
    let epochs = verified
        .filter(|roster| roster.study_id == study)
        .map(|roster| roster.epoch);
    let last = epochs.chain(signed.get(study).copied());
    let last = last.max().unwrap_or(NO_ROSTER);
    // What the file holds is a number of TOML, which has 63 bits: nobody proposes a study so often.
    let next = last
        .checked_add(1)
        .filter(|next| i64::try_from(*next).is_ok())
        .ok_or_else(|| {
            Failure::failed(
                format!("the rosters of `{study}` have no further number"),
                "propose the study under another id",
            )
        })?;
    signed.insert(study.to_owned(), next);
    let text = toml::to_string(&signed).map_err(|error| Failure::failed(error.to_string(), ""))?;
    write_secret(&dir.join(FILE), text.as_bytes())?;
    Ok(next)
}

fn read(dir: &Path) -> Done<BTreeMap<String, u64>> {
    let path = dir.join(FILE);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = read_secret_text(&path)?;
    let restore = "restore it from a backup; without one, note the numbers that \
        `motet study show` prints and write them anew";
    Failure::read(&path, &text, restore)
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::roster::{Entry, HubKeys, Roster, SiteKeys};
    use motet_secagg::sign::SecretKey;

    fn key(seed: u8) -> SecretKey {
        SecretKey::from_seed([seed; 32])
    }

    fn roster(study: &str, epoch: u64, governance: u8) -> SignedRoster {
        let keys = |seed: u8| SiteKeys {
            identity: key(seed).public(),
            steward: key(seed + 50).public(),
            witness: key(seed + 100).public(),
        };
        let entries = (1..=4)
            .map(|seed| Entry::new(&format!("site-{seed}"), "NL", keys(seed)))
            .collect();
        let hub = HubKeys {
            signing: key(40).public(),
            log: key(41).public(),
        };
        Roster::new(study, epoch, hub, "trial", entries)
            .unwrap()
            .sign(&key(governance))
            .unwrap()
    }

    #[test]
    fn a_rosters_number_is_signed_once_and_is_no_word_of_the_coordinator() {
        let folder = tempfile::tempdir().unwrap();
        let governance = key(99).public().fingerprint();
        let next = |shown: &[SignedRoster]| next(folder.path(), &governance, "ist", shown);
        assert_eq!(next(&[]).unwrap(), 1);
        // Hidden: the coordinator shows none, or an older one.
        assert_eq!(next(&[]).unwrap(), 2);
        assert_eq!(next(&[roster("ist", 1, 99)]).unwrap(), 3);
        // Forged: another key, another study, a changed number.
        let mut changed = roster("ist", 1, 99);
        changed.roster.epoch = u64::MAX;
        let forged = [
            roster("ist", u64::MAX, 98),
            roster("other", 70, 99),
            changed,
        ];
        assert_eq!(next(&forged).unwrap(), 4);
        // Signed from another folder.
        assert_eq!(next(&[roster("ist", 9, 99)]).unwrap(), 10);
        assert_eq!(
            next(&[roster("ist", u64::MAX, 99)])
                .unwrap_err()
                .exit_code(),
            1
        );
        assert_eq!(next(&[]).unwrap(), 11);
    }
}
