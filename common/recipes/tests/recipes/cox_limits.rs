//! Where a Cox fit has no answer, and what must not change it.

use crate::common::survival::*;
use crate::common::*;
use motet_recipes::cox::CoxOutcome;
use motet_recipes::{Clock, Cox, Grid, Grouping, Outcome, Recipe, RecipeError, Strata, Ties};
use proptest::prelude::*;

fn fit(recipe: &Cox, sites: &[Site]) -> Result<CoxOutcome, RecipeError> {
    match run(&Recipe::from(recipe.clone()), sites)? {
        Outcome::Cox(outcome) => Ok(outcome),
        other => panic!("no cox outcome: {other:?}"),
    }
}

fn small(width: usize) -> Cox {
    let columns = names(&["a", "b", "c"][..width]);
    Cox {
        min_cell: 0,
        ..Cox::new(columns, "days".into(), "died".into(), Grid::days(100.0))
    }
}

/// Patients (days, died, columns).
fn patients(rows: &[(f64, f64, &[f64])]) -> Vec<Patient> {
    rows.iter()
        .map(|(days, event, x)| Patient {
            x: x.to_vec(),
            days: *days,
            event: *event,
            group: 0.0,
        })
        .collect()
}

fn mixed(count: usize, x: impl Fn(f64) -> Vec<f64>) -> Vec<Patient> {
    (0..count)
        .map(|at| {
            let at = at as f64;
            let event = f64::from(u8::from((at * 7.0) % 11.0 > 4.0));
            Patient {
                x: x(at),
                days: 1.0 + (at * 37.0) % 89.0,
                event,
                group: at % 2.0,
            }
        })
        .collect()
}

fn halves(patients: &[Patient]) -> [Site; 2] {
    let half = patients.len() / 2;
    [site("a", &patients[..half]), site("b", &patients[half..])]
}

fn all_strata(recipe: &Cox) -> [Cox; 3] {
    let levels = names(&["even", "odd"]);
    let group = Strata::Group(Grouping {
        column: "parity".into(),
        levels,
    });
    let of = |strata| Cox {
        strata,
        clock: Clock::Identity,
        ..recipe.clone()
    };
    [of(Strata::None), of(group), of(Strata::Site)]
}

#[test]
fn columns_that_cannot_be_fitted_are_named() {
    let column = |name: &str| name.to_owned();
    for recipe in all_strata(&small(2)) {
        let error = |x: &dyn Fn(f64) -> Vec<f64>| fit(&recipe, &halves(&mixed(60, x))).unwrap_err();
        assert_eq!(
            error(&|at| vec![at % 7.0, 0.3]),
            RecipeError::Constant {
                column: column("b")
            }
        );
        assert_eq!(
            error(&|at| vec![at % 7.0, 1.0 - 2.0 * (at % 7.0)]),
            RecipeError::Collinear {
                column: column("b")
            }
        );
    }
    // b is 1 for one patient only, who leaves before the first event.
    let early = |recipe: &Cox| {
        let mut rows = mixed(60, |at| vec![at % 7.0, 0.0]);
        rows.push(Patient {
            x: vec![1.0, 1.0],
            days: 0.0,
            event: 0.0,
            group: 0.0,
        });
        fit(recipe, &halves(&rows))
    };
    for recipe in all_strata(&small(2)) {
        assert_eq!(
            early(&recipe),
            Err(RecipeError::Silent {
                column: column("b")
            })
        );
        assert!(
            early(&Cox {
                ridge: 0.5,
                ..recipe
            })
            .unwrap()
            .converged
        );
    }
}

#[test]
fn a_likelihood_without_a_maximum_names_the_columns() {
    for recipe in all_strata(&small(2)) {
        // Nobody with b has the event.
        let rows = mixed(120, |at| {
            vec![at % 7.0, f64::from(u8::from((at * 7.0) % 11.0 < 2.0))]
        });
        let error = fit(&recipe, &halves(&rows)).unwrap_err();
        assert_eq!(
            error,
            RecipeError::Monotone {
                columns: "`b`".into()
            }
        );
        assert!(
            error
                .to_string()
                .starts_with("no finite estimate: the likelihood rises without end along `b`;")
        );
        assert!(
            fit(
                &Cox {
                    ridge: 0.1,
                    ..recipe
                },
                &halves(&rows)
            )
            .unwrap()
            .converged
        );
    }
    // The order of events is the order of a.
    let sorted: Vec<Patient> = (1..40)
        .map(|at| Patient {
            x: vec![f64::from(at)],
            days: f64::from(at),
            event: 1.0,
            group: 0.0,
        })
        .collect();
    assert_eq!(
        fit(&small(1), &halves(&sorted)),
        Err(RecipeError::Monotone {
            columns: "`a`".into()
        })
    );
}

#[test]
fn few_events_are_enough_or_said_to_be_too_few() {
    for recipe in all_strata(&small(1)) {
        let none = mixed(30, |at| vec![at])
            .into_iter()
            .map(|row| Patient { event: 0.0, ..row })
            .collect::<Vec<_>>();
        assert_eq!(
            fit(&recipe, &halves(&none)),
            Err(RecipeError::NoEvents {
                event: "died".into()
            })
        );
        let late: Vec<Patient> = none
            .iter()
            .map(|row| Patient {
                days: 101.0,
                event: 1.0,
                ..row.clone()
            })
            .collect();
        assert_eq!(
            fit(&recipe, &halves(&late)),
            Err(RecipeError::NoEvents {
                event: "died".into()
            })
        );
        let one = [site("a", &patients(&[(1.0, 1.0, &[2.0])]))];
        assert_eq!(fit(&recipe, &one), Err(RecipeError::TooFewRows));
    }
    // One event time, and a site without any event: it brings its patients to the risk set.
    let rows = patients(&[
        (5.0, 1.0, &[1.0]),
        (5.0, 1.0, &[3.0]),
        (9.0, 0.0, &[2.0]),
        (9.0, 0.0, &[0.0]),
    ]);
    let still = patients(&[(7.0, 0.0, &[4.0]), (3.0, 0.0, &[5.0])]);
    for ties in [Ties::Efron, Ties::Breslow] {
        let recipe = Cox { ties, ..small(1) };
        let apart = fit(&recipe, &[site("a", &rows), site("b", &still)]).unwrap();
        let whole = fit(
            &recipe,
            &[site("all", &[rows.clone(), still.clone()].concat())],
        )
        .unwrap();
        assert!(apart.converged && apart.coefficients[0].estimate.is_finite());
        assert_close(
            apart.coefficients[0].estimate,
            whole.coefficients[0].estimate,
            "estimate",
        );
        let without = fit(&recipe, &[site("a", &rows)]).unwrap();
        assert!((apart.coefficients[0].estimate - without.coefficients[0].estimate).abs() > 0.01);
        // Time does not pass between events: there is nothing to drift.
        let check = apart.proportionality.unwrap();
        assert_eq!((check.columns[0].1, check.global), (None, None));
        // With risk sets of its own the site says nothing.
        let by_site = Cox {
            strata: Strata::Site,
            clock: Clock::Off,
            ..recipe
        };
        let apart = fit(&by_site, &[site("a", &rows), site("b", &still)]).unwrap();
        assert!(apart.converged && apart.events == 2);
    }
    // Everybody has the event.
    let all: Vec<Patient> = mixed(50, |at| vec![at % 5.0])
        .into_iter()
        .map(|row| Patient { event: 1.0, ..row })
        .collect();
    assert!(fit(&small(1), &halves(&all)).unwrap().converged);
    // The last risk set holds one patient, the first event is at time 0.
    let edge = patients(&[
        (0.0, 1.0, &[1.0]),
        (2.0, 1.0, &[0.0]),
        (3.0, 0.0, &[0.5]),
        (4.0, 1.0, &[2.0]),
        (6.0, 1.0, &[1.5]),
    ]);
    let edge = fit(&small(1), &halves(&edge)).unwrap();
    assert!(
        edge.converged
            && edge.baseline[0]
                .hazard
                .iter()
                .all(|(_, hazard)| hazard.is_finite())
    );
}

#[test]
fn a_lost_site_restarts_the_pass_and_the_fit_is_that_of_the_others() {
    let cohort = breast("breast_tcga_cox");
    let sites = cohort.tables();
    for recipe in [
        Cox::new(
            cohort.columns.clone(),
            "days".into(),
            "died".into(),
            cohort.grid,
        ),
        Cox {
            strata: Strata::Site,
            clock: Clock::Off,
            ..Cox::new(
                cohort.columns.clone(),
                "days".into(),
                "died".into(),
                cohort.grid,
            )
        },
    ] {
        let want = fit(&recipe, &sites[..5]).unwrap();
        for lost in [1, 3, 4, 7] {
            let got = run_with(&Recipe::from(recipe.clone()), |round| {
                sites
                    .iter()
                    .take(if round < lost { 6 } else { 5 })
                    .collect()
            });
            let Ok(Outcome::Cox(got)) = got else {
                panic!("{got:?}")
            };
            assert_eq!(
                got.rounds,
                lost + 1 + want.rounds,
                "one round is laid aside, then a whole pass"
            );
            let same = CoxOutcome {
                rounds: want.rounds,
                history: want.history.clone(),
                ..got
            };
            assert_eq!(same, want);
        }
    }
}

#[test]
fn a_fit_out_of_rounds_says_so_and_still_has_an_outcome() {
    let cohort = breast("breast_tcga_cox");
    let recipe = Cox::new(
        cohort.columns.clone(),
        "days".into(),
        "died".into(),
        cohort.grid,
    );
    let best = fit(&recipe, &cohort.tables()).unwrap();
    let short = fit(
        &Cox {
            max_rounds: 3,
            ..recipe
        },
        &cohort.tables(),
    )
    .unwrap();
    assert!(!short.converged && short.history.len() == 3 && best.converged);
    assert!(short.loglik < best.loglik && short.loglik > short.null_loglik);
    assert_eq!(short.loglik, short.history[2].loglik);
}

#[test]
fn parameters_out_of_range_are_named_by_their_key() {
    let key = |recipe: Cox| match Recipe::from(recipe).check() {
        Err(RecipeError::Parameter { name, .. }) => name,
        other => panic!("accepted: {other:?}"),
    };
    let levels = |count: usize| (0..count).map(|at| at.to_string()).collect();
    let group = |count| {
        Strata::Group(Grouping {
            column: "c".into(),
            levels: levels(count),
        })
    };
    assert_eq!(
        key(Cox {
            ridge: -1.0,
            ..small(1)
        }),
        "ridge"
    );
    assert_eq!(
        key(Cox {
            tolerance: 1e-5,
            ..small(1)
        }),
        "tolerance"
    );
    assert_eq!(
        key(Cox {
            tolerance: f64::NAN,
            ..small(1)
        }),
        "tolerance"
    );
    assert_eq!(
        key(Cox {
            max_rounds: 0,
            ..small(1)
        }),
        "max_rounds"
    );
    assert_eq!(
        key(Cox {
            columns: names(&["a", "a"]),
            ..small(1)
        }),
        "features"
    );
    assert_eq!(
        key(Cox {
            grid: Grid::days(0.5),
            ..small(1)
        }),
        "horizon"
    );
    assert_eq!(
        key(Cox {
            strata: group(51),
            clock: Clock::Off,
            ..small(1)
        }),
        "strata"
    );
    assert_eq!(
        key(Cox {
            strata: group(2),
            ..small(1)
        }),
        "proportional_hazards"
    );
}

#[test]
fn a_vector_that_would_be_too_long_is_refused_and_not_sent() {
    let wide: Vec<String> = (0..1000).map(|at| format!("c{at}")).collect();
    let rows: Vec<Patient> = (0..2100)
        .map(|at| Patient {
            x: (0..1000)
                .map(|column| f64::from((at * 7 + column * at + at * at) % 11))
                .collect(),
            days: f64::from(at),
            event: 1.0,
            group: 0.0,
        })
        .collect();
    let recipe = Cox {
        columns: wide,
        grid: Grid::days(2100.0),
        ..small(1)
    };
    let error = fit(&recipe, &[site("a", &rows)]).unwrap_err();
    assert_eq!(error, RecipeError::TooManyPoints { points: 2100 });
}

fn close(a: &CoxOutcome, b: &CoxOutcome) {
    for (a, b) in a.coefficients.iter().zip(&b.coefficients) {
        assert!(
            (a.estimate - b.estimate).abs() <= 1e-9 * (1.0 + b.estimate.abs()),
            "{a:?} {b:?}"
        );
        assert!((a.se - b.se).abs() <= 1e-9 * (1.0 + b.se), "{a:?} {b:?}");
    }
    assert!((a.loglik - b.loglik).abs() <= 1e-9 * b.loglik.abs());
}

fn compact() -> (Cox, Cohort) {
    let cohort = breast("breast_tcga_cox");
    (
        Cox::new(
            cohort.columns.clone(),
            "days".into(),
            "died".into(),
            cohort.grid,
        ),
        cohort,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_fit_does_not_depend_on_where_rows_lie(sites in 1_usize..=36, places in proptest::collection::vec(0_usize..36, 1088)) {
        let (recipe, cohort) = compact();
        let mut shares = vec![Vec::new(); sites];
        for (patient, place) in cohort.patients().into_iter().zip(places) {
            shares[place % sites].push(patient);
        }
        shares.retain(|share| !share.is_empty());
        let tables: Vec<Site> = shares.iter().enumerate().map(|(at, share)| site(&at.to_string(), share)).collect();
        let whole = fit(&recipe, &cohort.tables()).unwrap();
        let other = fit(&recipe, &tables).unwrap();
        close(&other, &whole);
        prop_assert_eq!(other.concordance, whole.concordance);
        let global = |fit: &CoxOutcome| fit.proportionality.as_ref().unwrap().global.unwrap().statistic;
        prop_assert!((global(&other) - global(&whole)).abs() < 1e-7);
        // The same strata, wherever their rows lie.
        let strata = Strata::Group(cohort.grouping());
        let by_region = Cox { strata, clock: Clock::Identity, ..recipe };
        close(&fit(&by_region, &tables).unwrap(), &fit(&by_region, &cohort.tables()).unwrap());
    }

    #[test]
    fn units_scale_the_coefficients(factors in proptest::collection::vec(0.001_f64..1000.0, 11), shift in -100.0_f64..100.0) {
        let (recipe, cohort) = compact();
        let change = |patient: &Patient| Patient {
            x: patient.x.iter().zip(&factors).map(|(x, factor)| x * factor + shift).collect(),
            ..patient.clone()
        };
        let changed: Vec<Patient> = cohort.patients().iter().map(change).collect();
        let (got, want) = (fit(&recipe, &halves(&changed)).unwrap(), fit(&recipe, &cohort.tables()).unwrap());
        for ((got, want), factor) in got.coefficients.iter().zip(&want.coefficients).zip(&factors) {
            prop_assert!((got.estimate * factor - want.estimate).abs() <= 1e-7 * (1.0 + want.estimate.abs()));
            prop_assert!((got.se * factor - want.se).abs() <= 1e-7 * (1.0 + want.se));
        }
        prop_assert!((got.loglik - want.loglik).abs() < 1e-6);
    }
}

/// Few rows with small whole numbers: ties, empty risk sets, columns that are constant, dependent
/// or say nothing.
fn tiny() -> impl Strategy<Value = Vec<Patient>> {
    let row = (
        0_u32..6,
        prop::bool::ANY,
        proptest::collection::vec(-2_i32..3, 2),
        0_u32..2,
    );
    let patient = |(days, event, x, group): (u32, bool, Vec<i32>, u32)| Patient {
        x: x.into_iter().map(f64::from).collect(),
        days: f64::from(days),
        event: f64::from(u8::from(event)),
        group: f64::from(group),
    };
    proptest::collection::vec(row.prop_map(patient), 2..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn tiny_tables_give_numbers_or_a_reason(rows in tiny(), ridge in prop::bool::ANY, efron in prop::bool::ANY) {
        let ties = if efron { Ties::Efron } else { Ties::Breslow };
        let base = Cox { ridge: if ridge { 0.3 } else { 0.0 }, ties, ..small(2) };
        let plain = Cox { strata: Strata::None, clock: Clock::Km, ..base.clone() };
        for recipe in all_strata(&base).into_iter().chain([plain]) {
            let got = match fit(&recipe, &halves(&rows)) {
                Ok(got) => got,
                Err(error) => {
                    prop_assert!(!ridge || !error.to_string().starts_with("no finite"), "{error} with a ridge");
                    continue;
                }
            };
            let figures = got.coefficients.iter().flat_map(|c| [c.estimate, c.se, c.z, c.p, c.ci_low, c.ci_high]);
            let hazards = got.baseline.iter().flat_map(|stratum| stratum.hazard.iter().map(|(_, hazard)| *hazard));
            let tests = got.proportionality.iter().flat_map(|check| {
                check.columns.iter().filter_map(|(_, test)| *test).chain(check.global)
            });
            let tests = tests.chain(got.likelihood_ratio).flat_map(|test| [test.statistic, test.p]);
            let others = [got.loglik, got.null_loglik, got.concordance.index, got.concordance.error_bound];
            for figure in figures.chain(hazards).chain(tests).chain(others) {
                prop_assert!(figure.is_finite(), "{got:?}");
            }
            prop_assert!(got.loglik >= got.null_loglik - 1e-9 && got.coefficients.iter().all(|c| c.se > 0.0));
            prop_assert!(got.proportionality.iter().all(|check| check.columns.iter().all(|(_, test)| test.is_none_or(|test| test.statistic >= 0.0))));
        }
    }
}

#[test]
fn every_patient_twice_leaves_breslow_coefficients() {
    let (recipe, cohort) = compact();
    let recipe = Cox {
        ties: Ties::Breslow,
        ..recipe
    };
    let once = fit(&recipe, &cohort.tables()).unwrap();
    let copies: Vec<Site> = cohort
        .tables()
        .into_iter()
        .map(|site| Site {
            name: format!("{} too", site.name),
            ..site
        })
        .collect();
    let twice = fit(&recipe, &[cohort.tables(), copies].concat()).unwrap();
    for (a, b) in twice.coefficients.iter().zip(&once.coefficients) {
        assert_close(a.estimate, b.estimate, &a.name);
        assert_close(a.se * 2.0_f64.sqrt(), b.se, &a.name);
    }
    assert_eq!(twice.events, 2 * once.events);
}

#[test]
fn a_fit_ends_where_its_likelihood_rises_no_more_however_short_a_step_is_asked_for() {
    let rows = mixed(90, |at| vec![at % 7.0, at * 13.0 % 5.0]);
    for recipe in all_strata(&small(2)) {
        let plain = fit(&recipe, &halves(&rows)).unwrap();
        let exact = Cox {
            tolerance: f64::MIN_POSITIVE,
            ..recipe
        };
        let exact = fit(&exact, &halves(&rows)).unwrap();
        assert!(exact.converged, "{:?}", exact.history);
        assert_close(
            exact.coefficients[0].estimate,
            plain.coefficients[0].estimate,
            "estimate",
        );
    }
}
