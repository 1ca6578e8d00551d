//! One cloud's entry: its fields, under all the names they go by.

use serde_json::{Map, Value};

/// The fields of an entry. `auth` is a map within it; a field is as good in either.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    pub(super) fields: Map<String, Value>,
}

impl Entry {
    /// Keys are written with `-` as well as with `_`.
    pub(super) fn new(value: &Value) -> Self {
        let mut fields = Map::new();
        for (key, value) in value.as_object().into_iter().flatten() {
            let value = match value {
                Value::Object(_) if key == "auth" => Value::Object(Self::new(value).fields),
                other => other.clone(),
            };
            fields.insert(key.replace('-', "_"), value);
        }
        Self { fields }
    }

    /// Lays `upper` over this one; the fields of `auth` one by one.
    pub(super) fn lay_over(&mut self, upper: &Self) {
        for (key, value) in &upper.fields {
            if key == "auth"
                && let (Some(Value::Object(lower)), Value::Object(upper)) =
                    (self.fields.get_mut(key), value)
            {
                lower.extend(upper.clone());
                continue;
            }
            if !value.is_null() {
                self.fields.insert(key.clone(), value.clone());
            }
        }
    }

    /// The first of these names that has a value, from `auth` before the entry itself.
    pub(super) fn value(&self, names: &[&str]) -> Option<&Value> {
        let auth = self.fields.get("auth").and_then(Value::as_object);
        names.iter().find_map(|name| {
            auth.and_then(|auth| auth.get(*name))
                .filter(|value| has_value(value))
                .or_else(|| self.fields.get(*name).filter(|value| has_value(value)))
        })
    }

    /// A field as text. A number is what YAML makes of an unquoted id or password.
    pub(super) fn text(&self, names: &[&str]) -> Result<Option<String>, String> {
        match self.value(names) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) if !number.is_f64() => Ok(Some(number.to_string())),
            // YAML would have lost how it was written.
            Some(Value::Number(_) | Value::Bool(_)) => Err(format!(
                "{} reads as something other than text to YAML: put it in quotes",
                names[0]
            )),
            Some(_) => Err(format!("{} is no text", names[0])),
        }
    }

    /// A field as yes or no.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, String> {
        match self.value(&[name]) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(value) => {
                let text = match value {
                    Value::String(text) => text.to_ascii_lowercase(),
                    other => other.to_string(),
                };
                match text.as_str() {
                    "true" | "yes" | "on" | "1" => Ok(Some(true)),
                    "false" | "no" | "off" | "0" => Ok(Some(false)),
                    _ => Err(format!("{name} is neither true nor false")),
                }
            }
        }
    }
}

fn has_value(value: &Value) -> bool {
    !matches!(value, Value::Null) && value.as_str() != Some("")
}

/// ` (did you mean …?)`, where one is close.
pub(super) fn did_you_mean(word: &str, known: &[String]) -> String {
    known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= (known.chars().count() / 3).max(1))
        .min()
        .map(|(_, known)| format!(" (did you mean {known}?)"))
        .unwrap_or_default()
}
