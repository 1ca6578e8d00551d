//! Tokens: made, listed and revoked by their owner; and the applications that got some.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::Nav;
use super::ask::{Fields, Posted, Trouble, User};
use super::moment::Moment;
use super::spawn::sentence;
use crate::clock::Timestamp;
use crate::store::token::{self, MintError, New, OwnerId, Token};

/// Lifetimes to choose from, in seconds; 0: no end.
const LIFETIMES: &[(u64, &str)] = &[
    (3600, "one hour"),
    (86_400, "one day"),
    (604_800, "one week"),
    (2_592_000, "30 days"),
    (31_536_000, "one year"),
    (0, "as long as you are a user"),
];
/// The one that is chosen at first.
const USUAL: u64 = 2_592_000;

#[derive(Serialize)]
struct TokensPage {
    created: Option<String>,
    error: Option<String>,
    note: String,
    scopes: String,
    lifetimes: Vec<Lifetime>,
    tokens: Vec<Row>,
    apps: Vec<App>,
}

#[derive(Serialize)]
struct Lifetime {
    seconds: u64,
    text: &'static str,
    chosen: bool,
}

#[derive(Serialize)]
struct Row {
    id: String,
    note: String,
    scopes: String,
    created: Moment,
    last_activity: Option<Moment>,
    expires_at: Option<Moment>,
}

#[derive(Serialize)]
struct App {
    id: String,
    name: String,
    tokens: usize,
    created: Moment,
    last_activity: Option<Moment>,
}

/// What the form says that is shown with the list.
#[derive(Default)]
struct Said {
    created: Option<String>,
    error: Option<String>,
    note: String,
    scopes: String,
}

/// `GET /token`.
pub async fn page(user: User) -> Result<Response, Trouble> {
    list(&user, StatusCode::OK, Said::default()).await
}

async fn list(user: &User, status: StatusCode, said: Said) -> Result<Response, Trouble> {
    let hub = &user.ask.hub;
    let now = hub.clock.now();
    let owner = user.requester().owner_id();
    let mut tokens = hub
        .store
        .read(move |connection| token::list(connection, owner, now))
        .await?;
    tokens.sort_by_key(|token| std::cmp::Reverse(token.created));
    let longest = hub.config.tokens.expires_in_max;
    let fits = |seconds: u64| longest == 0 || (seconds != 0 && seconds <= longest);
    let usual = if fits(USUAL) {
        USUAL
    } else {
        LIFETIMES
            .iter()
            .rev()
            .map(|(s, _)| *s)
            .find(|s| fits(*s))
            .unwrap_or(0)
    };
    let page = TokensPage {
        created: said.created,
        error: said.error,
        note: said.note,
        scopes: said.scopes,
        lifetimes: LIFETIMES
            .iter()
            .filter(|(seconds, _)| fits(*seconds))
            .map(|(seconds, text)| Lifetime {
                seconds: *seconds,
                text,
                chosen: *seconds == usual,
            })
            .collect(),
        tokens: tokens
            .iter()
            .filter(|token| token.client.is_none())
            .map(|token| row(token, now))
            .collect(),
        apps: apps(&tokens, now),
    };
    Ok(user.ask.page(status, "tokens.html", Nav::Tokens, &page))
}

fn row(token: &Token, now: Timestamp) -> Row {
    let inherits = token.scopes.iter().any(|scope| scope == "inherit");
    Row {
        id: token.api_id(),
        note: if token.note.is_empty() {
            "(no note)".to_owned()
        } else {
            token.note.clone()
        },
        scopes: if inherits {
            String::new()
        } else {
            token.scopes.join(" ")
        },
        created: Moment::new(token.created, now),
        last_activity: token.last_activity.map(|at| Moment::new(at, now)),
        expires_at: token.expires_at.map(|at| Moment::new(at, now)),
    }
}

/// Tokens that applications got, by application.
fn apps(tokens: &[Token], now: Timestamp) -> Vec<App> {
    let mut by_client: BTreeMap<&str, (&str, Vec<&Token>)> = BTreeMap::new();
    for token in tokens {
        if let Some(client) = &token.client {
            let entry = by_client
                .entry(&client.identifier)
                .or_insert((&client.description, Vec::new()));
            entry.1.push(token);
        }
    }
    by_client
        .into_iter()
        .filter_map(|(id, (name, tokens))| {
            let created = tokens.iter().map(|token| token.created).min()?;
            let last_activity = tokens.iter().filter_map(|token| token.last_activity).max();
            Some(App {
                id: id.to_owned(),
                name: if name.is_empty() {
                    id.to_owned()
                } else {
                    name.to_owned()
                },
                tokens: tokens.len(),
                created: Moment::new(created, now),
                last_activity: last_activity.map(|at| Moment::new(at, now)),
            })
        })
        .collect()
}

/// `POST /token`. The answer is the page itself: the token is shown once, and is nowhere in an address.
pub async fn create(Posted { user, form }: Posted) -> Result<Response, Trouble> {
    let note = form.get("note").trim().to_owned();
    let scopes = form.get("scopes").trim().to_owned();
    match mint(&user, &form, &note, &scopes).await {
        Ok(created) => {
            list(
                &user,
                StatusCode::OK,
                Said {
                    created: Some(created),
                    ..Said::default()
                },
            )
            .await
        }
        Err(MintError::Store(error)) => Err(error.into()),
        Err(error) => {
            let error = Some(sentence(&error.to_string()));
            list(
                &user,
                StatusCode::BAD_REQUEST,
                Said {
                    error,
                    note,
                    scopes,
                    created: None,
                },
            )
            .await
        }
    }
}

async fn mint(user: &User, form: &Fields, note: &str, scopes: &str) -> Result<String, MintError> {
    let hub = &user.ask.hub;
    let longest = hub.config.tokens.expires_in_max;
    let asked = form.get("expires_in").parse().unwrap_or(USUAL);
    let seconds = if longest > 0 && (asked == 0 || asked > longest) {
        longest
    } else {
        asked
    };
    let scopes: Vec<String> = scopes
        .split([' ', ',', '\n'])
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect();
    let note = if note.is_empty() {
        "Requested on the tokens page".to_owned()
    } else {
        note.chars().take(255).collect()
    };
    let (store, now, owner) = (
        hub.store.clone(),
        hub.clock.now(),
        user.requester().owner_id(),
    );
    hub.store
        .note(move |connection| {
            let new = New {
                scopes: (!scopes.is_empty()).then_some(scopes),
                expires_in: (seconds > 0).then(|| Duration::from_secs(seconds)),
                ..New::of(owner, &note)
            };
            token::mint(connection, store.catalog(), now, &new).map(|(secret, _)| secret)
        })
        .await
}

/// `POST /token/revoke`: a token of one's own, or all that an application got.
pub async fn revoke(Posted { user, form }: Posted) -> Result<Response, Trouble> {
    let hub = &user.ask.hub;
    let owner = user.requester().owner_id();
    let app = form.get("app").to_owned();
    let done = if app.is_empty() {
        let Some(id) = form
            .get("id")
            .strip_prefix('a')
            .and_then(|id| id.parse::<i64>().ok())
        else {
            return Ok(super::error::usual(&user.ask, StatusCode::NOT_FOUND));
        };
        let revoked = hub
            .store
            .write(move |connection| {
                // Whose it is, is looked at where it is deleted: another's is as good as none.
                let mine =
                    token::find_id(connection, id)?.is_some_and(|token| token.owner == owner);
                if mine {
                    token::delete(connection, id)?;
                }
                Ok::<_, crate::store::StoreError>(mine)
            })
            .await?;
        if !revoked {
            return Ok(super::error::usual(&user.ask, StatusCode::NOT_FOUND));
        }
        "revoked"
    } else {
        let OwnerId::User(id) = owner else {
            return Ok(Trouble::Internal.into_response());
        };
        hub.store
            .write(move |connection| token::delete_of_client(connection, id, &app))
            .await?;
        "app-revoked"
    };
    Ok(user
        .ask
        .redirect(&format!("{}?done={done}", user.ask.at("token"))))
}
