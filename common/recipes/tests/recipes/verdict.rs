//! Whether the common model serves a site's own patients.

#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

use crate::common::plain::finished;
use crate::common::*;
use motet_recipes::{
    AnyMethod, AnyState, Comparison, Errors, FedAvg, Formula, Glm, Loss, Recipe, RecipeError, Rule,
    State, Verdict, compare,
};
use motet_secagg::digest::Digest;

const SEED: Digest = Digest([7; 32]);

fn logistic_recipe() -> Recipe {
    Recipe::from(Glm::logistic(names(&HEART_COLUMNS), "y".into()))
}

fn averaged_recipe() -> Recipe {
    Recipe::from(FedAvg {
        batch: 0,
        lr: 0.5,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    })
}

fn fit(recipe: &Recipe, sites: &[Site]) -> State {
    finished(
        recipe,
        &sites.iter().map(Site::rows).collect::<Vec<_>>(),
        false,
    )
    .unwrap()
}

fn judge(recipe: &Recipe, state: &State, site: &Site) -> Comparison {
    let comparison = compare(recipe, state, &site.rows(), SEED).unwrap().unwrap();
    let brier = comparison.common.brier;
    assert!(brier.low <= brier.estimate && brier.estimate <= brier.high && brier.high <= 1.0);
    comparison
}

#[test]
fn the_local_model_is_the_reference_fit_of_that_hospital() {
    let sites = heart_train();
    let want = &reference("heart_trajectories")["local_ridge1_standardised"];
    for recipe in [logistic_recipe(), averaged_recipe()] {
        let state = fit(&recipe, &sites);
        let mut seen = 0;
        for site in &sites {
            let Some(own) = judge(&recipe, &state, site).own else {
                continue;
            };
            let values = |name: &str| {
                own.local_model
                    .iter()
                    .find(|layer| layer.name == name)
                    .unwrap()
                    .values
                    .clone()
            };
            let got = [values("layers.0.bias"), values("layers.0.weight")].concat();
            for (got, want) in got.iter().zip(numbers(&want[&site.name])) {
                assert_close(*got, want, &site.name);
            }
            seen += 1;
        }
        assert_eq!(seen, 3);
    }
}

#[test]
fn every_heart_hospital_hears_a_verdict_and_switzerland_that_it_is_too_small() {
    let sites = heart();
    for recipe in [logistic_recipe(), averaged_recipe()] {
        let state = fit(&recipe, &sites);
        for site in &sites {
            let comparison = judge(&recipe, &state, site);
            assert_eq!(comparison.rows as usize, site.y.len());
            if site.name == "switzerland" {
                assert_eq!(comparison.verdict.text(), "too small to judge");
                assert!(comparison.own.is_none() && !comparison.held_out);
                continue;
            }
            assert!(comparison.held_out);
            let own = comparison.own.unwrap();
            assert!((0.5..1.0).contains(&own.local.auc.unwrap().estimate));
            let (common, local) = (comparison.common.brier.estimate, own.local.brier.estimate);
            assert!((own.common_to_local.brier.estimate - (local - common)).abs() < 1e-12);
        }
    }
}

#[test]
fn one_class_or_one_row_is_too_small_and_divides_nothing_by_nothing() {
    let sites = heart();
    for recipe in [logistic_recipe(), averaged_recipe()] {
        let state = fit(&recipe, &sites);
        let mut lines = sites[2].lines();
        lines.retain(|line| line[13] == 1.0);
        for rows in [lines.len(), 1] {
            let comparison = judge(&recipe, &state, &Site::new("one class", &lines[..rows]));
            assert_eq!(
                (comparison.verdict, comparison.personal_verdict),
                (Verdict::TooSmall, Verdict::TooSmall)
            );
            assert_eq!(comparison.common.auc, None);
        }
        // Columns that do not vary at a site: the Swiss cholesterol, and one more.
        let flat: Vec<Vec<f64>> = sites[0]
            .lines()
            .into_iter()
            .map(|mut line| {
                (line[3], line[8]) = (0.0, 1.0);
                line
            })
            .collect();
        let own = judge(&recipe, &state, &Site::new("flat", &flat))
            .own
            .unwrap();
        let all = own
            .local_model
            .iter()
            .chain(&own.personal_model)
            .flat_map(|layer| &layer.values);
        assert!(all.copied().all(f64::is_finite));
    }
}

#[test]
fn an_averaged_model_is_judged_less_the_rows_it_saw_almost_as_an_exact_one() {
    let sites = heart();
    // Averaging that has come to the exact fit: whole tables, one step a round.
    let fedavg = FedAvg {
        batch: 0,
        lr: 0.5,
        rule: Rule::Momentum(0.8),
        rounds: 300,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    };
    let averaged = Recipe::from(fedavg);
    let (exact_state, state) = (fit(&logistic_recipe(), &sites), fit(&averaged, &sites));
    for site in [&sites[0], &sites[1]] {
        let exact = judge(&logistic_recipe(), &exact_state, site)
            .common
            .brier
            .estimate;
        let got = judge(&averaged, &state, site).common.brier.estimate;
        let seen = evaluated_alone(&state, site);
        println!(
            "{}: {exact:.5} exactly, {got:.5} averaged, {seen:.5} on rows it saw",
            site.name
        );
        assert!(
            seen < exact && (got - exact).abs() < 0.5 * (exact - seen),
            "{}",
            site.name
        );
    }
}

/// The Brier score of the final model on the rows of one site, all of which it has seen.
fn evaluated_alone(state: &State, site: &Site) -> f64 {
    let AnyState::FedAvg(state) = &state.method else {
        panic!("another recipe")
    };
    let (slopes, intercept) = (&state.parameters[..13], state.parameters[13]);
    let squares = site.lines().into_iter().map(|line| {
        let z = |at: usize| (line[at] - state.moments.mean[at]) / state.moments.sd[at];
        let f = intercept + (0..13).map(|at| slopes[at] * z(at)).sum::<f64>();
        (1.0 / (1.0 + (-f).exp()) - line[13]).powi(2)
    });
    squares.sum::<f64>() / site.y.len() as f64
}

#[test]
fn nine_of_a_class_are_too_few_and_ten_are_not() {
    let sites = heart();
    let state = fit(&logistic_recipe(), &sites);
    for event in [0.0, 1.0] {
        let (mut few, rest): (Vec<_>, Vec<_>) = sites[0]
            .lines()
            .into_iter()
            .partition(|line| line[13] == event);
        for count in [10, 9] {
            few.truncate(count);
            let site = Site::new("few", &[few.clone(), rest.clone()].concat());
            let comparison = judge(&logistic_recipe(), &state, &site);
            assert_eq!(
                comparison.verdict == Verdict::TooSmall,
                count == 9,
                "{count} with outcome {event}"
            );
            assert_eq!(comparison.own.is_none(), count == 9);
        }
    }
}

#[test]
fn a_site_of_another_kind_is_harmed_and_tuning_helps_it() {
    let sites = heart();
    // Where every diagnosis is the other way round the common model is worse than none.
    let turned = sites[0].lines().into_iter().map(|mut line| {
        line[13] = 1.0 - line[13];
        line
    });
    let turned = Site::new("turned", &turned.collect::<Vec<_>>());
    for recipe in [logistic_recipe(), averaged_recipe()] {
        let state = fit(&recipe, &sites);
        let comparison = judge(&recipe, &state, &turned);
        assert_eq!(comparison.verdict, Verdict::Harmed);
        assert_eq!(comparison.personal_verdict, Verdict::Gains);
        let own = comparison.own.unwrap();
        assert!(own.common_to_local.auc.high < 0.0 && own.personal_to_common.auc.low > 0.0);
    }
}

#[test]
fn a_small_site_gains_from_the_others() {
    let countries = stroke();
    let recipe = Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()));
    let state = fit(&recipe, &countries);
    // Thirty-six patients of Belgium, a third of whom died.
    let mut lines = countries[0].lines();
    lines.sort_by(|a, b| b[13].total_cmp(&a[13]));
    let small = Site::new("small", &lines[18..54]);
    let comparison = judge(&recipe, &state, &small);
    assert_eq!((comparison.rows, comparison.events), (36, 12));
    let own = comparison.own.unwrap();
    assert!(
        own.common_to_local.auc.estimate > 0.0,
        "{:?}",
        own.common_to_local
    );
}

#[test]
fn the_seed_draws_the_folds_and_nothing_else() {
    let sites = heart();
    let recipe = logistic_recipe();
    let state = fit(&recipe, &sites);
    let judge = |seed: u8| {
        compare(&recipe, &state, &sites[0].rows(), Digest([seed; 32]))
            .unwrap()
            .unwrap()
    };
    assert_eq!(judge(1), judge(1));
    let (one, two) = (judge(1).own.unwrap(), judge(2).own.unwrap());
    assert_ne!(one.local.brier, two.local.brier);
    for (one, two) in one.local_model.iter().zip(&two.local_model) {
        let apart = one
            .values
            .iter()
            .zip(&two.values)
            .map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f64::max) < 1e-12);
    }
}

#[test]
fn a_network_is_judged_and_an_unfinished_run_or_another_outcome_is_not() {
    let sites = heart();
    let fedavg = FedAvg {
        hidden: vec![4, 3],
        rounds: 5,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    };
    let recipe = Recipe::from(fedavg.clone());
    let state = fit(&recipe, &sites);
    let comparison = judge(&recipe, &state, &sites[0]);
    assert!(!comparison.held_out);
    let own = comparison.own.unwrap();
    assert_eq!(own.personal_model[2].shape, [4, 13]);
    let start = recipe.start(SEED);
    let refused = compare(&recipe, &start, &sites[0].rows(), SEED).unwrap_err();
    assert_eq!(refused, RecipeError::Unfinished { phase: "moments" });
    let number = Recipe::from(FedAvg {
        loss: Loss::Number,
        ..fedavg
    });
    assert_eq!(
        compare(&number, &number.start(SEED), &sites[0].rows(), SEED).unwrap(),
        None
    );
}

#[test]
fn a_model_is_judged_by_the_terms_of_its_formula_where_rows_count_alike() {
    let sites = heart_train();
    let AnyMethod::Glm(plain) = logistic_recipe().method else {
        unreachable!()
    };
    let judged = |recipe: Glm| {
        let recipe = Recipe::from(recipe);
        let state = fit(&recipe, &sites);
        compare(&recipe, &state, &sites[0].rows(), SEED).unwrap()
    };
    let robust = Glm {
        errors: Errors::Hc0,
        ..plain.clone()
    };
    assert_eq!(judged(robust), judged(plain.clone()));
    let formula = format!("y ~ {} + I(age^2)", HEART_COLUMNS.join(" + "));
    let design = Formula::parse(&formula)
        .unwrap()
        .design(|name| Some(vec![name.to_owned()]))
        .unwrap();
    let curved = judged(Glm {
        design,
        ..plain.clone()
    });
    let slopes = &curved.unwrap().own.unwrap().local_model[2];
    assert_eq!(slopes.values.len(), HEART_COLUMNS.len() + 1);
    let lasso = Glm {
        lasso: 1.0,
        ..plain
    };
    assert_eq!(judged(lasso), None);
}
