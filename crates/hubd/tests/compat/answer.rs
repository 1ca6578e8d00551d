//! Answers, and what is the same in two of them.

use std::fmt::Write;

use serde_json::Value;

/// An answer, as far as it is compared.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Without parameters; empty where there is no body to have one.
    pub content_type: String,
    /// The body, if it is JSON; else a text.
    pub json: Value,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let content_type = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .to_owned();
        let text = response.text().await.expect("a body");
        let json = match content_type.as_str() {
            "text/event-stream" => events(&text),
            _ => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        // Of an answer without a body the type says nothing.
        let empty = json == Value::String(String::new());
        Self {
            status,
            content_type: if empty { String::new() } else { content_type },
            json,
        }
    }

    /// What differs, if something does. Values that differ from run to run count by their kind: moments, tokens, ids.
    pub fn apart_from(&self, ours: &Self) -> Option<String> {
        let mut apart = String::new();
        if self.status != ours.status {
            let _infallible = writeln!(
                apart,
                "  status: {} there, {} here",
                self.status, ours.status
            );
        }
        if self.content_type != ours.content_type {
            let _infallible = writeln!(
                apart,
                "  type: {:?} there, {:?} here",
                self.content_type, ours.content_type
            );
        }
        compare("", &plain(&self.json), &plain(&ours.json), &mut apart);
        if apart.is_empty() {
            return None;
        }
        let _infallible = writeln!(
            apart,
            "  there: {}\n  here:  {}",
            cut(&self.json),
            cut(&ours.json)
        );
        Some(apart)
    }
}

/// The events of a stream.
fn events(text: &str) -> Value {
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    events
        .map(|event| serde_json::from_str::<Value>(event).expect("JSON"))
        .collect()
}

fn cut(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(700) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

fn compare(at: &str, there: &Value, here: &Value, apart: &mut String) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().filter(|key| !b.contains_key(*key)) {
                let _infallible = writeln!(apart, "  {at}.{key}: only there");
            }
            for key in b.keys().filter(|key| !a.contains_key(*key)) {
                let _infallible = writeln!(apart, "  {at}.{key}: only here");
            }
            for (key, value) in a {
                if let Some(other) = b.get(key) {
                    compare(&format!("{at}.{key}"), value, other, apart);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (value, other)) in a.iter().zip(b).enumerate() {
                compare(&format!("{at}[{number}]"), value, other, apart);
            }
        }
        (a, b) if a == b => {}
        (a, b) => {
            let _infallible = writeln!(apart, "  {at}: {} there, {} here", cut(a), cut(b));
        }
    }
}

/// A value with what differs from run to run replaced by its kind.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(plain_text(text)),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(plain).collect();
            // Sets, as Python tells them: in no order.
            if items.iter().all(Value::is_string) {
                items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            }
            Value::Array(items)
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect(),
        other => other.clone(),
    }
}

fn plain_text(text: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if hubd::clock::Timestamp::parse(text).is_some() && text.ends_with('Z') {
        return "<moment>".to_owned();
    }
    if text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return "<token>".to_owned();
    }
    if text.strip_prefix('a').is_some_and(digits) {
        return "<token id>".to_owned();
    }
    // Scopes that are too many, in no order.
    if let Some((excess, held)) = text
        .strip_prefix("Not assigning requested scopes ")
        .and_then(|rest| rest.split_once(" not held by "))
    {
        let mut scopes: Vec<&str> = excess.split(',').collect();
        scopes.sort_unstable();
        return format!("{} not held by {held}", scopes.join(","));
    }
    // The two hubs and the servers under them are at different ports.
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("127.0.0.1:") {
        let (before, after) = rest.split_at(at + "127.0.0.1:".len());
        plain.push_str(before);
        plain.push_str("<port>");
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    plain.push_str(rest);
    plain
}
