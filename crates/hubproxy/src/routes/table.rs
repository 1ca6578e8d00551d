//! A tree of path segments: a lookup costs the path's length, however many routes there are.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::path::{PathError, Segments};
use super::route::Route;
use super::target::Target;

/// Why a route was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("Must specify 'target' as string")]
    Target,
    #[error("a route's path has at most {MAX_DEPTH} segments")]
    Deep,
}

/// The most segments a route's path has. The tree is walked by recursion when it changes.
const MAX_DEPTH: usize = 128;

/// The routes, shared by all who serve and by the API that changes them.
#[derive(Debug)]
pub struct Table {
    root: RwLock<Node>,
    count: AtomicUsize,
    generation: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Node {
    route: Option<Arc<Route>>,
    #[expect(
        clippy::box_collection,
        reason = "most nodes have no children, and ten thousand of them should cost little"
    )]
    children: Option<Box<HashMap<Box<str>, Node>>>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            root: RwLock::default(),
            count: AtomicUsize::new(0),
            generation: watch::Sender::new(0),
        }
    }
}

impl Table {
    /// An empty table.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Adds a route under a decoded path, replacing what was there. `data` are the fields as posted.
    pub fn insert(&self, path: &str, data: Map<String, Value>) -> Result<Arc<Route>, RouteError> {
        let target = data
            .get("target")
            .and_then(Value::as_str)
            .ok_or(RouteError::Target)?;
        let target = Target::parse(target);
        let path = canonical(path);
        if segments(&path).count() > MAX_DEPTH {
            return Err(RouteError::Deep);
        }
        let route = Arc::new(Route::new(path.clone(), target, data));
        {
            let mut node = &mut *self.write();
            for segment in segments(&path) {
                let children = node.children.get_or_insert_default();
                if !children.contains_key(segment) {
                    children.insert(segment.into(), Node::default());
                }
                let Some(child) = children.get_mut(segment) else {
                    unreachable!("the child was just inserted")
                };
                node = child;
            }
            if node.route.replace(Arc::clone(&route)).is_none() {
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.changed();
        Ok(route)
    }

    /// Removes the route of a decoded path; false if there is none.
    pub fn remove(&self, path: &str) -> bool {
        let path = canonical(path);
        let removed = remove(&mut self.write(), &mut segments(&path));
        if removed {
            self.count.fetch_sub(1, Ordering::Relaxed);
            self.changed();
        }
        removed
    }

    /// The route added under exactly this decoded path.
    pub fn get(&self, path: &str) -> Option<Arc<Route>> {
        let path = canonical(path);
        let root = self.read();
        let mut node = &*root;
        for segment in segments(&path) {
            node = node.children.as_ref()?.get(segment)?;
        }
        node.route.clone()
    }

    /// The route a request takes: the longest run of whole segments that has a target.
    ///
    /// `path` is the URL's path as it came. `host`, where routing goes by host, is the request's host without its
    /// port and is the first segment; the route of `/` is what is left when nothing else matches.
    pub fn lookup(&self, host: Option<&str>, path: &str) -> Result<Option<Arc<Route>>, PathError> {
        let segments = Segments::parse(path)?;
        let root = self.read();
        let mut found = root.route.as_ref();
        let mut node = &*root;
        let mut step = |segment: &str| {
            let Some(child) = node
                .children
                .as_ref()
                .and_then(|children| children.get(segment))
            else {
                return false;
            };
            node = child;
            if child.route.is_some() {
                found = child.route.as_ref();
            }
            true
        };
        let walks = match host {
            Some(host) if host.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                step(&host.to_ascii_lowercase())
            }
            Some(host) => step(host),
            None => true,
        };
        if walks {
            segments.walk(step);
        }
        Ok(found.cloned())
    }

    /// All routes, in the order of their paths; with `inactive_since` (milliseconds since 1970) only those last used
    /// strictly before it.
    pub fn list(&self, inactive_since: Option<i64>) -> Vec<Arc<Route>> {
        let mut routes = Vec::new();
        collect(&self.read(), &mut routes);
        if let Some(since) = inactive_since {
            routes.retain(|route| route.last_activity_ms() < since);
        }
        routes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        routes
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A watch that is woken after each change; its value counts the changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    fn changed(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    // A thread that panicked while it held the lock left the tree whole: each change is one assignment.
    fn read(&self) -> RwLockReadGuard<'_, Node> {
        self.root.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Node> {
        self.root.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A leading slash, and no trailing one save for the root.
fn canonical(path: &str) -> Box<str> {
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    format!("/{inner}").into_boxed_str()
}

fn segments(canonical: &str) -> impl Iterator<Item = &str> {
    let inner = canonical.strip_prefix('/').unwrap_or(canonical);
    (!inner.is_empty())
        .then(|| inner.split('/'))
        .into_iter()
        .flatten()
}

/// Removes the route and the nodes that led to it alone.
fn remove<'a>(node: &mut Node, segments: &mut impl Iterator<Item = &'a str>) -> bool {
    let Some(segment) = segments.next() else {
        return node.route.take().is_some();
    };
    let Some(children) = node.children.as_mut() else {
        return false;
    };
    let Some(child) = children.get_mut(segment) else {
        return false;
    };
    let removed = remove(child, segments);
    if child.route.is_none() && child.children.is_none() {
        children.remove(segment);
        if children.is_empty() {
            node.children = None;
        }
    }
    removed
}

fn collect(node: &Node, routes: &mut Vec<Arc<Route>>) {
    routes.extend(node.route.clone());
    for child in node.children.iter().flat_map(|children| children.values()) {
        collect(child, routes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(paths: &[&str]) -> Arc<Table> {
        let table = Table::new();
        for path in paths {
            let mut data = Map::new();
            data.insert("target".to_owned(), Value::from("http://127.0.0.1:1"));
            table.insert(path, data).unwrap();
        }
        table
    }

    fn lookup(table: &Table, host: Option<&str>, path: &str) -> Option<String> {
        table
            .lookup(host, path)
            .unwrap()
            .map(|route| route.path.to_string())
    }

    #[test]
    fn the_longest_run_of_whole_segments_wins() {
        let table = table(&["/", "/a/b", "/a/b/c/d", "/user/foo bar", "/user/é"]);
        for (path, expected) in [
            ("/", "/"),
            ("/a", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("/a/bc", "/"),
            ("/a/b/c", "/a/b"),
            ("/a/b/c/d/e", "/a/b/c/d"),
            ("/a%2Fb/x", "/a/b"),
            ("/a//b", "/"),
            ("//a/b", "/"),
            ("/x/../a/b", "/a/b"),
            ("/a/b/../../a/c", "/"),
            ("/user/foo%20bar/lab", "/user/foo bar"),
            ("/user/%C3%A9", "/user/é"),
        ] {
            assert_eq!(
                lookup(&table, None, path).as_deref(),
                Some(expected),
                "{path}"
            );
        }
    }

    #[test]
    fn without_a_root_there_may_be_no_route() {
        let table = table(&["/a"]);
        assert_eq!(lookup(&table, None, "/b"), None);
        assert_eq!(
            table.lookup(None, "/a/%ZZ").unwrap_err(),
            PathError::Encoding
        );
    }

    #[test]
    fn the_host_is_the_first_segment_where_routing_goes_by_host() {
        let table = table(&["/", "/hub.example", "/hub.example/a", "/a"]);
        for (host, path, expected) in [
            ("hub.example", "/", "/hub.example"),
            ("HUB.example", "/a/b", "/hub.example/a"),
            ("other.example", "/a", "/"),
        ] {
            assert_eq!(
                lookup(&table, Some(host), path).as_deref(),
                Some(expected),
                "{host}{path}"
            );
        }
    }

    #[test]
    fn removing_a_route_leaves_the_others_and_no_empty_nodes() {
        let table = table(&["/a/b", "/a/b/c/d", "/"]);
        assert!(!table.remove("/a"));
        assert!(table.remove("/a/b/c/d/"));
        assert!(!table.remove("/a/b/c/d"));
        assert!(table.get("/a/b").is_some());
        assert!(table.remove("/a/b"));
        assert!(table.read().children.is_none());
        assert_eq!(table.len(), 1);
        assert!(table.remove("/"));
        assert!(table.is_empty());
        assert!(table.list(None).is_empty());
    }

    #[test]
    fn a_listing_is_sorted_and_filtered_by_activity() {
        let table = table(&["/b", "/a"]);
        table.get("/a").unwrap().set_last_activity_ms(1_000);
        let paths = |since| {
            table
                .list(since)
                .iter()
                .map(|route| route.path.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(paths(None), ["/a", "/b"]);
        assert_eq!(paths(Some(1_000)), [""; 0]);
        assert_eq!(paths(Some(1_001)), ["/a"]);
    }

    #[test]
    fn what_was_posted_is_kept_and_what_is_no_target_too() {
        let table = Table::new();
        let data = serde_json::json!({"target": "nonsense", "user": "ada", "n": [1, null]});
        let Value::Object(data) = data else {
            unreachable!()
        };
        let mut changes = table.changes();
        let route = table.insert("user/ada/", data.clone()).unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!((&*route.path, route.fields()), ("/user/ada", data));
        assert!(route.target.is_err());
        assert_eq!(
            table.insert("/x", Map::new()).unwrap_err(),
            RouteError::Target
        );
        let deep = serde_json::from_str(r#"{"target": "http://x"}"#).unwrap();
        assert_eq!(
            table.insert(&"/x".repeat(129), deep).unwrap_err(),
            RouteError::Deep
        );
        assert!(!changes.has_changed().unwrap());
    }
}
