//! Users.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde_json::Value;

use super::ids::Ids;
use super::{Result, json, role, texts};
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
    let (conditions, values) = query.conditions();
    let direction = if query.descending { "DESC" } else { "ASC" };
    let page = |columns: &str, order: &str| {
        format!("SELECT {columns} FROM users{conditions} ORDER BY {order} LIMIT ? OFFSET ?")
    };
    let statement = match query.sort {
        Sort::Id => page(COLUMNS, &format!("users.id {direction}")),
        Sort::Name | Sort::LastActivity => {
            let column = if query.sort == Sort::Name {
                "users.name"
            } else {
                "users.last_activity"
            };
            // What is sorted and skipped are entries of an index, not whole users.
            let order = format!("{column} {direction}, users.id");
            let page = page("users.id", &order);
            format!(
                "SELECT {COLUMNS} FROM ({page}) page JOIN users ON users.id = page.id ORDER BY {order}"
            )
        }
    };
    let mut statement = connection.prepare_cached(&statement)?;
    let of_page = [query.limit, query.offset].map(|number| Sql::Integer(number.into()));
    let rows = statement.query_map(params_from_iter(values.iter().chain(&of_page)), read)?;
    let mut users = rows.map(|row| finish(row?)).collect::<Result<Vec<_>>>()?;
    fill(connection, &mut users)?;
    // A page that is not full is the last one. That of an offset beyond the end says nothing.
    let found = u32::try_from(users.len()).unwrap_or(u32::MAX);
    let is_last = found < query.limit && (found > 0 || query.offset == 0);
    let total = if is_last {
        query.offset.saturating_add(found)
    } else {
        connection
            .prepare_cached(&format!("SELECT COUNT(*) FROM users{conditions}"))?
            .query_row(params_from_iter(&values), |row| row.get(0))?
    };
    Ok((users, total))
}

impl Query {
    /// ` WHERE ...` with no more than is asked for, so that SQLite can do the simple ones the simple way, and its values.
    fn conditions(&self) -> (String, Vec<Sql>) {
        const RUNS: &str = "(SELECT s.user_id FROM servers s WHERE s.target IS NOT NULL)";
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        // The few that run are looked up once, not each user's servers.
        match self.active {
            Some(true) => conditions.push(format!("users.id IN {RUNS}")),
            Some(false) => conditions.push(format!("users.id NOT IN {RUNS}")),
            None => {}
        }
        if let Some(part) = &self.name_part {
            conditions.push("users.name LIKE '%' || ? || '%'".to_owned());
            values.push(Sql::Text(part.clone()));
        }
        if let Some((names, groups)) = &self.only {
            conditions.push(
                "users.id IN (SELECT n.id FROM users n WHERE n.name IN (SELECT value FROM json_each(?)) \
                 UNION SELECT m.user_id FROM groups g JOIN group_users m ON m.group_id = g.id \
                 WHERE g.name IN (SELECT value FROM json_each(?)))"
                    .to_owned(),
            );
            values.extend([Sql::Text(texts(names)), Sql::Text(texts(groups))]);
        }
        let conditions = match conditions.as_slice() {
            [] => String::new(),
            all => format!(" WHERE {}", all.join(" AND ")),
        };
        (conditions, values)
    }
}

/// Puts groups and roles into users: a few statements however many they are.
fn fill(connection: &Connection, users: &mut [User]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let ids = Ids::of(users.iter().map(|user| user.id));
    let statement = format!(
        "SELECT m.user_id, g.name FROM group_users m JOIN groups g ON g.id = m.group_id WHERE {} \
         ORDER BY m.user_id, m.group_id",
        ids.condition("m.user_id")
    );
    let mut statement = connection.prepare_cached(&statement)?;
    let mut rows = statement.query(params_from_iter(ids.values()))?;
    while let Some(row) = rows.next()? {
        if let Some(at) = ids.place(row.get(0)?) {
            users[at].groups.push(row.get(1)?);
        }
    }
    // There are a handful of roles, and everybody has one: their names are read once.
    let names = role::names(connection)?;
    let statement = format!(
        "SELECT m.user_id, m.role_id FROM role_users m WHERE {} ORDER BY m.user_id, m.role_id",
        ids.condition("m.user_id")
    );
    let mut statement = connection.prepare_cached(&statement)?;
    let mut rows = statement.query(params_from_iter(ids.values()))?;
    while let Some(row) = rows.next()? {
        if let Some(at) = ids.place(row.get(0)?)
            && let Some(name) = names.get(&row.get(1)?)
        {
            users[at].roles.push(name.clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{group, server};

    /// Users u00 to u29; every third in the group `class`, u05 an admin, u07 with a server that runs.
    fn people() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::store::migration::run(&mut connection, std::path::Path::new("none")).unwrap();
        role::set_all(&connection, &crate::scope::default_roles()).unwrap();
        let class = group::create(&connection, "class").unwrap();
        for number in 0..30 {
            let name = format!("u{number:02}");
            let id = create(&connection, Timestamp(number), &name, number == 5).unwrap();
            if number % 3 == 0 {
                group::add_user(&connection, class, id).unwrap();
            }
            if number == 7 {
                let row = server::ensure(&connection, id, "", "").unwrap();
                server::set_active(&connection, row.id, "", &Value::Null, Timestamp(1)).unwrap();
            }
        }
        connection
    }

    fn listed(connection: &Connection, query: &Query) -> (Vec<String>, u32) {
        let (users, total) = list(connection, query).unwrap();
        (users.into_iter().map(|user| user.name).collect(), total)
    }

    fn page(offset: u32, limit: u32) -> Query {
        Query {
            offset,
            limit,
            ..Query::default()
        }
    }

    #[test]
    fn pages_say_how_many_there_are_in_all() {
        let connection = people();
        for (offset, limit, found, total) in [
            (0, 10, 10, 30),
            (0, 30, 30, 30),
            (0, 200, 30, 30),
            (20, 10, 10, 30),
            (25, 10, 5, 30),
            (30, 10, 0, 30),
            (99, 10, 0, 30),
        ] {
            let (names, all) = listed(&connection, &page(offset, limit));
            assert_eq!((names.len(), all), (found, total), "{offset} {limit}");
        }
        let nobody = Query {
            name_part: Some("x".into()),
            ..page(0, 10)
        };
        assert_eq!(listed(&connection, &nobody), (Vec::new(), 0));
    }

    #[test]
    fn conditions_and_orders_go_together() {
        let connection = people();
        note_activity(&connection, 3, Timestamp(9)).unwrap();
        note_activity(&connection, 9, Timestamp(5)).unwrap();
        let of_class = Query {
            only: Some((vec!["u01".into(), "u03".into()], vec!["class".into()])),
            ..page(0, 3)
        };
        let cases: [(Query, &[&str], u32); 7] = [
            (of_class.clone(), &["u00", "u01", "u03"], 11),
            (
                Query {
                    name_part: Some("U2".into()),
                    sort: Sort::Name,
                    descending: true,
                    ..of_class.clone()
                },
                &["u27", "u24", "u21"],
                3,
            ),
            (
                Query {
                    sort: Sort::LastActivity,
                    descending: true,
                    ..page(0, 3)
                },
                &["u02", "u08", "u00"],
                30,
            ),
            (
                Query {
                    sort: Sort::LastActivity,
                    ..page(27, 3)
                },
                &["u29", "u08", "u02"],
                30,
            ),
            (
                Query {
                    active: Some(true),
                    ..page(0, 3)
                },
                &["u07"],
                1,
            ),
            (
                Query {
                    active: Some(false),
                    sort: Sort::Id,
                    descending: true,
                    ..page(21, 3)
                },
                &["u08", "u06", "u05"],
                29,
            ),
            (
                Query {
                    active: Some(true),
                    ..of_class
                },
                &[],
                0,
            ),
        ];
        for (query, names, total) in cases {
            let (found, all) = listed(&connection, &query);
            assert!(
                found == names && all == total,
                "{query:?}: {found:?} of {all}"
            );
        }
    }

    #[test]
    fn groups_and_roles_are_of_their_users_however_far_apart_those_are() {
        let connection = people();
        // What is one user's is moved a table at a time.
        connection
            .pragma_update(None, "foreign_keys", false)
            .unwrap();
        for (table, column) in [
            ("users", "id"),
            ("group_users", "user_id"),
            ("role_users", "user_id"),
        ] {
            let moved = format!("UPDATE {table} SET {column} = 1000000 WHERE {column} = 7");
            assert_eq!(connection.execute(&moved, []).unwrap(), 1, "{table}");
        }
        let (users, _) = list(&connection, &page(0, 200)).unwrap();
        assert_eq!(users.len(), 30);
        for user in users {
            let number: usize = user.name[1..].parse().unwrap();
            let groups: &[&str] = if number.is_multiple_of(3) {
                &["class"]
            } else {
                &[]
            };
            let roles: &[&str] = if number == 5 {
                &["user", "admin"]
            } else {
                &["user"]
            };
            assert_eq!(user.groups, groups, "{}", user.name);
            assert_eq!(user.roles, roles, "{}", user.name);
        }
    }
}
