//! Which deployments of a project have had their time.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::list::Deployment;
use super::plan::Kind;
use super::tag;

/// What has had its time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rule {
    /// What is past the time that its provision gave it.
    pub expired: bool,
    /// What was given no time, and nothing of it was made for so long.
    pub older_than: Option<Duration>,
}

/// Why a deployment goes, or stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its time was over then.
    Expired(OffsetDateTime),
    /// The newest of it was made then.
    Old(OffsetDateTime),
    /// Its time was over then, and that was not asked for.
    Over(OffsetDateTime),
    /// It has until then.
    Has(OffsetDateTime),
    /// It was given all the time there is.
    Never,
    /// It is not old enough; the newest of it was made then.
    Young(OffsetDateTime),
    /// A destroy left its volume or address on purpose.
    Kept,
    /// The cloud does not tell when it was made.
    Unknown,
}

impl Verdict {
    /// Whether it goes.
    pub fn is_due(self) -> bool {
        matches!(self, Self::Expired(_) | Self::Old(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired(time) => write!(f, "its time was over at {}", minute(*time)),
            Self::Old(time) => write!(f, "made at {}, given no time", minute(*time)),
            Self::Over(time) => {
                write!(
                    f,
                    "its time was over at {}; --expired takes it",
                    minute(*time)
                )
            }
            Self::Has(time) => write!(f, "has until {}", minute(*time)),
            Self::Never => f.write_str("stays until it is destroyed"),
            Self::Young(time) => write!(f, "made at {}", minute(*time)),
            Self::Kept => f.write_str("a destroy kept this"),
            Self::Unknown => f.write_str("the cloud does not tell its age"),
        }
    }
}

/// Judges a deployment. One that was given a time is judged by it alone, however old it is.
pub fn judge(deployment: &Deployment, rule: Rule, now: OffsetDateTime) -> Verdict {
    let kept = |kind: Kind| matches!(kind, Kind::Volume | Kind::FloatingIp);
    if deployment.items.iter().all(|item| kept(item.resource)) {
        return Verdict::Kept;
    }
    if deployment.expires.as_deref() == Some(tag::NEVER) {
        return Verdict::Never;
    }
    let newest = deployment.newest.as_deref().and_then(moment);
    match (deployment.expires.as_deref().and_then(moment), newest) {
        (Some(time), _) if time <= now && rule.expired => Verdict::Expired(time),
        (Some(time), _) if time <= now => Verdict::Over(time),
        (Some(time), _) => Verdict::Has(time),
        (None, Some(made)) if rule.older_than.is_some_and(|age| made + age <= now) => {
            Verdict::Old(made)
        }
        (None, Some(made)) => Verdict::Young(made),
        (None, None) => Verdict::Unknown,
    }
}

/// A time as OpenStack writes it: RFC 3339, or the same without a zone, which means UTC.
pub fn moment(text: &str) -> Option<OffsetDateTime> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    parse(text).or_else(|| parse(&format!("{text}Z")))
}

/// A time for people, in UTC.
pub fn minute(time: OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    time.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::Item;

    fn deployment(expires: Option<&str>, newest: Option<&str>, kinds: &[Kind]) -> Deployment {
        let items = kinds.iter().map(|kind| Item {
            resource: *kind,
            id: "1".into(),
            name: "hubctl-class".into(),
        });
        Deployment {
            name: "class".into(),
            server: None,
            status: None,
            expires: expires.map(str::to_owned),
            newest: newest.map(str::to_owned),
            items: items.collect(),
        }
    }

    #[test]
    fn a_time_that_was_given_goes_before_age() {
        let now = moment("2026-11-26T12:00:00Z").unwrap();
        let both = Rule {
            expired: true,
            older_than: Some(Duration::from_secs(6 * 3600)),
        };
        let only_old = Rule {
            expired: false,
            ..both
        };
        let only_expired = Rule {
            older_than: None,
            ..both
        };
        let all = &[Kind::Server, Kind::Volume][..];
        let old = Some("2026-11-26T05:59:59.123456");
        for (expires, newest, kinds, rule, due) in [
            (None, old, all, both, true),
            (None, old, all, only_expired, false),
            (None, Some("2026-11-26T06:00:01Z"), all, both, false),
            (None, Some("yesterday"), all, both, false),
            (None, None, all, both, false),
            (Some("2026-11-26T11:59:59Z"), old, all, both, true),
            (Some("2026-11-26T12:00:00Z"), None, all, only_expired, true),
            (Some("2026-11-26T11:59:59Z"), old, all, only_old, false),
            (Some("2026-11-26T12:00:01Z"), old, all, both, false),
            (Some("never"), old, all, both, false),
            (None, old, &[Kind::Volume, Kind::FloatingIp], both, false),
            (None, old, &[Kind::KeyPair], both, true),
        ] {
            let found = judge(&deployment(expires, newest, kinds), rule, now);
            assert_eq!(
                found.is_due(),
                due,
                "{expires:?} {newest:?} {rule:?}: {found}"
            );
        }
    }
}
