//! The rule that says which patients form the cohort: a small expression over declared columns.
//!
//! ```text
//! any        = all { "or" all }
//! all        = unit { "and" unit }
//! unit       = "not" unit | "(" any ")" | column op literal
//! op         = < | <= | > | >= | == | !=
//! literal    = number | "text" | 'text'        (a text after < <= > >= must be a date, "2020-01-31")
//! ```
//!
//! Three values, as in SQL and in R: a comparison with a missing value is neither true nor false
//! but unknown. `not` unknown is unknown; `and` is false where one side is false, and `or` true
//! where one side is true, whatever the other is. A row belongs to the cohort where the rule is
//! true of it; where it is unknown the row is left out and counted on its own.

mod parse;

use motet_secagg::encode::{Canonical, Malformed, Reader};
use std::collections::BTreeSet;
use std::fmt;

/// What a rule means, as part of its bytes and so of a study's digest: another meaning of the same
/// text, as one with two values instead of three, is another study to approve.
const MEANING: u8 = 1;

/// A rule in its normal form: two texts that mean the same tree are the same filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    Compare(Comparison),
    Not(Box<Rule>),
    All(Vec<Rule>),
    Any(Vec<Rule>),
}

/// One comparison of a column with a constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The declared column.
    pub column: String,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub literal: Literal,
}

/// The comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the symbols say it")]
pub enum Op {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

/// A constant in a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A finite number.
    Number(f64),
    /// A text: a level, or a date.
    Text(String),
}

/// A cell as a rule sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number; a yes/no column is 1 or 0, a date the days since 1970-01-01.
    Number(f64),
    /// A category's level.
    Text(&'a str),
}

/// The rule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}")]
pub struct FilterError {
    /// 1-based character in the rule's text.
    pub position: usize,
    /// What is wrong there and what to write.
    pub problem: String,
}

/// Days from 1970-01-01 to an ISO date `YYYY-MM-DD`, or nothing.
pub fn days_since_1970(text: &str) -> Option<f64> {
    if text.len() != 10 {
        return None;
    }
    let date: jiff::civil::Date = text.parse().ok()?;
    let span = date
        .since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1)))
        .ok()?;
    Some(f64::from(span.get_days()))
}

impl Filter {
    /// The columns the rule names.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.comparisons()
            .into_iter()
            .map(|comparison| comparison.column.as_str())
            .collect()
    }

    /// Every comparison, in reading order: what a schema is checked against.
    pub fn comparisons(&self) -> Vec<&Comparison> {
        let mut found = Vec::new();
        self.rule.collect(&mut found);
        found
    }

    /// Whether the rule is true of a row, or false, or unknown for want of a value. `value` gives
    /// the row's cell of a column, or nothing when it is missing.
    pub fn holds<'a>(&self, value: &dyn Fn(&str) -> Option<Value<'a>>) -> Option<bool> {
        self.rule.holds(value)
    }
}

impl Rule {
    fn collect<'r>(&'r self, found: &mut Vec<&'r Comparison>) {
        match self {
            Rule::Compare(comparison) => found.push(comparison),
            Rule::Not(inner) => inner.collect(found),
            Rule::All(rules) | Rule::Any(rules) => {
                rules.iter().for_each(|rule| rule.collect(found))
            }
        }
    }

    fn holds<'a>(&self, value: &dyn Fn(&str) -> Option<Value<'a>>) -> Option<bool> {
        match self {
            Rule::Compare(comparison) => {
                value(&comparison.column).map(|cell| comparison.holds(cell))
            }
            Rule::Not(inner) => inner.holds(value).map(|held| !held),
            Rule::All(rules) => decided(rules, false, value),
            Rule::Any(rules) => decided(rules, true, value),
        }
    }
}

/// One rule that is `word` decides; without it an unknown one leaves all unknown.
fn decided<'a>(
    rules: &[Rule],
    word: bool,
    value: &dyn Fn(&str) -> Option<Value<'a>>,
) -> Option<bool> {
    let mut all = Some(!word);
    for rule in rules {
        match rule.holds(value) {
            Some(held) if held == word => return Some(word),
            Some(_) => {}
            None => all = None,
        }
    }
    all
}

impl Comparison {
    fn holds(&self, cell: Value<'_>) -> bool {
        match (cell, &self.literal) {
            (Value::Number(cell), Literal::Number(literal)) => self.op.holds(&cell, literal),
            (Value::Number(cell), Literal::Text(text)) => match days_since_1970(text) {
                Some(days) => self.op.holds(&cell, &days),
                None => self.op == Op::Unequal,
            },
            (Value::Text(cell), Literal::Number(literal)) => match cell.trim().parse::<f64>() {
                Ok(cell) => self.op.holds(&cell, literal),
                Err(_) => self.op == Op::Unequal,
            },
            (Value::Text(cell), Literal::Text(text)) => {
                // As they are written: a schema says which texts are one level, and refuses a rule
                // that means none.
                self.op.holds(&cell.trim(), &text.trim())
            }
        }
    }
}

impl Op {
    const ALL: [Self; 6] = [
        Self::Less,
        Self::AtMost,
        Self::More,
        Self::AtLeast,
        Self::Equal,
        Self::Unequal,
    ];

    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Op::Less => left < right,
            Op::AtMost => left <= right,
            Op::More => left > right,
            Op::AtLeast => left >= right,
            Op::Equal => left == right,
            Op::Unequal => left != right,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Op::Less => "<",
            Op::AtMost => "<=",
            Op::More => ">",
            Op::AtLeast => ">=",
            Op::Equal => "==",
            Op::Unequal => "!=",
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule.fmt(f)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Compare(c) => write!(f, "{} {} {}", c.column, c.op.symbol(), c.literal),
            Rule::Not(inner) => write!(f, "not ({inner})"),
            Rule::All(rules) => write_joined(f, rules, "and", true),
            Rule::Any(rules) => write_joined(f, rules, "or", false),
        }
    }
}

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    rules: &[Rule],
    word: &str,
    inside_all: bool,
) -> fmt::Result {
    for (i, rule) in rules.iter().enumerate() {
        if i > 0 {
            write!(f, " {word} ")?;
        }
        match rule {
            Rule::Any(_) if inside_all => write!(f, "({rule})")?,
            rule => write!(f, "{rule}")?,
        }
    }
    Ok(())
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Number(number) => write!(f, "{number}"),
            Literal::Text(text) => {
                write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            }
        }
    }
}

impl Canonical for Filter {
    fn write(&self, out: &mut Vec<u8>) {
        MEANING.write(out);
        self.to_string().write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        if u8::read(input)? != MEANING {
            return Err(Malformed { what: "filter" });
        }
        let text = String::read(input)?;
        // Only the normal text is accepted: one rule, one byte string.
        Filter::parse(&text)
            .ok()
            .filter(|filter| filter.to_string() == text)
            .ok_or(Malformed { what: "filter" })
    }
}

#[cfg(test)]
mod tests;
