//! Single-user servers, as far as they must be found again.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Map, Value};

use super::ids::Ids;
use super::{Result, json};
use crate::clock::Timestamp;

/// A server of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub id: i64,
    pub user_id: i64,
    pub user: String,
    /// "" for the default one.
    pub name: String,
    pub display_name: String,
    /// Where it is reached; `None` while it is neither started nor starting.
    pub target: Option<String>,
    /// What the spawner needs to find it again.
    pub state: Value,
    pub user_options: Map<String, Value>,
    pub started: Option<Timestamp>,
    pub last_activity: Option<Timestamp>,
}

const SELECT: &str = "SELECT s.id, s.user_id, u.name, s.name, s.display_name, s.target, s.state, s.user_options, \
                      s.started, s.last_activity FROM servers s JOIN users u ON u.id = s.user_id";

fn read(row: &Row<'_>) -> rusqlite::Result<(Server, String, String)> {
    let server = Server {
        id: row.get(0)?,
        user_id: row.get(1)?,
        user: row.get(2)?,
        name: row.get(3)?,
        display_name: row.get(4)?,
        target: row.get(5)?,
        state: Value::Null,
        user_options: Map::new(),
        started: row.get(8)?,
        last_activity: row.get(9)?,
    };
    Ok((server, row.get(6)?, row.get(7)?))
}

fn finish((mut server, state, options): (Server, String, String)) -> Result<Server> {
    server.state = json(&state)?;
    if options != "{}" {
        server.user_options = json(&options)?;
    }
    Ok(server)
}

/// Finds a server by its owner's name and its own.
pub fn find(connection: &Connection, user: &str, name: &str) -> Result<Option<Server>> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE u.name = ?1 AND s.name = ?2"))?;
    statement
        .query_row([user, name], read)
        .optional()?
        .map(finish)
        .transpose()
}

/// The servers of one user, in the order they were made.
pub fn of_user(connection: &Connection, user: i64) -> Result<Vec<Server>> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE s.user_id = ?1 ORDER BY s.id"))?;
    let rows = statement.query_map([user], read)?;
    rows.map(|row| finish(row?)).collect()
}

/// The servers of some users, by user id: one statement however many they are.
pub fn of_users(
    connection: &Connection,
    users: impl IntoIterator<Item = i64>,
) -> Result<HashMap<i64, Vec<Server>>> {
    let ids = Ids::of(users);
    let statement = format!(
        "{SELECT} WHERE {} ORDER BY s.id",
        ids.condition("s.user_id")
    );
    let mut statement = connection.prepare_cached(&statement)?;
    let rows = statement.query_map(params_from_iter(ids.values()), read)?;
    let mut all: HashMap<i64, Vec<Server>> = HashMap::new();
    for row in rows {
        let server = finish(row?)?;
        if ids.place(server.user_id).is_some() {
            all.entry(server.user_id).or_default().push(server);
        }
    }
    Ok(all)
}

/// Every server that is started or starting, as the store knows.
pub fn active(connection: &Connection) -> Result<Vec<Server>> {
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE s.target IS NOT NULL ORDER BY s.id"
    ))?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| finish(row?)).collect()
}

/// The server, which is made if it is not there.
pub fn ensure(
    connection: &Connection,
    user: i64,
    name: &str,
    display_name: &str,
) -> Result<Server> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO servers (user_id, name, display_name) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![user, name, display_name])?;
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE s.user_id = ?1 AND s.name = ?2"))?;
    finish(statement.query_row(params![user, name], read)?)
}

/// Keeps where a server is reached and how the spawner finds it again. `started` is when its start began.
pub fn set_active(
    connection: &Connection,
    id: i64,
    target: &str,
    state: &Value,
    started: Timestamp,
) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE servers SET target = ?2, state = ?3, started = ?4, last_activity = MAX(COALESCE(last_activity, ?4), ?4) \
             WHERE id = ?1",
        )?
        .execute(params![id, target, state.to_string(), started])?;
    Ok(())
}

/// Keeps that a server is gone.
pub fn set_stopped(connection: &Connection, id: i64) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE servers SET target = NULL, state = '{}', started = NULL WHERE id = ?1",
        )?
        .execute([id])?;
    Ok(())
}

/// Keeps what was chosen for a server.
pub fn set_options(connection: &Connection, id: i64, options: &Map<String, Value>) -> Result<()> {
    let text = serde_json::to_string(options)?;
    connection
        .prepare_cached("UPDATE servers SET user_options = ?2 WHERE id = ?1")?
        .execute(params![id, text])?;
    Ok(())
}

/// Shows a server under another name.
pub fn set_display_name(connection: &Connection, id: i64, name: &str) -> Result<()> {
    connection
        .prepare_cached("UPDATE servers SET display_name = ?2 WHERE id = ?1")?
        .execute(params![id, name])?;
    Ok(())
}

/// Gives a server another name; it is valid and free.
pub fn rename(connection: &Connection, id: i64, name: &str) -> Result<()> {
    connection
        .prepare_cached("UPDATE servers SET name = ?2 WHERE id = ?1")?
        .execute(params![id, name])?;
    Ok(())
}

/// Notes activity; an older moment changes nothing.
pub fn note_activity(connection: &Connection, id: i64, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE servers SET last_activity = ?2 WHERE id = ?1 AND COALESCE(last_activity, ?2 - 1) < ?2")?
        .execute(params![id, at])?;
    Ok(())
}

/// Deletes a server, and with it its OAuth client and the tokens issued to it.
pub fn delete(connection: &Connection, id: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM servers WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}
