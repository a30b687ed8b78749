//! Proportional odds over sites against one pooled table, as R's `polr`, statsmodels and forty digits
//! have it, and what ends a fit.

#![allow(clippy::disallowed_methods, reason = "the tests read their tables")]

use crate::common::*;
use motet_recipes::ordinal::{Effect, Ordinal, OrdinalOutcome};
use motet_recipes::{Design, Glm, Outcome, Recipe, RecipeError};
use motet_secagg::digest::Digest;
use std::path::PathBuf;

const OCCODE: [&str; 4] = ["1", "2", "3", "4"];

fn ordinal(columns: &[&str], levels: &[&str]) -> Ordinal {
    Ordinal::new(Design::plain(names(columns)), "y".into(), names(levels))
}

fn fitted(outcome: Result<Outcome, RecipeError>) -> OrdinalOutcome {
    match outcome {
        Ok(Outcome::Ordinal(fit)) => fit,
        other => panic!("no ordinal outcome: {other:?}"),
    }
}

/// The stroke tables with the outcome after six months, 1 to 4 as 0 to 3; 0 and 9 are missing.
fn six_months() -> Vec<Site> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/stroke_outcome.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let with_outcome = |site: &Site| {
        let own = text
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{},", site.name)));
        let own: Vec<f64> = own.map(|code| code.parse().unwrap()).collect();
        assert_eq!(own.len(), site.y.len());
        let rows = site.lines().into_iter().zip(own);
        let known = rows.filter(|(_, code)| (1.0..=4.0).contains(code));
        let rows: Vec<Vec<f64>> = known
            .map(|(mut line, code)| {
                *line.last_mut().unwrap() = code - 1.0;
                line
            })
            .collect();
        Site::new(&site.name, &rows)
    };
    stroke().iter().map(with_outcome).collect()
}

/// A table of counts, one line a row of columns, dealt to three sites in turn.
fn dealt(table: &[(Vec<f64>, Vec<usize>)]) -> Vec<Site> {
    let mut rows = Vec::new();
    for (columns, counts) in table {
        for (level, count) in counts.iter().enumerate() {
            let row: Vec<f64> = columns.iter().copied().chain([level as f64]).collect();
            rows.extend(std::iter::repeat_n(row, *count));
        }
    }
    three_sites(rows.len() as u32, |at| rows[at as usize].clone())
}

fn housing() -> Vec<Site> {
    const COUNTS: [usize; 72] = [
        21, 21, 28, 34, 22, 36, 10, 11, 36, 61, 23, 17, 43, 35, 40, 26, 18, 54, 13, 9, 10, 8, 8,
        12, 6, 7, 9, 18, 6, 7, 15, 13, 13, 7, 5, 11, 14, 19, 37, 17, 23, 40, 3, 5, 23, 78, 46, 43,
        48, 45, 86, 15, 25, 62, 20, 23, 20, 10, 22, 24, 7, 10, 21, 57, 23, 13, 31, 21, 13, 5, 6,
        13,
    ];
    let line = |(at, counts): (usize, &[usize])| {
        let (influence, kind, contact) = (at % 3, at / 3 % 4, at / 12);
        let is = [
            influence == 1,
            influence == 2,
            kind == 1,
            kind == 2,
            kind == 3,
            contact == 1,
        ];
        (
            is.map(|is| f64::from(u8::from(is))).to_vec(),
            counts.to_vec(),
        )
    };
    let table: Vec<_> = COUNTS.chunks(3).enumerate().map(line).collect();
    dealt(&table)
}

const CHEESE: [[usize; 9]; 4] = [
    [0, 0, 1, 7, 8, 8, 19, 8, 1],
    [6, 9, 12, 11, 7, 6, 1, 0, 0],
    [1, 1, 6, 8, 23, 7, 5, 1, 0],
    [0, 0, 0, 1, 3, 7, 14, 16, 11],
];

fn cheese() -> Vec<Site> {
    let line = |(at, counts): (usize, &[usize; 9])| {
        let is = |additive: usize| f64::from(u8::from(additive == at));
        ((0..3).map(is).collect(), counts.to_vec())
    };
    let table: Vec<_> = CHEESE.iter().enumerate().map(line).collect();
    dealt(&table)
}

/// To so small a part of itself.
fn near(got: f64, want: f64, part: f64, what: &str) {
    assert!(
        (got - want).abs() <= part * want.abs(),
        "{what}: {got} instead of {want}"
    );
}

/// The figures of forty digits, to 1e-10.
fn is_the_fit(fit: &OrdinalOutcome, want: &serde_json::Value) {
    let figure = |key: &str| want[key].as_f64().unwrap();
    assert!(fit.converged);
    assert_eq!(fit.rows, want["rows"].as_u64().unwrap());
    let levels: Vec<f64> = fit
        .levels
        .iter()
        .map(|of| of.rows.unwrap() as f64)
        .collect();
    assert_eq!(levels, numbers(&want["levels"]));
    near(fit.loglik, figure("loglik"), 1e-10, "log-likelihood");
    near(
        fit.null_loglik,
        figure("null_loglik"),
        1e-10,
        "of the shares",
    );
    let ratio = fit.likelihood_ratio.unwrap();
    let twice = 2.0 * (figure("loglik") - figure("null_loglik"));
    near(ratio.statistic, twice, 1e-10, "likelihood ratio");
    assert_eq!(ratio.df as usize, fit.coefficients.len());
    for (effects, estimates, errors) in [
        (&fit.coefficients, "coefficients", "se"),
        (&fit.thresholds, "thresholds", "thresholds_se"),
    ] {
        let estimates = numbers(&want[estimates]);
        let errors = numbers(&want[errors]);
        assert_eq!(
            (effects.len(), effects.len()),
            (estimates.len(), errors.len())
        );
        for (at, effect) in effects.iter().enumerate() {
            near(effect.estimate, estimates[at], 1e-10, &effect.name);
            near(effect.se, errors[at], 1e-10, &effect.name);
            let half = effect.ci_high - effect.estimate;
            near(half, 1.959_963_984_540_054 * errors[at], 1e-10, "interval");
        }
    }
    let found = fit.parallel.as_ref().unwrap();
    let tests = &want["parallel"];
    let all = found.all.unwrap();
    assert_eq!(u64::from(all.df), tests["df"].as_u64().unwrap());
    near(all.statistic, tests["all"].as_f64().unwrap(), 1e-9, "all");
    let columns = numbers(&tests["columns"]);
    assert_eq!(columns.len(), found.terms.len());
    for ((name, test), want) in found.terms.iter().zip(columns) {
        let test = test.unwrap();
        near(test.statistic, want, 1e-9, name);
        assert_eq!(test.df as usize, fit.levels.len() - 2);
    }
}

/// What R printed of each figure, digit by digit; of the errors that many units of the last digit
/// off.
fn is_printed(fit: &OrdinalOutcome, lines: &serde_json::Value, units: f64) {
    let lines = lines.as_array().unwrap();
    let effects: Vec<&Effect> = fit.coefficients.iter().chain(&fit.thresholds).collect();
    assert_eq!(lines.len(), effects.len());
    for (line, effect) in lines.iter().zip(effects) {
        let words: Vec<&str> = line
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w.as_str().unwrap())
            .collect();
        let digits = |text: &str| text.split_once('.').unwrap().1.len();
        let own = format!("{:.*}", digits(words[1]), effect.estimate);
        assert_eq!(own, words[1], "{}", words[0]);
        let unit = 0.1_f64.powi(digits(words[2]) as i32);
        let off = (effect.se - words[2].parse::<f64>().unwrap()).abs();
        assert!(
            off <= (0.5 + units) * unit * 1.000_001,
            "{}: {}",
            words[0],
            effect.se
        );
    }
}

fn is_that_of_statsmodels(fit: &OrdinalOutcome, want: &serde_json::Value) {
    for (effects, key) in [
        (&fit.coefficients, "coefficients"),
        (&fit.thresholds, "thresholds"),
    ] {
        for (effect, want) in effects.iter().zip(numbers(&want[key])) {
            assert!((effect.estimate - want).abs() < 2e-6, "{}", effect.name);
        }
    }
    assert!((fit.loglik - want["loglik"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn the_outcome_of_ten_countries_after_six_months_is_that_of_one_table() {
    let want = &reference("ordinal")["stroke"];
    let recipe = Recipe::from(ordinal(&STROKE_COLUMNS, &OCCODE));
    let fit = fitted(run(&recipe, &six_months()));
    is_the_fit(&fit, want);
    // `polr` takes its errors from differences of slopes: of columns in their own units these are off
    // by a few units of its last digit, and the errors of statsmodels are not.
    is_printed(&fit, &want["polr"], 11.0);
    is_that_of_statsmodels(&fit, &want["statsmodels"]);
    assert_eq!((fit.sites, fit.rounds < 14), (10, true), "{}", fit.rounds);
    assert_eq!(fit.thresholds[1].name, "2|3");
}

#[test]
fn the_housing_of_copenhagen_is_that_of_polr_to_every_printed_digit() {
    let want = &reference("ordinal")["housing"];
    let columns: Vec<String> = want["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let recipe = Ordinal::new(
        Design::plain(columns),
        "y".into(),
        names(&["Low", "Medium", "High"]),
    );
    let fit = fitted(run(&Recipe::from(recipe), &housing()));
    is_the_fit(&fit, want);
    is_printed(&fit, &want["polr"], 0.0);
    is_that_of_statsmodels(&fit, &want["statsmodels"]);
}

#[test]
fn the_test_of_a_model_that_could_fit_every_cell_is_pearsons_chi_square() {
    let levels: Vec<String> = (1..=9).map(|level| level.to_string()).collect();
    let design = Design::plain(names(&["a", "b", "c"]));
    let recipe = Recipe::from(Ordinal::new(design, "y".into(), levels));
    let fit = fitted(run(&recipe, &cheese()));
    is_the_fit(&fit, &reference("ordinal")["cheese"]);
    let mut pearson = 0.0;
    for (additive, counts) in CHEESE.iter().enumerate() {
        let shift = fit.coefficients.get(additive).map_or(0.0, |of| of.estimate);
        let below = |at: usize| match fit.thresholds.get(at) {
            Some(theta) => 1.0 / (1.0 + (shift - theta.estimate).exp()),
            None => 1.0,
        };
        for (level, count) in counts.iter().enumerate() {
            let p = below(level) - level.checked_sub(1).map_or(0.0, below);
            let expected = 52.0 * p;
            pearson += (*count as f64 - expected).powi(2) / expected;
        }
    }
    let all = fit.parallel.unwrap().all.unwrap();
    assert_eq!(all.df, 21);
    near(all.statistic, pearson, 1e-9, "Pearson");
}

/// Made-up rows: two columns, and a level of so many that leans on the first.
fn made_up(rows: u32, levels: u32) -> Vec<Site> {
    three_sites(rows, |at| {
        let a = f64::from(at * 37 % 101) / 20.0;
        let b = f64::from(u8::from(at * 13 % 7 > 2));
        let noise = f64::from(at * 57 % 89) / 89.0 * f64::from(levels);
        let level = ((0.45 * a + noise * 0.75 + 0.4 * b).floor()).min(f64::from(levels - 1));
        vec![a, b, level]
    })
}

fn level_names(levels: u32) -> Vec<String> {
    (0..levels).map(|level| format!("L{level}")).collect()
}

fn two_columns(levels: u32) -> Ordinal {
    Ordinal::new(
        Design::plain(names(&["a", "b"])),
        "y".into(),
        level_names(levels),
    )
}

/// The log-likelihood, row by row as it is defined.
fn plain_loglik(sites: &[Site], thresholds: &[f64], slopes: &[f64]) -> f64 {
    let below = |cut: Option<usize>, shift: f64| match cut.map(|cut| thresholds.get(cut)) {
        None => 0.0,
        Some(None) => 1.0,
        Some(Some(theta)) => 1.0 / (1.0 + (shift - theta).exp()),
    };
    let mut sum = 0.0;
    for line in sites.iter().flat_map(Site::lines) {
        let (level, x) = line.split_last().unwrap();
        let shift: f64 = x.iter().zip(slopes).map(|(x, b)| x * b).sum();
        let level = *level as usize;
        sum += (below(Some(level), shift) - below(level.checked_sub(1), shift)).ln();
    }
    sum
}

#[test]
fn three_to_ten_levels_are_fitted_to_the_top_of_their_likelihood() {
    for levels in 3..=10 {
        let sites = made_up(900, levels);
        let fit = fitted(run(&Recipe::from(two_columns(levels)), &sites));
        let thresholds: Vec<f64> = fit.thresholds.iter().map(|of| of.estimate).collect();
        let slopes: Vec<f64> = fit.coefficients.iter().map(|of| of.estimate).collect();
        assert!(fit.converged && thresholds.windows(2).all(|pair| pair[0] < pair[1]));
        let best = plain_loglik(&sites, &thresholds, &slopes);
        near(fit.loglik, best, 1e-11, "log-likelihood");
        // No step along any figure goes up.
        let count = thresholds.len();
        for at in 0..count + slopes.len() {
            for by in [1e-3, -1e-3] {
                let (mut thresholds, mut slopes) = (thresholds.clone(), slopes.clone());
                match slopes.get_mut(at.wrapping_sub(count)) {
                    Some(slope) => *slope += by,
                    None => thresholds[at] += by,
                }
                assert!(
                    plain_loglik(&sites, &thresholds, &slopes) < best,
                    "{levels} {at}"
                );
            }
        }
        let all = fit.parallel.unwrap().all.unwrap();
        assert_eq!(all.df, 2 * (levels - 2));
        assert!(all.statistic > 0.0 && all.p > 0.0);
    }
}

#[test]
fn two_levels_are_a_logistic_regression() {
    let sites = made_up(600, 2);
    let fit = fitted(run(&Recipe::from(two_columns(2)), &sites));
    let want = logistic(run(
        &Recipe::from(Glm::logistic(names(&["a", "b"]), "y".into())),
        &sites,
    ));
    near(fit.loglik, want.loglik, 1e-11, "log-likelihood");
    near(fit.null_loglik, want.null_loglik, 1e-11, "of the shares");
    let threshold = &fit.thresholds[0];
    near(
        -threshold.estimate,
        want.coefficients[0].estimate,
        1e-10,
        "threshold",
    );
    near(threshold.se, want.coefficients[0].se, 1e-10, "its error");
    for (own, want) in fit.coefficients.iter().zip(&want.coefficients[1..]) {
        near(own.estimate, want.estimate, 1e-10, &want.name);
        near(own.se, want.se, 1e-10, &want.name);
        near(own.p, want.p, 1e-8, &want.name);
    }
    assert_eq!(fit.parallel, None);
}

#[test]
fn units_and_sites_do_not_matter() {
    let sites = made_up(900, 4);
    let recipe = Recipe::from(two_columns(4));
    let fit = fitted(run(&recipe, &sites));
    let rows: Vec<Vec<f64>> = sites.iter().flat_map(Site::lines).collect();
    // All rows at one site, and each tenth at a site of its own.
    for parts in [1, 10] {
        let part = |first: usize| {
            let own: Vec<Vec<f64>> = rows.iter().skip(first).step_by(parts).cloned().collect();
            Site::new(&format!("site {first}"), &own)
        };
        let other = fitted(run(&recipe, &(0..parts).map(part).collect::<Vec<_>>()));
        near(other.loglik, fit.loglik, 1e-11, "log-likelihood");
        for (other, own) in other.coefficients.iter().zip(&fit.coefficients) {
            near(other.estimate, own.estimate, 1e-10, &own.name);
            near(other.se, own.se, 1e-10, &own.name);
        }
    }
    for unit in [1e-12, 1e9] {
        let scaled = |site: &Site| {
            let lines = site
                .lines()
                .into_iter()
                .map(|line| vec![line[0] * unit + 3.0 * unit, line[1], line[2]]);
            Site::new(&site.name, &lines.collect::<Vec<_>>())
        };
        let other = fitted(run(&recipe, &sites.iter().map(scaled).collect::<Vec<_>>()));
        let slope = &other.coefficients[0];
        near(
            slope.estimate * unit,
            fit.coefficients[0].estimate,
            1e-10,
            "slope",
        );
        near(slope.se * unit, fit.coefficients[0].se, 1e-10, "its error");
        // Moved by three units of the column.
        let moved = fit.thresholds[1].estimate + 3.0 * fit.coefficients[0].estimate;
        near(other.thresholds[1].estimate, moved, 1e-10, "threshold");
        let [own, other] =
            [&fit, &other].map(|fit| fit.parallel.as_ref().unwrap().all.unwrap().statistic);
        near(other, own, 1e-9, "test");
    }
}

#[test]
fn a_column_that_parts_the_levels_is_named_and_so_is_one_that_says_nothing_new() {
    let with = |third: fn(f64, f64, f64) -> f64| -> Vec<Site> {
        let longer = |site: &Site| {
            let lines = site.lines().into_iter();
            let lines =
                lines.map(|line| vec![line[0], line[1], third(line[0], line[1], line[2]), line[2]]);
            Site::new(&site.name, &lines.collect::<Vec<_>>())
        };
        made_up(600, 4).iter().map(longer).collect()
    };
    let columns = || Design::plain(names(&["a", "b", "c"]));
    let recipe = Recipe::from(Ordinal::new(columns(), "y".into(), level_names(4)));
    let error = run(&recipe, &with(|a, _, y| y + a / 100.0)).unwrap_err();
    assert!(
        matches!(&error, RecipeError::Separated { columns, .. } if columns[0] == "c"),
        "{error}"
    );
    // One cut alone is enough.
    let error = run(&recipe, &with(|_, _, y| f64::from(u8::from(y > 1.0)))).unwrap_err();
    assert!(
        matches!(&error, RecipeError::Separated { columns, .. } if columns == &["c"]),
        "{error}"
    );
    for third in [(|a, b, _| a + b) as fn(f64, f64, f64) -> f64, |a, b, y| {
        a + b + 1e-8 * y
    }] {
        let error = run(&recipe, &with(third)).unwrap_err();
        let named = RecipeError::Collinear { column: "c".into() };
        assert_eq!(error, named);
    }
    let error = run(&recipe, &with(|_, _, _| 7.0)).unwrap_err();
    assert_eq!(error, RecipeError::Constant { column: "c".into() });
}

#[test]
fn the_sums_have_the_patients_of_each_level_and_of_the_cuts_what_thresholds_do_not_tell() {
    let sites = made_up(900, 4);
    let sums = first_sums(&Recipe::from(two_columns(4)), &sites);
    let lines: Vec<Vec<f64>> = sites.iter().flat_map(Site::lines).collect();
    let at = |level: f64| lines.iter().filter(|line| line[2] == level).count() as f64;
    let counts = [0.0, 1.0, 2.0, 3.0].map(at);
    let moments = &sums["moments"];
    assert_eq!(moments[..4], counts);
    let yes = lines.iter().filter(|line| line[1] == 1.0).count();
    assert_eq!((moments.len(), moments[5]), (6, yes as f64));
    assert_eq!(sums["spread"].len(), 2);
    // Kernel, gradient of three cuts and two columns; curvature of each, of cut and column, of columns.
    let step = &sums["newton"];
    // And products of the intercept and the columns.
    assert_eq!(step.len(), 1 + 5 + 3 + 6 + 3 + 6);
    // At the shares of the levels: of a cut, those at the level below it, less those above it, each by
    // the share on the other side.
    let rows = 900.0;
    let below =
        [counts[0], counts[0] + counts[1], rows - counts[3]].map(|rows_below| rows_below / rows);
    for cut in 0..3 {
        let want = counts[cut] * (1.0 - below[cut]) - counts[cut + 1] * below[cut];
        assert!((step[1 + cut] - want).abs() < 1e-6, "{cut}");
        let want = (counts[cut] + counts[cut + 1]) * below[cut] * (1.0 - below[cut]);
        assert!((step[6 + cut] - want).abs() < 1e-6, "{cut}");
    }
    // Three cuts of three terms, and five products of these; who decides alone.
    assert_eq!(sums["parallel"].len(), 1 + 9 + 5 * 6 + 2);
}

#[test]
fn a_level_that_nobody_has_is_named_before_anything_is_fitted() {
    let recipe = Recipe::from(two_columns(5));
    let sites = made_up(600, 4);
    let error = run(&recipe, &sites).unwrap_err();
    let named = RecipeError::EmptyLevel {
        outcome: "y".into(),
        level: "L4".into(),
    };
    assert_eq!(error, named);
    let start = recipe.start(Digest([3; 32]));
    let all: Vec<&Site> = sites.iter().collect();
    let state = round(&recipe, &start, &all).unwrap().unwrap();
    assert!(state.stuck() && recipe.ask(&state, 3).unwrap().is_none());
}

#[test]
fn a_level_of_one_row_among_many_is_fitted() {
    let mut sites = made_up(3000, 3);
    // The levels above the first move up, and one row comes between.
    for site in &mut sites {
        site.y.mapv_inplace(|y| if y > 0.0 { y + 1.0 } else { y });
    }
    let at = sites[1].y.iter().position(|y| *y == 2.0).unwrap();
    sites[1].y[at] = 1.0;
    let fit = fitted(run(&Recipe::from(two_columns(4)), &sites));
    assert!(fit.converged && fit.levels[1].rows == Some(1));
    let thresholds: Vec<f64> = fit.thresholds.iter().map(|of| of.estimate).collect();
    let slopes: Vec<f64> = fit.coefficients.iter().map(|of| of.estimate).collect();
    near(
        fit.loglik,
        plain_loglik(&sites, &thresholds, &slopes),
        1e-11,
        "log-likelihood",
    );
    assert!(thresholds[1] - thresholds[0] < 0.01);
}

#[test]
fn a_row_without_a_level_is_refused_at_its_site() {
    for other in [f64::NAN, 4.0, 0.5, -1.0] {
        let mut sites = made_up(600, 4);
        sites[0].y[3] = other;
        let recipe = Recipe::from(two_columns(4));
        let start = recipe.start(Digest([3; 32]));
        let question = recipe.ask(&start, 3).unwrap().unwrap();
        let memory = motet_recipes::Memory::default();
        let refused = recipe.answer(&start, &question, &sites[0].rows(), &memory, &mut rng(1));
        let wanted = RecipeError::NotALevel {
            column: "y".into(),
            rows: 1,
        };
        assert_eq!(refused.err(), Some(wanted));
    }
}

#[test]
fn a_lost_site_leaves_a_fit_of_the_others() {
    let sites = six_months();
    let recipe = Recipe::from(ordinal(&STROKE_COLUMNS, &OCCODE));
    let without: Vec<Site> = sites[1..].to_vec();
    let want = fitted(run(&recipe, &without));
    let got = fitted(run_with(&recipe, |round| {
        sites.iter().skip(usize::from(round > 4)).collect()
    }));
    assert_eq!(got.coefficients, want.coefficients);
    assert_eq!((got.rows, got.sites), (want.rows, 9));
    assert_eq!(got.levels, want.levels);
}

#[test]
fn a_lost_site_that_had_nearly_all_of_a_level_leaves_no_result() {
    // The other three sites have one patient each of the highest level.
    let level = |site: usize, row: usize| match row {
        0 => 3,
        1..40 if site == 0 => 3,
        _ => row / 2 % 3,
    };
    let site = |at: usize| {
        let line = |row: usize| {
            vec![
                (row * 7 + at) as f64,
                (row % 2) as f64,
                level(at, row) as f64,
            ]
        };
        Site::new(
            &format!("site {at}"),
            &(0..80).map(line).collect::<Vec<_>>(),
        )
    };
    let sites: Vec<Site> = (0..4).map(site).collect();
    let of = first_round::grouping("y", &["L0", "L1", "L2", "L3"]);
    let ordered = motet_recipes::Explained::Ordered(of);
    let census = motet_recipes::Census {
        spare: 1,
        ..first_round::census(&["a", "b"], Some(ordered))
    };
    let recipe = Recipe::from(two_columns(4)).counted(census);
    assert_eq!(fitted(run(&recipe, &sites)).rows, 320);
    let lost = run_with(&recipe, |round| {
        sites.iter().skip(usize::from(round > 4)).collect()
    });
    let named = RecipeError::FewOfLevel {
        outcome: "y".into(),
        level: "L3".into(),
        least: 5,
    };
    assert_eq!(lost, Err(named));
}

#[test]
fn a_recipe_that_cannot_be_is_refused() {
    let good = two_columns(4);
    assert_eq!(Recipe::from(good.clone()).check(), Ok(()));
    let twice = Ordinal {
        levels: names(&["a", "b", "a"]),
        ..good.clone()
    };
    let long = Ordinal {
        tolerance: 0.1,
        ..good.clone()
    };
    let many = Ordinal {
        levels: level_names(22),
        ..good.clone()
    };
    let formula = motet_recipes::Formula::parse("y ~ ns(a, 3)").unwrap();
    let open = Ordinal {
        design: formula.design(|name| Some(vec![name.to_owned()])).unwrap(),
        ..good
    };
    for (bad, key) in [
        (twice, "levels"),
        (many, "levels"),
        (long, "tolerance"),
        (open, "formula"),
    ] {
        let error = Recipe::from(bad).check().unwrap_err();
        assert!(
            matches!(error, RecipeError::Parameter { name, .. } if name == key),
            "{error}"
        );
    }
}
