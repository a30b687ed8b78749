//! What a site goes not below, whatever is asked.

use super::methods::{file, sample};
use super::*;

#[test]
fn a_study_below_a_floor_is_refused_by_the_floors_own_name() {
    let table = "features = [\"age\"]";
    let death = "time = \"days\"\nevent = \"died\"";
    let tree = "outcome = \"y\"\nfeatures = [\"age\"]";
    let judged = format!("{tree}\n[evaluation]\nsites = true\nmin_cell = 3");
    for (kind, data, keys, word) in [
        (
            "count",
            "outcome = \"y\"",
            "multiple = 1\n",
            "`multiple` is `10`",
        ),
        (
            "count",
            "outcome = \"y\"",
            "min_cell = 4\n",
            "`min_cell` is `5`",
        ),
        (
            "summary",
            table,
            "edges = { age = [0, 50] }\nmin_cell = 3\n",
            "`min_cell` is `5`",
        ),
        (
            "summary",
            table,
            "edges = { age = { from = 0, to = 120, bins = 257 } }\n",
            "`bins = 256`",
        ),
        (
            "summary",
            table,
            "edges = { age = [0, 50] }\nextremes = true\n",
            "`extremes = true`",
        ),
        (
            "km",
            death,
            "times = \"grid\"\nhorizon = 182\nstep = 7\nmin_cell = 0\n",
            "`min_cell` is `5`",
        ),
        (
            "cox",
            &format!("{death}\n{table}"),
            "times = \"exact\"\nhorizon = 182\n",
            "`exact_times = true`",
        ),
        ("logistic", &judged, "", "`min_cell` is `5`"),
        ("summary", table, "min_cell = 3\n", "`min_cell` is `5`"),
        ("gbdt", tree, "min_leaf = 9\n", "`min_rows` is `10`"),
    ] {
        let study = Study::parse(&file(kind, data, keys)).unwrap();
        let below = study
            .below(&Floors::default())
            .unwrap_or_else(|| panic!("{kind} {keys} passes"));
        assert!(below.contains(word), "{kind}: {below}");
    }
    let open = Floors {
        extremes: true,
        exact_times: true,
        ..Floors::default()
    };
    for kind in ["summary", "km", "cox", "gbdt", "logistic"] {
        assert_eq!(sample(kind).below(&open), None, "{kind}");
    }
    // A site's own, stricter one.
    let strict = Floors {
        bins: 8,
        min_cell: 11,
        ..open
    };
    assert!(
        sample("gbdt")
            .below(&strict)
            .is_some_and(|below| below.contains("`bins = 8`"))
    );
    // Of a table without edges and groups the means of yes/no columns are counts.
    for (keys, passes) in [("", false), ("min_cell = 11\n", true)] {
        let plain = Study::parse(&file("summary", "features = [\"age\"]", keys)).unwrap();
        assert_eq!(plain.below(&strict).is_none(), passes, "{keys}");
        assert_eq!(Study::parse(&plain.to_toml()).unwrap(), plain);
    }
    assert!(
        sample("km")
            .below(&strict)
            .is_some_and(|below| below.contains("`min_cell` is `11`"))
    );
}

#[test]
fn no_level_is_withheld_that_could_have_one_number_only() {
    let cells = |sites: u32, loss: &str, cell: u32| {
        let keys = format!("edges = {{ age = [0, 50] }}\nmin_cell = {cell}\n");
        let text = file("summary", "features = [\"age\"]", &keys);
        let text =
            format!("{text}[privacy]\nmin_sites = {sites}\n[rounds]\non_site_loss = \"{loss}\"\n");
        let study = Study::parse(&text).unwrap();
        (study.cell().unwrap(), study.first_cell())
    };
    assert_eq!(cells(3, "pause", 5), (5, 5), "3 or 4");
    assert_eq!(cells(4, "pause", 5), (6, 6), "4 or 5");
    assert_eq!(cells(5, "pause", 5), (5, 5), "no level has fewer");
    assert_eq!(
        cells(3, "continue", 5),
        (6, 6),
        "4 where the run may lose a site"
    );
    assert_eq!(cells(4, "continue", 5), (7, 7), "5, and 4 of as many sites");
    assert_eq!(cells(9, "pause", 10).0, 11);
    // The first round ends with fewer than 5, and of fewer than 6 a page would hide exactly 5.
    assert_eq!(cells(3, "pause", 6), (7, 5));
    assert_eq!(cells(3, "pause", 7), (7, 5));
    assert_eq!(cells(4, "pause", 7), (8, 6), "beside a raised first round");
    assert_eq!(cells(3, "continue", 7), (8, 6));
}

#[test]
fn a_grid_of_times_is_held_in_days_by_the_unit_of_the_time() {
    let km = |step: &str| {
        let keys = format!("times = \"grid\"\nstep = {step}\nhorizon = 840\n");
        Study::parse(&file("km", "time = \"t\"\nevent = \"died\"", &keys)).unwrap()
    };
    let floors = Floors::default();
    for (step, unit) in [
        ("7", "d"),
        ("1", "wk"),
        ("1", "mo"),
        ("1", "a"),
        ("168", "h"),
    ] {
        assert_eq!(
            km(step).too_fine(&floors, Some(unit)),
            None,
            "{step} {unit}"
        );
    }
    for (step, unit, word) in [
        ("1", Some("d"), "grid of `1` d"),
        ("6", Some("d"), "`7` days"),
        ("0.1", Some("mo"), "mo"),
        ("120", Some("h"), "h"),
        ("840", None, "no unit of time"),
        ("840", Some("mg"), "no unit of time"),
    ] {
        let fine = km(step)
            .too_fine(&floors, unit)
            .unwrap_or_else(|| panic!("{step} {unit:?} passes"));
        assert!(
            fine.contains(word) && fine.contains("exact_times = true"),
            "{fine}"
        );
    }
    let exact = Floors {
        exact_times: true,
        ..Floors::default()
    };
    assert_eq!(km("1").too_fine(&exact, Some("d")), None);
    assert!(
        km("7")
            .too_fine(
                &Floors {
                    step: 30.0,
                    ..floors.clone()
                },
                Some("d")
            )
            .is_some()
    );
    // No time leaves a site here.
    let within = file(
        "cox",
        "time = \"t\"\nevent = \"died\"\nfeatures = [\"age\"]",
        "times = \"grid\"\nstep = 1\nhorizon = 840\nstrata = \"site\"\n",
    );
    assert_eq!(
        Study::parse(&within).unwrap().too_fine(&floors, Some("d")),
        None
    );
}

#[test]
fn a_study_that_no_site_can_answer_is_not_proposed() {
    let count = Study::parse(&file("count", "outcome = \"y\"", "multiple = 5\n")).unwrap();
    let found = count.lint(4);
    let error = found
        .iter()
        .find(|finding| finding.severity == Severity::Error)
        .unwrap();
    assert!(error.message.contains("`multiple` is `10`"), "{error}");
    // Where a site can allow it, a word to the proposer is enough.
    let found = sample("cox").lint(4);
    assert!(
        found
            .iter()
            .all(|finding| finding.severity != Severity::Error),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|finding| finding.message.contains("exact_times")),
        "{found:?}"
    );
}

#[test]
fn no_column_is_asked_for_that_fewer_patients_have_than_a_cell_of_the_study() {
    let census = |kind: &str, data: &str, keys: &str| {
        let study = Study::parse(&file(kind, data, keys)).unwrap();
        study.recipe.census.unwrap()
    };
    let death = "time = \"days\"\nevent = \"died\"\nfeatures = [\"age\"]";
    let grid = "times = \"grid\"\nstep = 7\nhorizon = 182\n";
    assert_eq!(census("cox", death, grid).cell, 5);
    assert_eq!(
        census("cox", death, &format!("{grid}min_cell = 11\n")).cell,
        11
    );
    let judged =
        "outcome = \"y\"\nfeatures = [\"age\"]\n[evaluation]\ngroups = [\"sex\"]\nmin_cell = 20";
    assert_eq!(census("fedavg", judged, "").cell, 20);
    assert_eq!(census("logistic", judged, "").min_cell, 5, "of the outcome");
}
