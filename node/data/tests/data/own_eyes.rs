//! What a site sees of its own file: every mistake at once, and each column at a glance.

use crate::ward::{CANARY, refusal, site};
use motet_data::{Code, profile};

const SCHEMA: &str = "[dataset]\nname = \"ward\"\n[columns.z]\ntype = \"int\"\n[columns.age]\ntype = \"float\"\nmax = 120\n\
                      [columns.seen]\ntype = \"date\"\n[columns.later]\ntype = \"int\"\n\
                      between = { from = \"seen\", to = 2030-01-01, in = \"days\" }\n\
                      [columns.good]\ntype = \"bool\"\n";

#[test]
fn every_column_that_is_wrong_is_said_at_once_with_its_cells_and_its_first_line() {
    let file = format!(
        "z,age,seen,good\n1,50,2020-01-01,1\n{CANARY}x,130,2020-01-01,1\n2,{CANARY},03/04/2020,0\n2,140,2020-01-01,0\n"
    );
    let error = refusal(site(&file, SCHEMA).all());
    assert_eq!((error.kind(), error.line()), (Code::OutOfRange, Some(3)));
    let also: Vec<_> = error
        .also()
        .iter()
        .map(|other| (other.kind(), other.line(), other.column()))
        .collect();
    assert_eq!(
        also,
        [
            (Code::NotANumber, Some(3), Some("z")),
            (Code::AmbiguousDate, Some(4), Some("seen"))
        ]
    );
    let said = error.to_string();
    assert!(
        said.contains("and so in 3 cells, of which this is the first"),
        "{said}"
    );
    assert_eq!(
        said.lines().count(),
        3,
        "what is made of a wrong cell is not wrong by itself: {said}"
    );
    assert!(!said.contains(CANARY), "{said}");
    // A study is refused by the first one.
    let first = refusal(site(&file, SCHEMA).some(&["age", "seen", "z"]));
    assert!(first.also().is_empty());
}

#[test]
fn a_profile_is_in_the_schemas_order_rounded_and_its_counts_are_whole() {
    let file = "z,age,seen,good\n1,50.123456,2020-01-01,1\n2,61.5,2020-01-02,1\n,70,,0\n1838,44,2020-01-01,1\n";
    let seen = profile(&site(file, SCHEMA).all().unwrap());
    let names: Vec<&str> = seen
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["z", "age", "seen", "later", "good"]);
    let text = seen.to_string();
    for line in [
        "ward: 4 rows",
        "mean 56.41, sd 11.61, 44 to 70",
        "1 (25.0 %)  mean 613.7, sd 1060, 1 to 1838",
        "false: 1, true: 3",
        "is not to be mailed",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}
