//! Ordinary requests: where they go, what arrives, what comes back.

use std::sync::Arc;
use std::time::Duration;

use hubproxy::forward::{ErrorPages, Options};
use hubproxy::routes;
use hubproxy::serve::Limits;
use tokio::io::AsyncWriteExt;

use crate::proxy::{PATIENCE, Proxy, Recorder};
use crate::target::{Target, echo_on_socket, read_head};

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let target = Target::echo().await;
    let proxy = Proxy::start();
    proxy.route("/user/ada", &target);
    let answer = proxy
        .send(
            "POST /user/ada//api%2Fx/../y?q=%20&r HTTP/1.1\r\nHost: hub.example:99\r\nOrigin: http://hub.example:99\r\n\
             Cookie: a=b\r\nContent-Length: 5\r\n\r\nhello",
        )
        .await;
    let seen = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(seen["method"], "POST");
    assert_eq!(seen["url"], "/user/ada//api%2Fx/../y?q=%20&r");
    assert_eq!(seen["length"], 5);
    let headers = seen["headers"].to_string();
    for header in [
        r#"["host","hub.example:99"]"#,
        r#"["origin","http://hub.example:99"]"#,
        r#"["cookie","a=b"]"#,
        r#"["x-forwarded-for","127.0.0.1"]"#,
        r#"["x-forwarded-port","99"]"#,
        r#"["x-forwarded-proto","http"]"#,
        r#"["x-forwarded-host","hub.example:99"]"#,
    ] {
        assert!(headers.contains(header), "{header} is not in {headers}");
    }
    assert_eq!(answer.header("connection"), Some("keep-alive"));
}

#[tokio::test]
async fn one_connection_of_a_client_and_one_to_the_target_serve_many_requests() {
    let target = Target::echo().await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    for n in 0..20 {
        client
            .write(format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        assert_eq!(client.answer().await.json()["url"], format!("/{n}"));
    }
    // And pipelined: answered in order.
    let many: String = (0..5)
        .map(|n| format!("GET /p{n} HTTP/1.1\r\nHost: h\r\n\r\n"))
        .collect();
    client.write(many).await;
    for n in 0..5 {
        assert_eq!(client.answer().await.json()["url"], format!("/p{n}"));
    }
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn a_target_may_be_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = echo_on_socket(folder.path());
    let proxy = Proxy::start();
    let escaped = path.to_str().unwrap().replace('/', "%2F");
    proxy
        .route("/a", format!("http+unix://{escaped}"))
        .route("/b", format!("unix+http://{escaped}/base"));
    assert_eq!(proxy.get("/a/x").await.json()["url"], "/a/x");
    assert_eq!(proxy.get("/b/x").await.json()["url"], "/base/b/x");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let target = Target::each(|mut stream, _| async move {
        loop {
            let head = read_head(&mut stream).await;
            let answer: &[u8] = match head.split(|byte| *byte == b' ').next() {
                Some(b"HEAD") => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Some(b"GET") => {
                    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n"
                }
                Some(b"DELETE") => b"HTTP/1.1 204 No Content\r\n\r\n",
                _ => return,
            };
            stream.write_all(answer).await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client.write("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("5"))
    );
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("etag")), (304, Some("x")));
    client.write("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("transfer-encoding")), (204, None));
    assert!(client.read.is_empty());
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn events_pass_as_they_come() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let target = Target::each(move |mut stream, _| {
        let gone = Arc::clone(&gone);
        async move {
            read_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(b"b\r\ndata: one\n\n\r\n").await.unwrap();
            // The second event is not sent before the client has the first.
            gone.lock().await.take().unwrap().await.unwrap();
            stream.write_all(b"b\r\ndata: two\n\n\r\n0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client
        .write("GET /events HTTP/1.1\r\nHost: h\r\n\r\n")
        .await;
    let head = client.head().await;
    assert_eq!(head.header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.take(16).await, b"B\r\ndata: one\n\n\r\n");
    go.send(()).unwrap();
    assert_eq!(client.take(21).await, b"B\r\ndata: two\n\n\r\n0\r\n\r\n");
}

#[tokio::test]
async fn large_bodies_go_both_ways_and_slow_readers_hold_them_back() {
    const LENGTH: usize = 32 * 1024 * 1024;
    let target = Target::echo().await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let client = reqwest::Client::new();
    let url = format!("http://{}/up", proxy.address);
    let sum = (0..LENGTH).map(|at| (at % 251) as u64).sum::<u64>();
    let body: Vec<u8> = (0..LENGTH)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let seen: serde_json::Value = client
        .put(&url)
        .body(body.clone())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (seen["length"].as_u64(), seen["sum"].as_u64()),
        (Some(LENGTH as u64), Some(sum))
    );
    let chunks: Vec<std::io::Result<Vec<u8>>> = body
        .chunks(100_000)
        .map(|chunk| Ok(chunk.to_vec()))
        .collect();
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let seen: serde_json::Value = client
        .put(&url)
        .body(chunked)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (seen["length"].as_u64(), seen["sum"].as_u64()),
        (Some(LENGTH as u64), Some(sum))
    );

    let written = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let target = Target::each(move |mut stream, _| {
        let counter = Arc::clone(&counter);
        async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let block = [7; 64 * 1024];
            for _ in 0..LENGTH / block.len() {
                stream.write_all(&block).await.unwrap();
                counter.fetch_add(block.len(), std::sync::atomic::Ordering::SeqCst);
            }
        }
    })
    .await;
    proxy.route("/down", &target);
    let mut client = proxy.connect().await;
    client.write("GET /down HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.head().await;
    // Nothing more is read: sockets fill up, and then the target waits.
    let mut before = usize::MAX;
    while before != written.load(std::sync::atomic::Ordering::SeqCst) {
        before = written.load(std::sync::atomic::Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(
        before < LENGTH,
        "all was taken from the target while the client read nothing"
    );
    let mut read = client.read.len();
    while read < LENGTH {
        client.read.clear();
        assert!(client.more().await);
        read += client.read.len();
    }
    assert_eq!(read, LENGTH);
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_is_whole() {
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
            .await
            .unwrap();
        // The rest is left unread and the connection is closed.
    })
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client
        .write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nsome")
        .await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (403, "no"));
}

#[tokio::test]
async fn a_request_goes_again_only_where_that_cannot_do_it_twice() {
    // Each connection answers once, keeps open, and ends without an answer at the second request.
    let target = Target::each(|mut stream, number| async move {
        read_head(&mut stream).await;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        read_head(&mut stream).await;
    })
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    assert_eq!(proxy.get("/").await.text(), "0");
    assert_eq!(
        proxy.get("/").await.text(),
        "1",
        "a GET goes to a new connection"
    );
    let posted = proxy
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    assert_eq!(posted.status, 503, "a POST may have been done");
    assert_eq!(proxy.get("/").await.text(), "2");
    let posted = proxy
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(
        posted.status, 503,
        "a POST without a body may have been done too"
    );
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

#[tokio::test]
async fn activity_is_what_was_asked_and_answered_well() {
    let target = Target::echo().await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let route = proxy.table.get("/").unwrap();
    let touched = |since: i64| {
        let touched = route.last_activity_ms() > since;
        route.set_last_activity_ms(since);
        touched
    };
    assert!(touched(0));
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", true),
        ("GET /status/302 HTTP/1.1\r\nHost: h\r\n\r\n", false),
        ("GET /status/404 HTTP/1.1\r\nHost: h\r\n\r\n", false),
        ("GET /status/500 HTTP/1.1\r\nHost: h\r\n\r\n", false),
        (
            "POST /status/404 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
            true,
        ),
    ] {
        proxy.send(request).await;
        assert_eq!(touched(0), expected, "{request}");
    }
}

#[tokio::test]
async fn exchanges_are_reported_with_what_went_through() {
    let target = Target::echo().await;
    let recorder = Arc::new(Recorder::default());
    let proxy = Proxy::observed(
        Options::default(),
        Limits::default(),
        Arc::clone(&recorder) as _,
    );
    proxy.route("/a", &target);
    let answer = proxy
        .send("POST /a/b?token=x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let reported = recorder.next().await;
    assert_eq!(reported.line, "Web POST /a/b?token=x 200 Complete");
    assert_eq!(reported.route.as_deref(), Some("/a"));
    assert_eq!(
        (reported.received, reported.sent),
        (2, answer.body.len() as u64)
    );
    proxy.get("/b").await;
    assert_eq!(recorder.next().await.line, "Web GET /b 404 Complete");
}

#[tokio::test]
async fn a_drain_lets_exchanges_end_and_cuts_at_its_deadline() {
    let (go, gone) = tokio::sync::watch::channel(false);
    let target = Target::each(move |mut stream, _| {
        let mut gone = gone.clone();
        async move {
            read_head(&mut stream).await;
            gone.wait_for(|gone| *gone).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await
                .unwrap();
        }
    })
    .await;
    let mut proxy = Proxy::start();
    proxy.route("/", &target);
    let mut idle = proxy.connect().await;
    let mut busy = proxy.connect().await;
    busy.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    while target.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let server = proxy.server.take().unwrap();
    let drain = tokio::spawn(async move { server.drain(PATIENCE).await });
    assert!(idle.is_closed().await);
    go.send(true).unwrap();
    assert_eq!(busy.answer().await.text(), "ok");
    assert!(busy.is_closed().await);
    assert_eq!(drain.await.unwrap().cut, 0);

    let mut proxy = Proxy::start();
    let silent = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    proxy.route("/", &silent);
    let mut busy = proxy.connect().await;
    busy.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    while silent.connections() == 0 {
        tokio::task::yield_now().await;
    }
    let drained = proxy
        .server
        .take()
        .unwrap()
        .drain(Duration::from_millis(50))
        .await;
    assert_eq!(drained.cut, 1);
    assert!(busy.is_closed().await);
}
