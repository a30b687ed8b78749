//! The first round of a study whose outcome has levels in order: there is enough of each, or the run
//! ends with its name.

use crate::common::first_round::{census, ends, grouping};
use crate::common::*;
use motet_recipes::{Design, Explained, Family, Glm, Recipe, RecipeError};
use motet_secagg::digest::Digest;

const LEVELS: [&str; 4] = ["dead", "dependent", "not recovered", "recovered"];

fn behind(columns: &[&str]) -> Recipe {
    let ordered = Some(Explained::Ordered(grouping("y", &LEVELS)));
    let design = Design::plain(names(columns));
    let method = Glm::new(design, "y".into(), Family::Linear);
    Recipe::from(method).counted(census(columns, ordered))
}

/// Four sites of 80 rows: a number where it is asked for, a yes or no, and a level of four.
fn sites(number: bool, level: impl Fn(usize, usize) -> usize) -> Vec<Site> {
    let site = |at: usize| {
        let row = |row: usize| {
            let yes = f64::from(u8::from(row % 2 == 1));
            let own = (row * 7 + at) as f64;
            let columns = number.then_some(own).into_iter().chain([yes]);
            columns.chain([level(at, row) as f64]).collect()
        };
        Site::new(&format!("site {at}"), &(0..80).map(row).collect::<Vec<_>>())
    };
    (0..4).map(site).collect()
}

/// Levels below the last one, in turn.
fn lower(row: usize) -> usize {
    row / 2 % 3
}

fn goes_on(recipe: &Recipe, sites: &[Site]) {
    let all: Vec<&Site> = sites.iter().collect();
    let state = round(recipe, &recipe.start(Digest([3; 32])), &all);
    let state = state.unwrap().unwrap();
    assert!(!state.stuck(), "{:?}", recipe.outcome(&state).err());
}

#[test]
fn a_level_at_fewer_sites_than_the_study_asks_for_ends_the_run_by_its_name() {
    let recipe = behind(&["a", "b"]);
    let at = |most: usize| {
        sites(true, move |site, row| match row {
            60.. if site < most => 3,
            _ => lower(row),
        })
    };
    let words = "outcome `y` has its level `recovered` at fewer than 3 of 4 sites: join the level with the one before or after it";
    ends(&recipe, &at(0), words);
    ends(&recipe, &at(2), words);
    goes_on(&recipe, &at(3));
}

#[test]
fn a_level_of_few_patients_in_all_ends_the_run_by_its_name() {
    let recipe = behind(&["a", "b"]);
    let of = |rows: usize| {
        sites(true, move |site, row| match row {
            _ if site < 3 && row < rows => 3,
            _ => lower(row),
        })
    };
    let words = "no 5 rows with level `recovered` of outcome `y` are certain in the whole sum";
    ends(&recipe, &of(1), words);
    goes_on(&recipe, &of(5));
    let all = of(1);
    let all: Vec<&Site> = all.iter().collect();
    let state = round(&recipe, &recipe.start(Digest([3; 32])), &all);
    let error = recipe.outcome(&state.unwrap().unwrap()).unwrap_err();
    let named = RecipeError::FewOfLevel {
        outcome: "y".into(),
        level: "recovered".into(),
        least: 5,
    };
    assert_eq!(error, named);
}

#[test]
fn few_patients_of_a_yes_at_one_level_end_the_run_where_coefficients_are_counts() {
    // Of the highest level 20 have a no at each of three sites, and one has a yes.
    let few = |number| {
        sites(number, |site, row| match row {
            _ if site < 3 && (row == 1 || row.is_multiple_of(4)) => 3,
            _ => lower(row),
        })
    };
    let words = "no 5 rows with a yes in `b` and the outcome's level `recovered` are certain";
    ends(&behind(&["b"]), &few(false), words);
    goes_on(&behind(&["a", "b"]), &few(true));
    // Nobody at all is told of by nothing.
    let none = sites(false, |_, row| match row {
        _ if row.is_multiple_of(4) => 3,
        _ => lower(row),
    });
    goes_on(&behind(&["b"]), &none);
}
