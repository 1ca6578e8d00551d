//! A project on a cloud, in memory: empty, or with the deployment `class` standing in it.

use hubctl::cloud::{Quota, Quotas};
use hubctl::infra::{Inventory, Local, Offer, Plan, Problems, Survey, plan, tag};
use hubctl::spec::Spec;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOurs";

/// Everything a plan is made from.
pub struct World {
    pub spec: Spec,
    pub survey: Survey,
    pub offer: Offer,
    pub local: Local,
}

pub fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// One thing of a list, for a table to change.
pub fn one<T>(list: &mut [T]) -> &mut T {
    &mut list[0]
}

impl World {
    /// A project with nothing in it, on a cloud with one external network.
    pub fn empty() -> Self {
        let spec = serde_json::from_value(json!({ "name": "class" })).unwrap();
        let survey = Survey {
            project_id: "us".into(),
            block_storage: true,
            dns: true,
            networks: vec![of(json!({
                "id": "ext", "name": "public", "router:external": true, "shared": true, "project_id": "them",
            }))],
            zones: vec![of(json!({ "id": "zone", "name": "example.org." }))],
            ..Survey::default()
        };
        let flavor = |id: &str, name: &str, ram: u64, vcpus: u64, disk: u64| {
            of(json!({ "id": id, "name": name, "ram": ram, "vcpus": vcpus, "disk": disk }))
        };
        let image = |id: &str, name: &str, created: &str| {
            json!({
                "id": id, "name": name, "status": "active", "visibility": "public", "min_disk": 3, "min_ram": 512,
                "created_at": created, "size": 300_000_000,
            })
        };
        let offer = Offer {
            flavors: vec![
                flavor("1", "m1.tiny", 512, 1, 1),
                flavor("2", "m1.small", 2048, 1, 20),
                flavor("3", "m1.medium", 8192, 4, 40),
                flavor("4", "m1.large", 16384, 8, 80),
                flavor("5", "m1.diskless", 8192, 2, 0),
            ],
            images: vec![
                of(image("img-old", "Debian 12", "2025-01-01T00:00:00Z")),
                of(image("img", "Debian 12", "2026-06-01T00:00:00Z")),
                of(image("img-11", "Debian 11", "2026-09-01T00:00:00Z")),
                of(image("ubuntu", "Ubuntu 24.04", "2026-09-01T00:00:00Z")),
            ],
            availability_zones: vec!["nova".into()],
            quotas: quotas(&[
                ("instances", 10, 0),
                ("cores", 20, 0),
                ("ram", 51200, 0),
                ("key_pairs", 100, 0),
                ("floatingip", 2, 0),
                ("security_group", 10, 1),
                ("security_group_rule", 100, 4),
                ("network", 10, 0),
                ("subnet", 10, 0),
                ("router", 10, 0),
                ("port", 50, 0),
                ("volumes", 10, 0),
                ("gigabytes", 100, 0),
            ]),
        };
        Self {
            spec,
            survey,
            offer,
            local: Local {
                public_key: Some(format!("{KEY} me@here")),
                ..Local::default()
            },
        }
    }

    /// The deployment stands as its spec says.
    pub fn standing() -> Self {
        let mut world = Self::empty();
        let survey = &mut world.survey;
        let (mark, tags) = (tag::description("class"), tag::tags("class"));
        let ours = |mut value: Value| {
            value["name"] = json!("hubctl-class");
            value["description"] = json!(mark);
            value["tags"] = json!(tags);
            value["project_id"] = json!("us");
            value
        };
        survey.key_pairs.push(of(
            json!({ "name": "hubctl-class", "public_key": KEY, "fingerprint": "aa:bb" }),
        ));
        let rules: Vec<Value> =
            hubctl::infra::rule::wanted(&world.spec.access, &world.spec.web_ports(), None)
                .iter()
                .enumerate()
                .map(|(i, rule)| {
                    let mut value = serde_json::to_value(rule).unwrap();
                    value["id"] = json!(format!("rule-{i}"));
                    value
                })
                .collect();
        survey.security_groups.push(of(ours(
            json!({ "id": "sg", "security_group_rules": rules }),
        )));
        survey
            .networks
            .push(of(ours(json!({ "id": "net", "subnets": ["sub"] }))));
        survey.subnets.push(of(ours(json!({
            "id": "sub", "network_id": "net", "cidr": "10.42.0.0/24", "ip_version": 4,
        }))));
        survey.routers.push(of(ours(
            json!({ "id": "rtr", "external_gateway_info": { "network_id": "ext" } }),
        )));
        survey.ports.push(of(json!({
            "id": "gw", "network_id": "net", "status": "ACTIVE", "device_id": "rtr",
            "device_owner": "network:router_interface",
            "fixed_ips": [{ "subnet_id": "sub", "ip_address": "10.42.0.1" }],
        })));
        survey.ports.push(of(ours(json!({
            "id": "port", "network_id": "net", "status": "ACTIVE", "device_id": "srv", "device_owner": "compute:nova",
            "fixed_ips": [{ "subnet_id": "sub", "ip_address": "10.42.0.5" }], "security_groups": ["sg"],
        }))));
        survey.floating_ips.push(of(ours(json!({
            "id": "fip", "floating_ip_address": "192.0.2.5", "floating_network_id": "ext", "port_id": "port",
            "status": "ACTIVE",
        }))));
        survey.servers.push(of(json!({
            "id": "srv", "name": "hubctl-class", "status": "ACTIVE", "metadata": tag::metadata("class"),
            "flavor": { "original_name": "m1.medium", "ram": 8192, "vcpus": 4 }, "image": { "id": "img-gone" },
            "OS-SRV-USG:launched_at": "2026-11-01T10:00:00.000000",
        })));
        world
    }

    /// The same, with a data volume of 50 GiB attached.
    pub fn with_volume() -> Self {
        let mut world = Self::standing();
        world.set(json!({ "volume": { "size": 50 } }));
        world.survey.volumes.push(of(json!({
            "id": "vol", "name": "hubctl-class", "status": "in-use", "size": 50, "metadata": tag::metadata("class"),
            "attachments": [{ "server_id": "srv" }],
        })));
        world
    }

    /// The same, with a domain and its record.
    pub fn with_domain() -> Self {
        let mut world = Self::standing();
        world.set(json!({ "domain": "hub.example.org" }));
        world.survey.recordsets.push(of(json!({
            "id": "set", "zone_id": "zone", "name": "hub.example.org.", "type": "A", "records": ["192.0.2.5"],
            "description": tag::description("class"), "status": "ACTIVE",
        })));
        world
    }

    /// Lays fields over the spec.
    pub fn set(&mut self, fields: Value) {
        let mut spec = serde_json::to_value(&self.spec).unwrap();
        lay(&mut spec, fields);
        self.spec = serde_json::from_value(spec).unwrap();
    }

    pub fn quota(&mut self, name: &str, limit: u64, used: u64) {
        self.offer.quotas.extend(quotas(&[(name, limit, used)]));
    }

    pub fn plan(&self) -> Result<Plan, Problems> {
        let inventory = Inventory::of(&self.spec.name, self.survey.clone());
        plan(&self.spec, Some(&self.offer), &inventory, &self.local)
    }

    /// The plan or its problems, as text.
    pub fn told(&self) -> String {
        match self.plan() {
            Ok(plan) => plan.to_string(),
            Err(problems) => format!("{problems}\n"),
        }
    }
}

fn quotas(all: &[(&str, u64, u64)]) -> Quotas {
    all.iter()
        .map(|(name, limit, used)| {
            (
                (*name).to_owned(),
                Quota {
                    limit: Some(*limit),
                    used: *used,
                },
            )
        })
        .collect()
}

fn lay(onto: &mut Value, from: Value) {
    match (onto, from) {
        (Value::Object(onto), Value::Object(from)) => {
            for (key, value) in from {
                lay(onto.entry(key).or_insert(Value::Null), value);
            }
        }
        (onto, from) => *onto = from,
    }
}
