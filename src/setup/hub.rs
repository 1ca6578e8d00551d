//! What others must know of a hub, by its kind: its unit, its places, and those of users' servers.

use super::names::{
    HUB_ENVIRONMENT, HUB_HELPER_SERVICE, HUB_HELPER_SOCKET, HUBD_ACCOUNT, HUBD_SERVICE,
    HUBD_SOCKETS, HUBPROXY_ACCOUNT, JUPYTERHUB_ACCOUNT, JUPYTERHUB_SERVICE, NOTEBOOK_ACCOUNT,
    NOTEBOOK_SERVICE, PROXY_ACCOUNT, RUN_NOTEBOOK,
};
use crate::spec::model::{Hub, HubKind, HubUser};

/// What others must know of a hub.
#[derive(Debug, PartialEq, Eq)]
pub struct HubPlaces {
    /// As people call it.
    pub title: &'static str,
    pub service: &'static str,
    /// All of its units, in the order in which they end: a socket first, or the next visitor starts its service again.
    pub units: &'static [&'static str],
    /// The account it runs as; its group reads its secrets.
    pub account: &'static str,
    /// Its settings, with `secrets` and `tls` in it.
    pub folder: &'static str,
    /// Mode of the folder with the secrets, which the hub must enter.
    pub secrets_mode: &'static str,
    /// Mode of a secret in it.
    pub secret_mode: &'static str,
    /// The token of the service `hubctl` at its API.
    pub api_token: &'static str,
    /// Who is in this group reaches the sockets of users' servers; the proxy.
    pub sockets_group: &'static str,
    /// The unit of a user's server, `{name}` for the user.
    pub user_unit: &'static str,
    /// Units through which proxies without Unix sockets reach users' servers, as patterns of systemd's.
    pub ways: &'static [&'static str],
    /// The folder of a user's sockets, `{name}` for the user.
    pub user_folder: &'static str,
    /// Whether its API can be told to end browsers' sessions.
    pub ends_sessions: bool,
    /// Its database, where it has one.
    pub database: Option<&'static str>,
    /// What is its alone of files and folders, its database aside.
    pub own: &'static [&'static str],
}

const JUPYTERHUB: HubPlaces = HubPlaces {
    title: "JupyterHub",
    service: JUPYTERHUB_SERVICE,
    units: &[JUPYTERHUB_SERVICE],
    account: "root",
    folder: "/etc/jupyterhub",
    secrets_mode: "0700",
    secret_mode: "0600",
    api_token: "/etc/jupyterhub/secrets/api-token",
    sockets_group: PROXY_ACCOUNT,
    user_unit: "jupyter-{name}.service",
    ways: &["jupyterhub-way-*.socket", "jupyterhub-way-*.service"],
    user_folder: "/run/jupyter/{name}",
    ends_sessions: false,
    database: Some("/var/lib/jupyterhub/jupyterhub.sqlite"),
    own: &["/etc/jupyterhub", "/etc/pam.d/jupyterhub", HUB_ENVIRONMENT],
};

const HUBD: HubPlaces = HubPlaces {
    title: "hubd",
    service: HUBD_SERVICE,
    units: &[
        HUBD_SOCKETS[0].0,
        HUBD_SOCKETS[1].0,
        HUBD_SERVICE,
        HUB_HELPER_SOCKET,
        HUB_HELPER_SERVICE,
    ],
    account: HUBD_ACCOUNT,
    folder: "/etc/hubd",
    secrets_mode: "0750",
    secret_mode: "0640",
    api_token: "/etc/hubd/secrets/api-token",
    sockets_group: HUBPROXY_ACCOUNT,
    user_unit: "jupyter@{name}.service",
    ways: &[],
    user_folder: "/run/jupyter/{name}",
    ends_sessions: true,
    database: Some("/var/lib/hubd/hubd.sqlite"),
    own: &[
        "/etc/hubd",
        "/etc/hub-helper",
        "/etc/pam.d/hubd",
        "/etc/systemd/system/jupyter@.service",
        "/opt/hubctl/bin/hubd",
        "/opt/hubctl/bin/hub-helper",
    ],
};

/// JupyterHub as an account of its own.
const JUPYTERHUB_WITHOUT_ROOT: HubPlaces = HubPlaces {
    account: JUPYTERHUB_ACCOUNT,
    secrets_mode: "0750",
    secret_mode: "0640",
    ..JUPYTERHUB
};

/// One person's notebook server: the account is the person's, and there are no users.
const NOTEBOOK: HubPlaces = HubPlaces {
    title: "a notebook server",
    service: NOTEBOOK_SERVICE,
    units: &[NOTEBOOK_SERVICE],
    account: NOTEBOOK_ACCOUNT,
    folder: "/etc/notebook",
    secrets_mode: "0750",
    secret_mode: "0640",
    api_token: "",
    sockets_group: NOTEBOOK_ACCOUNT,
    user_unit: NOTEBOOK_SERVICE,
    ways: &[],
    user_folder: "/run/notebook",
    ends_sessions: false,
    database: None,
    own: &["/etc/notebook", RUN_NOTEBOOK],
};

impl HubPlaces {
    /// Those of a kind, as root where it has a choice.
    pub const fn of(kind: HubKind) -> &'static Self {
        match kind {
            HubKind::Jupyterhub => &JUPYTERHUB,
            HubKind::Hubd => &HUBD,
            HubKind::Notebook => &NOTEBOOK,
        }
    }

    /// Those of the hub that is asked for, with its account.
    pub const fn of_hub(hub: &Hub) -> &'static Self {
        match (hub.kind, hub.user) {
            (HubKind::Jupyterhub, HubUser::Jupyterhub) => &JUPYTERHUB_WITHOUT_ROOT,
            (kind, _) => Self::of(kind),
        }
    }

    /// Those of all kinds.
    pub const fn all() -> [&'static Self; 3] {
        [&JUPYTERHUB, &HUBD, &NOTEBOOK]
    }

    /// The units of all users' servers, as a pattern of systemd's.
    pub(super) fn user_units(&self) -> String {
        self.user_unit.replace("{name}", "*")
    }

    pub(super) fn secret(&self, name: &str) -> String {
        format!("{}/secrets/{name}", self.folder)
    }

    pub(super) fn certificate(&self) -> String {
        format!("{}/tls/certificate.pem", self.folder)
    }

    /// The authority of the certificate, where a second hop is checked against it.
    pub(super) fn authority(&self) -> String {
        format!("{}/tls/authority.pem", self.folder)
    }

    pub(super) fn key(&self) -> String {
        format!("{}/tls/key.pem", self.folder)
    }
}
