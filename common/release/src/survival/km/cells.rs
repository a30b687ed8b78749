//! Curves of few patients: steps of few events are joined to the next one, and a curve ends where
//! few are at risk.

use crate::kit::cells::small;
use motet_recipes::km::printed;
use motet_recipes::{Curve, CurvePoint, KmOutcome};

/// The curves without numbers of 1 to `smallest - 1` patients or events. Where a group is that
/// small, the number of all rows is that of the groups that are shown, so that no difference tells.
pub(crate) fn protect(found: &mut KmOutcome, smallest: u64) {
    found
        .curves
        .iter_mut()
        .for_each(|curve| thin(curve, smallest));
    if rows_hidden(found, smallest) {
        let shown = found
            .curves
            .iter()
            .map(|curve| curve.rows)
            .filter(|rows| !small(*rows, smallest));
        found.rows = shown.sum();
    }
    let hidden = events_hidden(found);
    // A comparison with a group that is not shown tells of it.
    if rows_hidden(found, smallest) {
        found.log_rank = None;
    }
    if let Some(test) = &mut found.log_rank
        && (hidden || test.observed.iter().any(|events| small(*events, smallest)))
    {
        test.observed.clear();
        test.expected.clear();
    }
}

/// Whether a group is too small for its number to be shown.
pub(crate) fn rows_hidden(found: &KmOutcome, smallest: u64) -> bool {
    found.curves.iter().any(|curve| small(curve.rows, smallest))
}

/// Whether a group has too few events for their number to be shown; then that of all would tell it.
pub(crate) fn events_hidden(found: &KmOutcome) -> bool {
    found.curves.iter().any(|curve| curve.events.is_none())
}

fn thin(curve: &mut Curve, smallest: u64) {
    let before = (curve.points.len(), curve.marks.len(), curve.events);
    if small(curve.rows, smallest) {
        *curve = Curve {
            group: std::mem::take(&mut curve.group),
            rows: curve.rows,
            events: None,
            points: Vec::new(),
            marks: Vec::new(),
            median: None,
            median_low: None,
            median_high: None,
            restricted_mean: None,
            withheld: true,
        };
        return;
    }
    let total = curve
        .events
        .unwrap_or_else(|| curve.points.iter().map(|point| point.events).sum());
    let others = curve
        .marks
        .iter()
        .filter(|mark| !stands_among(mark, &curve.points));
    let mut seen: Vec<&CurvePoint> = curve
        .points
        .iter()
        .chain(others)
        .filter(|point| point.at_risk >= smallest)
        .collect();
    seen.sort_by(|a, b| a.time.total_cmp(&b.time));
    let (points, marks) = printed(
        seen,
        |point| stands_among(point, &curve.marks),
        total,
        smallest,
    );
    debug_assert!(
        points.is_sorted_by(|a, b| a.time < b.time),
        "a step is later than the one before"
    );
    curve.points = points;
    curve.marks = marks;
    curve.events = curve.events.filter(|events| !small(*events, smallest));
    curve.withheld |= before != (curve.points.len(), curve.marks.len(), curve.events);
    if curve.withheld {
        // A time that is told beyond the last step that is shown would be that of a step which is
        // not.
        let last = curve
            .points
            .iter()
            .chain(&curve.marks)
            .map(|point| point.time)
            .fold(0.0, f64::max);
        for found in [
            &mut curve.median,
            &mut curve.median_low,
            &mut curve.median_high,
        ] {
            *found = found.filter(|time| *time <= last);
        }
    }
}

fn stands_among(point: &CurvePoint, others: &[CurvePoint]) -> bool {
    others.iter().any(|other| other.time == point.time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(rows: u64, steps: &[(u64, u64)]) -> Curve {
        let point = |(at, (at_risk, events)): (usize, &(u64, u64))| CurvePoint {
            time: at as f64 + 1.0,
            at_risk: *at_risk,
            events: *events,
            survival: 0.9,
            se: None,
            low: None,
            high: None,
        };
        Curve {
            group: "a".to_owned(),
            rows,
            events: Some(steps.iter().map(|step| step.1).sum()),
            points: steps.iter().enumerate().map(point).collect(),
            marks: Vec::new(),
            median: Some(3.0),
            median_low: None,
            median_high: None,
            restricted_mean: None,
            withheld: false,
        }
    }

    fn thinned(rows: u64, steps: &[(u64, u64)]) -> Curve {
        let mut curve = curve(rows, steps);
        thin(&mut curve, 5);
        curve
    }

    #[test]
    fn single_events_are_joined_and_a_short_tail_goes_with_the_step_before() {
        let steps = |curve: &Curve| {
            curve
                .points
                .iter()
                .map(|p| (p.time, p.events))
                .collect::<Vec<_>>()
        };
        let joined = thinned(40, &[(40, 3), (30, 2), (20, 6)]);
        assert_eq!(
            (steps(&joined), joined.withheld),
            (vec![(2.0, 5), (3.0, 6)], true)
        );
        let short = thinned(40, &[(40, 5), (30, 5), (20, 3)]);
        assert_eq!(steps(&short), [(1.0, 5)]);
        let whole = thinned(40, &[(40, 5), (30, 5)]);
        assert!(!whole.withheld && whole.events == Some(10));
    }

    #[test]
    fn a_small_group_loses_its_numbers_and_its_curve_ends_where_few_are_at_risk() {
        let few = thinned(4, &[(4, 2)]);
        assert!(few.points.is_empty() && few.median.is_none() && few.events.is_none());
        let late = thinned(40, &[(40, 5), (30, 9), (4, 2)]);
        assert!(late.points.iter().all(|point| point.at_risk >= 5) && late.median.is_none());
    }

    #[test]
    fn no_difference_of_all_and_the_other_groups_tells_a_small_one() {
        let curves = vec![curve(40, &[(40, 9)]), curve(3, &[(3, 1)])];
        let mut found = KmOutcome {
            rounds: 2,
            sites: 3,
            rows: 43,
            events: 10,
            curves,
            log_rank: None,
        };
        super::protect(&mut found, 5);
        assert_eq!(found.rows, 40);
        assert!(events_hidden(&found) && rows_hidden(&found, 5));
    }
}
