//! The table `[evaluation]`: read, written back, refused in its line, told to the steward.

use super::methods::sample;
use super::*;
use crate::roster::{Entry, HubKeys, Roster, SiteKeys};
use motet_recipes::SubgroupKind;
use motet_secagg::sign::SecretKey;
use motet_toml::Checked;

const EVALUATION: &str = "\n[evaluation]\ngroups = [\"sex\", \"age\", \"cp\", \"country\"]\ncuts.age = [50, 65, 80]\n\
     levels.country = [\"NL\", \"BE\"]\nsites = true\n";

fn judged(text: &str) -> Checked<Study> {
    Study::parse(&format!("{}{text}", FULL.replace("continue", "pause")))
}

#[test]
fn a_run_that_goes_on_without_a_site_is_not_judged() {
    let refused = Study::parse(&format!("{FULL}{EVALUATION}"))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("could be told apart") && refused.contains("line"),
        "{refused}"
    );
}

#[test]
fn groups_are_read_and_written_back() {
    let study = judged(EVALUATION).unwrap();
    let asked = study.recipe.judged.as_ref().unwrap();
    let kinds: Vec<&SubgroupKind> = asked.groups.iter().map(|group| &group.kind).collect();
    let levels = |names: &[&str]| {
        SubgroupKind::Category(names.iter().map(|name| (*name).to_owned()).collect())
    };
    // The levels of a feature stand under `[data.levels]` already.
    let (cp, country) = (levels(&["1", "2", "3", "4"]), levels(&["NL", "BE"]));
    assert_eq!(
        kinds,
        [
            &SubgroupKind::YesNo,
            &SubgroupKind::Bands(vec![50.0, 65.0, 80.0]),
            &cp,
            &country
        ]
    );
    assert_eq!((asked.sites, asked.min_cell, asked.min_sites), (true, 5, 3));
    assert_eq!(
        Study::parse(&study.to_toml()).unwrap(),
        study,
        "{}",
        study.to_toml()
    );
    assert_eq!(Study::from_bytes(&study.to_bytes()).unwrap(), study);
    study.check().unwrap();
    let reads: Vec<&str> = study.reads().into_iter().collect();
    assert_eq!(
        reads,
        ["age", "country", "cp", "restecg", "seen", "sex", "y"]
    );
    // The method is the same; the study is not.
    let plain = judged("").unwrap();
    assert_eq!(
        (&study.recipe.method, study.columns()),
        (&plain.recipe.method, plain.columns())
    );
    assert_ne!(study.root(), plain.root());
    assert_eq!(
        study.asks(),
        plain.asks(),
        "the fit's sums are the same, so other sites take the word `--again`"
    );
    assert_eq!(
        (study.recipe.kind(), study.vectors()),
        (plain.recipe.kind(), plain.vectors())
    );
    // Which patients there are does not depend on it: a count asks for none of it.
    assert_eq!(study.feasibility(10).recipe.judged.as_ref(), None);
    assert_eq!(study.feasibility(10).reads(), plain.feasibility(10).reads());
    let sites = judged("[evaluation]\nsites = true\nmin_cell = 20\n").unwrap();
    assert_eq!(Study::parse(&sites.to_toml()).unwrap(), sites);
}

#[test]
fn every_key_stands_on_the_page_about_recipes() {
    let page = include_str!("../../../../RECIPES.md");
    let (_, table) = page.split_once("## Judging the model").unwrap();
    let written = judged(EVALUATION).unwrap().to_toml();
    let (_, keys) = written.split_once("[evaluation]\n").unwrap();
    let (keys, _) = keys.split_once("\n\n").unwrap();
    for line in keys.lines() {
        let key = line.split(" = ").next().unwrap();
        let key = key
            .split_once('.')
            .map_or(key.to_owned(), |(key, _)| format!("{key}.NAME"));
        assert!(table.contains(&format!("`{key}`")), "{key}");
    }
    // The example of the page is a study's.
    let (_, example) = table.split_once("```toml\n").unwrap();
    judged(example.split("```").next().unwrap()).unwrap();
}

#[test]
fn a_mistake_in_the_evaluation_is_named_with_its_line() {
    let first = u32::try_from(FULL.lines().count()).unwrap();
    let many: Vec<String> = (0..101).map(|level| format!("\"{level}\"")).collect();
    let many = format!("groups = [\"x\"]\nlevels.x = [{}]", many.join(", "));
    let columns: Vec<String> = (0..21).map(|at| format!("\"c{at}\"")).collect();
    let columns = format!("groups = [{}]", columns.join(", "));
    for (text, line, words) in [
        ("", 1, "asks for nothing"),
        ("groups = []", 1, "asks for nothing"),
        ("groups = [\"sex\", \"sex\"]", 2, "stands twice"),
        ("groups = [\"y\"]", 2, "what the model explains"),
        ("groups = [\"a b\"]", 2, "not a column's name"),
        (
            "groups = [\"sex\"]\ncuts.age = [50]",
            3,
            "`cuts.age` is not one of the groups",
        ),
        (
            "groups = [\"sex\"]\nlevels.x = [\"a\", \"b\"]",
            3,
            "`levels.x` is not one of the groups",
        ),
        (
            "groups = [\"age\"]\ncuts.age = [65, 50]",
            3,
            "does not rise",
        ),
        ("groups = [\"age\"]\ncuts.age = [nan]", 3, "does not rise"),
        ("groups = [\"age\"]\ncuts.age = []", 3, "has 0 numbers"),
        (
            "groups = [\"cp\"]\ncuts.cp = [2]",
            3,
            "both cuts and levels",
        ),
        (
            "groups = [\"cp\"]\nlevels.cp = [\"1\", \"2\"]",
            3,
            "under `[data.levels]`",
        ),
        (
            "groups = [\"x\"]\nlevels.x = [\"a\"]",
            3,
            "fewer than two levels",
        ),
        (
            "groups = [\"x\"]\nlevels.x = [\"a\", \"missing\"]",
            3,
            "called `missing`",
        ),
        ("groups = [\"sex\"]\nmin_cell = 1", 3, "min_cell"),
        ("groups = [\"sex\"]\nsite = true", 3, "site"),
        (&many, 3, "101 levels"),
        (&columns, 2, "names 21 columns"),
    ] {
        let error = judged(&format!("[evaluation]\n{text}\n")).unwrap_err();
        assert_eq!(error.line, first + line, "{text}: {error}");
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn a_method_without_such_a_model_has_no_groups() {
    for (kind, words) in [
        ("summary", "has no model"),
        ("count", "has no model"),
        ("km", "has no model"),
        ("linear", "with the weight `w`"),
    ] {
        let mut study = sample(kind).to_toml();
        let lines = u32::try_from(study.lines().count()).unwrap();
        study.push_str("[evaluation]\ngroups = [\"site_sex\"]\n");
        let error = Study::parse(&study).unwrap_err();
        assert_eq!(error.line, lines + 1, "{kind}: {error}");
        assert!(error.to_string().contains(words), "{kind}: {error}");
    }
    for kind in [
        "logistic", "poisson", "gamma", "cox", "fedavgm", "fedprox", "fedadam", "scaffold", "gbdt",
    ] {
        let study = format!(
            "{}[evaluation]\ngroups = [\"site_sex\"]\n",
            sample(kind).to_toml()
        );
        let study = Study::parse(&study).unwrap();
        assert_eq!(study.recipe.kind(), kind);
        study.check().unwrap();
        assert_eq!(study.judging_vectors(10).len(), 2);
    }
}

#[test]
fn the_card_calls_a_sites_own_figures_a_disclosure() {
    let key = |seed: u8| SecretKey::from_seed([seed; 32]).public();
    let entries = (1..=4)
        .map(|i| {
            let keys = SiteKeys {
                identity: key(i),
                steward: key(i + 100),
                witness: key(i + 150),
            };
            Entry::new(&format!("site-{i}"), "NL", keys)
        })
        .collect();
    let hub = HubKeys {
        signing: key(200),
        log: key(201),
    };
    let roster = Roster::new("heart-1", 1, hub, "Open Hearts", entries).unwrap();
    let context = CardContext {
        proposer: "Ada",
        roster: &roster,
        earlier: &[],
        near: &[],
        dir: "/srv/motet",
        floors: &Floors::default(),
    };
    let flat = |study: &Study| {
        study
            .card(&context)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let card = flat(&judged(EVALUATION).unwrap());
    for words in [
        "columns by which the finished model is judged: sex (no, yes); age (below 50, 50 to below 65, 65 to below 80, 80 and \
         above); cp (1, 2, 3, 4); country (NL, BE)",
        "a patient without a value there is a group of its own",
        "who is in each group: 72", // 3 + 5 + 5 + 3 levels, 4 groups, and 4 sites
        "how many sites, patients and patients with the outcome",
        "at least 5 patients (as many with and without the outcome) from at least 3 sites",
        "DISCLOSURE, if you allow it: your site's own figures",
        "`own_metrics = true` under `[limits]` of node.toml",
        "ATTENTION: the study asks sites for their OWN figures",
        "your country, say",
    ] {
        assert!(card.contains(words), "{words:?} is not in\n{card}");
    }
    let said = |study: &Study| {
        study
            .lint(4)
            .iter()
            .map(|found| found.message.clone())
            .collect::<String>()
    };
    assert!(said(&judged(EVALUATION).unwrap()).contains("only sites with `own_metrics = true`"));
    assert!(!said(&full()).contains("own_metrics"));
    let without = flat(&judged("[evaluation]\ngroups = [\"sex\"]\n").unwrap());
    assert!(
        without.contains("sex (no, yes)") && !without.contains("own_metrics"),
        "{without}"
    );
    assert!(!flat(&full()).contains("judged"));
}
