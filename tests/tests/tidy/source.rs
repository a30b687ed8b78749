//! The files of the repository and the tokens of a Rust file without comments, texts and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = ["target", "motet-demo", "node_modules", "__pycache__"];

/// One Rust file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) tokens: Vec<String>,
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The path below the root, with `/` on every system.
pub(crate) fn relative(path: &Path) -> String {
    let parts = path.strip_prefix(root()).unwrap().iter();
    parts
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join("/")
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Every file of the repository with one of these endings, sorted.
pub(crate) fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
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

/// Every Rust file of the repository.
pub(crate) fn sources() -> Vec<Source> {
    let all: Vec<Source> = files(&["rs"]).into_iter().map(Source::read).collect();
    assert!(
        all.len() > 20,
        "the repository was not found at {}",
        root().display()
    );
    all
}

impl Source {
    fn read(path: PathBuf) -> Self {
        let text = text(&path);
        let tokens = tokens(&text);
        Self { path, text, tokens }
    }

    /// Its words, also those in attributes such as `#[serde(with = "..")]` and in doc examples.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.text
            .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
    }
}

/// Identifiers, `::` and single punctuation marks; comments and lifetimes vanish, every literal
/// text becomes `""`.
pub(crate) fn tokens(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let at = |index: usize| letters.get(index).copied().unwrap_or('\0');
    let word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut tokens = Vec::new();
    let mut here = 0;
    while here < letters.len() {
        let start = here;
        match (at(here), at(here + 1)) {
            ('/', '/') => {
                here += letters[here..]
                    .iter()
                    .take_while(|letter| **letter != '\n')
                    .count()
            }
            ('/', '*') => here = after_comment(&letters, here),
            ('"', _) => here = after_text(&letters, here),
            ('r', '"' | '#') if raw_fence(&letters, here + 1).is_some() => {
                here = after_raw(&letters, here + 1)
            }
            ('b' | 'c', '"') => here = after_text(&letters, here + 1),
            ('b' | 'c', 'r') if raw_fence(&letters, here + 2).is_some() => {
                here = after_raw(&letters, here + 2)
            }
            ('\'', '\\') => {
                here += 3
                    + letters[here + 3..]
                        .iter()
                        .take_while(|letter| **letter != '\'')
                        .count()
                    + 1
            }
            ('\'', _) if at(here + 2) == '\'' => here += 3,
            ('\'', _) => {
                here += 1 + letters[here + 1..]
                    .iter()
                    .take_while(|letter| word(**letter))
                    .count()
            }
            (':', ':') => {
                tokens.push("::".to_owned());
                here += 2;
            }
            (letter, _) if word(letter) => {
                here += letters[here..]
                    .iter()
                    .take_while(|letter| word(**letter))
                    .count();
                tokens.push(letters[start..here].iter().collect());
            }
            (letter, _) => {
                if !letter.is_whitespace() {
                    tokens.push(letter.to_string());
                }
                here += 1;
            }
        }
        if matches!(at(start), '"') {
            tokens.push("\"\"".to_owned());
        }
    }
    tokens
}

fn after_comment(letters: &[char], start: usize) -> usize {
    let (mut depth, mut here) = (0, start);
    while here < letters.len() {
        match letters.get(here..here + 2) {
            Some(['/', '*']) => (depth, here) = (depth + 1, here + 2),
            Some(['*', '/']) => (depth, here) = (depth - 1, here + 2),
            _ => here += 1,
        }
        if depth == 0 {
            break;
        }
    }
    here
}

fn after_text(letters: &[char], quote: usize) -> usize {
    let mut here = quote + 1;
    while here < letters.len() && letters[here] != '"' {
        here += if letters[here] == '\\' { 2 } else { 1 };
    }
    here + 1
}

/// How many `#` stand before the quote of a raw text that begins at `start`, if one does.
fn raw_fence(letters: &[char], start: usize) -> Option<usize> {
    let fence = letters[start..]
        .iter()
        .take_while(|letter| **letter == '#')
        .count();
    (letters.get(start + fence) == Some(&'"')).then_some(fence)
}

fn after_raw(letters: &[char], start: usize) -> usize {
    let fence = raw_fence(letters, start).unwrap_or(0);
    let end: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', fence))
        .collect();
    let body = start + fence + 1;
    let length = letters[body..]
        .windows(end.len())
        .position(|run| run == end.as_slice());
    length.map_or(letters.len(), |length| body + length + end.len())
}

#[test]
fn comments_and_texts_vanish_and_code_stays() {
    let source = r####"
        // crate::a /* "
        /* one /* two */ crate::b */ use crate::c; // '
        let x = "crate::d \" crate::e"; let y = r#"crate::f " "#; let z = b"\\"; let q = '"'; let e = '\u{41}';
        fn f<'a>(s: &'a str) -> char { '\'' }
    "####;
    let found = tokens(source).join(" ");
    assert_eq!(
        found,
        "use crate :: c ; let x = \"\" ; let y = ; let z = ; let q = ; let e = ; fn f < > ( s : & str ) - > char { }"
    );
}
