//! Keeping the machines in line with the state: their rules, and the addresses that lead to them.

use std::net::{IpAddr, Ipv4Addr};

use super::{Ctx, State};
use crate::machine::Rule;
use crate::rules;

/// What the machines have to be told.
#[derive(Debug, Default)]
struct Orders {
    unbind: Vec<Ipv4Addr>,
    bind: Vec<(Ipv4Addr, String)>,
    rules: Vec<(String, Vec<Rule>)>,
}

fn orders(state: &State) -> Orders {
    let has_machine = |id: &String| {
        state
            .compute
            .servers
            .iter()
            .any(|s| s.id == *id && s.has_machine)
    };
    let net = &state.network;
    let floating = net.floating_ips.iter().filter_map(|f| {
        let port = net
            .ports
            .iter()
            .find(|p| Some(&p.std.id) == f.port_id.as_ref())?;
        Some((f.address, port.device_id.clone()))
    });
    let is_reachable = |id: &str| net.subnets.iter().any(|s| s.std.id == id && s.reachable);
    let direct = net.ports.iter().filter_map(|port| {
        let ip = port
            .fixed_ips
            .iter()
            .find(|ip| is_reachable(&ip.subnet_id))?;
        match ip.address {
            IpAddr::V4(address) => Some((address, port.device_id.clone())),
            IpAddr::V6(_) => None,
        }
    });
    let wanted: Vec<(Ipv4Addr, String)> = floating
        .chain(direct)
        .filter(|(_, id)| has_machine(id))
        .collect();
    let rules = state
        .compute
        .servers
        .iter()
        .filter(|s| s.has_machine)
        .filter_map(|server| {
            let rules = rules::of(state, server);
            (server.rules.as_ref() != Some(&rules)).then(|| (server.id.clone(), rules))
        });
    let kept = |address: &Ipv4Addr| wanted.iter().any(|(a, _)| a == address);
    Orders {
        unbind: state
            .bound
            .iter()
            .map(|(a, _)| *a)
            .filter(|a| !kept(a))
            .collect(),
        rules: rules.collect(),
        bind: wanted
            .iter()
            .filter(|w| !state.bound.contains(w))
            .cloned()
            .collect(),
    }
}

/// Brings rules and floating addresses of the machines in line with the state.
pub async fn settle(ctx: &Ctx) {
    let _turn = ctx.region.machines_turn.lock().await;
    let orders = orders(&ctx.lock());
    let machines = &ctx.cloud.machines;
    for (id, rules) in orders.rules {
        match machines.set_rules(&id, &rules).await {
            Ok(()) => {
                if let Some(server) = ctx.lock().any_server(&id) {
                    server.rules = Some(rules);
                }
            }
            Err(error) => tracing::error!(server = id, %error, "setting a machine's rules"),
        }
    }
    for address in orders.unbind {
        match machines.unbind(address).await {
            Ok(()) => ctx.lock().bound.retain(|(a, _)| *a != address),
            Err(error) => tracing::error!(%address, %error, "unbinding a floating address"),
        }
    }
    for (address, id) in orders.bind {
        match machines.bind(address, &id).await {
            Ok(()) => {
                let mut state = ctx.lock();
                state.bound.retain(|(a, _)| *a != address);
                state.bound.push((address, id));
            }
            Err(error) => {
                tracing::error!(%address, server = id, %error, "binding a floating address")
            }
        }
    }
}
