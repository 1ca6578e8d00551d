//! A machine goes back to what was saved of it, again and again.

use std::fs::File;

use sandbox::machine::Machines;

use crate::support::Cloud;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_goes_back_to_what_was_saved_of_it() {
    let cloud = Cloud::start().await;
    let mut spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let volume = cloud
        .dir
        .path()
        .join("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed");
    File::create(&volume).unwrap().set_len(64 << 20).unwrap();
    spec.volumes = vec![volume];
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;
    let begin = "cloud-init status --wait >/dev/null; sudo mkfs.ext4 -q /dev/vdb && sudo mount /dev/vdb /srv && \
                 echo one | sudo tee /srv/file /etc/made >/dev/null; sudo rm /usr/bin/wget; sudo mkdir -p /etc/folder";
    cloud.get(address, begin).await;
    let identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub";
    let who = cloud.get(address, identity).await;
    let look = "sudo mount /dev/vdb /srv; cat /srv/file /etc/made; ls -d /etc/folder /opt/later /usr/bin/wget 2>/dev/null || true";

    let saved = cloud.machines.save(&spec.id, "begun").await.unwrap();
    assert!(cloud.machines.is_running(&spec.id).await);
    assert!(cloud.machines.save(&spec.id, "begun").await.is_err());
    cloud.login(address).await;
    assert_eq!(cloud.get(address, identity).await, who);
    // Whatever happens to it then, in the middle of which it is ended.
    let spoil = "sudo mount /dev/vdb /srv; echo two | sudo tee /srv/file /etc/made >/dev/null; sudo rmdir /etc/folder; \
                 sudo mkdir /opt/later; sudo cp /bin/ls /usr/bin/wget; \
                 sudo systemd-run -q sh -c 'while :; do date >>/srv/file; done'";
    cloud.get(address, spoil).await;
    cloud.machines.restore(&saved).await.unwrap();
    assert!(cloud.machines.is_running(&spec.id).await);
    cloud.login(address).await;
    assert_eq!(cloud.get(address, identity).await, who);
    assert_eq!(cloud.get(address, look).await, "one\none\n/etc/folder");
    // What is saved of a machine that went back lies over what it went back to.
    cloud.get(address, "echo three | sudo tee /etc/made").await;
    let later = cloud.machines.save(&spec.id, "later").await.unwrap();
    cloud.login(address).await;
    cloud.get(address, "echo four | sudo tee /etc/made").await;
    cloud.machines.restore(&later).await.unwrap();
    cloud.login(address).await;
    assert_eq!(cloud.get(address, look).await, "one\nthree\n/etc/folder");
    cloud.end().await;
}
