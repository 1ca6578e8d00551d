//! The authorization request: what a client asks of the visitor, checked before anybody is asked.

use url::form_urlencoded;

use super::pkce::Challenge;

/// A request that may be shown to the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    pub client_id: String,
    /// The client's registered redirect URI; often a path only.
    pub redirect_uri: String,
    /// What the client wants back unchanged.
    pub state: Option<String>,
    /// The scopes asked for; `None`: whatever the client may have.
    pub scopes: Option<Vec<String>>,
    pub challenge: Option<Challenge>,
}

/// Why a request goes no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The client cannot be trusted with an answer: the visitor sees a page.
    #[error("{0}")]
    Page(&'static str),
    /// The client is told, at its redirect URI.
    #[error("{}", .0.description)]
    Client(ClientError),
}

/// An error that goes to the client's redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    pub redirect_uri: String,
    pub state: Option<String>,
    /// One of RFC 6749's codes.
    pub error: &'static str,
    pub description: &'static str,
}

impl ClientError {
    /// Where the visitor is sent with it.
    pub fn location(&self) -> String {
        let mut pairs = vec![
            ("error", self.error),
            ("error_description", self.description),
        ];
        pairs.extend(self.state.as_deref().map(|state| ("state", state)));
        with_query(&self.redirect_uri, &pairs)
    }
}

/// The parameters of a request, each given once.
#[derive(Debug)]
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(query: &str) -> Result<Self, Rejection> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        const KNOWN: [&str; 7] = [
            "client_id",
            "redirect_uri",
            "response_type",
            "state",
            "scope",
            "code_challenge",
            "code_challenge_method",
        ];
        for name in KNOWN {
            if pairs.iter().filter(|(key, _)| key == name).count() > 1 {
                return Err(Rejection::Page(
                    "A parameter of the request is given twice.",
                ));
            }
        }
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Names the client of a request, so that its registration can be looked up.
pub fn client_id(query: &str) -> Result<String, Rejection> {
    Parameters::parse(query)?
        .get("client_id")
        .map(str::to_owned)
        .ok_or(Rejection::Page("Missing client_id parameter."))
}

/// Checks a request against its client's registered redirect URI. `registered` is `None` if there is no such client.
pub fn check(query: &str, registered: Option<&str>) -> Result<Authorization, Rejection> {
    let parameters = Parameters::parse(query)?;
    let client_id = client_id(query)?;
    let registered = registered.ok_or(Rejection::Page("Invalid client_id parameter value."))?;
    // Compared as text: a path is as good as a URL, and nothing that merely means the same passes.
    let redirect_uri = parameters.get("redirect_uri").unwrap_or(registered);
    if redirect_uri != registered {
        return Err(Rejection::Page("Mismatching redirect URI."));
    }
    let state = parameters.get("state").map(str::to_owned);
    let refuse = |error, description| {
        Err(Rejection::Client(ClientError {
            redirect_uri: redirect_uri.to_owned(),
            state: state.clone(),
            error,
            description,
        }))
    };
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return refuse(
                "unsupported_response_type",
                "The response_type must be code.",
            );
        }
        None => return refuse("invalid_request", "Missing response_type parameter."),
    }
    let challenge = match (
        parameters.get("code_challenge"),
        parameters.get("code_challenge_method"),
    ) {
        (None, _) => None,
        (Some(challenge), Some("S256")) => match Challenge::parse(challenge) {
            Some(challenge) => Some(challenge),
            None => return refuse("invalid_request", "The code_challenge is not one of S256."),
        },
        (Some(_), _) => {
            return refuse("invalid_request", "The code_challenge_method must be S256.");
        }
    };
    let scopes = parameters
        .get("scope")
        .map(|scopes| scopes.split_whitespace().map(str::to_owned).collect());
    Ok(Authorization {
        client_id,
        redirect_uri: redirect_uri.to_owned(),
        state,
        scopes,
        challenge,
    })
}

impl Authorization {
    /// Where the visitor is sent with the code.
    pub fn granted(&self, code: &str) -> String {
        let mut pairs = vec![("code", code)];
        pairs.extend(self.state.as_deref().map(|state| ("state", state)));
        with_query(&self.redirect_uri, &pairs)
    }
}

/// A URI, or a path, with more in its query.
fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{uri}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLBACK: &str = "/user/alice/oauth_callback";

    #[test]
    fn the_requests_of_both_majors_pass() {
        let five = "client_id=jupyterhub-user-alice&redirect_uri=%2Fuser%2Falice%2Foauth_callback\
                    &response_type=code&state=eyJ1";
        let six = format!(
            "{five}&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
        );
        let checked = check(five, Some(CALLBACK)).unwrap();
        assert_eq!(checked.client_id, "jupyterhub-user-alice");
        assert_eq!(checked.challenge, None);
        assert_eq!(
            checked.granted("c0de"),
            "/user/alice/oauth_callback?code=c0de&state=eyJ1"
        );
        assert!(check(&six, Some(CALLBACK)).unwrap().challenge.is_some());
    }

    #[test]
    fn what_the_visitor_is_shown_and_what_the_client_is_told() {
        let base = "client_id=c&response_type=code";
        for (query, registered, page) in [
            (
                "response_type=code",
                Some(CALLBACK),
                "Missing client_id parameter.",
            ),
            (base, None, "Invalid client_id parameter value."),
            (
                "client_id=c&response_type=code&redirect_uri=/user/alice/oauth_callback/",
                Some(CALLBACK),
                "Mismatching redirect URI.",
            ),
            (
                "client_id=c&response_type=code&redirect_uri=//evil.example/user/alice/oauth_callback",
                Some(CALLBACK),
                "Mismatching redirect URI.",
            ),
            (
                "client_id=c&client_id=d&response_type=code",
                Some(CALLBACK),
                "A parameter of the request is given twice.",
            ),
        ] {
            assert_eq!(
                check(query, registered),
                Err(Rejection::Page(page)),
                "{query}"
            );
        }
        for (query, error) in [
            ("client_id=c&state=s", "invalid_request"),
            (
                "client_id=c&state=s&response_type=token",
                "unsupported_response_type",
            ),
            (
                "client_id=c&state=s&response_type=code&code_challenge=abc&code_challenge_method=plain",
                "invalid_request",
            ),
            (
                "client_id=c&state=s&response_type=code&code_challenge=abc&code_challenge_method=S256",
                "invalid_request",
            ),
        ] {
            let Err(Rejection::Client(told)) = check(query, Some(CALLBACK)) else {
                panic!("{query}");
            };
            assert_eq!(told.error, error, "{query}");
            let location = told.location();
            assert!(location.starts_with("/user/alice/oauth_callback?error="));
            assert!(location.ends_with("&state=s"), "{location}");
        }
    }

    #[test]
    fn a_query_of_the_redirect_uri_is_kept() {
        let uri = "https://service.example/callback?tenant=1";
        let query = "client_id=c&response_type=code";
        let checked = check(query, Some(uri)).unwrap();
        assert_eq!(checked.granted("x"), format!("{uri}&code=x"));
    }
}
