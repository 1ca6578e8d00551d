//! Time: UTC with microseconds, as it goes over the wire and into the store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The moments that can be written down: the years 1 to 9999. Whoever asks for a token gives its length of life.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// Microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment and a duration; the end of the year 9999 if that is later.
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
                .min(*WRITABLE.end()),
        )
    }

    /// This moment less a duration.
    pub fn before(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long before this moment the other was; zero if it was later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339, or the same without an offset, which is taken for UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        OffsetDateTime::parse(text, &Rfc3339)
            .or_else(|_| {
                OffsetDateTime::parse(&format!("{}Z", text.replacen(' ', "T", 1)), &Rfc3339)
            })
            .ok()
            .and_then(|moment| i64::try_from(moment.unix_timestamp_nanos() / 1000).ok())
            .map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An error here would be a panic of whoever writes it into a text or an answer.
        let writable = self.0.clamp(*WRITABLE.start(), *WRITABLE.end());
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(writable) * 1000)
            .map_err(|_| fmt::Error)?;
        let (year, month, day) = moment.to_calendar_date();
        let (hour, minute, second, micro) = moment.to_hms_micro();
        // By hand: lists are full of moments, and the general way takes ten times as long.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (place, number) in [
            (0..4, year.unsigned_abs()),
            (5..7, u8::from(month).into()),
            (8..10, day.into()),
            (11..13, hour.into()),
            (14..16, minute.into()),
            (17..19, second.into()),
            (20..26, micro),
        ] {
            write_digits(&mut text[place], number);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Fills the whole of `text` with a number.
fn write_digits(text: &mut [u8], mut number: u32) {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789"[number as usize % 10];
        number /= 10;
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What says how late it is; tests give their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::from_fn(|| {
            let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1000;
            Timestamp(i64::try_from(now).unwrap_or(i64::MAX))
        })
    }

    /// A clock of one's own.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_over_the_wire_and_back() {
        let moment = Timestamp(1_795_318_137_681_586);
        assert_eq!(moment.to_string(), "2026-11-22T03:28:57.681586Z");
        assert_eq!(
            Timestamp::parse("2026-11-22T03:28:57.681586Z"),
            Some(moment)
        );
        assert_eq!(
            Timestamp::parse("2026-11-22T04:28:57.681586+01:00"),
            Some(moment)
        );
        assert_eq!(Timestamp::parse("2026-11-22 03:28:57.681586"), Some(moment));
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn every_moment_can_be_written() {
        let last = Timestamp(0).after(Duration::from_secs(u64::MAX));
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), last.to_string());
        assert_eq!(
            Timestamp(i64::MIN).to_string(),
            "0001-01-01T00:00:00.000000Z"
        );
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (4_107_542_399_099_999, "2100-02-28T23:59:59.099999Z"),
        ] {
            assert_eq!(Timestamp(micros).to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(Timestamp(micros)));
        }
        let east = Timestamp::parse("9999-12-31T23:59:59-23:00").unwrap();
        assert_eq!(east.to_string(), last.to_string());
    }
}
