//! The way to the server: who it is, how we log in, and its host key on first contact.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use url::Url;

use super::Context;
use crate::cloud::Cloud;
use crate::event::Observer;
use crate::host::{self, Fingerprint, Host, Identity, KnownHosts, Limits, Target, Trust};
use crate::infra::{self, HostKeyPair, Inventory, Outcome, operator, rule};
use crate::key;
use crate::spec::{HostKey, Spec};
use crate::state::{Receipt, State};
use crate::wait::{Probe, Wait};

/// How long a fresh server may take until SSH lets us in.
pub(super) const SSH_DEADLINE: Duration = Duration::from_secs(600);
/// How long cloud-init may take to print the host keys.
const CONSOLE_DEADLINE: Duration = Duration::from_secs(300);
/// How long a server that is known may take to let us in.
const VISIT: Duration = Duration::from_secs(20);
pub(super) const KNOWN_HOSTS: &str = "known_hosts";

/// The image's login: what the spec says, what the server was made with, else Debian's.
pub(super) fn login(spec: &Spec, outcome: &Outcome) -> String {
    spec.server
        .login
        .clone()
        .or_else(|| outcome.login.clone())
        .unwrap_or_else(|| "debian".to_owned())
}

/// The address this machine is seen under, where a rule needs it.
pub(super) async fn operator_address(cloud: &Cloud, spec: &Spec) -> anyhow::Result<Option<IpAddr>> {
    if !rule::needs_operator(&spec.access) {
        return Ok(None);
    }
    let api = Url::parse(&cloud.config().auth_url).context("reading auth_url")?;
    let host = api.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = api.port_or_known_default().unwrap_or(443);
    Ok(Some(operator::operator_address(host, port).await?))
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

/// Whether the server's host key is known already, here or from its metadata. The first contact may take minutes.
pub(super) fn is_known(
    state: &State,
    receipt: &Receipt,
    outcome: &Outcome,
) -> anyhow::Result<bool> {
    if !outcome.host_keys.is_empty() {
        return Ok(true);
    }
    let known_hosts = KnownHosts::new(state.path(KNOWN_HOSTS));
    let address = SocketAddr::new(outcome.address, 22);
    Ok(receipt.server_id.as_ref() == Some(&outcome.server_id)
        && !known_hosts.fingerprints(address)?.is_empty())
}

/// Opens a session to the server; on first contact checks its host key against what the cloud's API says.
pub(super) async fn connect(
    context: &Context,
    cloud: &Cloud,
    spec: &Spec,
    state: &State,
    receipt: &mut Receipt,
    outcome: &Outcome,
    within: Duration,
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
        Trust::Expected(
            recorded
                .filter_map(|text| Fingerprint::parse(text))
                .collect(),
        )
    };
    let target = target(state, address, login(spec, outcome), trust);
    let mut host = Host::wait(&target, within, &*context.ui).await?;
    if key::has_host_key(state) {
        host = replace_host_key(context, state, &host, &known_hosts).await?;
    }
    if outcome.host_keys.is_empty() {
        record_host_keys(cloud, outcome, &known_hosts, address).await?;
    }
    Ok(host)
}

/// Opens a session to the deployment's server: as the state folder knows it, else as the cloud's tags do.
pub(super) async fn of(context: &Context, name: &str, state: &State) -> anyhow::Result<Host> {
    let mut receipt = state.receipt()?;
    if let Some(host) = reconnect(context, state, &receipt).await? {
        return Ok(host);
    }
    let cloud = context.cloud().await?;
    let inventory = infra::observe(&cloud, name).await?;
    let Some(outcome) = Outcome::of(&inventory) else {
        bail!("{name} has no server; `hubctl provision` makes it");
    };
    if outcome.host_keys.is_empty() {
        bail!("nobody has set {name}'s server up yet; `hubctl provision` does");
    }
    let mut spec = Spec::named(name);
    spec.server.login.clone_from(&outcome.login);
    connect(
        context,
        &cloud,
        &spec,
        state,
        &mut receipt,
        &outcome,
        SSH_DEADLINE,
    )
    .await
}

/// Opens a session to the deployment's server and writes nothing down: beside a run that works on it, or from a laptop
/// that has nothing of it but a key in its agent.
pub(super) async fn visit(context: &Context, name: &str) -> anyhow::Result<Host> {
    let state = context.state_for_reading(name)?;
    let receipt = state.receipt()?;
    if let Some(host) = reconnect(context, &state, &receipt).await? {
        return Ok(host);
    }
    let cloud = context.cloud().await?;
    let inventory = infra::observe(&cloud, name).await?;
    let Some(outcome) = Outcome::of(&inventory) else {
        bail!("{name} has no server; `hubctl provision` makes it");
    };
    visit_server(context, &state, &outcome).await
}

/// The same for a server that was observed.
pub(super) async fn visit_server(
    context: &Context,
    state: &State,
    outcome: &Outcome,
) -> anyhow::Result<Host> {
    let receipt = state.receipt()?;
    let address = SocketAddr::new(outcome.address, 22);
    let login = receipt
        .login
        .clone()
        .filter(|_| receipt.server_id.as_ref() == Some(&outcome.server_id))
        .or_else(|| outcome.login.clone())
        .unwrap_or_else(|| "debian".to_owned());
    let known = receipt.server_id.as_ref() == Some(&outcome.server_id)
        && !KnownHosts::new(state.path(KNOWN_HOSTS))
            .fingerprints(address)?
            .is_empty();
    if known {
        let target = target(state, address, login, Trust::Known);
        return Ok(Host::connect(&target, VISIT, &*context.ui).await?);
    }
    if outcome.host_keys.is_empty() {
        bail!(
            "nobody has set {}'s server up yet; `hubctl provision` does",
            state.name()
        );
    }
    let recorded = outcome.host_keys.values();
    let trust = Trust::Expected(
        recorded
            .filter_map(|text| Fingerprint::parse(text))
            .collect(),
    );
    // The key that is seen is written down where nobody looks again.
    let folder = tempfile::tempdir().context("making a folder for the host key")?;
    let mut target = target(state, address, login, trust);
    target.known_hosts = folder.path().join(KNOWN_HOSTS);
    Ok(Host::connect(&target, VISIT, &*context.ui).await?)
}

/// Opens a session to a server that is known, without asking the cloud; `None` where it is not known, or has moved.
async fn reconnect(
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
    Ok(Some(Host::connect(&target, VISIT, &*context.ui).await?))
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
            if !cloud.config().verify {
                (&*context.ui as &dyn Observer).warn(
                    "`verify: false`: whoever is between you and the cloud's API can also say which host key is right",
                );
            }
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
                .await
                .context("learning the server's SSH host key")?;
            Ok(Trust::Expected(found))
        }
    }
}

/// Gives the server host keys of its own in place of the one that went through the cloud's user data.
///
/// The new keys are known here before the server shows them, and the old one is forgotten after: a run killed in between
/// is let in by either and does it again.
async fn replace_host_key(
    context: &Context,
    state: &State,
    host: &Host,
    known_hosts: &KnownHosts,
) -> anyhow::Result<Host> {
    const MAKE: &str = "set -eu; umask 077; rm -rf /etc/ssh/hubctl; mkdir /etc/ssh/hubctl; \
        for kind in ed25519 ecdsa; do ssh-keygen -q -N '' -C '' -t $kind -f /etc/ssh/hubctl/ssh_host_${kind}_key; done; \
        cat /etc/ssh/hubctl/*.pub";
    const INSTALL: &str = "set -eu; chmod 644 /etc/ssh/hubctl/*.pub; rm -f /etc/ssh/ssh_host_*; \
        mv /etc/ssh/hubctl/* /etc/ssh/; rmdir /etc/ssh/hubctl; systemctl try-restart ssh.service";
    let root = |script: &str| host::Command::new("sudo").args(["-n", "sh", "-c", script]);
    let address = host.target().address;
    let first = key::host_key(state)?.public;
    let made = host.run(&root(MAKE), Vec::new(), Limits::default()).await?;
    for line in &made.lines {
        if let [kind, code, ..] = line.split_whitespace().collect::<Vec<_>>()[..] {
            known_hosts.add(address, kind, code)?;
        }
    }
    host.run(&root(INSTALL), Vec::new(), Limits::default())
        .await?;
    let mut target = host.target().clone();
    target.trust = Trust::Known;
    let host = Host::wait(&target, Duration::from_secs(60), &*context.ui).await?;
    let code = first.split_whitespace().nth(1).unwrap_or_default();
    if let Some(fingerprint) = Fingerprint::of_base64(code) {
        known_hosts.remove(address, &fingerprint)?;
    }
    key::forget_host_key(state)?;
    Ok(host)
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
        .map(|(kind, fingerprint)| (kind, fingerprint.to_string()))
        .collect();
    Ok(infra::record_host_keys(cloud, &outcome.server_id, &metadata).await?)
}
