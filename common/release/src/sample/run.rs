//! Outcomes of recipes that are run here, on patients who are made up.

use crate::context::Context;
use motet_recipes::count::CountOutcome;
use motet_recipes::summary::Scale;
use motet_recipes::{
    Averaged, Design, Details, Errors, Family, FedAvg, Formula, Gbdt, Glm, Loss, Outcome, Recipe,
    Rounded, Rows, Summary, gbdt,
};
use ndarray::{Array1, Array2, Axis};
use rand_core::SeedableRng as _;

pub(crate) const COLUMNS: [&str; 7] = ["age", "male", "sbp", "delay_h", "drowsy", "rare", "crp"];
const ROWS: usize = 700;

/// A number from 0 to 1 that depends on row and column only.
pub(crate) fn die(row: usize, column: usize) -> f64 {
    let mut x = (row as u64 * 64 + column as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        x = (x ^ (x >> 30)).wrapping_mul(factor);
    }
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

fn bell(row: usize, column: usize) -> f64 {
    (0..6).map(|part| die(row, 8 * column + part)).sum::<f64>() - 3.0
}

fn table() -> Array2<f64> {
    Array2::from_shape_fn((ROWS, COLUMNS.len()), |(row, column)| match column {
        0 => (71.0 + 16.0 * bell(row, 0)).round(),
        1 => f64::from(die(row, 9) < 0.55),
        2 => (160.0 + 38.0 * bell(row, 2)).round(),
        3 => -9.0 * (1.0 - 0.99 * die(row, 25)).ln(),
        4 => f64::from(die(row, 33) < 0.2),
        5 => f64::from(row % 230 == 7),
        _ => (1.5 * bell(row, 5)).exp(),
    })
}

/// The score that the outcomes below rise with.
fn score(x: &Array2<f64>, row: usize) -> f64 {
    0.04 * (x[[row, 0]] - 71.0)
        + 0.15 * x[[row, 1]]
        + 1.3 * x[[row, 4]]
        + 0.05 * x[[row, 6]].min(9.0)
}

fn outcome(x: &Array2<f64>, of: impl Fn(f64, usize) -> f64) -> Array1<f64> {
    (0..ROWS).map(|row| of(score(x, row), row)).collect()
}

fn yes_no(score: f64, row: usize) -> f64 {
    f64::from(die(row, 55) < 1.0 / (1.0 + (1.6 - score).exp()))
}

fn number(score: f64, row: usize) -> f64 {
    12.0 + 4.0 * score + 3.0 * bell(row, 6)
}

/// The smallest count whose Poisson distribution function reaches the die.
fn count(score: f64, row: usize) -> f64 {
    let mean = (0.4 + 0.5 * score).exp();
    let (mut part, mut whole, mut at) = ((-mean).exp(), (-mean).exp(), 0.0);
    while whole < die(row, 57) && at < 60.0 {
        at += 1.0;
        part *= mean / at;
        whole += part;
    }
    at
}

fn cost(score: f64, row: usize) -> f64 {
    (7.0 + 0.4 * score + 0.8 * bell(row, 6)).exp()
}

fn run(recipe: Recipe, rows: &Rows<'_>) -> Outcome {
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let mut outcome = recipe.alone(rows, &mut rng).unwrap();
    match &mut outcome {
        Outcome::Glm(outcome) => outcome.sites = 10,
        Outcome::Gbdt(outcome) => outcome.sites = 10,
        Outcome::FedAvg(Averaged::Number(outcome)) => outcome.sites = 10,
        Outcome::Summary(outcome) => outcome.sites = 10,
        _ => unreachable!(),
    }
    outcome
}

fn names() -> Vec<String> {
    COLUMNS.map(str::to_owned).into()
}

/// A regression of the family; `change` sets its options. The column `rare` is left out: it hardly
/// fixes anything.
pub(crate) fn glm(family: Family, change: impl FnOnce(&mut Glm)) -> Outcome {
    let x = table();
    let y = match family {
        Family::Linear => outcome(&x, number),
        Family::Poisson | Family::Quasipoisson => outcome(&x, count),
        Family::Gamma => outcome(&x, cost),
        Family::Logistic | Family::Quasibinomial => outcome(&x, yes_no),
    };
    let kept: Vec<usize> = (0..COLUMNS.len())
        .filter(|at| COLUMNS[*at] != "rare")
        .collect();
    let x = x.select(Axis(1), &kept);
    let columns = kept.iter().map(|at| COLUMNS[*at].to_owned()).collect();
    let mut recipe = Glm::new(Design::plain(columns), "y".to_owned(), family);
    change(&mut recipe);
    run(Recipe::from(recipe), &Rows::new(x.view()).outcome(y.view()))
}

/// A linear regression with splines whose knots the run finds.
pub(crate) fn splines() -> Outcome {
    let formula =
        Formula::parse("y ~ age + male + sbp + ns(age, 2):male + ns(crp, 4) + delay_h + drowsy")
            .unwrap();
    let design = formula.design(|name| Some(vec![name.to_owned()])).unwrap();
    let x = table();
    let order: Vec<usize> = design
        .columns
        .iter()
        .map(|name| COLUMNS.iter().position(|known| known == name).unwrap())
        .collect();
    let (y, x) = (outcome(&x, number), x.select(Axis(1), &order));
    let recipe = Glm::new(design, "y".to_owned(), Family::Linear);
    run(Recipe::from(recipe), &Rows::new(x.view()).outcome(y.view()))
}

/// The regressions that people look at.
pub(crate) fn glms() -> Vec<(&'static str, Outcome)> {
    vec![
        ("linear", glm(Family::Linear, |_| ())),
        (
            "poisson",
            glm(Family::Poisson, |recipe| recipe.errors = Errors::Hc1),
        ),
        ("gamma", glm(Family::Gamma, |_| ())),
        (
            "logistic-robust",
            glm(Family::Logistic, |recipe| recipe.errors = Errors::Hc0),
        ),
        ("quasipoisson", glm(Family::Quasipoisson, |_| ())),
        ("quasibinomial", glm(Family::Quasibinomial, |_| ())),
        ("lasso", glm(Family::Linear, |recipe| recipe.lasso = 20.0)),
        ("splines", splines()),
    ]
}

/// Boosted trees of a yes/no outcome or of a number; a tenth of the values of `crp` are missing.
pub(crate) fn trees(loss: gbdt::Loss, validation: f64) -> Outcome {
    let mut x = table();
    let y = match loss {
        gbdt::Loss::Logistic => outcome(&x, yes_no),
        gbdt::Loss::Squared => outcome(&x, number),
    };
    (0..ROWS)
        .filter(|row| row % 10 == 3)
        .for_each(|row| x[[row, 6]] = f64::NAN);
    let recipe = Gbdt {
        trees: 30,
        validation,
        ..Gbdt::new(names(), "y".to_owned(), loss)
    };
    run(Recipe::from(recipe), &Rows::new(x.view()).outcome(y.view()))
}

/// A small network for a number.
pub(crate) fn network() -> Outcome {
    let x = table();
    let y = outcome(&x, number);
    let recipe = FedAvg {
        loss: Loss::Number,
        hidden: vec![4],
        ..FedAvg::new(names(), "y".to_owned())
    };
    run(Recipe::from(recipe), &Rows::new(x.view()).outcome(y.view()))
}

/// Distributions, quantiles and a table by three groups.
pub(crate) fn distributions() -> Outcome {
    let mut x = table();
    (0..ROWS)
        .filter(|row| row % 50 == 3)
        .for_each(|row| x[[row, 2]] = f64::NAN);
    let group: Array1<f64> = (0..ROWS)
        .map(|row| (die(row, 61) * 3.0).floor().min(2.0))
        .collect();
    let scales = vec![
        Scale::equal(40.0, 100.0, 12),
        Scale::level(1),
        Scale::equal(80.0, 240.0, 16),
        Scale {
            edges: vec![0.0, 3.0, 6.0, 12.0, 24.0, 48.0],
            category: None,
        },
        Scale::level(2),
        Scale::level(3),
        Scale::equal(0.0, 20.0, 40),
    ];
    let details = Details {
        quantiles: vec![0.25, 0.5, 0.75],
        extremes: true,
        levels: ["A", "B", "<i>C</i>"].map(str::to_owned).into(),
        ..Details::new(scales)
    };
    let recipe = Summary {
        details: Some(details),
        ..Summary::new(names())
    };
    run(
        Recipe::from(recipe),
        &Rows {
            group: Some(group.view()),
            ..Rows::new(x.view())
        },
    )
}

/// Ten sites, of which one has few patients and three few with the outcome.
pub(crate) fn rounded() -> Outcome {
    Outcome::Count(CountOutcome {
        rounds: 1,
        sites: 10,
        rows: Rounded {
            rows: 9380,
            below: 1,
        },
        events: Some(Rounded {
            rows: 790,
            below: 3,
        }),
    })
}

/// All with a name.
pub(crate) fn all() -> Vec<(&'static str, Outcome)> {
    let mut all = glms();
    all.extend([
        ("gbdt", trees(gbdt::Loss::Logistic, 0.3)),
        ("gbdt-number", trees(gbdt::Loss::Squared, 0.2)),
        ("gbdt-nothing-held", trees(gbdt::Loss::Logistic, 0.0)),
        ("fednumber", network()),
        ("distributions", distributions()),
        ("count", rounded()),
    ]);
    all
}

/// The context of the outcome with this name.
pub(crate) fn context(name: &str) -> Context {
    let outcome = match name {
        "poisson" | "quasipoisson" => "falls",
        "gamma" => "cost",
        "linear" | "lasso" | "gbdt-number" | "fednumber" => "stay_days",
        "distributions" => "",
        _ => "dead14",
    };
    let parameter = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    Context {
        recipe: name.split('-').next().unwrap().to_owned(),
        outcome: outcome.to_owned(),
        features: names(),
        parameters: [("multiple", "10"), ("min_cell", "5")]
            .map(parameter)
            .into(),
        smallest_cell: 5,
        ..super::context()
    }
}
