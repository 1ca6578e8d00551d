//! The time, in each service's way of writing it.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const MICROSECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");

/// Returns the time now, UTC.
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Nova's, Neutron's and Glance's way: `2026-11-22T20:42:18Z`.
pub fn seconds(at: OffsetDateTime) -> String {
    format!("{}Z", at.format(SECONDS).unwrap_or_default())
}

/// Keystone's way: `2026-11-22T20:42:18.000000Z`.
pub fn whole_micros(at: OffsetDateTime) -> String {
    format!("{}.000000Z", at.format(SECONDS).unwrap_or_default())
}

/// Cinder's and Designate's way: `2026-11-22T20:42:18.123456`, without a zone.
pub fn micros(at: OffsetDateTime) -> String {
    at.format(MICROSECONDS).unwrap_or_default()
}

/// Reads a time as clients write it: with or without fractions, `Z` or nothing for UTC.
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    use time::format_description::well_known::Rfc3339;
    let zoned = if text.ends_with('Z') || text.contains('+') {
        text.to_owned()
    } else {
        format!("{text}Z")
    };
    OffsetDateTime::parse(&zoned, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_writes_time_its_own_way() {
        let at = parse("2026-11-22T20:42:18.5").unwrap();
        assert_eq!(seconds(at), "2026-11-22T20:42:18Z");
        assert_eq!(whole_micros(at), "2026-11-22T20:42:18.000000Z");
        assert_eq!(micros(at), "2026-11-22T20:42:18.500000");
        assert_eq!(parse("2026-11-22T20:42:18.500000Z"), Some(at));
        assert_eq!(parse("tomorrow"), None);
    }
}
