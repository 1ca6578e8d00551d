//! A real browser at the pages, and a real OpenID provider to log in with: what `scripts/peers` installed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::Extension;
use hubd::listen::Arrival;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::hub::TestHub;

/// What `scripts/peers --web` installed.
pub fn peers() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let peers = root.join("target/peers/web");
    peers
        .canonicalize()
        .expect("target/peers/web: run scripts/peers --web")
}

/// A script of the tests, ended with the test.
pub fn node(script: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/browser")
        .join(script);
    // Even when the test is killed.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "node"])
        .arg(script)
        .arg(peers())
        .kill_on_drop(true);
    command
}

/// Serves a hub on a port until the test ends.
async fn serve(test: &TestHub) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = test.router.clone().layer(Extension(Arrival {
        public: true,
        peer: None,
    }));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_in_a_real_browser() {
    let test = TestHub::new(|config, _| {
        config.pages.home_first = true;
        config.pages.title = Some("Notebooks at Example University".to_owned());
        config.pages.announcement = Some("Friday from 18:00 the hub is down for an hour.".to_owned());
        config.pages.login_text = Some("Use the name and password of your course.".to_owned());
        config.pages.contact = Some("help@uni.example".to_owned());
        for (slug, name, description, gib) in [
            ("standard", "Standard", "Python with the scientific packages, for every course.", 2u64),
            ("large", "Large", "The same with more memory, for the thesis seminar.", 8),
        ] {
            let profile = serde_json::json!({
                "slug": slug, "display_name": name, "description": description, "mem_limit": gib << 30, "cpu_limit": 1.0,
            });
            config.spawn.profiles.push(serde_json::from_value(profile).unwrap());
        }
        // Time to see the page that shows the start.
        config.spawn.process.command.insert(0, "sh".to_owned());
        config.spawn.process.command.insert(1, "-c".to_owned());
        config.spawn.process.command.insert(2, "sleep 3; exec \"$0\" \"$@\"".to_owned());
    })
    .await;
    test.user("alice").await;
    test.admin("root").await;
    test.many((0..1000).map(|number| format!("student{number:04}")))
        .await;
    test.join("student0001", "physics").await;
    let address = serve(&test).await;
    run(node("drive.mjs")
        .arg("pages")
        .arg(format!("http://{address}")))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_in_a_real_browser() {
    let mut ready = PathBuf::new();
    let test = TestHub::new(|config, folder| {
        ready = folder.join("installed");
        config.notebooks.ready = Some(ready.clone());
    })
    .await;
    test.user("alice").await;
    let address = serve(&test).await;
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
    run_as_given(
        node("drive.mjs")
            .arg("installing")
            .arg(format!("http://{address}"))
            .arg(shots)
            .arg(&ready),
    )
    .await;
}

/// Runs a story to its end; the screenshots are in target/screenshots.
pub async fn run(command: &mut Command) {
    let shots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
    run_as_given(command.arg(shots)).await;
}

async fn run_as_given(command: &mut Command) {
    let story = command.stdin(Stdio::null()).output();
    let output = tokio::time::timeout(Duration::from_secs(600), story)
        .await
        .expect("an end")
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A provider, and its issuer.
pub async fn provider(redirect_uri: &str, secret: &str) -> (Child, String) {
    let mut child = node("provider.mjs")
        .args([redirect_uri, secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let issuer = tokio::time::timeout(Duration::from_secs(60), lines.next_line())
        .await
        .expect("an issuer");
    // It goes on talking, and would end if nobody listened.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, issuer.unwrap().expect("an issuer"))
}
