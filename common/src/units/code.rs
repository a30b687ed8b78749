//! A text to the size of a unit.
//!
//! ```text
//! unit    = [ "/" ] part { ( "." | "/" ) part }        from the left: `a/b.c` is a, by b, times c
//! part    = "(" unit ")" | name [ exponent ] [ "{" remark "}" ] | "{" remark "}" | "10*" exponent | whole number
//! name    = [ prefix ] atom
//! ```

use super::atoms::{ATOMS, Atom, BASES, Base, PREFIXES};

/// A unit is a word or a fraction of words.
const LONGEST: usize = 64;
/// No unit of a quantity has a higher power.
const HIGHEST: i32 = 30;

/// How large a unit is and of what.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Size {
    pub(super) mantissa: f64,
    // Apart from the mantissa, so that `mg/dL` to `g/L` is a
    // hundredth to the last bit.
    pub(super) ten: i32,
    pub(super) powers: [i32; BASES],
    /// Steps of this unit between absolute zero and its own.
    pub(super) zero: f64,
    /// Whether moles stand in numerator and denominator:
    /// `mmol/mol` is another share than one of masses, also where
    /// both are pure numbers.
    pub(super) of_moles: bool,
}

/// The text is no unit.
pub(super) struct Unknown;

/// What a text says, without advice where it says nothing.
pub(super) fn size(code: &str) -> Result<Size, Unknown> {
    // A line end in a remark would write a line of its own into
    // what a steward reads.
    let is_line = code
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if code.is_empty() || code.len() > LONGEST || !is_line {
        return Err(Unknown);
    }
    let mut rest = code;
    let size = fraction(&mut rest, 0)?;
    if !rest.is_empty() {
        return Err(Unknown);
    }
    // 20 degrees and 0 degrees have a zero; 20 degrees a minute
    // have none.
    let bare = ATOMS.iter().any(|atom| atom.code == code);
    if size.zero != 0.0 && !bare {
        return Err(Unknown);
    }
    Ok(size)
}

/// Reads up to the end, or to the bracket that closes.
fn fraction(rest: &mut &str, depth: u32) -> Result<Size, Unknown> {
    let mut all = Size::one();
    let mut way = if take(rest, "/") { -1 } else { 1 };
    loop {
        all = all.times(&part(rest, depth)?, way)?;
        way = match rest.chars().next() {
            Some('.') => 1,
            Some('/') => -1,
            _ => return Ok(all),
        };
        *rest = rest.get(1..).ok_or(Unknown)?;
    }
}

fn part(rest: &mut &str, depth: u32) -> Result<Size, Unknown> {
    if take(rest, "(") {
        // Deeper ones are nobody's unit.
        let inner = if depth < 3 {
            fraction(rest, depth + 1)?
        } else {
            return Err(Unknown);
        };
        return if take(rest, ")") {
            Ok(inner)
        } else {
            Err(Unknown)
        };
    }
    let end = rest.find(['.', '/', '(', ')', '{', '}']);
    let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
    *rest = after;
    let remark = remark(rest)?;
    match word {
        "" if remark => Ok(Size::one()),
        "" => Err(Unknown),
        word => named(word),
    }
}

/// A remark in braces says what is counted and is no factor;
/// [`super::remarks`] compares them.
fn remark(rest: &mut &str) -> Result<bool, Unknown> {
    if !take(rest, "{") {
        return Ok(false);
    }
    let (text, after) = rest.split_once('}').ok_or(Unknown)?;
    *rest = after;
    if text.contains('{') {
        return Err(Unknown);
    }
    Ok(true)
}

fn take(rest: &mut &str, sign: &str) -> bool {
    match rest.strip_prefix(sign) {
        Some(after) => {
            *rest = after;
            true
        }
        None => false,
    }
}

/// A name with its exponent, a power of ten, or a whole
/// number.
fn named(word: &str) -> Result<Size, Unknown> {
    let ten = word
        .strip_prefix("10*")
        .or_else(|| word.strip_prefix("10^"));
    if let Some(exponent) = ten {
        let ten: i32 = exponent.parse().map_err(|_| Unknown)?;
        let is_known = ten.abs() <= HIGHEST;
        return if is_known {
            Ok(Size::power_of_ten(ten))
        } else {
            Err(Unknown)
        };
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u32 = word.parse().map_err(|_| Unknown)?;
        return if number > 0 {
            Ok(Size::number(number))
        } else {
            Err(Unknown)
        };
    }
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = name.strip_suffix(['+', '-']).unwrap_or(name);
    let exponent = match word.get(name.len()..) {
        Some("") | None => 1,
        Some(digits) => digits.parse().map_err(|_| Unknown)?,
    };
    if exponent == 0 {
        return Err(Unknown);
    }
    Size::one().times(&Size::of(name).ok_or(Unknown)?, exponent)
}

impl Size {
    pub(super) fn one() -> Self {
        Self {
            mantissa: 1.0,
            ten: 0,
            powers: [0; BASES],
            zero: 0.0,
            of_moles: false,
        }
    }

    fn power_of_ten(ten: i32) -> Self {
        Self { ten, ..Self::one() }
    }

    fn number(number: u32) -> Self {
        Self {
            mantissa: f64::from(number),
            ..Self::one()
        }
    }

    /// The unit of a name, with its prefix.
    fn of(name: &str) -> Option<Self> {
        let atom = |name: &str| ATOMS.iter().find(|atom| atom.code == name);
        if let Some(atom) = atom(name) {
            return Some(Self::prefixed(atom, 0));
        }
        PREFIXES.iter().find_map(|(prefix, ten)| {
            let atom = atom(name.strip_prefix(prefix)?)?;
            atom.takes(*ten).then(|| Self::prefixed(atom, *ten))
        })
    }

    fn prefixed(atom: &Atom, ten: i32) -> Self {
        let mut size = Self {
            mantissa: atom.mantissa,
            ten: atom.ten + ten,
            zero: atom.zero,
            ..Self::one()
        };
        for (base, power) in atom.powers {
            size.set(*base, i32::from(*power));
        }
        size
    }

    /// Sets the power of a base; there are as many places as
    /// bases.
    pub(super) fn set(&mut self, base: Base, power: i32) {
        if let Some(place) = self.powers.get_mut(base as usize) {
            *place = power;
        }
    }

    /// The power of a base.
    pub(super) fn power(&self, base: Base) -> i32 {
        self.powers.get(base as usize).map_or(0, |power| *power)
    }

    /// The product with a power of another.
    fn times(&self, other: &Self, exponent: i32) -> Result<Self, Unknown> {
        if exponent.abs() > HIGHEST {
            return Err(Unknown);
        }
        let mut size = self.clone();
        size.ten += other.ten * exponent;
        size.zero = self.zero + other.zero;
        for _ in 0..exponent.abs() {
            if exponent > 0 {
                size.mantissa *= other.mantissa;
            } else {
                size.mantissa /= other.mantissa;
            }
        }
        let moles = self.power(Base::Mole);
        let more = other.power(Base::Mole) * exponent;
        size.of_moles = self.of_moles || other.of_moles || moles * more < 0;
        for (own, power) in size.powers.iter_mut().zip(&other.powers) {
            *own += power * exponent;
        }
        let is_known = size.powers.iter().all(|power| power.abs() <= HIGHEST);
        if is_known && size.mantissa.is_finite() && size.mantissa > 0.0 {
            Ok(size)
        } else {
            Err(Unknown)
        }
    }
}
