//! Errors that say what to do.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::Nav;
use super::ask::{Ask, Trouble};
use super::template::Link;

#[derive(Serialize)]
struct ErrorPage<'a> {
    code: u16,
    heading: &'a str,
    message: &'a str,
    advice: Option<&'a str>,
    actions: Vec<Link>,
}

/// An error page with its own text.
pub fn page(ask: &Ask, status: StatusCode, message: &str) -> Response {
    let (heading, _, advice) = words(status);
    answer(ask, status, heading, message, advice)
}

/// An error page with the usual text for its status.
pub fn usual(ask: &Ask, status: StatusCode) -> Response {
    let (heading, message, advice) = words(status);
    answer(ask, status, heading, message, advice)
}

/// A form that did not carry the token of this session.
pub fn stale_form(ask: &Ask) -> Response {
    let message = "The page you sent was made for another login, or it was open for too long. Nothing was changed.";
    let advice = Some(
        "Go back, reload the page and send it again. If that does not help: does your browser accept cookies?",
    );
    answer(
        ask,
        StatusCode::FORBIDDEN,
        "This page is out of date",
        message,
        advice,
    )
}

fn answer(
    ask: &Ask,
    status: StatusCode,
    heading: &str,
    message: &str,
    advice: Option<&str>,
) -> Response {
    let home = if ask.known.is_some() {
        Link::new(ask.at("home"), "Home")
    } else {
        Link::new(ask.at("login"), "Log in")
    };
    let page = ErrorPage {
        code: status.as_u16(),
        heading,
        message,
        advice,
        actions: vec![home.current(true)],
    };
    ask.page(status, "error.html", Nav::Other, &page)
}

/// Heading, message and advice for a status.
fn words(status: StatusCode) -> (&'static str, &'static str, Option<&'static str>) {
    match status.as_u16() {
        400 => (
            "That did not make sense",
            "The hub could not read what was sent.",
            Some("Go back and try again."),
        ),
        403 => (
            "Not allowed",
            "You may not see or do this.",
            Some("If you should be able to, ask whoever runs this hub."),
        ),
        404 => (
            "Nothing here",
            "There is no such page, or it is not yours to see.",
            Some("Check the address, or begin at home."),
        ),
        405 => (
            "That did not make sense",
            "This page cannot be used in this way.",
            Some("Go back and try again."),
        ),
        429 => (
            "Too many at once",
            "The hub is busy starting other servers.",
            Some("Try again in a minute."),
        ),
        502 | 503 => (
            "The server does not answer",
            "Your server, or the hub, is not running or is too busy to answer.",
            Some(
                "Wait a minute and reload the page. At home you see whether your server runs, and can start it again.",
            ),
        ),
        504 => (
            "That took too long",
            "The server did not answer in time.",
            Some("Reload the page in a minute."),
        ),
        _ => (
            "Something went wrong",
            "It is not your fault, and it is in the hub’s log.",
            Some(
                "Try again in a minute. If it stays, tell whoever runs this hub what you did and when.",
            ),
        ),
    }
}

/// `/error/{code}?url=`: what the proxy shows where it has no answer of its own. It relays the body only, with the code,
/// and no cookie of the visitor comes here; the address is where they were going, and is told apart, never linked.
pub async fn of_proxy(ask: Ask, Path(code): Path<u16>) -> Response {
    let status = StatusCode::from_u16(code)
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error());
    let Some(status) = status else {
        return usual(&ask, StatusCode::NOT_FOUND);
    };
    let (heading, message, advice) = words(status);
    let home = Link::new(ask.at("home"), "Home").current(true);
    let page = ErrorPage {
        code,
        heading,
        message,
        advice,
        actions: vec![home],
    };
    ask.page(status, "error.html", Nav::Other, &page)
}

/// What is not found under `{base}hub/`.
pub async fn not_found(ask: Result<Ask, Trouble>) -> Response {
    match ask {
        Ok(ask) => usual(&ask, StatusCode::NOT_FOUND),
        Err(trouble) => trouble.into_response(),
    }
}
