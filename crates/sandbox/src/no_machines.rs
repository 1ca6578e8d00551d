//! Servers of nothing but memory: instant, no root, for tests of the API alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::machine::{MachineError, MachineSpec, Machines, Rule};

/// Remembers what it was told and does nothing of it.
#[derive(Debug, Default)]
pub struct NoMachines(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    running: BTreeMap<String, bool>,
    rules: BTreeMap<String, Vec<Rule>>,
    bound: BTreeMap<Ipv4Addr, String>,
    specs: BTreeMap<String, MachineSpec>,
}

/// What cloud-init writes at the end of a first boot.
const CONSOLE: &str = "\
[    0.000000] Linux version 6.1.0-40-cloud-amd64 (debian-kernel@lists.debian.org)
[    1.934201] systemd[1]: Detected virtualization kvm.
Debian GNU/Linux 12 NAME ttyS0

NAME login: [    6.420011] cloud-init[512]: Cloud-init v. 22.4.2 running 'modules:final'
ci-info: no authorized SSH keys fingerprints found for user debian.
<14>Nov 22 20:42:18 cloud-init: #############################################################
<14>Nov 22 20:42:18 cloud-init: -----BEGIN SSH HOST KEY FINGERPRINTS-----
<14>Nov 22 20:42:18 cloud-init: 256 SHA256:VjVlLg0hGpXiZxa8pPkgnjGkq1WqEcxHn7XHfG0jYpo root@NAME (ECDSA)
<14>Nov 22 20:42:18 cloud-init: 256 SHA256:U6Ql8DFRzUyfOFzHxhcSOkEMk7r6cXMbr3Vu7F2gnQ8 root@NAME (ED25519)
<14>Nov 22 20:42:18 cloud-init: -----END SSH HOST KEY FINGERPRINTS-----
<14>Nov 22 20:42:18 cloud-init: #############################################################
[    6.510021] cloud-init[512]: Cloud-init v. 22.4.2 finished. Datasource DataSourceOpenStack [net,ver=2].  Up 6.51 seconds
";

impl NoMachines {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rules a machine was last given.
    pub fn rules(&self, id: &str) -> Vec<Rule> {
        self.told().rules.get(id).cloned().unwrap_or_default()
    }

    /// Where a floating address leads.
    pub fn bound(&self, floating: Ipv4Addr) -> Option<String> {
        self.told().bound.get(&floating).cloned()
    }

    /// What a machine was made from.
    pub fn spec(&self, id: &str) -> Option<MachineSpec> {
        self.told().specs.get(id).cloned()
    }

    /// Stops a machine behind its server's back, as `poweroff` within it would.
    pub fn power_off(&self, id: &str) {
        self.told().running.insert(id.to_owned(), false);
    }

    /// How many machines there are.
    pub fn count(&self) -> usize {
        self.told().running.len()
    }

    fn set_running(&self, id: &str, running: bool) -> Result<(), MachineError> {
        match self.told().running.get_mut(id) {
            Some(state) => {
                *state = running;
                Ok(())
            }
            None => Err(MachineError(format!("no machine {id}"))),
        }
    }
}

#[async_trait]
impl Machines for NoMachines {
    async fn boot(&self, spec: &MachineSpec) -> Result<(), MachineError> {
        let mut told = self.told();
        told.running.insert(spec.id.clone(), true);
        told.specs.insert(spec.id.clone(), spec.clone());
        Ok(())
    }

    async fn start(&self, id: &str) -> Result<(), MachineError> {
        self.set_running(id, true)
    }

    async fn stop(&self, id: &str) -> Result<(), MachineError> {
        self.set_running(id, false)
    }

    async fn reboot(&self, id: &str) -> Result<(), MachineError> {
        self.set_running(id, true)
    }

    async fn delete(&self, id: &str) -> Result<(), MachineError> {
        let mut told = self.told();
        told.running.remove(id);
        told.rules.remove(id);
        told.specs.remove(id);
        told.bound.retain(|_, server| server != id);
        Ok(())
    }

    async fn is_running(&self, id: &str) -> bool {
        self.told().running.get(id).copied().unwrap_or(false)
    }

    async fn console(&self, id: &str) -> Result<String, MachineError> {
        match self.told().specs.get(id) {
            Some(spec) => Ok(CONSOLE.replace("NAME", &spec.name)),
            None => Err(MachineError(format!("no machine {id}"))),
        }
    }

    async fn bind(&self, floating: Ipv4Addr, id: &str) -> Result<(), MachineError> {
        self.told().bound.insert(floating, id.to_owned());
        Ok(())
    }

    async fn unbind(&self, floating: Ipv4Addr) -> Result<(), MachineError> {
        self.told().bound.remove(&floating);
        Ok(())
    }

    async fn set_rules(&self, id: &str, rules: &[Rule]) -> Result<(), MachineError> {
        self.told().rules.insert(id.to_owned(), rules.to_vec());
        Ok(())
    }

    async fn attach(&self, id: &str, volume: &Path) -> Result<String, MachineError> {
        let mut told = self.told();
        let spec = told
            .specs
            .get_mut(id)
            .ok_or_else(|| MachineError(format!("no machine {id}")))?;
        spec.volumes.push(volume.to_owned());
        let letter = b'a' + u8::try_from(spec.volumes.len()).unwrap_or(25).min(25);
        Ok(format!("/dev/vd{}", char::from(letter)))
    }

    async fn detach(&self, id: &str, volume: &Path) -> Result<(), MachineError> {
        if let Some(spec) = self.told().specs.get_mut(id) {
            spec.volumes.retain(|v| v != volume);
        }
        Ok(())
    }

    async fn sweep(&self) -> Result<(), MachineError> {
        *self.told() = Told::default();
        Ok(())
    }
}
