//! The walk of a document along the schema: unknown fields, wrong types, values that cannot be.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::format;
use super::node::{Kind, Map, Node, Value};
use super::problem::{Place, Problem, Problems};
use super::schema::Schema;
use super::suggest;

/// Where relative paths start, by the name of the file that says them.
#[derive(Debug, Clone, Default)]
pub(super) struct Folders {
    pub(super) by_file: HashMap<String, PathBuf>,
    pub(super) home: Option<PathBuf>,
}

impl Folders {
    fn resolve(&self, place: &Place, text: &str) -> PathBuf {
        if let (Some(rest), Some(home)) = (text.strip_prefix("~/"), &self.home) {
            return home.join(rest);
        }
        match (place, self.by_file.get(place.source())) {
            (Place::Argument { .. }, _) | (_, None) => PathBuf::from(text),
            (_, Some(folder)) => folder.join(Path::new(text)),
        }
    }
}

/// Walks `tree` along `schema`. What is wrong is taken out of the tree, so that what is left makes sense by itself;
/// the paths taken out are returned.
pub(super) fn walk(
    tree: &mut Node,
    schema: Schema<'_>,
    folders: &Folders,
    problems: &mut Problems,
) -> Vec<String> {
    let paths = schema.paths();
    let mut walk = Walk {
        paths: &paths,
        folders,
        problems,
        bad: Vec::new(),
    };
    let anchor = tree.place.clone();
    walk.group(schema.resolved(), "", &anchor, tree);
    walk.bad
}

struct Walk<'a> {
    paths: &'a [String],
    folders: &'a Folders,
    problems: &'a mut Problems,
    bad: Vec<String>,
}

/// The value is wrong and must go.
struct Bad;

impl Walk<'_> {
    fn wrong(&mut self, problem: Problem) -> Result<(), Bad> {
        self.bad.push(problem.path.clone());
        self.problems.push(problem);
        Err(Bad)
    }

    fn node(
        &mut self,
        schema: Schema<'_>,
        path: &str,
        place: &Place,
        node: &mut Node,
    ) -> Result<(), Bad> {
        let schema = schema.resolved();
        match schema.kind() {
            "object" => self.object(schema, path, place, node),
            "array" => self.list(schema, path, node),
            "boolean" => self.boolean(path, node),
            "integer" | "number" => self.number(schema, path, node),
            _ => self.text(schema, path, node),
        }
    }

    fn object(
        &mut self,
        schema: Schema<'_>,
        path: &str,
        place: &Place,
        node: &mut Node,
    ) -> Result<(), Bad> {
        if node.map().is_none() {
            let fields: Vec<String> = schema.fields().map(|field| format!("`{field}`")).collect();
            return self.wrong(
                Problem::new(
                    node.place.clone(),
                    path,
                    format!("is {}, wants fields below it", describe(&node.value)),
                )
                .hint(match glued(&node.value) {
                    Some((field, value)) => {
                        format!("a space is missing behind the colon: `{field}: {value}`")
                    }
                    None if matches!(node.place, Place::Argument { .. }) => {
                        format!("set one of its fields: {}", fields.join(", "))
                    }
                    None => format!(
                        "its fields, each in a line of its own, indented: {}",
                        fields.join(", ")
                    ),
                }),
            );
        }
        if self.group(schema, path, place, node) {
            Ok(())
        } else {
            Err(Bad)
        }
    }

    /// Walks the fields of a group; false where one it cannot be without is missing.
    fn group(&mut self, schema: Schema<'_>, path: &str, place: &Place, node: &mut Node) -> bool {
        let Value::Map(map) = &mut node.value else {
            return false;
        };
        let fields: Vec<&str> = schema.fields().collect();
        let mut whole = true;
        for name in schema.required() {
            let written = map.get(name);
            if written.is_some_and(|entry| !is_nothing(&entry.node)) {
                continue;
            }
            whole = false;
            let place = written.map_or(place, |entry| &entry.place).clone();
            let example = match name {
                "name" => "name: class",
                "size" => "size: 100",
                other => other,
            };
            let message = if written.is_some() {
                "has no value"
            } else {
                "is missing"
            };
            let _ = self.wrong(
                Problem::new(place, below(path, name), message)
                    .hint(format!("it cannot be left out: `{example}`")),
            );
        }
        let mut kept = Map::default();
        for mut entry in std::mem::take(map).entries {
            let here = below(path, &entry.key);
            let Some(field) = schema.field(&entry.key) else {
                let hint = suggest::field(&entry.key, path, &fields, self.paths);
                let _ = self.wrong(
                    Problem::new(
                        entry.place,
                        below(path, &shown(&entry.key)),
                        "is not a field",
                    )
                    .hint_if(hint),
                );
                continue;
            };
            let place = entry.place.clone();
            if is_nothing(&entry.node) || self.node(field, &here, &place, &mut entry.node).is_ok() {
                kept.entries.push(entry);
            }
        }
        *map = kept;
        whole
    }

    fn list(&mut self, schema: Schema<'_>, path: &str, node: &mut Node) -> Result<(), Bad> {
        let place = node.place.clone();
        let Value::List(items) = &mut node.value else {
            let problem = Problem::new(
                node.place.clone(),
                path,
                format!("is {}, wants a list", describe(&node.value)),
            );
            let hint = match &node.value {
                Value::Scalar(scalar)
                    if !is_secret(&scalar.raw) && !scalar.raw.contains(['[', ']']) =>
                {
                    format!("put it in brackets: `[{}]`", shown(&scalar.raw))
                }
                _ => "write `[a, b]`, or each entry in a line of its own behind `- `".to_owned(),
            };
            return self.wrong(problem.hint(hint));
        };
        let Some(schema) = schema.items() else {
            return Ok(());
        };
        let mut kept = Vec::new();
        for (index, mut item) in std::mem::take(items).into_iter().enumerate() {
            let here = format!("{path}[{index}]");
            if is_nothing(&item) {
                let _ = self.wrong(
                    Problem::new(item.place, here, "is empty")
                        .hint("remove the `-`, or write a value behind it"),
                );
            } else if self.node(schema, &here, &place, &mut item).is_ok() {
                kept.push(item);
            }
        }
        *items = kept;
        Ok(())
    }

    fn boolean(&mut self, path: &str, node: &Node) -> Result<(), Bad> {
        let Value::Scalar(scalar) = &node.value else {
            return self.mismatch(path, node, "`true` or `false`", "write `true` or `false`");
        };
        let hint = match (scalar.kind, scalar.raw.to_lowercase().as_str()) {
            (Kind::Bool(_), _) => return Ok(()),
            (_, "yes" | "on" | "true" | "1" | "y") => "write `true`, without quotes",
            (_, "no" | "off" | "false" | "0" | "n" | "never" | "none") => {
                "write `false`, without quotes"
            }
            _ => "write `true` or `false`",
        };
        self.mismatch(path, node, "`true` or `false`", hint)
    }

    fn number(&mut self, schema: Schema<'_>, path: &str, node: &Node) -> Result<(), Bad> {
        let whole = schema.kind() == "integer";
        let wanted = if whole { "a whole number" } else { "a number" };
        let Value::Scalar(scalar) = &node.value else {
            return self.mismatch(path, node, wanted, "write it in digits");
        };
        let number = match scalar.kind {
            #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^52")]
            Kind::Int(int) => int as f64,
            Kind::Float(float) if !whole && float.is_finite() => float,
            _ => {
                return self.mismatch(
                    path,
                    node,
                    wanted,
                    &super::digits::hint(path, scalar, whole),
                );
            }
        };
        let (least, most) = (schema.number("minimum"), schema.number("maximum"));
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            let range = match (least, most) {
                (Some(least), Some(most)) => format!("from {least} to {most}"),
                (Some(least), None) => format!("{least} or more"),
                (None, Some(most)) => format!("{most} at the most"),
                (None, None) => String::new(),
            };
            return self.wrong(Problem::new(
                node.place.clone(),
                path,
                format!("is {}, wants a number {range}", shown(&scalar.raw)),
            ));
        }
        Ok(())
    }

    fn text(&mut self, schema: Schema<'_>, path: &str, node: &mut Node) -> Result<(), Bad> {
        let from_argument = matches!(node.place, Place::Argument { .. });
        let Value::Scalar(scalar) = &mut node.value else {
            return self.mismatch(path, node, "a text", "write one value behind the colon");
        };
        if let Some(choices) = schema.choices() {
            if scalar.kind == Kind::Text && choices.contains(&scalar.raw.as_str()) {
                return Ok(());
            }
            let list: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            let hint = suggest::choice(&scalar.raw, &choices);
            let raw = shown(&scalar.raw);
            let message = match list.as_slice() {
                [one] => format!("is `{raw}`, wants {one}, the only one so far"),
                _ => format!("is `{raw}`, wants one of {}", list.join(", ")),
            };
            let hint = hint.or_else(|| word_hint(path, &scalar.raw));
            return self.wrong(Problem::new(node.place.clone(), path, message).hint_if(hint));
        }
        let format = schema.text("format");
        let check = format.and_then(format::check).unwrap_or(format::line);
        let checked = check(&scalar.raw);
        if scalar.kind != Kind::Text {
            // On a command line quotes are the shell's; what was typed is what is meant. Where quotes would not make
            // it right, they are not what is missing.
            if !from_argument && checked.is_ok() {
                let hint = format!(
                    "put quotes around it: `{}: \"{}\"`",
                    path.rsplit('.').next().unwrap_or(path),
                    scalar.raw
                );
                return self.mismatch(path, node, "a text", &hint);
            }
            scalar.kind = Kind::Text;
        }
        if let Err(wrong) = checked {
            return self
                .wrong(Problem::new(node.place.clone(), path, wrong.message).hint_if(wrong.hint));
        }
        let is_local = match format {
            Some("local-file") => true,
            Some("release-source") => !scalar.raw.contains("://"),
            _ => false,
        };
        if is_local {
            scalar.raw = self
                .folders
                .resolve(&node.place, &scalar.raw)
                .display()
                .to_string();
        }
        Ok(())
    }

    fn mismatch(&mut self, path: &str, node: &Node, wanted: &str, hint: &str) -> Result<(), Bad> {
        self.wrong(
            Problem::new(
                node.place.clone(),
                path,
                format!("is {}, wants {wanted}", describe(&node.value)),
            )
            .hint(hint),
        )
    }
}

/// `seats:30`, which YAML reads as one text.
fn glued(value: &Value) -> Option<(&str, &str)> {
    let Value::Scalar(scalar) = value else {
        return None;
    };
    let (field, rest) = scalar.raw.split_once(':')?;
    let word = !field.is_empty() && field.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    (word && !rest.is_empty() && !rest.starts_with(char::is_whitespace) && !is_secret(rest))
        .then_some((field, rest))
}

/// Words for choices that we know and do not have.
fn word_hint(path: &str, word: &str) -> Option<String> {
    let word = word.to_lowercase();
    let hint = match path {
        "tls.kind" if matches!(word.as_str(), "off" | "false" | "http") => {
            "`none` is plain HTTP for the server itself alone, with `access.web: []`; otherwise passwords would be sent in the clear"
        }
        "tls.kind" => "`self-signed` needs nothing; `own` takes `certificate` and `key`",
        "spawner.kind" => {
            "`systemd` gives each user limits and a sandbox, `docker` limits and a container, `local` and `sudo` neither"
        }
        "ssh.host_key" => {
            "`console` asks the cloud for the server's console log and needs nothing else"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn is_nothing(node: &Node) -> bool {
    matches!(node.value, Value::Empty | Value::Null)
}

pub(super) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Empty | Value::Null => "empty".to_owned(),
        Value::Scalar(scalar) => match scalar.kind {
            Kind::Text => format!("the text `{}`", shown(&scalar.raw)),
            Kind::Bool(_) => format!("`{}` (yes or no)", scalar.raw),
            Kind::Int(_) | Kind::Float(_) => format!("the number {}", shown(&scalar.raw)),
        },
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a group of fields".to_owned(),
    }
}

/// What was written, short enough for a message, in one line, and never a secret.
pub(super) fn shown(raw: &str) -> String {
    if is_secret(raw) {
        return "…".to_owned();
    }
    let mut shown: String = raw
        .chars()
        .take(40)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if raw.chars().count() > 40 {
        shown.push('…');
    }
    shown
}

pub(super) fn is_secret(raw: &str) -> bool {
    raw.contains("PRIVATE KEY") || raw.contains("b3BlbnNzaC1rZXktdjE")
}
