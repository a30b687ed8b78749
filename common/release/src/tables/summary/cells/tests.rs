//! Which cells of a line are hidden, and what rounding leaves of the others.

use super::*;

const FIVE: Least = Least { cell: 5, sites: 3 };

fn after_few(cells: &[Option<(u64, u64)>]) -> Vec<bool> {
    let few = |cell: &Option<(u64, u64)>| cell.is_some_and(|cell| is_few(cell, 5));
    hidden(cells, cells.iter().map(few).collect(), FIVE)
}

#[test]
fn a_small_count_is_never_hidden_alone_nor_with_few_others() {
    let after = |counts: &[u64]| {
        let cells: Vec<_> = counts.iter().map(|count| Some((*count, 0))).collect();
        let told = counts.iter().zip(after_few(&cells));
        told.map(|(count, hidden)| (!hidden).then_some(*count))
            .collect::<Vec<_>>()
    };
    assert_eq!(after(&[10, 3, 20]), [None, None, Some(20)]);
    assert_eq!(after(&[10, 3, 4, 20]), [Some(10), None, None, Some(20)]);
    assert_eq!(after(&[10, 1, 2, 20]), [None, None, None, Some(20)]);
    assert_eq!(after(&[0, 10, 20]), [Some(0), Some(10), Some(20)]);
    assert_eq!(after(&[3]), [None]);
    // Three hospitals have each of them: three and three would follow from six.
    assert_eq!(after(&[3, 3, 60]), [None; 3]);
    assert_eq!(after(&[3, 3, 60, 100]), [None, None, None, Some(100)]);
    assert_eq!(after(&[3, 4, 60]), [None, None, Some(60)]);
    let with_and_without = [Some((40, 60)), Some((97, 3)), Some((50, 50))];
    assert_eq!(after_few(&with_and_without), [true, true, false]);
    // Beside one that is hidden already.
    assert_eq!(after_few(&[None, Some((9, 0)), Some((8, 0))]), [false; 3]);
}

#[test]
fn a_share_hides_those_without_it_too_and_its_line_has_no_test() {
    let share = |rows, values| {
        let share = rows as f64 / values as f64;
        Cell::Share {
            values: Some(values),
            rows: Some(rows),
            share,
        }
    };
    let test = motet_recipes::summary::Test {
        name: "chi-square",
        statistic: 1.23456,
        df: (2, None),
        p: 0.539876,
    };
    let cells = vec![share(97, 100), share(50, 100), share(60, 100)];
    let mut own = Line {
        name: "x".to_owned(),
        category: None,
        cells,
        test: Some(test),
    };
    let levels = [Some(100); 3];
    let beside = Beside {
        levels: &levels,
        yes_no: false,
        vague: false,
        whole: None,
    };
    assert!(line(&mut own, &beside, FIVE));
    assert_eq!(own.cells, [Cell::Withheld, share(50, 100), Cell::Withheld]);
    assert_eq!(own.test, None);
}

#[test]
fn a_few_with_a_yes_in_groups_that_are_withheld_together_follow_from_no_total() {
    // 59 of 366 in all; the two groups that are withheld have 4 of 16.
    let cell = |ones: f64, values: u64| Cell::Number {
        values: Some(values),
        mean: ones / values as f64,
        sd: 0.4,
    };
    let levels = [None, None, Some(200), Some(150)];
    let after = |with: u64| {
        let mut own = Line {
            name: "dialysis".into(),
            category: None,
            cells: vec![
                Cell::Withheld,
                Cell::Withheld,
                cell(30.0, 200),
                cell(25.0, 150),
            ],
            test: None,
        };
        let beside = Beside {
            levels: &levels,
            yes_no: true,
            vague: false,
            whole: Some((with, 366 - with)),
        };
        line(&mut own, &beside, FIVE);
        let told = |cell: &Cell| *cell != Cell::Withheld;
        own.cells.iter().map(told).collect::<Vec<bool>>()
    };
    assert_eq!(after(59), [false, false, true, false]);
    assert_eq!(after(64), [false, false, true, true]);
    assert_eq!(after(55), [false, false, true, true], "none of them");
}

#[test]
fn a_share_of_a_hundred_is_told_in_whole_per_cent_where_few_are_missing() {
    let after = |cells: &[(u64, u64, u64)]| {
        let share = |(ones, values, _): &(u64, u64, u64)| {
            let share = *ones as f64 / *values as f64;
            Cell::Share {
                values: Some(*values),
                rows: Some(*ones),
                share,
            }
        };
        let levels: Vec<Option<u64>> = cells.iter().map(|cell| Some(cell.2)).collect();
        let cells = cells.iter().map(share).collect();
        let mut own = Line {
            name: "x".to_owned(),
            category: None,
            cells,
            test: None,
        };
        line(
            &mut own,
            &Beside {
                levels: &levels,
                yes_no: false,
                vague: false,
                whole: None,
            },
            FIVE,
        );
        own.cells
    };
    let told = |share| Cell::Share {
        values: None,
        rows: None,
        share,
    };
    assert_eq!(
        after(&[(117, 298, 300), (150, 300, 310)]),
        [told(0.39), told(0.5)]
    );
    // Too few for a per cent, and so few rows that the missing ones decide.
    assert_eq!(
        after(&[(39, 98, 100), (150, 300, 300)]),
        [Cell::Withheld, told(0.5)]
    );
    assert_eq!(
        after(&[(39, 102, 103), (150, 300, 300)]),
        [Cell::Withheld, told(0.5)]
    );
    // Groups so far apart that what all have in common tells how many are in each.
    assert_eq!(
        after(&[(10, 118, 120), (110, 120, 120)]),
        [Cell::Withheld, Cell::Withheld]
    );
}

#[test]
fn figures_of_a_withheld_number_leave_several_sums_open() {
    for (value, rows, shown) in [
        (62.254_321, 924, 62.3),
        (2.345_678, 924, 2.3),
        (62.254_321, 60, 62.0),
        (-0.0012, 100, 0.0),
    ] {
        let told = rounded(value, unit(rows), digits(rows));
        assert_eq!(told, shown, "{value} of {rows}");
    }
    assert_eq!(rounded(1_234_567.8, unit(9000), digits(9000)), 1_230_000.0);
    // A blood pressure that is written in tens, and platelets in hundreds: several numbers of
    // values have such a mean.
    for (sum, rows, tens) in [
        (13_420.0, 100, 10.0),
        (12_400.0, 50, 100.0),
        (36_100.0, 150, 100.0),
    ] {
        let told = |mean| rounded(mean, unit(rows), digits(rows));
        let shown = told(sum / (rows - 3) as f64);
        let numbers = (rows - 4..rows).filter(|values| {
            let whole = tens * (shown * *values as f64 / tens).round();
            told(whole / *values as f64) == shown
        });
        assert_eq!(numbers.count(), 4, "{shown} of {rows}");
    }
    assert!(rounded(f64::NAN, unit(9), digits(9)).is_nan());
}

#[test]
fn a_group_of_a_number_where_all_have_one_value_or_few_a_one_is_withheld_with_another() {
    let number = |values: u64, mean: f64, sd: f64| Cell::Number {
        values: Some(values),
        mean,
        sd,
    };
    let binary = |ones: f64, values: u64| {
        let n = values as f64;
        number(
            values,
            ones / n,
            (ones * (1.0 - ones / n) / (n - 1.0)).sqrt(),
        )
    };
    let levels = [Some(40), Some(50), Some(60)];
    let told = |first: Cell| {
        let mut own = Line {
            name: "visits".into(),
            category: None,
            cells: vec![first, number(50, 2.5, 1.7), number(60, 2.4, 1.6)],
            test: None,
        };
        let beside = Beside {
            levels: &levels,
            yes_no: false,
            vague: false,
            whole: None,
        };
        line(&mut own, &beside, FIVE);
        let told = |cell: &Cell| *cell != Cell::Withheld;
        own.cells.iter().map(told).collect::<Vec<bool>>()
    };
    let with_another = [false, false, true];
    assert_eq!(told(number(40, 7.0, 0.0)), with_another, "everybody's");
    assert_eq!(told(number(40, 0.0, 0.0)), with_another, "nobody has any");
    assert_eq!(told(number(40, 1e-9, f64::NAN)), with_another);
    assert_eq!(told(binary(3.0, 40)), with_another);
    assert_eq!(told(binary(37.0, 40)), with_another);
    assert_eq!(told(binary(20.0, 40)), [true; 3]);
    assert_eq!(told(number(40, 2.6, 1.7)), [true; 3]);
}
