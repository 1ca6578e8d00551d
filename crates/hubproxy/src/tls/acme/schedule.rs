//! When to renew, and when to try again. Pure: time and chance are arguments.

use std::time::Duration;

use time::OffsetDateTime;

/// Why a try failed, as far as that says when to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The directory was not reached, or answered nonsense: nothing was used up.
    Unreachable,
    /// The directory refused or could not see us. Let's Encrypt takes five of these an hour for a name.
    Refused,
    /// The directory says that it is too often.
    RateLimited,
}

const MINUTE: Duration = Duration::from_secs(60);

/// When a certificate is renewed: after two thirds of its life, a little earlier by chance (`0.0..1.0`), so that
/// machines set up together do not renew together.
pub(super) fn renewal(
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    chance: f64,
) -> OffsetDateTime {
    let lifetime = not_after - not_before;
    not_before + lifetime * (2.0 / 3.0 - chance.clamp(0.0, 1.0) * 0.05)
}

/// A moment in the window that the directory suggests (RFC 9773), by chance.
pub(super) fn suggested(start: OffsetDateTime, end: OffsetDateTime, chance: f64) -> OffsetDateTime {
    if end <= start {
        start
    } else {
        start + (end - start) * chance.clamp(0.0, 1.0)
    }
}

/// How long to wait after so many failures in a row; at least what the directory asked for (`Retry-After`).
pub(super) fn backoff(
    failure: Failure,
    failures: u32,
    retry_after: Option<Duration>,
    chance: f64,
) -> Duration {
    let (first, most) = match failure {
        Failure::Unreachable => (MINUTE, 60 * MINUTE),
        Failure::Refused => (15 * MINUTE, 12 * 60 * MINUTE),
        Failure::RateLimited => (60 * MINUTE, 24 * 60 * MINUTE),
    };
    let doubled = first
        .saturating_mul(1 << failures.saturating_sub(1).min(12))
        .min(most);
    let asked = retry_after.unwrap_or_default().min(7 * 24 * 60 * MINUTE);
    doubled
        .max(asked)
        .mul_f64(1.0 + 0.2 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn ninety_days_are_renewed_after_sixty_and_six_after_four() {
        let start = datetime!(2026-01-01 0:00 UTC);
        assert_eq!(
            renewal(start, start + time::Duration::days(90), 0.0),
            start + time::Duration::days(60)
        );
        assert_eq!(
            renewal(start, start + time::Duration::days(6), 0.0),
            start + time::Duration::days(4)
        );
        let early = renewal(start, start + time::Duration::days(90), 1.0);
        assert!(
            early > start + time::Duration::days(55) && early < start + time::Duration::days(56),
            "{early}"
        );
    }

    #[test]
    fn a_suggestion_is_taken_somewhere_in_its_window() {
        let start = datetime!(2026-01-01 0:00 UTC);
        let end = start + time::Duration::days(2);
        assert_eq!(suggested(start, end, 0.5), start + time::Duration::days(1));
        assert_eq!(suggested(end, start, 0.5), end);
    }

    #[test]
    fn waiting_doubles_up_to_a_limit_and_never_less_than_asked() {
        let minutes = |failure, failures| backoff(failure, failures, None, 0.0).as_secs() / 60;
        assert_eq!(
            [1, 2, 3, 99].map(|failures| minutes(Failure::Unreachable, failures)),
            [1, 2, 4, 60]
        );
        assert_eq!(
            [1, 2, 3, 99].map(|failures| minutes(Failure::Refused, failures)),
            [15, 30, 60, 720]
        );
        assert_eq!(
            [1, 99].map(|failures| minutes(Failure::RateLimited, failures)),
            [60, 1440]
        );
        let asked = Some(Duration::from_secs(7200));
        assert_eq!(
            backoff(Failure::Unreachable, 1, asked, 0.0),
            Duration::from_secs(7200)
        );
        assert_eq!(
            backoff(Failure::Refused, 1, None, 1.0),
            Duration::from_secs(1080)
        );
        // Four tries in the first hour at most, where five are allowed.
        let first_hour: u64 = (1..4)
            .map(|failures| minutes(Failure::Refused, failures))
            .sum();
        assert!(first_hour > 60);
    }
}
