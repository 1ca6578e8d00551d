//! The unmodified single-user server of its registry, in a unit of the template: what the unit closes, it can do without.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::bed::Bed;
use crate::support::until;

/// What only a browser loads, and what is large and not needed: it goes over SSH.
const LEFT_OUT: [&str; 9] = [
    "__pycache__",
    "tests",
    "*.map",
    "share",
    "locale-data",
    "site-packages/jupyterlab/static",
    "site-packages/jupyterlab/galata",
    "debugpy/_vendored",
    "bin/jupyterhub-singleuser",
];
const CELL: &str = include_str!("cell.py");
/// As much of a hub as a single-user server asks for.
const HUB: &str = r#"
import http.server, json
class Hub(http.server.BaseHTTPRequestHandler):
    def answer(self, body=b""):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", "6.1.1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        user = {"kind": "user", "name": "ada", "admin": False, "groups": [], "scopes": ["access:servers!server=ada/"]}
        self.answer(json.dumps(user if self.path.endswith("/user") else {"version": "6.1.1"}).encode())
    def do_POST(self):
        self.answer()
http.server.ThreadingHTTPServer(("127.0.0.1", 881), Hub).serve_forever()
"#;

pub async fn the_unmodified_server_and_its_kernel_run(bed: &Bed) {
    install(bed).await;
    let url = "http://127.0.0.1:881/hub/api";
    let given = json!({
        "profile": "large",
        "environment": {
            "JUPYTERHUB_API_TOKEN": "t0ken",
            "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
            "JUPYTERHUB_API_URL": url,
            "JUPYTERHUB_ACTIVITY_URL": format!("{url}/users/ada/activity"),
            "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/ada/oauth_callback",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": "[\"access:servers!server=ada/\",\"access:servers!user=ada\"]",
            "JUPYTERHUB_USER": "ada",
            "JUPYTERHUB_SERVER_NAME": "",
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
            "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:8888/user/ada/",
        },
    });
    let started = bed.hub("start", "ada", given).await.unwrap();
    let answers = async || {
        let running = bed.poll("ada", &started["state"]).await;
        assert_eq!(running["running"], true, "{running}");
        api(bed, "GET", "", "").await["version"].is_string()
    };
    assert!(until(60, answers).await, "{}", journal(bed).await);
    let kernel = api(bed, "POST", "/kernels", "{\"name\":\"python3\"}").await;
    let id = kernel["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{kernel}"))
        .to_owned();
    // It speaks over sockets that are files of the unit's own /tmp.
    let said = bed
        .as_account(
            "hubd",
            &format!(
                "python3 /opt/cell.py /run/jupyter/ada/server.sock /user/ada/api/kernels/{id}/channels 'print(6 * 7)'"
            ),
        )
        .await;
    assert_eq!(said.out.trim(), "42", "{said:?}\n{}", journal(bed).await);
    // (The kernel's own process has a port on loopback for what its children print; it takes nothing without a secret.)
    let listening = bed
        .root("ss -Hltnp | grep pid=$(systemctl show -P MainPID jupyter@ada.service), || true")
        .await;
    assert_eq!(listening, "");
    bed.hub("stop", "ada", json!({"state": started["state"]}))
        .await
        .unwrap();
    assert_eq!(bed.root("ps -u ada -o pid=,args= || true").await, "");
}

async fn api(bed: &Bed, method: &str, path: &str, body: &str) -> Value {
    let curl = format!(
        "curl -s --max-time 20 -X {method} --unix-socket /run/jupyter/ada/server.sock -d '{body}' \
         -H 'Authorization: token visitor' http://server/user/ada/api{path}"
    );
    let said = bed.as_account("hubd", &curl).await;
    serde_json::from_str(&said.out).unwrap_or(Value::String(said.out))
}

async fn journal(bed: &Bed) -> String {
    bed.root("journalctl --no-pager -n 30 -u jupyter@ada.service")
        .await
}

/// Takes the server's environment to the machine, without what only a browser loads.
async fn install(bed: &Bed) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let peer = root.join("target/peers/jupyterhub-6");
    assert!(peer.exists(), "{}: run scripts/peers", peer.display());
    let tar = Command::new("tar")
        .arg("-C")
        .arg(peer)
        .args(LEFT_OUT.map(|what| format!("--exclude={what}")))
        .args(["-c", "."])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    assert!(tar.status.success());
    bed.unpack("/opt/notebook", &tar.stdout).await;
    let program = "#!/opt/notebook/bin/python -I\nimport sys\nfrom jupyterhub.singleuser import main\nsys.exit(main())\n";
    bed.put(
        "/opt/notebook/bin/jupyterhub-singleuser",
        "755",
        program.as_bytes(),
    )
    .await;
    bed.put("/opt/hub.py", "644", HUB.as_bytes()).await;
    bed.put("/opt/cell.py", "644", CELL.as_bytes()).await;
    bed.root("systemd-run --quiet --unit hub python3 /opt/hub.py")
        .await;
}
