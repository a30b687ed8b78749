//! Why a recipe cannot go on, in the words of the person who can do something about it.

use motet_secagg::canonical;
use motet_secagg::quantise::InputRefusal;

/// The most columns a recipe takes: its second moments are then half a million numbers, the largest
/// vector of an exact fit.
pub(crate) const MOST_COLUMNS: usize = 1024;

/// The most columns where a vector grows with their number and not with its square: averaging and
/// trees. An image's embedding has some hundreds to some thousands.
pub(crate) const MOST_WIDE: usize = 4096;

/// The most rows one site may hold (2^31, so that a row count is a weight); more than any health
/// register has persons.
pub(crate) const MOST_ROWS: f64 = 2_147_483_648.0;

canonical! {
    /// The sums themselves show that this fit has no answer. It is part of the chained state: every
    /// node sees the same.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Stuck {
        /// This column has the same value in every row.
        1 => Constant(u32),
        /// This column is a linear combination of the intercept and other columns.
        2 => Collinear(u32),
        /// The outcome has one value only.
        3 => OneClass,
        /// The likelihood keeps rising while coefficients grow without end.
        4 => Separated,
        /// Fewer than two rows.
        5 => TooFewRows,
        /// No more rows than coefficients.
        20 => Saturated,
        /// The outcome does not vary.
        21 => Flat,
        /// The columns give the outcome exactly.
        22 => Perfect,
        /// Weights are so small that the sums lose them.
        23 => Light,
        /// The quantiles at which this column's knots should stand are not different numbers.
        24 => Bunched(u32),
        /// The values of the outcome are so small that their sums lose them.
        25 => Faint,
        /// An offset lies too far from the others to be a logarithm.
        26 => FarOffset,
        /// One row has about half of a direction of the coefficients or more, see `leverage`.
        27 => OnePatient,
        /// One site has nearly all of it.
        28 => OneSite,
    }
}

/// A recipe, a table or a sum that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// A parameter of the recipe is out of its range.
    #[error("recipe: `{name}` must be {must}")]
    Parameter {
        /// Key of the study file.
        name: &'static str,
        /// The values that are possible.
        must: &'static str,
    },
    /// The table has another number of columns than the recipe.
    #[error("the table has {found} columns, the recipe names {expected}")]
    Columns {
        /// Columns the recipe names.
        expected: usize,
        /// Columns of the table.
        found: usize,
    },
    /// The table comes without the outcome, or with one of another length.
    #[error("the table has no column of outcome `{outcome}` as long as its {rows} rows")]
    NoOutcome {
        /// The recipe's outcome.
        outcome: String,
        /// Rows of the table.
        rows: usize,
    },
    /// The outcome is not 0 or 1.
    #[error(
        "outcome `{outcome}` is neither 0 nor 1 in {rows} rows: declare it as bool in the schema"
    )]
    NotBinary {
        /// The recipe's outcome.
        outcome: String,
        /// How many rows.
        rows: usize,
    },
    /// The table comes without a column that a survival recipe needs.
    #[error("the table has no column `{column}` as long as its {rows} rows")]
    NoColumn {
        /// The column.
        column: String,
        /// Rows of the table.
        rows: usize,
    },
    /// A follow-up time is negative, missing or infinite.
    #[error("time `{time}` is negative, missing or infinite in {rows} rows: correct or drop them")]
    BadTime {
        /// The column.
        time: String,
        /// How many rows.
        rows: usize,
    },
    /// A follow-up time lies between two grid points, and the study takes exact times only.
    #[error(
        "time `{time}` is no multiple of the study's step in {rows} rows: round it to \
         that unit, or propose the study with times = \"grid\""
    )]
    OffGrid {
        /// The column.
        time: String,
        /// How many rows.
        rows: usize,
    },
    /// A group or stratum is none of the levels the study names.
    #[error(
        "column `{column}` is none of its declared levels in {rows} rows: correct the schema or drop them"
    )]
    NotALevel {
        /// The column.
        column: String,
        /// How many rows.
        rows: usize,
    },
    /// No event at any site.
    #[error("no event `{event}` within the horizon at any site: there is nothing to fit")]
    NoEvents {
        /// The recipe's event.
        event: String,
    },
    /// Sums at each event point times columns make too long a vector.
    #[error(
        "sums at {points} event times are too many for one vector: use a larger step, \
         a shorter horizon, fewer features or strata = \"site\""
    )]
    TooManyPoints {
        /// Grid points with events.
        points: u32,
    },
    /// A column that says nothing about who has the event.
    #[error(
        "column `{column}` is the same for all who are at risk at each \
         event: leave it out or set a ridge above 0"
    )]
    Silent {
        /// The column.
        column: String,
    },
    /// The likelihood of a survival model has no maximum.
    #[error(
        "no finite estimate: the likelihood rises without end along {columns}; leave \
         a column out, join categories \
         or set a ridge above 0"
    )]
    Monotone {
        /// The columns whose coefficients grow, in backquotes.
        columns: String,
    },
    /// A column holds values that are not numbers.
    #[error(
        "column `{column}` is missing or infinite in {rows} rows: only complete rows can take part"
    )]
    NotFinite {
        /// The column.
        column: String,
        /// How many rows.
        rows: usize,
    },
    /// A column that the study calls yes/no, or a level of a category, is not.
    #[error(
        "column `{column}` is neither 0 nor 1 in {rows} rows: \
         declare it as bool \
         or category in the schema"
    )]
    NotYesNo {
        /// The column.
        column: String,
        /// How many rows.
        rows: usize,
    },
    /// Columns that the study calls levels of one category are not.
    #[error(
        "column `{column}` and another level of its category are both 1 in \
         {rows} rows: the study must tell them apart"
    )]
    TwoLevels {
        /// The column.
        column: String,
        /// How many rows.
        rows: usize,
    },
    /// The table comes without its group, or with one of another length.
    #[error(
        "the table has no group as long as its {rows} rows: name the study's group column in the schema"
    )]
    NoGroup {
        /// Rows of the table.
        rows: usize,
    },
    /// The group holds a level that the study does not name.
    #[error(
        "the group is none of the study's levels in {rows} rows: agree \
         on the levels with the study's proposer"
    )]
    UnknownLevel {
        /// How many rows.
        rows: usize,
    },
    /// A column holds larger values than the first cells of trees reach.
    #[error("column `{column}` is beyond 2^40 (about 1.1e12) in {rows} rows: use a larger unit")]
    TooLarge {
        /// The column.
        column: String,
        /// How many rows.
        rows: usize,
    },
    /// The table is empty.
    #[error("the table has no rows: this site cannot take part")]
    NoRows,
    /// More rows than the number format holds.
    #[error("{rows} rows are more than the {most} this recipe can add up")]
    TooManyRows {
        /// Rows found.
        rows: u64,
        /// The limit.
        most: u64,
    },
    /// More sites than leave a usable precision.
    #[error("{sites} sites are too many for the precision of this recipe")]
    TooManySites {
        /// Sites of the line-up.
        sites: u32,
    },
    /// State, question or sum belong to another recipe or another step.
    #[error("the {what} does not belong to this recipe and step")]
    Mismatch {
        /// Which of them.
        what: &'static str,
    },
    /// The sum holds a value that no honest sites can have, such as a negative count.
    #[error("the sum of {what} is impossible: a site answered wrongly")]
    Implausible {
        /// The figure.
        what: &'static str,
    },
    /// A site that does not tell figures of its own is counted as if it did.
    #[error(
        "this site tells no figures of \
         its own and is counted as one that \
         does: what it keeps could \
         be computed; ask the operator for \
         a new study, in which `own_metrics` of node.toml stays as it is"
    )]
    NotTelling,
    /// The run has not come to its end.
    #[error("not finished: the recipe is in phase `{phase}`")]
    Unfinished {
        /// Where it stands.
        phase: &'static str,
    },
    /// See [`Stuck::Constant`].
    #[error(
        "column `{column}` has the same value in every row (or differs by less than a part in 10^13 \
         of its mean): leave it out, or \
         take its distance from a usual value"
    )]
    Constant {
        /// The column.
        column: String,
    },
    /// See [`Stuck::Collinear`].
    #[error(
        "column `{column}` is a linear combination of the columns before it, or \
         almost one: leave one of them out, or, \
         where it is one exactly, \
         set a ridge above 0"
    )]
    Collinear {
        /// The column.
        column: String,
    },
    /// See [`Stuck::Bunched`].
    #[error(
        "the knots of `{column}` fall together: too many patients have equal or almost equal values; \
         take fewer degrees, the column itself, \
         its logarithm or knots placed by hand"
    )]
    Bunched {
        /// The column.
        column: String,
    },
    /// See [`Stuck::OneClass`].
    #[error("outcome `{outcome}` has the same value in every row: there is nothing to fit")]
    OneClass {
        /// The outcome.
        outcome: String,
    },
    /// See [`Stuck::Separated`].
    #[error(
        "no finite estimate: {} outcome `{outcome}` in some of the \
         rows; leave {} out or set a ridge above 0",
        separating(columns),
        if columns.len() == 1 { "it" } else { "one of them" }
    )]
    Separated {
        /// The outcome.
        outcome: String,
        /// The columns whose coefficients grow without end, the largest part of the direction
        /// first.
        columns: Vec<String>,
    },
    /// See [`Stuck::Saturated`].
    #[error("no more rows in the whole sum than coefficients: take fewer columns or more sites")]
    Saturated,
    /// See [`Stuck::Perfect`].
    #[error(
        "the columns give outcome `{outcome}` exactly: no error is left to \
         estimate; is it computed from one of them?"
    )]
    Perfect {
        /// The outcome.
        outcome: String,
    },
    /// See [`Stuck::OnePatient`].
    #[error(
        "one patient alone decides about half of \
         what a coefficient tells, \
         or more, so that the \
         result would tell of that \
         patient (which term and where is \
         not said): of a number \
         with a long tail take `log(x)` and no powers, leave out \
         impossible values with a `filter`, cap it in \
         the table; cap weights \
         far above the others \
         (`precision` counts them squared); join rare \
         levels; leave out a product, or a \
         column that nearly follows from others"
    )]
    OnePatient,
    /// See [`Stuck::OneSite`].
    #[error(
        "nearly all that a coefficient tells \
         comes from one site, so that the \
         result would be that \
         site's (which term and where is not \
         said): leave out a column, a \
         power or a product that hardly varies \
         elsewhere, join levels, or take more sites"
    )]
    OneSite,
    /// See [`Stuck::Light`].
    #[error(
        "the weights are too small to add up exactly: below 0.001 on average, so multiply all by a \
         constant, or next to nothing in all rows in which some column varies, so give no row a \
         weight far below the others or leave out the column"
    )]
    Light,
    /// See [`Stuck::Faint`].
    #[error(
        "the values of outcome `{outcome}` are too small to add up exactly: use a smaller unit for it in the schema \
         (`from` and `factor`); instead of small shares \
         count cases, with `poisson` and an offset"
    )]
    Faint {
        /// The outcome.
        outcome: String,
    },
    /// See [`Stuck::FarOffset`].
    #[error(
        "the offset lies more than 20 from its \
         mean in some rows: it stands on the scale \
         of the logarithm; were \
         days meant where log(days) is needed?"
    )]
    FarOffset,
    /// The outcome has values that the family does not know.
    #[error(
        "outcome `{outcome}` is not {must} in {rows} rows: choose another family or mend the schema"
    )]
    Outcome {
        /// The recipe's outcome.
        outcome: String,
        /// The values that are possible.
        must: &'static str,
        /// How many rows.
        rows: usize,
    },
    /// The table lacks a column that the recipe names, or it is not usable.
    #[error("the {role} column has no entry, or one that is not {must}, in {rows} rows")]
    Side {
        /// `offset` or `weight`.
        role: &'static str,
        /// The values that are possible.
        must: &'static str,
        /// How many rows.
        rows: usize,
    },
    /// A study that holds rows out, and a site that holds out none.
    #[error("no row is held out, and the study judges its model on such rows")]
    NothingHeldOut,
    /// See [`Stuck::TooFewRows`].
    #[error("fewer than two rows in the whole sum: there is nothing to fit")]
    TooFewRows,
    /// The first round found a column, a level or an outcome at too few sites.
    #[error("{what} at fewer than {least} of {all} sites: {fix}")]
    FewSites {
        /// The column, and what it has at that many sites.
        what: String,
        /// Sites of the sum.
        all: u32,
        /// The study's `min_sites`, and one more where it goes on without a lost site.
        least: u32,
        /// What the proposer can do.
        fix: &'static str,
    },
    /// The first round found too few events, or too few rows without one.
    #[error(
        "no {least} rows {which} outcome `{outcome}` are certain in the \
         whole sum (each site rounds, fewer \
         than {least} as none): choose \
         another outcome, a \
         wider cohort or more sites"
    )]
    FewEvents {
        /// The outcome.
        outcome: String,
        /// `with` or `without`.
        which: &'static str,
        /// The least.
        least: u32,
    },
    /// The first round found too few rows at a level of an outcome whose levels are in order.
    #[error(
        "no {least} rows with level `{level}` of outcome `{outcome}` are certain in the \
         whole sum (each site rounds, fewer than {least} as none): \
         join the level \
         with the one before or after it, \
         or choose a wider cohort or more sites"
    )]
    FewOfLevel {
        /// The outcome.
        outcome: String,
        /// The level.
        level: String,
        /// The least.
        least: u32,
    },
    /// No row at all at a level of such an outcome.
    #[error(
        "outcome `{outcome}` has no row with its level `{level}`: leave the level out \
         of the study, or join \
         it with the one before or after it"
    )]
    EmptyLevel {
        /// The outcome.
        outcome: String,
        /// The level.
        level: String,
    },
    /// The first round found too few rows in a group that a coefficient stands for, where all
    /// columns are yes/no or categories.
    #[error(
        "no {least} rows with {what} are certain in the whole sum, at \
         enough sites, and coefficients \
         with their errors would tell what is \
         there: join levels, leave a column \
         or a product out, or take a wider cohort"
    )]
    FewInCell {
        /// The group.
        what: String,
        /// The least.
        least: u32,
    },
    /// A column whose sums no round can carry.
    #[error(
        "the sums of column `{column}` are beyond what can be added up (2^86, about 7.7e25): \
         use a larger unit for it in the schema (`from` and `factor`)"
    )]
    Vast {
        /// The column.
        column: String,
    },
    /// The answer does not fit the layout of the question.
    #[error(transparent)]
    Input(#[from] InputRefusal),
}

/// Which columns do it, as the start of a sentence.
fn separating(columns: &[String]) -> String {
    match columns {
        [] => "the columns separate".to_owned(),
        [one] => format!("column `{one}` separates"),
        several => format!("columns `{}` together separate", several.join("`, `")),
    }
}

impl Stuck {
    /// The error that names the columns or the outcome; `growing` are those whose coefficients have
    /// no end.
    pub(crate) fn error(self, columns: &[String], outcome: &str, growing: &[usize]) -> RecipeError {
        let outcome = outcome.to_owned();
        match self {
            Self::Constant(at) => of_column(columns, at, |column| RecipeError::Constant { column }),
            Self::Collinear(at) => {
                of_column(columns, at, |column| RecipeError::Collinear { column })
            }
            Self::OneClass => RecipeError::OneClass { outcome },
            Self::Separated => {
                let columns = growing
                    .iter()
                    .filter_map(|at| columns.get(*at))
                    .cloned()
                    .collect();
                RecipeError::Separated { outcome, columns }
            }
            Self::TooFewRows => RecipeError::TooFewRows,
            Self::Saturated => RecipeError::Saturated,
            Self::Flat => RecipeError::Constant { column: outcome },
            Self::Perfect => RecipeError::Perfect { outcome },
            Self::Light => RecipeError::Light,
            Self::OnePatient => RecipeError::OnePatient,
            Self::OneSite => RecipeError::OneSite,
            Self::Faint => RecipeError::Faint { outcome },
            Self::FarOffset => RecipeError::FarOffset,
            Self::Bunched(at) => of_column(columns, at, |column| RecipeError::Bunched { column }),
        }
    }
}

/// Fails with [`RecipeError::Parameter`] unless `good`.
pub(crate) fn require(
    good: bool,
    name: &'static str,
    must: &'static str,
) -> Result<(), RecipeError> {
    if good {
        Ok(())
    } else {
        Err(RecipeError::Parameter { name, must })
    }
}

/// Whether a number can be how strongly something is held back.
pub(crate) fn is_strength(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// What is wrong with the column at this place. A state from elsewhere may name a column that the
/// recipe does not have.
pub(crate) fn of_column(
    columns: &[String],
    at: u32,
    wrong: impl Fn(String) -> RecipeError,
) -> RecipeError {
    match columns.get(at as usize) {
        Some(column) => wrong(column.clone()),
        None => RecipeError::Mismatch { what: "state" },
    }
}

/// Checks the list of columns of a recipe.
pub(crate) fn check_columns(columns: &[String]) -> Result<(), RecipeError> {
    let few = are_distinct(columns, MOST_COLUMNS);
    require(few, "features", "1 to 1024 different columns")
}

/// The same where there may be [`MOST_WIDE`].
pub(crate) fn check_wide(columns: &[String]) -> Result<(), RecipeError> {
    let few = are_distinct(columns, MOST_WIDE);
    require(few, "features", "1 to 4096 different columns")
}

fn are_distinct(columns: &[String], most: usize) -> bool {
    let distinct: std::collections::BTreeSet<&String> = columns.iter().collect();
    (1..=most).contains(&columns.len()) && distinct.len() == columns.len()
}
