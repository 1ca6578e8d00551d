//! Moments as pages show them.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::clock::Timestamp;

const TEXT: &[BorrowedFormatItem<'_>] =
    format_description!("[day padding:none] [month repr:short] [year], [hour]:[minute] UTC");

/// A moment: for machines, for reading, and how far it is from now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    iso: String,
    text: String,
    ago: String,
}

impl Moment {
    /// A moment as seen `now`.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let date = OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1_000_000));
        let text = date.ok().and_then(|date| date.format(TEXT).ok());
        Self {
            iso: at.to_string(),
            text: text.unwrap_or_else(|| at.to_string()),
            ago: distance(at.0.saturating_sub(now.0).div_euclid(1_000_000)),
        }
    }
}

/// How far a moment is from now in words; `seconds` are positive in the future.
fn distance(seconds: i64) -> String {
    let away = seconds.unsigned_abs();
    let (count, unit) = match away {
        0..45 => return "just now".to_owned(),
        45..5400 => (away.div_ceil(60), "minute"),
        5400..129_600 => ((away + 1800) / 3600, "hour"),
        129_600..5_184_000 => ((away + 43_200) / 86_400, "day"),
        5_184_000..63_072_000 => (away / 2_592_000, "month"),
        _ => (away / 31_536_000, "year"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if seconds > 0 {
        format!("in {count} {unit}{plural}")
    } else {
        format!("{count} {unit}{plural} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (seconds, expected) in [
            (0, "just now"),
            (-44, "just now"),
            (-60, "1 minute ago"),
            (-90, "2 minutes ago"),
            (-5399, "90 minutes ago"),
            (-5400, "2 hours ago"),
            (-86_400, "24 hours ago"),
            (-172_800, "2 days ago"),
            (-7_776_000, "3 months ago"),
            (-94_608_000, "3 years ago"),
            (3600, "in 60 minutes"),
            (1_209_600, "in 14 days"),
        ] {
            assert_eq!(distance(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn a_moment_is_told_in_three_ways() {
        let at = Timestamp::parse("2026-11-25T21:05:00Z").unwrap();
        let now = Timestamp::parse("2026-11-25T21:08:00Z").unwrap();
        let moment = Moment::new(at, now);
        assert_eq!(moment.iso, "2026-11-25T21:05:00.000000Z");
        assert_eq!(moment.text, "25 Nov 2026, 21:05 UTC");
        assert_eq!(moment.ago, "3 minutes ago");
    }
}
