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
}

impl Hub {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}/hub/api", listener.local_addr().unwrap());
        let users = Arc::new(Mutex::new(BTreeMap::new()));
        let served = Arc::clone(&users);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&served)));
            }
        });
        Self { api, users }
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

async fn answer(mut stream: TcpStream, users: Arc<Mutex<BTreeMap<String, Value>>>) {
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
    let (status, body) = if token == TOKEN {
        carry_out(&first, &mut users.lock().unwrap())
    } else {
        (403, json!({}))
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
