//! From a rule's text to its tree, with the place of the first mistake.

use super::{Comparison, Filter, FilterError, Literal, Op, Rule, days_since_1970};
use std::fmt;

/// A longer rule is not one that a steward can read.
const MAX_LENGTH: usize = 1000;
/// Nesting of parentheses and `not`: keeps the parser's recursion small whatever the text.
const MAX_DEPTH: u32 = 32;

impl Filter {
    /// Reads a rule.
    ///
    /// # Errors
    /// [`FilterError`] with the place of the first mistake.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.chars().count() > MAX_LENGTH {
            return fail(
                MAX_LENGTH,
                format!("the rule is longer than {MAX_LENGTH} characters"),
            );
        }
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
            end: text.chars().count() + 1,
        };
        let rule = parser.any(0)?;
        match parser.tokens.get(parser.next) {
            None => Ok(Self { rule }),
            Some((position, token)) => fail(
                *position,
                format!("expected `and`, `or` or the end, found {token}"),
            ),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Literal(Literal),
    Op(Op),
    Open,
    Close,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Literal(literal) => write!(f, "`{literal}`"),
            Token::Op(op) => write!(f, "`{}`", op.symbol()),
            Token::Open => write!(f, "`(`"),
            Token::Close => write!(f, "`)`"),
        }
    }
}

fn fail<T>(position: usize, problem: impl Into<String>) -> Result<T, FilterError> {
    Err(FilterError {
        position,
        problem: problem.into(),
    })
}

type Letters<'a> =
    std::iter::Peekable<std::iter::Zip<std::ops::RangeFrom<usize>, std::str::Chars<'a>>>;

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut letters: Letters<'_> = (1..).zip(text.chars()).peekable();
    let mut found = Vec::new();
    while let Some((position, letter)) = letters.next() {
        let token = match letter {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '"' | '\'' => Token::Literal(Literal::Text(quoted(&mut letters, letter, position)?)),
            '<' | '>' | '=' | '!' => Token::Op(operator(&mut letters, letter, position)?),
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => {
                number(&mut letters, letter, position)?
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                Token::Word(run(&mut letters, letter, |c| {
                    c.is_ascii_alphanumeric() || c == '_'
                }))
            }
            '&' => return fail(position, "write `and` between two conditions"),
            '|' => return fail(position, "write `or` between two conditions"),
            c => {
                return fail(
                    position,
                    format!("`{}` has no meaning here", c.escape_debug()),
                );
            }
        };
        found.push((position, token));
    }
    Ok(found)
}

fn run(letters: &mut Letters<'_>, first: char, belongs: impl Fn(char) -> bool) -> String {
    let mut word = String::from(first);
    while let Some((_, letter)) = letters.next_if(|(_, letter)| belongs(*letter)) {
        word.push(letter);
    }
    word
}

fn quoted(letters: &mut Letters<'_>, quote: char, start: usize) -> Result<String, FilterError> {
    let mut text = String::new();
    while let Some((position, letter)) = letters.next() {
        match letter {
            c if c == quote => return Ok(text),
            '\\' => match letters.next() {
                Some((_, c @ ('\\' | '"' | '\''))) => text.push(c),
                _ => return fail(position, "after `\\` only `\\`, `\"` or `'` may follow"),
            },
            c if c.is_control() => return fail(position, "a control character in a text"),
            c => text.push(c),
        }
    }
    fail(start, "the text that begins here has no closing quote")
}

fn operator(letters: &mut Letters<'_>, first: char, position: usize) -> Result<Op, FilterError> {
    let equals = letters.next_if(|(_, letter)| *letter == '=').is_some();
    match (first, equals) {
        ('<', false) => Ok(Op::Less),
        ('<', true) => Ok(Op::AtMost),
        ('>', false) => Ok(Op::More),
        ('>', true) => Ok(Op::AtLeast),
        ('=', true) => Ok(Op::Equal),
        ('!', true) => Ok(Op::Unequal),
        ('=', false) => fail(position, "write `==` to compare"),
        _ => fail(
            position,
            "write `not` before a condition, or `!=` to compare",
        ),
    }
}

fn number(letters: &mut Letters<'_>, first: char, position: usize) -> Result<Token, FilterError> {
    let mut text = run(letters, first, |c| c.is_ascii_alphanumeric() || c == '.');
    if text.ends_with(['e', 'E'])
        && let Some((_, sign)) = letters.next_if(|(_, letter)| matches!(letter, '-' | '+'))
    {
        text = text + &run(letters, sign, |c| c.is_ascii_digit());
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Token::Literal(Literal::Number(number + 0.0))),
        _ => fail(
            position,
            format!("`{text}` is not a number; put texts and dates in quotes"),
        ),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

impl Parser {
    fn take(&mut self) -> Option<(usize, Token)> {
        let found = self.tokens.get(self.next).cloned();
        self.next += usize::from(found.is_some());
        found
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let here =
            matches!(self.tokens.get(self.next), Some((_, Token::Word(word))) if word == wanted);
        self.next += usize::from(here);
        here
    }

    fn any(&mut self, depth: u32) -> Result<Rule, FilterError> {
        let mut rules = Vec::new();
        loop {
            match self.all(depth)? {
                Rule::Any(inner) => rules.extend(inner),
                rule => rules.push(rule),
            }
            if !self.take_word("or") {
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
            if !self.take_word("and") {
                return Ok(alone_or(rules, Rule::All));
            }
        }
    }

    fn unit(&mut self, depth: u32) -> Result<Rule, FilterError> {
        let Some((position, token)) = self.take() else {
            return fail(self.end, "expected a condition such as `age >= 18`");
        };
        if depth >= MAX_DEPTH {
            return fail(position, format!("nested deeper than {MAX_DEPTH}"));
        }
        match token {
            Token::Open => {
                let rule = self.any(depth + 1)?;
                match self.take() {
                    Some((_, Token::Close)) => Ok(rule),
                    _ => fail(position, "the parenthesis that opens here is not closed"),
                }
            }
            Token::Word(word) if word == "not" => Ok(Rule::Not(Box::new(self.unit(depth + 1)?))),
            Token::Word(column) if column != "and" && column != "or" => self.comparison(column),
            token => fail(
                position,
                format!("expected a column, `not` or `(`, found {token}"),
            ),
        }
    }

    fn comparison(&mut self, column: String) -> Result<Rule, FilterError> {
        let op = match self.take() {
            Some((_, Token::Op(op))) => op,
            Some((position, token)) => {
                return fail(
                    position,
                    format!("expected `<`, `<=`, `>`, `>=`, `==` or `!=`, found {token}"),
                );
            }
            None => return fail(self.end, format!("`{column}` is compared with nothing")),
        };
        let (position, literal) = match self.take() {
            Some((position, Token::Literal(literal))) => (position, literal),
            Some((position, token)) => {
                return fail(
                    position,
                    format!("expected a number or a text in quotes, found {token}"),
                );
            }
            None => return fail(self.end, "expected a number or a text in quotes"),
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
