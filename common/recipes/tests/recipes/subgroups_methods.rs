//! Every method that predicts risks or numbers is judged by the model it releases.

use crate::common::wards::*;
use crate::common::*;
use motet_recipes::gbdt::{self, Node};
use motet_recipes::{
    Averaged, Design, Family, FedAvg, Gbdt, Glm, Loss, Outcome, Recipe, Shown, SiteFindings,
};

#[test]
fn every_method_with_risks_is_judged_by_the_model_it_releases() {
    let hospitals = wards(heart(), |_| false);
    let columns = names(&HEART_COLUMNS);
    let families = [Family::Logistic, Family::Quasibinomial].map(|family| {
        let mut glm = Glm::new(Design::plain(columns.clone()), "y".into(), family);
        glm.ridge = 1.0;
        Recipe::from(glm)
    });
    for recipe in families {
        let (outcome, findings) = finish(&recipe.judged(asked(groups(), false)), &hospitals);
        let Outcome::Glm(fit) = outcome else {
            panic!("no glm")
        };
        let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
        let risk = |x: &[f64]| {
            1.0 / (1.0
                + (-beta[0] - x.iter().zip(&beta[1..]).map(|(x, b)| x * b).sum::<f64>()).exp())
        };
        let all: Vec<_> = lines(&hospitals)
            .into_iter()
            .map(|(x, y, g)| (risk(&x), y, g))
            .collect();
        if fit.family == Family::Logistic {
            assert!(holds(&findings, &all) >= 8);
        } else {
            assert!(numbers_hold(&findings, &all) >= 8);
        }
    }
    let averaged = Recipe::from(FedAvg {
        hidden: vec![4],
        rounds: 3,
        batch: 0,
        ..FedAvg::new(columns.clone(), "y".into())
    });
    let (outcome, findings) = finish(&averaged.judged(asked(groups(), false)), &hospitals);
    let model = fedavg(Ok(outcome));
    let layer = |name: &str| {
        &model
            .layers
            .iter()
            .find(|layer| layer.name == name)
            .unwrap()
            .values
    };
    let risk = |x: &[f64]| {
        let z: Vec<f64> = x
            .iter()
            .zip(layer("standardise.mean"))
            .zip(layer("standardise.sd"))
            .map(|((x, m), s)| (x - m) / s)
            .collect();
        let unit = |weights: &[f64], bias: f64, input: &[f64]| {
            weights.iter().zip(input).map(|(w, x)| w * x).sum::<f64>() + bias
        };
        let hidden: Vec<f64> = layer("layers.0.weight")
            .chunks(z.len())
            .zip(layer("layers.0.bias"))
            .map(|(w, b)| unit(w, *b, &z).tanh())
            .collect();
        1.0 / (1.0 + (-unit(layer("layers.1.weight"), layer("layers.1.bias")[0], &hidden)).exp())
    };
    let all: Vec<_> = lines(&hospitals)
        .into_iter()
        .map(|(x, y, g)| (risk(&x), y, g))
        .collect();
    assert!(holds(&findings, &all) >= 8);
}

fn walk(model: &motet_recipes::gbdt::GbdtOutcome, x: &[f64]) -> f64 {
    model.trees.iter().fold(model.base, |score, tree| {
        let mut at = 0;
        loop {
            match &tree.nodes[at] {
                Node::Leaf(value) => return score + value,
                Node::Split(split) => {
                    let value = x[split.column as usize];
                    let left = if value.is_nan() {
                        split.missing_left
                    } else {
                        value < split.edge
                    };
                    at = split.left as usize + usize::from(!left);
                }
            }
        }
    })
}

#[test]
fn trees_are_judged_on_the_rows_they_were_not_grown_on() {
    let countries = wards(stroke(), |_| true);
    let boost = |loss, validation| {
        let columns = names(&STROKE_COLUMNS);
        Gbdt {
            trees: 5,
            depth: 2,
            validation,
            ..Gbdt::new(columns, "dead14".into(), loss)
        }
    };
    let all_rows = Recipe::from(boost(gbdt::Loss::Logistic, 0.0)).judged(asked(groups(), false));
    let (outcome, findings) = finish(&all_rows, &countries);
    let Outcome::Gbdt(model) = outcome else {
        panic!("no trees")
    };
    let risk = |x: &[f64]| 1.0 / (1.0 + (-walk(&model, x)).exp());
    let all: Vec<_> = lines(&countries)
        .into_iter()
        .map(|(x, y, g)| (risk(&x), y, g))
        .collect();
    // Five small trees give few scores: many ties, which the bound covers.
    for (at, (name, levels)) in GROUPS.iter().enumerate() {
        for level in *levels {
            let rows: Vec<(f64, f64)> = all
                .iter()
                .filter(|(_, _, groups)| level_of(at, groups[at]) == *level)
                .map(|(p, y, _)| (*p, *y))
                .collect();
            is_of(risk_of(&findings, name, level), &rows, level);
        }
    }
    let held_out = Recipe::from(boost(gbdt::Loss::Logistic, 0.3)).judged(asked(groups(), true));
    let (outcome, findings) = finish(&held_out, &countries);
    let Outcome::Gbdt(model) = outcome else {
        panic!("no trees")
    };
    let of = |name: &str| {
        group(&findings, name)
            .levels
            .iter()
            .filter_map(|level| match &level.shown {
                Shown::Figures(figures) => Some(figures.rows()),
                Shown::Hidden(_) => None,
            })
            .sum::<u64>()
    };
    assert_eq!((of("male"), of("age")), (model.held, model.held));
    let told = findings.sites.iter().map(|site| match site {
        SiteFindings::Told(figures) => figures.rows(),
        _ => 0,
    });
    assert_eq!(told.sum::<u64>(), model.held);
}

#[test]
fn numbers_are_judged_by_their_squared_error_and_their_bias() {
    // Blood pressure from the other columns; then the number of deficits as a count.
    let without = |column: usize| {
        let sites = stroke().into_iter().map(|site| {
            let y = site.x.column(column).to_owned();
            let keep: Vec<usize> = (0..site.x.ncols()).filter(|at| *at != column).collect();
            Site {
                x: site.x.select(ndarray::Axis(1), &keep),
                y,
                ..site
            }
        });
        let columns: Vec<String> = STROKE_COLUMNS
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != column)
            .map(|(_, name)| (*name).to_owned())
            .collect();
        (wards(sites.collect(), |at| at > 3), columns)
    };
    for (column, family) in [
        (3, Family::Linear),
        (3, Family::Gamma),
        (7, Family::Poisson),
        (7, Family::Quasipoisson),
    ] {
        let (sites, columns) = without(column);
        let recipe = Recipe::from(Glm::new(
            Design::plain(columns),
            STROKE_COLUMNS[column].into(),
            family,
        ));
        let recipe = recipe.judged(asked(groups(), true));
        let (outcome, findings) = finish(&recipe, &sites);
        let Outcome::Glm(fit) = outcome else {
            panic!("no glm")
        };
        let beta: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
        let mean = |x: &[f64]| {
            let predictor = beta[0] + x.iter().zip(&beta[1..]).map(|(x, b)| x * b).sum::<f64>();
            if family == Family::Linear {
                predictor
            } else {
                predictor.exp()
            }
        };
        let all: Vec<_> = lines(&sites)
            .into_iter()
            .map(|(x, y, g)| (mean(&x), y, g))
            .collect();
        assert_eq!(numbers_hold(&findings, &all), 10, "{family:?}");
        let told: Vec<u64> = findings
            .sites
            .iter()
            .map(|site| match site {
                SiteFindings::Told(figures) => figures.rows(),
                _ => 0,
            })
            .collect();
        let want: Vec<u64> = sites
            .iter()
            .map(|ward| ward.slot.map_or(0, |_| ward.site.y.len() as u64))
            .collect();
        assert_eq!(told, want);
    }
    let (sites, columns) = without(3);
    let averaged = FedAvg {
        loss: Loss::Number,
        rounds: 3,
        batch: 0,
        ..FedAvg::new(columns.clone(), "sbp".into())
    };
    let (outcome, findings) = finish(
        &Recipe::from(averaged).judged(asked(groups(), false)),
        &sites,
    );
    let Outcome::FedAvg(Averaged::Number(model)) = outcome else {
        panic!("no number")
    };
    let layer = |name: &str| {
        &model
            .layers
            .iter()
            .find(|layer| layer.name == name)
            .unwrap()
            .values
    };
    let mean = |x: &[f64]| {
        let z = x
            .iter()
            .zip(layer("standardise.mean"))
            .zip(layer("standardise.sd"))
            .map(|((x, m), s)| (x - m) / s);
        let f = z
            .zip(layer("layers.0.weight"))
            .map(|(z, w)| z * w)
            .sum::<f64>()
            + layer("layers.0.bias")[0];
        layer("outcome.mean")[0] + layer("outcome.sd")[0] * f
    };
    let all: Vec<_> = lines(&sites)
        .into_iter()
        .map(|(x, y, g)| (mean(&x), y, g))
        .collect();
    assert_eq!(numbers_hold(&findings, &all), 10);
    let trees = Gbdt {
        trees: 3,
        depth: 2,
        validation: 0.0,
        ..Gbdt::new(columns, "sbp".into(), gbdt::Loss::Squared)
    };
    let (outcome, findings) = finish(&Recipe::from(trees).judged(asked(groups(), false)), &sites);
    let Outcome::Gbdt(model) = outcome else {
        panic!("no trees")
    };
    let all: Vec<_> = lines(&sites)
        .into_iter()
        .map(|(x, y, g)| (walk(&model, &x), y, g))
        .collect();
    assert_eq!(numbers_hold(&findings, &all), 10);
}
