//! Scopes and roles: their grammar, their algebra, what a token may do now.
//!
//! A *raw* scope is what a role or a token holds (`self`, `inherit`, `read:users!user`). [`expand`] turns raw scopes into
//! [`Scopes`]: every scope they imply, each with the filters it holds for. Only expanded scopes are checked.

mod catalog;
mod expand;
mod intersect;
mod role;

use std::collections::{BTreeMap, BTreeSet};

pub use catalog::{Catalog, ScopeError};
pub use expand::{Client, Owner, expand, identify};
pub use role::{Role, RoleError, default_roles, merge, validate_name};

/// What a scope is held for: everything, or some named things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    All,
    Only(Names),
}

/// The things a scope is held for, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub users: BTreeSet<String>,
    /// As `user/server`.
    pub servers: BTreeSet<String>,
    /// Members of these groups, and the groups themselves.
    pub groups: BTreeSet<String>,
    pub services: BTreeSet<String>,
}

impl Filter {
    /// Whether a scope held so is held for this subject.
    pub fn allows(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.allow(subject),
        }
    }
}

impl Names {
    /// Whether this subject is among them.
    pub fn allow(&self, subject: &Subject<'_>) -> bool {
        match *subject {
            Subject::Group(name) => self.groups.contains(name),
            Subject::Service(name) => self.services.contains(name),
            Subject::User { name, groups } => {
                self.users.contains(name) || in_any(groups, &self.groups)
            }
            Subject::Server { user, groups, name } => {
                self.servers.contains(format!("{user}/{name}").as_str())
                    || self.users.contains(user)
                    || in_any(groups, &self.groups)
            }
        }
    }

    fn of_kind(&mut self, kind: &str) -> Option<&mut BTreeSet<String>> {
        match kind {
            "user" => Some(&mut self.users),
            "server" => Some(&mut self.servers),
            "group" => Some(&mut self.groups),
            "service" => Some(&mut self.services),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.users.is_empty()
            && self.servers.is_empty()
            && self.groups.is_empty()
            && self.services.is_empty()
    }

    fn kinds(&self) -> [(&'static str, &BTreeSet<String>); 4] {
        [
            ("user", &self.users),
            ("server", &self.servers),
            ("group", &self.groups),
            ("service", &self.services),
        ]
    }
}

/// What something is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A user and the names of the groups he is in.
    User {
        name: &'a str,
        groups: &'a [String],
    },
    /// A server of a user; `name` is "" for the default one.
    Server {
        user: &'a str,
        groups: &'a [String],
        name: &'a str,
    },
    Group(&'a str),
    Service(&'a str),
}

/// Expanded scopes: what a request may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeMap<Box<str>, Filter>);

impl Scopes {
    /// Takes expanded scopes as text. One with an empty or unknown filter is left out: it would allow nothing.
    pub fn parse<I: IntoIterator<Item = S>, S: AsRef<str>>(expanded: I) -> Self {
        let mut scopes = Self::default();
        for text in expanded {
            scopes.insert(text.as_ref());
        }
        scopes
    }

    /// Adds one expanded scope.
    pub fn insert(&mut self, text: &str) {
        let (base, filter) = text.split_once('!').unwrap_or((text, ""));
        if filter.is_empty() {
            self.0.insert(base.into(), Filter::All);
            return;
        }
        let Some((kind, value)) = filter.split_once('=') else {
            return;
        };
        if value.is_empty() {
            return;
        }
        let held = self
            .0
            .entry(base.into())
            .or_insert_with(|| Filter::Only(Names::default()));
        if let Filter::Only(names) = held
            && let Some(set) = names.of_kind(kind)
        {
            set.insert(value.to_owned());
        }
    }

    /// Adds all of the other's.
    pub fn extend(&mut self, other: &Self) {
        for text in other.iter() {
            self.insert(&text);
        }
    }

    /// What this scope is held for, if it is held at all.
    pub fn filter(&self, base: &str) -> Option<&Filter> {
        self.0
            .get(base)
            .filter(|filter| !matches!(filter, Filter::Only(names) if names.is_empty()))
    }

    /// Whether the scope is held for this subject.
    pub fn allows(&self, base: &str, subject: &Subject<'_>) -> bool {
        self.filter(base)
            .is_some_and(|filter| filter.allows(subject))
    }

    /// Whether the scope is held for everything.
    pub fn allows_all(&self, base: &str) -> bool {
        self.filter(base) == Some(&Filter::All)
    }

    /// Whether the scope is held for anything.
    pub fn holds(&self, base: &str) -> bool {
        self.filter(base).is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Every expanded scope as text, sorted as Python sorts.
    pub fn to_sorted(&self) -> Vec<String> {
        let mut all: Vec<String> = self.iter().collect();
        all.sort_unstable();
        all
    }

    /// Every expanded scope as text.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().flat_map(|(base, filter)| -> Vec<String> {
            match filter {
                Filter::All => vec![base.to_string()],
                Filter::Only(names) => names
                    .kinds()
                    .into_iter()
                    .flat_map(|(kind, set)| {
                        set.iter().map(move |name| format!("{base}!{kind}={name}"))
                    })
                    .collect(),
            }
        })
    }
}

fn in_any(groups: &[String], allowed: &BTreeSet<String>) -> bool {
    !allowed.is_empty() && groups.iter().any(|group| allowed.contains(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_holds_for_what_it_names_and_what_that_contains() {
        let scopes = Scopes::parse([
            "servers!user=ada",
            "servers!server=bob/lab",
            "read:users!group=class",
            "proxy",
        ]);
        let class = ["class".to_owned()];
        for (base, subject, allowed) in [
            (
                "servers",
                Subject::Server {
                    user: "ada",
                    groups: &[],
                    name: "x",
                },
                true,
            ),
            (
                "servers",
                Subject::User {
                    name: "ada",
                    groups: &[],
                },
                true,
            ),
            (
                "servers",
                Subject::Server {
                    user: "bob",
                    groups: &[],
                    name: "lab",
                },
                true,
            ),
            (
                "servers",
                Subject::Server {
                    user: "bob",
                    groups: &[],
                    name: "",
                },
                false,
            ),
            (
                "servers",
                Subject::User {
                    name: "bob",
                    groups: &[],
                },
                false,
            ),
            ("servers", Subject::Group("ada"), false),
            (
                "read:users",
                Subject::User {
                    name: "cy",
                    groups: &class,
                },
                true,
            ),
            (
                "read:users",
                Subject::User {
                    name: "class",
                    groups: &[],
                },
                false,
            ),
            ("proxy", Subject::Service("any"), true),
            ("shutdown", Subject::Service("any"), false),
        ] {
            assert_eq!(scopes.allows(base, &subject), allowed, "{base} {subject:?}");
        }
    }

    #[test]
    fn the_unfiltered_swallows_the_filtered_in_either_order() {
        for texts in [["users", "users!user=a"], ["users!user=a", "users"]] {
            assert_eq!(Scopes::parse(texts).to_sorted(), ["users"]);
        }
    }

    #[test]
    fn a_filter_that_names_nothing_holds_nothing() {
        for text in ["users!user=", "users!user", "users!", "users!planet=x"] {
            let scopes = Scopes::parse([text]);
            assert_eq!(scopes.holds("users"), text == "users!", "{text}");
        }
    }
}
