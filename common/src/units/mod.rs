//! Units of measurement as UCUM writes them, as far as
//! medicine uses them, and what a number in one unit is in
//! another.
//!
//! ```text
//! "mg/dL" --Unit::parse--> Unit \
//!                                convert(from, to, substance) --> Conversion { times, plus }
//! "umol/L" ---------------> Unit /
//! ```
//!
//! One spelling is taken for each unit: `L` and not `l`, `mo`
//! and not `month`. Whoever writes another one hears the
//! right one where it can be guessed. A conversion follows
//! from the units alone (`mg/dL` to `g/L`), or from what a
//! substance weighs (creatinine in `mg/dL` to `umol/L`):
//! [`Substance`] has the table. Nothing is converted by a
//! guess, and a remark in braces (`ug/L{FEU}`) is not left
//! out of the comparison.
//!
//! Source of the units: *The Unified Code for Units of
//! Measure*, <https://ucum.org/ucum>, version 2.1, tables 1
//! to 19. Where UCUM writes the mole, the equivalent and the
//! osmole as pure numbers they are kept apart here: 1 mmol
//! and 1 meq of calcium are two amounts.

mod advice; //     what was meant by a unit that is none
mod atoms; //      the units and the prefixes there are
mod code; //       a text to the size of a unit
mod convert; //    from one unit to another
mod print; //      units as they stand in print
mod remarks; //    what stands in braces
mod substances; // what a mole of it weighs
mod unit; //       a unit as it was written

pub use convert::{Conversion, convert};
pub use print::printed;
pub use substances::Substance;
pub use unit::{Unit, UnitError};

#[cfg(test)]
mod tests;
