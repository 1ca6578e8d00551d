//! Activity: what single-user servers report of it, and what is believed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use serde_json::Value;

/// A report, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// When the user was last active, if the report says.
    pub user: Option<Timestamp>,
    /// When each of the user's servers was, by name.
    pub servers: BTreeMap<String, Timestamp>,
}

/// How far ahead of the hub's clock a report may be, in JupyterHub's words "an hour".
const AHEAD: Duration = Duration::from_secs(59 * 60);

/// Checks a report; the error is the message of a 400. `exists` says whether the user has a server of that name.
pub fn parse(
    body: &Value,
    now: Timestamp,
    user: &str,
    exists: impl Fn(&str) -> bool,
) -> Result<Report, String> {
    const SHAPE: &str =
        "servers must be a dict of the form {server_name: {last_activity: timestamp}}";
    let body = body.as_object().ok_or("body must be a json dict")?;
    let said = |key: &str| body.get(key).filter(|value| is_truthy(value));
    let (last_activity, servers) = (said("last_activity"), said("servers"));
    if last_activity.is_none() && servers.is_none() {
        return Err("body must contain at least one of `last_activity` or `servers`".to_owned());
    }
    let mut report = Report::default();
    if let Some(servers) = servers {
        for (name, of_server) in servers.as_object().ok_or(SHAPE)? {
            if !exists(name) {
                return Err(format!("No such server '{name}' for user {user}"));
            }
            let when = of_server.get("last_activity").ok_or(SHAPE)?;
            report.servers.insert(name.clone(), timestamp(when, now)?);
        }
    }
    if let Some(when) = last_activity {
        report.user = Some(timestamp(when, now)?);
    }
    Ok(report)
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Bool(true) => true,
    }
}

fn timestamp(value: &Value, now: Timestamp) -> Result<Timestamp, String> {
    let when = value
        .as_str()
        .and_then(Timestamp::parse)
        .ok_or_else(|| format!("Not a valid timestamp: {}", crate::api::python::repr(value)))?;
    if when > now.after(AHEAD) {
        return Err(format!(
            "Rejecting activity from more than an hour in the future: {when}"
        ));
    }
    Ok(when)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn now() -> Timestamp {
        at("2026-11-22T04:00:00Z")
    }

    #[test]
    fn the_report_of_a_singleuser_server() {
        let body = json!({
            "servers": {"": {"last_activity": "2026-11-22T03:28:55.634238Z"}},
            "last_activity": "2026-11-22T03:28:55.634238Z",
        });
        let report = parse(&body, now(), "alice", str::is_empty).unwrap();
        let when = at("2026-11-22T03:28:55.634238Z");
        assert_eq!(report.user, Some(when));
        assert_eq!(report.servers[""], when);
    }

    #[test]
    fn other_writings_of_a_time() {
        for text in [
            "2026-11-22T03:28:55",
            "2026-11-22 03:28:55",
            "2026-11-22T04:28:55+01:00",
            "2026-11-22T03:28:55.000Z",
        ] {
            let report = parse(&json!({"last_activity": text}), now(), "a", |_| true).unwrap();
            assert_eq!(report.user, Some(at("2026-11-22T03:28:55Z")), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (body, message) in [
            (json!([]), "body must be a json dict"),
            (json!({}), "body must contain at least one"),
            (json!({"servers": {}}), "body must contain at least one"),
            (json!({"servers": [1]}), "servers must be a dict"),
            (json!({"servers": {"": 1}}), "servers must be a dict"),
            (json!({"servers": {"": {}}}), "servers must be a dict"),
            (
                json!({"servers": {"other": {"last_activity": "2026-11-22T03:28:55Z"}}}),
                "No such server 'other' for user alice",
            ),
            (
                json!({"last_activity": "yesterday"}),
                "Not a valid timestamp",
            ),
            (json!({"last_activity": 5}), "Not a valid timestamp"),
            (
                json!({"last_activity": "2026-11-22T05:00:00Z"}),
                "Rejecting activity from more than an hour in the future",
            ),
        ] {
            let error = parse(&body, now(), "alice", str::is_empty).unwrap_err();
            assert!(error.starts_with(message), "{body}: {error}");
        }
        assert!(
            parse(
                &json!({"last_activity": "2026-11-22T04:58:00Z"}),
                now(),
                "a",
                |_| true
            )
            .is_ok()
        );
    }
}
