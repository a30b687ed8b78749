//! Every sentence of the card is a promise, and stands here with the tests that go red when it is
//! not true. `*` stands for what differs from study to study.

use super::methods::{SAMPLES, file, sample};
use super::*;
use crate::roster::{Entry, HubKeys, Roster, SiteKeys};
use motet_secagg::sign::SecretKey;
use std::path::{Path, PathBuf};

/// A sentence, a tab, and the tests that hold it.
const PROMISES: &str = include_str!("promises.tsv");

fn promises() -> Vec<(&'static str, Vec<&'static str>)> {
    let line = |line: &'static str| {
        let (sentence, tests) = line.split_once('\t').unwrap();
        (sentence, tests.split(',').collect())
    };
    PROMISES.lines().map(line).collect()
}

fn roster(sites: u8) -> Roster {
    let key = |seed: u8| SecretKey::from_seed([seed; 32]).public();
    let entry = |i: u8| {
        let keys = SiteKeys {
            identity: key(i),
            steward: key(i + 100),
            witness: key(i + 150),
        };
        Entry::new(&format!("site-{i}"), "NL", keys)
    };
    let hub = HubKeys {
        signing: key(200),
        log: key(201),
    };
    Roster::new(
        "abc",
        1,
        hub,
        "Open Hearts",
        (1..=sites).map(entry).collect(),
    )
    .unwrap()
}

/// Studies that between them make the card say all it can.
fn studies() -> Vec<Study> {
    let survival = "time = \"days\"\nevent = \"died\"\n";
    let age = "outcome = \"y\"\nfeatures = [\"age\"]";
    let table = "features = [\"age\"]\nfilter = \"age >= 18\"";
    let apart = "\ntest_fraction = 0.2";
    let judged = "\n[evaluation]\ngroups = [\"sex\"]\nsites = true";
    let read = |kind: &str, data: &str, recipe: &str| {
        Study::parse(&file(kind, data, recipe)).unwrap_or_else(|error| panic!("{kind}: {error}"))
    };
    let mut studies: Vec<Study> = SAMPLES.iter().map(|(kind, _, _)| sample(kind)).collect();
    studies.extend([
        read("summary", table, ""),
        read(
            "summary",
            table,
            "edges = { age = [0, 50] }\nextremes = true\n",
        ),
        read(
            "summary",
            "group = \"arm\"\nfeatures = [\"age\"]\n[data.levels]\narm = [\"a\", \"b\"]",
            "",
        ),
        read("logistic", age, ""),
        read("logistic", age, "errors = \"hc0\"\n"),
        read("linear", age, ""),
        read("fedavg", age, "weight = \"equal\"\n"),
        read("fedavg", age, "weight_cap = 0.5\n"),
        read("gbdt", age, "loss = \"squared\"\nvalidation = 0\n"),
        read(
            "cox",
            &format!("{survival}features = [\"age\"]"),
            "times = \"grid\"\nstep = 7\nhorizon = 182\n",
        ),
        read(
            "cox",
            &format!("{survival}features = [\"age\"]"),
            "times = \"grid\"\nhorizon = 182\nstrata = \"site\"\n",
        ),
        read(
            "km",
            &format!("{survival}[data.columns.days]\nunit = \"d\"\nrange = [0, 9999]"),
            "times = \"grid\"\nstep = 7\nhorizon = 182\n",
        ),
        read("logistic", &format!("{age}{judged}"), ""),
        read("linear", &format!("{age}{judged}"), ""),
        read(
            "cox",
            &format!("{survival}features = [\"age\"]{judged}"),
            "times = \"grid\"\nstep = 7\nhorizon = 182\n",
        ),
        read("logistic", &format!("{age}{apart}"), ""),
        read("linear", &format!("{age}{apart}"), ""),
        read(
            "cox",
            &format!("{survival}features = [\"age\"]{apart}"),
            "times = \"grid\"\nstep = 7\nhorizon = 182\n",
        ),
    ]);
    for ended in [Recipients::Everyone, Recipients::Named(vec!["Ada".into()])] {
        studies.push(Study {
            recipients: ended,
            ..sample("logistic")
        });
    }
    let mut goes_on = sample("fedprox");
    goes_on.rounds.on_site_loss = SiteLoss::Continue;
    studies.push(goes_on);
    studies.push(Study {
        sites: vec!["site-1".into(), "site-2".into(), "site-9".into()],
        ..sample("logistic")
    });
    studies
}

/// The sentences of a card, one a line: titles too, and not the commands.
fn sentences(card: &str) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for line in card.lines() {
        match (
            line.strip_prefix("  - "),
            line.strip_prefix("    "),
            sentences.last_mut(),
        ) {
            (Some(fact), ..) => sentences.push(fact.to_owned()),
            (None, Some(more), Some(last)) => *last = format!("{last} {more}"),
            _ if line.trim().is_empty()
                || line.starts_with("  approve:")
                || line.starts_with("  decline:") => {}
            _ if line.chars().any(char::is_lowercase) => sentences.push(line.trim().to_owned()),
            _ => {}
        }
    }
    sentences
}

/// Whether a sentence is that of a pattern.
fn says(pattern: &str, sentence: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = sentence.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the workspace's own sources"
)]
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_sentence_of_the_card_is_listed_with_the_tests_that_hold_it() {
    let floors = [
        Floors::default(),
        Floors {
            exact_times: true,
            ..Floors::default()
        },
    ];
    let earlier = [Earlier {
        id: "old".into(),
        joined: vec!["site-1".into()],
        left: Vec::new(),
        same_question: true,
        others_held_out: true,
    }];
    let mut said = BTreeSet::new();
    for study in studies() {
        for (sites, earlier, floors) in [
            (3, &earlier[..0], &floors[0]),
            (4, &earlier[..], &floors[1]),
            (10, &earlier[..0], &floors[0]),
        ] {
            let roster = roster(sites);
            let context = CardContext {
                proposer: "Ada",
                roster: &roster,
                earlier,
                near: &[],
                dir: "/srv/motet",
                floors,
            };
            said.extend(sentences(&study.card(&context)));
        }
    }
    let promises = promises();
    let unlisted: Vec<&String> = said
        .iter()
        .filter(|line| !promises.iter().any(|(pattern, _)| says(pattern, line)))
        .collect();
    assert!(
        unlisted.is_empty(),
        "sentences that nobody holds:\n{unlisted:#?}"
    );
    let unsaid: Vec<&str> = promises
        .iter()
        .map(|(pattern, _)| *pattern)
        .filter(|pattern| !said.iter().any(|line| says(pattern, line)))
        .collect();
    assert!(
        unsaid.is_empty(),
        "sentences that no card says:\n{unsaid:#?}"
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the workspace's own sources"
)]
fn every_test_that_holds_a_sentence_of_the_card_is_there() {
    let mut files = Vec::new();
    rust_files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
        &mut files,
    );
    let sources: String = files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for (sentence, tests) in promises() {
        for test in tests {
            let functions = [
                format!("fn {test}("),
                format!("    {test} {{"),
                format!("    {test}("),
            ];
            assert!(
                functions.iter().any(|function| sources.contains(function)),
                "{test}, which is to hold: {sentence}"
            );
        }
    }
}
