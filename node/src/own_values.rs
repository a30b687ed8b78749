//! What a steward reads of this site's own values before the
//! yes: in which unit they are, how they are converted, and
//! whether they lie where the study expects them. It refuses
//! nothing, and is told to nobody else.

use crate::NodeError;
use crate::output::{small, small_text};
use motet_common::study::Study;
use motet_common::units::Conversion;
use motet_data::Table;
use motet_data::plausible::{OwnValues, Remedy};
use motet_data::{figure, own_values};
use serde::Serialize;
use serde_json::Value;

/// A column of a study at this site. Counts of one to four
/// values are `"<5"`.
#[derive(Debug, Clone, Serialize)]
pub struct OwnColumn {
    /// The column.
    pub column: String,
    /// Its unit by this site's schema, and by the study.
    pub unit: Option<String>,
    /// The unit of the study.
    pub study_unit: Option<String>,
    /// What this site's numbers are multiplied by to get the
    /// study's,
    pub times: f64,
    /// and what is added then.
    pub plus: f64,
    /// Lowest and highest plausible value, in the study's unit.
    pub range: Option<(f64, f64)>,
    /// Values that are known.
    pub known: Value,
    /// How many of them lie outside the range.
    pub outside: Value,
    /// What would bring half of those inside or more.
    pub would_be_inside: Vec<Would>,
}

/// What would bring values inside.
#[derive(Debug, Clone, Serialize)]
pub struct Would {
    /// If they were in this unit,
    pub unit: Option<String>,
    /// which is so many times what they are taken for.
    pub times: Option<f64>,
    /// How many.
    pub values: Value,
}

/// The columns of a study at this site.
///
/// # Errors
/// Where schema and study do not mean the same.
pub(crate) fn of(table: &Table, study: &Study) -> Result<Vec<OwnColumn>, NodeError> {
    let columns = own_values(table, study)?;
    Ok(columns.into_iter().map(column).collect())
}

fn column(own: OwnValues) -> OwnColumn {
    OwnColumn {
        column: own.column,
        unit: own.own,
        study_unit: own.unit,
        times: own.conversion.times,
        plus: own.conversion.plus,
        range: own.range,
        known: small(own.known),
        outside: small(own.outside),
        would_be_inside: own.remedies.into_iter().map(would).collect(),
    }
}

fn would(remedy: Remedy) -> Would {
    Would {
        unit: remedy.unit,
        times: remedy.times,
        values: small(remedy.inside),
    }
}

impl OwnColumn {
    /// It in sentences: nothing of a column without a range whose
    /// unit is that of the study.
    fn lines(&self) -> Vec<String> {
        let column = &self.column;
        let unit = self
            .study_unit
            .as_deref()
            .map_or_else(String::new, |unit| format!(" `{unit}`"));
        let mut lines = Vec::new();
        let conversion = Conversion {
            times: self.times,
            plus: self.plus,
        };
        if let (Some(own), true) = (&self.unit, conversion != Conversion::NONE) {
            let plus = match self.plus {
                0.0 => String::new(),
                plus => format!(" plus {}", figure(plus)),
            };
            lines.push(format!(
                "column `{column}`: your values in `{own}` are taken times {}{plus} to the \
                 study's{unit}",
                figure(self.times)
            ));
        }
        let Some((low, high)) = self.range else {
            return lines;
        };
        let known = small_text(&self.known);
        let range = format!("{low} to {high}{unit}");
        if self.outside == 0 {
            lines.push(format!(
                "column `{column}`: all {known} known values lie within the study's plausible {range}"
            ));
            return lines;
        }
        lines.push(format!(
            "ATTENTION: column `{column}`: {} of {known} known values lie outside the study's \
             plausible {range}{}",
            small_text(&self.outside),
            self.remedies()
        ));
        lines
    }

    fn remedies(&self) -> String {
        let told: Vec<String> = self.would_be_inside.iter().map(Would::said).collect();
        match told.as_slice() {
            [] => "; no other usual unit and no factor of 10, 100 or 1,000 would bring half of \
                   them inside"
                .to_owned(),
            told => format!(
                ". They would lie inside {}. If that is so, correct `unit` in the schema",
                told.join("; or ")
            ),
        }
    }
}

impl Would {
    fn said(&self) -> String {
        let values = small_text(&self.values);
        let times = self.times.map(|times| format!("times {}", figure(times)));
        match (&self.unit, times) {
            (Some(unit), Some(times)) => {
                format!("({values} of them) if they were in `{unit}`, that is {times}")
            }
            (Some(unit), None) => format!("({values} of them) if they were in `{unit}`"),
            (None, Some(times)) => format!("({values} of them) {times}"),
            (None, None) => format!("({values} of them) otherwise"),
        }
    }
}

/// All of it for a steward; nothing where there is nothing to
/// say.
pub(crate) fn text(columns: &[OwnColumn]) -> Option<String> {
    let lines: Vec<String> = columns
        .iter()
        .flat_map(OwnColumn::lines)
        .map(|line| format!("  - {line}"))
        .collect();
    (!lines.is_empty()).then(|| {
        format!(
            "YOUR OWN VALUES (for you alone; nothing of this is sent, and nothing is refused for it)\n{}",
            lines.join("\n")
        )
    })
}
