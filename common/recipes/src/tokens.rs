//! The words of a small language that people write into a study file, each with the character it
//! begins at: names, numbers, texts in quotes and signs. What a language has of them its [`Lexicon`]
//! says; the grammars of [`crate::formula`] and [`crate::filter`] stand on it.

/// What the words of a language look like.
#[derive(Debug, Clone, Copy)]
pub struct Lexicon {
    /// The language, for people: `a formula`.
    pub language: &'static str,
    /// What it has, for people, after "has".
    pub has: &'static str,
    /// The most characters.
    pub most: usize,
    /// Its signs; of two that begin alike the longer first.
    pub signs: &'static [&'static str],
    /// What a name is made of; it begins with a letter or `_`.
    pub name: fn(char) -> bool,
    /// Its quotation marks: `` ` `` around a name as it is, others around a text, in which a
    /// backslash stands before a quotation mark or another backslash.
    pub quotes: &'static str,
    /// Whether `-` and `+` belong to the number after them.
    pub signed: bool,
    /// Characters that people bring from other languages, and what they hear.
    pub hints: &'static [(char, &'static str)],
}

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A name.
    Name(String),
    /// A finite number.
    Number(f64),
    /// A text in quotes.
    Text(String),
    /// A sign of the lexicon.
    Sign(&'static str),
    /// Behind the last word.
    End,
}

impl Token {
    /// For people.
    pub fn said(&self) -> String {
        match self {
            Self::Name(name) => format!("`{name}`"),
            Self::Number(number) => format!("`{number}`"),
            Self::Text(text) => format!("`\"{text}\"`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// A word and its first character, counted from 1.
pub type Placed = (usize, Token);

/// What is no word, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoWord {
    /// The character, from 1.
    pub at: usize,
    /// What is wrong and what to write.
    pub what: String,
}

/// The words of a text, read from front to back.
#[derive(Debug)]
pub struct Tokens {
    tokens: std::iter::Peekable<std::vec::IntoIter<Placed>>,
    end: usize,
}

impl Tokens {
    /// Reads a text.
    ///
    /// # Errors
    /// The first character that begins no word.
    pub fn read(text: &str, lexicon: &Lexicon) -> Result<Self, NoWord> {
        let length = text.chars().count();
        if length > lexicon.most {
            let Lexicon { language, most, .. } = lexicon;
            let what = format!("{language} has at most {most} characters");
            return Err(NoWord { at: *most, what });
        }
        let mut scanner = Scanner {
            lexicon,
            rest: text,
            at: 1,
        };
        let mut tokens = Vec::new();
        while let Some(first) = scanner.skip() {
            let at = scanner.at;
            let token = scanner
                .word(first)
                .map_err(|(at, what)| NoWord { at, what })?;
            tokens.push((at, token));
        }
        Ok(Self {
            tokens: tokens.into_iter().peekable(),
            end: length + 1,
        })
    }

    /// The next word, which stays.
    pub fn peek(&mut self) -> Placed {
        let end = (self.end, Token::End);
        self.tokens.peek().cloned().unwrap_or(end)
    }

    /// Takes the next word; [`Token::End`] again and again.
    pub fn take(&mut self) -> Placed {
        self.tokens.next().unwrap_or((self.end, Token::End))
    }

    /// Takes the next word if it is this one.
    pub fn takes(&mut self, word: &Token) -> bool {
        self.tokens.next_if(|(_, token)| token == word).is_some()
    }
}

/// The place of a mistake, and what it is.
type Wrong = (usize, String);

struct Scanner<'a> {
    lexicon: &'a Lexicon,
    rest: &'a str,
    /// The first character of `rest`, from 1.
    at: usize,
}

impl<'a> Scanner<'a> {
    /// The first character of the next word.
    fn skip(&mut self) -> Option<char> {
        self.run(char::is_whitespace);
        self.rest.chars().next()
    }

    /// Takes one character.
    fn letter(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let first = letters.next()?;
        self.rest = letters.as_str();
        self.at += 1;
        Some(first)
    }

    /// Takes the characters that belong.
    fn run(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        self.at += run.chars().count();
        run
    }

    fn word(&mut self, first: char) -> Result<Token, Wrong> {
        let Lexicon { name, signs, .. } = *self.lexicon;
        if self.lexicon.quotes.contains(first) {
            return self.quoted();
        }
        if self.begins_number(first) {
            return self.number();
        }
        if (first.is_alphabetic() || first == '_') && name(first) {
            return Ok(Token::Name(self.run(name).to_owned()));
        }
        if let Some(sign) = signs.iter().find(|sign| self.rest.starts_with(**sign)) {
            sign.chars().for_each(|_| {
                self.letter();
            });
            return Ok(Token::Sign(sign));
        }
        let hints = self.lexicon.hints.iter();
        let hint = hints
            .filter(|(letter, _)| *letter == first)
            .map(|(_, what)| *what);
        let Lexicon { language, has, .. } = self.lexicon;
        let what = hint.map(str::to_owned).next().unwrap_or_else(|| {
            format!(
                "`{}` is not known: {language} has {has}",
                first.escape_debug()
            )
        });
        Err((self.at, what))
    }

    fn begins_number(&self, first: char) -> bool {
        let mut after = self.rest.chars().skip(1);
        first.is_ascii_digit()
            || self.lexicon.signed && matches!(first, '-' | '+')
            || first == '.' && after.next().is_some_and(|c| c.is_ascii_digit())
    }

    fn number(&mut self) -> Result<Token, Wrong> {
        let at = self.at;
        let whole = self.rest;
        if self.rest.starts_with(['-', '+']) {
            self.letter();
        }
        let digits = self.run(|c| c.is_ascii_alphanumeric() || c == '.');
        if digits.ends_with(['e', 'E']) && self.rest.starts_with(['-', '+']) {
            self.letter();
            self.run(|c| c.is_ascii_digit());
        }
        let text = whole.strip_suffix(self.rest).unwrap_or(whole);
        match text.parse::<f64>() {
            // Zero has no sign.
            Ok(number) if number.is_finite() => Ok(Token::Number(number + 0.0)),
            _ if self.lexicon.quotes.contains('"') => {
                let what = format!("`{text}` is not a number; put texts and dates in quotes");
                Err((at, what))
            }
            _ => Err((at, format!("`{text}` is not a number"))),
        }
    }

    fn quoted(&mut self) -> Result<Token, Wrong> {
        let start = self.at;
        let Some(quote) = self.letter() else {
            return Err((start, "a quote is missing".to_owned()));
        };
        if quote == '`' {
            let name = self.run(|c| c != quote);
            return match self.letter() {
                Some(_) if !name.is_empty() => Ok(Token::Name(name.to_owned())),
                _ => {
                    let what = "a name in backticks has no end: write `` `name` ``";
                    Err((start, what.to_owned()))
                }
            };
        }
        let mut text = String::new();
        loop {
            let at = self.at;
            match self.letter() {
                Some(c) if c == quote => return Ok(Token::Text(text)),
                Some('\\') => match self.letter() {
                    Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                    _ => {
                        let what = "after `\\` only `\\`, `\"` or `'` may follow";
                        return Err((at, what.to_owned()));
                    }
                },
                Some(c) if c.is_control() => {
                    return Err((at, "a control character in a text".to_owned()));
                }
                Some(c) => text.push(c),
                None => {
                    let what = "the text that begins here has no closing quote";
                    return Err((start, what.to_owned()));
                }
            }
        }
    }
}
