//! Points of a curve, and which of them may be printed: no two numbers that are printed one after
//! the other differ by a handful of events.

/// The curve at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvePoint {
    /// In the unit of the time column.
    pub time: f64,
    /// Rows at risk just before.
    pub at_risk: u64,
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

/// The steps that may be printed of `seen`, points in the order of time with the events since the
/// point before, and of its marks those that tell nothing further.
///
/// Events are gathered until they are `least`. A mark is printed where none are gathered: it
/// repeats the step before. Where too few are, the step before goes, if no mark needs it, and the
/// mark is the step of both; else the mark is left out. Where too few of all `total` events are
/// left over at the end, the last step is kept back with them, and its marks.
pub fn printed<'a>(
    seen: impl IntoIterator<Item = &'a CurvePoint>,
    is_mark: impl Fn(&CurvePoint) -> bool,
    total: u64,
    least: u64,
) -> (Vec<CurvePoint>, Vec<CurvePoint>) {
    let mut points: Vec<CurvePoint> = Vec::new();
    let mut marks: Vec<CurvePoint> = Vec::new();
    let few = 1..least;
    let mut gathered = 0;
    for point in seen {
        let is_mark = is_mark(point);
        gathered += point.events;
        if is_mark && few.contains(&gathered) {
            gathered += points
                .pop_if(|step| marks.last().is_none_or(|mark| mark.time < step.time))
                .map_or(0, |step| step.events);
        }
        if gathered > 0 && !few.contains(&gathered) {
            points.push(CurvePoint {
                events: gathered,
                ..point.clone()
            });
            gathered = 0;
        }
        if is_mark && gathered == 0 {
            marks.push(CurvePoint {
                events: 0,
                ..point.clone()
            });
        }
    }
    let told: u64 = points.iter().map(|point| point.events).sum();
    if few.contains(&total.saturating_sub(told))
        && let Some(last) = points.pop()
    {
        marks.retain(|mark| mark.time < last.time);
    }
    (points, marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u64 = 5;

    /// A group of 20 more than have the event, none of them censored: survival tells the events so
    /// far.
    fn curve(events: &[u64]) -> Vec<CurvePoint> {
        let rows = events.iter().sum::<u64>() + 20;
        let mut left = rows;
        let point = |(at, events): (usize, &u64)| {
            let at_risk = left;
            left -= events;
            let survival = left as f64 / rows as f64;
            CurvePoint {
                time: at as f64,
                at_risk,
                events: *events,
                survival,
                se: None,
                low: None,
                high: None,
            }
        };
        events.iter().enumerate().map(point).collect()
    }

    /// The steps (time, events) and marks that are printed.
    fn steps(events: &[u64], marks: &[usize], least: u64) -> (Vec<(usize, u64)>, Vec<usize>) {
        let is_mark = |point: &CurvePoint| marks.contains(&(point.time as usize));
        let (points, marks) = printed(&curve(events), is_mark, events.iter().sum(), least);
        let step = |point: &CurvePoint| (point.time as usize, point.events);
        (
            points.iter().map(step).collect(),
            marks.iter().map(|mark| mark.time as usize).collect(),
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
        // The step before is a mark itself, or a mark repeats it.
        assert_eq!(
            steps(&[6, 2, 5], &[0, 1], 5),
            (vec![(0, 6), (2, 7)], vec![0])
        );
        assert_eq!(
            steps(&[6, 0, 2, 5], &[1, 2], 5),
            (vec![(0, 6), (3, 7)], vec![1])
        );
        // The first event has nothing before it.
        assert_eq!(steps(&[0, 1, 7], &[0, 1], 5), (vec![(2, 8)], vec![0]));
        // A step that is kept back takes its marks with it.
        assert_eq!(steps(&[6, 5, 0, 2], &[2], 5), (vec![(0, 6)], vec![]));
        assert_eq!(steps(&[1, 2, 0, 3], &[0, 1, 2, 3], 0).1, [0, 1, 2, 3]);
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
            let (points, marks) = printed(&curve(&events), |_| true, total, LEAST);
            let mut told: Vec<&CurvePoint> = points.iter().chain(&marks).collect();
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
