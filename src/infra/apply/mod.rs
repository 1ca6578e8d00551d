//! Carries a plan out: in dependency order, and at once what does not depend on each other.
//!
//! ```text
//! key pair ───────────────────────────────┐
//! security group and rules ─────┐         │
//! network ─ subnet ─┬─ port ────┴─ server ┴─ ACTIVE ─┬─ floating IP leads to the port
//! router ───────────┘                                ├─ a volume that is not is attached
//! volume ────────────────────────────────┘            └─ what is one too many goes
//! floating IP ── DNS record
//! ```
//!
//! Every create carries the deployment's mark, so that one whose answer was lost is looked for before it is repeated,
//! and a run that was killed is finished by the next. Tags, which take a second call, come while the server boots.

mod access;
mod network;
mod server;
mod storage;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::desired::Desired;
use super::error::InfraError;
use super::inventory::Inventory;
use super::outcome::Outcome;
use super::plan::{Change, Kind, Plan, Work};
use super::tag;
use crate::cloud::{Cloud, CloudError, Filter, Taggable};
use crate::event::{Event, Observer};
use crate::wait::Wait;

/// How often is looked, and how long waited, for what takes the cloud its time.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub every: Duration,
    /// For a server to run.
    pub server: Duration,
    /// For a volume to be there.
    pub volume: Duration,
    /// For each thing to be gone.
    pub delete: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            server: Duration::from_secs(900),
            volume: Duration::from_secs(600),
            delete: Duration::from_secs(300),
        }
    }
}

impl Pace {
    pub(super) fn wait(&self, what: impl Into<String>, within: Duration) -> Wait {
        Wait::new(what, self.every, within)
    }
}

/// Carries the plan out. What it cannot finish is finished by the next run's plan.
pub async fn apply(
    cloud: &Cloud,
    plan: &Plan,
    pace: &Pace,
    observer: &dyn Observer,
) -> Result<Outcome, InfraError> {
    let run = Run {
        cloud,
        plan,
        pace,
        observer,
        name: tag::name(&plan.desired.name),
        mark: tag::description(&plan.desired.name),
        own: Filter::description(tag::description(&plan.desired.name))
            .and("project_id", cloud.project().id),
        untagged: Mutex::default(),
    };
    // The lanes side by side make a large future: keep it off the stack.
    Box::pin(run.all()).await
}

struct Run<'a> {
    cloud: &'a Cloud,
    plan: &'a Plan,
    pace: &'a Pace,
    observer: &'a dyn Observer,
    /// What resources are called.
    name: String,
    /// What their description is.
    mark: String,
    /// Finds them by it.
    own: Filter,
    /// Made by this run, and not tagged yet.
    untagged: Mutex<Vec<(Taggable, String, Vec<String>)>>,
}

impl Run<'_> {
    fn desired(&self) -> &Desired {
        &self.plan.desired
    }

    fn inventory(&self) -> &Inventory {
        &self.plan.inventory
    }

    /// The first change whose work is the one looked for.
    fn find<'s, T>(&'s self, pick: impl Fn(&'s Work) -> Option<T>) -> Option<(&'s Change, T)> {
        self.plan
            .changes
            .iter()
            .find_map(|change| Some((change, pick(&change.work)?)))
    }

    fn has(&self, work: &Work) -> Option<&Change> {
        self.plan.changes.iter().find(|change| change.work == *work)
    }

    async fn all(&self) -> Result<Outcome, InfraError> {
        let mut inventory = self.inventory().clone();
        if self.plan.is_empty() {
            return Outcome::of(&inventory).ok_or(InfraError::Incomplete("server"));
        }
        // Not `try_join`: it would drop the others in the middle of a create when one fails.
        let (key_pair, group, network, volume, floating_ip) = tokio::join!(
            Box::pin(self.key_pair()),
            Box::pin(self.security_group()),
            Box::pin(self.network()),
            Box::pin(self.volume()),
            Box::pin(self.floating_ip()),
        );
        key_pair?;
        let (group, network, volume, floating_ip) = (group?, network?, volume?, floating_ip?);
        let port = self.port(network.as_deref(), &group).await?;
        let (server, records, tags) = tokio::join!(
            self.server(&port, self.desired().volume.as_ref().and(volume.as_ref())),
            self.records(&port, floating_ip.as_ref()),
            self.tags()
        );
        let (server, is_new) = server?;
        records?;
        tags?;
        let (floating_ip, volume, surplus) = tokio::join!(
            self.associate(floating_ip, &port),
            self.attach(volume, &server.id),
            self.surplus(),
        );
        surplus?;
        inventory.floating_ips = floating_ip?.into_iter().collect();
        inventory.volumes = volume?.into_iter().collect();
        let mut port = port;
        port.device_id.clone_from(&server.id);
        inventory.ports = vec![port];
        inventory.servers = vec![server];
        let outcome = Outcome::of(&inventory).ok_or(InfraError::Incomplete("address"))?;
        Ok(Outcome { is_new, ..outcome })
    }

    /// Does the work of a change and announces it.
    async fn step<T>(
        &self,
        change: &Change,
        work: impl Future<Output = Result<T, InfraError>>,
    ) -> Result<T, InfraError> {
        let name = change.words();
        let started = Instant::now();
        self.observer.on(Event::StepStarted { name: name.clone() });
        let result = work.await;
        self.observer.on(Event::StepFinished {
            name,
            changed: result.is_ok(),
            seconds: started.elapsed().as_secs_f64(),
        });
        result
    }

    async fn made<T>(
        &self,
        create: impl AsyncFn() -> Result<T, CloudError>,
        find: impl AsyncFn() -> Result<Option<T>, CloudError>,
    ) -> Result<T, InfraError> {
        made(self.pace.every, create, find).await
    }

    /// The tags of what is made.
    fn own_tags(&self) -> Vec<String> {
        tag::tags_until(&self.desired().name, self.desired().expires.as_deref())
    }

    /// Remembers to tag something that this run made.
    fn tag_later(&self, kind: Taggable, id: &str) {
        self.tag_later_as(kind, id, self.own_tags());
    }

    fn tag_later_as(&self, kind: Taggable, id: &str, tags: Vec<String>) {
        if let Ok(mut untagged) = self.untagged.lock() {
            untagged.push((kind, id.to_owned(), tags));
        }
    }

    /// Tags what was made, and what an earlier run did not come to.
    async fn tags(&self) -> Result<(), InfraError> {
        let mut due = self
            .untagged
            .lock()
            .map(|mut due| std::mem::take(&mut *due))
            .unwrap_or_default();
        for change in &self.plan.changes {
            if let (Work::Tag { id, tags }, Some(kind)) = (&change.work, taggable(change.resource))
            {
                due.push((kind, id.clone(), tags.clone()));
            }
        }
        let calls = due.iter().map(|(kind, id, tags)| async {
            match self.cloud.set_tags(*kind, id, tags).await {
                // This cloud's Neutron has no tags; the description is the mark there.
                Err(CloudError::NotFound(_) | CloudError::Forbidden(_)) => Ok(()),
                other => other,
            }
        });
        for result in futures::future::join_all(calls).await {
            result?;
        }
        for change in &self.plan.changes {
            if let Work::Expire { id, time } = &change.work {
                let metadata = BTreeMap::from([(tag::EXPIRES.to_owned(), time.clone())]);
                if change.resource == Kind::Server {
                    self.cloud.set_server_metadata(id, &metadata).await?;
                } else {
                    self.cloud.set_volume_metadata(id, &metadata).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes what is one too many: what holds something before what it holds.
    async fn surplus(&self) -> Result<(), InfraError> {
        for kinds in [
            &[Kind::Server, Kind::FloatingIp, Kind::Record][..],
            &[Kind::Port],
            &[Kind::SecurityGroup],
        ] {
            let deletes = self
                .plan
                .changes
                .iter()
                .filter_map(|change| match &change.work {
                    Work::Delete { id } if kinds.contains(&change.resource) => {
                        Some(self.step(change, self.delete(change.resource, id)))
                    }
                    _ => None,
                });
            for result in futures::future::join_all(deletes).await {
                result?;
            }
        }
        Ok(())
    }

    async fn delete(&self, kind: Kind, id: &str) -> Result<(), InfraError> {
        match kind {
            Kind::Server => self.delete_server(id).await?,
            Kind::Port => self.cloud.delete_port(id).await?,
            Kind::SecurityGroup => self.cloud.delete_security_group(id).await?,
            Kind::FloatingIp => {
                if let Some(ip) = self.inventory().floating_ips.iter().find(|ip| ip.id == *id) {
                    super::destroy::release(self.cloud, ip).await?;
                }
            }
            Kind::Record => {
                if let Some(set) = self.inventory().recordsets.iter().find(|set| set.id == *id) {
                    self.cloud.delete_recordset(&set.zone_id, id).await?;
                }
            }
            Kind::KeyPair | Kind::Network | Kind::Subnet | Kind::Router | Kind::Volume => {}
        }
        Ok(())
    }
}

fn taggable(kind: Kind) -> Option<Taggable> {
    Some(match kind {
        Kind::Network => Taggable::Network,
        Kind::Subnet => Taggable::Subnet,
        Kind::Router => Taggable::Router,
        Kind::Port => Taggable::Port,
        Kind::SecurityGroup => Taggable::SecurityGroup,
        Kind::FloatingIp => Taggable::FloatingIp,
        Kind::KeyPair | Kind::Volume | Kind::Server | Kind::Record => return None,
    })
}

/// Creates something; where the answer was lost, looks for it before it tries again.
pub(super) async fn made<T>(
    every: Duration,
    create: impl AsyncFn() -> Result<T, CloudError>,
    find: impl AsyncFn() -> Result<Option<T>, CloudError>,
) -> Result<T, InfraError> {
    const TRIES: u32 = 3;
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match create().await {
            Ok(made) => return Ok(made),
            Err(error) if error.is_lost() => error,
            Err(error) => return Err(error.into()),
        };
        if let Some(found) = find().await? {
            return Ok(found);
        }
        if tries == TRIES {
            return Err(error.into());
        }
        // It may be on its way still.
        tokio::time::sleep(every).await;
        if let Some(found) = find().await? {
            return Ok(found);
        }
    }
}
