//! Groups.

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::{Map, Value};

use super::ids::Ids;
use super::{Result, json, texts};

/// A group, with its members and roles.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub id: i64,
    pub name: String,
    pub properties: Map<String, Value>,
    pub users: Vec<String>,
    pub roles: Vec<String>,
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, String, String)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// Finds a group by name.
pub fn find(connection: &Connection, name: &str) -> Result<Option<Group>> {
    let mut statement =
        connection.prepare_cached("SELECT id, name, properties FROM groups WHERE name = ?1")?;
    match statement.query_row([name], read).optional()? {
        Some(row) => Ok(fill(connection, vec![row])?.pop()),
        None => Ok(None),
    }
}

/// A page of the groups, in the order they were made, and how many there are in all. `only`: of these names.
pub fn list(
    connection: &Connection,
    only: Option<&[String]>,
    offset: u32,
    limit: u32,
) -> Result<(Vec<Group>, u32)> {
    let names = only.map(texts);
    let total = connection
        .prepare_cached("SELECT COUNT(*) FROM groups WHERE ?1 IS NULL OR name IN (SELECT value FROM json_each(?1))")?
        .query_row([&names], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(
        "SELECT id, name, properties FROM groups WHERE ?1 IS NULL OR name IN (SELECT value FROM json_each(?1)) \
         ORDER BY id LIMIT ?2 OFFSET ?3",
    )?;
    let rows = statement
        .query_map(params![names, limit, offset], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok((fill(connection, rows)?, total))
}

fn fill(connection: &Connection, rows: Vec<(i64, String, String)>) -> Result<Vec<Group>> {
    let ids = Ids::of(rows.iter().map(|row| row.0));
    let mut groups = Vec::with_capacity(rows.len());
    for (id, name, properties) in rows {
        groups.push(Group {
            id,
            name,
            properties: json(&properties)?,
            users: Vec::new(),
            roles: Vec::new(),
        });
    }
    if groups.is_empty() {
        return Ok(groups);
    }
    for (members, into) in [
        (
            "group_users m JOIN users o ON o.id = m.user_id",
            (|group| &mut group.users) as fn(&mut Group) -> &mut Vec<String>,
        ),
        ("role_groups m JOIN roles o ON o.id = m.role_id", |group| {
            &mut group.roles
        }),
    ] {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT m.group_id, o.name FROM {members} WHERE {} ORDER BY m.group_id, o.id",
            ids.condition("m.group_id")
        ))?;
        let mut rows = statement.query(params_from_iter(ids.values()))?;
        while let Some(row) = rows.next()? {
            if let Some(at) = ids.place(row.get(0)?) {
                into(&mut groups[at]).push(row.get(1)?);
            }
        }
    }
    Ok(groups)
}

/// Makes a group; the name is new.
pub fn create(connection: &Connection, name: &str) -> Result<i64> {
    connection
        .prepare_cached("INSERT INTO groups (name) VALUES (?1)")?
        .execute([name])?;
    Ok(connection.last_insert_rowid())
}

/// The group's id, which is made if it is not there.
pub fn ensure(connection: &Connection, name: &str) -> Result<i64> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO groups (name) VALUES (?1)")?
        .execute([name])?;
    Ok(connection
        .prepare_cached("SELECT id FROM groups WHERE name = ?1")?
        .query_row([name], |row| row.get(0))?)
}

/// Puts a user into a group.
pub fn add_user(connection: &Connection, group: i64, user: i64) -> Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO group_users (group_id, user_id) VALUES (?1, ?2)")?
        .execute(params![group, user])?;
    Ok(())
}

/// Takes a user out of a group.
pub fn remove_user(connection: &Connection, group: i64, user: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM group_users WHERE group_id = ?1 AND user_id = ?2")?
        .execute(params![group, user])?;
    Ok(())
}

/// Makes a user's groups exactly these, which are made where they are not there.
pub fn set_of_user(connection: &Connection, user: i64, groups: &[String]) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM group_users WHERE user_id = ?1")?
        .execute([user])?;
    for name in groups {
        let group = ensure(connection, name)?;
        add_user(connection, group, user)?;
    }
    Ok(())
}

/// Says what a group has.
pub fn set_properties(
    connection: &Connection,
    id: i64,
    properties: &Map<String, Value>,
) -> Result<()> {
    let text = serde_json::to_string(properties)?;
    connection
        .prepare_cached("UPDATE groups SET properties = ?2 WHERE id = ?1")?
        .execute(params![id, text])?;
    Ok(())
}

/// Deletes a group; its members stay users.
pub fn delete(connection: &Connection, id: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM groups WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}
