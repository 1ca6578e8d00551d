//! What the operator wants: `hub.yaml` over a profile, under `--set`, checked before anything is contacted.
//!
//! The types in [`model`] are the one source: the JSON [`schema`] is made from them, documents are walked along that
//! schema, and what is left is read into them. Every value remembers where it was written, so each [`Problem`] names
//! file, line and column, and all of them are reported at once.

mod check;
mod combination;
mod digits;
mod document;
mod format;
mod layer;
pub mod model;
mod node;
mod problem;
mod profile;
mod sample;
mod schema;
mod set;
pub mod size;
mod suggest;
mod syntax;
mod text;
mod walk;
mod yaml;

use std::sync::Arc;

pub use combination::{Refusal, combination};
pub use document::Document;
pub use format::user_name;
pub use model::*;
pub use problem::{Place, Problem, Problems};
pub use profile::{Profile, profiles};
pub use sample::{Offer, sample};
pub use schema::schema;

use node::{Kind, Map, Node, Value};
use schema::Schema;
use set::Set;

/// A spec that can be carried out, and where each part of it was said.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub spec: Spec,
    /// What is allowed and probably not meant. Worth showing, stops nothing.
    pub warnings: Problems,
    tree: Node,
}

impl Loaded {
    /// Where the value in force at `path` (`server.flavor`, `access.ssh[0]`) was written; `None` where nobody wrote it
    /// and it is the built-in default.
    pub fn place(&self, path: &str) -> Option<&Place> {
        self.tree.at(path).map(|node| &node.place)
    }

    /// A problem with the value at `path` that shows only later (the cloud has no such flavor), in the form of the
    /// others. `message` is a predicate: ``names the flavor `m1.huge`, which the cloud does not have``.
    pub fn problem(
        &self,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        let place = check::nearest(&self.tree, path);
        Problem::new(place, path, message).hint(hint)
    }

    /// The spec as it is in force, every default written out.
    pub fn to_yaml(&self) -> Result<String, serde_yaml::Error> {
        serde_yaml::to_string(&self.spec)
    }
}

/// Reads a document over its profile and under `sets` (`path=value`).
///
/// `profile` (of `--profile`) goes before the one that the document names. Nothing but files is looked at: the profile,
/// and whether certificate files are there and are what they should be. All that is wrong is reported together.
pub fn load(
    document: &Document,
    profile: Option<&str>,
    sets: &[String],
) -> Result<Loaded, Problems> {
    let mut problems = Problems::default();
    let mut warnings = Problems::default();
    let mut read = None;
    if let Some((mut tree, folders)) = layered(document, profile, sets, &mut problems) {
        let schema = Schema::new(schema::known());
        let bad = walk::walk(&mut tree, schema, &folders, &mut problems);
        let spec = typed(&tree, &bad, &mut problems);
        if let Some(spec) = &spec {
            let mut checks = check::Checks::new(spec, &tree, &bad, document.now);
            checks.run();
            problems.extend(checks.problems);
            warnings = checks.warnings;
        }
        read = spec.map(|spec| (spec, tree));
    }
    match read {
        Some((spec, tree)) if problems.is_empty() => {
            warnings.sort(&document.name, sets);
            Ok(Loaded {
                spec,
                warnings,
                tree,
            })
        }
        _ => {
            problems.sort(&document.name, sets);
            Err(problems)
        }
    }
}

/// What a document says of where its deployment is, for commands that only have to find it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    pub name: Option<String>,
    pub cloud: Option<String>,
}

/// Reads the name and the cloud alone, whatever else is wrong: a certificate that has expired must not stand in the way
/// of `destroy`.
pub fn outline(document: &Document, profile: Option<&str>, sets: &[String]) -> Outline {
    let mut problems = Problems::default();
    let Some((mut tree, folders)) = layered(document, profile, sets, &mut problems) else {
        return Outline::default();
    };
    // What is wrong is taken out of the tree.
    walk::walk(
        &mut tree,
        Schema::new(schema::known()),
        &folders,
        &mut problems,
    );
    let text = |path: &str| match &tree.at(path)?.value {
        Value::Scalar(scalar) => Some(scalar.raw.clone()),
        _ => None,
    };
    Outline {
        name: text("name"),
        cloud: text("cloud"),
    }
}

/// The document over its profile and under the arguments; `None` where there is no document to speak of.
fn layered(
    document: &Document,
    profile: Option<&str>,
    sets: &[String],
    problems: &mut Problems,
) -> Option<(Node, walk::Folders)> {
    let mut parsed = Vec::new();
    for set in sets {
        match Set::parse(set) {
            Ok(set) => parsed.push(set),
            Err(problem) => problems.push(problem),
        }
    }
    let own = parse(document, problems)?;
    let mut folders = walk::Folders {
        home: document.home.clone(),
        ..walk::Folders::default()
    };
    folders
        .by_file
        .insert(document.name.clone(), document.folder.clone());

    let whole = own.place.clone();
    let mut tree = Node::new(whole.clone(), Value::Map(Map::default()));
    let (name, place) = profile_of(profile, &parsed, &own);
    if let Some(name) = name
        && let Some(found) = profile::find(&name, &place, &document.folder, problems)
    {
        if let Some(folder) = found.folder {
            folders.by_file.insert(found.name.to_string(), folder);
        }
        if let Some(below) = found.tree {
            layer::lay(&mut tree, below);
        }
    }
    layer::lay(&mut tree, own);
    tree.place = whole;
    for set in parsed {
        set.apply(&mut tree, Schema::new(schema::known()), problems);
    }
    if let (Some(profile), Value::Map(map)) = (profile, &mut tree.value) {
        map.insert(node::Entry {
            key: "profile".to_owned(),
            place: place.clone(),
            node: Node::text(place, profile),
        });
    }
    Some((tree, folders))
}

/// The document by itself: fields, or nothing.
fn parse(document: &Document, problems: &mut Problems) -> Option<Node> {
    let whole = Place::file(&document.name);
    let file: Arc<str> = document.name.as_str().into();
    let own = match yaml::parse(&file, &document.text, problems) {
        Ok(Some(own)) => own,
        Ok(None) => Node::new(whole.clone(), Value::Empty),
        Err(problem) => {
            problems.push(problem);
            return None;
        }
    };
    match own.value {
        Value::Map(_) => Some(Node::new(whole, own.value)),
        Value::Empty | Value::Null => Some(Node::new(whole, Value::Map(Map::default()))),
        _ => {
            let hint = "it is made of fields, such as `name: class`; `hubctl init` writes one";
            problems.push(Problem::new(own.place, "", "is not a spec").hint(hint));
            None
        }
    }
}

/// The profile in force, and where it was named.
fn profile_of(argument: Option<&str>, sets: &[Set], own: &Node) -> (Option<String>, Place) {
    if let Some(name) = argument {
        let place = Place::Argument {
            argument: format!("--profile {}", walk::shown(name)).into(),
        };
        return (Some(name.to_owned()), place);
    }
    let set = sets.iter().rev().find(|set| set.is_for("profile"));
    let (value, place) = match (set, own.at("profile")) {
        (Some(set), _) => (Some(&set.value), &set.place),
        (None, Some(node)) => (Some(node), &node.place),
        (None, None) => (None, &own.place),
    };
    let name = match value.map(|node| &node.value) {
        None | Some(Value::Empty | Value::Null) => Some(default_profile()),
        Some(Value::Scalar(scalar))
            if scalar.kind == Kind::Text || matches!(place, Place::Argument { .. }) =>
        {
            Some(scalar.raw.clone())
        }
        // The walk will say what is wrong with it.
        Some(_) => None,
    };
    (name, place.clone())
}

/// Reads the tree into the types. Where a required field is missing, a stand-in lets the rest be checked.
fn typed(tree: &Node, bad: &[String], problems: &mut Problems) -> Option<Spec> {
    let mut json = pruned(tree.to_json());
    if let Some(fields) = json.as_object_mut()
        && bad.iter().any(|path| path == "name")
    {
        fields.insert("name".to_owned(), "class".into());
    }
    match serde_json::from_value(json) {
        Ok(spec) => Some(spec),
        Err(error) => {
            if problems.is_empty() {
                problems.push(Problem::new(
                    tree.place.clone(),
                    "",
                    format!("cannot be read: {error}"),
                ));
            }
            None
        }
    }
}

/// Without the nulls: they are the defaults, which the types know.
fn pruned(json: serde_json::Value) -> serde_json::Value {
    match json {
        serde_json::Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, field)| !field.is_null())
            .map(|(name, field)| (name, pruned(field)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}
