//! The networks machines are on: a router in a namespace of its own for each, and the way from there to the host.
//!
//! Addresses are as in Neutron: fixed ones exist behind their router only, so that two networks, or two sandboxes, may
//! use the same; floating ones are the router's, never the machine's, and known to the host alone.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;

use super::command::Program;
use super::metadata::{Document, Metadata};
use super::{MachineError, MachineSpec, Rule, rules};

const ROUTER: &str = include_str!("../../machine/router.sh");
const PORT: &str = include_str!("../../machine/port.sh");

/// All networks of one sandbox.
#[derive(Debug)]
pub(super) struct Networks {
    number: u8,
    pool: Ipv4Net,
    mtu: u32,
    routers: HashMap<String, Router>,
    floating: HashMap<Ipv4Addr, Binding>,
}

#[derive(Debug)]
struct Router {
    index: u8,
    metadata: Metadata,
    ports: BTreeSet<u32>,
}

/// Where a machine is plugged in.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) slot: u32,
    network: String,
    address: Ipv4Addr,
    /// Interface index in the router.
    index: u32,
}

#[derive(Debug)]
struct Binding {
    port: Port,
    router: u8,
}

impl Port {
    /// Name of the router's end.
    fn name(&self) -> String {
        format!("m{}", self.slot)
    }
}

impl Networks {
    /// Prepares the host: forwarding, a way out for the machines, and none for addresses of the pool that lead nowhere.
    pub(super) async fn open(number: u8, pool: Ipv4Net) -> Result<Self, MachineError> {
        let networks = Self {
            number,
            pool,
            mtu: mtu(),
            routers: HashMap::new(),
            floating: HashMap::new(),
        };
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")
            .map_err(|error| MachineError(format!("switching forwarding on: {error}")))?;
        let links = format!("hubs{number}r*");
        let transit = networks.transit(0);
        let table = format!(
            "table inet hubctl_sandbox_{number} {{
                chain forward {{
                    type filter hook forward priority filter; policy accept;
                    oifname \"{links}\" iifname != \"hubs*\" ct state new drop
                }}
                chain postrouting {{
                    type nat hook postrouting priority srcnat;
                    oifname != \"{links}\" ip saddr {{ {transit}/24, {pool} }} masquerade
                }}
            }}"
        );
        nft(None, "making the host's table", table).await?;
        Program::new("closing the pool of floating IPs", "ip")
            .args(["route", "replace", "unreachable", &pool.to_string()])
            .args(["metric", &(9000 + u32::from(number)).to_string()])
            .run()
            .await?;
        Ok(networks)
    }

    pub(super) fn pool(&self) -> Ipv4Net {
        self.pool
    }

    /// The host's address as machines see it.
    fn host(&self) -> Ipv4Addr {
        self.pool.hosts().next().unwrap_or(self.pool.network())
    }

    fn transit(&self, router: u8) -> Ipv4Addr {
        Ipv4Addr::new(100, 64, self.number, router)
    }

    fn router_netns(&self, index: u8) -> String {
        format!("hubs{}-r{index}", self.number)
    }

    pub(super) fn machine_netns(&self, slot: u32) -> String {
        format!("hubs{}-m{slot}", self.number)
    }

    /// Gives a machine its interface. Its rules are empty: nothing passes but the metadata service's answers.
    pub(super) async fn plug(
        &mut self,
        slot: u32,
        spec: &MachineSpec,
    ) -> Result<Port, MachineError> {
        self.route(&spec.network).await?;
        let Some(router) = self.routers.get_mut(&spec.network) else {
            return Err(MachineError("the network's router is gone".to_owned()));
        };
        router.ports.insert(slot);
        let netns = format!("hubs{}-r{}", self.number, router.index);
        let mac = mac(&spec.id);
        let mut port = Port {
            slot,
            network: spec.network.clone(),
            address: spec.address,
            index: 0,
        };
        let index = Program::script(format!("plugging in {}", spec.name), PORT)
            .args([
                &netns,
                &format!("hubs{}-m{slot}", self.number),
                &port.name(),
                &mac,
            ])
            .args([
                spec.address.to_string(),
                spec.subnet.prefix_len().to_string(),
            ])
            .args([spec.subnet.trunc().to_string(), spec.gateway.to_string()])
            .arg(self.mtu.to_string())
            .run()
            .await?;
        port.index = index.trim().parse().unwrap_or_default();
        let text = rules::add_port(&port.name(), port.address);
        nft(Some(&netns), "opening the machine's port", text).await?;
        router.metadata.add(
            port.index,
            Document {
                spec: spec.clone(),
                mac,
                mtu: self.mtu,
            },
        );
        Ok(port)
    }

    /// Takes a machine off its network, and the network's router away with its last machine. Goes on past failures.
    pub(super) async fn unplug(&mut self, slot: u32, network: &str, port: Option<&Port>) {
        let mine: Vec<Ipv4Addr> = self
            .floating
            .iter()
            .filter(|(_, binding)| binding.port.slot == slot)
            .map(|(floating, _)| *floating)
            .collect();
        for floating in mine {
            let _ = self.unbind(floating).await;
        }
        let netns = self.machine_netns(slot);
        let _ = delete_netns(&netns).await;
        let Some(router) = self.routers.get_mut(network) else {
            return;
        };
        router.ports.remove(&slot);
        let (index, is_empty) = (router.index, router.ports.is_empty());
        let netns = self.router_netns(index);
        if is_empty {
            if let Some(router) = self.routers.remove(network) {
                router.metadata.close().await;
            }
            self.remove_router(index).await;
        } else if let Some(port) = port {
            if let Some(router) = self.routers.get(network) {
                router.metadata.remove(port.index);
            }
            let text = rules::remove_port(&port.name(), port.address);
            let _ = nft(Some(&netns), "closing the machine's port", text).await;
            let unlink = Program::new("unplugging the machine", "ip");
            let _ = unlink
                .args(["-n", &netns, "link", "del", &port.name()])
                .run()
                .await;
        }
    }

    /// Makes the router of a network that has none.
    async fn route(&mut self, network: &str) -> Result<(), MachineError> {
        if self.routers.contains_key(network) {
            return Ok(());
        }
        let used: BTreeSet<u8> = self.routers.values().map(|router| router.index).collect();
        let index = (1..=254)
            .find(|index| !used.contains(index))
            .ok_or_else(|| MachineError("254 networks have machines already".to_owned()))?;
        let netns = self.router_netns(index);
        let made = self.make_router(index, &netns).await;
        match made {
            Ok(metadata) => {
                let ports = BTreeSet::new();
                let router = Router {
                    index,
                    metadata,
                    ports,
                };
                self.routers.insert(network.to_owned(), router);
                Ok(())
            }
            Err(error) => {
                self.remove_router(index).await;
                Err(error)
            }
        }
    }

    /// Takes away what there is of a router. Its link goes first: that of a namespace that ends stays for as long as the
    /// kernel takes to clean up, and the next router could not have the name.
    async fn remove_router(&self, index: u8) {
        let unlink = Program::new("removing the network's uplink", "ip");
        let _ = unlink.args(["link", "del", &self.link(index)]).run().await;
        let _ = delete_netns(&self.router_netns(index)).await;
    }

    async fn make_router(&self, index: u8, netns: &str) -> Result<Metadata, MachineError> {
        Program::script("making the network's router", ROUTER)
            .args([netns, &self.link(index)])
            .args([self.transit(index).to_string(), self.host().to_string()])
            .arg(self.mtu.to_string())
            .run()
            .await?;
        nft(Some(netns), "closing the network", rules::ROUTER).await?;
        Metadata::serve(&PathBuf::from("/run/netns").join(netns)).await
    }

    fn link(&self, router: u8) -> String {
        format!("hubs{}r{router}", self.number)
    }

    pub(super) async fn set_rules(&self, port: &Port, list: &[Rule]) -> Result<(), MachineError> {
        let netns = self.netns_of(port)?;
        let text = rules::set_port(&port.name(), port.address, list)?;
        nft(Some(&netns), "setting the machine's rules", text)
            .await
            .map(drop)
    }

    pub(super) async fn cut(&self, port: &Port, after: Option<u64>) -> Result<(), MachineError> {
        let netns = self.netns_of(port)?;
        let text = rules::cut_port(&port.name(), after);
        nft(Some(&netns), "cutting the machine off", text)
            .await
            .map(drop)
    }

    fn netns_of(&self, port: &Port) -> Result<String, MachineError> {
        let router = self.routers.get(&port.network);
        let index = router
            .ok_or_else(|| MachineError("the network is gone".to_owned()))?
            .index;
        Ok(self.router_netns(index))
    }

    pub(super) async fn bind(
        &mut self,
        floating: Ipv4Addr,
        port: &Port,
    ) -> Result<(), MachineError> {
        if !self.pool.contains(&floating) {
            let pool = self.pool;
            return Err(MachineError(format!(
                "{floating} is not of the pool {pool}"
            )));
        }
        let bound = self.floating.get(&floating);
        if bound.is_some_and(|binding| binding.port.slot == port.slot) {
            return Ok(());
        }
        self.unbind(floating).await?;
        let netns = self.netns_of(port)?;
        let Some(router) = self.routers.get(&port.network).map(|router| router.index) else {
            return Err(MachineError("the network is gone".to_owned()));
        };
        // Refused where another sandbox with the same pool has the address.
        Program::new(format!("routing {floating}"), "ip")
            .args(["route", "add", &format!("{floating}/32")])
            .args(["via", &self.transit(router).to_string()])
            .args(["dev", &self.link(router), "src", &self.host().to_string()])
            .run()
            .await?;
        let text = rules::bind(floating, port.address);
        if let Err(error) = nft(Some(&netns), "binding the floating IP", text).await {
            let _ = self.unroute(floating, router).await;
            return Err(error);
        }
        let port = port.clone();
        self.floating.insert(floating, Binding { port, router });
        Ok(())
    }

    async fn unroute(&self, floating: Ipv4Addr, router: u8) -> Result<String, MachineError> {
        Program::new(format!("closing the route to {floating}"), "ip")
            .args(["route", "del", &format!("{floating}/32")])
            .args(["dev", &self.link(router)])
            .run()
            .await
    }

    pub(super) async fn unbind(&mut self, floating: Ipv4Addr) -> Result<(), MachineError> {
        let Some(binding) = self.floating.remove(&floating) else {
            return Ok(());
        };
        self.unroute(floating, binding.router).await?;
        let netns = self.router_netns(binding.router);
        let text = rules::unbind(floating, binding.port.address);
        nft(Some(&netns), "unbinding the floating IP", text)
            .await
            .map(drop)
    }
}

async fn nft(
    netns: Option<&str>,
    act: &str,
    text: impl Into<Vec<u8>>,
) -> Result<String, MachineError> {
    let program = match netns {
        Some(netns) => Program::new(act, "ip").args(["netns", "exec", netns, "nft"]),
        None => Program::new(act, "nft"),
    };
    program.args(["-f", "-"]).input(text).run().await
}

async fn delete_netns(netns: &str) -> Result<String, MachineError> {
    Program::new(format!("removing {netns}"), "ip")
        .args(["netns", "del", netns])
        .run()
        .await
}

/// As much as the way out of this host carries: packets must not be dropped there for their size.
fn mtu() -> u32 {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let device = routes.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace();
        let device = words.next()?;
        (words.next()? == "00000000").then_some(device)
    });
    device
        .and_then(|device| std::fs::read_to_string(format!("/sys/class/net/{device}/mtu")).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(1500)
}

/// A hardware address in Neutron's range, the same for the same server.
fn mac(id: &str) -> String {
    let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [_, a, b, c] = hash.to_be_bytes();
    format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}")
}
