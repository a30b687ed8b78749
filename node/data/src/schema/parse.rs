//! From a schema file to a [`Schema`]; every mistake has its line and its fix.

use super::layout::{Layout, RawLayout, marks};
use super::{Column, Kind, Schema, Source, Use};
use crate::error::DataError;
use crate::number::Marks;
use crate::spelling::{lists, nfkc};
use motet_common::study::text::{is_code, is_column_name, is_dataset_name};
use motet_common::units::{Unit, convert};
use motet_recipes::filter::days_since_1970;
use motet_toml::{Checked, TomlFile};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// What is missing beside the empty cell, unless a column says otherwise.
const MISSING: [&str; 4] = ["NA", "NaN", "?", "."];
const FALSE: [&str; 3] = ["0", "false", "no"];
const TRUE: [&str; 3] = ["1", "true", "yes"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    dataset: RawDataset,
    #[serde(default)]
    source: RawLayout,
    columns: BTreeMap<String, Spanned<RawColumn>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDataset {
    name: Spanned<String>,
    key: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawColumn {
    #[serde(rename = "type")]
    kind: Spanned<String>,
    source: Option<Spanned<toml::Value>>,
    unit: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    factor: Option<Spanned<f64>>,
    min: Option<Spanned<toml::Value>>,
    max: Option<Spanned<toml::Value>>,
    decimal: Option<Spanned<String>>,
    thousands: Option<Spanned<String>>,
    missing: Option<Spanned<Vec<String>>>,
    levels: Option<Spanned<Vec<String>>>,
    #[serde(rename = "use")]
    uses: Option<Vec<Spanned<String>>>,
    #[serde(rename = "false")]
    no: Option<Spanned<Vec<String>>>,
    #[serde(rename = "true")]
    yes: Option<Spanned<Vec<String>>>,
}

impl Schema {
    /// Reads a schema file.
    ///
    /// # Errors
    /// `schema_invalid` with the line of the first mistake.
    pub fn parse(toml_text: &str) -> Result<Self, DataError> {
        let reading = Reading {
            file: TomlFile::new("schema", toml_text),
        };
        Ok(reading.schema(&reading.file.read()?)?)
    }
}

/// A schema file while it is read.
struct Reading<'t> {
    file: TomlFile<'t>,
}

impl Reading<'_> {
    fn schema(&self, raw: &RawFile) -> Checked<Schema> {
        let layout = raw.source.read(&self.file)?;
        let columns: BTreeMap<String, Column> = raw
            .columns
            .iter()
            .map(|(name, raw)| Ok((name.clone(), self.column(name, raw, &layout)?)))
            .collect::<Checked<_>>()?;
        // The identifier may be declared like any column, or just be a header of the file.
        let key = match raw
            .dataset
            .key
            .as_ref()
            .map(|key| self.place(key))
            .transpose()?
        {
            Some(Source::Header(name)) => Some(
                columns
                    .get(&name)
                    .map_or(Source::Header(name), |c| c.source.clone()),
            ),
            other => other,
        };
        let schema = Schema {
            name: self.name(&raw.dataset.name)?,
            key,
            layout,
            columns,
        };
        self.sources(&raw.columns, &schema)?;
        Ok(schema)
    }

    fn refuse<T>(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Checked<T> {
        self.file.refuse(span, problem, fix)
    }

    fn name(&self, name: &Spanned<String>) -> Checked<String> {
        let text = name.get_ref();
        if is_dataset_name(text) {
            return Ok(text.clone());
        }
        self.refuse(
            name.span(),
            format!("dataset `name` is {text:?}"),
            "use letters, digits, `-` and `_`",
        )
    }

    fn column(&self, name: &str, raw: &Spanned<RawColumn>, layout: &Layout) -> Checked<Column> {
        if !is_column_name(name) {
            let fix =
                "use a letter, then letters, digits and `_`; `source` names the file's own header";
            return self.refuse(raw.span(), format!("{name:?} is not a column's name"), fix);
        }
        let at = raw.span();
        let raw = raw.get_ref();
        let kind = self.kind(name, raw, at)?;
        self.fitting(&kind, raw)?;
        let min = self.bound("min", &kind, &raw.min)?;
        let max = self.bound("max", &kind, &raw.max)?;
        if let (Some(low), Some(high), Some(at)) = (min, max, &raw.min)
            && low > high
        {
            return self.refuse(at.span(), "`min` is above `max`", "exchange them");
        }
        match (&raw.from, &raw.factor, &raw.unit) {
            (None, None, _) | (Some(_), Some(_), Some(_)) => {}
            (Some(given), ..) => {
                return self.refuse(
                    given.span(),
                    "`from` needs `factor` and `unit`",
                    "add what is missing, or remove it",
                );
            }
            (_, Some(given), _) => {
                return self.refuse(
                    given.span(),
                    "`factor` needs `from` and `unit`",
                    "add what is missing, or remove it",
                );
            }
        }
        if let Some(factor) = raw
            .factor
            .as_ref()
            .filter(|f| !f.get_ref().is_finite() || *f.get_ref() <= 0.0)
        {
            return self.refuse(
                factor.span(),
                "`factor` is not a positive number",
                "write what a value is multiplied by",
            );
        }
        self.units(raw)?;
        let codes = kind.texts().any(|text| is_code(text));
        let marks = match (&raw.decimal, &raw.thousands) {
            (None, None) => layout.marks,
            (decimal, thousands) => marks(&self.file, decimal.as_ref(), thousands.as_ref())?,
        };
        let missing = self.missing(&kind, codes, marks, raw)?;
        Ok(Column {
            source: self.source(name, raw)?,
            unit: raw.unit.as_ref().map(|unit| unit.get_ref().clone()),
            from: raw.from.as_ref().map(|unit| unit.get_ref().clone()),
            factor: raw.factor.as_ref().map(|factor| *factor.get_ref()),
            min,
            max,
            marks,
            missing,
            uses: self.uses(raw)?,
            codes,
            kind,
        })
    }

    /// Units are UCUM's, and a factor is not another than theirs.
    fn units(&self, raw: &RawColumn) -> Checked<()> {
        let unit = self.unit("unit", &raw.unit)?;
        let from = self.unit("from", &raw.from)?;
        let (Some(from), Some(unit), Some(factor)) = (from, unit, &raw.factor) else {
            return Ok(());
        };
        let given = *factor.get_ref();
        let right = match convert(&from, &unit, None) {
            Some(law) if law.plus != 0.0 => "no factor alone".to_owned(),
            Some(law) if (given / law.times - 1.0).abs() > 0.01 => format!("`{}`", law.times),
            _ => return Ok(()),
        };
        let [from, unit] = [from.code(), unit.code()];
        let problem = format!("`factor` is `{given}`, and from `{from}` to `{unit}` it is {right}");
        let fix = format!(
            "remove `from` and `factor` and write `unit = \"{from}\"`: the node converts to a \
             study's unit"
        );
        self.refuse(factor.span(), problem, fix)
    }

    fn unit(&self, key: &str, code: &Option<Spanned<String>>) -> Checked<Option<Unit>> {
        let Some(code) = code else { return Ok(None) };
        match Unit::parse(code.get_ref()) {
            Ok(unit) => Ok(Some(unit)),
            Err(error) => {
                let problem = format!("`{key}`: {}", error.problem);
                self.refuse(code.span(), problem, error.fix)
            }
        }
    }

    fn uses(&self, raw: &RawColumn) -> Checked<Vec<Use>> {
        let Some(given) = &raw.uses else {
            return Ok(Use::ALL.to_vec());
        };
        given
            .iter()
            .map(|word| {
                let of = Use::ALL.into_iter().find(|of| of.word() == word.get_ref());
                of.map_or_else(
                    || {
                        let problem = format!("`use` names {:?}", word.get_ref());
                        self.refuse(
                            word.span(),
                            problem,
                            "write \"filter\", \"weight\", \"group\", or an empty list",
                        )
                    },
                    Ok,
                )
            })
            .collect()
    }

    fn kind(&self, name: &str, raw: &RawColumn, at: Range<usize>) -> Checked<Kind> {
        Ok(match raw.kind.get_ref().as_str() {
            "float" => Kind::Float,
            "int" => Kind::Int,
            "date" => Kind::Date,
            "bool" => {
                let no = self.texts(&raw.no, &FALSE)?;
                let yes = self.texts(&raw.yes, &TRUE)?;
                if no.is_empty() || yes.is_empty() || no.iter().any(|text| lists(&yes, text)) {
                    let span = raw
                        .yes
                        .as_ref()
                        .or(raw.no.as_ref())
                        .map_or(at, Spanned::span);
                    let fix = "give each of them at least one text, and none in both";
                    return self.refuse(
                        span,
                        format!("`false` and `true` of `{name}` do not tell no from yes"),
                        fix,
                    );
                }
                Kind::Bool { no, yes }
            }
            word @ ("category" | "ordered") => {
                let levels = self.texts(&raw.levels, &[])?;
                if levels.len() < 2 {
                    let span = raw.levels.as_ref().map_or(at, Spanned::span);
                    return self.refuse(
                        span,
                        format!("{word} `{name}` has fewer than two levels"),
                        "list its `levels`",
                    );
                }
                Kind::Category {
                    levels,
                    ordered: word == "ordered",
                }
            }
            other => {
                let fix = "use `float`, `int`, `bool`, `category`, `ordered` or `date`";
                return self.refuse(raw.kind.span(), format!("`type` is {other:?}"), fix);
            }
        })
    }

    /// An end of the allowed range: a number, or a day as days since 1970-01-01.
    fn bound(
        &self,
        key: &str,
        kind: &Kind,
        given: &Option<Spanned<toml::Value>>,
    ) -> Checked<Option<f64>> {
        let Some(given) = given else { return Ok(None) };
        let value = match (kind, given.get_ref()) {
            (Kind::Date, toml::Value::Datetime(day)) => days_since_1970(&day.to_string()),
            (Kind::Date, toml::Value::String(day)) => days_since_1970(day),
            (Kind::Date, _) => None,
            (_, toml::Value::Float(number)) => Some(*number).filter(|number| !number.is_nan()),
            (_, toml::Value::Integer(number)) => Some(*number as f64),
            _ => None,
        };
        if value.is_some() {
            return Ok(value);
        }
        let (what, fix) = match kind {
            Kind::Date => ("a day", "write a date such as 2019-01-31, without quotes"),
            _ => ("a number", "write it without quotes"),
        };
        self.refuse(given.span(), format!("`{key}` is not {what}"), fix)
    }

    /// Keys that only some types have.
    fn fitting(&self, kind: &Kind, raw: &RawColumn) -> Checked<()> {
        let number = matches!(kind, Kind::Float | Kind::Int);
        let ordered = number || matches!(kind, Kind::Date);
        let keys = [
            ("min", raw.min.as_ref().map(Spanned::span), ordered),
            ("max", raw.max.as_ref().map(Spanned::span), ordered),
            ("from", raw.from.as_ref().map(Spanned::span), number),
            ("factor", raw.factor.as_ref().map(Spanned::span), number),
            ("decimal", raw.decimal.as_ref().map(Spanned::span), number),
            (
                "thousands",
                raw.thousands.as_ref().map(Spanned::span),
                number,
            ),
            (
                "levels",
                raw.levels.as_ref().map(Spanned::span),
                matches!(kind, Kind::Category { .. }),
            ),
            (
                "false",
                raw.no.as_ref().map(Spanned::span),
                matches!(kind, Kind::Bool { .. }),
            ),
            (
                "true",
                raw.yes.as_ref().map(Spanned::span),
                matches!(kind, Kind::Bool { .. }),
            ),
        ];
        match keys
            .into_iter()
            .find_map(|(key, span, allowed)| span.filter(|_| !allowed).map(|span| (key, span)))
        {
            Some((key, span)) => self.refuse(
                span,
                format!("`{key}` is not a key of type `{}`", kind.word()),
                "remove it, or change `type`",
            ),
            None => Ok(()),
        }
    }

    fn texts(
        &self,
        given: &Option<Spanned<Vec<String>>>,
        default: &[&str],
    ) -> Checked<Vec<String>> {
        let Some(given) = given else {
            return Ok(default.iter().map(|text| text.to_string()).collect());
        };
        let mut texts = Vec::new();
        for text in given.get_ref() {
            let text = text.trim().to_owned();
            if lists(&texts, &text) {
                return self.refuse(
                    given.span(),
                    format!("{text:?} stands twice"),
                    "name each once",
                );
            }
            texts.push(text);
        }
        Ok(texts)
    }

    /// The empty cell, unless it is a value here, and what the column lists.
    fn missing(
        &self,
        kind: &Kind,
        codes: bool,
        marks: Marks,
        raw: &RawColumn,
    ) -> Checked<Vec<String>> {
        let mut missing: Vec<String> = self
            .texts(&raw.missing, &MISSING)?
            .iter()
            .map(|text| kind.compared(codes, marks, text))
            .collect();
        let is_value = kind.texts().any(String::is_empty);
        if !is_value && !missing.contains(&String::new()) {
            missing.push(String::new());
        }
        match (
            kind.texts()
                .find(|text| missing.contains(&nfkc(text).into_owned())),
            &raw.missing,
        ) {
            (Some(text), given) => {
                let span = given.as_ref().map_or(raw.kind.span(), Spanned::span);
                self.refuse(
                    span,
                    format!("{text:?} means a value and a missing one"),
                    "take it out of `missing` or of the values",
                )
            }
            (None, _) => Ok(missing),
        }
    }

    fn source(&self, name: &str, raw: &RawColumn) -> Checked<Source> {
        raw.source.as_ref().map_or_else(
            || Ok(Source::Header(name.to_string())),
            |source| self.place(source),
        )
    }

    /// A header, or a 1-based number.
    fn place(&self, place: &Spanned<toml::Value>) -> Checked<Source> {
        let span = place.span();
        match place.get_ref() {
            toml::Value::String(header) => Ok(Source::Header(header.trim().to_string())),
            toml::Value::Integer(number) => match usize::try_from(*number) {
                Ok(number @ 1..=100_000) => Ok(Source::Number(number)),
                _ => self.refuse(
                    span,
                    format!("column number `{number}` does not exist"),
                    "columns are numbered from 1",
                ),
            },
            _ => self.refuse(
                span,
                "neither a text nor a number",
                "write the column's header or its number",
            ),
        }
    }

    /// A file has a header or it has none.
    fn sources(&self, raw: &BTreeMap<String, Spanned<RawColumn>>, schema: &Schema) -> Checked<()> {
        let named = schema
            .columns
            .iter()
            .find(|(_, column)| matches!(column.source, Source::Header(_)));
        match named.and_then(|(name, _)| Some((name, raw.get(name)?))) {
            Some((name, at)) if schema.headerless() => {
                let problem =
                    format!("`source` of column `{name}` is a header, others are numbers");
                self.refuse(
                    at.span(),
                    problem,
                    "a file without a header needs a number for every column",
                )
            }
            _ if schema.columns.is_empty() => {
                self.refuse(0..0, "no column is declared", "add `[columns.NAME]`")
            }
            _ => Ok(()),
        }
    }
}
