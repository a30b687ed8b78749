//! The clock on the wall: decisions, records and invitations carry when they were made, and a study
//! ends with a day in UTC. How long a phase of a round takes is counted by the daemons themselves.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use motet_common::moment::Moment;
use motet_common::study::Date;
use std::time::Duration;

/// The present moment.
pub fn now() -> Moment {
    Moment {
        ms: ms_of(Timestamp::now()),
    }
}

/// Milliseconds since 1970; a clock that stands before that year reads as its first moment.
fn ms_of(stamp: Timestamp) -> u64 {
    let since = stamp.max(Timestamp::UNIX_EPOCH);
    since.as_millisecond().unsigned_abs()
}

/// A span in milliseconds; one of half a billion years is as good as for ever.
pub fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The day of a moment, in UTC.
pub fn day(moment: Moment) -> Date {
    let date = stamp(moment.ms).to_zoned(TimeZone::UTC).date();
    debug_assert!(date.year() >= 1970, "a stamp is never before its epoch");
    Date {
        year: date.year().unsigned_abs(),
        month: date.month().unsigned_abs(),
        day: date.day().unsigned_abs(),
    }
}

/// A moment for people: `2026-11-23T02:15:27Z`.
pub fn text(ms: u64) -> String {
    format!("{:.0}", stamp(ms))
}

/// The time of day, in UTC: `02:15:27 UTC`.
pub fn time_of_day(moment: Moment) -> String {
    stamp(moment.ms).strftime("%H:%M:%S UTC").to_string()
}

/// Moments that no calendar reaches are shown as its first second.
fn stamp(ms: u64) -> Timestamp {
    let reached = i64::try_from(ms).map(Timestamp::from_millisecond);
    match reached {
        Ok(Ok(stamp)) => stamp,
        Ok(Err(_)) | Err(_) => Timestamp::UNIX_EPOCH,
    }
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
        assert_eq!(text(moment.ms + 876), "2026-11-23T00:00:00Z");
        assert_eq!(time_of_day(moment), "00:00:00 UTC");
    }

    #[test]
    fn a_clock_before_its_first_year_reads_as_its_first_moment() {
        assert_eq!(ms_of(Timestamp::MIN), 0);
        assert_eq!(ms_of(Timestamp::UNIX_EPOCH), 0);
    }
}
