//! What a method is in a study file, and what it tells a steward: its keys, its keys written back,
//! its words on the card, and how fine it looks. `methods.rs` asks each method for all of it.

use crate::data::Data;
use crate::followup::Grid;
use crate::written::word;
use motet_toml::{Checked, Keys};

/// Sums of a calibration step, and of the final score: counts of both outcomes and summed risks in
/// each of 1000 bins, the right answers, the squared error and a calibration line. A test of
/// motet-data holds [`Keyed::vectors`] to what the methods really ask.
pub(crate) const CALIBRATION: usize = 5;
pub(crate) const SCORE: usize = 3 * 1000 + 2 + CALIBRATION;

/// What a kind wants of the table `[data]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wants {
    /// Whether there must be features.
    pub features: bool,
    /// What is explained.
    pub explained: Wanted,
    /// Whether a group may divide the patients.
    pub group: bool,
    /// Whether offset and weight may be named.
    pub sides: bool,
}

/// What is to be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// An outcome, or nothing.
    Maybe,
    /// An outcome.
    Outcome,
    /// An outcome whose levels stand in the study, in order.
    Ordered,
    /// A time and an event.
    Event,
    /// An outcome, or a time and an event.
    Either,
}

/// How fine a method looks, which a site's own floors are held against; nothing where it does not
/// look so.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fineness<'a> {
    /// Fewest patients of a cell that the release shows.
    pub cell: Option<u32>,
    /// What counts are rounded to.
    pub multiple: Option<u32>,
    /// Bins of the column that has most of them.
    pub bins: Option<usize>,
    /// Fewest patients of a leaf.
    pub leaf: Option<u32>,
    /// The grid of times that the sum shows.
    pub grid: Option<&'a Grid>,
    /// Whether the smallest and the largest value are looked for.
    pub extremes: bool,
}

/// What a proposer should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// The study cannot run like this.
    Refused(String),
    /// A number to know, or what a steward will ask about.
    Note(String),
}

/// By what an offset makes rows count for more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetWeighs {
    /// By nothing: it only moves the outcome.
    Not,
    /// By exp of it, under a log link.
    Exponent,
    /// By p(1 - p), under a logit link.
    Variance,
}

/// A method in a study file.
pub(crate) trait Keyed: Sized {
    /// What tells its kinds apart.
    type Kind: Copy + PartialEq + 'static;

    /// Its kinds, by the names a study file calls them by.
    const KINDS: &'static [(&'static str, Self::Kind)];

    /// What each of them wants of the data.
    const WANTS: Wants;

    /// Its kind.
    fn kind(&self) -> Self::Kind;

    /// The name a study file calls it by.
    fn name(&self) -> &'static str {
        word(Self::KINDS, &self.kind())
    }

    /// The method of a kind from its keys, on the columns of the study; a formula brings them into
    /// its own order.
    fn read(kind: Self::Kind, keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self>;

    /// The keys that give this method, with every default spelled out.
    fn write(&self, data: &Data) -> Vec<String>;

    /// What a site's vector adds up, in a sentence for the steward.
    fn adds_up(&self) -> String;

    /// What the sums show of few patients, in sentences for the steward.
    fn shows(&self) -> Vec<String>;

    /// The kinds of rounds and how many numbers one site's vector has in each at the most, without
    /// the few words that the masking itself adds.
    fn vectors(&self) -> Vec<(&'static str, usize)>;

    /// Whether what is explained is a number.
    fn explains_number(&self) -> bool;

    /// Whether an outcome of yes and no, as 1 and 0, will do where a number is explained.
    fn takes_yes_no(&self) -> bool {
        false
    }

    /// Whether a row with a missing feature stays in the cohort.
    fn keeps_missing(&self) -> bool {
        false
    }

    /// How fine it looks.
    fn fineness(&self) -> Fineness<'_> {
        Fineness::default()
    }

    /// What a proposer should know of it among that many sites.
    fn remarks(&self, _sites: u32) -> Vec<Remark> {
        Vec::new()
    }

    /// Whether a first round is asked before it, and rows must be enough of a site.
    fn asks_first(&self) -> bool {
        true
    }

    /// What the first round tells because of it, in a sentence for the steward.
    fn first_tells(&self, _min_cell: u32, _least_sites: &str) -> Option<String> {
        None
    }

    /// How an offset weighs the rows of a site.
    fn offset_weighs(&self) -> OffsetWeighs {
        OffsetWeighs::Not
    }

    /// The bits of the narrowest ring in which that many sites can train, where its own has too
    /// few.
    fn too_narrow(&self, _sites: u32) -> Option<u32> {
        None
    }
}
