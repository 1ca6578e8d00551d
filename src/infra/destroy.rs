//! Takes a deployment away: by its marks, in dependency order, waiting for each thing to be gone.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use serde::Serialize;

use super::apply::Pace;
use super::error::InfraError;
use super::inventory::{Inventory, observe};
use super::plan::{Item, Kind};
use super::tag;
use crate::cloud::{Cloud, CloudError, FloatingIp, Port, Taggable};
use crate::event::{Event, Observer};
use crate::wait::Probe;

/// What stays on purpose. It keeps its mark: the next provision of this name takes it up again.
#[derive(Debug, Clone, Copy, Default)]
pub struct DestroyOptions {
    /// Keep the floating IP, leading nowhere.
    pub keep_floating_ip: bool,
    /// Keep the data volume.
    pub keep_volume: bool,
}

/// What a destroy found, and what of it is still there.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Leftovers {
    /// What was there and is gone.
    pub gone: Vec<Item>,
    /// What stays on purpose.
    pub kept: Vec<Item>,
    /// What should be gone and is not. Empty after a destroy that worked.
    pub left: Vec<Leftover>,
}

/// Something that should be gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    #[serde(flatten)]
    pub item: Item,
    /// Why it could not be deleted, where that is known.
    pub why: Option<String>,
}

impl Leftovers {
    /// Whether everything that should be gone is gone.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

/// Destroys the deployment `name`, whatever of it there is. What cannot be deleted does not keep the rest from going;
/// it is told in the end, by looking again. An error is only returned where looking itself was not possible.
pub async fn destroy(
    cloud: &Cloud,
    name: &str,
    options: DestroyOptions,
    pace: &Pace,
    observer: &dyn Observer,
) -> Result<Leftovers, InfraError> {
    let inventory = Box::pin(observe(cloud, name)).await?;
    let before = inventory.items();
    if before.is_empty() {
        return Ok(Leftovers::default());
    }
    let run = Run {
        cloud,
        inventory: &inventory,
        options,
        pace,
        observer,
        why: Mutex::default(),
    };
    Box::pin(run.all()).await;
    let why = run.why.into_inner().unwrap_or_default();
    let is_kept = |item: &Item| match item.resource {
        Kind::Volume => options.keep_volume,
        Kind::FloatingIp => options.keep_floating_ip,
        _ => false,
    };
    // Some deletes are only on their way when their call returns (DNS, ports of a dying server).
    let wait = pace.wait("the deployment to be gone", pace.delete);
    let after = wait
        .until(observer, async || {
            let after = Box::pin(observe(cloud, name)).await?.items();
            let going = after
                .iter()
                .filter(|item| !is_kept(item) && !why.contains_key(*item))
                .count();
            Ok::<_, CloudError>(if going == 0 || !why.is_empty() {
                Probe::Ready(after)
            } else {
                Probe::Pending(format!("{going} to go"))
            })
        })
        .await;
    let after = match after {
        Ok(after) => after,
        Err(crate::wait::WaitError::Deadline { .. }) => observe(cloud, name).await?.items(),
        Err(error) => return Err(error.into()),
    };
    let (kept, left): (Vec<Item>, Vec<Item>) = after.into_iter().partition(is_kept);
    Ok(Leftovers {
        gone: before
            .into_iter()
            .filter(|item| !kept.contains(item) && !left.contains(item))
            .collect(),
        kept,
        left: left
            .into_iter()
            .map(|item| Leftover {
                why: why.get(&item).cloned(),
                item,
            })
            .collect(),
    })
}

struct Run<'a> {
    cloud: &'a Cloud,
    inventory: &'a Inventory,
    options: DestroyOptions,
    pace: &'a Pace,
    observer: &'a dyn Observer,
    why: Mutex<BTreeMap<Item, String>>,
}

impl Run<'_> {
    async fn all(&self) {
        let items = self.inventory.items();
        let of = |kind: Kind| -> Vec<&Item> {
            items.iter().filter(|item| item.resource == kind).collect()
        };
        let (servers, ips) = (of(Kind::Server), of(Kind::FloatingIp));
        let (records, key_pairs) = (of(Kind::Record), of(Kind::KeyPair));
        // A floating IP holds its router's interface, a server its ports and volumes.
        tokio::join!(
            self.each(&servers, |item| delete_server(
                self.cloud,
                &item.id,
                self.pace,
                self.observer
            )),
            self.each(&ips, |item| self.floating_ip(item)),
            self.each(&records, |item| self.record(item)),
            self.each(&key_pairs, async |item| Ok(self
                .cloud
                .delete_key_pair(&item.id)
                .await?)),
        );
        let (ports, volumes) = (of(Kind::Port), of(Kind::Volume));
        tokio::join!(
            async {
                tokio::join!(
                    self.each(&ports, |item| self
                        .free("port", || self.cloud.delete_port(&item.id))),
                    self.nova_ports(),
                );
                let groups = of(Kind::SecurityGroup);
                tokio::join!(
                    self.each(&groups, |item| self.security_group(item)),
                    self.networks(&items)
                );
            },
            self.each(&volumes, |item| self.volume(item)),
        );
    }

    /// Deletes these at once, announces each, and remembers what went wrong.
    async fn each<'i, F>(&self, items: &[&'i Item], delete: impl Fn(&'i Item) -> F)
    where
        F: Future<Output = Result<(), InfraError>>,
    {
        let deletes = items
            .iter()
            .filter(|item| !self.stays(item))
            .map(|item| async {
                let name = format!("delete {} {}", item.resource, item.name);
                let started = Instant::now();
                self.observer.on(Event::StepStarted { name: name.clone() });
                let result = delete(item).await;
                self.observer.on(Event::StepFinished {
                    name,
                    changed: result.is_ok(),
                    seconds: started.elapsed().as_secs_f64(),
                });
                if let Err(error) = result {
                    self.failed(item, error.to_string());
                }
            });
        futures::future::join_all(deletes).await;
    }

    fn failed(&self, item: &Item, why: String) {
        if let Ok(mut all) = self.why.lock() {
            all.insert(item.clone(), why);
        }
    }

    /// What stays needs no delete; a floating IP is still taken off its port.
    fn stays(&self, item: &Item) -> bool {
        item.resource == Kind::Volume && self.options.keep_volume
    }

    async fn floating_ip(&self, item: &Item) -> Result<(), InfraError> {
        let Some(ip) = self
            .inventory
            .floating_ips
            .iter()
            .find(|ip| ip.id == item.id)
        else {
            return Ok(());
        };
        if self.options.keep_floating_ip && tag::before_reuse(&ip.description).is_none() {
            if ip.port_id.is_some() {
                self.cloud.set_floating_ip_port(&ip.id, None).await?;
            }
            return Ok(());
        }
        release(self.cloud, ip).await?;
        Ok(())
    }

    async fn record(&self, item: &Item) -> Result<(), InfraError> {
        if let Some(set) = self
            .inventory
            .recordsets
            .iter()
            .find(|set| set.id == item.id)
        {
            self.cloud.delete_recordset(&set.zone_id, &set.id).await?;
        }
        Ok(())
    }

    /// Repeats a delete for as long as something that is just going holds the thing.
    async fn free<F>(&self, what: &str, delete: impl Fn() -> F) -> Result<(), InfraError>
    where
        F: Future<Output = Result<(), CloudError>>,
    {
        let wait = self
            .pace
            .wait(format!("the {what} to be free"), self.pace.delete);
        wait.until(self.observer, async || match delete().await {
            Ok(()) => Ok(Probe::Ready(())),
            Err(error) if error.is_conflict() => Ok(Probe::Pending(error.to_string())),
            Err(error) => Err(error),
        })
        .await?;
        Ok(())
    }

    /// Ports that Nova made for our servers; it leaves them when a server dies in ERROR.
    async fn nova_ports(&self) {
        let ports = self.inventory.around.ports.iter().filter(|port| {
            self.inventory
                .servers
                .iter()
                .any(|server| server.id == port.device_id)
                && self.inventory.ports.iter().all(|own| own.id != port.id)
        });
        // One that stays shows where it matters: its network or group is not deleted.
        futures::future::join_all(ports.map(|port| self.cloud.delete_port(&port.id))).await;
    }

    /// Ports of others, which no waiting frees.
    fn others(&self, is_on: impl Fn(&Port) -> bool) -> Option<String> {
        let inventory = self.inventory;
        let port = inventory.around.ports.iter().find(|port| {
            is_on(port)
                && !port.device_owner.starts_with("network:")
                && inventory.ports.iter().all(|own| own.id != port.id)
                && inventory
                    .servers
                    .iter()
                    .all(|server| server.id != port.device_id)
        })?;
        let server = inventory
            .around
            .servers
            .iter()
            .find(|server| server.id == port.device_id);
        Some(match server {
            Some(server) => format!(
                "server {} uses it, and is not the deployment's",
                server.name
            ),
            None => format!("port {} uses it, and is not the deployment's", port.id),
        })
    }

    async fn security_group(&self, item: &Item) -> Result<(), InfraError> {
        if let Some(why) = self.others(|port| port.security_groups.contains(&item.id)) {
            self.failed(item, why);
            return Ok(());
        }
        self.free("security group", || {
            self.cloud.delete_security_group(&item.id)
        })
        .await
    }

    /// Interfaces, then routers and networks.
    async fn networks(&self, items: &[Item]) {
        let inventory = self.inventory;
        let of = |kind: Kind| -> Vec<&Item> {
            items.iter().filter(|item| item.resource == kind).collect()
        };
        for item in of(Kind::Network) {
            if let Some(why) = self.others(|port| port.network_id == item.id) {
                let held = [of(Kind::Network), of(Kind::Subnet), of(Kind::Router)].concat();
                held.into_iter()
                    .for_each(|item| self.failed(item, why.clone()));
                return;
            }
        }
        let routers = of(Kind::Router);
        self.each(&routers, async |item| {
            let interfaces = inventory
                .around
                .ports
                .iter()
                .filter(|port| {
                    port.device_id == item.id
                        && (port.device_owner.starts_with("network:router_interface")
                            || port
                                .device_owner
                                .starts_with("network:ha_router_replicated_interface"))
                })
                .flat_map(|port| &port.fixed_ips);
            for fixed in interfaces {
                let remove = || {
                    self.cloud
                        .remove_router_interface(&item.id, &fixed.subnet_id)
                };
                self.free("router interface", remove).await?;
            }
            self.free("router", || self.cloud.delete_router(&item.id))
                .await
        })
        .await;
        let (subnets, networks) = (of(Kind::Subnet), of(Kind::Network));
        self.each(&subnets, |item| {
            self.free("subnet", || self.cloud.delete_subnet(&item.id))
        })
        .await;
        self.each(&networks, |item| {
            self.free("network", || self.cloud.delete_network(&item.id))
        })
        .await;
    }

    async fn volume(&self, item: &Item) -> Result<(), InfraError> {
        let volume = self
            .inventory
            .volumes
            .iter()
            .find(|volume| volume.id == item.id);
        let elsewhere = volume
            .into_iter()
            .flat_map(|volume| &volume.attachments)
            .find(|attachment| {
                self.inventory
                    .servers
                    .iter()
                    .all(|server| server.id != attachment.server_id)
                    && self
                        .inventory
                        .around
                        .servers
                        .iter()
                        .any(|server| server.id == attachment.server_id)
            });
        if let Some(attachment) = elsewhere {
            self.failed(
                item,
                format!(
                    "it is attached to server {}, which is not the deployment's",
                    attachment.server_id
                ),
            );
            return Ok(());
        }
        delete_volume(self.cloud, &item.id, self.pace, self.observer).await
    }
}

/// Gives a floating IP back: one of our own is released, one that the project had becomes what it was.
pub(super) async fn release(cloud: &Cloud, ip: &FloatingIp) -> Result<(), CloudError> {
    let Some(before) = tag::before_reuse(&ip.description) else {
        return cloud.delete_floating_ip(&ip.id).await;
    };
    if ip.port_id.is_some() {
        cloud.set_floating_ip_port(&ip.id, None).await?;
    }
    // The tags first: the description is the mark it is found by when this is cut short.
    match cloud
        .set_tags(Taggable::FloatingIp, &ip.id, &tag::without_ours(&ip.tags))
        .await
    {
        Ok(()) | Err(CloudError::NotFound(_) | CloudError::Forbidden(_)) => {}
        Err(error) => return Err(error),
    }
    cloud.set_floating_ip_description(&ip.id, before).await?;
    Ok(())
}

/// Deletes a server and waits until it is gone.
pub(super) async fn delete_server(
    cloud: &Cloud,
    id: &str,
    pace: &Pace,
    observer: &dyn Observer,
) -> Result<(), InfraError> {
    cloud.delete_server(id).await?;
    let wait = pace.wait("the server to be gone", pace.delete);
    wait.until(observer, async || {
        Ok::<_, CloudError>(match cloud.find_server(id).await? {
            Some(server) if !server.is_deleted() => {
                Probe::Pending(server.task_state.unwrap_or(server.status))
            }
            _ => Probe::Ready(()),
        })
    })
    .await?;
    Ok(())
}

/// Deletes a volume, once its server has let go of it, and waits until it is gone.
pub(super) async fn delete_volume(
    cloud: &Cloud,
    id: &str,
    pace: &Pace,
    observer: &dyn Observer,
) -> Result<(), InfraError> {
    let wait = pace.wait("the volume to be gone", pace.delete);
    let mut asked = false;
    wait.until(observer, async || {
        let Some(volume) = cloud.find_volume(id).await? else {
            return Ok(Probe::Ready(()));
        };
        let free = !matches!(
            volume.status.as_str(),
            "in-use" | "detaching" | "attaching" | "creating" | "deleting"
        );
        if free && (!asked || volume.status != "error_deleting") {
            asked = true;
            cloud.delete_volume(id).await?;
        } else if volume.status == "error_deleting" {
            return Err(InfraError::Volume {
                name: volume.name,
                status: volume.status,
            });
        }
        Ok::<_, InfraError>(Probe::Pending(volume.status))
    })
    .await?;
    Ok(())
}
