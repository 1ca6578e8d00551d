//! Every call, once, in the order a deployment makes and unmakes things.

use std::collections::BTreeMap;
use std::time::Duration;

use hubctl::cloud::{
    Cloud, Filter, NewFloatingIp, NewNetwork, NewPort, NewRecordset, NewRouter, NewServer,
    NewSubnet, NewVolume, RuleSpec, Server, ServerAction, Service, Taggable, Volume,
};
use hubctl::event::Silent;
use hubctl::wait::{Probe, Wait};

use crate::support::{Fixture, told};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6YxWJJGgNwYbP8h5nEoXzUMbzsGLkY6qbbKhxWUSfx class";
const TAG: &str = "hubctl:class";

async fn server_in(cloud: &Cloud, id: &str, status: &str) -> Server {
    Wait::new(
        "the server",
        Duration::from_millis(10),
        Duration::from_secs(60),
    )
    .until(&Silent, async || {
        let server = cloud.get_server(id).await?;
        Ok::<_, hubctl::cloud::CloudError>(
            if server.status == status && server.task_state.is_none() {
                Probe::Ready(server)
            } else {
                Probe::Pending(server.status)
            },
        )
    })
    .await
    .unwrap()
}

async fn volume_in(cloud: &Cloud, id: &str, status: &str) -> Volume {
    Wait::new(
        "the volume",
        Duration::from_millis(10),
        Duration::from_secs(60),
    )
    .until(&Silent, async || {
        let volume = cloud.get_volume(id).await?;
        Ok::<_, hubctl::cloud::CloudError>(if volume.status == status {
            Probe::Ready(volume)
        } else {
            Probe::Pending(volume.status)
        })
    })
    .await
    .unwrap()
}

fn rule(port: u16) -> RuleSpec {
    RuleSpec {
        direction: "ingress".into(),
        ethertype: "IPv4".into(),
        protocol: Some("tcp".into()),
        port_range_min: Some(port),
        port_range_max: Some(port),
        remote_ip_prefix: Some("0.0.0.0/0".parse().unwrap()),
        remote_group_id: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_made_and_unmade() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    assert_eq!(cloud.api_calls(), 1);
    assert_eq!(cloud.project().name, "sandbox");
    let tags = [TAG.to_owned()];

    // What there is.
    let external = &cloud
        .list_networks(&Filter::all().and("router:external", "true"))
        .await
        .unwrap()[0];
    assert!(external.external);
    let images = cloud
        .list_images(&Filter::all().and("os_distro", "debian"))
        .await
        .unwrap();
    assert!(
        images
            .iter()
            .all(|image| image.os_distro.as_deref() == Some("debian"))
    );
    let image = cloud
        .list_images(&Filter::name("debian-12"))
        .await
        .unwrap()
        .remove(0);
    assert_eq!(cloud.get_image(&image.id).await.unwrap(), image);
    assert_eq!(
        cloud
            .find_image("c0ffee00-0000-0000-0000-000000000000")
            .await
            .unwrap(),
        None
    );
    let flavors = cloud.list_flavors().await.unwrap();
    let flavor = flavors
        .iter()
        .find(|flavor| flavor.name == "m1.small")
        .unwrap();
    assert_eq!(&cloud.get_flavor(&flavor.id).await.unwrap(), flavor);
    assert_eq!(cloud.list_availability_zones().await.unwrap(), ["nova"]);

    // Quotas, before.
    let before = cloud.network_quotas().await.unwrap();
    assert_eq!(before["floatingip"].used, 0);
    assert!(before["router"].limit.is_some());
    let compute = cloud.compute_quotas().await.unwrap();
    assert_eq!((compute["instances"].used, compute["cores"].used), (0, 0));
    assert!(
        cloud
            .volume_quotas()
            .await
            .unwrap()
            .contains_key("gigabytes")
    );

    // Network.
    let network = cloud
        .create_network(&NewNetwork {
            name: "class".into(),
            description: TAG.into(),
        })
        .await
        .unwrap();
    assert_eq!(network.description, TAG);
    let subnet = cloud
        .create_subnet(&NewSubnet {
            name: "class".into(),
            description: TAG.into(),
            network_id: network.id.clone(),
            cidr: "10.42.0.0/24".parse().unwrap(),
            dns_nameservers: vec!["9.9.9.9".parse().unwrap()],
        })
        .await
        .unwrap();
    assert_eq!(subnet.dns_nameservers, ["9.9.9.9"]);
    let router = cloud
        .create_router(&NewRouter {
            name: "class".into(),
            description: TAG.into(),
            external_network_id: None,
        })
        .await
        .unwrap();
    assert_eq!(router.external_gateway_info, None);
    cloud
        .set_router_gateway(&router.id, Some(&external.id))
        .await
        .unwrap();
    cloud
        .add_router_interface(&router.id, &subnet.id)
        .await
        .unwrap();
    cloud
        .add_router_interface(&router.id, &subnet.id)
        .await
        .unwrap();
    let group = cloud.create_security_group("class", TAG).await.unwrap();
    let given = group.security_group_rules.len();
    let rules = cloud
        .create_security_group_rules(&group.id, &[rule(22), rule(443)])
        .await
        .unwrap();
    assert_eq!(
        rules
            .iter()
            .map(|rule| rule.rule.port_range_min.unwrap())
            .collect::<Vec<_>>(),
        [22, 443]
    );
    assert!(
        told(
            cloud
                .create_security_group_rules(&group.id, &[rule(22)])
                .await
        )
        .contains("SecurityGroupRuleExists")
    );
    assert_eq!(
        cloud
            .create_security_group_rules(&group.id, &[])
            .await
            .unwrap(),
        []
    );
    cloud
        .delete_security_group_rule(&rules[1].id)
        .await
        .unwrap();
    let port = cloud
        .create_port(&NewPort {
            name: "class".into(),
            description: TAG.into(),
            network_id: network.id.clone(),
            security_group_ids: vec![group.id.clone()],
            subnet_ids: vec![subnet.id.clone()],
        })
        .await
        .unwrap();
    assert_eq!(port.security_groups, std::slice::from_ref(&group.id));
    let port = cloud
        .set_port_security_groups(&port.id, std::slice::from_ref(&group.id))
        .await
        .unwrap();
    for (kind, id) in [
        (Taggable::Network, &network.id),
        (Taggable::Subnet, &subnet.id),
        (Taggable::Router, &router.id),
        (Taggable::Port, &port.id),
        (Taggable::SecurityGroup, &group.id),
    ] {
        cloud.set_tags(kind, id, &tags).await.unwrap();
    }

    // Server.
    let key = cloud.create_key_pair("class", KEY).await.unwrap();
    let mut found = cloud.find_key_pair("class").await.unwrap().unwrap();
    // Nova says since when there is one where it shows it alone.
    assert!(found.created_at.take().is_some());
    assert_eq!(found, key);
    assert_eq!(cloud.find_key_pair("other").await.unwrap(), None);
    assert_eq!(cloud.list_key_pairs().await.unwrap(), [key]);
    assert!(told(cloud.create_key_pair("class", KEY).await).contains("already"));
    let metadata = BTreeMap::from([("hubctl".to_owned(), "class".to_owned())]);
    let id = cloud
        .create_server(&NewServer {
            name: "class".into(),
            flavor_id: flavor.id.clone(),
            image_id: image.id.clone(),
            key_name: Some("class".into()),
            port_ids: vec![port.id.clone()],
            user_data: Some(b"#cloud-config\n{}\n".to_vec()),
            metadata: metadata.clone(),
            tags: tags.to_vec(),
            description: Some(TAG.into()),
            ..NewServer::default()
        })
        .await
        .unwrap();
    let server = server_in(&cloud, &id, "ACTIVE").await;
    assert_eq!(server.tags, tags);
    assert_eq!(server.metadata, metadata);
    assert_eq!(server.flavor_name(), Some("m1.small"));
    assert_eq!(server.image_id(), Some(image.id.as_str()));
    assert!(server.launched_at.is_some());
    for (filter, found) in [
        (Filter::tag(TAG), 1),
        (Filter::tag("hubctl:other"), 0),
        (Filter::name("class"), 1),
        (Filter::name("cla"), 0),
        (Filter::name("c.*s"), 0),
    ] {
        assert_eq!(
            cloud.list_servers(&filter).await.unwrap().len(),
            found,
            "{filter:?}"
        );
    }
    assert!(
        cloud
            .console_log(&id, None)
            .await
            .unwrap()
            .contains("BEGIN SSH HOST KEY")
    );
    assert_eq!(
        cloud
            .console_log(&id, Some(2))
            .await
            .unwrap()
            .trim_end()
            .lines()
            .count(),
        2
    );
    cloud
        .set_server_metadata(&id, &BTreeMap::from([("more".to_owned(), "x".to_owned())]))
        .await
        .unwrap();
    cloud
        .set_server_tags(&id, &[TAG.to_owned(), "again".to_owned()])
        .await
        .unwrap();
    let server = cloud.find_server(&id).await.unwrap().unwrap();
    assert_eq!((server.metadata.len(), server.tags.len()), (2, 2));
    for (action, status) in [
        (ServerAction::Stop, "SHUTOFF"),
        (ServerAction::Start, "ACTIVE"),
        (ServerAction::Reboot, "ACTIVE"),
        (ServerAction::HardReboot, "ACTIVE"),
        (
            ServerAction::Rebuild(hubctl::cloud::Rebuild {
                image_id: image.id.clone(),
                user_data: Some(b"#!/bin/sh\n".to_vec()),
                key_name: Some("class".into()),
                metadata: Some(metadata.clone()),
            }),
            "ACTIVE",
        ),
    ] {
        cloud.server_action(&id, &action).await.unwrap();
        server_in(&cloud, &id, status).await;
    }
    // It has this port already.
    cloud.attach_port(&id, &port.id).await.unwrap();

    // Floating IP.
    let floating = cloud
        .create_floating_ip(&NewFloatingIp {
            network_id: external.id.clone(),
            description: TAG.into(),
            ..NewFloatingIp::default()
        })
        .await
        .unwrap();
    cloud
        .set_tags(Taggable::FloatingIp, &floating.id, &tags)
        .await
        .unwrap();
    let bound = cloud
        .set_floating_ip_port(&floating.id, Some(&port.id))
        .await
        .unwrap();
    assert_eq!(bound.port_id.as_deref(), Some(port.id.as_str()));
    let address = floating.floating_ip_address.to_string();
    assert_eq!(
        cloud
            .list_floating_ips(&Filter::all().and("floating_ip_address", address.as_str()))
            .await
            .unwrap()
            .len(),
        1
    );
    let described = cloud
        .set_floating_ip_description(&floating.id, "kept")
        .await
        .unwrap();
    assert_eq!(described.description, "kept");

    // Volume.
    let volume = cloud
        .create_volume(&NewVolume {
            name: "class-homes".into(),
            description: TAG.into(),
            size: 2,
            metadata: metadata.clone(),
            ..NewVolume::default()
        })
        .await
        .unwrap();
    volume_in(&cloud, &volume.id, "available").await;
    cloud.attach_volume(&id, &volume.id).await.unwrap();
    let attached = volume_in(&cloud, &volume.id, "in-use").await;
    assert_eq!(attached.attachments[0].server_id, id);
    assert_eq!(
        cloud
            .list_volumes_by_metadata("hubctl", "class")
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        cloud
            .list_volumes_by_metadata("hubctl", "other")
            .await
            .unwrap()
            .len(),
        0
    );
    assert_eq!(
        cloud
            .list_volumes(&Filter::name("class-homes"))
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(cloud.volume_quotas().await.unwrap()["gigabytes"].used, 2);

    // DNS.
    let zone = cloud.list_zones().await.unwrap().remove(0);
    let record = cloud
        .create_recordset(
            &zone.id,
            &NewRecordset {
                name: format!("class.{}", zone.name),
                kind: "A".into(),
                records: vec![address.clone()],
                ttl: Some(60),
                description: TAG.into(),
            },
        )
        .await
        .unwrap();
    let record = cloud
        .set_records(&zone.id, &record.id, &["192.0.2.1".into()])
        .await
        .unwrap();
    assert_eq!(record.records, ["192.0.2.1"]);
    let listed = cloud
        .list_recordsets(&zone.id, &Filter::name(record.name.clone()))
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);

    // By tag, everything is found again.
    let tag = Filter::tag(TAG);
    assert_eq!(cloud.list_networks(&tag).await.unwrap().len(), 1);
    assert_eq!(cloud.list_subnets(&tag).await.unwrap().len(), 1);
    assert_eq!(cloud.list_routers(&tag).await.unwrap().len(), 1);
    assert_eq!(cloud.list_ports(&tag).await.unwrap().len(), 1);
    assert_eq!(cloud.list_floating_ips(&tag).await.unwrap().len(), 1);
    let groups = cloud.list_security_groups(&tag).await.unwrap();
    assert_eq!(groups[0].security_group_rules.len(), given + 1);
    assert_eq!(
        cloud
            .list_routers(&Filter::description(TAG))
            .await
            .unwrap()
            .len(),
        1
    );

    // What is in the way is said in Neutron's words.
    let in_use = cloud.delete_security_group(&group.id).await.unwrap_err();
    assert!(in_use.is_conflict());
    assert_eq!(in_use.kind(), Some("SecurityGroupInUse"));
    assert!(in_use.request_id().unwrap().starts_with("req-"));

    // And away again; each twice, for a destroy that was killed.
    for _ in 0..2 {
        cloud.delete_recordset(&zone.id, &record.id).await.unwrap();
        cloud.detach_volume(&id, &volume.id).await.unwrap();
        if cloud.find_volume(&volume.id).await.unwrap().is_some() {
            volume_in(&cloud, &volume.id, "available").await;
        }
        cloud.delete_volume(&volume.id).await.unwrap();
        cloud.delete_server(&id).await.unwrap();
        Wait::new(
            "it to go",
            Duration::from_millis(10),
            Duration::from_secs(60),
        )
        .until(&Silent, async || {
            Ok::<_, hubctl::cloud::CloudError>(
                match (
                    cloud.find_server(&id).await?,
                    cloud.find_volume(&volume.id).await?,
                ) {
                    (None, None) => Probe::Ready(()),
                    _ => Probe::Pending(String::new()),
                },
            )
        })
        .await
        .unwrap();
        cloud.delete_floating_ip(&floating.id).await.unwrap();
        cloud.delete_port(&port.id).await.unwrap();
        cloud
            .remove_router_interface(&router.id, &subnet.id)
            .await
            .unwrap();
        cloud.delete_router(&router.id).await.unwrap();
        cloud.delete_subnet(&subnet.id).await.unwrap();
        cloud.delete_network(&network.id).await.unwrap();
        cloud.delete_security_group(&group.id).await.unwrap();
        cloud.delete_key_pair("class").await.unwrap();
    }
    assert_eq!(cloud.network_quotas().await.unwrap()["floatingip"].used, 0);
    assert!(cloud.get_server(&id).await.unwrap_err().is_not_found());
    assert!(cloud.list_key_pairs().await.unwrap().is_empty());

    // The counter is what the cloud counted.
    assert_eq!(
        cloud.api_calls(),
        u64::try_from(fixture.requests().len()).unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_boots_from_a_volume_and_without_ports_where_there_is_one_network() {
    let fixture = Fixture::new("project-network");
    let cloud = fixture.connect().await;
    let image = cloud
        .list_images(&Filter::name("debian-12"))
        .await
        .unwrap()
        .remove(0);
    let flavors = cloud.list_flavors().await.unwrap();
    let flavor = flavors.iter().find(|flavor| flavor.disk == 0).unwrap();
    let id = cloud
        .create_server(&NewServer {
            name: "class".into(),
            flavor_id: flavor.id.clone(),
            image_id: image.id.clone(),
            boot_volume: Some(20),
            ..NewServer::default()
        })
        .await
        .unwrap();
    let server = server_in(&cloud, &id, "ACTIVE").await;
    assert_eq!(server.image_id(), None);
    assert_eq!(server.volumes_attached.len(), 1);
    assert_eq!(server.addresses.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_follow_their_pages() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    for i in 0..5 {
        let name = format!("page-{i}");
        cloud
            .create_network(&NewNetwork {
                name: name.clone(),
                description: "paged".into(),
            })
            .await
            .unwrap();
        cloud.create_security_group(&name, "paged").await.unwrap();
    }
    let before = cloud.api_calls();
    let paged = Filter::description("paged").and("limit", "2");
    assert_eq!(cloud.list_networks(&paged).await.unwrap().len(), 5);
    assert!(cloud.api_calls() >= before + 3, "it came in one page");
    let mut names: Vec<_> = cloud
        .list_security_groups(&paged)
        .await
        .unwrap()
        .into_iter()
        .map(|group| group.name)
        .collect();
    names.sort();
    assert_eq!(names, ["page-0", "page-1", "page-2", "page-3", "page-4"]);
    let all = cloud.list_images(&Filter::all()).await.unwrap().len();
    let one_by_one = Filter::all().and("limit", "1");
    assert_eq!(cloud.list_images(&one_by_one).await.unwrap().len(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_everything_is_a_dozen_calls() {
    let fixture = Fixture::new("project-network");
    let cloud = fixture.connect().await;
    let tag = Filter::tag(TAG);
    tokio::try_join!(
        async { cloud.list_servers(&tag).await.map(drop) },
        async { cloud.find_key_pair("class").await.map(drop) },
        async { cloud.list_security_groups(&tag).await.map(drop) },
        async { cloud.list_ports(&tag).await.map(drop) },
        async { cloud.list_networks(&Filter::all()).await.map(drop) },
        async { cloud.list_subnets(&tag).await.map(drop) },
        async { cloud.list_routers(&tag).await.map(drop) },
        async { cloud.list_floating_ips(&tag).await.map(drop) },
        async {
            cloud
                .list_volumes_by_metadata("hubctl", "class")
                .await
                .map(drop)
        },
    )
    .unwrap();
    assert_eq!(cloud.api_calls(), 10);
    assert_eq!(fixture.requests().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cloud_has_not_is_said() {
    let fixture = Fixture::new("no-volumes,no-dns");
    let cloud = fixture.connect().await;
    assert!(cloud.has_service(Service::Compute) && cloud.has_service(Service::Network));
    assert!(!cloud.has_service(Service::BlockStorage) && !cloud.has_service(Service::Dns));
    let told = told(cloud.list_zones().await);
    assert!(
        told.starts_with(
            "listing DNS zones: DNS (Designate) at cloud sandbox: the cloud's catalog has no such service"
        ),
        "{told}"
    );
    assert_eq!(cloud.api_calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_their_own_things_only() {
    let fixture = Fixture::new("project-network");
    let cloud = fixture.connect().await;
    cloud.create_security_group("class", TAG).await.unwrap();
    let admin = fixture
        .try_connect(fixture.config("sandbox-admin"))
        .await
        .unwrap();
    assert_eq!(
        admin
            .list_security_groups(&Filter::name("class"))
            .await
            .unwrap(),
        []
    );
    assert_eq!(admin.list_routers(&Filter::all()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_crate_works_on_the_same_session() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    let sdk = cloud.sdk();
    let flavors = sdk.list_flavors().await.unwrap();
    let ours = cloud.list_flavors().await.unwrap();
    assert_eq!(flavors.len(), ours.len());
    let networks = sdk.list_networks().await.unwrap();
    assert_eq!(
        networks.len(),
        cloud.list_networks(&Filter::all()).await.unwrap().len()
    );
    let tokens = fixture
        .requests()
        .iter()
        .filter(|request| request.starts_with("POST /auth/tokens"))
        .count();
    assert_eq!(tokens, 1);
    assert_eq!(
        cloud.api_calls(),
        u64::try_from(fixture.requests().len()).unwrap()
    );
}
