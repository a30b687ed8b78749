//! From a rule's text to its tree, with the place of the first mistake.

use super::{Comparison, Filter, FilterError, Literal, Op, Rule, days_since_1970};
use crate::tokens::{Lexicon, NoWord, Token, Tokens};

const WORDS: Lexicon = Lexicon {
    language: "a rule",
    has: "columns, numbers, texts in quotes, and, or, not and < <= > >= == != ( )",
    // A longer one is not one that a steward can read.
    most: 1000,
    signs: &["<=", ">=", "==", "!=", "<", ">", "(", ")"],
    name: |c| c.is_ascii_alphanumeric() || c == '_',
    quotes: "\"'",
    signed: true,
    hints: &[
        ('=', "write `==` to compare"),
        ('!', "write `not` before a condition, or `!=` to compare"),
        ('&', "write `and` between two conditions"),
        ('|', "write `or` between two conditions"),
    ],
};
/// Nesting of parentheses and `not`: keeps the parser's recursion small whatever the text.
const MAX_DEPTH: u32 = 32;

impl Filter {
    /// Reads a rule.
    ///
    /// # Errors
    /// [`FilterError`] with the place of the first mistake.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser {
            tokens: Tokens::read(text, &WORDS)?,
        };
        let rule = parser.any(0)?;
        match parser.tokens.take() {
            (_, Token::End) => Ok(Self { rule }),
            (position, token) => fail(
                position,
                format!("expected `and`, `or` or the end, found {}", token.said()),
            ),
        }
    }
}

fn fail<T>(position: usize, problem: impl Into<String>) -> Result<T, FilterError> {
    Err(FilterError {
        position,
        problem: problem.into(),
    })
}

impl From<NoWord> for FilterError {
    fn from(NoWord { at, what }: NoWord) -> Self {
        Self {
            position: at,
            problem: what,
        }
    }
}

struct Parser {
    tokens: Tokens,
}

impl Parser {
    fn takes(&mut self, word: &str) -> bool {
        self.tokens.takes(&Token::Name(word.to_owned()))
    }

    fn any(&mut self, depth: u32) -> Result<Rule, FilterError> {
        let mut rules = Vec::new();
        loop {
            match self.all(depth)? {
                Rule::Any(inner) => rules.extend(inner),
                rule => rules.push(rule),
            }
            if !self.takes("or") {
                return Ok(alone_or(rules, Rule::Any));
            }
        }
    }

    fn all(&mut self, depth: u32) -> Result<Rule, FilterError> {
        let mut rules = Vec::new();
        loop {
            match self.unit(depth)? {
                Rule::All(inner) => rules.extend(inner),
                rule => rules.push(rule),
            }
            if !self.takes("and") {
                return Ok(alone_or(rules, Rule::All));
            }
        }
    }

    fn unit(&mut self, depth: u32) -> Result<Rule, FilterError> {
        let (position, token) = self.tokens.take();
        if depth >= MAX_DEPTH {
            return fail(position, format!("nested deeper than {MAX_DEPTH}"));
        }
        match token {
            Token::Sign("(") => {
                let rule = self.any(depth + 1)?;
                if self.tokens.takes(&Token::Sign(")")) {
                    Ok(rule)
                } else {
                    fail(position, "the parenthesis that opens here is not closed")
                }
            }
            Token::Name(word) if word == "not" => Ok(Rule::Not(Box::new(self.unit(depth + 1)?))),
            Token::Name(column) if column != "and" && column != "or" => self.comparison(column),
            Token::End => fail(position, "expected a condition such as `age >= 18`"),
            token => fail(
                position,
                format!("expected a column, `not` or `(`, found {}", token.said()),
            ),
        }
    }

    fn comparison(&mut self, column: String) -> Result<Rule, FilterError> {
        let (position, token) = self.tokens.take();
        let op = match token {
            Token::Sign(sign) => Op::ALL.into_iter().find(|op| op.symbol() == sign),
            Token::End => return fail(position, format!("`{column}` is compared with nothing")),
            _ => None,
        };
        let Some(op) = op else {
            let found = token.said();
            return fail(
                position,
                format!("expected `<`, `<=`, `>`, `>=`, `==` or `!=`, found {found}"),
            );
        };
        let (position, token) = self.tokens.take();
        let literal = match token {
            Token::Number(number) => Literal::Number(number),
            Token::Text(text) => Literal::Text(text),
            Token::End => return fail(position, "expected a number or a text in quotes"),
            token => {
                let found = token.said();
                return fail(
                    position,
                    format!("expected a number or a text in quotes, found {found}"),
                );
            }
        };
        if let Literal::Text(text) = &literal
            && !matches!(op, Op::Equal | Op::Unequal)
            && days_since_1970(text).is_none()
        {
            return fail(
                position,
                format!(
                    "`{}` compares numbers, or dates such as \"2020-01-31\"",
                    op.symbol()
                ),
            );
        }
        Ok(Rule::Compare(Comparison {
            column,
            op,
            literal,
        }))
    }
}

/// A list of one is its only member.
fn alone_or(mut rules: Vec<Rule>, several: fn(Vec<Rule>) -> Rule) -> Rule {
    match rules.pop() {
        Some(rule) if rules.is_empty() => rule,
        Some(rule) => {
            rules.push(rule);
            several(rules)
        }
        None => several(rules),
    }
}
