//! What the templates are given.

use std::collections::BTreeMap;

use tera::Context;

use super::{Site, proxy};
use crate::setup::SetupError;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    ADMINS_GROUP, CONTAINERS_DEVICE, CULLER_ACCOUNT, HUB_PORT, PROXY_ACCOUNT, PROXY_API_PORT,
    SSH_GROUP, USERS_GROUP, WAY_PORT,
};
use crate::spec::model::{Hub, HubKind, HubUser, SpawnerKind, Spec, TlsKind};
use crate::spec::size;

/// JupyterHub from 6 on speaks HTTP over Unix sockets, to the proxy's API and to users' servers.
/// The proxy's API socket is for root; another account speaks to its port, with the token.
pub(super) fn speaks_unix(hub: &Hub) -> bool {
    let major = hub
        .version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    hub.user == HubUser::Root && major.is_some_and(|major| major >= 6)
}

/// Memory limit of a seat, as systemd writes it.
fn seat_memory(spec: &Spec, site: &Site) -> String {
    size::seat_memory(&spec.limits, site.memory_mb).to_string()
}

pub(super) fn context(spec: &Spec, site: &Site) -> Result<Context, SetupError> {
    let mut context = Context::new();
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let hub_url = format!("http://127.0.0.1:{HUB_PORT}");
    let unix = speaks_unix(&spec.hub);
    let (api_url, api_listen) = proxy::api(spec, unix);
    let api_arguments = if unix {
        format!("--api-socket={api_listen}")
    } else {
        format!("--api-ip=127.0.0.1 --api-port={PROXY_API_PORT}")
    };
    let places = HubPlaces::of_hub(&spec.hub);
    let mut environment = BTreeMap::from([("LANG", "C.UTF-8".to_owned())]);
    if let Some(index) = &spec.host.pip_index_url {
        environment.insert("PIP_INDEX_URL", index.clone());
    }
    let kind = spec.spawner.kind;
    let limits = matches!(kind, SpawnerKind::Systemd | SpawnerKind::Docker);
    if kind == SpawnerKind::Docker {
        // Of the container alone; the path of a home may be too long for a socket.
        environment.insert("JUPYTER_RUNTIME_DIR", "/tmp/jupyter".to_owned());
    }
    if matches!(kind, SpawnerKind::Local | SpawnerKind::Sudo) || spec.shows_host_environment() {
        // A child of the hub's would get the hub's.
        environment.insert(
            "PATH",
            "/opt/notebook/bin:/usr/local/bin:/usr/bin:/bin".to_owned(),
        );
    }
    context.insert("name", &spec.name);
    context.insert("hub_url", &hub_url);
    let containers = kind == SpawnerKind::Docker;
    let (bind, what) = if containers {
        (
            format!("http://0.0.0.0:{HUB_PORT}"),
            "for this machine and its containers (the packet filter closes it to all others)",
        )
    } else {
        (hub_url.clone(), "on loopback")
    };
    context.insert("hub_bind_url", &bind);
    context.insert("hub_bind_what", what);
    context.insert(
        "containers_device",
        &containers.then_some(CONTAINERS_DEVICE),
    );
    context.insert("hub_reached", &(spec.hub.kind != HubKind::Notebook));
    context.insert("hub_host", "127.0.0.1");
    context.insert("hub_port", &HUB_PORT);
    context.insert("proxy_api_url", &api_url);
    context.insert("proxy_api_arguments", &api_arguments);
    // Without TLS it is reached at the operator's end of a tunnel, wherever that is.
    let public_url = match spec.tls.kind {
        TlsKind::None => String::new(),
        _ => format!("https://{}/", proxy::public_host(site)),
    };
    context.insert("public_url", &public_url);
    context.insert("users_group", USERS_GROUP);
    context.insert("admins_group", ADMINS_GROUP);
    context.insert("ssh_group", SSH_GROUP);
    context.insert("proxy_account", PROXY_ACCOUNT);
    context.insert("proxy_group", places.sockets_group);
    context.insert("hub_title", places.title);
    context.insert("hub_account", places.account);
    context.insert("api_token_file", places.api_token);
    context.insert("proxy_unit", proxy::unit(spec));
    context.insert("way_port", &WAY_PORT);
    context.insert("culler_account", CULLER_ACCOUNT);
    context.insert(
        "admins",
        &format!("set({})", serde_json::Value::from(spec.hub.admins.clone())),
    );
    context.insert("default_url", &json(&spec.spawner.default_url));
    context.insert("start_timeout", &spec.spawner.start_timeout);
    context.insert("environment", &serde_json::json!(environment).to_string());
    context.insert("spawner", kind.word());
    context.insert("sockets", &unix);
    context.insert("memory", &limits.then(|| seat_memory(spec, site)));
    context.insert("cpu", &spec.limits.cpu.filter(|_| limits));
    context.insert(
        "slice_memory_mb",
        &site
            .memory_mb
            .saturating_sub(size::RESERVE_MIB)
            .max(size::LEAST_SEAT_MIB),
    );
    context.insert("kill_mode", if limits { "mixed" } else { "process" });
    context.insert("cull_after", &(u64::from(spec.hub.cull_after_minutes) * 60));
    context.insert("extra_config", &spec.hub.extra_config);
    context.insert("home_volume", &site.data_volume.is_some());
    context.insert("http_proxy", &spec.host.http_proxy);
    context.insert("operators", &[&site.login]);
    proxy::variables(spec, &mut context)?;
    Ok(context)
}
