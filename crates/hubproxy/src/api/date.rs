//! Dates: `last_activity` as it is shown, `inactiveSince` as it is asked for.

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::macros::format_description;
use time::{Date, OffsetDateTime, PrimitiveDateTime};

const SHOWN: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Milliseconds since 1970 as `2026-11-22T03:28:57.681Z`.
pub(super) fn show(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok()
        .and_then(|time| time.format(SHOWN).ok())
        .unwrap_or_default()
}

/// Milliseconds since 1970 of a date as people write it: ISO 8601 with or without time and zone (then UTC), RFC 2822.
pub(super) fn parse(text: &str) -> Option<i64> {
    // A `+` that was not encoded has become a blank.
    let text = text.trim();
    let zoned = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&text.replacen(' ', "+", 1), &Rfc3339))
        .or_else(|_| OffsetDateTime::parse(text, &Rfc2822));
    let plain = || {
        let seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
        let fraction =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond]");
        let minutes = format_description!("[year]-[month]-[day]T[hour]:[minute]");
        [&seconds[..], &fraction[..], &minutes[..]]
            .iter()
            .find_map(|format| PrimitiveDateTime::parse(text, format).ok())
    };
    let day = || {
        Date::parse(text, format_description!("[year]-[month]-[day]"))
            .ok()
            .map(Date::midnight)
    };
    let time = zoned
        .ok()
        .or_else(|| plain().or_else(day).map(PrimitiveDateTime::assume_utc))?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_reads_back() {
        assert_eq!(show(1_795_318_137_681), "2026-11-22T03:28:57.681Z");
        assert_eq!(parse("2026-11-22T03:28:57.681Z"), Some(1_795_318_137_681));
    }

    #[test]
    fn dates_are_read_as_they_are_written() {
        let noon = Some(1_795_305_600_000);
        for text in [
            "2026-11-22",
            "2026-11-22T00:00",
            "2026-11-22T00:00:00",
            "2026-11-22T00:00:00.000",
            "2026-11-22T01:00:00+01:00",
            "2026-11-22T01:00:00 01:00",
            "Sun, 22 Nov 2026 00:00:00 GMT",
        ] {
            assert_eq!(parse(text), noon, "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "2026-11-22T25:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
