//! Boosted trees and the logistic fit on the same training rows, measured on the same rows that
//! were held out.

use crate::common::*;
use motet_recipes::gbdt::GbdtOutcome;
use motet_recipes::gbdt::Loss;
use motet_recipes::{Fit, Gbdt, Glm, Memory, Node, Outcome, Recipe};
use motet_secagg::digest::Digest;
use motet_secagg::fold::plain_sum;

/// The row's score under the trees.
fn boosted(trees: &GbdtOutcome, row: &[f64]) -> f64 {
    let leaf = |nodes: &[Node]| {
        let mut at = 0;
        loop {
            match &nodes[at] {
                Node::Leaf(value) => return *value,
                Node::Split(split) => {
                    at =
                        split.left as usize + usize::from(row[split.column as usize] >= split.edge);
                }
            }
        }
    };
    trees.base
        + trees
            .trees
            .iter()
            .map(|tree| leaf(&tree.nodes))
            .sum::<f64>()
}

/// Area under the ROC curve of pairs (score, outcome), every pair of rows compared.
fn area(pairs: &[(f64, f64)]) -> f64 {
    let of = |class: f64| {
        pairs
            .iter()
            .filter(move |pair| pair.1 == class)
            .map(|pair| pair.0)
    };
    let won = |a: f64, b: f64| {
        if a > b {
            1.0
        } else {
            f64::from(u8::from(a == b)) / 2.0
        }
    };
    let wins: f64 = of(1.0)
        .map(|a| of(0.0).map(|b| won(a, b)).sum::<f64>())
        .sum();
    wins / (of(1.0).count() * of(0.0).count()) as f64
}

/// Whether the run with this seed keeps a row out of training: a site of that row alone counts it
/// among the held.
fn is_held(recipe: &Recipe, seed: Digest, line: &[f64]) -> bool {
    let state = recipe.start(seed);
    let question = recipe.ask(&state, 1).unwrap().unwrap();
    let site = Site::new("one", &[line.to_vec()]);
    let answer = recipe
        .answer(
            &state,
            &question,
            &site.rows(),
            &Memory::default(),
            &mut rng(0),
        )
        .unwrap();
    let sum = plain_sum(&question.layout, Digest::default(), vec![answer.update]).unwrap();
    sum.values[1] == 1.0
}

fn boost(recipe: &Recipe, seed: Digest, sites: &[Site]) -> GbdtOutcome {
    let mut state = recipe.start(seed);
    while let Some(next) = round(recipe, &state, &sites.iter().collect::<Vec<_>>()) {
        state = next.unwrap();
    }
    match recipe.outcome(&state).unwrap() {
        Outcome::Gbdt(trees) => trees,
        other => panic!("no trees: {other:?}"),
    }
}

#[test]
fn trees_rank_held_out_patients_as_well_as_the_logistic_fit() {
    let sites = stroke();
    let recipe = Gbdt {
        trees: 100,
        validation: 0.25,
        ..Gbdt::new(names(&STROKE_COLUMNS), "dead14".into(), Loss::Logistic)
    };
    let recipe = Recipe::from(recipe);
    let mut all = 0.0;
    for seed in 1..=5 {
        let seed = Digest([seed; 32]);
        let trees = boost(&recipe, seed, &sites);
        let (mut training, mut held) = (Vec::new(), Vec::new());
        for site in &sites {
            let (out, within) = site
                .lines()
                .into_iter()
                .partition(|line| is_held(&recipe, seed, line));
            held.extend::<Vec<Vec<f64>>>(out);
            training.push(Site::new(&site.name, &within));
        }
        assert_eq!(held.len() as u64, trees.held);
        let fit = logistic(run(
            &Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into())),
            &training,
        ));
        assert_eq!((fit.rows, fit.events), (trees.rows, trees.events.unwrap()));
        let linear = |row: &[f64]| -> f64 {
            let slopes = fit
                .coefficients
                .iter()
                .skip(1)
                .zip(row)
                .map(|(slope, x)| slope.estimate * x);
            fit.coefficients[0].estimate + slopes.sum::<f64>()
        };
        let measure = |score: &dyn Fn(&[f64]) -> f64| {
            area(
                &held
                    .iter()
                    .map(|row| (score(row), *row.last().unwrap()))
                    .collect::<Vec<_>>(),
            )
        };
        let (ours, theirs) = (measure(&|row| boosted(&trees, row)), measure(&linear));
        let Fit::Classes { metrics, .. } = &trees.fit else {
            panic!("no classes")
        };
        assert!(
            (metrics.auc - ours).abs() <= metrics.auc_error_bound + 1e-12,
            "{} {ours}",
            metrics.auc
        );
        println!(
            "held out {}: AUC of {} trees {ours:.4}, of the logistic fit {theirs:.4}",
            held.len(),
            trees.trees.len()
        );
        all += (ours - theirs) / 5.0;
        assert!(ours >= theirs - 0.005, "{ours} against {theirs}");
    }
    println!("trees less logistic, mean of five draws: {all:+.4}");
}
