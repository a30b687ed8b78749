//! Which module of a package imports which, and the circles among them.
//!
//! Modules are compared among siblings: a path `crate::round::share::Dealt` seen in
//! `crate::round::upload` is an arrow from `round::upload` to `round::share`. A parent and its
//! children are one thing, so paths to an ancestor's own items and a parent's use of its children
//! draw no arrow; a name that a parent re-exports counts as the child's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

type Module = Vec<String>;

/// One path as written: absolute from the crate's root, and the name it gets when a parent
/// re-exports it.
struct Mention {
    from: Module,
    path: Vec<String>,
    exported_as: Option<String>,
}

/// The arrows of one package.
pub(crate) struct Graph {
    modules: BTreeSet<Module>,
    arrows: BTreeMap<Module, BTreeSet<Module>>,
}

impl Graph {
    /// Reads files given by their path below `src` and their tokens. `main.rs`, `bin/` and test
    /// modules are crates or crate-like roots of their own and are left out.
    pub(crate) fn of<'a>(files: impl Iterator<Item = (&'a Path, &'a [String])>) -> Self {
        let mut modules = BTreeSet::new();
        let mut mentions = Vec::new();
        for (path, tokens) in files {
            if let Some(module) = module_of(path) {
                Reader {
                    tokens,
                    mentions: &mut mentions,
                }
                .read(&module);
                modules.insert(module);
            }
        }
        let mut exports = BTreeMap::new();
        for mention in &mentions {
            if let Some(name) = &mention.exported_as {
                exports.insert((mention.from.clone(), name.clone()), mention.path.clone());
            }
        }
        let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for mention in &mentions {
            let to = resolve(&mention.path, &modules, &exports, 0);
            let shared = to
                .iter()
                .zip(&mention.from)
                .take_while(|(a, b)| a == b)
                .count();
            if shared < to.len() && shared < mention.from.len() {
                arrows
                    .entry(mention.from[..=shared].to_vec())
                    .or_default()
                    .insert(to[..=shared].to_vec());
            }
        }
        Self { modules, arrows }
    }

    pub(crate) fn modules(&self) -> usize {
        self.modules.len()
    }

    /// Every set of modules that reach each other, sorted.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> = self
            .arrows
            .keys()
            .map(|module| (module, self.reached(module)))
            .collect();
        let circle = |module: &&Module| {
            let back = |other: &&&Module| {
                reached
                    .get(*other)
                    .is_some_and(|reached| reached.contains(module))
            };
            reached[*module]
                .iter()
                .filter(back)
                .map(|other| other.join("::"))
                .collect::<Vec<_>>()
        };
        let circles: BTreeSet<Vec<String>> =
            self.arrows.keys().map(|module| circle(&module)).collect();
        circles
            .into_iter()
            .filter(|circle| !circle.is_empty())
            .collect()
    }

    /// Every module that arrows lead to from this one; itself too when it stands on a circle.
    fn reached(&self, module: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&Module> = self.arrows.get(module).into_iter().flatten().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.arrows.get(next).into_iter().flatten());
            }
        }
        reached
    }
}

/// The module a file holds: `round/share.rs` is `round::share`, `lib.rs` the root, an empty path.
fn module_of(path: &Path) -> Option<Module> {
    let mut parts: Module = path
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let file = parts.pop()?;
    match file.strip_suffix(".rs")? {
        "lib" if parts.is_empty() => {}
        "main" if parts.is_empty() => return None,
        "mod" => {}
        name => parts.push(name.to_owned()),
    }
    let apart = parts.iter().any(|part| part == "tests" || part == "test")
        || parts.first().is_some_and(|p| p == "bin");
    (!apart).then_some(parts)
}

/// The deepest module that a path leads to.
fn resolve(
    path: &[String],
    modules: &BTreeSet<Module>,
    exports: &BTreeMap<(Module, String), Vec<String>>,
    depth: usize,
) -> Module {
    let mut module = Module::new();
    for name in path {
        module.push(name.clone());
        if !modules.contains(&module) {
            module.pop();
            // An export that names itself again (a glob of a glob) ends here.
            return match exports.get(&(module.clone(), name.clone())) {
                Some(target) if depth < 8 && target != path => {
                    resolve(target, modules, exports, depth + 1)
                }
                _ => module,
            };
        }
    }
    module
}

struct Reader<'a> {
    tokens: &'a [String],
    mentions: &'a mut Vec<Mention>,
}

impl Reader<'_> {
    fn is(&self, here: usize, expected: &[&str]) -> bool {
        expected
            .iter()
            .enumerate()
            .all(|(offset, token)| self.token(here + offset) == *token)
    }

    fn token(&self, here: usize) -> &str {
        self.tokens.get(here).map_or("", String::as_str)
    }

    /// Collects every path that starts with `crate`, `super` or `self`, and every re-export.
    fn read(&mut self, file: &Module) {
        let mut module = file.clone();
        let mut inline: Vec<usize> = Vec::new();
        let (mut depth, mut here) = (0, 0);
        while here < self.tokens.len() {
            if self.is(here, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                here = self.after_item(here + 7);
                continue;
            }
            match self.token(here) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if inline.last() == Some(&depth) {
                        inline.pop();
                        module.pop();
                    }
                }
                "mod" if self.token(here + 2) == "{" => {
                    inline.push(depth);
                    module.push(self.token(here + 1).to_owned());
                }
                "use" => {
                    let public = here > 0 && matches!(self.token(here - 1), "pub" | ")");
                    here = self.tree(here + 1, &module, &[], Some(public));
                    continue;
                }
                // `$crate` in a macro is the crate of whoever reads it here, and that is the
                // macro's own file.
                "crate" | "super"
                    if self.token(here + 1) == "::"
                        && (here == 0 || self.token(here - 1) != "$") =>
                {
                    here = self.tree(here, &module, &[], None);
                    continue;
                }
                _ => {}
            }
            here += 1;
        }
    }

    /// Skips the item after `#[cfg(test)]`: to its `;` or over its braces.
    fn after_item(&self, start: usize) -> usize {
        let (mut here, mut depth) = (start, 0);
        while here < self.tokens.len() {
            match self.token(here) {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    if depth == 0 {
                        return here + 1;
                    }
                }
                ";" if depth == 0 => return here + 1,
                _ => {}
            }
            here += 1;
        }
        here
    }

    /// Reads one path or one branch of a use tree; gives the place after it. `public` is set inside
    /// a `use`.
    fn tree(
        &mut self,
        start: usize,
        from: &Module,
        before: &[String],
        public: Option<bool>,
    ) -> usize {
        let mut path = before.to_vec();
        let mut here = start;
        loop {
            if self.token(here) == "{" && public.is_some() {
                here += 1;
                while !matches!(self.token(here), "}" | "") {
                    here = self.tree(here, from, &path, public);
                    here += usize::from(self.token(here) == ",");
                }
                return here + 1;
            }
            if !self.token(here).starts_with(|letter: char| {
                letter.is_alphabetic() || letter == '_' || letter == '*'
            }) {
                break;
            }
            path.push(self.token(here).to_owned());
            here += 1;
            if self.token(here) != "::" {
                break;
            }
            here += 1;
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if public.is_some() && self.token(here) == "as" {
            name = self.token(here + 1).to_owned();
            here += 2;
        }
        if let Some(path) = absolute(&path, from) {
            let exported_as = (public == Some(true) && name != "*").then_some(name);
            self.mentions.push(Mention {
                from: from.clone(),
                path,
                exported_as,
            });
        }
        here.max(start + 1)
    }
}

/// The path from the root: `super` and `self` resolved; another first word is taken as a child's,
/// where the root of another crate simply leads nowhere.
fn absolute(path: &[String], from: &Module) -> Option<Vec<String>> {
    let mut whole = from.clone();
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => whole.clear(),
            "super" => drop(whole.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    whole.extend_from_slice(rest);
    (!rest.is_empty()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::Graph;
    use crate::source::tokens;
    use std::path::Path;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (Path::new(*path), tokens(text)))
            .collect();
        let graph = Graph::of(
            files
                .iter()
                .map(|(path, tokens)| (*path, tokens.as_slice())),
        );
        graph
            .circles()
            .iter()
            .map(|circle| circle.join(" "))
            .collect()
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let lib = (
            "lib.rs",
            "mod a; mod b; pub use b::{Thing as Renamed, other};",
        );
        let a = ("a.rs", "pub fn f() {}");
        for circular in [
            "use crate::a::f;",
            "fn g() { super::a::f() }",
            "use crate::{x::Y, a::{self, f}};",
        ] {
            for way in [
                "use crate::b::g;",
                "use crate::Renamed;",
                "mod inner { use super::super::b; }",
            ] {
                let files = [lib, (a.0, way), ("b.rs", circular)];
                assert_eq!(circles(&files), ["a b"], "{way} {circular}");
            }
        }
        let deep = [
            ("round/mod.rs", "mod share; mod upload;"),
            ("round/share.rs", "use super::upload::U;"),
            ("round/upload.rs", "use crate::round::share::S;"),
        ];
        assert_eq!(circles(&deep), ["round::share round::upload"]);
        let three = [
            ("a.rs", "use crate::b::x;"),
            ("b.rs", "use crate::c::x;"),
            ("c.rs", "use crate::a::x;"),
        ];
        assert_eq!(circles(&three), ["a b c"]);
    }

    #[test]
    fn a_one_way_flow_is_left_alone() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A;"),
            (
                "a.rs",
                "use serde::b; // use crate::b\n#[cfg(test)] mod tests { use crate::b::B; }",
            ),
            (
                "b.rs",
                "use crate::{A, Missing}; use super::a; mod c; pub use c::C;",
            ),
            ("b/c.rs", "use super::Parents; use crate::b::Own;"),
            ("main.rs", "use crate::a::A; use crate::b::B;"),
        ];
        assert_eq!(circles(&files), Vec::<String>::new());
    }
}
