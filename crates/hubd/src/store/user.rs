//! Users.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::{Result, ids, json, role, texts};
use crate::clock::Timestamp;

/// A user, with the groups and roles that are his.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: i64,
    pub name: String,
    pub admin: bool,
    pub created: Timestamp,
    pub last_activity: Option<Timestamp>,
    /// What JupyterLab may show of the person, as the authenticator said.
    pub user_info: Option<Value>,
    /// What the authenticator keeps of a login.
    pub auth_state: Option<Value>,
    /// Names, in the order of joining.
    pub groups: Vec<String>,
    pub roles: Vec<String>,
}

/// Which users, in what order.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// With an active server (`Some(true)`), or with none.
    pub active: Option<bool>,
    /// A part of the name, in any case.
    pub name_part: Option<String>,
    /// Only these, and members of these groups.
    pub only: Option<(Vec<String>, Vec<String>)>,
    pub sort: Sort,
    pub descending: bool,
    pub offset: u32,
    pub limit: u32,
}

/// By what users are sorted; no activity comes before any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Id,
    Name,
    LastActivity,
}

const COLUMNS: &str = "users.id, users.name, users.admin, users.created, users.last_activity, users.user_info, users.auth_state";

fn read(row: &Row<'_>) -> rusqlite::Result<(User, Option<String>, Option<String>)> {
    let user = User {
        id: row.get(0)?,
        name: row.get(1)?,
        admin: row.get(2)?,
        created: row.get(3)?,
        last_activity: row.get(4)?,
        user_info: None,
        auth_state: None,
        groups: Vec::new(),
        roles: Vec::new(),
    };
    Ok((user, row.get(5)?, row.get(6)?))
}

fn finish((mut user, info, state): (User, Option<String>, Option<String>)) -> Result<User> {
    user.user_info = info.as_deref().map(json).transpose()?;
    user.auth_state = state.as_deref().map(json).transpose()?;
    Ok(user)
}

/// Finds a user by name.
pub fn find(connection: &Connection, name: &str) -> Result<Option<User>> {
    one(connection, "users.name = ?1", name)
}

/// Finds a user by id.
pub fn find_id(connection: &Connection, id: i64) -> Result<Option<User>> {
    one(connection, "users.id = ?1", id)
}

fn one(
    connection: &Connection,
    condition: &str,
    value: impl rusqlite::ToSql,
) -> Result<Option<User>> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {condition}"))?;
    let Some(row) = statement.query_row([value], read).optional()? else {
        return Ok(None);
    };
    let mut users = vec![finish(row)?];
    fill(connection, &mut users)?;
    Ok(users.pop())
}

/// Users that a query means, one page of them, and how many there are in all.
pub fn list(connection: &Connection, query: &Query) -> Result<(Vec<User>, u32)> {
    let mut conditions = vec!["1".to_owned()];
    match query.active {
        Some(true) => {
            // The few that run are looked up once, not each user's servers.
            conditions.push(
                "users.id IN (SELECT s.user_id FROM servers s WHERE s.target IS NOT NULL)".into(),
            );
        }
        Some(false) => {
            conditions.push(
                "users.id NOT IN (SELECT s.user_id FROM servers s WHERE s.target IS NOT NULL)"
                    .into(),
            );
        }
        None => {}
    }
    // Every statement names every parameter, so that one list of values fits all.
    conditions.push("(?1 IS NULL OR users.name LIKE '%' || ?1 || '%')".into());
    conditions.push(
        "(?2 IS NULL OR users.name IN (SELECT value FROM json_each(?2)) OR EXISTS (SELECT 1 FROM group_users m \
         JOIN groups g ON g.id = m.group_id WHERE m.user_id = users.id AND g.name IN (SELECT value FROM json_each(?3))))"
            .into(),
    );
    let conditions = conditions.join(" AND ");
    let (names, groups) = match &query.only {
        Some((names, groups)) => (Some(texts(names)), texts(groups)),
        None => (None, "[]".to_owned()),
    };
    let total = connection
        .prepare_cached(&format!("SELECT COUNT(*) FROM users WHERE {conditions}"))?
        .query_row(params![query.name_part, names, groups], |row| row.get(0))?;
    let column = match query.sort {
        Sort::Id => "users.id",
        Sort::Name => "users.name",
        Sort::LastActivity => "users.last_activity",
    };
    let direction = if query.descending { "DESC" } else { "ASC" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM users WHERE {conditions} ORDER BY {column} {direction}, users.id LIMIT ?4 OFFSET ?5"
    ))?;
    let rows = statement.query_map(
        params![query.name_part, names, groups, query.limit, query.offset],
        read,
    )?;
    let mut users = rows.map(|row| finish(row?)).collect::<Result<Vec<_>>>()?;
    fill(connection, &mut users)?;
    Ok((users, total))
}

/// Puts groups and roles into users: two statements however many they are.
fn fill(connection: &Connection, users: &mut [User]) -> Result<()> {
    let at: HashMap<i64, usize> = users
        .iter()
        .enumerate()
        .map(|(at, user)| (user.id, at))
        .collect();
    let wanted = ids(users.iter().map(|user| user.id));
    let mut statement = connection.prepare_cached(
        "SELECT m.user_id, g.name FROM json_each(?1) w JOIN group_users m ON m.user_id = w.value \
         JOIN groups g ON g.id = m.group_id ORDER BY g.id",
    )?;
    let mut rows = statement.query([&wanted])?;
    while let Some(row) = rows.next()? {
        if let Some(at) = at.get(&row.get(0)?) {
            users[*at].groups.push(row.get(1)?);
        }
    }
    let mut statement = connection.prepare_cached(
        "SELECT m.user_id, r.name FROM json_each(?1) w JOIN role_users m ON m.user_id = w.value \
         JOIN roles r ON r.id = m.role_id ORDER BY r.id",
    )?;
    let mut rows = statement.query([&wanted])?;
    while let Some(row) = rows.next()? {
        if let Some(at) = at.get(&row.get(0)?) {
            users[*at].roles.push(row.get(1)?);
        }
    }
    Ok(())
}

/// How many users there are.
pub fn count(connection: &Connection) -> Result<u32> {
    Ok(connection
        .prepare_cached("SELECT COUNT(*) FROM users")?
        .query_row([], |row| row.get(0))?)
}

/// How many users were active since a moment.
pub fn count_active(connection: &Connection, since: Timestamp) -> Result<u32> {
    let mut statement =
        connection.prepare_cached("SELECT COUNT(*) FROM users WHERE last_activity >= ?1")?;
    Ok(statement.query_row([since], |row| row.get(0))?)
}

/// Makes a user with the roles every user has. The name is normalised, valid and new.
pub fn create(connection: &Connection, now: Timestamp, name: &str, admin: bool) -> Result<i64> {
    connection
        .prepare_cached("INSERT INTO users (name, admin, created) VALUES (?1, ?2, ?3)")?
        .execute(params![name, admin, now])?;
    let id = connection.last_insert_rowid();
    role::grant(connection, role::Bearer::User(id), "user")?;
    if admin {
        role::grant(connection, role::Bearer::User(id), "admin")?;
    }
    Ok(id)
}

/// Makes a user admin or no longer admin: the flag and the role go together.
pub fn set_admin(connection: &Connection, id: i64, admin: bool) -> Result<()> {
    connection
        .prepare_cached("UPDATE users SET admin = ?2 WHERE id = ?1")?
        .execute(params![id, admin])?;
    if admin {
        role::grant(connection, role::Bearer::User(id), "admin")?;
    } else {
        role::strip(connection, role::Bearer::User(id), "admin")?;
    }
    role::grant(connection, role::Bearer::User(id), "user")
}

/// Gives a user another name. It is normalised, valid and free.
pub fn rename(connection: &Connection, id: i64, name: &str) -> Result<()> {
    connection
        .prepare_cached("UPDATE users SET name = ?2 WHERE id = ?1")?
        .execute(params![id, name])?;
    Ok(())
}

/// Keeps what the authenticator wants kept.
pub fn set_auth_state(connection: &Connection, id: i64, state: Option<&Value>) -> Result<()> {
    let text = state.map(Value::to_string);
    connection
        .prepare_cached("UPDATE users SET auth_state = ?2 WHERE id = ?1")?
        .execute(params![id, text])?;
    Ok(())
}

/// Keeps what may be shown of the person.
pub fn set_user_info(connection: &Connection, id: i64, info: Option<&Value>) -> Result<()> {
    let text = info.map(Value::to_string);
    connection
        .prepare_cached("UPDATE users SET user_info = ?2 WHERE id = ?1")?
        .execute(params![id, text])?;
    Ok(())
}

/// Notes activity; an older moment changes nothing.
pub fn note_activity(connection: &Connection, id: i64, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE users SET last_activity = ?2 WHERE id = ?1 AND COALESCE(last_activity, ?2 - 1) < ?2")?
        .execute(params![id, at])?;
    Ok(())
}

/// Deletes a user, and with him his tokens, sessions and servers.
pub fn delete(connection: &Connection, id: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM users WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// The names of a user's groups.
pub fn groups_of(connection: &Connection, name: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT g.name FROM users u JOIN group_users m ON m.user_id = u.id JOIN groups g ON g.id = m.group_id \
         WHERE u.name = ?1 ORDER BY g.id",
    )?;
    let rows = statement.query_map([name], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
