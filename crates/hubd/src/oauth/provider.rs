//! The provider's two endpoints, as far as they do not speak HTTP.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::authorization::{self, Authorization, ClientError, Rejection};
use super::exchange::{self, Exchange, ExchangeError};
use super::grant::{self, Denial, Grant};
use super::pkce::Challenge;
use crate::store::oauth::{self, Client, Code};
use crate::store::requester::Requester;
use crate::store::secret::{TokenHash, new_token};
use crate::store::token::{self, MintError, New, OwnerId};
use crate::store::{Store, StoreError};

/// How long a code is good.
const CODE_LIFE: Duration = Duration::from_secs(300);

/// What becomes of an authorization request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The visitor goes back to the client, with a code or an error.
    Back(String),
    /// The visitor is asked.
    Ask(Box<Question>),
    /// The visitor may not go there.
    Forbidden { description: String },
    /// The request is not one that a client makes.
    Bad(&'static str),
}

/// What the visitor is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What the client is: "Server at /user/alice/".
    pub description: String,
    pub redirect_uri: String,
    pub grant: Grant,
}

/// What the visitor said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// Not asked yet.
    NotAsked,
    /// Yes, to the scopes that the form named.
    Given(Vec<String>),
}

/// Decides on an authorization request of a visitor whose session is `session_id`.
pub async fn authorize(
    store: &Store,
    visitor: &Requester,
    session_id: &str,
    query: &str,
    consent: Consent,
) -> Result<Decision, StoreError> {
    let (visitor, session_id, query) = (visitor.clone(), session_id.to_owned(), query.to_owned());
    let (catalog, now) = (store.catalog().clone(), store.clock().now());
    store
        .note(move |connection| {
            let identifier = match authorization::client_id(&query) {
                Ok(identifier) => identifier,
                Err(rejection) => return Ok(reject(rejection)),
            };
            let client = oauth::find_client(connection, &identifier)?;
            let registered = client.as_ref().map(|client| client.redirect_uri.as_str());
            let authorization = match authorization::check(&query, registered) {
                Ok(authorization) => authorization,
                Err(rejection) => return Ok(reject(rejection)),
            };
            let Some(client) = client else {
                return Ok(Decision::Bad("Invalid client_id parameter value."));
            };
            let decided =
                grant::decide(connection, &catalog, now, &visitor, &client, &authorization)?;
            let mut granted = match decided {
                Ok(granted) => granted,
                Err(denial) => return Ok(deny(denial, &client, &authorization)),
            };
            match consent {
                Consent::NotAsked if granted.ask => {
                    return Ok(Decision::Ask(Box::new(Question {
                        description: client.description,
                        redirect_uri: client.redirect_uri,
                        grant: granted,
                    })));
                }
                Consent::NotAsked => {}
                Consent::Given(named) => granted.keep_named(&named),
            }
            let Some(user_id) = visitor.user_id() else {
                return Ok(Decision::Bad("Only users can be known to an application."));
            };
            let code = new_token();
            let challenge = authorization.challenge.as_ref();
            let kept = Code {
                client_id: identifier,
                user_id,
                session_id: Some(session_id),
                redirect_uri: authorization.redirect_uri.clone(),
                scopes: granted.scopes,
                code_challenge: challenge.map(|challenge| challenge.as_str().to_owned()),
                code_challenge_method: challenge.map(|_| "S256".to_owned()),
                expires_at: now.after(CODE_LIFE),
            };
            oauth::create_code(connection, &TokenHash::of(&code), &kept)?;
            Ok(Decision::Back(authorization.granted(&code)))
        })
        .await
}

fn reject(rejection: Rejection) -> Decision {
    match rejection {
        Rejection::Page(text) => Decision::Bad(text),
        Rejection::Client(error) => Decision::Back(error.location()),
    }
}

fn deny(denial: Denial, client: &Client, authorization: &Authorization) -> Decision {
    match denial {
        Denial::NoAccess => Decision::Forbidden {
            description: client.description.clone(),
        },
        Denial::Scope(scopes) => {
            tracing::warn!(
                client = client.identifier,
                ?scopes,
                "asked for scopes that it may not have"
            );
            let error = ClientError {
                redirect_uri: authorization.redirect_uri.clone(),
                state: authorization.state.clone(),
                error: "invalid_scope",
                description: "The client may not have a scope that it asked for.",
            };
            Decision::Back(error.location())
        }
    }
}

/// A token that was issued.
pub struct Issued {
    pub access_token: String,
    pub expires_in: Duration,
    pub scopes: Vec<String>,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(transparent)]
    Refused(#[from] ExchangeError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes a code and gives a token for it. The token lives as long as a session may, and ends with the session that the
/// code was given in.
pub async fn issue(store: &Store, request: Exchange, life: Duration) -> Result<Issued, IssueError> {
    let (catalog, now) = (store.catalog().clone(), store.clock().now());
    let outcome = store
        .note(move |connection| {
            let client = oauth::find_client(connection, &request.client_id)?;
            let given = TokenHash::of(&request.client_secret).0;
            // An unknown client takes as long as a wrong secret.
            let secret = client.as_ref().map_or([0; 32], |client| client.secret);
            let matches = bool::from(given.ct_eq(&secret));
            let Some(client) = client.filter(|_| matches) else {
                return Ok(Err(exchange::INVALID_CLIENT));
            };
            let taken = oauth::take_code(connection, &TokenHash::of(&request.code), now)?;
            let code = match taken {
                Some(code) if code.client_id == client.identifier => code,
                _ => return Ok(Err(exchange::INVALID_CODE)),
            };
            let challenge = code.code_challenge.as_deref().and_then(Challenge::parse);
            if let Err(error) = request.check(&code.redirect_uri, challenge.as_ref()) {
                return Ok(Err(error));
            }
            let new = New {
                scopes: Some(code.scopes.clone()),
                expires_in: Some(life),
                client_id: Some(&client.identifier),
                session_id: code.session_id.as_deref(),
                ..New::of(OwnerId::User(code.user_id), "")
            };
            let (access_token, _) = match token::mint(connection, &catalog, now, &new) {
                Ok(minted) => minted,
                // What he held five minutes ago he holds no more.
                Err(MintError::Excess { .. } | MintError::Owner) => {
                    return Ok(Err(exchange::INVALID_CODE));
                }
                Err(error) => return Err(IssueError::from(error)),
            };
            Ok(Ok(Issued {
                access_token,
                expires_in: life,
                scopes: code.scopes,
            }))
        })
        .await?;
    // The code is used up even where the answer is no: the transaction is not rolled back.
    outcome.map_err(IssueError::from)
}
