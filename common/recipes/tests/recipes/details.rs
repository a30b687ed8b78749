//! Histograms, quantiles, extremes and tables by group, against reference figures of the pooled
//! tables.

use crate::common::*;
use motet_recipes::summary::SummaryOutcome;
use motet_recipes::summary::{Cell, Detailed, Details, Scale};
use motet_recipes::{Outcome, Recipe, RecipeError, Rows, State, Summary};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::plain_sum;
use ndarray::{Array1, Array2};
use serde_json::Value;

/// A site whose rows have a group.
struct Grouped {
    x: Array2<f64>,
    group: Array1<f64>,
}

/// Rows dealt to `sites` sites in turn: the group is not the site.
fn deal(rows: &[(Vec<f64>, f64)], sites: usize) -> Vec<Grouped> {
    (0..sites)
        .map(|site| {
            let own: Vec<_> = rows.iter().skip(site).step_by(sites).collect();
            let x = Array2::from_shape_fn((own.len(), own[0].0.len()), |(row, column)| {
                own[row].0[column]
            });
            Grouped {
                x,
                group: own.iter().map(|row| row.1).collect(),
            }
        })
        .collect()
}

fn run_grouped(recipe: &Recipe, sites: &[Grouped]) -> Result<SummaryOutcome, RecipeError> {
    let mut state = recipe.start(Digest([3; 32]));
    let mut roots = std::collections::BTreeSet::from([state.root()]);
    while let Some(question) = recipe.ask(&state, sites.len() as u32)? {
        question.layout.headroom(sites.len() as u32).unwrap();
        let answer = |site: &Grouped| {
            let rows = Rows {
                group: Some(site.group.view()),
                ..Rows::new(site.x.view())
            };
            recipe
                .answer(
                    &state,
                    &question,
                    &rows,
                    &motet_recipes::Memory::default(),
                    &mut rng(1),
                )
                .map(|answer| answer.update)
        };
        let updates = sites.iter().map(answer).collect::<Result<Vec<_>, _>>()?;
        let sum = plain_sum(&question.layout, Digest([7; 32]), updates).unwrap();
        state = State::from_bytes(&recipe.absorb(&state, &sum)?.to_bytes()).unwrap();
        assert!(roots.insert(state.root()), "a state root repeats");
    }
    match recipe.outcome(&state)? {
        Outcome::Summary(outcome) => Ok(outcome),
        other => panic!("no summary: {other:?}"),
    }
}

const PROBABILITIES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Edges of the reference; where it has no histogram, ten bins that hold every value.
fn scale(want: &Value) -> Scale {
    match want.get("hist") {
        Some(hist) => Scale {
            edges: numbers(&hist["edges"]),
            category: None,
        },
        None => Scale::equal(number(&want["min"]) - 1.0, number(&want["max"]) + 2.0, 10),
    }
}

fn agrees_with_numbers(
    outcome: &SummaryOutcome,
    at: usize,
    want: &Value,
    tolerance: f64,
    distribution: usize,
) {
    let (variable, found) = (
        &outcome.variables[at],
        &outcome.details.as_ref().unwrap().distributions[distribution],
    );
    let name = variable.name.as_str();
    assert_eq!(
        (name, variable.count),
        (found.name.as_str(), want["n"].as_u64().unwrap())
    );
    assert_eq!(
        variable.missing,
        want["missing"].as_u64().unwrap(),
        "{name}"
    );
    let relative = |got: f64, want: f64| {
        assert!(
            (got / want - 1.0).abs() <= 1e-8,
            "{name}: {got} instead of {want}"
        )
    };
    relative(variable.mean, number(&want["mean"]));
    relative(variable.variance, number(&want["var"]));
    if let Some(hist) = want.get("hist") {
        let counts: Vec<Option<u64>> = hist["counts"]
            .as_array()
            .unwrap()
            .iter()
            .map(Value::as_u64)
            .collect();
        assert_eq!(
            (&found.bins, found.below, found.above),
            (&counts, Some(0), Some(0)),
            "{name}"
        );
    }
    let range = found.edges.last().unwrap() - found.edges[0];
    for (got, p) in found
        .quantiles
        .iter()
        .zip(["0.05", "0.25", "0.5", "0.75", "0.95"])
    {
        let want = number(&want["q"][p]);
        assert!(
            (got.estimate - want).abs() <= got.error,
            "{name} {p}: {got:?} instead of {want}"
        );
        assert!(
            got.error <= tolerance * range,
            "{name}: {got:?} is wider than the tolerance"
        );
    }
    if let Some((least, most)) = &found.extremes {
        for (got, want) in [(least, &want["min"]), (most, &want["max"])] {
            assert!(
                (got.estimate - number(want)).abs() <= got.error && got.error <= 1e-10 * range,
                "{name} {got:?}"
            );
        }
    }
}

/// A site's name, header and rows.
type Named = (String, Vec<String>, Vec<Vec<f64>>);

/// Numbers, categories as levels, and the name of the site as group, against a reference of the
/// pooled table.
fn agrees_with_reference(sites: &[Named], want: &Value) {
    let (numeric, levels) = (
        want["numeric"].as_object().unwrap(),
        want["levels"].as_object().unwrap(),
    );
    let mut columns: Vec<String> = numeric.keys().cloned().collect();
    let mut details = Details::new(numeric.values().map(scale).collect());
    let mut cuts = Vec::new();
    for (category, (name, levels)) in (0_u32..).zip(levels) {
        for level in levels.as_array().unwrap().iter().skip(1) {
            let level = level.as_str().unwrap();
            columns.push(format!("{name}_{level}"));
            details.scales.push(Scale::level(category));
            cuts.push((name.clone(), level.parse::<f64>().unwrap()));
        }
    }
    let mut rows = Vec::new();
    for (group, (_, header, table)) in sites.iter().enumerate() {
        let at = |name: &str| header.iter().position(|own| own == name).unwrap();
        for row in table {
            let mut cells: Vec<f64> = numeric.keys().map(|name| row[at(name)]).collect();
            cells.extend(cuts.iter().map(|(name, level)| match row[at(name)] {
                x if x.is_nan() => f64::NAN,
                x => f64::from(u8::from(x == *level)),
            }));
            rows.push((cells, group as f64));
        }
    }
    details.quantiles = PROBABILITIES.to_vec();
    details.levels = sites.iter().map(|site| site.0.clone()).collect();
    (details.extremes, details.min_cell) = (true, 1);
    let recipe = |details: Details| {
        Recipe::from(Summary {
            columns: columns.clone(),
            details: Some(details),
        })
    };
    let outcome = run_grouped(&recipe(details.clone()), &deal(&rows, 3)).unwrap();
    for (at, want) in numeric.values().enumerate() {
        agrees_with_numbers(&outcome, at, want, 0.001, at);
    }
    let table = outcome.details.as_ref().unwrap().table.as_ref().unwrap();
    for (at, name) in numeric.keys().enumerate() {
        let test = table.lines[at].test.as_ref().unwrap();
        agrees_with_test(
            test.statistic,
            test.p,
            number(&want["tests"][name]["anova_F"]),
            number(&want["tests"][name]["anova_p"]),
        );
    }
    for ((name, level), line) in cuts.iter().zip(table.lines.iter().skip(numeric.len())) {
        let (test, want_test) = (line.test.as_ref().unwrap(), &want["tests"][name]);
        agrees_with_test(
            test.statistic,
            test.p,
            number(&want_test["chi2"]),
            number(&want_test["p"]),
        );
        assert_eq!(test.df, (want_test["df"].as_u64().unwrap(), None));
        let place = want["levels"][name]
            .as_array()
            .unwrap()
            .iter()
            .position(|own| own.as_str().unwrap().parse() == Ok(*level));
        for ((site, cell), _) in table.levels.iter().zip(&line.cells).zip(sites) {
            let counts = &want["counts"][name][&site.0];
            let Cell::Share { rows, .. } = cell else {
                panic!("{name}: {cell:?}")
            };
            assert_eq!(
                *rows,
                counts[place.unwrap()].as_u64(),
                "{name} {level} {}",
                site.0
            );
        }
    }
    // One site gives the same, digit for digit where counts decide.
    let alone = run_grouped(&recipe(details), &deal(&rows, 1)).unwrap();
    assert_eq!(
        alone.details.unwrap().distributions,
        outcome.details.unwrap().distributions
    );
}

fn agrees_with_test(statistic: f64, p: f64, want: f64, want_p: f64) {
    assert_close(statistic, want, "statistic");
    assert!((p / want_p - 1.0).abs() < 1e-7, "p {p} instead of {want_p}");
}

#[test]
fn four_hospitals_give_the_distributions_and_tests_of_one_table() {
    let site = |name: &&str| {
        let (mut header, mut rows) = table("heart", name);
        let num = header.iter().position(|own| own == "num").unwrap();
        header.push("disease".into());
        rows.iter_mut()
            .for_each(|row| row.push(f64::from(u8::from(row[num] > 0.0))));
        ((*name).to_owned(), header, rows)
    };
    agrees_with_reference(
        &HEART.iter().map(site).collect::<Vec<_>>(),
        &reference("heart_details"),
    );
}

#[test]
fn every_country_has_its_own_distribution() {
    let want = reference("stroke_details");
    for name in STROKE {
        let (header, rows) = table("stroke", name);
        let want = want[name].as_object().unwrap();
        let at: Vec<usize> = want
            .keys()
            .map(|column| header.iter().position(|own| own == column).unwrap())
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (at.iter().map(|at| row[*at]).collect(), 0.0))
            .collect();
        let mut details = Details::new(want.values().map(scale).collect());
        details.quantiles = PROBABILITIES.to_vec();
        (details.tolerance, details.min_cell) = (0.01, 1);
        let recipe = Recipe::from(Summary {
            columns: want.keys().cloned().collect(),
            details: Some(details),
        });
        let outcome = run_grouped(&recipe, &deal(&rows, 2)).unwrap();
        for (at, want) in want.values().enumerate() {
            agrees_with_numbers(&outcome, at, want, 0.01, at);
        }
        assert!(outcome.rounds <= 4, "{} rounds", outcome.rounds);
    }
}

/// A number and a yes/no column in two groups.
fn small(details: impl Fn(&mut Details)) -> Recipe {
    let mut asked = Details::new(vec![Scale::equal(0.0, 100.0, 10), Scale::level(0)]);
    asked.levels = names(&["control", "treated"]);
    asked.quantiles = vec![0.5];
    details(&mut asked);
    Recipe::from(Summary {
        columns: names(&["age", "male"]),
        details: Some(asked),
    })
}

fn people() -> Vec<(Vec<f64>, f64)> {
    (0..80)
        .map(|at| {
            let (age, few) = (f64::from(at), f64::from(u8::from(at % 20 == 3)));
            (
                vec![age, few],
                if at == 7 { f64::NAN } else { f64::from(at % 2) },
            )
        })
        .collect()
}

fn detailed(outcome: Result<SummaryOutcome, RecipeError>) -> Detailed {
    outcome.unwrap().details.unwrap()
}

#[test]
fn small_cells_are_withheld_with_those_that_would_give_them_back() {
    // Four rows with 1, all treated: the column total gives them away unless the controls' 0 is
    // withheld too.
    let shown = detailed(run_grouped(&small(|_| {}), &deal(&people(), 3)));
    let table = shown.table.unwrap();
    assert_eq!(table.lines[1].cells, [Cell::Withheld, Cell::Withheld]);
    assert_eq!(
        table.levels,
        [("control".into(), Some(40)), ("treated".into(), Some(39))]
    );
    assert_eq!(table.lines[1].test, None, "its digits would give them back");
    let open = detailed(run_grouped(
        &small(|details| details.min_cell = 1),
        &deal(&people(), 3),
    ));
    let open = open.table.unwrap();
    assert!(matches!(
        open.lines[1].cells[1],
        Cell::Share {
            rows: Some(4),
            values: Some(39),
            ..
        }
    ));
    assert!(open.lines[1].test.is_some());
}

#[test]
fn no_window_grows_narrower_than_the_smallest_cell() {
    let quantile = |min_cell| {
        let recipe = small(|details| details.min_cell = min_cell);
        detailed(run_grouped(&recipe, &deal(&people(), 3)))
            .distributions
            .remove(0)
            .quantiles
            .remove(0)
    };
    let (wide, narrow) = (quantile(20), quantile(1));
    assert!(
        wide.error > 0.1 && narrow.error <= 0.1,
        "{wide:?} {narrow:?}"
    );
    for found in [wide, narrow] {
        assert!((found.estimate - 39.5).abs() <= found.error);
    }
}

#[test]
fn no_few_patients_lie_between_a_quantile_and_an_edge() {
    let told = |values: u32, inner: f64, probability: f64| {
        let rows: Vec<_> = (0..values)
            .map(|at| (vec![f64::from(at), 0.0], f64::from(at % 2)))
            .collect();
        let recipe = small(|details| {
            details.scales[0].edges = vec![0.0, inner, 120.0, 200.0];
            details.quantiles = vec![probability];
        });
        let mut shown = detailed(run_grouped(&recipe, &deal(&rows, 4)));
        let of = shown.distributions.remove(0);
        assert!(!of.withheld());
        let quantile = &of.quantiles[0];
        let found = (f64::from(values - 1) * probability - quantile.estimate).abs();
        assert!(found <= quantile.error, "{inner}: {quantile:?}");
        (
            quantile.estimate - quantile.error,
            quantile.estimate + quantile.error,
        )
    };
    // Its window holds fewer than five values, and ends at most at an edge.
    let is = |a: f64, b: f64| (a - b).abs() < 1e-9;
    // 0 to 199: the first quartile lies between the fiftieth value and the one after it.
    for inner in 30..=70 {
        let edge = f64::from(inner);
        let (low, high) = told(200, edge, 0.25);
        // Near an edge the quantile is told as the bin that holds it, on either side.
        let bin = match inner {
            46..=49 => Some((edge, 120.0)),
            51..=54 => Some((0.0, edge)),
            _ => None,
        };
        match bin {
            Some(bin) => assert!(
                is(low, bin.0) && is(high, bin.1),
                "{inner}: {low} to {high}"
            ),
            None => assert!(low > 46.0 && high < 54.0, "{inner}: {low} to {high}"),
        }
    }
    // A quantile that is a patient's value is one patient more on either side.
    let reaches = |edge| {
        let (low, high) = told(201, edge, 0.5);
        (
            is(low, edge) && is(high, 120.0),
            is(low, 0.0) && is(high, edge),
        )
    };
    let sides = [95.0, 96.0, 97.0, 104.0, 105.0, 106.0].map(reaches);
    let (above, below) = ((true, false), (false, true));
    assert_eq!(
        sides,
        [(false, false), above, above, below, below, (false, false)]
    );
}

#[test]
fn a_quantile_outside_the_edges_is_not_a_number_and_no_endless_search() {
    let recipe = small(|details| details.scales[0].edges = vec![60.0, 100.0]);
    let shown = detailed(run_grouped(&recipe, &deal(&people(), 2)));
    assert!(shown.distributions[0].quantiles[0].estimate.is_nan());
    assert_eq!(
        (shown.distributions[0].below, &shown.distributions[0].bins),
        (Some(60), &vec![Some(20)])
    );
    // All values equal, in a range as narrow as numbers are.
    let close = 1.0 + 4.0 * f64::EPSILON;
    let recipe = small(|details| {
        (details.scales[0].edges, details.extremes) = (vec![1.0, close], true);
        details.min_cell = 1;
    });
    let rows: Vec<_> = (0..9)
        .map(|at| (vec![1.0, 0.0], f64::from(at % 2)))
        .collect();
    let found = detailed(run_grouped(&recipe, &deal(&rows, 3)))
        .distributions
        .remove(0);
    assert!((found.quantiles[0].estimate - 1.0).abs() <= 2.0 * f64::EPSILON);
}

#[test]
fn tables_that_do_not_fit_are_refused_with_a_reason() {
    let refused =
        |rows: Vec<(Vec<f64>, f64)>| run_grouped(&small(|_| {}), &deal(&rows, 1)).unwrap_err();
    assert_eq!(
        refused(vec![(vec![1.0, 0.5], 0.0)]),
        RecipeError::NotYesNo {
            column: "male".into(),
            rows: 1
        }
    );
    assert_eq!(
        refused(vec![(vec![1.0, 0.0], 2.0)]),
        RecipeError::UnknownLevel { rows: 1 }
    );
    let recipe = small(|details| details.scales[0] = Scale::level(0));
    let both = run_grouped(
        &recipe,
        &deal(&[(vec![1.0, 1.0], 0.0), (vec![1.0, 0.0], 0.0)], 1),
    )
    .unwrap_err();
    assert_eq!(
        both,
        RecipeError::TwoLevels {
            column: "male".into(),
            rows: 1
        }
    );
    let x = Array2::zeros((3, 2));
    let recipe = small(|_| {});
    assert_eq!(
        recipe.alone(&Rows::new(x.view()), &mut rng(1)).unwrap_err(),
        RecipeError::NoGroup { rows: 3 }
    );
    let key = |details: &dyn Fn(&mut Details)| match small(details).check() {
        Err(RecipeError::Parameter { name, .. }) => name,
        other => panic!("accepted: {other:?}"),
    };
    assert_eq!(key(&|details| details.scales.truncate(1)), "scales");
    assert_eq!(
        key(&|details| details.scales[0].edges = vec![1.0, 1.0]),
        "edges"
    );
    assert_eq!(
        key(&|details| details.scales[0].edges = vec![-1e308, 1e308]),
        "edges"
    );
    assert_eq!(key(&|details| details.quantiles = vec![1.0]), "quantiles");
    assert_eq!(key(&|details| details.levels.truncate(1)), "levels");
    assert_eq!(
        key(&|details| details.tolerance = 0.0),
        "quantile_tolerance"
    );
    assert_eq!(key(&|details| details.min_cell = 0), "min_cell");
}

#[test]
fn details_that_ask_for_nothing_change_nothing() {
    let plain = Recipe::from(Summary::new(names(&["age", "male"])));
    let mut asked = Details::new(vec![Scale::default(), Scale::level(0)]);
    asked.min_cell = 1;
    let more = Recipe::from(Summary {
        columns: names(&["age", "male"]),
        details: Some(asked),
    });
    let plain = run_grouped(&plain, &deal(&people(), 3)).unwrap();
    let more = run_grouped(&more, &deal(&people(), 3)).unwrap();
    assert_eq!(
        (&plain.variables, plain.rounds),
        (&more.variables, more.rounds)
    );
    assert_eq!(
        more.details,
        Some(Detailed {
            distributions: Vec::new(),
            table: None
        })
    );
}

#[test]
fn another_set_of_sites_begins_the_search_again() {
    let recipe = small(|details| details.min_cell = 1);
    let sites = deal(&people(), 3);
    let mut state = recipe.start(Digest::default());
    let mut phases = Vec::new();
    while let Some(question) = recipe.ask(&state, 3).unwrap() {
        phases.push(question.phase);
        let present = if phases.len() < 3 { 3 } else { 2 };
        let answer = |site: &Grouped| {
            let rows = Rows {
                group: Some(site.group.view()),
                ..Rows::new(site.x.view())
            };
            recipe
                .answer(
                    &state,
                    &question,
                    &rows,
                    &motet_recipes::Memory::default(),
                    &mut rng(1),
                )
                .unwrap()
                .update
        };
        let updates = sites.iter().take(present).map(answer).collect();
        let sum = plain_sum(&question.layout, Digest([present as u8; 32]), updates).unwrap();
        state = recipe.absorb(&state, &sum).unwrap();
    }
    assert_eq!(
        phases,
        [
            "sums", "spread", "refine", "sums", "spread", "refine", "refine"
        ]
    );
    let Ok(Outcome::Summary(outcome)) = recipe.outcome(&state) else {
        panic!("no summary")
    };
    let whole = run_grouped(&recipe, &sites[..2]).unwrap();
    assert_eq!(
        (outcome.variables, outcome.details),
        (whole.variables, whole.details)
    );
}

#[test]
fn a_search_moves_through_fixed_states() {
    let recipe = small(|_| {});
    let mut state = recipe.start(Digest::default());
    let mut roots = Vec::new();
    let sites = deal(&people(), 2);
    while let Some(question) = recipe.ask(&state, 2).unwrap() {
        let answer = |site: &Grouped| {
            let rows = Rows {
                group: Some(site.group.view()),
                ..Rows::new(site.x.view())
            };
            recipe
                .answer(
                    &state,
                    &question,
                    &rows,
                    &motet_recipes::Memory::default(),
                    &mut rng(1),
                )
                .unwrap()
                .update
        };
        let sum = plain_sum(
            &question.layout,
            Digest([9; 32]),
            sites.iter().map(answer).collect(),
        )
        .unwrap();
        state = recipe.absorb(&state, &sum).unwrap();
        roots.push(state.root().short());
    }
    assert_eq!(roots, ["e16ef563", "2edf4030", "fd05ee19"]);
}
