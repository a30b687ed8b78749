//! Whole folders, and what stands in each of their files.

mod cards;
mod cards_of_recipes;
mod format;
mod meanings;
mod pictures;
mod reports;
mod reports_of_recipes;
mod weights;
mod withheld;

use super::{Context, build, sample};
use motet_recipes::Outcome;

#[test]
fn every_kind_of_outcome_gives_a_whole_folder_and_the_same_bytes_again() {
    for (outcome, pictures) in [
        (sample::logistic(), 4),
        (sample::fedavg(), 3),
        (sample::summary(), 0),
    ] {
        let context = sample::context();
        let files = build(&outcome, &context).unwrap();
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["model.safetensors", "report.json", "card.md"]);
        assert_eq!(names.len(), 3 + pictures, "{names:?}");
        assert!(files.iter().all(|(_, bytes)| !bytes.is_empty()));
        assert_eq!(files, build(&outcome, &context).unwrap());
    }
}

/// The pictures of a folder that is the same when it is made again, and writes no number that is
/// none.
fn pictures_of_a_whole_folder(name: &str, outcome: &Outcome, context: &Context) -> Vec<String> {
    let files = build(outcome, context).unwrap();
    assert_eq!(files, build(outcome, context).unwrap());
    for (file, bytes) in files.iter().skip(1) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            !text.contains("NaN") && !text.contains("inf "),
            "{name} {file} {text}"
        );
    }
    files.into_iter().skip(3).map(|(name, _)| name).collect()
}

#[test]
fn recipes_that_are_run_give_whole_folders_and_no_number_that_is_none() {
    for (name, outcome) in sample::run::all() {
        let context = sample::run::context(name);
        let pictures = pictures_of_a_whole_folder(name, &outcome, &context);
        let wanted: &[&str] = match name {
            "gbdt" | "gbdt-nothing-held" => &[
                "importance.svg",
                "convergence.svg",
                "roc.svg",
                "calibration.svg",
            ],
            "gbdt-number" => &["importance.svg", "convergence.svg"],
            "logistic-robust" => &[
                "forest.svg",
                "convergence.svg",
                "roc.svg",
                "calibration.svg",
            ],
            "fednumber" => &["convergence.svg"],
            "distributions" => &["histograms.svg"],
            "count" => &[],
            _ => &["forest.svg", "convergence.svg"],
        };
        assert_eq!(pictures, wanted, "{name}");
    }
}

#[test]
fn survival_recipes_give_whole_folders() {
    for (name, (outcome, context)) in sample::survival::all() {
        let pictures = pictures_of_a_whole_folder(name, &outcome, &context);
        let wanted: &[&str] = match name {
            "cox" | "cox-group" => &["forest.svg", "convergence.svg", "baseline.svg"],
            "cox-site" => &["forest.svg", "convergence.svg"],
            "km-nine" => &["survival.svg", "survival-2.svg"],
            "fedtime" => &["convergence.svg"],
            _ => &["survival.svg"],
        };
        assert_eq!(pictures, wanted, "{name}");
    }
}

#[test]
fn a_set_that_is_not_the_set_of_the_sum_is_refused() {
    let mut context = sample::context();
    context.sites.pop();
    let error = build(&sample::logistic(), &context).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`10` sites and the set names `9`"),
        "{error}"
    );
}

/// Writes the sample folders for a person to look at: `MOTET_SHOW=DIR cargo test -p
/// motet-release`.
#[test]
#[allow(clippy::disallowed_methods, reason = "writes what a person looks at")]
fn folders_can_be_looked_at() {
    let Ok(out) = std::env::var("MOTET_SHOW") else {
        return;
    };
    for (name, outcome) in [
        ("logistic", sample::logistic()),
        ("hard", sample::hard()),
        ("fedavg", sample::fedavg()),
        ("summary", sample::summary()),
    ] {
        let folder = std::path::Path::new(&out).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in build(&outcome, &sample::context()).unwrap() {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
    }
    for (name, (outcome, context)) in sample::survival::all() {
        let folder = std::path::Path::new(&out).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in build(&outcome, &context).unwrap() {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
    }
    for (name, outcome) in sample::run::all() {
        let folder = std::path::Path::new(&out).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (file, bytes) in build(&outcome, &sample::run::context(name)).unwrap() {
            std::fs::write(folder.join(file), bytes).unwrap();
        }
    }
}
