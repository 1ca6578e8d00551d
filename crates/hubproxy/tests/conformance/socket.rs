//! Unix sockets, to listen on and to send to.

use crate::program::{Program, Proxy};
use crate::routing::add;
use crate::table::{PATIENCE, Place, Row, same};
use crate::upstream::Upstream;
use crate::wire::Connection;

const TO: &[Row] = &[
    same(
        "GET /a/x?q=1\nHost: name.example",
        &[
            "200",
            "from unix",
            "line GET /a/x?q=1",
            "up host: name.example",
            "up x-forwarded-for: 127.0.0.1",
        ],
    ),
    same("GET /b/x", &["200", "from unix", "line GET /b/x"]),
    same("GET /c/x", &["200", "from unix"]),
    same("POST /a/x\n\nbody", &["got body"]),
    same("GET /a/x\n{upgrade}", &["101", "header x-own: kept"]),
    same("GET /a/x\nX-Act: close", &["503"]),
];

pub async fn targets(program: Program) {
    let proxy = Proxy::start(program, &[]).await;
    let path = proxy.folder.path().join("up stream.sock");
    let _upstream = Upstream::unix("unix", &path);
    let encoded = path
        .display()
        .to_string()
        .replace('/', "%2F")
        .replace(' ', "%20");
    add(&proxy, "/a", &format!("http+unix://{encoded}")).await;
    add(&proxy, "/b", &format!("unix+http://{encoded}")).await;
    add(&proxy, "/c", &format!("http+unix://{encoded}/")).await;
    let upgrade = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    Place::public(&proxy)
        .with("{upgrade}", upgrade)
        .side_by_side(TO)
        .await;
}

pub async fn listeners(program: Program) {
    let upstream = Upstream::start("up").await;
    let folder = tempfile::tempdir().expect("a folder");
    let target = format!("http://{}", upstream.address);
    let metrics = folder.path().join("metrics.sock").display().to_string();
    let socket = |name: &str| folder.path().join(name);
    let (public, api) = (socket("public.sock"), socket("api.sock"));
    let mut child = program
        .command()
        .args(["--socket".as_ref(), public.as_os_str()])
        .arg(format!("--api-socket={}", api.display()))
        .args(["--metrics-socket", &metrics, "--default-target", &target])
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("setpriv, of util-linux");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    for path in [&public, &api, &socket("metrics.sock")] {
        while tokio::net::UnixStream::connect(path).await.is_err() {
            assert!(
                child.try_wait().expect("a child").is_none(),
                "{program:?} ended"
            );
            assert!(
                tokio::time::Instant::now() < deadline,
                "{program:?} does not listen on {}",
                path.display()
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    let ask = async |path: &std::path::Path, text: &str| {
        Connection::unix(path).await.ask(text, "h", PATIENCE).await
    };
    for (path, text, lines) in [
        (&public, "GET /x", &["200", "from up"][..]),
        (&api, "GET /api/routes", &["403"]),
        (
            &api,
            "GET /api/routes\nAuthorization: token a-token-of-this-test",
            &["200"],
        ),
        (&socket("metrics.sock"), "GET /metrics", &["200"]),
    ] {
        let outcome = ask(path, text).await;
        for line in lines {
            let judged = crate::table::judge(line, &outcome);
            assert!(
                judged.is_ok(),
                "{program:?}: {text:?}: wanted {line:?}: {judged:?}"
            );
        }
    }
}
