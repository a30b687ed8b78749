//! What a column of a cohort is: what the study takes it for,
//! its type and its levels.

use motet_secagg::canonical;

/// What a study takes a column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It explains.
    Feature = 0,
    /// It is explained.
    Outcome = 1,
    /// Time to the event.
    Time = 2,
    /// It divides the patients of a table or a curve.
    Group = 3,
    /// A known part of the linear predictor.
    Offset = 4,
    /// How much a row counts.
    Weight = 5,
    /// The finished model is judged by it.
    Judged = 6,
    /// Whether the patient is held out of the fit; no column of the file.
    HeldOut = 7,
}

canonical! {
    /// One column as the study reads it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Told {
        role: u8,
        name: String,
        /// The word of the schema for what it holds.
        kind: String,
        /// The study's levels of a category, in the study's order; of
        /// others none.
        levels: Vec<String>,
    }
}

impl Role {
    /// What stands beside the features, in the order of a cohort's
    /// bytes.
    pub(crate) const BESIDE: [Self; 6] = [
        Self::Outcome,
        Self::Time,
        Self::Group,
        Self::Offset,
        Self::Weight,
        Self::HeldOut,
    ];

    /// All of them.
    const ALL: [Self; 8] = [
        Self::Feature,
        Self::Outcome,
        Self::Time,
        Self::Group,
        Self::Offset,
        Self::Weight,
        Self::Judged,
        Self::HeldOut,
    ];
}

impl Told {
    pub(crate) fn new(role: Role, name: &str, kind: &str, levels: Vec<String>) -> Self {
        Self {
            role: role as u8,
            name: name.to_owned(),
            kind: kind.to_owned(),
            levels,
        }
    }

    /// What the study takes it for; nothing where this version
    /// knows no such role.
    pub(crate) fn role(&self) -> Option<Role> {
        Role::ALL.into_iter().find(|role| *role as u8 == self.role)
    }

    /// How many numbers it has of a patient: a feature that is a
    /// category has one for each level but the first.
    pub(crate) fn width(&self) -> usize {
        match self.role() {
            Some(Role::Feature) if !self.levels.is_empty() => self.levels.len() - 1,
            _ => 1,
        }
    }
}
