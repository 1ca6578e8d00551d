//! Requests and answers that two parsers could read two ways: each has one reading here, or none.

use crate::proxy::{Client, Proxy};
use crate::target::Target;

/// Sends bytes and gathers the statuses of all that is answered until the connection ends.
async fn statuses(proxy: &Proxy, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut client: Client<_> = proxy.connect().await;
    client.write(bytes).await;
    let mut statuses = Vec::new();
    loop {
        if client.read.is_empty() && !client.more().await {
            return statuses;
        }
        statuses.push(client.answer().await.status);
    }
}

async fn proxied() -> (Proxy, Target) {
    let target = Target::echo().await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    (proxy, target)
}

/// What would be the smuggled request, at the end of the body or behind it.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn a_request_with_both_framings_is_read_as_chunked_and_is_the_last() {
    let (proxy, _target) = proxied().await;
    for (first, second) in [
        ("Content-Length: 6", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 6"),
    ] {
        let mut client = proxy.connect().await;
        client
            .write(format!(
                "POST / HTTP/1.1\r\nHost: h\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n{HIDDEN}"
            ))
            .await;
        let answer = client.answer().await;
        let seen = answer.json();
        assert_eq!(seen["length"], 0);
        let headers = seen["headers"].to_string();
        assert!(
            headers.contains("transfer-encoding") && !headers.contains("content-length"),
            "{headers}"
        );
        assert!(
            client.is_closed().await,
            "what follows is not read as a request"
        );
    }
}

#[tokio::test]
async fn framings_that_are_unclear_are_refused() {
    let (proxy, target) = proxied().await;
    for (framing, status) in [
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5, 6", 400),
        ("Content-Length: 5, 5", 400),
        ("Content-Length: +5", 400),
        ("Content-Length: -5", 400),
        ("Content-Length: 0x5", 400),
        ("Content-Length: 5 5", 400),
        ("Content-Length:", 400),
        ("Content-Length: 99999999999999999999", 400),
        ("Content-Length : 5", 400),
        ("Transfer-Encoding : chunked", 400),
        ("Transfer-Encoding: xchunked", 400),
        ("Transfer-Encoding: chunked, identity", 400),
        ("Transfer-Encoding: identity", 400),
        ("Transfer-Encoding:\u{b}chunked", 400),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: chunked, chunked", 501),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            501,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            400,
        ),
        ("Transfer-Encoding:\r\n chunked", 400),
        ("X: y\r\n Transfer-Encoding: chunked", 400),
        ("X: y\r\n\tz", 400),
        ("X: a\0b", 400),
        ("X: a\rb", 400),
        ("X: a\rTransfer-Encoding: chunked", 400),
        ("X y: z", 400),
        (": y", 400),
        ("no colon", 400),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n0\r\n\r\n{HIDDEN}");
        assert_eq!(statuses(&proxy, &request).await, [status], "{framing:?}");
    }
    assert_eq!(target.connections(), 0, "none of it reached the target");
}

#[tokio::test]
async fn an_old_client_cannot_send_chunks() {
    let (proxy, target) = proxied().await;
    let request = format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}");
    assert_eq!(statuses(&proxy, request).await, [400]);
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn lines_that_end_in_a_line_feed_arrive_with_both() {
    // RFC 9112, 2.2 lets a recipient take it; what matters is that the target sees one reading.
    let (target, mut requests) =
        Target::script("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    let answer = proxy.send("GET / HTTP/1.1\nHost: h\nX: y\n\n").await;
    assert_eq!(answer.status, 200);
    let request = String::from_utf8(requests.recv().await.unwrap()).unwrap();
    assert!(
        request.starts_with("GET / HTTP/1.1\r\nhost: h\r\nx: y\r\n"),
        "{request:?}"
    );
    assert_eq!(
        request.matches('\n').count(),
        request.matches("\r\n").count(),
        "{request:?}"
    );
}

#[tokio::test]
async fn chunks_that_are_malformed_end_the_exchange_and_the_connection() {
    for chunks in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n",
        "5;\nx\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n",
    ] {
        let (target, mut requests) = Target::script("").await;
        let proxy = Proxy::start();
        proxy.route("/", &target);
        let request = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}"
        );
        let answered = statuses(&proxy, request).await;
        assert_eq!(answered, [400], "{chunks:?}");
        requests.close();
        while let Some(request) = requests.recv().await {
            let request = String::from_utf8(request).unwrap();
            assert!(
                !request.contains("hidden") && !request.contains("\r\n0\r\n"),
                "{chunks:?}: {request:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_read_is_not_taken_for_a_request() {
    let proxy = Proxy::start();
    // No route: the body is not forwarded.
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    );
    let answered = statuses(
        &proxy,
        format!("{request}GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
    )
    .await;
    assert!(answered == [404, 404] || answered == [404], "{answered:?}");
}

#[tokio::test]
async fn answers_that_are_unclear_are_not_passed_on() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "hello\r\n\r\n",
        "",
    ] {
        let (target, _requests) = Target::script(answer).await;
        let closes = answer.is_empty();
        let proxy = Proxy::start();
        if closes {
            let target = Target::each(|mut stream, _| async move {
                drop(crate::target::read_head(&mut stream).await)
            })
            .await;
            proxy.route("/", &target);
        } else {
            proxy.route("/", &target);
        }
        assert_eq!(proxy.get("/").await.status, 503, "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_cut_off() {
    for (answer, whole) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhello", true),
    ] {
        let target = Target::each(move |mut stream, _| async move {
            use tokio::io::AsyncWriteExt;
            crate::target::read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let proxy = Proxy::start();
        proxy.route("/", &target);
        let mut client = proxy.connect().await;
        client
            .write("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .await;
        while client.more().await {}
        let read = String::from_utf8(client.read.clone()).unwrap();
        if whole {
            assert!(
                read.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
                "{read:?}"
            );
        } else {
            assert!(
                !read.ends_with("0\r\n\r\n") && read.matches("HTTP/1.1").count() == 1,
                "{answer:?}: {read:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_a_target_says_too_much_is_nobodys_answer() {
    // Bytes behind the answer would be the next client's, were the connection used again.
    let (target, _requests) = Target::script(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
    )
    .await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    for n in 1..=3 {
        let answer = proxy.get("/").await;
        assert_eq!((answer.text(), target.connections()), ("ok", n));
    }
}
