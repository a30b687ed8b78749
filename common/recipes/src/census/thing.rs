//! What the first round asks whether a site has.

use crate::error::RecipeError;

/// One thing that a site has or has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thing {
    Value(String),
    /// More different values of a column than that many.
    Varies(String, usize),
    /// The same of one whose values a method can part: of no site may all be of one.
    Everywhere(String, usize),
    /// The same of an outcome that is a number.
    Explains(String, usize),
    /// Values that are neither 0 nor 1: without any the column is a yes or no, and both are levels.
    Other(String),
    Yes(String),
    No(String),
    Level(String, String),
    /// Values of a column between two knots.
    Between(String, String),
    /// Rows without a value, where they are told apart: without a group they are the total less
    /// the groups, and trees make a leaf of them.
    Missing(String),
    /// Values of a column among the patients of a group.
    Within(String, String),
    /// Values of the outcome other than 0 and 1: without any it is a yes or no.
    Number(String),
    With(String),
    /// Rows without the outcome. Of a time there may be none, but not some at few sites: they are
    /// the total less the events.
    Without(String, bool),
    /// Rows at a level of an outcome whose levels are in order.
    Rank(String, String),
}

impl Thing {
    /// Whether that many of all sites are enough. That one site of all lacks the values of a
    /// number, as one where it is the same for all patients, is no reason to end: what is told of
    /// it is then the others'.
    pub(super) fn is_enough(&self, sites: u64, all: u64, least: u64) -> bool {
        sites >= self.least(all, least)
            || match self {
                Self::Within(..) | Self::Missing(_) | Self::Without(_, true) => sites == 0,
                Self::Varies(..) | Self::Explains(..) => sites > 0 && sites + 1 >= all,
                Self::Other(_) => sites == 0 || sites + 1 >= all,
                Self::Value(_)
                | Self::Everywhere(..)
                | Self::Yes(_)
                | Self::No(_)
                | Self::Level(..)
                | Self::Between(..) => false,
                Self::Number(_) => true,
                Self::With(_) | Self::Without(_, false) | Self::Rank(..) => false,
            }
    }

    /// Fewest sites that must have it, where other things ask for `least`.
    fn least(&self, all: u64, least: u64) -> u64 {
        match self {
            Self::Everywhere(..) => all.max(least),
            _ => least,
        }
    }

    /// Whether it is a class of the outcome.
    pub(super) fn is_class(&self) -> bool {
        matches!(self, Self::With(_) | Self::Without(..) | Self::Rank(..))
    }

    /// Whether it is a class of an outcome that is among these numbers: of a number nobody is with
    /// or without it.
    pub(super) fn is_class_of(&self, numbers: &[&str]) -> bool {
        match self {
            Self::With(outcome) | Self::Without(outcome, _) => numbers.contains(&outcome.as_str()),
            _ => false,
        }
    }

    /// This one, and what else of its kind is lacking.
    pub(super) fn error(&self, lacks: &[&Self], all: u32, least: u32) -> RecipeError {
        let kind = std::mem::discriminant(self);
        let alike: Vec<String> = lacks
            .iter()
            .filter(|thing| std::mem::discriminant(**thing) == kind)
            .map(|thing| thing.what())
            .collect();
        RecipeError::FewSites {
            what: alike.join("; "),
            all,
            least: self.least(u64::from(all), u64::from(least)) as u32,
            fix: self.fix(),
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Value(column) => format!("column `{column}` has values"),
            Self::Varies(column, 1) => format!("column `{column}` has more than one value"),
            Self::Explains(outcome, common) => {
                format!("outcome `{outcome}` has more than {common} different values")
            }
            Self::Varies(column, common) | Self::Everywhere(column, common) => {
                format!("column `{column}` has more than {common} different values")
            }
            Self::Other(column) => format!("column `{column}` has other values than 0 and 1"),
            Self::Yes(column) => format!("column `{column}` is yes in some rows"),
            Self::No(column) => format!("column `{column}` is no in some rows"),
            Self::Between(column, ends) => {
                format!("column `{column}` has values between the knots {ends}")
            }
            Self::Level(column, level) => format!("column `{column}` has its level `{level}`"),
            Self::Missing(column) => format!("column `{column}` is missing in some rows"),
            Self::Within(column, level) => {
                format!("column `{column}` has values in group `{level}`")
            }
            Self::Number(outcome) => format!("outcome `{outcome}` has other values than 0 and 1"),
            Self::With(outcome) => format!("outcome `{outcome}` occurs"),
            Self::Without(outcome, _) => format!("outcome `{outcome}` is absent in some rows"),
            Self::Rank(outcome, level) => format!("outcome `{outcome}` has its level `{level}`"),
        }
    }

    fn fix(&self) -> &'static str {
        match self {
            Self::Level(..) => "join the level with another or leave the column out",
            Self::Between(..) => "place knots further apart",
            Self::Missing(_) => {
                "leave those rows out by a `filter` (`x >= 0`, also on other columns that few sites lack values of; \
                 a site that lacks all its values then has no rows), or leave the column out"
            }
            Self::Within(..) => "join the group with another or leave the column out",
            Self::Number(_) | Self::With(_) | Self::Without(..) => {
                "choose another outcome or more sites"
            }
            Self::Rank(..) => {
                "join the level with the one before or after it, or choose a wider cohort or more sites"
            }
            Self::Value(_) | Self::Other(_) | Self::Yes(_) | Self::No(_) => {
                "leave it out or choose more sites"
            }
            Self::Explains(..) => {
                "an outcome of two values is a yes or no (`bool` in the schema, with \
                 its `false` and `true`), one of three is asked \
                 about as whether it is one of them; or choose another outcome or more sites"
            }
            Self::Everywhere(..) => {
                "where all patients of a site have one value, a split or a term that \
                 bends at it would tell of that site alone: take the \
                 column as it is, or leave it or such sites out"
            }
            Self::Varies(..) => {
                "leave it out, or name it as a category if it has levels at enough sites"
            }
        }
    }
}
