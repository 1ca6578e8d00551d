//! Machines out of namespaces: Debian with systemd as PID 1, the real cloud-init and sshd, ready in about three seconds.
//!
//! What a machine has: a disk (an overlay over the image), namespaces of its own for all but users, control groups with
//! the flavor's limits, a console, one interface, volumes that its udev sees, and a metadata service. What it lacks: a
//! kernel (its version, `uptime` and all sysctls but `net.*` are the host's, the latter read-only) and, with it, a
//! boundary: root in a machine is root on the host for who means harm. Run in it what you would run on the host.

mod saved;

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::Ipv4Net;
use tokio::sync::Mutex;

use super::cgroup::{self, Group, Limits};
use super::command::Program;
use super::console::Console;
use super::instance::Instance;
use super::network::{Networks, Port};
pub use super::options::{Options, View};
use super::process::{Launch, Process, end_all};
use super::volume::Volume;
use super::{MachineError, MachineSpec, Machines, Rule, disk, image};
pub use saved::Saved;

/// The machines of one sandbox. When the value is dropped, or its process killed, all of them go.
///
/// Needs root, and of this box: `mmdebstrap` `nftables` `iproute2` `util-linux`, overlay file systems and network
/// namespaces. It switches IPv4 forwarding on and leaves it on.
#[derive(Debug)]
pub struct Namespaces {
    instance: Instance,
    options: Options,
    groups: cgroup::Host,
    networks: Mutex<Networks>,
    machines: Mutex<HashMap<String, Entry>>,
    /// Rules that came before their machine.
    early: Mutex<HashMap<String, Vec<Rule>>>,
}

/// What is known of a machine without waiting for what is being done with it.
#[derive(Debug, Clone)]
struct Entry {
    slot: u32,
    power: Arc<AtomicBool>,
    /// Off for a moment, of which nobody is to know.
    held: Arc<AtomicBool>,
    console: Arc<Console>,
    machine: Arc<Mutex<Machine>>,
}

#[derive(Debug)]
struct Machine {
    slot: u32,
    spec: MachineSpec,
    dir: PathBuf,
    /// What of it there is: it is made in this order and taken apart in the opposite one.
    mounted: bool,
    group: Option<Group>,
    port: Option<Port>,
    volumes: Vec<Volume>,
    power: Arc<AtomicBool>,
    console: Arc<Console>,
    process: Option<Process>,
}

impl Namespaces {
    /// Claims a place on this box and prepares its network. Needs root.
    pub async fn new(options: Options) -> Result<Self, MachineError> {
        let chosen = options.pool;
        let pool = |number| {
            let own = Ipv4Net::new_assert(Ipv4Addr::new(172, 24, 4 + number, 0), 24);
            chosen.unwrap_or(own)
        };
        let instance = Instance::claim(&options.state_dir, pool).await?;
        let groups = cgroup::Host::read(&instance.name())?;
        let networks = Networks::open(instance.number(), pool(instance.number())).await?;
        Ok(Self {
            instance,
            options,
            groups,
            networks: Mutex::new(networks),
            machines: Mutex::default(),
            early: Mutex::default(),
        })
    }

    /// Returns the root of the base image; the first time on a box it takes a minute to build.
    pub async fn prepare(&self) -> Result<PathBuf, MachineError> {
        image::prepare(&self.options.cache_dir).await
    }

    /// Where floating IPs come from. The first address is the host's.
    pub async fn pool(&self) -> Ipv4Net {
        self.networks.lock().await.pool()
    }

    /// Keeps a machine's disk as it is now, as an image of this name that other machines can start from. It lies in the
    /// cache and stays there.
    pub async fn snapshot(&self, id: &str, name: &str) -> Result<PathBuf, MachineError> {
        let machine = self.get(id).await?;
        let machine = machine.lock().await;
        let tree = self.options.cache_dir.join(name);
        let _ = Program::new("writing the disk out", "sync").run().await;
        image::keep(&machine.dir.join("upper"), &machine.spec.image, &tree).await?;
        Ok(tree)
    }

    /// A fault for tests: each SSH connection to the machine goes silent, as when the network is gone, once it has
    /// carried `after` bytes, both ways together. `None` heals; connections that were cut then go on if their ends still
    /// wait.
    pub async fn cut(&self, id: &str, after: Option<u64>) -> Result<(), MachineError> {
        let machine = self.get(id).await?;
        let machine = machine.lock().await;
        match &machine.port {
            Some(port) => self.networks.lock().await.cut(port, after).await,
            None => Err(MachineError(format!("machine {id} is on no network"))),
        }
    }

    /// Removes an image that a snapshot made. No machine may be using it.
    pub async fn forget(&self, image: &Path) -> Result<(), MachineError> {
        image::forget(image).await
    }

    /// Ends all machines and waits until nothing of the sandbox is left. Dropping the value does the same, less gently.
    pub async fn close(self) -> Result<(), MachineError> {
        self.delete_all().await?;
        let ending = tokio::task::spawn_blocking(move || drop(self)).await;
        ending.map_err(|error| MachineError(format!("ending the sandbox: {error}")))
    }

    async fn delete_all(&self) -> Result<(), MachineError> {
        let ids: Vec<String> = self.machines.lock().await.keys().cloned().collect();
        for id in ids {
            self.delete(&id).await?;
        }
        Ok(())
    }

    async fn get(&self, id: &str) -> Result<Arc<Mutex<Machine>>, MachineError> {
        Ok(self.entry(id).await?.machine)
    }

    async fn entry(&self, id: &str) -> Result<Entry, MachineError> {
        let machines = self.machines.lock().await;
        let entry = machines.get(id).cloned();
        entry.ok_or_else(|| MachineError(format!("there is no machine {id}")))
    }

    /// Enters a new machine under the lowest free slot; `None` if there is one of that id.
    async fn enter(&self, spec: &MachineSpec) -> Result<Option<Arc<Mutex<Machine>>>, MachineError> {
        let mut machines = self.machines.lock().await;
        if machines.contains_key(&spec.id) {
            return Ok(None);
        }
        let used: BTreeSet<u32> = machines.values().map(|entry| entry.slot).collect();
        let slot = (1..=u32::MAX)
            .find(|slot| !used.contains(slot))
            .unwrap_or_default();
        let (power, console) = (Arc::<AtomicBool>::default(), Arc::new(Console::open()?));
        let machine = Arc::new(Mutex::new(Machine {
            slot,
            spec: spec.clone(),
            dir: self.instance.dir().join(slot.to_string()),
            mounted: false,
            group: None,
            port: None,
            volumes: Vec::new(),
            power: Arc::clone(&power),
            console: Arc::clone(&console),
            process: None,
        }));
        let entry = Entry {
            slot,
            power,
            held: Arc::default(),
            console,
            machine: Arc::clone(&machine),
        };
        machines.insert(spec.id.clone(), entry);
        Ok(Some(machine))
    }

    async fn make(&self, machine: &mut Machine) -> Result<(), MachineError> {
        let spec = machine.spec.clone();
        disk::mount(&machine.dir, &spec.image).await?;
        machine.mounted = true;
        disk::furnish(&machine.dir, &spec.login, self.options.apt_lock)?;
        let limits = Limits {
            slot: machine.slot,
            vcpus: spec.vcpus,
            memory_mb: spec.memory_mb,
        };
        let group = Group::create(&self.groups, limits)?;
        machine.group = Some(group.clone());
        let port = self.networks.lock().await.plug(machine.slot, &spec).await;
        machine.port = Some(port?);
        for file in &spec.volumes {
            machine.open_volume(&self.instance, file).await?;
        }
        self.switch_on(machine).await
    }

    async fn switch_on(&self, machine: &mut Machine) -> Result<(), MachineError> {
        if machine.process.as_ref().is_some_and(Process::is_on) {
            return Ok(());
        }
        let Some(group) = &machine.group else {
            return Err(MachineError("the machine was not made whole".to_owned()));
        };
        announce(&machine.console, &machine.spec);
        let hierarchies = match self.options.view {
            View::Host => self.groups.hierarchies(),
            View::Unified => String::new(),
        };
        let volumes: Vec<String> = machine.volumes.iter().map(Volume::word).collect();
        let launch = Launch {
            netns: self.networks.lock().await.machine_netns(machine.slot),
            group: group.clone(),
            dir: machine.dir.clone(),
            memory_mb: machine.spec.memory_mb,
            power: Arc::clone(&machine.power),
            environment: HashMap::from([
                ("ROOT", machine.dir.join("root").display().to_string()),
                ("DISK", machine.dir.join("disk").display().to_string()),
                ("NAME", machine.spec.name.clone()),
                ("CONSOLE", machine.console.path().to_owned()),
                ("HIERARCHIES", hierarchies),
                ("VOLUMES", volumes.join(" ")),
            ]),
        };
        machine.process = Some(Process::start(launch).await?);
        Ok(())
    }

    /// Takes apart what there is of a machine. Goes on past failures and reports the last.
    async fn unmake(&self, machine: &mut Machine) -> Result<(), MachineError> {
        if let Some(mut process) = machine.process.take() {
            process.end().await;
        }
        if let Some(group) = &machine.group {
            end_all(group).await;
        }
        let mut networks = self.networks.lock().await;
        let port = machine.port.take();
        networks
            .unplug(machine.slot, &machine.spec.network, port.as_ref())
            .await;
        drop(networks);
        let mut result = Ok(());
        if machine.mounted {
            result = disk::unmount(&machine.dir).await;
            machine.mounted = false;
        }
        if let Some(group) = &machine.group {
            for volume in machine.volumes.drain(..) {
                result = result.and(volume.close(group).await);
            }
            let mut turns = 0;
            while !group.remove() {
                turns += 1;
                if turns > 500 {
                    result = Err(MachineError(
                        "the control groups are still in use".to_owned(),
                    ));
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        result.and(image::remove(&machine.dir).await)
    }
}

/// What firmware and kernel would have written before systemd does.
fn announce(console: &Console, spec: &MachineSpec) {
    for line in [
        "[    0.000000] Linux version 6.1.0-cloud-amd64 (debian-kernel@lists.debian.org)"
            .to_owned(),
        "[    0.000000] Command line: root=/dev/vda1 ro console=ttyS0,115200".to_owned(),
        format!("[    0.014211] Memory: {}K available", spec.memory_mb << 10),
        format!("[    0.131073] smp: Brought up 1 node, {} CPUs", spec.vcpus),
    ] {
        console.announce(&line);
    }
}

impl Machine {
    async fn open_volume(
        &mut self,
        instance: &Instance,
        file: &Path,
    ) -> Result<Volume, MachineError> {
        let group = self.group.clone();
        let group =
            group.ok_or_else(|| MachineError("the machine was not made whole".to_owned()))?;
        let taken = self
            .volumes
            .iter()
            .map(|volume| volume.name().to_owned())
            .collect();
        let volume = Volume::open(instance, &group, file, &taken).await?;
        self.volumes.push(volume.clone());
        Ok(volume)
    }

    fn leader(&self) -> Option<i32> {
        self.process.as_ref()?.leader()
    }
}

#[async_trait]
impl Machines for Namespaces {
    async fn boot(&self, spec: &MachineSpec) -> Result<(), MachineError> {
        let Some(machine) = self.enter(spec).await? else {
            return Ok(());
        };
        let mut machine = machine.lock().await;
        let mut made = self.make(&mut machine).await;
        if made.is_ok() {
            let rules = self.early.lock().await.remove(&spec.id);
            if let (Some(rules), Some(port)) = (rules, &machine.port) {
                made = self.networks.lock().await.set_rules(port, &rules).await;
            }
        }
        if made.is_err() {
            let _ = self.unmake(&mut machine).await;
            self.machines.lock().await.remove(&spec.id);
        }
        made
    }

    async fn start(&self, id: &str) -> Result<(), MachineError> {
        let machine = self.get(id).await?;
        self.switch_on(&mut *machine.lock().await).await
    }

    async fn stop(&self, id: &str) -> Result<(), MachineError> {
        let machine = self.get(id).await?;
        if let Some(process) = &mut machine.lock().await.process {
            process.power_off().await;
        }
        Ok(())
    }

    async fn reboot(&self, id: &str) -> Result<(), MachineError> {
        let machine = self.get(id).await?;
        let mut machine = machine.lock().await;
        if let Some(process) = &mut machine.process {
            if process.reboot().await {
                return Ok(());
            }
            process.end().await;
        }
        machine.process = None;
        self.switch_on(&mut machine).await
    }

    async fn delete(&self, id: &str) -> Result<(), MachineError> {
        self.early.lock().await.remove(id);
        let Ok(machine) = self.get(id).await else {
            return Ok(());
        };
        let mut machine = machine.lock().await;
        let unmade = self.unmake(&mut machine).await;
        self.machines.lock().await.remove(id);
        unmade
    }

    async fn is_running(&self, id: &str) -> bool {
        let entry = self.entry(id).await;
        entry.is_ok_and(|entry| {
            entry.held.load(Ordering::Relaxed) || entry.power.load(Ordering::Relaxed)
        })
    }

    async fn console(&self, id: &str) -> Result<String, MachineError> {
        Ok(self.entry(id).await?.console.text())
    }

    async fn bind(&self, floating: Ipv4Addr, id: &str) -> Result<(), MachineError> {
        let machine = self.get(id).await?;
        let machine = machine.lock().await;
        let port = machine.port.as_ref();
        let port = port.ok_or_else(|| MachineError(format!("machine {id} is on no network")))?;
        self.networks.lock().await.bind(floating, port).await
    }

    async fn unbind(&self, floating: Ipv4Addr) -> Result<(), MachineError> {
        self.networks.lock().await.unbind(floating).await
    }

    async fn set_rules(&self, id: &str, rules: &[Rule]) -> Result<(), MachineError> {
        let Ok(machine) = self.get(id).await else {
            self.early
                .lock()
                .await
                .insert(id.to_owned(), rules.to_vec());
            return Ok(());
        };
        let machine = machine.lock().await;
        match &machine.port {
            Some(port) => self.networks.lock().await.set_rules(port, rules).await,
            None => Ok(()),
        }
    }

    async fn attach(&self, id: &str, volume: &Path) -> Result<String, MachineError> {
        let machine = self.get(id).await?;
        let mut machine = machine.lock().await;
        let file = volume.canonicalize();
        let there = machine
            .volumes
            .iter()
            .find(|v| Ok(&v.file) == file.as_ref().map_err(drop));
        if let Some(there) = there {
            return Ok(format!("/dev/{}", there.name()));
        }
        let volume = machine.open_volume(&self.instance, volume).await?;
        if let Some(leader) = machine.leader() {
            volume.show(leader).await?;
        }
        Ok(format!("/dev/{}", volume.name()))
    }

    async fn detach(&self, id: &str, volume: &Path) -> Result<(), MachineError> {
        let machine = self.get(id).await?;
        let mut machine = machine.lock().await;
        let file = volume.canonicalize().unwrap_or_else(|_| volume.to_owned());
        let Some(at) = machine
            .volumes
            .iter()
            .position(|volume| volume.file == file)
        else {
            return Ok(());
        };
        let volume = machine.volumes.remove(at);
        if let Some(leader) = machine.leader() {
            volume.hide(leader).await?;
        }
        match &machine.group {
            Some(group) => volume.close(group).await,
            None => Ok(()),
        }
    }

    async fn sweep(&self) -> Result<(), MachineError> {
        self.delete_all().await?;
        self.instance.sweep_dead().await
    }
}
