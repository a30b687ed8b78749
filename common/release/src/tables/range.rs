//! What rounded counts say about the true totals. The rule by which sites round is in the study's
//! parameters.

use crate::context::Context;
use motet_recipes::Rounded;
use motet_recipes::count::CountOutcome;

/// The least and the most that a true total can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// How the sites rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// To multiples of this.
    pub(crate) multiple: u64,
    /// A count below this is answered as 0.
    pub(crate) min_cell: u64,
}

impl Rule {
    /// From the parameters `multiple` and `min_cell`; nothing when the study names no such numbers.
    pub(crate) fn of(context: &Context) -> Option<Self> {
        Some(Self {
            multiple: number(context, "multiple")?,
            min_cell: number(context, "min_cell")?,
        })
    }

    /// What sites above the limit can have: a site answers `(count + multiple / 2) / multiple *
    /// multiple`, and counts from `min_cell`.
    fn above(self, sum: &Rounded, sites: u32) -> Range {
        let above = u64::from(sites).saturating_sub(sum.below);
        debug_assert!(self.multiple > 0, "rounded to multiples of a number");
        let half = self.multiple / 2;
        let low = sum.rows.saturating_sub(half.saturating_mul(above));
        let high = sum
            .rows
            .saturating_add((self.multiple - 1 - half).saturating_mul(above));
        Range {
            low: low.max(self.min_cell.saturating_mul(above)),
            high,
        }
    }

    /// All rows: a site below the limit has 0 to `min_cell - 1`.
    pub(crate) fn rows(self, outcome: &CountOutcome) -> Range {
        let Range { low, high } = self.above(&outcome.rows, outcome.sites);
        Range {
            low,
            high: high.saturating_add((self.min_cell - 1).saturating_mul(outcome.rows.below)),
        }
    }

    /// Rows with the outcome. A site that is below has few rows with the outcome or few without it,
    /// and nobody knows which: then only the rows bound it. Every site that is not has at least
    /// `min_cell` rows without the outcome.
    pub(crate) fn events(self, outcome: &CountOutcome) -> Option<Range> {
        let events = outcome.events.as_ref()?;
        let Range { low, high } = self.above(events, outcome.sites);
        let above = u64::from(outcome.sites).saturating_sub(events.below);
        let most = self
            .rows(outcome)
            .high
            .saturating_sub(self.min_cell.saturating_mul(above))
            .max(low);
        Some(Range {
            low,
            high: if events.below > 0 {
                most
            } else {
                high.min(most)
            },
        })
    }

    /// The most rows with the outcome if every site that is below has few with it.
    pub(crate) fn events_if_few(self, outcome: &CountOutcome) -> Option<u64> {
        let events = outcome.events.as_ref()?;
        let few = (self.min_cell - 1).saturating_mul(events.below);
        let high = self.above(events, outcome.sites).high.saturating_add(few);
        Some(high.min(self.events(outcome)?.high))
    }
}

/// A parameter that is a number above 0.
fn number(context: &Context, key: &str) -> Option<u64> {
    let (_, value) = context.parameters.iter().find(|(name, _)| name == key)?;
    value.trim().parse().ok().filter(|value| *value > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every division of patients over three sites stays within the range that its sum gives.
    #[test]
    fn the_true_total_is_always_in_the_range() {
        for multiple in [1, 3, 10] {
            let rule = Rule {
                multiple,
                min_cell: 5,
            };
            let answer = |count: u64, rest: u64| {
                if count < 5 || rest < 5 {
                    (0, 1)
                } else {
                    ((count + multiple / 2) / multiple * multiple, 0)
                }
            };
            let site = |seed: u64| {
                let rows = [0, 4, 5, 9, 14, 27, 44, 86][(seed % 8) as usize];
                (
                    rows,
                    [0, 1, 5, rows / 2, rows][(seed / 8 % 5) as usize].min(rows),
                )
            };
            for seed in 0..64_000 {
                let sites = [site(seed % 40), site(seed / 40 % 40), site(seed / 1600)];
                let sum = |cells: [(u64, u64); 3]| Rounded {
                    rows: cells.iter().map(|cell| cell.0).sum(),
                    below: cells.iter().map(|cell| cell.1).sum(),
                };
                let outcome = CountOutcome {
                    rounds: 1,
                    sites: 3,
                    rows: sum(sites.map(|(rows, _)| answer(rows, rows))),
                    events: Some(sum(
                        sites.map(|(rows, events)| answer(events, rows - events))
                    )),
                };
                let inside = |range: Range, total: u64| (range.low..=range.high).contains(&total);
                assert!(
                    inside(rule.rows(&outcome), sites.iter().map(|site| site.0).sum()),
                    "{sites:?}"
                );
                let events = sites.iter().map(|site| site.1).sum();
                assert!(
                    inside(rule.events(&outcome).unwrap(), events),
                    "{sites:?} {outcome:?}"
                );
            }
        }
    }
}
