//! Where there is no model to be had, and the chain of its states.

use crate::columns::{Columns, heart, round, run, stroke};
use crate::common::names;
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Design, Errors, Family, Formula, Glm, Recipe, RecipeError, State, WeightKind};
use motet_secagg::digest::Digest;
use motet_secagg::fold::plain_sum;
use motet_secagg::layout::Sum;
use proptest::prelude::*;

const HEART: [&str; 8] = [
    "age", "sex", "trestbps", "chol", "fbs", "exang", "oldpeak", "cp_4",
];

fn glm(columns: &[&str], outcome: &str, family: Family) -> Glm {
    Glm::new(Design::plain(names(columns)), outcome.into(), family)
}

fn over(text: &str, family: Family) -> Glm {
    let formula = Formula::parse(text).unwrap();
    let design = formula
        .design(|feature| Some(vec![feature.to_owned()]))
        .unwrap();
    Glm::new(design, formula.outcome.unwrap(), family)
}

/// One site of made-up rows: `make` gives the values of the named columns of row `at`.
fn made(columns: &[&str], rows: u32, make: impl Fn(f64) -> Vec<f64>) -> Vec<Columns> {
    let lines: Vec<Vec<f64>> = (0..rows).map(|at| make(f64::from(at))).collect();
    let column = |at: usize| lines.iter().map(|line| line[at]).collect::<Vec<f64>>();
    let named: Vec<(&str, Vec<f64>)> = columns
        .iter()
        .enumerate()
        .map(|(at, name)| (*name, column(at)))
        .collect();
    let all = Columns::of(&named);
    let half = rows as usize / 2;
    vec![
        all.pick(&(0..half).collect::<Vec<_>>()),
        all.pick(&(half..rows as usize).collect::<Vec<_>>()),
    ]
}

const EVERY: [(Family, &str); 5] = [
    (Family::Linear, "thalach"),
    (Family::Poisson, "thalach"),
    (Family::Gamma, "thalach"),
    (Family::Logistic, "y"),
    (Family::Quasipoisson, "thalach"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_sum_holds_no_state_and_no_result_is_no_number(
        which in (0_usize..5, any::<bool>(), any::<bool>(), 0_usize..3),
        numbers in proptest::collection::vec((0_usize..12, -1.0e3_f64..1.0e3, any::<bool>()), 200),
    ) {
        let (family, side, robust, penalty) = (EVERY[which.0], which.1, which.2, which.3);
        let recipe = Glm {
            offset: side,
            weight: side.then_some(WeightKind::Precision),
            lasso: if penalty == 1 && !robust { 3.0 } else { 0.0 },
            ridge: if penalty == 2 { 0.5 } else { 0.0 },
            errors: if robust { Errors::Hc1 } else { Errors::Model },
            max_rounds: 4,
            ..glm(&["a", "b"], family.1, family.0)
        };
        let recipe = Recipe::from(recipe);
        let mut state = recipe.start(Digest::default());
        let mut numbers = numbers.iter().cycle();
        for _ in 0..12 {
            let Some(question) = recipe.ask(&state, 3).unwrap() else { break };
            let first = state.progress().phase == "moments";
            let value = |at: usize, (kind, number, whole): &(usize, f64, bool)| match kind {
                _ if first && at == 0 => 300.0,
                0 => 0.0,
                1 => 1e20 * number,
                2 => 1e-12 * number,
                3..6 => number.abs(),
                _ if *whole => number.floor().abs(),
                _ => *number,
            };
            let values = (0..question.layout.elements()).map(|at| value(at, numbers.next().unwrap())).collect();
            let sum = Sum { sites: 3, set: Digest([9; 32]), weight: 3, values };
            match recipe.absorb(&state, &sum) {
                Ok(next) => state = next,
                Err(_) => continue,
            }
            prop_assert!(!format!("{state:?}").contains("NaN"), "{state:?}");
        }
        if let Ok(outcome) = recipe.outcome(&state) {
            let text = format!("{outcome:?}").replace("calibration_slope: NaN, calibration_intercept: NaN", "");
            prop_assert!(!text.contains("NaN"), "{text}");
        }
    }
}

#[test]
fn separation_names_the_columns_that_grow() {
    let separated = |recipe: &Glm, sites: &[Columns]| match run(recipe, sites) {
        Err(RecipeError::Separated { columns, .. }) => columns,
        other => panic!("not separated: {other:?}"),
    };
    // No event at all where `rare` is 1, in counts and in classes.
    let sites = made(&["a", "rare", "half", "count", "class"], 600, |at| {
        let rare = f64::from(u8::from(at % 60.0 == 0.0));
        let free = 1.0 - rare;
        vec![
            at * 37.0 % 101.0,
            rare,
            f64::from(u8::from(at % 2.0 == 0.0)),
            free * (at * 7.0 % 5.0),
            free * f64::from(u8::from(at % 3.0 == 0.0)),
        ]
    });
    for (family, outcome) in [
        (Family::Poisson, "count"),
        (Family::Quasipoisson, "count"),
        (Family::Logistic, "class"),
    ] {
        let recipe = glm(&["a", "rare", "half"], outcome, family);
        assert_eq!(separated(&recipe, &sites), ["rare"], "{}", family.name());
        for penalised in [
            Glm {
                ridge: 0.1,
                ..recipe.clone()
            },
            Glm {
                lasso: 0.1,
                ..recipe
            },
        ] {
            assert!(
                run(&penalised, &sites).unwrap().converged,
                "a penalty gives an estimate"
            );
        }
    }
    // y = 1 where a + b is above 10: no column separates alone.
    let sites = made(&["a", "b", "c", "y"], 400, |at| {
        let (a, b) = (at % 20.0, (at * 7.0 % 400.0 / 20.0).floor());
        vec![a, b, at * 13.0 % 31.0, f64::from(u8::from(a + b > 10.0))]
    });
    let mut columns = separated(&glm(&["c", "a", "b"], "y", Family::Logistic), &sites);
    columns.truncate(2);
    columns.sort();
    assert_eq!(columns, ["a", "b"], "the two that do it stand first");
    let error = run(&glm(&["a", "b"], "y", Family::Logistic), &sites)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("no finite estimate: columns `"),
        "{error}"
    );
}

#[test]
fn swiss_rows_alone_are_refused_by_name_and_divide_nothing_by_zero() {
    let swiss = &heart()[2..3];
    let alone = |recipe: &Glm, site: &Columns| {
        site.read(recipe, |rows| {
            Recipe::from(recipe.clone())
                .alone(rows, &mut crate::common::rng(1))
                .map(|_| ())
        })
    };
    let logistic = glm(&HEART, "y", Family::Logistic);
    let sick: Vec<usize> = (0..swiss[0].len())
        .filter(|row| swiss[0].column("y")[*row] == 1.0)
        .collect();
    assert_eq!(
        alone(&logistic, &swiss[0].pick(&sick)),
        Err(RecipeError::OneClass {
            outcome: "y".into()
        })
    );
    for (family, outcome) in EVERY {
        let recipe = glm(&HEART, outcome, family);
        assert_eq!(
            alone(&recipe, &swiss[0]),
            Err(RecipeError::Constant {
                column: "chol".into()
            })
        );
    }
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let fit = |text: &str, family: Family| {
        let sites = made(
            &["a", "b", "flat", "tiny", "ones", "none", "faint"],
            60,
            |at| {
                vec![
                    at,
                    at * 7.0 % 11.0,
                    2.0,
                    1e-9 * (1.0 + at),
                    1.0,
                    0.0,
                    1e-13 * (1.0 + at),
                ]
            },
        );
        run(&over(text, family), &sites).map(|_| ())
    };
    let constant = |column: &str| {
        Err(RecipeError::Constant {
            column: column.into(),
        })
    };
    assert_eq!(fit("b ~ a + flat", Family::Linear), constant("flat"));
    assert_eq!(
        fit("b ~ a + I(ones^2)", Family::Poisson),
        constant("I(ones^2)")
    );
    assert_eq!(fit("flat ~ a + b", Family::Linear), constant("flat"));
    assert_eq!(fit("tiny ~ a + b", Family::Gamma), Ok(()));
    assert_eq!(
        fit("faint ~ a + b", Family::Gamma),
        Err(RecipeError::Faint {
            outcome: "faint".into()
        })
    );
    assert_eq!(
        fit("faint ~ a + b", Family::Quasibinomial),
        Err(RecipeError::Faint {
            outcome: "faint".into()
        })
    );
    assert_eq!(
        fit("b ~ a + a:ones", Family::Linear),
        Err(RecipeError::Collinear {
            column: "a:ones".into()
        })
    );
    assert_eq!(
        fit("none ~ a", Family::Poisson),
        Err(RecipeError::OneClass {
            outcome: "none".into()
        })
    );
    assert_eq!(
        fit("ones ~ a", Family::Logistic),
        Err(RecipeError::OneClass {
            outcome: "ones".into()
        })
    );
    assert_eq!(
        fit("a ~ b + log(none)", Family::Linear),
        Err(RecipeError::NotFinite {
            column: "log(none)".into(),
            rows: 30
        })
    );
    assert_eq!(
        fit("a ~ b + a", Family::Linear),
        Err(RecipeError::Perfect {
            outcome: "a".into()
        })
    );
    assert_eq!(
        fit("flat ~ a", Family::Gamma),
        Err(RecipeError::Perfect {
            outcome: "flat".into()
        })
    );
    let light = made(&["a", "y", "weight"], 40, |at| {
        vec![at, at * 3.0 % 4.0, 1e-6]
    });
    let weighted = Glm {
        weight: Some(WeightKind::Precision),
        ..glm(&["a"], "y", Family::Linear)
    };
    assert_eq!(run(&weighted, &light).unwrap_err(), RecipeError::Light);
    let few = made(&["a", "b", "c", "y"], 4, |at| {
        vec![at, at * at, at * 5.0 % 3.0, at * 3.0 % 4.0]
    });
    assert_eq!(
        run(&glm(&["a", "b", "c"], "y", Family::Linear), &few).unwrap_err(),
        RecipeError::Saturated
    );
    let net = Glm {
        lasso: 0.1,
        ..glm(&["a", "b", "c"], "y", Family::Poisson)
    };
    assert_eq!(run(&net, &few), Err(RecipeError::OnePatient));
    assert!(
        run(&net, &[Columns::joined(&few)]).is_ok(),
        "at one site a lasso fits more columns than rows bear"
    );
}

#[test]
fn tables_that_do_not_fit_are_refused_before_an_answer() {
    let sites = |y: f64, offset: f64, weight: f64| {
        made(&["a", "y", "offset", "weight"], 20, |at| {
            if at == 3.0 {
                vec![at, y, offset, weight]
            } else {
                vec![at, 1.0, 0.0, 1.0]
            }
        })
    };
    let recipe = |family| Glm {
        offset: true,
        weight: Some(WeightKind::Precision),
        ..glm(&["a"], "y", family)
    };
    let refusal = |family, y: f64, offset: f64, weight: f64| {
        run(&recipe(family), &sites(y, offset, weight)).unwrap_err()
    };
    for (family, y, must) in [
        (Family::Linear, f64::NAN, "a finite number"),
        (Family::Poisson, 1.5, "a count (0, 1, 2, ..)"),
        (Family::Poisson, -1.0, "a count (0, 1, 2, ..)"),
        (Family::Quasipoisson, -0.5, "0 or more"),
        (Family::Gamma, 0.0, "above 0"),
        (Family::Quasibinomial, 1.1, "from 0 to 1"),
    ] {
        assert_eq!(
            refusal(family, y, 0.0, 1.0),
            RecipeError::Outcome {
                outcome: "y".into(),
                must,
                rows: 1
            }
        );
    }
    assert_eq!(
        refusal(Family::Logistic, 2.0, 0.0, 1.0),
        RecipeError::NotBinary {
            outcome: "y".into(),
            rows: 1
        }
    );
    let side = |role, must| RecipeError::Side {
        role,
        must,
        rows: 1,
    };
    assert_eq!(
        refusal(Family::Poisson, 2.0, f64::INFINITY, 1.0),
        side("offset", "a finite number")
    );
    assert_eq!(
        refusal(Family::Linear, 2.0, f64::NAN, 1.0),
        side("offset", "a finite number")
    );
    assert_eq!(
        refusal(Family::Poisson, 2.0, 0.0, -1.0),
        side("weight", "0 or more")
    );
    assert_eq!(
        refusal(Family::Poisson, 2.0, 0.0, f64::NAN),
        side("weight", "0 or more")
    );
    // The study names a weight and the table brings none.
    let plain = glm(&["a"], "y", Family::Poisson);
    let weighted = Recipe::from(Glm {
        weight: Some(WeightKind::Precision),
        ..plain.clone()
    });
    let question = weighted
        .ask(&weighted.start(Digest::default()), 1)
        .unwrap()
        .unwrap();
    let answer = sites(2.0, 0.0, 1.0)[0].read(&plain, |rows| {
        weighted
            .answer(
                &weighted.start(Digest::default()),
                &question,
                rows,
                &motet_recipes::Memory::default(),
                &mut crate::common::rng(0),
            )
            .err()
    });
    assert_eq!(
        answer,
        Some(RecipeError::Side {
            role: "weight",
            must: "0 or more",
            rows: 10
        })
    );
}

#[test]
fn a_first_step_that_goes_far_too_far_is_taken_back() {
    // One huge count far out: from the mean Newton's first step would predict e^100 and more there.
    let sites = made(&["a", "y"], 200, |at| {
        if at == 199.0 {
            vec![40.0, 1e6]
        } else {
            vec![at % 3.0, at % 2.0]
        }
    });
    // One site's own, since that row decides it.
    let sites = [Columns::joined(&sites)];
    let fit = run(&glm(&["a"], "y", Family::Poisson), &sites).unwrap();
    assert!(fit.converged && fit.loglik.unwrap() > fit.null_loglik.unwrap());
    assert!(
        (fit.coefficients[0].estimate + 40.0 * fit.coefficients[1].estimate - 1e6_f64.ln()).abs()
            < 0.01
    );
}

#[test]
fn a_lost_site_restarts_the_pass_and_the_fit_is_that_of_the_others() {
    let (all, others) = (stroke(), stroke()[1..].to_vec());
    let recipe = Glm {
        offset: true,
        errors: Errors::Hc0,
        ..glm(&["age", "male", "sbp"], "dead14", Family::Logistic)
    };
    let want = run(&recipe, &others).unwrap();
    for lost in [1, 3, 6, want.rounds - 1] {
        let whole = Recipe::from(recipe.clone());
        let mut state = whole.start(Digest::default());
        for at in 0.. {
            match round(&recipe, &state, if at < lost { &all } else { &others }) {
                Some(next) => state = next.unwrap(),
                None => break,
            }
        }
        let motet_recipes::Outcome::Glm(got) = whole.outcome(&state).unwrap() else {
            panic!("another outcome")
        };
        assert_eq!(
            got.rounds,
            lost + 1 + want.rounds,
            "one round is laid aside, then a whole pass"
        );
        assert_eq!(got.history.len(), want.history.len());
        assert_eq!(
            GlmOutcome {
                rounds: want.rounds,
                history: want.history.clone(),
                ..got
            },
            want
        );
    }
}

#[test]
fn a_site_can_score_the_final_model_on_its_own_rows() {
    for (family, outcome) in EVERY {
        let recipe = Glm {
            errors: Errors::Hc1,
            ..glm(&HEART, outcome, family)
        };
        let whole = Recipe::from(recipe.clone());
        let mut state = whole.start(Digest::default());
        while state.progress().phase != "evaluate" {
            state = round(&recipe, &state, &heart()).unwrap().unwrap();
        }
        let before = state.clone();
        while state.progress().phase != "finished" {
            state = round(&recipe, &state, &heart()).unwrap().unwrap();
        }
        let motet_recipes::Outcome::Glm(all) = whole.outcome(&state).unwrap() else {
            panic!("another outcome")
        };

        // As a node does it: the same set's name, a line-up of one.
        let set = Digest::of("test/set", &[&[4_u8][..]]);
        let mut state = before;
        while let Some(question) = whole.ask(&state, 1).unwrap() {
            let update = heart()[3].read(&recipe, |rows| {
                whole
                    .answer(
                        &state,
                        &question,
                        rows,
                        &motet_recipes::Memory::default(),
                        &mut crate::common::rng(0),
                    )
                    .unwrap()
            });
            state = whole
                .absorb(
                    &state,
                    &plain_sum(&question.layout, set, vec![update.update]).unwrap(),
                )
                .unwrap();
        }
        let motet_recipes::Outcome::Glm(own) = whole.outcome(&state).unwrap() else {
            panic!("another outcome")
        };
        assert!(
            own.coefficients
                .iter()
                .zip(&all.coefficients)
                .all(|(a, b)| a.estimate == b.estimate)
        );
        if let (Some(own), Some(all)) = (own.evaluation, all.evaluation) {
            assert_eq!(
                own.calibration.iter().map(|group| group.rows).sum::<u64>(),
                130
            );
            assert!(own.metrics.auc != all.metrics.auc);
        }
    }
}

#[test]
fn a_spline_of_many_knots_is_not_taken_for_collinear() {
    let text = "y ~ ns(age, knots = c(38, 41, 44, 47, 50, 53, 56, 59, 62, 65), boundary = c(28, 77)) + sex + age:sex";
    let fit = run(&over(text, Family::Logistic), &heart()).unwrap();
    assert!(fit.converged && fit.coefficients.len() == 1 + 11 + 2);
    // Three knots are at least enough for a fit that is no worse than a straight line.
    let curve = run(
        &over(
            "y ~ ns(age, knots = 53, boundary = c(28, 77))",
            Family::Logistic,
        ),
        &heart(),
    )
    .unwrap();
    let line = run(&over("y ~ age", Family::Logistic), &heart()).unwrap();
    assert!(curve.loglik > line.loglik);
}

#[test]
fn questions_keep_their_headroom_and_are_no_longer_than_they_must_be() {
    let words = |recipe: &Glm, sites: &[Columns]| -> Vec<(&'static str, usize)> {
        let whole = Recipe::from(recipe.clone());
        let mut state = whole.start(Digest::default());
        let mut seen = Vec::new();
        while let Some(question) = whole.ask(&state, sites.len() as u32).unwrap() {
            for line_up in [1, 250] {
                whole
                    .ask(&state, line_up)
                    .unwrap()
                    .unwrap()
                    .layout
                    .headroom(line_up)
                    .unwrap();
            }
            if seen
                .last()
                .is_none_or(|(phase, _)| *phase != question.phase)
            {
                seen.push((question.phase, question.layout.words()));
            }
            state = round(recipe, &state, sites).unwrap().unwrap();
        }
        seen
    };
    let columns = ["age", "sex", "chol"]; // 4 coefficients, 10 numbers in a triangle; a limb is 4 words, and 1 is the weight's
    let size = |family, outcome| words(&glm(&columns, outcome, family), &heart());
    let (first, poisson) = (1 + 1 + 16, ("newton", 1 + 4 * (1 + 4 + 10) + 10));
    assert_eq!(
        size(Family::Linear, "thalach"),
        [
            ("moments", first),
            ("spread", 17),
            ("newton", 1 + 4 + 14 + 10),
            ("evaluate", 9 + 2)
        ]
    );
    assert_eq!(
        size(Family::Poisson, "thalach"),
        [
            ("moments", first),
            ("spread", 13),
            poisson,
            ("evaluate", 17 + 2)
        ]
    );
    assert_eq!(
        size(Family::Gamma, "thalach"),
        [
            ("moments", first),
            ("spread", 17),
            poisson,
            ("evaluate", 13 + 10 + 2)
        ]
    );
    let logistic = [
        ("moments", first + 1),
        ("spread", 13),
        ("newton", 1 + 4 + 14 + 10),
        ("evaluate", 9 + 2001 + 1001 + 20 + 2),
    ];
    assert_eq!(size(Family::Logistic, "y"), logistic);
    let robust = Glm {
        errors: Errors::Hc1,
        weight: Some(WeightKind::Precision),
        offset: true,
        ..glm(&columns, "y", Family::Logistic)
    };
    let full = [
        ("moments", first + 1 + 8),
        ("spread", 13),
        ("null", 1 + 12),
        ("newton", 1 + 4 * (1 + 4 + 10 + 10)),
        ("evaluate", 9 + 40 + 2),
    ];
    assert_eq!(words(&robust, &heart()), full);
}

#[test]
fn parameters_out_of_range_are_named_by_their_key() {
    let key = |recipe: Glm| match Recipe::from(recipe).check() {
        Err(RecipeError::Parameter { name, .. }) => name,
        other => panic!("accepted: {other:?}"),
    };
    let good = glm(&["a", "b"], "y", Family::Poisson);
    assert_eq!(
        key(Glm {
            ridge: -1.0,
            ..good.clone()
        }),
        "ridge"
    );
    assert_eq!(
        key(Glm {
            lasso: f64::NAN,
            ..good.clone()
        }),
        "lasso"
    );
    assert_eq!(
        key(Glm {
            lasso: 1.0,
            errors: Errors::Hc0,
            ..good.clone()
        }),
        "errors"
    );
    assert_eq!(
        key(Glm {
            tolerance: 0.0,
            ..good.clone()
        }),
        "tolerance"
    );
    let open = Glm {
        weight: Some(WeightKind::Frequency),
        ..over("y ~ ns(a, 3)", Family::Linear)
    };
    assert_eq!(key(open), "formula");
    assert_eq!(
        key(Glm {
            max_rounds: 0,
            ..good.clone()
        }),
        "max_rounds"
    );
    assert_eq!(key(glm(&["a", "a"], "y", Family::Linear)), "features");
    assert_eq!(
        key(Glm {
            design: Design {
                terms: Vec::new(),
                ..good.design.clone()
            },
            ..good
        }),
        "formula"
    );
}

#[test]
fn fixed_sums_lead_through_fixed_states() {
    let sum = |values: Vec<f64>| Sum {
        sites: 3,
        set: Digest([9; 32]),
        weight: 3,
        values,
    };
    let chain = |recipe: Glm, sums: &[Vec<f64>]| -> Vec<String> {
        let recipe = Recipe::from(recipe);
        let mut state: State = recipe.start(Digest::default());
        let mut roots = vec![state.root().short()];
        for values in sums {
            state = recipe.absorb(&state, &sum(values.clone())).unwrap();
            roots.push(state.root().short());
        }
        roots
    };
    let newton = |loglik: f64, part: f64| {
        vec![
            loglik,
            -80.0 * part,
            12.5 * part,
            30.125 * part,
            375.0,
            1.5,
            -2.25,
            274.0,
            8.0,
            376.5,
        ]
    };
    let poisson = Glm {
        offset: true,
        weight: Some(WeightKind::Precision),
        errors: Errors::Hc0,
        ..glm(&["age", "male"], "n", Family::Poisson)
    };
    // Products of the columns go with the first step, who decides alone with the second and the last.
    let products = [300.0, 0.0, 0.0, 299.0, 8.0, 299.0];
    let with = |step: Vec<f64>, more: &[f64]| [&step[..], more].concat();
    let check = vec![
        -150.0, 310.5, -33.0, 20.0, 301.0, 2.0, 3.0, 280.0, 7.0, 333.0, 0.0, 0.0,
    ];
    let roots = chain(
        poisson.clone(),
        &[
            vec![300.0, 421.5, 12.25, 640.0, 21_000.5, 150.0],
            vec![43_210.75, 75.25, 433.0, 0.0],
            with(newton(-207.9, 1.0), &products),
            with(newton(-300.0, 0.5), &[0.0, 0.0]),
            newton(-180.0, 1e-12),
            check,
        ],
    );
    assert_eq!(
        roots,
        [
            "9cfd8764", "eb73a41e", "a063a6dd", "8a1db93d", "aa5470c4", "c90f1e1e", "73cdde22"
        ]
    );
    let net = Glm {
        lasso: 7.0,
        ridge: 0.5,
        offset: true,
        ..glm(&["age", "male"], "y", Family::Logistic)
    };
    let roots = chain(
        net,
        &[
            vec![300.0, 70.0, 12.25, 70.0, 21_000.5, 150.0],
            vec![43_210.75, 75.25],
            vec![-160.0, 3.5, 53.0],
            vec![-159.0, 1e-11, 53.0],
            with(newton(-159.0, 1.0), &products),
            with(newton(-120.0, 0.25), &[0.0, 0.0]),
        ],
    );
    assert_eq!(
        roots,
        [
            "9cfd8764", "5478cd09", "7a704315", "2dd4ffc2", "bdee5ed4", "c8e92d21", "4deceed0"
        ]
    );

    // A robust error that vanishes is none, and no division by zero.
    let recipe = Recipe::from(poisson);
    let mut state = recipe.start(Digest::default());
    for values in [
        vec![300.0, 421.5, 12.25, 640.0, 21_000.5, 150.0],
        vec![43_210.75, 75.25, 433.0, 0.0],
        with(newton(-180.0, 1e-13), &products),
        [vec![-150.0, 310.5, -33.0, 20.0], vec![0.0; 8]].concat(),
    ] {
        state = recipe.absorb(&state, &sum(values)).unwrap();
    }
    let motet_recipes::Outcome::Glm(fit) = recipe.outcome(&state).unwrap() else {
        panic!("another outcome")
    };
    assert!(
        fit.coefficients
            .iter()
            .all(|coefficient| coefficient.uncertainty.is_none())
    );
}
