//! What a client may take: sizes, times, connections, attempts.

use std::time::Duration;

use hubproxy::forward::Options;
use hubproxy::serve::{Limits, LoginLimit};
use tokio::io::AsyncWriteExt;

use crate::proxy::Proxy;
use crate::target::{Target, read_head};

fn limited(limits: Limits) -> Proxy {
    Proxy::with(Options::default(), limits)
}

#[tokio::test]
async fn heads_are_bounded() {
    let target = Target::echo().await;
    let proxy = limited(Limits {
        header_bytes: 16 * 1024,
        ..Limits::default()
    });
    proxy.route("/", &target);
    let with_header = |length: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n",
            "x".repeat(length)
        )
    };
    assert_eq!(proxy.send(with_header(15_000)).await.status, 200);
    assert_eq!(proxy.send(with_header(17_000)).await.status, 431);
    assert_eq!(
        proxy.get(&format!("/{}", "x".repeat(15_000))).await.status,
        200
    );
    assert_eq!(
        proxy.get(&format!("/{}", "x".repeat(17_000))).await.status,
        431
    );
    let many = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: h\r\n{}\r\n",
            "X: y\r\n".repeat(count)
        )
    };
    assert_eq!(proxy.send(many(90)).await.status, 200);
    assert_eq!(proxy.send(many(100)).await.status, 431);
    let proxy = limited(Limits {
        headers: 10,
        ..Limits::default()
    });
    proxy.route("/", &target);
    assert_eq!(proxy.send(many(9)).await.status, 200);
    assert_eq!(proxy.send(many(10)).await.status, 431);
}

#[tokio::test]
async fn a_head_that_trickles_is_given_up() {
    let proxy = limited(Limits {
        header_timeout: Duration::from_millis(1000),
        ..Limits::default()
    });
    let mut client = proxy.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\n").await;
    let (read, mut write) = client.stream.split();
    let trickle = async {
        loop {
            if write.write_all(b"X: y\r\n").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answer = async {
        let mut read = crate::proxy::Client::new(tokio::io::join(read, tokio::io::sink()));
        read.head().await
    };
    let answer = tokio::select! { () = trickle => panic!("closed without an answer"), answer = answer => answer };
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn silence_ends_a_connection_before_and_between_requests() {
    let target = Target::echo().await;
    let limits = Limits {
        header_timeout: Duration::from_millis(1500),
        keep_alive_timeout: Duration::from_millis(1500),
        ..Limits::default()
    };
    let proxy = limited(limits);
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    assert!(client.is_closed().await, "without an answer to nothing");
    let mut client = proxy.connect().await;
    for _ in 0..5 {
        // Longer in all than either time, but never silent for so long.
        tokio::time::sleep(Duration::from_millis(400)).await;
        client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_target_may_take_its_time() {
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(2000)).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await
            .unwrap();
    })
    .await;
    let limits = Limits {
        header_timeout: Duration::from_millis(1000),
        keep_alive_timeout: Duration::from_millis(1000),
        ..Limits::default()
    };
    let proxy = limited(limits);
    proxy.route("/", &target);
    assert_eq!(proxy.get("/").await.status, 200);
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let target = Target::echo().await;
    let limits = Limits {
        body_timeout: Duration::from_millis(100),
        ..Limits::default()
    };
    let proxy = limited(limits.clone());
    proxy.route("/", &target);
    // Nothing more comes.
    let answer = proxy
        .send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome")
        .await;
    assert_eq!(
        (answer.status, answer.header("connection")),
        (408, Some("close"))
    );
    // Something comes, always in time, and never much.
    let proxy = limited(Limits {
        body_rate: 1000,
        ..limits
    });
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client
        .write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n")
        .await;
    let (read, mut write) = client.stream.split();
    let trickle = async {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let answer = async {
        let mut read = crate::proxy::Client::new(tokio::io::join(read, tokio::io::sink()));
        read.head().await
    };
    let answer = tokio::select! { () = trickle => unreachable!(), answer = answer => answer };
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[0; 64 * 1024]).await.is_ok() {}
    })
    .await;
    let proxy = limited(Limits {
        send_timeout: Duration::from_millis(100),
        ..Limits::default()
    });
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    while proxy.server.as_ref().unwrap().connections() == 0 {
        tokio::task::yield_now().await;
    }
    let cut = async {
        while proxy.server.as_ref().unwrap().connections() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(crate::proxy::PATIENCE, cut)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_silent_exchange_is_ended_where_that_was_asked_for() {
    let target = Target::each(|mut stream, _| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let proxy = limited(Limits {
        client_timeout: Some(Duration::from_millis(100)),
        ..Limits::default()
    });
    proxy.route("/", &target);
    let mut client = proxy.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let target = Target::echo().await;
    let proxy = limited(Limits {
        body_bytes: Some(10),
        ..Limits::default()
    });
    proxy.route("/", &target);
    let sized = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    assert_eq!(proxy.send(sized(10)).await.status, 200);
    let connections = target.connections();
    assert_eq!(proxy.send(sized(11)).await.status, 413);
    assert_eq!(target.connections(), connections);
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsixsix\r\n6\r\nsixsix\r\n0\r\n\r\n";
    assert_eq!(proxy.send(chunked).await.status, 413);
    // The answer arrives though much more is sent than is read.
    assert_eq!(proxy.send(sized(3_000_000)).await.status, 413);
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let target = Target::echo().await;
    let proxy = limited(Limits {
        connections_per_address: 2,
        ..Limits::default()
    });
    proxy.route("/", &target);
    let mut first = proxy.connect().await;
    let mut second = proxy.connect().await;
    for client in [&mut first, &mut second] {
        client.write("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
    let mut third = proxy.connect().await;
    assert_eq!(third.head().await.status, 429);
    assert!(third.is_closed().await);
    drop(first);
    while proxy.server.as_ref().unwrap().connections() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(proxy.get("/").await.status, 200);

    let proxy = limited(Limits {
        connections: 0,
        ..Limits::default()
    });
    assert_eq!(proxy.connect().await.head().await.status, 503);
}

#[tokio::test]
async fn an_address_has_so_many_logins() {
    let target = Target::echo().await;
    let login = LoginLimit {
        path: "/hub/login".to_owned(),
        per_minute: 1,
        burst: 2,
    };
    let proxy = limited(Limits {
        login: Some(login),
        ..Limits::default()
    });
    proxy.route("/", &target);
    let login =
        |path: &str| format!("POST {path}?next= HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(proxy.send(login("/hub/login")).await.status, 200);
    assert_eq!(proxy.send(login("/base/hub/%6Cogin")).await.status, 200);
    let refused = proxy.send(login("/hub/login")).await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((50..=61).contains(&wait), "{wait}");
    assert_eq!(proxy.get("/hub/login").await.status, 200);
    assert_eq!(proxy.send(login("/hub/logout")).await.status, 200);
}
