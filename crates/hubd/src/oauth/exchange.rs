//! The token request: a code for a token.

use std::fmt;

use http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::pkce::Challenge;

/// What a client sends to the token endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Exchange {
    pub client_id: String,
    pub client_secret: String,
    pub code: String,
    /// The redirect URI the code was asked with; a client may leave it out if it left it out there.
    pub redirect_uri: Option<String>,
    pub verifier: Option<String>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{error}: {description}")]
pub struct ExchangeError {
    pub status: StatusCode,
    pub error: &'static str,
    pub description: &'static str,
}

impl ExchangeError {
    const fn new(error: &'static str, description: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description,
        }
    }

    /// The body of the answer.
    pub fn to_json(self) -> Value {
        json!({"error": self.error, "error_description": self.description})
    }
}

/// Unknown client, or a wrong secret: not told apart.
pub const INVALID_CLIENT: ExchangeError = ExchangeError {
    status: StatusCode::UNAUTHORIZED,
    error: "invalid_client",
    description: "The client is not known, or its secret is wrong.",
};

/// The code is unknown, used, expired, or another client's.
pub const INVALID_CODE: ExchangeError = ExchangeError::new(
    "invalid_grant",
    "The code is not valid: unknown, used already, or too old. Reload the page to get another.",
);

impl Exchange {
    /// Reads the form.
    pub fn parse(form: &[u8]) -> Result<Self, ExchangeError> {
        let mut pairs: Vec<(String, String)> = form_urlencoded::parse(form)
            .into_owned()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let mut take = |name: &str| -> Result<Option<String>, ExchangeError> {
            let mut found = None;
            for (_, value) in pairs.extract_if(.., |(key, _)| key == name) {
                if found.replace(value).is_some() {
                    return Err(ExchangeError::new(
                        "invalid_request",
                        "A parameter of the request is given twice.",
                    ));
                }
            }
            Ok(found)
        };
        match take("grant_type")?.as_deref() {
            Some("authorization_code") => {}
            Some(_) => {
                return Err(ExchangeError::new(
                    "unsupported_grant_type",
                    "The grant_type must be authorization_code.",
                ));
            }
            None => {
                return Err(ExchangeError::new(
                    "invalid_request",
                    "Missing grant_type parameter.",
                ));
            }
        }
        let (Some(client_id), Some(client_secret)) = (take("client_id")?, take("client_secret")?)
        else {
            return Err(INVALID_CLIENT);
        };
        let code = take("code")?.ok_or(ExchangeError::new(
            "invalid_request",
            "Missing code parameter.",
        ))?;
        Ok(Self {
            client_id,
            client_secret,
            code,
            redirect_uri: take("redirect_uri")?,
            verifier: take("code_verifier")?,
        })
    }

    /// Checks what the code was bound to: the redirect URI and the PKCE challenge.
    pub fn check(
        &self,
        redirect_uri: &str,
        challenge: Option<&Challenge>,
    ) -> Result<(), ExchangeError> {
        if self.redirect_uri.as_deref().unwrap_or(redirect_uri) != redirect_uri {
            return Err(ExchangeError::new(
                "invalid_request",
                "Mismatching redirect URI.",
            ));
        }
        match (challenge, self.verifier.as_deref()) {
            (None, None) => Ok(()),
            (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
            (Some(_), None) => Err(ExchangeError::new(
                "invalid_request",
                "Code verifier required.",
            )),
            // A verifier without a challenge is a challenge that somebody took away (RFC 9700, 2.1.1).
            (None, Some(_)) | (Some(_), Some(_)) => Err(ExchangeError::new(
                "invalid_grant",
                "The code verifier is not the one of the code challenge.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str =
        "client_id=c&client_secret=s&grant_type=authorization_code&code=x&redirect_uri=%2Fcb";

    #[test]
    fn a_form_is_read_and_its_errors_named() {
        let read = Exchange::parse(FORM.as_bytes()).unwrap();
        assert_eq!(read.redirect_uri.as_deref(), Some("/cb"));
        assert!(!format!("{read:?}").contains("client_secret"));
        for (form, error) in [
            ("client_id=c&client_secret=s&code=x", "invalid_request"),
            (
                "grant_type=password&client_id=c&client_secret=s",
                "unsupported_grant_type",
            ),
            (
                "grant_type=authorization_code&client_id=c&code=x",
                "invalid_client",
            ),
            (
                "grant_type=authorization_code&client_id=c&client_secret=s",
                "invalid_request",
            ),
            (
                "grant_type=authorization_code&client_id=c&client_secret=s&code=x&code=y",
                "invalid_request",
            ),
        ] {
            assert_eq!(
                Exchange::parse(form.as_bytes()).unwrap_err().error,
                error,
                "{form}"
            );
        }
    }

    #[test]
    fn a_code_is_bound_to_its_redirect_uri_and_challenge() {
        let plain = Exchange::parse(FORM.as_bytes()).unwrap();
        assert_eq!(plain.check("/cb", None), Ok(()));
        assert_eq!(
            plain.check("/other", None).unwrap_err().error,
            "invalid_request"
        );
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert_eq!(
            plain
                .check("/cb", Some(&challenge))
                .unwrap_err()
                .description,
            "Code verifier required."
        );
        let mut proven = plain.clone();
        proven.verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(proven.check("/cb", Some(&challenge)), Ok(()));
        assert_eq!(
            proven.check("/cb", None).unwrap_err().error,
            "invalid_grant"
        );
        proven.verifier = Some("wrong".to_owned());
        assert_eq!(
            proven.check("/cb", Some(&challenge)).unwrap_err().error,
            "invalid_grant"
        );
    }
}
