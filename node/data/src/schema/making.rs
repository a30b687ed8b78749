//! The keys that make a column of others: `of`, `between`,
//! `when`, `any_of`, `all_of`, `coalesce` and `value`; and
//! whether what they make is of the column's type and unit.

use super::raw::{RawBetween, RawColumn, RawWhen};
use super::{Column, Constant, Derivation, End, Kind, Measure, Origin, listed};
use crate::spelling::same;
use motet_common::study::text::is_column_name;
use motet_recipes::filter::days_since_1970;
use motet_toml::{Checked, TomlFile};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::{Spanned, Value};

/// A schema file and the types of all of its columns.
pub(super) struct Making<'f> {
    pub(super) file: &'f TomlFile<'f>,
    pub(super) kinds: &'f BTreeMap<&'f str, Kind>,
}

impl Making<'_> {
    /// How a column is made of others; nothing where it is one of
    /// the file.
    pub(super) fn derivation(&self, raw: &RawColumn, kind: &Kind) -> Checked<Option<Derivation>> {
        let origins = raw.origins();
        let (first, at) = match origins.as_slice() {
            [] | [("source", _)] => return Ok(None),
            [(first, at)] => (*first, at.clone()),
            [(first, _), (second, at), ..] => {
                let problem = format!("`{first}` and `{second}` make one column");
                let fix = "keep one of them, and give the other a column of its own";
                return self.file.refuse(at.clone(), problem, fix);
            }
        };
        self.alone(first, raw)?;
        Ok(Some(match first {
            "of" => Derivation::Of(self.name(&raw.of, at)?),
            "between" => self.between(&raw.between, at)?,
            "when" => self.when(&raw.when, at)?,
            "any_of" => Derivation::Any(self.names(&raw.any_of, first, at)?),
            "all_of" => Derivation::All(self.names(&raw.all_of, first, at)?),
            "coalesce" => Derivation::First(self.names(&raw.coalesce, first, at)?),
            _ => Derivation::Value(self.constant(&raw.value, kind, at)?),
        }))
    }

    /// Keys of cells, which a column that is made of others has
    /// not.
    fn alone(&self, origin: &str, raw: &RawColumn) -> Checked<()> {
        if let Some((key, span)) = raw.of_cells().into_iter().next() {
            let problem = format!("`{key}` belongs to cells, and `{origin}` makes this column");
            let fix = "write it where the cells are declared";
            return self.file.refuse(span, problem, fix);
        }
        match &raw.cut {
            Some(cut) if origin != "of" => {
                let problem = format!("`cut` cuts a cell or `of` another column, not `{origin}`");
                let fix = "make the number a column of its own, and cut it with `of`";
                self.file.refuse(cut.span(), problem, fix)
            }
            _ => Ok(()),
        }
    }

    /// A column that is declared.
    fn known(&self, name: &str, span: Range<usize>) -> Checked<&Kind> {
        match self.kinds.get(name) {
            Some(kind) => Ok(kind),
            None => {
                let names = self.kinds.keys().map(|name| (*name).to_owned());
                let problem = format!("there is no column {name:?}");
                let fix = format!(
                    "declare `[columns.NAME]`, also for a column that only feeds others, with \
                     `private = true`; declared are {}",
                    listed(names.collect())
                );
                self.file.refuse(span, problem, fix)
            }
        }
    }

    fn name(&self, given: &Option<Spanned<String>>, at: Range<usize>) -> Checked<String> {
        let Some(given) = given else {
            return self.broken(at);
        };
        self.known(given.get_ref(), at)?;
        Ok(given.get_ref().clone())
    }

    fn names(
        &self,
        given: &Option<Spanned<Vec<String>>>,
        key: &str,
        at: Range<usize>,
    ) -> Checked<Vec<String>> {
        let Some(given) = given else {
            return self.broken(at);
        };
        let names = given.get_ref();
        for (place, name) in names.iter().enumerate() {
            self.known(name, at.clone())?;
            if names.iter().take(place).any(|before| before == name) {
                let problem = format!("`{key}` names `{name}` twice");
                return self.file.refuse(at, problem, "name each once");
            }
        }
        if names.len() < 2 {
            let problem = format!("`{key}` names fewer than two columns");
            return self
                .file
                .refuse(at, problem, "name those that it is made of");
        }
        Ok(names.clone())
    }

    /// A key that was there a moment ago.
    fn broken<T>(&self, at: Range<usize>) -> Checked<T> {
        self.file.refuse(
            at,
            "the key cannot be read",
            "write it as SCHEMA.md shows it",
        )
    }

    fn between(
        &self,
        given: &Option<Spanned<RawBetween>>,
        at: Range<usize>,
    ) -> Checked<Derivation> {
        let Some(given) = given else {
            return self.broken(at);
        };
        let raw = given.get_ref();
        let word = raw.measure.get_ref();
        let Some(measure) = Measure::ALL.into_iter().find(|known| known.word() == word) else {
            let words: Vec<String> = Measure::ALL
                .map(|known| format!("{:?}", known.word()))
                .into();
            let problem = format!("`in` of `between` is {word:?}");
            let fix = format!("write one of {}", words.join(", "));
            return self.file.refuse(raw.measure.span(), problem, fix);
        };
        let from = self.end("from", &raw.from)?;
        let to = self.end("to", &raw.to)?;
        if let (End::Day(_), End::Day(_)) = (&from, &to) {
            let problem = "`between` lies between two fixed days";
            return self
                .file
                .refuse(at, problem, "name a date column as one of them");
        }
        Ok(Derivation::Between { from, to, measure })
    }

    fn end(&self, key: &str, given: &Spanned<Value>) -> Checked<End> {
        if let Some(day) = day(given.get_ref()) {
            return Ok(End::Day(day));
        }
        let name = given.get_ref().as_str().filter(|name| is_column_name(name));
        let Some(name) = name else {
            let problem = format!("`{key}` of `between` is neither a column nor a day");
            let fix = "write a date column's name, or a date such as 2019-01-31";
            return self.file.refuse(given.span(), problem, fix);
        };
        match self.known(name, given.span())? {
            Kind::Date => Ok(End::Column(name.to_owned())),
            kind => {
                let problem = format!("`{name}` is of type `{}`, not `date`", kind.word());
                self.file
                    .refuse(given.span(), problem, "name a date column")
            }
        }
    }

    fn when(&self, given: &Option<Spanned<RawWhen>>, at: Range<usize>) -> Checked<Derivation> {
        let Some(given) = given else {
            return self.broken(at);
        };
        let raw = given.get_ref();
        let kind = self.known(&raw.column, at.clone())?;
        for name in [&raw.then, &raw.otherwise] {
            self.known(name, at.clone())?;
        }
        let values = match &raw.is {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        let is = values
            .iter()
            .map(|value| match asked(kind, value) {
                Some(constant) => Ok(constant),
                None => {
                    let problem = format!("`is` is no value of `{}`", raw.column);
                    self.file.refuse(at.clone(), problem, values_of(kind))
                }
            })
            .collect::<Checked<Vec<Constant>>>()?;
        if is.is_empty() {
            let problem = "`is` is an empty list";
            return self.file.refuse(at, problem, values_of(kind));
        }
        Ok(Derivation::When {
            column: raw.column.clone(),
            is,
            then: raw.then.clone(),
            otherwise: raw.otherwise.clone(),
        })
    }

    fn constant(
        &self,
        given: &Option<Spanned<Value>>,
        kind: &Kind,
        at: Range<usize>,
    ) -> Checked<Constant> {
        let constant = given
            .as_ref()
            .and_then(|given| match (kind, given.get_ref()) {
                // A whole number and no other.
                (Kind::Int, Value::Float(_)) | (Kind::Bool { .. }, Value::String(_)) => None,
                (_, value) => asked(kind, value),
            });
        let broken = matches!(
            (kind, constant),
            (Kind::Int, Some(Constant::Number(number))) if number.fract() != 0.0
        );
        match constant.filter(|_| !broken) {
            Some(constant) => Ok(constant),
            None => {
                let problem = format!("`value` is none of type `{}`", kind.word());
                self.file.refuse(at, problem, values_of(kind))
            }
        }
    }

    /// Whether what is made is of the column's type, and of its
    /// unit, which is that of what it is made of where none is
    /// given. Columns come in the order in which they are made.
    pub(super) fn agree(
        &self,
        column: &Column,
        raw: &RawColumn,
        made: &BTreeMap<String, Column>,
    ) -> Checked<Option<String>> {
        let Origin::Made(derivation) = &column.origin else {
            return Ok(column.unit.clone());
        };
        let at = raw.origins().into_iter().next().map_or(0..0, |(_, at)| at);
        let inputs = derivation.passed_on().into_iter();
        let inputs: Vec<(&str, &Column)> = inputs
            .filter_map(|name| Some((name, made.get(name)?)))
            .collect();
        self.types(column, derivation, &inputs, at.clone())?;
        let numbers = matches!(column.read_as(), Kind::Float | Kind::Int);
        if !numbers || matches!(derivation, Derivation::Value(_)) {
            return Ok(column.unit.clone());
        }
        self.unit(column, derivation, &inputs, at)
    }

    fn types(
        &self,
        column: &Column,
        derivation: &Derivation,
        inputs: &[(&str, &Column)],
        at: Range<usize>,
    ) -> Checked<()> {
        let whole = column.steps.is_whole();
        match derivation {
            Derivation::Between { measure, .. }
                if column.kind == Kind::Int && !measure.is_whole() && !whole =>
            {
                let word = measure.word();
                let problem = format!("`{word}` are no whole numbers");
                let fix = format!(
                    "count in `whole_{word}`, add `round = 1`, or declare `type = \"float\"`"
                );
                return self.file.refuse(at, problem, fix);
            }
            Derivation::Any(names) | Derivation::All(names) => {
                let not_bool = names.iter().find_map(|name| {
                    let kind = self.kinds.get(name.as_str())?;
                    (!matches!(kind, Kind::Bool { .. })).then_some((name, kind))
                });
                if let Some((name, kind)) = not_bool {
                    let problem = format!("`{name}` is of type `{}`, not `bool`", kind.word());
                    let fix = "declare a yes/no column of the same `source` for it";
                    return self.file.refuse(at, problem, fix);
                }
            }
            _ => {}
        }
        for (name, input) in inputs {
            let (own, theirs) = (column.read_as(), &input.kind);
            if !takes(own, theirs, whole) {
                let problem = format!(
                    "`{name}` is of type `{}`, and this column of type `{}`",
                    theirs.word(),
                    own.word()
                );
                let fix = "one of them needs the other's type";
                return self.file.refuse(at, problem, fix);
            }
            if let (Kind::Category { .. }, Kind::Category { levels: theirs, .. }) = (own, theirs)
                && let Some(level) = theirs.iter().find(|level| column.place(level).is_none())
            {
                let problem = format!("`{name}` has a level {level:?}, and this column has not");
                return self.file.refuse(at, problem, "add it to `levels`");
            }
        }
        Ok(())
    }

    fn unit(
        &self,
        column: &Column,
        derivation: &Derivation,
        inputs: &[(&str, &Column)],
        at: Range<usize>,
    ) -> Checked<Option<String>> {
        let theirs = match (derivation, inputs) {
            (Derivation::Between { measure, .. }, _) => Some(measure.unit().to_owned()),
            (_, [first, rest @ ..]) => {
                if let Some(other) = rest.iter().find(|other| other.1.unit != first.1.unit) {
                    let named = |input: &(&str, &Column)| match &input.1.unit {
                        Some(unit) => format!("`{}` is in `{unit}`", input.0),
                        None => format!("`{}` has no unit", input.0),
                    };
                    let problem = format!("{}, and {}", named(first), named(other));
                    let fix = "give both one `unit`, with `from` and `factor` where one is \
                               converted";
                    return self.file.refuse(at, problem, fix);
                }
                first.1.unit.clone()
            }
            _ => None,
        };
        if column.steps.scale.is_some() || column.steps.offset.is_some() {
            return Ok(column.unit.clone());
        }
        // What comes in is in the unit before the conversion.
        let before = column.from.as_ref().or(column.unit.as_ref());
        match (before, &theirs) {
            (Some(said), Some(theirs)) if said != theirs => {
                let problem = format!("what it is made of is in `{theirs}`, and not in `{said}`");
                let fix = "write that unit, or convert with `from`, `factor` and `unit`";
                self.file.refuse(at, problem, fix)
            }
            (Some(_), _) => Ok(column.unit.clone()),
            (None, _) => Ok(theirs),
        }
    }
}

/// Whether values of one type are values of another as they are;
/// `whole` where they are rounded to whole numbers.
fn takes(own: &Kind, theirs: &Kind, whole: bool) -> bool {
    match (own, theirs) {
        (Kind::Float, Kind::Float | Kind::Int)
        | (Kind::Int, Kind::Int)
        | (Kind::Bool { .. }, Kind::Bool { .. })
        | (Kind::Date, Kind::Date)
        | (Kind::Category { .. }, Kind::Category { .. }) => true,
        (Kind::Int, Kind::Float) => whole,
        _ => false,
    }
}

/// A day that a schema names.
fn day(value: &Value) -> Option<f64> {
    match value {
        Value::Datetime(day) => days_since_1970(&day.to_string()),
        Value::String(day) => days_since_1970(day),
        _ => None,
    }
}

/// A value of a column of this type, as a schema writes it: the
/// texts of the file for yes, no and levels, a number in the
/// column's own unit, a day.
fn asked(kind: &Kind, value: &Value) -> Option<Constant> {
    let text = match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    match (kind, value) {
        (Kind::Date, value) => day(value).map(Constant::Number),
        (Kind::Float | Kind::Int, Value::Float(number)) => Some(*number)
            .filter(|number| number.is_finite())
            .map(Constant::Number),
        (Kind::Float | Kind::Int, _) => text?
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(Constant::Number),
        (Kind::Bool { .. }, Value::Boolean(yes)) => {
            Some(Constant::Number(f64::from(u8::from(*yes))))
        }
        (Kind::Bool { no, yes }, _) => {
            let text = text?;
            let is = |texts: &[String]| {
                texts
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&text) || same(known, &text))
            };
            match (is(no), is(yes)) {
                (true, _) => Some(Constant::Number(0.0)),
                (_, true) => Some(Constant::Number(1.0)),
                _ => None,
            }
        }
        (Kind::Category { levels, .. }, _) => {
            let text = text?;
            let found = (0_u32..).zip(levels).find(|(_, level)| same(level, &text));
            found.map(|(place, _)| Constant::Level(place))
        }
    }
}

/// What may be written as a value of this type.
fn values_of(kind: &Kind) -> String {
    match kind {
        Kind::Float => "write a number".to_owned(),
        Kind::Int => "write a whole number".to_owned(),
        Kind::Date => "write a date such as 2019-01-31, without quotes".to_owned(),
        Kind::Bool { no, yes } => format!(
            "write true or false; the texts of its cells are {} for no, {} for yes",
            no.join(", "),
            yes.join(", ")
        ),
        Kind::Category { levels, .. } => format!("its levels are {}", levels.join(", ")),
    }
}
