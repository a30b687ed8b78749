//! The units and the prefixes there are.

/// What a unit is made of. A unit is so many of each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    Metre,
    Gram,
    Second,
    Kelvin,
    Coulomb,
    /// In UCUM a number; here a quantity, for what a mole weighs
    /// depends on the substance.
    Mole,
    /// Moles of charge or of reacting places.
    Equivalent,
    /// Moles of particles in solution.
    Osmole,
    /// International units: what one is depends on the substance,
    /// and nothing converts it.
    International,
    /// A logarithm, which no factor converts.
    Ph,
    /// Units of one method or maker.
    Arbitrary,
    /// Colonies that grew.
    Colony,
}

pub(super) const BASES: usize = 12;

/// A unit with a name of its own: `mantissa * 10^ten` of the
/// product of its bases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom {
    pub(super) code: &'static str,
    /// Whether it takes prefixes.
    pub(super) metric: bool,
    pub(super) mantissa: f64,
    pub(super) ten: i32,
    pub(super) powers: &'static [(Base, i8)],
    /// Where its zero lies, in its own steps above that of the
    /// base: of temperatures alone.
    pub(super) zero: f64,
}

/// Units of which nobody measures thousands of thousands in a
/// patient: `Mg` is a milligram that a program wrote with a
/// capital.
const SMALL: [&str; 9] = ["g", "mol", "L", "m", "s", "eq", "osm", "U", "kat"];
/// The power of ten of their largest prefix, kilo.
const KILO: i32 = 3;

impl Atom {
    /// Whether it takes the prefix of this power of ten.
    pub(super) fn takes(&self, ten: i32) -> bool {
        self.metric && (ten <= KILO || !SMALL.contains(&self.code))
    }
}

/// Prefixes, those that laboratories use most first: a guess
/// takes the first that fits.
pub(super) const PREFIXES: [(&str, i32); 16] = [
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("k", 3),
    ("d", -1),
    ("c", -2),
    ("p", -12),
    ("f", -15),
    ("h", 2),
    ("da", 1),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("a", -18),
    ("z", -21),
    ("P", 15),
];

use Base::{Arbitrary, Colony, Coulomb, Equivalent, Gram, International, Kelvin};
use Base::{Metre, Mole, Osmole, Ph, Second};

/// Energy for each of something is written by its bases, in
/// grams.
const ENERGY: &[(Base, i8)] = &[(Gram, 1), (Metre, 2), (Second, -2)];
const PRESSURE: &[(Base, i8)] = &[(Gram, 1), (Metre, -1), (Second, -2)];
const DOSE: &[(Base, i8)] = &[(Metre, 2), (Second, -2)];
const TURNOVER: &[(Base, i8)] = &[(Mole, 1), (Second, -1)];

const fn metric(
    code: &'static str,
    mantissa: f64,
    ten: i32,
    powers: &'static [(Base, i8)],
) -> Atom {
    Atom {
        code,
        metric: true,
        mantissa,
        ten,
        powers,
        zero: 0.0,
    }
}

const fn plain(code: &'static str, mantissa: f64, ten: i32, powers: &'static [(Base, i8)]) -> Atom {
    Atom {
        metric: false,
        ..metric(code, mantissa, ten, powers)
    }
}

const fn from_zero(code: &'static str, mantissa: f64, zero: f64) -> Atom {
    Atom {
        zero,
        ..plain(code, mantissa, 0, &[(Kelvin, 1)])
    }
}

/// UCUM's tables 2 to 19, as far as medicine uses them.
pub(super) const ATOMS: [Atom; 50] = [
    metric("g", 1.0, 0, &[(Gram, 1)]),
    metric("mol", 1.0, 0, &[(Mole, 1)]),
    metric("L", 1.0, -3, &[(Metre, 3)]),
    metric("m", 1.0, 0, &[(Metre, 1)]),
    metric("s", 1.0, 0, &[(Second, 1)]),
    plain("min", 60.0, 0, &[(Second, 1)]),
    plain("h", 3_600.0, 0, &[(Second, 1)]),
    plain("d", 86_400.0, 0, &[(Second, 1)]),
    plain("wk", 604_800.0, 0, &[(Second, 1)]),
    // A twelfth of a year, and a year of Julian days: UCUM's
    // `mo_j` and `a_j`.
    plain("mo", 2_629_800.0, 0, &[(Second, 1)]),
    plain("a", 31_557_600.0, 0, &[(Second, 1)]),
    plain("mo_j", 2_629_800.0, 0, &[(Second, 1)]),
    plain("a_j", 31_557_600.0, 0, &[(Second, 1)]),
    plain("%", 1.0, -2, &[]),
    plain("[ppth]", 1.0, -3, &[]),
    plain("[ppm]", 1.0, -6, &[]),
    plain("[pH]", 1.0, 0, &[(Ph, 1)]),
    metric("K", 1.0, 0, &[(Kelvin, 1)]),
    from_zero("Cel", 1.0, 273.15),
    from_zero("[degF]", 5.0 / 9.0, 459.67),
    // One micromole a minute.
    metric("U", 1.0 / 60.0, -6, TURNOVER),
    metric("kat", 1.0, 0, TURNOVER),
    metric("[IU]", 1.0, 0, &[(International, 1)]),
    metric("[iU]", 1.0, 0, &[(International, 1)]),
    metric("[arb'U]", 1.0, 0, &[(Arbitrary, 1)]),
    metric("eq", 1.0, 0, &[(Equivalent, 1)]),
    metric("osm", 1.0, 0, &[(Osmole, 1)]),
    metric("J", 1.0, 3, ENERGY),
    metric("cal", 4.184, 3, ENERGY),
    metric("W", 1.0, 3, &[(Gram, 1), (Metre, 2), (Second, -3)]),
    metric("N", 1.0, 3, &[(Gram, 1), (Metre, 1), (Second, -2)]),
    plain("dyn", 1.0, -2, &[(Gram, 1), (Metre, 1), (Second, -2)]),
    metric("Pa", 1.0, 3, PRESSURE),
    metric("bar", 1.0, 8, PRESSURE),
    metric("m[Hg]", 133.322, 6, PRESSURE),
    metric("m[H2O]", 9.806_65, 6, PRESSURE),
    metric("Hz", 1.0, 0, &[(Second, -1)]),
    metric("Bq", 1.0, 0, &[(Second, -1)]),
    metric("Gy", 1.0, 0, DOSE),
    metric("Sv", 1.0, 0, DOSE),
    metric("A", 1.0, 0, &[(Coulomb, 1), (Second, -1)]),
    metric(
        "V",
        1.0,
        3,
        &[(Gram, 1), (Metre, 2), (Second, -2), (Coulomb, -1)],
    ),
    plain("[in_i]", 2.54, -2, &[(Metre, 1)]),
    plain("[ft_i]", 30.48, -2, &[(Metre, 1)]),
    plain("[lb_av]", 453.592_37, 0, &[(Gram, 1)]),
    plain("[oz_av]", 28.349_523_125, 0, &[(Gram, 1)]),
    plain("[diop]", 1.0, 0, &[(Metre, -1)]),
    plain("[CFU]", 1.0, 0, &[(Colony, 1)]),
    plain("[HPF]", 1.0, 0, &[]),
    plain("[LPF]", 100.0, 0, &[]),
];
