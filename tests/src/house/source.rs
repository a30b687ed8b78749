//! The files of the repository, the tokens of a Rust file, and what of them is production code.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", "motet-demo", "node_modules", "__pycache__"];

/// An identifier, a literal as written, a bracket, or a punctuation mark; of those in two letters
/// `::`, `->` and `=>` are one. Comments are none.
#[derive(Debug, Clone)]
pub struct Token {
    pub text: String,
    pub line: usize,
    /// Of a bracket: where the other one of the pair stands. Of anything else: where it stands
    /// itself.
    pub mate: usize,
}

/// One Rust file.
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    pub tokens: Vec<Token>,
    /// The lines with a comment that is no documentation.
    pub comments: Vec<usize>,
}

/// What is compiled outside tests: a file without the parts under `#[cfg(test)]`.
pub struct Code {
    /// The folder of its package, such as `node/data`.
    pub package: String,
    /// Its path below the root, with `/` on every system.
    pub path: String,
    pub tokens: Vec<Token>,
    /// Its lines with their numbers.
    pub lines: Vec<(usize, String)>,
    pub comments: Vec<usize>,
}

/// Where something that is counted stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub path: String,
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The path below the root, with `/` on every system.
pub fn relative(path: &Path) -> String {
    below(root(), path)
}

fn below(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap().iter();
    parts
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// The text of a file.
pub fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Every file below a folder with one of these endings, sorted.
pub fn files(root: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            let hidden = name.starts_with('.') || SKIPPED.contains(&name.as_ref());
            if path.is_dir() && !path.is_symlink() && !hidden {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file below a folder.
pub fn sources(root: &Path) -> Vec<Source> {
    let all: Vec<Source> = files(root, &["rs"])
        .into_iter()
        .map(|path| Source::new(path.clone(), text(&path)))
        .collect();
    assert!(
        all.len() > 20,
        "the repository was not found at {}",
        root.display()
    );
    all
}

impl Source {
    /// A file with this text.
    pub fn new(path: PathBuf, text: String) -> Self {
        let stream = text
            .parse()
            .unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        let mut reader = Reader {
            tokens: Vec::new(),
            last: vec![0; text.lines().count() + 2],
            starts: starts(&text),
        };
        reader.read(stream);
        let comments = reader.comments(&text);
        Self {
            path,
            text,
            tokens: reader.tokens,
            comments,
        }
    }

    /// Its words, also those in attributes such as `#[serde(with = "..")]` and in doc examples.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.text
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
    }
}

/// Where each line begins, in bytes; the first line is 1.
fn starts(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    [0, 0].into_iter().chain(ends).collect()
}

struct Reader {
    tokens: Vec<Token>,
    /// Where the last token on each line ends, in bytes of the file.
    last: Vec<usize>,
    starts: Vec<usize>,
}

impl Reader {
    fn read(&mut self, stream: TokenStream) {
        let mut joint = false;
        for tree in stream {
            let mut joins = false;
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    let start = self.push(open.to_owned(), group.span_open());
                    self.read(group.stream());
                    let end = self.push(close.to_owned(), group.span_close());
                    (self.tokens[start].mate, self.tokens[end].mate) = (end, start);
                }
                TokenTree::Punct(punct) => {
                    joins = punct.spacing() == Spacing::Joint;
                    let before = self
                        .tokens
                        .last()
                        .filter(|_| joint)
                        .map_or("", |token| &token.text);
                    let both = format!("{before}{}", punct.as_char());
                    if ["::", "->", "=>"].contains(&both.as_str()) {
                        self.tokens.pop();
                        self.push(both, punct.span());
                    } else {
                        self.push(punct.as_char().to_string(), punct.span());
                    }
                }
                TokenTree::Ident(word) => drop(self.push(word.to_string(), word.span())),
                TokenTree::Literal(literal) => drop(self.push(literal.to_string(), literal.span())),
            }
            joint = joins;
        }
    }

    fn push(&mut self, text: String, span: proc_macro2::Span) -> usize {
        let (first, last) = (span.start().line, span.end().line);
        for line in first..=last {
            self.last[line] = self.last[line].max(span.byte_range().end);
        }
        let mate = self.tokens.len();
        self.tokens.push(Token {
            text,
            line: first,
            mate,
        });
        mate
    }

    /// The lines on which something stands after the last token.
    fn comments(&self, text: &str) -> Vec<usize> {
        let ends = self.starts.iter().skip(2).copied().chain([text.len()]);
        let lines = (1..).zip(self.starts.iter().skip(1).copied().zip(ends));
        let rest = |(line, (start, end)): (usize, (usize, usize))| {
            let rest = text.get(start.max(self.last[line])..end).unwrap_or("");
            (!rest.trim().is_empty()).then_some(line)
        };
        lines.filter_map(rest).collect()
    }
}

/// What is built into our programs: the folder `src` of every package but the tests.
pub fn production(root: &Path, sources: &[Source]) -> Vec<Code> {
    codes(root, sources)
        .into_iter()
        .filter(|code| code.package != "tests")
        .collect()
}

/// The folder `src` of every package, without test files.
pub fn codes(root: &Path, sources: &[Source]) -> Vec<Code> {
    let mut tests = BTreeSet::new();
    let mut codes = Vec::new();
    for source in sources {
        let path = below(root, &source.path);
        let Some((package, _)) = path.split_once("/src/") else {
            continue;
        };
        let mut code = Code {
            package: package.to_owned(),
            path: path.clone(),
            tokens: source.tokens.clone(),
            lines: (1..).zip(source.text.lines().map(str::to_owned)).collect(),
            comments: source.comments.clone(),
        };
        tests.extend(code.without_tests());
        codes.push(code);
    }
    // A test module stands in a file of its name or in the folder of that name; what it has beside
    // it says so in its own name.
    let is_test = |path: &str| {
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        stem.ends_with("_tests")
            || tests.iter().any(|test| {
                stem.strip_prefix(test)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    };
    codes.retain(|code| !is_test(&code.path));
    codes
}

impl Code {
    /// The place of a token.
    pub fn place(&self, token: usize) -> Place {
        Place {
            path: self.path.clone(),
            line: self.tokens[token].line,
        }
    }

    /// Takes out what stands under `#[cfg(test)]`; gives the files, without their ending, of the
    /// modules among it.
    fn without_tests(&mut self) -> Vec<String> {
        let mut modules = Vec::new();
        let mut kept = Vec::new();
        let mut here = 0;
        while here < self.tokens.len() {
            if is_test(&self.tokens, here) {
                let end = after_item(&self.tokens, here);
                let item = &self.tokens[here..end];
                modules.extend(self.module(item));
                let (first, last) = (item[0].line, item[item.len() - 1].line);
                self.lines
                    .retain(|(line, _)| !(first..=last).contains(line));
                self.comments.retain(|line| !(first..=last).contains(line));
                here = end;
            } else {
                kept.push(here);
                here += 1;
            }
        }
        let place = |old: usize| kept.binary_search(&old).unwrap_or(old);
        let token = |old: &usize| {
            let token = self.tokens[*old].clone();
            Token {
                mate: place(token.mate),
                ..token
            }
        };
        self.tokens = kept.iter().map(token).collect();
        modules
    }

    /// The file of `mod name;`, without its ending.
    fn module(&self, item: &[Token]) -> Option<String> {
        let at = item
            .windows(3)
            .position(|run| run[0].text == "mod" && run[2].text == ";")?;
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(path) = item
            .windows(3)
            .find(|run| run[0].text == "path" && run[1].text == "=")
        {
            return Some(format!(
                "{folder}/{}",
                path[2].text.trim_matches('"').trim_end_matches(".rs")
            ));
        }
        let stem = self.path.trim_end_matches(".rs");
        let roof = ["mod", "lib", "main"]
            .iter()
            .any(|name| stem.ends_with(&format!("/{name}")));
        Some(format!(
            "{}/{}",
            if roof { folder } else { stem },
            item[at + 1].text
        ))
    }
}

/// Whether `#[cfg(test)]`, or a `cfg` that asks for more besides, begins here.
fn is_test(tokens: &[Token], here: usize) -> bool {
    let begins = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.text == text);
    if !(begins(here, "#") && begins(here + 1, "[") && begins(here + 2, "cfg")) {
        return false;
    }
    let inside = &tokens[here..tokens[here + 1].mate];
    inside.iter().any(|token| token.text == "test")
        && !inside.iter().any(|token| token.text == "not")
}

/// The place after the item, field, arm or statement that begins here with its attributes.
fn after_item(tokens: &[Token], start: usize) -> usize {
    let mut here = start;
    while tokens[here].text == "#" {
        here = tokens[here + 1].mate + 1;
    }
    let word = tokens[here..]
        .iter()
        .position(|token| !matches!(token.text.as_str(), "pub" | "(" | "crate" | "super" | ")"));
    let first = here + word.unwrap_or(0);
    let to_semicolon = matches!(tokens[first].text.as_str(), "use" | "let" | "static")
        || (tokens[first].text == "const" && tokens[first + 1].text != "fn");
    let mut angles = 0;
    while let Some(token) = tokens.get(here) {
        match token.text.as_str() {
            ";" => return here + 1,
            "," if angles <= 0 && !to_semicolon => return here + 1,
            "{" if !to_semicolon => return token.mate + 1,
            "(" | "[" | "{" => here = token.mate,
            ")" | "]" | "}" => return here,
            "<" => angles += 1,
            ">" => angles -= 1,
            _ => {}
        }
        here += 1;
    }
    here
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn code(path: &str, text: &str) -> Code {
        production(
            Path::new("/r"),
            &[Source::new(Path::new("/r").join(path), text.to_owned())],
        )
        .remove(0)
    }

    fn joined(tokens: &[Token]) -> String {
        tokens
            .iter()
            .map(|token| token.text.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn comments_are_no_tokens_and_are_found_behind_them() {
        let text = "// one \" ü\nlet x = \"// two\"; // three\n/* four\n five */ let y = r#\"\n// six\n\"#;\n/// seven\nfn f<'a>() -> char {'\\''}";
        let code = code("node/src/a.rs", text);
        assert_eq!(code.comments, [1, 2, 3]);
        assert!(!joined(&code.tokens).contains("one"));
        assert!(joined(&code.tokens).ends_with("fn f < ' a > ( ) -> char { '\\'' }"));
    }

    #[test]
    fn what_is_only_in_tests_is_no_production_code() {
        let text = "struct S {\n    a: u8,\n    #[cfg(test)]\n    b: Map<A, B>,\n    c: u8,\n}\n#[cfg(test)]\nuse x::{y};\nfn f() {\n    #[cfg(all(test, unix))]\n    g(1, 2);\n    h();\n}\n#[cfg(not(test))]\nfn g() {}\n#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;\n#[cfg(test)]\nmod more;\n";
        let code = code("node/src/a.rs", text);
        let kept = "struct S { a : u8 , c : u8 , } fn f ( ) { h ( ) ; } # [ cfg ( not ( test ) ) ] fn g ( ) { }";
        assert_eq!(joined(&code.tokens), kept);
        assert_eq!(code.lines.len(), 9);
        assert!(
            code.tokens
                .iter()
                .enumerate()
                .all(|(at, token)| code.tokens[token.mate].mate == at)
        );

        let source =
            |path: &str, text: &str| Source::new(Path::new("/r").join(path), text.to_owned());
        let sources = [
            source("node/src/a.rs", text),
            source("node/src/b_tests.rs", ""),
            source("node/src/beside_tests.rs", ""),
            source("node/src/a/more.rs", ""),
            source("node/src/a/more/deep.rs", ""),
            source("node/src/a/moreover.rs", ""),
            source("tests/src/a.rs", ""),
            source("node/tests/a.rs", ""),
        ];
        let paths: Vec<String> = production(Path::new("/r"), &sources)
            .into_iter()
            .map(|code| code.path)
            .collect();
        assert_eq!(paths, ["node/src/a.rs", "node/src/a/moreover.rs"]);
    }
}
