//! Roles: scopes under a name.

use super::{Catalog, ScopeError};

/// Scopes under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    pub description: String,
    /// Raw scopes.
    pub scopes: Vec<String>,
}

/// A role that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    #[error(
        "role {0:?}: the name is 3 to 255 of a-z0-9-_~. with a letter first and a letter or digit last"
    )]
    Name(String),
    #[error("role {0:?} is there twice: make one of the two entries")]
    Twice(String),
    #[error(
        "the role admin cannot be given other scopes or another description: make a role of your own"
    )]
    Admin,
    #[error("role {role:?}: {source}")]
    Scope { role: String, source: ScopeError },
    #[error(
        "role {role:?} names the service {service:?}, which is not among the services of the configuration"
    )]
    Service { role: String, service: String },
}

/// The roles that always exist.
pub fn default_roles() -> Vec<Role> {
    let role = |name: &str, description: &str, scopes: &[&str]| Role {
        name: name.to_owned(),
        description: description.to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    vec![
        role("user", "Standard user privileges", &["self"]),
        role(
            "admin",
            "Elevated privileges (can do anything)",
            &[
                "admin-ui",
                "admin:users",
                "admin:servers",
                "admin:services",
                "tokens",
                "admin:groups",
                "list:services",
                "read:services",
                "read:hub",
                "proxy",
                "shutdown",
                "access:services",
                "access:servers",
                "read:roles",
                "read:metrics",
                "shares",
            ],
        ),
        role(
            "server",
            "Post activity only",
            &["users:activity!user", "access:servers!server"],
        ),
        role(
            "token",
            "Token with same permissions as its owner",
            &["inherit"],
        ),
    ]
}

/// Checks a role's name.
pub fn validate_name(name: &str) -> Result<(), RoleError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let valid = (3..=255).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || "-_~.".contains(c));
    if valid {
        Ok(())
    } else {
        Err(RoleError::Name(name.to_owned()))
    }
}

/// The roles there are to be: the defaults, with what the configuration says over them and beside them.
pub fn merge(catalog: &Catalog, configured: &[hub_api::hub::Role]) -> Result<Vec<Role>, RoleError> {
    let mut roles = default_roles();
    for (at, spec) in configured.iter().enumerate() {
        validate_name(&spec.name)?;
        if configured[..at].iter().any(|other| other.name == spec.name) {
            return Err(RoleError::Twice(spec.name.clone()));
        }
        let scopes = spec.scopes.clone().unwrap_or_default();
        catalog
            .check(&scopes, &format!("role {}", spec.name))
            .map_err(|source| RoleError::Scope {
                role: spec.name.clone(),
                source,
            })?;
        match roles.iter_mut().find(|role| role.name == spec.name) {
            Some(role) => {
                let other = spec
                    .scopes
                    .as_ref()
                    .is_some_and(|scopes| *scopes != role.scopes)
                    || spec
                        .description
                        .as_ref()
                        .is_some_and(|text| *text != role.description);
                if role.name == "admin" && other {
                    return Err(RoleError::Admin);
                }
                if spec.scopes.is_some() {
                    role.scopes = scopes;
                }
                if let Some(text) = &spec.description {
                    role.description.clone_from(text);
                }
            }
            None => roles.push(Role {
                name: spec.name.clone(),
                description: spec.description.clone().unwrap_or_default(),
                scopes,
            }),
        }
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_jupyterhubs() {
        for (name, good) in [
            ("user", true),
            ("a-b_c.d~1", true),
            ("ab", false),
            ("1ab", false),
            ("abc-", false),
            ("Abc", false),
        ] {
            assert_eq!(validate_name(name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn the_admin_role_stays_what_it_is() {
        let catalog = Catalog::default();
        let role = |name: &str, scopes: &[&str]| hub_api::hub::Role {
            name: name.to_owned(),
            scopes: Some(scopes.iter().map(|s| (*s).to_owned()).collect()),
            ..Default::default()
        };
        assert_eq!(
            merge(&catalog, &[role("admin", &["self"])]),
            Err(RoleError::Admin)
        );
        assert!(matches!(
            merge(&catalog, &[role("reader", &["nope"])]),
            Err(RoleError::Scope { .. })
        ));
        assert_eq!(
            merge(&catalog, &[role("reader", &[]), role("reader", &[])]),
            Err(RoleError::Twice("reader".into()))
        );
        let merged = merge(&catalog, &[role("user", &["self", "read:hub"])]).unwrap();
        assert_eq!(
            merged
                .iter()
                .find(|role| role.name == "user")
                .unwrap()
                .scopes,
            ["self", "read:hub"]
        );
    }
}
