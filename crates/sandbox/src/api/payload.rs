//! The body of a request, and reading it without fuss.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use serde_json::Value;

/// A JSON body; `null` where there is none or it is no JSON, which every service refuses in its own shape.
#[derive(Debug, Clone)]
pub struct Payload(pub Value);

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state)
            .await
            .unwrap_or_default();
        Ok(Self(serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

/// Reading of JSON objects whose fields may be missing, null or of another type.
pub trait Fields {
    /// A non-null string.
    fn text(&self, key: &str) -> Option<String>;
    /// A boolean, or a string that means one.
    fn flag(&self, key: &str) -> Option<bool>;
    /// A number, or a string that is one.
    fn number(&self, key: &str) -> Option<i64>;
    /// The strings of a list.
    fn texts(&self, key: &str) -> Option<Vec<String>>;
    /// Whether the key is there, even as null.
    fn has(&self, key: &str) -> bool;
}

impl Fields for Value {
    fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.as_str().map(str::to_owned)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => super::query::truth(text),
            _ => None,
        }
    }

    fn number(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn texts(&self, key: &str) -> Option<Vec<String>> {
        let list = self.get(key)?.as_array()?;
        Some(
            list.iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
        )
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }
}

/// How a service shows a value in a sentence: strings bare, all else as JSON.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
