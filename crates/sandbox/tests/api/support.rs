//! A small client that follows the catalog, so that the same questions can be put to any OpenStack.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use sandbox::{NoMachines, Options, Sandbox, Scenario};
use serde_json::{Value, json};

/// A sandbox and someone who is logged in to it.
pub struct World {
    pub sandbox: Sandbox,
    pub machines: Arc<NoMachines>,
    pub client: Client,
}

/// Starts a cloud with this scenario and logs in.
pub async fn world(scenario: &str) -> World {
    let machines = Arc::new(NoMachines::default());
    let options = Options {
        scenario: scenario.parse::<Scenario>().unwrap(),
        ..Options::default()
    };
    let sandbox = Sandbox::start_with_records(options, machines.clone()).unwrap();
    let client = Client::login(&sandbox.clouds_yaml, "sandbox").await;
    World {
        sandbox,
        machines,
        client,
    }
}

/// Whoever is asked: the sandbox, or the cloud that `HUBCTL_TEST_CLOUD` names.
pub struct Subject {
    pub client: Client,
    /// The other cloud's entry.
    pub another: Option<String>,
    _world: World,
}

impl Subject {
    pub fn is_sandbox(&self) -> bool {
        self.another.is_none()
    }
}

pub async fn subject() -> Subject {
    let another = std::env::var("HUBCTL_TEST_CLOUD").ok();
    let world = world("default").await;
    let client = match &another {
        Some(name) => {
            let file = std::env::var_os("OS_CLIENT_CONFIG_FILE")
                .expect("OS_CLIENT_CONFIG_FILE says where HUBCTL_TEST_CLOUD's entry is");
            Client::login(Path::new(&file), name).await
        }
        None => world.client.clone(),
    };
    Subject {
        client,
        another,
        _world: world,
    }
}

#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub token: String,
    pub project: String,
    pub user: String,
    pub catalog: Value,
    pub region: String,
    /// The newest microversion that is asked for: 2.95, or Nova's own newest before it.
    pub newest: String,
}

/// An answer: status and JSON (null for none).
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

pub fn entry(clouds_yaml: &Path, name: &str) -> Value {
    let text = std::fs::read_to_string(clouds_yaml).unwrap();
    let all: Value = serde_yaml_ng::from_str(&text).unwrap();
    all["clouds"][name].clone()
}

impl Client {
    /// Logs in as an entry with a password says.
    pub async fn login(clouds_yaml: &Path, name: &str) -> Self {
        let entry = entry(clouds_yaml, name);
        let auth = &entry["auth"];
        let user = json!({"name": auth["username"], "password": auth["password"], "domain": {"name": "Default"}});
        let project = json!({"name": auth["project_name"], "domain": {"name": "Default"}});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": project},
        }});
        let mut http = reqwest::Client::builder().timeout(Duration::from_secs(30));
        if let Some(cacert) = entry["cacert"].as_str() {
            let pem = std::fs::read(cacert).unwrap();
            http = http.add_root_certificate(reqwest::Certificate::from_pem(&pem).unwrap());
        }
        let http = http.build().unwrap();
        let url = format!("{}/auth/tokens", auth["auth_url"].as_str().unwrap());
        let response = http.post(url).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 201);
        let token = response.headers()["x-subject-token"]
            .to_str()
            .unwrap()
            .to_owned();
        let answer: Value = response.json().await.unwrap();
        let mut client = Self {
            http,
            token,
            project: text(&answer["token"]["project"]["id"]),
            user: text(&answer["token"]["user"]["id"]),
            catalog: answer["token"]["catalog"].clone(),
            region: text(&entry["region_name"]),
            newest: "2.95".to_owned(),
        };
        let nova = client.get("compute", "/").await;
        let minor = |version: &str| version.strip_prefix("2.")?.parse::<u32>().ok();
        if let Some(newest) = nova.body["version"]["version"].as_str()
            && minor(newest) < minor(&client.newest)
        {
            client.newest = newest.to_owned();
        }
        client
    }

    /// Whether the catalog has a service.
    pub fn has(&self, service: &str) -> bool {
        let services = self.catalog.as_array().unwrap();
        services.iter().any(|s| s["type"] == service)
    }

    /// The public URL of a service; Neutron's and Glance's with their version.
    pub fn endpoint(&self, service: &str) -> String {
        let kind = self
            .catalog
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["type"] == service);
        let endpoints = kind.unwrap_or_else(|| panic!("no {service} in the catalog"))["endpoints"]
            .as_array()
            .unwrap();
        let is_it =
            |e: &&Value| e["interface"] == "public" && e["region_id"] == self.region.as_str();
        let url = text(&endpoints.iter().find(is_it).unwrap()["url"]);
        match service {
            "network" => format!("{url}/v2.0"),
            "image" | "dns" => format!("{url}/v2"),
            "identity" => format!("{url}/v3"),
            _ => url,
        }
    }

    pub fn request(&self, method: Method, service: &str, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.endpoint(service));
        self.http
            .request(method, url)
            .header("x-auth-token", &self.token)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.unwrap();
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        }
    }

    pub async fn get(&self, service: &str, path: &str) -> Answer {
        self.send(self.request(Method::GET, service, path)).await
    }

    pub async fn post(&self, service: &str, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, service, path).json(&body))
            .await
    }

    pub async fn put(&self, service: &str, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, service, path).json(&body))
            .await
    }

    pub async fn delete(&self, service: &str, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, service, path)).await
    }

    /// Nova at a microversion.
    pub async fn nova(&self, version: &str, method: Method, path: &str, body: Value) -> Answer {
        let request = self
            .request(method, "compute", path)
            .header("OpenStack-API-Version", format!("compute {version}"));
        self.send(if body.is_null() {
            request
        } else {
            request.json(&body)
        })
        .await
    }

    /// Makes something and returns its id.
    pub async fn make(&self, service: &str, path: &str, body: Value) -> String {
        let answer = self.post(service, path, body).await;
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        let only = answer.body.as_object().unwrap().values().next().unwrap();
        text(&only["id"])
    }

    /// Waits until a server is gone.
    pub async fn wait_server_gone(&self, id: &str) {
        for _ in 0..2000 {
            if self.get("compute", &format!("/servers/{id}")).await.status == 404 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("server {id} never went");
    }

    /// Waits until a server has this status and nothing more is being done with it.
    pub async fn wait_server(&self, id: &str, status: &str) -> Value {
        for _ in 0..2000 {
            let answer = self
                .nova(
                    &self.newest,
                    Method::GET,
                    &format!("/servers/{id}"),
                    Value::Null,
                )
                .await;
            let now = answer.body["server"]["status"].as_str().unwrap_or_default();
            let busy = answer.body["server"]["OS-EXT-STS:task_state"].is_string();
            if now == status && !busy {
                return answer.body["server"].clone();
            }
            assert!(now != "ERROR" || status == "ERROR", "{answer:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("server {id} never came to {status:?}");
    }

    /// The id of the first thing of a list with this name.
    pub async fn id_of(&self, service: &str, path: &str, name: &str) -> String {
        let answer = self.get(service, path).await;
        let list = answer
            .body
            .as_object()
            .unwrap()
            .values()
            .find_map(Value::as_array)
            .unwrap()
            .clone();
        let found = list.iter().find(|i| i["name"] == name);
        text(&found.unwrap_or_else(|| panic!("no {name} in {path}: {list:?}"))["id"])
    }

    pub async fn image(&self) -> String {
        self.id_of("image", "/images", "debian-12").await
    }
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// A network with a subnet and a router to the outside.
pub struct Lan {
    pub network: String,
    pub subnet: String,
    pub router: String,
    pub external: String,
}

pub async fn lan(client: &Client) -> Lan {
    let external = client
        .id_of("network", "/networks?router:external=True", "public")
        .await;
    let network = client
        .make("network", "/networks", json!({"network": {"name": "lan"}}))
        .await;
    let subnet = json!({"subnet": {"name": "lan", "network_id": network, "cidr": "10.42.0.0/24", "ip_version": 4}});
    let subnet = client.make("network", "/subnets", subnet).await;
    let router =
        json!({"router": {"name": "lan", "external_gateway_info": {"network_id": external}}});
    let router = client.make("network", "/routers", router).await;
    let path = format!("/routers/{router}/add_router_interface");
    assert_eq!(
        client
            .put("network", &path, json!({"subnet_id": subnet}))
            .await
            .status,
        200
    );
    Lan {
        network,
        subnet,
        router,
        external,
    }
}

/// The plainest server on a network; the answer to its create.
pub async fn server(client: &Client, network: &str, more: Value) -> Answer {
    let mut server = json!({
        "name": "hub",
        "flavorRef": client.id_of("compute", "/flavors", "m1.small").await,
        "imageRef": client.image().await,
        "networks": [{"uuid": network}],
    });
    server
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    client
        .nova(
            &client.newest,
            Method::POST,
            "/servers",
            json!({"server": server}),
        )
        .await
}
