//! Lists: filters, tags, sorting, pages, fields; the same for every resource.

use axum::Json;
use serde_json::{Map, Value, json};

use super::NeutronError;
use crate::api::query::{page, truth};
use crate::api::{Ctx, Query};

/// Keys that are no filters.
const CONTROL: [&str; 11] = [
    "fields",
    "limit",
    "marker",
    "page_reverse",
    "sort_key",
    "sort_dir",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
    "verbose",
];

/// Attributes one may filter by that are not shown to everyone.
const HIDDEN: [&str; 8] = [
    "is_default",
    "provider:network_type",
    "provider:physical_network",
    "provider:segmentation_id",
    "binding:host_id",
    "qos_policy_id",
    "dns_domain",
    "changed_since",
];

/// Answers `GET /v2.0/{collection}`.
pub fn list(
    ctx: &Ctx,
    collection: &str,
    query: &Query,
    items: impl Iterator<Item = Value>,
) -> Result<Json<Value>, NeutronError> {
    let mut found = Vec::new();
    for item in items {
        if matches(&item, query)? {
            found.push(item);
        }
    }
    sort(&mut found, query);
    let limit = match query.get("limit").map(str::parse::<usize>) {
        None => None,
        Some(Ok(0)) => None,
        Some(Ok(limit)) => Some(limit),
        Some(Err(_)) => {
            return Err(NeutronError::bad(
                "BadRequest",
                "Bad limit request: Limit must be an integer 0 or greater and not 'x'.",
            ));
        }
    };
    let page = page(found, query.get("marker"), limit, |i| {
        i["id"].as_str().unwrap_or_default()
    })
    .map_err(|_| {
        NeutronError::bad(
            "BadRequest",
            "Bad marker request: The marker could not be found.",
        )
    })?;
    let links = links(ctx, collection, query, &page.items, page.more, limit);
    let items: Vec<Value> = page
        .items
        .into_iter()
        .map(|i| only_fields(i, query))
        .collect();
    let mut body = Map::new();
    body.insert(collection.replace('-', "_"), Value::Array(items));
    if let Some(links) = links {
        body.insert(format!("{}_links", collection.replace('-', "_")), links);
    }
    Ok(Json(Value::Object(body)))
}

fn links(
    ctx: &Ctx,
    collection: &str,
    query: &Query,
    items: &[Value],
    full: bool,
    limit: Option<usize>,
) -> Option<Value> {
    limit?;
    let href = |item: &Value| {
        let id = item["id"].as_str().unwrap_or_default();
        ctx.url(&format!(
            "/network/v2.0/{collection}?{}",
            query.with_marker(id)
        ))
    };
    let mut links = Vec::new();
    if let (true, Some(last)) = (full, items.last()) {
        links.push(json!({"rel": "next", "href": href(last)}));
    }
    if let Some(first) = items.first() {
        links
            .push(json!({"rel": "previous", "href": format!("{}&page_reverse=True", href(first))}));
    }
    Some(json!(links))
}

/// Keeps the `fields` asked for.
pub fn only_fields(item: Value, query: &Query) -> Value {
    let wanted: Vec<&str> = query.all("fields").collect();
    match item {
        Value::Object(map) if !wanted.is_empty() => map
            .into_iter()
            .filter(|(key, _)| wanted.contains(&key.as_str()))
            .collect::<Map<_, _>>()
            .into(),
        item => item,
    }
}

fn matches(item: &Value, query: &Query) -> Result<bool, NeutronError> {
    let keys = query
        .0
        .iter()
        .map(|(key, _)| key.as_str())
        .filter(|key| !CONTROL.contains(key));
    for key in keys {
        match item.get(key) {
            // Any of a key's values will do.
            Some(value) if !query.all(key).any(|wanted| is(key, value, wanted)) => {
                return Ok(false);
            }
            Some(_) => {}
            None if HIDDEN.contains(&key) => return Ok(false),
            None => {
                return Err(NeutronError::bad(
                    "HTTPBadRequest",
                    format!("['{key}'] is invalid attribute for filtering"),
                ));
            }
        }
    }
    Ok(tagged(item, query))
}

fn tagged(item: &Value, query: &Query) -> bool {
    let has = |tag: &String| {
        item["tags"]
            .as_array()
            .is_some_and(|tags| tags.iter().any(|t| t == tag))
    };
    let all = |key: &str| query.words(key).map(|tags| tags.iter().all(has));
    let any = |key: &str| query.words(key).map(|tags| tags.iter().any(has));
    all("tags").unwrap_or(true)
        && any("tags-any").unwrap_or(true)
        && !all("not-tags").unwrap_or(false)
        && !any("not-tags-any").unwrap_or(false)
}

fn is(key: &str, value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => truth(wanted) == Some(*flag),
        Value::Number(number) => number.to_string() == wanted,
        Value::Null => wanted.is_empty(),
        // `fixed_ips=ip_address=10.0.0.5`
        Value::Array(list) if key == "fixed_ips" => {
            wanted.split_once('=').is_some_and(|(field, wanted)| {
                let field = field.trim_end_matches("_substr");
                list.iter().any(|ip| ip[field].as_str() == Some(wanted))
            })
        }
        Value::Array(list) => list.iter().any(|one| one.as_str() == Some(wanted)),
        Value::Object(_) => true,
    }
}

fn sort(items: &mut [Value], query: &Query) {
    let keys: Vec<&str> = query.all("sort_key").collect();
    let directions: Vec<&str> = query.all("sort_dir").collect();
    items.sort_by(|a, b| {
        for (n, key) in keys.iter().enumerate() {
            let order = text(&a[*key]).cmp(&text(&b[*key]));
            let order = if directions.get(n) == Some(&"desc") {
                order.reverse()
            } else {
                order
            };
            if order.is_ne() {
                return order;
            }
        }
        text(&a["id"]).cmp(&text(&b["id"]))
    });
}

fn text(value: &Value) -> String {
    crate::api::payload::shown(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_anded_and_their_values_ored() {
        let item = json!({
            "id": "1", "name": "a", "router:external": true, "tags": ["x", "y"],
            "fixed_ips": [{"ip_address": "10.0.0.5", "subnet_id": "s"}], "security_groups": ["g"],
        });
        for (query, expected) in [
            ("", Some(true)),
            ("name=a", Some(true)),
            ("name=b&name=a", Some(true)),
            ("name=a&router:external=False", Some(false)),
            ("router:external=True&tags=x,y", Some(true)),
            ("tags=x,z", Some(false)),
            ("tags-any=x,z", Some(true)),
            ("not-tags=x,z", Some(true)),
            ("not-tags-any=x,z", Some(false)),
            ("fixed_ips=ip_address%3D10.0.0.5", Some(true)),
            ("fixed_ips=ip_address%3D10.0.0.6", Some(false)),
            ("security_groups=g", Some(true)),
            ("is_default=True", Some(false)),
            ("nonsense=1", None),
        ] {
            assert_eq!(
                matches(&item, &Query::parse(query)).ok(),
                expected,
                "{query}"
            );
        }
    }
}
