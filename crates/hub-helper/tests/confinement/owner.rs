//! What the owner of a server that was too big reads on the hub's pages: hub and proxy themselves run on the machine.

use crate::bed::{Bed, PASSWORD, build, program, quoted};
use crate::support::until;

const CONFIGURATION: &str = r#"
[listen]
public = "127.0.0.1:8081"
internal = { bind = "127.0.0.1:8881" }

[auth]
allow_all = true
pam = {}

[spawn]
poll_interval = 1
http_timeout = 120
"#;
const HOG: &str =
    "python3 -c 'held = [bytearray(b\"x\" * (8 << 20)) for _ in range(200)]'; echo code=$?";
const HUB: &str = "http://127.0.0.1:8000/hub";

pub async fn its_owner_reads_why(bed: &Bed) {
    start(bed).await;
    for name in ["ada", "bob"] {
        log_in(bed, name).await;
        let said = post(bed, name, "spawn", "").await;
        assert!(
            said.starts_with("302"),
            "{name}: {said}\n{}",
            journal(bed).await
        );
        let runs = until(30, async || {
            page(bed, name, "home").await.contains(">Stop<")
        });
        assert!(runs.await, "{name}: {}", journal(bed).await);
    }

    // A kernel of hers was too big: her server goes on, her page says so, and nobody else's does.
    let hog = bed.inside("ada", HOG).await;
    assert!(hog.out.ends_with("code=137"), "{hog:?}");
    let why = "together they used more memory than it has";
    let home = page(bed, "ada", "home").await;
    assert!(home.contains(why) && home.contains(">Stop<"), "{home}");
    let home = page(bed, "bob", "home").await;
    assert!(!home.contains(why) && home.contains(">Stop<"), "{home}");

    // The server itself was: the page in its place says so.
    bed.post("ada", "/eat", "").await;
    let told = until(30, async || {
        let instead = page(bed, "ada", "user/ada/").await;
        instead.contains("ran out of memory and was ended")
    });
    assert!(told.await, "{}", page(bed, "ada", "user/ada/").await);
    assert!(page(bed, "bob", "home").await.contains(">Stop<"));

    let said = post(bed, "bob", "home/stop", "").await;
    assert!(said.starts_with("302"), "{said}");
    let stopped = until(30, async || {
        page(bed, "bob", "home").await.contains(">Start<")
    });
    assert!(stopped.await, "{}", journal(bed).await);
    bed.root("systemctl stop hubd.service hubproxy.service")
        .await;
}

async fn start(bed: &Bed) {
    build(&["--package", "hubd", "--package", "hubproxy"]).await;
    for name in ["hubd", "hubproxy"] {
        let path = format!("/opt/hubctl/bin/{name}");
        bed.put(&path, "755", &program(name).await).await;
    }
    bed.put("/etc/hubd/hubd.toml", "644", CONFIGURATION.as_bytes())
        .await;
    let running = bed
        .root(
            "id -u hubproxy >/dev/null 2>&1 || useradd -r -g hubproxy -s /usr/sbin/nologin hubproxy
             echo \"CONFIGPROXY_AUTH_TOKEN=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' ')\" >/etc/hubd/token
             chmod 600 /etc/hubd/token
             run() { systemd-run --quiet -p EnvironmentFile=/etc/hubd/token -p UMask=0007 \"$@\"; }
             run --unit hubproxy -p User=hubproxy -p RuntimeDirectory=hubproxy \\
                 /opt/hubctl/bin/hubproxy --ip 127.0.0.1 --port 8000 --api-socket /run/hubproxy/api.sock
             run --unit hubd -p User=hubd -p RuntimeDirectory=hubd -p StateDirectory=hubd \\
                 /opt/hubctl/bin/hubd --config /etc/hubd/hubd.toml
             systemctl is-active hubproxy hubd",
        )
        .await;
    assert_eq!(running, "active\nactive");
    let up = until(30, async || {
        let asked = format!("curl -s -o /dev/null -w '%{{http_code}}' {HUB}/login");
        bed.as_account("debian", &asked).await.out == "200"
    });
    assert!(up.await, "{}", journal(bed).await);
}

/// Goes to a page as a browser would that has the user's cookies, and follows it where it leads.
async fn page(bed: &Bed, name: &str, page: &str) -> String {
    let curl = format!("curl -sL -b ~/{name} -c ~/{name} {HUB}/{page}");
    bed.as_account("debian", &curl).await.out
}

/// Sends a form with the page's own token; the status, and where it leads.
async fn post(bed: &Bed, name: &str, page: &str, fields: &str) -> String {
    let script = format!(
        "curl -sL -o /dev/null -b ~/{name} -c ~/{name} {HUB}/home
         curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' -b ~/{name} -c ~/{name} {fields} \\
             --data-urlencode \"_xsrf=$(awk '$6 == \"_xsrf\" {{ print $7 }}' ~/{name} | tail -n 1)\" {HUB}/{page}"
    );
    bed.as_account("debian", &script).await.out
}

async fn log_in(bed: &Bed, name: &str) {
    let fields = format!(
        "--data-urlencode username={name} --data-urlencode password={}",
        quoted(PASSWORD)
    );
    let said = post(bed, name, "login", &fields).await;
    assert!(
        said.starts_with("302"),
        "{name}: {said}\n{}",
        journal(bed).await
    );
}

async fn journal(bed: &Bed) -> String {
    bed.root("journalctl --no-pager -n 60 -u hubd -u hubproxy -u hub-helper -u 'jupyter@*'")
        .await
}
