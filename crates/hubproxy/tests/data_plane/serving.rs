//! What goes on beside the exchanges: workers, drains, what is noted and reported.

use std::sync::Arc;
use std::time::Duration;

use hubproxy::forward::{Forwarder, Options};
use hubproxy::routes::Table;
use hubproxy::serve::{Limits, Listener, Server, Silent};
use tokio::io::AsyncWriteExt;

use crate::proxy::{Client, PATIENCE, Proxy, Recorder};
use crate::target::{Target, read_head};

#[tokio::test]
async fn several_workers_share_what_they_listen_on_and_their_limits() {
    let target = Target::echo().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let table = Table::new();
    let forwarder = Forwarder::new(Arc::clone(&table), Options::default(), Arc::new(Silent));
    let server = Server::start(
        vec![Listener::tcp(listener)],
        forwarder,
        Limits::default(),
        3,
    )
    .unwrap();
    let proxy = Proxy {
        address,
        table,
        server: Some(server),
    };
    proxy.route("/", &target);
    let mut clients = Vec::new();
    for n in 0..30 {
        let mut client = proxy.connect().await;
        client
            .write(format!("GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await;
        clients.push(client);
    }
    for (n, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().await.json()["url"], format!("/{n}"));
    }
    assert_eq!(proxy.server.as_ref().unwrap().connections(), 30);
    assert_eq!(proxy.server.unwrap().drain(PATIENCE).await.cut, 0);
    for client in &mut clients {
        assert!(client.is_closed().await);
    }
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

#[tokio::test]
async fn a_client_on_a_socket_has_no_address_to_forward() {
    let target = Target::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("public.sock");
    let listener = Listener::unix(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let (table, server) = crate::proxy::serve(
        listener,
        Options::default(),
        Limits::default(),
        Arc::new(Silent),
    );
    let mut data = serde_json::Map::new();
    data.insert("target".to_owned(), target.to_string().into());
    table.insert("/", data).unwrap();
    for (sent, expected) in [
        ("", None),
        (
            "X-Forwarded-For: 192.0.2.1\r\n",
            Some(r#"["x-forwarded-for","192.0.2.1"]"#),
        ),
    ] {
        let mut client = Client::new(tokio::net::UnixStream::connect(&path).await.unwrap());
        client
            .write(format!("GET / HTTP/1.1\r\nHost: h\r\n{sent}\r\n"))
            .await;
        let headers = client.answer().await.json()["headers"].to_string();
        match expected {
            None => assert!(!headers.contains("x-forwarded-for"), "{headers}"),
            Some(header) => assert!(headers.contains(header), "{headers}"),
        }
    }
    drop(server);
}

#[tokio::test]
async fn clients_that_vanish_are_asked_after() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let handle = listener.try_clone().unwrap();
    let (_table, _server) = crate::proxy::serve(
        hubproxy::serve::Listener::tcp(listener),
        Options::default(),
        Limits::default(),
        std::sync::Arc::new(hubproxy::serve::Silent),
    );
    // What it accepts has what it has itself.
    let handle = socket2::SockRef::from(&handle);
    assert!(handle.keepalive().unwrap());
    assert!(handle.tcp_keepalive_time().unwrap() <= std::time::Duration::from_secs(120));
}
