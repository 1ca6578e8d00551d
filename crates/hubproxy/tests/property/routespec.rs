//! Where a path leads: the table against a list that is searched from the longest prefix down.

use std::collections::HashMap;

use hubproxy::routes::Table;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};
use url::Url;

use crate::{lines, runner};

/// The routes as CHP has them: by decoded path, in segments.
#[derive(Default)]
struct Model(HashMap<Vec<String>, String>);

/// A route's path without its leading slash and one trailing one, in segments.
fn segments(path: &str) -> Vec<String> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        Vec::new()
    } else {
        path.split('/').map(str::to_owned).collect()
    }
}

impl Model {
    /// As the real one reads a request's path: a URL parser resolves the dots, then all of it is decoded. `None` where it
    /// cannot be decoded.
    fn lookup(&self, path: &str) -> Option<Option<&String>> {
        let url = Url::parse(&format!("http://host{path}")).ok()?;
        let text = url.path();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            u8::from_str_radix(rest.get(at + 1..at + 3)?, 16).ok()?;
            rest = &rest[at + 3..];
        }
        let decoded = percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .ok()?;
        let path: Vec<String> = decoded
            .strip_prefix('/')
            .unwrap_or(&decoded)
            .split('/')
            .map(str::to_owned)
            .collect();
        Some(
            (0..=path.len())
                .rev()
                .find_map(|length| self.0.get(&path[..length])),
        )
    }
}

#[derive(Clone, Debug)]
enum Change {
    Add(String),
    Remove(String),
}

/// Pieces that collide, nearly collide, or mean something.
const PIECES: &[&str] = &[
    "a", "b", "ab", "a b", "ü", "user", "", "A", "~", "foo@bar", "...", "hub",
];
const RAW: &[&str] = &[
    "a",
    "b",
    "ab",
    "a%20b",
    "%C3%BC",
    "%61",
    "user",
    "",
    "A",
    "~",
    "foo@bar",
    "foo%40bar",
    ".",
    "..",
    "%2e",
    "%2E.",
    "...",
    "a%2Fb",
    "%2F",
    "%5C",
    "a\\b",
    "%zz",
    "%",
    "%f",
    "%FF",
    "a;b",
    "a=b",
    "hub",
    "%2561",
];

fn path(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(select(pieces), 0..5).prop_map(|pieces| format!("/{}", pieces.join("/")))
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = (path(PIECES), prop::bool::weighted(0.8));
    vec(
        change.prop_map(|(path, add)| {
            if add {
                Change::Add(path)
            } else {
                Change::Remove(path)
            }
        }),
        0..20,
    )
}

fn check(changes: &[Change], asked: &[String]) -> Result<(), TestCaseError> {
    let (table, mut model) = (Table::new(), Model::default());
    for change in changes {
        match change {
            Change::Add(path) => {
                let mut data = Map::new();
                data.insert("target".to_owned(), json!("http://127.0.0.1:1"));
                let added = table.insert(path, data);
                prop_assert!(added.is_ok());
                let canonical = added
                    .map(|route| route.path.to_string())
                    .unwrap_or_default();
                model.0.insert(segments(path), canonical);
            }
            Change::Remove(path) => {
                let removed = table.remove(path);
                prop_assert_eq!(
                    removed,
                    model.0.remove(&segments(path)).is_some(),
                    "removing {}",
                    path
                );
            }
        }
    }
    let mut listed: Vec<String> = table
        .list(None)
        .iter()
        .map(|route| route.path.to_string())
        .collect();
    let mut wanted: Vec<String> = model.0.values().cloned().collect();
    listed.sort();
    wanted.sort();
    prop_assert_eq!(listed, wanted);
    for path in asked {
        let found = table.lookup(None, path).ok();
        let found = found.map(|route| route.map(|route| route.path.to_string()));
        prop_assert_eq!(
            found,
            model.lookup(path).map(|found| found.cloned()),
            "looking for {}",
            path
        );
    }
    Ok(())
}

#[test]
fn a_path_leads_to_the_longest_prefix() {
    let known = lines(include_str!("corpus/routespec.txt"));
    let asked: Vec<String> = known.map(str::to_owned).collect();
    let added = ["/", "/a", "/a/b", "/user/ü", "/a b", "//", "/a//b"]
        .map(|path| Change::Add(path.to_owned()));
    check(&added, &asked).expect("the corpus");
    let cases = (changes(), vec(path(RAW), 1..8));
    runner("tests/property/corpus/routespec.seeds", 512)
        .run(&cases, |(changes, asked)| check(&changes, &asked))
        .expect("a table like the model");
}

/// Anything at all, of any length.
#[test]
fn no_path_is_too_odd() {
    let (table, target) = (Table::new(), json!({"target": "http://127.0.0.1:1"}));
    let data = target.as_object().cloned().unwrap_or_default();
    runner("tests/property/corpus/odd.seeds", 512)
        .run(&any::<String>(), |path| {
            if let Ok(route) = table.insert(&path, data.clone()) {
                prop_assert!(
                    table
                        .get(&path)
                        .is_some_and(|found| found.path == route.path)
                );
                prop_assert!(table.remove(&path));
            }
            let _ = table.lookup(None, &path);
            let _ = table.lookup(Some(&path), "/");
            Ok(())
        })
        .expect("no panic");
}
