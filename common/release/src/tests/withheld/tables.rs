//! What no number of a summary gives back.

use super::{MOST, page_of, same};
use crate::{Context, sample};
use motet_recipes::summary::{
    Cell, Detailed, Details, Distribution, Line, Quantile, Scale, Table, Test,
};
use motet_recipes::{Outcome, Recipe, Rows, SummaryOutcome, Variable};
use rand_core::SeedableRng as _;

fn page(outcome: &Outcome) -> Vec<String> {
    page_of(
        outcome,
        &Context {
            smallest_cell: MOST + 1,
            ..sample::context()
        },
    )
}

fn number(name: &str, count: u64, missing: u64) -> Variable {
    Variable {
        name: name.into(),
        count,
        missing,
        few_missing: false,
        mean: 62.25,
        variance: 90.5,
    }
}

/// A column of 0 and 1 with so many ones of 120.
fn yes_no(name: &str, ones: u64) -> Variable {
    let (n, ones) = (120.0, ones as f64);
    Variable {
        name: name.into(),
        count: 120,
        missing: 0,
        few_missing: false,
        mean: ones / n,
        variance: ones * (1.0 - ones / n) / (n - 1.0),
    }
}

fn part(rows: u64, values: u64) -> Cell {
    Cell::Share {
        values: Some(values),
        rows: Some(rows),
        share: rows as f64 / values as f64,
    }
}

/// Fails unless one of the choices gives the page.
fn one_is(page: &[String], choices: impl IntoIterator<Item = Outcome>, what: &str) {
    let found = choices
        .into_iter()
        .any(|outcome| self::page(&outcome) == *page);
    assert!(found, "{what}: no choice gives\n{}", page.join("\n"));
}

/// Two groups of 460.
fn large(name: &str, cells: [Cell; 2]) -> Table {
    let table = table(name, cells, 1.5, 908);
    Table {
        levels: table
            .levels
            .into_iter()
            .map(|(name, _)| (name, Some(460)))
            .collect(),
        ..table
    }
}

/// Two groups of 60, what stands in each of them, and the analysis of variance.
fn table(name: &str, cells: [Cell; 2], statistic: f64, residual: u64) -> Table {
    let test = Test {
        name: "anova F",
        statistic,
        df: (1, Some(residual)),
        p: 1.0 / (1.0 + statistic),
    };
    let levels = vec![("A".to_owned(), Some(60)), ("B".to_owned(), Some(60))];
    Table {
        levels,
        lines: vec![Line {
            name: name.into(),
            category: None,
            cells: cells.into(),
            test: Some(test),
        }],
    }
}

fn summary(variables: Vec<Variable>, distributions: Vec<Distribution>, table: Table) -> Outcome {
    let details = Some(Detailed {
        distributions,
        table: Some(table),
    });
    Outcome::Summary(SummaryOutcome {
        rounds: 3,
        sites: 10,
        variables,
        details,
    })
}

fn values(values: u64, mean: f64) -> Cell {
    Cell::Number {
        values: Some(values),
        mean,
        sd: 9.5,
    }
}

/// The median and the smallest and largest value.
fn order(name: &str, bins: Vec<Option<u64>>, median: f64) -> Distribution {
    let of = |probability, estimate| Quantile {
        probability,
        estimate,
        error: 0.1,
    };
    Distribution {
        name: name.into(),
        edges: (0..=bins.len()).map(|at| at as f64 * 20.0).collect(),
        bins,
        below: Some(0),
        above: Some(0),
        quantiles: vec![of(0.5, median)],
        extremes: Some((of(0.0, 1.0), of(1.0, 79.0))),
        quantiles_withheld: false,
    }
}

/// What stands in the report about a column.
fn column(page: &[String], at: usize) -> serde_json::Value {
    let lines = page
        .iter()
        .filter_map(|line| line.strip_prefix("report.json: "));
    let report: serde_json::Value =
        serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    report["variables"][at].clone()
}

#[test]
fn a_withheld_number_of_missing_values_follows_from_nothing_else_on_the_page() {
    let with = |missing: u64| {
        let bins = vec![Some(20 - missing), Some(40), Some(60)];
        // A quantile of whole numbers lies at a fraction that tells of how many.
        let distribution = order("lab", bins, 62.0 + missing as f64 / 8.0);
        let cells = [values(60 - missing, 61.0), values(60, 63.5)];
        let table = table("lab", cells, 1.0 + missing as f64 / 1000.0, 118 - missing);
        summary(
            vec![number("x", 120, 0), number("lab", 120 - missing, missing)],
            vec![distribution],
            table,
        )
    };
    for missing in 2..=MOST {
        same(
            &page(&with(missing)),
            &page(&with(1)),
            &format!("{missing}"),
        );
    }
    let told = column(&page(&with(1)), 1);
    let note = told["quantiles_note"].as_str().unwrap();
    assert!(
        note.ends_with("leave rows without a value out by a `filter`") && !told["mean"].is_null(),
        "{told}"
    );
    // None is missing, and all is told.
    let whole = page(&with(0));
    let report = whole.join("\n");
    assert!(
        report.contains("\"df_residual\": 118") && report.contains("\"missing\": 0"),
        "{report}"
    );
    let told = column(&whole, 1);
    assert_eq!(told["quantiles"][0]["estimate"], 62.0);
    assert!(told.get("quantiles_note").is_none() && told.get("histogram_note").is_none());
    let report = page(&with(3)).join("\n");
    assert!(
        report.contains("\"mean\": 61.0"),
        "a mean of many stays: {report}"
    );
}

#[test]
fn missing_values_of_one_hospital_follow_from_nothing_else_on_the_page() {
    // One hospital of many patients lacks the column; whole numbers, of which as many are missing
    // as it has patients.
    let lacks = |missing: u64| {
        let n = 920 - missing;
        let mut lab = Variable {
            few_missing: true,
            ..number("lab", n, missing)
        };
        lab.mean = (n as f64 * 1.5).floor() / n as f64;
        let bins = vec![Some(300 - missing), Some(200), Some(220), Some(200)];
        let cells = [
            values(460 - missing, 1.5 + missing as f64),
            values(460, 1.5),
        ];
        let told = vec![number("x", 920, 0), lab];
        summary(
            told,
            vec![order("lab", bins, missing as f64)],
            large("lab", cells),
        )
    };
    for missing in [90, 150, 151, 152, 210] {
        same(
            &page(&lacks(missing)),
            &page(&lacks(151)),
            &format!("{missing}"),
        );
    }
}

#[test]
fn a_small_bin_follows_from_nothing_else_on_the_page_which_keeps_mean_and_quantiles() {
    // Whole numbers, and bins of one number each: beside two bins the mean would be an equation for
    // the others.
    for (place, beside) in [(3, 1), (0, 2), (1, 3)] {
        let with = |own: u64| {
            let mut bins = vec![Some(300); 4];
            (bins[place], bins[beside]) = (Some(own), Some(220 - own));
            let cells = [values(460, 60.0), values(460, 64.5)];
            let told = vec![number("x", 920, 0), number("lab", 920, 0)];
            summary(told, vec![order("lab", bins, 62.0)], large("lab", cells))
        };
        for own in 1..=MOST {
            same(&page(&with(own)), &page(&with(2)), &format!("{own}"));
        }
        let told = column(&page(&with(2)), 1);
        assert_eq!(
            told["histogram"]["rows"],
            serde_json::json!([null, null, null, null])
        );
        assert_eq!(
            (&told["mean"], &told["quantiles"][0]["estimate"]),
            (&62.25.into(), &62.0.into())
        );
        let note = told["histogram_note"].as_str().unwrap();
        assert!(note.contains("choose wider bins"), "{note}");
        let whole = page(&with(5)).join("\n");
        assert!(!whole.contains("wider bins"), "{whole}");
    }
    let card = page(&summary(
        vec![number("lab", 920, 0)],
        vec![order("lab", vec![Some(916), Some(4)], 12.0)],
        large("lab", [values(460, 60.0), values(460, 64.5)]),
    ));
    let words = |file: &str, words: &str| {
        let mut lines = card.iter().filter(|line| line.starts_with(file));
        assert!(lines.any(|line| line.contains(words)), "{file}: {words}");
    };
    words("card.md", "choose wider bins");
    words("histograms.svg", "Withheld: it would tell of few patients");
    words("histograms.svg", "The median is 12");
}

/// What a table of these patients says, a site's worth: column by column with the group last.
fn described(columns: &[&str], rows: &[Vec<f64>], details: Details) -> Outcome {
    let width = columns.len();
    let x = ndarray::Array2::from_shape_fn((rows.len(), width), |(row, at)| rows[row][at]);
    let group: ndarray::Array1<f64> = rows.iter().map(|row| row[width]).collect();
    let recipe = Recipe::from(motet_recipes::Summary {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        details: Some(details),
    });
    let mut dice = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let rows = Rows {
        group: Some(group.view()),
        ..Rows::new(x.view())
    };
    let mut outcome = recipe.alone(&rows, &mut dice).unwrap();
    if let Outcome::Summary(outcome) = &mut outcome {
        outcome.sites = 10;
    }
    outcome
}

fn groups(scales: Vec<Scale>, levels: usize) -> Details {
    Details {
        levels: (0..levels).map(|at| format!("g{at}")).collect(),
        ..Details::new(scales)
    }
}

/// Patients of groups, so many of each with every level of a category whose first level has no
/// column; with a number that does not depend on either.
fn crossed(cells: &[&[u64]]) -> Vec<Vec<f64>> {
    let mut rows = Vec::new();
    for (group, counts) in cells.iter().enumerate() {
        for (level, count) in counts.iter().enumerate() {
            for _ in 0..*count {
                let mut row: Vec<f64> = (1..counts.len())
                    .map(|own| f64::from(own == level))
                    .collect();
                row.push(group as f64);
                rows.push(row);
            }
        }
    }
    rows
}

#[test]
fn a_rare_yes_among_three_groups_follows_from_no_test() {
    for scale in [Scale::level(0), Scale::default()] {
        let with = |a: u64| {
            let cells = [[100 - a, a], [17 + a, 43 - a], [50, 50]];
            let rows = crossed(&cells.each_ref().map(|cell| cell.as_slice()));
            described(&["yes"], &rows, groups(vec![scale.clone()], 3))
        };
        for a in 1..=MOST {
            same(&page(&with(a)), &page(&with(3)), &format!("{a}"));
        }
        let told = page(&with(3)).join("\n");
        assert!(
            told.contains("\"share\": 0.5") != told.contains("\"sd\": 0.5")
                && told.contains("\"test\": null"),
            "{told}"
        );
        assert!(page(&with(5)).join("\n").contains("\"statistic\""));
    }
}

#[test]
fn a_rare_level_that_has_no_column_follows_from_no_other_level() {
    let with = |a: u64| {
        let cells = [[a, 60 - a, 60], [0, 43, 63]];
        let rows = crossed(&cells.each_ref().map(|cell| cell.as_slice()));
        described(
            &["b", "c"],
            &rows,
            groups(vec![Scale::level(0), Scale::level(0)], 2),
        )
    };
    // The first level is told no more than it would be with a column of its own.
    let swapped = |a: u64| {
        let cells = [[60, a, 60 - a], [63, 0, 43]];
        let rows = crossed(&cells.each_ref().map(|cell| cell.as_slice()));
        described(
            &["b", "c"],
            &rows,
            groups(vec![Scale::level(0), Scale::level(0)], 2),
        )
    };
    for of in [&with as &dyn Fn(u64) -> Outcome, &swapped] {
        for a in 1..=MOST {
            same(&page(&of(a)), &page(&of(3)), &format!("{a}"));
        }
        assert!(column(&page(&of(3)), 0)["mean"].is_null());
        assert!(!column(&page(&of(5)), 0)["mean"].is_null());
    }
    assert!(!column(&page(&with(3)), 1)["mean"].is_null());
}

#[test]
fn a_group_that_is_not_told_stands_in_no_line() {
    let with = |a: usize| {
        // Columns: of all, and of few of the third group; group.
        let row = |at: usize| {
            let group = if at < a {
                0.0
            } else if at < 13 {
                1.0
            } else {
                2.0
            };
            let lab = if at < 21 { 62.0 } else { f64::NAN };
            vec![62.0, lab, group]
        };
        let rows: Vec<Vec<f64>> = (0..213).map(row).collect();
        described(&["x", "y"], &rows, groups(vec![Scale::default(); 2], 3))
    };
    for a in 1..=MOST as usize {
        same(&page(&with(a)), &page(&with(3)), &format!("{a}"));
    }
    assert!(page(&with(3)).join("\n").contains("g2 (200)"));
}

#[test]
fn a_withheld_cell_follows_from_no_totals_of_several_rows_and_columns() {
    let with = |less: u64| {
        let cells = [
            [2, 3, 90, 60],
            [3, 2, 4 - less, 60 + less],
            [60, 60, 2 + less, 3 - less],
            [60, 60, 3, 4],
        ];
        let rows = crossed(&cells.each_ref().map(|cell| cell.as_slice()));
        described(&["b", "c", "d"], &rows, groups(vec![Scale::level(0); 3], 4))
    };
    for less in 1..3 {
        same(&page(&with(less)), &page(&with(0)), &format!("{less}"));
    }
    let report = page(&with(0)).join("\n");
    assert!(report.contains("\"rows\": 60"), "{report}");
}

#[test]
fn quantiles_count_no_patients_of_an_interval_one_by_one() {
    let edges = vec![0.0, 50.0, 100.0, 150.0, 200.0];
    let of = |k: u64, each: u32| {
        let value = |at: u64| match at {
            0..40 => 10.0 + at as f64,
            40..88 => 50.0 + (at - 40) as f64,
            _ if at < 101 - k => 100.0 + 3.0 * (at - 88) as f64,
            _ => 150.0 + 12.0 * (at + k - 101) as f64,
        };
        let rows: Vec<Vec<f64>> = (0..101)
            .map(|at| vec![value(at), f64::from(at % 2 == 0)])
            .collect();
        let details = Details {
            quantiles: (1..100 / each)
                .map(|at| f64::from(at * each) / 100.0)
                .collect(),
            ..groups(
                vec![Scale {
                    edges: edges.clone(),
                    category: None,
                }],
                2,
            )
        };
        page(&described(&["lab"], &rows, details))
    };
    let told = |page: &[String]| {
        let column = column(page, 0);
        let quantiles = column["quantiles"].as_array().unwrap().clone();
        let told = quantiles.iter().filter(|of| !of["estimate"].is_null());
        (told.count(), column.get("quantiles_note").is_some())
    };
    for k in 1..=MOST {
        assert_eq!(told(&of(k, 1)), (0, true), "{k}: one patient a quantile");
        assert_eq!(told(&of(k, 4)), (0, true), "{k}: four patients a quantile");
        assert_eq!(told(&of(k, 5)), (19, false), "{k}");
    }
}

/// A column of whole numbers of which every figure says how many patients have its largest.
fn figures(own: u64, cells: [Option<u64>; 6]) -> Outcome {
    let quantile = || Quantile {
        probability: 0.5,
        estimate: own as f64,
        error: 0.1,
    };
    let [below, bins @ .., above] = cells;
    let lab = Variable {
        mean: 30.0 + own as f64,
        variance: 40.0 + own as f64,
        ..number("lab", 920, 0)
    };
    let distribution = Distribution {
        quantiles_withheld: false,
        name: "lab".into(),
        edges: (0..5).map(|edge| 10.0 * f64::from(edge)).collect(),
        bins: bins.to_vec(),
        below,
        above,
        quantiles: vec![quantile()],
        extremes: Some((quantile(), quantile())),
    };
    let cells = [values(460, 10.0 + own as f64), values(460, 1.5)];
    summary(
        vec![number("x", 920, 0), lab],
        vec![distribution],
        large("lab", cells),
    )
}

#[test]
fn a_handful_of_values_has_no_quantiles() {
    let with = |count: u64| {
        let Outcome::Summary(mut found) = figures(count, [0, count, 0, 0, 0, 0].map(Some)) else {
            unreachable!()
        };
        (found.variables[1].count, found.variables[1].missing) = (count, 920 - count);
        let details = found.details.as_mut().unwrap();
        details.table = Some(large("lab", [values(count, 1.0), values(0, f64::NAN)]));
        Outcome::Summary(found)
    };
    for count in 2..=MOST {
        same(&page(&with(count)), &page(&with(1)), &format!("{count}"));
    }
}

#[test]
fn missing_values_of_few_hospitals_withhold_the_ends_of_a_histogram_and_the_card_says_why() {
    let with = |missing: u64| {
        let cells = [
            Some(300 - missing),
            Some(200),
            Some(220),
            Some(200),
            Some(0),
            Some(0),
        ];
        let Outcome::Summary(mut found) = figures(0, cells) else {
            unreachable!()
        };
        let lab = &mut found.variables[1];
        (lab.count, lab.missing, lab.few_missing) = (920 - missing, missing, true);
        Outcome::Summary(found)
    };
    for missing in [90, 150, 152, 210] {
        same(
            &page(&with(missing)),
            &page(&with(151)),
            &format!("{missing}"),
        );
    }
    let card = page(&with(150)).join("\n");
    assert!(
        card.contains("where the number of missing values is withheld"),
        "{card}"
    );
}

#[test]
fn no_digits_of_a_mean_of_whole_numbers_tell_how_many_are_missing() {
    let with = |missing: u64, sum: u64| {
        let (n, rest) = (920 - missing, 28_712);
        let (of, whole) = (n as f64, sum as f64);
        let squares = (90.5 * (of - 1.0) + whole * whole / of).round();
        let mut lab = number("lab", n, missing);
        (lab.mean, lab.variance) = (whole / of, (squares - whole * whole / of) / (of - 1.0));
        let cells = [
            values(460 - missing, (sum - rest) as f64 / (460 - missing) as f64),
            values(460, rest as f64 / 460.0),
        ];
        summary(
            vec![number("x", 920, 0), lab],
            Vec::new(),
            large("lab", cells),
        )
    };
    let told = page(&with(1, 57_225));
    for missing in 2..=MOST {
        // Those missing have some number between 40 and 90.
        let sums = (40..90).map(|each| with(missing, 57_225 - (missing - 1) * each));
        one_is(&told, sums, &format!("{missing}"));
    }
}

#[test]
fn no_means_of_groups_tell_how_many_are_missing_beside_the_mean_of_all() {
    let with = |missing: u64, sum: u64| {
        let (n, rest) = (460 - missing, 450 + missing);
        let cells = [
            values(n, sum as f64 / n as f64),
            values(rest, (60_200 - sum) as f64 / rest as f64),
        ];
        let mut lab = number("lab", 910, 10);
        lab.mean = 60_200.0 / 910.0;
        summary(
            vec![number("x", 920, 0), lab],
            Vec::new(),
            large("lab", cells),
        )
    };
    let told = page(&with(1, 28_050));
    for missing in 2..=MOST {
        let sums = (40..90).map(|each| with(missing, 28_050 - (missing - 1) * each));
        one_is(&told, sums, &format!("{missing}"));
    }
}

#[test]
fn shares_of_groups_stay_and_do_not_tell_how_many_are_missing() {
    let mean = |rows: u64, values: u64| self::values(values, rows as f64 / values as f64);
    for (kind, shown) in [
        (&part as &dyn Fn(u64, u64) -> Cell, "39% | 44%"),
        (&mean, "0.39 (0.49) | 0.44 (0.5)"),
    ] {
        let with = |missing: u64, ones: u64| {
            let (n, rest) = (460 - missing, 450 + missing);
            let (of, all) = (910.0, 380.0);
            let hiv = Variable {
                name: "hiv".into(),
                count: 910,
                missing: 10,
                few_missing: false,
                mean: all / of,
                variance: all * (1.0 - all / of) / (of - 1.0),
            };
            let cells = [kind(ones, n), kind(380 - ones, rest)];
            summary(
                vec![number("x", 920, 0), hiv],
                Vec::new(),
                large("hiv", cells),
            )
        };
        let told = page(&with(1, 180));
        assert!(
            told.iter().any(|line| line.contains(shown)),
            "{}",
            told.join("\n")
        );
        for missing in 2..=MOST {
            one_is(
                &told,
                (170..190).map(|ones| with(missing, ones)),
                &format!("{missing}"),
            );
        }
    }
}

#[test]
fn a_withheld_number_of_values_follows_from_nothing_else_on_the_page() {
    let with = |count: u64| {
        let cells = [values(count, 61.0), values(0, f64::NAN)];
        let table = table("lab", cells, 1.5, count);
        summary(
            vec![number("x", 120, 0), number("lab", count, 120 - count)],
            Vec::new(),
            table,
        )
    };
    for count in 2..=MOST {
        same(&page(&with(count)), &page(&with(1)), &format!("{count}"));
    }
}

#[test]
fn a_rare_yes_follows_neither_from_groups_nor_from_a_test() {
    let share = |rows: u64| part(rows, 60);
    let mean = |ones: u64| values(60, ones as f64 / 60.0);
    for kind in [&share as &dyn Fn(u64) -> Cell, &mean] {
        let with = |a: u64, b: u64| {
            let statistic = 0.1 + (a as f64 - b as f64).abs() / 7.0;
            summary(
                vec![yes_no("hiv", a + b)],
                Vec::new(),
                table("hiv", [kind(a), kind(b)], statistic, 118),
            )
        };
        for (a, b) in [(1, 0), (1, 2), (2, 2), (0, 3), (4, 0)] {
            same(
                &page(&with(a, b)),
                &page(&with(2, 1)),
                &format!("{a} and {b}"),
            );
        }
        // Enough in all, few in one group: the other group's number would give it back.
        for a in 2..=MOST {
            same(
                &page(&with(a, 20 - a)),
                &page(&with(1, 19)),
                &format!("{a} of 20"),
            );
        }
    }
}
