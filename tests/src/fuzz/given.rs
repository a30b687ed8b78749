//! What targets are given: a roster that is trusted, and the studies of the demo.

use crate::attack::lie::Lie;
use motet_common::log::Mirror;
use motet_common::roster::Roster;

thread_local! {
    /// The roster of four hospitals, the same wherever four of them play a round.
    static CAST: (Roster, Mirror) = {
        let cast = Lie::with_sites(4).cast;
        (cast.roster.clone(), cast.mirror())
    };
}

pub(super) fn with_roster<T>(what: impl FnOnce(&Roster, &Mirror) -> T) -> T {
    CAST.with(|(roster, mirror)| what(roster, mirror))
}

pub(super) fn study_files() -> Vec<Vec<u8>> {
    texts(&[
        include_str!("../../../cli/demo/heart/logistic.toml"),
        include_str!("../../../cli/demo/heart/fedavg.toml"),
        include_str!("../../../cli/demo/breast-tcga/cox.toml"),
        include_str!("../../../cli/demo/breast-tcga/km.toml"),
        include_str!("../../../cli/demo/stroke/fedavg.toml"),
        include_str!("../../../cli/demo/stroke/logistic.toml"),
    ])
}

/// Texts as bytes.
pub(super) fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}
