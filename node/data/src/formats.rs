//! What kind of file a site's is, by its first bytes, and
//! its rows.

use crate::error::{Code, DataError};
use crate::file::Delimited;
use crate::schema::{FileKind, Schema};
use crate::sheet::Sheet;
use crate::source::RowSource;
use crate::text::failed;
use crate::watched::Watched;
use crate::zip;
use std::io::Read as _;

/// How much of a file is looked at.
const HEAD: u64 = 8;

/// Opens a file's rows.
///
/// # Errors
/// `schema_mismatch` where the schema declares another kind
/// of file; else what the kind's own reader says.
pub(crate) fn open(
    watched: &Watched,
    schema: &Schema,
    headerless: bool,
) -> Result<Box<dyn RowSource>, DataError> {
    let kind = kind(watched)?;
    is_declared(kind, schema).map_err(|error| error.in_file(&watched.name))?;
    Ok(match kind {
        FileKind::Csv => Box::new(Delimited::open(watched, schema, headerless)?),
        FileKind::Xlsx => Box::new(Sheet::open(watched, schema, headerless)?),
    })
}

/// What a file's first bytes say.
fn kind(watched: &Watched) -> Result<FileKind, DataError> {
    let unreadable = DataError::unreadable(&watched.name);
    let file = watched.reader().map_err(&unreadable)?;
    let mut head = Vec::new();
    file.take(HEAD)
        .read_to_end(&mut head)
        .map_err(|error| match error.kind() {
            // A folder opens like a file, and refuses at the first
            // byte.
            std::io::ErrorKind::IsADirectory => unreadable(error),
            _ => failed(error, &watched.name),
        })?;
    Ok(match head.as_slice() {
        head if head.starts_with(&zip::LOCAL) => FileKind::Xlsx,
        _ => FileKind::Csv,
    })
}

/// Whether the schema says so, too, or nothing.
fn is_declared(kind: FileKind, schema: &Schema) -> Result<(), DataError> {
    let layout = &schema.layout;
    if layout.kind.is_some_and(|declared| declared != kind) {
        let problem = "the schema declares another `kind` of file \
                       than this is";
        let fix = "correct `kind` under `[source]` of the \
                   schema, or take it out: it is seen";
        return Err(DataError::new(Code::SchemaMismatch, problem, fix));
    }
    if layout.sheet.is_some() && kind != FileKind::Xlsx {
        let problem = "the schema declares a `sheet`, and the file \
                       is no workbook";
        let fix = "take `sheet` out of `[source]` of the \
                   schema, or give the workbook";
        return Err(DataError::new(Code::SchemaMismatch, problem, fix));
    }
    Ok(())
}
