//! What a steward reads of this site's own values before the
//! yes: in which unit they are, how they are converted, and
//! whether they lie where the study expects them. It refuses
//! nothing, and is told to nobody else.

use crate::NodeError;
use crate::output::{small, small_text};
use motet_common::study::Study;
use motet_common::units::{Conversion, Substance};
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
    /// By what substance, where no law of units says how.
    pub substance: Option<String>,
    /// A remark of one of the units alone, in its braces.
    pub remark: Option<String>,
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
        substance: own.substance.map(Substance::said),
        remark: own.remark,
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
    /// The study's unit behind a number.
    fn in_unit(&self) -> String {
        self.study_unit
            .as_deref()
            .map_or_else(String::new, |unit| format!(" `{unit}`"))
    }

    /// How it is converted, and what only one of the units says.
    fn conversion(&self) -> Vec<String> {
        let column = &self.column;
        let unit = self.in_unit();
        let mut lines = Vec::new();
        let conversion = Conversion {
            times: self.times,
            plus: self.plus,
        };
        let Some(own) = &self.unit else {
            return lines;
        };
        if conversion != Conversion::NONE {
            let plus = match self.plus {
                0.0 => String::new(),
                plus => format!(" plus {}", figure(plus)),
            };
            lines.push(format!(
                "column `{column}`: your values in `{own}` are taken times {}{plus} to the \
                 study's{unit}{}",
                figure(self.times),
                self.substance
                    .as_ref()
                    .map_or_else(String::new, |of| format!(", as {of}"))
            ));
        }
        if let Some(remark) = &self.remark {
            let who = if own.contains('{') {
                "your"
            } else {
                "the study's"
            };
            lines.push(format!(
                "column `{column}`: your unit is `{own}` and the study's{unit}, and only {who} \
                 unit says `{remark}`: nothing was converted \
                 for it; approve only if your values \
                 are what the study means"
            ));
        }
        lines
    }

    /// It in sentences: nothing of a column without a range whose
    /// unit is that of the study.
    fn lines(&self) -> Vec<String> {
        let column = &self.column;
        let unit = self.in_unit();
        let mut lines = self.conversion();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(substance: Option<&str>, own: &str, study: &str, times: f64) -> String {
        let unit = |code: &str| Some(code.to_owned());
        let parsed = |code: &str| motet_common::units::Unit::parse(code).unwrap();
        let own = OwnColumn {
            column: "lab".to_owned(),
            unit: unit(own),
            study_unit: unit(study),
            times,
            plus: 0.0,
            substance: substance.map(|name| Substance::named(name).unwrap().said()),
            remark: parsed(own).only_remark(&parsed(study)),
            range: None,
            known: small(60),
            outside: small(0),
            would_be_inside: Vec::new(),
        };
        text(&[own]).unwrap_or_default()
    }

    #[test]
    fn a_steward_reads_by_what_units_are_converted_and_what_only_one_of_them_says() {
        let said = read(Some("urea"), "mg/dL", "mmol/L", 0.16651);
        let words = "your values in `mg/dL` are taken times 0.1665 to the study's `mmol/L`, as \
                     urea and not its nitrogen (CH4N2O, ";
        assert!(said.contains(words), "{said}");
        let said = read(Some("urea nitrogen"), "mg/dL", "mmol/L", 0.35696);
        assert!(said.contains(", as urea nitrogen (N2, "), "{said}");
        // A factor of 1 is silent, a remark of one side is not.
        let said = read(None, "ug/L", "ng/mL{FEU}", 1.0);
        assert!(
            said.contains("only the study's unit says `{FEU}`"),
            "{said}"
        );
        assert!(!said.contains("times"), "{said}");
        let said = read(None, "ug/L{FEU}", "ng/mL", 1.0);
        assert!(said.contains("only your unit says `{FEU}`"), "{said}");
        assert_eq!(read(None, "ug/L{FEU}", "ng/mL{FEU}", 1.0), "");
    }
}
