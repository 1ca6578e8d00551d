//! One's own password.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::ask::{Posted, Trouble, User};
use super::spawn::sentence;
use super::{Nav, error};
use crate::auth::password::{ChangeError, PasswordFile};
use crate::auth::{Attempt, Refusal};
use crate::store::session;

#[derive(Serialize)]
struct PasswordPage {
    must_change: bool,
    shortest: usize,
    error: Option<String>,
}

/// `GET /password`.
pub async fn page(user: User) -> Response {
    match passwords(&user) {
        Some(passwords) => answer(&user, passwords, StatusCode::OK, None),
        None => elsewhere(&user),
    }
}

/// The password file, if the user's password is in it.
fn passwords(user: &User) -> Option<&PasswordFile> {
    let passwords = user.ask.hub.authenticators.passwords()?;
    passwords.knows(user.name()).then_some(passwords)
}

fn elsewhere(user: &User) -> Response {
    let text = "Your password is not kept by this hub. Change it where you have your account.";
    error::page(&user.ask, StatusCode::NOT_FOUND, text)
}

fn answer(
    user: &User,
    passwords: &PasswordFile,
    status: StatusCode,
    error: Option<String>,
) -> Response {
    let page = PasswordPage {
        must_change: user.must_change(),
        shortest: passwords.shortest(),
        error,
    };
    user.ask.page(status, "password.html", Nav::Password, &page)
}

/// `POST /password`.
pub async fn change(Posted { user, form }: Posted) -> Result<Response, Trouble> {
    let Some(passwords) = passwords(&user) else {
        return Ok(elsewhere(&user));
    };
    let (present, new) = (form.get("present"), form.get("new"));
    if new != form.get("again") {
        let text = "The new password and its repetition are not the same.".to_owned();
        return Ok(answer(
            &user,
            passwords,
            StatusCode::BAD_REQUEST,
            Some(text),
        ));
    }
    // Counted as logins are: who finds an open browser has no more guesses than anyone.
    let attempt = Attempt {
        address: user.ask.origin.address,
        name: user.name(),
        password: present,
        is_known: true,
    };
    let (status, text) = match user.ask.hub.authenticators.login(attempt).await {
        Ok(_) => match passwords.change(user.name(), present, new).await {
            Ok(()) => return changed(&user).await,
            Err(ChangeError::Unfit(why)) => (StatusCode::BAD_REQUEST, sentence(&why)),
            Err(ChangeError::Unavailable(why)) => {
                tracing::error!(why, "changing a password");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "It cannot be changed right now. Try again in a minute.".to_owned(),
                )
            }
        },
        Err(Refusal::Denied) => (
            StatusCode::FORBIDDEN,
            "That is not your present password.".to_owned(),
        ),
        Err(Refusal::TooMany(_)) => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many tries. Wait a minute and try again.".to_owned(),
        ),
        Err(Refusal::Unavailable(why)) => {
            tracing::error!(why, "checking a password");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "It cannot be checked right now. Try again in a minute.".to_owned(),
            )
        }
    };
    Ok(answer(&user, passwords, status, Some(text)))
}

/// Whoever else is logged in as this user may be why the password was changed.
async fn changed(user: &User) -> Result<Response, Trouble> {
    let hub = &user.ask.hub;
    let id = user.requester().user_id().unwrap_or_default();
    let own = user.known.session_id.clone();
    hub.store
        .write(move |connection| session::end_of_user(connection, id, Some(&own)))
        .await?;
    tracing::info!(user = user.name(), "changed the password");
    Ok(user
        .ask
        .redirect(&format!("{}?done=password", user.ask.at("home"))))
}
