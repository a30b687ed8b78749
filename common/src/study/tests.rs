//! A study file from all sides: what is read, what is refused and where, what the digest covers,
//! what the card says.

use super::*;
use motet_recipes::data::Data;
use motet_recipes::filter::Filter;
use motet_recipes::{AnyMethod, FedAvg, Glm, Recipe};
use motet_secagg::encode::Canonical as _;
use motet_secagg::layout::Ring;
use std::collections::BTreeSet;

mod approval;
mod card;
mod evaluation;
mod floors;
mod held_out;
mod meaning;
mod methods;
mod ordered;
mod promises;

const FULL: &str = r#"
[study]
id = "heart-1"
title = "Narrowed vessels"
question = "Which findings go along with a narrowed vessel?"
purpose = "53(1)(e)"
ends = 2027-12-31
sites = ["cleveland", "hungarian", "switzerland", "va"]
recipients = ["ada", "grace"]

[data]
dataset = "heart"
outcome = "y"
features = ["age", "cp", "sex", "restecg"]
filter = "age >= 18 and (sex == 1 or seen > '2020-01-01')"
test_fraction = 0.0

[data.levels]
restecg = ["0", "1.0", "2"]
cp = ["1", "2", "3", "4"]

[recipe]
kind = "logistic"
ridge = 0.5
tolerance = 1e-8
max_rounds = 12

[privacy]
min_sites = 3
min_rows = 20

[rounds]
join = "90s"
share = "1m"
upload = "2h"
sign = "10s"
reveal = "11s"
quorum = 3
on_site_loss = "continue"
"#;

const SHORT: &str = r#"
[study]
id = "abc"
title = "t"
question = "How many?"
purpose = "53(1)(c)"
ends = 2030-02-28
[data]
dataset = "d"
features = ["age", "sex"]
[recipe]
kind = "summary"
"#;

fn full() -> Study {
    Study::parse(FULL).unwrap()
}

fn fedavg() -> Study {
    let recipe = "kind = \"fedavg\"\nmodel = { kind = \"mlp\", hidden = [16] }\nrounds = 7\nbatch = 0\nweight = \"equal\"\nring = 20\n";
    let start = FULL.find("kind = ").unwrap();
    let end = FULL.find("\n[privacy]").unwrap();
    Study::parse(&format!("{}{recipe}{}", &FULL[..start], &FULL[end..])).unwrap()
}

#[test]
fn a_file_says_everything_about_a_study() {
    let study = full();
    assert_eq!(
        study.columns(),
        [
            "age",
            "cp_2",
            "cp_3",
            "cp_4",
            "sex",
            "restecg_1.0",
            "restecg_2"
        ]
    );
    assert_eq!(
        study.reads().into_iter().collect::<Vec<_>>(),
        ["age", "cp", "restecg", "seen", "sex", "y"]
    );
    assert_eq!(
        study.ends,
        Date {
            year: 2027,
            month: 12,
            day: 31
        }
    );
    assert_eq!(study.rounds.upload_s, 7200);
    assert_eq!(
        study.data.filter.as_ref().unwrap().to_string(),
        "age >= 18 and (sex == 1 or seen > \"2020-01-01\")"
    );
    let AnyMethod::Glm(recipe) = study.recipe.method.clone() else {
        panic!("another recipe")
    };
    assert_eq!(
        (
            recipe.design.columns,
            recipe.outcome.as_str(),
            recipe.max_rounds
        ),
        (study.columns(), "y", 12)
    );
    assert_eq!((recipe.ridge, recipe.tolerance), (0.5, 1e-8));
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let study = Study::parse(SHORT).unwrap();
    assert_eq!(
        study.privacy,
        Privacy {
            min_sites: 3,
            min_rows: 10
        }
    );
    let Rounds {
        join_s,
        share_s,
        upload_s,
        sign_s,
        reveal_s,
        quorum,
        on_site_loss,
    } = study.rounds;
    assert_eq!(
        (join_s, share_s, upload_s, sign_s, reveal_s),
        (30, 30, 600, 30, 30)
    );
    assert_eq!((quorum, on_site_loss), (None, SiteLoss::Pause));
    assert!(study.sites.is_empty() && study.data.filter.is_none());
    let logistic = SHORT
        .replace("features", "outcome = \"y\"\nfeatures")
        .replace("summary", "logistic");
    let expected = Recipe::from(Glm::logistic(study.columns(), "y".into()));
    assert_eq!(Study::parse(&logistic).unwrap().recipe.bare(), expected);
    let fedavg = Study::parse(&logistic.replace("\"logistic\"", "\"fedavg\"")).unwrap();
    let expected = FedAvg {
        batch: 32,
        ..FedAvg::new(study.columns(), "y".into())
    };
    assert_eq!(fedavg.recipe.bare(), Recipe::from(expected));
}

/// Replaces `from` by `to`, and expects a refusal in the line of `to` whose text holds `word`.
fn refused(from: &str, to: &str, word: &str) {
    assert!(FULL.contains(from), "{from} is not in the file");
    let text = FULL.replacen(from, to, 1);
    let error = Study::parse(&text).expect_err(to);
    let line = 1 + text[..FULL.find(from).unwrap()].matches('\n').count();
    assert!(error.to_string().contains(word), "{to}: {error}");
    assert_eq!(error.line as usize, line, "{to}: {error}");
    for rust in ["u32", "f64", "struct", "Raw", "sequence", "Spanned"] {
        assert!(!error.to_string().contains(rust), "{error}");
    }
}

#[test]
fn every_mistake_is_refused_in_its_line_with_its_fix() {
    refused("min_rows = 20", "min_rowz = 20", "unknown key `min_rowz`");
    refused("min_rows = 20", "min_rows = \"20\"", "whole number");
    refused("min_rows = 20", "min_rows = -1", "whole number");
    refused("min_rows = 20", "min_rows = 21", "write one of 10, 20, 50");
    refused("min_sites = 3", "min_sites = 2", "write 3 to");
    refused("ridge = 0.5", "ridge = \"x\"", "number");
    refused("ridge = 0.5", "ridge = nan", "`ridge` is `NaN`");
    refused(
        "ridge = 0.5",
        "lr = 0.5",
        "`lr` is not a key of recipe `logistic`",
    );
    refused("kind = \"logistic\"", "kind = \"magic\"", "no recipe");
    refused("id = \"heart-1\"", "id = \"Heart 1\"", "a-z");
    refused(
        "title = \"Narrowed vessels\"",
        "title = \"a\\u001b[2Jb\"",
        "terminal",
    );
    refused("\"53(1)(e)\"", "\"53(1)(g)\"", "Article 53(1)");
    refused("\"53(1)(e)\"", "\"53(1)(e)(iii)\"", "53(1)(e)(ii)");
    refused("2027-12-31", "2027-12-31T00:00:00Z", "without quotes");
    refused(
        "ends = 2027-12-31",
        "ends = \"2027-12-31\"",
        "a date without quotes",
    );
    refused(
        "[\"cleveland\", \"hungarian\", \"switzerland\", \"va\"]",
        "[\"cleveland\", \"va\"]",
        "`min_sites`",
    );
    refused("\"hungarian\"", "\"va\", \"va\"", "stands twice");
    refused("\"hungarian\"", "\"hun\\tgarian\"", "not a site's name");
    refused(
        "outcome = \"y\"",
        "outcome = \"age\"",
        "is the outcome and a feature",
    );
    refused("\"cp\", \"sex\"", "\"cp\", \"cp_2\"", "another column");
    refused("\"cp\", \"sex\"", "\"cp\", \"cp\"", "stands twice");
    refused(
        "\"cp\", \"sex\"",
        "\"cp\", \"the sex\"",
        "not a column's name",
    );
    refused("age >= 18 and", "age >= eighteen and", "at character 8");
    refused(
        "test_fraction = 0.0",
        "test_fraction = 0.02",
        "`test_fraction` is `0.02`",
    );
    refused(
        "\"0\", \"1.0\", \"2\"",
        "\"0\", \"1.0\", \" 1.0\"",
        "level `1.0`",
    );
    refused("[\"0\", \"1.0\", \"2\"]", "[\"0\"]", "fewer than two");
    refused(
        "restecg = [\"0\"",
        "thal = [\"0\"",
        "not one of the features",
    );
    refused("join = \"90s\"", "join = \"90\"", "30s");
    refused("join = \"90s\"", "join = \"0s\"", "30s");
    refused("join = \"90s\"", "join = \"9999h\"", "a week");
    refused("quorum = 3", "quorum = 2", "write 3");
    refused("\"continue\"", "\"go on\"", "pause");
    refused("id = \"heart-1\"", "id = heart", "quoted");
}

#[test]
fn missing_keys_and_tables_are_named() {
    for (line, name) in [
        ("id = \"heart-1\"\n", "id"),
        ("dataset = \"heart\"\n", "dataset"),
        ("kind = \"logistic\"\n", "kind"),
    ] {
        let error = Study::parse(&FULL.replacen(line, "", 1)).unwrap_err();
        assert!(
            error.to_string().contains(&format!("missing key `{name}`")),
            "{error}"
        );
    }
    let error = Study::parse("[study]\nid = \"a\"\n").unwrap_err();
    assert_eq!(
        (error.line, error.problem.as_str()),
        (1, "missing key `title`")
    );
    let error = Study::parse(&SHORT.replace("[recipe]\nkind = \"summary\"\n", "")).unwrap_err();
    assert!(
        error.problem.contains("missing table `[recipe]`"),
        "{error}"
    );
    let error = Study::parse(&FULL.replacen("outcome = \"y\"", "", 1)).unwrap_err();
    assert!(error.to_string().contains("needs an `outcome`"), "{error}");
    let error = Study::parse(&SHORT.replace("features", "outcome = \"y\"\nfeatures")).unwrap_err();
    assert!(error.to_string().contains("has no `outcome`"), "{error}");
    let time = SHORT.replace("features", "time = \"t\"\nfeatures");
    assert!(
        Study::parse(&time)
            .unwrap_err()
            .to_string()
            .contains("`cox`")
    );
}

#[test]
fn a_model_has_layers_of_units() {
    let text = fedavg().to_toml();
    let own = "{ kind = \"mlp\", hidden = [16], outcome = \"binary\" }";
    for (model, word) in [
        (
            "{ kind = \"mlp\", hidden = [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1] }",
            "write at most 16",
        ),
        (
            "{ kind = \"mlp\", hidden = [16, 16385] }",
            "a hidden layer is `16385` wide",
        ),
        ("{ kind = \"mlp\", hidden = [0] }", "write 1 to"),
        ("{ kind = \"mlp\", hidden = [] }", "empty"),
        ("{ kind = \"mlp\" }", "needs `hidden`"),
        ("{ kind = \"logistic\", hidden = [4] }", "no `hidden`"),
        ("{ kind = \"cnn\" }", "no model"),
        (
            "{ kind = \"mlp\", hidden = [16], dropout = 0.5 }",
            "unknown key `dropout`",
        ),
        (
            "{ kind = \"mlp\", hidden = [16], outcome = \"time\" }",
            "names no `time`",
        ),
    ] {
        let error = Study::parse(&text.replace(own, model)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        let line = 1 + text[..text.find("model = ").unwrap()].matches('\n').count();
        assert_eq!(error.line as usize, line, "{error}");
    }
}

#[test]
fn a_ring_is_one_of_four_and_leaves_the_sites_enough_bits() {
    let text = fedavg().to_toml();
    let line = 1 + text[..text.find("ring = 20").unwrap()]
        .matches('\n')
        .count();
    for (ring, word) in [
        ("64", "write 16, 20, 24 or 32"),
        ("8", "`ring` is `8`"),
        ("\"20\"", "whole number"),
    ] {
        let error =
            Study::parse(&text.replace("ring = 20", &format!("ring = {ring}"))).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(error.line as usize, line, "{error}");
    }
    for (bits, ring) in [
        (16, Ring::Bits16),
        (20, Ring::Bits20),
        (24, Ring::Bits24),
        (32, Ring::Bits32),
    ] {
        let study = Study::parse(&text.replace("ring = 20", &format!("ring = {bits}"))).unwrap();
        let motet_recipes::AnyMethod::FedAvg(recipe) = &study.recipe.method else {
            panic!("another recipe")
        };
        assert_eq!(recipe.ring, ring);
        assert_eq!(Study::parse(&study.to_toml()).unwrap(), study);
    }

    // Sixteen sites still round to 2^-8 in the narrowest ring, seventeen do not.
    let named = |count: usize| {
        let sites: Vec<String> = (0..count).map(|at| format!("\"site-{at}\"")).collect();
        let named = format!("sites = [{}]", sites.join(", "));
        let old = "sites = [\"cleveland\", \"hungarian\", \"switzerland\", \"va\"]";
        text.replace("ring = 20", "ring = 16").replace(old, &named)
    };
    Study::parse(&named(16)).unwrap();
    let error = Study::parse(&named(17)).unwrap_err();
    assert_eq!(
        (error.line as usize, error.fix.as_str()),
        (line, "write 20"),
        "{error}"
    );
    assert!(error.problem.contains("`17` sites"), "{error}");

    // A study that names no sites is held to those that are enrolled.
    let open = Study {
        sites: vec![],
        ..Study::parse(&named(16)).unwrap()
    };
    let said = |sites| {
        open.lint(sites)
            .into_iter()
            .find(|finding| finding.message.contains("`ring"))
            .unwrap()
    };
    assert_eq!(said(17).severity, Severity::Error);
    assert!(said(17).message.contains("write `20`"), "{:?}", said(17));
    assert_eq!(said(16).severity, Severity::Note);
    assert!(
        said(16).message.contains("2^-8") && said(16).message.contains("`1024` rows"),
        "{:?}",
        said(16)
    );
}

#[test]
fn recipients_are_named_or_everyone_in_so_many_words_and_else_nobody() {
    let with = |value: &str| Study::parse(&FULL.replace("[\"ada\", \"grace\"]", value));
    let read = |value: &str| with(value).unwrap().recipients;
    assert_eq!(read("[\"ada\"]"), Recipients::Named(vec!["ada".into()]));
    assert_eq!(
        read("\"all researchers of the consortium\""),
        Recipients::Everyone
    );
    assert_eq!(Study::parse(SHORT).unwrap().recipients, Recipients::Nobody);
    let line = FULL
        .lines()
        .position(|line| line.starts_with("recipients"))
        .unwrap()
        + 1;
    for wrong in [
        "[]",
        "\"all\"",
        "\"ada\"",
        "true",
        "[1]",
        "[\"a b\"]",
        "[\"ada\", \"Ada\"]",
        "[\"\"]",
    ] {
        let error = with(wrong).unwrap_err();
        assert_eq!(error.line as usize, line, "{wrong}: {error}");
        assert!(error.problem.contains("recipients"), "{wrong}: {error}");
    }
    let named = read("[\"ada\"]");
    assert!(
        named.include("ada", true) && !named.include("ada", false) && !named.include("grace", true)
    );
    assert!(
        Recipients::Everyone.include("grace", false) && !Recipients::Nobody.include("ada", true)
    );
}

#[test]
fn a_study_written_back_is_the_same_study() {
    let everyone = Study {
        recipients: Recipients::Everyone,
        ..full()
    };
    for study in [full(), everyone, fedavg(), Study::parse(SHORT).unwrap()] {
        assert_eq!(Study::parse(&study.to_toml()).unwrap(), study);
        assert_eq!(Study::from_bytes(&study.to_bytes()).unwrap(), study);
        study.check().unwrap();
    }
    let odd = Study {
        question: "He said \"\"\"why\"\"\"\nand \\n left [data]".into(),
        ..full()
    };
    assert_eq!(Study::parse(&odd.to_toml()).unwrap(), odd);
}

#[test]
fn a_study_from_the_wire_is_held_to_the_rules_of_a_file() {
    let mut study = full();
    study.privacy.min_sites = 1;
    assert!(study.check().unwrap_err().problem.contains("min_sites"));
    study = full();
    study.title = "a\nid = \"other\"".into();
    assert!(study.check().is_err());
    study = full();
    study.data.levels.reverse();
    assert!(
        study.check().is_err(),
        "levels stand in the order of the features"
    );
    study = full();
    study.data.levels[0].levels[1] = " 2".into();
    assert!(study.check().is_err(), "levels stand in their normal form");
}

#[test]
fn only_the_points_of_the_article_are_purposes() {
    for code in [
        "53(1)(a)",
        "53(1)(b)",
        "53(1)(c)",
        "53(1)(d)",
        "53(1)(e)",
        "53(1)(e)(i)",
        "53(1)(e)(ii)",
        "53(1)(f)",
    ] {
        assert!(purpose_meaning(code).is_some());
    }
    for code in ["53(1)(g)", "53(1)", "54(a)", "53(1)(a)(i)", ""] {
        assert!(purpose_meaning(code).is_none());
    }
}

#[test]
fn a_range_names_columns_with_both_its_ends_and_is_written_back_as_one() {
    let wide = |range: &str, kind: &str| {
        let text = SHORT
            .replace("[\"age\", \"sex\"]", &format!("[\"age\", \"{range}\"]"))
            .replace("features", "outcome = \"y\"\nfeatures")
            .replace("summary", kind);
        Study::parse(&text)
    };
    let study = wide("emb[0..511]", "fedavg").unwrap();
    assert_eq!(study.data.features.len(), 513);
    assert_eq!(study.data.features[512], "emb511");
    let written = study.to_toml();
    assert!(
        written.contains(r#"features = ["age", "emb[0..511]"]"#),
        "{written}"
    );
    assert_eq!(Study::parse(&written).unwrap(), study);
    let said = study.means().join("\n");
    assert!(said.contains("no unit of age, emb[0..511]"), "{said}");
    for note in ["no unit of age, emb[0..511]", "range of age, emb[0..511]"] {
        let mut found = study.lint(4).into_iter();
        assert!(
            found.any(|found| found.to_string().contains(note)),
            "{note}"
        );
    }
    for kind in ["fedavg", "gbdt"] {
        assert!(wide("emb[1..4095]", kind).is_ok(), "{kind}");
        let error = wide("emb[0..4095]", kind).unwrap_err();
        assert!(
            error.problem.contains("more than 4096"),
            "{}",
            error.problem
        );
    }
    let regression = wide("emb[1..254]", "logistic").unwrap();
    assert_eq!(regression.data.features.len(), 255);
    for (range, word) in [
        ("emb[1..256]", "256"),
        ("emb[9..3]", "not a range"),
        ("emb[0..8192]", "not a range"),
        ("[0..3]", "not a column's name"),
        ("age[0..3", "not a range"),
    ] {
        let error = wide(range, "logistic").unwrap_err();
        assert!(error.to_string().contains(word), "{range}: {error}");
    }
}
