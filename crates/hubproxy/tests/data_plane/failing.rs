//! What cannot be forwarded: the statuses and the pages.

use std::time::Duration;

use hubproxy::forward::{ErrorPages, Options};
use hubproxy::routes;
use hubproxy::serve::Limits;
use tokio::io::AsyncWriteExt;

use crate::proxy::Proxy;
use crate::target::{Target, read_head};

#[tokio::test]
async fn an_error_arrives_though_its_request_is_not_read() {
    let proxy = Proxy::start();
    let body = "x".repeat(3_000_000);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(proxy.send(request).await.status, 404);

    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
        // Neither read on nor closed.
        std::future::pending::<()>().await;
    })
    .await;
    proxy.route("/early", &target);
    let request = format!(
        "POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(proxy.send(request).await.status, 401);
}

#[tokio::test]
async fn what_cannot_be_forwarded_has_its_status() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let proxy = Proxy::start();
    proxy
        .route("/dead", format!("http://{closed}"))
        .route("/nonsense", "nonsense");
    assert_eq!(proxy.get("/nowhere").await.status, 404);
    assert_eq!(proxy.get("/dead").await.status, 503);
    assert_eq!(proxy.get("/nonsense").await.status, 500);
    let healthy = proxy.get("/_chp_healthz").await;
    assert_eq!(
        (healthy.status, healthy.text()),
        (200, r#"{"status":"OK"}"#)
    );
    assert_eq!(proxy.get("/_chp_healthz?x").await.status, 404);
}

#[tokio::test]
async fn a_silent_target_is_given_up() {
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let options = Options {
        proxy_timeout: Some(Duration::from_millis(100)),
        ..Options::default()
    };
    let proxy = Proxy::with(options, Limits::default());
    proxy.route("/", &target);
    assert_eq!(proxy.get("/").await.status, 503);
}

#[tokio::test]
async fn error_pages_come_from_the_error_target() {
    let (target, mut requests) = Target::script(
        "HTTP/1.1 404 Nope\r\nContent-Type: text/html\r\nSet-Cookie: a=b\r\nX-Other: c\r\nContent-Length: 4\r\n\r\npage",
    )
    .await;
    let errors = ErrorPages::Target(routes::Target::parse(&format!("{target}/hub/error")).unwrap());
    let proxy = Proxy::with(
        Options {
            errors,
            ..Options::default()
        },
        Limits::default(),
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    proxy.route("/dead", format!("http://{closed}"));
    let answer = proxy.get("/dead/x?a=b%20c").await;
    assert_eq!((answer.status, answer.text()), (503, "page"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(
        (answer.header("set-cookie"), answer.header("x-other")),
        (None, None)
    );
    let request = String::from_utf8(requests.recv().await.unwrap()).unwrap();
    assert!(
        request.starts_with("GET /hub/error/503?url=%2Fdead%2Fx%3Fa%3Db%2520c HTTP/1.1\r\n"),
        "{request}"
    );

    let errors = ErrorPages::Target(routes::Target::parse(&format!("http://{closed}")).unwrap());
    let proxy = Proxy::with(
        Options {
            errors,
            ..Options::default()
        },
        Limits::default(),
    );
    let answer = proxy.get("/nowhere").await;
    assert_eq!((answer.status, answer.text()), (404, "Not Found"));
}

#[tokio::test]
async fn error_pages_come_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("404.html"), "lost").unwrap();
    std::fs::write(folder.path().join("error.html"), "broken").unwrap();
    let errors = ErrorPages::Path(folder.path().to_owned());
    let proxy = Proxy::with(
        Options {
            errors,
            ..Options::default()
        },
        Limits::default(),
    );
    proxy.route("/nonsense", "nonsense");
    let answer = proxy.get("/nowhere").await;
    assert_eq!(
        (answer.status, answer.text(), answer.header("content-type")),
        (404, "lost", Some("text/html"))
    );
    assert_eq!(proxy.get("/nonsense").await.text(), "broken");
}
