//! A deployment's cloud half from nothing to nothing, against an OpenStack in this process.

use std::collections::BTreeMap;

use hubctl::cloud::{NewFloatingIp, NewNetwork, NewPort, NewServer, ServerAction};
use hubctl::event::Silent;
use hubctl::infra::{
    DestroyOptions, InfraError, Inventory, Kind, Outcome, apply, list, observe, prepare,
    record_host_keys, rule, tag,
};
use sandbox::{Fault, Scenario};
use serde_json::json;

use crate::cloud::{Bed, bed, connect, pace};

/// A spec that uses everything the sandbox has.
async fn everything() -> Bed {
    bed(
        Scenario::default(),
        json!({ "domain": "hub.sandbox.test", "volume": { "size": 2 } }),
    )
    .await
}

async fn seen(bed: &Bed) -> Inventory {
    observe(&bed.cloud, "class").await.unwrap()
}

#[tokio::test]
async fn made_found_again_and_taken_away() {
    let bed = everything().await;
    let outcome = bed.provision().await.unwrap();
    assert!(outcome.is_new);
    assert_eq!(outcome.status, "ACTIVE");
    assert_eq!(outcome.login.as_deref(), Some("debian"));
    assert_eq!(outcome.address, outcome.public_v4.unwrap());
    assert!(outcome.memory_mib.is_some() && outcome.vcpus.is_some() && outcome.volume_id.is_some());
    let inventory = seen(&bed).await;
    assert_eq!(
        inventory.recordsets[0].records,
        [outcome.address.to_string()]
    );

    // From another machine: one login, then eleven calls at most.
    let other = connect(&bed.sandbox).await;
    let plan = prepare(&other, &bed.spec, &bed.local).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let again = apply(&other, &plan, &pace(), &Silent).await.unwrap();
    assert!(other.api_calls() <= 12, "{} calls", other.api_calls());
    assert_eq!(
        again,
        Outcome {
            is_new: false,
            ..outcome.clone()
        }
    );

    let keys = BTreeMap::from([("ssh-ed25519".to_owned(), "SHA256:abc".to_owned())]);
    record_host_keys(&bed.cloud, &outcome.server_id, &keys)
        .await
        .unwrap();
    let all = list(&other).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].name, "class");
    assert_eq!(all[0].server.as_ref().unwrap().host_keys, keys);
    bed.converged().await;

    let gone = bed.destroy(DestroyOptions::default()).await;
    assert!(gone.is_clean(), "{gone:?}");
    assert_eq!(gone.gone.len(), 10, "{:?}", gone.gone);
    bed.destroyed().await;
    assert!(list(&other).await.unwrap().is_empty());
}

/// Makes a drift, and sees it planned in these words and repaired.
async fn repaired(bed: &Bed, planned: &str) {
    assert_eq!(bed.text().await.trim(), planned);
    bed.provision().await.unwrap();
    bed.converged().await;
}

#[tokio::test]
async fn drift_of_each_resource_is_repaired() {
    let bed = everything().await;
    let outcome = bed.provision().await.unwrap();
    let before = seen(&bed).await;
    let address = outcome.address;
    let (server, port) = (&outcome.server_id, &before.ports[0].id);
    let cloud = &bed.cloud;

    let group = &before.security_groups[0];
    let https = group
        .security_group_rules
        .iter()
        .find(|r| r.rule.port_range_min == Some(443) && r.rule.ethertype == "IPv4")
        .unwrap();
    cloud.delete_security_group_rule(&https.id).await.unwrap();
    let mut other = https.rule.clone();
    (other.port_range_min, other.port_range_max) = (Some(8888), Some(8888));
    cloud
        .create_security_group_rules(&group.id, &[other])
        .await
        .unwrap();
    repaired(
        &bed,
        "~ update security group: + tcp 443 from 0.0.0.0/0, - tcp 8888 from 0.0.0.0/0",
    )
    .await;
    let rules = &seen(&bed).await.security_groups[0].security_group_rules;
    let has: std::collections::BTreeSet<_> = rules.iter().map(|r| rule::normal(&r.rule)).collect();
    assert_eq!(
        has,
        rule::wanted(&bed.spec.access, &bed.spec.web_ports(), None)
    );
    assert_eq!(rules.len(), has.len());

    cloud
        .server_action(server, &ServerAction::Stop)
        .await
        .unwrap();
    while cloud.get_server(server).await.unwrap().status != "SHUTOFF" {
        tokio::time::sleep(pace().every).await;
    }
    repaired(&bed, "~ update server: start (it is SHUTOFF)").await;

    cloud
        .set_floating_ip_port(&before.floating_ips[0].id, None)
        .await
        .unwrap();
    repaired(
        &bed,
        &format!("~ update floating IP: {address} leads to the server"),
    )
    .await;

    cloud.delete_key_pair("hubctl-class").await.unwrap();
    repaired(&bed, "+ create key pair hubctl-class").await;

    let default = before
        .around
        .security_groups
        .iter()
        .find(|group| group.name == "default")
        .unwrap();
    cloud
        .set_port_security_groups(port, std::slice::from_ref(&default.id))
        .await
        .unwrap();
    repaired(
        &bed,
        "~ update port: + security group hubctl-class, - security group default",
    )
    .await;

    let set = &before.recordsets[0];
    cloud
        .set_records(&set.zone_id, &set.id, &["192.0.2.99".into()])
        .await
        .unwrap();
    repaired(
        &bed,
        &format!("~ update DNS record: hub.sandbox.test. A 192.0.2.99 -> {address}"),
    )
    .await;
    cloud.delete_recordset(&set.zone_id, &set.id).await.unwrap();
    // Designate takes a moment to let go of it.
    while !seen(&bed).await.recordsets.is_empty() {
        tokio::time::sleep(pace().every).await;
    }
    repaired(
        &bed,
        &format!("+ create DNS record hub.sandbox.test. A ({address})"),
    )
    .await;

    cloud
        .set_router_gateway(&before.routers[0].id, None)
        .await
        .unwrap_or(());
    if seen(&bed).await.routers[0].external_gateway_info.is_none() {
        repaired(&bed, "~ update router: + gateway to public").await;
    }

    cloud
        .set_tags(
            hubctl::cloud::Taggable::Network,
            &before.networks[0].id,
            &["mine".into()],
        )
        .await
        .unwrap();
    repaired(&bed, "~ update network: + tag hubctl:deployment=class").await;
    assert!(
        seen(&bed).await.networks[0]
            .tags
            .contains(&"mine".to_owned())
    );

    let unchanged = bed.provision().await.unwrap();
    assert_eq!(&unchanged.server_id, server);
    bed.destroyed().await;
}

#[tokio::test]
async fn volumes_are_attached_again_and_grow() {
    let mut bed = everything().await;
    let outcome = bed.provision().await.unwrap();
    let volume = outcome.volume_id.unwrap();
    bed.cloud
        .detach_volume(&outcome.server_id, &volume)
        .await
        .unwrap();
    while bed.cloud.get_volume(&volume).await.unwrap().status != "available" {
        tokio::time::sleep(pace().every).await;
    }
    repaired(&bed, "~ update volume: attach to the server").await;
    bed.spec.volume.as_mut().unwrap().size = 5;
    repaired(&bed, "~ update volume: 2 -> 5 GiB").await;
    assert_eq!(bed.cloud.get_volume(&volume).await.unwrap().size, 5);
    bed.destroyed().await;
}

#[tokio::test]
async fn a_server_deleted_by_hand_is_made_again_with_all_it_had() {
    let bed = everything().await;
    let first = bed.provision().await.unwrap();
    bed.cloud.delete_server(&first.server_id).await.unwrap();
    while bed
        .cloud
        .find_server(&first.server_id)
        .await
        .unwrap()
        .is_some()
    {
        tokio::time::sleep(pace().every).await;
    }
    let plan = bed.text().await;
    assert!(plan.starts_with("+ create server hubctl-class"), "{plan}");
    let second = bed.provision().await.unwrap();
    assert!(second.is_new && second.server_id != first.server_id);
    assert_eq!(
        (second.address, &second.volume_id),
        (first.address, &first.volume_id)
    );
    bed.converged().await;

    // And with nothing but the floating IP left, destroy still finds it.
    bed.cloud.delete_server(&second.server_id).await.unwrap();
    bed.destroyed().await;
}

#[tokio::test]
async fn a_server_in_error_is_told_with_its_reason_and_replaced() {
    let bed = everything().await;
    bed.sandbox
        .control
        .fault(Fault::server_error(500, "No valid host was found."));
    let error = bed.provision().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "server hubctl-class is in ERROR: No valid host was found."
    );
    let plan = bed.plan().await.unwrap();
    let text = plan.to_string();
    assert!(
        text.contains("-/+ replace server hubctl-class (")
            && text.contains("No valid host was found."),
        "{text}"
    );
    assert_eq!(
        plan.destructive().count(),
        0,
        "it never ran: nothing is lost"
    );
    bed.provision().await.unwrap();
    bed.converged().await;
    bed.destroyed().await;

    // Destroyed without a second try, its ports and all.
    bed.sandbox
        .control
        .fault(Fault::server_error(500, "No valid host was found."));
    bed.provision().await.unwrap_err();
    bed.destroyed().await;
}

#[tokio::test]
async fn what_is_kept_is_taken_up_again() {
    let bed = everything().await;
    let first = bed.provision().await.unwrap();
    let keep = DestroyOptions {
        keep_floating_ip: true,
        keep_volume: true,
    };
    let left = bed.destroy(keep).await;
    assert!(left.is_clean(), "{left:?}");
    let kept: Vec<Kind> = left.kept.iter().map(|item| item.resource).collect();
    assert_eq!(kept, [Kind::Volume, Kind::FloatingIp]);
    assert_eq!(bed.floating_ips().await.len(), 1);
    let listed = list(&bed.cloud).await.unwrap();
    assert_eq!((listed.len(), listed[0].items.len()), (1, 2));
    // Twice in a row changes nothing.
    assert!(bed.destroy(keep).await.gone.is_empty());

    let second = bed.provision().await.unwrap();
    assert_eq!(
        (second.address, second.volume_id),
        (first.address, first.volume_id)
    );
    bed.converged().await;
    bed.destroyed().await;
}

#[tokio::test]
async fn a_floating_ip_of_the_projects_is_given_back_as_it_was() {
    let mut bed = bed(Scenario::default(), json!({})).await;
    let external = seen(&bed)
        .await
        .around
        .networks
        .into_iter()
        .find(|network| network.external)
        .unwrap();
    let wish = NewFloatingIp {
        network_id: external.id,
        description: "for Kim".into(),
        ..NewFloatingIp::default()
    };
    let ip = bed.cloud.create_floating_ip(&wish).await.unwrap();
    bed.spec.server.floating_ip = ip.floating_ip_address.to_string().parse().unwrap();
    let outcome = bed.provision().await.unwrap();
    assert_eq!(outcome.public_v4, Some(ip.floating_ip_address));
    bed.converged().await;
    let left = bed.destroy(DestroyOptions::default()).await;
    assert!(left.is_clean() && left.kept.is_empty(), "{left:?}");
    let after = &seen(&bed).await.around.floating_ips[0];
    assert_eq!(
        (&after.id, &after.description[..], &after.port_id),
        (&ip.id, "for Kim", &None)
    );
    assert!(after.tags.is_empty());
}

#[tokio::test]
async fn a_deployment_beside_another_never_touches_it() {
    let bed = everything().await;
    bed.provision().await.unwrap();
    let mut other = connect(&bed.sandbox).await;
    let mut spec = bed.spec.clone();
    spec.name = "lab".into();
    spec.domain = Some("lab.sandbox.test".into());
    let plan = prepare(&other, &spec, &bed.local).await.unwrap();
    apply(&other, &plan, &pace(), &Silent).await.unwrap();
    assert!(prepare(&other, &spec, &bed.local).await.unwrap().is_empty());
    assert_eq!(
        list(&other)
            .await
            .unwrap()
            .iter()
            .map(|d| d.name.as_str())
            .collect::<Vec<_>>(),
        ["class", "lab"]
    );
    let left = bed.destroy(DestroyOptions::default()).await;
    assert!(left.is_clean(), "{left:?}");
    other = connect(&bed.sandbox).await;
    assert!(prepare(&other, &spec, &bed.local).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_others_put_on_our_network_is_told_and_left() {
    let bed = everything().await;
    let outcome = bed.provision().await.unwrap();
    let inventory = seen(&bed).await;
    let wish = NewPort {
        name: "theirs".into(),
        network_id: inventory.networks[0].id.clone(),
        ..NewPort::default()
    };
    let port = bed.cloud.create_port(&wish).await.unwrap();
    let server = bed.cloud.get_server(&outcome.server_id).await.unwrap();
    let flavor = bed
        .cloud
        .list_flavors()
        .await
        .unwrap()
        .into_iter()
        .find(|f| Some(f.name.as_str()) == server.flavor_name());
    let theirs = NewServer {
        name: "web".into(),
        flavor_id: flavor.unwrap().id,
        image_id: server.metadata[tag::IMAGE].clone(),
        port_ids: vec![port.id],
        ..NewServer::default()
    };
    let web = bed.cloud.create_server(&theirs).await.unwrap();
    while bed.cloud.get_server(&web).await.unwrap().status != "ACTIVE" {
        tokio::time::sleep(pace().every).await;
    }
    let left = bed.destroy(DestroyOptions::default()).await;
    let told: Vec<String> = left
        .left
        .iter()
        .map(|l| format!("{}: {}", l.item.resource, l.why.as_deref().unwrap_or("?")))
        .collect();
    let why = "server web uses it, and is not the deployment's";
    assert_eq!(
        told,
        ["network", "subnet", "router"].map(|kind| format!("{kind}: {why}"))
    );
    assert!(bed.cloud.find_server(&web).await.unwrap().is_some());
    bed.cloud.delete_server(&web).await.unwrap();
    while bed.cloud.find_server(&web).await.unwrap().is_some() {
        tokio::time::sleep(pace().every).await;
    }
    let rest = seen(&bed)
        .await
        .around
        .ports
        .into_iter()
        .find(|port| port.name == "theirs");
    if let Some(port) = rest {
        bed.cloud.delete_port(&port.id).await.unwrap();
    }
    bed.destroyed().await;
}

#[tokio::test]
async fn what_is_there_twice_is_reduced_to_one() {
    let bed = everything().await;
    bed.provision().await.unwrap();
    let inventory = seen(&bed).await;
    let (name, mark) = (tag::name("class"), tag::description("class"));
    let group = bed.cloud.create_security_group(&name, &mark).await.unwrap();
    let port = NewPort {
        name: name.clone(),
        description: mark.clone(),
        network_id: inventory.networks[0].id.clone(),
        security_group_ids: vec![group.id.clone()],
        subnet_ids: Vec::new(),
    };
    let port = bed.cloud.create_port(&port).await.unwrap();
    let ip = NewFloatingIp {
        network_id: inventory.floating_ips[0].floating_network_id.clone(),
        description: mark.clone(),
        port_id: Some(port.id.clone()),
        ..NewFloatingIp::default()
    };
    let ip = bed.cloud.create_floating_ip(&ip).await.unwrap();
    let plan = bed.text().await;
    for expected in [
        format!("- delete port {} (one too many)", port.id),
        format!("- delete security group {} (one too many)", group.id),
        format!(
            "- delete floating IP {} (one too many)",
            ip.floating_ip_address
        ),
    ] {
        assert!(plan.contains(&expected), "{expected} is not in\n{plan}");
    }
    bed.provision().await.unwrap();
    bed.converged().await;
    let after = seen(&bed).await;
    assert_eq!(after.ports[0].id, inventory.ports[0].id);

    // A second network, as two runs at once would leave it, goes with the rest.
    let network = NewNetwork {
        name,
        description: mark,
    };
    bed.cloud.create_network(&network).await.unwrap();
    bed.destroyed().await;
}

#[tokio::test]
async fn clouds_differ() {
    for (scenario, spec) in [
        ("project-network", json!({})),
        ("provider-network", json!({})),
        ("shared-networks", json!({})),
        ("no-tags", json!({ "volume": { "size": 1 } })),
        ("no-volumes,no-dns", json!({ "domain": "hub.sandbox.test" })),
        (
            "two-externals",
            json!({ "network": { "external": "public2" } }),
        ),
        (
            "no-external,project-network",
            json!({ "server": { "floating_ip": "none" } }),
        ),
        (
            "default",
            json!({ "server": { "boot_volume": 20 }, "volume": { "size": 1 } }),
        ),
        (
            "default",
            json!({ "access": { "ssh": ["192.0.2.0/24", "2001:db8::/32"], "web": [] } }),
        ),
        (
            "default",
            json!({ "network": { "cidr": "10.7.0.0/24", "dns": ["9.9.9.9"] } }),
        ),
    ] {
        let bed = bed(scenario.parse().unwrap(), spec.clone()).await;
        let outcome = bed
            .provision()
            .await
            .unwrap_or_else(|error| panic!("{scenario} {spec}: {error}"));
        assert_eq!(outcome.status, "ACTIVE", "{scenario}");
        bed.converged().await;
        bed.destroyed().await;
    }
}

/// Neutron shows an external network to everyone, and refuses ports on it.
#[tokio::test]
async fn a_server_on_an_external_network_is_refused_with_a_way_out() {
    let spec = json!({ "network": { "name": "public" }, "server": { "floating_ip": "none" } });
    let bed = bed(Scenario::default(), spec).await;
    let InfraError::Cloud(error) = bed.provision().await.unwrap_err() else {
        panic!("not the cloud's error");
    };
    assert!(error.to_string().contains("not allowed to create port"));
    assert!(error.hint().unwrap().contains("leave `network.name`"));
    bed.destroy(DestroyOptions::default()).await;
    bed.destroyed().await;
}

#[tokio::test]
async fn problems_come_before_anything_is_made() {
    for (scenario, spec, expected) in [
        ("floatingip=0", json!({}), "0 floating IPs left of 0"),
        (
            "two-externals",
            json!({}),
            "there are 2 external networks: public, public2",
        ),
        (
            "no-external",
            json!({}),
            "this cloud shows no external network",
        ),
        (
            "twin-image",
            json!({ "server": { "image": "debian-12" } }),
            "2 images are called debian-12",
        ),
        (
            "instances=0,cores=1",
            json!({ "server": { "flavor": "m1.smal" } }),
            "no flavor is called m1.smal",
        ),
        ("cores=1", json!({}), "1 core left of 1"),
        (
            "gigabytes=5",
            json!({ "volume": { "size": 6 } }),
            "5 GiB of volumes left of 5, 6 are needed",
        ),
    ] {
        let bed = bed(scenario.parse().unwrap(), spec).await;
        let error = bed.provision().await.unwrap_err();
        assert!(
            matches!(error, InfraError::Problems(_)),
            "{scenario}: {error}"
        );
        assert!(error.to_string().contains(expected), "{scenario}: {error}");
        let requests = bed.sandbox.control.requests();
        assert!(
            requests
                .iter()
                .all(|r| r.method == "GET" || r.path.starts_with("/auth")),
            "{scenario}: {requests:?}"
        );
    }
}

#[tokio::test]
async fn the_image_may_vanish() {
    let mut bed = everything().await;
    bed.spec.server.image = Some("debian-12".into());
    bed.provision().await.unwrap();
    // As it is for this spec once the cloud's maintainers took the image away.
    bed.spec.server.image = Some("debian-12-that-was".into());
    bed.converged().await;
    bed.destroyed().await;
}
