//! The DNS record of a deployment's domain, where the cloud does not keep it.

use std::net::IpAddr;
use std::time::Duration;

use super::Context;
use crate::infra::{Outcome, Problems, acme};
use crate::wait::{Probe, Wait};

/// How long a record may take to be made and to spread.
const DEADLINE: Duration = Duration::from_secs(3600);

/// The records that lead `domain` to the server, as a zone file has them.
pub(super) fn records(domain: &str, outcome: &Outcome) -> Vec<String> {
    let v4 = outcome
        .public_v4
        .map(|address| format!("{domain}. 300 IN A {address}"));
    let v6 = outcome
        .public_v6
        .map(|address| format!("{domain}. 300 IN AAAA {address}"));
    v4.into_iter().chain(v6).collect()
}

/// Says which records to make, where the domain does not lead to the server yet.
pub(super) async fn tell(context: &Context, domain: &str, outcome: &Outcome) {
    if leads_to(domain, outcome).await.is_err() {
        context
            .ui
            .say("\nmake this DNS record where the domain is kept:");
        for record in records(domain, outcome) {
            context.ui.say(&format!("  {record}"));
        }
    }
}

/// Waits until the domain leads to the server.
pub(super) async fn wait(context: &Context, domain: &str, outcome: &Outcome) -> anyhow::Result<()> {
    let wait = Wait::new(
        format!("{domain} to lead to {}", outcome.address),
        Duration::from_secs(5),
        DEADLINE,
    );
    wait.until(&*context.ui, async || {
        Ok::<_, std::convert::Infallible>(match leads_to(domain, outcome).await {
            Ok(()) => Probe::Ready(()),
            Err(seen) => Probe::Pending(seen),
        })
    })
    .await?;
    Ok(())
}

/// Refuses a name under which a public certificate authority would not find the hub, and nothing but it.
pub(super) async fn refuse_elsewhere(domain: &str, outcome: &Outcome) -> anyhow::Result<()> {
    let led: Vec<IpAddr> = match tokio::net::lookup_host((domain, 443)).await {
        Ok(addresses) => addresses.map(|address| address.ip()).collect(),
        Err(_) => Vec::new(),
    };
    match acme::name_problem(domain, &outcome.addresses(), &led) {
        Some(problem) => Err(Problems(vec![problem]).into()),
        None => Ok(()),
    }
}

/// Whether the domain leads to the server; else what it does.
async fn leads_to(domain: &str, outcome: &Outcome) -> Result<(), String> {
    let ours = |address: IpAddr| outcome.addresses().contains(&address);
    let found: Vec<IpAddr> = match tokio::net::lookup_host((domain, 443)).await {
        Ok(addresses) => addresses.map(|address| address.ip()).collect(),
        Err(_) => return Err("no such name yet".to_owned()),
    };
    if found.iter().copied().any(ours) {
        Ok(())
    } else {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        Err(format!("it leads to {}", found.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_address_have_a_record() {
        let mut outcome: Outcome = serde_json::from_value(serde_json::json!({
            "server_id": "srv", "server_name": "hubctl-class", "status": "ACTIVE", "is_new": false,
            "address": "192.0.2.7", "fixed_addresses": ["10.0.0.5", "2001:db8::5"], "public_v4": "192.0.2.7",
            "public_v6": "2001:db8::5", "host_keys": {},
        }))
        .unwrap();
        assert_eq!(
            records("hub.example.org", &outcome),
            [
                "hub.example.org. 300 IN A 192.0.2.7",
                "hub.example.org. 300 IN AAAA 2001:db8::5"
            ]
        );
        outcome.public_v4 = None;
        assert_eq!(
            records("hub.example.org", &outcome),
            ["hub.example.org. 300 IN AAAA 2001:db8::5"]
        );
    }
}
