//! What the columns of a study mean, wherever a folder names
//! one: labels, units, levels, and the step in which an
//! effect is told.

use crate::context::{Column, Context, Level};
use crate::kit::page::Page;
use crate::kit::words::{capital, code, figure, plain, ratio};
use serde::Serialize;

/// The effects of a fit: coefficients for one unit of their
/// variable, with their intervals.
#[derive(Default)]
pub(crate) struct Effects<'a> {
    /// What exp(coefficient) is called; nothing where it has no
    /// meaning.
    pub(crate) ratio: Option<&'static str>,
    /// Name, estimate, and the ends of its interval, NaN where it
    /// has none.
    pub(crate) of: Vec<(&'a str, [f64; 3])>,
}

/// An effect for the step that the study names.
#[derive(Serialize)]
pub(crate) struct Stepped<'a> {
    name: &'a str,
    per: f64,
    unit: Option<&'a str>,
    estimate: f64,
    ci_low: f64,
    ci_high: f64,
    ratio: Option<f64>,
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
}

/// The effects of the columns of which the study names a
/// step.
pub(crate) fn stepped<'a>(effects: &Effects<'a>, context: &'a Context) -> Vec<Stepped<'a>> {
    let told = effects.of.iter().filter_map(|&(name, effect)| {
        let column = context.column(name)?;
        let per = column.per?;
        let [estimate, ci_low, ci_high] = effect.map(|value| value * per);
        let [ratio, ratio_low, ratio_high] =
            [estimate, ci_low, ci_high].map(|value| effects.ratio.map(|_| libm::exp(value)));
        Some(Stepped {
            name,
            per,
            unit: column.unit.as_deref(),
            estimate,
            ci_low,
            ci_high,
            ratio,
            ratio_low,
            ratio_high,
        })
    });
    told.collect()
}

/// Effects for steps, in the card.
pub(crate) fn steps(page: &mut Page<'_>, effects: &Effects<'_>) {
    let told = stepped(effects, page.context);
    if told.is_empty() {
        return;
    }
    let head = capital(effects.ratio.unwrap_or("change of the outcome"));
    page.line("\nThe same for the steps that the study names, the others held equal:\n");
    page.line(&format!("| Variable | Step | {head} | 95% CI |"));
    page.line("|---|---:|---:|---:|");
    let shown = if effects.ratio.is_some() {
        ratio
    } else {
        figure
    };
    for step in told {
        let interval = if step.ci_low.is_nan() {
            String::new()
        } else {
            format!("{} to {}", shown(step.ci_low), shown(step.ci_high))
        };
        let unit = step.unit.map_or_else(String::new, printed);
        page.line(&format!(
            "| {} | {}{} | {} | {interval} |",
            code(step.name),
            figure(step.per),
            plain(&unit),
            shown(step.estimate)
        ));
    }
}

/// A unit behind a number.
fn printed(unit: &str) -> String {
    match motet_common::units::printed(unit).as_str() {
        "" => String::new(),
        unit => format!(" {unit}"),
    }
}

/// What the columns mean, in the card; nothing where the
/// study says nothing of them.
pub(crate) fn columns(page: &mut Page<'_>) {
    let told: Vec<&Column> = page
        .context
        .columns
        .iter()
        .filter(|of| of.is_said())
        .collect();
    if told.is_empty() {
        return;
    }
    page.section("What the columns mean");
    page.line(
        "The study says so for every site. Each site's schema was held against it before the \
         site approved; values in another unit were converted at the site.\n",
    );
    page.line("| Column | Label | Unit | Plausible | Levels |");
    page.line("|---|---|---|---|---|");
    for column in told {
        let levels: Vec<String> = column
            .levels
            .iter()
            .map(|level| {
                let label = level.label.as_ref();
                let label = label.map_or_else(String::new, |label| format!(" {}", plain(label)));
                let is_reference = column.reference.as_ref() == Some(&level.level);
                let reference = if is_reference { " (reference)" } else { "" };
                format!("{}{label}{reference}", code(&level.level))
            })
            .collect();
        let unit = match (&column.unit, &column.substance) {
            (Some(unit), Some(of)) => format!("{} of {}", code(unit), plain(of)),
            (Some(unit), None) => code(unit),
            (None, _) => String::new(),
        };
        let range = column.range.map_or_else(String::new, |(low, high)| {
            format!("{} to {}", figure(low), figure(high))
        });
        page.line(&format!(
            "| {} | {} | {unit} | {range} | {} |",
            code(&column.name),
            column.label.as_deref().map_or_else(String::new, plain),
            levels.join(", ")
        ));
    }
}

impl Column {
    /// Whether the study says anything of it.
    fn is_said(&self) -> bool {
        let texts = [&self.label, &self.unit];
        !self.levels.is_empty() || self.range.is_some() || texts.iter().any(|text| text.is_some())
    }
}

impl Context {
    /// A column of the study.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// What people call a column, or a level of one that stands
    /// against the reference; its own name where the study says
    /// nothing.
    pub(crate) fn called(&self, name: &str) -> String {
        if let Some(column) = self.column(name) {
            let unit = column.unit.as_deref().map_or_else(String::new, printed);
            let label = column.label.as_deref().unwrap_or(name);
            return match column.per {
                Some(per) => format!("{label} (per {}{unit})", figure(per)),
                None if unit.is_empty() => label.to_owned(),
                None => format!("{label} ({})", unit.trim()),
            };
        }
        self.level_called(name).unwrap_or_else(|| name.to_owned())
    }

    /// A column by its label, or a level of one: for what has no
    /// step.
    pub(crate) fn labelled(&self, name: &str) -> String {
        let label = self.column(name).and_then(|column| column.label.clone());
        label
            .or_else(|| self.level_called(name))
            .unwrap_or_else(|| name.to_owned())
    }

    /// A level of the group whose curves are drawn.
    pub(crate) fn level<'a>(&'a self, level: &'a str) -> &'a str {
        let group = self.survival.group.as_deref();
        let column = group.and_then(|group| self.column(group));
        let levels = column.map_or(&[][..], |column| &column.levels);
        let known = levels.iter().find(|known| known.level == level);
        known.map_or(level, Level::shown)
    }

    /// `cp_2` as "chest pain: atypical against typical", where
    /// the study has labels.
    fn level_called(&self, name: &str) -> Option<String> {
        self.columns.iter().find_map(|column| {
            let level = name.strip_prefix(&column.name)?.strip_prefix('_')?;
            let level = column.levels.iter().find(|of| of.level == level)?;
            let reference = column.levels.first()?;
            let is_labelled = column.label.is_some() || level.label.is_some();
            is_labelled.then(|| {
                let column = column.label.as_deref().unwrap_or(&column.name);
                format!("{column}: {} against {}", level.shown(), reference.shown())
            })
        })
    }

    /// The name of the axis of time: "Time (days)".
    pub(crate) fn time_axis(&self) -> String {
        let name = self.survival.time.as_str();
        match self.column(name) {
            Some(column) if column.label.is_some() || column.unit.is_some() => {
                let label = column.label.as_deref().unwrap_or("Time");
                let unit = column.unit.as_deref().map_or_else(String::new, printed);
                if unit.is_empty() {
                    label.to_owned()
                } else {
                    format!("{label} ({})", unit.trim())
                }
            }
            _ => self.survival.axis(),
        }
    }
}
