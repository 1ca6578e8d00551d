//! Which kinds of hub, proxy, spawner, authenticator and certificate go together, and why others do not.

use super::model::{AuthenticatorKind, HubKind, ProxyKind, SpawnerKind, TlsKind};

/// Why kinds do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The field whose kind has no place beside the others.
    pub path: &'static str,
    /// A predicate: what the field is, and why that cannot be.
    pub reason: String,
    /// What to choose.
    pub hint: String,
}

impl Refusal {
    fn new(path: &'static str, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path,
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}

/// Whether these kinds go together; else the first reason why not.
pub fn combination(
    hub: HubKind,
    proxy: ProxyKind,
    spawner: SpawnerKind,
    authenticator: AuthenticatorKind,
    tls: TlsKind,
) -> Result<(), Refusal> {
    match refusals(hub, proxy, spawner, authenticator, tls)
        .into_iter()
        .next()
    {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Every reason why these kinds do not go together.
pub(super) fn refusals(
    hub: HubKind,
    proxy: ProxyKind,
    spawner: SpawnerKind,
    authenticator: AuthenticatorKind,
    tls: TlsKind,
) -> Vec<Refusal> {
    [
        hub_and_proxy(hub, proxy),
        hub_and_spawner(hub, spawner),
        hub_and_authenticator(hub, authenticator),
        proxy_and_tls(proxy, tls),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn hub_and_proxy(hub: HubKind, proxy: ProxyKind) -> Option<Refusal> {
    let refuse = |reason: &str, hint: &str| Some(Refusal::new("proxy.kind", reason, hint));
    match (hub, proxy) {
        // The hub's own proxy is behind nginx and Apache.
        (
            HubKind::Jupyterhub,
            ProxyKind::Chp
            | ProxyKind::Hubproxy
            | ProxyKind::Traefik
            | ProxyKind::Nginx
            | ProxyKind::Apache,
        )
        | (HubKind::Hubd, ProxyKind::Hubproxy | ProxyKind::Nginx | ProxyKind::Apache)
        | (
            HubKind::Notebook,
            ProxyKind::Hubproxy | ProxyKind::Nginx | ProxyKind::Apache | ProxyKind::None,
        ) => None,
        (HubKind::Hubd, ProxyKind::Chp) => Some(Refusal::new(
            "hub.kind",
            "is `hubd`, which goes with `hubproxy` alone: nothing else here lets a hub without privileges reach its routes",
            "set `proxy.kind: hubproxy` (`nginx` and `apache` stand before it), or `profile: rust` for all of it",
        )),
        (HubKind::Hubd, ProxyKind::Traefik) => refuse(
            "is `traefik`, which takes its routes from a package of JupyterHub's, and `hubd` has no such packages",
            "set `proxy.kind: hubproxy`, or `hub.kind: jupyterhub`",
        ),
        (HubKind::Jupyterhub | HubKind::Hubd, ProxyKind::None) => refuse(
            "is `none`: it is the proxy through which a hub's users reach their servers",
            "choose a proxy; `none` is for `hub.kind: notebook`",
        ),
        (HubKind::Notebook, ProxyKind::Chp | ProxyKind::Traefik) => refuse(
            &format!(
                "is `{}`, which is told its routes by a hub, and a notebook server has none",
                proxy.word()
            ),
            "set `proxy.kind: none`, `hubproxy`, `nginx` or `apache`",
        ),
    }
}

fn hub_and_spawner(hub: HubKind, spawner: SpawnerKind) -> Option<Refusal> {
    let refuse = |reason: &str, hint: &str| Some(Refusal::new("spawner.kind", reason, hint));
    match (hub, spawner) {
        (HubKind::Jupyterhub, _)
        | (HubKind::Hubd | HubKind::Notebook, SpawnerKind::Systemd | SpawnerKind::Docker) => None,
        (HubKind::Hubd, SpawnerKind::Local) => refuse(
            "is `local`: `hubd` has no privileges to start a process as another user with",
            "set `spawner.kind: systemd`",
        ),
        (HubKind::Hubd, SpawnerKind::Sudo) => refuse(
            "is `sudo`, a package of JupyterHub's: `hubd` asks its helper in that one's place",
            "set `spawner.kind: systemd`",
        ),
        (HubKind::Notebook, SpawnerKind::Local | SpawnerKind::Sudo) => refuse(
            &format!(
                "is `{}`, and there is no hub to start a server: it is a unit, or a container in one",
                spawner.word()
            ),
            "set `spawner.kind: systemd` or `docker`",
        ),
    }
}

fn hub_and_authenticator(hub: HubKind, authenticator: AuthenticatorKind) -> Option<Refusal> {
    let refuse = |reason: &str, hint: &str| Some(Refusal::new("authenticator.kind", reason, hint));
    match (hub, authenticator) {
        (HubKind::Jupyterhub | HubKind::Hubd, _) | (_, AuthenticatorKind::Pam) => None,
        (HubKind::Notebook, _) => refuse(
            "has no use: one person's notebook server asks for its own password",
            "remove it",
        ),
    }
}

fn proxy_and_tls(proxy: ProxyKind, tls: TlsKind) -> Option<Refusal> {
    let refuse = |reason: String, hint: &str| Some(Refusal::new("tls.kind", reason, hint));
    let word = tls.word();
    match (proxy, tls) {
        (_, TlsKind::SelfSigned | TlsKind::Own)
        | (ProxyKind::Hubproxy, TlsKind::Acme | TlsKind::AcmeIp)
        | (ProxyKind::Traefik, TlsKind::Acme)
        | (ProxyKind::Chp | ProxyKind::Hubproxy, TlsKind::None) => None,
        (ProxyKind::Chp, TlsKind::Acme | TlsKind::AcmeIp) => refuse(
            format!("is `{word}`, which `configurable-http-proxy` cannot do"),
            "set `proxy.kind: hubproxy`",
        ),
        (ProxyKind::Traefik, TlsKind::AcmeIp) => refuse(
            format!(
                "is `{word}`: certificates for addresses live for days, and are not tried with Traefik"
            ),
            "set `proxy.kind: hubproxy`, or give the hub a `domain` and set `tls.kind: acme`",
        ),
        (ProxyKind::Nginx | ProxyKind::Apache, TlsKind::Acme | TlsKind::AcmeIp) => refuse(
            format!(
                "is `{word}`: {} asks for no certificates itself, and a program beside it that does would change what hubctl keeps",
                proxy.word()
            ),
            "set `proxy.kind: hubproxy` or `traefik`, which renew theirs themselves; or `tls.kind: own`",
        ),
        (ProxyKind::None, TlsKind::Acme | TlsKind::AcmeIp) => refuse(
            format!("is `{word}`: a notebook server asks for no certificates itself"),
            "set `tls.kind: self-signed` or `own`",
        ),
        (
            ProxyKind::Traefik | ProxyKind::Nginx | ProxyKind::Apache | ProxyKind::None,
            TlsKind::None,
        ) => refuse(
            format!(
                "is `none`: {}",
                match proxy {
                    ProxyKind::None =>
                        "a notebook server by itself would send its password in the clear",
                    _ => "this proxy is there to speak TLS",
                }
            ),
            "set `tls.kind: self-signed`; without TLS go `chp` and `hubproxy`, on loopback",
        ),
    }
}
