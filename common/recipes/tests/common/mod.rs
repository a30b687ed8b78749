//! The demo's tables as sites, and a run over them with plain sums.
#![allow(dead_code, unreachable_pub, reason = "helpers of tests")]
#![allow(
    clippy::disallowed_methods,
    reason = "the tests read the demo's tables and the reference figures"
)]

pub mod first_round;
pub mod plain;

use motet_recipes::fedavg::FedAvgOutcome;
use motet_recipes::{
    Averaged, CalibrationBin, Estimate, Family, Memory, Metrics, Outcome, Recipe, RecipeError,
    Rows, State, Step,
};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::Sum;
use ndarray::{Array1, Array2, Axis};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub mod survival;
pub mod wards;

pub const STROKE: [&str; 10] = [
    "BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT",
];
pub const STROKE_COLUMNS: [&str; 13] = [
    "age",
    "male",
    "delay_h",
    "sbp",
    "drowsy",
    "unconscious",
    "infarct_ct",
    "n_deficits",
    "tacs",
    "lacs",
    "pocs",
    "aspirin",
    "heparin",
];
pub const HEART: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];

/// One site's table.
#[derive(Clone)]
pub struct Site {
    pub name: String,
    pub x: Array2<f64>,
    pub y: Array1<f64>,
    pub time: Option<Array1<f64>>,
    pub group: Option<Array1<f64>>,
}

impl Site {
    pub fn new(name: &str, rows: &[Vec<f64>]) -> Self {
        let width = rows[0].len() - 1;
        let x = Array2::from_shape_fn((rows.len(), width), |(row, column)| rows[row][column]);
        let y = rows.iter().map(|row| row[width]).collect();
        Self {
            name: name.into(),
            x,
            y,
            time: None,
            group: None,
        }
    }

    pub fn rows(&self) -> Rows<'_> {
        let time = self.time.as_ref().map(|values| values.view());
        let group = self.group.as_ref().map(|values| values.view());
        Rows {
            time,
            group,
            ..Rows::new(self.x.view()).outcome(self.y.view())
        }
    }

    /// Features and outcome side by side.
    pub fn lines(&self) -> Vec<Vec<f64>> {
        let line = |(row, y): (ndarray::ArrayView1<'_, f64>, &f64)| {
            row.iter().copied().chain([*y]).collect()
        };
        self.x.axis_iter(Axis(0)).zip(&self.y).map(line).collect()
    }
}

pub fn names(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|name| (*name).to_owned()).collect()
}

pub fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

/// A demo table: header and fields; an empty field is NaN.
pub fn table(data: &str, site: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../cli/demo/{data}/{site}.csv"));
    let mut reader =
        csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let header = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let number = |field: &str| field.parse().unwrap_or(f64::NAN);
    let rows = reader
        .records()
        .map(|record| record.unwrap().iter().map(number).collect())
        .collect();
    (header, rows)
}

pub fn stroke() -> Vec<Site> {
    let site = |name: &&str| {
        let (header, rows) = table("stroke", name);
        let at = |column: &str| header.iter().position(|name| name == column).unwrap();
        let order: Vec<usize> = STROKE_COLUMNS
            .iter()
            .chain(&["dead14"])
            .map(|column| at(column))
            .collect();
        Site::new(
            name,
            &rows
                .iter()
                .map(|row| order.iter().map(|at| row[*at]).collect())
                .collect::<Vec<_>>(),
        )
    };
    STROKE.iter().map(site).collect()
}

pub const HEART_COLUMNS: [&str; 13] = [
    "age",
    "sex",
    "trestbps",
    "chol",
    "fbs",
    "thalach",
    "exang",
    "oldpeak",
    "cp_2",
    "cp_3",
    "cp_4",
    "restecg_1",
    "restecg_2",
];

/// The complete rows of the four hospitals: cp and restecg as dummies, disease where num > 0.
pub fn heart() -> Vec<Site> {
    HEART
        .iter()
        .map(|name| heart_rows(name, |_| true))
        .collect()
}

/// The rows of the four hospitals that the reference trains on.
pub fn heart_train() -> Vec<Site> {
    let rows = &reference("heart_trajectories")["train_rows"];
    let pick = |name: &&str| {
        heart_rows(name, |at| {
            rows[*name].as_array().unwrap().contains(&(at + 1).into())
        })
    };
    HEART.iter().map(pick).collect()
}

/// Those of one hospital among the rows, from 0, that `keep` names.
pub fn heart_rows(name: &str, keep: impl Fn(usize) -> bool) -> Site {
    let (header, rows) = table("heart", name);
    let at = |column: &str| header.iter().position(|name| name == column).unwrap();
    let complete = |row: &Vec<f64>| -> Option<Vec<f64>> {
        let value = |column: &str| row[at(column)];
        let is = |column: &str, level: f64| {
            if value(column).is_nan() {
                f64::NAN
            } else {
                f64::from(u8::from(value(column) == level))
            }
        };
        let plain = [
            "age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak",
        ]
        .map(value);
        let dummies = [
            is("cp", 2.0),
            is("cp", 3.0),
            is("cp", 4.0),
            is("restecg", 1.0),
            is("restecg", 2.0),
        ];
        let line: Vec<f64> = plain
            .into_iter()
            .chain(dummies)
            .chain([f64::from(u8::from(value("num") > 0.0))])
            .collect();
        line.iter().all(|value| !value.is_nan()).then_some(line)
    };
    let kept = rows
        .iter()
        .enumerate()
        .filter(|(at, _)| keep(*at))
        .map(|(_, row)| row);
    Site::new(name, &kept.filter_map(complete).collect::<Vec<_>>())
}

/// Intensive care of four regions: the columns, and each row with its region.
pub fn regions() -> (Vec<String>, Vec<(String, Vec<f64>)>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/eicu.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader
        .headers()
        .unwrap()
        .iter()
        .skip(1)
        .map(str::to_owned)
        .collect();
    let row = |record: csv::StringRecord| {
        (
            record[0].to_owned(),
            record
                .iter()
                .skip(1)
                .map(|field| field.parse().unwrap())
                .collect(),
        )
    };
    (
        header,
        reader
            .records()
            .map(|record| row(record.unwrap()))
            .collect(),
    )
}

pub fn reference(name: &str) -> serde_json::Value {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/reference/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

/// Within the tolerance of an exact federated fit.
pub fn assert_close(got: f64, want: f64, what: &str) {
    assert!(
        (got - want).abs() <= 1e-8 * (1.0 + want.abs()),
        "{what}: {got} instead of {want}"
    );
}

/// What these sites add up to in the next round. Every state goes through its canonical bytes, as a
/// joining node receives it.
pub fn added_up(recipe: &Recipe, state: &State, sites: &[&Site]) -> Option<Sum> {
    let state = State::from_bytes(&state.to_bytes()).unwrap();
    let question = recipe.ask(&state, sites.len() as u32).unwrap()?;
    let answer = |(at, site): (usize, &&Site)| {
        let mut rng = rng(at as u8 + state.progress().round as u8);
        recipe
            .answer(
                &state,
                &question,
                &site.rows(),
                &Memory::default(),
                &mut rng,
            )
            .unwrap()
            .update
    };
    let updates = sites.iter().enumerate().map(answer).collect();
    let ids: Vec<&[u8]> = sites.iter().map(|site| site.name.as_bytes()).collect();
    Some(plain_sum(&question.layout, Digest::of("test/set", &ids), updates).unwrap())
}

/// One round over these sites.
pub fn round(
    recipe: &Recipe,
    state: &State,
    sites: &[&Site],
) -> Option<Result<State, RecipeError>> {
    let sum = added_up(recipe, state, sites)?;
    Some(recipe.absorb(&State::from_bytes(&state.to_bytes()).unwrap(), &sum))
}

/// The numbers of the first sum of each phase until the run ends, by the name of the phase.
pub fn first_sums(recipe: &Recipe, sites: &[Site]) -> BTreeMap<&'static str, Vec<f64>> {
    let sites: Vec<&Site> = sites.iter().collect();
    let mut sums = BTreeMap::new();
    let mut state = recipe.start(Digest([3; 32]));
    while let Some(sum) = added_up(recipe, &state, &sites) {
        sums.entry(state.progress().phase)
            .or_insert_with(|| sum.values.clone());
        state = recipe.absorb(&state, &sum).unwrap();
    }
    sums
}

/// This many rows, dealt to three sites in turn.
pub fn three_sites(rows: u32, row: impl Fn(u32) -> Vec<f64>) -> Vec<Site> {
    let site = |first: u32| {
        let rows: Vec<Vec<f64>> = (first..rows).step_by(3).map(&row).collect();
        Site::new(&format!("site {first}"), &rows)
    };
    (0..3).map(site).collect()
}

/// The whole run, with the sites that `present(round)` picks; no state may repeat.
pub fn run_with<'a>(
    recipe: &Recipe,
    present: impl Fn(u32) -> Vec<&'a Site>,
) -> Result<Outcome, RecipeError> {
    let mut state = recipe.start(Digest([3; 32]));
    let mut roots = std::collections::BTreeSet::from([state.root()]);
    for at in 0..200 {
        match round(recipe, &state, &present(at)) {
            Some(next) => state = next?,
            None => return recipe.outcome(&state),
        }
        assert!(roots.insert(state.root()), "a state root repeats");
    }
    panic!("the run does not end");
}

pub fn run(recipe: &Recipe, sites: &[Site]) -> Result<Outcome, RecipeError> {
    run_with(recipe, |_| sites.iter().collect())
}

/// A logistic fit as tests read it: nothing in it is optional.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticFit {
    pub rounds: u32,
    pub sites: u32,
    pub rows: u64,
    pub events: u64,
    pub converged: bool,
    pub loglik: f64,
    pub null_loglik: f64,
    pub coefficients: Vec<Coefficient>,
    pub metrics: Metrics,
    pub roc: Vec<(f64, f64)>,
    pub calibration: Vec<CalibrationBin>,
    pub history: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    pub name: String,
    pub estimate: f64,
    pub se: f64,
    pub z: f64,
    pub p: f64,
    pub ci_low: f64,
    pub ci_high: f64,
}

impl From<Estimate> for Coefficient {
    fn from(
        Estimate {
            name,
            estimate,
            uncertainty,
        }: Estimate,
    ) -> Self {
        let known = uncertainty.unwrap();
        Self {
            name,
            estimate,
            se: known.se,
            z: known.statistic,
            p: known.p,
            ci_low: known.ci_low,
            ci_high: known.ci_high,
        }
    }
}

pub fn logistic(outcome: Result<Outcome, RecipeError>) -> LogisticFit {
    match outcome {
        Ok(Outcome::Glm(fit)) if fit.family == Family::Logistic => {
            let evaluation = fit.evaluation.unwrap();
            LogisticFit {
                rounds: fit.rounds,
                sites: fit.sites,
                rows: fit.rows,
                events: fit.events.unwrap(),
                converged: fit.converged,
                loglik: fit.loglik.unwrap(),
                null_loglik: fit.null_loglik.unwrap(),
                coefficients: fit.coefficients.into_iter().map(Into::into).collect(),
                metrics: evaluation.metrics,
                roc: evaluation.roc,
                calibration: evaluation.calibration,
                history: fit.history,
            }
        }
        other => panic!("no logistic outcome: {other:?}"),
    }
}

pub fn fedavg(outcome: Result<Outcome, RecipeError>) -> FedAvgOutcome {
    match outcome {
        Ok(Outcome::FedAvg(Averaged::YesNo(outcome))) => outcome,
        other => panic!("no fedavg outcome: {other:?}"),
    }
}
