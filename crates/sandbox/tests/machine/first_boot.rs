//! What cloud-init, the console and the metadata service make of a first boot.

use std::time::Duration;

use crate::support::{Cloud, run, until};
use sandbox::machine::Machines;
use sandbox::machine::namespaces::View;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_gets_the_default_login_in_and_the_console_names_the_host_keys() {
    let cloud = Cloud::start().await;
    let spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;

    assert_eq!(
        cloud.get(address, "id -un; hostname; nproc").await,
        "debian\nhub-1\n1"
    );
    assert_eq!(cloud.get(address, "sudo -n id -u").await, "0");
    assert_eq!(
        cloud
            .get(address, "sudo -n passwd -S debian | cut -d' ' -f2")
            .await,
        "L"
    );
    assert_eq!(
        cloud.get(address, "getent hosts hub-1").await,
        "127.0.1.1       hub-1 hub-1"
    );
    let memory = cloud
        .get(address, "free -m | awk '/Mem:/ {print $2}'")
        .await;
    assert_eq!(memory, "1024");
    let root = cloud.ssh_as("root", address, "id -u").await;
    assert!(
        root.out.contains("Please login as the user \"debian\""),
        "{root:?}"
    );
    let status = cloud.get(address, "cloud-init status --wait").await;
    assert_eq!(status.trim_start_matches(['.', '\n']), "status: done");

    // The line that a client trusts, with the prefix that syslog gives it.
    let scanned = cloud.dir.path().join("scanned");
    let keys = run("ssh-keyscan", &["-t", "ed25519", &address.to_string()]).await;
    std::fs::write(&scanned, keys).unwrap();
    let listed = run("ssh-keygen", &["-lf", scanned.to_str().unwrap()]).await;
    let fingerprint = listed.split(' ').nth(1).unwrap();
    let ends = async || {
        cloud
            .machines
            .console(&spec.id)
            .await
            .unwrap()
            .contains("hub-1 login:")
    };
    assert!(until(60, ends).await);
    let console = cloud.machines.console(&spec.id).await.unwrap();
    let (_, block) = console
        .split_once("-----BEGIN SSH HOST KEY FINGERPRINTS-----")
        .unwrap();
    let (block, rest) = block
        .split_once("-----END SSH HOST KEY FINGERPRINTS-----")
        .unwrap();
    let line = block.lines().find(|line| line.contains("ED25519")).unwrap();
    assert!(
        line.starts_with("<14>") && line.contains(" cloud-init: 256 "),
        "{line}"
    );
    assert!(line.contains(fingerprint), "{line}: not {fingerprint}");
    for kind in [
        "ssh-ed25519 AAAA",
        "ecdsa-sha2-nistp256 AAAA",
        "ssh-rsa AAAA",
    ] {
        assert!(rest.contains(kind), "{rest}");
    }
    cloud.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_data_is_applied_and_the_metadata_service_answers() {
    let cloud = Cloud::with(|options| options.apt_lock = Some(Duration::from_secs(600))).await;
    let mut spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    // A host key that is known before the server is.
    let host_key = cloud.dir.path().join("host");
    let path = host_key.to_str().unwrap();
    run(
        "ssh-keygen",
        &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path],
    )
    .await;
    let private = std::fs::read_to_string(&host_key)
        .unwrap()
        .replace('\n', "\n    ");
    let public = std::fs::read_to_string(host_key.with_extension("pub")).unwrap();
    let user_data = format!(
        "#cloud-config\nssh_keys:\n  ed25519_private: |\n    {private}\n  ed25519_public: {public}\n\
         write_files:\n- path: /etc/greeting\n  encoding: b64\n  content: aGVsbG8=\n  permissions: '0600'\n\
         runcmd:\n- [ sh, -c, 'id -u >/run/by' ]\n"
    );
    spec.user_data = Some(user_data.clone().into_bytes());
    spec.metadata =
        serde_json::json!({"uuid": spec.id, "name": "hub-1", "meta": {"class": "algebra"}});
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;
    cloud.get(address, "cloud-init status --wait").await;

    let seen = run("ssh-keyscan", &["-t", "ed25519", &address.to_string()]).await;
    assert!(seen.contains(public.trim()), "{seen}");
    let file = "sudo cat /etc/greeting; stat -c ' %a' /etc/greeting; cat /run/by";
    assert_eq!(cloud.get(address, file).await, "hello 600\n0");

    let get = |url: &str| format!("curl -sgf -m 5 '{url}'");
    let meta = "http://169.254.169.254/openstack/latest/meta_data.json";
    let meta = cloud.get(address, &get(meta)).await;
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    assert_eq!(meta["meta"]["class"], "algebra");
    assert_eq!(meta["public_keys"]["key-0"], spec.authorized_keys[0]);
    for base in ["http://169.254.169.254", "http://[fe80::a9fe:a9fe%25eth0]"] {
        let said = cloud
            .get(address, &get(&format!("{base}/openstack/latest/user_data")))
            .await;
        assert_eq!(said, user_data.trim(), "{base}");
        let key = get(&format!(
            "{base}/latest/meta-data/public-keys/0/openssh-key"
        ));
        assert_eq!(
            cloud.get(address, &key).await,
            spec.authorized_keys[0],
            "{base}"
        );
    }
    // A fresh server is busy with its packages.
    let install = "sudo apt-get -o DPkg::Lock::Timeout=0 install -y nothing-like-it";
    let locked = cloud.ssh(address, install).await;
    assert!(locked.err.contains("lock-frontend"), "{locked:?}");
    cloud.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_runs_another_login_is_made_and_control_groups_are_unified_where_asked() {
    let cloud = Cloud::with(|options| options.view = View::Unified).await;
    let mut spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    spec.login = "ubuntu".to_owned();
    spec.user_data = Some(b"#!/bin/sh\necho ran as $(id -un) >/run/script\n".to_vec());
    cloud
        .machines
        .set_rules(&spec.id, &crate::support::open())
        .await
        .unwrap();
    cloud.machines.boot(&spec).await.unwrap();
    let address = cloud.floating(0).await;
    cloud.machines.bind(address, &spec.id).await.unwrap();
    let ubuntu = async |command| cloud.ssh_as("ubuntu", address, command).await.out;
    let ran = async || ubuntu("cat /run/script; sudo -n id -u").await == "ran as root\n0\n";
    assert!(until(60, ran).await);
    assert_ne!(cloud.ssh(address, "true").await.code, Some(0));

    let kind = "stat -fc %T /sys/fs/cgroup; cloud-init status --wait >/dev/null; systemctl is-system-running --wait; \
                systemd-run --user -q --pipe grep -o '^0::/user.slice/user-1000' /proc/self/cgroup";
    assert_eq!(
        ubuntu(kind).await,
        "cgroup2fs\nrunning\n0::/user.slice/user-1000\n"
    );
    cloud.end().await;
}
