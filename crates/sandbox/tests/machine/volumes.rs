//! Block devices: there from the start, attached and detached while the machine runs.

use crate::support::{Cloud, until};
use sandbox::machine::Machines;

fn file(cloud: &Cloud, id: &str) -> std::path::PathBuf {
    let path = cloud.dir.path().join(id);
    std::fs::File::create(&path)
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_is_formatted_mounted_by_uuid_and_kept_across_a_reboot() {
    let cloud = Cloud::start().await;
    let mut spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let first = file(&cloud, "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed");
    let second = file(&cloud, "7c9e6679-7425-40de-944b-e07fc1f90ae7.raw");
    spec.volumes = vec![first.clone()];
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;

    let by_id = "/dev/disk/by-id/virtio-1b9d6bcd-bbfd-4b2d-9";
    let same =
        format!("test $(readlink -f {by_id}) = $(readlink -f /dev/vdb); lsblk -bdno SIZE {by_id}");
    assert_eq!(cloud.get(address, &same).await, (64 << 20).to_string());
    // No disk but the machine's own is to be seen.
    assert_eq!(
        cloud
            .get(address, "lsblk -dno TYPE | sort | uniq -c | tr -s ' '")
            .await,
        "1 loop"
    );

    cloud
        .get(address, &format!("sudo mkfs.ext4 -q {by_id}"))
        .await;
    // udev notices the new file system by itself, as on a real server.
    let uuid = cloud
        .get(address, &format!("sudo blkid -s UUID -o value {by_id}"))
        .await;
    let link = format!("test -e /dev/disk/by-uuid/{uuid}");
    assert!(until(60, async || cloud.ssh(address, &link).await.code == Some(0)).await);
    cloud
        .get(
            address,
            &format!(
                "echo UUID={uuid} /srv ext4 defaults,nofail 0 2 | sudo tee -a /etc/fstab >/dev/null; \
                 sudo systemctl daemon-reload; sudo mount /srv; echo kept | sudo tee /srv/file >/dev/null"
            ),
        )
        .await;
    cloud.machines.reboot(&spec.id).await.unwrap();
    cloud.login(address).await;
    assert!(
        until(60, async || cloud.ssh(address, "cat /srv/file").await.out
            == "kept\n")
        .await
    );

    assert_eq!(
        cloud.machines.attach(&spec.id, &second).await.unwrap(),
        "/dev/vdc"
    );
    // Units that already run may use it, too.
    let both = "sudo dd if=/dev/vdc of=/dev/null bs=1M count=1 2>/dev/null; \
                ls /dev/disk/by-id; systemd-run -q --user --pipe true; sudo systemd-run -q --pipe lsblk -dno TYPE";
    let expected = "virtio-1b9d6bcd-bbfd-4b2d-9\nvirtio-7c9e6679-7425-40de-9\nloop\nloop";
    assert_eq!(cloud.get(address, both).await, expected);
    cloud.machines.detach(&spec.id, &second).await.unwrap();
    assert!(
        until(60, async || cloud.get(address, "ls /dev/disk/by-id").await
            == "virtio-1b9d6bcd-bbfd-4b2d-9")
        .await
    );
    assert_ne!(cloud.ssh(address, "test -e /dev/vdc").await.code, Some(0));
    assert_eq!(
        cloud.machines.attach(&spec.id, &first).await.unwrap(),
        "/dev/vdb"
    );

    cloud.end().await;
    let loops = crate::support::run("losetup", &["-l", "-n", "-O", "BACK-FILE"]).await;
    assert!(
        !loops.contains("1b9d6bcd") && !loops.contains("7c9e6679"),
        "{loops}"
    );
}
