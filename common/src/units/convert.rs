//! From one unit to another: by a law of units, or by what a
//! substance weighs.

use super::atoms::Base;
use super::code::Size;
use super::substances::{Rule, Substance};
use super::unit::Unit;

/// What a number in one unit is in another: `x * times +
/// plus`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    /// The factor.
    pub times: f64,
    /// What is added after it; 0 but for temperatures and HbA1c.
    pub plus: f64,
}

impl Conversion {
    /// A number stays what it is.
    pub const NONE: Self = Self {
        times: 1.0,
        plus: 0.0,
    };

    /// The number in the other unit; where both are one, the same
    /// bits.
    pub fn of(self, x: f64) -> f64 {
        if self == Self::NONE {
            x
        } else {
            x * self.times + self.plus
        }
    }

    /// This one, and then another.
    fn then(self, next: Self) -> Self {
        Self {
            times: self.times * next.times,
            plus: self.plus * next.times + next.plus,
        }
    }

    /// Whether it makes numbers of numbers: a factor of 0 or
    /// without end does not.
    fn makes_numbers(self) -> bool {
        self.times.is_normal() && self.plus.is_finite()
    }

    /// By a factor alone.
    fn by(times: f64) -> Self {
        Self { times, plus: 0.0 }
    }
}

/// `mantissa * 10^ten` to the nearest number.
fn scaled(mantissa: f64, ten: i32) -> f64 {
    let power = ten.abs();
    // Exact up to 10^22.
    let by = (0..power).fold(1.0, |by, _| by * 10.0);
    if ten < 0 {
        mantissa / by
    } else {
        mantissa * by
    }
}

/// How a number in `from` becomes one in `to`; nothing where
/// no law of units and no property of the substance says so,
/// and where their remarks contradict each other.
pub fn convert(from: &Unit, to: &Unit, of: Option<&Substance>) -> Option<Conversion> {
    if from.contradicts(to) || of.is_none() && from.may_be_no_share(to) {
        return None;
    }
    if from.size == to.size {
        return Some(Conversion::NONE);
    }
    let [from, to] = [&from.size, &to.size];
    let found = match of {
        Some(of) => by_law_or(of, from, to),
        None => by_law(from, to),
    };
    found.filter(|found| found.makes_numbers())
}

/// By what is known of the substance where no law does.
fn by_law_or(of: &Substance, from: &Size, to: &Size) -> Option<Conversion> {
    match of.rule {
        Rule::Line { times, plus } => by_line(from, to, times, plus),
        Rule::Mass { grams, charge } => by_law(from, to).or_else(|| {
            let is_divisor = [from, to].into_iter().any(has_moles_below);
            let is_of_it = !is_divisor || of.is_divisor();
            is_of_it.then(|| by_mass(from, to, grams, charge)).flatten()
        }),
    }
}

/// Whether something is told for each mole.
fn has_moles_below(size: &Size) -> bool {
    size.power(Base::Mole) < 0 || size.power(Base::Equivalent) < 0
}

/// Both measure the same: a factor, and of temperatures where
/// their zeros lie.
fn by_law(from: &Size, to: &Size) -> Option<Conversion> {
    if from.powers != to.powers || from.of_moles != to.of_moles {
        return None;
    }
    let times = scaled(from.mantissa / to.mantissa, from.ten - to.ten);
    Some(Conversion {
        times,
        plus: from.zero * times - to.zero,
    })
}

/// Grams for moles and moles for equivalents, as often as the
/// two units differ in them.
fn by_mass(from: &Size, to: &Size, grams: f64, charge: Option<f64>) -> Option<Conversion> {
    let mut same = from.clone();
    let more = |base: Base| to.power(base) - from.power(base);
    let equivalents = more(Base::Equivalent);
    let weighed = more(Base::Gram);
    // A share of moles has two substances, and nobody says which
    // of them is meant.
    let shares = from.of_moles || to.of_moles;
    if shares || (weighed, equivalents) == (0, 0) {
        return None;
    }
    if more(Base::Mole) != -(weighed + equivalents) {
        return None;
    }
    let charge = match charge {
        None if equivalents != 0 => return None,
        charge => charge.unwrap_or(1.0),
    };
    for base in [Base::Gram, Base::Mole, Base::Equivalent] {
        same.set(base, to.power(base));
    }
    // One mole is so many grams, and so many equivalents.
    let factor = power(grams, weighed) * power(charge, equivalents);
    Some(by_law(&same, to)?.then(Conversion::by(factor)))
}

fn power(x: f64, exponent: i32) -> f64 {
    let all = (0..exponent.abs()).fold(1.0, |all, _| all * x);
    if exponent < 0 { 1.0 / all } else { all }
}

/// A share by mass in percent is `times` a share of moles in
/// thousandths and `plus`.
fn by_line(from: &Size, to: &Size, times: f64, plus: f64) -> Option<Conversion> {
    if from.of_moles == to.of_moles {
        return by_law(from, to);
    }
    let is_pure = |size: &Size| size.powers.iter().all(|power| *power == 0);
    if !is_pure(from) || !is_pure(to) {
        return None;
    }
    // In the units of the formula: thousandths of moles,
    // hundredths.
    let ten = |size: &Size| if size.of_moles { -3 } else { -2 };
    let before = Conversion::by(scaled(from.mantissa, from.ten - ten(from)));
    let after = Conversion::by(1.0 / scaled(to.mantissa, to.ten - ten(to)));
    let line = if from.of_moles {
        Conversion { times, plus }
    } else {
        Conversion {
            times: 1.0 / times,
            plus: -plus / times,
        }
    };
    Some(before.then(line).then(after))
}
