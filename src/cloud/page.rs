//! Lists that come in pages.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::session::Request;
use super::{Cloud, CloudError, Filter, Service};

impl Cloud {
    /// All of a list, page by page. A page names the next one by a link; only the link's query is believed, for many
    /// a service behind a TLS terminator gives links that lead nowhere.
    pub(super) async fn pages<T: DeserializeOwned>(
        &self,
        act: &str,
        service: Service,
        path: &[&str],
        key: &str,
        filter: &Filter,
    ) -> Result<Vec<T>, CloudError> {
        let mut items = Vec::new();
        let mut query = filter.0.clone();
        let mut seen: Vec<Vec<(String, String)>> = Vec::new();
        loop {
            let answer = self
                .send(&Request {
                    query: &query,
                    ..Request::get(act, service, path)
                })
                .await?;
            let page: Vec<T> = self.record(act, &answer, key)?;
            let empty = page.is_empty();
            items.extend(page);
            let Some(next) = next_page(&answer.body, key).filter(|_| !empty) else {
                return Ok(items);
            };
            if next == query || seen.contains(&next) {
                return Err(CloudError::Malformed {
                    act: act.to_owned(),
                    message: "the list's pages go round in a circle".to_owned(),
                });
            }
            seen.push(std::mem::replace(&mut query, next));
        }
    }
}

/// The query of the next page: Nova, Neutron and Cinder have `KEY_links`, Glance `next`, Designate `links.next`.
fn next_page(body: &str, key: &str) -> Option<Vec<(String, String)>> {
    let document: Value = serde_json::from_str(body).ok()?;
    let links = document
        .get(format!("{key}_links"))
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|link| link["rel"] == "next")
        .and_then(|link| link.get("href"));
    let href = links
        .or_else(|| document.get("next"))
        .or_else(|| document.get("links")?.get("next"))?
        .as_str()?;
    let (_, query) = href.split_once('?')?;
    let pairs = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_each_services_words() {
        for (body, key, expected) in [
            (
                r#"{"servers": [], "servers_links": [{"rel": "next", "href": "http://inner/v2.1/servers/detail?limit=2&marker=x"}]}"#,
                "servers",
                Some("limit=2 marker=x"),
            ),
            (
                r#"{"ports": [], "ports_links": [{"rel": "previous", "href": "http://x?marker=0"}]}"#,
                "ports",
                None,
            ),
            (
                r#"{"images": [], "next": "/v2/images?marker=x&name=Debian+12"}"#,
                "images",
                Some("marker=x name=Debian 12"),
            ),
            (
                r#"{"zones": [], "links": {"self": "http://x", "next": "http://x?marker=9"}}"#,
                "zones",
                Some("marker=9"),
            ),
            (
                r#"{"zones": [], "links": {"self": "http://x"}}"#,
                "zones",
                None,
            ),
        ] {
            let next = next_page(body, key).map(|pairs| {
                pairs
                    .iter()
                    .map(|(k, v)| format!("{k}={v}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            assert_eq!(next.as_deref(), expected, "{body}");
        }
    }
}
