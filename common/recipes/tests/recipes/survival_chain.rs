//! The chain of states of the survival recipes: fixed bytes for fixed sums, and no sum of another
//! question.

use crate::common::*;
use motet_recipes::{Clock, Cox, Grid, Grouping, KaplanMeier, Recipe, RecipeError, State, Strata};
use motet_secagg::digest::Digest;
use motet_secagg::layout::Sum;

/// A sum with figures made by integer arithmetic: the same on every machine.
fn sum(values: Vec<f64>) -> Sum {
    Sum {
        sites: 3,
        set: Digest([9; 32]),
        weight: 3,
        values,
    }
}

fn chain(recipe: &Recipe, sums: &[Vec<f64>]) -> (State, Vec<String>) {
    let mut state = recipe.start(Digest([5; 32]));
    let mut roots = vec![state.root().short()];
    for values in sums {
        state = recipe.absorb(&state, &sum(values.clone())).unwrap();
        roots.push(state.root().short());
    }
    (state, roots)
}

fn cox() -> Cox {
    Cox {
        ridge: 0.25,
        ..Cox::new(
            names(&["age", "male"]),
            "days".into(),
            "died".into(),
            Grid::days(4.0),
        )
    }
}

/// Moments of 300 rows with 7 events, then spread and events at 0..4: two tied at 1, four at 3, one
/// at 4.
fn before() -> [Vec<f64>; 2] {
    [
        vec![300.0, 7.0, 21_000.5, 150.0],
        vec![43_210.75, 75.25, 0.0, 2.0, 0.0, 4.0, 1.0],
    ]
}

/// S0, S1 at three points, D0, D1 at two of them, z over events.
fn risk_sets(part: f64) -> Vec<f64> {
    scaled_sets(part, [1_048_576.0; 3])
}

/// The same times the scale of each point.
fn scaled_sets(part: f64, scales: [f64; 3]) -> Vec<f64> {
    let sets = [
        290.0, -3.25, 1.5, 200.0, -20.5, 7.125, 90.0, -30.0, 4.0, 2.0, 0.75, 1.0, 4.0, 2.5, -0.5,
    ];
    let scale = |at: usize| scales[[0, 1, 2, 0, 1][at / 3]];
    let sets = sets
        .iter()
        .enumerate()
        .map(|(at, value)| scale(at) * value * part);
    [vec![0.0], sets.collect(), vec![3.5, 1.25]].concat()
}

#[test]
fn a_cox_fit_moves_through_fixed_states() {
    let [first, second] = before();
    let information = vec![9.0, 0.5, 8.0];
    // From the first kept point on the scales follow the risk sets of 290, 200 and 90.
    let scales = [31.0, 32.0, 33.0].map(f64::exp2);
    let too_long = scaled_sets(9.0, scales);
    let (state, roots) = chain(
        &Recipe::from(cox()),
        &[
            first,
            second,
            risk_sets(1.0),
            information.clone(),
            too_long,
            scaled_sets(0.8, scales),
            information,
        ],
    );
    assert_eq!(state.progress().round, 7);
    assert_eq!(state.progress().phase, "risk sets");
    assert_eq!(
        roots,
        [
            "bfb8ee15", "cab1fe50", "5e237357", "9f044564", "cc8a38fb", "56f1425e", "1557cef9",
            "ec7398c4"
        ]
    );

    let by_site = Cox {
        strata: Strata::Site,
        clock: Clock::Identity,
        ..cox()
    };
    let [first, second] = before();
    let step = vec![0.0, -36.5, 3.5, 1.25, 9.0, 0.5, 8.0];
    let (_, roots) = chain(&Recipe::from(by_site), &[first, second[..2].to_vec(), step]);
    assert_eq!(roots, ["bfb8ee15", "cab1fe50", "b2e5da8c", "70b5ba11"]);
}

#[test]
fn points_out_of_range_ten_times_in_a_row_are_a_likelihood_without_a_maximum() {
    let by_site = |ridge| {
        Recipe::from(Cox {
            strata: Strata::Site,
            clock: Clock::Off,
            ridge,
            ..cox()
        })
    };
    let [first, second] = before();
    let step = vec![0.0, -36.5, 3.5, 0.01, 9.0, 0.5, 8.0];
    let mut sums = vec![first, second[..2].to_vec(), step];
    let out = vec![vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]; 10];
    sums.extend(out[1..].iter().cloned());
    let (state, _) = chain(&by_site(0.0), &sums);
    assert_eq!(state.progress().phase, "newton", "nine are not yet ten");
    sums.push(out[0].clone());
    let (state, _) = chain(&by_site(0.0), &sums);
    let columns = "`age`".to_owned();
    assert_eq!(
        by_site(0.0).outcome(&state).unwrap_err(),
        RecipeError::Monotone { columns },
        "the columns that the step moves"
    );
    let (state, _) = chain(&by_site(0.25), &sums);
    assert_eq!(state.progress().phase, "newton", "a ridge has a maximum");
    // At zero no score is out of range.
    let start = by_site(0.0).start(Digest([5; 32]));
    let ready = sums[..2].iter().fold(start, |state, values| {
        by_site(0.0).absorb(&state, &sum(values.clone())).unwrap()
    });
    assert_eq!(
        by_site(0.0)
            .absorb(&ready, &sum(out[0].clone()))
            .unwrap_err(),
        RecipeError::Implausible { what: "risk sets" }
    );
}

#[test]
fn curves_move_through_fixed_states() {
    let group = Some(Grouping {
        column: "arm".into(),
        levels: names(&["a", "b"]),
    });
    let recipe = KaplanMeier {
        group,
        marks: vec![2.0],
        ..KaplanMeier::new("days".into(), "died".into(), Grid::days(4.0))
    };
    let events = vec![
        200.0, 100.0, 0.0, 2.0, 0.0, 4.0, 1.0, 1.0, 0.0, 0.0, 3.0, 0.0,
    ];
    // Asked: 0, 1, 2, 3, 4.
    let at_risk = vec![
        200.0, 190.0, 150.0, 120.0, 60.0, 100.0, 90.0, 80.0, 70.0, 5.0,
    ];
    let (_, roots) = chain(&Recipe::from(recipe), &[events, at_risk]);
    assert_eq!(roots, ["681510b1", "76e5d4ad", "c11e868e"]);
}

#[test]
fn a_sum_that_cannot_be_is_refused() {
    let recipe = Recipe::from(cox());
    let [first, second] = before();
    let after = |sums: &[Vec<f64>]| chain(&recipe, sums).0;
    let refused = |state: &State, values: Vec<f64>| recipe.absorb(state, &sum(values)).unwrap_err();
    let start = after(&[]);
    assert_eq!(
        refused(&start, vec![300.0, 301.0, 1.0, 1.0]),
        RecipeError::Implausible { what: "events" }
    );
    assert_eq!(
        refused(&start, vec![300.0, 7.0, 1.0]),
        RecipeError::Mismatch { what: "sum" }
    );
    let spread = after(std::slice::from_ref(&first));
    let one_more = [second[..6].to_vec(), vec![2.0]].concat();
    assert_eq!(
        refused(&spread, one_more),
        RecipeError::Implausible { what: "events" }
    );
    let fit = after(&[first, second]);
    let nobody = risk_sets(0.0);
    assert_eq!(
        refused(&fit, nobody),
        RecipeError::Implausible { what: "risk sets" }
    );
    assert_eq!(
        refused(&fit, [risk_sets(1.0), vec![0.0]].concat()),
        RecipeError::Mismatch { what: "sum" }
    );

    let recipe = Recipe::from(KaplanMeier::new(
        "days".into(),
        "died".into(),
        Grid::days(2.0),
    ));
    let (state, _) = chain(&recipe, &[vec![10.0, 0.0, 3.0, 1.0]]);
    for at_risk in [[11.0, 3.0], [2.0, 1.0], [9.0, 7.0], [9.0, 0.0]] {
        let error = recipe.absorb(&state, &sum(at_risk.to_vec())).unwrap_err();
        assert_eq!(
            error,
            RecipeError::Implausible {
                what: "rows at risk"
            }
        );
    }
    assert!(recipe.absorb(&state, &sum(vec![10.0, 6.0])).is_ok());
}

#[test]
fn questions_keep_their_headroom_for_many_sites_and_many_rows() {
    for sites in [1, 3, 10, 250] {
        for rows in [300.0, 1e7, 4e9] {
            let [mut first, second] = before();
            first[0] = rows;
            let squares = [vec![4.0 * rows, rows], second[2..].to_vec()].concat();
            for sums in [
                vec![],
                vec![first.clone()],
                vec![first.clone(), squares.clone()],
            ] {
                let recipe = Recipe::from(cox());
                let (state, _) = chain(&recipe, &sums);
                recipe
                    .ask(&state, sites)
                    .unwrap()
                    .unwrap()
                    .layout
                    .headroom(sites)
                    .unwrap();
            }
            let recipe = Recipe::from(KaplanMeier::new(
                "days".into(),
                "died".into(),
                Grid::days(4.0),
            ));
            let (state, _) = chain(&recipe, &[vec![rows, 1.0, 0.0, 0.0, 2.0, 0.0]]);
            recipe
                .ask(&state, sites)
                .unwrap()
                .unwrap()
                .layout
                .headroom(sites)
                .unwrap();
        }
    }
}
