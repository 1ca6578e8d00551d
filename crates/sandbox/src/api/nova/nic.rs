//! The networks and security groups a server asks for.

use serde_json::Value;

use super::create::required;
use super::{NovaError, Version};
use crate::api::life::Plug;
use crate::api::neutron::network::Network;
use crate::api::neutron::port::Port;
use crate::api::neutron::standard::Resource;
use crate::api::{Caller, Fields, State};

/// Reads `networks`.
pub fn plugs(
    state: &State,
    caller: &Caller,
    version: Version,
    body: &Value,
) -> Result<Vec<Plug>, NovaError> {
    match body.get("networks") {
        Some(Value::String(word)) if version >= Version(37) && word == "none" => Ok(Vec::new()),
        Some(Value::String(word)) if version >= Version(37) && word == "auto" => {
            let any = any_network(state, caller)?;
            let plug = any.ok_or_else(|| {
                NovaError::bad(format!(
                    "Unable to automatically allocate a network for project {}",
                    caller.project_id
                ))
            })?;
            Ok(vec![plug])
        }
        Some(Value::Array(asked)) => asked.iter().map(|one| plug(state, caller, one)).collect(),
        None if version >= Version(37) => Err(required(body, "networks")),
        Some(Value::Null) if version >= Version(37) => Err(NovaError::invalid(
            "networks",
            "None",
            "None is not valid under any of the given schemas",
        )),
        None | Some(Value::Null) => Ok(any_network(state, caller)?.into_iter().collect()),
        Some(other) => Err(NovaError::invalid(
            "networks",
            &other.to_string(),
            "it is not of type 'array'",
        )),
    }
}

/// The one network there is, if there is one.
fn any_network(state: &State, caller: &Caller) -> Result<Option<Plug>, NovaError> {
    let usable = |n: &&Network| (n.std.project_id == caller.project_id || n.shared) && !n.external;
    let networks: Vec<&Network> = state.network.networks.iter().filter(usable).collect();
    match networks.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(Plug::Network {
            id: one.std.id.clone(),
            fixed_ip: None,
        })),
        _ => Err(NovaError::conflict(
            "Multiple possible networks found, use a Network ID to be more specific.",
        )),
    }
}

fn plug(state: &State, caller: &Caller, asked: &Value) -> Result<Plug, NovaError> {
    let net = &state.network;
    if let Some(id) = asked.text("port") {
        let port: Option<&Port> = net
            .ports
            .iter()
            .find(|p| p.std.id == id && p.visible(caller));
        let port =
            port.ok_or_else(|| NovaError::bad(format!("Port id {id} could not be found.")))?;
        if !port.device_id.is_empty() {
            return Err(NovaError::conflict(format!("Port {id} is still in use.")));
        }
        if port.fixed_ips.is_empty() {
            return Err(NovaError::bad(format!(
                "Port {id} requires a FixedIP in order to be used."
            )));
        }
        return Ok(Plug::Port { id });
    }
    let id = asked.text("uuid").ok_or_else(|| {
        NovaError::invalid(
            "networks",
            &asked.to_string(),
            "'uuid' or 'port' is a required property",
        )
    })?;
    let network = net
        .networks
        .iter()
        .find(|n| n.std.id == id && n.visible(caller));
    let network =
        network.ok_or_else(|| NovaError::bad(format!("Network {id} could not be found.")))?;
    if !net.subnets.iter().any(|s| s.network_id == id) {
        return Err(NovaError::bad(format!(
            "Network {id} requires a subnet in order to boot instances on."
        )));
    }
    // Nova only looks at this while it builds: the server is made, and ends in ERROR.
    if network.external && !network.shared && !caller.admin {
        return Ok(Plug::Forbidden);
    }
    crate::api::neutron::quota::check(net, "port", &caller.project_id)?;
    Ok(Plug::Network {
        id,
        fixed_ip: asked.text("fixed_ip"),
    })
}

/// Security groups for ports Nova makes: by name or id, `default` when none is named.
pub fn groups(
    state: &mut State,
    caller: &Caller,
    body: &Value,
) -> Result<(Vec<String>, Vec<String>), NovaError> {
    let default = state.network.default_group(&caller.project_id);
    let asked: Vec<String> = match body.get("security_groups").and_then(Value::as_array) {
        Some(groups) if !groups.is_empty() => {
            groups.iter().filter_map(|g| g.text("name")).collect()
        }
        _ => return Ok((vec![default], vec!["default".to_owned()])),
    };
    let mut ids = Vec::new();
    for name in &asked {
        let mine = state
            .network
            .groups
            .iter()
            .filter(|g| g.std.project_id == caller.project_id);
        let found: Vec<_> = mine
            .filter(|g| g.std.name == *name || g.std.id == *name)
            .collect();
        match found.as_slice() {
            [one] => ids.push(one.std.id.clone()),
            [] => {
                return Err(NovaError::bad(format!(
                    "Unable to find security_group with name or id '{name}'"
                )));
            }
            _ => {
                return Err(NovaError::conflict(format!(
                    "Multiple security_group matches found for name '{name}', use an ID to be more specific."
                )));
            }
        }
    }
    Ok((ids, asked))
}
