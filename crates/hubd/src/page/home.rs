//! Home: one's servers, and the way in.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::Nav;
use super::ask::{Posted, Trouble, User};
use super::error;
use super::moment::Moment;
use crate::app::Hub;
use crate::clock::Timestamp;
use crate::name;
use crate::server::state::State;
use crate::server::{Outcome, Refusal, Wish};
use crate::spawner::ServerKey;
use crate::store::server::{self, Server};

/// How long a page waits for a start or a stop before it shows that it is on its way.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);

/// A server as pages show it.
#[derive(Debug, Serialize)]
pub(super) struct Card {
    /// "" for the default one.
    pub name: String,
    pub state: &'static str,
    pub started: Option<Moment>,
    pub last_activity: Option<Moment>,
    pub href: String,
    pub pending: String,
    pub spawn: String,
    /// How many of its processes were killed for want of memory.
    pub memory_kills: u64,
}

impl Card {
    /// A server, as the store knows it if it does.
    pub(super) fn new(hub: &Hub, key: &ServerKey, kept: Option<&Server>, now: Timestamp) -> Self {
        let state = hub.servers.state(key);
        let at = |page: &str| address(hub, page, key);
        Self {
            name: key.name.clone(),
            state: word(state),
            started: kept
                .and_then(|server| server.started)
                .map(|at| Moment::new(at, now)),
            last_activity: kept
                .and_then(|server| server.last_activity)
                .map(|at| Moment::new(at, now)),
            href: hub.servers.url(key),
            pending: at("spawn-pending"),
            spawn: at("spawn"),
            memory_kills: 0,
        }
    }

    /// Whether it soon will be in another state.
    pub(super) fn is_changing(&self) -> bool {
        matches!(self.state, "starting" | "stopping")
    }
}

/// A page of the hub about a server: `{base}hub/PAGE/USER[/SERVER]`.
pub(super) fn address(hub: &Hub, page: &str, key: &ServerKey) -> String {
    let mut address = format!("{}/{page}/{}", hub.prefix(), name::escape(&key.user));
    if !key.name.is_empty() {
        address.push('/');
        address.push_str(&name::escape(&key.name));
    }
    address
}

fn word(state: State) -> &'static str {
    match state {
        State::Stopped => "stopped",
        State::Spawning | State::Checking => "starting",
        State::Ready => "running",
        State::Stopping => "stopping",
    }
}

#[derive(Serialize)]
struct HomePage {
    server: Card,
    named: Option<Named>,
    services: Vec<Service>,
    is_changing: bool,
}

#[derive(Serialize)]
struct Named {
    servers: Vec<Card>,
    limit: u32,
    may_add: bool,
}

#[derive(Serialize)]
struct Service {
    name: String,
    href: String,
}

/// `GET /`: to the server, starting it; or home, where the operator wants it so.
pub async fn entrance(user: User) -> Response {
    let hub = &user.ask.hub;
    let key = ServerKey {
        user: user.name().to_owned(),
        name: String::new(),
    };
    let to = if hub.config.pages.home_first {
        user.ask.at("home")
    } else if hub.servers.state(&key) == State::Ready {
        hub.servers.url(&key)
    } else {
        user.ask.at("spawn")
    };
    user.ask.redirect(&to)
}

/// `GET /home`.
pub async fn page(user: User) -> Result<Response, Trouble> {
    let hub = user.ask.hub.clone();
    let now = hub.clock.now();
    let id = user.requester().user_id().unwrap_or_default();
    let kept = hub
        .store
        .read(move |connection| server::of_user(connection, id))
        .await?;
    let card = async |name: &str| {
        let key = ServerKey {
            user: user.name().to_owned(),
            name: name.to_owned(),
        };
        let kept = kept.iter().find(|server| server.name == name);
        Card {
            memory_kills: hub.servers.memory_kills(&key).await,
            ..Card::new(&hub, &key, kept, now)
        }
    };
    let own = card("").await;
    let config = &hub.config.named_servers;
    let named = if config.allow {
        let names = kept.iter().filter(|one| !one.name.is_empty());
        let servers: Vec<Card> = join_all(names.map(|one| card(&one.name))).await;
        let may_add = config.limit == 0 || servers.len() < config.limit as usize;
        Some(Named {
            servers,
            limit: config.limit,
            may_add,
        })
    } else {
        None
    };
    let is_changing = own.is_changing()
        || named
            .as_ref()
            .is_some_and(|named| named.servers.iter().any(Card::is_changing));
    let services = hub
        .config
        .services
        .iter()
        .filter(|service| service.display && service.url.is_some())
        .map(|service| Service {
            name: service.name.clone(),
            href: format!(
                "{}services/{}/",
                hub.config.base_url,
                name::escape(&service.name)
            ),
        })
        .collect();
    let page = HomePage {
        server: own,
        named,
        services,
        is_changing,
    };
    Ok(user.ask.page(StatusCode::OK, "home.html", Nav::Home, &page))
}

/// `POST /home/stop`.
pub async fn stop(Posted { user, form }: Posted) -> Response {
    let key = ServerKey {
        user: user.name().to_owned(),
        name: form.get("name").to_owned(),
    };
    let stopped = tokio::time::timeout(PATIENCE, user.ask.hub.servers.stop(&key)).await;
    let done = match stopped {
        Ok(Ok(Outcome::Done)) => "stopped",
        Ok(Ok(Outcome::Pending)) | Err(_) => "stopping",
        Ok(Err(refusal)) => return refused(&user, &refusal),
    };
    user.ask
        .redirect(&format!("{}?done={done}", user.ask.at("home")))
}

/// `POST /home/remove`: a named server.
pub async fn remove(Posted { user, form }: Posted) -> Response {
    let key = ServerKey {
        user: user.name().to_owned(),
        name: form.get("name").to_owned(),
    };
    match user.ask.hub.servers.remove(&key).await {
        Ok(_) => user
            .ask
            .redirect(&format!("{}?done=removed", user.ask.at("home"))),
        Err(refusal) => refused(&user, &refusal),
    }
}

/// `POST /home/servers`: a new named server, started.
pub async fn add(Posted { user, form }: Posted) -> Response {
    let typed = form.get("name").trim();
    let Some(name) = server_name(typed) else {
        let text = "A server’s name needs a letter, and has letters, digits and hyphens: up to 30 of them.";
        return error::page(&user.ask, StatusCode::BAD_REQUEST, text);
    };
    let key = ServerKey {
        user: user.name().to_owned(),
        name,
    };
    if !user.ask.hub.config.spawn.profiles.is_empty() {
        return user.ask.redirect(&address(&user.ask.hub, "spawn", &key));
    }
    let wish = Wish {
        display_name: (typed != key.name).then(|| typed.to_owned()),
        ..Wish::default()
    };
    super::spawn::start(&user, &key, wish, None).await
}

/// The name of a server that was typed as one likes: `My Lab 2` becomes `my-lab-2`.
fn server_name(typed: &str) -> Option<String> {
    let mut name = String::new();
    for c in typed.to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name = name.trim_end_matches('-').to_owned();
    name::is_valid_server(&name).then_some(name)
}

/// Why a server was not started or stopped, on a page.
pub(super) fn refused(user: &User, refusal: &Refusal) -> Response {
    if let Refusal::Store(error) = refusal {
        tracing::error!(%error, "starting or stopping a server");
        return Trouble::Internal.into_response();
    }
    let text = super::spawn::sentence(&refusal.to_string());
    let mut response = error::page(&user.ask, refusal.status(), &text);
    if let Some(seconds) = refusal.retry_after() {
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers_are_made_from_what_is_typed() {
        for (typed, expected) in [
            ("work", Some("work")),
            ("My Lab 2", Some("my-lab-2")),
            ("  Übung / 3 ", Some("bung-3")),
            ("a--b", Some("a-b")),
            ("2nd", None),
            ("---", None),
            ("", None),
            ("日本", None),
        ] {
            assert_eq!(server_name(typed).as_deref(), expected, "{typed:?}");
        }
    }
}
