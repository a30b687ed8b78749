//! The FedAvg family against reference trajectories, in plain numbers and through the words of a 32-bit ring.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]
#![allow(clippy::disallowed_methods, reason = "the tests read their tables")]

mod common;

use common::*;
use motet_recipes::{
    Adaptive, FedAvg, FedAvgOutcome, Loss, Memory, Outcome, Recipe, RecipeError, Rows, Rule, Weight,
};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::{Layout, Ring, Scale};
use motet_secagg::quantise::fixed_bits;
use ndarray::{Array1, Array2};
use std::path::PathBuf;

/// The same vector in words so fine (more than 50 bits after the point) that the sum is that of the numbers.
fn finest(layout: &Layout, sites: u32) -> Layout {
    let mut layout = Layout { ring: Ring::Bits64, ..layout.clone() };
    for block in &mut layout.blocks {
        if let Scale::Weighted(bits) = &mut block.scale {
            *bits = fixed_bits(Ring::Bits64, sites, block.bound as u64, 60, 50).unwrap();
        }
    }
    layout
}

/// The whole run; every site keeps its memory. `exact` sums in the finest words instead of the recipe's.
fn drive(recipe: &Recipe, sites: &[Site], exact: bool) -> Result<Outcome, RecipeError> {
    let tables: Vec<Rows<'_>> = sites.iter().map(Site::rows).collect();
    drive_rows(recipe, &tables, exact)
}

fn drive_rows(recipe: &Recipe, tables: &[Rows<'_>], exact: bool) -> Result<Outcome, RecipeError> {
    let count = tables.len() as u32;
    let mut memories: Vec<Memory> = tables.iter().map(|_| Memory::default()).collect();
    let mut state = recipe.start(Digest([3; 32]));
    while let Some(question) = recipe.ask(&state, count)? {
        let mut updates = Vec::new();
        for (rows, memory) in tables.iter().zip(&mut memories) {
            let answer = recipe.answer(&state, &question, rows, memory, &mut dice(1))?;
            updates.push(answer.update);
            if let Some(next) = answer.memory {
                *memory = Memory::from_bytes(&next.to_bytes()).unwrap();
            }
        }
        let layout = if exact { finest(&question.layout, count) } else { question.layout };
        state = recipe.absorb(&state, &plain_sum(&layout, Digest::of("test/set", &[]), updates)?)?;
    }
    recipe.outcome(&state)
}

/// Intercept first, as the references have it.
fn weights(outcome: Result<Outcome, RecipeError>) -> Vec<f64> {
    let outcome = fedavg(outcome);
    let values = |name: &str| outcome.layers.iter().find(|layer| layer.name == name).unwrap().values.clone();
    [values("layers.0.bias"), values("layers.0.weight")].concat()
}

fn furthest(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).map(|(got, want)| (got - want).abs()).fold(0.0, f64::max)
}

/// The recipe of a reference run.
fn recipe(columns: Vec<String>, params: &serde_json::Value, rounds: u32) -> Recipe {
    let number = |name: &str| params[name].as_f64().unwrap_or(1.0);
    let adaptive = Adaptive::default();
    let rule = match params["algo"].as_str().unwrap() {
        "fedavg" => Rule::Average,
        "fedprox" => Rule::Prox(number("mu")),
        "fedavgm" => Rule::Momentum(number("mom")),
        "fedadam" => Rule::Adam(adaptive),
        "fedyogi" => Rule::Yogi(adaptive),
        "fedadagrad" => Rule::Adagrad(adaptive),
        "scaffold" => Rule::Scaffold,
        other => panic!("{other}"),
    };
    Recipe::FedAvg(FedAvg {
        rule,
        rounds,
        local_epochs: params["E"].as_u64().unwrap() as u32,
        lr: number("lr"),
        server_lr: number("slr"),
        batch: 0,
        ..FedAvg::new(columns, "y".into())
    })
}

/// Runs every algorithm of a reference file to rounds 1, 10 and 100: within 1e-6 in plain numbers, within `ring` in words.
fn follow(name: &str, columns: &[&str], sites: &[Site], ring: f64) {
    let want = reference(name);
    assert_eq!(sites.iter().map(|site| site.y.len() as u64).sum::<u64>(), want["n"].as_u64().unwrap());
    assert_eq!(sites.iter().map(|site| site.y.sum()).sum::<f64>(), want["events"].as_f64().unwrap());
    let runs = want["runs"].as_object().unwrap();
    assert_eq!(runs.len(), 8);
    for (run, want) in runs {
        let (mut exact, mut words) = (0.0_f64, 0.0_f64);
        for (round, weights_there) in want["weights_after_round"].as_object().unwrap() {
            let recipe = recipe(names(columns), &want["params"], round.parse().unwrap());
            let there = numbers(weights_there);
            exact = exact.max(furthest(&weights(drive(&recipe, sites, true)), &there));
            words = words.max(furthest(&weights(drive(&recipe, sites, false)), &there));
        }
        println!("{name} {run}: {exact:.1e} in plain numbers, {words:.1e} through 32-bit words");
        assert!(exact < 1e-6, "{name} {run}: {exact}");
        assert!(words < ring, "{name} {run}: {words}");
    }
}

/// The rows of the four hospitals that the reference trains on.
fn heart_train() -> Vec<Site> {
    let rows = &reference("heart_trajectories")["train_rows"];
    let pick =
        |name: &&str| heart_rows(name, |at| rows[*name].as_array().unwrap().contains(&(at + 1).into()));
    HEART.iter().map(pick).collect()
}

const EICU_COLUMNS: [&str; 6] = ["age", "male", "aps", "vent_day1", "metastatic", "elective"];

/// Intensive care by region of the United States.
fn eicu() -> Vec<Site> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/eicu.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let site = |region: &&str| {
        let mine = records.iter().filter(|record| &record[0] == *region);
        let line = |record: &csv::StringRecord| record.iter().skip(1).map(|x| x.parse().unwrap()).collect();
        Site::new(region, &mine.map(line).collect::<Vec<Vec<f64>>>())
    };
    ["Midwest", "Northeast", "South", "West"].iter().map(site).collect()
}

#[test]
fn every_algorithm_follows_its_reference_on_the_heart_hospitals() {
    follow("heart_trajectories", &HEART_COLUMNS, &heart_train(), 1e-4);
}

#[test]
fn every_algorithm_follows_its_reference_on_intensive_care() {
    follow("eicu_trajectories", &EICU_COLUMNS, &eicu(), 1e-4);
}

#[test]
fn every_algorithm_follows_its_reference_on_the_stroke_countries() {
    follow("stroke_trajectories", &STROKE_COLUMNS, &stroke(), 1e-4);
}
