//! What a login at a provider must remember between leaving and coming back: a signed cookie of ten minutes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::session::key::Key;

/// The cookie's name; it lies on the hub's own path, so that no server sees it.
pub const COOKIE: &str = "hubd-oauth-state";
/// How long a login at the provider may take.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// One login that is under way at a provider.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Which provider.
    pub provider: String,
    /// What comes back in the address.
    pub state: String,
    /// What comes back in the ID token.
    pub nonce: String,
    /// PKCE's verifier, whose hash went to the provider.
    pub verifier: String,
    /// The page to go to afterwards.
    pub next: Option<String>,
    /// When it began, in Unix seconds.
    pub began: i64,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flow")
            .field("provider", &self.provider)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Why a login that comes back from a provider is none that left here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// The cookie is missing, forged, or another key's.
    #[error("this browser began no login here, or it was too long ago: log in again")]
    Unknown,
    /// It came back too late.
    #[error("the login took longer than ten minutes: log in again")]
    Late,
    /// The state in the address is not the one that left.
    #[error("the login belongs to another window of this browser: log in again")]
    State,
}

/// Signs and reads the cookie.
#[derive(Debug, Clone)]
pub struct Flows(Key);

impl Flows {
    /// With its own key, made from the hub's.
    pub fn new(key: &Key) -> Self {
        Self(key.purpose("oauth-state"))
    }

    /// The cookie's value.
    pub fn seal(&self, flow: &Flow) -> String {
        let body = serde_json::to_vec(flow).unwrap_or_default();
        let signature = self.0.sign(&[&body]);
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(&body),
            URL_SAFE_NO_PAD.encode(signature)
        )
    }

    /// The login that the cookie tells of, if it is ours, young enough, and the one of that `state`.
    pub fn open(&self, cookie: &str, state: &str, now: i64) -> Result<Flow, FlowError> {
        let (body, signature) = cookie
            .split_once('.')
            .and_then(|(body, signature)| {
                Some((
                    URL_SAFE_NO_PAD.decode(body).ok()?,
                    URL_SAFE_NO_PAD.decode(signature).ok()?,
                ))
            })
            .ok_or(FlowError::Unknown)?;
        if !self.0.verifies(&[&body], &signature) {
            return Err(FlowError::Unknown);
        }
        let flow: Flow = serde_json::from_slice(&body).map_err(|_| FlowError::Unknown)?;
        let age = now.saturating_sub(flow.began);
        if !(0..=LIFETIME.as_secs().cast_signed()).contains(&age) {
            return Err(FlowError::Late);
        }
        if !bool::from(flow.state.as_bytes().ct_eq(state.as_bytes())) {
            return Err(FlowError::State);
        }
        Ok(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_login_that_left_may_come_back() {
        let flows = Flows::new(&Key::generate());
        let flow = Flow {
            provider: "uni".to_owned(),
            state: "s".to_owned(),
            nonce: "n".to_owned(),
            verifier: "v".to_owned(),
            next: Some("/hub/spawn".to_owned()),
            began: 1000,
        };
        let sealed = flows.seal(&flow);
        assert_eq!(flows.open(&sealed, "s", 1000), Ok(flow.clone()));
        assert_eq!(flows.open(&sealed, "s", 1600), Ok(flow.clone()));
        assert_eq!(flows.open(&sealed, "s", 1601), Err(FlowError::Late));
        assert_eq!(flows.open(&sealed, "s", 999), Err(FlowError::Late));
        assert_eq!(flows.open(&sealed, "other", 1000), Err(FlowError::State));
        assert_eq!(flows.open(&sealed, "", 1000), Err(FlowError::State));
        assert_eq!(
            Flows::new(&Key::generate()).open(&sealed, "s", 1000),
            Err(FlowError::Unknown)
        );
        let (body, signature) = sealed.split_once('.').unwrap();
        let other = flows.seal(&Flow {
            next: Some("//evil.example".to_owned()),
            ..flow
        });
        let (evil, _) = other.split_once('.').unwrap();
        for broken in [
            "",
            ".",
            body,
            &format!("{evil}.{signature}"),
            &format!("{body}."),
            "é",
        ] {
            assert_eq!(
                flows.open(broken, "s", 1000),
                Err(FlowError::Unknown),
                "{broken}"
            );
        }
    }
}
