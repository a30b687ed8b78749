//! What no cell and no test of a table by group gives back.

use super::summaries::{
    column, described, groups, large, number, one_is, page, summary, table, values,
};
use super::{MOST, same};
use motet_recipes::summary::{Cell, Scale};
use motet_recipes::{Outcome, Variable};

/// A column of 0 and 1 with that many ones of 120.
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

/// Patients of groups, that many of each with every level of a category whose first level has no
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
    // All levels go together.
    assert!(column(&page(&with(3)), 1)["mean"].is_null());
    assert!(!column(&page(&with(5)), 1)["mean"].is_null());
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
