//! Services.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Result, json, role};

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub id: i64,
    pub name: String,
    pub admin: bool,
    /// Whether the configuration names it; such a one cannot be changed by the API.
    pub from_config: bool,
    pub spec: Spec,
    pub roles: Vec<String>,
}

/// What was said of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    pub url: String,
    pub command: Vec<String>,
    pub info: Map<String, Value>,
    pub display: bool,
    pub oauth_client_id: String,
    pub oauth_redirect_uri: String,
    pub oauth_client_allowed_scopes: Vec<String>,
    pub oauth_no_confirm: bool,
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, String, bool, bool, String)> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
    ))
}

fn finish(connection: &Connection, row: (i64, String, bool, bool, String)) -> Result<Service> {
    let (id, name, admin, from_config, spec) = row;
    let mut statement = connection.prepare_cached(
        "SELECT r.name FROM role_services m JOIN roles r ON r.id = m.role_id WHERE m.service_id = ?1 ORDER BY r.id",
    )?;
    let roles = statement
        .query_map([id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Service {
        id,
        name,
        admin,
        from_config,
        spec: json(&spec)?,
        roles,
    })
}

const SELECT: &str = "SELECT id, name, admin, from_config, spec FROM services";

/// Finds a service by name.
pub fn find(connection: &Connection, name: &str) -> Result<Option<Service>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE name = ?1"))?;
    let row = statement.query_row([name], read).optional()?;
    row.map(|row| finish(connection, row)).transpose()
}

/// Finds a service by id.
pub fn find_id(connection: &Connection, id: i64) -> Result<Option<Service>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    let row = statement.query_row([id], read).optional()?;
    row.map(|row| finish(connection, row)).transpose()
}

/// Every service, in the order they were made.
pub fn list(connection: &Connection) -> Result<Vec<Service>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY id"))?;
    let rows = statement
        .query_map([], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter()
        .map(|row| finish(connection, row))
        .collect()
}

/// Makes a service, or makes it what is said now. The role `admin` goes with the flag.
pub fn put(
    connection: &Connection,
    name: &str,
    admin: bool,
    from_config: bool,
    spec: &Spec,
) -> Result<i64> {
    let text = serde_json::to_string(spec)?;
    connection
        .prepare_cached(
            "INSERT INTO services (name, admin, from_config, spec) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE \
             SET admin = excluded.admin, from_config = excluded.from_config, spec = excluded.spec",
        )?
        .execute(params![name, admin, from_config, text])?;
    let id = connection
        .prepare_cached("SELECT id FROM services WHERE name = ?1")?
        .query_row([name], |row| row.get(0))?;
    let bearer = role::Bearer::Service(id);
    if admin {
        role::grant(connection, bearer, "admin")?
    } else {
        role::strip(connection, bearer, "admin")?
    }
    Ok(id)
}

/// Deletes a service, and with it its tokens and its OAuth client.
pub fn delete(connection: &Connection, id: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM services WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}
