//! What a printed curve gives back: a reader who knows every printed number searches the histories
//! that fit them, and finds several.

use super::counts::Counts;
use super::curve::{Curve, Interval, Rules};
use crate::followup::{Grid, Times};

/// Points of the grid after 0.
const CELLS: usize = 12;
const LEAST: u64 = 5;

/// A group: who has the event, and who leaves after it, at each grid point.
#[derive(Clone)]
struct History {
    rows: u64,
    events: Vec<u64>,
    left: Vec<u64>,
    marks: Vec<usize>,
}

impl History {
    /// From the events and losses of some points.
    fn of(rows: u64, at: &[(usize, u64, u64)], marks: &[usize]) -> Self {
        let mut own = Self {
            rows,
            events: vec![0; CELLS + 1],
            left: vec![0; CELLS + 1],
            marks: marks.to_vec(),
        };
        for (cell, events, left) in at {
            own.events[*cell] += events;
            own.left[*cell] += left;
        }
        own
    }

    fn at_risk(&self, cell: usize) -> u64 {
        let gone: u64 = self.events[..cell].iter().chain(&self.left[..cell]).sum();
        self.rows - gone
    }

    fn curve(&self) -> Curve {
        let asked: Vec<usize> = (0..=CELLS)
            .filter(|cell| self.events[*cell] > 0 || self.marks.contains(cell) || *cell == CELLS)
            .collect();
        let grid = Grid {
            step: 30.0,
            horizon: 30.0 * CELLS as f64,
            times: Times::Grid,
        };
        let marks: Vec<f64> = self.marks.iter().map(|cell| 30.0 * *cell as f64).collect();
        let rules = Rules {
            grid: &grid,
            marks: &marks,
            tau: Some(grid.horizon),
            interval: Interval::LogLog,
            least: LEAST,
        };
        let cells: Vec<u32> = asked.iter().map(|cell| *cell as u32).collect();
        let events: Vec<u64> = asked.iter().map(|cell| self.events[*cell]).collect();
        let at_risk: Vec<u64> = asked.iter().map(|cell| self.at_risk(*cell)).collect();
        let counts = Counts {
            rows: self.rows,
            cells: &cells,
            events: &events,
            at_risk: &at_risk,
        };
        assert!(counts.possible());
        Curve::of(&rules, "a", &counts)
    }

    /// All that is printed.
    fn page(&self) -> String {
        let curve = self.curve();
        format!(
            "{:?}",
            (
                curve.rows,
                curve.events,
                &curve.points,
                &curve.marks,
                (curve.median, curve.median_low, curve.median_high),
                curve.restricted_mean,
                curve.withheld
            )
        )
    }

    /// The grid points behind each step that is printed up to the next; then those behind the last.
    fn gaps(&self) -> Vec<std::ops::RangeInclusive<usize>> {
        let curve = self.curve();
        let ends = curve.points.iter().map(|step| (step.time / 30.0) as usize);
        let mut from = 0;
        let mut gaps = Vec::new();
        for end in ends {
            gaps.push(from..=end);
            from = end + 1;
        }
        gaps.push(from..=CELLS);
        gaps
    }

    fn moved(&self, from: usize, to: usize) -> Self {
        let mut other = self.clone();
        other.events[from] -= 1;
        other.events[to] += 1;
        other
    }

    /// Those who leave between leave as long before or after it as they did.
    fn moved_with(&self, from: usize, to: usize) -> Self {
        let mut other = self.moved(from, to);
        let [first, last] = [from.min(to), from.max(to)];
        let between: u64 = other.left[first..last].iter().sum();
        other.left[first..last].fill(0);
        let end = if to > from {
            to
        } else {
            first.saturating_sub(1)
        };
        other.left[end] += between;
        other
    }

    /// This one, and with a few more or fewer who leave at one of these points, or with a few who
    /// leave at another one: how many do when is nowhere printed.
    fn with_other_losses(self, cells: &[usize]) -> Vec<Self> {
        let mut all = vec![self.clone()];
        for cell in cells {
            for left in self.left[*cell].saturating_sub(3)..=self.left[*cell] + 3 {
                let mut other = self.clone();
                other.left[*cell] = left;
                all.push(other);
            }
            for (to, count) in cells.iter().flat_map(|to| [(to, 1), (to, 2), (to, 3)]) {
                if self.left[*cell] >= count {
                    let mut other = self.clone();
                    other.left[*cell] -= count;
                    other.left[*to] += count;
                    all.push(other);
                }
            }
        }
        all.retain(Self::is_possible);
        all
    }

    fn is_possible(&self) -> bool {
        let gone: u64 = self.events.iter().chain(&self.left).sum();
        gone <= self.rows
    }
}

/// Few events with and without losses between, as two readers solved them, and some at random.
fn histories() -> Vec<History> {
    let mut all = vec![
        // 14 patients of whom 3 had it, days apart.
        History::of(14, &[(4, 0, 1), (5, 1, 0), (6, 1, 7), (10, 1, 0)], &[3]),
        // A joined step of 5 of 51, its parts 1 to 3, 37 at risk at the last.
        History::of(51, &[(1, 1, 2), (3, 2, 4), (5, 1, 4), (7, 1, 6)], &[]),
        History::of(200, &[(1, 6, 4), (3, 3, 7), (5, 2, 3)], &[]),
        History::of(200, &[(1, 6, 6), (3, 1, 16), (5, 4, 3), (8, 9, 1)], &[]),
        History::of(
            200,
            &[(1, 6, 3), (2, 2, 6), (4, 2, 5), (5, 1, 3)],
            &[2, 3, 4, 5, 6, 7, 8],
        ),
        // The median is that of a hidden event.
        History::of(
            20,
            &[(1, 6, 0), (3, 3, 0), (4, 1, 0), (6, 2, 0), (9, 1, 0)],
            &[],
        ),
    ];
    let mut some = 11_u64;
    let mut die = |of: u64| {
        some = some
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (some >> 33) % of
    };
    for rows in [14, 20, 30, 51, 90, 200] {
        for round in 0..60 {
            let at: Vec<(usize, u64, u64)> = (1..CELLS)
                .filter_map(|cell| {
                    let events = [0, 0, 1, 1, 2, 3, 6][die(7) as usize];
                    let left = [0, 0, 1, 2, 3, 5][die(6) as usize];
                    (die(3) > 0).then_some((cell, events, left))
                })
                .collect();
            let marks: Vec<usize> = match round % 3 {
                0 => Vec::new(),
                1 => vec![4, 8],
                _ => (1..CELLS).collect(),
            };
            let history = History::of(rows, &at, &marks);
            if history.is_possible() {
                all.push(history);
            }
        }
    }
    all
}

/// Whether the events of a point are nowhere printed by themselves.
fn is_hidden(history: &History, gap: &std::ops::RangeInclusive<usize>, cell: usize) -> bool {
    let is_last = *gap.end() == CELLS;
    history.events[cell] > 0 && (is_last || cell != *gap.end())
}

#[test]
fn a_hidden_event_moves_to_another_time_and_the_curve_is_printed_alike() {
    let mut hidden = 0;
    for history in histories() {
        let page = history.page();
        for gap in history.gaps() {
            let rooms: Vec<usize> = gap.clone().filter(|cell| *cell > 0).collect();
            // Between two neighbours there is no other time.
            if rooms.len() < 3 {
                continue;
            }
            let own: Vec<usize> = rooms
                .iter()
                .copied()
                .filter(|from| is_hidden(&history, &gap, *from))
                .collect();
            if own.is_empty() {
                continue;
            }
            hidden += 1;
            let pairs = own
                .iter()
                .flat_map(|from| rooms.iter().map(move |to| (*from, *to)));
            let mut others = pairs
                .filter(|(from, to)| from != to)
                .flat_map(|(from, to)| [history.moved(from, to), history.moved_with(from, to)])
                .flat_map(|other| other.with_other_losses(&rooms));
            assert!(
                others.any(|other| other.page() == page),
                "the events in {gap:?} of {:?} {:?} of {} rows, marks {:?}: {page}",
                history.events,
                history.left,
                history.rows,
                history.marks
            );
        }
    }
    assert!(hidden > 150, "{hidden}");
}

#[test]
fn the_parts_of_a_joined_step_fit_in_several_ways() {
    let mut joined = 0;
    for history in histories() {
        let page = history.page();
        for gap in history.gaps() {
            let (from, end) = (*gap.start(), *gap.end());
            let own = history.events[end];
            let all: u64 = history.events[from..=end].iter().sum();
            let room: Vec<usize> = (from.max(1)..end).collect();
            if end == CELLS || all == own || own == 0 || room.is_empty() {
                continue;
            }
            joined += 1;
            let left: u64 = history.left[from..=end].iter().sum();
            // One event more or less at the step's own time, or all others at one.
            let before = from.saturating_sub(1);
            let around: Vec<usize> = (before..=end).collect();
            let mut near = room
                .iter()
                .flat_map(|cell| [(*cell, end), (end, *cell)])
                .filter(|(of, to)| history.events[*of] > 0 && (*of != end || own > 1 || *to == end))
                .flat_map(|(of, to)| history.moved(of, to).with_other_losses(&around));
            let mut fits = near.any(|other| other.page() == page);
            'search: for other in (1..=all).filter(|other| !fits && *other != own) {
                for first in &room {
                    for early in 0..=left {
                        for between in 0..=left - early {
                            let mut tried = history.clone();
                            tried.events[from..=end].fill(0);
                            tried.left[from..=end].fill(0);
                            tried.events[*first] += all - other;
                            tried.events[end] += other;
                            // Who leaves before, between and after them; none before the gap's
                            // first point.
                            if *first > from {
                                tried.left[first - 1] += early;
                            } else if early > 0 {
                                continue;
                            }
                            tried.left[*first] += between;
                            tried.left[end] += left - early - between;
                            let mut others = tried.with_other_losses(&[before, end]).into_iter();
                            if others.any(|other| other.page() == page) {
                                fits = true;
                                break 'search;
                            }
                        }
                    }
                }
            }
            assert!(
                fits,
                "the step at {end} of {:?} {:?} of {} rows, marks {:?}: {page}",
                history.events, history.left, history.rows, history.marks
            );
        }
    }
    assert!(joined > 100, "{joined}");
}

#[test]
fn a_number_of_events_that_is_withheld_may_be_any_other() {
    let with = |events: u64| {
        let at: Vec<(usize, u64, u64)> = [3, 5, 6, 9]
            .into_iter()
            .take(events as usize)
            .map(|cell| (cell, 1, 0))
            .collect();
        History::of(40, &at, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).page()
    };
    for events in 2..LEAST {
        assert_eq!(with(events), with(1), "{events}");
    }
}

#[test]
fn no_mean_stands_beside_a_joined_step_and_no_median_at_a_hidden_event() {
    let history = History::of(14, &[(4, 0, 1), (5, 1, 0), (6, 1, 7), (10, 1, 0)], &[]);
    assert_eq!(history.curve().restricted_mean, None);
    // Half have had it at 90 days, which is no printed step.
    let curve = History::of(20, &[(1, 6, 0), (3, 4, 0), (6, 2, 0)], &[]).curve();
    let times: Vec<f64> = curve.points.iter().map(|step| step.time).collect();
    assert_eq!((times, curve.median), (vec![30.0, 180.0], Some(180.0)));
    // Steps of enough events have all of it.
    let curve = History::of(40, &[(1, 6, 5), (3, 8, 0)], &[]).curve();
    assert!(!curve.withheld && curve.restricted_mean.is_some());
    assert_eq!(curve.points[0].survival, 34.0 / 40.0);
}

#[test]
fn a_number_at_risk_parts_no_step_and_counts_no_few_who_left() {
    let at_risk = |history: &History| {
        let curve = history.curve();
        let steps = curve.points.iter().map(|step| step.at_risk);
        let marks = curve.marks.iter().map(|mark| mark.at_risk);
        (steps.collect::<Vec<_>>(), marks.collect::<Vec<_>>())
    };
    // One of the five is the step's own: rows less those at risk is the others.
    let parted = History::of(51, &[(1, 4, 0), (3, 1, 0), (5, 6, 0)], &[7]);
    assert_eq!(at_risk(&parted), (vec![None, Some(46)], vec![Some(40)]));
    // Three left between the two steps.
    let few = History::of(60, &[(1, 6, 3), (3, 6, 9), (5, 6, 0)], &[]);
    assert_eq!(at_risk(&few).0, [Some(60), None, Some(36)]);
}
