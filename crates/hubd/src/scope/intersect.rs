//! What two sets of scopes both allow.

use std::collections::BTreeSet;

use super::{Filter, Names, Scopes};

impl Scopes {
    /// What both allow. `groups_of` tells the groups of a user, for one set names a group and the other its member.
    pub fn intersect(&self, other: &Self, groups_of: &dyn Fn(&str) -> Vec<String>) -> Self {
        let mut common = Self::default();
        for (base, mine) in &self.0 {
            let Some(theirs) = other.0.get(base) else {
                continue;
            };
            let both = match (mine, theirs) {
                (Filter::All, filter) | (filter, Filter::All) => filter.clone(),
                (Filter::Only(a), Filter::Only(b)) => Filter::Only(meet(a, b, groups_of)),
            };
            if !matches!(&both, Filter::Only(names) if names.is_empty()) {
                common.0.insert(base.clone(), both);
            }
        }
        common
    }

    /// What is allowed here and not there, as text.
    pub fn without(&self, other: &Self) -> Vec<String> {
        let theirs: BTreeSet<String> = other.iter().collect();
        self.iter()
            .filter(|scope| !theirs.contains(scope))
            .collect()
    }
}

/// Names in both, and names in one that lie within a name of the other: a server of a user, a member of a group.
fn meet(a: &Names, b: &Names, groups_of: &dyn Fn(&str) -> Vec<String>) -> Names {
    let mut common = Names {
        users: a.users.intersection(&b.users).cloned().collect(),
        servers: a.servers.intersection(&b.servers).cloned().collect(),
        groups: a.groups.intersection(&b.groups).cloned().collect(),
        services: a.services.intersection(&b.services).cloned().collect(),
    };
    for (inner, outer) in [(a, b), (b, a)] {
        let member = |user: &str| {
            !outer.groups.is_empty() && groups_of(user).iter().any(|g| outer.groups.contains(g))
        };
        for server in &inner.servers {
            let user = server
                .split_once('/')
                .map_or(server.as_str(), |(user, _)| user);
            if outer.users.contains(user) || member(user) {
                common.servers.insert(server.clone());
            }
        }
        for user in &inner.users {
            if member(user) {
                common.users.insert(user.clone());
            }
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet_texts(a: &[&str], b: &[&str]) -> Vec<String> {
        let groups = |user: &str| {
            if user == "ann" {
                vec!["class".to_owned()]
            } else {
                Vec::new()
            }
        };
        let both = Scopes::parse(a)
            .intersect(&Scopes::parse(b), &groups)
            .to_sorted();
        assert_eq!(
            both,
            Scopes::parse(b)
                .intersect(&Scopes::parse(a), &groups)
                .to_sorted(),
            "must not depend on order"
        );
        both
    }

    #[test]
    fn the_narrower_of_two_stays() {
        for (a, b, both) in [
            (&["users"][..], &["users!user=a"][..], &["users!user=a"][..]),
            (
                &["users!user=a", "users!user=b"],
                &["users!user=b", "users!user=c"],
                &["users!user=b"],
            ),
            (&["users!user=a"], &["users!user=b"], &[]),
            (
                &["servers!user=a"],
                &["servers!server=a/x"],
                &["servers!server=a/x"],
            ),
            (&["servers!user=a"], &["servers!server=ab/x"], &[]),
            (
                &["users!group=class"],
                &["users!user=ann", "users!user=bob"],
                &["users!user=ann"],
            ),
            (
                &["servers!group=class"],
                &["servers!server=ann/", "servers!server=bob/"],
                &["servers!server=ann/"],
            ),
            (
                &["users!group=class"],
                &["users!group=class"],
                &["users!group=class"],
            ),
            (&["users!group=ann"], &["users!user=ann"], &[]),
            (&["read:services!service=s"], &["read:services!user=s"], &[]),
            (&["users"], &["groups"], &[]),
        ] {
            assert_eq!(meet_texts(a, b), both, "{a:?} and {b:?}");
        }
    }
}
