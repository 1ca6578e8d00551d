//! Pages of long lists: plain, and in JupyterHub's form with what comes next.

use http::request::Parts;
use http::{HeaderMap, header};
use serde::Serialize;
use url::form_urlencoded;

use super::ApiError;
use crate::session::origin::Origin;

/// What a client accepts who knows pages.
const MEDIA_TYPE: &str = "application/jupyterhub-pagination+json";
/// How long a page is for those who know pages and do not say.
const DEFAULT: u32 = 50;
/// How long a page is at most.
const MAX: u32 = 200;

/// A page of a list, as its client knows to read it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Listing<T> {
    Plain(T),
    Page {
        #[serde(rename = "_pagination")]
        pagination: Pagination,
        items: T,
    },
}

/// Which page it is, and of how many items in all.
#[derive(Debug, Serialize)]
pub struct Pagination {
    offset: u32,
    limit: u32,
    total: u32,
    next: Option<Next>,
}

#[derive(Debug, Serialize)]
struct Next {
    offset: u32,
    limit: u32,
    url: String,
}

/// The query of a request and the page it asks for.
pub struct Paging {
    pub offset: u32,
    pub limit: u32,
    /// Whether the answer is to say what comes next.
    knows: bool,
    query: Vec<(String, String)>,
    /// Scheme, host and path, for the address of the next page.
    address: String,
}

impl Paging {
    pub fn of(parts: &Parts) -> Result<Self, ApiError> {
        let query: Vec<(String, String)> =
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let last = |name: &str| {
            query
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        let number = |name: &str, default: u32| match last(name) {
            None => Ok(default),
            Some(text) => text
                .trim()
                .parse::<i64>()
                .map(|number| u32::try_from(number.unsigned_abs()).unwrap_or(u32::MAX))
                .map_err(|_| {
                    ApiError::bad_request(
                        "Invalid argument type, offset and limit must be integers",
                    )
                }),
        };
        let knows = knows_pages(&parts.headers);
        let offset = number("offset", 0)?;
        let limit = number("limit", if knows { DEFAULT } else { MAX })?.clamp(1, MAX);
        let origin = Origin::of(parts);
        let scheme = if origin.is_https { "https" } else { "http" };
        let address = format!(
            "{scheme}://{}{}",
            origin.host.unwrap_or_default(),
            parts.uri.path()
        );
        Ok(Self {
            offset,
            limit,
            knows,
            query,
            address,
        })
    }

    /// The last value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is there and is not "0" or "false".
    pub fn flag(&self, name: &str) -> bool {
        self.parameter(name)
            .is_some_and(|value| !matches!(value.to_lowercase().as_str(), "0" | "false"))
    }

    /// The items as the client knows to read them; `total` is how many there are in all.
    pub fn answer<T: Serialize>(&self, items: T, total: u32) -> Listing<T> {
        if !self.knows {
            return Listing::Plain(items);
        }
        let next_offset = self.offset.saturating_add(self.limit);
        let next = (next_offset < total).then(|| Next {
            offset: next_offset,
            limit: self.limit,
            url: self.next_url(next_offset),
        });
        Listing::Page {
            pagination: Pagination {
                offset: self.offset,
                limit: self.limit,
                total,
                next,
            },
            items,
        }
    }

    fn next_url(&self, offset: u32) -> String {
        let (offset, limit) = (offset.to_string(), self.limit.to_string());
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (key, value) in &self.query {
            let value = match key.as_str() {
                "offset" => &offset,
                "limit" => &limit,
                _ => value,
            };
            query.append_pair(key, value);
        }
        for (key, value) in [("offset", &offset), ("limit", &limit)] {
            if self.parameter(key).is_none() {
                query.append_pair(key, value);
            }
        }
        format!("{}?{}", self.address, query.finish())
    }
}

fn knows_pages(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    accept
        .split(',')
        .any(|kind| kind.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn paging(uri: &str, accept: &str) -> Result<Paging, ApiError> {
        let request = http::Request::builder()
            .uri(uri)
            .header("host", "hub:8000")
            .header("accept", accept);
        Paging::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn limits_are_jupyterhubs() {
        for (query, accept, expected) in [
            ("", "", (0, 200)),
            ("", MEDIA_TYPE, (0, 50)),
            ("limit=10&offset=5", "", (5, 10)),
            ("limit=-10", "", (0, 10)),
            ("limit=0", "", (0, 1)),
            ("limit=100000", MEDIA_TYPE, (0, 200)),
        ] {
            let paging = paging(&format!("/x?{query}"), accept).unwrap();
            assert_eq!((paging.offset, paging.limit), expected, "{query}");
        }
        assert!(paging("/x?limit=ten", "").is_err());
    }

    #[test]
    fn the_next_page_keeps_the_rest_of_the_query() {
        let paging = paging("/hub/api/users?state=ready&offset=2&limit=2", MEDIA_TYPE).unwrap();
        let answer = json!(paging.answer([1, 2], 5));
        let next = &answer["_pagination"]["next"];
        assert_eq!(
            next["url"],
            "http://hub:8000/hub/api/users?state=ready&offset=4&limit=2"
        );
        assert_eq!(
            json!(paging.answer([0; 0], 4))["_pagination"]["next"],
            Value::Null
        );
    }
}
