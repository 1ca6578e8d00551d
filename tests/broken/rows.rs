//! The rows of the table.

use std::time::{Duration, Instant};

use sandbox::{Fault, Kind, Service};
use serde_json::{Value, json};

use crate::bed::Bed;

pub(crate) struct Row {
    pub(crate) title: &'static str,
    /// After `hubctl`.
    pub(crate) command: &'static str,
    pub(crate) scenario: &'static str,
    pub(crate) tls: bool,
    pub(crate) status: i32,
    /// Breaks it.
    pub(crate) prepare: fn(&Bed),
    /// Beside where `clouds.yaml` is.
    pub(crate) variables: &'static [(&'static str, &'static str)],
}

const PLAN: Row = Row {
    title: "",
    command: "plan",
    scenario: "default",
    tls: false,
    status: 5,
    prepare: |_| {},
    variables: &[("OS_CLOUD", "sandbox")],
};

const PROVISION: Row = Row {
    command: "provision --yes",
    ..PLAN
};

impl Row {
    pub(crate) fn arguments(&self) -> Vec<&'static str> {
        self.command.split(' ').collect()
    }

    pub(crate) fn environment(&self, bed: &Bed) -> Vec<(String, String)> {
        let clouds = bed.clouds_yaml().display().to_string();
        let mut all = vec![("OS_CLIENT_CONFIG_FILE".to_owned(), clouds)];
        for (name, value) in self.variables {
            let value = value.replace("AUTH_URL", &bed.sandbox.auth_url);
            all.push(((*name).to_owned(), value));
        }
        all
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = credentials();
    rows.extend(clouds());
    rows.extend(quotas());
    rows.extend(servers());
    rows
}

fn credentials() -> Vec<Row> {
    vec![
        Row {
            title: "A wrong password",
            status: 4,
            prepare: |bed| {
                bed.edit_clouds(|line| {
                    Some(match line.trim_start().strip_prefix("password:") {
                        Some(_) => {
                            let indent = line.len() - line.trim_start().len();
                            format!("{}password: hunter2", " ".repeat(indent))
                        }
                        None => line.to_owned(),
                    })
                });
            },
            ..PLAN
        },
        Row {
            title: "An application credential that has expired",
            status: 4,
            prepare: expire,
            variables: &[("OS_CLOUD", "sandbox-appcred")],
            ..PLAN
        },
        Row {
            title: "Variables of an earlier login beside an application credential",
            command: "list",
            status: 0,
            variables: &[
                ("OS_CLOUD", "sandbox-appcred"),
                ("OS_PROJECT_NAME", "demo"),
                ("OS_USERNAME", "ada"),
            ],
            ..PLAN
        },
        Row {
            title: "No credentials at all",
            status: 2,
            prepare: |bed| std::fs::remove_file(bed.clouds_yaml()).unwrap(),
            variables: &[],
            ..PLAN
        },
        Row {
            title: "A cloud that clouds.yaml does not have",
            status: 2,
            variables: &[("OS_CLOUD", "sandbx")],
            ..PLAN
        },
    ]
}

fn clouds() -> Vec<Row> {
    vec![
        Row {
            title: "A region that the cloud does not have",
            status: 2,
            scenario: "two-regions",
            variables: &[("OS_CLOUD", "sandbox"), ("OS_REGION_NAME", "RegionTow")],
            prepare: |bed| {
                bed.edit_clouds(|line| (!line.contains("region_name")).then(|| line.to_owned()));
            },
            ..PLAN
        },
        Row {
            title: "A cloud whose certificate this machine does not trust",
            tls: true,
            prepare: |bed| {
                bed.edit_clouds(|line| (!line.contains("cacert")).then(|| line.to_owned()));
            },
            ..PLAN
        },
        Row {
            title: "A cloud that cannot be reached",
            prepare: |bed| {
                bed.edit_clouds(|line| {
                    let port = bed.sandbox.auth_url.rsplit(':').next().unwrap();
                    Some(line.replace(port, "1/v3"))
                });
            },
            ..PLAN
        },
        Row {
            title: "No external network",
            status: 2,
            scenario: "no-external",
            ..PLAN
        },
        Row {
            title: "Several external networks",
            status: 2,
            scenario: "two-externals",
            ..PLAN
        },
        Row {
            title: "Two images of one name",
            status: 2,
            scenario: "twin-image",
            command: "plan --set server.image=debian-12",
            ..PLAN
        },
        Row {
            title: "A flavor that the cloud does not have",
            status: 2,
            command: "plan --set server.flavor=m1.lrge",
            ..PLAN
        },
        Row {
            title: "A cloud that fails",
            prepare: |bed| {
                let kind = Kind::LoadBalancer { status: 503 };
                let fault = Fault::new(kind).on(Service::Network, "POST", "/networks");
                bed.sandbox.control.fault(fault.always());
            },
            ..PROVISION
        },
        Row {
            title: "A role that may not do this",
            prepare: |bed| {
                let kind = Kind::Status {
                    status: 403,
                    retry_after: None,
                    message: Some(
                        "Policy doesn't allow os_compute_api:servers:create to be performed."
                            .to_owned(),
                    ),
                };
                let fault = Fault::new(kind).on(Service::Compute, "POST", "/servers");
                bed.sandbox.control.fault(fault.always());
            },
            ..PROVISION
        },
    ]
}

/// Each quota at its limit.
fn quotas() -> Vec<Row> {
    let quota = |title, scenario| Row {
        title,
        scenario,
        status: 3,
        ..PLAN
    };
    vec![
        quota("No server left", "instances=0"),
        quota("Too few cores left", "cores=1"),
        quota("Too little memory left", "ram=1024"),
        quota("No key pair left", "key_pairs=0"),
        quota("No floating IP left", "floatingip=0"),
        quota("No security group left", "security_group=1"),
        quota("Too few security group rules left", "security_group_rule=8"),
        quota("No network left", "network=0"),
        quota("No subnet left", "subnet=0"),
        quota("No router left", "router=0"),
        quota("Too few ports left", "port=1"),
        Row {
            command: "plan --set volume.size=10",
            ..quota("No volume left", "volumes=0")
        },
        Row {
            command: "plan --set volume.size=100",
            ..quota("Too little volume space left", "gigabytes=40")
        },
        Row {
            title: "A quota that is used up while the server is made",
            status: 3,
            prepare: |bed| {
                let kind = Kind::Quota {
                    resource: "cores".to_owned(),
                };
                let fault = Fault::new(kind).on(Service::Compute, "POST", "/servers");
                bed.sandbox.control.fault(fault);
            },
            ..PROVISION
        },
    ]
}

fn servers() -> Vec<Row> {
    vec![
        Row {
            title: "A server that ends in ERROR",
            prepare: |bed| {
                let said = "No valid host was found. There are not enough hosts available.";
                bed.sandbox.control.fault(Fault::server_error(500, said));
            },
            ..PROVISION
        },
        Row {
            title: "A cloud that shows no console log",
            prepare: |bed| bed.sandbox.control.fault(Fault::console_refused()),
            ..PROVISION
        },
    ]
}

/// Gives the laptop an application credential that has just had its time.
fn expire(bed: &Bed) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let auth_url = &bed.sandbox.auth_url;
        let clouds: Value =
            serde_yaml::from_str(&std::fs::read_to_string(bed.clouds_yaml()).unwrap()).unwrap();
        let own = &clouds["clouds"]["sandbox"]["auth"];
        let domain = json!({"name": "Default"});
        let login = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": own["username"], "password": own["password"], "domain": domain,
            }}},
            "scope": {"project": {"name": own["project_name"], "domain": domain}},
        }});
        let answer = client
            .post(format!("{auth_url}/auth/tokens"))
            .json(&login)
            .send()
            .await
            .unwrap();
        let token = answer.headers()["x-subject-token"].clone();
        let body: Value = answer.json().await.unwrap();
        let user = body["token"]["user"]["id"].as_str().unwrap();
        // Times are told to the second.
        let end = time::OffsetDateTime::now_utc() + time::Duration::seconds(2);
        let format = time::macros::format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].000000"
        );
        let made: Value = client
            .post(format!("{auth_url}/users/{user}/application_credentials"))
            .header("x-auth-token", &token)
            .json(&json!({"application_credential": {
                "name": "short", "secret": "hunter2", "expires_at": end.format(&format).unwrap(),
            }}))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap()
            .json()
            .await
            .unwrap();
        let id = made["application_credential"]["id"].as_str().unwrap();
        let mut clouds = clouds.clone();
        let auth = &mut clouds["clouds"]["sandbox-appcred"]["auth"];
        auth["application_credential_id"] = json!(id);
        auth["application_credential_secret"] = json!("hunter2");
        std::fs::write(bed.clouds_yaml(), clouds.to_string()).unwrap();
        // Until the cloud takes it no more.
        let attempt = json!({"auth": {"identity": {
            "methods": ["application_credential"],
            "application_credential": {"id": id, "secret": "hunter2"},
        }}});
        let begun = Instant::now();
        loop {
            let request = client
                .post(format!("{auth_url}/auth/tokens"))
                .json(&attempt);
            if request.send().await.unwrap().status() == 401 {
                break;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "it never expires"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}
