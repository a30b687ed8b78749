//! How a column is made of others, as a schema declares it.
//! Columns are named; `derive.rs` makes the values.

/// One way of making a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Derivation {
    /// What lies between two days.
    Between {
        /// The first day.
        from: End,
        /// The second one.
        to: End,
        /// In what it is counted.
        measure: Measure,
    },
    /// One column or another, by a condition.
    When {
        /// The column that is looked at.
        column: String,
        /// The values of it for which the condition is true.
        is: Vec<Constant>,
        /// Taken where it is true.
        then: String,
        /// Taken where it is false.
        otherwise: String,
    },
    /// Whether any of these is true.
    Any(Vec<String>),
    /// Whether all of these are true.
    All(Vec<String>),
    /// The first of these that has a value.
    First(Vec<String>),
    /// Another column, for the steps that follow.
    Of(String),
    /// The same for every row.
    Value(Constant),
}

/// A day: of a column, or a fixed one.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// A date column.
    Column(String),
    /// Days since 1970-01-01.
    Day(f64),
}

/// A value that the schema itself names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constant {
    /// A number, 0 or 1 of a yes/no column, or days since
    /// 1970-01-01.
    Number(f64),
    /// A level, by its place in the column's list.
    Level(u32),
}

/// In what the time between two days is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Days.
    Days,
    /// Days / 30.4375, the mean length of a month.
    Months,
    /// Days / 365.25, the mean length of a year.
    Years,
    /// Completed calendar months.
    WholeMonths,
    /// Completed calendar years.
    WholeYears,
}

impl Measure {
    /// All of them, in the order in which a message lists them.
    pub const ALL: [Self; 5] = [
        Self::Days,
        Self::Months,
        Self::Years,
        Self::WholeMonths,
        Self::WholeYears,
    ];

    /// The word in the schema file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Months => "months",
            Self::Years => "years",
            Self::WholeMonths => "whole_months",
            Self::WholeYears => "whole_years",
        }
    }

    /// UCUM code of the result.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Days => "d",
            Self::Months | Self::WholeMonths => "mo",
            Self::Years | Self::WholeYears => "a",
        }
    }

    /// Whether every result is a whole number.
    pub fn is_whole(self) -> bool {
        !matches!(self, Self::Months | Self::Years)
    }
}

impl End {
    fn column(&self) -> Option<&str> {
        match self {
            Self::Column(name) => Some(name),
            Self::Day(_) => None,
        }
    }
}

impl Derivation {
    /// The columns that it is made of.
    pub fn inputs(&self) -> Vec<&str> {
        match self {
            Self::Between { from, to, .. } => {
                [from, to].into_iter().filter_map(End::column).collect()
            }
            Self::When {
                column,
                then,
                otherwise,
                ..
            } => vec![column, then, otherwise],
            Self::Any(columns) | Self::All(columns) | Self::First(columns) => {
                columns.iter().map(String::as_str).collect()
            }
            Self::Of(column) => vec![column],
            Self::Value(_) => Vec::new(),
        }
    }

    /// Those among them whose values become values of the column
    /// as they are.
    pub fn passed_on(&self) -> Vec<&str> {
        match self {
            Self::When {
                then, otherwise, ..
            } => vec![then, otherwise],
            Self::Of(_) | Self::First(_) => self.inputs(),
            _ => Vec::new(),
        }
    }
}
