//! The same in a real browser: login, a server, a cell in JupyterLab, the admin's page, logout.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::world::{Front, World, peers};

#[tokio::test]
async fn a_day_in_a_real_browser() {
    let world = World::new(6, Front::Hubproxy, "").await;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let story = tokio::process::Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "node"])
        .arg(here.join("tests/browser/drive.mjs"))
        .arg(peers().join("web"))
        .arg("lab")
        .arg(format!("http://{}", world.public))
        .arg(here.join("../../target/screenshots"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(600), story).await;
    let output = output.expect("an end").expect("node");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}\n{}",
        text(&output.stdout),
        text(&output.stderr),
        world.log()
    );
}
