//! Which module of a package imports which, and the circles among them.
//!
//! There are two ways to look. *Among siblings*, a path `crate::round::share::Dealt` seen in
//! `crate::round::upload` is an arrow from `round::upload` to `round::share`; a parent and its
//! children are one thing, so paths to an ancestor's own items and a parent's use of its children
//! draw no arrow. *Between files*, they draw one too: a file that uses an item of its parent, while
//! the parent uses the child, is a knot of two. In both a name that a parent re-exports counts as
//! the child's.

use super::source::Token;
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
pub struct Graph {
    modules: BTreeSet<Module>,
    siblings: Arrows,
    files: Arrows,
}

#[derive(Default)]
struct Arrows(BTreeMap<Module, BTreeSet<Module>>);

impl Graph {
    /// Reads files given by their path below `src` and their tokens. `main.rs`, `bin/` and test
    /// modules are crates or crate-like roots of their own and are left out.
    pub fn of<'a>(files: impl Iterator<Item = (&'a Path, &'a [Token])>) -> Self {
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
        let (mut siblings, mut files) = (Arrows::default(), Arrows::default());
        for mention in &mentions {
            let to = resolve(&mention.path, &modules, &exports, 0);
            let shared = to
                .iter()
                .zip(&mention.from)
                .take_while(|(a, b)| a == b)
                .count();
            if shared < to.len() && shared < mention.from.len() {
                siblings.draw(&mention.from[..=shared], &to[..=shared]);
            }
            let from = resolve(&mention.from, &modules, &BTreeMap::new(), 0);
            if from != to {
                files.draw(&from, &to);
            }
        }
        Self {
            modules,
            siblings,
            files,
        }
    }

    pub fn modules(&self) -> usize {
        self.modules.len()
    }

    /// Every set of siblings that reach each other, sorted.
    pub fn circles(&self) -> Vec<Vec<String>> {
        self.siblings.circles()
    }

    /// Every set of files that reach each other, arrows between parent and child counted, sorted.
    pub fn knots(&self) -> Vec<Vec<String>> {
        self.files.circles()
    }
}

impl Arrows {
    fn draw(&mut self, from: &[String], to: &[String]) {
        self.0.entry(from.to_vec()).or_default().insert(to.to_vec());
    }

    fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&Module, BTreeSet<&Module>> = self
            .0
            .keys()
            .map(|module| (module, self.reached(module)))
            .collect();
        let name = |module: &Module| {
            if module.is_empty() {
                "lib".to_owned()
            } else {
                module.join("::")
            }
        };
        let circle = |module: &&Module| {
            let back = |other: &&&Module| {
                reached
                    .get(*other)
                    .is_some_and(|reached| reached.contains(module))
            };
            reached[*module]
                .iter()
                .filter(back)
                .map(|other| name(other))
                .collect::<Vec<_>>()
        };
        let circles: BTreeSet<Vec<String>> = self.0.keys().map(|module| circle(&module)).collect();
        circles
            .into_iter()
            .filter(|circle| !circle.is_empty())
            .collect()
    }

    /// Every module that arrows lead to from this one; itself too when it stands on a circle.
    fn reached(&self, module: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&Module> = self.0.get(module).into_iter().flatten().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.0.get(next).into_iter().flatten());
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
    tokens: &'a [Token],
    mentions: &'a mut Vec<Mention>,
}

impl Reader<'_> {
    fn token(&self, here: usize) -> &str {
        self.tokens.get(here).map_or("", |token| &token.text)
    }

    /// Collects every path, and every re-export.
    fn read(&mut self, file: &Module) {
        let mut module = file.clone();
        let mut inline: Vec<usize> = Vec::new();
        let (mut depth, mut here) = (0, 0);
        while here < self.tokens.len() {
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
                name if self.token(here + 1) == "::"
                    && is_name(name)
                    && (here == 0 || !matches!(self.token(here - 1), "$" | "::")) =>
                {
                    here = self.tree(here, &module, &[], None);
                    continue;
                }
                _ => {}
            }
            here += 1;
        }
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
            if !is_name(self.token(here)) && self.token(here) != "*" {
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

fn is_name(token: &str) -> bool {
    token.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
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
    use super::super::source::{Source, production};
    use super::Graph;
    use std::path::Path;

    fn graph(files: &[(&str, &str)]) -> Graph {
        let source = |(path, text): &(&str, &str)| {
            Source::new(Path::new("/node/src").join(path), (*text).to_owned())
        };
        let codes = production(
            Path::new("/"),
            &files.iter().map(source).collect::<Vec<_>>(),
        );
        let below = |path: &'_ str| Path::new(path).strip_prefix("node/src").unwrap().to_owned();
        let files: Vec<_> = codes
            .iter()
            .map(|code| (below(&code.path), code.tokens.as_slice()))
            .collect();
        Graph::of(files.iter().map(|(path, tokens)| (path.as_path(), *tokens)))
    }

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        graph(files)
            .circles()
            .iter()
            .map(|circle| circle.join(" "))
            .collect()
    }

    #[test]
    fn a_parent_and_a_child_that_use_each_other_are_a_knot_of_files() {
        let knots = |parent: &str, child: &str| {
            let files = [
                ("a/mod.rs", parent),
                ("a/b.rs", child),
                ("a/c.rs", "pub struct C;"),
            ];
            graph(&files)
                .knots()
                .iter()
                .map(|knot| knot.join(" "))
                .collect::<Vec<_>>()
        };
        let down = "mod b; mod c; pub use c::C; pub struct P; fn f() { b::f() }";
        for up in [
            "use super::P;",
            "fn g() { super::f() }",
            "use crate::a::{C, P};",
        ] {
            assert_eq!(knots(down, up), ["a a::b"], "{up}");
            assert!(
                circles(&[("a/mod.rs", down), ("a/b.rs", up)]).is_empty(),
                "{up}"
            );
        }
        for up in [
            "use super::C;",
            "mod d; use d::P;",
            "fn g() { super::c::f() }",
        ] {
            assert_eq!(knots(down, up), Vec::<String>::new(), "{up}");
        }
        assert_eq!(
            knots("mod b; pub struct P;", "use super::P;"),
            Vec::<String>::new()
        );
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
