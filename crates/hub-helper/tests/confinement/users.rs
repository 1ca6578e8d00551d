//! Two users, each trying to get at the other and out of its unit.

use hub_api::helper::VERSION;
use serde_json::json;

use crate::bed::{Bed, PASSWORD};

pub async fn only_the_hub_is_answered(bed: &Bed) {
    let stop = json!({"version": VERSION, "verb": {"verb": "stop", "user": "ada"}});
    let ada = bed.ask("ada", stop.clone()).await;
    assert!(ada.contains("PermissionError"), "{ada}");
    let root = bed.ask("root", stop.clone()).await;
    assert!(!root.contains("answer"), "{root}");
    assert_eq!(bed.ask("hubd", stop).await, r#"{"answer":"ended"}"#);

    // Nor may the hub itself start anything, but through the helper.
    for command in [
        "systemctl start jupyter@ada.service",
        "systemd-run --quiet true",
        "cat /etc/hub-helper/helper.toml >/dev/null && ls /run/hub-helper/env",
    ] {
        let said = bed.as_account("hubd", command).await;
        assert_ne!(said.code, Some(0), "{command}: {said:?}");
    }
    for (server, why) in [
        ("debian", "in the group"),
        ("root", "system's"),
        ("nobody-such", "no account"),
    ] {
        let said = bed.hub("start", server, json!({})).await.unwrap_err();
        assert!(said.contains(why), "{server}: {said}");
    }
    for (name, value) in [
        ("LD_PRELOAD", "/tmp/x.so"),
        ("PATH", "/tmp"),
        ("JUPYTERHUB_X", "a\nLD_PRELOAD=b"),
    ] {
        let said = bed
            .hub("start", "ada", json!({"environment": {name: value}}))
            .await;
        assert!(said.unwrap_err().contains(name), "{name}");
    }
    let said = bed.hub("start", "ada", json!({"profile": "huge"})).await;
    assert!(said.unwrap_err().contains("large, small"));
    // Without the helper's own start there is no environment, and no server.
    let said = bed
        .as_account("root", "systemctl start jupyter@ada.service")
        .await;
    assert_ne!(said.code, Some(0), "{said:?}");
}

pub async fn neither_sees_the_other(bed: &Bed) {
    let ada = bed.started("ada", "ada-token-4711").await;
    let bob = bed.started("bob", "bob-token-4711").await;
    bed.root("echo bobs >/home/bob/secret; chown bob /home/bob/secret; echo roots >/tmp/roots")
        .await;
    let seen = bed.inside("bob", "echo bobs >/tmp/bobs; echo bobs >/dev/shm/bobs; cat ~/secret; echo \"$JUPYTERHUB_USER\"").await;
    assert_eq!(
        seen.out, "bobs\nx \"$y` \\z",
        "values reach the server as they are"
    );
    let token = bed.inside("bob", "echo $JUPYTERHUB_API_TOKEN").await;
    assert_eq!(token.out, "bob-token-4711");

    assert_eq!(
        bed.inside("ada", "id -un; pwd; ls /home; ls /run/jupyter")
            .await
            .out,
        "ada\n/home/ada\nada\nada"
    );
    let pid = bed
        .root("systemctl show -P MainPID jupyter@bob.service")
        .await;
    let mut could = Vec::new();
    for command in [
        "cat /home/bob/secret",
        &format!("cat /proc/{pid}/environ"),
        &format!("ls /proc/{pid}"),
        &format!("kill -0 {pid}"),
        "cat /tmp/bobs || cat /tmp/roots",
        "cat /dev/shm/bobs",
        "curl -sS --unix-socket /run/jupyter/bob/server.sock -d true http://server/run",
        "cat /run/hub-helper/env/bob || ls /run/hub-helper",
        "cat /etc/hub-helper/helper.toml",
        "cat /etc/shadow",
        "ls -A /var/log/journal | grep . && journalctl -u jupyter@bob.service | grep .",
    ] {
        could.extend(bed.could("ada", command).await);
    }
    assert!(could.is_empty(), "{could:#?}");
    let all = bed
        .inside(
            "ada",
            "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'",
        )
        .await;
    assert!(
        all.out.contains("ada-token-4711") && !all.out.contains("bob-token"),
        "{all:?}"
    );
    // From outside of the unit, as from cron or SSH, it is the modes that hold.
    for command in [
        "cat /home/bob/secret",
        "curl -sS --unix-socket /run/jupyter/bob/server.sock -d true http://server/run",
        "ls /run/jupyter/bob",
        "touch /run/jupyter/x",
        "ls /run/hub-helper/env",
        "cat /run/hub-helper/ended/*",
    ] {
        let said = bed.as_account("ada", command).await;
        assert_ne!(said.code, Some(0), "{command}: {said:?}");
    }
    // The token is nowhere but in the server's own environment.
    let left = bed
        .root("ls -A /run/hub-helper/env; grep -rls 'bob-token-4711' /run /etc /var/log /tmp 2>/dev/null || true")
        .await;
    assert_eq!(left, "");
    let shown = bed
        .root("systemctl show jupyter@bob.service; systemctl cat jupyter@bob.service; ps axww")
        .await;
    assert!(!shown.contains("bob-token"), "{shown}");
    // A second server of ada's is another unit, and stops alone.
    let work = bed.started("ada work", "ada-work-token").await;
    let units = bed
        .root("systemctl list-units --plain --no-legend 'jupyter@*' | cut -d' ' -f1")
        .await;
    assert_eq!(
        units,
        "jupyter@ada.service\njupyter@ada:work.service\njupyter@bob.service"
    );
    assert_eq!(
        bed.inside("ada work", "id -un; ls /run/jupyter/ada")
            .await
            .out,
        "ada\nserver-work.sock\nserver.sock"
    );
    bed.hub("stop", "ada work", json!({"state": work["state"]}))
        .await
        .unwrap();
    assert_eq!(bed.poll("ada work", &work["state"]).await["running"], false);
    assert_eq!(bed.poll("ada", &ada["state"]).await["running"], true);
    bed.hub("stop", "ada", json!({})).await.unwrap();
    bed.hub("stop", "bob", json!({"state": bob["state"]}))
        .await
        .unwrap();
    assert_eq!(
        bed.root("ls -d /run/systemd/system/jupyter@*; ls /run/hub-helper/ended; true")
            .await,
        ""
    );
}

/// A line for the journal, past the server's own output.
fn journal(kind: &str, socket: &str, line: &str) -> String {
    format!(
        "python3 -c 'import socket as s; j = s.socket(s.AF_UNIX, s.{kind}); j.connect(\"{socket}\"); \
         j.send(b\"{line}\"); print(\"sent\")'"
    )
}

pub async fn neither_leaves_its_unit(bed: &Bed) {
    let ada = bed.started("ada", "t").await;
    let inside = bed
        .inside(
            "ada",
            "cat /proc/self/cgroup; grep NoNewPrivs /proc/self/status",
        )
        .await;
    assert!(
        inside.out.contains("jupyter.slice/jupyter@ada.service"),
        "{inside:?}"
    );
    assert!(inside.out.contains("NoNewPrivs:\t1"), "{inside:?}");
    bed.root("echo 'ada ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ada")
        .await;
    let metadata = "curl -sS --max-time 2 http://169.254.169.254/openstack";
    assert!(bed.root(metadata).await.contains("latest"));
    let mut could = Vec::new();
    for command in [
        metadata,
        "echo '* * * * * touch /tmp/cron' | crontab -",
        "systemd-run --user --quiet true",
        "systemd-run --quiet true",
        "systemctl --user status",
        "systemctl start jupyter@bob.service",
        "systemctl stop jupyter@ada.service",
        "loginctl enable-linger",
        "busctl --system call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping",
        "ls /run/dbus/system_bus_socket",
        "sudo -n true",
        &format!("echo '{PASSWORD}' | su bob -c true"),
        "curl -sS --unix-socket /run/hub-helper.sock http://x/",
        "unshare --user true",
        "unshare --mount true",
        "cp /bin/sh /tmp/sh && chmod u+s /tmp/sh",
        "mkdir /sys/fs/cgroup/x || mkdir /sys/fs/cgroup/memory/x || mkdir /sys/fs/cgroup/systemd/x",
        "echo $$ >/sys/fs/cgroup/cgroup.procs || echo $$ >/sys/fs/cgroup/memory/cgroup.procs",
        "touch /etc/x || touch /usr/x || touch /opt/notebook/x || touch /var/tmp/../x",
        "echo 1 >/proc/sys/kernel/panic",
        "cat /dev/kmsg || cat /dev/vda",
        &journal(
            "SOCK_DGRAM",
            "/run/systemd/journal/socket",
            "MESSAGE=forged-4711\\n",
        ),
        &journal(
            "SOCK_DGRAM",
            "/run/systemd/journal/dev-log",
            "<86>sudo: forged-4711",
        ),
        &journal("SOCK_DGRAM", "/dev/log", "<86>sudo: forged-4711"),
        &journal(
            "SOCK_STREAM",
            "/run/systemd/journal/stdout",
            "sudo\\n\\n6\\n0\\n0\\n0\\n0\\nforged-4711\\n",
        ),
    ] {
        could.extend(bed.could("ada", command).await);
    }
    assert!(could.is_empty(), "{could:#?}");
    let forged =
        "journalctl --sync; journalctl --no-pager -q -o cat --grep '^(sudo: )?forged-4711' || true";
    assert_eq!(bed.root(forged).await, "");
    bed.root("rm /etc/sudoers.d/ada").await;
    // What is written beside its socket fills that place alone, and keeps nobody from listening there.
    bed.inside("ada", "head -c 64M /dev/zero >/run/jupyter/ada/x")
        .await;
    bed.root("test $(du -sk /run/jupyter | cut -f1) -le 4096")
        .await;
    let bob = bed.started("bob", "t").await;
    bed.hub("stop", "bob", json!({"state": bob["state"]}))
        .await
        .unwrap();
    bed.root("rm /run/jupyter/ada/x").await;
    // What a kernel needs is there.
    let works = bed.inside("ada", "touch ~/x /tmp/x /var/tmp/x /dev/shm/x && python3 -c 'import multiprocessing as m; m.Lock(); print(m.cpu_count())'").await;
    assert!(works.succeeded, "{works:?}");
    bed.hub("stop", "ada", json!({"state": ada["state"]}))
        .await
        .unwrap();
}
