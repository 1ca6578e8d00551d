//! `--set path=value`: one value laid over the document.

use std::sync::Arc;

use super::layer;
use super::node::{Entry, Map, Node, Value};
use super::problem::{Place, Problem, Problems};
use super::schema::Schema;
use super::walk;
use super::yaml;

/// One `--set`, understood as far as it goes by itself.
pub(super) struct Set {
    pub(super) place: Place,
    path: String,
    steps: Vec<Step>,
    pub(super) value: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
}

impl Set {
    /// Reads `path=value`; the value is YAML on one line.
    pub(super) fn parse(argument: &str) -> Result<Self, Problem> {
        let (path, value) = match argument.split_once('=') {
            Some((path, value)) => (path.trim(), Some(value)),
            None => (argument.trim(), None),
        };
        let place = Place::Argument {
            argument: shown(argument).into(),
        };
        let Some(value) = value else {
            return Err(Problem::new(place, "", "has no `=`")
                .hint("`--set limits.seats=30`; `--set volume=null` for the default"));
        };
        let Some(steps) = steps(path) else {
            let message = if path.is_empty() {
                "has no path before the `=`"
            } else {
                "has a path that is not understood"
            };
            return Err(Problem::new(place, "", message)
                .hint("fields with dots between them, entries of a list in brackets: `access.ssh[0]=operator`"));
        };
        let mut problems = Problems::default();
        let value = yaml::parse(&Arc::from("--set"), value, &mut problems)
            .and_then(|node| match problems.iter().next() {
                Some(problem) => Err(problem.clone()),
                None => Ok(node),
            })
            .map_err(|problem| {
                let mut message = problem.message;
                if !problem.path.is_empty() {
                    message = format!("{}: {message}", problem.path);
                }
                let hint = problem.hint.unwrap_or_default();
                Problem::new(place.clone(), path, message).hint(hint)
            })?;
        let value = value.unwrap_or(Node::new(place.clone(), Value::Empty));
        if matches!(value.value, Value::Empty) {
            return Err(Problem::new(place, path, "has no value behind the `=`")
                .hint(format!("`--set {path}=null` for the default")));
        }
        Ok(Self {
            value: moved(value, &place),
            path: path.to_owned(),
            place,
            steps,
        })
    }

    pub(super) fn is_for(&self, field: &str) -> bool {
        self.steps == [Step::Field(field.to_owned())]
    }

    /// Lays the value over `tree`.
    pub(super) fn apply(self, tree: &mut Node, schema: Schema<'_>, problems: &mut Problems) {
        if let Err(problem) = put(tree, Some(schema), &self.steps, "", &self) {
            problems.push(*problem);
        }
    }
}

/// The argument as problems name it: long values and what may be secret are left out.
pub(super) fn shown(argument: &str) -> String {
    let Some((path, value)) = argument.split_once('=') else {
        return format!("--set {}", walk::shown(argument));
    };
    let hidden = walk::is_secret(value)
        || value.contains("://") && value.contains('@')
        || value.chars().count() > 60
        || value.contains(char::is_control);
    let value = if hidden { "…" } else { value };
    format!("--set {}={value}", walk::shown(path.trim()))
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (field, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if field.is_empty() {
            return None;
        }
        steps.push(Step::Field(field.to_owned()));
        while !rest.is_empty() {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(Step::Index(index.trim().parse().ok()?));
            rest = after;
        }
    }
    (steps.len() <= 16).then_some(steps)
}

/// The same tree, all of it at `place`.
fn moved(mut node: Node, place: &Place) -> Node {
    node.place = place.clone();
    match &mut node.value {
        Value::List(items) => {
            for item in items {
                *item = moved(
                    std::mem::replace(item, Node::new(place.clone(), Value::Empty)),
                    place,
                );
            }
        }
        Value::Map(map) => {
            for entry in &mut map.entries {
                entry.place = place.clone();
                let node =
                    std::mem::replace(&mut entry.node, Node::new(place.clone(), Value::Empty));
                entry.node = moved(node, place);
            }
        }
        _ => {}
    }
    node
}

fn put(
    node: &mut Node,
    schema: Option<Schema<'_>>,
    steps: &[Step],
    above: &str,
    set: &Set,
) -> Result<(), Box<Problem>> {
    let Some((step, rest)) = steps.split_first() else {
        layer::lay(node, set.value.clone());
        return Ok(());
    };
    let schema_here = schema.map(Schema::resolved);
    match step {
        Step::Field(name) => {
            if matches!(node.value, Value::Empty | Value::Null) {
                node.value = Value::Map(Map::default());
                node.place = set.place.clone();
            }
            let Value::Map(map) = &mut node.value else {
                return Err(Box::new(
                    Problem::new(
                        set.place.clone(),
                        set.path.as_str(),
                        format!("goes below `{above}`, which has no fields"),
                    )
                    .hint(format!("`--set {above}=…` sets it as a whole")),
                ));
            };
            let path = walk::below(above, name);
            let field = schema_here.and_then(|schema| schema.field(name));
            if map.get(name).is_none() {
                map.insert(Entry {
                    key: name.clone(),
                    place: set.place.clone(),
                    node: Node::new(set.place.clone(), Value::Empty),
                });
            }
            let Some(entry) = map.get_mut(name) else {
                return Ok(());
            };
            // The field now stands where it was last spoken of, so that problems name the argument.
            entry.place = set.place.clone();
            put(&mut entry.node, field, rest, &path, set)
        }
        Step::Index(index) => {
            if matches!(node.value, Value::Empty | Value::Null) {
                // What is in force where nothing was said: the default's entries.
                let default = schema.and_then(Schema::default);
                *node = match default {
                    Some(json @ serde_json::Value::Array(_)) => Node::from_json(&set.place, json),
                    _ => Node::new(set.place.clone(), Value::List(Vec::new())),
                };
            }
            let Value::List(items) = &mut node.value else {
                return Err(Box::new(
                    Problem::new(
                        set.place.clone(),
                        set.path.as_str(),
                        format!("counts entries of `{above}`, which is not a list"),
                    )
                    .hint(format!("`--set {above}=…`")),
                ));
            };
            if *index > items.len() {
                return Err(Box::new(
                    Problem::new(
                        set.place.clone(),
                        set.path.as_str(),
                        format!("`{above}` has {} entries, counted from 0", items.len()),
                    )
                    .hint(format!("the next one is `{above}[{}]`", items.len())),
                ));
            }
            if *index == items.len() {
                items.push(Node::new(set.place.clone(), Value::Empty));
            }
            let items_schema = schema_here.and_then(Schema::items);
            put(
                &mut items[*index],
                items_schema,
                rest,
                &format!("{above}[{index}]"),
                set,
            )
        }
    }
}
