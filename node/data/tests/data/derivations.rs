//! Columns that are made: of a cell's text, of a number, of other columns; and what is refused.

use crate::ward::{CANARY, refusal, site, summary};
use motet_data::{Code, Schema};

fn schema(columns: &str) -> String {
    format!("[dataset]\nname = \"ward\"\n{columns}")
}

/// The values of these columns, row by row, as a study reads them; a category's level is its place,
/// a missing value -1.
fn rows(columns: &str, file: &str, asked: &[&str], levels: &[(&str, &[&str])]) -> Vec<Vec<f64>> {
    let levels: String = levels
        .iter()
        .map(|(name, levels)| format!("{name} = {levels:?}\n"))
        .collect();
    let study = summary(&format!("{asked:?}"), &format!("[data.levels]\n{levels}"));
    let cohort = site(file, &schema(columns)).cohort(&study).unwrap();
    let names = study.columns();
    let value = |row: usize, name: &str| {
        let number = |value: f64| if value.is_nan() { -1.0 } else { value };
        if let Some(at) = names.iter().position(|known| known == name) {
            return number(cohort.x[[row, at]]);
        }
        // Dummies: the place of the one that is 1.
        let prefix = format!("{name}_");
        let dummies = names
            .iter()
            .enumerate()
            .filter(|(_, n)| n.starts_with(&prefix));
        (1..)
            .zip(dummies)
            .fold(0.0, |level, (place, (at, _))| match cohort.x[[row, at]] {
                value if value.is_nan() => -1.0,
                1.0 => f64::from(place),
                _ => level,
            })
    };
    (0..cohort.x.nrows())
        .map(|row| asked.iter().map(|name| value(row, name)).collect())
        .collect()
}

/// One column of them.
fn column(columns: &str, file: &str, name: &str) -> Vec<f64> {
    rows(columns, file, &[name], &[]).concat()
}

fn levels(columns: &str, file: &str, name: &str, levels: &[&str]) -> Vec<f64> {
    rows(columns, file, &[name], &[(name, levels)]).concat()
}

/// What cells of one column are refused for.
fn cells_refused(columns: &str, file: &str) -> motet_data::DataError {
    refusal(site(file, &schema(columns)).all())
}

#[test]
fn a_text_is_replaced_as_it_is_written_and_not_as_the_number_that_it_may_be() {
    let crea = "[columns.crea]\ntype = \"float\"\nreplace = { \"1.500\" = 1500, \"< 1\" = 0.5 }\n";
    let file = "crea\n1.500\n1.5\n< 1\n<\u{a0}1\n1\n";
    assert_eq!(column(crea, file, "crea"), [1500.0, 1.5, 0.5, 0.5, 1.0]);
    // What is missing is that number however it is written.
    let both = "[columns.x]\ntype = \"float\"\nmissing = [\"-9\"]\nreplace = { \"-9.0\" = 1 }\n";
    assert!(refused(both).1.contains("a value and a missing one"));
}

#[test]
fn whole_numbers_are_replaced_by_whole_ones() {
    let crp = "[columns.crp]\ntype = \"int\"\nreplace = { \"<1\" = 0.5 }\n";
    let (line, said) = refused(crp);
    assert_eq!(line, 5, "{said}");
    assert!(said.contains("`replace` makes \"<1\" `0.5`"), "{said}");
    let rounded = format!("{crp}round = 1\n");
    assert_eq!(column(&rounded, "crp\n<1\n3\n", "crp"), [1.0, 3.0]);
    for wrong in [
        "[columns.x]\ntype = \"int\"\nscale = 0.5\n",
        "[columns.x]\ntype = \"int\"\nvalue = 1.5\n",
        "[columns.x]\ntype = \"int\"\nvalue = \"1.5\"\n",
        "[columns.y]\ntype = \"float\"\n[columns.x]\ntype = \"int\"\nof = \"y\"\n",
    ] {
        refused(wrong);
    }
}

#[test]
fn a_value_that_is_no_finite_number_is_refused_with_its_line() {
    for keys in [
        "scale = 1e308\n",
        "unit = \"mg/dL\"\nfrom = \"[arb'U]\"\nfactor = 1e308\n",
        "scale = 1e300\nround = 1e-300\n",
    ] {
        let x = format!("[columns.x]\ntype = \"float\"\n{keys}");
        let error = cells_refused(&x, "x\n0\n10\n");
        assert_eq!(
            (error.kind(), error.line()),
            (Code::OutOfRange, Some(3)),
            "{error}"
        );
        assert!(error.to_string().contains("no finite number"), "{error}");
    }
    let made =
        "[columns.x]\ntype = \"float\"\n[columns.y]\ntype = \"float\"\nof = \"x\"\nscale = 1e308\n";
    let error = cells_refused(made, "x\n0\n10\n");
    assert_eq!((error.line(), error.column()), (Some(3), Some("y")));
}

#[test]
fn a_level_is_found_by_every_text_that_means_it() {
    let many: Vec<String> = (0..3000).map(|n| format!("\"D{n}\"")).collect();
    let stage = format!(
        "[columns.icd]\ntype = \"category\"\nlevels = [{}]\nmap = {{ herz = \"D7\", D8 = \"D8\" }}\n\
         [columns.t]\ntype = \"category\"\nlevels = [\"T 1\", \"2\"]\n\
         [columns.again]\ntype = \"category\"\nlevels = [\"2\", \"x\", \"T\u{a0}1\"]\nof = \"t\"\n",
        many.join(",")
    );
    let file = "icd,t\nD2999,T\u{a0}1\nherz,2.0\nD8,T 1\nD0,\n";
    let read = site(file, &schema(&stage)).all().unwrap();
    let seen = motet_data::profile(&read);
    assert_eq!(seen.rows, 4);
    let places = levels(&stage, file, "again", &["2", "x", "T 1"]);
    assert_eq!(places, [2.0, 0.0, 2.0, -1.0]);
    let error = cells_refused(&stage, "icd,t\nD3000,2\n");
    assert_eq!(error.kind(), Code::UnknownLevel);
}

/// What a schema is refused for: its line, and the words.
fn refused(columns: &str) -> (u64, String) {
    let error = Schema::parse(&schema(columns)).unwrap_err();
    assert_eq!(error.kind(), Code::SchemaInvalid);
    (error.line().unwrap(), error.to_string())
}

const DAYS: &str = "[columns.diagnosed]\ntype = \"date\"\nformat = \"dd/mm/yyyy\"\n\
                    [columns.last_seen]\ntype = \"date\"\nformat = \"d.m.yyyy hh:mm\"\n";

#[test]
fn the_time_between_two_days_is_counted_as_the_schema_says() {
    let file = "diagnosed,last_seen\n29/02/2000,28.2.2001 10:30\n01/01/2000,1.1.2004 00:00\n,1.1.2004 00:00\n\
                31/12/2000,1.12.2000 23:59\n";
    for (measure, values) in [
        ("days", vec![365.0, 1461.0, -1.0, -30.0]),
        (
            "months",
            vec![365.0 / 30.4375, 1461.0 / 30.4375, -1.0, -30.0 / 30.4375],
        ),
        ("years", vec![365.0 / 365.25, 4.0, -1.0, -30.0 / 365.25]),
        ("whole_months", vec![11.0, 48.0, -1.0, 0.0]),
        ("whole_years", vec![0.0, 4.0, -1.0, 0.0]),
    ] {
        let time = format!(
            "{DAYS}[columns.time]\ntype = \"float\"\n\
             between = {{ from = \"diagnosed\", to = \"last_seen\", in = \"{measure}\" }}\n"
        );
        assert_eq!(column(&time, file, "time"), values, "{measure}");
    }
    for (from, to) in [
        ("2000-01-01", "\"diagnosed\""),
        ("\"2000-01-01\"", "\"diagnosed\""),
    ] {
        let since = format!(
            "{DAYS}[columns.time]\ntype = \"int\"\nunit = \"d\"\nbetween = {{ from = {from}, to = {to}, in = \"days\" }}\n"
        );
        assert_eq!(column(&since, file, "time"), [59.0, 0.0, -1.0, 365.0]);
    }
}

const FOLLOWED: &str = "[columns.rtime]\ntype = \"int\"\nunit = \"d\"\n[columns.dtime]\ntype = \"int\"\nunit = \"d\"\n\
                        [columns.recur]\ntype = \"bool\"\nmissing = [\"x\"]\n[columns.death]\ntype = \"bool\"\nmissing = [\"x\"]\n";

#[test]
fn one_column_or_another_is_taken_by_a_condition_and_the_other_may_be_missing() {
    let file =
        "rtime,dtime,recur,death\n10,20,1,0\n10,,1,0\n,20,1,0\n10,20,0,0\n,20,no,0\n10,20,x,0\n";
    for is in ["\"1\"", "true", "\"yes\"", "[true]", "1"] {
        let time = format!(
            "{FOLLOWED}[columns.time]\ntype = \"int\"\n\
             when = {{ column = \"recur\", is = {is}, then = \"rtime\", else = \"dtime\" }}\n"
        );
        assert_eq!(
            column(&time, file, "time"),
            [10.0, 10.0, -1.0, 20.0, 20.0, -1.0],
            "{is}"
        );
        assert_eq!(
            Schema::parse(&schema(&time)).unwrap().columns["time"]
                .unit
                .as_deref(),
            Some("d"),
            "the unit is that of what it is made of"
        );
    }
    let by = "[columns.stage]\ntype = \"category\"\nlevels = [\"I\", \"II\", \"III\"]\n[columns.day]\ntype = \"date\"\n\
              [columns.n]\ntype = \"float\"\nscale = 10\n\
              [columns.a]\ntype = \"int\"\nvalue = 1\n[columns.b]\ntype = \"int\"\nvalue = 2\n";
    let file = "stage,day,n\nI,2020-01-01,1\nII,2020-01-02,2\nIII,2020-01-03,3\n,,NA\n";
    for (column_name, is, values) in [
        ("stage", "\"II\"", [2.0, 1.0, 2.0, -1.0]),
        ("stage", "[\"I\", \"III\"]", [1.0, 2.0, 1.0, -1.0]),
        ("day", "2020-01-02", [2.0, 1.0, 2.0, -1.0]),
        ("n", "20", [2.0, 1.0, 2.0, -1.0]),
        ("n", "[10, 30.0]", [1.0, 2.0, 1.0, -1.0]),
    ] {
        let made = format!(
            "{by}[columns.z]\ntype = \"int\"\n\
             when = {{ column = \"{column_name}\", is = {is}, then = \"a\", else = \"b\" }}\n"
        );
        assert_eq!(column(&made, file, "z"), values, "{column_name} {is}");
    }
}

#[test]
fn any_and_all_are_decided_by_one_and_else_need_every_value() {
    let file = "rtime,dtime,recur,death\n1,1,1,x\n1,1,0,x\n1,1,0,0\n1,1,1,1\n1,1,x,x\n1,1,0,1\n";
    let made = format!(
        "{FOLLOWED}[columns.event]\ntype = \"bool\"\nany_of = [\"recur\", \"death\"]\n\
         [columns.both]\ntype = \"bool\"\nall_of = [\"recur\", \"death\"]\n"
    );
    assert_eq!(
        column(&made, file, "event"),
        [1.0, -1.0, 0.0, 1.0, -1.0, 1.0]
    );
    assert_eq!(
        column(&made, file, "both"),
        [-1.0, 0.0, 0.0, 1.0, -1.0, 0.0]
    );
}

#[test]
fn the_first_that_is_known_is_taken_and_levels_keep_their_names() {
    let made = "[columns.first]\ntype = \"category\"\nlevels = [\"low\", \"high\"]\n\
                [columns.second]\ntype = \"category\"\nlevels = [\"high\", \"middle\"]\n\
                [columns.either]\ntype = \"ordered\"\nlevels = [\"low\", \"middle\", \"high\"]\n\
                coalesce = [\"first\", \"second\"]\n";
    let file = "first,second\nlow,high\n,high\n,middle\n,NA\nhigh,\n";
    let names = ["low", "middle", "high"];
    // The last row but one has no level at all.
    assert_eq!(
        levels(made, file, "either", &names),
        [0.0, 2.0, 1.0, -1.0, 2.0]
    );
    let numbers = "[columns.a]\ntype = \"int\"\n[columns.b]\ntype = \"int\"\n\
                   [columns.n]\ntype = \"float\"\ncoalesce = [\"a\", \"b\"]\n";
    assert_eq!(
        column(numbers, "a,b\n1,2\n,2\n,NA\n", "n"),
        [1.0, 2.0, -1.0]
    );
}

#[test]
fn a_constant_is_the_same_in_every_row() {
    let made = "[columns.age]\ntype = \"int\"\n[columns.country]\ntype = \"category\"\nvalue = \"NL\"\n\
                [columns.site]\ntype = \"int\"\nvalue = 7\n[columns.adult]\ntype = \"bool\"\nvalue = true\n\
                [columns.start]\ntype = \"date\"\nvalue = 2020-01-31\nprivate = true\n\
                [columns.since]\ntype = \"int\"\nbetween = { from = 2020-01-01, to = \"start\", in = \"days\" }\n";
    let file = "age\n1\n2\n";
    assert_eq!(levels(made, file, "country", &["DE", "NL"]), [1.0, 1.0]);
    assert_eq!(
        rows(made, file, &["site", "adult", "since"], &[]),
        [[7.0, 1.0, 30.0], [7.0, 1.0, 30.0]]
    );
}

#[test]
fn texts_of_the_file_become_levels_and_any_other_text_is_refused() {
    let stages = "[columns.size]\ntype = \"ordered\"\nsource = \"T\"\nlevels = [\"<=20\", \"20-50\"]\n\
                  map = { T1 = \"<=20\", \"T2\" = \"20-50\", \"02\" = \"20-50\", \"T\u{ef}s\" = \"<=20\" }\n";
    let names = ["<=20", "20-50"];
    let file = "T\nT1\n20-50\nT2\n \n02\nT\u{69}\u{308}s\nNA\n";
    assert_eq!(
        levels(stages, file, "size", &names),
        [0.0, 1.0, 1.0, -1.0, 1.0, 0.0, -1.0]
    );
    for other in ["T3", "2"] {
        let error = refusal(site(format!("T\nT1\n{other}\n"), &schema(stages)).all());
        assert_eq!((error.kind(), error.line()), (Code::UnknownLevel, Some(3)));
    }
}

#[test]
fn a_number_is_cut_into_levels_whose_upper_end_is_theirs() {
    let names = ["<=20", "20-50", ">50"];
    let cut = "type = \"ordered\"\nlevels = [\"<=20\", \"20-50\", \">50\"]\n";
    let cells = format!(
        "[columns.size]\n{cut}cut = [20, 50]\ndecimal = \",\"\nreplace = {{ \"> 90\" = 90 }}\n"
    );
    let file = "size\n20\n\"20,1\"\n50\n51\nNA\n> 90\n";
    assert_eq!(
        levels(&cells, file, "size", &names),
        [0.0, 1.0, 1.0, 2.0, -1.0, 2.0]
    );
    let scaled = format!("[columns.size]\n{cut}source = \"cm\"\nscale = 10\ncut = [20, 50]\n");
    assert_eq!(
        levels(&scaled, "cm\n2\n2.1\n5.5\n", "size", &names),
        [0.0, 1.0, 2.0]
    );
    let other = format!(
        "[columns.mm]\ntype = \"float\"\n[columns.size]\n{cut}of = \"mm\"\ncut = [20, 50]\n"
    );
    assert_eq!(
        levels(&other, "mm\n20\nNA\n60\n", "size", &names),
        [0.0, -1.0, 2.0]
    );
}

#[test]
fn numbers_are_scaled_moved_and_rounded_in_this_order() {
    let of = |keys: &str, cells: &str| {
        let made = format!("[columns.x]\ntype = \"float\"\n{keys}\n");
        column(&made, &format!("x\n{cells}\n"), "x")
    };
    assert_eq!(
        of("scale = 30.4375\nround = 1", "20.7\n-0.4928131"),
        [630.0, -15.0]
    );
    assert_eq!(of("scale = 0.5\noffset = -16", "98"), [33.0]);
    assert_eq!(of("round = 0.5", "1.25\n-1.25\n1.24"), [1.5, -1.5, 1.0]);
    assert_eq!(
        of(
            "unit = \"mg/dL\"\nfrom = \"umol/L\"\nfactor = 0.5\nround = 0.1",
            "1.5"
        ),
        [0.8]
    );
    let whole = "[columns.m]\ntype = \"float\"\nprivate = true\n[columns.x]\ntype = \"int\"\nof = \"m\"\nscale = 30.4375\nround = 1\n";
    assert_eq!(column(whole, "m\n20.7\n", "x"), [630.0]);
}

#[test]
fn texts_are_replaced_by_numbers_in_the_sites_own_unit_and_do_not_count_as_thousands() {
    let made = "[columns.crea]\ntype = \"float\"\nunit = \"mg/dL\"\nfrom = \"umol/L\"\nfactor = 0.5\n\
                replace = { \"<0,5\" = 0.25, \"1.500\" = 1500 }\n";
    assert_eq!(
        column(made, "crea\n\"<0,5\"\n10\n1.500\n", "crea"),
        [0.125, 5.0, 750.0]
    );
    let silent = made.replace(", \"1.500\" = 1500", "");
    let error = refusal(site("crea\n\"<0,5\"\n10\n1.500\n", &schema(&silent)).all());
    assert_eq!(
        (error.kind(), error.line()),
        (Code::AmbiguousNumber, Some(4))
    );
}

#[test]
fn a_date_without_a_format_names_the_format_and_both_where_either_fits() {
    let date = "[columns.seen]\ntype = \"date\"\n";
    for (cell, code, words) in [
        (
            "03/04/2020",
            Code::AmbiguousDate,
            ["dd/mm/yyyy", "mm/dd/yyyy"],
        ),
        ("13/04/2020", Code::NotADate, ["dd/mm/yyyy", "declare"]),
        ("04/13/20", Code::NotADate, ["two digits", "century"]),
    ] {
        let error = refusal(site(format!("seen\n2020-01-01\n{cell}\n"), &schema(date)).all());
        assert_eq!((error.kind(), error.line()), (code, Some(3)), "{cell}");
        let said = error.to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert!(!said.contains(cell), "{said}");
    }
    let bounds = "[columns.seen]\ntype = \"date\"\nformat = \"dd/mm/yyyy\"\nmin = 2020-01-01\n";
    let error = refusal(site("seen\n01/01/2020\n31/12/2019\n", &schema(bounds)).all());
    assert_eq!((error.kind(), error.line()), (Code::OutOfRange, Some(3)));
}

#[test]
fn bounds_hold_what_is_made_and_name_line_and_column() {
    let made = format!(
        "{DAYS}[columns.time]\ntype = \"int\"\nmin = 0\n\
         between = {{ from = \"diagnosed\", to = \"last_seen\", in = \"days\" }}\n"
    );
    let file = format!(
        "diagnosed,last_seen,id\n01/01/2000,2.1.2000 10:30,{CANARY}\n01/01/2000,31.12.1999 10:30,{CANARY}\n"
    );
    let error = refusal(site(&file, &schema(&made)).all());
    assert_eq!((error.kind(), error.line()), (Code::OutOfRange, Some(3)));
    assert_eq!(error.column(), Some("time"));
    assert!(error.to_string().contains("the cells that it is made of"));
    // A cell that is wrong is that of the column it stands in.
    let error = refusal(site(file.replace("2.1.2000", "x"), &schema(&made)).some(&["time"]));
    assert_eq!((error.column(), error.line()), (Some("last_seen"), Some(2)));
}

#[test]
fn only_what_a_study_reads_and_what_that_is_made_of_is_read() {
    let made =
        format!("{FOLLOWED}[columns.event]\ntype = \"bool\"\nany_of = [\"recur\", \"death\"]\n");
    let file = "rtime,dtime,recur,death\nbad,bad,1,0\n";
    let site = site(file, &schema(&made));
    assert!(site.some(&["event"]).is_ok());
    assert!(site.some(&["event", "rtime"]).is_err());
}

#[test]
fn a_private_column_is_to_a_study_as_if_it_were_not_there() {
    let made =
        "[columns.a]\ntype = \"int\"\nprivate = true\n[columns.b]\ntype = \"int\"\nof = \"a\"\n";
    let site = site("a\n1\n2\n", &schema(made));
    assert_eq!(site.all().unwrap().rows(), 2);
    let study = summary("[\"b\", \"a\"]", "");
    let Err(hidden) = site.cohort(&study) else {
        panic!("a private column was read");
    };
    let error = motet_data::cohort::check_schema(&site.schema, &study).unwrap_err();
    assert_eq!(
        (error.kind(), hidden.kind()),
        (Code::UnknownColumn, Code::UnknownColumn)
    );
    let not_there = site.schema.column("c").unwrap_err();
    assert_eq!(error.of_texts().replace("`a`", "`c`"), not_there.of_texts());
    assert!(
        error.to_string().contains("private"),
        "the site's own words say why"
    );
    assert!(!not_there.to_string().contains("`a`"), "{not_there}");
    let filtered = summary("[\"b\"]", "filter = \"a > 1\"\n");
    assert!(site.cohort(&filtered).is_err());
}

#[test]
fn columns_may_be_made_of_made_ones_and_a_circle_is_named() {
    let deep = "[columns.z]\ntype = \"int\"\nof = \"y\"\noffset = 1\n[columns.y]\ntype = \"int\"\nof = \"x\"\nscale = 2\n\
                [columns.x]\ntype = \"int\"\n";
    assert_eq!(column(deep, "x\n5\n", "z"), [11.0]);
    let circle = deep.replace(
        "[columns.x]\ntype = \"int\"\n",
        "[columns.x]\ntype = \"int\"\nof = \"z\"\n",
    );
    let (_, said) = refused(&circle);
    assert!(said.contains("`x` of `z` of `y` of `x`"), "{said}");
}

/// Columns that the refusals below are made of.
const BASE: &str = "[columns.n]\ntype = \"float\"\nunit = \"d\"\n[columns.m]\ntype = \"float\"\nunit = \"mo\"\n\
                    [columns.b]\ntype = \"bool\"\n[columns.d]\ntype = \"date\"\n\
                    [columns.c]\ntype = \"category\"\nlevels = [\"I\", \"II\"]\n[columns.x]\n";

#[test]
fn what_cannot_be_made_is_refused_with_its_line_and_what_to_do() {
    let first = 2 + BASE.lines().count() as u64 + 1;
    for (column, words) in [
        (
            "type = \"float\"\nof = \"n\"\nsource = \"n\"",
            "`source` and `of` make one column",
        ),
        (
            "type = \"bool\"\nany_of = [\"b\", \"b\"]",
            "names `b` twice",
        ),
        ("type = \"bool\"\nany_of = [\"b\"]", "fewer than two"),
        ("type = \"bool\"\nall_of = [\"b\", \"n\"]", "not `bool`"),
        (
            "type = \"float\"\nall_of = [\"b\", \"n\"]",
            "not a key of type `float`",
        ),
        ("type = \"float\"\nof = \"q\"", "there is no column \"q\""),
        (
            "type = \"float\"\nof = \"b\"",
            "of type `bool`, and this column of type `float`",
        ),
        (
            "type = \"float\"\nof = \"n\"\ndecimal = \",\"",
            "`decimal` belongs to cells",
        ),
        (
            "type = \"float\"\nof = \"n\"\nthousands = \",\"",
            "`thousands` belongs to cells",
        ),
        (
            "type = \"float\"\nof = \"n\"\nmissing = [\"x\"]",
            "`missing` belongs to cells",
        ),
        (
            "type = \"float\"\nof = \"n\"\nreplace = { x = 1 }",
            "`replace` belongs to cells",
        ),
        (
            "type = \"float\"\nof = \"n\"\nunit = \"a\"",
            "in `d`, and not in `a`",
        ),
        (
            "type = \"float\"\ncoalesce = [\"n\", \"m\"]",
            "`n` is in `d`, and `m` is in `mo`",
        ),
        (
            "type = \"int\"\nof = \"n\"",
            "of type `float`, and this column of type `int`",
        ),
        (
            "type = \"int\"\nbetween = { from = \"d\", to = 2020-01-01, in = \"years\" }",
            "no whole numbers",
        ),
        (
            "type = \"int\"\nbetween = { from = \"d\", to = 2020-01-01, in = \"weeks\" }",
            "`in` of `between`",
        ),
        (
            "type = \"int\"\nbetween = { from = 2020-01-01, to = 2020-01-02, in = \"days\" }",
            "two fixed days",
        ),
        (
            "type = \"int\"\nbetween = { from = \"n\", to = \"d\", in = \"days\" }",
            "not `date`",
        ),
        (
            "type = \"int\"\nbetween = { from = 5, to = \"d\", in = \"days\" }",
            "neither a column nor a day",
        ),
        (
            "type = \"int\"\nunit = \"mo\"\nbetween = { from = \"d\", to = 2020-01-01, in = \"days\" }",
            "in `d`, and not in `mo`",
        ),
        (
            "type = \"date\"\nbetween = { from = \"d\", to = 2020-01-01, in = \"days\" }",
            "not a key of type `date`",
        ),
        (
            "type = \"float\"\nwhen = { column = \"c\", is = \"III\", then = \"n\", else = \"n\" }",
            "no value of `c`",
        ),
        (
            "type = \"float\"\nwhen = { column = \"b\", is = \"x\", then = \"n\", else = \"n\" }",
            "no value of `b`",
        ),
        (
            "type = \"float\"\nwhen = { column = \"b\", is = [], then = \"n\", else = \"n\" }",
            "empty list",
        ),
        (
            "type = \"float\"\nwhen = { column = \"b\", is = true, then = \"n\", else = \"c\" }",
            "type `category`",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"III\"]\nof = \"c\"",
            "has a level \"II\"",
        ),
        (
            "type = \"float\"\nbetween = 3",
            "is a whole number, not a table",
        ),
        (
            "type = \"float\"\nvalue = \"x\"",
            "`value` is none of type `float`",
        ),
        (
            "type = \"int\"\nvalue = 1.5",
            "`value` is none of type `int`",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\nvalue = \"III\"",
            "`value` is none of type `category`",
        ),
        (
            "type = \"float\"\nformat = \"dd/mm/yyyy\"",
            "`format` is not a key of type `float`",
        ),
        ("type = \"date\"\nformat = \"dd/mm/yy\"", "century"),
        (
            "type = \"date\"\nmap = { x = \"y\" }",
            "`map` is not a key of type `date`",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\nmap = { x = \"y\" }",
            "`map` names a level \"y\"",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\nmap = { I = \"II\" }",
            "a second meaning",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\nmap = { x = \"II\" }\nmissing = [\"x\"]",
            "a value and a missing one",
        ),
        (
            "type = \"float\"\nreplace = { NA = 1 }",
            "a value and a missing one",
        ),
        (
            "type = \"float\"\nreplace = { x = nan }",
            "no finite number",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\nscale = 2",
            "`scale` is not a key of type `category`",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\ncut = [1, 2]",
            "makes 3 levels, `levels` has 2",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\", \"III\"]\ncut = [2, 2]",
            "numbers that ascend",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\ncut = [2]\nmap = { x = \"I\" }",
            "`map` and `cut`",
        ),
        (
            "type = \"category\"\nlevels = [\"I\", \"II\"]\ncut = [2]\ncoalesce = [\"n\", \"n\"]",
            "`of` another column",
        ),
        (
            "type = \"float\"\ncut = [2]",
            "`cut` is not a key of type `float`",
        ),
        (
            "type = \"float\"\nunit = \"d\"\nfrom = \"mo\"\nfactor = 30\nscale = 2",
            "`factor` and `scale`",
        ),
        (
            "type = \"float\"\nunit = \"d\"\nfrom = \"mo\"\nfactor = 30\noffset = 2",
            "`factor` and `scale`",
        ),
        ("type = \"float\"\nscale = 0", "`scale` is `0`"),
        ("type = \"float\"\noffset = inf", "`offset` is `inf`"),
        ("type = \"float\"\nround = 0", "`round` is `0`"),
        ("type = \"int\"\nscale = 1.5", "no whole numbers"),
        ("type = \"int\"\nround = 0.5", "no whole numbers"),
    ] {
        let (line, said) = refused(&format!("{BASE}{column}\n"));
        assert!(said.contains(words), "{column}\n{said}");
        assert!(line >= first - 1, "{column}\n{said}");
    }
    let key = "[dataset]\nname = \"ward\"\nkey = \"x\"\n[columns.x]\ntype = \"int\"\nvalue = 1\n";
    let said = Schema::parse(key).unwrap_err().to_string();
    assert!(said.contains("made of other columns"), "{said}");
}

#[test]
fn a_schema_says_in_a_line_how_a_column_is_made() {
    let made = format!(
        "{DAYS}{FOLLOWED}[columns.time]\ntype = \"int\"\nbetween = {{ from = \"diagnosed\", to = \"last_seen\", in = \"days\" }}\n\
         [columns.first]\ntype = \"int\"\nwhen = {{ column = \"recur\", is = \"1\", then = \"rtime\", else = \"dtime\" }}\n\
         [columns.event]\ntype = \"bool\"\nany_of = [\"recur\", \"death\"]\n\
         [columns.days]\ntype = \"int\"\nsource = \"RFS (maanden)\"\nscale = 30.4375\nround = 1\n\
         [columns.size]\ntype = \"ordered\"\nlevels = [\"<=20\", \"20-50\"]\nmap = {{ T1 = \"<=20\" }}\n\
         [columns.age]\ntype = \"int\"\nreplace = {{ \"> 89\" = 90 }}\n\
         [columns.wide]\ntype = \"category\"\nlevels = [\"no\", \"yes\"]\nof = \"age\"\ncut = [65]\n\
         [columns.country]\ntype = \"category\"\nvalue = \"NL\"\n"
    );
    let schema = Schema::parse(&schema(&made)).unwrap();
    for (name, line) in [
        ("time", "days from `diagnosed` to `last_seen`"),
        ("first", "`rtime` where `recur` is true, else `dtime`"),
        ("event", "whether `recur` or `death` is true"),
        (
            "days",
            "`RFS (maanden)` of the file, times 30.4375, to the nearest whole number",
        ),
        ("size", "`size` of the file, `T1` is `<=20`"),
        ("age", "`age` of the file, `> 89` counts as 90"),
        ("wide", "`age`, cut above 65"),
        ("country", "always `NL`"),
        (
            "diagnosed",
            "`diagnosed` of the file, dates as `dd/mm/yyyy`",
        ),
    ] {
        assert_eq!(schema.how(name).as_deref(), Some(line));
    }
    assert_eq!(schema.how("recur"), None);
}
