//! A day of the calendar.

use motet_secagg::canonical;
use std::fmt;

canonical! {
    /// A day of the calendar.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Date {
        /// Year of the common era.
        pub year: u16,
        /// 1 to 12.
        pub month: u8,
        /// 1 to 31.
        pub day: u8,
    }
}

impl From<toml::value::Date> for Date {
    fn from(date: toml::value::Date) -> Self {
        Self {
            year: date.year,
            month: date.month,
            day: date.day,
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
