//! Reboot, power, memory, and what a machine leaves as an image.

use crate::support::{Cloud, run, until};
use sandbox::machine::Machines;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reboot_is_a_new_boot_of_the_same_server() {
    let cloud = Cloud::start().await;
    let spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;
    let boot = "cat /proc/sys/kernel/random/boot_id; cloud-init status --wait >/dev/null";
    let keys = async || run("ssh-keyscan", &["-t", "ed25519", &address.to_string()]).await;
    let (first, key) = (cloud.get(address, boot).await, keys().await);

    // From inside, as an upgrade of the system would; from outside is with the volumes.
    cloud.ssh(address, "sudo systemctl reboot").await;
    let again = async || {
        let said = cloud.ssh(address, boot).await;
        said.code == Some(0) && said.out.trim() != first
    };
    assert!(until(60, again).await);
    assert_eq!(keys().await, key);
    assert!(cloud.machines.is_running(&spec.id).await);

    cloud
        .ssh(
            address,
            "echo kept | sudo tee /etc/kept; sudo systemctl poweroff",
        )
        .await;
    assert!(until(60, async || !cloud.machines.is_running(&spec.id).await).await);
    cloud.machines.start(&spec.id).await.unwrap();
    cloud.login(address).await;
    assert_eq!(cloud.get(address, "cat /etc/kept").await, "kept");
    cloud.machines.stop(&spec.id).await.unwrap();
    assert!(!cloud.machines.is_running(&spec.id).await);
    cloud.machines.delete(&spec.id).await.unwrap();
    cloud.machines.delete(&spec.id).await.unwrap();
    assert!(cloud.machines.console(&spec.id).await.is_err());
    cloud.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_processors_are_the_flavors() {
    let cloud = Cloud::start().await;
    let mut spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    spec.memory_mb = 300;
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;
    // A unit's own limit inside the machine, and the machine's own.
    let eat = "python3 -c 'x = bytearray(150 << 20)' && echo fits";
    assert_eq!(cloud.get(address, eat).await, "fits");
    let unit = cloud
        .ssh(
            address,
            &format!("sudo systemd-run -q --pipe -p MemoryMax=60M -p MemorySwapMax=0 {eat}"),
        )
        .await;
    assert_ne!(unit.code, Some(0), "{unit:?}");
    let whole = cloud
        .ssh(
            address,
            "python3 -c 'x = bytearray(600 << 20)' && echo fits",
        )
        .await;
    assert_ne!(whole.out, "fits\n");
    assert_eq!(cloud.get(address, "echo alive").await, "alive");
    cloud.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_an_image_for_further_machines() {
    let cloud = Cloud::start().await;
    let one = cloud.spec("one", [10, 20, 0, 5]);
    let address = cloud.floating(0).await;
    cloud.boot(&one, address).await;
    cloud
        .get(
            address,
            "cloud-init status --wait >/dev/null; sudo mkdir /opt/made; sudo rm /usr/bin/wget",
        )
        .await;
    let name = format!("snapshot-{}", one.id);
    let image = cloud.machines.snapshot(&one.id, &name).await.unwrap();

    let mut two = cloud.spec("two", [10, 20, 0, 6]);
    two.image.clone_from(&image);
    let second = cloud.floating(1).await;
    cloud.boot(&two, second).await;
    let look = "hostname; ls -d /opt/made; test -e /usr/bin/wget || echo removed";
    assert_eq!(cloud.get(second, look).await, "two\n/opt/made\nremoved");
    // A server of its own: other host keys, another machine id.
    for fact in [
        "cat /etc/ssh/ssh_host_ed25519_key.pub",
        "cat /etc/machine-id",
    ] {
        assert_ne!(
            cloud.get(address, fact).await,
            cloud.get(second, fact).await
        );
    }
    cloud.machines.forget(&image).await.unwrap();
    assert!(!image.exists());
    cloud.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_boot_says_why_and_leaves_nothing() {
    let cloud = Cloud::start().await;
    let mut spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let address = cloud.floating(0).await;
    let empty = cloud.dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let lost = cloud.dir.path().join("lost");
    for (image, volumes, why) in [
        (&lost, vec![], "mounting the machine's disk: "),
        (&empty, vec![], "the machine did not start: mount: "),
        (&cloud.image, vec![lost.clone()], "attaching "),
    ] {
        spec.image.clone_from(image);
        spec.volumes = volumes;
        let error = cloud.machines.boot(&spec).await.unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
        assert!(!cloud.machines.is_running(&spec.id).await);
        assert!(cloud.machines.bind(address, &spec.id).await.is_err());
        let netns = run("ip", &["netns"]).await;
        let own = format!("hubs{}-", address.octets()[2] - 4);
        assert!(!netns.contains(&own), "{netns}");
    }
    cloud.end().await;
}

/// The part of the test below that runs where only unified control groups are to be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a mount namespace of its own, started by the test below"]
async fn unified_host() {
    let cloud = Cloud::start().await;
    let spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;
    let look = "stat -fc %T /sys/fs/cgroup; systemd-run --user -q --pipe cut -c1-27 /proc/self/cgroup | tail -1";
    assert_eq!(
        cloud.get(address, look).await,
        "cgroup2fs\n0::/user.slice/user-1000.sl"
    );
    cloud.machines.reboot(&spec.id).await.unwrap();
    cloud.login(address).await;
    cloud.end().await;
    let left = run(
        "find",
        &["/sys/fs/cgroup", "-name", "hubctl-sandbox-*", "-prune"],
    )
    .await;
    let number = address.octets()[2] - 4;
    assert!(
        !left.contains(&format!("hubctl-sandbox-{number}")),
        "{left}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_may_have_unified_control_groups_only() {
    let script = "umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; \
                  exec \"$0\" --exact life::unified_host --ignored --nocapture";
    let program = std::env::current_exe().unwrap();
    let output = tokio::process::Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-euc", script])
        .arg(program)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}
