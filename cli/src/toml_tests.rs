//! One table over every kind of TOML file: the same mistake is named in the same words, with file,
//! line and fix.

use crate::identity::Identity;
use motet_common::study::Study;
use motet_coordinator::config::Config;
use motet_node::data_desk::Dataset;
use motet_node::home::Paths;
use motet_node::permits::Permit;
use motet_node::settings::{SAMPLE, Settings};
use motet_secagg::sign::SecretKey;
use std::path::Path;

/// A kind of file: what it is called in a mistake, a sound one, a key of text that it must have, and
/// what reading it says.
struct Kind {
    name: &'static str,
    sound: String,
    key: &'static str,
    said: fn(&Path, &str) -> Result<(), String>,
}

/// Writes the text where the file lies in a folder of its own.
fn put(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    motet_proto::keyfile::write_secret(&path, text.as_bytes()).unwrap();
}

fn hex(seed: u8) -> String {
    SecretKey::from_seed([seed; 32]).public().hex()
}

const SCHEMA: &str = include_str!("../demo/heart/schema.toml");

fn kinds() -> Vec<Kind> {
    vec![
        Kind {
            name: "study file",
            sound: include_str!("../demo/heart/logistic.toml").to_owned(),
            key: "title",
            said: |_, text| Study::parse(text).map(drop).map_err(|e| e.to_string()),
        },
        Kind {
            name: "study.toml",
            sound: include_str!("../demo/heart/logistic.toml").to_owned(),
            key: "title",
            said: |folder, text| {
                put(folder, "study.toml", text);
                let read = crate::propose::read(&folder.join("study.toml"));
                read.map(drop).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "schema",
            sound: SCHEMA.to_owned(),
            key: "name",
            said: |_, text| {
                let read = motet_data::Schema::parse(text);
                read.map(drop).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "schema.toml",
            sound: SCHEMA.to_owned(),
            key: "name",
            said: |folder, text| {
                put(folder, "data/heart/source.toml", "csv = \"x.csv\"\n");
                put(folder, "data/heart/schema.toml", text);
                let read = Dataset::find(&Paths::new(folder), "heart");
                read.map(drop).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "source.toml",
            sound: "csv = \"x.csv\"\n".to_owned(),
            key: "csv",
            said: |folder, text| {
                put(folder, "data/heart/schema.toml", SCHEMA);
                put(folder, "data/heart/source.toml", text);
                let read = Dataset::find(&Paths::new(folder), "heart");
                read.map(drop).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "node.toml",
            sound: SAMPLE.to_owned(),
            key: "consortium",
            said: |_, text| Settings::parse(text).map(drop).map_err(|e| e.to_string()),
        },
        Kind {
            name: "permit.toml",
            sound: include_str!("../../node/permit.toml.sample").to_owned(),
            key: "authority",
            said: |folder, text| {
                let read = Permit::parse(&folder.join("permit.toml"), text);
                read.map(drop).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "coordinator.toml",
            sound: include_str!("../../coordinator/coordinator.sample.toml").to_owned(),
            key: "listen",
            said: |folder, text| {
                let path = folder.join("coordinator.toml");
                std::fs::write(&path, text).unwrap();
                let read = Config::read(&path).map_err(crate::failure::Failure::from);
                read.map(drop).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "identity.toml",
            sound: format!(
                "consortium = \"c\"\naddress = \"h:1\"\nname = \"ada\"\ncountry = \"NL\"\nrole = \"operator\"\n\
                 governance = \"{}\"\nauthority = \"{}\"\n",
                hex(1),
                hex(2)
            ),
            key: "role",
            said: |folder, text| {
                put(folder, "identity.toml", text);
                let read = Identity::open(Some(folder));
                read.map(drop).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "coordinator.toml",
            sound: format!("signing = \"{}\"\nlog = \"{}\"\n", hex(3), hex(4)),
            key: "log",
            said: |folder, text| {
                put(folder, "coordinator.toml", text);
                let [signing, log] = [3, 4].map(|seed| SecretKey::from_seed([seed; 32]).public());
                let named = motet_common::roster::HubKeys { signing, log };
                crate::hub::hold(folder, &named).map_err(|e| e.to_string())
            },
        },
        Kind {
            name: "00000000000000000000000000000000.toml",
            sound: "name = \"lyon\"\ncountry = \"FR\"\nrole = \"site\"\nexpires_ms = 0\n"
                .to_owned(),
            key: "country",
            said: |folder, text| {
                put(folder, &format!("invites/{}.toml", "0".repeat(32)), text);
                let read = crate::invitation::Kept::of(folder, &[0; 16]);
                read.map(drop).map_err(|e| e.to_string())
            },
        },
    ]
}

/// The line of the first place where `key` is given.
fn line_of(text: &str, key: &str) -> usize {
    let given = |line: &str| line.trim_start().starts_with(&format!("{key} = "));
    1 + text.lines().position(given).unwrap()
}

/// The text with the lines that give `key` changed, and the first of them alone.
fn with_line(text: &str, key: &str, line: &str) -> String {
    let at = line_of(text, key) - 1;
    let lines = text.lines().enumerate();
    let changed = lines.map(|(place, old)| if place == at { line } else { old });
    changed.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn the_same_mistake_is_named_in_the_same_words_in_every_kind_of_file() {
    for kind in kinds() {
        let (key, sound) = (kind.key, kind.sound.as_str());
        let said = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            (kind.said)(folder.path(), text).expect_err(text)
        };
        let folder = tempfile::tempdir().unwrap();
        assert_eq!((kind.said)(folder.path(), sound), Ok(()), "{}", kind.name);
        let here = line_of(sound, key);
        let own = sound.lines().nth(here - 1).unwrap();
        let typo = format!("{key}z");
        let mistakes = [
            (
                with_line(sound, key, &format!("{key} = 3")),
                Some(here),
                format!("`{key}` is a whole number, not a text in quotes"),
                "correct the line".to_owned(),
            ),
            (
                with_line(sound, key, &own.replacen(key, &typo, 1)),
                Some(here),
                format!("unknown key `{typo}`"),
                format!("did you mean `{key}`? correct or remove it"),
            ),
            (
                with_line(sound, key, &format!("{key} = broken")),
                Some(here),
                "not TOML: a text must be quoted".to_owned(),
                "correct the line".to_owned(),
            ),
            (
                with_line(sound, key, &format!("{own}\n{own}")),
                Some(here + 1),
                format!("`{key}` stands twice"),
                "keep one of them".to_owned(),
            ),
            (
                with_line(sound, key, ""),
                None,
                format!("missing key `{key}`"),
                "add it".to_owned(),
            ),
        ];
        for (text, line, problem, fix) in mistakes {
            let said = said(&text);
            let place = line.map_or("line ".to_owned(), |line| format!("line {line}: "));
            for words in [kind.name, &place, &problem, &fix] {
                assert!(said.contains(words), "{}: {words:?} in {said}", kind.name);
            }
            for theirs in [
                "expected a",
                "invalid type",
                "field",
                "struct",
                "u32",
                "TOML parse",
            ] {
                assert!(!said.contains(theirs), "{}: {said}", kind.name);
            }
        }
    }
}

#[test]
fn the_numbers_of_rosters_are_named_with_file_line_and_fix_too() {
    let folder = tempfile::tempdir().unwrap();
    let governance = SecretKey::from_seed([9; 32]).public().fingerprint();
    for (text, words) in [
        (
            "ist = 1\nother = \"2\"\n",
            "line 2: `other` is a text, not a whole number from 0",
        ),
        ("ist = 1\nist = 2\n", "line 2: `ist` stands twice"),
        ("ist = one\n", "line 1: not TOML"),
    ] {
        put(folder.path(), "rosters.toml", text);
        let failure = crate::epoch::next(folder.path(), &governance, "ist", &[]).unwrap_err();
        let said = failure.to_string();
        assert!(
            said.contains(words) && said.contains("rosters.toml`, line"),
            "{said}"
        );
        assert!(said.contains("restore it from a backup"), "{said}");
    }
}
