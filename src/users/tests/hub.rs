//! A hub's API for the account program to ask: users who are there until they are deleted, in pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(super) const TOKEN: &str = "a-token";

/// Ends with the test's runtime.
pub(super) struct Hub {
    pub(super) api: String,
    users: Arc<Mutex<BTreeMap<String, Value>>>,
    logged_out: LoggedOut,
}

/// Whom it was told to log out; a star is everybody.
type LoggedOut = Arc<Mutex<Vec<String>>>;

impl Hub {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}/hub/api", listener.local_addr().unwrap());
        let users = Arc::new(Mutex::new(BTreeMap::new()));
        let logged_out = LoggedOut::default();
        let served = (Arc::clone(&users), Arc::clone(&logged_out));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, served.clone()));
            }
        });
        Self {
            api,
            users,
            logged_out,
        }
    }

    /// Whom it was told to log out since the last time.
    pub(super) fn logged_out(&self) -> Vec<String> {
        let mut told = std::mem::take(&mut *self.logged_out.lock().unwrap());
        told.sort();
        told
    }

    pub(super) fn knows(&self, name: &str, servers: &Value) {
        let user = json!({
            "name": name, "admin": false, "servers": servers, "last_activity": "2026-11-26T09:30:12.123456Z",
        });
        self.users.lock().unwrap().insert(name.to_owned(), user);
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.users.lock().unwrap().keys().cloned().collect()
    }
}

async fn answer(
    mut stream: TcpStream,
    (users, logged_out): (Arc<Mutex<BTreeMap<String, Value>>>, LoggedOut),
) {
    let (mut first, mut token) = (String::new(), String::new());
    let mut lines = BufReader::new(&mut stream).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.is_empty() {
            break;
        }
        if first.is_empty() {
            first = line;
        } else if let Some(value) = line.strip_prefix("Authorization: token ") {
            value.clone_into(&mut token);
        }
    }
    let (status, body) = if token != TOKEN {
        (403, json!({}))
    } else if let Some(whom) = sessions_of(&first) {
        // As one whose disk is full.
        let status = if whom == "eve" { 507 } else { 204 };
        logged_out.lock().unwrap().push(whom);
        (status, json!({}))
    } else {
        carry_out(&first, &mut users.lock().unwrap())
    };
    let body = if status == 204 {
        String::new()
    } else {
        body.to_string()
    };
    let head = format!(
        "HTTP/1.1 {status} -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

fn sessions_of(first: &str) -> Option<String> {
    let path = first.strip_prefix("DELETE /hub/api/")?;
    let of = path.split(' ').next()?.strip_suffix("sessions")?;
    let user = of
        .strip_prefix("users/")
        .map(|rest| rest.trim_end_matches('/'));
    Some(user.unwrap_or("*").to_owned())
}

fn carry_out(first: &str, users: &mut BTreeMap<String, Value>) -> (u16, Value) {
    let words: Vec<&str> = first.split(' ').collect();
    if let Some(name) = words[1].strip_prefix("/hub/api/users/") {
        assert_eq!(words[0], "DELETE");
        return match users.remove(name) {
            Some(_) => (204, Value::Null),
            None => (404, json!({})),
        };
    }
    let query = words[1]
        .strip_prefix("/hub/api/users?limit=200&offset=")
        .unwrap();
    let offset: usize = query.parse().unwrap();
    let items: Vec<&Value> = users.values().skip(offset).take(200).collect();
    let end = offset + items.len();
    let next = (end < users.len()).then(|| json!({"offset": end, "limit": 200}));
    (
        200,
        json!({"items": items, "_pagination": {"offset": offset, "next": next}}),
    )
}
