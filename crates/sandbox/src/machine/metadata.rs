//! The metadata service at 169.254.169.254, and at fe80::a9fe:a9fe, as a machine sees it.

use std::collections::HashMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{MachineError, MachineSpec};

/// Versions of the OpenStack metadata format that Nova names.
const VERSIONS: [&str; 3] = ["2012-08-10", "2018-08-27", "latest"];

/// What one machine is told.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) spec: MachineSpec,
    pub(super) mac: String,
    pub(super) mtu: u32,
}

/// Who asks is known by address, over IPv6 by the port the question came in through.
#[derive(Debug, Default)]
struct Directory {
    by_address: HashMap<Ipv4Addr, Arc<Document>>,
    by_port: HashMap<u32, Arc<Document>>,
}

/// The service of one network; ends with this value.
#[derive(Debug)]
pub(super) struct Metadata {
    directory: Arc<RwLock<Directory>>,
    server: JoinHandle<()>,
}

impl Metadata {
    /// Serves within a network namespace. The namespace lives on until the service is closed.
    pub(super) async fn serve(netns: &Path) -> Result<Self, MachineError> {
        let serving = |error| MachineError(format!("serving metadata: {error}"));
        let netns = netns.to_owned();
        // A thread of its own enters the namespace and ends; the socket stays there.
        let bind = move || -> std::io::Result<TcpListener> {
            setns(File::open(netns)?, CloneFlags::CLONE_NEWNET)?;
            let any = SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 80, 0, 0);
            let listener = TcpListener::bind(any)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let thread = std::thread::spawn(bind);
        let listener = tokio::task::spawn_blocking(move || {
            let died = || {
                Err(std::io::Error::other(
                    "the thread that binds the socket died",
                ))
            };
            thread.join().unwrap_or_else(|_| died())
        });
        let listener = listener
            .await
            .map_err(|error| serving(error.into()))?
            .map_err(serving)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(serving)?;
        let directory = Arc::<RwLock<Directory>>::default();
        let service = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&directory))
            .into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move {
            // Ends by being aborted only.
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self { directory, server })
    }

    /// Answers the machine behind a port (an interface index in the network's router).
    pub(super) fn add(&self, port: u32, document: Document) {
        let document = Arc::new(document);
        let mut directory = self
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        directory
            .by_address
            .insert(document.spec.address, Arc::clone(&document));
        directory.by_port.insert(port, document);
    }

    pub(super) fn remove(&self, port: u32) {
        let mut directory = self
            .directory
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(document) = directory.by_port.remove(&port) {
            directory.by_address.remove(&document.spec.address);
        }
    }

    /// Ends the service and with it its hold on the namespace.
    pub(super) async fn close(mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(directory): State<Arc<RwLock<Directory>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
) -> Response {
    let document = {
        let directory = directory.read().unwrap_or_else(PoisonError::into_inner);
        match (peer.ip().to_canonical(), peer) {
            (IpAddr::V4(address), _) => directory.by_address.get(&address).cloned(),
            (_, SocketAddr::V6(peer)) => directory.by_port.get(&peer.scope_id()).cloned(),
            _ => None,
        }
    };
    match document.and_then(|document| document.find(uri.path())) {
        Some((kind, body)) => ([(header::CONTENT_TYPE, kind)], body).into_response(),
        None => (StatusCode::NOT_FOUND, "404 Not Found\n").into_response(),
    }
}

const TEXT: &str = "text/plain; charset=UTF-8";
const JSON: &str = "application/json";

impl Document {
    /// What is at a path: its type and content.
    fn find(&self, path: &str) -> Option<(&'static str, Vec<u8>)> {
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        let text = |text: String| Some((TEXT, text.into_bytes()));
        let json = |value: Value| Some((JSON, value.to_string().into_bytes()));
        match words.as_slice() {
            [] => text("1.0\n2009-04-04\nlatest".to_owned()),
            ["openstack"] => text(VERSIONS.join("\n")),
            ["openstack", version, rest @ ..] if VERSIONS.contains(version) => match rest {
                [] => text(
                    "meta_data.json\nuser_data\nnetwork_data.json\nvendor_data.json".to_owned(),
                ),
                ["meta_data.json"] => json(self.openstack()),
                ["network_data.json"] => json(self.network()),
                ["vendor_data.json" | "vendor_data2.json"] => json(json!({})),
                ["user_data"] => Some(("application/octet-stream", self.spec.user_data.clone()?)),
                _ => None,
            },
            ["latest" | "2009-04-04" | "1.0", "user-data"] => {
                Some(("application/octet-stream", self.spec.user_data.clone()?))
            }
            ["latest" | "2009-04-04" | "1.0", "meta-data", rest @ ..] => text(self.ec2(rest)?),
            ["latest" | "2009-04-04" | "1.0"] => text("meta-data/\nuser-data".to_owned()),
            _ => None,
        }
    }

    /// The server's own document, with what Nova always says where it is silent.
    fn openstack(&self) -> Value {
        let mut value = match &self.spec.metadata {
            Value::Object(map) => map.clone(),
            _ => serde_json::Map::new(),
        };
        let keys = self.spec.authorized_keys.iter().enumerate();
        let keys: serde_json::Map<String, Value> = keys
            .map(|(i, key)| (format!("key-{i}"), json!(key)))
            .collect();
        for (key, usual) in [
            ("uuid", json!(self.spec.id)),
            ("name", json!(self.spec.name)),
            ("hostname", json!(self.spec.name)),
            ("launch_index", json!(0)),
            ("availability_zone", json!("nova")),
            ("devices", json!([])),
            ("public_keys", Value::Object(keys)),
        ] {
            value.entry(key).or_insert(usual);
        }
        Value::Object(value)
    }

    fn network(&self) -> Value {
        let spec = &self.spec;
        json!({
            "links": [{"id": "tap0", "vif_id": spec.id, "type": "ovs", "mtu": self.mtu,
                       "ethernet_mac_address": self.mac}],
            "networks": [{"id": "network0", "type": "ipv4", "link": "tap0", "network_id": spec.network,
                          "ip_address": spec.address, "netmask": spec.subnet.netmask(),
                          "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": spec.gateway}]}],
            "services": [],
        })
    }

    /// The older, EC2-shaped half.
    fn ec2(&self, path: &[&str]) -> Option<String> {
        let spec = &self.spec;
        let keys = || spec.authorized_keys.iter().enumerate();
        Some(match path {
            [] => "ami-id\nami-launch-index\nhostname\ninstance-id\nlocal-hostname\nlocal-ipv4\npublic-keys/".to_owned(),
            ["ami-id"] => "ami-00000001".to_owned(),
            ["ami-launch-index"] => "0".to_owned(),
            ["hostname" | "local-hostname"] => spec.name.clone(),
            ["instance-id"] => format!("i-{}", spec.id.get(..8).unwrap_or(&spec.id)),
            ["local-ipv4"] => spec.address.to_string(),
            ["public-keys"] => keys().map(|(i, _)| format!("{i}=key-{i}")).collect::<Vec<_>>().join("\n"),
            ["public-keys", i] if keys().any(|(k, _)| k.to_string() == *i) => "openssh-key".to_owned(),
            ["public-keys", i, "openssh-key"] => spec.authorized_keys.get(i.parse::<usize>().ok()?)?.clone(),
            _ => return None,
        })
    }
}
