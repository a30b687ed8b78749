//! What may be told of a dataset in the
//! catalogue, column by column: what its schema
//! declares, and levels and years only where each
//! is that of enough patients. No count, no mean
//! and no extreme comes out of here.

use crate::cells::Cells;
use crate::dates::date;
use crate::error::{Code, DataError};
use crate::schema::{self, Column, Kind, Schema};
use crate::table::{Series, Table};
use crate::value::Cell;
use motet_common::catalogue::{MOST_LEVELS, Told, Use, Years};
use motet_common::study::Type;
use std::collections::BTreeMap;

/// Which levels are wanted, and how many patients
/// are enough.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Columns whose levels are to be told.
    pub levels: &'a [String],
    /// The fewest patients of a level, or of a year,
    /// that is told.
    pub floor: u32,
}

/// What is told of a column, and what is not for
/// want of patients.
#[derive(Debug, Clone, PartialEq)]
pub struct Offered {
    /// What is told.
    pub told: Told,
    /// What is not, and why: for the steward alone,
    /// since it says something of the rows.
    pub withheld: Option<String>,
}

/// The columns of a table, by name. Private ones
/// are in no table that a study could have asked
/// for: [`Table::open`] refuses them.
///
/// # Errors
/// `unknown_column` where levels are asked of a
/// column that is not among them,
/// `schema_mismatch` where it has none.
pub fn offered(
    table: &Table,
    schema: &Schema,
    asked: Asked<'_>,
) -> Result<Vec<Offered>, DataError> {
    for name in asked.levels {
        has_levels(schema, name)?;
        if !table.columns.contains_key(name) {
            let problem = format!("levels of `{name}` are asked for, and the column is not");
            let fix = "name it among `--columns`, or leave it out of `--levels`";
            return Err(DataError::new(Code::UnknownColumn, problem, fix));
        }
    }
    let offered = table.columns.iter().filter(|(_, of)| !of.declared.private);
    Ok(offered
        .map(|(name, series)| column(table, name, series, asked))
        .collect())
}

fn has_levels(schema: &Schema, name: &str) -> Result<(), DataError> {
    let word = schema.column(name)?.kind.word();
    match schema.column(name)?.kind {
        Kind::Category { .. } => Ok(()),
        _ => Err(DataError::new(
            Code::SchemaMismatch,
            format!("column `{name}` is `{word}`, which has no levels to be told"),
            "leave it out of `--levels`",
        )),
    }
}

fn column(table: &Table, name: &str, series: &Series, asked: Asked<'_>) -> Offered {
    let declared = &series.declared;
    let is_number = matches!(declared.kind, Kind::Float | Kind::Int);
    let mut offered = Offered {
        told: Told {
            column: name.to_owned(),
            kind: kind(&declared.kind),
            label: declared.label.clone(),
            unit: declared.unit.clone(),
            substance: declared.substance.clone(),
            min: declared.min.filter(|min| is_number && min.is_finite()),
            max: declared.max.filter(|max| is_number && max.is_finite()),
            uses: uses(declared),
            levels: Vec::new(),
            years: None,
        },
        withheld: None,
    };
    match &declared.kind {
        Kind::Category { levels, .. } if asked.levels.iter().any(|wanted| wanted == name) => {
            match rare(patients(table, &series.cells), levels.len(), asked.floor) {
                None => offered.told.levels.clone_from(levels),
                why => offered.withheld = why,
            }
        }
        Kind::Date => {
            offered.told.years = years(patients(table, &series.cells), asked.floor);
            if offered.told.years.is_none() {
                let floor = asked.floor;
                offered.withheld = Some(format!("its years: none has {floor} patients"));
            }
        }
        _ => {}
    }
    offered
}

fn kind(kind: &Kind) -> Type {
    match kind {
        Kind::Float => Type::Float,
        Kind::Int => Type::Int,
        Kind::Bool { .. } => Type::Bool,
        Kind::Category { ordered: true, .. } => Type::Ordered,
        Kind::Category { .. } => Type::Category,
        Kind::Date => Type::Date,
    }
}

fn uses(column: &Column) -> Vec<Use> {
    let declared = schema::Use::ALL.into_iter();
    declared
        .filter(|of| column.uses.contains(of))
        .map(|of| match of {
            schema::Use::Filter => Use::Filter,
            schema::Use::Weight => Use::Weight,
            schema::Use::Group => Use::Group,
        })
        .collect()
}

/// The cells of one row a patient. Where the schema
/// names a key, a row without one counts for
/// nobody: five such may be one patient's.
fn patients<'t>(table: &'t Table, cells: &'t Cells) -> impl Iterator<Item = Cell> + 't {
    let rows = cells.iter().enumerate();
    rows.filter(|(row, _)| table.pseudonym(*row) != Some(None))
        .map(|(_, cell)| cell)
}

/// Why levels are not told: the others without
/// the rare one would tell that it is rare, so
/// all of them are or none. A level that nobody
/// has is as rare as one.
fn rare(cells: impl Iterator<Item = Cell>, levels: usize, floor: u32) -> Option<String> {
    if levels > MOST_LEVELS {
        return Some(format!("its levels: more than {MOST_LEVELS}"));
    }
    let mut counts = vec![0_u32; levels];
    for cell in cells {
        if let Cell::Level(place) = cell
            && let Some(count) = counts.get_mut(place as usize)
        {
            *count = count.saturating_add(1);
        }
    }
    let is_rare = counts.iter().any(|count| *count < floor);
    is_rare.then(|| format!("its levels: one of them has fewer than {floor} patients"))
}

/// The first and the last year of enough
/// patients.
fn years(cells: impl Iterator<Item = Cell>, floor: u32) -> Option<Years> {
    let mut counts: BTreeMap<u16, u32> = BTreeMap::new();
    for cell in cells {
        if let Cell::Number(days) = cell
            && let Some(year) = date(days).and_then(|day| u16::try_from(day.year()).ok())
        {
            *counts.entry(year).or_default() += 1;
        }
    }
    counts.retain(|_, count| *count >= floor);
    let (first, _) = counts.first_key_value()?;
    let (last, _) = counts.last_key_value()?;
    Some(Years {
        first: *first,
        last: *last,
    })
}
