//! A model in groups and at sites, in report, card and pictures.

use crate::sample::judged as sample;
use crate::{Context, build};
use motet_recipes::{Figures, Findings, Outcome, Shown, SiteFindings, Why};
use serde_json::Value;

fn folder(outcome: &Outcome, context: &Context) -> (Value, String, Vec<(String, String)>) {
    let mut files = build(outcome, context)
        .unwrap()
        .into_iter()
        .skip(1)
        .map(|(name, bytes)| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(
                !text.contains("NaN") && !text.contains("inf "),
                "{name} {text}"
            );
            (name, text)
        });
    let report = serde_json::from_str(&files.next().unwrap().1).unwrap();
    (report, files.next().unwrap().1, files.collect())
}

fn levels<'a>(report: &'a Value, group: &str) -> Vec<&'a Value> {
    report["subgroups"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|level| level["group"] == group)
        .collect()
}

fn findings(context: &Context) -> &Findings {
    context.findings.as_ref().unwrap()
}

#[test]
fn the_report_lists_groups_the_worst_first_and_sites_by_name() {
    let (outcome, context) = sample::risk();
    let (report, _, _) = folder(&outcome, &context);
    let Figures::Risk(male) = (match &findings(&context).groups[0].levels[0].shown {
        Shown::Figures(figures) => figures,
        Shown::Hidden(why) => panic!("{why:?}"),
    }) else {
        panic!("a number")
    };
    let first = levels(&report, "male")[0];
    assert_eq!(first["rows"], male.rows);
    assert_eq!(
        first["brier"].as_f64().unwrap().to_bits(),
        male.brier.to_bits()
    );
    assert_eq!(first["auc_ci_low"].as_f64(), male.auc.map(|auc| auc.low));
    for key in [
        "events",
        "auc",
        "auc_bins",
        "auc_error_bound",
        "auc_ci_high",
        "observed",
        "expected",
        "observed_to_expected",
        "observed_to_expected_ci_low",
        "accuracy",
        "sensitivity",
        "specificity",
    ] {
        assert!(first[key].is_number(), "{key} {first}");
    }
    assert!(first["not_shown"].is_null());
    let aucs: Vec<f64> = levels(&report, "age")
        .iter()
        .filter_map(|level| level["auc"].as_f64())
        .collect();
    assert!(
        aucs.len() == 4 && aucs.windows(2).all(|pair| pair[0] <= pair[1]),
        "{aucs:?}"
    );
    let missing = levels(&report, "male").pop().unwrap();
    assert_eq!(
        (&missing["level"], &missing["not_shown"]),
        (&"missing".into(), &"no patients".into())
    );
    assert!(missing.get("rows").is_none());
    let sites = report["sites_metrics"].as_array().unwrap();
    let told: Vec<&str> = sites
        .iter()
        .map(|site| site["told"].as_str().unwrap())
        .collect();
    assert_eq!(told, ["not told", "told", "told", "withheld", "withheld"]);
    assert_eq!(
        (&sites[1]["site"], &sites[1]["rows"], &sites[1]["auc_bins"]),
        (&"CZEC".into(), &400.into(), &0.into())
    );
    assert!(sites[0].get("rows").is_none() && sites[3].get("rows").is_none());

    let (outcome, context) = sample::number();
    let (report, _, _) = folder(&outcome, &context);
    let level = levels(&report, "age")[0];
    for key in [
        "rows",
        "mse",
        "rmse",
        "r_squared",
        "bias",
        "bias_ci_low",
        "bias_ci_high",
    ] {
        assert!(level[key].is_number(), "{key} {level}");
    }
    assert!(
        report["sites_metrics"]
            .as_array()
            .unwrap()
            .iter()
            .all(|site| site["told"] == "told")
    );
    let (outcome, context) = sample::time();
    let (report, _, _) = folder(&outcome, &context);
    let level = levels(&report, "age")[0];
    for key in [
        "rows",
        "events",
        "c_index",
        "c_index_ci_low",
        "c_index_ci_high",
        "pairs",
    ] {
        assert!(level[key].is_number(), "{key} {level}");
    }
    assert!(level.get("auc").is_none() && report["sites_metrics"][2]["c_index"].is_number());
    // A study that does not ask has no such keys.
    let (report, card, pictures) = folder(&crate::sample::logistic(), &crate::sample::context());
    assert!(report.get("subgroups").is_none() && report.get("sites_metrics").is_none());
    assert!(
        card.contains("was not examined unless the study says so")
            && !card.contains("groups of patients\n")
    );
    assert!(!pictures.iter().any(|(name, _)| name.starts_with("groups")));
}

#[test]
fn the_card_names_the_gap_in_plain_words() {
    let (outcome, context) = sample::risk();
    let (_, card, _) = folder(&outcome, &context);
    for words in [
        "## How it does in groups of patients",
        "### `age`",
        "**Gap:** the model tells patients with and without the outcome apart worst in ",
        "a gap of 0.",
        "Observed over expected is lowest in ",
        "| missing | not shown: no patients |",
        "## How it does at sites that tell it",
        "| BELG | not told |",
        "| NETH | withheld |",
        "How many patients a site has is told below where the site allows it.",
        "others were not examined",
        "`groups.svg`: the model in groups of patients and at sites",
    ] {
        assert!(card.contains(words), "{words:?} is not in\n{card}");
    }
    // In code a name stands as it is.
    assert!(!card.replace("`arm<b>", "").contains("<b>"), "{card}");
    let tables = card
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| |"));
    for table in tables
        .skip_while(|line| !line.starts_with("| Level"))
        .take(4)
    {
        assert_eq!(table.replace("\\|", "").matches('|').count(), 8, "{table}");
    }
    let (outcome, context) = sample::number();
    let (_, card, _) = folder(&outcome, &context);
    for words in [
        "the typical error is largest in ",
        "Outcome less prediction is lowest in ",
        "| Typical error |",
    ] {
        assert!(card.contains(words), "{words:?} is not in\n{card}");
    }
    let (outcome, context) = sample::time();
    let (_, card, _) = folder(&outcome, &context);
    for words in [
        "the model tells who has the event first worst in ",
        "| Patients | With the event | C-index (95% CI) |",
        "Pairs of patients are compared within each site",
        "has fewer than 5 patients with the event.",
    ] {
        assert!(card.contains(words), "{words:?} is not in\n{card}");
    }
}

#[test]
fn rates_that_tell_of_few_patients_and_levels_that_are_hidden_are_not_shown() {
    let (outcome, mut context) = sample::risk();
    let asked = context.findings.as_mut().unwrap();
    let Shown::Figures(Figures::Risk(found)) = &mut asked.groups[0].levels[0].shown else {
        panic!("hidden")
    };
    // Three patients with the outcome and a high risk.
    found.sensitivity = Some(3.0 / found.events as f64);
    asked.groups[1].levels[0].shown = Shown::Hidden(Why::Few);
    asked.groups[1].levels[1].shown = Shown::Hidden(Why::Beside);
    asked.groups[1].levels[2].shown = Shown::Hidden(Why::Sites);
    let (report, card, _) = folder(&outcome, &context);
    // From the others' and that of all they would follow.
    for level in levels(&report, "male").iter().take(2) {
        for key in ["accuracy", "sensitivity", "specificity"] {
            assert!(level[key].is_null(), "{key} {level}");
        }
        assert!(level["brier"].is_number());
    }
    // Where a level or a site is not told, its part follows from that of the others.
    let hidden = levels(&report, "age").into_iter().skip(3);
    let sites = report["sites_metrics"].as_array().unwrap();
    let shown: Vec<&Value> = hidden
        .chain(sites)
        .filter(|one| one["brier"].is_number())
        .collect();
    assert!(shown.len() > 2);
    for shown in shown {
        assert!(shown["accuracy"].is_null() && shown["sensitivity"].is_null());
    }
    let age = levels(&report, "age");
    let words = |at: usize| age[at]["not_shown"].as_str().unwrap();
    assert!(
        words(0).contains("fewer than 5 patients with the outcome")
            && words(1).contains("would follow")
    );
    assert!(
        words(2).contains("fewer than 3 sites")
            && age.iter().take(3).all(|level| level.get("rows").is_none())
    );
    assert!(
        card.contains("There are no two levels to compare."),
        "{card}"
    );
}

#[test]
fn the_picture_draws_every_level_that_is_shown() {
    for (outcome, context) in [sample::risk(), sample::number(), sample::time()] {
        let (_, _, pictures) = folder(&outcome, &context);
        let svg = &pictures
            .iter()
            .find(|(name, _)| name == "groups.svg")
            .unwrap()
            .1;
        let groups = findings(&context)
            .groups
            .iter()
            .flat_map(|group| &group.levels);
        let shown = groups
            .filter(|level| matches!(level.shown, Shown::Figures(_)))
            .count();
        let told = findings(&context)
            .sites
            .iter()
            .filter(|site| matches!(site, SiteFindings::Told(_)))
            .count();
        assert_eq!(svg.matches("<circle").count(), shown + told);
        assert!(
            svg.contains("2,000 patients") && !svg.contains("<b>"),
            "{svg}"
        );
        // Dots lie between the ends of the axis, one below the other.
        let number = |tag: &str, key: &str| -> f64 {
            tag.split(&format!("{key}=\""))
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        let dots: Vec<(f64, f64)> = svg
            .split("<circle")
            .skip(1)
            .map(|tag| (number(tag, "cx"), number(tag, "cy")))
            .collect();
        assert!(
            dots.windows(2).all(|pair| pair[1].1 - pair[0].1 > 12.0),
            "{dots:?}"
        );
        assert!(
            dots.iter()
                .all(|(x, y)| (560.0..=1215.0).contains(x) && (190.0..=838.0).contains(y))
        );
    }
    let (outcome, mut context) = sample::risk();
    let many = context.findings.as_mut().unwrap();
    many.groups = (0..12).map(|at| many.groups[at % 2].clone()).collect();
    let (_, card, pictures) = folder(&outcome, &context);
    let names: Vec<&str> = pictures
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.starts_with("groups"))
        .collect();
    assert_eq!(names, ["groups.svg", "groups-2.svg"]);
    assert!(card.contains("`groups-2.svg`: the model in groups"));
}

#[test]
fn places_that_are_not_those_of_the_roster_are_refused() {
    let (outcome, mut context) = sample::risk();
    context.roster.pop();
    let error = build(&outcome, &context).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("places for `5` sites and the roster names `4`"),
        "{error}"
    );
}

/// Writes the folders for a person to look at: `MOTET_SHOW=DIR cargo test -p motet-release`.
#[test]
#[allow(clippy::disallowed_methods, reason = "writes what a person looks at")]
fn judged_folders_can_be_looked_at() {
    let Ok(out) = std::env::var("MOTET_SHOW") else {
        return;
    };
    for (name, (outcome, context)) in [
        ("judged", sample::risk()),
        ("judged-number", sample::number()),
        ("judged-time", sample::time()),
    ] {
        let folder = std::path::Path::new(&out).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in build(&outcome, &context).unwrap() {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
    }
}

#[test]
fn both_parts_stand_beside_each_other_with_their_intervals() {
    let (outcome, context) = sample::apart(5);
    let (report, card, pictures) = folder(&outcome, &context);
    let parts = &report["held_out"];
    assert_eq!(parts["test_fraction"], 0.25);
    assert_eq!(report["rows"], 1500);
    for (name, rows) in [("fitted", 1500), ("held_out", 500)] {
        let part = &parts[name];
        assert_eq!(
            (&part["rows"], &part["not_shown"]),
            (&rows.into(), &Value::Null)
        );
        for key in ["auc", "calibration_slope", "calibration_intercept"] {
            let [at, low, high] = ["", "_ci_low", "_ci_high"]
                .map(|end| part[format!("{key}{end}")].as_f64().unwrap());
            assert!(low < at && at < high, "{name} {key}: {part}");
        }
        let [at, low, high] = ["accuracy", "accuracy_ci_low", "accuracy_ci_high"]
            .map(|key| part[key].as_f64().unwrap());
        assert!(low < at && at < high, "{part}");
    }
    // Both are measured by the same sums: on fitted patients those of the measures above, but for
    // wider bins.
    let [part, whole] = [&parts["fitted"], &report["metrics"]];
    let of = |found: &Value, key: &str| found[key].as_f64().unwrap();
    let most = of(part, "auc_error_bound") + of(whole, "auc_error_bound");
    assert!((of(part, "auc") - of(whole, "auc")).abs() <= most);
    assert!((of(part, "brier") - of(whole, "brier")).abs() < 1e-12);
    assert_eq!(report["subgroups"], Value::Array(Vec::new()));
    for said in [
        "500 further patients were held out (each was drawn with a chance of 25",
        "each of the two parts has at least 10 patients",
        "## How it does on patients held out",
        "| Fitted | 1,500 |",
        "| Held out | 500 |",
        "Wilson (1927)",
        "their figures are apparent ones",
        "An earlier version of the study",
    ] {
        assert!(card.contains(said), "{said}: {card}");
    }
    assert!(!card.contains("How it does in groups"), "{card}");
    assert!(!pictures.iter().any(|(name, _)| name.starts_with("groups")));
}

#[test]
fn a_part_with_a_patient_unlike_all_others_has_none_either_and_the_page_says_why() {
    let (outcome, mut context) = sample::apart(5);
    let findings = context.findings.as_mut().unwrap();
    let part = &mut findings.parts.as_mut().unwrap().held_out;
    part.shown = Shown::Hidden(Why::Unlike);
    let (report, card, _) = folder(&outcome, &context);
    let part = &report["held_out"]["held_out"];
    let why = "one patient is so far from all others that the figures would tell that patient's \
               outcome";
    assert_eq!(part["not_shown"], why);
    assert_eq!(part.as_object().unwrap().len(), 1, "{part}");
    assert!(
        card.contains(&format!("| Held out | not shown: {why} |")),
        "{card}"
    );
}

#[test]
fn a_part_of_few_patients_has_no_figure_on_any_page() {
    let (outcome, context) = sample::apart(500);
    let (report, card, _) = folder(&outcome, &context);
    let part = &report["held_out"]["held_out"];
    let why = "fewer than 500 patients with the outcome, or without it";
    assert_eq!(part["not_shown"], why);
    assert_eq!(part.as_object().unwrap().len(), 1, "{part}");
    assert!(
        card.contains(&format!("| Held out | not shown: {why} |")),
        "{card}"
    );
    assert!(card.contains("Further patients were held out"), "{card}");
    assert!(!card.contains("500 further"), "{card}");
}
