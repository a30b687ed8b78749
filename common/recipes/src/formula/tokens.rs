//! The words of a formula, each with the character it begins at.

use super::error::FormulaError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Number(f64),
    Sign(char),
    End,
}

impl Token {
    /// For people.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Number(number) => format!("`{number}`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// A word and its first character, counted from 1.
pub(super) type Placed = (usize, Token);

/// A formula is a line of a study file.
const MOST_CHARACTERS: usize = 10_000;

/// All words and [`Token::End`].
pub(super) fn read(text: &str) -> Result<Vec<Placed>, FormulaError> {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() > MOST_CHARACTERS {
        return Err(FormulaError::at(
            MOST_CHARACTERS,
            "a formula has at most 10000 characters",
        ));
    }
    let mut tokens = Vec::new();
    let mut place = 0;
    while let Some(first) = characters.get(place).copied() {
        let rest = characters.get(place..).unwrap_or_default();
        let (length, token) = match first {
            _ if first.is_whitespace() => {
                place += 1;
                continue;
            }
            '`' => quoted(place + 1, rest)?,
            '0'..='9' => number(place + 1, rest)?,
            _ if first.is_alphabetic() || first == '_' => name(rest),
            '.' if rest.get(1).is_some_and(char::is_ascii_digit) => number(place + 1, rest)?,
            '.' => {
                return Err(FormulaError::at(
                    place + 1,
                    "`.` is not known here: write the columns out",
                ));
            }
            '~' | '+' | '-' | ':' | '*' | '^' | '(' | ')' | ',' | '=' => (1, Token::Sign(first)),
            _ => {
                let what = format!(
                    "`{first}` is not known: a formula has names, numbers and ~ + - : * ^ ( ) , ="
                );
                return Err(FormulaError::at(place + 1, what));
            }
        };
        tokens.push((place + 1, token));
        place += length;
    }
    tokens.push((characters.len() + 1, Token::End));
    Ok(tokens)
}

fn name(rest: &[char]) -> (usize, Token) {
    let name: String = rest
        .iter()
        .take_while(|c| c.is_alphanumeric() || **c == '_' || **c == '.')
        .collect();
    (name.chars().count(), Token::Name(name))
}

fn quoted(at: usize, rest: &[char]) -> Result<(usize, Token), FormulaError> {
    let inside: Vec<char> = rest
        .iter()
        .skip(1)
        .take_while(|c| **c != '`')
        .copied()
        .collect();
    if inside.is_empty() || rest.len() < inside.len() + 2 {
        return Err(FormulaError::at(
            at,
            "a name in backticks has no end: write `` `name` ``",
        ));
    }
    Ok((inside.len() + 2, Token::Name(inside.into_iter().collect())))
}

fn number(at: usize, rest: &[char]) -> Result<(usize, Token), FormulaError> {
    let mut digits = String::new();
    for c in rest {
        let signed = matches!(c, '+' | '-') && digits.ends_with(['e', 'E']);
        if !(c.is_ascii_digit() || *c == '.' || matches!(c, 'e' | 'E') || signed) {
            break;
        }
        digits.push(*c);
    }
    match digits.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((digits.chars().count(), Token::Number(number))),
        _ => Err(FormulaError::at(at, format!("`{digits}` is no number"))),
    }
}
