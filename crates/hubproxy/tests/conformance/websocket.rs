//! Connections that become something else than HTTP.

use crate::address::free;
use std::time::Duration;

use crate::program::{Program, Proxy};
use crate::routing::add;
use crate::table::{PATIENCE, Place, Row, differs, judge, same};
use crate::upstream::Upstream;
use crate::wire::{Connection, Outcome};

const UPGRADE: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// An upgraded connection, and what upstream saw of the request.
async fn open(proxy: &Proxy, path: &str, extra: &str) -> (Connection, Outcome) {
    let mut client = Connection::tcp(proxy.public).await;
    let text = format!("GET {path}\nHost: name.example\n{UPGRADE}{extra}");
    let outcome = client.ask(&text, "", PATIENCE).await;
    let Outcome::Reply(mut reply) = outcome else {
        return (client, outcome);
    };
    if reply.status == 101 {
        // The first line that upstream sends is what it saw.
        while !reply.body.ends_with(b"\n") {
            let byte = client.bytes(1, PATIENCE).await;
            assert!(!byte.is_empty(), "the line ends early: {}", reply.text());
            reply.body.extend(byte);
        }
    }
    (client, Outcome::Reply(reply))
}

#[track_caller]
fn all(program: Program, lines: &[&str], outcome: &Outcome) {
    for line in lines {
        if let Err(found) = judge(line, outcome) {
            panic!("{program:?}: wanted {line:?}: {found}");
        }
    }
}

pub async fn echo(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(program, &[]).await;
    add(&proxy, "/user/a", &format!("http://{}", upstream.address)).await;
    let extra = "\nOrigin: http://name.example\nCookie: a=1\nSec-WebSocket-Protocol: v1.kernel.websocket.jupyter.org\nX-Forwarded-For: 9.9.9.9";
    let (mut client, outcome) = open(&proxy, "/user/a/api?session_id=x%20y", extra).await;
    all(
        program,
        &[
            "101",
            "header upgrade: websocket",
            "header sec-websocket-accept: it-does",
            "header x-own: kept",
            "from up",
            "line GET /user/a/api?session_id=x%20y",
            "up host: name.example",
            "up upgrade: websocket",
            "up sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
            "up sec-websocket-version: 13",
            "up sec-websocket-protocol: v1.kernel.websocket.jupyter.org",
            "up origin: http://name.example",
            "up cookie: a=1",
            "up x-forwarded-for: 9.9.9.9,127.0.0.1",
            "up x-forwarded-proto: ws",
            "up x-forwarded-port: 80",
            "up no x-forwarded-host",
        ],
        &outcome,
    );
    // Bytes of any kind, more than one buffer of them.
    let sent: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    for part in sent.chunks(70_000) {
        client.send(part).await;
        assert!(
            client.bytes(part.len(), PATIENCE).await == part,
            "not what was sent"
        );
    }
    // The end of one side is the end of the other.
    drop(client);
}

/// What a client sends before it was answered: CHP loses it, hubproxy does not.
pub async fn early_bytes(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(
        program,
        &["--default-target", &format!("http://{}", upstream.address)],
    )
    .await;
    let mut client = Connection::tcp(proxy.public).await;
    let mut bytes = crate::wire::request(&format!("GET /x\n{UPGRADE}"), "h");
    bytes.extend(b"too early");
    client.send(&bytes).await;
    assert_eq!(client.reply(false, PATIENCE).await.reply().status, 101);
    let mut read = Vec::new();
    while !read.ends_with(b"too early") {
        let more = client.bytes(1, PATIENCE / 4).await;
        if more.is_empty() {
            break;
        }
        read.extend(more);
    }
    let lost = !read.ends_with(b"too early");
    assert_eq!(
        lost,
        program == Program::Chp,
        "{}",
        String::from_utf8_lossy(&read)
    );
}

const REFUSED: &[Row] = &[
    // An answer that is no upgrade is the answer.
    same(
        "GET /up\n{upgrade}\nX-Act: status 403; X-Own: 1",
        &["403", "from up", "header x-own: 1"],
    ),
    same("GET /up\n{upgrade}\nX-Act: status 200", &["200", "from up"]),
    same(
        "GET /up\n{upgrade}\nX-Act: status 302; Location: /login",
        &["302", "header location: /login"],
    ),
    same("GET /up\n{upgrade}\nX-Act: chunked", &["200", "from up"]),
    same(
        "GET /up\n{upgrade}\nX-Act: close",
        &["503", "header content-length: 0"],
    ),
    same(
        "GET /refuses\n{upgrade}",
        &["503", "header content-length: 0", "body "],
    ),
    same(
        "GET /none\n{upgrade}",
        &["404", "header content-length: 0", "body "],
    ),
    differs(
        "only a GET can ask for one, so the request is an ordinary one",
        "POST /up\n{upgrade}",
        &["closed"],
        &["200", "from up", "up no upgrade"],
    ),
    differs(
        "an upgrade to something else is not offered, so the request is an ordinary one",
        "GET /up\nConnection: Upgrade\nUpgrade: h2c",
        &["closed"],
        &["200", "from up", "up no upgrade"],
    ),
];

pub async fn refused(program: Program) {
    let (upstream, page) = (Upstream::start("up").await, Upstream::start("page").await);
    let error = format!("http://{}/hub/error", page.address);
    let proxy = Proxy::start(program, &["--error-target", &error]).await;
    add(&proxy, "/up", &format!("http://{}", upstream.address)).await;
    add(&proxy, "/refuses", &format!("http://{}", free())).await;
    Place::public(&proxy)
        .with("{upgrade}", UPGRADE)
        .side_by_side(REFUSED)
        .await;
    assert_eq!(
        page.connections(),
        0,
        "the page of an error is not for a WebSocket"
    );
}

/// Neither end of a WebSocket may be idle too long for it: `--timeout` and `--proxy-timeout` are of requests.
pub async fn idle(program: Program) {
    let upstream = Upstream::start("up").await;
    let target = format!("http://{}", upstream.address);
    let options = [
        "--proxy-timeout",
        "1000",
        "--keep-alive-timeout",
        "1000",
        "--default-target",
        &target,
    ];
    let proxy = Proxy::start(program, &options).await;
    let (mut client, outcome) = open(&proxy, "/x", "").await;
    all(program, &["101"], &outcome);
    assert!(
        !client.closes(Duration::from_millis(2000)).await,
        "an idle WebSocket was cut"
    );
    client.send(b"still here").await;
    assert_eq!(client.bytes(10, PATIENCE).await, b"still here");
}

/// A route that goes, or changes, leaves the open ones alone.
pub async fn outlives_its_route(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(program, &[]).await;
    add(&proxy, "/a", &format!("http://{}", upstream.address)).await;
    let (mut client, outcome) = open(&proxy, "/a/x", "").await;
    all(program, &["101"], &outcome);
    Place::api(&proxy)
        .in_order(&[same("DELETE /api/routes/a\n{auth}", &["204"])])
        .await;
    client.send(b"still here").await;
    assert_eq!(client.bytes(10, PATIENCE).await, b"still here");
}
