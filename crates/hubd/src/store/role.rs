//! Roles, and who has them.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Result, json, texts};
use crate::scope::Role;

/// Who can have a role, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    User(i64),
    Group(i64),
    Service(i64),
}

impl Bearer {
    fn table(self) -> (&'static str, &'static str, i64) {
        match self {
            Self::User(id) => ("role_users", "user_id", id),
            Self::Group(id) => ("role_groups", "group_id", id),
            Self::Service(id) => ("role_services", "service_id", id),
        }
    }
}

/// Makes the roles exactly these.
pub fn set_all(connection: &Connection, roles: &[Role]) -> Result<()> {
    let names = texts(roles.iter().map(|role| &role.name));
    connection.execute(
        "DELETE FROM roles WHERE name NOT IN (SELECT value FROM json_each(?1))",
        [names],
    )?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO roles (name, description, scopes) VALUES (?1, ?2, ?3) \
         ON CONFLICT (name) DO UPDATE SET description = excluded.description, scopes = excluded.scopes",
    )?;
    for role in roles {
        statement.execute(params![role.name, role.description, texts(&role.scopes)])?;
    }
    Ok(())
}

/// The names of all roles, by their numbers.
pub fn names(connection: &Connection) -> Result<HashMap<i64, String>> {
    let mut statement = connection.prepare_cached("SELECT id, name FROM roles")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The raw scopes of a role, if there is such a role.
pub fn scopes(connection: &Connection, name: &str) -> Result<Option<Vec<String>>> {
    let mut statement = connection.prepare_cached("SELECT scopes FROM roles WHERE name = ?1")?;
    let text: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
    text.as_deref().map(json).transpose()
}

/// Gives a role; who has it already keeps it. A role that does not exist is nothing to give.
pub fn grant(connection: &Connection, bearer: Bearer, role: &str) -> Result<()> {
    let (table, column, id) = bearer.table();
    connection
        .prepare_cached(&format!(
            "INSERT OR IGNORE INTO {table} (role_id, {column}) SELECT id, ?1 FROM roles WHERE name = ?2"
        ))?
        .execute(params![id, role])?;
    Ok(())
}

/// Takes a role away.
pub fn strip(connection: &Connection, bearer: Bearer, role: &str) -> Result<()> {
    let (table, column, id) = bearer.table();
    connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE {column} = ?1 AND role_id = (SELECT id FROM roles WHERE name = ?2)"
        ))?
        .execute(params![id, role])?;
    Ok(())
}

/// Takes a role away from every bearer of one kind.
pub fn strip_all(connection: &Connection, kind: fn(i64) -> Bearer, role: &str) -> Result<()> {
    let (table, _, _) = kind(0).table();
    connection.execute(
        &format!("DELETE FROM {table} WHERE role_id = (SELECT id FROM roles WHERE name = ?1)"),
        params![role],
    )?;
    Ok(())
}

/// The raw scopes of a user: of his roles and of his groups' roles.
pub fn scopes_of_user(connection: &Connection, id: i64) -> Result<Vec<String>> {
    raw(
        connection,
        "SELECT r.scopes FROM roles r WHERE r.id IN (SELECT role_id FROM role_users WHERE user_id = ?1 UNION \
         SELECT g.role_id FROM role_groups g JOIN group_users m ON m.group_id = g.group_id WHERE m.user_id = ?1)",
        id,
    )
}

/// The raw scopes of a service.
pub fn scopes_of_service(connection: &Connection, id: i64) -> Result<Vec<String>> {
    raw(
        connection,
        "SELECT r.scopes FROM roles r JOIN role_services m ON m.role_id = r.id WHERE m.service_id = ?1",
        id,
    )
}

fn raw(connection: &Connection, sql: &str, id: i64) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let scopes: Vec<String> = json(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
        all.extend(scopes);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}
