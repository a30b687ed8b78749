//! The clock on the wall: decisions, records and invitations carry when they were made, and a study
//! ends with a day in UTC. How long a phase of a round takes is counted by the daemons themselves.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use motet_common::moment::Moment;
use motet_common::study::Date;

/// The present moment.
pub fn now() -> Moment {
    Moment {
        ms: u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0),
    }
}

/// The day of a moment, in UTC.
pub fn day(moment: Moment) -> Date {
    let date = stamp(moment.ms).to_zoned(TimeZone::UTC).date();
    Date {
        year: u16::try_from(date.year()).unwrap_or(0),
        month: u8::try_from(date.month()).unwrap_or(1),
        day: u8::try_from(date.day()).unwrap_or(1),
    }
}

/// A moment for people: `2026-11-23T02:15:27Z`.
pub fn text(ms: u64) -> String {
    format!("{:.0}", stamp(ms))
}

/// Moments that no calendar reaches are shown as its first second.
fn stamp(ms: u64) -> Timestamp {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_days_and_texts() {
        let moment = Moment {
            ms: 1_795_392_000_123,
        };
        assert_eq!(text(moment.ms), "2026-11-23T00:00:00Z");
        assert_eq!(
            day(moment),
            Date {
                year: 2026,
                month: 11,
                day: 23
            }
        );
        assert_eq!(
            day(Moment {
                ms: moment.ms - 200
            }),
            Date {
                year: 2026,
                month: 11,
                day: 22
            }
        );
        assert_eq!(text(u64::MAX), "1970-01-01T00:00:00Z");
    }
}
