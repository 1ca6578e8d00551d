//! Starting a server: the form with what the operator offers, and the page that shows how far it is.

use axum::extract::Path;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use hub_api::hub::Profile;
use serde::Serialize;
use serde_json::{Map, Value};

use super::ask::{Posted, Trouble, User, login_address, redirect};
use super::home::{PATIENCE, address, refused};
use super::{Nav, error};
use crate::name;
use crate::scope::Subject;
use crate::server::failure::Failure;
use crate::server::state::State;
use crate::server::{Outcome, Refusal, Wish, options};
use crate::spawner::ServerKey;
use crate::store::{server, user};

#[derive(Serialize)]
struct SpawnPage {
    action: String,
    for_user: Option<String>,
    server_name: String,
    profiles: Vec<Offer>,
    error: Option<String>,
    last_lines: Option<String>,
}

#[derive(Serialize)]
struct Offer {
    slug: String,
    display_name: String,
    description: String,
    size: String,
    chosen: bool,
}

#[derive(Serialize)]
struct PendingPage {
    heading: &'static str,
    message: String,
    percent: u8,
    progress_url: Option<String>,
    next: String,
    failed_url: String,
    script: String,
    events: Vec<String>,
}

#[derive(Serialize)]
struct NotRunningPage {
    for_user: Option<String>,
    server_name: String,
    failed: Option<String>,
    last_lines: Option<String>,
    spawn: String,
}

/// `GET /spawn`: one's default server.
pub async fn own(user: User) -> Result<Response, Trouble> {
    let key = key(user.name(), "");
    form(user, key).await
}

/// `GET /spawn/{user}`.
pub async fn default(user: User, Path(owner): Path<String>) -> Result<Response, Trouble> {
    form(user, key(&owner, "")).await
}

/// `GET /spawn/{user}/{server}`.
pub async fn named(
    user: User,
    Path((owner, server)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    form(user, key(&owner, &server)).await
}

/// `POST /spawn`.
pub async fn submit_own(posted: Posted) -> Result<Response, Trouble> {
    let key = key(posted.user.name(), "");
    submit(posted, key).await
}

/// `POST /spawn/{user}`.
pub async fn submit_default(
    Path(owner): Path<String>,
    posted: Posted,
) -> Result<Response, Trouble> {
    submit(posted, key(&owner, "")).await
}

/// `POST /spawn/{user}/{server}`.
pub async fn submit_named(
    Path((owner, server)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Trouble> {
    submit(posted, key(&owner, &server)).await
}

fn key(user: &str, server: &str) -> ServerKey {
    ServerKey {
        user: name::normalize_user(user),
        name: server.to_owned(),
    }
}

/// The groups of a server's owner, if the visitor may do this with the server; otherwise it is as if there were none.
pub(super) async fn allowed(
    user: &User,
    scope: &str,
    key: &ServerKey,
) -> Result<Option<Vec<String>>, Trouble> {
    let owner = key.user.clone();
    let found = user
        .ask
        .hub
        .store
        .read(move |connection| user::find(connection, &owner))
        .await?;
    let Some(owner) = found else {
        return Ok(None);
    };
    let subject = Subject::Server {
        user: &owner.name,
        groups: &owner.groups,
        name: &key.name,
    };
    Ok(user
        .requester()
        .may(scope, &subject)
        .then_some(owner.groups))
}

async fn form(user: User, key: ServerKey) -> Result<Response, Trouble> {
    let Some(groups) = allowed(&user, "start:servers", &key).await? else {
        return Ok(error::usual(&user.ask, StatusCode::NOT_FOUND));
    };
    let hub = &user.ask.hub;
    match hub.servers.state(&key) {
        State::Ready => {
            return Ok(user
                .ask
                .redirect(&user.ask.next().unwrap_or_else(|| hub.servers.url(&key))));
        }
        State::Spawning | State::Checking | State::Stopping => {
            return Ok(user.ask.redirect(&pending_address(&user, &key)));
        }
        State::Stopped => {}
    }
    let offers: Vec<&Profile> = options::offered(&hub.config.spawn, &groups).collect();
    // A start for somebody else is never made by following a link.
    if offers.len() > 1 || key.user != user.name() {
        return spawn_page(&user, &key, &groups, StatusCode::OK, None).await;
    }
    Ok(start(&user, &key, Wish::default(), user.ask.next()).await)
}

async fn submit(Posted { user, form }: Posted, key: ServerKey) -> Result<Response, Trouble> {
    let Some(groups) = allowed(&user, "start:servers", &key).await? else {
        return Ok(error::usual(&user.ask, StatusCode::NOT_FOUND));
    };
    let mut chosen = Map::new();
    if !form.get("profile").is_empty() {
        chosen.insert("profile".to_owned(), Value::from(form.get("profile")));
    }
    if let Err(why) = options::chosen(&user.ask.hub.config.spawn, &groups, &chosen) {
        return spawn_page(
            &user,
            &key,
            &groups,
            StatusCode::BAD_REQUEST,
            Some(sentence(&why)),
        )
        .await;
    }
    let wish = Wish {
        options: Some(chosen),
        ..Wish::default()
    };
    Ok(start(&user, &key, wish, user.ask.next()).await)
}

async fn spawn_page(
    user: &User,
    key: &ServerKey,
    groups: &[String],
    status: StatusCode,
    error: Option<String>,
) -> Result<Response, Trouble> {
    let hub = &user.ask.hub;
    let wanted = key.clone();
    let kept = hub
        .store
        .read(move |connection| server::find(connection, &wanted.user, &wanted.name))
        .await?;
    let last = kept
        .as_ref()
        .and_then(|server| server.user_options.get("profile"))
        .and_then(Value::as_str);
    let offered: Vec<&Profile> = options::offered(&hub.config.spawn, groups).collect();
    // As the last time, or the first one.
    let chosen = offered
        .iter()
        .position(|profile| Some(&*profile.slug) == last)
        .unwrap_or(0);
    let profiles = offered
        .iter()
        .enumerate()
        .map(|(at, profile)| Offer {
            slug: profile.slug.clone(),
            display_name: profile.display_name.clone(),
            description: profile.description.clone(),
            size: size(profile),
            chosen: at == chosen,
        })
        .collect();
    let page = SpawnPage {
        action: login_address(
            &address(hub, "spawn", key),
            &user.ask.next().unwrap_or_default(),
        ),
        for_user: (key.user != user.name()).then(|| key.user.clone()),
        server_name: key.name.clone(),
        profiles,
        error,
        last_lines: None,
    };
    Ok(user.ask.page(status, "spawn.html", Nav::Home, &page))
}

/// Memory and processors of a profile in words.
fn size(profile: &Profile) -> String {
    let memory = profile.mem_limit.map(|bytes| match bytes >> 20 {
        mib if mib >= 1024 && mib % 1024 == 0 => format!("{} GiB memory", mib >> 10),
        mib if mib >= 10 * 1024 => format!("{:.1} GiB memory", mib as f64 / 1024.0),
        mib => format!("{mib} MiB memory"),
    });
    let cpus = profile
        .cpu_limit
        .map(|cpus| format!("{cpus} CPU{}", if cpus == 1.0 { "" } else { "s" }));
    [memory, cpus]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// Starts a server, and sends the browser to it or to the page that shows how far it is.
pub(super) async fn start(
    user: &User,
    key: &ServerKey,
    wish: Wish,
    next: Option<String>,
) -> Response {
    let hub = &user.ask.hub;
    // The start goes on when this wait is over.
    match tokio::time::timeout(PATIENCE, hub.servers.start(key, wish)).await {
        Ok(Ok(Outcome::Done)) => user
            .ask
            .redirect(&next.unwrap_or_else(|| hub.servers.url(key))),
        Ok(Ok(Outcome::Pending) | Err(Refusal::Pending { .. } | Refusal::Running(_))) | Err(_) => {
            let pending = address(hub, "spawn-pending", key);
            user.ask
                .redirect(&login_address(&pending, &next.unwrap_or_default()))
        }
        Ok(Err(Refusal::Failed(failure))) => failed(user, key, &failure, &next.unwrap_or_default()),
        Ok(Err(refusal)) => refused(user, &refusal),
    }
}

fn pending_address(user: &User, key: &ServerKey) -> String {
    let pending = address(&user.ask.hub, "spawn-pending", key);
    login_address(&pending, &user.ask.next().unwrap_or_default())
}

/// `GET /spawn-pending/{user}`.
pub async fn pending_default(user: User, Path(owner): Path<String>) -> Result<Response, Trouble> {
    pending(user, key(&owner, "")).await
}

/// `GET /spawn-pending/{user}/{server}`.
pub async fn pending_named(
    user: User,
    Path((owner, server)): Path<(String, String)>,
) -> Result<Response, Trouble> {
    pending(user, key(&owner, &server)).await
}

async fn pending(user: User, key: ServerKey) -> Result<Response, Trouble> {
    if allowed(&user, "read:servers", &key).await?.is_none() {
        return Ok(error::usual(&user.ask, StatusCode::NOT_FOUND));
    }
    let hub = &user.ask.hub;
    let view = hub.servers.view(&key);
    let (heading, message, follows) = match view.state {
        State::Ready => {
            return Ok(redirect(
                StatusCode::FOUND,
                &user.ask.next().unwrap_or_else(|| hub.servers.url(&key)),
            ));
        }
        State::Stopped => {
            return Ok(match &view.failure {
                Some(failure) if view.failed_to_start => {
                    failed(&user, &key, failure, &user.ask.next().unwrap_or_default())
                }
                _ => not_running(
                    &user,
                    &key,
                    StatusCode::OK,
                    &user.ask.next().unwrap_or_default(),
                ),
            });
        }
        State::Stopping => (
            "The server is stopping",
            "It can be started again in a moment.",
            false,
        ),
        State::Spawning | State::Checking => {
            ("The server is starting", "Waiting for the server…", true)
        }
    };
    let events = hub.servers.events(&key);
    let last = events.last();
    let page = PendingPage {
        heading,
        message: last
            .filter(|_| follows)
            .map_or_else(|| message.to_owned(), |last| last.message.clone()),
        percent: last.map_or(0, |last| last.progress),
        progress_url: follows.then(|| progress_address(&user, &key)),
        next: user.ask.next().unwrap_or_else(|| hub.servers.url(&key)),
        failed_url: user
            .ask
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        script: hub.pages.script.clone(),
        events: events.iter().map(|event| event.message.clone()).collect(),
    };
    Ok(user
        .ask
        .page(StatusCode::OK, "pending.html", Nav::Home, &page))
}

fn progress_address(user: &User, key: &ServerKey) -> String {
    let server = match &*key.name {
        "" => "server".to_owned(),
        named => format!("servers/{}", name::escape(named)),
    };
    let owner = name::escape(&key.user);
    user.ask.at(&format!(
        "api/users/{owner}/{server}/progress?_xsrf={}",
        user.ask.xsrf()
    ))
}

/// A start that did not work, told to the owner, with a button that tries again and leads on to `next`.
fn failed(user: &User, key: &ServerKey, failure: &Failure, next: &str) -> Response {
    let lines = failure.last_lines();
    let page = NotRunningPage {
        for_user: (key.user != user.name()).then(|| key.user.clone()),
        server_name: key.name.clone(),
        failed: Some(sentence(&failure.to_string())),
        last_lines: (!lines.is_empty()).then(|| lines.join("\n")),
        spawn: login_address(&address(&user.ask.hub, "spawn", key), next),
    };
    let mut response = user
        .ask
        .page(failure.status(), "not_running.html", Nav::Home, &page);
    if let Some(seconds) = failure.retry_after() {
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// A server that does not run, with a button that starts it and leads on to `next`.
pub fn not_running(user: &User, key: &ServerKey, status: StatusCode, next: &str) -> Response {
    let hub = &user.ask.hub;
    let view = hub.servers.view(key);
    let failure = view.failure.as_ref();
    let lines = failure.map(Failure::last_lines).unwrap_or_default();
    let page = NotRunningPage {
        for_user: (key.user != user.name()).then(|| key.user.clone()),
        server_name: key.name.clone(),
        failed: failure.map(|failure| sentence(&failure.to_string())),
        last_lines: (!lines.is_empty()).then(|| lines.join("\n")),
        spawn: login_address(&address(hub, "spawn", key), next),
    };
    user.ask.page(status, "not_running.html", Nav::Home, &page)
}

/// A text that begins in lower case, as errors do, as a sentence.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    let rest = chars.as_str();
    let stop = if rest.ends_with(['.', '!', '?', '…']) {
        ""
    } else {
        "."
    };
    format!("{first}{rest}{stop}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_become_sentences() {
        for (text, expected) in [
            ("the unit was killed", "The unit was killed."),
            ("Done.", "Done."),
            ("élan vital!", "Élan vital!"),
        ] {
            assert_eq!(sentence(text), expected);
        }
    }

    #[test]
    fn sizes_are_told_in_words() {
        let profile = |mem: Option<u64>, cpu: Option<f64>| -> Profile {
            let mut profile: Profile =
                serde_json::from_value(serde_json::json!({"slug": "x", "display_name": "X"}))
                    .unwrap();
            profile.mem_limit = mem;
            profile.cpu_limit = cpu;
            profile
        };
        for (mem, cpu, expected) in [
            (None, None, ""),
            (Some(2 << 30), Some(1.0), "2 GiB memory, 1 CPU"),
            (Some(512 << 20), Some(0.5), "512 MiB memory, 0.5 CPUs"),
            (Some(1536 << 20), Some(2.0), "1536 MiB memory, 2 CPUs"),
        ] {
            assert_eq!(size(&profile(mem, cpu)), expected);
        }
    }
}
