//! What one user's notebook can get at of another's, of the hub and of the system: nothing.

use crate::hub::{Hub, Session};
use crate::server::Server;

/// Runs each line in a shell of the kernel's and prints which of them went well, as JSON.
const TRY: &str = r#"
import json, subprocess
def well(line):
    try:
        done = subprocess.run(["bash", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
        return done.returncode == 0
    except subprocess.TimeoutExpired:
        return False
print(json.dumps([line for line in LINES if well(line)]))
"#;

fn went_well(hub: &Hub, session: &mut Session, lines: &[String]) -> Vec<String> {
    let list = serde_json::to_string(lines).unwrap();
    let said = hub.run(session, &TRY.replace("LINES", &list));
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("the probe said {said}"))
}

/// `bob`, in a cell of his server, against `ada`, whose server runs and whose password he knows.
pub(crate) fn neither_reached_nor_left(
    hub: &Hub,
    bob: &mut Session,
    server: &Server,
    ada_password: &str,
) {
    server.run_with(
        "sudo sh -c 'cat >/home/ada/diary; chown ada: /home/ada/diary; chmod 0644 /home/ada/diary; echo x >/tmp/of-root'",
        "dear diary",
    );
    let pid = server.run("systemctl show --value --property=MainPID jupyter@ada.service");
    let inside = |command: &str| {
        let words = format!(
            "sudo nsenter --target {pid} --mount --setuid $(id -u ada) --setgid $(id -g ada)"
        );
        server.run(&format!("{words} sh -c '{command}'"))
    };
    inside("umask 0; echo x >/tmp/of-ada; echo x >/dev/shm/of-ada");
    let token = server.run(&format!(
        "sudo cat /proc/{pid}/environ | tr \"\\0\" \"\\n\" | sed -n s/^JUPYTERHUB_API_TOKEN=//p"
    ));
    assert!(token.len() >= 32, "ada's server has a token");

    // A probe that notices nothing would find nothing.
    let can = [
        "touch ~/own",
        "test -r /etc/passwd",
        "curl -sk --max-time 5 https://127.0.0.1/hub/login | grep -q password",
    ];
    let can: Vec<String> = can.map(str::to_owned).to_vec();
    assert_eq!(went_well(hub, bob, &can), can);

    let python = "/opt/notebook/bin/python -c";
    let unix = |path: &str| {
        format!("{python} 'import socket; socket.socket(socket.AF_UNIX).connect(\"{path}\")'")
    };
    let metadata =
        |host: &str| format!("curl -sf --max-time 3 http://{host}/openstack/latest/meta_data.json");
    let cannot = [
        // What is ada's.
        "ls /home/ada".to_owned(),
        "cat /home/ada/diary".to_owned(),
        format!("ls /proc/{pid}"),
        format!("cat /proc/{pid}/environ"),
        format!("kill -0 {pid}"),
        format!("cat /proc/[0-9]*/environ 2>/dev/null | grep -q {token}"),
        "cat /tmp/of-ada || cat /dev/shm/of-ada || cat /tmp/of-root".to_owned(),
        "ls /run/jupyter/ada".to_owned(),
        unix("/run/jupyter/ada/server.sock"),
        format!("echo '{ada_password}' | su ada -c true"),
        "journalctl --quiet --unit=jupyter@ada.service | grep -q .".to_owned(),
        "rmdir /run/jupyter/ada || rm /run/jupyter/ada/server.sock || mv /run/jupyter/bob /run/jupyter/ada".to_owned(),
        // What is the hub's.
        unix("/run/hub-helper.sock"),
        unix("/run/hubd/public.sock"),
        unix("/run/hubproxy/api.sock"),
        "cat /etc/hubd/secrets/* || cat /etc/hubproxy/api-token || cat /etc/hub-helper/helper.toml".to_owned(),
        "ls /var/lib/hubd || ls /run/hub-helper || ls /run/hub-helper/env".to_owned(),
        "touch /opt/notebook/x || touch /opt/hubctl/bin/x || touch /etc/x".to_owned(),
        // The cloud.
        metadata("169.254.169.254"),
        metadata("[fd00:ec2::254]"),
        // Ways to root, and out of the server's limits.
        "sudo -n true".to_owned(),
        "cat /etc/shadow".to_owned(),
        "crontab -l; echo '* * * * * touch /tmp/cron' | crontab -".to_owned(),
        "echo true | at now".to_owned(),
        "systemd-run --user --quiet true".to_owned(),
        "systemd-run --quiet true".to_owned(),
        "systemctl --user status".to_owned(),
        "systemctl set-property jupyter@bob.service MemoryMax=infinity".to_owned(),
        "loginctl enable-linger".to_owned(),
        "busctl --system call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping".to_owned(),
        unix("/run/dbus/system_bus_socket"),
        unix("/run/systemd/private"),
        "unshare --user true".to_owned(),
        "echo $$ >/sys/fs/cgroup/cgroup.procs || echo $$ >/sys/fs/cgroup/memory/cgroup.procs".to_owned(),
        "mkdir /sys/fs/cgroup/x || mkdir /sys/fs/cgroup/memory/x || mkdir /sys/fs/cgroup/systemd/x".to_owned(),
        "ssh -o BatchMode=yes -o StrictHostKeyChecking=no localhost true".to_owned(),
    ];
    assert_eq!(went_well(hub, bob, &cannot), Vec::<String>::new());

    // Root still gets at the metadata: the cloud's own agents need it.
    let status = server.run("sudo curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/openstack/latest/meta_data.json");
    assert_eq!(status, "200");
    let sshd = server.run("sudo sshd -T | grep -E '^(allowgroups|passwordauthentication)'");
    for line in ["passwordauthentication no", "allowgroups hubctl-ssh"] {
        assert!(sshd.contains(line), "{sshd}");
    }
    server.run("sudo rm /home/ada/diary /tmp/of-root");
}
