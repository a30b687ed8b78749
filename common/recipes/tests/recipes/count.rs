//! Rounded counts: what a feasibility question may show.

use crate::common::*;
use motet_recipes::count::CountOutcome;
use motet_recipes::count::Rounded;
use motet_recipes::{Count, Outcome, Recipe, RecipeError, Rows};
use ndarray::Array2;

fn count(recipe: &Recipe, sites: &[Site]) -> CountOutcome {
    match run(recipe, sites) {
        Ok(Outcome::Count(outcome)) => outcome,
        other => panic!("no count: {other:?}"),
    }
}

#[test]
fn ten_countries_say_about_how_many_patients_they_have() {
    let found = count(&Recipe::from(Count::new(Some("dead14".into()))), &stroke());
    // Each country to the nearest ten, halves up: 310 + 470 + 3440 + 730 + 530 + 760 + 420 + 480 +
    // 640 + 1630.
    assert_eq!(
        (found.rounds, found.sites, found.rows),
        (
            1,
            10,
            Rounded {
                rows: 9410,
                below: 0
            }
        )
    );
    assert_eq!(found.events.unwrap().below, 0);
    let rows = count(&Recipe::from(Count::new(None)), &stroke());
    assert_eq!(
        (rows.rows, rows.events),
        (
            Rounded {
                rows: 9410,
                below: 0
            },
            None
        )
    );
}

#[test]
fn a_small_cohort_is_a_zero_and_a_mark_before_anything_is_added() {
    let site = |name: &str, rows: usize, events: usize| {
        Site::new(
            name,
            &(0..rows)
                .map(|at| vec![0.0, f64::from(u8::from(at < events))])
                .collect::<Vec<_>>(),
        )
    };
    let recipe = Recipe::from(Count::new(Some("y".into())));
    // The second site has 4 rows, the third 3 events, the fourth 3 rows without an event.
    let sites = [
        site("a", 25, 14),
        site("b", 4, 2),
        site("c", 40, 3),
        site("d", 30, 27),
    ];
    let found = count(&recipe, &sites);
    assert_eq!(
        found.rows,
        Rounded {
            rows: 30 + 40 + 30,
            below: 1
        }
    );
    assert_eq!(found.events, Some(Rounded { rows: 10, below: 3 }));
    let empty = Array2::zeros((0, 1));
    let Ok(Outcome::Count(none)) =
        Recipe::from(Count::new(None)).alone(&Rows::new(empty.view()), &mut rng(1))
    else {
        panic!("no count")
    };
    assert_eq!(none.rows, Rounded { rows: 0, below: 1 });
}

#[test]
fn what_is_no_count_is_refused() {
    let recipe = Recipe::from(Count::new(Some("y".into())));
    let x = Array2::zeros((9, 1));
    assert!(matches!(
        recipe.alone(&Rows::new(x.view()), &mut rng(1)),
        Err(RecipeError::NoOutcome { .. })
    ));
    let site = Site::new("a", &[vec![0.0, 0.5]]);
    assert!(matches!(
        recipe.alone(&site.rows(), &mut rng(1)),
        Err(RecipeError::NotBinary { rows: 1, .. })
    ));
    let key = |count: Count| match Recipe::from(count).check() {
        Err(RecipeError::Parameter { name, .. }) => name,
        other => panic!("accepted: {other:?}"),
    };
    assert_eq!(
        key(Count {
            multiple: 0,
            ..Count::new(None)
        }),
        "multiple"
    );
    assert_eq!(
        key(Count {
            min_cell: 0,
            ..Count::new(None)
        }),
        "min_cell"
    );
}
