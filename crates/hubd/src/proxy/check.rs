//! The comparison of the routes that should be with those that are.

use std::collections::{BTreeMap, BTreeSet};

use super::route::{Present, Route};

/// What makes the table right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A route that is missing or points elsewhere.
    Add(String, Route),
    /// A hub's route that this hub does not know.
    Delete(String),
}

/// Compares the wanted routes with the present ones. Paths in `pending` are being changed by someone else right now
/// and are left alone, as are routes that no hub posted.
pub fn changes(
    wanted: &BTreeMap<String, Route>,
    pending: &BTreeSet<String>,
    present: &BTreeMap<String, Present>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for (routespec, route) in wanted {
        let right = present
            .get(routespec)
            .is_some_and(|there| there.jupyterhub && there.target == route.target);
        if !right && !pending.contains(routespec) {
            changes.push(Change::Add(routespec.clone(), route.clone()));
        }
    }
    for (routespec, there) in present {
        let known = wanted.contains_key(routespec) || pending.contains(routespec);
        if there.jupyterhub && !known {
            changes.push(Change::Delete(routespec.clone()));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::Owner;

    fn route(target: &str) -> Route {
        Route {
            target: target.to_owned(),
            owner: Owner::Hub,
        }
    }

    fn present(target: &str, jupyterhub: bool) -> Present {
        Present {
            target: target.to_owned(),
            jupyterhub,
            last_activity: None,
        }
    }

    #[test]
    fn missing_and_misdirected_are_added_and_foreign_hub_routes_deleted() {
        let wanted = BTreeMap::from([
            ("/".to_owned(), route("http://127.0.0.1:880")),
            ("/user/ada".to_owned(), route("http://127.0.0.1:1001")),
            ("/user/bob".to_owned(), route("http://127.0.0.1:1002")),
            ("/user/eve".to_owned(), route("http://127.0.0.1:1003")),
        ]);
        let table = BTreeMap::from([
            ("/".to_owned(), present("http://127.0.0.1:880", true)),
            (
                "/user/ada".to_owned(),
                present("http://127.0.0.1:9999", true),
            ),
            (
                "/user/gone".to_owned(),
                present("http://127.0.0.1:1004", true),
            ),
            (
                "/user/stopping".to_owned(),
                present("http://127.0.0.1:1005", true),
            ),
            ("/docs".to_owned(), present("http://127.0.0.1:1006", false)),
        ]);
        let pending = BTreeSet::from(["/user/stopping".to_owned(), "/user/eve".to_owned()]);
        assert_eq!(
            changes(&wanted, &pending, &table),
            [
                Change::Add("/user/ada".to_owned(), route("http://127.0.0.1:1001")),
                Change::Add("/user/bob".to_owned(), route("http://127.0.0.1:1002")),
                Change::Delete("/user/gone".to_owned()),
            ]
        );
    }

    #[test]
    fn a_right_table_needs_nothing() {
        let wanted = BTreeMap::from([("/".to_owned(), route("http://h"))]);
        let table = BTreeMap::from([("/".to_owned(), present("http://h", true))]);
        assert_eq!(changes(&wanted, &BTreeSet::new(), &table), []);
    }
}
