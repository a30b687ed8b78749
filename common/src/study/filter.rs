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
//! A row that lacks a value in any column the rule names is left out, whatever the rest of the rule says.

mod parse;

use motet_secagg::encode::{Canonical, Malformed, Reader};
use std::collections::BTreeSet;
use std::fmt;

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
    let span = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?;
    Some(f64::from(span.get_days()))
}

impl Filter {
    /// The columns the rule names.
    pub fn columns(&self) -> BTreeSet<&str> {
        self.comparisons().into_iter().map(|comparison| comparison.column.as_str()).collect()
    }

    /// Every comparison, in reading order: what a schema is checked against.
    pub fn comparisons(&self) -> Vec<&Comparison> {
        let mut found = Vec::new();
        self.rule.collect(&mut found);
        found
    }

    /// Whether a row belongs to the cohort. `value` gives the row's cell of a column, or nothing when it is missing.
    pub fn keeps<'a>(&self, value: &dyn Fn(&str) -> Option<Value<'a>>) -> bool {
        self.columns().into_iter().all(|column| value(column).is_some()) && self.rule.holds(value)
    }
}

impl Rule {
    fn collect<'r>(&'r self, found: &mut Vec<&'r Comparison>) {
        match self {
            Rule::Compare(comparison) => found.push(comparison),
            Rule::Not(inner) => inner.collect(found),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().for_each(|rule| rule.collect(found)),
        }
    }

    fn holds<'a>(&self, value: &dyn Fn(&str) -> Option<Value<'a>>) -> bool {
        match self {
            Rule::Compare(comparison) => value(&comparison.column).is_some_and(|cell| comparison.holds(cell)),
            Rule::Not(inner) => !inner.holds(value),
            Rule::All(rules) => rules.iter().all(|rule| rule.holds(value)),
            Rule::Any(rules) => rules.iter().any(|rule| rule.holds(value)),
        }
    }
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
                // As they are written: a schema says which texts are one level, and refuses a rule that means none.
                self.op.holds(&cell.trim(), &text.trim())
            }
        }
    }
}

impl Op {
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
        let joined = |f: &mut fmt::Formatter<'_>, rules: &[Rule], word: &str, inside_all: bool| {
            for (i, rule) in rules.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match rule {
                    Rule::Any(_) if inside_all => write!(f, "({rule})")?,
                    rule => rule.fmt(f)?,
                }
            }
            Ok(())
        };
        match self {
            Rule::Compare(c) => write!(f, "{} {} {}", c.column, c.op.symbol(), c.literal),
            Rule::Not(inner) => write!(f, "not ({inner})"),
            Rule::All(rules) => joined(f, rules, "and", true),
            Rule::Any(rules) => joined(f, rules, "or", false),
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Number(number) => write!(f, "{number}"),
            Literal::Text(text) => write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        }
    }
}

impl Canonical for Filter {
    fn write(&self, out: &mut Vec<u8>) {
        self.to_string().write(out);
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
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
