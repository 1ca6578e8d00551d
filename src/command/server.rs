//! The way to the server: who it is, how we log in, and its host key on first contact.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::Context;
use crate::cloud::Cloud;
use crate::event::Observer;
use crate::host::{self, Fingerprint, Host, Identity, KnownHosts, Target, Trust};
use crate::infra::{HostKeyPair, Inventory, Outcome, tag};
use crate::key;
use crate::spec::{HostKey, Spec};
use crate::state::{Receipt, State};
use crate::wait::{Probe, Wait};

/// How long a fresh server may take until SSH lets us in.
const SSH_DEADLINE: Duration = Duration::from_secs(600);
/// How long cloud-init may take to print the host keys.
const CONSOLE_DEADLINE: Duration = Duration::from_secs(300);
const KNOWN_HOSTS: &str = "known_hosts";

/// The image's login: what the spec says, what the server was made with, else Debian's.
pub(super) fn login(spec: &Spec, outcome: &Outcome) -> String {
    spec.server
        .login
        .clone()
        .or_else(|| outcome.login.clone())
        .unwrap_or_else(|| "debian".to_owned())
}

/// The one-time host key for a server that is still to be made, where the spec wants one.
pub(super) fn injected_host_key(
    state: &State,
    spec: &Spec,
    inventory: &Inventory,
) -> anyhow::Result<Option<HostKeyPair>> {
    if spec.ssh.host_key != HostKey::Injected || inventory.server().is_some() {
        return Ok(None);
    }
    Ok(Some(key::host_key(state)?))
}

/// Opens a session to the server; on first contact checks its host key against what the cloud's API says.
pub(super) async fn connect(
    context: &Context,
    cloud: &Cloud,
    spec: &Spec,
    state: &State,
    receipt: &mut Receipt,
    outcome: &Outcome,
) -> anyhow::Result<Host> {
    if receipt.server_id.as_ref() != Some(&outcome.server_id) {
        // Another server than the one whose key we know, perhaps under the same address.
        state.delete(KNOWN_HOSTS)?;
        receipt.server_id = Some(outcome.server_id.clone());
    }
    receipt.address = Some(outcome.address.to_string());
    receipt.login = Some(login(spec, outcome));
    state.write_receipt(receipt)?;

    let address = SocketAddr::new(outcome.address, 22);
    let known_hosts = KnownHosts::new(state.path(KNOWN_HOSTS));
    let trust = if !known_hosts.fingerprints(address)?.is_empty() {
        Trust::Known
    } else if outcome.host_keys.is_empty() {
        first_trust(context, cloud, spec, state, outcome).await?
    } else {
        let recorded = outcome.host_keys.values();
        Trust::Expected(recorded.filter_map(|text| Fingerprint::parse(text)).collect())
    };
    let target = target(state, address, login(spec, outcome), trust);
    let host = Host::wait(&target, SSH_DEADLINE, &*context.ui).await?;
    if outcome.host_keys.is_empty() {
        record_host_keys(cloud, outcome, &known_hosts, address).await?;
    }
    Ok(host)
}

/// Opens a session to a server that is known, without asking the cloud.
pub(super) async fn reconnect(
    context: &Context,
    state: &State,
    receipt: &Receipt,
) -> anyhow::Result<Option<Host>> {
    let (Some(address), Some(login)) = (&receipt.address, &receipt.login) else {
        return Ok(None);
    };
    let address = SocketAddr::new(address.parse()?, 22);
    if KnownHosts::new(state.path(KNOWN_HOSTS))
        .fingerprints(address)?
        .is_empty()
    {
        return Ok(None);
    }
    let target = target(state, address, login.clone(), Trust::Known);
    let within = Duration::from_secs(20);
    Ok(Some(Host::connect(&target, within, &*context.ui).await?))
}

fn target(state: &State, address: SocketAddr, login: String, trust: Trust) -> Target {
    Target {
        address,
        login,
        identities: vec![Identity::File(state.path(key::FILE)), Identity::Agent],
        known_hosts: state.path(KNOWN_HOSTS),
        trust,
    }
}

/// What makes the host key of a server good that nobody has logged in to yet.
async fn first_trust(
    context: &Context,
    cloud: &Cloud,
    spec: &Spec,
    state: &State,
    outcome: &Outcome,
) -> anyhow::Result<Trust> {
    match spec.ssh.host_key {
        HostKey::TrustOnFirstUse => Ok(Trust::FirstUse),
        HostKey::Injected => {
            let public = key::host_key(state)?.public;
            let code = public.split_whitespace().nth(1).unwrap_or_default();
            Ok(Trust::Expected(
                Fingerprint::of_base64(code).into_iter().collect(),
            ))
        }
        HostKey::Console => {
            let wait = Wait::new(
                "the host keys in the console log",
                Duration::from_secs(1),
                CONSOLE_DEADLINE,
            );
            let found = wait
                .until(&*context.ui, async || {
                    let log = cloud.console_log(&outcome.server_id, None).await?;
                    let keys = host::console::fingerprints(&log);
                    Ok::<_, crate::cloud::CloudError>(if keys.is_empty() {
                        let last = log.lines().rfind(|line| !line.trim().is_empty());
                        Probe::Pending(last.unwrap_or("the console log is empty").to_owned())
                    } else {
                        Probe::Ready(keys)
                    })
                })
                .await?;
            Ok(Trust::Expected(found))
        }
    }
}

/// Writes the checked host key into the server's metadata, for operators on other machines.
async fn record_host_keys(
    cloud: &Cloud,
    outcome: &Outcome,
    known_hosts: &KnownHosts,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let metadata: BTreeMap<String, String> = known_hosts
        .by_type(address)?
        .into_iter()
        .map(|(kind, fingerprint)| (format!("{}{kind}", tag::HOST_KEY), fingerprint.to_string()))
        .collect();
    cloud
        .set_server_metadata(&outcome.server_id, &metadata)
        .await?;
    Ok(())
}
