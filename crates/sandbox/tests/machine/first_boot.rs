//! What cloud-init, the console and the metadata service make of a first boot.

use crate::support::Cloud;
use sandbox::machine::Machines;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_gets_the_default_login_in_and_root_by_sudo_only() {
    let cloud = Cloud::start().await;
    let spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;

    assert_eq!(
        cloud.get(address, "id -un; hostname").await,
        "debian\nhub-1"
    );
    assert_eq!(cloud.get(address, "sudo -n id -u").await, "0");
    let root = cloud.ssh_as("root", address, "id -u").await;
    assert!(
        root.out.contains("Please login as the user \"debian\""),
        "{root:?}"
    );

    assert_eq!(
        cloud
            .get(address, "cloud-init status --wait")
            .await
            .trim_start_matches('.')
            .trim(),
        "status: done"
    );
    let console = cloud.machines.console(&spec.id).await.unwrap();
    std::fs::write("/tmp/console.txt", &console).unwrap();
    cloud.end().await;
}
