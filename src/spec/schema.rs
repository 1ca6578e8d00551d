//! The JSON Schema of `hub.yaml`, made from the types: what editors complete from and what documents are walked along.

use std::sync::LazyLock;

use serde_json::Value as Json;

use super::model::Spec;

/// The JSON Schema of `hub.yaml`, with descriptions, defaults and examples. `name` is the only required field.
pub fn schema() -> Json {
    known().clone()
}

/// The schema, made once.
pub(super) fn known() -> &'static Json {
    static SCHEMA: LazyLock<Json> = LazyLock::new(make);
    &SCHEMA
}

fn make() -> Json {
    let mut schema = schemars::schema_for!(Spec).to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("title".to_owned(), "hub.yaml".into());
    }
    allow_nothing(&mut schema);
    if let Some(types) = schema["$defs"].as_object_mut() {
        types.values_mut().for_each(allow_nothing);
    }
    schema
}

/// Lets every field that may be left out be empty, too: a group whose fields are all commented out is no mistake.
fn allow_nothing(group: &mut Json) {
    let required = group["required"].as_array().cloned().unwrap_or_default();
    let Some(fields) = group.get_mut("properties").and_then(Json::as_object_mut) else {
        return;
    };
    for (name, field) in fields {
        let Some(field) = field.as_object_mut() else {
            continue;
        };
        if required.iter().any(|required| required == name) {
            continue;
        }
        if let Some(kind) = field.get_mut("type") {
            if kind.is_string() {
                *kind = serde_json::json!([kind, "null"]);
            }
        } else if let Some(reference) = field.remove("$ref") {
            field.insert(
                "anyOf".to_owned(),
                serde_json::json!([{ "$ref": reference }, { "type": "null" }]),
            );
        }
    }
}

/// A schema and the definitions its references point to.
#[derive(Clone, Copy)]
pub(super) struct Schema<'a> {
    pub(super) root: &'a Json,
    pub(super) here: &'a Json,
}

impl<'a> Schema<'a> {
    pub(super) fn new(root: &'a Json) -> Self {
        Self { root, here: root }
    }

    fn to(self, here: &'a Json) -> Self {
        Self { here, ..self }
    }

    /// Follows `$ref`, and of "this or null" takes this: null never reaches the walk.
    pub(super) fn resolved(self) -> Self {
        if let Some(target) = self.here["$ref"].as_str().and_then(|r| r.strip_prefix('#')) {
            return match self.root.pointer(target) {
                Some(found) => self.to(found).resolved(),
                None => self,
            };
        }
        if let Some(choices) = self.here["anyOf"].as_array() {
            let mut real = choices.iter().filter(|choice| choice["type"] != "null");
            if let (Some(only), None) = (real.next(), real.next()) {
                return self.to(only).resolved();
            }
        }
        self
    }

    pub(super) fn field(self, name: &str) -> Option<Self> {
        Some(self.to(self.here["properties"].get(name)?))
    }

    /// The fields' names, in the order of the types.
    pub(super) fn fields(self) -> impl Iterator<Item = &'a str> {
        self.here["properties"]
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys().map(String::as_str))
    }

    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.here["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Json::as_str)
    }

    pub(super) fn items(self) -> Option<Self> {
        Some(self.to(self.here.get("items")?))
    }

    /// The words to choose from, where it is a choice.
    pub(super) fn choices(self) -> Option<Vec<&'a str>> {
        if let Some(values) = self.here["enum"].as_array() {
            return Some(values.iter().filter_map(Json::as_str).collect());
        }
        let choices = self.here["oneOf"].as_array()?;
        let mut words = Vec::new();
        for choice in choices {
            match (&choice["const"], choice["enum"].as_array()) {
                (Json::String(word), _) => words.push(word.as_str()),
                (_, Some(values)) => words.extend(values.iter().filter_map(Json::as_str)),
                _ => return None,
            }
        }
        Some(words)
    }

    /// `string`, `integer`, `number`, `boolean`, `array` or `object`.
    pub(super) fn kind(self) -> &'a str {
        match &self.here["type"] {
            Json::String(kind) => kind,
            Json::Array(kinds) => kinds
                .iter()
                .filter_map(Json::as_str)
                .find(|kind| *kind != "null")
                .unwrap_or(""),
            _ => "",
        }
    }

    pub(super) fn text(self, keyword: &str) -> Option<&'a str> {
        self.here[keyword].as_str()
    }

    pub(super) fn number(self, keyword: &str) -> Option<f64> {
        self.here[keyword].as_f64()
    }

    /// The default that stands beside the reference to a type, or with it.
    pub(super) fn default(self) -> Option<&'a Json> {
        self.here
            .get("default")
            .or_else(|| self.resolved().here.get("default"))
    }

    /// Every path of the schema: `server`, `server.flavor`, …
    pub(super) fn paths(self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(self, above: &str, paths: &mut Vec<String>) {
        for name in self.fields() {
            let path = if above.is_empty() {
                name.to_owned()
            } else {
                format!("{above}.{name}")
            };
            paths.push(path.clone());
            if let Some(field) = self.field(name) {
                field.resolved().collect(&path, paths);
            }
        }
    }
}
