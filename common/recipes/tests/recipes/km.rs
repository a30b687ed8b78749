//! Kaplan-Meier curves and the log-rank test over sites against the figures of one table.

use crate::common::survival::*;
use crate::common::*;
use motet_recipes::km::Interval;
use motet_recipes::km::KmOutcome;
use motet_recipes::{CurvePoint, Grid, Grouping, KaplanMeier, Outcome, Recipe, RecipeError, Times};
use proptest::prelude::*;

fn km(recipe: &KaplanMeier, sites: &[Site]) -> KmOutcome {
    match run(&Recipe::from(recipe.clone()), sites) {
        Ok(Outcome::KaplanMeier(outcome)) => outcome,
        other => panic!("no curves: {other:?}"),
    }
}

fn recipe(grid: Grid) -> KaplanMeier {
    KaplanMeier {
        min_cell: 0,
        ..KaplanMeier::new("days".into(), "died".into(), grid)
    }
}

/// Every figure of one group: survival, standard error, numbers at risk and events at the
/// reference's times, median and restricted mean.
fn agrees(recipe: &KaplanMeier, sites: &[Site], group: usize, want: &serde_json::Value) {
    let at = want["at"].as_array().unwrap();
    let recipe = KaplanMeier {
        marks: at
            .iter()
            .map(|point| point["t"].as_f64().unwrap())
            .collect(),
        tau: want["rmst"]["tau"].as_f64(),
        ..recipe.clone()
    };
    let curve = &km(&recipe, sites).curves[group];
    assert_eq!(curve.marks.len(), at.len());
    for (mark, want) in curve.marks.iter().zip(at) {
        let figure = |name: &str| want[name].as_f64();
        assert_eq!(Some(mark.time), figure("t"));
        assert_eq!(mark.at_risk.map(|rows| rows as f64), figure("at_risk"));
        assert_close(mark.survival, figure("S").unwrap(), "survival");
        assert_eq!(mark.se.is_some(), figure("se").is_some());
        assert_close(
            mark.se.unwrap_or_default(),
            figure("se").unwrap_or_default(),
            "se",
        );
        let before = curve.points.iter().filter(|point| point.time <= mark.time);
        assert_eq!(
            before.map(|point| point.events).sum::<u64>() as f64,
            figure("events").unwrap()
        );
    }
    // The reference's median is the first time with one half or less; R's rule differs where the
    // curve runs level there.
    let half = curve
        .points
        .iter()
        .find(|point| point.survival < 0.5 + 1e-8);
    assert_eq!(half.map(|point| point.time), want["median"].as_f64());
    if half.is_none_or(|point| point.survival < 0.5 - 1e-8) {
        assert_eq!(curve.median, want["median"].as_f64());
    }
    // The reference runs the curve on beyond the last patient of a group; that is no mean of
    // anything seen.
    let last = sites
        .iter()
        .flat_map(|site| site.time.iter().flatten().zip(site.group.iter().flatten()));
    let last = last.filter(|(_, at)| recipe.group.is_none() || **at == group as f64);
    let seen = last.fold(0.0_f64, |most, (time, _)| most.max(*time)) >= recipe.tau.unwrap();
    assert_eq!(curve.restricted_mean.is_some(), seen);
    if let Some(mean) = curve.restricted_mean {
        assert_close(
            mean.mean,
            want["rmst"]["value"].as_f64().unwrap(),
            "restricted mean",
        );
    }
}

fn cohort_agrees(cohort: &Cohort) {
    let want = &cohort.reference["kaplan_meier"];
    let sites = cohort.bare_tables();
    agrees(&recipe(cohort.grid), &sites, 0, &want["pooled"]);
    let by_site = KaplanMeier {
        group: Some(cohort.grouping()),
        ..recipe(cohort.grid)
    };
    let log_rank = &cohort.reference["logrank_by_site"];
    for (at, name) in log_rank["groups"].as_array().unwrap().iter().enumerate() {
        agrees(&by_site, &sites, at, &want[name.as_str().unwrap()]);
    }
    let outcome = km(&by_site, &sites);
    let got = outcome.log_rank.unwrap();
    assert_eq!(u64::from(got.test.df), log_rank["df"].as_u64().unwrap());
    assert_close(
        got.test.statistic,
        log_rank["chi2"].as_f64().unwrap(),
        "log-rank",
    );
    assert!((got.test.p / log_rank["p"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    for (got, want) in got.expected.iter().zip(numbers(&log_rank["expected"])) {
        assert_close(*got, want, "expected events");
    }
    assert_eq!(
        got.observed.iter().map(|n| *n as f64).collect::<Vec<_>>(),
        numbers(&log_rank["observed"])
    );
    assert_eq!((outcome.rounds, outcome.sites as usize), (2, sites.len()));
}

#[test]
fn stroke_curves_of_ten_countries_are_those_of_one_table() {
    cohort_agrees(&stroke_followup());
}

#[test]
fn breast_cancer_curves_of_six_regions_are_those_of_one_table() {
    cohort_agrees(&breast("breast_tcga_cox"));
    cohort_agrees(&breast("breast_tcga_cox_train"));
}

#[test]
fn rotterdam_and_gbsg_curves_are_those_of_one_table() {
    rotterdam_gbsg().iter().for_each(cohort_agrees);
}

fn patients(rows: &[(f64, f64, f64)]) -> Vec<Patient> {
    rows.iter()
        .map(|(days, event, group)| Patient {
            x: Vec::new(),
            days: *days,
            event: *event,
            group: *group,
        })
        .collect()
}

/// The maintained arm of the acute myelogenous leukaemia trial (Miller 1981, the example of R's
/// `survfit`).
fn leukaemia() -> Vec<Patient> {
    let times = [
        9.0, 13.0, 13.0, 18.0, 23.0, 28.0, 31.0, 34.0, 45.0, 48.0, 161.0,
    ];
    let events = [1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    patients(
        &times
            .iter()
            .zip(events)
            .map(|(time, event)| (*time, event, 0.0))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn intervals_and_medians_follow_their_formulas() {
    let all = leukaemia();
    let sites = [site("a", &all[..4]), site("b", &all[4..])];
    let curve = |interval: Interval| {
        km(
            &KaplanMeier {
                interval,
                tau: Some(40.0),
                ..recipe(Grid::days(161.0))
            },
            &sites,
        )
        .curves
        .remove(0)
    };
    // S(18) = 10/11 * 9/10 * 7/8, log S's variance 1/110 + 1/90 + 1/56
    let survival: f64 = 10.0 / 11.0 * 0.9 * 0.875;
    let s = (1.0_f64 / 110.0 + 1.0 / 90.0 + 1.0 / 56.0).sqrt();
    let z = 1.959_963_984_540_054;
    let log_log = |sign: f64| (-((-survival.ln()).ln() + sign * z * s / survival.ln()).exp()).exp();
    for (interval, low, high) in [
        (
            Interval::Plain,
            survival - z * s * survival,
            (survival + z * s * survival).min(1.0),
        ),
        (
            Interval::Log,
            survival * (-z * s).exp(),
            (survival * (z * s).exp()).min(1.0),
        ),
        (Interval::LogLog, log_log(-1.0), log_log(1.0)),
    ] {
        let curve = curve(interval);
        let point = curve
            .points
            .iter()
            .find(|point| point.time == 18.0)
            .unwrap();
        assert_close(point.survival, survival, "survival");
        assert_close(point.se.unwrap(), s * survival, "se");
        assert_close(point.low.unwrap(), low, "low");
        assert_close(point.high.unwrap(), high, "high");
        assert!(low < survival && survival < high);
    }
    // print(survfit(Surv(time, status) ~ 1)) on this arm: 11, 7 events, median 31, 0.95LCL 18, no
    // 0.95UCL (conf.type log)
    let log = curve(Interval::Log);
    assert_eq!(
        (log.rows, log.events, log.median),
        (11, Some(7), Some(31.0))
    );
    assert_eq!((log.median_low, log.median_high), (Some(18.0), None));
    // Area to 40 by hand, with S = 1, 10/11, 9/11, 63/88, 54/88, 43.2/88, 32.4/88 between the
    // events.
    let steps = [
        (9.0, 1.0),
        (4.0, 10.0 / 11.0),
        (5.0, 9.0 / 11.0),
        (5.0, 63.0 / 88.0),
        (8.0, 54.0 / 88.0),
        (3.0, 43.2 / 88.0),
    ];
    let mean = log.restricted_mean.unwrap();
    let steps = [steps.to_vec(), vec![(6.0, 32.4 / 88.0)]].concat();
    let area = |from: usize| {
        steps[from..]
            .iter()
            .map(|(width, height)| width * height)
            .sum::<f64>()
    };
    assert_close(mean.mean, area(0), "restricted mean");
    let at_risk: [f64; 6] = [11.0, 10.0, 8.0, 7.0, 5.0, 4.0];
    let variance = at_risk
        .iter()
        .enumerate()
        .map(|(at, n)| area(at + 1).powi(2) / (n * (n - 1.0)));
    assert_close(mean.se, variance.sum::<f64>().sqrt(), "its standard error");
}

#[test]
fn an_end_of_the_medians_interval_beyond_what_is_shown_is_kept_back_and_not_open() {
    // An event a day on days 1 to 14. R, conf.type "log-log": median 7.5, interval 3 to 11, where
    // four are at risk.
    let all = patients(
        &(1..=14)
            .map(|day| (f64::from(day), 1.0, 0.0))
            .collect::<Vec<_>>(),
    );
    let sites = [
        site("a", &all[..5]),
        site("b", &all[5..10]),
        site("c", &all[10..]),
    ];
    let curve = |min_cell: u32| {
        let recipe = KaplanMeier {
            interval: Interval::LogLog,
            min_cell,
            ..recipe(Grid::days(30.0))
        };
        km(&recipe, &sites).curves.remove(0)
    };
    let (whole, shown) = (curve(0), curve(5));
    assert_eq!(
        (whole.median, whole.median_low, whole.median_high),
        (Some(7.5), Some(3.0), Some(11.0))
    );
    // One step of five is shown, on day 5, without an interval of so few patients, and what lies
    // behind it is kept back.
    assert_eq!(
        (shown.median, shown.median_low, shown.median_high),
        (None, None, None)
    );
    assert!(
        shown.withheld && !whole.withheld,
        "so that who prints it can tell the two apart"
    );
}

/// The same point in whole hundredths or thousandths, its number at risk told or not.
fn is_rounded(point: &CurvePoint, whole: &CurvePoint) {
    let close = |one: f64, other: f64| (one - other).abs() <= 0.005;
    assert!(close(point.survival, whole.survival), "{point:?} {whole:?}");
    let ends = point.se.zip(whole.se);
    assert!(ends.is_none_or(|(one, other)| close(one, other)));
    assert!(point.at_risk.is_none() || point.at_risk == whole.at_risk);
}

#[test]
fn small_numbers_are_merged_or_kept_back() {
    let cohort = breast("breast_tcga_cox");
    let recipe = KaplanMeier {
        group: Some(cohort.grouping()),
        marks: vec![365.0, 3650.0],
        ..recipe(cohort.grid)
    };
    let outcome = km(
        &KaplanMeier {
            min_cell: 5,
            ..recipe.clone()
        },
        &cohort.bare_tables(),
    );
    let full = km(&recipe, &cohort.bare_tables());
    for (curve, full) in outcome.curves.iter().zip(&full.curves) {
        assert!(curve.withheld && !full.withheld);
        assert!(
            curve
                .points
                .iter()
                .chain(&curve.marks)
                .all(|point| point.at_risk.is_none_or(|rows| rows >= 5))
        );
        assert!(curve.points.iter().all(|point| point.events >= 5));
        let left =
            full.events.unwrap() - curve.points.iter().map(|point| point.events).sum::<u64>();
        assert!(
            curve.events.is_none() || left == 0 || left >= 5,
            "a difference shows {left} events"
        );
        // A step may stand at a mark.
        for point in curve.points.iter().chain(&curve.marks) {
            let mut all = full.points.iter().chain(&full.marks);
            let same = all.find(|other| other.time == point.time).unwrap();
            is_rounded(point, same);
        }
    }
    // Canada has three deaths: not even their number is printed, nor the table that would show it.
    assert_eq!(
        (outcome.curves[5].events, outcome.curves[5].points.len()),
        (None, 0)
    );
    // Nor a test that compares the others with them.
    assert!(outcome.log_rank.is_none() && full.log_rank.is_some());
}

#[test]
fn marks_all_over_the_grid_give_no_few_events_back() {
    let cohort = breast("breast_tcga_cox");
    // Fifty marks, as many as a study may name, from the first month on.
    for step in [30.0, 60.0, 90.0] {
        let grid = Grid {
            step,
            horizon: step * 50.0,
            times: Times::Grid,
        };
        let marks = (1..=50).map(|at| f64::from(at) * step).collect();
        let recipe = KaplanMeier {
            group: Some(cohort.grouping()),
            marks,
            ..recipe(grid)
        };
        let outcome = km(
            &KaplanMeier {
                min_cell: 5,
                ..recipe.clone()
            },
            &cohort.bare_tables(),
        );
        let full = km(&recipe, &cohort.bare_tables());
        for (curve, full) in outcome.curves.iter().zip(&full.curves) {
            let until = |time: f64| -> u64 {
                full.points
                    .iter()
                    .filter(|point| point.time <= time)
                    .map(|point| point.events)
                    .sum()
            };
            let mut times: Vec<f64> = curve
                .points
                .iter()
                .chain(&curve.marks)
                .map(|point| point.time)
                .collect();
            times.sort_by(f64::total_cmp);
            let ends = curve.events.is_some().then_some(f64::INFINITY);
            let mut before = 0;
            for time in times.into_iter().chain(ends) {
                let between = until(time) - before;
                assert!(
                    between == 0 || between >= 5,
                    "{between} events before {time} of {}",
                    curve.group
                );
                before = until(time);
            }
            for mark in &curve.marks {
                let same = full
                    .marks
                    .iter()
                    .find(|other| other.time == mark.time)
                    .unwrap();
                is_rounded(mark, same);
            }
        }
        assert!(
            outcome.curves.iter().any(|curve| curve.marks.len() > 5),
            "marks of many stay"
        );
    }
}

#[test]
fn marks_with_many_events_between_stay_as_they_are() {
    let cohort = breast("breast_tcga_cox");
    let days = (vec![257.0, 456.0, 850.0], Grid::days(8605.0));
    let months = (
        vec![360.0, 1080.0, 1800.0, 3600.0],
        Grid {
            step: 30.0,
            horizon: 8700.0,
            times: Times::Grid,
        },
    );
    for (marks, grid) in [days, months] {
        let recipe = KaplanMeier {
            marks,
            ..recipe(grid)
        };
        let shown = km(
            &KaplanMeier {
                min_cell: 5,
                ..recipe.clone()
            },
            &cohort.bare_tables(),
        );
        let whole = km(&recipe, &cohort.bare_tables());
        assert_eq!(shown.curves[0].marks.len(), recipe.marks.len());
        for (mark, whole) in shown.curves[0].marks.iter().zip(&whole.curves[0].marks) {
            assert_eq!(mark.time, whole.time);
            is_rounded(mark, whole);
        }
    }
}

#[test]
fn degenerate_groups_have_a_curve_and_no_test() {
    let grouping = Grouping {
        column: "arm".into(),
        levels: names(&["a", "b", "none"]),
    };
    let grouped = KaplanMeier {
        group: Some(grouping),
        tau: Some(4.0),
        ..recipe(Grid::days(4.0))
    };
    // Nobody has the event: nothing but tau is asked.
    let still = [site("s", &patients(&[(1.0, 0.0, 0.0), (9.0, 1.0, 1.0)]))];
    let outcome = km(&grouped, &still);
    assert_eq!((outcome.events, outcome.log_rank.is_none()), (0, true));
    assert_eq!(
        outcome.curves[0].restricted_mean, None,
        "nobody of a is followed to 4"
    );
    assert_eq!(outcome.curves[1].restricted_mean.unwrap().mean, 4.0);
    assert_eq!(outcome.curves[2].restricted_mean, None);
    let bare = KaplanMeier {
        tau: None,
        ..grouped.clone()
    };
    assert_eq!(
        km(&bare, &still).rounds,
        1,
        "without a point there is no second round"
    );
    // All of a die at once at time 0, the only one of b lives on.
    let dead = [
        site("s", &patients(&[(0.0, 1.0, 0.0), (0.0, 1.0, 0.0)])),
        site("t", &patients(&[(4.0, 0.0, 1.0)])),
    ];
    let outcome = km(&grouped, &dead);
    let a = &outcome.curves[0];
    assert_eq!(
        (a.points[0].time, a.points[0].survival, a.points[0].se),
        (0.0, 0.0, None)
    );
    assert_eq!(
        (a.median, a.restricted_mean.unwrap().mean),
        (Some(0.0), 0.0)
    );
    assert_eq!(outcome.log_rank.unwrap().test.df, 1);
    // One patient in all: no variance, no test.
    let one = [site("s", &patients(&[(2.0, 1.0, 0.0)]))];
    assert_eq!(km(&grouped, &one).log_rank, None);
}

#[test]
fn rounded_times_give_the_curve_of_rounded_times() {
    let cohort = breast("breast_tcga_cox");
    let month = Grid {
        step: 30.0,
        horizon: 3000.0,
        times: Times::Grid,
    };
    let up = |patient: &Patient| Patient {
        x: Vec::new(),
        days: (patient.days / 30.0).ceil() * 30.0,
        ..patient.clone()
    };
    let rounded: Vec<Patient> = cohort.patients().iter().map(up).collect();
    let want = km(
        &recipe(Grid {
            times: Times::Exact,
            ..month
        }),
        &[site("all", &rounded)],
    );
    let got = km(&recipe(month), &cohort.bare_tables());
    assert_eq!(got.curves, want.curves);
    assert!(
        got.events < 151,
        "who is followed beyond the horizon is censored there"
    );
}

#[test]
fn tables_without_usable_times_are_refused_before_an_answer() {
    let refusal = |recipe: &KaplanMeier, site: &Site| {
        let recipe = Recipe::from(recipe.clone());
        let state = recipe.start(Default::default());
        let question = recipe.ask(&state, 1).unwrap().unwrap();
        recipe
            .answer(
                &state,
                &question,
                &site.rows(),
                &motet_recipes::Memory::default(),
                &mut rng(0),
            )
            .err()
    };
    let plain = recipe(Grid::days(10.0));
    let at = |days: f64| site("a", &patients(&[(days, 1.0, 0.0), (3.0, 0.0, 0.0)]));
    let time = || "days".to_owned();
    assert_eq!(refusal(&plain, &at(2.0)), None);
    assert_eq!(
        refusal(&plain, &at(2.5)),
        Some(RecipeError::OffGrid {
            time: time(),
            rows: 1
        })
    );
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(
            refusal(&plain, &at(bad)),
            Some(RecipeError::BadTime {
                time: time(),
                rows: 1
            })
        );
    }
    let timeless = Site {
        time: None,
        ..at(2.0)
    };
    assert_eq!(
        refusal(&plain, &timeless),
        Some(RecipeError::NoColumn {
            column: time(),
            rows: 2
        })
    );
    let arm = || "arm".to_owned();
    let grouped = KaplanMeier {
        group: Some(Grouping {
            column: arm(),
            levels: names(&["x"]),
        }),
        ..plain
    };
    let third = site("a", &patients(&[(1.0, 1.0, 2.0), (3.0, 0.0, 0.5)]));
    assert_eq!(
        refusal(&grouped, &third),
        Some(RecipeError::NotALevel {
            column: arm(),
            rows: 2
        })
    );
    let groupless = Site {
        group: None,
        ..third
    };
    assert_eq!(
        refusal(&grouped, &groupless),
        Some(RecipeError::NoColumn {
            column: arm(),
            rows: 2
        })
    );
}

#[test]
fn a_lost_site_begins_the_count_again() {
    let cohort = breast("breast_tcga_cox");
    let sites = cohort.bare_tables();
    let recipe = Recipe::from(recipe(cohort.grid));
    let Ok(Outcome::KaplanMeier(got)) = run_with(&recipe, |round| {
        sites.iter().take(if round < 1 { 6 } else { 5 }).collect()
    }) else {
        panic!("no curves")
    };
    let Ok(Outcome::KaplanMeier(want)) = run(&recipe, &sites[..5]) else {
        panic!("no curves")
    };
    assert_eq!((got.rounds, got.sites), (4, 5));
    assert_eq!(
        KmOutcome {
            rounds: want.rounds,
            ..got
        },
        want
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn tiny_tables_give_numbers(rows in proptest::collection::vec((0_u32..6, prop::bool::ANY, 0_u32..3), 1..12), min_cell in 0_u32..4) {
        let row = |(days, event, group): &(u32, bool, u32)| (f64::from(*days), f64::from(u8::from(*event)), f64::from(*group));
        let patients = patients(&rows.iter().map(row).collect::<Vec<_>>());
        let grouping = Grouping { column: "arm".into(), levels: names(&["a", "b", "c"]) };
        for interval in [Interval::LogLog, Interval::Log, Interval::Plain] {
            let recipe = KaplanMeier { group: Some(grouping.clone()), interval, min_cell, marks: vec![0.0, 2.0], tau: Some(5.0), ..recipe(Grid::days(5.0)) };
            let half = patients.len().div_ceil(2);
            let sites: Vec<Site> = patients.chunks(half).enumerate().map(|(at, rows)| site(&at.to_string(), rows)).collect();
            let outcome = km(&recipe, &sites);
            for point in outcome.curves.iter().flat_map(|curve| curve.points.iter().chain(&curve.marks)) {
                let ends = [point.low.unwrap_or(0.0), point.survival, point.high.unwrap_or(1.0)];
                prop_assert!(ends.windows(2).all(|pair| pair[0] <= pair[1]) && (0.0..=1.0).contains(&ends[1]), "{point:?}");
                prop_assert!(point.se.is_none_or(|se| se.is_finite()) && point.at_risk.is_none_or(|rows| rows >= u64::from(min_cell)));
            }
            let means = outcome.curves.iter().filter_map(|curve| curve.restricted_mean);
            prop_assert!(means.clone().all(|mean| (0.0..=5.0).contains(&mean.mean) && mean.se.is_finite()));
            prop_assert!(outcome.log_rank.is_none_or(|log_rank| log_rank.test.statistic >= 0.0 && log_rank.test.p.is_finite()));
        }
    }
}
