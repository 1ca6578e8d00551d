//! The headers of every page.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use hub_api::hub::Hub as Config;

use crate::app::Hub;

/// How much of a report is logged.
const REPORT: usize = 2048;

/// The content security policy of pages. It begins as JupyterHub's does; nothing inline runs or colours anything.
pub(super) fn policy(config: &Config) -> String {
    let hub = format!("{}hub", config.base_url);
    // Browsers follow a form's redirects under `form-action`: the consent page may lead to a service elsewhere.
    let mut elsewhere: Vec<String> = config
        .services
        .iter()
        .filter_map(|service| url::Url::parse(service.oauth_redirect_uri.as_deref()?).ok())
        .map(|url| url.origin().ascii_serialization())
        .filter(|origin| origin != "null")
        .collect();
    elsewhere.sort();
    elsewhere.dedup();
    let elsewhere: String = elsewhere
        .iter()
        .map(|origin| format!(" {origin}"))
        .collect();
    let frames = match config.notebooks.ready {
        Some(_) => " frame-src 'self';",
        None => "",
    };
    format!(
        "frame-ancestors 'none'; report-uri {hub}/security/csp-report; default-src 'none'; script-src 'self'; style-src \
         'self'; img-src 'self'; connect-src 'self';{frames} form-action 'self'{elsewhere}; base-uri 'none'"
    )
}

/// Puts the headers on every answer of these routes.
pub(super) fn apply(hub: &Arc<Hub>, routes: Router<Arc<Hub>>) -> Router<Arc<Hub>> {
    routes.layer(from_fn_with_state(hub.clone(), around))
}

async fn around(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let Ok(version) = HeaderValue::from_str(&hub.config.version) {
        headers.insert(HeaderName::from_static("x-jupyterhub-version"), version);
    }
    if let Ok(policy) = HeaderValue::from_str(&hub.pages.policy) {
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(policy);
    }
    let fixed = [
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "accept, content-type, authorization",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// `POST /security/csp-report`: what a browser kept from running; worth a line in the log.
pub(super) async fn report(body: Bytes) -> StatusCode {
    let start = body.get(..REPORT).unwrap_or(&body);
    tracing::warn!(report = %String::from_utf8_lossy(start), "a browser reports a breach of the content security policy");
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_services_elsewhere_and_nothing_inline() {
        let mut config = Config::default();
        let plain = policy(&config);
        assert!(plain.starts_with("frame-ancestors 'none'; report-uri /hub/security/csp-report; "));
        assert!(!plain.contains("unsafe"));
        assert!(plain.contains("form-action 'self';"));
        for uri in [
            "https://grades.example:8443/oauth",
            "/services/own/oauth_callback",
        ] {
            config.services.push(
                serde_json::from_value(serde_json::json!({"name": "x", "oauth_redirect_uri": uri}))
                    .unwrap(),
            );
        }
        assert!(policy(&config).contains("form-action 'self' https://grades.example:8443;"));
    }
}
