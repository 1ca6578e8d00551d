//! Bodies of requests: JSON, checked as JupyterHub checks it.

use serde_json::{Map, Value};

use super::ApiError;
use super::python;

/// Reads a body; `None` if there is none.
pub fn json(body: &[u8]) -> Result<Option<Value>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|_| ApiError::bad_request("Invalid JSON in body of request"))
}

/// What a key of a model must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    List,
    Dict,
}

impl Kind {
    fn python(self) -> &'static str {
        match self {
            Self::Text => "<class 'str'>",
            Self::Flag => "<class 'bool'>",
            Self::List => "<class 'list'>",
            Self::Dict => "<class 'dict'>",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Flag => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Dict => value.is_object(),
        }
    }
}

/// A model of a request: what it is called, and what its keys are.
pub struct Shape {
    pub name: &'static str,
    pub keys: &'static [(&'static str, Kind)],
}

pub const USER: Shape = Shape {
    name: "user",
    keys: &[
        ("name", Kind::Text),
        ("admin", Kind::Flag),
        ("groups", Kind::List),
        ("roles", Kind::List),
        ("auth_state", Kind::Dict),
    ],
};

pub const GROUP: Shape = Shape {
    name: "group",
    keys: &[
        ("name", Kind::Text),
        ("users", Kind::List),
        ("roles", Kind::List),
    ],
};

pub const SERVICE: Shape = Shape {
    name: "service",
    keys: &[
        ("name", Kind::Text),
        ("admin", Kind::Flag),
        ("url", Kind::Text),
        ("oauth_client_allowed_scopes", Kind::List),
        ("api_token", Kind::Text),
        ("info", Kind::Dict),
        ("display", Kind::Flag),
        ("oauth_no_confirm", Kind::Flag),
        ("command", Kind::List),
        ("cwd", Kind::Text),
        ("environment", Kind::Dict),
        ("user", Kind::Text),
        ("oauth_client_id", Kind::Text),
        ("oauth_redirect_uri", Kind::Text),
    ],
};

impl Shape {
    /// Checks keys and types.
    pub fn check(&self, value: &Value) -> Result<Map<String, Value>, ApiError> {
        let Value::Object(model) = value else {
            return Err(ApiError::bad_request(format!(
                "Invalid JSON data: {}",
                python::repr(value)
            )));
        };
        let kind = |key: &str| {
            self.keys
                .iter()
                .find(|(known, _)| *known == key)
                .map(|(_, kind)| *kind)
        };
        if model.keys().any(|key| kind(key).is_none()) {
            return Err(ApiError::bad_request(format!(
                "Invalid JSON keys: {}",
                python::repr(value)
            )));
        }
        for (key, value) in model {
            if let Some(kind) = kind(key).filter(|kind| !kind.fits(value)) {
                return Err(ApiError::bad_request(format!(
                    "{}.{key} must be {}, not: {}",
                    self.name,
                    kind.python(),
                    python::type_of(value)
                )));
            }
        }
        Ok(model.clone())
    }
}

/// Whether Python would take a value for true.
pub fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// The texts of a list; what is no text is refused with `message`.
pub fn texts(list: &Value, message: impl Fn(&Value) -> String) -> Result<Vec<String>, ApiError> {
    list.as_array()
        .into_iter()
        .flatten()
        .map(|item| {
            item.as_str()
                .map(str::to_owned)
                .ok_or_else(|| ApiError::bad_request(message(item)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn models_are_checked_in_jupyterhubs_words() {
        for (shape, value, message) in [
            (&USER, json!(null), "Invalid JSON data: None"),
            (&USER, json!(["a"]), "Invalid JSON data: ['a']"),
            (
                &USER,
                json!({"nmae": "x"}),
                "Invalid JSON keys: {'nmae': 'x'}",
            ),
            (
                &USER,
                json!({"admin": "yes"}),
                "user.admin must be <class 'bool'>, not: <class 'str'>",
            ),
            (
                &GROUP,
                json!({"users": {}}),
                "group.users must be <class 'list'>, not: <class 'dict'>",
            ),
        ] {
            assert_eq!(shape.check(&value).unwrap_err().message, message);
        }
        assert!(USER.check(&json!({"admin": true})).is_ok());
    }
}
