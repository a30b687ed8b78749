//! Points of a curve, and which of them may be printed: no two numbers that are printed one after
//! the other differ by a handful of events, and none says when one of them was.

use std::ops::Range;

/// The curve at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    /// In the unit of the time column.
    pub time: f64,
    /// Rows at risk just before; none where it would tell of few events, or of few who left.
    pub at_risk: Option<u64>,
    /// Events since the point before; of a mark, 0.
    pub events: u64,
    /// Share of the group without the event.
    pub survival: f64,
    /// Greenwood's standard error; none where nobody is left.
    pub se: Option<f64>,
    /// Lower end of the 95 % interval; none where its formula has no value.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// One point of the grid that was asked about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// The curve there, with its own events.
    pub(super) point: CurvePoint,
    pub(super) at_risk: u64,
    /// Whether the study names its time.
    pub(super) is_mark: bool,
}

/// What may be printed of a curve.
#[derive(Debug, PartialEq)]
pub(super) struct Printed {
    pub(super) points: Vec<CurvePoint>,
    pub(super) marks: Vec<CurvePoint>,
    /// Whether anything is joined or kept back.
    pub(super) withheld: bool,
}

/// A time that is printed: a step, or a mark that repeats the step before.
struct Told<'a> {
    at: &'a Asked,
    /// Events since the step before; none of a mark that repeats it.
    events: u64,
    /// Whether it is printed as a mark, too.
    is_mark: bool,
}

impl Told<'_> {
    fn is_step(&self) -> bool {
        self.events > 0
    }

    /// Events of its own time.
    fn own(&self) -> u64 {
        self.at.point.events
    }

    /// Whether there were events between the step before and this time.
    fn joins(&self) -> bool {
        self.events > self.own()
    }
}

/// What may be printed of the curve of that many rows, given every asked point in the order of
/// time.
///
/// 1. The curve ends where fewer than `least` are at risk.
/// 2. Events are gathered until they are `least`. A mark is printed where none are gathered: it
///    repeats the step before. Where too few are, the step before goes, if no mark needs it, and
///    the mark is the step of both; else the mark is left out. Where too few are left over at the
///    end, the last step is kept back with them, and its marks.
/// 3. Where events are hidden between a step and the next, a mark between them would say which of
///    them came later. The step before moves to the first such mark, if no mark needs it where it
///    is, and the others are left out.
/// 4. A number at risk is printed at a step whose events are all of its own time, and at a mark
///    without events of its time; and neither these nor those who left since the last number are
///    few. Elsewhere it would give the parts of a step that joins.
pub(super) fn printed(rows: u64, asked: &[Asked], least: u64) -> Printed {
    debug_assert!(
        asked.is_sorted_by(|a, b| a.point.time < b.point.time),
        "points in the order of time"
    );
    let few = 1..least;
    let seen: Vec<&Asked> = asked
        .iter()
        .take_while(|point| point.at_risk >= least)
        .collect();
    let total: u64 = asked.iter().map(|at| at.point.events).sum();
    let mut told = gathered(&seen, &few);
    let shown: u64 = told.iter().map(|step| step.events).sum();
    let left = total.saturating_sub(shown);
    if few.contains(&left)
        && let Some(last) = told.iter().rposition(Told::is_step)
    {
        told.truncate(last);
    }
    let shown: u64 = told.iter().map(|step| step.events).sum();
    let told = marked(told, total > shown);
    debug_assert!(
        told.is_sorted_by(|a, b| a.at.point.time < b.at.point.time),
        "a printed time is later than the one before"
    );
    let at_risk = at_risk(rows, &told, &few);
    debug_assert_eq!(at_risk.len(), told.len(), "one for each time");
    let printed = |(told, at_risk): (&Told<'_>, &Option<u64>)| CurvePoint {
        at_risk: *at_risk,
        events: told.events,
        ..told.at.point.clone()
    };
    let points: Vec<CurvePoint> = told.iter().zip(&at_risk).map(printed).collect();
    let marks = points
        .iter()
        .zip(&told)
        .filter(|(_, told)| told.is_mark)
        .map(|(point, _)| CurvePoint {
            events: 0,
            ..point.clone()
        });
    let marks: Vec<CurvePoint> = marks.collect();
    let named = asked.iter().filter(|at| at.is_mark).count();
    let withheld = total > shown
        || seen.len() < asked.len()
        || marks.len() < named
        || told.iter().any(Told::joins)
        || at_risk.iter().any(Option::is_none);
    Printed {
        points: points.into_iter().filter(|step| step.events > 0).collect(),
        marks,
        withheld,
    }
}

/// Steps of enough events, and the marks that tell no fewer.
fn gathered<'a>(seen: &[&'a Asked], few: &Range<u64>) -> Vec<Told<'a>> {
    let mut told: Vec<Told<'a>> = Vec::new();
    let mut gathered = 0;
    for at in seen {
        gathered += at.point.events;
        if at.is_mark && few.contains(&gathered) {
            // A step whose time no mark has.
            gathered += told
                .pop_if(|step| !step.is_mark)
                .map_or(0, |step| step.events);
        }
        let is_step = gathered > 0 && !few.contains(&gathered);
        let is_mark = at.is_mark && (is_step || gathered == 0);
        if is_step || is_mark {
            told.push(Told {
                at,
                events: gathered,
                is_mark,
            });
            gathered = 0;
        }
    }
    told
}

/// Without marks that would date events between the step before and the next; `open` where some
/// are hidden behind the last.
fn marked(told: Vec<Told<'_>>, open: bool) -> Vec<Told<'_>> {
    let mut hides = open;
    let mut kept: Vec<Told<'_>> = Vec::with_capacity(told.len());
    // From the last: whether a step joins is known before what stands in front of it.
    for mut step in told.into_iter().rev() {
        if !step.is_step() {
            kept.push(step);
            continue;
        }
        if hides {
            // The marks behind this step, the first of them last.
            let behind = kept.iter().rev().take_while(|mark| !mark.is_step()).count();
            let first = kept.last().filter(|_| behind > 0).map(|mark| mark.at);
            kept.truncate(kept.len() - behind);
            if let Some(first) = first.filter(|_| !step.is_mark) {
                (step.at, step.is_mark) = (first, true);
            }
        }
        hides = step.joins();
        kept.push(step);
    }
    if hides {
        let behind = kept.iter().rev().take_while(|mark| !mark.is_step()).count();
        kept.truncate(kept.len() - behind);
    }
    kept.reverse();
    kept
}

/// The numbers at risk that may be printed.
fn at_risk(rows: u64, told: &[Told<'_>], few: &Range<u64>) -> Vec<Option<u64>> {
    let mut last = rows;
    // Events since then that are printed beside.
    let mut gone = 0;
    let mut numbers = Vec::with_capacity(told.len());
    for step in told {
        let number = step.at.at_risk;
        let left = last.saturating_sub(gone).saturating_sub(number);
        // Beside what is left after a step that joins, its own events would follow.
        let whole = step.own() == 0 || !step.joins();
        let is_told = whole && !few.contains(&step.own()) && !few.contains(&left);
        if is_told {
            (last, gone) = (number, step.own());
        } else {
            gone += step.events;
        }
        numbers.push(is_told.then_some(number));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u64 = 5;

    /// A group of 20 more than have the event, none of them censored: survival tells the events so
    /// far.
    fn curve(events: &[u64], is_mark: impl Fn(usize) -> bool) -> Vec<Asked> {
        let rows = events.iter().sum::<u64>() + 20;
        let mut left = rows;
        let asked = |(at, events): (usize, &u64)| {
            let at_risk = left;
            left -= events;
            let point = CurvePoint {
                time: at as f64,
                at_risk: Some(at_risk),
                events: *events,
                survival: left as f64 / rows as f64,
                se: None,
                low: None,
                high: None,
            };
            Asked {
                point,
                at_risk,
                is_mark: is_mark(at),
            }
        };
        events.iter().enumerate().map(asked).collect()
    }

    /// The steps (time, events) and marks that are printed.
    fn steps(events: &[u64], marks: &[usize], least: u64) -> (Vec<(usize, u64)>, Vec<usize>) {
        let asked = curve(events, |at| marks.contains(&at));
        let told = printed(events.iter().sum::<u64>() + 20, &asked, least);
        let step = |point: &CurvePoint| (point.time as usize, point.events);
        (
            told.points.iter().map(step).collect(),
            told.marks.iter().map(|mark| mark.time as usize).collect(),
        )
    }

    #[test]
    fn no_printed_number_and_no_difference_from_the_total_is_small() {
        let steps = |events: &[u64], least: u64| steps(events, &[], least).0;
        assert_eq!(steps(&[1, 2, 0, 3], 0), [(0, 1), (1, 2), (3, 3)]);
        assert_eq!(steps(&[1, 2, 3, 5], 5), [(2, 6), (3, 5)]);
        // Three events would be left over: the step before is kept back too.
        assert_eq!(steps(&[1, 2, 3, 5, 3], 5), [(2, 6)]);
        assert_eq!(steps(&[1, 2, 1], 5), []);
    }

    #[test]
    fn a_mark_takes_the_step_before_or_is_left_out() {
        // Two events since the step: one step of both, at the mark.
        assert_eq!(
            steps(&[6, 2, 0, 5], &[2], 5),
            (vec![(2, 8), (3, 5)], vec![2])
        );
        // The step before is a mark itself.
        assert_eq!(
            steps(&[6, 2, 5], &[0, 1], 5),
            (vec![(0, 6), (2, 7)], vec![0])
        );
        // A mark repeats the step before, where no event is hidden until the next.
        assert_eq!(steps(&[6, 0, 5], &[1], 5), (vec![(0, 6), (2, 5)], vec![1]));
        // The first event has nothing before it.
        assert_eq!(steps(&[0, 1, 7], &[0, 1], 5), (vec![(2, 8)], vec![]));
        // A step that is kept back takes its marks with it.
        assert_eq!(steps(&[6, 5, 0, 2], &[2], 5), (vec![(0, 6)], vec![]));
        assert_eq!(steps(&[1, 2, 0, 3], &[0, 1, 2, 3], 0).1, [0, 1, 2, 3]);
    }

    #[test]
    fn no_mark_says_when_a_hidden_event_was() {
        // The two before the next step lie behind the mark at 1 and before that at 3, or not.
        for hidden in [[2, 0], [0, 2], [1, 1]] {
            let events = [6, 0, 0, hidden[0], hidden[1], 5];
            assert_eq!(
                steps(&events, &[1, 2, 3], 5).0,
                steps(&[6, 0, 0, 2, 0, 5], &[1, 2], 5).0
            );
        }
        // All marks of a grid: the step keeps the one at its own time.
        for late in [2, 3, 4] {
            let mut events = [6, 0, 0, 0, 0, 5];
            events[late] = 1;
            let told = steps(&events, &[0, 1, 2, 3, 4, 5], 5);
            assert_eq!(told, (vec![(0, 6), (5, 6)], vec![0, 5]));
        }
        // Nor at the end of a curve, nor at its beginning.
        assert_eq!(steps(&[0, 0, 1, 0], &[0, 1, 3], 5), (vec![], vec![]));
    }

    #[test]
    fn a_mark_at_every_point_of_the_grid_gives_no_handful_of_events_back() {
        let mut some = 7_u64;
        for _ in 0..200 {
            let events: Vec<u64> = std::iter::repeat_with(|| {
                some = some
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                [0, 0, 1, 2, 1, 3, 6][(some >> 33) as usize % 7]
            })
            .take(50)
            .collect();
            let total = events.iter().sum::<u64>();
            let told = printed(total + 20, &curve(&events, |_| true), LEAST);
            let mut told: Vec<&CurvePoint> = told.points.iter().chain(&told.marks).collect();
            told.sort_by(|a, b| a.time.total_cmp(&b.time));
            let rows = (total + 20) as f64;
            let mut before = 1.0;
            let ends = told.iter().map(|point| point.survival).chain([20.0 / rows]);
            for survival in ends {
                let between = (rows * (before - survival)).round();
                assert!(
                    between == 0.0 || between >= LEAST as f64,
                    "{between} of {events:?}"
                );
                before = survival;
            }
        }
    }
}
