//! From raw scopes to expanded ones.

use super::{Catalog, Scopes};

/// Whose scopes are expanded: what `self`, `!user` and `!service` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    User(&'a str),
    Service(&'a str),
    /// A group: nothing is its own.
    Group,
}

/// The OAuth client that a token was issued to: what `!server` and `!service` mean for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client<'a> {
    Server { user: &'a str, name: &'a str },
    Service(&'a str),
}

impl Client<'_> {
    /// The scope that lets a visitor in.
    pub fn access_scope(&self) -> String {
        match self {
            Self::Server { user, name } => format!("access:servers!server={user}/{name}"),
            Self::Service(name) => format!("access:services!service={name}"),
        }
    }
}

/// What `self` stands for, each for the user alone.
const SELF: &[&str] = &[
    "read:users",
    "users:shares",
    "read:shares",
    "users:activity",
    "servers",
    "tokens",
    "access:servers",
];

/// Expands raw scopes: implications are followed, `self` and bare filters get their owner. What has no owner to mean,
/// such as `self` of a service or `!server` of a token that no server issued, allows nothing. `inherit` stays as it is.
pub fn expand<S: AsRef<str>>(
    catalog: &Catalog,
    raw: &[S],
    owner: Owner<'_>,
    client: Option<Client<'_>>,
) -> Scopes {
    let user = match owner {
        Owner::User(name) => Some(format!("user={name}")),
        _ => None,
    };
    let service = match (client, owner) {
        (Some(Client::Service(name)), _) | (_, Owner::Service(name)) => {
            Some(format!("service={name}"))
        }
        _ => None,
    };
    let server = match client {
        Some(Client::Server { user, name }) => Some(format!("server={user}/{name}")),
        _ => None,
    };
    let mut scopes = Scopes::default();
    for scope in raw {
        let scope = scope.as_ref();
        let (base, filter) = scope.split_once('!').unwrap_or((scope, ""));
        if base == "self" {
            if let Some(filter) = user.as_deref() {
                for own in SELF {
                    add(catalog, &mut scopes, own, filter);
                }
            }
            continue;
        }
        let filter = match filter {
            "user" => user.as_deref(),
            "service" => service.as_deref(),
            "server" => server.as_deref(),
            named => Some(named),
        };
        if let Some(filter) = filter {
            add(catalog, &mut scopes, base, filter);
        }
    }
    scopes
}

/// Adds a scope and what it implies, under one filter. A filter by server says nothing of users.
fn add(catalog: &Catalog, scopes: &mut Scopes, base: &str, filter: &str) {
    catalog.implied(base, &mut |implied| {
        if filter.is_empty() {
            scopes.insert(implied);
        } else if !(filter.starts_with("server") && implied.starts_with("read:user")) {
            scopes.insert(&format!("{implied}!{filter}"));
        }
    });
}

/// The scopes by which a token's owner may be known to whoever holds the token.
pub fn identify(owner: Owner<'_>) -> Vec<String> {
    match owner {
        Owner::User(name) => {
            vec![
                format!("read:users:name!user={name}"),
                format!("read:users:groups!user={name}"),
            ]
        }
        Owner::Service(name) => vec![format!("read:services:name!service={name}")],
        Owner::Group => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(raw: &[&str], owner: Owner<'_>, client: Option<Client<'_>>) -> Vec<String> {
        expand(&Catalog::default(), raw, owner, client).to_sorted()
    }

    #[test]
    fn self_is_what_jupyterhub_says() {
        let of = |bases: &[&str]| {
            bases
                .iter()
                .map(|base| format!("{base}!user=alice"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            expanded(&["self"], Owner::User("alice"), None),
            of(&[
                "access:servers",
                "delete:servers",
                "read:servers",
                "read:shares",
                "read:tokens",
                "read:users",
                "read:users:activity",
                "read:users:groups",
                "read:users:name",
                "read:users:shares",
                "servers",
                "start:servers",
                "tokens",
                "users:activity",
                "users:shares",
            ])
        );
        assert!(expanded(&["self"], Owner::Service("culler"), None).is_empty());
    }

    #[test]
    fn bare_filters_mean_owner_and_client() {
        let client = Some(Client::Server {
            user: "alice",
            name: "",
        });
        assert_eq!(
            expanded(
                &["users:activity!user", "access:servers!server"],
                Owner::User("alice"),
                client
            ),
            [
                "access:servers!server=alice/",
                "read:users:activity!user=alice",
                "users:activity!user=alice"
            ]
        );
        assert!(expanded(&["access:servers!server"], Owner::User("alice"), None).is_empty());
        assert_eq!(
            expanded(&["read:services!service"], Owner::Service("s"), None),
            ["read:services!service=s", "read:services:name!service=s"]
        );
    }

    #[test]
    fn a_server_filter_says_nothing_of_users() {
        assert_eq!(
            expanded(&["servers!server=a/b"], Owner::User("a"), None),
            [
                "delete:servers!server=a/b",
                "read:servers!server=a/b",
                "servers!server=a/b",
                "start:servers!server=a/b"
            ]
        );
    }
}
