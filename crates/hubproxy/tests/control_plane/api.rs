//! The routes API, call by call: configurable-http-proxy's answers, and clear ones where it has none.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::program::certificates::Authority;
use crate::program::client::{Answer, over, request};
use crate::program::{Proxy, backend};

const TOKEN: (&str, &str) = ("Authorization", "token secret");

fn call(proxy: &Proxy, method: &str, path: &str, body: &str) -> Answer {
    request(proxy.api, method, path, &[TOKEN], body.as_bytes())
}

#[test]
fn calls_need_the_token_and_a_broken_body_is_told_first() {
    let proxy = Proxy::chp(&[], Some("secret"));
    for (header, status) in [
        (None, 403),
        (Some("token secret"), 200),
        (Some("token   secret"), 200),
        (Some("foo token secret bar"), 200),
        (Some("Token secret"), 403),
        (Some("Bearer secret"), 403),
        (Some("token secre"), 403),
        (Some("secret"), 403),
    ] {
        let headers: Vec<(&str, &str)> = header
            .iter()
            .map(|value| ("Authorization", *value))
            .collect();
        let answer = request(proxy.api, "GET", "/api/routes", &headers, b"");
        assert_eq!(answer.status, status, "{header:?}");
        if status == 403 {
            assert!(answer.body.is_empty());
        }
    }
    for (body, status) in [
        ("{nonsense", 400),
        ("{\"target\":\"http://x\"}", 403),
        ("[]", 403),
    ] {
        assert_eq!(
            request(proxy.api, "POST", "/api/routes/x", &[], body.as_bytes()).status,
            status,
            "{body}"
        );
    }
    assert_eq!(
        request(proxy.api, "DELETE", "/api/routes/x", &[], b"").status,
        403
    );
    assert_eq!(
        request(proxy.api, "GET", "/api/status", &[], b"").status,
        403
    );
    assert_eq!(
        request(proxy.api, "GET", "/api/health", &[], b"").text(),
        "{\"status\":\"OK\"}"
    );
}

#[test]
fn both_jupyterhubs_bodies_are_taken_whatever_their_type() {
    let proxy = Proxy::chp(&[], Some("secret"));
    let body =
        r#"{"user":"alice","server_name":"","target":"http://127.0.0.1:58709","jupyterhub":true}"#;
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain; charset=utf-8",
        "application/json",
    ] {
        let answer = request(
            proxy.api,
            "POST",
            "/api/routes/user/alice",
            &[TOKEN, ("Content-Type", kind)],
            body.as_bytes(),
        );
        assert_eq!((answer.status, answer.body.len()), (201, 0), "{kind}");
    }
    let routes = call(&proxy, "GET", "/api/routes", "").json();
    let route = &routes["/user/alice"];
    assert_eq!(route["user"], "alice");
    assert_eq!(route["jupyterhub"], true);
    let activity = route["last_activity"].as_str().unwrap();
    assert!(
        activity.len() == 24 && activity.ends_with('Z'),
        "{activity}"
    );
    assert_eq!(
        call(&proxy, "GET", "/api/routes/user/alice", "").json(),
        *route
    );
}

#[test]
fn a_route_is_replaced_whole_and_its_activity_is_the_proxys() {
    let proxy = Proxy::chp(&[], Some("secret"));
    let put = |body: &str| assert_eq!(call(&proxy, "POST", "/api/routes/a", body).status, 201);
    put(
        r#"{"target":"http://127.0.0.1:1","extra":{"deep":[1,null]},"last_activity":"1999-01-01T00:00:00.000Z"}"#,
    );
    let route = call(&proxy, "GET", "/api/routes/a", "").json();
    assert_eq!(route["extra"]["deep"][1], serde_json::Value::Null);
    assert!(route["last_activity"].as_str().unwrap() > "2026");
    put(r#"{"target":"http://127.0.0.1:2"}"#);
    let route = call(&proxy, "GET", "/api/routes/a", "").json();
    assert_eq!(route.as_object().unwrap().len(), 2, "{route}");
    // No URL is taken, too; requests to it are answered 500.
    put(r#"{"target":"nonsense"}"#);
    assert_eq!(request(proxy.public, "GET", "/a", &[], b"").status, 500);
}

#[test]
fn every_call_has_its_answer() {
    let proxy = Proxy::chp(&[], Some("secret"));
    let target = r#"{"target":"http://127.0.0.1:1"}"#;
    for (method, path, body, status) in [
        ("POST", "/api/routes/user/foo%20bar", target, 201),
        ("GET", "/api/routes/user/foo%20bar", "", 200),
        ("GET", "/api/routes/user/foo%20bar/", "", 200),
        ("GET", "/api/routes/user/foo", "", 404),
        ("POST", "/api/routes", target, 201),
        ("POST", "/api/routes/", target, 201),
        ("GET", "/api/routes/", "", 200),
        (
            "GET",
            "/api/routes?inactiveSince=2100-01-01T00:00:00Z",
            "",
            200,
        ),
        ("GET", "/api/routes?inactive_since=yesterday", "", 400),
        ("POST", "/api/routes/x", "[]", 400),
        ("POST", "/api/routes/x", "null", 400),
        ("POST", "/api/routes/x", "", 400),
        ("POST", "/api/routes/x", r#"{"target":1}"#, 400),
        ("HEAD", "/api/routes", "", 405),
        ("PUT", "/api/routes/x", target, 405),
        ("GET", "/api", "", 404),
        ("GET", "/api/routesx", "", 404),
        ("GET", "/", "", 404),
        ("DELETE", "/api/routes/user/foo%20bar", "", 204),
        ("DELETE", "/api/routes/user/foo%20bar", "", 404),
        ("DELETE", "/api/routes/", "", 204),
        // Here the other gives no answer at all.
        ("GET", "/api/routes/%ZZ", "", 400),
        ("POST", "/api/routes/%FF", target, 400),
        ("DELETE", "/api/routes", "", 404),
        ("POST", "/api/status", "", 405),
    ] {
        let answer = call(&proxy, method, path, body);
        assert_eq!(
            answer.status,
            status,
            "{method} {path} {body}: {}",
            answer.text()
        );
    }
    let large = format!("{{\"target\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(call(&proxy, "POST", "/api/routes/x", &large).status, 413);
}

#[test]
fn routes_are_listed_by_when_they_were_last_used() {
    let proxy = Proxy::chp(&[], Some("secret"));
    let target = format!("http://{}", backend::echo());
    for path in ["/idle", "/busy"] {
        let body = serde_json::json!({ "target": target }).to_string();
        assert_eq!(
            call(&proxy, "POST", &format!("/api/routes{path}"), &body).status,
            201
        );
    }
    let since = call(&proxy, "GET", "/api/routes/busy", "").json()["last_activity"]
        .as_str()
        .unwrap()
        .to_owned();
    // Time is in milliseconds: one must have passed.
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert_eq!(request(proxy.public, "GET", "/busy", &[], b"").status, 200);
    let after = call(&proxy, "GET", "/api/routes/busy", "").json()["last_activity"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(after > since, "{after} > {since}");
    let listed = call(
        &proxy,
        "GET",
        &format!("/api/routes?inactiveSince={after}"),
        "",
    )
    .json();
    let paths: Vec<&String> = listed.as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/idle"]);
}

#[test]
fn with_host_routing_the_host_is_a_field() {
    let proxy = Proxy::chp(&["--host-routing"], Some("secret"));
    let body = r#"{"target":"http://127.0.0.1:1"}"#;
    for path in ["/", "/hub.example.org/user/a"] {
        assert_eq!(
            call(&proxy, "POST", &format!("/api/routes{path}"), body).status,
            201
        );
    }
    let routes = call(&proxy, "GET", "/api/routes", "").json();
    assert_eq!(routes["/hub.example.org/user/a"]["host"], "hub.example.org");
    assert!(routes["/"].get("host").is_none());
}

#[test]
fn connections_are_kept_and_that_is_announced() {
    let proxy = Proxy::chp(&[], None);
    let mut stream = TcpStream::connect(proxy.api).unwrap();
    stream
        .set_read_timeout(Some(crate::program::PATIENCE))
        .unwrap();
    for _ in 0..3 {
        stream
            .write_all(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut seen = Vec::new();
        let mut byte = [0; 1];
        while !seen.ends_with(b"{\"status\":\"OK\"}") {
            stream.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        let text = String::from_utf8(seen).unwrap();
        assert!(text.contains("keep-alive: timeout=60"), "{text}");
    }
}

#[test]
fn over_tls_callers_show_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(folder.path());
    let server = authority.issue(folder.path(), "api", &["localhost"]);
    let hub = authority.issue(folder.path(), "hub", &["hub"]);
    let options = [
        "--api-ssl-key",
        server.key.to_str().unwrap(),
        "--api-ssl-cert",
        server.certificate.to_str().unwrap(),
        "--api-ssl-ca",
        ca.to_str().unwrap(),
        "--api-ssl-request-cert",
        "--api-ssl-reject-unauthorized",
    ];
    let proxy = Proxy::chp(&options, Some("secret"));
    let mut client = authority.client();
    client.identity = Some((hub.certificate_pem, hub.key_pem));
    let stream = client.connect(proxy.api, "localhost").unwrap();
    assert_eq!(
        over(stream, "GET", "/api/routes", &[TOKEN], b"").status,
        200
    );
    // The alert of TLS 1.3 comes after the client believes that it is through.
    let refused = authority
        .client()
        .connect(proxy.api, "localhost")
        .and_then(|mut stream| {
            stream.write_all(b"GET /api/routes HTTP/1.1\r\nHost: x\r\n\r\n")?;
            stream.read(&mut [0; 1])
        });
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn ten_thousand_routes_and_ten_callers() {
    let proxy = Proxy::chp(&[], Some("secret"));
    let api = proxy.api;
    std::thread::scope(|scope| {
        for caller in 0..10 {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(api).unwrap();
                for number in 0..1000 {
                    let body = format!("{{\"target\":\"http://127.0.0.1:{}\",\"user\":\"u{number}\"}}", 1 + number);
                    let head = format!(
                        "POST /api/routes/user/{caller}-{number} HTTP/1.1\r\nHost: x\r\nAuthorization: token secret\r\n\
                         Content-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(head.as_bytes()).unwrap();
                    let mut seen = Vec::new();
                    let mut bytes = [0; 512];
                    while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
                        let count = stream.read(&mut bytes).unwrap();
                        seen.extend_from_slice(&bytes[..count]);
                    }
                    assert!(seen.starts_with(b"HTTP/1.1 201"));
                }
            });
        }
    });
    assert_eq!(
        call(&proxy, "GET", "/api/routes", "")
            .json()
            .as_object()
            .unwrap()
            .len(),
        10_000
    );
}

#[test]
fn a_socket_that_others_cannot_open_needs_no_token() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api.sock");
    let metrics = folder.path().join("metrics.sock");
    let text = format!(
        "[http]\nlisten = [\"127.0.0.1:0\"]\n[api]\nlisten = \"unix:{}\"\nsocket_mode = \"0620\"\n\
         [metrics]\nlisten = \"unix:{}\"\n",
        socket.display(),
        metrics.display()
    );
    let mut command = crate::program::hubproxy();
    command
        .arg("--config")
        .arg(crate::program::write(folder.path(), "hubproxy.toml", &text));
    let mut program = crate::program::Program::spawn(&command);
    program.wait_for("Serve metrics at ");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o620);
    let ask = |path: &std::path::Path, method: &str, url: &str, body: &[u8]| {
        crate::program::client::unix_request(path, method, url, &[], body).status
    };
    assert_eq!(
        ask(
            &socket,
            "POST",
            "/api/routes/a",
            br#"{"target":"http://127.0.0.1:1"}"#
        ),
        201
    );
    assert_eq!(ask(&socket, "GET", "/api/status", b""), 200);
    assert_eq!(ask(&metrics, "GET", "/metrics", b""), 200);
    assert_eq!(program.terminate(), Some(0));
    assert!(!socket.exists() && !metrics.exists());
}
