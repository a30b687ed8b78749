//! How a notice is read, at the steward's desk
//! before it is signed and by whoever it is for,
//! in the same words.

use super::{Offer, Told, Use, Years};
use crate::study::{Recipients, Type};
use serde::{Serialize as _, Serializer};

/// The word of a column's type, in JSON.
pub(super) fn word_of<S: Serializer>(kind: &Type, out: S) -> Result<S::Ok, S::Error> {
    kind.word().serialize(out)
}

/// The researchers in JSON: `all`, or a list of
/// names.
pub(super) fn who<S: Serializer>(of: &Recipients, out: S) -> Result<S::Ok, S::Error> {
    match of {
        Recipients::Everyone => "all".serialize(out),
        Recipients::Nobody | Recipients::Named(_) => of.names().serialize(out),
    }
}

impl Use {
    /// The word in a schema file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Weight => "weight",
            Self::Group => "group",
        }
    }
}

impl Offer {
    /// How many rows there are, in words.
    pub fn size(&self) -> String {
        match self.rows {
            0 => format!("fewer than {}", self.rounded_to),
            rows => format!("about {rows}, to the nearest {}", self.rounded_to),
        }
    }

    /// Whom it is for.
    pub fn readers(&self) -> String {
        let researchers = match &self.researchers {
            Recipients::Nobody => "no researcher".to_owned(),
            Recipients::Named(names) => format!("of the researchers {}", names.join(", ")),
            Recipients::Everyone => "all enrolled researchers".to_owned(),
        };
        format!("the consortium's sites and operators, and {researchers}")
    }
}

impl Years {
    /// From the first to the last.
    pub(super) fn words(self) -> String {
        let Self { first, last } = self;
        match first == last {
            true => first.to_string(),
            false => format!("{first} to {last}"),
        }
    }
}

impl Told {
    /// The cells of its line under [`HEADS`].
    pub fn cells(&self) -> [String; 4] {
        [
            self.column.clone(),
            self.kind.word().to_owned(),
            self.unit.clone().unwrap_or_else(|| "-".to_owned()),
            self.particulars(),
        ]
    }

    /// What is told besides name, type and unit.
    fn particulars(&self) -> String {
        let label = self.label.as_ref().map(|label| format!("{label:?}"));
        let substance = self.substance.as_ref().map(|of| format!("of {of}"));
        let levels = (!self.levels.is_empty()).then(|| format!("levels {}", quoted(&self.levels)));
        let years = self.years.map(|years| format!("years {}", years.words()));
        let uses = (self.uses.len() < 3).then(|| {
            let words: Vec<&str> = self.uses.iter().map(|of| of.word()).collect();
            match words.as_slice() {
                [] => "no filter, weight or group".to_owned(),
                words => format!("of filter, weight and group only {}", words.join(", ")),
            }
        });
        let parts = [label, substance, self.range(), levels, years, uses];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn range(&self) -> Option<String> {
        Some(match (self.min, self.max) {
            (Some(min), Some(max)) => format!("allowed {min} to {max}"),
            (Some(min), None) => format!("allowed from {min}"),
            (None, Some(max)) => format!("allowed up to {max}"),
            (None, None) => return None,
        })
    }
}

/// Each level between quotes, those in it escaped:
/// one that holds a comma does not read as two.
pub(super) fn quoted(levels: &[String]) -> String {
    let levels: Vec<String> = levels.iter().map(|level| format!("{level:?}")).collect();
    levels.join(", ")
}

/// The headings over [`Told::cells`].
pub const HEADS: [&str; 4] = ["column", "type", "unit", "what is told"];
