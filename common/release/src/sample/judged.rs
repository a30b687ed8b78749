//! Models that are judged in groups and at sites: recipes that are run here over five sites of
//! patients who are made up.

use super::run::die;
use crate::Site;
use crate::context::Context;
use motet_recipes::{
    Cox, Design, Family, Glm, Grid, Memory, Outcome, Recipe, Rows, Subgroup, SubgroupKind,
    Subgroups,
};
use motet_secagg::digest::Digest;
use motet_secagg::fold::plain_sum;
use ndarray::{Array1, Array2};
use rand_core::SeedableRng as _;

const SITES: u32 = 5;
const ROWS: usize = 400;
const HORIZON: f64 = 60.0;

/// A name with markup, which no page may obey.
pub(crate) const NASTY: &str = "arm<b>|`*";

fn subgroups() -> Subgroups {
    let group = |column: &str, kind| Subgroup {
        column: column.to_owned(),
        kind,
    };
    let levels = ["usual|care", "<b>new</b>", "none"]
        .map(str::to_owned)
        .to_vec();
    Subgroups {
        groups: vec![
            group("male", SubgroupKind::YesNo),
            group("age", SubgroupKind::Bands(vec![50.0, 65.0, 80.0])),
            group(NASTY, SubgroupKind::Category(levels)),
        ],
        sites: true,
        min_cell: 5,
        min_sites: 3,
    }
}

struct Table {
    x: Array2<f64>,
    y: Array1<f64>,
    time: Array1<f64>,
    groups: Array2<f64>,
    slot: Option<u32>,
}

/// Days to the event, the fewer the higher the score.
fn days(score: f64, row: usize) -> f64 {
    (-40.0 * (-score).exp() * die(row, 7).ln()).ceil()
}

/// Outcome and context of a run in which the sites tell that `tells` picks.
fn run(
    recipe: Recipe,
    y: impl Fn(f64, usize) -> f64,
    tells: impl Fn(u32) -> bool,
) -> (Outcome, Context) {
    parted(recipe.judged(subgroups()), 0, y, tells)
}

/// The same of a recipe that is judged, with that many patients of each site held out.
fn parted(
    recipe: Recipe,
    held_out: usize,
    y: impl Fn(f64, usize) -> f64,
    tells: impl Fn(u32) -> bool,
) -> (Outcome, Context) {
    let x = |row: usize| {
        let age = (66.0 + 50.0 * (die(row, 0) + die(row, 1) - 1.0)).round();
        [age, f64::from(die(row, 2) < 0.5), 20.0 * die(row, 3)]
    };
    let site = |site: u32| {
        let first = site as usize * ROWS;
        let table = Array2::from_shape_fn((ROWS, 3), |(row, column)| x(first + row)[column]);
        let score = |row: usize| {
            let [age, male, crp] = x(row);
            0.05 * (age - 66.0) + 0.3 * male + 0.06 * crp
        };
        let column =
            |of: &dyn Fn(usize) -> f64| (first..first + ROWS).map(of).collect::<Array1<f64>>();
        let outcome = column(&|row| y(score(row), row));
        let time = column(&|row| days(score(row), row).min(HORIZON));
        let groups = Array2::from_shape_fn((ROWS, 3), |(row, column)| match column {
            0 => table[[row, 1]],
            1 => table[[row, 0]],
            _ if row % 90 == 3 => f64::NAN,
            _ => f64::from(u8::from(die(first + row, 4) < 0.4)),
        });
        Table {
            x: table,
            y: outcome,
            time,
            groups,
            slot: tells(site).then_some(site),
        }
    };
    let sites: Vec<_> = (0..SITES).map(site).collect();
    let mut state = recipe.start_among(Digest([7; 32]), SITES);
    while let Some(question) = recipe.ask(&state, SITES).unwrap() {
        let answer = |table: &Table| {
            let rows = Rows {
                time: Some(table.time.view()),
                groups: Some(table.groups.view()),
                slot: table.slot,
                held_out,
                ..Rows::new(table.x.view()).outcome(table.y.view())
            };
            let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
            recipe
                .answer(&state, &question, &rows, &Memory::default(), &mut rng)
                .unwrap()
                .update
        };
        let sum = plain_sum(
            &question.layout,
            Digest([1; 32]),
            sites.iter().map(answer).collect(),
        )
        .unwrap();
        state = recipe.absorb(&state, &sum).unwrap();
    }
    let names = ["BELG", "CZEC", "ITAL", "NETH", "NORW"];
    let roster: Vec<Site> = names
        .map(|name| Site {
            name: name.to_owned(),
            country: name[..2].to_owned(),
        })
        .to_vec();
    let context = Context {
        findings: recipe.findings(&state).unwrap(),
        sites: roster.clone(),
        roster,
        smallest_cell: 5,
        ..super::context()
    };
    (recipe.outcome(&state).unwrap(), context)
}

fn columns() -> Vec<String> {
    ["age", "male", "crp"].map(str::to_owned).to_vec()
}

/// A yes/no outcome; the first site does not tell, and two are withheld beside it.
pub(crate) fn risk() -> (Outcome, Context) {
    let yes_no = |score: f64, row| f64::from(die(row, 5) < 1.0 / (1.0 + (1.2 - score).exp()));
    run(
        Recipe::from(Glm::logistic(columns(), "dead14".to_owned())),
        yes_no,
        |site| site > 0,
    )
}

/// A yes/no outcome with a quarter of the patients held out, and no groups; `min_cell` of the parts.
pub(crate) fn apart(min_cell: u32) -> (Outcome, Context) {
    let yes_no = |score: f64, row| f64::from(die(row, 5) < 1.0 / (1.0 + (1.2 - score).exp()));
    let asked = Subgroups {
        groups: Vec::new(),
        sites: false,
        min_cell,
        ..subgroups()
    };
    let recipe = Recipe::from(Glm::logistic(columns(), "dead14".to_owned()));
    let judged = recipe.judged(asked.with_held_out());
    let (outcome, context) = parted(judged, ROWS / 4, yes_no, |_| false);
    let context = Context {
        held_out: Some(0.25),
        min_rows: 10,
        ..context
    };
    (outcome, context)
}

/// A number; every site tells.
pub(crate) fn number() -> (Outcome, Context) {
    let recipe = Glm::new(
        Design::plain(columns()),
        "stay_days".to_owned(),
        Family::Linear,
    );
    let (outcome, context) = run(
        Recipe::from(recipe),
        |score, row| 12.0 + 4.0 * score + 6.0 * die(row, 6),
        |_| true,
    );
    (
        outcome,
        Context {
            outcome: "stay_days".to_owned(),
            recipe: "linear".to_owned(),
            ..context
        },
    )
}

/// A time to an event; two sites do not tell, and one is withheld beside them.
pub(crate) fn time() -> (Outcome, Context) {
    let recipe = Cox::new(
        columns(),
        "days".to_owned(),
        "died".to_owned(),
        Grid::days(HORIZON),
    );
    let seen = |score: f64, row| f64::from(u8::from(days(score, row) <= HORIZON));
    let (outcome, context) = run(Recipe::from(recipe), seen, |site| site > 1);
    (
        outcome,
        Context {
            outcome: "died".to_owned(),
            recipe: "cox".to_owned(),
            ..context
        },
    )
}
