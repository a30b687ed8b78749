//! What no figure of a column gives back.

use super::summaries::{
    column, described, groups, large, number, one_is, page, summary, table, values,
};
use super::{MOST, same};
use motet_recipes::summary::{Details, Distribution, Quantile, Scale};
use motet_recipes::{Outcome, Variable};

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
