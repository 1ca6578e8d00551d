//! The page that asks whether an application may know its visitor.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::Nav;
use super::ask::User;

#[derive(Serialize)]
struct ConsentPage<'a> {
    application: &'a str,
    address: &'a str,
    action: String,
    scopes: Vec<Scope>,
}

/// A scope that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Scope {
    /// The raw scope, sent back with the form.
    name: String,
    description: String,
    filter: Option<String>,
}

/// The page: `application` at `address` asks for raw `scopes`; the form posts to the address it is on.
pub fn page(user: &User, application: &str, address: &str, scopes: &[String]) -> Response {
    let catalog = user.ask.hub.store.catalog();
    let scopes = scopes
        .iter()
        .map(|raw| {
            let (base, filter) = raw
                .split_once('!')
                .map_or((&**raw, None), |(base, filter)| (base, Some(filter)));
            Scope {
                name: raw.clone(),
                description: catalog.description(base).unwrap_or(base).to_owned(),
                filter: filter.map(in_words),
            }
        })
        .collect();
    let action = user
        .ask
        .uri
        .path_and_query()
        .map_or_else(String::new, ToString::to_string);
    let page = ConsentPage {
        application,
        address,
        action,
        scopes,
    };
    user.ask
        .page(StatusCode::OK, "consent.html", Nav::Other, &page)
}

/// What a filter leaves of a scope.
fn in_words(filter: &str) -> String {
    match filter.split_once('=') {
        None => format!("of your own {filter} only"),
        Some((kind, value)) => format!("only the {kind} {}", value.trim_end_matches('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_told_in_words() {
        assert_eq!(in_words("user"), "of your own user only");
        assert_eq!(in_words("user=alice"), "only the user alice");
        assert_eq!(in_words("server=alice/"), "only the server alice");
    }
}
