//! A model in groups of patients and at sites, where the study asks for them.

pub(crate) mod card;
pub(crate) mod groups;
pub(crate) mod report;
pub(crate) mod told;

#[cfg(test)]
mod tests;
