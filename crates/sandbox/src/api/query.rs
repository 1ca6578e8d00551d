//! The query of a request: repeated keys, booleans, and the page asked for.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

/// What stood behind the `?`, in order, repeated keys kept.
#[derive(Debug, Clone, Default)]
pub struct Query(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    pub fn parse(text: &str) -> Self {
        Self(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Every value of a key.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Comma-separated values of a key, over all its repetitions.
    pub fn words(&self, key: &str) -> Option<Vec<String>> {
        let words: Vec<_> = self
            .all(key)
            .flat_map(|v| v.split(','))
            .map(str::to_owned)
            .collect();
        (!words.is_empty()).then_some(words)
    }

    /// Whether a key is there and means yes.
    pub fn yes(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| truth(v) == Some(true))
    }

    /// The same query with another marker, for a `next` link.
    pub fn with_marker(&self, marker: &str) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.0.iter().filter(|(k, _)| k != "marker") {
            text.append_pair(key, value);
        }
        text.append_pair("marker", marker).finish()
    }
}

/// Reads a boolean as OpenStack's services do.
pub fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// One page of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether the page is full: the services then link to a next one, even where it will be empty.
    pub more: bool,
}

/// A marker that names nothing in the list.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownMarker;

/// Cuts the page out of a whole list: after `marker`, at most `limit` (none: all).
pub fn page<T>(
    items: Vec<T>,
    marker: Option<&str>,
    limit: Option<usize>,
    id: impl Fn(&T) -> &str,
) -> Result<Page<T>, UnknownMarker> {
    let start = match marker {
        None => 0,
        Some(marker) => {
            items
                .iter()
                .position(|i| id(i) == marker)
                .ok_or(UnknownMarker)?
                + 1
        }
    };
    let mut rest: Vec<T> = items.into_iter().skip(start).collect();
    if let Some(limit) = limit {
        rest.truncate(limit);
    }
    let more = limit.is_some_and(|limit| limit > 0 && rest.len() == limit);
    Ok(Page { items: rest, more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_starts_after_its_marker() {
        let all = || vec!["a", "b", "c"];
        let cut = |marker, limit| page(all(), marker, limit, |i| i).map(|p| (p.items, p.more));
        assert_eq!(cut(None, None), Ok((all(), false)));
        assert_eq!(cut(None, Some(2)), Ok((vec!["a", "b"], true)));
        assert_eq!(cut(Some("b"), Some(2)), Ok((vec!["c"], false)));
        assert_eq!(cut(Some("b"), Some(1)), Ok((vec!["c"], true)));
        assert_eq!(cut(Some("c"), None), Ok((vec![], false)));
        assert_eq!(cut(Some("x"), None), Err(UnknownMarker));
    }

    #[test]
    fn a_query_keeps_repeated_keys_and_decodes() {
        let query = Query::parse("name=a%20b&tags=x,y&tags=z&router%3Aexternal=True&marker=m");
        assert_eq!(query.get("name"), Some("a b"));
        assert_eq!(query.words("tags").unwrap(), ["x", "y", "z"]);
        assert!(query.yes("router:external"));
        assert_eq!(
            query.with_marker("n"),
            "name=a+b&tags=x%2Cy&tags=z&router%3Aexternal=True&marker=n"
        );
    }
}
