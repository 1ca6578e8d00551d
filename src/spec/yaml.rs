//! YAML text to a tree of [`Node`]s; all that is wrong with it as YAML.
//!
//! The parser's events are read directly: values keep their places and what was written (`6.10` is not `6.1`), and
//! every duplicate key is reported, with the place of the first.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::node::{Entry, Kind, Map, Node, Scalar, Value};
use super::problem::{Place, Problem, Problems};
use super::syntax;

/// No document of ours is deeper; what is cannot overflow the stack of those who walk it.
const DEEPEST: usize = 32;
/// What aliases may add, in nodes: a few lines of anchors can otherwise be made to fill the memory.
const LARGEST: usize = 5_000;

/// Reads one document. `Err` where the text is not YAML; duplicate keys and the like go to `problems` and are left out.
pub(super) fn parse(
    file: &Arc<str>,
    text: &str,
    problems: &mut Problems,
) -> Result<Option<Node>, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Tree {
        file,
        last: text.matches(['\n', '\r']).count() + 1,
        problems,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        nodes: 0,
        documents: 0,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax::problem(file, text, &error))?;
        tree.take(event, span.start)?;
        if tree.documents > 1 {
            break;
        }
    }
    Ok(tree.root)
}

/// A collection whose end has not been read yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<Key>,
}

enum Key {
    Field(String, Place),
    /// Something that cannot be a key; its value is skipped.
    Unusable,
}

struct Tree<'a> {
    file: &'a Arc<str>,
    /// The number of lines: what is missing at the end has no line of its own.
    last: usize,
    problems: &'a mut Problems,
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: usize,
}

impl Tree<'_> {
    fn place(&self, mark: Marker) -> Place {
        Place::line(self.file, mark.line().clamp(1, self.last), mark.col() + 1)
    }

    fn take(&mut self, event: Event<'_>, mark: Marker) -> Result<(), Problem> {
        let place = self.place(mark);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.problems.push(
                        Problem::new(place, "", "a second document starts here")
                            .hint("one file is one deployment: remove the `---`, or move what follows to a file of its own"),
                    );
                }
            }
            Event::Scalar(raw, style, anchor, tag) => {
                let value = self.scalar(&place, raw.into_owned(), style, tag.as_deref());
                self.keep(Node::new(place, value), anchor)?;
            }
            Event::Alias(id) => {
                let mut node = match self.anchors.get(&id) {
                    Some(node) => node.clone(),
                    None => Node::new(place.clone(), Value::Empty),
                };
                self.nodes += size(&node);
                node.place = place;
                self.keep(node, 0)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(&place, tag.as_deref());
                self.start(place, Value::List(Vec::new()), anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(&place, tag.as_deref());
                self.start(place, Value::Map(Map::default()), anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(done) = self.open.pop() {
                    self.keep(done.node, done.anchor)?;
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, place: Place, value: Value, anchor: usize) -> Result<(), Problem> {
        if self.open.len() >= DEEPEST {
            return Err(Problem::new(
                place,
                "",
                format!("is nested more than {DEEPEST} deep"),
            ));
        }
        self.open.push(Open {
            node: Node::new(place, value),
            anchor,
            key: None,
        });
        Ok(())
    }

    /// The path of the open collection, up to the name of the next field: `server.`.
    fn above(&self) -> String {
        let mut path = String::new();
        for open in self.open.iter().take(self.open.len().saturating_sub(1)) {
            match (&open.node.value, &open.key) {
                (Value::List(items), _) => {
                    path.pop();
                    path.push_str(&format!("[{}].", items.len()));
                }
                (_, Some(Key::Field(key, _))) => {
                    path.push_str(key);
                    path.push('.');
                }
                _ => {}
            }
        }
        path
    }

    /// Puts a finished node where it belongs.
    fn keep(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > LARGEST {
            return Err(
                Problem::new(node.place, "", "the document is too large").hint(format!(
                    "no more than {LARGEST} values, aliases counted as what they stand for"
                )),
            );
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let above = self.above();
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(map) => match parent.key.take() {
                None => parent.key = Some(key(node, self.problems)),
                Some(Key::Unusable) => {}
                Some(Key::Field(key, place)) => match map.get(&key) {
                    Some(first) => {
                        let first = match &first.place {
                            Place::Text { line, .. } if **self.file != *"--set" => {
                                format!(", first in line {line}")
                            }
                            _ => String::new(),
                        };
                        self.problems.push(
                            Problem::new(
                                place,
                                above + &key,
                                format!("stands here a second time{first}"),
                            )
                            .hint("keep one of the two"),
                        );
                    }
                    None => map.entries.push(Entry { key, place, node }),
                },
            },
            _ => {}
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        place: &Place,
        raw: String,
        style: ScalarStyle,
        tag: Option<&Tag>,
    ) -> Value {
        let plain = match tag {
            Some(tag) if tag.is_yaml_core_schema() => tag.suffix != "str",
            Some(tag) => {
                self.tag(place, Some(tag));
                false
            }
            None => style == ScalarStyle::Plain,
        };
        if plain {
            return resolve(raw);
        }
        Value::Scalar(Scalar {
            raw,
            kind: Kind::Text,
        })
    }

    fn tag(&mut self, place: &Place, tag: Option<&Tag>) {
        let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema() && !tag.suffix.is_empty())
        else {
            return;
        };
        self.problems.push(
            Problem::new(
                place.clone(),
                "",
                format!("the tag `{tag}` has no meaning here"),
            )
            .hint("remove it; put quotes around a value that starts with `!`"),
        );
    }
}

fn key(node: Node, problems: &mut Problems) -> Key {
    match node.value {
        Value::Scalar(scalar) if scalar.raw == "<<" => {
            problems.push(
                Problem::new(node.place, "<<", "merging is not understood")
                    .hint("write the fields out"),
            );
            Key::Unusable
        }
        Value::Scalar(scalar) => Key::Field(scalar.raw, node.place),
        _ => {
            problems.push(
                Problem::new(node.place, "", "is no name for a field")
                    .hint("a field is a word and a colon: `name: class`; put quotes around a value that starts with `{`, `[` or `?`"),
            );
            Key::Unusable
        }
    }
}

/// What an unquoted value means: YAML 1.2's core schema.
fn resolve(raw: String) -> Value {
    let kind = match raw.as_str() {
        "" => return Value::Empty,
        "null" | "Null" | "NULL" | "~" => return Value::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        text => number(text).unwrap_or(Kind::Text),
    };
    Value::Scalar(Scalar { raw, kind })
}

fn number(text: &str) -> Option<Kind> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok().map(Kind::Int);
    }
    if let Some(octal) = digits.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().map(Kind::Int);
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Some(Kind::Float(f64::INFINITY));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Kind::Float(f64::NAN));
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.contains(|c: char| c.is_ascii_digit())
        || digits.contains(|c: char| !matches!(c, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'))
    {
        return None;
    }
    text.parse()
        .map(Kind::Int)
        .ok()
        .or_else(|| text.parse().map(Kind::Float).ok())
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(map) => {
            1 + map
                .entries
                .iter()
                .map(|entry| size(&entry.node))
                .sum::<usize>()
        }
        _ => 1,
    }
}
