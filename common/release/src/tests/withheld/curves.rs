//! What a page of curves gives back.

use super::{MOST, page_of, same};
use crate::{Context, Survival, sample, shown::Shown as _};
use motet_recipes::{CurvePoint, Grid, Grouping, KaplanMeier, Outcome, Recipe, Rows, Times};
use ndarray::{Array1, Array2};
use rand_core::SeedableRng as _;

/// Fails where none of these pages is the same as the one that is told.
fn one_is(told: &[String], others: impl IntoIterator<Item = Vec<String>>, what: &str) {
    let differs = |other: Vec<String>| {
        let lines = told.iter().zip(&other).filter(|(one, other)| one != other);
        lines
            .map(|(one, other)| format!("{one} | {other}"))
            .collect::<Vec<_>>()
    };
    let all: Vec<Vec<String>> = others.into_iter().map(differs).collect();
    assert!(all.iter().any(Vec::is_empty), "{what}: {all:#?}");
}

/// Patients of two groups: the events at each week, one after the other, and who leaves after them.
fn page(groups: [&[(u64, u64)]; 2], marks: &[f64]) -> Vec<String> {
    let mut rows: Vec<[f64; 3]> = Vec::new();
    for (group, weeks) in groups.iter().enumerate() {
        for (week, (events, left)) in weeks.iter().enumerate() {
            let row = |event| [7.0 * (week + 1) as f64, event, group as f64];
            rows.extend((0..*events).map(|_| row(1.0)));
            rows.extend((0..*left).map(|_| row(0.0)));
        }
    }
    let column = |at: usize| -> Array1<f64> { rows.iter().map(|row| row[at]).collect() };
    let [time, event, group] = [0, 1, 2].map(column);
    let x = Array2::zeros((rows.len(), 0));
    let rows = Rows {
        time: Some(time.view()),
        group: Some(group.view()),
        ..Rows::new(x.view()).outcome(event.view())
    };
    let grid = Grid {
        step: 7.0,
        horizon: 84.0,
        times: Times::Grid,
    };
    let recipe = Recipe::from(KaplanMeier {
        group: Some(Grouping {
            column: "arm".to_owned(),
            levels: ["a", "b"].map(str::to_owned).into(),
        }),
        marks: marks.to_vec(),
        tau: Some(84.0),
        ..KaplanMeier::new("days".to_owned(), "died".to_owned(), grid)
    });
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let mut outcome = recipe.alone(&rows, &mut rng).unwrap();
    if let Outcome::KaplanMeier(found) = &mut outcome {
        found.sites = 10;
    }
    let context = Context {
        recipe: "km".to_owned(),
        survival: Survival::of(&recipe),
        outcome: "died".to_owned(),
        features: Vec::new(),
        parameters: Vec::new(),
        smallest_cell: 5,
        ..sample::context()
    };
    page_of(&outcome, &context)
}

const B: &[(u64, u64)] = &[(6, 2), (0, 3), (7, 1), (0, 0), (5, 9), (0, 0), (0, 40)];

#[test]
fn the_weeks_and_the_parts_of_joined_events_follow_from_no_file_of_a_folder() {
    // Of the second step of five the parts, and of what is left over the weeks.
    let told = [
        (6, 2),
        (2, 1),
        (0, 0),
        (3, 4),
        (0, 0),
        (6, 5),
        (0, 3),
        (8, 20),
    ];
    let parts = [
        [
            (6, 2),
            (1, 1),
            (1, 0),
            (3, 4),
            (0, 0),
            (6, 5),
            (0, 3),
            (8, 20),
        ],
        [
            (6, 2),
            (0, 1),
            (2, 0),
            (3, 4),
            (0, 0),
            (6, 5),
            (0, 3),
            (8, 20),
        ],
        [
            (6, 2),
            (3, 1),
            (0, 0),
            (2, 4),
            (0, 0),
            (6, 5),
            (0, 3),
            (8, 20),
        ],
        [
            (6, 2),
            (2, 0),
            (0, 1),
            (3, 4),
            (0, 0),
            (6, 5),
            (0, 3),
            (8, 20),
        ],
    ];
    for marks in [&[][..], &[14.0, 21.0, 28.0, 35.0], &[42.0]] {
        let told = page([&told, B], marks);
        one_is(&told, parts.map(|own| page([&own, B], marks)), "the parts");
        let report = told.join("\n");
        assert!(report.contains("\"rmst\": null") && report.contains("\"log_rank\": {"));
    }
}

#[test]
fn few_events_of_a_group_follow_from_no_file_of_a_folder() {
    let with = |weeks: &[usize]| {
        let mut own = [(0, 2); 12];
        // Who does not have it is there to the end: there are as many patients.
        own[11].1 = 22 - weeks.len() as u64;
        for week in weeks {
            own[*week].0 += 1;
        }
        page([&own, B], &[14.0, 28.0, 42.0, 56.0])
    };
    let told = with(&[3]);
    for weeks in [&[4][..], &[1], &[3, 5], &[2, 3, 9], &[3, 3, 3, 8]] {
        same(&with(weeks), &told, &format!("{weeks:?}"));
    }
    assert!(told.join("\n").contains("The groups are not compared"));
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
        assert!((point.survival - same.survival).abs() <= 0.0005);
        assert!(point.at_risk.is_none() || point.at_risk == same.at_risk);
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
