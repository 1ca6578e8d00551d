//! Whether the hub's name leads to it.

use std::net::IpAddr;
use std::time::Duration;

use crate::command::domain;
use crate::health::Fault;
use crate::infra::{Inventory, Outcome};

/// How long a name may take to be looked up.
const LOOK_UP: Duration = Duration::from_secs(10);

/// Whether the domain leads to the server.
pub(super) async fn dns(
    domain: &str,
    outcome: &Outcome,
    inventory: &Inventory,
) -> Result<String, Fault> {
    let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((domain, 443))).await;
    let found: Vec<IpAddr> = match found {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        Ok(Err(_)) => Vec::new(),
        Err(_) => {
            return Err(Fault {
                cause: format!(
                    "looking up {domain} took longer than {} s",
                    LOOK_UP.as_secs()
                ),
                hint: Some("look at this machine's name servers".to_owned()),
            });
        }
    };
    let ours = outcome.addresses();
    if found.iter().any(|address| ours.contains(address)) {
        return Ok(format!("{domain} leads to {}", outcome.address));
    }
    let kept = inventory
        .recordsets
        .iter()
        .find(|record| record.name.trim_end_matches('.') == domain);
    let hint = match kept {
        Some(record) if record.records.contains(&outcome.address.to_string()) => format!(
            "the cloud's record is right: is the zone delegated to it? `dig +trace {domain}` shows where it ends; name \
             servers that remember the old answer take a while"
        ),
        Some(_) => "`hubctl provision` puts the record right".to_owned(),
        None => format!(
            "make this record where the domain is kept: {}",
            domain::records(domain, outcome).join("; ")
        ),
    };
    let cause = if found.is_empty() {
        format!("{domain} has no address")
    } else {
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        format!(
            "{domain} leads to {}, the hub is at {}",
            found.join(", "),
            outcome.address
        )
    };
    Err(Fault {
        cause,
        hint: Some(hint),
    })
}
