//! When a call is repeated, and after how long. The one place that decides it.

use std::time::Duration;

use super::Unreached;
use super::reach::Trouble;

/// Time limits of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection to come to be, TLS included.
    pub connect: Duration,
    /// For one attempt: connecting, sending, the whole answer.
    pub attempt: Duration,
    /// For a call with all its repeats and pauses.
    pub total: Duration,
    /// First pause; doubled each time, up to sixteen times itself.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            attempt: Duration::from_secs(60),
            total: Duration::from_secs(180),
            pause: Duration::from_millis(500),
        }
    }
}

/// Whether doing a thing twice differs from doing it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Safety {
    /// Reads, deletes, replacements: repeat at will.
    Repeat,
    /// Creates: repeat only what was surely not done.
    Once,
}

/// What one attempt brought, where it brought no success.
#[derive(Debug)]
pub(super) enum Failure<'a> {
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
    Trouble(&'a Trouble),
}

/// What follows from a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Again(Duration),
    /// Whether it was done is not known.
    Lost,
    GiveUp,
}

/// Refused connections and names that do not resolve seldom heal: a few tries, then the operator hears of it.
const TRIES_TO_REACH: u32 = 4;
const TRIES: u32 = 8;

/// Decides after the `attempt`-th attempt (from 1). `jitter` is from 0 to 1.
pub(super) fn next(
    safety: Safety,
    failure: &Failure<'_>,
    attempt: u32,
    limits: &Limits,
    jitter: f64,
) -> Next {
    let backoff = limits
        .pause
        .saturating_mul(1 << (attempt - 1).min(4))
        .mul_f64(0.75 + jitter / 2.0);
    let again = |tries: u32| {
        if attempt < tries {
            Next::Again(backoff)
        } else {
            Next::GiveUp
        }
    };
    match failure {
        // Too many requests: this one was not carried out.
        Failure::Status {
            status: 429,
            retry_after,
        } => match again(TRIES) {
            Next::Again(backoff) => Next::Again(retry_after.unwrap_or(backoff).max(backoff)),
            other => other,
        },
        Failure::Status {
            status: 501 | 505, ..
        } => Next::GiveUp,
        Failure::Status {
            status: 500.. | 408,
            retry_after,
        } => match safety {
            Safety::Once => Next::Lost,
            Safety::Repeat => match again(TRIES) {
                Next::Again(backoff) => Next::Again(retry_after.unwrap_or(backoff).max(backoff)),
                other => other,
            },
        },
        Failure::Status { .. } => Next::GiveUp,
        Failure::Trouble(trouble) => match trouble.why {
            Unreached::Untrusted | Unreached::Certificate | Unreached::Protocol => Next::GiveUp,
            _ if trouble.before_sending => again(TRIES_TO_REACH),
            _ => match safety {
                Safety::Once => Next::Lost,
                Safety::Repeat => again(TRIES),
            },
        },
    }
}

/// `Retry-After`: seconds, or a date.
pub(super) fn retry_after(value: &str, now: time::OffsetDateTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = time::OffsetDateTime::parse(
        &value.replace("GMT", "+0000"),
        &time::format_description::well_known::Rfc2822,
    )
    .ok()?;
    Some(Duration::try_from(date - now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16) -> Failure<'static> {
        Failure::Status {
            status,
            retry_after: None,
        }
    }

    fn trouble(before_sending: bool, why: Unreached) -> Trouble {
        Trouble {
            before_sending,
            why,
            reason: String::new(),
            timeout: false,
        }
    }

    fn decide(safety: Safety, failure: &Failure<'_>, attempt: u32) -> Next {
        next(safety, failure, attempt, &Limits::default(), 0.5)
    }

    #[test]
    fn what_heals_is_repeated_and_what_does_not_is_not() {
        use Safety::{Once, Repeat};
        let half = Next::Again(Duration::from_millis(500));
        for (safety, code, expected) in [
            (Repeat, 500, &half),
            (Repeat, 502, &half),
            (Repeat, 503, &half),
            (Repeat, 429, &half),
            (Repeat, 408, &half),
            (Once, 429, &half),
            (Once, 500, &Next::Lost),
            (Once, 503, &Next::Lost),
            (Once, 504, &Next::Lost),
            (Repeat, 501, &Next::GiveUp),
            (Repeat, 400, &Next::GiveUp),
            (Repeat, 409, &Next::GiveUp),
            (Once, 403, &Next::GiveUp),
        ] {
            assert_eq!(
                &decide(safety, &status(code), 1),
                expected,
                "{safety:?} {code}"
            );
        }
    }

    #[test]
    fn a_create_is_repeated_only_when_it_was_not_sent() {
        let refused = trouble(true, Unreached::Refused);
        let reset = trouble(false, Unreached::Other);
        assert!(matches!(
            decide(Safety::Once, &Failure::Trouble(&refused), 1),
            Next::Again(_)
        ));
        assert_eq!(
            decide(Safety::Once, &Failure::Trouble(&reset), 1),
            Next::Lost
        );
        assert!(matches!(
            decide(Safety::Repeat, &Failure::Trouble(&reset), 1),
            Next::Again(_)
        ));
    }

    #[test]
    fn a_certificate_does_not_get_better_by_asking_again() {
        let untrusted = trouble(true, Unreached::Untrusted);
        assert_eq!(
            decide(Safety::Repeat, &Failure::Trouble(&untrusted), 1),
            Next::GiveUp
        );
    }

    #[test]
    fn tries_end_and_pauses_grow() {
        let refused = trouble(true, Unreached::Refused);
        assert_eq!(
            decide(Safety::Repeat, &Failure::Trouble(&refused), TRIES_TO_REACH),
            Next::GiveUp
        );
        assert_eq!(decide(Safety::Repeat, &status(503), TRIES), Next::GiveUp);
        assert_eq!(
            decide(Safety::Repeat, &status(503), 3),
            Next::Again(Duration::from_secs(2))
        );
    }

    #[test]
    fn retry_after_is_honoured_as_seconds_and_as_a_date() {
        let failure = Failure::Status {
            status: 429,
            retry_after: Some(Duration::from_secs(7)),
        };
        assert_eq!(
            decide(Safety::Once, &failure, 1),
            Next::Again(Duration::from_secs(7))
        );
        let now = time::macros::datetime!(2026-11-22 10:00:00 UTC);
        for (value, seconds) in [
            ("3", Some(3)),
            (" 120 ", Some(120)),
            ("Sun, 22 Nov 2026 10:00:05 GMT", Some(5)),
            ("Sun, 22 Nov 2026 09:00:00 GMT", Some(0)),
            ("soon", None),
        ] {
            assert_eq!(
                retry_after(value, now).map(|d| d.as_secs()),
                seconds,
                "{value}"
            );
        }
    }
}
