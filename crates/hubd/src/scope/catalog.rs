//! The scopes there are, what each implies, and what it is for.

use std::collections::BTreeMap;

use hub_api::hub::CustomScope;

/// Name, description, what it implies.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// JupyterHub 6's scopes.
const SCOPES: &[Row] = &[
    ("(no_scope)", "Know who you are", &[]),
    ("self", "Everything that is yours", &[]),
    ("inherit", "Everything you may do", &[]),
    ("admin-ui", "See the admin page", &[]),
    (
        "admin:users",
        "Create, change and delete users; as good as every right there is",
        &[
            "admin:auth_state",
            "users",
            "read:roles:users",
            "delete:users",
        ],
    ),
    (
        "admin:auth_state",
        "Read what the login said about a user",
        &[],
    ),
    (
        "users",
        "Read and change users",
        &["read:users", "list:users", "users:activity"],
    ),
    ("delete:users", "Delete users", &[]),
    ("list:users", "List users", &["read:users:name"]),
    (
        "read:users",
        "Read users",
        &[
            "read:users:name",
            "read:users:groups",
            "read:users:activity",
        ],
    ),
    ("read:users:name", "Read names of users", &[]),
    ("read:users:groups", "Read which groups users are in", &[]),
    (
        "read:users:activity",
        "Read when users were last active",
        &[],
    ),
    (
        "read:roles",
        "Read who has which role",
        &[
            "read:roles:users",
            "read:roles:services",
            "read:roles:groups",
        ],
    ),
    ("read:roles:users", "Read roles of users", &[]),
    ("read:roles:services", "Read roles of services", &[]),
    ("read:roles:groups", "Read roles of groups", &[]),
    (
        "users:activity",
        "Report when users were last active",
        &["read:users:activity"],
    ),
    (
        "admin:servers",
        "Start, stop, create and delete servers, and read their state",
        &["admin:server_state", "servers"],
    ),
    (
        "admin:server_state",
        "Read and write the state of servers",
        &[],
    ),
    (
        "servers",
        "Start and stop servers",
        &["read:servers", "start:servers", "delete:servers"],
    ),
    (
        "read:servers",
        "Read servers, without their state",
        &["read:users:name"],
    ),
    ("start:servers", "Start and change servers", &[]),
    ("delete:servers", "Stop and delete servers", &[]),
    ("tokens", "Read, create and delete tokens", &["read:tokens"]),
    ("read:tokens", "Read tokens", &[]),
    (
        "admin:groups",
        "Create, change and delete groups",
        &["groups", "read:roles:groups", "delete:groups"],
    ),
    (
        "groups",
        "Read and change groups and who is in them",
        &["read:groups", "list:groups"],
    ),
    ("list:groups", "List groups", &["read:groups:name"]),
    ("read:groups", "Read groups", &["read:groups:name"]),
    ("read:groups:name", "Read names of groups", &[]),
    ("delete:groups", "Delete groups", &[]),
    (
        "admin:services",
        "Create, change and delete services that the configuration does not name",
        &["list:services", "read:services", "read:roles:services"],
    ),
    ("list:services", "List services", &["read:services:name"]),
    ("read:services", "Read services", &["read:services:name"]),
    ("read:services:name", "Read names of services", &[]),
    ("read:hub", "Read details of the hub", &[]),
    ("access:servers", "Use servers", &[]),
    ("access:services", "Use services", &[]),
    (
        "users:shares",
        "Read and end what is shared with users",
        &["read:users:shares"],
    ),
    ("read:users:shares", "Read what is shared with users", &[]),
    (
        "groups:shares",
        "Read and end what is shared with groups",
        &["read:groups:shares"],
    ),
    ("read:groups:shares", "Read what is shared with groups", &[]),
    ("read:shares", "Read with whom servers are shared", &[]),
    (
        "shares",
        "Share servers",
        &[
            "access:servers",
            "read:shares",
            "users:shares",
            "groups:shares",
        ],
    ),
    (
        "proxy",
        "Read the proxy's routes, have them checked, move the proxy",
        &[],
    ),
    ("shutdown", "Shut the hub down", &[]),
    ("read:metrics", "Read metrics", &[]),
];

/// A scope that cannot be: the text is JupyterHub's, it is told to clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    #[error("Draft scope 'all' is now called 'inherit'")]
    All,
    #[error("Scope '{scope}' for {holder} does not exist")]
    Unknown { scope: String, holder: String },
    #[error("Scope filter {filter} '!{filter}' in scope '{scope}' for {holder} does not exist")]
    Filter {
        scope: String,
        filter: String,
        holder: String,
    },
    #[error(
        "custom scope {0:?}: the name is `custom:` and then lower case letters, digits and -_:* (the first a letter or digit, the last no - or :)"
    )]
    CustomName(String),
    #[error(
        "custom scope {scope:?} implies {implied:?}, which is no custom scope of the configuration"
    )]
    CustomImplied { scope: String, implied: String },
}

/// Every scope that exists: JupyterHub's, and the operator's own.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    custom: BTreeMap<String, CustomScope>,
}

impl Catalog {
    /// Takes in the operator's own scopes.
    pub fn new(custom: BTreeMap<String, CustomScope>) -> Result<Self, ScopeError> {
        for (name, scope) in &custom {
            if !custom_name(name) {
                return Err(ScopeError::CustomName(name.clone()));
            }
            if let Some(implied) = scope
                .subscopes
                .iter()
                .find(|implied| !custom.contains_key(*implied))
            {
                return Err(ScopeError::CustomImplied {
                    scope: name.clone(),
                    implied: implied.clone(),
                });
            }
        }
        Ok(Self { custom })
    }

    /// What a scope is for; `None` if there is no such scope.
    pub fn description(&self, base: &str) -> Option<&str> {
        SCOPES
            .iter()
            .find(|row| row.0 == base)
            .map(|row| row.1)
            .or_else(|| {
                self.custom
                    .get(base)
                    .map(|scope| scope.description.as_str())
            })
    }

    /// Checks that raw scopes exist and have filters that exist. `holder` goes into the error.
    pub fn check<S: AsRef<str>>(&self, raw: &[S], holder: &str) -> Result<(), ScopeError> {
        for scope in raw {
            let scope = scope.as_ref();
            let (base, filter) = scope.split_once('!').unwrap_or((scope, ""));
            if base == "all" {
                return Err(ScopeError::All);
            }
            if self.description(base).is_none() {
                return Err(ScopeError::Unknown {
                    scope: scope.to_owned(),
                    holder: holder.to_owned(),
                });
            }
            let known = matches!(filter, "" | "user" | "service" | "server")
                || ["user=", "service=", "group=", "server="]
                    .iter()
                    .any(|kind| filter.starts_with(kind));
            if !known {
                return Err(ScopeError::Filter {
                    scope: scope.to_owned(),
                    filter: filter.to_owned(),
                    holder: holder.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Calls `visit` with the scope and everything it implies.
    pub(super) fn implied<'a>(&'a self, base: &'a str, visit: &mut dyn FnMut(&'a str)) {
        let mut seen = Vec::new();
        let mut open = vec![base];
        while let Some(scope) = open.pop() {
            if seen.contains(&scope) {
                continue;
            }
            seen.push(scope);
            visit(scope);
            if let Some(row) = SCOPES.iter().find(|row| row.0 == scope) {
                open.extend(row.2);
            } else if let Some(custom) = self.custom.get(scope) {
                open.extend(custom.subscopes.iter().map(String::as_str));
            }
        }
    }
}

fn custom_name(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("custom:") else {
        return false;
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    rest.len() >= 3
        && rest.starts_with(plain)
        && rest.ends_with(|c| plain(c) || c == '_' || c == '*')
        && rest.chars().all(|c| plain(c) || "_-*:".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_implied_scope_exists() {
        let catalog = Catalog::default();
        for (name, _, implied) in SCOPES {
            for scope in *implied {
                assert!(
                    catalog.description(scope).is_some(),
                    "{name} implies {scope}"
                );
            }
        }
    }

    #[test]
    fn scopes_are_checked_with_their_filters() {
        let catalog = Catalog::default();
        assert_eq!(
            catalog.check(&["users!user=a", "servers!server", "self"], "token"),
            Ok(())
        );
        assert_eq!(
            catalog.check(&["any"], "token").unwrap_err().to_string(),
            "Scope 'any' for token does not exist"
        );
        assert!(catalog.check(&["users!planet=x"], "token").is_err());
    }

    #[test]
    fn custom_scopes_stay_custom() {
        let one = |name: &str, implied: &[&str]| {
            let subscopes = implied.iter().map(|s| (*s).to_owned()).collect();
            Catalog::new(BTreeMap::from([(
                name.to_owned(),
                CustomScope {
                    description: "d".into(),
                    subscopes,
                },
            )]))
        };
        assert!(one("custom:app:read", &[]).is_ok());
        assert!(one("admin:users", &[]).is_err());
        assert!(one("custom:-x", &[]).is_err());
        assert!(one("custom:app:read", &["admin:users"]).is_err());
    }
}
