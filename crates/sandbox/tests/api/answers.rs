//! What each service answers when all goes well: which keys an answer has, of which types. Like the table of refusals it
//! can be held against any OpenStack: `HUBCTL_TEST_CLOUD` names the entry of another cloud than the sandbox.
//!
//! The keys and types are those of the API reference's samples (Nova 2.73 to 2.95, Neutron 2.0, Cinder 3, Glance 2).

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, lan, server, subject, text};

/// The shape of one kind of answer.
struct Shape {
    what: &'static str,
    /// What hubctl reads: `key type`, one after the other. Types: `text`, `number`, `flag`, `list`, `map`; with `?` also
    /// null. A key behind `~` may be missing (an extension, or one that is only there at times).
    reads: &'static str,
    /// What the reference has beside that. Keys that neither names are the sandbox's invention.
    has: &'static str,
}

const STANDARD: &str =
    "created_at updated_at revision_number project_id tenant_id description tags name id";

const SERVER: Shape = Shape {
    what: "server",
    reads: "id text, name text, status text, OS-EXT-STS:task_state text?, metadata map, ~tags list, addresses map, \
            flavor map, image any, key_name text?, ~fault map, created text, OS-SRV-USG:launched_at text?, \
            OS-EXT-AZ:availability_zone text?, os-extended-volumes:volumes_attached list",
    has: "accessIPv4 accessIPv6 config_drive description hostId host_status links locked locked_reason progress \
          security_groups server_groups tenant_id trusted_image_certificates updated user_id OS-DCF:diskConfig \
          OS-EXT-STS:power_state OS-EXT-STS:vm_state OS-SRV-USG:terminated_at OS-EXT-SRV-ATTR:hostname \
          OS-EXT-SRV-ATTR:reservation_id OS-EXT-SRV-ATTR:launch_index OS-EXT-SRV-ATTR:kernel_id \
          OS-EXT-SRV-ATTR:ramdisk_id OS-EXT-SRV-ATTR:root_device_name OS-EXT-SRV-ATTR:user_data",
};
const SERVER_ADDRESS: Shape = Shape {
    what: "address of a server",
    reads: "addr text, version number, OS-EXT-IPS:type text",
    has: "OS-EXT-IPS-MAC:mac_addr",
};
const SERVER_FLAVOR: Shape = Shape {
    what: "flavor of a server",
    reads: "original_name text, ram number, vcpus number",
    has: "disk ephemeral swap extra_specs",
};
const FLAVOR: Shape = Shape {
    what: "flavor",
    reads: "id text, name text, ram number, vcpus number, disk number",
    has: "OS-FLV-DISABLED:disabled OS-FLV-EXT-DATA:ephemeral os-flavor-access:is_public links swap rxtx_factor \
          description extra_specs",
};
const KEY_PAIR: Shape = Shape {
    what: "key pair",
    reads: "name text, public_key text, fingerprint text",
    has: "type",
};
const KEY_PAIR_MADE: Shape = Shape {
    what: "key pair, just imported",
    reads: "name text, public_key text, fingerprint text",
    has: "type user_id",
};
const IMAGE: Shape = Shape {
    what: "image",
    reads: "id text, name text?, status text, visibility text, min_disk number, min_ram number, size number?, \
            ~virtual_size number?, created_at text, ~os_distro text, ~os_version text, ~os_admin_user text, \
            ~architecture text",
    // Beside these an image has whatever properties its owner gave it.
    has: "checksum container_format disk_format file os_hash_algo os_hash_value os_hidden owner protected schema self \
          tags updated_at hw_disk_bus stores direct_url",
};
const NETWORK: Shape = Shape {
    what: "network",
    reads: "id text, name text, ~description text, router:external flag, shared flag, subnets list, ~tags list, \
            project_id text, ~port_security_enabled flag, ~dns_domain text?, ~mtu number",
    has: "admin_state_up availability_zone_hints availability_zones ipv4_address_scope ipv6_address_scope is_default \
          l2_adjacency qos_policy_id status vlan_transparent",
};
const SUBNET: Shape = Shape {
    what: "subnet",
    reads: "id text, name text, ~description text, network_id text, cidr text, ip_version number, gateway_ip text?, \
            dns_nameservers list, ~tags list",
    has: "allocation_pools dns_publish_fixed_ip enable_dhcp host_routes ipv6_address_mode ipv6_ra_mode \
          router:external segment_id service_types subnetpool_id",
};
const PORT: Shape = Shape {
    what: "port",
    reads: "id text, name text, ~description text, network_id text, status text, device_id text, device_owner text, \
            fixed_ips list, security_groups list, ~tags list",
    has: "admin_state_up allowed_address_pairs binding:vnic_type data_plane_status dns_assignment dns_domain dns_name \
          extra_dhcp_opts hardware_offload_type ip_allocation mac_address port_security_enabled \
          propagate_uplink_status qos_network_policy_id qos_policy_id trusted uplink_status_propagation",
};
const FIXED_IP: Shape = Shape {
    what: "address of a port",
    reads: "subnet_id text, ip_address text",
    has: "",
};
const ROUTER: Shape = Shape {
    what: "router",
    reads: "id text, name text, ~description text, external_gateway_info map?, ~tags list",
    has: "admin_state_up availability_zone_hints availability_zones distributed enable_ndp_proxy \
          external_gateways flavor_id ha routes service_type_id status conntrack_helpers",
};
const GROUP: Shape = Shape {
    what: "security group",
    reads: "id text, name text, description text, security_group_rules list, ~tags list",
    has: "shared stateful",
};
const RULE: Shape = Shape {
    what: "security group rule",
    reads: "id text, direction text, ethertype text, protocol text?, port_range_min number?, port_range_max number?, \
            remote_ip_prefix text?, remote_group_id text?",
    has: "belongs_to_default_sg normalized_cidr remote_address_group_id security_group_id created_at updated_at \
          revision_number project_id tenant_id description tags",
};
const FLOATING_IP: Shape = Shape {
    what: "floating IP",
    reads: "id text, floating_ip_address text, floating_network_id text, port_id text?, fixed_ip_address text?, \
            status text, ~description text, ~tags list, ~created_at text",
    has: "dns_domain dns_name port_details port_forwardings qos_network_policy_id qos_policy_id router_id",
};
const COMPUTE_LIMITS: Shape = Shape {
    what: "absolute limits of Nova",
    reads: "maxTotalCores number, totalCoresUsed number, maxTotalInstances number, totalInstancesUsed number, \
            maxTotalRAMSize number, totalRAMUsed number, maxTotalKeypairs number",
    // Those of the network and of files are gone since 2.36 and 2.57.
    has: "maxServerMeta maxServerGroups maxServerGroupMembers totalServerGroupsUsed maxImageMeta maxPersonality \
          maxPersonalitySize maxSecurityGroupRules maxSecurityGroups maxTotalFloatingIps totalFloatingIpsUsed \
          totalSecurityGroupsUsed",
};
const VOLUME_LIMITS: Shape = Shape {
    what: "absolute limits of Cinder",
    reads: "maxTotalVolumes number, totalVolumesUsed number, maxTotalVolumeGigabytes number, \
            totalGigabytesUsed number, maxTotalSnapshots number, totalSnapshotsUsed number",
    has: "maxTotalBackups maxTotalBackupGigabytes totalBackupsUsed totalBackupGigabytesUsed",
};
const NETWORK_QUOTA: Shape = Shape {
    what: "quota of Neutron, with its use",
    reads: "limit number, used number, reserved number",
    has: "",
};
const VOLUME: Shape = Shape {
    what: "volume",
    reads: "id text, name text?, status text, size number, volume_type text?, metadata map, attachments list, \
            description text?, bootable text, availability_zone text?",
    has: "consistencygroup_id created_at encrypted links migration_status multiattach os-vol-tenant-attr:tenant_id \
          replication_status snapshot_id source_volid updated_at user_id consumes_quota group_id provider_id \
          service_uuid shared_targets cluster_name volume_type_id",
};

impl Shape {
    /// What is wrong with an answer. What is `ours` may have no keys that no reference knows.
    fn wrong(&self, answer: &Value, ours: bool) -> Vec<String> {
        let Some(fields) = answer.as_object() else {
            return vec![format!("{}: not an object but {answer}", self.what)];
        };
        let mut wrong = Vec::new();
        let mut known: Vec<&str> = self.has.split_whitespace().collect();
        if self.reads.contains("~tags") {
            known.extend(STANDARD.split_whitespace());
        }
        for read in self.reads.split(',').map(str::trim) {
            let (optional, read) = match read.strip_prefix('~') {
                Some(read) => (true, read),
                None => (false, read),
            };
            let (key, kind) = read.split_once(' ').unwrap();
            known.push(key);
            match fields.get(key) {
                None if optional && !ours => {}
                None if optional && ["fault", "virtual_size"].contains(&key) => {}
                None => wrong.push(format!("{}: no {key}", self.what)),
                Some(value) if is(value, kind) => {}
                Some(value) => {
                    wrong.push(format!("{}: {key} is not {kind} but {value}", self.what))
                }
            }
        }
        if ours {
            for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
                wrong.push(format!("{}: {key} is in no reference", self.what));
            }
        }
        wrong
    }
}

fn is(value: &Value, kind: &str) -> bool {
    if let Some(kind) = kind.strip_suffix('?') {
        return value.is_null() || is(value, kind);
    }
    match kind {
        "text" => value.is_string(),
        "number" => value.is_number(),
        "flag" => value.is_boolean(),
        "list" => value.is_array(),
        "map" => value.is_object(),
        "any" => true,
        other => panic!("no type {other}"),
    }
}

/// Answers, with what they should look like.
struct Answers {
    ours: bool,
    wrong: Vec<String>,
    seen: Vec<&'static str>,
}

impl Answers {
    fn hold(&mut self, shape: &Shape, answer: &Value) {
        self.seen.push(shape.what);
        self.wrong.extend(shape.wrong(answer, self.ours));
    }

    /// Each of a list, which must have some.
    fn each(&mut self, shape: &Shape, list: &Value) {
        let all = list.as_array().cloned().unwrap_or_default();
        assert!(!all.is_empty(), "no {} to look at: {list}", shape.what);
        for one in &all {
            self.hold(shape, one);
        }
    }
}

#[tokio::test]
async fn every_answer_has_the_services_own_shape() {
    let subject = subject().await;
    let client = &subject.client;
    let mut answers = Answers {
        ours: subject.is_sandbox(),
        wrong: Vec::new(),
        seen: Vec::new(),
    };
    what_is_there(client, &mut answers).await;
    what_is_made(client, &mut answers).await;
    assert!(answers.wrong.is_empty(), "{}", answers.wrong.join("\n"));
    for shape in [&SERVER, &PORT, &RULE, &FLOATING_IP, &NETWORK_QUOTA] {
        assert!(answers.seen.contains(&shape.what), "{}", shape.what);
    }
}

async fn what_is_there(client: &Client, answers: &mut Answers) {
    let flavors = client
        .nova("2.75", Method::GET, "/flavors/detail", Value::Null)
        .await;
    answers.each(&FLAVOR, &flavors.body["flavors"]);
    let images = client.get("image", "/images").await;
    answers.each(&IMAGE, &images.body["images"]);
    let networks = client.get("network", "/networks").await;
    answers.each(&NETWORK, &networks.body["networks"]);
    let limits = client.get("compute", "/limits").await;
    answers.hold(&COMPUTE_LIMITS, &limits.body["limits"]["absolute"]);
    let path = format!("/quotas/{}/details.json", client.project);
    let quota = client.get("network", &path).await;
    for resource in [
        "network",
        "subnet",
        "router",
        "port",
        "floatingip",
        "security_group",
    ] {
        answers.hold(&NETWORK_QUOTA, &quota.body["quota"][resource]);
    }
}

async fn what_is_made(client: &Client, answers: &mut Answers) {
    let lan = lan(client).await;
    let show = async |service: &str, path: String, key: &str| {
        let answer = client.get(service, &path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body[key].clone()
    };
    let subnet = show("network", format!("/subnets/{}", lan.subnet), "subnet").await;
    answers.hold(&SUBNET, &subnet);
    let router = show("network", format!("/routers/{}", lan.router), "router").await;
    answers.hold(&ROUTER, &router);
    assert_eq!(router["external_gateway_info"]["network_id"], lan.external);

    let group = client
        .make(
            "network",
            "/security-groups",
            json!({"security_group": {"name": "shape"}}),
        )
        .await;
    let rule = json!({"security_group_rule": {
        "security_group_id": group, "direction": "ingress", "ethertype": "IPv6", "protocol": "tcp",
        "port_range_min": 443, "port_range_max": 443, "remote_ip_prefix": "2001:db8::/32",
    }});
    let made = client.post("network", "/security-group-rules", rule).await;
    answers.hold(&RULE, &made.body["security_group_rule"]);
    let shown = show(
        "network",
        format!("/security-groups/{group}"),
        "security_group",
    )
    .await;
    answers.hold(&GROUP, &shown);
    answers.each(&RULE, &shown["security_group_rules"]);

    let public_key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKsHkM3fbsgEo5gQjhHi4wGnkKqJGlSbnbDHOGJ6nhLn shape";
    let key = json!({"keypair": {"name": "shape", "public_key": public_key}});
    let made = client.post("compute", "/os-keypairs", key).await;
    answers.hold(&KEY_PAIR_MADE, &made.body["keypair"]);
    let pairs = client.get("compute", "/os-keypairs").await;
    let pairs: Vec<Value> = pairs.body["keypairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair["keypair"].clone())
        .collect();
    answers.each(&KEY_PAIR, &json!(pairs));

    let port = json!({"port": {"network_id": lan.network, "security_groups": [group]}});
    let port = client.make("network", "/ports", port).await;
    let ip =
        json!({"floatingip": {"floating_network_id": lan.external, "description": "of a test"}});
    let ip = client.make("network", "/floatingips", ip).await;
    answers.hold(
        &FLOATING_IP,
        &show("network", format!("/floatingips/{ip}"), "floatingip").await,
    );
    let more = json!({"networks": [{"port": port}], "key_name": "shape", "metadata": {"a": "b"}});
    let made = server(client, &lan.network, more).await;
    assert_eq!(made.status, 202, "{made:?}");
    let id = text(&made.body["server"]["id"]);
    client.wait_server(&id, "ACTIVE").await;
    let lead = json!({"floatingip": {"port_id": port}});
    let led = client
        .put("network", &format!("/floatingips/{ip}"), lead)
        .await;
    answers.hold(&FLOATING_IP, &led.body["floatingip"]);

    let listed = client
        .nova(&client.newest, Method::GET, "/servers/detail", Value::Null)
        .await;
    answers.each(&SERVER, &listed.body["servers"]);
    let shown = client
        .nova(
            &client.newest,
            Method::GET,
            &format!("/servers/{id}"),
            Value::Null,
        )
        .await;
    let shown = &shown.body["server"];
    answers.hold(&SERVER, shown);
    answers.hold(&SERVER_FLAVOR, &shown["flavor"]);
    for addresses in shown["addresses"].as_object().unwrap().values() {
        answers.each(&SERVER_ADDRESS, addresses);
    }
    let shown = show("network", format!("/ports/{port}"), "port").await;
    answers.hold(&PORT, &shown);
    answers.each(&FIXED_IP, &shown["fixed_ips"]);
    let action = json!({"os-getConsoleOutput": {"length": 5}});
    let console = client
        .post("compute", &format!("/servers/{id}/action"), action)
        .await;
    assert!(console.body["output"].is_string(), "console: {console:?}");

    if client.has("volumev3") || client.has("block-storage") {
        let kind = if client.has("block-storage") {
            "block-storage"
        } else {
            "volumev3"
        };
        volumes(client, kind, answers).await;
    }

    let gone = async |service: &str, path: String| {
        let answer = client.delete(service, &path).await;
        assert!(answer.status < 300, "{path} stays: {answer:?}");
    };
    gone("compute", format!("/servers/{id}")).await;
    client.wait_server_gone(&id).await;
    gone("network", format!("/floatingips/{ip}")).await;
    let left = client.get("network", &format!("/ports/{port}")).await;
    if left.status == 200 {
        gone("network", format!("/ports/{port}")).await;
    }
    gone("network", format!("/security-groups/{group}")).await;
    gone("compute", "/os-keypairs/shape".to_owned()).await;
    let interface = json!({"subnet_id": lan.subnet});
    let path = format!("/routers/{}/remove_router_interface", lan.router);
    assert_eq!(client.put("network", &path, interface).await.status, 200);
    gone("network", format!("/routers/{}", lan.router)).await;
    gone("network", format!("/networks/{}", lan.network)).await;
}

async fn volumes(client: &Client, service: &str, answers: &mut Answers) {
    let limits = client.get(service, "/limits").await;
    answers.hold(&VOLUME_LIMITS, &limits.body["limits"]["absolute"]);
    let volume = json!({"volume": {"size": 1, "name": "shape", "metadata": {"a": "b"}}});
    let id = client.make(service, "/volumes", volume).await;
    let path = format!("/volumes/{id}");
    for _ in 0..2000 {
        let shown = client.get(service, &path).await;
        if shown.body["volume"]["status"] == "available" {
            answers.hold(&VOLUME, &shown.body["volume"]);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let listed = client.get(service, "/volumes/detail").await;
    answers.each(&VOLUME, &listed.body["volumes"]);
    let answer = client.delete(service, &path).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}
