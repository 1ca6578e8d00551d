//! Who makes a request, and whether he may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{StatusCode, header};

use super::ApiError;
use crate::app::Hub;
use crate::scope::Subject;
use crate::session::SessionError;
use crate::store::requester::Requester;

/// Who makes a request; `None`: nobody we know.
#[derive(Debug, Clone)]
pub struct Caller(pub Option<Arc<Requester>>);

impl FromRequestParts<Arc<Hub>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, ApiError> {
        Self::of(hub, parts).await
    }
}

/// The token of the Authorization header: `token X` or `Bearer X`, in any case.
pub fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(char::is_whitespace)?;
    let token = token.trim();
    let known = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    (known && !token.is_empty() && !token.contains(char::is_whitespace)).then_some(token)
}

impl Caller {
    /// Who makes this request: by the token it carries, else by its cookie.
    pub async fn of(hub: &Hub, parts: &Parts) -> Result<Self, ApiError> {
        if let Some(requester) = by_token(hub, parts).await? {
            return Ok(Self(Some(requester)));
        }
        match hub.sessions.api_requester(&hub.store, parts).await {
            // A secret that was handed out opens nothing but the page on which to choose a password.
            Ok(Some(requester)) if hub.authenticators.must_change(requester.name()) => {
                Err(ApiError::forbidden(format!(
                    "choose a password first, at {}/password",
                    hub.prefix()
                )))
            }
            Ok(requester) => Ok(Self(requester.map(Arc::new))),
            Err(SessionError::Store(error)) => Err(error.into()),
            // As if nobody were logged in.
            Err(SessionError::ContentType) => Ok(Self(None)),
            Err(SessionError::Xsrf(error)) => Err(ApiError::forbidden(error.to_string())),
        }
    }

    /// Whoever it is.
    pub fn known(&self) -> Result<&Arc<Requester>, ApiError> {
        self.0.as_ref().ok_or_else(ApiError::nobody)
    }

    /// Checks that one of the scopes is held for everything.
    pub fn needs(&self, scopes: &[&str]) -> Result<&Arc<Requester>, ApiError> {
        let requester = self.known()?;
        if scopes
            .iter()
            .any(|scope| requester.scopes.allows_all(scope))
        {
            return Ok(requester);
        }
        Err(refusal(scopes))
    }

    /// Checks that one of the scopes is held for something: what is listed is then cut down to that.
    pub fn needs_some(&self, scope: &str) -> Result<&Arc<Requester>, ApiError> {
        let requester = self.known()?;
        if requester.scopes.holds(scope) {
            return Ok(requester);
        }
        Err(refusal(&[scope]))
    }

    /// Checks that one of the scopes is held for this. Where it is held for something else only, the answer is the one
    /// for what does not exist.
    pub fn needs_for(
        &self,
        scopes: &[&str],
        subject: &Subject<'_>,
    ) -> Result<&Arc<Requester>, ApiError> {
        let requester = self.known()?;
        if scopes.iter().any(|scope| requester.may(scope, subject)) {
            return Ok(requester);
        }
        if scopes.iter().any(|scope| requester.scopes.holds(scope)) {
            return Err(ApiError::out_of_reach());
        }
        Err(refusal(scopes))
    }
}

/// Who the token of a request is of.
pub async fn by_token(hub: &Hub, parts: &Parts) -> Result<Option<Arc<Requester>>, ApiError> {
    match bearer(parts) {
        Some(token) => Ok(hub.store.requester_by_token(token).await?),
        None => Ok(None),
    }
}

fn refusal(scopes: &[&str]) -> ApiError {
    let message = format!(
        "Action is not authorized with current scopes; requires any of [{}]",
        scopes.join(", ")
    );
    ApiError::new(StatusCode::FORBIDDEN, message)
}
