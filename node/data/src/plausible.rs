//! Whether a site's own values are where a study expects
//! them, and which unit would bring them there. It is for the
//! site's own eyes, refuses nothing and is told to nobody.

use crate::cohort::check_schema_of;
use crate::error::DataError;
use crate::meaning::Units;
use crate::table::{Series, Table};
use crate::value::Cell;
use motet_common::study::{Meaning, Study};
use motet_common::units::{Conversion, Substance, Unit, convert};

/// A column of a study at this site.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnValues {
    /// The column.
    pub column: String,
    /// The unit of its values by the site's schema.
    pub own: Option<String>,
    /// The unit of the study.
    pub unit: Option<String>,
    /// How one becomes the other.
    pub conversion: Conversion,
    /// By which substance, where no law of units says how.
    pub substance: Option<&'static Substance>,
    /// The remark in braces of the one unit, where the other has
    /// none.
    pub remark: Option<String>,
    /// The study's plausible range, where it names one.
    pub range: Option<(f64, f64)>,
    /// Values that are known.
    pub known: u64,
    /// How many of them lie outside the range.
    pub outside: u64,
    /// What would bring half of those inside or more, the
    /// likeliest first.
    pub remedies: Vec<Remedy>,
}

/// What would bring values into a range.
#[derive(Debug, Clone, PartialEq)]
pub struct Remedy {
    /// The unit that they would be in, if it is one.
    pub unit: Option<String>,
    /// What they would be multiplied by, where it is a factor
    /// alone.
    pub times: Option<f64>,
    /// How many of those outside would be inside.
    pub inside: u64,
}

/// How many remedies are told.
const MOST_REMEDIES: usize = 3;

/// Units that a column may be in without anybody saying so.
const USUAL: [&str; 44] = [
    "umol/L", "mmol/L", "nmol/L", "pmol/L", "mg/dL", "g/dL", "g/L", "mg/L", "ug/dL", "ug/L",
    "ng/dL", "ng/L", "meq/L", "10*9/L", "10*6/L", "10*12/L", "/uL", "U/L", "ukat/L", "nkat/L",
    "mm[Hg]", "kPa", "cm[H2O]", "Cel", "[degF]", "cm", "m", "mm", "[in_i]", "kg", "g", "[lb_av]",
    "a", "mo", "wk", "d", "h", "min", "%", "1", "mmol/mol", "kcal", "kJ", "mL",
];

/// Where a point or a prefix was lost.
const TENS: [f64; 6] = [0.1, 10.0, 0.01, 100.0, 0.001, 1000.0];

/// The columns of which a study names unit or range, at this
/// site.
///
/// # Errors
/// `schema_mismatch` and `unknown_column`.
pub fn own_values(table: &Table, study: &Study) -> Result<Vec<OwnValues>, DataError> {
    let units = check_schema_of(table, study)?;
    let told = study
        .meanings
        .iter()
        .filter(|meaning| meaning.unit.is_some() || meaning.range.is_some());
    told.map(|meaning| Ok(of_column(meaning, table.series(&meaning.column)?, &units)))
        .collect()
}

fn of_column(meaning: &Meaning, series: &Series, units: &Units<'_>) -> OwnValues {
    let conversion = units.conversion(&meaning.column);
    let numbers = series.cells.iter().filter_map(|cell| match cell {
        Cell::Number(number) => Some(number),
        Cell::Missing | Cell::Level(_) => None,
    });
    let numbers: Vec<f64> = numbers.collect();
    let outside: Vec<f64> = numbers
        .iter()
        .copied()
        .filter(|number| !is_inside(meaning.range, conversion.of(*number)))
        .collect();
    let own = series.declared.unit.as_deref();
    let own = own.and_then(|own| Unit::parse(own).ok());
    let both = own.zip(meaning.unit());
    OwnValues {
        column: meaning.column.clone(),
        own: series.declared.unit.clone(),
        unit: meaning.unit.clone(),
        conversion,
        substance: both.as_ref().and_then(|(own, wanted)| {
            let is_law = convert(own, wanted, None).is_some();
            meaning.substance().filter(|_| !is_law)
        }),
        remark: both.and_then(|(own, wanted)| own.only_remark(&wanted)),
        range: meaning.range,
        known: numbers.len() as u64,
        outside: outside.len() as u64,
        remedies: remedies(meaning, series, conversion, &outside),
    }
}

fn is_inside(range: Option<(f64, f64)>, value: f64) -> bool {
    range.is_none_or(|(low, high)| (low..=high).contains(&value))
}

/// What brings the values that lie outside to where they are
/// expected: first another unit of mass or of moles, which is
/// the usual mistake, then another unit of the same kind,
/// then a lost point.
fn remedies(
    meaning: &Meaning,
    series: &Series,
    conversion: Conversion,
    outside: &[f64],
) -> Vec<Remedy> {
    if outside.is_empty() {
        return Vec::new();
    }
    let mut tried: Vec<(Option<String>, Conversion)> = Vec::new();
    if let Some(wanted) = meaning.unit() {
        let own = series.declared.unit.as_deref();
        let own = own.and_then(|own| Unit::parse(own).ok());
        let usual = USUAL.iter().filter_map(|code| Unit::parse(code).ok());
        let other = usual.filter(|unit| own.as_ref().is_none_or(|own| !unit.equals(own)));
        let possible = other.filter_map(|unit| {
            let to = convert(&unit, &wanted, meaning.substance())?;
            let is_law = own
                .as_ref()
                .is_some_and(|own| convert(&unit, own, None).is_some());
            Some((is_law, (Some(unit.code().to_owned()), to)))
        });
        let mut possible: Vec<_> = possible.collect();
        possible.sort_by_key(|(is_law, _)| *is_law);
        tried.extend(possible.into_iter().map(|(_, tried)| tried));
    }
    tried.extend(TENS.map(|times| {
        let times = conversion.times * times;
        (
            None,
            Conversion {
                times,
                ..conversion
            },
        )
    }));
    let mut found: Vec<Remedy> = Vec::new();
    for (unit, to) in tried {
        let inside = outside
            .iter()
            .filter(|own| is_inside(meaning.range, to.of(**own)));
        let inside = inside.count() as u64;
        let is_factor = to.plus == conversion.plus;
        let times = is_factor.then(|| to.times / conversion.times);
        let is_told = times.is_some_and(|times| {
            let mut known = found.iter().filter_map(|known| known.times);
            known.any(|known| (known / times - 1.0).abs() < 1e-9)
        });
        if inside * 2 >= outside.len() as u64 && !is_told {
            found.push(Remedy {
                unit,
                times,
                inside,
            });
        }
    }
    found.truncate(MOST_REMEDIES);
    found
}
