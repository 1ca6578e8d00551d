//! The access log and the metrics: what is written, and what is not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::program::client::request;
use crate::program::{Program, Proxy, address, backend, eventually, hubproxy, write};

fn config(folder: &Path, more: &str) -> std::path::PathBuf {
    let target = format!("http://{}", backend::echo());
    let token = write(folder, "token", "secret\n");
    let text = format!(
        "workers = 1\ndefault_target = {target:?}\n{more}\n[http]\nlisten = [\"127.0.0.1:0\"]\n\
         [api]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\n"
    );
    write(folder, "hubproxy.toml", &text)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_request_is_a_line_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let proxy = Proxy::file(&config(folder.path(), &format!("access_log = {log:?}")));
    let headers = [
        ("Host", "hub.example.org"),
        ("Authorization", "token hunter2-header"),
        ("Cookie", "jupyterhub-session-id=hunter2-cookie"),
        ("User-Agent", "curl/8 \"quoted\""),
    ];
    let url = "/user/ada/lab?token=hunter2-query&x=1&next=%2Fa%3Faccess_token%3Dhunter2-nested";
    assert_eq!(
        request(proxy.public, "POST", url, &headers, b"hunter2-body").status,
        200
    );
    let line = eventually("a line", || lines(&log).into_iter().next());
    assert_eq!(line["path"], "/user/ada/lab?token=***&x=1&next=***");
    assert_eq!(
        (&line["method"], &line["status"], &line["route"]),
        (&"POST".into(), &200.into(), &"/".into())
    );
    assert_eq!(line["host"], "hub.example.org");
    assert_eq!(line["user_agent"], "curl/8 \"quoted\"");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["received"], 12);
    assert_eq!(line["outcome"], "complete");
    assert!(line["seconds"].as_f64().unwrap() >= line["head_seconds"].as_f64().unwrap());
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains("hunter2"), "{text}");

    // What is refused is written, too, and so is a WebSocket when it ends.
    let mut socket = TcpStream::connect(proxy.public).unwrap();
    let ask = "GET /ws HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(ask.as_bytes()).unwrap();
    socket.write_all(b"ping").unwrap();
    let mut seen = Vec::new();
    let mut bytes = [0; 256];
    while !seen.ends_with(b"ping") {
        let count = socket.read(&mut bytes).unwrap();
        seen.extend_from_slice(&bytes[..count]);
    }
    drop(socket);
    let line = eventually("the WebSocket's line", || lines(&log).into_iter().nth(1));
    assert_eq!(
        (&line["websocket"], &line["status"]),
        (&true.into(), &101.into())
    );
    assert_eq!((&line["received"], &line["sent"]), (&4.into(), &4.into()));
}

#[test]
fn a_file_that_was_moved_away_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let moved = folder.path().join("access.log.1");
    let proxy = Proxy::file(&config(folder.path(), &format!("access_log = {log:?}")));
    request(proxy.public, "GET", "/first", &[], b"");
    eventually("a line", || (lines(&log).len() == 1).then_some(()));
    std::fs::rename(&log, &moved).unwrap();
    proxy.program.signal(Signal::SIGHUP);
    eventually("the new file", || log.exists().then_some(()));
    request(proxy.public, "GET", "/second", &[], b"");
    let line = eventually("a line", || lines(&log).into_iter().next());
    assert_eq!(line["path"], "/second");
    assert_eq!(lines(&moved).len(), 1);
}

#[test]
fn what_is_not_written_yet_is_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut proxy = Proxy::file(&config(folder.path(), "access_log = \"stdout\""));
    for number in 0..50 {
        request(proxy.public, "GET", &format!("/{number}"), &[], b"");
    }
    assert_eq!(proxy.program.terminate(), Some(0));
    let written = proxy
        .program
        .said
        .iter()
        .filter(|line| line.starts_with("{\"time\""))
        .count();
    assert_eq!(written, 50);
}

#[test]
fn metrics_have_the_others_names() {
    let target = format!("http://{}", backend::echo());
    let mut command = hubproxy();
    command.args([
        "--ip",
        "127.0.0.1",
        "--port",
        "0",
        "--api-ip",
        "127.0.0.1",
        "--default-target",
        &target,
    ]);
    command.args([
        "--metrics-ip",
        "127.0.0.1",
        "--metrics-port",
        &crate::program::free_port().to_string(),
    ]);
    let mut program = Program::spawn(&command);
    let metrics: SocketAddr = address(&program.wait_for("Serve metrics at "));
    let proxy = Proxy::started(program);
    for path in ["/", "/x"] {
        assert_eq!(request(proxy.public, "GET", path, &[], b"").status, 200);
    }
    proxy.route("/gone", "http://127.0.0.1:1");
    assert_eq!(request(proxy.public, "GET", "/gone", &[], b"").status, 503);
    request(proxy.api, "GET", "/api/routes", &[], b"");
    request(proxy.api, "DELETE", "/api/routes/gone", &[], b"");
    let value = |name: &str| {
        let text = request(metrics, "GET", "/metrics", &[], b"").text();
        let line = text.lines().find_map(|line| {
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(' '))
        });
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .parse::<f64>()
            .unwrap()
    };
    for (name, expected) in [
        ("api_route_get", 1.0),
        ("api_route_add", 1.0),
        ("api_route_delete", 1.0),
        ("requests_web", 3.0),
        ("requests_ws", 0.0),
        ("requests_proxy{status=\"200\"}", 2.0),
        ("requests_proxy{status=\"503\"}", 1.0),
        ("requests_api{status=\"201\"}", 1.0),
        ("requests_api{status=\"204\"}", 1.0),
        ("find_target_for_req_count", 3.0),
        ("last_activity_updating_count", 1.0),
        ("hubproxy_routes", 1.0),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_start_time_seconds") > 1.7e9);
    assert_eq!(request(metrics, "GET", "/", &[], b"").status, 404);
    assert_eq!(request(metrics, "POST", "/metrics", &[], b"").status, 405);
}
