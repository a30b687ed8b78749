//! The methods of the house, where each is at home, and where it is named elsewhere.
//!
//! A method is *named* by a type that begins with one of its words (`Cox`, `CoxOutcome`) and by its
//! module in a path, a `use` or a `mod` (`cox::`, `mod cox;`). A line that names it twice counts
//! twice. The functions that belong to it and have another word in front (`read_cox`) are not
//! counted; whoever calls them has named the variant already.

use super::source::{Code, Place, Token};

/// A method and its rooms.
pub struct Method {
    /// Its kind in a study file, which is its module too.
    pub kind: &'static str,
    /// What its types begin with.
    types: &'static [&'static str],
    /// Where its code may stand: files, and folders with a `/` at the end.
    pub rooms: &'static [&'static [&'static str]],
    /// Where the same word means something else: files, folders, and the type or module before a
    /// `::`.
    otherwise: &'static [&'static str],
}

const SURVIVAL: &[&str] = &["common/release/src/survival/"];

const REGRESSION: &[&str] = &["common/release/src/regression/"];

const TREES: &[&str] = &["common/release/src/trees/"];

const AVERAGING: &[&str] = &["common/release/src/averaging/"];

const TABLES: &[&str] = &["common/release/src/tables/"];

/// Every method.
pub const METHODS: &[Method] = &[
    Method {
        kind: "summary",
        types: &["Summary"],
        rooms: &[&["common/recipes/src/methods/summary/"], TABLES],
        otherwise: &[],
    },
    Method {
        kind: "count",
        types: &["Count"],
        rooms: &[
            &[
                "common/recipes/src/methods/count.rs",
                "common/recipes/src/methods/count/",
            ],
            TABLES,
        ],
        otherwise: &["node/data/src/profile.rs", "node/src/studies.rs", "output"],
    },
    Method {
        kind: "glm",
        types: &["Glm"],
        rooms: &[&["common/recipes/src/methods/glm/"], REGRESSION],
        otherwise: &[],
    },
    Method {
        kind: "ordinal",
        types: &["Ordinal"],
        rooms: &[&["common/recipes/src/methods/ordinal/"], REGRESSION],
        otherwise: &[],
    },
    Method {
        kind: "cox",
        types: &["Cox"],
        rooms: &[&["common/recipes/src/methods/cox/"], SURVIVAL],
        otherwise: &[],
    },
    Method {
        kind: "km",
        types: &["KaplanMeier", "Km"],
        rooms: &[&["common/recipes/src/methods/km/"], SURVIVAL],
        otherwise: &["Clock", "common/recipes/src/methods/cox/proportional.rs"],
    },
    Method {
        kind: "fedavg",
        types: &["FedAvg", "FedNumber", "FedTime"],
        rooms: &[&["common/recipes/src/methods/fedavg/"], AVERAGING],
        otherwise: &[],
    },
    Method {
        kind: "gbdt",
        types: &["Gbdt"],
        rooms: &[&["common/recipes/src/methods/gbdt/"], TREES],
        otherwise: &[],
    },
];

fn lies_in(path: &str, place: &str) -> bool {
    path == place || (place.ends_with('/') && path.starts_with(place))
}

/// What stands before the `::` of a name, also over the braces of a `use`.
fn owner(tokens: &[Token], at: usize, in_use: bool) -> &str {
    let mut here = at;
    while here > 0 && in_use && matches!(tokens[here - 1].text.as_str(), "," | "{") {
        // Over the branch before, or out of the braces.
        let is_open = tokens[here - 1].text == "{";
        here -= 1;
        while !is_open && here > 0 && !matches!(tokens[here - 1].text.as_str(), "," | "{") {
            here = tokens[here - 1].mate.min(here - 1);
        }
    }
    let before = here
        .checked_sub(2)
        .filter(|before| tokens[before + 1].text == "::");
    before.map_or("", |before| &tokens[before].text)
}

impl Method {
    /// Its rooms.
    pub fn rooms(&self) -> impl Iterator<Item = &'static str> {
        self.rooms.iter().flat_map(|rooms| rooms.iter().copied())
    }

    fn is_named(&self, code: &Code, at: usize, in_use: bool) -> bool {
        let text = |at: usize| code.tokens.get(at).map_or("", |token| token.text.as_str());
        let word = text(at);
        let (before, after) = (text(at.wrapping_sub(1)), text(at + 1));
        let is_type = self.types.iter().any(|name| {
            let rest = word.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_uppercase))
        });
        let is_path = (after == "::" && text(at + 2) != "<") || before == "mod" || in_use;
        if !(is_type || (word == self.kind && is_path)) {
            return false;
        }
        let owner = owner(&code.tokens, at, in_use);
        !self
            .otherwise
            .iter()
            .any(|other| *other == owner || lies_in(&code.path, other))
    }

    /// Every place outside its rooms that names it.
    pub fn mentions(&self, codes: &[Code]) -> Vec<Place> {
        let strangers = codes
            .iter()
            .filter(|code| !self.rooms().any(|room| lies_in(&code.path, room)));
        strangers.flat_map(|code| self.named(code)).collect()
    }

    fn named(&self, code: &Code) -> Vec<Place> {
        let mut in_use = false;
        let mut places = Vec::new();
        for (at, token) in code.tokens.iter().enumerate() {
            match token.text.as_str() {
                "use" => in_use = true,
                ";" => in_use = false,
                _ if self.is_named(code, at, in_use) => places.push(code.place(at)),
                _ => {}
            }
        }
        places
    }
}

/// Every `match` and `matches!` whose patterns name two methods or more, by their types or by their
/// kinds in a text.
pub fn lists(code: &Code) -> Vec<Place> {
    let tokens = &code.tokens;
    let listing = |patterns: Vec<usize>| {
        let is_listed = |method: &&Method| {
            patterns.iter().any(|at| {
                tokens[*at].text.trim_matches('"') == method.kind
                    || method.is_named(code, *at, false)
            })
        };
        METHODS.iter().filter(is_listed).count() > 1
    };
    let starts = 0..tokens.len();
    starts
        .filter(|at| listing(patterns(tokens, *at)))
        .map(|at| code.place(at))
        .collect()
}

/// Where the tokens of the patterns stand, when a `match` or a `matches!` begins here.
fn patterns(tokens: &[Token], here: usize) -> Vec<usize> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    // Over a bracket as a whole.
    let next = |at: usize| tokens[at].mate.max(at) + 1;
    let outer = |start: usize, end: usize| {
        std::iter::successors(Some(start), move |at| Some(next(*at)))
            .take_while(move |at| *at < end)
    };
    if text(here) == "matches" && text(here + 1) == "!" {
        let (open, close) = (here + 2, tokens[here + 2].mate);
        let comma = outer(open + 1, close).find(|at| text(*at) == ",");
        return comma.map_or(Vec::new(), |comma| (comma..close).collect());
    }
    if text(here) != "match" {
        return Vec::new();
    }
    let Some(open) = outer(here + 1, tokens.len()).find(|at| matches!(text(*at), "{" | ";" | "}"))
    else {
        return Vec::new();
    };
    let mut patterns = Vec::new();
    for arrow in outer(open + 1, tokens[open].mate).filter(|at| text(*at) == "=>") {
        let mut at = arrow - 1;
        // Back to the end of the arm before: a comma, or the braces after its arrow.
        while at > open && text(at) != "," {
            let mate = tokens[at].mate.min(at);
            if text(at) == "}" && text(mate - 1) == "=>" {
                break;
            }
            patterns.extend(mate..=at);
            at = mate - 1;
        }
    }
    patterns
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::code;
    use super::*;

    fn mentions(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        let codes = [code(path, text)];
        let found = METHODS
            .iter()
            .map(|method| (method.kind, method.mentions(&codes).len()));
        found.filter(|(_, found)| *found > 0).collect()
    }

    #[test]
    fn a_method_is_named_by_its_types_and_its_module_outside_its_rooms() {
        let text = "use crate::{cox::{Cox, CoxState}, km}; fn coxswain(cox: Coxswain) { summary.count(); }";
        assert_eq!(
            mentions("common/recipes/src/recipe.rs", text),
            [("cox", 3), ("km", 1)]
        );
        assert_eq!(
            mentions("common/recipes/src/methods/cox/state.rs", text),
            [("km", 1)]
        );
        assert_eq!(mentions("common/release/src/survival/km/card.rs", text), []);
        let text = "mod count; canonical! { enum R { 1 => Count(Count) } } use crate::output::{x::y, {z}, count}; fn f() { count::g::<Counts>() }";
        assert_eq!(mentions("common/src/a.rs", text), [("count", 4)]);
        assert_eq!(mentions("node/data/src/profile.rs", text), []);
        let text =
            "fn f() { (Family::Logistic, Recipe::Glm, iter.count::<u8>(), math::logistic(1)) }";
        assert_eq!(mentions("common/src/a.rs", text), [("glm", 1)]);
    }

    #[test]
    fn a_match_lists_methods_when_its_patterns_name_two() {
        let listing = "fn f() {
            match x { Recipe::Cox(_) => g::<A, B>(), Recipe::Glm(_) if a => {} State::Km { .. } => {} _ => {} }
            match (a, { b }) { (Recipe::Cox(_), 1) => { Recipe::Km } Recipe::Judged(_) => Recipe::Glm(1), _ => {} }
            match kind { \"cox\" => 1, \"km\" => 2, _ => 3 }
            match x { Recipe::Cox(_) => matches!(y, Recipe::Summary(_) | Recipe::Count(_)), _ => false }
            match x { State::Cox { .. } => {} State::Gbdt { .. } => {} }
            matches!(Recipe::Summary(Count), Recipe::Count(_))
        }";
        let lines: Vec<usize> = lists(&code("common/src/a.rs", listing))
            .iter()
            .map(|place| place.line)
            .collect();
        assert_eq!(lines, [2, 4, 5, 6]);
    }
}
