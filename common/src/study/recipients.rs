//! Who receives a study's release besides the operators of the consortium and the sites of the
//! study: nobody, researchers by name, or all of them, in so many words.

use super::raw::Reading;
use crate::enrol::check_name;
use motet_secagg::canonical;
use motet_toml::{Checked, is_plain};
use std::collections::BTreeSet;
use toml::{Spanned, Value};

/// What a study file says where everybody is meant.
pub const EVERYONE: &str = "all researchers of the consortium";

/// As many as there may be sites; whoever means more means everybody.
const MOST: usize = 250;

canonical! {
    /// The researchers who receive a release.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Recipients {
        /// None.
        1 => Nobody,
        /// Those of these names, in the file's order, who were members when the study was proposed.
        2 => Named(Vec<String>),
        /// All, also those who are invited later.
        3 => Everyone,
    }
}

impl Recipients {
    /// Whether a researcher receives the release. `early` is whether they had joined before the
    /// study was proposed: a name that somebody else bears later is not the person whom stewards
    /// read on the card.
    pub fn include(&self, name: &str, early: bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Named(names) => early && names.iter().any(|named| named == name),
            Self::Everyone => true,
        }
    }

    /// The names, where there are some.
    pub fn names(&self) -> &[String] {
        if let Self::Named(names) = self {
            names
        } else {
            &[]
        }
    }

    /// What the card and the operator's list say.
    pub fn words(&self) -> String {
        match self {
            Self::Nobody => "no researcher receives it".to_owned(),
            Self::Named(names) => format!(
                "of the researchers these alone receive it: {}",
                names.join(", ")
            ),
            Self::Everyone => {
                "ALL researchers of the consortium receive it, also those who are invited later"
                    .to_owned()
            }
        }
    }

    /// The value in a study file; nothing where the key is left out.
    pub(super) fn written(&self) -> Option<Value> {
        match self {
            Self::Nobody => None,
            Self::Named(names) => Some(Value::Array(
                names
                    .iter()
                    .map(|name| Value::String(name.clone()))
                    .collect(),
            )),
            Self::Everyone => Some(Value::String(EVERYONE.to_owned())),
        }
    }
}

impl Reading<'_> {
    pub(super) fn recipients(&self, value: Option<&Spanned<Value>>) -> Checked<Recipients> {
        let Some(value) = value else {
            return Ok(Recipients::Nobody);
        };
        let fix = format!(
            "write `recipients = \"{EVERYONE}\"`, names such as `recipients = \
             [\"ada\"]`, or leave it out: then operators and \
             the study's sites receive it alone"
        );
        let list = match value.get_ref() {
            Value::String(text) if text == EVERYONE => return Ok(Recipients::Everyone),
            Value::Array(list) if (1..=MOST).contains(&list.len()) => list,
            _ => {
                let problem = "`recipients` names nobody, too many, or what is no list of names";
                return self.refuse(value.span(), problem, fix);
            }
        };
        let mut names: Vec<String> = Vec::new();
        let mut seen = BTreeSet::new();
        for item in list {
            let name = item
                .as_str()
                .filter(|name| is_plain(name, false) && check_name(name).is_ok());
            let Some(name) = name else {
                return self.refuse(
                    value.span(),
                    "`recipients` holds what is no person's name",
                    fix,
                );
            };
            if !seen.insert(name.to_ascii_lowercase()) {
                let problem = format!("`{name}` stands twice in `recipients`");
                return self.refuse(value.span(), problem, "name each person once");
            }
            names.push(name.to_owned());
        }
        Ok(Recipients::Named(names))
    }
}
