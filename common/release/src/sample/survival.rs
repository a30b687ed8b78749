//! Outcomes of survival recipes that are run here, on patients who are made up.

use super::run::die;
use crate::Survival;
use crate::context::Context;
use motet_recipes::{
    AnyMethod, Averaged, Cox, FedAvg, Grid, Grouping, KaplanMeier, Loss, Outcome, Recipe, Rows,
    Strata, Ties,
};
use ndarray::{Array1, Array2};
use rand_core::SeedableRng as _;

pub(crate) const COLUMNS: [&str; 5] = ["age", "male", "sbp", "drowsy", "aspirin"];
const ROWS: usize = 900;
const HORIZON: f64 = 180.0;

fn table() -> Array2<f64> {
    Array2::from_shape_fn((ROWS, COLUMNS.len()), |(row, column)| match column {
        0 => (50.0 + 42.0 * (die(row, 1) + die(row, 2)) / 2.0).round(),
        1 => f64::from(die(row, 3) < 0.55),
        2 => (120.0 + 40.0 * (die(row, 4) + die(row, 5))).round(),
        3 => f64::from(die(row, 6) < 0.2),
        _ => f64::from(die(row, 7) < 0.5),
    })
}

/// Days and whether the event was seen.
fn follow_up(x: &Array2<f64>) -> (Array1<f64>, Array1<f64>) {
    let one = |row: usize| {
        let score =
            0.05 * (x[[row, 0]] - 71.0) + 0.2 * x[[row, 1]] + 0.9 * x[[row, 3]] - 0.5 * x[[row, 4]];
        let event = (-die(row, 8).ln() / (0.0035 * score.exp())).ceil();
        let end = (40.0 + 200.0 * die(row, 9)).ceil();
        (event.min(end), f64::from(event <= end))
    };
    (
        (0..ROWS).map(|row| one(row).0).collect(),
        (0..ROWS).map(|row| one(row).1).collect(),
    )
}

fn names() -> Vec<String> {
    COLUMNS.map(str::to_owned).into()
}

/// The recipe over all patients as one site, told as ten, and its context.
fn run(recipe: Recipe, group: impl Fn(usize) -> f64) -> (Outcome, Context) {
    let x = table();
    let (time, event) = follow_up(&x);
    let group: Array1<f64> = (0..ROWS).map(group).collect();
    // Curves have no covariates.
    let x = if matches!(recipe.method, AnyMethod::KaplanMeier(_)) {
        Array2::zeros((ROWS, 0))
    } else {
        x
    };
    let rows = Rows {
        time: Some(time.view()),
        group: Some(group.view()),
        ..Rows::new(x.view()).outcome(event.view())
    };
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let mut outcome = recipe.alone(&rows, &mut rng).unwrap();
    match &mut outcome {
        Outcome::Cox(outcome) => outcome.sites = 10,
        Outcome::KaplanMeier(outcome) => outcome.sites = 10,
        Outcome::FedAvg(Averaged::Time(outcome)) => outcome.sites = 10,
        _ => unreachable!(),
    }
    let context = Context {
        recipe: recipe.kind().to_owned(),
        survival: Survival::of(&recipe),
        outcome: "died".to_owned(),
        features: names(),
        parameters: Vec::new(),
        smallest_cell: 5,
        ..super::context()
    };
    (outcome, context)
}

/// A Cox fit; `change` sets its options.
pub(crate) fn cox(change: impl FnOnce(&mut Cox)) -> (Outcome, Context) {
    let mut recipe = Cox::new(
        names(),
        "days".to_owned(),
        "died".to_owned(),
        Grid::days(HORIZON),
    );
    change(&mut recipe);
    run(Recipe::from(recipe), |row| f64::from(die(row, 7) < 0.5))
}

/// Curves of that many groups; of two by `aspirin`.
pub(crate) fn km(groups: u32, change: impl FnOnce(&mut KaplanMeier)) -> (Outcome, Context) {
    let mut recipe = KaplanMeier::new("days".to_owned(), "died".to_owned(), Grid::days(HORIZON));
    let (column, levels): (&str, Vec<String>) = match groups {
        2 => (
            "aspirin",
            ["without <aspirin>", "with aspirin"]
                .map(str::to_owned)
                .into(),
        ),
        _ => (
            "region",
            (1..=groups)
                .map(|number| format!("region {number}"))
                .collect(),
        ),
    };
    recipe.group = (groups > 1).then(|| Grouping {
        column: column.to_owned(),
        levels,
    });
    change(&mut recipe);
    run(Recipe::from(recipe), |row| match groups {
        2 => f64::from(die(row, 7) < 0.5),
        _ => (die(row, 11) * f64::from(groups)).floor(),
    })
}

/// A small network for the time.
pub(crate) fn network() -> (Outcome, Context) {
    let recipe = FedAvg {
        loss: Loss::Time("days".to_owned()),
        hidden: vec![4],
        batch: 0,
        ..FedAvg::new(names(), "died".to_owned())
    };
    run(Recipe::from(recipe), |_| 0.0)
}

/// All with a name.
pub(crate) fn all() -> Vec<(&'static str, (Outcome, Context))> {
    let levels = || ["without", "with"].map(str::to_owned).into();
    let grouping = || Grouping {
        column: "aspirin".to_owned(),
        levels: levels(),
    };
    vec![
        ("cox", cox(|_| ())),
        (
            "cox-group",
            cox(|recipe| {
                recipe.columns.truncate(5);
                (recipe.strata, recipe.clock) =
                    (Strata::Group(grouping()), motet_recipes::Clock::Identity);
                recipe.ridge = 1.0;
            }),
        ),
        (
            "cox-site",
            cox(|recipe| {
                (recipe.strata, recipe.ties) = (Strata::Site, Ties::Breslow);
                recipe.clock = motet_recipes::Clock::Identity;
            }),
        ),
        (
            "km",
            km(1, |recipe| {
                recipe.marks = vec![30.0, 90.0, 180.0];
                recipe.tau = Some(180.0);
            }),
        ),
        ("km-two", km(2, |_| ())),
        ("km-nine", km(9, |recipe| recipe.min_cell = 0)),
        ("fedtime", network()),
    ]
}
