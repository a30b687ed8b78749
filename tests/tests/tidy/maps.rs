//! The map in front of each package: whoever opens a `lib.rs` finds there what every module is for.
//!
//! ```text
//! module     what it is for                       other, third   of several at once
//! one.rs     a map may also name files and        folder/        folders, wherever they stand
//! ```
//! A module that stands in no such block is named in backticks in the text around it, or has a
//! comment behind its own line. What a map names and is not there has been moved or renamed.

use crate::source::relative;
use std::collections::BTreeSet;
use std::path::Path;

/// What is wrong with the map of the `lib.rs` at `path`.
pub(crate) fn complaints(path: &Path, text: &str) -> Vec<String> {
    let place = relative(path);
    let modules = modules(text);
    let all: BTreeSet<&str> = modules.iter().map(|module| module.name).collect();
    let front = Front::of(text, &all);
    let lacking = modules
        .iter()
        .filter(|module| !module.told && !front.on_map.contains(module.name))
        .filter(|module| !front.in_words.contains(module.name))
        .map(|module| {
            let name = module.name;
            format!("{place}: the map lacks `{name}`: say in `//!` what the module is for")
        });
    let gone = front.on_map.iter().filter(|name| !all.contains(*name));
    let gone = gone.map(|name| format!("{place}: the map names `{name}`, which is no module here"));
    lacking.chain(gone).collect()
}

struct Module<'a> {
    name: &'a str,
    /// Whether a comment behind its line says what it is for.
    told: bool,
}

/// The modules that a `lib.rs` declares, those of tests not counted.
fn modules(text: &str) -> Vec<Module<'_>> {
    let mut found = Vec::new();
    let mut of_tests = false;
    for line in text.lines() {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        let code = code.trim_end();
        let declared = ["mod ", "pub mod ", "pub(crate) mod "]
            .iter()
            .find_map(|begin| code.strip_prefix(begin)?.strip_suffix(';'));
        of_tests |= code.starts_with("#[cfg(test)]");
        if let Some(name) = declared.filter(|_| !of_tests) {
            let told = !comment.trim().is_empty();
            found.push(Module { name, told });
        }
        of_tests &= code.starts_with('#');
    }
    found
}

/// What the page in front of a package names.
struct Front<'a> {
    on_map: BTreeSet<&'a str>,
    in_words: BTreeSet<&'a str>,
}

impl<'a> Front<'a> {
    fn of(text: &'a str, modules: &BTreeSet<&str>) -> Self {
        let lines = text.lines().filter_map(|line| line.strip_prefix("//!"));
        let mut front = Self {
            on_map: BTreeSet::new(),
            in_words: BTreeSet::new(),
        };
        let mut block: Option<Vec<&str>> = None;
        for line in lines {
            let fence = line.trim_start().starts_with("```");
            block = match block {
                Some(names) if fence => {
                    // Other blocks show how data flows, or an example.
                    let ours = names.iter().filter(|name| modules.contains(*name)).count();
                    if 2 * ours > names.len() {
                        front.on_map.extend(names);
                    }
                    None
                }
                Some(mut names) => {
                    names.extend(on_line(line));
                    Some(names)
                }
                None if fence => Some(Vec::new()),
                None => {
                    front.in_words.extend(line.split('`').skip(1).step_by(2));
                    None
                }
            };
        }
        front
    }
}

/// The names on one line of a map: what has something said of it after a wide gap, or is written
/// as a file or folder.
fn on_line(line: &str) -> Vec<&str> {
    let mut cells = line
        .split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .peekable();
    let mut found = Vec::new();
    while let Some(cell) = cells.next() {
        let names: Option<Vec<&str>> = cell.split(',').map(|name| plain(name.trim())).collect();
        let Some(names) = names else { continue };
        let files = cell.ends_with(".rs") || cell.ends_with('/');
        if files || cells.peek().is_some() {
            found.extend(names);
            // What is said of them may look like names, too: `approve, decline`.
            cells.next();
        }
    }
    found
}

/// The name of a module, a file or a folder without its ending.
fn plain(name: &str) -> Option<&str> {
    let name = name.trim_end_matches(".rs").trim_end_matches('/');
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (!name.is_empty() && name.chars().all(letter)).then_some(name)
}

/// A front page with every way to name a module, and two mistakes.
#[test]
fn a_map_that_lacks_a_module_or_names_one_that_went_is_complained_about() {
    let text = "//! A package. `said` is told in words.\n//!\n//! ```text\n\
        //! public            public            secret\n//! ```\n//! ```text\n\
        //! who is it   one       a first thing      two, three   take, give\n\
        //! gone        what was here once\n\
        //! four.rs     a file\n//! ```\n\n\
        mod one;\npub mod two;\n#[cfg(unix)]\nmod three;\nmod four;\nmod said;\n\
        mod told; // a line\nmod lost;\n#[cfg(test)]\n#[allow(unused)]\nmod tests;\n";
    let said = complaints(&crate::root().join("x/src/lib.rs"), text);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].contains("lacks `lost`"), "{said:#?}");
    assert!(said[1].contains("names `gone`"), "{said:#?}");
}
