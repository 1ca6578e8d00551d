//! The admin pages: users, groups and servers, paged by the store.

mod group;
mod server;
mod user;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;
use serde::Serialize;

use super::ask::{Ask, Fields, Instead, User};
use super::error;
use super::template::Link;
use crate::app::Hub;

/// The routes, under `{base}hub/admin`.
pub(super) fn router(prefix: &str) -> Router<Arc<Hub>> {
    let at = |path: &str| format!("{prefix}/admin{path}");
    Router::new()
        .route(&at(""), get(users::page))
        .route(&at("/"), get(users::page))
        .route(&at("/users"), post(users::add))
        .route(&at("/users/{name}"), get(user::page).post(user::save))
        .route(&at("/users/{name}/secret"), post(user::give_secret))
        .route(&at("/users/{name}/delete"), post(user::delete))
        .route(&at("/groups"), get(group::list).post(group::create))
        .route(&at("/groups/{name}"), get(group::page))
        .route(&at("/groups/{name}/add"), post(group::add))
        .route(&at("/groups/{name}/remove"), post(group::remove))
        .route(&at("/groups/{name}/delete"), post(group::delete))
        .route(&at("/servers"), get(server::list))
        .route(&at("/servers/start"), post(server::start))
        .route(&at("/servers/stop"), post(server::stop))
}

/// Somebody who may see the admin pages.
pub struct Admin(pub User);

impl FromRequestParts<Arc<Hub>> for Admin {
    type Rejection = Instead;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Instead> {
        let user = User::from_request_parts(parts, hub).await?;
        Self::check(user)
    }
}

impl Admin {
    /// The user, if the admin pages are theirs to see.
    pub fn check(user: User) -> Result<Self, Instead> {
        if user.requester().scopes.holds("admin-ui") {
            Ok(Self(user))
        } else {
            Err(forbidden(&user).into())
        }
    }

    /// Whether they may do this to everybody and everything.
    pub fn may(&self, scope: &str) -> bool {
        self.0.requester().scopes.allows_all(scope)
    }

    /// The request.
    pub fn ask(&self) -> &Ask {
        &self.0.ask
    }
}

/// Turned away for want of a scope.
pub fn forbidden(user: &User) -> Response {
    error::usual(&user.ask, StatusCode::FORBIDDEN)
}

/// One of the three parts of the admin pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Users,
    Groups,
    Servers,
}

/// The links between them.
pub fn tabs(ask: &Ask, here: Tab) -> Vec<Link> {
    vec![
        Link::new(ask.at("admin"), "Users").current(here == Tab::Users),
        Link::new(ask.at("admin/groups"), "Groups").current(here == Tab::Groups),
        Link::new(ask.at("admin/servers"), "Servers").current(here == Tab::Servers),
    ]
}

/// Which page of a list it is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Paging {
    number: u32,
    count: u32,
    previous: Option<String>,
    next: Option<String>,
    total_text: String,
}

impl Paging {
    /// Page `number` (from 1) of `total` things, `size` a page. `what` is their name in the singular; `address` is that
    /// of a page of the list.
    pub fn new(
        number: u32,
        size: u32,
        total: u32,
        what: &str,
        address: impl Fn(u32) -> String,
    ) -> Self {
        let count = total.div_ceil(size).max(1);
        let number = number.clamp(1, count);
        let plural = if total == 1 { "" } else { "s" };
        Self {
            number,
            count,
            previous: (number > 1).then(|| address(number - 1)),
            next: (number < count).then(|| address(number + 1)),
            total_text: format!("{} {what}{plural}", grouped(total)),
        }
    }
}

/// A number with thin spaces between its thousands.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// The page that the query names, from 1.
pub fn page_number(ask: &Ask) -> u32 {
    ask.query("page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(1)
        .max(1)
}

/// An address of the admin pages with a query, of the pairs that say something.
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let mut any = false;
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(key, value);
        any = true;
    }
    if any {
        format!("{path}?{}", query.finish())
    } else {
        path.to_owned()
    }
}

/// Back to the page that a form was on, with what was done.
pub fn back(ask: &Ask, form: &Fields, otherwise: &str, done: &str) -> Response {
    let wanted =
        crate::session::next::safe(form.get("back"), &format!("{}/admin", ask.hub.prefix()));
    let to = wanted.unwrap_or_else(|| otherwise.to_owned());
    let (path, query) = to.split_once('?').unwrap_or((&to, ""));
    let pairs = but_done(query);
    let mut pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    pairs.push(("done", done));
    ask.redirect(&with_query(path, &pairs))
}

/// Names from a text: one a line, or with commas between.
pub fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in text
        .split([',', '\n'])
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        let name = crate::name::normalize_user(name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The answer to a form of somebody whose admin rights may have gone meanwhile.
pub fn check(user: User, scope: &str) -> Result<Admin, Instead> {
    let admin = Admin::check(user)?;
    if admin.may(scope) {
        Ok(admin)
    } else {
        Err(forbidden(&admin.0).into())
    }
}

/// The page to come back to: this one.
pub fn here(ask: &Ask) -> String {
    let path = ask.uri.path_and_query().map_or("", |path| path.as_str());
    // What was done is told once.
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = but_done(query);
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .collect();
    with_query(path, &pairs)
}

/// The pairs of a query without what was done before.
fn but_done(query: &str) -> Vec<(String, String)> {
    let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    pairs.filter(|(key, _)| key != "done").collect()
}

/// The address of a user's or group's page.
pub fn address(ask: &Ask, part: &str, name: &str) -> String {
    ask.at(&format!("admin/{part}/{}", crate::name::escape(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted() {
        let page = |number, total| {
            let paging = Paging::new(number, 50, total, "user", |page| format!("p{page}"));
            (
                paging.number,
                paging.count,
                paging.previous,
                paging.next,
                paging.total_text,
            )
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(page(1, 0), (1, 1, None, None, "0 users".to_owned()));
        assert_eq!(page(1, 1), (1, 1, None, None, "1 user".to_owned()));
        assert_eq!(page(1, 51), (1, 2, None, some("p2"), "51 users".to_owned()));
        assert_eq!(
            page(9, 120),
            (3, 3, some("p2"), None, "120 users".to_owned())
        );
        assert_eq!(
            page(2, 10_000),
            (
                2,
                200,
                some("p1"),
                some("p3"),
                "10\u{202f}000 users".to_owned()
            )
        );
    }

    #[test]
    fn names_are_taken_from_any_list() {
        assert_eq!(names("Ada, bob\n\ncarl ,\r\n ada"), ["ada", "bob", "carl"]);
        assert!(names(" ,\n").is_empty());
    }

    #[test]
    fn only_pairs_that_say_something_are_sent() {
        assert_eq!(with_query("/a", &[("x", ""), ("y", "1 2")]), "/a?y=1+2");
        assert_eq!(with_query("/a", &[("x", "")]), "/a");
    }
}
