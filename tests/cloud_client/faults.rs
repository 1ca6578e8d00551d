//! Faults: what heals is repeated, what may have been done is said to be lost, the rest is told.

use hubctl::cloud::{
    Category, CloudError, Filter, NewFloatingIp, NewNetwork, NewRouter, NewServer, NewSubnet,
    ServerAction,
};
use sandbox::{Fault, Kind, Service};

use crate::support::{Fixture, told};

fn status(status: u16) -> Kind {
    Kind::Status {
        status,
        retry_after: None,
        message: None,
    }
}

fn network(name: &str) -> NewNetwork {
    NewNetwork {
        name: name.into(),
        description: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_repeated_until_they_succeed() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    for kind in [
        status(500),
        status(503),
        status(429),
        Kind::LoadBalancer { status: 502 },
        Kind::LoadBalancer { status: 504 },
        Kind::Reset,
        Kind::LoseAnswer,
        Kind::Cut { after: 200 },
    ] {
        let name = format!("{kind:?}");
        fixture.sandbox.control.fault(
            Fault::new(kind)
                .on(Service::Network, "GET", "/networks")
                .times(2),
        );
        let before = cloud.api_calls();
        cloud
            .list_networks(&Filter::all())
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(cloud.api_calls(), before + 3, "{name}");
    }
    let waits = fixture.heard.waits();
    assert_eq!(waits.len(), 16);
    assert!(
        waits[0].starts_with("listing networks: HTTP 500: ")
            && waits[0].contains("; asking again in 0.0 s"),
        "{}",
        waits[0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_ends_and_the_cloud_is_named_as_the_cause() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    let control = &fixture.sandbox.control;
    control.fault(
        Fault::new(status(500))
            .on(Service::Network, "GET", "/networks")
            .always(),
    );
    let before = cloud.api_calls();
    let error = cloud.list_networks(&Filter::all()).await.unwrap_err();
    assert!(matches!(error, CloudError::Broken(_)), "{error}");
    assert_eq!(error.category(), Category::Cloud);
    let id = error.request_id().unwrap().to_owned();
    assert!(error.hint().unwrap().contains(&id));
    assert_eq!(cloud.api_calls(), before + 8);
    control.clear_faults();
    control.fault(
        Fault::new(Kind::LoadBalancer { status: 503 })
            .on(Service::Network, "GET", "/networks")
            .always(),
    );
    let told = told(cloud.list_networks(&Filter::all()).await);
    assert!(
        told.starts_with("listing networks: 503 ") && !told.contains('<'),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_lost_is_not_sent_again() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    for (kind, made) in [
        (Kind::LoseAnswer, 1),
        (Kind::Cut { after: 100 }, 1),
        (Kind::Reset, 0),
        (status(500), 0),
        (status(503), 0),
        (Kind::LoadBalancer { status: 502 }, 0),
        (Kind::LoadBalancer { status: 504 }, 0),
    ] {
        let name = format!("net-{}-{made}", kind.name());
        let kind_name = format!("{kind:?}");
        fixture
            .sandbox
            .control
            .fault(Fault::new(kind).on(Service::Network, "POST", "/networks"));
        let before = cloud.api_calls();
        let error = cloud.create_network(&network(&name)).await.unwrap_err();
        assert!(error.is_lost(), "{kind_name}: {error}");
        assert_eq!(cloud.api_calls(), before + 1, "{kind_name}");
        let found = cloud.list_networks(&Filter::name(&name)).await.unwrap();
        assert!(found.len() >= made, "{kind_name}");
        for network in found {
            cloud.delete_network(&network.id).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_came_too_soon_is_sent_again() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    fixture.sandbox.control.fault(
        Fault::new(Kind::Status {
            status: 429,
            retry_after: Some(0),
            message: None,
        })
        .on(Service::Network, "POST", "/networks")
        .times(3),
    );
    let before = cloud.api_calls();
    cloud.create_network(&network("class")).await.unwrap();
    assert_eq!(cloud.api_calls(), before + 4);
    assert_eq!(
        cloud
            .list_networks(&Filter::name("class"))
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_waited_for() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    fixture.sandbox.control.fault(
        Fault::new(Kind::Status {
            status: 503,
            retry_after: Some(1),
            message: None,
        })
        .on(Service::Image, "GET", "/images"),
    );
    let started = std::time::Instant::now();
    cloud.list_images(&Filter::all()).await.unwrap();
    assert!(started.elapsed() >= std::time::Duration::from_secs(1));
    assert!(fixture.heard.waits()[0].ends_with("asking again in 1.0 s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_by_the_first_attempt_counts_as_done() {
    let fixture = Fixture::new("project-network");
    let cloud = fixture.connect().await;
    let control = &fixture.sandbox.control;
    let lose = |service, method: &str, path: &str| {
        control.fault(Fault::new(Kind::LoseAnswer).on(service, method, path));
    };
    // A delete: the second finds nothing.
    let made = cloud.create_network(&network("class")).await.unwrap();
    lose(Service::Network, "DELETE", "/networks/*");
    cloud.delete_network(&made.id).await.unwrap();
    // A router's interface, added and removed.
    let made = cloud.create_network(&network("class")).await.unwrap();
    let subnet = cloud
        .create_subnet(&NewSubnet {
            name: "class".into(),
            description: String::new(),
            network_id: made.id.clone(),
            cidr: "10.42.0.0/24".parse().unwrap(),
            dns_nameservers: Vec::new(),
        })
        .await
        .unwrap();
    let router = cloud
        .create_router(&NewRouter {
            name: "class".into(),
            ..NewRouter::default()
        })
        .await
        .unwrap();
    lose(Service::Network, "PUT", "/routers/*/add_router_interface");
    cloud
        .add_router_interface(&router.id, &subnet.id)
        .await
        .unwrap();
    lose(
        Service::Network,
        "PUT",
        "/routers/*/remove_router_interface",
    );
    cloud
        .remove_router_interface(&router.id, &subnet.id)
        .await
        .unwrap();
    assert!(control.faults().is_empty());
    // A server's action: Nova does not stop what is stopped.
    let image = cloud
        .list_images(&Filter::name("debian-12"))
        .await
        .unwrap()
        .remove(0);
    let mine = cloud
        .list_networks(&Filter::name("project-net"))
        .await
        .unwrap()
        .remove(0);
    let port = cloud
        .create_port(&hubctl::cloud::NewPort {
            name: "class".into(),
            network_id: mine.id,
            ..hubctl::cloud::NewPort::default()
        })
        .await
        .unwrap();
    let id = cloud
        .create_server(&NewServer {
            name: "class".into(),
            flavor_id: "2".into(),
            image_id: image.id,
            port_ids: vec![port.id],
            ..NewServer::default()
        })
        .await
        .unwrap();
    while cloud.get_server(&id).await.unwrap().status != "ACTIVE" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    lose(Service::Compute, "POST", "/servers/*/action");
    cloud.server_action(&id, &ServerAction::Stop).await.unwrap();
    assert!(control.faults().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_told_whichever_service_says_so() {
    let fixture = Fixture::new("project-network,floatingip=0,cores=1,volumes=0,key_pairs=0");
    let cloud = fixture.connect().await;
    let external = cloud
        .list_networks(&Filter::all().and("router:external", "true"))
        .await
        .unwrap()
        .remove(0);
    let image = cloud
        .list_images(&Filter::name("debian-12"))
        .await
        .unwrap()
        .remove(0);
    let floating = cloud
        .create_floating_ip(&NewFloatingIp {
            network_id: external.id,
            ..NewFloatingIp::default()
        })
        .await
        .unwrap_err();
    let server = cloud
        .create_server(&NewServer {
            name: "class".into(),
            flavor_id: "3".into(),
            image_id: image.id,
            ..NewServer::default()
        })
        .await
        .unwrap_err();
    let volume = cloud
        .create_volume(&hubctl::cloud::NewVolume {
            name: "homes".into(),
            size: 1,
            ..hubctl::cloud::NewVolume::default()
        })
        .await
        .unwrap_err();
    for (error, resource, status) in [
        (floating, "floatingip", 409),
        (server, "cores", 403),
        (volume, "volumes", 413),
    ] {
        assert_eq!(error.category(), Category::Quota, "{error}");
        assert_eq!(error.refusal().unwrap().status, status);
        let CloudError::Quota { shortages, .. } = &error else {
            panic!("{error}")
        };
        assert!(
            shortages
                .iter()
                .any(|shortage| shortage.resource == resource),
            "{error}: {shortages:?}"
        );
        assert!(error.request_id().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_is_renewed_once_for_all() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    reqwest::Client::new()
        .post(
            fixture
                .sandbox
                .auth_url
                .replace("/v3", "/sandbox/revoke-tokens"),
        )
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let all = Filter::all();
    let (a, b) = tokio::join!(cloud.list_networks(&all), cloud.list_images(&all));
    a.unwrap();
    b.unwrap();
    let logins = fixture
        .requests()
        .iter()
        .filter(|request| request.starts_with("POST /auth/tokens"))
        .count();
    assert_eq!(logins, 2);
    // A create, too: a refused one was not done.
    let cloud = fixture.connect().await;
    fixture.sandbox.control.fault(Fault::new(status(401)).on(
        Service::Network,
        "POST",
        "/networks",
    ));
    cloud.create_network(&network("class")).await.unwrap();
    // A cloud that takes no token at all is not asked for ever.
    fixture.sandbox.control.fault(
        Fault::new(status(401))
            .on(Service::Network, "GET", "/networks")
            .always(),
    );
    let before = cloud.api_calls();
    let error = cloud.list_networks(&Filter::all()).await.unwrap_err();
    assert_eq!(error.category(), Category::Auth);
    assert_eq!(cloud.api_calls(), before + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_nova_is_asked_what_it_takes() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    fixture.sandbox.control.fault(Fault::new(status(406)).on(
        Service::Compute,
        "GET",
        "/servers/detail",
    ));
    let before = cloud.api_calls();
    cloud.list_servers(&Filter::all()).await.unwrap();
    // The refused one, the question, the repeat.
    assert_eq!(cloud.api_calls(), before + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_keep_what_the_cloud_said() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    let none = "c0ffee00-0000-0000-0000-000000000000";
    for (error, kind) in [
        (
            cloud.get_server(none).await.map(drop).unwrap_err(),
            "NotFound",
        ),
        (
            cloud.get_image(none).await.map(drop).unwrap_err(),
            "NotFound",
        ),
        (
            cloud.get_volume(none).await.map(drop).unwrap_err(),
            "NotFound",
        ),
        (
            cloud
                .list_recordsets(none, &Filter::all())
                .await
                .map(drop)
                .unwrap_err(),
            "NotFound",
        ),
        (
            cloud.set_router_gateway(none, None).await.unwrap_err(),
            "NotFound",
        ),
        (
            cloud
                .create_key_pair("x", "no key")
                .await
                .map(drop)
                .unwrap_err(),
            "Refused",
        ),
    ] {
        assert!(format!("{error:?}").starts_with(kind), "{error:?}");
        let refusal = error.refusal().unwrap();
        assert!(
            refusal.message.len() > 5 && !refusal.message.contains('<'),
            "{error}"
        );
        assert!(refusal.request_id.is_some(), "{error}");
    }
    fixture.sandbox.control.fault(Fault::console_refused());
    let told = told(cloud.console_log(none, None).await);
    assert!(
        told.contains("os-console-output") && told.contains("ssh.host_key=injected"),
        "{told}"
    );
}
