//! Whether the cells of a column are all different, in memory that
//! does not grow with them.

use std::collections::BTreeMap;

/// Cells that are told apart. Of more a part is: those whose hash
/// ends in so many zeros that no more are left.
const MOST: usize = 4096;

/// The cells of a column by their hashes. All cells of one text
/// are in the part, or none.
#[derive(Default)]
pub(super) struct Distinct {
    /// How often each was seen.
    cells: BTreeMap<u64, u64>,
    /// The bits of a hash that are zero.
    mask: u64,
}

impl Distinct {
    pub(super) fn add(&mut self, hash: u64) {
        if hash & self.mask != 0 {
            return;
        }
        *self.cells.entry(hash).or_insert(0) += 1;
        while self.cells.len() > MOST {
            self.mask = (self.mask << 1) | 1;
            let mask = self.mask;
            self.cells.retain(|hash, _| hash & mask == 0);
        }
    }

    /// Whether of a hundred cells so many or more are different.
    pub(super) fn are(&self, of_hundred: u64) -> bool {
        let seen: u64 = self.cells.values().sum();
        self.cells.len() as u64 * 100 >= seen * of_hundred
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    fn distinct(cells: impl Iterator<Item = u32>) -> Distinct {
        let mut all = Distinct::default();
        for cell in cells {
            let mut hasher = DefaultHasher::new();
            cell.hash(&mut hasher);
            all.add(hasher.finish());
        }
        assert!(all.cells.len() <= MOST);
        all
    }

    #[test]
    fn how_many_cells_are_different_is_known_of_many_as_of_few() {
        for rows in [100, 50_000] {
            assert!(distinct(0..rows).are(100));
            let half = distinct((0..rows).map(|n| n / 2));
            assert!(half.are(50) && !half.are(51));
            // One in ten comes a second time.
            let some =
                distinct((0..rows).flat_map(|n| [n].repeat(if n % 10 == 0 { 2 } else { 1 })));
            assert!(some.are(85) && !some.are(97));
        }
    }
}
