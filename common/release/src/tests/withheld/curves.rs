//! What a page of curves gives back.

use super::{MOST, page_of, same};
use crate::{sample, shown::Shown as _};
use motet_recipes::{CurvePoint, Outcome};

#[test]
fn a_time_beyond_the_last_step_that_is_shown_is_not_told() {
    // Events every day, the last three a tail of few: the median lies among them.
    let (outcome, context) = sample::survival::km(1, |recipe| recipe.min_cell = 0);
    let Outcome::KaplanMeier(mut found) = outcome else {
        unreachable!()
    };
    for curve in &mut found.curves {
        let last = curve.points.last().unwrap().time;
        (curve.median, curve.median_low, curve.median_high) = (Some(last), None, Some(last));
        // Few are left over behind the last step of five.
        curve.points.truncate(12);
        let spare = curve.points.last_mut().unwrap();
        spare.events = 2;
        curve.events = Some(curve.points.iter().map(|point| point.events).sum());
        curve.median = Some(curve.points.last().unwrap().time);
    }
    found.protect(&context);
    for curve in &found.curves {
        let last = curve.points.last().unwrap().time;
        assert!(
            curve.withheld && curve.median.is_none_or(|median| median <= last),
            "{:?}",
            curve.median
        );
        assert_eq!(curve.median_high, None);
    }
}

#[test]
fn marks_all_over_a_curve_give_no_few_events_back_where_the_study_prints_all() {
    let (outcome, context) = sample::survival::km(1, |recipe| {
        recipe.min_cell = 0;
        let grid = recipe.grid;
        recipe.marks = (1..=50)
            .map(|at| f64::from(at) * grid.step)
            .take_while(|time| *time <= grid.horizon)
            .collect();
    });
    let Outcome::KaplanMeier(full) = &outcome else {
        unreachable!()
    };
    let mut shown = full.clone();
    shown.protect(&context);
    let (full, shown) = (&full.curves[0], &shown.curves[0]);
    assert!(shown.marks.len() > 2 && shown.marks.len() < full.marks.len() && shown.withheld);
    let until = |time: f64| -> u64 {
        full.points
            .iter()
            .filter(|point| point.time <= time)
            .map(|point| point.events)
            .sum()
    };
    let mut told: Vec<&CurvePoint> = shown.points.iter().chain(&shown.marks).collect();
    told.sort_by(|a, b| a.time.total_cmp(&b.time));
    let mut before = 0;
    for point in told {
        let between = until(point.time) - before;
        assert!(
            between == 0 || between > MOST,
            "{between} events before {}",
            point.time
        );
        before = until(point.time);
        let mut all = full.points.iter().chain(&full.marks);
        let same = all.find(|other| other.time == point.time).unwrap();
        assert_eq!(
            (point.survival, point.at_risk),
            (same.survival, same.at_risk)
        );
    }
}

#[test]
fn a_group_that_is_not_shown_stands_in_no_comparison() {
    let with = |rows: u64| {
        let (outcome, _) = sample::survival::km(2, |_| ());
        let Outcome::KaplanMeier(mut found) = outcome else {
            unreachable!()
        };
        let change = found.curves[1].rows - rows;
        (found.curves[1].rows, found.rows) = (rows, found.rows - change);
        if let Some(test) = &mut found.log_rank {
            test.test.statistic += rows as f64;
        }
        Outcome::KaplanMeier(found)
    };
    let (_, context) = sample::survival::km(2, |_| ());
    let page = |outcome: &Outcome| page_of(outcome, &context);
    for rows in 2..=MOST {
        same(&page(&with(rows)), &page(&with(1)), &format!("{rows}"));
    }
}
