//! From words to terms, by recursive descent; operators bind as in R: `^` before `:` before `*`
//! before `+` and `-`.
//!
//! ```text
//! formula = [ name ] "~" sum          sum     = star { ("+" | "-") star }      star = cross { "*" cross }
//! cross   = power { ":" power }       power   = atom [ "^" number ]
//! atom    = "(" sum ")" | "1" | name | log(name) | I(name^n) | ns(name, n) | ns(name, knots = c(..), boundary = c(low, high))
//! ```

use super::error::FormulaError;
use crate::error::MOST_COLUMNS;
use crate::spline::{MOST_DEGREES, rising};
use crate::tokens::{Lexicon, Placed, Token, Tokens};

const WORDS: Lexicon = Lexicon {
    language: "a formula",
    has: "names, numbers and ~ + - : * ^ ( ) , =",
    // It is a line of a study file.
    most: 10_000,
    signs: &["~", "+", "-", ":", "*", "^", "(", ")", ",", "="],
    name: |c| c.is_alphanumeric() || c == '_' || c == '.',
    quotes: "`",
    signed: false,
    hints: &[('.', "`.` is not known here: write the columns out")],
};

/// Brackets in brackets in a formula that people write.
const MOST_DEPTH: usize = 32;

const NS: &str = "write `ns(x, 3)`, or `ns(x, knots = c(120, 140), boundary = c(80, 220))`";

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Function {
    Plain,
    Power(u32),
    Log,
    /// Boundary included.
    Ns(Vec<f64>),
    /// Of that many degrees of freedom, with knots at quantiles of the column.
    Sought(u32),
}

/// A function of a feature, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) at: usize,
    pub(super) feature: String,
    pub(super) function: Function,
}

impl Part {
    fn same(&self, other: &Self) -> bool {
        self.feature == other.feature && self.function == other.function
    }
}

/// An interaction, or a single part.
pub(super) type Product = Vec<Part>;

/// Whether both are products of the same parts.
pub(super) fn same(a: &Product, b: &Product) -> bool {
    a.len() == b.len() && a.iter().all(|part| b.iter().any(|other| part.same(other)))
}

/// The name before `~`, if there is one, and the terms: main effects first, then by degree.
pub(super) fn parse(text: &str) -> Result<(Option<String>, Vec<Product>), FormulaError> {
    let mut parser = Parser {
        tokens: Tokens::read(text, &WORDS)?,
        depth: 0,
    };
    let outcome = match parser.peek() {
        (_, Token::Name(name)) => {
            parser.next();
            Some(name)
        }
        _ => None,
    };
    parser.expect("~", "write `outcome ~ column + column`")?;
    let mut terms = parser.sum()?;
    let (at, token) = parser.peek();
    if token != Token::End {
        return Err(FormulaError::at(
            at,
            format!("{} is one too many: join terms by + or :", token.said()),
        ));
    }
    if terms.is_empty() {
        return Err(FormulaError::at(at, "no term stands to the right of `~`"));
    }
    terms.sort_by_key(Vec::len);
    Ok((outcome, terms))
}

struct Parser {
    tokens: Tokens,
    depth: usize,
}

impl Parser {
    fn peek(&mut self) -> Placed {
        self.tokens.peek()
    }

    fn next(&mut self) -> Placed {
        self.tokens.take()
    }

    /// Takes this sign if it is next.
    fn takes(&mut self, sign: &'static str) -> bool {
        self.tokens.takes(&Token::Sign(sign))
    }

    fn expect(&mut self, sign: &'static str, hint: &str) -> Result<(), FormulaError> {
        let (at, token) = self.next();
        if token == Token::Sign(sign) {
            return Ok(());
        }
        Err(FormulaError::at(
            at,
            format!("`{sign}` is missing before {}: {hint}", token.said()),
        ))
    }

    fn sum(&mut self) -> Result<Vec<Product>, FormulaError> {
        let mut terms = Vec::new();
        self.takes("+");
        loop {
            let at = self.peek().0;
            let minus = self.takes("-");
            if minus && matches!(self.peek().1, Token::Number(_)) {
                return Err(FormulaError::at(
                    at,
                    "the intercept always stays: leave `- 1` out",
                ));
            }
            let found = self.star()?;
            if minus {
                terms.retain(|term| !found.iter().any(|other| same(term, other)));
            } else {
                join(&mut terms, found, at)?;
            }
            if !self.takes("+") && self.peek().1 != Token::Sign("-") {
                return Ok(terms);
            }
        }
    }

    fn star(&mut self) -> Result<Vec<Product>, FormulaError> {
        let mut left = self.cross()?;
        while self.takes("*") {
            let at = self.peek().0;
            let right = self.cross()?;
            let both = products(&left, &right, at)?;
            join(&mut left, right, at)?;
            join(&mut left, both, at)?;
        }
        Ok(left)
    }

    fn cross(&mut self) -> Result<Vec<Product>, FormulaError> {
        let mut left = self.power()?;
        while self.takes(":") {
            let at = self.peek().0;
            let right = self.power()?;
            left = products(&left, &right, at)?;
        }
        Ok(left)
    }

    fn power(&mut self) -> Result<Vec<Product>, FormulaError> {
        let base = self.atom()?;
        let (at, _) = self.peek();
        if !self.takes("^") {
            return Ok(base);
        }
        let degree = self.degree()?;
        if let [term] = base.as_slice()
            && let Some(part) = term.first()
        {
            let name = &part.feature;
            return Err(FormulaError::at(
                at,
                format!(
                    "`^` makes interactions of a sum: write `I({name}^{degree})` for the power"
                ),
            ));
        }
        let mut terms = base.clone();
        for _ in 1..degree {
            let more = products(&terms, &base, at)?;
            join(&mut terms, more, at)?;
        }
        Ok(terms)
    }

    /// A whole number from 2 to 9.
    fn degree(&mut self) -> Result<u32, FormulaError> {
        match self.next() {
            (_, Token::Number(number))
                if (2.0..=9.0).contains(&number) && libm::floor(number) == number =>
            {
                Ok(number as u32)
            }
            (at, token) => Err(FormulaError::at(
                at,
                format!("{} is no whole number from 2 to 9", token.said()),
            )),
        }
    }

    fn atom(&mut self) -> Result<Vec<Product>, FormulaError> {
        match self.next() {
            (at, Token::Sign("(")) => {
                self.depth += 1;
                if self.depth > MOST_DEPTH {
                    return Err(FormulaError::at(at, "too many brackets in one another"));
                }
                let terms = self.sum()?;
                self.expect(")", "close the bracket")?;
                self.depth -= 1;
                Ok(terms)
            }
            (_, Token::Number(1.0)) => Ok(Vec::new()),
            (at, Token::Number(_)) => Err(FormulaError::at(
                at,
                "a number is no term: the intercept always stays, columns have names",
            )),
            (at, Token::Name(name)) if self.takes("(") => {
                let (feature, function) = self.call(at, &name)?;
                self.expect(")", "close the bracket")?;
                Ok(vec![vec![Part {
                    at,
                    feature,
                    function,
                }]])
            }
            (at, Token::Name(feature)) => Ok(vec![vec![Part {
                at,
                feature,
                function: Function::Plain,
            }]]),
            (at, token) => Err(FormulaError::at(
                at,
                format!("a column is missing before {}", token.said()),
            )),
        }
    }

    fn feature(&mut self) -> Result<String, FormulaError> {
        match self.next() {
            (_, Token::Name(name)) => Ok(name),
            (at, token) => Err(FormulaError::at(
                at,
                format!("{} is no column", token.said()),
            )),
        }
    }

    /// What stands between the brackets of a function.
    fn call(&mut self, at: usize, name: &str) -> Result<(String, Function), FormulaError> {
        match name {
            "log" => Ok((self.feature()?, Function::Log)),
            "I" => {
                let feature = self.feature()?;
                self.expect("^", "`I(x^2)` is a power of one column")?;
                Ok((feature, Function::Power(self.degree()?)))
            }
            "ns" => Ok((self.feature()?, self.knots(at)?)),
            "factor" => Err(FormulaError::at(
                at,
                "`factor` is not needed: declare the column as category in the schema",
            )),
            "offset" => Err(FormulaError::at(
                at,
                "`offset` is a key of the recipe: write `offset = \"column\"` there",
            )),
            _ => Err(FormulaError::at(
                at,
                format!("function `{name}` is not known: there are log, I and ns"),
            )),
        }
    }

    fn knots(&mut self, at: usize) -> Result<Function, FormulaError> {
        let mut inner = None;
        let mut outer = None;
        while self.takes(",") {
            if (&inner, &outer) == (&None, &None) && self.takes_degrees()? {
                return self.degrees().map(Function::Sought);
            }
            let place = match self.next() {
                (_, Token::Name(key)) if key == "knots" && inner.is_none() => &mut inner,
                (_, Token::Name(key))
                    if (key == "boundary" || key == "Boundary.knots") && outer.is_none() =>
                {
                    &mut outer
                }
                (at, token) => {
                    return Err(FormulaError::at(
                        at,
                        format!("{} is not known in `ns`: {NS}", token.said()),
                    ));
                }
            };
            self.expect("=", NS)?;
            *place = Some(self.numbers()?);
        }
        let (Some(inner), Some(outer)) = (inner, outer) else {
            return Err(FormulaError::at(
                at,
                format!("`ns` needs its knots and its boundary: {NS}"),
            ));
        };
        let [low, high] = outer.as_slice() else {
            return Err(FormulaError::at(
                at,
                format!("the boundary of `ns` has two numbers: {NS}"),
            ));
        };
        let mut knots = vec![*low];
        knots.extend(inner);
        knots.push(*high);
        if !rising(&knots) {
            return Err(FormulaError::at(
                at,
                "the 1 to 30 knots of `ns` must rise, all between the two of the boundary",
            ));
        }
        Ok(Function::Ns(knots))
    }

    /// Whether the degrees of a spline are next; `df =` is taken.
    fn takes_degrees(&mut self) -> Result<bool, FormulaError> {
        if self.peek().1 == Token::Name("df".into()) {
            self.next();
            self.expect("=", NS)?;
            return Ok(true);
        }
        Ok(matches!(self.peek().1, Token::Number(_)))
    }

    fn degrees(&mut self) -> Result<u32, FormulaError> {
        let (at, token) = self.next();
        match token {
            Token::Number(1.0) => Err(FormulaError::at(
                at,
                "`ns` of one degree is a straight line: write the column itself",
            )),
            Token::Number(number)
                if (2.0..=f64::from(MOST_DEGREES)).contains(&number)
                    && libm::floor(number) == number =>
            {
                Ok(number as u32)
            }
            other => {
                let what = format!(
                    "{} is no whole number from 2 to {MOST_DEGREES}; more knots are placed by hand: {NS}",
                    other.said()
                );
                Err(FormulaError::at(at, what))
            }
        }
    }

    /// `c(1, 2)` or a single number.
    fn numbers(&mut self) -> Result<Vec<f64>, FormulaError> {
        if self.peek().1 != Token::Name("c".into()) {
            return Ok(vec![self.number()?]);
        }
        self.next();
        self.expect("(", NS)?;
        let mut numbers = vec![self.number()?];
        while self.takes(",") {
            numbers.push(self.number()?);
        }
        self.expect(")", "close the bracket")?;
        Ok(numbers)
    }

    fn number(&mut self) -> Result<f64, FormulaError> {
        let sign = if self.takes("-") { -1.0 } else { 1.0 };
        match self.next() {
            (_, Token::Number(number)) => Ok(sign * number),
            (at, token) => Err(FormulaError::at(
                at,
                format!("{} is not a number", token.said()),
            )),
        }
    }
}

/// Adds the terms that are not there yet.
fn join(terms: &mut Vec<Product>, more: Vec<Product>, at: usize) -> Result<(), FormulaError> {
    for term in more {
        if !terms.iter().any(|other| same(other, &term)) {
            terms.push(term);
        }
    }
    if terms.len() > MOST_COLUMNS {
        return Err(FormulaError::at(at, "the formula has more than 1024 terms"));
    }
    Ok(())
}

/// Each of the left with each of the right.
fn products(left: &[Product], right: &[Product], at: usize) -> Result<Vec<Product>, FormulaError> {
    let mut all = Vec::new();
    for a in left {
        for b in right {
            let mut both = a.clone();
            both.extend(
                b.iter()
                    .filter(|part| !a.iter().any(|other| other.same(part)))
                    .cloned(),
            );
            join(&mut all, vec![both], at)?;
        }
    }
    Ok(all)
}
