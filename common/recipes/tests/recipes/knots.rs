//! `ns(x, 3)`: knots at quantiles that no site names, and the fit that these knots give.

use crate::columns::{Columns, heart, round, run, stroke};
use crate::common::STROKE;
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Errors, Family, Formula, Glm, Knots, Recipe, RecipeError, State, WeightKind};
use motet_secagg::digest::Digest;
use motet_secagg::layout::Sum;

fn glm(formula: &str, family: Family) -> Glm {
    let formula = Formula::parse(formula).unwrap();
    let levels = || {
        STROKE[1..]
            .iter()
            .map(|country| format!("country_{country}"))
            .collect()
    };
    let design = formula.design(|name| {
        Some(if name == "country" {
            levels()
        } else {
            vec![name.to_owned()]
        })
    });
    Glm::new(design.unwrap(), formula.outcome.unwrap(), family)
}

/// The rows of all sites at `sites` others.
fn scattered(tables: &[Columns], sites: usize) -> Vec<Columns> {
    let all = Columns::joined(tables);
    (0..sites)
        .map(|site| {
            all.pick(
                &(0..all.len())
                    .filter(|row| row * 7919 % 9973 % sites == site)
                    .collect::<Vec<_>>(),
            )
        })
        .collect()
}

/// R's quantile of type 7 on one table.
fn quantile(tables: &[Columns], column: &str, probability: f64) -> f64 {
    let mut values = Columns::joined(tables).column(column).to_vec();
    values.sort_by(f64::total_cmp);
    let at = (values.len() - 1) as f64 * probability;
    let (low, rest) = (at.floor() as usize, at.fract());
    values[low]
        + if rest > 0.0 {
            (values[low + 1] - values[low]) * rest
        } else {
            0.0
        }
}

/// The knots as the formula would have them.
fn written(knots: &Knots) -> String {
    let inner: Vec<String> = knots.knots[1..knots.knots.len() - 1]
        .iter()
        .map(f64::to_string)
        .collect();
    format!(
        "ns({}, knots = c({}), boundary = c({}, {}))",
        knots.column,
        inner.join(", "),
        knots.knots[0],
        knots.knots[knots.knots.len() - 1]
    )
}

fn lie_at_quantiles(tables: &[Columns], outcome: &GlmOutcome) {
    for knots in &outcome.knots {
        let degrees = f64::from(knots.degrees);
        assert_eq!(knots.knots.len(), knots.degrees as usize + 1);
        for (at, (knot, within)) in knots.knots.iter().zip(&knots.within).enumerate() {
            let probability = match at as u32 {
                0 => 0.05,
                at if at == knots.degrees => 0.95,
                at => f64::from(at) / degrees,
            };
            let want = quantile(tables, &knots.column, probability);
            assert!(
                (knot - want).abs() <= *within,
                "{}: {knot} +- {within}, not {want}",
                knots.column
            );
        }
    }
}

fn same_fit(got: &GlmOutcome, want: &GlmOutcome, what: &str) {
    let close = |got: f64, want: f64| crate::common::assert_close(got, want, what);
    assert_eq!(got.coefficients.len(), want.coefficients.len());
    for (got, want) in got.coefficients.iter().zip(&want.coefficients) {
        close(got.estimate, want.estimate);
        close(
            got.uncertainty.as_ref().unwrap().se,
            want.uncertainty.as_ref().unwrap().se,
        );
    }
    close(
        got.loglik.unwrap_or_default(),
        want.loglik.unwrap_or_default(),
    );
    close(got.deviance, want.deviance);
    assert_eq!(
        (got.rows, got.events, got.df),
        (want.rows, want.events, want.df)
    );
}

#[test]
fn the_fit_is_that_of_one_table_with_the_knots_that_were_found() {
    // A country is one site's: rows are dealt anew.
    let sites = scattered(&stroke(), 5);
    let formula = "dead14 ~ age + male + ns(sbp, 3) + country";
    let found = run(&glm(formula, Family::Logistic), &sites).unwrap();
    let [knots] = found.knots.as_slice() else {
        panic!("{:?}", found.knots)
    };
    println!(
        "sbp: knots {:?}, each within {:?}",
        knots.knots, knots.within
    );
    lie_at_quantiles(&sites, &found);
    let span = knots.knots[3] - knots.knots[0];
    assert!(
        knots.within.iter().all(|within| *within <= 0.01 * span),
        "{knots:?}"
    );
    let name = format!("ns(sbp, 3)[{}]", knots.knots[2]);
    assert!(found.coefficients.iter().any(|c| c.name == name), "{name}");

    let given = formula.replace("ns(sbp, 3)", &written(knots));
    let given = run(&glm(&given, Family::Logistic), &[Columns::joined(&sites)]).unwrap();
    assert!(given.knots.is_empty());
    for count in [0, 1, 2, 7, 36] {
        let there = if count == 0 {
            sites.clone()
        } else {
            scattered(&sites, count)
        };
        let there = run(&glm(formula, Family::Logistic), &there).unwrap();
        assert_eq!(there.knots, found.knots, "{count} sites");
        same_fit(&there, &given, &format!("{count} sites"));
    }
    let rounds = found.rounds - given.rounds;
    println!("the knots took {rounds} rounds of {}", found.rounds);
    assert!((4..=6).contains(&rounds), "{rounds}");
}

#[test]
fn every_family_takes_several_splines_and_one_column_twice() {
    let sites = stroke();
    for (family, outcome) in [
        (Family::Linear, "sbp"),
        (Family::Poisson, "n_deficits"),
        (Family::Gamma, "sbp"),
        (Family::Quasipoisson, "n_deficits"),
        (Family::Quasibinomial, "share"),
    ] {
        let formula = format!("{outcome} ~ male*ns(age, df = 4) + ns(delay_h, 2) + infarct_ct");
        let recipe = Glm {
            errors: Errors::Hc1,
            ..glm(&formula, family)
        };
        let found = run(&recipe, &sites).unwrap();
        lie_at_quantiles(&sites, &found);
        let [age, delay] = found.knots.as_slice() else {
            panic!("{:?}", found.knots)
        };
        let given = formula
            .replace("ns(age, df = 4)", &written(age))
            .replace("ns(delay_h, 2)", &written(delay));
        let given = Glm {
            errors: Errors::Hc1,
            ..glm(&given, family)
        };
        let given = run(&given, &[Columns::joined(&sites)]).unwrap();
        same_fit(&found, &given, &formula);
        assert_eq!(found.coefficients.len(), 1 + 1 + 4 + 2 + 1 + 4);
    }
    // The same column with other degrees is another spline; both hold the straight line.
    let twice = glm("dead14 ~ ns(sbp, 3) + ns(sbp, 5)", Family::Logistic);
    let stuck = run(&twice, &sites).unwrap_err();
    assert!(matches!(stuck, RecipeError::Collinear { .. }), "{stuck}");
    let bound = run(
        &Glm {
            ridge: 1.0,
            ..twice
        },
        &sites,
    )
    .unwrap();
    assert_eq!(
        bound
            .knots
            .iter()
            .map(|knots| knots.degrees)
            .collect::<Vec<_>>(),
        [3, 5]
    );
    assert_eq!(
        (bound.knots[0].knots[0], bound.knots[0].knots[3]),
        (bound.knots[1].knots[0], bound.knots[1].knots[5])
    );
}

#[test]
fn few_rows_and_skewed_values_have_knots_too() {
    let sites = heart();
    let found = run(
        &glm(
            "y ~ ns(chol, 4) + ns(oldpeak, 2) + ns(age, 3)",
            Family::Logistic,
        ),
        &sites,
    )
    .unwrap();
    lie_at_quantiles(&sites, &found);
    for knots in &found.knots {
        println!(
            "{}: {:?} within {:?}",
            knots.column, knots.knots, knots.within
        );
    }
    // Values over six powers of ten, of 150 patients.
    let skewed: Vec<f64> = (0..150)
        .map(|at| (7.0 * (f64::from(at) / 75.0 - 1.0)).exp())
        .collect();
    let y = (0..150).map(|at| f64::from(u8::from(at % 7 < 3))).collect();
    let table = Columns::of(&[("crp", skewed), ("y", y)]);
    let stuck = run(
        &glm("y ~ ns(crp, 3)", Family::Logistic),
        std::slice::from_ref(&table),
    )
    .unwrap_err();
    assert!(stuck.to_string().contains("its logarithm"), "{stuck}");
    let mild = table.with("crp", &["crp"], |row| row[0].powf(0.25));
    let found = run(
        &glm("y ~ ns(crp, 3)", Family::Logistic),
        &scattered(std::slice::from_ref(&mild), 3),
    )
    .unwrap();
    println!(
        "skewed: {:?} within {:?}",
        found.knots[0].knots, found.knots[0].within
    );
    lie_at_quantiles(&[mild], &found);
}

#[test]
fn rows_of_weight_zero_place_no_knot() {
    let mark = |site: Columns| {
        site.with("weight", &["age", "weight"], |row| {
            if row[0] > 75.0 { 0.0 } else { row[1] }
        })
    };
    let marked: Vec<Columns> = stroke().into_iter().map(mark).collect();
    let kept = |site: &Columns| {
        site.pick(
            &(0..site.len())
                .filter(|row| site.column("age")[*row] <= 75.0)
                .collect::<Vec<_>>(),
        )
    };
    let without: Vec<Columns> = marked.iter().map(kept).collect();
    let recipe = Glm {
        weight: Some(WeightKind::Precision),
        ..glm("n_deficits ~ ns(age, 3)", Family::Poisson)
    };
    let (a, b) = (
        run(&recipe, &marked).unwrap(),
        run(&recipe, &without).unwrap(),
    );
    assert_eq!(a.knots, b.knots);
    lie_at_quantiles(&without, &a);
    same_fit(&a, &b, "rows of weight 0");
}

#[test]
fn a_column_of_few_values_is_told_what_to_do() {
    let sites = stroke();
    for (formula, column) in [
        ("dead14 ~ age + ns(male, 3)", "ns(male, 3)[knot 2]"),
        (
            "dead14 ~ ns(age, 3) + ns(unconscious, 2)",
            "ns(unconscious, 2)[knot 2]",
        ),
        ("dead14 ~ ns(n_deficits, 10)", "ns(n_deficits, 10)[knot 2]"),
    ] {
        let error = run(&glm(formula, Family::Logistic), &sites).unwrap_err();
        assert_eq!(
            error,
            RecipeError::Bunched {
                column: column.into()
            },
            "{formula}"
        );
        assert!(
            error
                .to_string()
                .contains("take fewer degrees, the column itself"),
            "{error}"
        );
    }
    let flat: Vec<Columns> = sites
        .into_iter()
        .map(|site| site.with("sbp", &[], |_| 120.0))
        .collect();
    let error = run(&glm("dead14 ~ age + ns(sbp, 3)", Family::Logistic), &flat).unwrap_err();
    assert_eq!(
        error,
        RecipeError::Constant {
            column: "ns(sbp, 3)[knot 2]".into()
        }
    );
}

#[test]
fn fixed_sums_lead_to_fixed_knots() {
    let recipe = Recipe::from(glm("n ~ age + ns(sbp, 2)", Family::Poisson));
    let mut cells = vec![0.0; 18];
    cells[4..14].copy_from_slice(&[20.0, 20.0, 25.0, 30.0, 65.0, 60.0, 25.0, 20.0, 20.0, 15.0]);
    let parts = |state: &State| recipe.ask(state, 3).unwrap().unwrap().layout.elements();
    let mut state = recipe.start(Digest::default());
    let mut roots = vec![state.root().short()];
    for values in [vec![300.0, 45_000.5], vec![187_654.25], cells] {
        let sum = Sum {
            sites: 3,
            set: Digest([9; 32]),
            weight: 3,
            values,
        };
        state = recipe.absorb(&state, &sum).unwrap();
        roots.push(state.root().short());
    }
    // The order statistics around 5%, 50% and 95% lie in cells of 20, 65, and of 20 and 15 rows.
    assert_eq!(parts(&state), 4 + 8 + 4 + 2);
    let refused = |values: Vec<f64>| {
        let sum = Sum {
            sites: 3,
            set: Digest([9; 32]),
            weight: 3,
            values,
        };
        recipe.absorb(&state, &sum).unwrap_err()
    };
    assert_eq!(refused(vec![1.0]), RecipeError::Mismatch { what: "sum" });
    let impossible = RecipeError::Implausible {
        what: "rows in parts of a window",
    };
    assert_eq!(refused(vec![1.0; parts(&state)]), impossible);
    assert_eq!(refused(vec![-1.0; parts(&state)]), impossible);
    let mut cells = vec![5.0; 18];
    cells[4..12].copy_from_slice(&[9.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0]);
    cells[16..].copy_from_slice(&[8.0, 7.0]);
    let sum = Sum {
        sites: 3,
        set: Digest([9; 32]),
        weight: 3,
        values: cells,
    };
    state = recipe.absorb(&state, &sum).unwrap();
    roots.push(state.root().short());
    assert_eq!(state.progress().phase, "moments");
    assert_eq!(
        roots,
        ["44ee4b14", "28acd434", "1994bfb4", "d7160b37", "2e9016f4"]
    );
}

#[test]
fn another_set_of_sites_begins_with_the_knots_again() {
    let sites = stroke();
    let recipe = glm("dead14 ~ age + ns(sbp, 3)", Family::Logistic);
    let want = run(&recipe, &sites[..8]).unwrap();
    // A site is lost in the search, between search and fit, and in the fit.
    for lost in [1, 3, 5, 7] {
        let whole = Recipe::from(recipe.clone());
        let mut state: State = whole.start(Digest([3; 32]));
        let mut at = 0;
        while let Some(next) = round(
            &recipe,
            &state,
            if at < lost { &sites } else { &sites[..8] },
        ) {
            state = next.unwrap();
            at += 1;
            if at == lost + 1 {
                assert_eq!(state.progress().phase, "knots", "lost in round {lost}");
            }
        }
        let motet_recipes::Outcome::Glm(found) = whole.outcome(&state).unwrap() else {
            panic!()
        };
        assert_eq!((found.rounds, found.sites), (want.rounds + lost + 1, 8));
        assert_eq!(found.knots, want.knots);
        same_fit(&found, &want, "eight sites");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]
    #[test]
    fn whatever_the_values_a_knot_is_as_near_as_it_says_or_there_is_a_reason(
        values in proptest::collection::vec((-6.0_f64..6.0, 0_u32..3), 6..240),
        far in proptest::option::of(-4_i32..10),
        sites in 1_usize..6,
        degrees in 2_u32..8,
    ) {
        // Heaped numbers, skewed ones, and perhaps one that is far from all others.
        let value = |(x, kind): &(f64, u32)| match kind {
            0 => x.round(),
            1 => (x / 2.0).exp(),
            _ => *x,
        };
        let mut x: Vec<f64> = values.iter().map(value).collect();
        if let Some(power) = far {
            x[0] *= 10_f64.powi(power);
        }
        let y = values.iter().map(|(x, kind)| x + f64::from(*kind)).collect();
        let table = Columns::of(&[("x", x), ("y", y)]);
        let recipe = Glm { ridge: 1.0, ..glm(&format!("y ~ ns(x, {degrees})"), Family::Linear) };
        let shares: Vec<Columns> = scattered(std::slice::from_ref(&table), sites.min(values.len()))
            .into_iter()
            .filter(|share| share.len() > 0)
            .collect();
        match run(&recipe, &shares) {
            Ok(found) => {
                lie_at_quantiles(std::slice::from_ref(&table), &found);
                assert_eq!(found.knots, run(&recipe, &[table]).unwrap().knots);
            }
            Err(
                RecipeError::Bunched { .. }
                | RecipeError::OnePatient
                | RecipeError::OneSite
                | RecipeError::Collinear { .. },
            ) => {}
            Err(other) => panic!("{other}"),
        }
    }
}
