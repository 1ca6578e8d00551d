//! Rows of "this is sent, that comes back", and how a row is judged.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use crate::program::{Program, Proxy, TOKEN};
use crate::wire::{Connection, Outcome, Reply};

/// How long nothing may come until a row is said to hang. Longer than anything here takes to be answered.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// What is sent, as [`crate::wire::request`] reads it, and what is to be found. Each finding is a line:
///
/// | line | means |
/// |---|---|
/// | `404` | the status |
/// | `closed`, `hangs` | there is no reply |
/// | `from NAME` | the upstream that answered |
/// | `line METHOD TARGET` | the request line as upstream saw it |
/// | `up NAME: VALUE`, `up no NAME`, `up has NAME` | a header as upstream saw it |
/// | `got TEXT` | the body as upstream saw it |
/// | `header NAME: VALUE`, `no header NAME`, `has header NAME` | a header of the reply |
/// | `starts NAME: VALUE` | the beginning of a header of the reply |
/// | `body TEXT`, `body has TEXT` | the body, or a part of it |
/// | `json POINTER VALUE`, `json no POINTER` | a part of the body, as JSON |
pub struct Row {
    pub send: &'static str,
    pub chp: &'static [&'static str],
    pub ours: &'static [&'static str],
    /// Why the two differ.
    pub why: &'static str,
}

/// Both answer like this.
pub const fn same(send: &'static str, found: &'static [&'static str]) -> Row {
    Row {
        send,
        chp: found,
        ours: found,
        why: "",
    }
}

/// They differ, on purpose.
pub const fn differs(
    why: &'static str,
    send: &'static str,
    chp: &'static [&'static str],
    ours: &'static [&'static str],
) -> Row {
    Row {
        send,
        chp,
        ours,
        why,
    }
}

/// Where rows are sent, and what their placeholders stand for.
pub struct Place<'a> {
    pub program: Program,
    pub host: String,
    pub names: Vec<(&'static str, String)>,
    pub connect: Box<dyn Fn() -> futures_util::future::BoxFuture<'a, Connection> + 'a>,
}

impl<'a> Place<'a> {
    pub fn public(proxy: &'a Proxy) -> Self {
        Self::at(proxy, proxy.public)
    }

    pub fn api(proxy: &'a Proxy) -> Self {
        Self::at(proxy, proxy.api)
    }

    pub fn at(proxy: &'a Proxy, address: std::net::SocketAddr) -> Self {
        Self {
            program: proxy.program,
            host: address.to_string(),
            names: vec![("{auth}", format!("Authorization: token {TOKEN}"))],
            connect: Box::new(move || Box::pin(Connection::tcp(address))),
        }
    }

    /// `{NAME}` in the rows stands for this.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.names.push((name, value.into()));
        self
    }

    fn filled(&self, text: &str) -> String {
        let mut text = text.replace("{host}", &self.host);
        for (name, value) in &self.names {
            text = text.replace(name, value);
        }
        text
    }

    async fn judge(&self, row: &Row) -> Vec<String> {
        let wanted = match self.program {
            Program::Chp => row.chp,
            Program::Hubproxy => row.ours,
        };
        let patience = if wanted == ["hangs"] {
            PATIENCE / 8
        } else {
            PATIENCE
        };
        let mut connection = (self.connect)().await;
        let outcome = connection
            .ask(&self.filled(row.send), &self.host, patience)
            .await;
        let wrong = wanted.iter().filter_map(|line| {
            let line = self.filled(line);
            judge(&line, &outcome)
                .err()
                .map(|found| format!("  wanted {line:?}: {found}"))
        });
        let mut wrong: Vec<String> = wrong.collect();
        if !wrong.is_empty() {
            wrong.insert(0, format!("{:?}, {:?} {}", self.program, row.send, row.why));
        }
        wrong
    }

    /// Each row on a connection of its own, at the same time.
    pub async fn side_by_side(&self, rows: &[Row]) {
        let judged = join_all(rows.iter().map(|row| self.judge(row))).await;
        told(judged);
    }

    /// One row after the other: what one does, the next may see.
    pub async fn in_order(&self, rows: &[Row]) {
        let mut judged = Vec::new();
        for row in rows {
            judged.push(self.judge(row).await);
        }
        told(judged);
    }
}

fn told(judged: Vec<Vec<String>>) {
    let wrong: Vec<String> = judged.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Whether the line is true of what came back; what was found if not.
pub fn judge(line: &str, outcome: &Outcome) -> Result<(), String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let reply = match (word, outcome) {
        ("closed", Outcome::Closed) | ("hangs", Outcome::Hangs) => return Ok(()),
        (_, Outcome::Reply(reply)) => reply,
        (_, other) => return Err(format!("{other:?}")),
    };
    let echo = || serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    match word {
        status if status.parse::<u16>().is_ok() => {
            equal(&reply.status.to_string(), status, || brief(reply))
        }
        "from" => equal(text(&echo()["backend"]), rest, || brief(reply)),
        "line" => {
            let echo = echo();
            let line = format!("{} {}", text(&echo["method"]), text(&echo["target"]));
            equal(&line, rest, || brief(reply))
        }
        "got" => equal(text(&echo()["body"]), rest, || brief(reply)),
        "up" => header(&pairs(&echo()["headers"]), rest),
        "header" => header(&reply.headers, rest),
        "starts" => {
            let (name, value) = rest
                .split_once(": ")
                .ok_or("a header finding has a colon")?;
            let found = reply.header(name).unwrap_or("(none)");
            equal(found.get(..value.len()).unwrap_or(found), value, || {
                brief(reply)
            })
        }
        "no" | "has" => header(
            &reply.headers,
            &format!("{word} {}", rest.trim_start_matches("header ")),
        ),
        "body" => match rest.strip_prefix("has ") {
            Some(part) if reply.text().contains(part) => Ok(()),
            Some(_) => Err(brief(reply)),
            None => equal(&reply.text(), rest, || brief(reply)),
        },
        "json" => json(&echo(), rest),
        _ => Err(format!("no such finding: {line}")),
    }
}

fn equal(found: &str, wanted: &str, shown: impl Fn() -> String) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found:?} in {}", shown()))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("(none)")
}

fn pairs(headers: &Value) -> Vec<(String, String)> {
    let pair = |pair: &Value| {
        (
            text(&pair[0]).to_ascii_lowercase(),
            text(&pair[1]).to_owned(),
        )
    };
    headers
        .as_array()
        .map(|all| all.iter().map(pair).collect())
        .unwrap_or_default()
}

/// `NAME: VALUE` (of all of that name, joined by ` | `), `no NAME` or `has NAME`.
fn header(headers: &[(String, String)], wanted: &str) -> Result<(), String> {
    let all = |name: &str| {
        let found = headers
            .iter()
            .filter(|header| header.0.eq_ignore_ascii_case(name));
        let values: Vec<&str> = found.map(|header| header.1.as_str()).collect();
        (!values.is_empty()).then(|| values.join(" | "))
    };
    if let Some(name) = wanted.strip_prefix("no ") {
        return all(name).map_or(Ok(()), Err);
    }
    if let Some(name) = wanted.strip_prefix("has ") {
        return all(name).map(drop).ok_or_else(|| format!("{headers:?}"));
    }
    let (name, value) = wanted
        .split_once(':')
        .ok_or("a header finding has a colon")?;
    let found = all(name).ok_or_else(|| format!("none in {headers:?}"))?;
    equal(&found, value.trim(), || format!("{headers:?}"))
}

fn json(body: &Value, wanted: &str) -> Result<(), String> {
    if let Some(pointer) = wanted.strip_prefix("no ") {
        return body
            .pointer(pointer)
            .map_or(Ok(()), |found| Err(found.to_string()));
    }
    let (pointer, value) = wanted.split_once(' ').ok_or("a JSON finding has a value")?;
    // In JSON Pointer, `~2` is nothing: here it is a space, which ends the pointer otherwise.
    let found = body.pointer(&pointer.replace("~2", " "));
    let wanted: Value = serde_json::from_str(value).map_err(|error| error.to_string())?;
    if found == Some(&wanted) {
        Ok(())
    } else {
        Err(format!("{found:?} in {body}"))
    }
}

/// A reply, short enough to read.
fn brief(reply: &Reply) -> String {
    let mut text = format!("{} {:?} ", reply.status, reply.headers);
    let body: String = reply.text().chars().take(700).collect();
    let _ = write!(text, "{body:?}");
    text
}
