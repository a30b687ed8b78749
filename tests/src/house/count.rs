//! The figures of the house. Each is counted in production code only: `src/` of every package but
//! the tests, without test files and without what stands under `#[cfg(test)]`. A line is a line of
//! that, empty or not.
//!
//! ```text
//! mentions of methods         how often a method is named outside the files that are its own (`methods.rs` says which)
//! files that name a method    pairs of a method and a file that is not its own and names it
//! matches that list methods   `match` and `matches!` whose patterns name two methods or more: a new method changes each
//! largest knot of PACKAGE     files that all reach each other by what they use, arrows between parent and child counted
//! longest file                its lines of production code
//! longest function            from `fn` to its last brace
//! named closures              `let name = |..| ..`: a function that is not written as one
//! tuple-lets                  `let (a, b) = (x, y);`: two facts on one line
//! silent defaults             `unwrap_or_default`, and `unwrap_or` with zero, `MAX`, `MIN` or an empty text: what may not
//!                             be there is replaced, and nobody is told
//! assertions                  `assert!`, `debug_assert!` and their kin: what must hold, said where it must hold
//! plain comments              lines with a comment that is no documentation
//! letters a line              the mean, over lines of code that are not empty, without the indent; lines of comments are as
//!                             wide as they read well
//! ```
//! From `named closures` to `plain comments` the figures are for 1,000 lines.

use super::methods::{METHODS, lists};
use super::modules::Graph;
use super::source::{Code, Place, Token};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How far a figure may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    AtMost(f64),
    AtLeast(f64),
}
use Limit::{AtLeast, AtMost};

/// Today's figures, and what to do. No change may make one worse; whoever makes one better writes
/// it here.
pub const LIMITS: &[(&str, Limit, &str)] = &[
    (
        "mentions of methods",
        AtMost(54.0),
        "ask the recipe and not the method, or give `methods.rs` the new room",
    ),
    (
        "files that name a method",
        AtMost(20.0),
        "ask the recipe and not the method",
    ),
    (
        "matches that list methods",
        AtMost(3.0),
        "let each method answer in its own file",
    ),
    ("largest knot of cli", AtMost(2.0), KNOT),
    ("largest knot of common", AtMost(4.0), KNOT),
    ("largest knot of common/ledger", AtMost(0.0), KNOT),
    ("largest knot of common/recipes", AtMost(4.0), KNOT),
    ("largest knot of common/release", AtMost(0.0), KNOT),
    ("largest knot of common/secagg", AtMost(2.0), KNOT),
    ("largest knot of common/toml", AtMost(0.0), KNOT),
    ("largest knot of coordinator", AtMost(5.0), KNOT),
    ("largest knot of node", AtMost(2.0), KNOT),
    ("largest knot of node/data", AtMost(0.0), KNOT),
    ("largest knot of program", AtMost(0.0), KNOT),
    ("largest knot of proto", AtMost(0.0), KNOT),
    ("longest file", AtMost(650.0), "make two nouns of it"),
    ("longest function", AtMost(156.0), "make two of it"),
    ("named closures", AtMost(1.1), "write a function"),
    ("tuple-lets", AtMost(0.2), "write one `let` for each"),
    (
        "silent defaults",
        AtMost(0.4),
        "say what is missing, or that it cannot be",
    ),
    (
        "assertions",
        AtLeast(0.85),
        "say with `debug_assert!` what must hold",
    ),
    ("plain comments", AtLeast(8.9), "say why"),
    ("letters a line", AtMost(30.1), "one fact a line"),
];

/// What to do about a knot.
const KNOT: &str = "move what parent and child share into a file below both";

/// One figure.
pub struct Figure {
    pub name: String,
    pub value: f64,
    /// What was counted, as far as it has a place.
    pub places: Vec<Place>,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(limit) => write!(f, "<= {limit}"),
            AtLeast(limit) => write!(f, ">= {limit}"),
        }
    }
}

impl Code {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    /// The first of these texts from here on, brackets taken as a whole.
    fn find(&self, here: usize, texts: &[&str]) -> Option<usize> {
        let next = |at: &usize| Some(self.tokens.get(*at)?.mate.max(*at) + 1);
        let mut outer =
            std::iter::successors(Some(here), next).take_while(|at| *at < self.tokens.len());
        outer.find(|at| texts.contains(&self.text(*at)))
    }

    fn places(&self, is_one: fn(&Code, usize) -> bool) -> Vec<Place> {
        (0..self.tokens.len())
            .filter(|at| is_one(self, *at))
            .map(|at| self.place(at))
            .collect()
    }

    /// Where the value of a `let` begins: after its pattern, its type and the `=`.
    fn value_of_let(&self, at: usize) -> Option<usize> {
        if self.text(at) != "let" {
            return None;
        }
        let sign = self.find(at + 1, &["=", ";", "{", "}"])?;
        (self.text(sign) == "=").then_some(sign + 1)
    }

    /// The lines of a function that begins here.
    fn function(&self, at: usize) -> Option<usize> {
        if self.text(at) != "fn" || self.text(at + 1) == "(" {
            return None;
        }
        let end = self
            .find(at + 2, &["{", ";", "}"])
            .filter(|end| self.text(*end) == "{")?;
        Some(self.tokens[self.tokens[end].mate].line - self.tokens[at].line + 1)
    }

    fn functions(&self) -> Vec<(usize, Place)> {
        (0..self.tokens.len())
            .filter_map(|at| Some((self.function(at)?, self.place(at))))
            .collect()
    }

    fn commented(&self) -> Vec<Place> {
        self.comments
            .iter()
            .map(|line| Place {
                path: self.path.clone(),
                line: *line,
            })
            .collect()
    }
}

fn is_named_closure(code: &Code, at: usize) -> bool {
    let name = if code.text(at + 1) == "mut" {
        at + 2
    } else {
        at + 1
    };
    let Some(mut value) = code
        .value_of_let(at)
        .filter(|_| matches!(code.text(name + 1), "=" | ":"))
    else {
        return false;
    };
    while matches!(code.text(value), "&" | "mut" | "move" | "async") {
        value += 1;
    }
    code.text(value) == "|"
}

fn is_tuple_let(code: &Code, at: usize) -> bool {
    let value = code
        .value_of_let(at)
        .filter(|value| code.text(at + 1) == "(" && code.text(*value) == "(");
    value.is_some_and(|open| {
        let close = code.tokens[open].mate;
        code.text(close + 1) == ";"
            && code
                .find(open + 1, &[","])
                .is_some_and(|comma| comma < close)
    })
}

fn is_silent_default(code: &Code, at: usize) -> bool {
    let empty = |text: &str| {
        let number = text.split(char::is_alphabetic).next().unwrap_or("");
        text == "\"\""
            || (number.starts_with('0') && number.trim_matches(['0', '.', '_']).is_empty())
    };
    match code.text(at) {
        "unwrap_or_default" => true,
        "unwrap_or" if code.text(at + 1) == "(" => {
            let close = code.tokens[at + 1].mate;
            let bound = matches!(
                code.text(close - 1),
                "MAX" | "MIN" | "INFINITY" | "NEG_INFINITY"
            );
            bound || (close == at + 3 && empty(code.text(at + 2)))
        }
        _ => false,
    }
}

fn is_assertion(code: &Code, at: usize) -> bool {
    let name = code.text(at).trim_start_matches("debug_");
    matches!(name, "assert" | "assert_eq" | "assert_ne") && code.text(at + 1) == "!"
}

/// Where something that may not be there is replaced, and nobody is told.
pub fn silent_defaults(codes: &[Code]) -> Vec<Place> {
    places(codes, is_silent_default)
}

/// The arrows of every package, by its folder.
pub fn graphs(codes: &[Code]) -> BTreeMap<&str, Graph> {
    let mut packages: BTreeMap<&str, Vec<(&Path, &[Token])>> = BTreeMap::new();
    for code in codes {
        let below = &code.path[code.package.len() + "/src/".len()..];
        packages
            .entry(&code.package)
            .or_default()
            .push((Path::new(below), &code.tokens));
    }
    packages
        .into_iter()
        .map(|(package, files)| (package, Graph::of(files.into_iter())))
        .collect()
}

/// Every set of files of a package that reach each other, the largest first.
pub fn knots(codes: &[Code]) -> BTreeMap<&str, Vec<Vec<String>>> {
    let knots = |graph: &Graph| {
        let mut knots = graph.knots();
        knots.sort_by_key(|knot| std::cmp::Reverse(knot.len()));
        knots
    };
    graphs(codes)
        .iter()
        .map(|(package, graph)| (*package, knots(graph)))
        .collect()
}

/// Lines of production code below a path.
pub fn lines(codes: &[Code], path: &str) -> usize {
    codes
        .iter()
        .filter(|code| code.path.starts_with(path))
        .map(|code| code.lines.len())
        .sum()
}

/// Every figure of the table above.
pub fn figures(codes: &[Code]) -> Vec<Figure> {
    let mentions: Vec<Vec<Place>> = METHODS
        .iter()
        .map(|method| method.mentions(codes))
        .collect();
    let mut figures = vec![
        Figure::total("mentions of methods", mentions.concat()),
        Figure::total(
            "files that name a method",
            mentions.into_iter().flat_map(one_a_file).collect(),
        ),
        Figure::total(
            "matches that list methods",
            codes.iter().flat_map(lists).collect(),
        ),
    ];
    for (package, knots) in knots(codes) {
        let name = format!("largest knot of {package}");
        let largest = knots.first().map_or(&[][..], Vec::as_slice);
        let files = largest
            .iter()
            .filter_map(|module| file(codes, package, module));
        figures.push(Figure::total(&name, files.collect()));
    }
    let files = codes.iter().map(|code| {
        (
            code.lines.len(),
            Place {
                path: code.path.clone(),
                line: 1,
            },
        )
    });
    figures.push(Figure::longest("longest file", files.collect()));
    figures.push(Figure::longest(
        "longest function",
        codes.iter().flat_map(Code::functions).collect(),
    ));

    let thousands = lines(codes, "") as f64 / 1000.0;
    figures.push(Figure::rate(
        "named closures",
        places(codes, is_named_closure),
        thousands,
    ));
    figures.push(Figure::rate(
        "tuple-lets",
        places(codes, is_tuple_let),
        thousands,
    ));
    figures.push(Figure::rate(
        "silent defaults",
        silent_defaults(codes),
        thousands,
    ));
    figures.push(Figure::rate(
        "assertions",
        places(codes, is_assertion),
        thousands,
    ));
    figures.push(Figure::rate(
        "plain comments",
        codes.iter().flat_map(Code::commented).collect(),
        thousands,
    ));
    figures.push(Figure::new("letters a line", letters_a_line(codes)));
    figures
}

/// The first place in each file.
fn one_a_file(mut places: Vec<Place>) -> Vec<Place> {
    places.dedup_by(|next, place| next.path == place.path);
    places
}

fn places(codes: &[Code], is_one: fn(&Code, usize) -> bool) -> Vec<Place> {
    codes.iter().flat_map(|code| code.places(is_one)).collect()
}

/// The file of a module.
fn file(codes: &[Code], package: &str, module: &str) -> Option<Place> {
    let stem = format!("{package}/src/{}", module.replace("::", "/"));
    let names = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
    let code = codes.iter().find(|code| names.contains(&code.path))?;
    Some(Place {
        path: code.path.clone(),
        line: 1,
    })
}

fn letters_a_line(codes: &[Code]) -> f64 {
    let lines = codes
        .iter()
        .flat_map(|code| &code.lines)
        .map(|(_, line)| line.trim())
        .filter(|line| !line.starts_with("//"));
    let letters: Vec<usize> = lines
        .map(|line| line.chars().count())
        .filter(|letters| *letters > 0)
        .collect();
    letters.iter().sum::<usize>() as f64 / letters.len() as f64
}

impl Figure {
    fn new(name: &str, value: f64) -> Self {
        Self {
            name: name.to_owned(),
            value,
            places: Vec::new(),
        }
    }

    fn total(name: &str, places: Vec<Place>) -> Self {
        Self::rate(name, places, 1.0)
    }

    fn rate(name: &str, places: Vec<Place>, thousands: f64) -> Self {
        let value = places.len() as f64 / thousands;
        Self {
            places,
            ..Self::new(name, value)
        }
    }

    /// The longest of what has that many lines each.
    fn longest(name: &str, all: Vec<(usize, Place)>) -> Self {
        let (lines, place) = all.into_iter().max_by_key(|(lines, _)| *lines).unwrap();
        Self {
            places: vec![place],
            ..Self::new(name, lines as f64)
        }
    }

    fn keeps(&self, limit: Limit) -> bool {
        match limit {
            AtMost(most) => self.value <= most,
            AtLeast(least) => self.value >= least,
        }
    }

    fn complaint(&self, limit: Limit, advice: &str) -> String {
        let Self { name, value, .. } = self;
        let each = format!("`cargo run --bin motet-count '{name}'` says each place");
        format!(
            "{name}: {value:.2}, the limit is {limit}: {advice}; {each}, most are in{}",
            self.most()
        )
    }

    /// The files with most of what it counts: how much, and the first line.
    fn most(&self) -> String {
        let mut by_file: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for place in &self.places {
            by_file.entry(&place.path).or_default().push(place.line);
        }
        let mut most: Vec<(&str, Vec<usize>)> = by_file.into_iter().collect();
        most.sort_by_key(|(_, lines)| std::cmp::Reverse(lines.len()));
        let most = most.iter().take(OFFENDERS);
        most.map(|(path, lines)| format!("\n    {path}:{} ({})", lines[0], lines.len()))
            .collect()
    }
}

/// How many files a complaint names.
const OFFENDERS: usize = 5;

/// What is wrong with figures: every limit that one of them breaks, and where most of what it
/// counts stands. A figure without a limit, or a limit without a figure, is wrong too.
pub fn complaints(figures: &[Figure], limits: &[(&str, Limit, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, limit, advice) in limits {
        match figures.iter().find(|figure| figure.name == *name) {
            None => complaints.push(format!("LIMITS: there is no figure `{name}`: take it out")),
            Some(figure) if figure.keeps(*limit) => {}
            Some(figure) => complaints.push(figure.complaint(*limit, advice)),
        }
    }
    for Figure { name, value, .. } in figures {
        if !limits.iter().any(|(limited, ..)| limited == name) {
            complaints.push(format!("LIMITS: `{name}` has no limit: write {value:.2}"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::code;
    use super::*;

    fn lines_of(is_one: fn(&Code, usize) -> bool, text: &str) -> Vec<usize> {
        code("cli/src/a.rs", text)
            .places(is_one)
            .iter()
            .map(|place| place.line)
            .collect()
    }

    #[test]
    fn a_closure_with_a_name_is_counted_and_one_that_is_passed_on_is_not() {
        let text = "fn f() {
            let a = |x| x;
            let mut b = move || 1;
            let c: fn(u8) -> u8 = |x| x;
            let d = &|x| x;
            let e = list.map(|x| x);
            let (g, h) = (|x| x, 2);
            let Some(i) = j else { return |x| x };
            k = |x| x;
            assert!({ let l = |x| x; true }, \"let m = |x| x\");
        }";
        assert_eq!(lines_of(is_named_closure, text), [2, 3, 4, 5, 10]);
    }

    #[test]
    fn a_tuple_taken_apart_at_once_is_counted_and_one_that_is_returned_is_not() {
        let text = "fn f() {
            let (a, b) = (1, 2);
            let (mut a, b): (u8, u8) = (g(1), 2);
            let (a, b) = g(1, 2);
            let (a, b) = (x, y).map(h);
            if let (Some(a), Some(b)) = (x, y) {}
            f({ let (a, b) = (x.y()); }, 2);
        }";
        assert_eq!(lines_of(is_tuple_let, text), [2, 3]);
    }

    #[test]
    fn a_default_that_nobody_is_told_of_is_counted() {
        let text = "fn f() {
            a.unwrap_or_default();
            a.map_or_else(g, Option::unwrap_or_default);
            u32::try_from(a).unwrap_or(u32::MAX);
            a.unwrap_or(0);
            a.unwrap_or(0.0_f64);
            format!(\"{}\", a.unwrap_or(\"\"));
            a.unwrap_or(-f64::INFINITY);
            a.unwrap_or(10);
            a.unwrap_or(0.5);
            a.unwrap_or(LIMIT);
            a.unwrap_or(\"none\");
            a.unwrap_or_else(|| 0);
        }";
        assert_eq!(lines_of(is_silent_default, text), [2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn an_assertion_is_counted_outside_tests() {
        let text = "const _: () = assert!(true);
            fn f() { debug_assert_eq!(1, 1); assert_ne!(1, 2); self.assert(); }
            #[cfg(test)] mod tests { fn f() { assert!(true) } }";
        assert_eq!(lines_of(is_assertion, text), [1, 2, 2]);
    }

    #[test]
    fn figures_are_of_production_code_and_name_the_longest() {
        let text = "//! A page.\n\nfn a() {\n    b(); // why\n}\n\ntrait T {\n    fn c();\n    fn d() { let e = |x| x; }\n}\n";
        let parent =
            "mod b;\npub struct P;\nfn f() { b::g(Recipe::Cox) }\n#[cfg(test)]\nmod tests {}\n";
        let child = "use super::P;\nfn g() { match x { Recipe::Km => 1, Recipe::Cox => 2 } }\n";
        let codes = [
            code("cli/src/a.rs", text),
            code("node/src/a.rs", parent),
            code("node/src/a/b.rs", child),
        ];
        let figures = figures(&codes);
        let figure = |name: &str| figures.iter().find(|figure| figure.name == name).unwrap();
        let expected = [
            ("mentions of methods", 3.0),
            ("files that name a method", 3.0),
            ("matches that list methods", 1.0),
            ("largest knot of cli", 0.0),
            ("largest knot of node", 2.0),
            ("longest file", 10.0),
            ("longest function", 3.0),
            ("named closures", 1000.0 / 15.0),
            ("assertions", 0.0),
            ("plain comments", 1000.0 / 15.0),
        ];
        for (name, value) in expected {
            assert_eq!(figure(name).value, value, "{name}");
        }
        assert_eq!(
            figure("longest function").places[0].to_string(),
            "cli/src/a.rs:3"
        );
        let letters = "fn a() {b(); // why}trait T {fn c();fn d() { let e = |x| x; }}mod b;pub struct P;\
            fn f() { b::g(Recipe::Cox) }use super::P;fn g() { match x { Recipe::Km => 1, Recipe::Cox => 2 } }";
        assert_eq!(figure("letters a line").value, letters.len() as f64 / 12.0);
    }

    #[test]
    fn a_figure_beyond_its_limit_is_complained_of_with_the_files_that_have_most() {
        let place = |path: &str, line| Place {
            path: path.to_owned(),
            line,
        };
        let places = vec![place("a.rs", 1), place("b.rs", 7), place("b.rs", 9)];
        let figures = [Figure {
            name: "knots".to_owned(),
            value: 3.0,
            places,
        }];
        for kept in [AtMost(3.0), AtLeast(3.0)] {
            assert!(complaints(&figures, &[("knots", kept, "untie")]).is_empty());
        }
        let said = complaints(
            &figures,
            &[("knots", AtMost(2.5), "untie"), ("gone", AtMost(1.0), "")],
        );
        assert!(
            said[0].starts_with("knots: 3.00, the limit is <= 2.5: untie; "),
            "{}",
            said[0]
        );
        assert!(
            said[0].ends_with("\n    b.rs:7 (2)\n    a.rs:1 (1)"),
            "{}",
            said[0]
        );
        assert!(said[1].contains("no figure `gone`"));
        assert_eq!(
            complaints(&figures, &[("knots", AtLeast(3.5), "tie")]).len(),
            1
        );
        assert_eq!(
            complaints(&figures, &[]),
            ["LIMITS: `knots` has no limit: write 3.00"]
        );
    }
}
