//! Requests of unusual form: each has its answer.

use hubproxy::forward::Options;
use hubproxy::serve::Limits;

use crate::proxy::Proxy;
use crate::target::Target;

async fn proxied() -> (Proxy, Target) {
    let target = Target::echo().await;
    let proxy = Proxy::start();
    proxy.route("/", &target);
    (proxy, target)
}

#[tokio::test]
async fn request_lines_are_read_strictly() {
    let (proxy, target) = proxied().await;
    for (line, status) in [
        ("GET", 400),
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 x", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /\u{1} HTTP/1.1", 400),
        ("GET / HTTP/2.0", 400),
        ("GET / HTTP/1.2", 400),
        ("GET / http/1.1", 400),
        ("G<T / HTTP/1.1", 400),
        (" GET / HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET /%zz HTTP/1.1", 400),
        ("GET /a/%2 HTTP/1.1", 400),
        ("GET /%ff HTTP/1.1", 400),
        ("GET /?%zz HTTP/1.1", 200),
        ("GET /<> HTTP/1.1", 400),
        ("CONNECT h:80 HTTP/1.1", 405),
        ("CONNECT / HTTP/1.1", 405),
        ("TRACE / HTTP/1.1", 405),
        ("GET * HTTP/1.1", 400),
        ("OPTIONS * HTTP/1.1", 200),
        ("FOO / HTTP/1.1", 200),
    ] {
        let answer = proxy
            .send(format!("{line}\r\nHost: h\r\nConnection: close\r\n\r\n"))
            .await;
        assert_eq!(answer.status, status, "{line:?}");
    }
    assert!(target.connections() <= 2);
    // HTTP/2 without TLS is not spoken, nor answered to.
    let mut client = proxy.connect().await;
    client.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_request_has_one_host() {
    let (proxy, target) = proxied().await;
    for (hosts, status) in [
        ("", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a/b\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: user@a\r\n", 400),
        ("Host: a:b\r\n", 400),
        ("Host: a:1:2\r\n", 400),
        ("Host: a, b\r\n", 400),
        ("Host: [::1\r\n", 400),
        ("Host: a\\b\r\n", 400),
        ("Host: a#b\r\n", 400),
        ("Host: a?b\r\n", 400),
        ("Host: \r\n", 200),
        ("Host: [::1]:99\r\n", 200),
        ("Host: a:\r\n", 200),
    ] {
        let answer = proxy.send(format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(answer.status, status, "{hosts:?}");
    }
    assert_eq!(proxy.send("GET / HTTP/1.0\r\n\r\n").await.status, 200);
    assert!(target.connections() <= 2);
}

#[tokio::test]
async fn an_absolute_url_outranks_the_host() {
    let (proxy, _target) = proxied().await;
    let answer = proxy
        .send("GET http://hub.example:99/a?b HTTP/1.1\r\nHost: other\r\n\r\n")
        .await;
    let seen = answer.json();
    assert_eq!((answer.status, seen["url"].as_str()), (200, Some("/a?b")));
    let headers = seen["headers"].to_string();
    assert!(
        headers.contains(r#"["host","hub.example:99"]"#) && !headers.contains("other"),
        "{headers}"
    );
    assert_eq!(
        proxy
            .send("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .json()["url"],
        "/"
    );
    for url in ["ftp://h/", "http://user@h/", "http:/h"] {
        assert_eq!(
            proxy
                .send(format!("GET {url} HTTP/1.1\r\nHost: h\r\n\r\n"))
                .await
                .status,
            400,
            "{url}"
        );
    }
}

#[tokio::test]
async fn dot_segments_lead_where_they_resolve_to() {
    let root = Target::echo().await;
    let ada = Target::echo().await;
    let proxy = Proxy::start();
    proxy
        .route("/", format!("{root}/root"))
        .route("/user/ada", format!("{ada}/ada"));
    for (url, expected) in [
        ("/user/ada/../bob", "/root/user/ada/../bob"),
        ("/user/bob/../ada/x", "/ada/user/bob/../ada/x"),
        ("/user/%2e%2e/user/ada", "/ada/user/%2e%2e/user/ada"),
        ("/../../user/ada", "/ada/../../user/ada"),
        ("/user%2Fada", "/ada/user%2Fada"),
        ("/user/./ada", "/ada/user/./ada"),
        ("/user\\ada", "/ada/user\\ada"),
        ("/user/ad%61", "/ada/user/ad%61"),
        ("//user/ada", "/root//user/ada"),
        ("/user//ada", "/root/user//ada"),
        ("/USER/ada", "/root/USER/ada"),
        ("/user/ada;x", "/root/user/ada;x"),
    ] {
        assert_eq!(proxy.get(url).await.json()["url"], expected, "{url}");
    }
}

#[tokio::test]
async fn routes_may_go_by_host() {
    let root = Target::echo().await;
    let hub = Target::echo().await;
    let proxy = Proxy::with(
        Options {
            host_routing: true,
            ..Options::default()
        },
        Limits::default(),
    );
    proxy
        .route("/", format!("{root}/root"))
        .route("/hub.example/a", format!("{hub}/hub"));
    for (host, expected) in [
        ("hub.example", "/hub/a/b"),
        ("HUB.example:99", "/hub/a/b"),
        ("other", "/root/a/b"),
        ("[::1]", "/root/a/b"),
    ] {
        let answer = proxy
            .send(format!("GET /a/b HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await;
        assert_eq!(answer.json()["url"], expected, "{host}");
    }
}

#[tokio::test]
async fn what_a_client_claims_of_itself_is_replaced_where_it_is_not_trusted() {
    let target = Target::echo().await;
    let proxy = Proxy::with(
        Options {
            trust_forwarded: false,
            ..Options::default()
        },
        Limits::default(),
    );
    proxy.route("/", &target);
    let answer = proxy
        .send(
            "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n\
             X-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /x\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\nX-Scheme: https\r\n\r\n",
        )
        .await;
    let headers = answer.json()["headers"].to_string();
    assert_eq!(
        headers,
        r#"[["host","h"],["x-forwarded-for","127.0.0.1"],["x-forwarded-port","80"],["x-forwarded-proto","http"],["x-forwarded-host","h"]]"#
    );
    // Naming very many is refused: each would be looked for.
    let names = "x,".repeat(600);
    let answer = proxy
        .send(format!(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: {names}\r\n\r\n"
        ))
        .await;
    assert_eq!(answer.status, 431);
    // Naming a header as the connection's own does not remove what the proxy says.
    let answer = proxy.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: x-forwarded-for, host, cookie\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n").await;
    let headers = answer.json()["headers"].to_string();
    assert!(
        headers.contains(r#"["x-forwarded-for","127.0.0.1"]"#)
            && headers.contains(r#"["host","h"]"#),
        "{headers}"
    );
}

#[tokio::test]
async fn headers_cannot_be_injected() {
    let (proxy, _target) = proxied().await;
    // Encoded line ends stay encoded.
    assert_eq!(
        proxy.get("/a%0d%0aX:%20y?b%0d%0a").await.json()["url"],
        "/a%0d%0aX:%20y?b%0d%0a"
    );
    // A target's answer with line ends in its headers is no answer.
    let (target, _requests) =
        Target::script("HTTP/1.1 200 OK\r\nLocation: a\rSet-Cookie: b\r\n\r\n").await;
    proxy.route("/bad", &target);
    assert_eq!(proxy.get("/bad").await.status, 503);
}
