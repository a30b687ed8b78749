//! What a site's numbers are in the units of a study, and
//! whether they can be.

use crate::error::{Code, DataError};
use crate::schema::{Column, Kind};
use motet_common::study::{Meaning, Study, Type};
use motet_common::units::{Conversion, Unit, convert};
use std::collections::BTreeMap;

/// What a site's own factor may differ from that of the table
/// of substances, as a share: tables round.
const ROUNDED: f64 = 0.01;

fn mismatch(name: &str, problem: String, fix: impl Into<String>) -> DataError {
    DataError::new(Code::SchemaMismatch, problem, fix).in_column(name)
}

/// How the numbers of the columns of a study are converted.
pub(crate) struct Units<'s>(BTreeMap<&'s str, Conversion>);

impl<'s> Units<'s> {
    /// The conversions from what a schema declares to what a
    /// study means.
    ///
    /// # Errors
    /// `schema_mismatch` of each that is wrong, naming both units
    /// or types. Of columns that are not there nothing is said.
    pub(crate) fn of<'c>(
        study: &'s Study,
        there: impl Fn(&str) -> Option<&'c Column>,
    ) -> Result<Self, Vec<DataError>> {
        let mut all = BTreeMap::new();
        let mut faults = Vec::new();
        for meaning in &study.meanings {
            let name = meaning.column.as_str();
            let Some(column) = there(name) else {
                continue;
            };
            match converted(study, meaning, column) {
                Ok(conversion) => drop(all.insert(name, conversion)),
                Err(fault) => faults.push(fault),
            }
        }
        match faults.is_empty() {
            true => Ok(Self(all)),
            false => Err(faults),
        }
    }

    /// How the numbers of a column are converted.
    pub(crate) fn conversion(&self, name: &str) -> Conversion {
        self.0.get(name).map_or(Conversion::NONE, |found| *found)
    }
}

/// How the numbers of one column are.
fn converted(study: &Study, meaning: &Meaning, column: &Column) -> Result<Conversion, DataError> {
    let name = meaning.column.as_str();
    is_of_type(meaning, column)?;
    let conversion = conversion(meaning, column)?;
    if meaning.kind == Some(Type::Int) && conversion != Conversion::NONE {
        let problem = "the study's whole numbers are in another unit than these".to_owned();
        let fix = "declare the study's unit and convert";
        return Err(mismatch(name, problem, fix));
    }
    let is_offset = study.data.offset.as_deref() == Some(name);
    if is_offset && conversion != Conversion::NONE {
        return Err(other_offset(meaning, column));
    }
    Ok(conversion)
}

/// An offset stands on the scale of the linear predictor, so
/// it is most often a logarithm, and that of days is not so
/// many times that of years.
fn other_offset(meaning: &Meaning, column: &Column) -> DataError {
    let [own, wanted] = [&column.unit, &meaning.unit].map(|unit| unit.as_deref().unwrap_or("1"));
    let problem = format!(
        "the offset's unit is `{own}` here and `{wanted}` in the study, and an offset, which may \
         be a logarithm, is not converted"
    );
    let fix = format!("write the file's offset from numbers in `{wanted}`, and declare that");
    mismatch(&meaning.column, problem, fix)
}

fn is_of_type(meaning: &Meaning, column: &Column) -> Result<(), DataError> {
    let own = column.kind.word();
    match meaning.kind {
        Some(kind) if !kind.takes(own) => {
            let problem = format!("declared as `{own}`, the study means `{}`", kind.word());
            let fix = format!(
                "declare `type = \"{}\"` if that is what the column holds",
                kind.word()
            );
            Err(mismatch(&meaning.column, problem, fix))
        }
        _ => Ok(()),
    }
}

/// From the unit of a schema to that of a study; nothing to
/// do where the study names none.
pub(crate) fn conversion(meaning: &Meaning, column: &Column) -> Result<Conversion, DataError> {
    let Some(wanted) = meaning.unit() else {
        return Ok(Conversion::NONE);
    };
    let name = meaning.column.as_str();
    let code = wanted.code();
    if !matches!(column.kind, Kind::Float | Kind::Int) {
        let problem = format!(
            "declared as `{}`, the study needs a number in `{code}`",
            column.kind.word()
        );
        let fix = "declare `type = \"float\"` or `type = \"int\"`";
        return Err(mismatch(name, problem, fix));
    }
    let Some(own) = column.unit.as_deref() else {
        let problem = format!("it has no unit here, the study needs `{code}`");
        let fix = format!(
            "declare `unit` in the schema, the one that the file's numbers are in: `{code}`, or \
             another, which the node converts"
        );
        return Err(mismatch(name, problem, fix));
    };
    let own = Unit::parse(own).map_err(|error| mismatch(name, error.problem, error.fix))?;
    factor_holds(meaning, column, &own)?;
    convert(&own, &wanted, meaning.substance()).ok_or_else(|| {
        let problem = format!(
            "its unit is `{}` here and `{code}` in the study, and ",
            own.code()
        );
        let (why, fix) = apart(meaning, &own, &wanted);
        mismatch(name, problem + &why, fix)
    })
}

/// Why one unit does not become the other, and what to do.
fn apart(meaning: &Meaning, own: &Unit, wanted: &Unit) -> (String, &'static str) {
    if own.contradicts(wanted) {
        return (
            "what is remarked in braces is not the same".to_owned(),
            "if the file's numbers are what the study means, write its unit with its remark; if \
             they are not, agree with the study's proposer, or convert with `from` and `factor`",
        );
    }
    match &meaning.substance {
        Some(substance) => (
            format!("no property of {substance} turns one into the other"),
            "correct `unit` in the schema, or agree on it with the study's proposer",
        ),
        None if own.may_be_no_share(wanted) => (
            "what is in `1` may be a ratio or a score, and no share".to_owned(),
            "if it is a share, write `1{fraction}` for `1`, here or in the study's file, or \
             convert with `from` and `factor`",
        ),
        None => (
            "no law of units turns one into the other".to_owned(),
            "correct `unit` in the schema; between mass and moles the study's file needs the \
             `substance`",
        ),
    }
}

/// The site's own factor against that of the units, or of the
/// substance.
fn factor_holds(meaning: &Meaning, column: &Column, to: &Unit) -> Result<(), DataError> {
    let (Some(from), Some(factor)) = (column.from.as_deref(), column.factor) else {
        return Ok(());
    };
    let name = meaning.column.as_str();
    let from = Unit::parse(from).map_err(|error| mismatch(name, error.problem, error.fix))?;
    // What the table does not know, the site may.
    let Some(known) = convert(&from, to, meaning.substance()) else {
        return Ok(());
    };
    let is_factor = known.plus == 0.0;
    if is_factor && (factor / known.times - 1.0).abs() <= ROUNDED {
        return Ok(());
    }
    let right = if is_factor {
        format!("`{}`", figure(known.times))
    } else {
        "no factor alone".to_owned()
    };
    let of = meaning
        .substance
        .as_deref()
        .map_or_else(String::new, |of| format!(" of {of}"));
    let problem = format!(
        "`factor` is `{factor}`, and from `{}` to `{}`{of} it is {right}",
        from.code(),
        to.code()
    );
    let fix = format!(
        "remove `from` and `factor` and write `unit = \"{}\"`: the node converts",
        from.code()
    );
    Err(mismatch(name, problem, fix))
}

/// A number with four digits that count.
pub fn figure(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return x.to_string();
    }
    let text = format!("{x:.3e}");
    // Read back, so that 8.840e1 is 88.4.
    text.parse::<f64>()
        .map_or(text, |number| number.to_string())
}
