//! Studies of an outcome whose levels are in order.

use super::methods::{file, sample};
use super::*;
use motet_recipes::{AnyMethod, Explained, Grouping, data::Levels};

#[test]
fn the_levels_of_an_ordered_outcome_stand_in_the_study_in_their_order() {
    let study = sample("ordinal");
    let AnyMethod::Ordinal(recipe) = &study.recipe.method else {
        panic!("another recipe")
    };
    assert_eq!(recipe.levels, ["0", "1", "2"]);
    assert_eq!(
        recipe.design.names(),
        ["age", "sex", "cp_2", "cp_3", "age:sex"]
    );
    // They are no columns, and stand behind those of the features, whatever the order in the file.
    assert_eq!(study.columns(), ["age", "sex", "cp_2", "cp_3"]);
    let levels = |feature: &str, levels: &[&str]| Levels {
        feature: feature.to_owned(),
        levels: levels.iter().map(|&level| level.to_owned()).collect(),
    };
    let [cp, mrs] = [
        levels("cp", &["1", "2", "3"]),
        levels("mrs", &["0", "1", "2"]),
    ];
    assert_eq!(study.data.levels, [cp, mrs.clone()]);
    let census = study.recipe.census.as_ref().unwrap();
    let ordered = Explained::Ordered(Grouping {
        column: mrs.feature,
        levels: mrs.levels,
    });
    assert_eq!(census.outcome, Some(ordered));
    let categories: Vec<&str> = census
        .categories
        .iter()
        .map(|category| category.of.column.as_str())
        .collect();
    assert_eq!(categories, ["cp"]);
    // Another order is another study.
    let other = study
        .to_toml()
        .replace("[\"0\", \"1\", \"2\"]", "[\"2\", \"1\", \"0\"]");
    assert_ne!(Study::parse(&other).unwrap().root(), study.root());
}

#[test]
fn a_steward_reads_the_order_and_what_is_told_of_each_level() {
    let study = sample("ordinal");
    let said = [
        study.explains(),
        study.census_tells(),
        study.recipe.method.shows(),
    ]
    .concat();
    let said = said.join("\n");
    for words in [
        "the outcome that is explained: mrs (one of these levels, in this order: 0, 1, 2)",
        "the first round counts rows, and those at each level of the outcome",
        "fewer than 5 patients at a level of the outcome in all",
        "product, at each level of the outcome; fewer",
        "how many patients are at each level of the outcome",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("yes/no outcome"), "{said}");
}

#[test]
fn mistakes_about_an_ordered_outcome_are_refused_with_their_fix() {
    let levels = "[data.levels]\nmrs = [\"0\", \"1\", \"2\"]";
    let outcome = "outcome = \"mrs\"\nfeatures = [\"age\"]";
    let many: Vec<String> = (0..22).map(|level| format!("\"{level}\"")).collect();
    let many = format!("{outcome}\n[data.levels]\nmrs = [{}]", many.join(", "));
    let with_levels = format!("{outcome}\n{levels}");
    let weighed = format!("{outcome}\nweight = \"w\"\nweight_kind = \"precision\"\n{levels}");
    let timed = format!("{outcome}\ntime = \"days\"\n{levels}");
    let judged = format!("{with_levels}\n[evaluation]\ngroups = [\"sex\"]");
    for (kind, data, keys, words) in [
        ("ordinal", outcome, "", "the study names no levels of `mrs`"),
        ("ordinal", outcome, "", "the lowest level first"),
        (
            "logistic",
            &with_levels,
            "",
            "`levels.mrs` is not one of the features",
        ),
        ("ordinal", &many, "", "2 to 21 different ones"),
        ("ordinal", &weighed, "", "recipe `ordinal` has no `weight`"),
        ("ordinal", &timed, "", "recipe `ordinal` has no `time`"),
        (
            "ordinal",
            &judged,
            "",
            "has no model that could be judged by groups",
        ),
        (
            "ordinal",
            &with_levels,
            "tolerance = 0.01\n",
            "write 1e-14 to 0.0001",
        ),
        (
            "ordinal",
            &with_levels,
            "formula = \"mrs ~ ns(age, 3)\"\n",
            "one whose ns() has knots of its own",
        ),
        (
            "ordinal",
            &with_levels,
            "ridge = 1.0\n",
            "`ridge` is not a key of recipe `ordinal`",
        ),
    ] {
        let error = Study::parse(&file(kind, data, keys)).unwrap_err();
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}
