//! What pages say of tests: that the ones they name are there. A promise whose test was renamed,
//! moved or deleted is a promise that nobody holds any more.
//!
//! ```text
//! a table whose first column is `promise`    the last cell of every row names a test, and its file after it or none
//! `a_sentence_of_five_words_or_more`         is a test somewhere, wherever the page says it
//! `name.rs`, [text](some/name.rs)            is a file
//! ```
//! `attack_a01_*` and `attack_a01_...` mean every test that begins so; there must be one.

use crate::source::{Source, relative};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Underscores from which on a word in backticks can only be the name of a test: no refusal code,
/// key or command has as many.
const SENTENCE: usize = 5;

/// The tests of every file.
pub(crate) struct Tests {
    by_file: BTreeMap<String, Vec<String>>,
    /// Files with an example that must not compile.
    walls: Vec<String>,
}

impl Tests {
    pub(crate) fn of(sources: &[Source]) -> Self {
        let by_file = sources
            .iter()
            .map(|source| (relative(&source.path), tests(&source.text)))
            .collect();
        let walls = sources
            .iter()
            .filter(|source| source.text.contains("/// ```compile_fail"));
        Self {
            by_file,
            walls: walls.map(|source| relative(&source.path)).collect(),
        }
    }

    fn is_there(&self, name: &str, file: impl Fn(&str) -> bool) -> bool {
        if name == "compile_fail" {
            return self.walls.iter().any(|path| file(path));
        }
        let prefix = name.strip_suffix('*').or_else(|| name.strip_suffix("..."));
        let fits = |test: &String| prefix.map_or(test == name, |prefix| test.starts_with(prefix));
        self.by_file
            .iter()
            .any(|(path, tests)| file(path) && tests.iter().any(fits))
    }

    /// The files of the repository that a page means by this: a path beside the page, or just a
    /// name.
    fn files<'a>(&'a self, page: &Path, said: &'a str) -> impl Iterator<Item = &'a str> {
        let beside = normal(
            &page
                .parent()
                .map(|folder| folder.join(said))
                .unwrap_or_default(),
        );
        let ends = format!("/{said}");
        let means =
            move |path: &&String| **path == said || **path == beside || path.ends_with(&ends);
        self.by_file.keys().filter(means).map(String::as_str)
    }

    /// What is wrong with a page; `page` is its path below the root.
    pub(crate) fn complaints(&self, page: &Path, text: &str) -> Vec<String> {
        let mut complaints = Vec::new();
        let (mut fence, mut promises) = (false, false);
        for (number, line) in (1..).zip(text.lines()) {
            let mut complain =
                |what: String| complaints.push(format!("{}:{number}: {what}", page.display()));
            if line.starts_with("```") {
                fence = !fence;
            }
            if fence {
                continue;
            }
            for file in files(line).filter(|file| self.files(page, file).next().is_none()) {
                complain(format!("there is no file `{file}`"));
            }
            for name in spans(line).filter(|name| is_sentence(name)) {
                if !self.is_there(name, |_| true) {
                    complain(format!("there is no test `{name}`"));
                }
            }
            let cells: Vec<&str> = line
                .trim()
                .trim_matches('|')
                .split('|')
                .map(str::trim)
                .collect();
            promises = line.starts_with('|') && (promises || cells[0] == "promise");
            let row = promises && cells[0] != "promise" && !cells[0].starts_with("---");
            if let Some(cell) = cells.last().filter(|_| row) {
                self.cell(page, cell).into_iter().for_each(&mut complain);
            }
        }
        complaints
    }

    /// The cell of a promise: it names a test, and every test it names is in one of the files that
    /// it names after it.
    fn cell(&self, page: &Path, cell: &str) -> Vec<String> {
        let tests: Vec<&str> = spans(cell).filter(|span| is_word(span)).collect();
        if tests.is_empty() {
            return vec![format!("this promise names no test: `{cell}`")];
        }
        let lost = tests.into_iter().filter_map(|name| {
            let after = cell.split_once(name).map_or("", |(_, after)| after);
            let named: Vec<&str> = files(after)
                .flat_map(|file| self.files(page, file))
                .collect();
            // A file may be parted into modules, which stand in a folder of its name.
            let part = |path: &str, file: &str| {
                path == file || path.starts_with(&file.replace(".rs", "/"))
            };
            let inside = |path: &str| named.is_empty() || named.iter().any(|file| part(path, file));
            (!self.is_there(name, inside))
                .then(|| format!("no test `{name}` in {}", named.join(", ")))
        });
        lost.collect()
    }
}

/// `a/b/../c` without the dots.
fn normal(path: &Path) -> String {
    let mut parts = Vec::new();
    for part in path.iter().map(|part| part.to_string_lossy().into_owned()) {
        match part.as_str() {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// What stands in backticks.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A name in snake case of at least two words, or the beginning of one.
fn is_word(span: &str) -> bool {
    let name = span.trim_end_matches(['*', '.']);
    name.contains('_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

fn is_sentence(span: &str) -> bool {
    is_word(span) && span.matches('_').count() >= SENTENCE
}

/// Rust files that a line names, as links or in words; not those of links into other repositories.
fn files(line: &str) -> impl Iterator<Item = &str> {
    let letter = |letter: char| letter.is_alphanumeric() || "_-./".contains(letter);
    let words = line.split(move |other: char| !letter(other));
    words
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.ends_with(".rs") && !word.starts_with('.'))
}

/// The functions of a file that are tests.
fn tests(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let name = line
            .trim_start_matches("async ")
            .strip_prefix("fn ")
            .filter(|_| marked);
        if let Some(name) = name.and_then(|rest| rest.split(['(', '<']).next()) {
            found.push(name.to_owned());
            marked = false;
        }
    }
    found
}

/// A page and a file of tests that do not fit, and what is said of it.
#[test]
fn a_page_that_names_what_is_not_there_is_complained_about() {
    let source = "#[test]\nfn a_b() {}\n#[tokio::test]\nasync fn c_d() {}\nfn no_test() {}\n";
    let at = |name: &str| Source {
        path: crate::root().join(name),
        text: source.to_owned(),
        tokens: Vec::new(),
    };
    let tests = Tests::of(&[at("x/one.rs"), at("x/one/part.rs"), at("two.rs")]);
    let page = "| promise | how | test |\n|---|---|---|\n\
        | good | so | `a_b`, `c_...` in [one.rs](x/one.rs) |\n\
        | bad | so | `no_test` in [one.rs](x/one.rs) |\n\
        | none | so | two tests in two.rs |\n\
        | gone | so | `a_b` in three.rs |\n\n\
        `a_name_of_a_test_that_went` and `too_few_rows`\n";
    let said = tests.complaints(Path::new("PAGE.md"), page);
    let lines: Vec<&str> = said
        .iter()
        .map(|complaint| complaint.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        lines,
        ["PAGE.md:4:", "PAGE.md:5:", "PAGE.md:6:", "PAGE.md:8:"],
        "{said:#?}"
    );
    assert_eq!(normal(&PathBuf::from("a/b/../../c.rs")), "c.rs");
}
