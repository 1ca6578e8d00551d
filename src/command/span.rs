//! Spans of time as they are typed: `90m`, `8h`, `2d`.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::infra::tag;

/// A span, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    For(Duration),
    Never,
}

impl Span {
    /// When it ends that begins now, as the cloud's tags have it.
    pub(super) fn end(self, now: OffsetDateTime) -> String {
        match self {
            Self::Never => tag::NEVER.to_owned(),
            // To the second: a tag has no room to waste.
            Self::For(span) => (now + span)
                .replace_nanosecond(0)
                .ok()
                .and_then(|end| end.format(&Rfc3339).ok())
                .unwrap_or_default(),
        }
    }
}

/// Reads a span of at most a hundred years, or `never`.
pub fn parse(text: &str) -> Result<Span, String> {
    if text == tag::NEVER {
        return Ok(Span::Never);
    }
    duration(text).map(Span::For)
}

/// Reads a span of at most a hundred years.
pub fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: u64 = 100 * 365 * 24 * 3600;
    let wrong = || format!("{text:?} is no span of time such as 90m, 8h or 2d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        'w' => 7 * 24 * 3600,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(each))
        .filter(|seconds| (1..=LONGEST).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("90m", 5400),
            ("8h", 28800),
            ("2d", 172_800),
            ("1w", 604_800),
            ("30s", 30),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "8",
            "h",
            "-8h",
            "+8h",
            "8 h",
            "1.5h",
            "0h",
            "99999999999999999999h",
            "900000w",
            "8ü",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(parse("never"), Ok(Span::Never));
        let now = OffsetDateTime::from_unix_timestamp(1_764_144_000).unwrap();
        let end = parse("8h").unwrap().end(now + Duration::from_nanos(5));
        assert_eq!(end, "2025-11-26T16:00:00Z");
    }
}
