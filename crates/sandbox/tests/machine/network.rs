//! Floating IPs, security groups, neighbours, and the way out.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::support::{Cloud, answers, open, rule, until};
use sandbox::machine::Direction::Ingress;
use sandbox::machine::Machines;

/// Python's own server on a port of the machine, as a unit.
async fn serve(cloud: &Cloud, address: Ipv4Addr, port: u16) {
    let command =
        format!("sudo systemd-run -q -d python3 -m http.server {port} --directory /etc/ssh");
    cloud.get(address, &command).await;
    let open = format!("ss -ltn | grep -q ':{port} '");
    assert!(until(60, async || cloud.ssh(address, &open).await.code == Some(0)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_hold_in_both_directions_and_change_while_the_machine_runs() {
    let cloud = Cloud::start().await;
    let spec = cloud.spec("hub-1", [10, 20, 0, 5]);
    let address = cloud.floating(0).await;
    cloud.boot(&spec, address).await;
    serve(&cloud, address, 8000).await;

    assert!(!answers(address, 8000).await);
    let host = cloud.machines.pool().await.hosts().next().unwrap();
    let mut rules = open();
    rules.push(rule(
        Ingress,
        Some("tcp"),
        Some(8000),
        Some(&format!("{host}/32")),
    ));
    cloud.machines.set_rules(&spec.id, &rules).await.unwrap();
    assert!(answers(address, 8000).await);
    rules.pop();
    rules.push(rule(
        Ingress,
        Some("tcp"),
        Some(8000),
        Some("203.0.113.0/24"),
    ));
    cloud.machines.set_rules(&spec.id, &rules).await.unwrap();
    assert!(!answers(address, 8000).await);

    // A connection that is cut in its middle goes silent; a new one after healing works.
    cloud.machines.cut(&spec.id, Some(200_000)).await.unwrap();
    let pour = cloud.ssh(address, "head -c 10M /dev/zero");
    let poured = tokio::time::timeout(Duration::from_secs(3), pour).await;
    assert!(poured.is_err(), "{poured:?}");
    cloud.machines.cut(&spec.id, None).await.unwrap();
    assert_eq!(cloud.get(address, "echo healed").await, "healed");

    // Everything may go out: package registries are reached as from the host.
    let update = "sudo apt-get -o DPkg::Lock::Timeout=60 update -qq && apt-cache policy python3-venv | grep -c Candidate";
    assert_eq!(cloud.get(address, update).await, "1");

    // Nothing may go out but what answers: the name service's packets do not leave.
    let lookup = "timeout 3 getent hosts registry.invalid >/dev/null; \
                  timeout 2 python3 -c 'import socket; socket.create_connection((\"10.20.0.77\", 1))' 2>/dev/null; \
                  echo $?";
    let inwards = [rule(Ingress, Some("tcp"), Some(22), None)];
    cloud.machines.set_rules(&spec.id, &inwards).await.unwrap();
    assert_eq!(cloud.get(address, lookup).await, "124");
    cloud.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_floating_ip_moves_and_is_not_the_machines_own() {
    let cloud = Cloud::start().await;
    let one = cloud.spec("one", [10, 20, 0, 5]);
    let mut two = cloud.spec("two", [10, 20, 0, 6]);
    let (first, second) = (cloud.floating(0).await, cloud.floating(1).await);
    two.authorized_keys.clone_from(&one.authorized_keys);
    futures::join!(cloud.boot(&one, first), cloud.boot(&two, second));

    assert_eq!(
        cloud
            .get(
                first,
                "hostname; ip -4 -o addr show eth0 | grep -o 'inet [0-9./]*'"
            )
            .await,
        "one\ninet 10.20.0.5/24"
    );
    // Its own public address leads a machine back to itself.
    assert_eq!(
        cloud
            .get(first, &format!("ssh-keyscan {first} 2>/dev/null | wc -l"))
            .await,
        "3"
    );

    // Neighbours reach each other where rules let them.
    serve(&cloud, second, 8000).await;
    let fetch = "curl -sf -m 3 http://10.20.0.6:8000/ -o /dev/null; echo $?";
    assert_eq!(cloud.get(first, fetch).await, "28");
    let mut rules = open();
    rules.push(rule(Ingress, Some("tcp"), Some(8000), Some("10.20.0.5/32")));
    cloud.machines.set_rules(&two.id, &rules).await.unwrap();
    assert_eq!(cloud.get(first, fetch).await, "0");
    assert_eq!(
        cloud
            .get(first, "ping -c1 -W2 10.20.0.6 >/dev/null; echo $?")
            .await,
        "0"
    );

    cloud.machines.unbind(first).await.unwrap();
    assert!(!answers(first, 22).await);
    cloud.machines.unbind(second).await.unwrap();
    cloud.machines.bind(first, &two.id).await.unwrap();
    assert_eq!(cloud.get(first, "hostname").await, "two");
    cloud.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_networks_and_two_sandboxes_may_use_the_same_addresses() {
    let (here, there) = futures::join!(Cloud::start(), Cloud::start());
    let one = here.spec("one", [10, 20, 0, 5]);
    let mut two = here.spec("two", [10, 20, 0, 5]);
    two.network = "net-2".to_owned();
    let three = there.spec("three", [10, 20, 0, 5]);
    let (first, second) = (here.floating(0).await, here.floating(1).await);
    let third = there.floating(0).await;
    assert_ne!(first, third);
    futures::join!(
        here.boot(&one, first),
        here.boot(&two, second),
        there.boot(&three, third)
    );
    assert_eq!(here.get(first, "hostname").await, "one");
    assert_eq!(here.get(second, "hostname").await, "two");
    assert_eq!(there.get(third, "hostname").await, "three");
    // Between networks the way is through the floating IP.
    assert_eq!(
        here.get(first, &format!("ssh-keyscan {second} 2>/dev/null | wc -l"))
            .await,
        "3"
    );
    there.end().await;
    assert_eq!(here.get(first, "hostname").await, "one");
    here.end().await;
}
