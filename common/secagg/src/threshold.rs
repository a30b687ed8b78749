//! How many nodes may collude, how many must open and how many must stay.
//!
//! Two sets of `t` openers, each honest node in at most one of them, would need `2t <= R + C`; `t =
//! floor((R+C)/2) + 1` makes that impossible, so a question can be opened once only (Bonawitz et
//! al. 2017, the malicious-server bound). R is the roster, not the plan's line-up: two line-ups of
//! one question may have no honest node in common, each under a log of its own, and numbers that
//! are computed from each would let both open.

/// The largest line-up the protocol is meant for: every pair shares a mask, so work grows with the
/// square.
pub const LARGEST_LINE_UP: usize = 250;

/// The fewest sites in any sum, whatever a study or a site asks for.
pub const FEWEST_SITES: usize = 3;

/// The numbers of one line-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// C: hospitals that may collude with the coordinator without any sum being opened twice.
    pub colluders: usize,
    /// t: signatures and shares that opening a sum takes.
    pub threshold: usize,
    /// s: sites that must still be in the sum.
    pub survivors: usize,
}

/// The line-up cannot reach the survivors that privacy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a line-up of `{candidates}` is too small: `{needed}` sites \
     must stay in the sum; invite more sites"
)]
pub struct LineUpTooSmall {
    /// Nodes of the plan.
    pub candidates: usize,
    /// Survivors needed.
    pub needed: usize,
}

impl Thresholds {
    /// The numbers for `candidates` nodes of a roster of that many, of which `colluders` may
    /// collude; `h_min` sites besides the colluders must stay, and never fewer than `floor` (the
    /// study's and the sites' own minimum) or [`FEWEST_SITES`].
    ///
    /// # Errors
    /// [`LineUpTooSmall`] when more must stay than there are.
    pub fn of(
        candidates: usize,
        roster: usize,
        colluders: usize,
        h_min: usize,
        floor: usize,
    ) -> Result<Self, LineUpTooSmall> {
        let threshold = (roster.max(candidates).saturating_add(colluders) / 2).saturating_add(1);
        let survivors = FEWEST_SITES
            .max(threshold)
            .max(colluders.saturating_add(h_min))
            .max(floor);
        if survivors > candidates {
            return Err(LineUpTooSmall {
                candidates,
                needed: survivors,
            });
        }
        Ok(Self {
            colluders,
            threshold,
            survivors,
        })
    }
}

/// The colluders a roster of this size assumes unless governance writes another number:
/// `floor((roster - 1) / 3)`.
pub fn default_colluders(roster: usize) -> usize {
    roster.saturating_sub(1) / 3
}

/// The honest sites that must stay besides the colluders unless governance writes another number:
/// 3, but 2 for a roster of four, where one colluder and one drop-out leave a site mixed with one
/// honest other.
pub fn default_h_min(roster: usize) -> usize {
    if roster == 4 { 2 } else { 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_line_ups() {
        // candidates: colluders, threshold, survivors, drop-outs tolerated
        let table = [
            (3, 0, 2, 3, 0),
            (4, 1, 3, 3, 1),
            (5, 1, 4, 4, 1),
            (6, 1, 4, 4, 2),
            (7, 2, 5, 5, 2),
            (8, 2, 6, 6, 2),
            (9, 2, 6, 6, 3),
            (10, 3, 7, 7, 3),
            (11, 3, 8, 8, 3),
            (12, 3, 8, 8, 4),
            (13, 4, 9, 9, 4),
            (14, 4, 10, 10, 4),
            (15, 4, 10, 10, 5),
            (16, 5, 11, 11, 5),
        ];
        for (n, colluders, threshold, survivors, tolerated) in table {
            assert_eq!(default_colluders(n), colluders);
            let numbers = Thresholds::of(n, n, colluders, default_h_min(n), 0).unwrap();
            assert_eq!(
                numbers,
                Thresholds {
                    colluders,
                    threshold,
                    survivors
                }
            );
            assert_eq!(n - numbers.survivors, tolerated);
        }
    }

    #[test]
    fn two_reveal_quorums_never_fit() {
        for n in 3..=LARGEST_LINE_UP {
            for colluders in 0..n {
                for candidates in [3, n / 2, n - n / 3, n] {
                    if let Ok(numbers) = Thresholds::of(candidates, n, colluders, 1, 0) {
                        // Whatever the line-ups: honest nodes reveal once, colluders in both, n - c
                        // + 2c places for two quorums.
                        assert!(2 * numbers.threshold > n + colluders);
                        assert!(
                            numbers.threshold <= numbers.survivors
                                && numbers.survivors <= candidates
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn more_survivors_than_candidates_are_refused() {
        let refused = |candidates, needed| Err(LineUpTooSmall { candidates, needed });
        assert_eq!(Thresholds::of(2, 2, 0, 3, 0), refused(2, 3));
        assert_eq!(Thresholds::of(4, 4, 1, 3, 5), refused(4, 5));
        assert_eq!(Thresholds::of(4, 4, 2, 3, 0), refused(4, 5));
        assert_eq!(Thresholds::of(6, 6, 1, 3, 5).unwrap().survivors, 5);
        assert_eq!(
            Thresholds::of(10, 10, usize::MAX, 3, 0).unwrap_err().needed,
            usize::MAX
        );
        // Six of ten: openers are counted of ten.
        assert_eq!(Thresholds::of(6, 10, 3, 3, 0), refused(6, 7));
    }
}
