//! A model in groups of patients and at sites, where the study asks for them, and on patients held out.

pub(crate) mod card;
pub(crate) mod groups;
pub(crate) mod held_out;
mod measured;
pub(crate) mod report;
mod table;
pub(crate) mod told;

#[cfg(test)]
mod tests;
