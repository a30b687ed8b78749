//! Tests of the module above.

use super::*;

fn holds(rule: &str, cells: &[(&str, Value<'static>)]) -> Option<bool> {
    let cells = cells.to_vec();
    Filter::parse(rule)
        .unwrap()
        .holds(&|name| cells.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
}

#[test]
fn rules_say_who_belongs_to_the_cohort() {
    let row = [
        ("age", Value::Number(64.0)),
        ("cp", Value::Text("4")),
        ("sex", Value::Number(1.0)),
        ("seen", Value::Number(18_262.0)), // 2020-01-01
    ];
    for (rule, expected) in [
        ("age >= 64", true),
        ("age > 64", false),
        ("age<64.5 and not sex == 0", true),
        ("not (age < 64.5 and sex == 1)", false),
        ("age < 18 or cp == 4", true),
        ("age < 18 or cp == \"4\"", true),
        ("age < 18 or cp == \"4.0\"", false),
        ("age < 18 or cp != '4'", false),
        ("age < 18 and age < 17 or sex == 1", true),
        ("age < 18 and (age < 17 or sex == 1)", false),
        ("seen >= \"2020-01-01\"", true),
        ("seen < \"2020-01-01\"", false),
        ("age > -1e-3", true),
    ] {
        assert_eq!(holds(rule, &row), Some(expected), "{rule}");
    }
}

#[test]
fn a_missing_value_leaves_a_rule_unknown_unless_the_rest_of_it_decides() {
    let row = [("sex", Value::Number(1.0))];
    for (rule, expected) in [
        ("age < 18", None),
        ("age != 3", None),
        ("not (age < 18)", None),
        ("not (age < 18 or sex == 0)", None),
        ("sex == 1 or age < 18", Some(true)),
        ("age < 18 or sex == 1", Some(true)),
        ("age < 18 or sex == 0", None),
        ("age < 18 and sex == 1", None),
        ("age < 18 and sex == 0", Some(false)),
        ("not (age < 18 and sex == 0)", Some(true)),
        (
            "(age < 18 or sex == 1) and (name == 'x' or sex == 1)",
            Some(true),
        ),
        ("sex == 1", Some(true)),
    ] {
        assert_eq!(holds(rule, &row), expected, "{rule}");
    }
}

#[test]
fn the_meaning_of_a_rule_is_part_of_its_bytes() {
    let bytes = Filter::parse("age >= 18").unwrap().to_bytes();
    assert_eq!(bytes.first(), Some(&MEANING));
    let mut other = bytes.clone();
    other[0] = MEANING + 1;
    assert!(Filter::from_bytes(&other).is_err());
    assert!(
        Filter::from_bytes(&"age >= 18".to_string().to_bytes()).is_err(),
        "a rule that does not say"
    );
}

#[test]
fn the_normal_text_means_the_same_rule_and_stays_as_it_is() {
    for (written, normal) in [
        ("age>=18.0", "age >= 18"),
        (
            "(a == 1) and (b == 2 and c == 3)",
            "a == 1 and b == 2 and c == 3",
        ),
        (
            "a == 1 and (b == 2 or c == 3)",
            "a == 1 and (b == 2 or c == 3)",
        ),
        ("not not a == -0.0", "not (not (a == 0))"),
        (r#"w == 'he said "no"\\'"#, r#"w == "he said \"no\"\\""#),
    ] {
        let filter = Filter::parse(written).unwrap();
        assert_eq!(filter.to_string(), normal);
        assert_eq!(Filter::parse(normal).unwrap(), filter);
        assert_eq!(Filter::from_bytes(&filter.to_bytes()).unwrap(), filter);
    }
    assert!(
        Filter::from_bytes(&[vec![MEANING], "age>=18".to_string().to_bytes()].concat()).is_err(),
        "only the normal text is canonical"
    );
}

#[test]
fn mistakes_are_found_where_they_are() {
    for (rule, position, word) in [
        ("", 1, "condition"),
        ("age", 4, "nothing"),
        ("age = 3", 5, "`==`"),
        ("age >= ", 8, "number"),
        ("age >= 18 and", 14, "condition"),
        ("age >= 18 sex == 1", 11, "`and`"),
        ("(age >= 18", 1, "not closed"),
        ("age >= 18)", 10, "`)`"),
        ("age >= \"old\"", 8, "dates"),
        ("name == \"x", 9, "closing quote"),
        ("age >= 18 && b == 1", 11, "`and`"),
        ("age >= 1.2.3", 8, "not a number"),
        ("age >= 1e999", 8, "not a number"),
        ("3 < age", 1, "column"),
        ("a; b == 1", 2, "`;` is not known: a rule has columns"),
    ] {
        let error = Filter::parse(rule).unwrap_err();
        assert_eq!(error.position, position, "{rule}: {error}");
        assert!(error.problem.contains(word), "{rule}: {error}");
    }
}

#[test]
fn deep_nesting_is_refused_before_it_exhausts_the_stack() {
    let deep = format!("{}a == 1{}", "(".repeat(400), ")".repeat(400));
    assert!(Filter::parse(&deep).unwrap_err().problem.contains("deeper"));
    assert!(Filter::parse(&format!("{}a == 1", "not ".repeat(200))).is_err());
    assert!(Filter::parse(&"a == 1 and ".repeat(200)).is_err());
}
