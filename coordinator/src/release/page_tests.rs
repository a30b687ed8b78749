//! What a page withholds follows from nothing else on it: every other small number in the place of
//! a withheld one, and the page is the same to the byte.

use super::*;
use motet_recipes::summary::{Cell, Detailed, Distribution, Line, Quantile, Table, Test};
use motet_recipes::{CurvePoint, SummaryOutcome, Variable};

const MOST: u64 = 4;

/// All files of a page, line by line; numbers of a binary file as their bytes.
fn page_of(outcome: &Outcome, context: &Context) -> Vec<String> {
    let lines = |(name, bytes): (String, Vec<u8>)| match String::from_utf8(bytes) {
        Ok(text) => text
            .lines()
            .map(|line| format!("{name}: {line}"))
            .collect::<Vec<_>>(),
        Err(error) => vec![format!("{name}: {:?}", error.as_bytes())],
    };
    build(outcome, context)
        .unwrap()
        .into_iter()
        .flat_map(lines)
        .collect()
}

fn page(outcome: &Outcome) -> Vec<String> {
    page_of(
        outcome,
        &Context {
            smallest_cell: MOST + 1,
            ..sample::context()
        },
    )
}

/// Fails with the first line that differs.
fn same(page: &[String], other: &[String], what: &str) {
    let differs = page.iter().zip(other).find(|(one, other)| one != other);
    assert_eq!((differs, page.len()), (None, other.len()), "{what}");
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

#[test]
fn a_withheld_number_of_missing_values_follows_from_nothing_else_on_the_page() {
    let with = |missing: u64| {
        let edges = vec![0.0, 40.0, 60.0, 80.0];
        let bins = vec![Some(20 - missing), Some(40), Some(60)];
        let distribution = Distribution {
            few_sites: false,
            name: "lab".into(),
            edges,
            bins,
            below: Some(0),
            above: Some(0),
            quantiles: Vec::new(),
            extremes: None,
        };
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
    // None is missing, and all is told.
    let report = page(&with(0)).join("\n");
    assert!(
        report.contains("\"df_residual\": 118") && report.contains("\"missing\": 0"),
        "{report}"
    );
    let report = page(&with(3)).join("\n");
    assert!(
        report.contains("\"mean\": 61.0"),
        "a mean of many stays: {report}"
    );
}

#[test]
fn missing_values_and_bins_of_one_hospital_follow_from_nothing_else_on_the_page() {
    let quantiles = |estimate| {
        vec![Quantile {
            probability: 0.5,
            estimate,
            error: 0.1,
        }]
    };
    let histogram = |bins: Vec<Option<u64>>, few_sites, median| Distribution {
        few_sites,
        name: "lab".into(),
        edges: vec![0.0, 1.0, 2.0, 3.0, 4.0],
        bins,
        below: Some(0),
        above: Some(0),
        quantiles: quantiles(median),
        extremes: None,
    };
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
            vec![histogram(bins, false, missing as f64)],
            large("lab", cells),
        )
    };
    let page_of = |outcome: Outcome| page(&outcome);
    for missing in [90, 150, 151, 152, 210] {
        same(
            &page_of(lacks(missing)),
            &page_of(lacks(151)),
            &format!("{missing}"),
        );
    }
    // A bin is one hospital's: with the mean of whole numbers and the total it could be solved for.
    let bin = |own: u64| {
        let mut lab = number("lab", 920, 0);
        lab.mean = (300.0 + 2.0 * (220 - own) as f64 + 3.0 * own as f64) / 920.0;
        let bins = vec![Some(400), None, Some(300), None];
        let cells = [values(460, own as f64), values(460, 1.5)];
        let told = vec![number("x", 920, 0), lab];
        summary(
            told,
            vec![histogram(bins, true, own as f64)],
            large("lab", cells),
        )
    };
    // So is a bin of few patients, wherever they are.
    let few = |own: u64| {
        let mut lab = number("lab", 920, 0);
        lab.mean = (300.0 + 2.0 * (220 - own) as f64 + 3.0 * own as f64) / 920.0;
        let bins = vec![Some(400), Some(220 - own), Some(300), Some(own)];
        let cells = [values(460, own as f64), values(460, 1.5)];
        let told = vec![number("x", 920, 0), lab];
        summary(
            told,
            vec![histogram(bins, false, own as f64)],
            large("lab", cells),
        )
    };
    for own in 1..=MOST {
        same(&page_of(few(own)), &page_of(few(2)), &format!("{own}"));
    }
    for own in [60, 106, 107, 108, 150] {
        same(&page_of(bin(own)), &page_of(bin(107)), &format!("{own}"));
    }
}

/// A column of whole numbers of which every figure says how many patients have its largest.
fn figures(own: u64, few_sites: bool, width: f64, cells: [Option<u64>; 6]) -> Outcome {
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
        few_sites,
        name: "lab".into(),
        edges: (0..5).map(|edge| width * f64::from(edge)).collect(),
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
fn beside_a_cell_of_few_hospitals_or_a_withheld_one_of_narrow_bins_no_figure_of_the_column_stays() {
    let hidden = |_| [Some(0), Some(400), None, Some(300), None, Some(0)];
    let bins = |own| {
        [
            Some(0),
            Some(400),
            Some(220 - own),
            Some(300),
            Some(own),
            Some(0),
        ]
    };
    let below = |own| {
        [
            Some(own),
            Some(400),
            Some(220 - own),
            Some(300),
            Some(0),
            Some(0),
        ]
    };
    let above = |own| {
        [
            Some(0),
            Some(400),
            Some(220 - own),
            Some(300),
            Some(0),
            Some(own),
        ]
    };
    let ends = |_| [None, Some(400), Some(220), Some(200), Some(0), None];
    type Cells = fn(u64) -> [Option<u64>; 6];
    for (what, few_sites, width, cells) in [
        ("a wide bin of few hospitals", true, 10.0, hidden as Cells),
        ("a narrow bin that the study withholds", false, 1.0, hidden),
        ("ends that the study withholds", false, 1.0, ends),
        ("a handful in a narrow bin", false, 1.0, bins),
        ("a handful below narrow bins", false, 1.0, below),
        ("a handful above narrow bins", false, 1.0, above),
    ] {
        let page = |own| page(&figures(own, few_sites, width, cells(own)));
        for own in 2..=MOST {
            same(&page(own), &page(1), what);
        }
    }
    // Wide bins leave enough open, and nothing narrow is withheld here.
    for (width, cells) in [
        (10.0, hidden as Cells),
        (10.0, bins),
        (1.0, |_| [0, 400, 220, 200, 100, 0].map(Some)),
    ] {
        let report = page(&figures(2, false, width, cells(2))).join("\n");
        for told in ["\"mean\": 32.0", "\"mean\": 12.0", "\"variance\": 42.0"] {
            assert!(report.contains(told), "{told} is not in {report}");
        }
    }
}

#[test]
fn a_handful_of_values_has_no_quantiles() {
    let with = |count: u64| {
        let Outcome::Summary(mut found) =
            figures(count, false, 10.0, [0, count, 0, 0, 0, 0].map(Some))
        else {
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
    let with = |missing: u64, histogram: bool| {
        let cells = [
            Some(300 - missing),
            Some(200),
            Some(220),
            Some(200),
            Some(0),
            Some(0),
        ];
        let Outcome::Summary(mut found) = figures(0, false, 10.0, cells) else {
            unreachable!()
        };
        let lab = &mut found.variables[1];
        (lab.count, lab.missing, lab.few_missing) = (920 - missing, missing, true);
        if !histogram {
            found.details.as_mut().unwrap().distributions.clear();
        }
        Outcome::Summary(found)
    };
    for missing in [90, 150, 152, 210] {
        same(
            &page(&with(missing, true)),
            &page(&with(151, true)),
            &format!("{missing}"),
        );
    }
    for histogram in [true, false] {
        let card = page(&with(150, histogram)).join("\n");
        assert!(
            card.contains("What is not available here would tell of few patients"),
            "{card}"
        );
    }
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

#[test]
fn a_time_beyond_the_last_step_that_is_shown_is_not_told() {
    // Events every day, the last three a tail of few: the median lies among them.
    let (outcome, context) = sample::survival::km(1, |recipe| recipe.min_cell = 0);
    let Outcome::KaplanMeier(mut found) = outcome else {
        unreachable!()
    };
    for curve in &mut found.curves {
        let last = curve.points.last().unwrap().time;
        (curve.median, curve.median_low, curve.median_high) = (Some(last), None, Some(last));
        // Few are left over behind the last step of five.
        curve.points.truncate(12);
        let spare = curve.points.last_mut().unwrap();
        spare.events = 2;
        curve.events = Some(curve.points.iter().map(|point| point.events).sum());
        curve.median = Some(curve.points.last().unwrap().time);
    }
    let Outcome::KaplanMeier(shown) =
        cells::merged(&Outcome::KaplanMeier(found), context.smallest_cell)
    else {
        unreachable!()
    };
    for curve in &shown.curves {
        let last = curve.points.last().unwrap().time;
        assert!(
            curve.withheld && curve.median.is_none_or(|median| median <= last),
            "{:?}",
            curve.median
        );
        assert_eq!(curve.median_high, None);
    }
}

#[test]
fn marks_all_over_a_curve_give_no_few_events_back_where_the_study_prints_all() {
    let (outcome, context) = sample::survival::km(1, |recipe| {
        recipe.min_cell = 0;
        let grid = recipe.grid;
        recipe.marks = (1..=50)
            .map(|at| f64::from(at) * grid.step)
            .take_while(|time| *time <= grid.horizon)
            .collect();
    });
    let Outcome::KaplanMeier(full) = &outcome else {
        unreachable!()
    };
    let Outcome::KaplanMeier(shown) = cells::merged(&outcome, context.smallest_cell) else {
        unreachable!()
    };
    let (full, shown) = (&full.curves[0], &shown.curves[0]);
    assert!(shown.marks.len() > 2 && shown.marks.len() < full.marks.len() && shown.withheld);
    let until = |time: f64| -> u64 {
        full.points
            .iter()
            .filter(|point| point.time <= time)
            .map(|point| point.events)
            .sum()
    };
    let mut told: Vec<&CurvePoint> = shown.points.iter().chain(&shown.marks).collect();
    told.sort_by(|a, b| a.time.total_cmp(&b.time));
    let mut before = 0;
    for point in told {
        let between = until(point.time) - before;
        assert!(
            between == 0 || between > MOST,
            "{between} events before {}",
            point.time
        );
        before = until(point.time);
        let mut all = full.points.iter().chain(&full.marks);
        let same = all.find(|other| other.time == point.time).unwrap();
        assert_eq!(
            (point.survival, point.at_risk),
            (same.survival, same.at_risk)
        );
    }
}

#[test]
fn a_group_that_is_not_shown_stands_in_no_comparison() {
    let with = |rows: u64| {
        let (outcome, _) = sample::survival::km(2, |_| ());
        let Outcome::KaplanMeier(mut found) = outcome else {
            unreachable!()
        };
        let change = found.curves[1].rows - rows;
        (found.curves[1].rows, found.rows) = (rows, found.rows - change);
        if let Some(test) = &mut found.log_rank {
            test.test.statistic += rows as f64;
        }
        Outcome::KaplanMeier(found)
    };
    let (_, context) = sample::survival::km(2, |_| ());
    let page = |outcome: &Outcome| page_of(outcome, &context);
    for rows in 2..=MOST {
        same(&page(&with(rows)), &page(&with(1)), &format!("{rows}"));
    }
}
