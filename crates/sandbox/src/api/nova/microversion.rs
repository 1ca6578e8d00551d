//! Microversions: which shape of the API a request asks for.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::NovaError;
use crate::api::Ctx;

/// The minor half of `2.N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16);

impl Version {
    pub const MIN: Self = Self(1);
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "2.{}", self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Version {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self::MIN))
    }
}

impl Ctx {
    /// The newest microversion this cloud's Nova has.
    pub fn newest(&self) -> Version {
        Version(self.cloud.scenario.microversion)
    }
}

/// Reads the version a request wants: the new header, the old one, or the oldest version.
fn wanted(headers: &HeaderMap, max: Version) -> Result<Version, NovaError> {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::trim)
    };
    let new = header("openstack-api-version").and_then(|v| {
        v.split(',')
            .find_map(|one| one.trim().strip_prefix("compute "))
            .map(str::trim)
    });
    let Some(text) = new.or_else(|| header("x-openstack-nova-api-version")) else {
        return Ok(Version::MIN);
    };
    if text == "latest" {
        return Ok(max);
    }
    let numbers = text
        .split_once('.')
        .and_then(|(a, b)| Some((a.parse::<u16>().ok()?, b.parse::<u16>().ok()?)));
    match numbers {
        Some((2, minor)) if (Version::MIN..=max).contains(&Version(minor)) => Ok(Version(minor)),
        Some(_) => Err(NovaError::new(
            StatusCode::NOT_ACCEPTABLE,
            format!(
                "Version {text} is not supported by the API. Minimum is {} and maximum is {}.",
                Version::MIN,
                max
            ),
        )),
        None => Err(NovaError::bad(format!(
            "API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum."
        ))),
    }
}

/// Reads the version before a handler and names it after.
pub async fn negotiate(State(ctx): State<Ctx>, mut request: Request, next: Next) -> Response {
    let (version, mut response) = match wanted(request.headers(), ctx.newest()) {
        Ok(version) => {
            request.extensions_mut().insert(version);
            (version, next.run(request).await)
        }
        Err(error) => (Version::MIN, error.into_response()),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("openstack-api-version", format!("compute {version}")),
        ("x-openstack-nova-api-version", version.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    headers.append(
        header::VARY,
        HeaderValue::from_static("OpenStack-API-Version"),
    );
    headers.append(
        header::VARY,
        HeaderValue::from_static("X-OpenStack-Nova-API-Version"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_header_wins_and_the_range_is_kept() {
        let ask = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            wanted(&headers, Version(95))
                .map(|v| v.0)
                .map_err(|e| e.status.as_u16())
        };
        assert_eq!(ask(&[]), Ok(1));
        assert_eq!(ask(&[("openstack-api-version", "compute 2.47")]), Ok(47));
        assert_eq!(
            ask(&[("openstack-api-version", "volume 3.1, compute 2.5")]),
            Ok(5)
        );
        assert_eq!(ask(&[("x-openstack-nova-api-version", "2.26")]), Ok(26));
        assert_eq!(ask(&[("openstack-api-version", "compute latest")]), Ok(95));
        assert_eq!(ask(&[("openstack-api-version", "compute 2.999")]), Err(406));
        assert_eq!(ask(&[("openstack-api-version", "compute x")]), Err(400));
    }
}
