//! What the templates are given.

use std::collections::BTreeMap;

use tera::Context;

use super::{Site, proxy};
use crate::setup::SetupError;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    ADMINS_GROUP, CULLER_ACCOUNT, HUB_PORT, PROXY_ACCOUNT, PROXY_API_PORT, SSH_GROUP, USERS_GROUP,
    WAY_PORT,
};
use crate::spec::model::{SpawnerKind, Spec};
use crate::spec::size;

/// JupyterHub from 6 on speaks HTTP over Unix sockets, to the proxy's API and to users' servers.
pub(super) fn speaks_unix(version: &str) -> bool {
    version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok())
        .is_some_and(|major| major >= 6)
}

/// Memory limit of a seat, as systemd writes it.
fn seat_memory(spec: &Spec, site: &Site) -> String {
    size::seat_memory(&spec.limits, site.memory_mb).to_string()
}

pub(super) fn context(spec: &Spec, site: &Site) -> Result<Context, SetupError> {
    let mut context = Context::new();
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let hub_url = format!("http://127.0.0.1:{HUB_PORT}");
    let unix = speaks_unix(&spec.hub.version);
    let (api_url, api_listen) = proxy::api(spec, unix);
    let api_arguments = if unix {
        format!("--api-socket={api_listen}")
    } else {
        format!("--api-ip=127.0.0.1 --api-port={PROXY_API_PORT}")
    };
    let places = HubPlaces::of(spec.hub.kind);
    let mut environment = BTreeMap::from([("LANG", "C.UTF-8".to_owned())]);
    if let Some(index) = &spec.host.pip_index_url {
        environment.insert("PIP_INDEX_URL", index.clone());
    }
    let systemd = spec.spawner.kind == SpawnerKind::Systemd;
    if !systemd {
        // A child of the hub's would get the hub's.
        environment.insert(
            "PATH",
            "/opt/notebook/bin:/usr/local/bin:/usr/bin:/bin".to_owned(),
        );
    }
    context.insert("name", &spec.name);
    context.insert("hub_url", &hub_url);
    context.insert("hub_host", "127.0.0.1");
    context.insert("hub_port", &HUB_PORT);
    context.insert("proxy_api_url", &api_url);
    context.insert("proxy_api_arguments", &api_arguments);
    context.insert(
        "public_url",
        &format!("https://{}/", proxy::public_host(site)),
    );
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
    context.insert("spawner", if systemd { "systemd" } else { "local" });
    context.insert("sockets", &unix);
    context.insert("memory", &systemd.then(|| seat_memory(spec, site)));
    context.insert("cpu", &spec.limits.cpu.filter(|_| systemd));
    context.insert(
        "slice_memory_mb",
        &site
            .memory_mb
            .saturating_sub(size::RESERVE_MIB)
            .max(size::LEAST_SEAT_MIB),
    );
    context.insert("kill_mode", if systemd { "mixed" } else { "process" });
    context.insert("cull_after", &(u64::from(spec.hub.cull_after_minutes) * 60));
    context.insert("extra_config", &spec.hub.extra_config);
    context.insert("home_volume", &site.data_volume.is_some());
    context.insert("http_proxy", &spec.host.http_proxy);
    context.insert("operators", &[&site.login]);
    proxy::variables(spec, &mut context)?;
    Ok(context)
}
