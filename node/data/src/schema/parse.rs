//! From a schema file to a [`Schema`]; every mistake has its line
//! and its fix.

use super::declared::{Declared, MOST, Member, declared};
use super::layout::{Layout, marks};
use super::making::Making;
use super::raw::{RawColumn, RawFile};
use super::works::{Alike, conversion, places, steps, texts};
use super::{Column, Kind, Origin, Schema, Source, Texts, Use, in_circle, inputs};
use crate::circles::order;
use crate::error::DataError;
use crate::spelling::{lists, nfkc};
use motet_common::study::text::{is_code, is_column_name, is_dataset_name};
use motet_common::study::{LONGEST_LABEL, ranges};
use motet_common::units::{Substance, Unit, convert};
use motet_recipes::filter::days_since_1970;
use motet_toml::{Checked, TomlFile};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;

/// What is missing beside the empty cell, unless a column says
/// otherwise.
pub(super) const MISSING: [&str; 4] = ["NA", "NaN", "?", "."];
const FALSE: [&str; 3] = ["0", "false", "no"];
const TRUE: [&str; 3] = ["1", "true", "yes"];

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
        let all = declared(&self.file, raw)?;
        let mut kinds = BTreeMap::new();
        for (name, one) in &all {
            kinds.insert(name.as_str(), self.kind(name, one.raw, one.at.clone())?);
        }
        let making = Making {
            file: &self.file,
            kinds: &kinds,
        };
        let columns = all
            .iter()
            .zip(kinds.values())
            .map(|((name, one), kind)| {
                let column = self.column(name, one, kind, &making, &layout)?;
                Ok((name.clone(), column))
            })
            .collect::<Checked<_>>()?;
        let columns = self.agreed(columns, &all, &making)?;
        let mut order: Vec<(&String, &Declared<'_>)> = all.iter().collect();
        order.sort_by_key(|(_, one)| (one.at.start, one.member.map(|member| member.place)));
        let mut ranges: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, one) in &order {
            if let Some(member) = one.member {
                let names = ranges.entry(member.range.to_owned()).or_default();
                names.push((*name).clone());
            }
        }
        let schema = Schema {
            name: self.name(&raw.dataset.name)?,
            key: self.key(raw, &columns)?,
            layout,
            columns,
            order: order.into_iter().map(|(name, _)| name.clone()).collect(),
            ranges,
        };
        self.sources(&all, &schema)?;
        Ok(schema)
    }

    /// The columns, each held against those that it is made of.
    fn agreed(
        &self,
        mut columns: BTreeMap<String, Column>,
        all: &BTreeMap<String, Declared<'_>>,
        making: &Making<'_>,
    ) -> Checked<BTreeMap<String, Column>> {
        let at = |name: &str| all.get(name).map_or(0..0, |one| one.at.clone());
        let order: Vec<String> = match order(&inputs(&columns), columns.keys().map(String::as_str))
        {
            Ok(order) => order.into_iter().map(str::to_owned).collect(),
            Err(circle) => {
                let place = circle.first().map_or(0..0, |name| at(name));
                let (problem, fix) = in_circle(&circle);
                return self.refuse(place, problem, fix);
            }
        };
        for name in order {
            let (Some(column), Some(one)) = (columns.get(&name), all.get(&name)) else {
                continue;
            };
            let unit = making.agree(column, one.raw, &columns)?;
            if let Some(column) = columns.get_mut(&name) {
                column.unit = unit;
            }
        }
        Ok(columns)
    }

    /// The identifier may be declared like any column, or just be
    /// a header of the file.
    fn key(&self, raw: &RawFile, columns: &BTreeMap<String, Column>) -> Checked<Option<Source>> {
        let Some(given) = &raw.dataset.key else {
            return Ok(None);
        };
        let place = self.place(given)?;
        let Source::Header(name) = &place else {
            return Ok(Some(place));
        };
        match columns.get(name).map(Column::source) {
            None => Ok(Some(place)),
            Some(Some(source)) => Ok(Some(source.clone())),
            Some(None) => self.refuse(
                given.span(),
                format!("`key` names `{name}`, which is made of other columns"),
                "name a column of the file",
            ),
        }
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

    fn column(
        &self,
        name: &str,
        one: &Declared<'_>,
        kind: &Kind,
        making: &Making<'_>,
        layout: &Layout,
    ) -> Checked<Column> {
        let raw = one.raw;
        self.fitting(kind, raw)?;
        let min = self.bound("min", kind, &raw.min)?;
        let max = self.bound("max", kind, &raw.max)?;
        if let (Some(low), Some(high), Some(at)) = (min, max, &raw.min)
            && low > high
        {
            return self.refuse(at.span(), "`min` is above `max`", "exchange them");
        }
        conversion(&self.file, raw)?;
        self.units(raw)?;
        let steps = steps(&self.file, raw, kind)?;
        let mapped = raw.map.as_ref();
        let mapped = mapped.into_iter().flat_map(|map| map.get_ref().keys());
        let codes = kind.texts().chain(mapped).any(|text| is_code(text));
        let marks = match (&raw.decimal, &raw.thousands) {
            (None, None) => layout.marks,
            (decimal, thousands) => marks(&self.file, decimal.as_ref(), thousands.as_ref())?,
        };
        let alike = Alike {
            kind: match steps.cut {
                Some(_) => &Kind::Float,
                None => kind,
            },
            codes,
            marks,
        };
        let texts = texts(&self.file, raw, kind, alike)?;
        let missing = self.missing(alike, &texts, raw)?;
        let mut places = match kind {
            Kind::Category { levels, .. } => places(levels),
            _ => BTreeMap::new(),
        };
        for (text, place) in &texts.map {
            places.entry(text.clone()).or_insert(*place);
        }
        let origin = match making.derivation(raw, kind)? {
            Some(derivation) => Origin::Made(derivation),
            None => Origin::Cell {
                source: self.source(name, one)?,
                texts,
            },
        };
        Ok(Column {
            origin,
            unit: raw.unit.as_ref().map(|unit| unit.get_ref().clone()),
            label: self.label(raw)?,
            substance: self.substance(raw)?,
            from: raw.from.as_ref().map(|from| from.get_ref().clone()),
            factor: raw.factor.as_ref().map(|factor| *factor.get_ref()),
            steps,
            min,
            max,
            marks,
            missing,
            uses: self.uses(raw)?,
            codes,
            kind: kind.clone(),
            private: raw.private == Some(true),
            places,
        })
    }

    fn label(&self, raw: &RawColumn) -> Checked<Option<String>> {
        let Some(label) = &raw.label else {
            return Ok(None);
        };
        self.file
            .prose(label, "label", LONGEST_LABEL, false)
            .map(Some)
    }

    fn substance(&self, raw: &RawColumn) -> Checked<Option<String>> {
        let Some(name) = &raw.substance else {
            return Ok(None);
        };
        if let Some(known) = Substance::named(name.get_ref()) {
            return Ok(Some(known.name.to_owned()));
        }
        let names = Substance::names_like(name.get_ref());
        let problem = format!("no molar mass of {:?} is known here", name.get_ref());
        let fix = format!("write one of {names}, or leave it out");
        self.refuse(name.span(), problem, fix)
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
        if !is_column_name(name) {
            let fix =
                "use a letter, then letters, digits and `_`; `source` names the file's own header";
            return self.refuse(at, format!("{name:?} is not a column's name"), fix);
        }
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
                let constant = raw
                    .value
                    .as_ref()
                    .and_then(|value| value.get_ref().as_str());
                let levels = self.texts(&raw.levels, constant.as_slice())?;
                if levels.len() < 2 && constant.is_none() {
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

    /// An end of the allowed range: a number, or a day as days
    /// since 1970-01-01.
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

    /// Keys that only some types have. A category that is cut has
    /// those of the numbers it is cut from.
    fn fitting(&self, kind: &Kind, raw: &RawColumn) -> Checked<()> {
        let number = matches!(kind, Kind::Float | Kind::Int);
        let category = matches!(kind, Kind::Category { .. });
        let allowed = |key: &str| match key {
            "min" | "max" => number || *kind == Kind::Date || (category && raw.cut.is_some()),
            "format" => *kind == Kind::Date,
            "levels" | "cut" | "map" => category,
            "false" | "true" | "any_of" | "all_of" => matches!(kind, Kind::Bool { .. }),
            "between" => number,
            _ => number || (category && raw.cut.is_some()),
        };
        match raw.of_types().into_iter().find(|(key, _)| !allowed(key)) {
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
        let mut known = BTreeSet::new();
        for text in given.get_ref() {
            let text = text.trim().to_owned();
            if !known.insert(nfkc(&text).into_owned()) {
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

    /// The empty cell, unless it is a value here, and what the
    /// column lists.
    fn missing(&self, alike: Alike<'_>, texts: &Texts, raw: &RawColumn) -> Checked<Vec<String>> {
        let given = self.texts(&raw.missing, &MISSING)?;
        self.readable(alike, raw, &given)?;
        let mut missing: Vec<String> = given.iter().map(|text| alike.normal(text)).collect();
        let mapped = texts.map.keys().cloned();
        let replaced = texts.replace.keys().map(|text| alike.normal(text));
        let values: Vec<String> = alike
            .kind
            .texts()
            .map(|text| nfkc(text).into_owned())
            .chain(mapped)
            .chain(replaced)
            .collect();
        if !values.iter().any(String::is_empty) && !missing.contains(&String::new()) {
            missing.push(String::new());
        }
        match (
            values.iter().find(|text| missing.contains(text)),
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

    /// A number that means missing is written as the file writes its numbers: in other marks no
    /// cell would ever be it.
    fn readable(&self, alike: Alike<'_>, raw: &RawColumn, missing: &[String]) -> Checked<()> {
        let Alike { kind, marks, .. } = alike;
        let number = matches!(kind, Kind::Float | Kind::Int);
        let lost = missing
            .iter()
            .find(|text| text.parse().is_ok_and(f64::is_finite) && marks.plain(text).is_none());
        match (&raw.missing, lost) {
            (Some(given), Some(text)) if number => self.refuse(
                given.span(),
                format!(
                    "{text:?} in `missing` is not written with the marks of the file's numbers"
                ),
                "write it as it stands in the file (`decimal`, `thousands`)",
            ),
            _ => Ok(()),
        }
    }

    fn source(&self, name: &str, one: &Declared<'_>) -> Checked<Source> {
        match (&one.raw.source, one.member) {
            (None, _) => Ok(Source::Header(name.to_string())),
            (Some(source), None) => self.place(source),
            (Some(source), Some(member)) => self.place_in(source, member),
        }
    }

    /// The same of a column of a range: the header in the same
    /// place of another range, or so many columns behind the
    /// first.
    fn place_in(&self, source: &Spanned<toml::Value>, member: Member<'_>) -> Checked<Source> {
        let headers = match self.place(source)? {
            Source::Number(first) if first + member.of - 1 <= MOST => {
                return Ok(Source::Number(first + member.place));
            }
            Source::Number(_) => Vec::new(),
            Source::Header(text) => ranges::names(&text).into_iter().flatten().collect(),
        };
        match headers.get(member.place) {
            Some(header) if headers.len() == member.of => Ok(Source::Header(header.clone())),
            _ => {
                let Member { range, of, .. } = member;
                let problem =
                    format!("`source` does not say where the {of} columns of `{range}` are");
                let fix = "write the range of their headers, as many, such as `V[1..512]`, or the \
                           number of the first; without `source` the names are the headers";
                self.refuse(source.span(), problem, fix)
            }
        }
    }

    /// A header, or a 1-based number.
    fn place(&self, place: &Spanned<toml::Value>) -> Checked<Source> {
        let span = place.span();
        match place.get_ref() {
            toml::Value::String(header) => Ok(Source::Header(header.trim().to_string())),
            toml::Value::Integer(number) => match usize::try_from(*number) {
                Ok(number @ 1..=MOST) => Ok(Source::Number(number)),
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
    fn sources(&self, all: &BTreeMap<String, Declared<'_>>, schema: &Schema) -> Checked<()> {
        let named = schema
            .columns
            .iter()
            .find(|(_, column)| matches!(column.source(), Some(Source::Header(_))));
        match named.and_then(|(name, _)| Some((name, all.get(name)?))) {
            Some((name, one)) if schema.headerless() => {
                let problem =
                    format!("`source` of column `{name}` is a header, others are numbers");
                self.refuse(
                    one.at.clone(),
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
