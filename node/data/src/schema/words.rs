//! How a column is made, in one plain line for the site's own
//! people.

use super::parse::MISSING;
use super::{Column, Constant, Derivation, End, Kind, Origin, Schema, Source};
use crate::dates::written;
use std::collections::BTreeSet;

impl Schema {
    /// How a column comes about, where it is more than a column
    /// of the file as it stands there: "days from `diagnosed` to
    /// `last_seen`". Numbers and texts in it are the schema's.
    pub fn how(&self, name: &str) -> Option<String> {
        let column = self.columns.get(name)?;
        let more = !column.works().is_empty() || matches!(column.origin, Origin::Made(_));
        more.then(|| self.way(column))
    }

    /// How a column comes about: "`Statut` of the file".
    fn way(&self, column: &Column) -> String {
        let mut parts = match &column.origin {
            Origin::Made(derivation) => vec![self.derivation(column, derivation)],
            Origin::Cell { source, .. } => {
                let source = match source {
                    Source::Header(header) => format!("`{header}` of the file"),
                    Source::Number(number) => format!("column `{number}` of the file"),
                };
                vec![source]
            }
        };
        parts.extend(column.works());
        parts.join(", ")
    }

    /// The same of all columns of a range: "512 columns, `V1` to
    /// `V512` of the file, plus 1".
    fn how_all(&self, names: &[String]) -> Option<String> {
        let first = self.columns.get(names.first()?)?;
        let last = self.columns.get(names.last()?)?;
        let ends = match (first.source()?, last.source()?) {
            (Source::Number(first), Source::Number(last)) => format!("number {first} to {last}"),
            (Source::Header(first), Source::Header(last)) => format!("`{first}` to `{last}`"),
            _ => return None,
        };
        let mut parts = vec![
            format!("{} columns", names.len()),
            format!("{ends} of the file"),
        ];
        parts.extend(first.works());
        Some(parts.join(", "))
    }

    /// How these columns and what they are made of come about and what they are taken for, a line
    /// for each, and one for each range: "`time`: days from `diagnosed` to `last_seen`; a whole
    /// number in `d`". `beside` is what else is to be said of a column.
    pub fn told<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        beside: impl Fn(&str, &Column) -> Option<String>,
    ) -> Vec<String> {
        let names = names.into_iter().collect();
        let Ok(columns) = self.made_of(&names) else {
            // No schema that was parsed has a circle.
            return Vec::new();
        };
        let range_of = self.range_of();
        let mut told = BTreeSet::new();
        columns
            .into_iter()
            .filter_map(|(name, column)| match range_of.get(name) {
                Some(range) if !told.insert(*range) => None,
                Some(range) => {
                    let names = self.ranges.get(*range)?;
                    let first = self.columns.get(names.first()?)?;
                    Some((*range, first, self.how_all(names)?))
                }
                None => Some((name, column, self.way(column))),
            })
            .map(|(name, column, way)| {
                let says = [Some(way), column.holds(), beside(name, column)];
                let says: Vec<String> = says.into_iter().flatten().collect();
                format!("`{name}`: {}", says.join("; "))
            })
            .collect()
    }

    fn derivation(&self, own: &Column, derivation: &Derivation) -> String {
        match derivation {
            Derivation::Between { from, to, measure } => {
                let counted = match measure.word().split_once('_') {
                    Some((whole, of)) => format!("{whole} {of}"),
                    None => measure.word().to_owned(),
                };
                format!("{counted} from {} to {}", end(from), end(to))
            }
            Derivation::When {
                column,
                is,
                then,
                otherwise,
            } => {
                let asked = self.columns.get(column);
                let values: Vec<String> = asked
                    .into_iter()
                    .flat_map(|asked| is.iter().map(|value| asked.constant(*value)))
                    .collect();
                let values = values.join(" or ");
                format!("`{then}` where `{column}` is {values}, else `{otherwise}`")
            }
            Derivation::Any(columns) => format!("whether {} is true", listed(columns, "or")),
            Derivation::All(columns) => format!("whether {} are true", listed(columns, "and")),
            Derivation::First(columns) => {
                format!("the first that is known of {}", listed(columns, "and"))
            }
            Derivation::Of(column) => format!("`{column}`"),
            Derivation::Value(constant) => format!("always {}", own.constant(*constant)),
        }
    }
}

impl Column {
    /// What is done with its cells before they are values.
    fn works(&self) -> Vec<String> {
        let mut parts = self.texts();
        parts.extend(self.numbers());
        parts
    }

    /// What it is taken for, and what means "not known" by the schema's own word.
    fn holds(&self) -> Option<String> {
        let in_unit = self.unit.as_ref().map_or_else(
            || ", of which the schema says no unit".to_owned(),
            |unit| format!(" in `{unit}`"),
        );
        let is_cell = matches!(self.origin, Origin::Cell { .. });
        let kind = match &self.kind {
            Kind::Float => Some(format!("a number{in_unit}")),
            Kind::Int => Some(format!("a whole number{in_unit}")),
            Kind::Bool { no, yes } if is_cell => {
                let [yes, no] = [yes, no].map(|texts| listed(texts, "or"));
                Some(format!("yes is {yes}, no is {no}"))
            }
            Kind::Bool { .. } | Kind::Category { .. } | Kind::Date => None,
        };
        let texts: Vec<String> = self
            .missing
            .iter()
            .filter(|text| !text.is_empty())
            .cloned()
            .collect();
        let own = is_cell && texts != MISSING;
        let missing = own.then(|| match texts.as_slice() {
            [] => "no text means not known".to_owned(),
            texts => format!("not known is {}", listed(texts, "or")),
        });
        let says: Vec<String> = kind.into_iter().chain(missing).collect();
        (!says.is_empty()).then(|| says.join("; "))
    }

    fn constant(&self, constant: Constant) -> String {
        match (constant, &self.kind) {
            (Constant::Number(day), Kind::Date) => written(day),
            (Constant::Number(number), Kind::Bool { .. }) => (number == 1.0).to_string(),
            (Constant::Number(number), _) => number.to_string(),
            (Constant::Level(place), Kind::Category { levels, .. }) => {
                let level = levels.get(place as usize);
                level.map_or_else(|| "a level".to_owned(), |level| format!("`{level}`"))
            }
            (Constant::Level(_), _) => "a level".to_owned(),
        }
    }

    /// What texts of its cells mean.
    fn texts(&self) -> Vec<String> {
        let Origin::Cell { texts, .. } = &self.origin else {
            return Vec::new();
        };
        let mut parts = Vec::new();
        if let Some(format) = &texts.format {
            parts.push(format!("dates as `{format}`"));
        }
        let replaced = texts.replace.iter();
        parts.extend(replaced.map(|(text, number)| format!("`{text}` counts as {number}")));
        let mapped = texts.map.iter();
        parts.extend(mapped.map(|(text, place)| {
            format!("`{text}` is {}", self.constant(Constant::Level(*place)))
        }));
        parts
    }

    /// What is done to its numbers.
    fn numbers(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if let (Some(from), Some(factor), Some(unit)) = (&self.from, self.factor, &self.unit) {
            parts.push(format!("{from} times {factor} is {unit}"));
        }
        if let Some(scale) = self.steps.scale {
            parts.push(format!("times {scale}"));
        }
        if let Some(offset) = self.steps.offset {
            parts.push(format!("plus {offset}"));
        }
        match self.steps.round {
            Some(1.0) => parts.push("to the nearest whole number".to_owned()),
            Some(step) => parts.push(format!("to the nearest multiple of {step}")),
            None => {}
        }
        if let Some(cuts) = &self.steps.cut {
            let cuts: Vec<String> = cuts.iter().map(f64::to_string).collect();
            parts.push(format!("cut above {}", cuts.join(", ")));
        }
        parts
    }
}

fn end(end: &End) -> String {
    match end {
        End::Column(name) => format!("`{name}`"),
        End::Day(day) => written(*day),
    }
}

fn listed(names: &[String], and: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} {and} {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
