//! What whoever has an earlier notice of a dataset
//! learns by a later one: the steward reads it
//! before signing, since a bound that was passed
//! may be one patient's doing.

use super::words::quoted;
use super::{Offer, Told, Years};

impl Offer {
    /// What differs from what was told before, a
    /// sentence each; empty where nothing does.
    pub fn changes(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.researchers != before.researchers {
            changes.push(changed("for", &self.readers(), &before.readers()));
        }
        if (self.rows, self.rounded_to) != (before.rows, before.rounded_to) {
            changes.push(changed("rows", &self.size(), &before.size()));
        }
        changes.extend(others("told now", &self.columns, &before.columns));
        changes.extend(others("told no more", &before.columns, &self.columns));
        for told in &self.columns {
            if let Some(known) = of(&before.columns, &told.column) {
                changes.extend(told.changes(known));
            }
        }
        changes
    }
}

impl Told {
    fn changes(&self, before: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        let column = &self.column;
        if self.levels != before.levels {
            let [now, then] = [self, before].map(|told| levels(&told.levels));
            changes.push(changed(&format!("levels of `{column}`"), &now, &then));
        }
        if self.years != before.years {
            let [now, then] = [self, before].map(|told| years(told.years));
            changes.push(changed(&format!("years of `{column}`"), &now, &then));
        }
        if self.declared() != before.declared() {
            changes.push(format!("what the schema declares of `{column}` is another"));
        }
        changes
    }

    /// What of it follows from the schema alone.
    fn declared(&self) -> Self {
        Self {
            levels: Vec::new(),
            years: None,
            ..self.clone()
        }
    }
}

fn changed(what: &str, now: &str, then: &str) -> String {
    format!("{what}: {now}; before: {then}")
}

/// The column of this name.
fn of<'c>(columns: &'c [Told], name: &str) -> Option<&'c Told> {
    columns.iter().find(|told| told.column == name)
}

/// Those of these columns that are not among the
/// others.
fn others(what: &str, these: &[Told], those: &[Told]) -> Option<String> {
    let names = these.iter().map(|told| told.column.as_str());
    let names: Vec<&str> = names.filter(|name| of(those, name).is_none()).collect();
    (!names.is_empty()).then(|| format!("columns {what}: {}", names.join(", ")))
}

fn levels(levels: &[String]) -> String {
    match levels {
        [] => "not told".to_owned(),
        levels => quoted(levels),
    }
}

fn years(years: Option<Years>) -> String {
    years.map_or_else(|| "not told".to_owned(), |years| years.words())
}
