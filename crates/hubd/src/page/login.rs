//! Login and logout: by the form, by a provider.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::ask::{Ask, PostedByAnyone, Trouble, login_address};
use super::{Nav, error};
use crate::app::Hub;
use crate::auth::provider::flow::{COOKIE, Flow, LIFETIME};
use crate::auth::provider::{Departure, Provider};
use crate::auth::{AccountError, ArrivalError, Attempt, Identity, Refusal, Subject, normalised};
use crate::session::cookie::{self, Cookie};
use crate::store::{StoreError, group, user};

#[derive(Serialize)]
struct LoginPage<'a> {
    action: String,
    has_form: bool,
    is_dangerous: bool,
    password_required: bool,
    username: &'a str,
    text: Option<&'a str>,
    error: Option<String>,
    providers: Vec<Button<'a>>,
}

#[derive(Serialize)]
struct Button<'a> {
    href: String,
    label: &'a str,
}

/// `GET /login`.
pub async fn form(ask: Ask) -> Response {
    if ask.known.is_some() {
        let next = ask.next().unwrap_or_else(|| ask.at(""));
        return ask.redirect(&next);
    }
    login_page(&ask, StatusCode::OK, "", None)
}

fn login_page(ask: &Ask, status: StatusCode, username: &str, error: Option<String>) -> Response {
    let authenticators = &ask.hub.authenticators;
    let next = ask.next().unwrap_or_default();
    let is_dangerous = authenticators.is_dangerous();
    let page = LoginPage {
        action: login_address(&ask.at("login"), &next),
        has_form: authenticators.has_form(),
        is_dangerous,
        password_required: !is_dangerous,
        username,
        text: ask.hub.pages.login_text.as_deref(),
        error,
        providers: authenticators
            .providers()
            .iter()
            .map(|provider| Button {
                href: provider_address(ask, provider, &next),
                label: provider.label(),
            })
            .collect(),
    };
    ask.page(status, "login.html", Nav::Other, &page)
}

fn provider_address(ask: &Ask, provider: &Provider, next: &str) -> String {
    login_address(
        &ask.at(&format!("oauth_login/{}", provider.config().id)),
        next,
    )
}

/// `POST /login`.
pub async fn submit(PostedByAnyone { ask, form }: PostedByAnyone) -> Result<Response, Trouble> {
    let typed = form.get("username");
    let is_known = match normalised(typed) {
        Some(name) => is_known(&ask.hub, name).await?,
        None => false,
    };
    let attempt = Attempt {
        address: ask.origin.address,
        name: typed,
        password: form.get("password"),
        is_known,
    };
    let since = std::time::Instant::now();
    let result = ask.hub.authenticators.login(attempt).await;
    ask.hub.metrics.logged_in(result.is_ok(), since.elapsed());
    match result {
        Ok(identity) => log_in(&ask, identity, ask.next()).await,
        Err(refusal) => Ok(refused(&ask, typed, &refusal)),
    }
}

fn refused(ask: &Ask, typed: &str, refusal: &Refusal) -> Response {
    // Whoever fails decides how long the name is: the log takes the beginning of it (CVE-2026-54338).
    let shown: String = typed.chars().take(64).collect();
    let address = ask.origin.address;
    match refusal {
        Refusal::Denied => {
            tracing::info!(user = shown, %address, "a login was denied");
            let text =
                "User name or password are not right, or you may not use this hub.".to_owned();
            login_page(ask, StatusCode::FORBIDDEN, typed, Some(text))
        }
        Refusal::TooMany(wait) => {
            tracing::warn!(user = shown, %address, "an address is refused for its many failed logins");
            let text = format!(
                "Too many logins failed from your address. Try again in {}.",
                in_words(*wait)
            );
            let mut response = login_page(ask, StatusCode::TOO_MANY_REQUESTS, typed, Some(text));
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        Refusal::Unavailable(why) => {
            tracing::error!(user = shown, %address, why, "a login could not be decided");
            let text = "Your login cannot be checked right now. Try again in a minute.".to_owned();
            login_page(ask, StatusCode::SERVICE_UNAVAILABLE, typed, Some(text))
        }
    }
}

fn in_words(wait: Duration) -> String {
    match wait.as_secs() {
        0..90 => format!("{} seconds", wait.as_secs().max(1)),
        more => format!("{} minutes", more.div_ceil(60)),
    }
}

async fn is_known(hub: &Arc<Hub>, name: String) -> Result<bool, StoreError> {
    hub.store
        .read(move |connection| user::find(connection, &name))
        .await
        .map(|found| found.is_some())
}

/// Makes or updates the user, begins a session, and sends the browser on.
async fn log_in(ask: &Ask, identity: Identity, next: Option<String>) -> Result<Response, Trouble> {
    let name = identity.name.clone();
    let hub = &ask.hub;
    let now = hub.clock.now();
    let kept = identity.clone();
    let kept = hub
        .store
        .write(move |connection| keep(connection, &kept, now))
        .await?;
    let Some(id) = kept else {
        tracing::warn!(
            user = name,
            "the provider gives this name to another account than the one that had it here first"
        );
        let text =
            "This user name belongs to another account. If it is yours, ask whoever runs this hub."
                .to_owned();
        return Ok(login_page(ask, StatusCode::FORBIDDEN, "", Some(text)));
    };
    if let Err(error) = hub.authenticators.provide_account(&identity).await {
        tracing::error!(user = name, %error, "an account for somebody who logged in");
        return Ok(without_account(ask, &name, &error));
    }
    let cookies = hub
        .sessions
        .begin(&hub.store, &ask.headers, &ask.origin, id, &name)
        .await?;
    tracing::info!(user = name, address = %ask.origin.address, "logged in");
    let to = next.unwrap_or_else(|| ask.at(""));
    let mut response = super::ask::redirect(StatusCode::FOUND, &to);
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

fn without_account(ask: &Ask, name: &str, error: &AccountError) -> Response {
    let (status, text) = match error {
        AccountError::Refused(_) => (
            StatusCode::FORBIDDEN,
            format!(
                "No account named {name} can be made for you on this server. Ask whoever runs this hub."
            ),
        ),
        AccountError::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Your account on this server could not be made right now. Try again in a minute."
                .to_owned(),
        ),
    };
    login_page(ask, status, "", Some(text))
}

/// The user of an identity, made at the first login; what the authenticator has a say in is brought up to date. `None`:
/// the name is that of another account at the provider.
fn keep(
    connection: &rusqlite::Connection,
    identity: &Identity,
    now: crate::clock::Timestamp,
) -> Result<Option<i64>, StoreError> {
    let found = user::find(connection, &identity.name)?;
    let state = found.as_ref().and_then(|user| user.auth_state.clone());
    let id = match found {
        Some(found) => {
            if is_anothers(state.as_ref(), identity) {
                return Ok(None);
            }
            if let Some(admin) = identity.admin.filter(|admin| *admin != found.admin) {
                user::set_admin(connection, found.id, admin)?;
            }
            found.id
        }
        None => {
            let admin = identity.admin.unwrap_or(false);
            user::create(connection, now, &identity.name, admin)?
        }
    };
    if let Some(subject) = &identity.subject {
        let mut state = state.filter(Value::is_object).unwrap_or_else(|| json!({}));
        state["login"] = json!(subject);
        user::set_auth_state(connection, id, Some(&state))?;
    }
    if let Some(groups) = &identity.groups {
        group::set_of_user(connection, id, groups)?;
    }
    if identity.user_info.is_some() {
        user::set_user_info(connection, id, identity.user_info.as_ref())?;
    }
    Ok(Some(id))
}

/// Whether the user is another account's at this provider.
fn is_anothers(state: Option<&Value>, identity: &Identity) -> bool {
    let bound =
        state.and_then(|state| serde_json::from_value::<Subject>(state["login"].clone()).ok());
    match (bound, &identity.subject) {
        (Some(bound), Some(subject)) => {
            bound.provider == subject.provider && bound.id != subject.id
        }
        _ => false,
    }
}

/// `GET /oauth_login`: as stock authenticators have it, where there is one provider.
pub async fn depart_to_only(ask: Ask) -> Response {
    match ask.hub.authenticators.providers() {
        [only] => depart_to(&ask, only).await,
        _ => ask.redirect(&login_address(
            &ask.at("login"),
            &ask.next().unwrap_or_default(),
        )),
    }
}

/// `GET /oauth_login/{provider}`.
pub async fn depart(ask: Ask, Path(id): Path<String>) -> Response {
    match ask
        .hub
        .authenticators
        .providers()
        .iter()
        .find(|provider| provider.config().id == id)
    {
        Some(provider) => depart_to(&ask, provider).await,
        None => error::usual(&ask, StatusCode::NOT_FOUND),
    }
}

async fn depart_to(ask: &Ask, provider: &Provider) -> Response {
    let Some(callback) = callback(ask) else {
        return error::page(
            ask,
            StatusCode::BAD_REQUEST,
            "Your browser did not say which host it asked for.",
        );
    };
    match provider.depart(&callback).await {
        Ok(Departure {
            url,
            state,
            nonce,
            verifier,
        }) => {
            let began = ask.hub.clock.now().0.div_euclid(1_000_000);
            let flow = Flow {
                provider: provider.config().id.clone(),
                state,
                nonce,
                verifier,
                next: ask.next(),
                began,
            };
            let sealed = ask.hub.authenticators.flows().seal(&flow);
            let mut response = super::ask::redirect(StatusCode::FOUND, &url);
            response
                .headers_mut()
                .append(header::SET_COOKIE, flow_cookie(ask, Some(&sealed)));
            response
        }
        Err(error) => {
            tracing::error!(provider = provider.config().id, %error, "sending somebody to log in");
            let text = format!(
                "{} cannot be reached right now. Try again in a minute.",
                provider.label()
            );
            login_page(ask, StatusCode::SERVICE_UNAVAILABLE, "", Some(text))
        }
    }
}

/// `GET /oauth_callback`.
pub async fn arrive(ask: Ask) -> Result<Response, Trouble> {
    let mut response = arrival(&ask).await?;
    response
        .headers_mut()
        .append(header::SET_COOKIE, flow_cookie(&ask, None));
    Ok(response)
}

async fn arrival(ask: &Ask) -> Result<Response, Trouble> {
    let denied = |text: String| login_page(ask, StatusCode::FORBIDDEN, "", Some(text));
    let state = ask.query("state").unwrap_or_default();
    let now = ask.hub.clock.now().0.div_euclid(1_000_000);
    let flows = ask.hub.authenticators.flows();
    let sealed = cookie::values(&ask.headers, COOKIE)
        .next()
        .unwrap_or_default();
    let flow = match flows.open(sealed, &state, now) {
        Ok(flow) => flow,
        Err(error) => return Ok(denied(format!("{error}."))),
    };
    if let Some(said) = ask.query("error") {
        let more = ask.query("error_description").unwrap_or_default();
        tracing::info!(
            provider = flow.provider,
            error = said,
            more,
            "a provider sent somebody back"
        );
        return Ok(denied("The login was not completed. Try again.".to_owned()));
    }
    let (Some(code), Some(callback)) = (ask.query("code"), callback(ask)) else {
        return Ok(denied("The login was not completed. Try again.".to_owned()));
    };
    let hub = ask.hub.clone();
    let known = |name: String| async move { is_known(&hub, name).await.unwrap_or(false) };
    match ask
        .hub
        .authenticators
        .arrive(&code, &callback, &flow, known)
        .await
    {
        Ok(identity) => {
            // It was looked at when it was sealed; the base may have changed since.
            let next = flow
                .next
                .and_then(|next| crate::session::next::safe(&next, &ask.hub.config.base_url));
            log_in(ask, identity, next).await
        }
        Err(error) => {
            tracing::warn!(provider = flow.provider, address = %ask.origin.address, %error, "a login at a provider was not let in");
            Ok(match error {
                ArrivalError::NotAllowed(_) | ArrivalError::Name(_) => denied(
                    "You may not use this hub. If you should be able to, ask whoever runs it."
                        .to_owned(),
                ),
                ArrivalError::NoAccount(name) => denied(format!(
                    "You have no account on this server yet. Ask whoever runs this hub for one named {name}."
                )),
                ArrivalError::Gone | ArrivalError::Provider(_) => {
                    let text =
                        "The login could not be completed. Try again in a minute.".to_owned();
                    login_page(ask, StatusCode::BAD_GATEWAY, "", Some(text))
                }
            })
        }
    }
}

fn callback(ask: &Ask) -> Option<String> {
    ask.origin.absolute(
        ask.hub.config.public_url.as_deref(),
        &ask.at("oauth_callback"),
    )
}

/// The header that sets the cookie of a login that is under way, or takes it away.
fn flow_cookie(ask: &Ask, value: Option<&str>) -> HeaderValue {
    let cookie = Cookie {
        name: COOKIE,
        value: value.unwrap_or_default(),
        path: &ask.at(""),
        max_age: Some(LIFETIME),
        http_only: true,
        secure: ask.hub.sessions.is_secure(&ask.origin),
    };
    match value {
        Some(_) => cookie.header(),
        None => cookie.clearing(),
    }
}

#[derive(Serialize)]
struct LogoutPage {}

/// `GET /logout`: JupyterLab's menu leads here. A page of another site cannot log anybody out by sending a browser here.
pub async fn leave(ask: Ask) -> Result<Response, Trouble> {
    let site = ask
        .headers
        .get("sec-fetch-site")
        .and_then(|site| site.to_str().ok());
    if ask.known.is_some() && matches!(site, Some("cross-site" | "same-site")) {
        return Ok(ask.page(StatusCode::OK, "logout.html", Nav::Other, &LogoutPage {}));
    }
    log_out(&ask).await
}

/// `POST /logout`.
pub async fn leave_by_form(posted: PostedByAnyone) -> Result<Response, Trouble> {
    log_out(&posted.ask).await
}

async fn log_out(ask: &Ask) -> Result<Response, Trouble> {
    let hub = &ask.hub;
    let cookies = hub
        .sessions
        .end(&hub.store, ask.known.as_ref(), &ask.origin)
        .await?;
    if let Some(known) = &ask.known {
        tracing::info!(user = known.name(), "logged out");
    }
    let to = format!("{}?done=logged-out", ask.at("login"));
    let mut response = super::ask::redirect(StatusCode::FOUND, &to);
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}
