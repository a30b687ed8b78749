//! Formulas as people write them, and what they are told where one cannot be used.

use motet_recipes::{Design, Formula};

/// A study with numbers `a`..`e`, `age`, `male`, `sbp` and a category `country` of three levels.
fn columns(feature: &str) -> Option<Vec<String>> {
    match feature {
        "country" => Some(vec!["country_ITAL".into(), "country_SWED".into()]),
        "a" | "b" | "c" | "d" | "e" | "age" | "male" | "sbp" | "odd name" => {
            Some(vec![feature.into()])
        }
        _ => None,
    }
}

fn design(text: &str) -> Design {
    Formula::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .design(columns)
        .unwrap()
}

fn terms(text: &str) -> String {
    let design = design(text);
    design.check().unwrap();
    design.names().join(" ")
}

#[test]
fn operators_mean_what_they_mean_in_r() {
    for (text, want) in [
        ("y ~ a + b", "a b"),
        ("y~a+b+a", "a b"),
        ("~ a:b + a", "a a:b"),
        ("y ~ a*b", "a b a:b"),
        ("y ~ a*b - b", "a a:b"),
        ("y ~ a*b*c", "a b c a:b a:c b:c a:b:c"),
        ("y ~ (a + b + c)^2", "a b c a:b a:c b:c"),
        ("y ~ (a + b)^9", "a b a:b"),
        ("y ~ (a + b):c", "a:c b:c"),
        ("y ~ a + b:a + a:b", "a b:a"),
        ("y ~ a + b*c:d", "a b c:d b:c:d"),
        ("y ~ 1 + a", "a"),
        ("y ~ a + (b + c) - c", "a b"),
        ("y ~ log(a) + I(a^2):b", "log(a) I(a^2):b"),
        ("y ~ `odd name` + a", "odd name a"),
        ("y ~ country + age", "country_ITAL country_SWED age"),
        (
            "y ~ age*country",
            "age country_ITAL country_SWED age:country_ITAL age:country_SWED",
        ),
        (
            "y ~ ns(sbp, knots = 140, boundary = c(80, 2.2e2))",
            "ns(sbp)[140] ns(sbp)[220]",
        ),
        (
            "y ~ male*ns(sbp, Boundary.knots = c(-80, 220), knots = c(0, 140))",
            "male ns(sbp)[0] ns(sbp)[140] ns(sbp)[220] male:ns(sbp)[0] male:ns(sbp)[140] male:ns(sbp)[220]",
        ),
        (
            "y ~ a*ns(sbp, 2)",
            "a ns(sbp, 2)[knot 2] ns(sbp, 2)[knot 3] a:ns(sbp, 2)[knot 2] a:ns(sbp, 2)[knot 3]",
        ),
        (
            "y ~ ns(sbp, df = 2) + ns(sbp, 2)",
            "ns(sbp, 2)[knot 2] ns(sbp, 2)[knot 3]",
        ),
    ] {
        assert_eq!(terms(text), want, "{text}");
    }
}

#[test]
fn a_formula_names_its_features_and_reads_each_column_once() {
    let text = "dead14 ~ age + male + ns(sbp, knots = c(120, 140, 160), boundary = c(80, 220)) + age:male + country";
    let formula = Formula::parse(text).unwrap();
    assert_eq!(formula.outcome.as_deref(), Some("dead14"));
    assert_eq!(formula.features(), ["age", "male", "sbp", "country"]);
    let design = design(text);
    assert_eq!(
        design.columns,
        ["age", "male", "sbp", "country_ITAL", "country_SWED"]
    );
    assert_eq!(design.terms.len(), 2 + 4 + 2 + 1);
    assert_eq!(design.terms.last().unwrap().name, "age:male");
    assert_eq!(Formula::parse("~ a").unwrap().outcome, None);
}

#[test]
fn a_formula_that_cannot_be_used_says_where_and_what_to_write() {
    let error = |text: &str| match Formula::parse(text).and_then(|formula| formula.design(columns))
    {
        Err(error) => (error.at, error.to_string()),
        Ok(_) => panic!("accepted: {text}"),
    };
    for (text, at, says) in [
        ("", 1, "`~` is missing before the end"),
        ("y", 2, "outcome ~ column"),
        ("y + a", 3, "`~` is missing before `+`"),
        ("y ~", 4, "a column is missing before the end"),
        ("y ~ 1", 6, "no term"),
        ("y ~ a +", 8, "a column is missing"),
        ("y ~ a b", 7, "`b` is one too many"),
        ("y ~ a - 1", 7, "intercept always stays"),
        ("y ~ 0 + a", 5, "intercept always stays"),
        ("y ~ a + zz", 9, "`zz` is no feature of the study"),
        ("y ~ (a + b", 11, "`)` is missing before the end"),
        ("y ~ a^2", 6, "write `I(a^2)`"),
        ("y ~ (a + b)^1", 13, "whole number from 2 to 9"),
        ("y ~ a | b", 7, "`|` is not known"),
        ("y ~ .", 5, "write the columns out"),
        ("y ~ poly(a, 2)", 5, "there are log, I and ns"),
        ("y ~ factor(a)", 5, "category in the schema"),
        ("y ~ a + offset(b)", 9, "key of the recipe"),
        ("y ~ ns(sbp, 1)", 13, "write the column itself"),
        ("y ~ ns(sbp, 2.5)", 13, "whole number from 2 to 10"),
        ("y ~ ns(sbp, df = 11)", 18, "more knots are placed by hand"),
        (
            "y ~ ns(sbp, 3, knots = 140)",
            14,
            "`)` is missing before `,`",
        ),
        ("y ~ ns(sbp, knots = 140, 3)", 26, "write `ns(x, 3)`"),
        ("y ~ ns(country, 3)", 5, "is a category"),
        ("y ~ ns(sbp)", 5, "needs its knots and its boundary"),
        (
            "y ~ ns(sbp, knots = c(150, 140), boundary = c(80, 220))",
            5,
            "must rise",
        ),
        ("y ~ ns(sbp, knots = 140, boundary = 80)", 5, "two numbers"),
        (
            "y ~ ns(sbp, knots = c(a), boundary = c(80, 220))",
            23,
            "`a` is not a number",
        ),
        ("y ~ log(country)", 5, "is a category"),
        ("y ~ age:country", 9, "write `*` for `:`"),
        ("y ~ `a", 5, "no end"),
        ("y ~ 1.2.3", 5, "is not a number"),
    ] {
        let (got, message) = error(text);
        assert_eq!(got, at, "{text}: {message}");
        assert!(message.contains(says), "{text}: {message}");
    }
    assert!(
        error(&format!("y ~ {}a{}", "(".repeat(60), ")".repeat(60)))
            .1
            .contains("too many brackets")
    );
    let wide: Vec<String> = (0..40).map(|at| format!("x{at}")).collect();
    assert!(
        error(&format!("y ~ ({})^9", wide.join("+")))
            .1
            .contains("1024 terms")
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-c~+*:^()0-9., =`-]{0,40}|y ~ [a-cIns(),=+*^2:-]{0,30}") {
        let _ = Formula::parse(&text).and_then(|formula| formula.design(columns));
    }
}
