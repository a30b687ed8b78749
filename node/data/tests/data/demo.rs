//! The demonstration's own files: four hospitals and ten countries, their schemas and their
//! studies.

use motet_common::study::{Severity, Study};
use motet_data::{Cohort, Schema, Table, profile};
use motet_recipes::Memory;
use motet_secagg::digest::Digest;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn demo(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../cli/demo")
        .join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(demo(name)).unwrap()
}

fn cohort(folder: &str, site: &str, study: &Study) -> Cohort {
    let schema = Schema::parse(&read(&format!("{folder}/schema.toml"))).unwrap();
    let table = Table::open(
        &demo(&format!("{folder}/{site}.csv")),
        &schema,
        study.reads(),
    )
    .unwrap();
    Cohort::of(&table, study).unwrap()
}

#[test]
fn four_hospitals_have_740_complete_patients() {
    for file in ["heart/logistic.toml", "heart/fedavg.toml"] {
        let study = Study::parse(&read(file)).unwrap();
        let columns = [
            "age",
            "sex",
            "trestbps",
            "chol",
            "fbs",
            "thalach",
            "exang",
            "oldpeak",
            "cp_2",
            "cp_3",
            "cp_4",
            "restecg_1",
            "restecg_2",
        ];
        assert_eq!(study.columns(), columns);
        let sites = [
            ("cleveland", 303, 303),
            ("hungarian", 261, 294),
            ("switzerland", 46, 123),
            ("va", 130, 200),
        ];
        for (site, used, rows) in sites {
            let cohort = cohort("heart", site, &study);
            assert_eq!(
                (cohort.used, cohort.left_out),
                (used, rows - used),
                "{site}"
            );
            assert_eq!(cohort.x.dim(), (used as usize, 13), "{site}");
            let y = cohort.y.unwrap();
            assert!(y.iter().all(|y| *y == 0.0 || *y == 1.0));
            assert!(cohort.x.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn the_first_hospitals_first_patients_are_as_in_its_file() {
    let study = Study::parse(&read("heart/logistic.toml")).unwrap();
    let cohort = cohort("heart", "cleveland", &study);
    let first = [
        63.0, 1.0, 145.0, 233.0, 1.0, 150.0, 0.0, 2.3, 0.0, 0.0, 0.0, 0.0, 1.0,
    ];
    let second = [
        67.0, 1.0, 160.0, 286.0, 0.0, 108.0, 1.0, 1.5, 0.0, 0.0, 1.0, 0.0, 1.0,
    ];
    assert_eq!(cohort.x.row(0).to_vec(), first);
    assert_eq!(cohort.x.row(1).to_vec(), second);
    assert_eq!(cohort.y.unwrap().to_vec()[..3], [0.0, 1.0, 1.0]);
}

#[test]
fn ten_countries_have_9381_patients() {
    for file in ["stroke/logistic.toml", "stroke/fedavg.toml"] {
        let study = Study::parse(&read(file)).unwrap();
        let countries = [
            ("BELG", 305, 30.0),
            ("CZEC", 466, 44.0),
            ("ITAL", 3437, 306.0),
            ("NETH", 728, 52.0),
            ("NORW", 526, 27.0),
            ("POLA", 759, 94.0),
            ("PORT", 415, 32.0),
            ("SPAI", 478, 41.0),
            ("SWED", 636, 32.0),
            ("SWIT", 1631, 155.0),
        ];
        let mut total = 0;
        for (country, rows, events) in countries {
            let cohort = cohort("stroke", country, &study);
            assert_eq!(
                (cohort.used, cohort.left_out, cohort.filtered),
                (rows, 0, 0),
                "{country}"
            );
            assert_eq!(cohort.y.unwrap().sum(), events, "{country}");
            total += cohort.used;
        }
        assert_eq!(total, 9381);
    }
}

#[test]
fn the_demonstrations_studies_can_be_proposed() {
    for (file, sites) in [
        ("heart/logistic.toml", 4),
        ("heart/fedavg.toml", 4),
        ("stroke/logistic.toml", 10),
        ("stroke/fedavg.toml", 10),
        ("digits/fedavg.toml", 5),
        ("digits/logistic.toml", 5),
    ] {
        let study = Study::parse(&read(file)).unwrap();
        let errors: Vec<_> = study
            .lint(sites)
            .into_iter()
            .filter(|f| f.severity == Severity::Error)
            .collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
        study.check().unwrap();
    }
}

#[test]
fn the_study_of_embeddings_reads_the_columns_that_its_schema_declares() {
    let study = Study::parse(&read("digits/fedavg.toml")).unwrap();
    let exact = Study::parse(&read("digits/logistic.toml")).unwrap();
    let schema = Schema::parse(&read("digits/schema.toml")).unwrap();
    assert_eq!(study.data.dataset, schema.name);
    assert_eq!(study.data.features.len(), 128);
    assert_eq!(
        (exact.reads(), exact.columns()),
        (study.reads(), study.columns())
    );
    // As the script writes them, and one row that it might.
    let columns: Vec<String> = (0..128).map(|n| format!("emb{n}")).collect();
    let row = |n: usize| format!("{n},{},{}\n", n % 2, vec!["0.12345"; 128].join(","));
    let rows: String = (0..20).map(row).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.csv");
    std::fs::write(&path, format!("image,odd,{}\n{rows}", columns.join(","))).unwrap();
    let table = Table::open(&path, &schema, study.reads()).unwrap();
    let cohort = Cohort::of(&table, &study).unwrap();
    assert_eq!((cohort.x.dim(), cohort.left_out), ((20, 128), 0));
}

#[test]
fn the_card_counts_the_numbers_that_the_recipe_really_asks_for() {
    for file in ["heart/logistic.toml", "heart/fedavg.toml"] {
        let study = Study::parse(&read(file)).unwrap();
        let recipe = study.recipe.clone();
        let cohorts = ["cleveland", "hungarian", "va"].map(|site| cohort("heart", site, &study));
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let mut asked: Vec<(&str, usize)> = Vec::new();
        let mut state = recipe.start(Digest::default());
        while let Some(question) = recipe.ask(&state, 3).unwrap() {
            let numbers = question.layout.elements();
            match asked.last_mut() {
                Some((phase, most)) if *phase == question.phase => *most = numbers.max(*most),
                _ => asked.push((question.phase, numbers)),
            }
            let memory = Memory::default();
            let answer = |cohort: &Cohort| {
                recipe
                    .answer(&state, &question, &cohort.rows(), &memory, &mut rng)
                    .unwrap()
                    .update
            };
            let updates = cohorts.iter().map(answer).collect();
            let sum = motet_secagg::fold::plain_sum(&question.layout, Digest::default(), updates)
                .unwrap();
            state = recipe.absorb(&state, &sum).unwrap();
        }
        let asked: Vec<usize> = asked.into_iter().map(|(_, most)| most).collect();
        // Squares are told twice as many, for columns whose squares are asked for again in finer
        // units; none here is.
        let first = |(step, numbers)| {
            if step == "spread" {
                numbers / 2
            } else {
                numbers
            }
        };
        let told: Vec<usize> = study.vectors().into_iter().map(first).collect();
        assert_eq!(asked, told[..asked.len()], "{file}");
        assert!(asked.len() >= told.len() - 1, "{file}: {asked:?}");
    }
}

/// The steps of [`Study::vectors`] that the rounds of a phase may be; a study tells one of them.
const STEPS: [(&str, &[&str]); 20] = [
    ("census", &["first round"]),
    ("sums", &["counts and sums"]),
    ("moments", &["counts and sums"]),
    ("spread", &["spread", "spread and events"]),
    (
        "refine",
        &["windows around the quantiles", "parts of full cells"],
    ),
    ("count", &["counts"]),
    ("null", &["a step of the fit"]),
    ("newton", &["a step of the fit"]),
    ("risk sets", &["groups at risk"]),
    ("information", &["curvatures"]),
    ("events", &["events"]),
    ("at risk", &["patients at risk"]),
    ("train", &["a training round"]),
    ("cells", &["cells of each column"]),
    ("base", &["the outcome"]),
    ("grow", &["a level of a tree"]),
    (
        "evaluate",
        &[
            "the final model",
            "the score's histograms",
            "squared errors",
            "ranked pairs",
            "ranked pairs and drift",
            "scores by time, and drift",
        ],
    ),
    ("parallel", &["the final model"]),
    ("calibrate", &["calibration"]),
    (
        "knots",
        &[
            "rows and sums for the knots",
            "spread for the knots",
            "cells",
            "parts of cells",
        ],
    ),
];

/// The most numbers that each step of this study really asks for, over the tables of some sites.
fn asked(study: &Study, cohorts: &[Cohort]) -> BTreeMap<&'static str, usize> {
    let recipe = &study.recipe;
    let told = study.vectors();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let mut memories: Vec<Memory> = cohorts.iter().map(|_| Memory::default()).collect();
    let mut state = recipe.start(Digest::default());
    let mut found = BTreeMap::new();
    let mut knots = 0;
    while let Some(question) = recipe.ask(&state, cohorts.len() as u32).unwrap() {
        let steps = STEPS
            .iter()
            .find(|(phase, _)| *phase == question.phase)
            .unwrap()
            .1;
        let mut steps: Vec<&str> = steps
            .iter()
            .copied()
            .filter(|step| told.iter().any(|(told, _)| told == step))
            .collect();
        if question.phase == "knots" {
            steps = vec![steps[knots.min(3)]];
            knots += 1;
        }
        assert_eq!(steps.len(), 1, "{}: {steps:?} of {told:?}", question.phase);
        let most: &mut usize = found.entry(steps[0]).or_default();
        *most = (*most).max(question.layout.elements());
        let answer = |(cohort, memory): (&Cohort, &mut Memory)| {
            let answer = recipe
                .answer(&state, &question, &cohort.rows(), memory, &mut rng)
                .unwrap();
            if let Some(kept) = answer.memory {
                *memory = kept;
            }
            answer.update
        };
        let updates = cohorts.iter().zip(&mut memories).map(answer).collect();
        let sum =
            motet_secagg::fold::plain_sum(&question.layout, Digest::default(), updates).unwrap();
        state = recipe.absorb(&state, &sum).unwrap();
    }
    recipe.outcome(&state).unwrap();
    found
}

const HEART: &str = "features = [\"age\", \"chol\", \"exang\"]";
const TCGA: &str =
    "time = \"days\"\nevent = \"death\"\nfeatures = [\"age_at_index\", \"prior_malignancy_yes\"]";
const RACE: &str = "group = \"race_white\"\n[data.levels]\nrace_white = [\"0\", \"1\"]";
const MONTHS: &str = "times = \"grid\"\nstep = 30\nhorizon = 8700";

/// Studies of every kind: the folder, the kind, more of `[data]`, and the keys of `[recipe]`.
fn every_kind() -> Vec<(&'static str, &'static str, String, String)> {
    let heart = |outcome: &str| format!("outcome = \"{outcome}\"\n{HEART}");
    let mut studies = Vec::new();
    let mut add = |folder, kind, data: String, keys: &str| {
        studies.push((folder, kind, data, keys.to_owned()))
    };
    let group = "group = \"restecg\"\n[data.levels]\nrestecg = [\"0\", \"1\", \"2\"]";
    let edges =
        "edges = { age = [0, 40, 50, 60, 120], exang = \"yes or no\" }\nquantiles = [0.25, 0.5]";
    add("heart", "summary", HEART.into(), "");
    add("heart", "summary", format!("{HEART}\n{group}"), edges);
    add("heart", "count", String::new(), "");
    add("heart", "count", "outcome = \"y\"".into(), "");
    add("heart", "logistic", heart("y"), "");
    // Of `chol` one of the three sites alone has patients at 0, which a spline would tell apart.
    let formula = "formula = \"y ~ chol + ns(age, 3) + exang + chol:exang\"";
    for errors in ["model", "hc0"] {
        add(
            "heart",
            "logistic",
            heart("y"),
            &format!("{formula}\nerrors = \"{errors}\""),
        );
    }
    let ordered = "outcome = \"cp\"\nfeatures = [\"age\", \"exang\"]\n[data.levels]\ncp = [\"1\", \"2\", \"3\", \"4\"]";
    add(
        "heart",
        "ordinal",
        ordered.into(),
        "formula = \"cp ~ age + exang + I(age^2)\"",
    );
    let sides = "offset = \"oldpeak\"\nweight = \"trestbps\"\nweight_kind = \"precision\"";
    for kind in ["linear", "poisson", "gamma", "quasipoisson"] {
        add("heart", kind, heart("thalach"), "");
        add(
            "heart",
            kind,
            format!("{}\n{sides}", heart("thalach")),
            "errors = \"hc1\"",
        );
    }
    add("heart", "quasibinomial", heart("y"), "errors = \"hc0\"");
    add(
        "heart",
        "quasibinomial",
        format!("offset = \"oldpeak\"\n{}", heart("y")),
        "",
    );
    for (kind, outcome, model) in [
        ("fedavg", "thalach", "kind = \"linear\""),
        ("fedavg", "y", "kind = \"mlp\", hidden = [4, 3]"),
        ("scaffold", "y", "kind = \"logistic\""),
        (
            "scaffold",
            "thalach",
            "kind = \"mlp\", hidden = [4], outcome = \"number\"",
        ),
    ] {
        add(
            "heart",
            kind,
            heart(outcome),
            &format!("model = {{ {model} }}\nrounds = 2\nlr = 0.01"),
        );
    }
    for (loss, outcome) in [("logistic", "y"), ("squared", "thalach")] {
        for (bins, depth, validation) in [(2, 1, 0.0), (32, 4, 0.25), (64, 3, 0.0)] {
            let keys =
                format!("bins = {bins}\ndepth = {depth}\nvalidation = {validation:?}\ntrees = 3");
            add(
                "heart",
                "gbdt",
                // Trees part who lacks a value; of these columns they are at two hospitals only.
                format!("filter = \"chol >= 0 and exang >= 0\"\n{}", heart(outcome)),
                &format!("loss = \"{loss}\"\n{keys}"),
            );
        }
    }
    for ties in ["efron", "breslow"] {
        for strata in ["none", "site", "group"] {
            let data = if strata == "group" {
                format!("{TCGA}\n{RACE}")
            } else {
                TCGA.to_owned()
            };
            let keys = format!("{MONTHS}\nstrata = \"{strata}\"\nties = \"{ties}\"");
            add("breast-tcga", "cox", data, &keys);
        }
    }
    let times = "time = \"days\"\nevent = \"death\"";
    add("breast-tcga", "km", times.into(), MONTHS);
    add("breast-tcga", "km", format!("{times}\n{RACE}"), MONTHS);
    add("breast-tcga", "fedavg", TCGA.into(), "rounds = 2");
    studies
}

#[test]
fn the_card_counts_the_numbers_that_every_kind_of_recipe_really_asks_for() {
    // The one column that divides the patients is a category here.
    let race = "[columns.race_white]\ntype = ";
    let category = format!("{race}\"category\"\nlevels = [\"0\", \"1\"]");
    for (folder, kind, data, keys) in every_kind() {
        let (dataset, sites): (_, &[&str]) = match folder {
            "heart" => ("heart", &["cleveland", "hungarian", "va"]),
            _ => ("tcga-brca", &["northeast", "south", "west", "midwest"]),
        };
        let study = format!(
            "[study]\nid = \"abc\"\ntitle = \"t\"\nquestion = \"How many?\"\npurpose = \"53(1)(e)\"\nends = 2030-02-28\n\
             [data]\ndataset = \"{dataset}\"\n{data}\n[recipe]\nkind = \"{kind}\"\n{keys}"
        );
        let study = Study::parse(&study).unwrap_or_else(|error| panic!("{study}\n{error}"));
        let schema =
            read(&format!("{folder}/schema.toml")).replace(&format!("{race}\"bool\""), &category);
        // What is explained has its levels in order.
        let schema = match kind {
            "ordinal" => schema.replace("type = \"category\"", "type = \"ordered\""),
            _ => schema,
        };
        let schema = Schema::parse(&schema).unwrap();
        let open = |site: &&str| {
            let path = demo(&format!("{folder}/{site}.csv"));
            Cohort::of(&Table::open(&path, &schema, study.reads()).unwrap(), &study).unwrap()
        };
        let cohorts: Vec<Cohort> = sites.iter().map(open).collect();
        let found = asked(&study, &cohorts);
        for (step, told) in study.vectors() {
            let asked = found.get(step).copied().unwrap_or_default();
            assert!(
                asked <= told,
                "{kind}, {keys}: {step} has {asked} numbers and not {told} at the most"
            );
            // Where the score is calibrated already, no round is needed for its line.
            let needed = step != "calibration";
            assert!(
                asked > 0 || !needed,
                "{kind}, {keys}: {step} is never asked for, {found:?}"
            );
        }
    }
}

#[test]
fn a_profile_says_the_sites_own_counts_whole_and_that_it_stays_there() {
    let schema = Schema::parse(&read("heart/schema.toml")).unwrap();
    let table = Table::open_all(&demo("heart/switzerland.csv"), &schema).unwrap();
    let shown = profile(&table).to_string();
    for line in [
        "dataset heart: 123 rows",
        "mean 55.32, sd 9.032, 32 to 74",
        "1: 4, 2: 4, 3: 17, 4: 98",
        "75 (61.0 %)  false: 43, true: 5",
        "1 (0.8 %)  false: 68, true: 54",
        "is not to be mailed",
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
}
