//! Which service a path belongs to, and how that service says no.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    Identity,
    Image,
    Compute,
    Network,
    Volume,
    Dns,
}

impl Service {
    /// Splits a path into the service and what is below its version: `/compute/v2.1/servers` is `/servers` of Compute.
    pub fn of(path: &str) -> (Self, String) {
        let words: Vec<&str> = path.split('/').filter(|w| !w.is_empty()).collect();
        let named = |word: &&str| match *word {
            "image" => Some(Self::Image),
            "compute" => Some(Self::Compute),
            "network" => Some(Self::Network),
            "volume" => Some(Self::Volume),
            "dns" => Some(Self::Dns),
            _ => None,
        };
        // A region's prefix may stand before the service.
        let found = words
            .iter()
            .take(2)
            .enumerate()
            .find_map(|(n, word)| named(word).map(|s| (s, n + 1)));
        let (service, mut rest) = match found {
            Some((service, at)) if !path.starts_with("/v3") => (service, &words[at..]),
            _ => (Self::Identity, &words[..]),
        };
        let is_version =
            |w: &&str| w.starts_with('v') && w[1..].starts_with(|c: char| c.is_ascii_digit());
        if rest.first().is_some_and(is_version) {
            rest = &rest[1..];
            // Cinder has the project in its path.
            if service == Self::Volume && !rest.is_empty() {
                rest = &rest[1..];
            }
        }
        (service, format!("/{}", rest.join("/")))
    }

    /// An error as this service writes it.
    pub fn error(self, status: StatusCode, message: &str) -> Response {
        let code = status.as_u16();
        let body = match self {
            Self::Identity => json!({"error": {
                "code": code, "message": message, "title": status.canonical_reason().unwrap_or_default(),
            }}),
            Self::Network => {
                let kind = if code == 500 {
                    "HTTPInternalServerError"
                } else {
                    "HTTPClientError"
                };
                json!({"NeutronError": {"type": kind, "message": message, "detail": ""}})
            }
            Self::Compute | Self::Volume => {
                let name = match code {
                    400 => "badRequest",
                    403 => "forbidden",
                    404 => "itemNotFound",
                    409 => "conflictingRequest",
                    413 | 429 => "overLimit",
                    503 => "serviceUnavailable",
                    _ => "computeFault",
                };
                json!({name: {"code": code, "message": message}})
            }
            Self::Image => return (status, format!("{code} {message}")).into_response(),
            Self::Dns => {
                json!({"code": code, "type": "unknown", "message": message, "request_id": null})
            }
        };
        (status, Json(body)).into_response()
    }

    /// A quota that is used up, in the shape of this service.
    pub fn over_quota(self, resource: &str) -> Response {
        use crate::api::{cinder::CinderError, neutron::NeutronError, nova::NovaError};
        match self {
            Self::Network => NeutronError::quota(resource).into_response(),
            Self::Volume => CinderError::over_limit(format!(
                "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota '{resource}'."
            ))
            .into_response(),
            _ => NovaError::forbidden(format!(
                "Quota exceeded for {resource}: Requested 1, but already used 10 of 10 {resource}"
            ))
            .into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_service() {
        for (path, service, rest) in [
            ("/v3/auth/tokens", Service::Identity, "/auth/tokens"),
            ("/", Service::Identity, "/"),
            (
                "/compute/v2.1/servers/1/action",
                Service::Compute,
                "/servers/1/action",
            ),
            ("/two/network/v2.0/ports", Service::Network, "/ports"),
            ("/volume/v3/abc/volumes", Service::Volume, "/volumes"),
            ("/image/v2/images", Service::Image, "/images"),
            ("/dns", Service::Dns, "/"),
        ] {
            assert_eq!(Service::of(path), (service, rest.to_owned()), "{path}");
        }
    }
}
