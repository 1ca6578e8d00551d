//! Restarts: routes come back, no connection is refused, open requests end, systemd is told.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;

use crate::program::client::request;
use crate::program::{PATIENCE, Program, Proxy, backend, eventually, hubproxy, write};

const TOKEN: (&str, &str) = ("Authorization", "token secret");

fn config(folder: &Path, more: &str) -> PathBuf {
    let token = write(folder, "token", "secret\n");
    let text = format!(
        "workers = 2\nstate_file = {:?}\n{more}\n[http]\nlisten = [\"127.0.0.1:0\"]\n\
         [api]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\n",
        folder.join("routes.json"),
    );
    write(folder, "hubproxy.toml", &text)
}

fn post(api: SocketAddr, path: &str, target: &str) {
    let body = serde_json::json!({ "target": target, "user": path }).to_string();
    assert_eq!(
        request(
            api,
            "POST",
            &format!("/api/routes{path}"),
            &[TOKEN],
            body.as_bytes()
        )
        .status,
        201
    );
}

fn routes(api: SocketAddr) -> HashMap<String, serde_json::Value> {
    serde_json::from_slice(&request(api, "GET", "/api/routes", &[TOKEN], b"").body).unwrap()
}

#[test]
fn after_kill_9_every_route_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let mut proxy = Proxy::file(&config);
    for number in 0..300 {
        post(proxy.api, &format!("/user/{number}"), "http://127.0.0.1:1");
    }
    let target = format!("http://{}", backend::echo());
    post(
        proxy.api,
        "/user/last one".replace(' ', "%20").as_str(),
        &target,
    );
    let before = routes(proxy.api);
    let state = folder.path().join("routes.json");
    eventually("the last route is saved", || {
        std::fs::read_to_string(&state)
            .ok()
            .filter(|text| text.contains("/user/last one"))
    });
    proxy.program.signal(Signal::SIGKILL);
    proxy.program.wait();
    let mut proxy = Proxy::file(&config);
    proxy.program.wait_for("301 routes are back from ");
    let after = routes(proxy.api);
    assert_eq!(after.len(), 301);
    for (path, route) in &before {
        assert_eq!(after[path]["target"], route["target"]);
        assert_eq!(after[path]["user"], route["user"]);
        assert_eq!(
            after[path]["last_activity"], route["last_activity"],
            "{path}"
        );
    }
    assert_eq!(
        request(proxy.public, "GET", "/user/last%20one/x", &[], b"").status,
        200
    );
}

#[test]
fn what_changed_last_is_saved_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let mut proxy = Proxy::file(&config);
    post(proxy.api, "/a", "http://127.0.0.1:1");
    post(proxy.api, "/b", "http://127.0.0.1:1");
    assert_eq!(
        request(proxy.api, "DELETE", "/api/routes/a", &[TOKEN], b"").status,
        204
    );
    assert_eq!(proxy.program.terminate(), Some(0));
    let proxy = Proxy::file(&config);
    assert_eq!(routes(proxy.api).into_keys().collect::<Vec<_>>(), ["/b"]);
}

#[test]
fn a_default_target_that_changed_in_the_file_counts_unless_a_hub_set_another() {
    let folder = tempfile::tempdir().unwrap();
    let start = |port: u16| {
        Proxy::file(&config(
            folder.path(),
            &format!("default_target = \"http://127.0.0.1:{port}\""),
        ))
    };
    let root = |proxy: &Proxy| {
        routes(proxy.api)["/"]["target"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut proxy = start(1);
    assert_eq!(root(&proxy), "http://127.0.0.1:1");
    assert_eq!(proxy.program.terminate(), Some(0));
    let mut proxy = start(2);
    assert_eq!(root(&proxy), "http://127.0.0.1:2");
    let hub = r#"{"hub":true,"target":"http://127.0.0.1:8081","jupyterhub":true}"#;
    assert_eq!(
        request(proxy.api, "POST", "/api/routes/", &[TOKEN], hub.as_bytes()).status,
        201
    );
    assert_eq!(proxy.program.terminate(), Some(0));
    assert_eq!(root(&start(3)), "http://127.0.0.1:8081");
}

#[test]
fn a_torn_state_is_set_aside_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    std::fs::write(
        folder.path().join("routes.json"),
        "{\"version\":1,\"routes\":{\"/a\":{",
    )
    .unwrap();
    let mut proxy = Proxy::file(&config);
    proxy.program.wait_for("the saved routes were broken");
    let answer = request(proxy.api, "GET", "/api/status", &[TOKEN], b"").json();
    assert!(
        answer["warnings"][0]
            .as_str()
            .unwrap()
            .contains("routes.json.broken-"),
        "{answer}"
    );
    assert!(routes(proxy.api).is_empty());
}

/// Starts the proxy with listening sockets, as systemd does.
fn activated(config: &Path, sockets: &[(&TcpListener, &str)]) -> Program {
    let mut script = String::new();
    for (place, (socket, _)) in sockets.iter().enumerate() {
        fcntl(socket.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        // Far up first, lest one socket's number is another's place.
        script.push_str(&format!("exec {}<&{}\n", 100 + place, socket.as_raw_fd()));
    }
    for place in 0..sockets.len() {
        script.push_str(&format!(
            "exec {}<&{} {}<&-\n",
            3 + place,
            100 + place,
            100 + place
        ));
    }
    let names: Vec<&str> = sockets.iter().map(|(_, name)| *name).collect();
    script.push_str(&format!(
        "export LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={}\nexec \"$0\" \"$@\"\n",
        sockets.len(),
        names.join(":")
    ));
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .arg(env!("CARGO_BIN_EXE_hubproxy"))
        .arg("--config")
        .arg(config);
    command
        .env_remove("JOURNAL_STREAM")
        .env_remove("NOTIFY_SOCKET");
    Program::spawn(&command)
}

#[test]
fn with_sockets_from_systemd_a_restart_refuses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let http = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let api = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (public, api_address) = (http.local_addr().unwrap(), api.local_addr().unwrap());
    let target = format!("http://{}", backend::echo());
    let config = config(
        folder.path(),
        &format!("default_target = {target:?}\ndrain_seconds = 1"),
    );
    // The API first: names decide, not the order.
    let start = || activated(&config, &[(&api, "api"), (&http, "http")]);
    let mut program = start();
    program.wait_for(&format!("Proxying http://{public}"));
    program.wait_for(&format!("Proxy API at http://{api_address}"));
    post(api_address, "/user/ada", &target);

    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for (to, path) in [
            (public, "/"),
            (public, "/user/ada"),
            (api_address, "/api/routes/user/ada"),
        ] {
            let (stop, asked) = (&stop, &asked);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let answer = request(to, "GET", path, &[TOKEN], b"");
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..3 {
            let before = asked.load(Ordering::Relaxed);
            eventually("requests go through", || {
                (asked.load(Ordering::Relaxed) > before + 20).then_some(())
            });
            assert_eq!(program.terminate(), Some(0));
            program = start();
            program.wait_for("Proxy API at");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(routes(api_address).contains_key("/user/ada"));
}

fn websocket(to: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = "GET /ws HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(ask.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut byte = [0; 1];
    while !seen.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    assert!(
        seen.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&seen)
    );
    socket
}

fn ping(socket: &mut TcpStream) -> std::io::Result<()> {
    socket.write_all(b"ping")?;
    socket.read_exact(&mut [0; 4])
}

#[test]
fn a_drain_lets_requests_end_and_cuts_websockets_at_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("http://{}", backend::echo());
    let config = config(
        folder.path(),
        &format!("default_target = {target:?}\ndrain_seconds = 2"),
    );
    let mut proxy = Proxy::file(&config);
    let mut socket = websocket(proxy.public);
    ping(&mut socket).unwrap();
    let public = proxy.public;
    let slow =
        std::thread::spawn(move || request(public, "GET", "/slow", &[("X-Sleep", "700")], b""));
    // Its head is on the way once the proxy has two connections.
    eventually("the slow request", || {
        let status = request(proxy.api, "GET", "/api/status", &[TOKEN], b"").json();
        (status["connections"] == 2).then_some(())
    });
    let began = Instant::now();
    proxy.program.signal(Signal::SIGTERM);
    proxy.program.wait_for("Terminated");
    let status = request(proxy.api, "GET", "/api/status", &[TOKEN], b"").json();
    assert_eq!(status["draining"], true);
    eventually("no new connections", || {
        TcpStream::connect(public).is_err().then_some(())
    });
    ping(&mut socket).unwrap();
    let answer = slow.join().unwrap();
    assert_eq!(
        (answer.status, answer.text().contains("/slow")),
        (200, true)
    );
    assert_eq!(
        socket.read(&mut [0; 1]).unwrap_or(0),
        0,
        "the WebSocket is cut"
    );
    assert_eq!(proxy.program.wait().code(), Some(0));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900), "{took:?}");
    proxy
        .program
        .wait_for("1 connections were cut after 2000 ms");
}

#[test]
fn a_second_signal_ends_the_drain() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("http://{}", backend::echo());
    let config = config(
        folder.path(),
        &format!("default_target = {target:?}\ndrain_seconds = 600"),
    );
    let mut proxy = Proxy::file(&config);
    let _socket = websocket(proxy.public);
    proxy.program.signal(Signal::SIGTERM);
    proxy.program.wait_for("Terminated");
    assert_eq!(proxy.program.terminate(), Some(0));
}

#[test]
fn systemd_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = |text: &str| {
        let mut all = String::new();
        let mut bytes = [0; 512];
        while !all.contains(text) {
            let count = manager
                .recv(&mut bytes)
                .unwrap_or_else(|error| panic!("no {text}: {error}: {all}"));
            all.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        all
    };
    let mut command = hubproxy();
    command
        .arg("--config")
        .arg(config(folder.path(), ""))
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let mut proxy = Proxy::started(Program::spawn(&command));
    heard("READY=1");
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    proxy.program.signal(Signal::SIGHUP);
    assert!(heard("MONOTONIC_USEC=").contains("RELOADING=1"));
    heard("READY=1");
    assert_eq!(proxy.program.terminate(), Some(0));
    heard("STOPPING=1");
}

#[test]
fn a_reload_takes_up_limits_and_a_broken_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = format!("http://{}", backend::echo());
    let path = config(
        folder.path(),
        &format!("default_target = {target:?}\nlog_level = \"info\""),
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let mut proxy = Proxy::file(&path);
    let public = proxy.public;
    let ask = || request(public, "POST", "/", &[], &[b'x'; 5000]).status;
    assert_eq!(ask(), 200);
    std::fs::write(&path, format!("{text}[limits]\nbody_bytes = 1000\n")).unwrap();
    proxy.program.signal(Signal::SIGHUP);
    proxy
        .program
        .wait_for_next("the configuration is taken up again");
    assert_eq!(ask(), 413);
    // The token of the routes API changes without a restart, for a restart cuts WebSockets.
    write(folder.path(), "token", "new\n");
    proxy.program.signal(Signal::SIGHUP);
    proxy
        .program
        .wait_for_next("the configuration is taken up again");
    assert_eq!(
        request(proxy.api, "GET", "/api/routes", &[TOKEN], b"").status,
        403
    );
    assert_eq!(
        request(
            proxy.api,
            "GET",
            "/api/routes",
            &[("Authorization", "token new")],
            b""
        )
        .status,
        200
    );
    std::fs::write(&path, format!("host_routing = true\n{text}")).unwrap();
    proxy.program.signal(Signal::SIGHUP);
    assert!(
        proxy
            .program
            .wait_for_next("but a restart is needed for")
            .contains("host_routing")
    );
    assert_eq!(ask(), 200);
    std::fs::write(&path, format!("{text}[limits]\nbody_bytes = \"none\"\n")).unwrap();
    proxy.program.signal(Signal::SIGHUP);
    proxy.program.wait_for_next("the old configuration stays: ");
    assert_eq!(ask(), 200);
}
