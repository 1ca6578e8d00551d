//! `GET`, `POST` and `DELETE` on routes.

use std::fmt::Write;
use std::time::Instant;

use http::StatusCode;
use serde_json::Value;
use tracing::{debug, info, warn};
use url::Url;

use super::{Answer, Api, date, empty, json, text};
use crate::routes::Route;

impl Api {
    /// One route, or all of them.
    pub(super) fn get(&self, path: &str, url: &Url) -> (Answer, String) {
        if !matches!(path, "" | "/") {
            return match self.table.get(path) {
                Some(route) => {
                    let mut body = String::new();
                    show(&mut body, &route);
                    json(StatusCode::OK, body)
                }
                None => empty(StatusCode::NOT_FOUND),
            };
        }
        let value = |name: &str| {
            url.query_pairs()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| value.into_owned())
        };
        let since = match value("inactiveSince").or_else(|| value("inactive_since")) {
            None => None,
            Some(asked) => match date::parse(&asked) {
                Some(ms) => Some(ms),
                None => {
                    let message = format!("Invalid datestamp '{asked}' must be ISO8601.");
                    return text(StatusCode::BAD_REQUEST, &message);
                }
            },
        };
        let routes = self.table.list(since);
        let mut body = String::with_capacity(routes.len() * 160 + 2);
        for route in &routes {
            body.push(if body.is_empty() { '{' } else { ',' });
            body.push_str(&Value::from(&*route.path).to_string());
            body.push(':');
            show(&mut body, route);
        }
        body.push_str(if body.is_empty() { "{}" } else { "}" });
        self.metrics.route_got();
        json(StatusCode::OK, body)
    }

    /// Adds a route, or replaces it.
    pub(super) fn post(&self, path: &str, body: Value) -> (Answer, String) {
        const NO_TARGET: &str = "Must specify 'target' as string";
        let Value::Object(mut data) = body else {
            return text(StatusCode::BAD_REQUEST, NO_TARGET);
        };
        // When it was last used is for the proxy to say.
        data.remove("last_activity");
        let Some(target) = data
            .get("target")
            .and_then(Value::as_str)
            .map(str::to_owned)
        else {
            warn!("Bad POST data: no target for {path}");
            return text(StatusCode::BAD_REQUEST, NO_TARGET);
        };
        let inner = path.strip_prefix('/').unwrap_or(path);
        if self.host_routing && !inner.is_empty() {
            let host = inner.split('/').next().unwrap_or_default();
            data.insert("host".to_owned(), Value::from(host));
        }
        if self.logs_calls {
            info!("Adding route {} -> {target}", shown_path(path));
        }
        let began = Instant::now();
        match self.table.insert(path, data) {
            Ok(route) => {
                self.metrics.route_added(began.elapsed());
                info!("Route added {} -> {target}", route.path);
                if let Err(reason) = &route.target {
                    warn!("requests to {} will be answered 500: {reason}", route.path);
                }
                empty(StatusCode::CREATED)
            }
            Err(error) => text(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    /// Removes a route.
    pub(super) fn delete(&self, path: &str) -> (Answer, String) {
        self.metrics.route_deleted();
        if self.table.remove(path) {
            info!("Removing route {}", shown_path(path));
            empty(StatusCode::NO_CONTENT)
        } else {
            debug!("There is no route {}", shown_path(path));
            empty(StatusCode::NOT_FOUND)
        }
    }
}

fn shown_path(path: &str) -> &str {
    match path.strip_suffix('/').unwrap_or(path) {
        "" => "/",
        path => path,
    }
}

/// The fields as posted, and when the route was last used.
fn show(body: &mut String, route: &Route) {
    let posted = route.posted();
    // It is an object with a target at least, so there is a brace to cut off and a comma to write.
    body.push_str(posted.strip_suffix('}').unwrap_or(posted));
    // Writing into a string does not fail.
    let _ = write!(
        body,
        ",\"last_activity\":\"{}\"}}",
        date::show(route.last_activity_ms())
    );
}
