//! What the configuration says of roles, groups, services and admins, brought into the store at each start.

use std::collections::BTreeMap;

use hub_api::hub::Hub;
use rusqlite::{Connection, OptionalExtension};

use super::role::Bearer;
use super::service::Spec;
use super::token::{self, MintError, New, OwnerId};
use super::{StoreError, group, role, service, texts, user};
use crate::clock::Timestamp;
use crate::name;
use crate::scope::{self, Catalog, RoleError};

/// What in the configuration cannot be brought into the store.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error(transparent)]
    Role(#[from] RoleError),
    #[error("the token of the service {service:?}: {cause}")]
    Token { service: String, cause: MintError },
    #[error("{0:?} cannot be the name of a user")]
    Name(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PeopleError {
    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Store(error)
            | Self::Token {
                cause: MintError::Store(error),
                ..
            } => error.is_full(),
            _ => false,
        }
    }
}

impl From<rusqlite::Error> for PeopleError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Brings roles, groups, services, their tokens and admins into the store. `tokens`: by service.
pub fn load(
    connection: &Connection,
    config: &Hub,
    catalog: &Catalog,
    tokens: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<(), PeopleError> {
    role::set_all(connection, &scope::merge(catalog, &config.roles)?)?;
    for (name, group) in &config.groups {
        let id = group::ensure(connection, name)?;
        if !group.properties.is_empty() {
            group::set_properties(connection, id, &group.properties)?;
        }
        for name in &group.users {
            group::add_user(connection, id, ensure_user(connection, name, now)?)?;
        }
    }
    load_services(connection, config)?;
    for spec in &config.roles {
        assign(connection, spec, now)?;
    }
    load_admins(connection, config, now)?;
    for (name, secret) in tokens {
        keep_token(connection, catalog, name, secret, now)?;
    }
    Ok(())
}

fn load_services(connection: &Connection, config: &Hub) -> Result<(), PeopleError> {
    let names = texts(config.services.iter().map(|service| &service.name));
    // Whatever a former configuration named and this one does not is gone, its tokens too.
    connection.execute(
        "DELETE FROM services WHERE from_config = 1 AND name NOT IN (SELECT value FROM json_each(?1))",
        [names],
    )?;
    for spec in &config.services {
        service::put(
            connection,
            &spec.name,
            spec.admin,
            true,
            &spec_of(spec, &config.base_url),
        )?;
    }
    Ok(())
}

/// What is kept of a service in the configuration.
fn spec_of(service: &hub_api::hub::Service, base_url: &str) -> Spec {
    let name = &service.name;
    Spec {
        url: service.url.clone().unwrap_or_default(),
        command: service.command.clone(),
        info: service.info.clone(),
        display: service.display,
        oauth_client_id: service
            .oauth_client_id
            .clone()
            .unwrap_or_else(|| format!("service-{name}")),
        oauth_redirect_uri: service
            .oauth_redirect_uri
            .clone()
            .unwrap_or_else(|| format!("{base_url}services/{}/oauth_callback", name::escape(name))),
        oauth_client_allowed_scopes: service.oauth_client_allowed_scopes.clone(),
        oauth_no_confirm: service.oauth_no_confirm,
    }
}

/// Makes those whom a role names, and nobody else, its bearers.
fn assign(
    connection: &Connection,
    spec: &hub_api::hub::Role,
    now: Timestamp,
) -> Result<(), PeopleError> {
    let role = spec.name.as_str();
    // Everybody has the role `user`, and admins are made in other ways too: naming nobody takes it from nobody.
    if spec.users.is_some() || !matches!(role, "user" | "admin") {
        role::strip_all(connection, Bearer::User, role)?;
    }
    for name in spec.users.iter().flatten() {
        let id = ensure_user(connection, name, now)?;
        role::grant(connection, Bearer::User(id), role)?;
    }
    role::strip_all(connection, Bearer::Group, role)?;
    for name in spec.groups.iter().flatten() {
        role::grant(
            connection,
            Bearer::Group(group::ensure(connection, name)?),
            role,
        )?;
    }
    if spec.services.is_some() || role != "admin" {
        role::strip_all(connection, Bearer::Service, role)?;
    }
    for name in spec.services.iter().flatten() {
        let id = service::find(connection, name)?
            .ok_or_else(|| RoleError::Service {
                role: role.to_owned(),
                service: name.clone(),
            })?
            .id;
        role::grant(connection, Bearer::Service(id), role)?;
    }
    Ok(())
}

/// Makes the flag and the role of admins agree: a role that names its users says it all, else either makes an admin.
fn load_admins(connection: &Connection, config: &Hub, now: Timestamp) -> Result<(), PeopleError> {
    // As in JupyterHub: whoever may log in is in the lists before the first login.
    for name in &config.auth.allowed_users {
        ensure_user(connection, name, now)?;
    }
    for name in &config.auth.admin_users {
        let id = ensure_user(connection, name, now)?;
        user::set_admin(connection, id, true)?;
    }
    let named = |pick: fn(&hub_api::hub::Role) -> bool| {
        config
            .roles
            .iter()
            .any(|role| role.name == "admin" && pick(role))
    };
    let bearers = "SELECT m.user_id FROM role_users m JOIN roles r ON r.id = m.role_id WHERE r.name = 'admin'";
    connection.execute(
        &format!("UPDATE users SET admin = 1 WHERE admin = 0 AND id IN ({bearers})"),
        [],
    )?;
    if named(|role| role.users.is_some()) {
        connection.execute(
            &format!("UPDATE users SET admin = 0 WHERE admin = 1 AND id NOT IN ({bearers})"),
            [],
        )?;
    }
    let bearers = "SELECT m.service_id FROM role_services m JOIN roles r ON r.id = m.role_id WHERE r.name = 'admin'";
    connection.execute(
        &format!("UPDATE services SET admin = 1 WHERE admin = 0 AND id IN ({bearers})"),
        [],
    )?;
    if named(|role| role.services.is_some()) {
        connection.execute(
            &format!("UPDATE services SET admin = 0 WHERE admin = 1 AND id NOT IN ({bearers})"),
            [],
        )?;
    }
    for (table, column, of) in [
        ("role_users", "user_id", "users"),
        ("role_services", "service_id", "services"),
    ] {
        connection.execute(
            &format!(
                "INSERT OR IGNORE INTO {table} (role_id, {column}) SELECT r.id, b.id FROM roles r, {of} b \
                 WHERE r.name = 'admin' AND b.admin = 1"
            ),
            [],
        )?;
    }
    Ok(())
}

fn ensure_user(connection: &Connection, name: &str, now: Timestamp) -> Result<i64, PeopleError> {
    let name = name::normalize_user(name);
    if !name::is_valid_user(&name) {
        return Err(PeopleError::Name(name));
    }
    match user::find(connection, &name)? {
        Some(user) => Ok(user.id),
        None => Ok(user::create(connection, now, &name, false)?),
    }
}

/// The note of the token that the configuration gives a service.
pub const CONFIG_NOTE: &str = "from config";

/// Makes the configured token the service's only one of its kind.
fn keep_token(
    connection: &Connection,
    catalog: &Catalog,
    name: &str,
    secret: &str,
    now: Timestamp,
) -> Result<(), PeopleError> {
    let Some(service) = service::find(connection, name)? else {
        return Ok(());
    };
    crate::api::services::register_client(connection, service.id, name, &service.spec, secret)?;
    let hash = super::secret::TokenHash::of(secret);
    let kept: Option<i64> = connection
        .prepare_cached("SELECT id FROM tokens WHERE hash = ?1 AND service_id = ?2")?
        .query_row(rusqlite::params![hash, service.id], |row| row.get(0))
        .optional()?;
    if kept.is_some() {
        return Ok(());
    }
    connection.execute(
        "DELETE FROM tokens WHERE service_id = ?1 AND note = ?2",
        rusqlite::params![service.id, CONFIG_NOTE],
    )?;
    let new = New::of(OwnerId::Service(service.id), CONFIG_NOTE);
    token::keep(connection, catalog, now, &new, secret).map_err(|cause| PeopleError::Token {
        service: name.to_owned(),
        cause,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use hub_api::hub::{Role, Service};

    use super::*;

    fn connection() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::migration::run(&mut connection, std::path::Path::new("none")).unwrap();
        connection
            .pragma_update(None, "foreign_keys", true)
            .unwrap();
        connection
    }

    fn service(name: &str) -> Service {
        serde_json::from_value(serde_json::json!({"name": name})).unwrap()
    }

    fn run(connection: &Connection, config: &Hub) {
        load(
            connection,
            config,
            &Catalog::default(),
            &BTreeMap::new(),
            Timestamp(1),
        )
        .unwrap();
    }

    #[test]
    fn a_role_is_had_by_those_it_names_and_nobody_else() {
        let connection = connection();
        let mut config = Hub {
            services: vec![service("culler"), service("other")],
            ..Hub::default()
        };
        config.roles = vec![Role {
            name: "idle".into(),
            scopes: Some(vec!["list:users".into()]),
            users: Some(vec!["Ada".into()]),
            services: Some(vec!["culler".into()]),
            ..Role::default()
        }];
        run(&connection, &config);
        assert_eq!(
            user::find(&connection, "ada").unwrap().unwrap().roles,
            ["user", "idle"]
        );
        assert_eq!(
            service::find(&connection, "culler").unwrap().unwrap().roles,
            ["idle"]
        );

        config.roles[0].users = None;
        config.services.pop();
        run(&connection, &config);
        assert_eq!(
            user::find(&connection, "ada").unwrap().unwrap().roles,
            ["user"]
        );
        assert_eq!(service::find(&connection, "other").unwrap(), None);

        config.roles.clear();
        run(&connection, &config);
        assert!(
            service::find(&connection, "culler")
                .unwrap()
                .unwrap()
                .roles
                .is_empty()
        );
        assert_eq!(role::scopes(&connection, "idle").unwrap(), None);
    }

    #[test]
    fn admins_named_by_the_role_are_all_there_are() {
        let connection = connection();
        let mut config = Hub::default();
        config.auth.admin_users = vec!["ada".into()];
        run(&connection, &config);
        assert!(user::find(&connection, "ada").unwrap().unwrap().admin);

        config.auth.admin_users.clear();
        run(&connection, &config);
        assert!(
            user::find(&connection, "ada").unwrap().unwrap().admin,
            "as in JupyterHub, admins stay"
        );

        config.roles = vec![Role {
            name: "admin".into(),
            users: Some(vec!["bob".into()]),
            ..Role::default()
        }];
        run(&connection, &config);
        let ada = user::find(&connection, "ada").unwrap().unwrap();
        assert!(!ada.admin && ada.roles == ["user"], "{ada:?}");
        assert!(user::find(&connection, "bob").unwrap().unwrap().admin);
    }

    #[test]
    fn a_role_of_an_unknown_service_is_refused() {
        let connection = connection();
        let roles = vec![Role {
            name: "idle".into(),
            services: Some(vec!["nobody".into()]),
            ..Role::default()
        }];
        let config = Hub {
            roles,
            ..Hub::default()
        };
        let error = load(
            &connection,
            &config,
            &Catalog::default(),
            &BTreeMap::new(),
            Timestamp(1),
        )
        .unwrap_err();
        assert!(error.to_string().contains("nobody"), "{error}");
    }
}
