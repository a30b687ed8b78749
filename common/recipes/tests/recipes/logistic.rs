//! The exact logistic fit over sites against pooled reference fits, and where there is no fit to be
//! had.

use crate::common::*;
use motet_recipes::{Glm, Memory, Outcome, Recipe, RecipeError};
use proptest::prelude::*;

fn stroke_recipe() -> Recipe {
    Recipe::from(Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()))
}

fn heart_recipe() -> Recipe {
    Recipe::from(Glm::logistic(names(&HEART_COLUMNS), "y".into()))
}

/// A fit of `width` columns called a, b, c.
fn small(width: usize) -> Glm {
    Glm::logistic(names(&["a", "b", "c"][..width]), "y".into())
}

fn agrees_with_reference(fit: &LogisticFit, name: &str) {
    let want = reference(name);
    assert!(fit.converged);
    assert_eq!(
        (fit.rows, fit.events),
        (
            want["n"].as_u64().unwrap(),
            want["events"].as_u64().unwrap()
        )
    );
    let features: Vec<&str> = want["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f.as_str().unwrap())
        .collect();
    assert_eq!(
        fit.coefficients
            .iter()
            .map(|c| c.name.as_str())
            .collect::<Vec<_>>(),
        features
    );
    for ((got, coef), se) in fit
        .coefficients
        .iter()
        .zip(numbers(&want["coef"]))
        .zip(numbers(&want["se"]))
    {
        assert_close(got.estimate, coef, &got.name);
        assert_close(got.se, se, &format!("se of {}", got.name));
        assert_close(got.z, coef / se, &format!("z of {}", got.name));
        assert!(
            got.ci_low < got.estimate && got.estimate < got.ci_high && (0.0..=1.0).contains(&got.p)
        );
    }
    assert_close(fit.loglik, want["loglik"].as_f64().unwrap(), "loglik");
    assert!(fit.null_loglik < fit.loglik);

    let metrics = &want["metrics"];
    let figure = |key: &str| metrics[key].as_f64().unwrap();
    assert_close(fit.metrics.brier, figure("brier"), "brier");
    assert_close(fit.metrics.accuracy, figure("acc"), "accuracy");
    let error = (fit.metrics.auc - figure("auc")).abs();
    assert!(
        error <= fit.metrics.auc_error_bound,
        "{error} > {}",
        fit.metrics.auc_error_bound
    );
    assert!(fit.metrics.auc_error_bound < 0.01);
    // The score equations make the line (0, 1) exactly at the maximum.
    assert!(
        (fit.metrics.calibration_slope - 1.0).abs() < 1e-7
            && fit.metrics.calibration_intercept.abs() < 1e-7
    );
    assert_eq!(
        fit.calibration.iter().map(|group| group.rows).sum::<u64>(),
        fit.rows
    );
}

#[test]
fn ten_countries_give_the_fit_of_one_table() {
    let fit = logistic(run(&stroke_recipe(), &stroke()));
    agrees_with_reference(&fit, "stroke_logistic");
    assert_eq!((fit.sites, fit.rows, fit.events), (10, 9381, 813));
    // moments, spread, Newton, evaluation: no round is wasted on calibration
    assert_eq!(fit.rounds as usize, 2 + fit.history.len() + 1);
    assert!(
        fit.history.len() <= 10,
        "{} Newton rounds",
        fit.history.len()
    );
    assert!(
        fit.history
            .windows(2)
            .all(|pair| pair[0].loglik < pair[1].loglik + 1e-9)
    );
}

#[test]
fn four_hospitals_give_the_fit_of_one_table() {
    agrees_with_reference(&logistic(run(&heart_recipe(), &heart())), "heart_logistic");
}

#[test]
fn a_ridge_binds_the_standardised_features_and_not_the_intercept() {
    for (mut recipe, sites, name) in [
        (
            Glm::logistic(names(&STROKE_COLUMNS), "dead14".into()),
            stroke(),
            "stroke_logistic",
        ),
        (
            Glm::logistic(names(&HEART_COLUMNS), "y".into()),
            heart(),
            "heart_logistic",
        ),
    ] {
        recipe.ridge = 1.0;
        let fit = logistic(run(&Recipe::from(recipe), &sites));
        let want = reference(name);
        let (mean, sd) = (
            numbers(&want["standardisation"]["mean"]),
            numbers(&want["standardisation"]["sd"]),
        );
        let ridge = &want["ridge_1_standardised"];
        let (coef, se) = (numbers(&ridge["coef"]), numbers(&ridge["se"]));
        let mut intercept = coef[0];
        for at in 0..mean.len() {
            let got = &fit.coefficients[at + 1];
            assert_close(got.estimate, coef[at + 1] / sd[at], &got.name);
            assert_close(got.se, se[at + 1] / sd[at], &format!("se of {}", got.name));
            intercept -= coef[at + 1] * mean[at] / sd[at];
        }
        assert_close(fit.coefficients[0].estimate, intercept, "intercept");
        // A shrunken model spreads its risks too little: the slope is really fitted and above 1.
        assert!(fit.metrics.calibration_slope > 1.0 + 1e-6 && fit.metrics.calibration_slope < 1.1);
    }
}

#[test]
fn a_site_alone_gives_its_own_fit_and_says_why_where_there_is_none() {
    let sites = heart();
    let alone = |at: usize| heart_recipe().alone(&sites[at].rows(), &mut rng(1));
    let fit = logistic(alone(0));
    assert_eq!((fit.sites, fit.rows, fit.events), (1, 303, 139));
    // All Swiss cholesterol values are 0.
    assert_eq!(
        alone(2),
        Err(RecipeError::Constant {
            column: "chol".into()
        })
    );

    // Only these sites' own tables have a finite estimate; in the reference too, no other does.
    let finite = |recipe: Recipe, sites: Vec<Site>| -> Vec<String> {
        let fits = |site: &Site| recipe.alone(&site.rows(), &mut rng(1)).is_ok();
        sites
            .iter()
            .filter(|site| fits(site))
            .map(|site| site.name.clone())
            .collect()
    };
    assert_eq!(
        finite(stroke_recipe(), stroke()),
        ["CZEC", "ITAL", "POLA", "SWIT"]
    );
    assert_eq!(finite(heart_recipe(), heart()), ["cleveland", "hungarian"]);
}

#[test]
fn a_lost_site_restarts_the_pass_and_the_fit_is_that_of_the_others() {
    let sites = stroke();
    let others: Vec<crate::common::Site> = sites
        .iter()
        .filter(|site| site.name != "ITAL")
        .cloned()
        .collect();
    let want = logistic(run(&stroke_recipe(), &others));
    for lost in [1, 4, want.rounds - 1] {
        let got = logistic(run_with(&stroke_recipe(), |round| {
            sites
                .iter()
                .filter(|site| round < lost || site.name != "ITAL")
                .collect()
        }));
        assert_eq!(
            got.rounds,
            lost + 1 + want.rounds,
            "one round is laid aside, then a whole pass"
        );
        assert_eq!(got.history.len(), want.history.len());
        let rounds = |fit: &LogisticFit| {
            fit.history
                .iter()
                .map(|step| step.round)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            rounds(&got),
            rounds(&want)
                .iter()
                .map(|round| round + lost + 1)
                .collect::<Vec<_>>()
        );
        let same = LogisticFit {
            rounds: want.rounds,
            history: want.history.clone(),
            ..got
        };
        assert_eq!(same, want);
    }
}

#[test]
fn a_fit_out_of_rounds_says_so_and_still_has_an_outcome() {
    let mut recipe = Glm::logistic(names(&STROKE_COLUMNS), "dead14".into());
    recipe.max_rounds = 4;
    let fit = logistic(run(&Recipe::from(recipe), &stroke()));
    assert!(!fit.converged && fit.history.len() == 4);
    let best = logistic(run(&stroke_recipe(), &stroke())).loglik;
    assert!(fit.loglik < best && fit.loglik > fit.null_loglik);
    assert_eq!(
        fit.loglik, fit.history[3].loglik,
        "the estimates are those of the last point that was evaluated"
    );
}

#[test]
fn separation_is_named_instead_of_a_huge_estimate() {
    // complete: y = a > 0
    let complete: Vec<Vec<f64>> = (-10..10)
        .map(|at| vec![f64::from(at), f64::from(u8::from(at > 0))])
        .collect();
    // quasi-complete: all rows with b = 1 have y = 1, the rest is mixed
    let quasi: Vec<Vec<f64>> = (0..400)
        .map(|at| {
            let b = f64::from(u8::from(at % 100 == 0));
            let y = if b == 1.0 {
                1.0
            } else {
                f64::from(u8::from(at % 3 == 0))
            };
            vec![f64::from(at * 37 % 101), b, y]
        })
        .collect();
    for (rows, width) in [(complete, 1), (quasi, 2)] {
        let mut recipe = small(width);
        let half = rows.len() / 2;
        let sites = [Site::new("a", &rows[..half]), Site::new("b", &rows[half..])];
        let error = run(&Recipe::from(recipe.clone()), &sites).unwrap_err();
        let RecipeError::Separated { columns, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(
            columns,
            &[if width == 1 { "a" } else { "b" }],
            "the column that separates is named"
        );
        assert!(error.to_string().starts_with("no finite estimate"));
        recipe.ridge = 0.1;
        assert!(
            logistic(run(&Recipe::from(recipe), &sites)).converged,
            "a ridge gives an estimate"
        );
    }
}

#[test]
fn columns_that_cannot_be_fitted_are_named() {
    let y = |at: f64| f64::from(u8::from((at * 7.0) % 11.0 > 5.0));
    let fit = |row: &dyn Fn(f64) -> Vec<f64>| {
        let rows: Vec<Vec<f64>> = (0..60).map(|at| row(f64::from(at))).collect();
        let recipe = Recipe::from(small(rows[0].len() - 1));
        run(
            &recipe,
            &[Site::new("a", &rows[..30]), Site::new("b", &rows[30..])],
        )
    };
    let constant = Err(RecipeError::Constant { column: "b".into() });
    assert_eq!(fit(&|at| vec![at, 0.1, y(at)]), constant);
    // A spread of any size is one, unless double precision has no digits of it.
    assert!(fit(&|at| vec![at, 1e-15 * (at * 5.0 % 7.0), y(at)]).is_ok());
    assert!(fit(&|at| vec![at, 1.0 + 1e-10 * (at * 5.0 % 7.0), y(at)]).is_ok());
    assert_eq!(
        fit(&|at| vec![at, 1.0 + 3e-16 * (at * 5.0 % 7.0), y(at)]),
        constant
    );
    assert_eq!(
        fit(&|at| vec![at, at * at, 3.0 * at - 0.5 * at * at + 7.0, y(at)]),
        Err(RecipeError::Collinear { column: "c".into() })
    );
    assert_eq!(
        fit(&|at| vec![at, 1.0]),
        Err(RecipeError::OneClass {
            outcome: "y".into()
        })
    );
}

#[test]
fn tables_that_do_not_fit_the_recipe_are_refused_before_an_answer() {
    let recipe = Recipe::from(small(2));
    let state = recipe.start(Default::default());
    let question = recipe.ask(&state, 1).unwrap().unwrap();
    let refusal = |site: &Site| {
        recipe
            .answer(
                &state,
                &question,
                &site.rows(),
                &Memory::default(),
                &mut rng(0),
            )
            .err()
    };
    let good = Site::new("a", &[vec![1.0, 2.0, 0.0], vec![2.0, 5.0, 1.0]]);
    assert_eq!(refusal(&good), None);
    assert_eq!(
        refusal(&Site::new("a", &[vec![1.0, 0.0]])),
        Some(RecipeError::Columns {
            expected: 2,
            found: 1
        })
    );
    let holed = Site::new(
        "a",
        &[vec![1.0, f64::NAN, 0.0], vec![1.0, f64::INFINITY, 0.0]],
    );
    assert_eq!(
        refusal(&holed),
        Some(RecipeError::NotFinite {
            column: "b".into(),
            rows: 2
        })
    );
    let graded = Site::new("a", &[vec![1.0, 1.0, 3.0], vec![1.0, 2.0, 1.0]]);
    assert_eq!(
        refusal(&graded),
        Some(RecipeError::NotBinary {
            outcome: "y".into(),
            rows: 1
        })
    );
    let without = motet_recipes::Rows::new(good.x.view());
    assert!(matches!(
        recipe
            .answer(&state, &question, &without, &Memory::default(), &mut rng(0))
            .err(),
        Some(RecipeError::NoOutcome { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_fit_does_not_depend_on_where_rows_lie(places in proptest::collection::vec(0_usize..5, 740)) {
        let rows: Vec<Vec<f64>> = heart().iter().flat_map(Site::lines).collect();
        let mut shares = vec![Vec::new(); 5];
        for (row, place) in rows.into_iter().zip(places) {
            shares[place].push(row);
        }
        shares.retain(|rows| !rows.is_empty());
        let sites: Vec<Site> = shares.iter().enumerate().map(|(at, rows)| Site::new(&at.to_string(), rows)).collect();
        let fit = logistic(run(&heart_recipe(), &sites));
        let whole = logistic(run(&heart_recipe(), &heart()));
        for (a, b) in fit.coefficients.iter().zip(&whole.coefficients) {
            prop_assert!((a.estimate - b.estimate).abs() <= 1e-9 && (a.se - b.se).abs() <= 1e-9);
        }
        prop_assert!((fit.loglik - whole.loglik).abs() <= 1e-9);
        prop_assert_eq!(fit.metrics.auc, whole.metrics.auc);
    }
}

#[test]
fn an_outcome_is_of_its_own_kind() {
    assert!(matches!(
        run(&heart_recipe(), &heart()),
        Ok(Outcome::Glm(_))
    ));
    let other = Recipe::from(motet_recipes::Summary::new(names(&["a"])));
    assert!(
        other
            .outcome(&heart_recipe().start(Default::default()))
            .is_err()
    );
    let unfinished = heart_recipe().outcome(&heart_recipe().start(Default::default()));
    assert_eq!(
        unfinished.unwrap_err().to_string(),
        "not finished: the recipe is in phase `moments`"
    );
}

#[test]
fn ten_patients_with_the_outcome_among_24_000_are_ranked_as_finely_as_any() {
    let mut rows: Vec<Vec<f64>> = (0..24_000)
        .map(|at| vec![f64::from(at % 100), 0.0])
        .collect();
    for (block, place) in [99, 98, 97, 95, 90, 88, 80, 70, 60, 30]
        .into_iter()
        .enumerate()
    {
        rows[2400 * block + place][1] = 1.0;
    }
    let shares = (0..3).map(|site| {
        Site::new(
            "s",
            &rows
                .iter()
                .skip(site)
                .step_by(3)
                .cloned()
                .collect::<Vec<_>>(),
        )
    });
    let fit = logistic(run(&Recipe::from(small(1)), &shares.collect::<Vec<_>>()));
    // All pairs of one table: with bins of equal risk the figure was 0.734, give or take 0.198.
    let auc = 0.812_130_1;
    assert!(
        (fit.metrics.auc - auc).abs() <= fit.metrics.auc_error_bound,
        "{}",
        fit.metrics.auc
    );
    assert!(
        fit.metrics.auc_error_bound < 0.006,
        "{}",
        fit.metrics.auc_error_bound
    );
    assert_eq!(fit.calibration.len(), 10);
    assert!(fit.roc.len() > 90, "{}", fit.roc.len());
}
