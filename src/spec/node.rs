//! A YAML document as a tree that remembers where each part was written.

use super::problem::Place;

/// One value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing stands behind the colon. Says nothing: what lies below holds.
    Empty,
    /// `null` or `~`. Back to the built-in default, whatever lies below.
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Map),
}

/// A single value. `raw` is what was written, without quotes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scalar {
    pub(super) raw: String,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text,
    Bool(bool),
    Int(i64),
    Float(f64),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Map {
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Map {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.entries.retain(|entry| entry.key != key);
    }

    /// Puts `entry` in the place of the one with its key, or at the end.
    pub(super) fn insert(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }
}

impl Node {
    pub(super) fn new(place: Place, value: Value) -> Self {
        Self { place, value }
    }

    pub(super) fn text(place: Place, text: &str) -> Self {
        Self::new(
            place,
            Value::Scalar(Scalar {
                raw: text.to_owned(),
                kind: Kind::Text,
            }),
        )
    }

    /// The node under `path` (`server.flavor`, `access.ssh[0]`).
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            node = match &node.value {
                Value::Map(map) => &map.get(step)?.node,
                Value::List(items) => items.get(
                    step.strip_suffix(']')
                        .unwrap_or(step)
                        .parse::<usize>()
                        .ok()?,
                )?,
                _ => return None,
            };
        }
        Some(node)
    }

    /// The field's name as it was written, where `path` names a field, for problems with the field itself.
    pub(super) fn key_place(&self, path: &str) -> Option<&Place> {
        match path.rsplit_once('.') {
            Some((parent, key)) => self.at(parent)?.map()?.get(key),
            None => self.map()?.get(path),
        }
        .map(|entry| &entry.place)
    }

    pub(super) fn map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The plain value, without places.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Empty | Value::Null => Json::Null,
            Value::Scalar(Scalar { raw, kind }) => match kind {
                Kind::Text => Json::String(raw.clone()),
                Kind::Bool(bool) => Json::Bool(*bool),
                Kind::Int(int) => (*int).into(),
                Kind::Float(float) => {
                    serde_json::Number::from_f64(*float).map_or(Json::Null, Json::Number)
                }
            },
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(map) => map
                .entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }

    /// A tree of plain values that all stand at one place.
    pub(super) fn from_json(place: &Place, json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let scalar = |raw: String, kind| Value::Scalar(Scalar { raw, kind });
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(bool) => scalar(bool.to_string(), Kind::Bool(*bool)),
            Json::Number(number) => match number.as_i64() {
                Some(int) => scalar(number.to_string(), Kind::Int(int)),
                None => scalar(
                    number.to_string(),
                    Kind::Float(number.as_f64().unwrap_or(f64::NAN)),
                ),
            },
            Json::String(text) => scalar(text.clone(), Kind::Text),
            Json::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Self::from_json(place, item))
                    .collect(),
            ),
            Json::Object(fields) => Value::Map(Map {
                entries: fields
                    .iter()
                    .map(|(key, field)| Entry {
                        key: key.clone(),
                        place: place.clone(),
                        node: Self::from_json(place, field),
                    })
                    .collect(),
            }),
        };
        Self::new(place.clone(), value)
    }
}
