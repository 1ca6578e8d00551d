//! One document laid over another.

use super::node::{Node, Value};

/// Lays `above` over `below`: fields are laid over one by one, lists and values replace what is below. An empty value
/// says nothing; `null` brings back the built-in default.
pub(super) fn lay(below: &mut Node, above: Node) {
    match (&mut below.value, above.value) {
        (_, Value::Empty) => {}
        (Value::Map(below), Value::Map(above)) => {
            for entry in above.entries {
                match below.get_mut(&entry.key) {
                    Some(old) => {
                        if !matches!(entry.node.value, Value::Empty) {
                            old.place = entry.place;
                        }
                        lay(&mut old.node, entry.node);
                    }
                    None => below.insert(entry),
                }
            }
        }
        (value, above_value) => {
            *value = above_value;
            below.place = above.place;
        }
    }
}
