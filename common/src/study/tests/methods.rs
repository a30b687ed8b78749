//! Every kind of recipe: read, written back, held to its rules, told to the steward.

use super::*;
use motet_recipes::{AnyMethod, Glm, WeightKind};

/// A kind, its table `[data]` after the dataset, and its table `[recipe]` after the kind.
pub(super) const SAMPLES: [(&str, &str, &str); 15] = [
    (
        "summary",
        "group = \"arm\"\nfeatures = [\"age\", \"sex\", \"cp\"]\n[data.levels]\narm = [\"a\", \"b\"]\ncp = [\"1\", \"2\", \"3\"]",
        "edges = { age = [0, 50, 100], sex = \"yes or no\" }\nquantiles = [0.25, 0.5]\n",
    ),
    (
        "count",
        "outcome = \"y\"\nfilter = \"age >= 18\"",
        "multiple = 20\n",
    ),
    (
        "linear",
        "outcome = \"sbp\"\noffset = \"known\"\nweight = \"w\"\nweight_kind = \"precision\"\nfeatures = [\"sex\", \"age\", \"cp\"]\n[data.levels]\ncp = [\"1\", \"2\", \"3\"]",
        "formula = \"sbp ~ age + sex + cp + age:sex\"\nerrors = \"hc1\"\n",
    ),
    (
        "logistic",
        "outcome = \"y\"\nfeatures = [\"age\"]",
        "lasso = 0.25\n",
    ),
    ("poisson", "outcome = \"visits\"\nfeatures = [\"age\"]", ""),
    (
        "gamma",
        "outcome = \"cost\"\nfeatures = [\"age\"]",
        "ridge = 1\n",
    ),
    (
        "quasibinomial",
        "outcome = \"share\"\nfeatures = [\"age\", \"sbp\"]",
        "formula = \"share ~ age + ns(sbp, 3)\"\n",
    ),
    (
        "ordinal",
        "outcome = \"mrs\"\nfeatures = [\"age\", \"cp\", \"sex\"]\n[data.levels]\nmrs = [\"0\", \"1\", \"2\"]\ncp = [\"1\", \"2\", \"3\"]",
        "formula = \"mrs ~ age + sex + cp + age:sex\"\nmax_rounds = 40\n",
    ),
    (
        "cox",
        "time = \"days\"\nevent = \"died\"\nfeatures = [\"age\", \"sex\"]",
        "times = \"exact\"\nhorizon = 182\n",
    ),
    (
        "km",
        "time = \"days\"\nevent = \"died\"\ngroup = \"arm\"\n[data.levels]\narm = [\"a\", \"b\"]",
        "times = \"grid\"\nstep = 7\nhorizon = 182\nmarks = [91]\ntau = 140\n",
    ),
    (
        "fedprox",
        "outcome = \"y\"\nfeatures = [\"age\"]",
        "model = { kind = \"mlp\", hidden = [8, 4] }\nmu = 0.1\n",
    ),
    (
        "fedadam",
        "outcome = \"sbp\"\nfeatures = [\"age\"]",
        "model = { kind = \"linear\" }\nserver_lr = 0.1\n",
    ),
    (
        "fedavgm",
        "time = \"days\"\nevent = \"died\"\nfeatures = [\"age\"]",
        "momentum = 0.5\nclip = 1.0\n",
    ),
    (
        "scaffold",
        "outcome = \"y\"\nfeatures = [\"age\"]",
        "local_epochs = 5\n",
    ),
    (
        "gbdt",
        "outcome = \"y\"\nfeatures = [\"age\", \"sex\"]",
        "trees = 20\nvalidation = 0.25\n",
    ),
];

/// A study file of a kind.
pub(super) fn file(kind: &str, data: &str, recipe: &str) -> String {
    format!(
        "[study]\nid = \"abc\"\ntitle = \"t\"\nquestion = \"How many?\"\npurpose = \"53(1)(c)\"\nends = 2030-02-28\n\
         [data]\ndataset = \"d\"\n{data}\n[recipe]\nkind = \"{kind}\"\n{recipe}"
    )
}

/// The sample study of a kind.
pub(super) fn sample(kind: &str) -> Study {
    let (kind, data, recipe) = SAMPLES
        .into_iter()
        .find(|(known, _, _)| *known == kind)
        .unwrap();
    Study::parse(&file(kind, data, recipe)).unwrap_or_else(|error| panic!("{kind}: {error}"))
}

#[test]
fn every_kind_is_read_and_written_back() {
    for (kind, _, _) in SAMPLES {
        let study = sample(kind);
        assert_eq!(study.recipe.kind(), kind);
        assert_eq!(
            Study::parse(&study.to_toml()).unwrap(),
            study,
            "{}",
            study.to_toml()
        );
        assert_eq!(Study::from_bytes(&study.to_bytes()).unwrap(), study);
        study.check().unwrap();
        assert!(
            study.vectors().iter().all(|(_, numbers)| *numbers > 0),
            "{kind}"
        );
        assert!(!study.recipe.method.adds_up().is_empty());
    }
}

#[test]
fn every_kind_and_key_stands_on_the_page_about_recipes() {
    let page = include_str!("../../../../RECIPES.md");
    for kind in Study::kinds().split(", ") {
        assert!(page.contains(kind), "{kind}");
    }
    for (kind, _, _) in SAMPLES {
        for (key, _) in sample(kind).parameters() {
            assert!(page.contains(&format!("`{key}`")), "{kind}: `{key}`");
        }
    }
}

#[test]
fn a_formula_makes_the_columns_and_orders_the_features() {
    let study = sample("linear");
    assert_eq!(study.data.features, ["age", "sex", "cp"]);
    assert_eq!(study.columns(), ["age", "sex", "cp_2", "cp_3"]);
    let AnyMethod::Glm(recipe) = &study.recipe.method else {
        panic!("another recipe")
    };
    assert_eq!(
        recipe.design.names(),
        ["age", "sex", "cp_2", "cp_3", "age:sex"]
    );
    assert!(recipe.offset && recipe.weight == Some(WeightKind::Precision));
    let reads: Vec<&str> = study.reads().into_iter().collect();
    assert_eq!(reads, ["age", "cp", "known", "sbp", "sex", "w"]);
}

#[test]
fn a_steward_reads_what_the_search_for_knots_shows() {
    let study = sample("quasibinomial");
    let said = study.recipe.method.shows().join("\n");
    for words in [
        "to place the 4 knots of ns(sbp, 3)",
        "may hold one patient of all sites",
        "become public",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Two order statistics around each of four knots, 32 parts each.
    assert!(
        study.vectors().contains(&("parts of cells", 256)),
        "{:?}",
        study.vectors()
    );
    assert!(
        !sample("linear")
            .recipe
            .method
            .shows()
            .join("\n")
            .contains("knots")
    );
}

#[test]
fn every_study_has_one_that_only_counts_its_patients() {
    for (kind, _, _) in SAMPLES {
        let study = sample(kind);
        let counted = study.feasibility(20);
        counted.check().unwrap();
        assert_eq!(
            (counted.id.as_str(), counted.recipe.kind()),
            ("abc-count", "count"),
            "{kind}"
        );
        // A row without any of what the study needs is not counted, and no other row is left out.
        let needed = match kind {
            "summary" => BTreeSet::from(["arm"]),
            "gbdt" => BTreeSet::from(["y"]),
            _ => study.reads(),
        };
        assert_eq!(counted.reads(), needed, "{kind}");
        assert_eq!(
            counted.data.features.is_empty(),
            study.recipe.method.keeps_missing() && study.data.group.is_none() || kind == "count",
            "{kind}"
        );
        let AnyMethod::Count(recipe) = &counted.recipe.method else {
            panic!("another recipe")
        };
        assert_eq!(
            (recipe.multiple, recipe.outcome.is_some()),
            (20, counted.data.outcome.is_some())
        );
    }
    assert_eq!(
        sample("cox").feasibility(10).data.outcome.as_deref(),
        Some("died")
    );
    assert_eq!(
        sample("linear").feasibility(10).data.outcome,
        None,
        "a number is not counted"
    );
}

#[test]
fn a_logistic_study_without_options_is_the_plain_fit_of_its_family() {
    let plain = file("logistic", "outcome = \"y\"\nfeatures = [\"age\"]", "");
    assert_eq!(
        Study::parse(&plain).unwrap().recipe.bare(),
        Recipe::from(Glm::logistic(vec!["age".into()], "y".into()))
    );
    assert!(matches!(
        sample("logistic").recipe.method,
        AnyMethod::Glm(_)
    ));
}

#[test]
fn the_kind_says_what_the_outcome_must_be() {
    for (kind, outcome) in [
        ("logistic", Outcome::YesNo),
        ("linear", Outcome::Number),
        ("cox", Outcome::YesNo),
        ("fedadam", Outcome::Number),
        ("ordinal", Outcome::Ordered),
    ] {
        assert_eq!(sample(kind).outcome(), outcome, "{kind}");
    }
    assert!(
        sample("gbdt").recipe.method.keeps_missing()
            && !sample("cox").recipe.method.keeps_missing()
    );
    assert!(sample("cox").shows_exact_times() && !sample("km").shows_exact_times());
}

#[test]
fn mistakes_of_every_kind_are_refused_with_their_fix() {
    let survival = "time = \"days\"\nevent = \"died\"\nfeatures = [\"age\"]";
    let outcome = "outcome = \"y\"\nfeatures = [\"age\", \"sex\"]";
    for (kind, data, recipe, words) in [
        (
            "cox",
            outcome,
            "times = \"exact\"\nhorizon = 9\n",
            "recipe `cox` has no `outcome`",
        ),
        (
            "cox",
            "features = [\"age\"]",
            "times = \"exact\"\nhorizon = 9\n",
            "needs `time` and `event`",
        ),
        (
            "cox",
            "time = \"days\"\nfeatures = [\"age\"]",
            "",
            "belong together",
        ),
        ("cox", survival, "horizon = 9\n", "`times` is missing"),
        (
            "cox",
            survival,
            "times = \"exact\"\n",
            "`horizon` is missing",
        ),
        (
            "cox",
            survival,
            "times = \"soon\"\nhorizon = 9\n",
            "write \"grid\" or \"exact\"",
        ),
        (
            "cox",
            survival,
            "times = \"grid\"\nstep = 2\nhorizon = 9\n",
            "a multiple of `step`",
        ),
        (
            "cox",
            survival,
            "times = \"grid\"\nhorizon = 9\nstrata = \"group\"\n",
            "the study names no group",
        ),
        (
            "cox",
            survival,
            "times = \"grid\"\nhorizon = 9\nstrata = \"sex\"\n",
            "\"none\", \"site\" or \"group\"",
        ),
        (
            "km",
            "time = \"days\"\nevent = \"days\"",
            "times = \"grid\"\nhorizon = 9\n",
            "`days` is the time and the outcome",
        ),
        (
            "km",
            "time = \"t\"\nevent = \"e\"\ngroup = \"arm\"",
            "times = \"grid\"\nhorizon = 9\n",
            "no levels of `arm`",
        ),
        (
            "logistic",
            "outcome = \"y\"\ntime = \"t\"\nfeatures = [\"age\"]",
            "",
            "recipe `logistic` has no `time`",
        ),
        ("logistic", "outcome = \"y\"", "", "missing key `features`"),
        (
            "logistic",
            outcome,
            "formula = \"y ~ age +\"\n",
            "`formula`",
        ),
        (
            "logistic",
            outcome,
            "formula = \"z ~ age + sex\"\n",
            "explains `z`",
        ),
        (
            "logistic",
            outcome,
            "formula = \"y ~ age\"\n",
            "`sex` has no part in the formula",
        ),
        (
            "logistic",
            outcome,
            "formula = \"y ~ age + sex + bmi\"\n",
            "`bmi`, which is not among the features",
        ),
        (
            "logistic",
            "outcome = \"y\"\nfeatures = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"]",
            "formula = \"y ~ a:b:c:d:e:f:ns(g, 2)\"\n",
            "without a product of more than six columns",
        ),
        (
            "summary",
            "features = [\"age\"]",
            "edges = { age = [0, 50, 100] }\nquantiles = [0.8554]\n",
            "in steps of 0.005",
        ),
        (
            "logistic",
            outcome,
            "lasso = 1\nerrors = \"hc0\"\n",
            "errors",
        ),
        (
            "logistic",
            outcome,
            "errors = \"hc9\"\n",
            "\"model\", \"hc0\" or \"hc1\"",
        ),
        (
            "logistic",
            "outcome = \"y\"\ngroup = \"g\"\nfeatures = [\"age\"]",
            "",
            "recipe `logistic` has no `group`",
        ),
        (
            "gbdt",
            "outcome = \"y\"\nweight = \"w\"\nweight_kind = \"precision\"\nfeatures = [\"age\"]",
            "",
            "recipe `gbdt` has no `weight`",
        ),
        (
            "poisson",
            "outcome = \"y\"\nweight = \"w\"\nfeatures = [\"age\"]",
            "",
            "`weight` stands without `weight_kind`",
        ),
        (
            "poisson",
            "outcome = \"y\"\nweight_kind = \"frequency\"\nfeatures = [\"age\"]",
            "",
            "`weight_kind` stands without `weight`",
        ),
        (
            "poisson",
            "outcome = \"y\"\nweight = \"w\"\nweight_kind = \"often\"\nfeatures = [\"age\"]",
            "",
            "write `weight_kind = \"precision\"`",
        ),
        ("gbdt", outcome, "depth = 9\n", "write 1 to 8"),
        ("fedprox", outcome, "mu = 100.0\n", "at most 1 / lr"),
        // A model that stands still asks every round the same of whoever is there.
        (
            "fedavg",
            outcome,
            "server_lr = 1e-9\n",
            "write 0.0001 to 100",
        ),
        ("fedavg", outcome, "lr = 1e-5\n", "write 0.0001 to 100"),
        (
            "fedavg",
            outcome,
            "lr_decay = 0.5\nrounds = 20\n",
            "1e-4 or more in the last round",
        ),
        (
            "fedavg",
            outcome,
            "model = { kind = \"cox\" }\n",
            "the study names no `time`",
        ),
        (
            "fedavg",
            survival,
            "model = { kind = \"logistic\" }\n",
            "belongs to models of the time",
        ),
        (
            "fedavg",
            outcome,
            "mu = 0.1\n",
            "`mu` is not a key of recipe `fedavg`",
        ),
        (
            "summary",
            "features = [\"age\"]",
            "edges = { bmi = [0, 1] }\n",
            "unknown key `bmi`",
        ),
        (
            "summary",
            "features = [\"age\"]",
            "edges = { age = [2, 1] }\n",
            "rising",
        ),
        (
            "count",
            "outcome = \"y\"",
            "multiple = 0\n",
            "write 1 to 1000",
        ),
        ("forest", outcome, "", "no recipe \"forest\""),
    ] {
        let error = Study::parse(&file(kind, data, recipe)).expect_err(words);
        assert!(
            error.to_string().contains(words),
            "{kind} {recipe}: {error}"
        );
        for rust in ["u32", "f64", "struct", "Raw", "Spanned", "None", "Some("] {
            assert!(!error.to_string().contains(rust), "{error}");
        }
    }
}

#[test]
fn every_kind_but_count_begins_with_a_round_that_counts_each_of_its_columns() {
    for (kind, _, _) in SAMPLES {
        let study = sample(kind);
        let Some(census) = study.recipe.census.as_ref() else {
            assert_eq!(kind, "count");
            continue;
        };
        let data = &study.data;
        assert_eq!(census.columns, data.columns(), "{kind}");
        assert_eq!(
            (&census.time, &census.offset, &census.weight),
            (&data.time, &data.offset, &data.weight)
        );
        assert_eq!(
            census.group.as_ref().map(|group| &group.column),
            data.group.as_ref(),
            "{kind}"
        );
        assert_eq!(
            (census.outcome.is_some(), census.min_sites),
            (data.outcome.is_some(), study.privacy.min_sites)
        );
        for category in &census.categories {
            let columns =
                &census.columns[category.first as usize..][..category.of.levels.len() - 1];
            let names: Vec<String> = category.of.levels[1..]
                .iter()
                .map(|level| format!("{}_{level}", category.of.column))
                .collect();
            assert_eq!(columns, names, "{kind}");
        }
        assert_eq!(
            study.vectors().first().map(|(step, _)| *step),
            Some("first round"),
            "{kind}"
        );
    }
}
