//! What to do about an error: one sentence, where there is something to do.

use super::{CloudError, Refusal, Shortage, Unreached};

pub(super) fn hint(error: &CloudError) -> Option<String> {
    match error {
        CloudError::Config { hint, .. } | CloudError::Auth { hint, .. } => hint.clone(),
        CloudError::Quota { shortages, .. } => Some(quota(shortages)),
        CloudError::Conflict(refusal)
        | CloudError::NotFound(refusal)
        | CloudError::Refused(refusal) => refused(refusal),
        CloudError::Forbidden(refusal) => Some(forbidden(refusal)),
        CloudError::Broken(refusal) => Some(format!(
            "the cloud is at fault; try again in a while, or tell its operators{}",
            request(refusal)
        )),
        CloudError::Lost { .. } => Some(
            "run the same command again: it looks for what was made before it makes anything"
                .to_owned(),
        ),
        CloudError::Unreachable { why, host, .. } => Some(unreachable(*why, host)),
        CloudError::Deadline { .. } => Some(
            "the cloud is slow or overloaded; try again, or set api_timeout (seconds) of the cloud in clouds.yaml"
                .to_owned(),
        ),
        CloudError::NoService { .. } => Some(
            "`openstack catalog list` shows what the cloud has; region_name and interface in clouds.yaml choose among it"
                .to_owned(),
        ),
        CloudError::Malformed { .. } => Some(
            "something other than OpenStack answers there: a proxy, a login page, or a wrong endpoint in the catalog \
             (NAME_endpoint_override in clouds.yaml replaces one)"
                .to_owned(),
        ),
        CloudError::Fault { fault, .. } => {
            let message = fault.as_ref().map_or("", |fault| fault.message.as_str());
            Some(fault_hint(message))
        }
    }
}

fn request(refusal: &Refusal) -> String {
    refusal
        .request_id
        .as_ref()
        .map(|id| format!(" with the request id {id}"))
        .unwrap_or_default()
}

fn quota(shortages: &[Shortage]) -> String {
    let words: Vec<_> = shortages
        .iter()
        .map(|shortage| {
            let name = resource(&shortage.resource);
            match (shortage.requested, shortage.used, shortage.limit) {
                (Some(requested), Some(used), Some(limit)) => {
                    format!(
                        "{name}: {requested} needed, {} left of {limit}",
                        limit.saturating_sub(used)
                    )
                }
                (_, _, Some(limit)) => format!("{name}: at most {limit}"),
                _ => name,
            }
        })
        .collect();
    let what = if words.is_empty() {
        "some".to_owned()
    } else {
        format!("some ({})", words.join("; "))
    };
    format!("free {what}, or ask the cloud's operators for more quota")
}

/// OpenStack's word for a resource, in ours.
fn resource(name: &str) -> String {
    match name {
        "floatingip" => "floating IPs".to_owned(),
        "ram" => "memory (MiB)".to_owned(),
        "gigabytes" => "volume space (GiB)".to_owned(),
        "network" | "subnet" | "router" | "port" | "security_group" | "security_group_rule" => {
            format!("{}s", name.replace('_', " "))
        }
        other => other.replace('_', " "),
    }
}

fn refused(refusal: &Refusal) -> Option<String> {
    let by_kind = match refusal.kind.as_deref()? {
        "SecurityGroupInUse" => {
            "a port still uses it; `openstack port list --security-group ID` shows which"
        }
        "IpAddressGenerationFailure" | "ExternalIpAddressExhausted" => {
            "the network has no free address left; choose another, or release floating IPs that nobody uses"
        }
        "ExternalGatewayForFloatingIPNotFound" => {
            "the server's network has no router to that external network; choose another network, or another external \
             one"
        }
        "RouterInterfaceInUseByFloatingIP" => "a floating IP leads through it; release that first",
        "RouterInUse" | "SubnetInUse" | "NetworkInUse" => {
            "something still is on it; `openstack port list` shows what"
        }
        _ => "",
    };
    let message = &refusal.message;
    let by_words = if message.contains("Multiple possible networks found") {
        "the project has several networks: name one (network.name)"
    } else if message.contains("already exists") && message.contains("Key pair") {
        "a key pair of that name is there already, from an earlier run or another machine"
    } else if message.contains("too small") || message.contains("smaller than the minimum size") {
        "choose a larger flavor, or boot from a volume (server.boot_volume)"
    } else if message.contains("Only volume-backed servers are allowed") {
        "the flavor has no disk of its own: boot from a volume (server.boot_volume)"
    } else if message.contains("availability zone") {
        "`openstack availability zone list` shows which there are"
    } else {
        ""
    };
    [by_kind, by_words]
        .into_iter()
        .find(|hint| !hint.is_empty())
        .map(str::to_owned)
}

fn forbidden(refusal: &Refusal) -> String {
    if refusal.act.starts_with("reading the console") {
        // Nothing else says which host key is the server's, once it is made.
        return "where the cloud shows no console log, the first host key goes in with the server: `hubctl destroy`, then \
                `hubctl provision --set ssh.host_key=injected` (or `ssh.host_key: injected` in hub.yaml)"
            .to_owned();
    }
    if refusal
        .message
        .contains("not allowed to create port on this network")
    {
        // An external network may be seen by all and used by none.
        "the network is not the project's and not shared with it: leave `network.name` and `server.floating_ip` out, for \
         a network of our own and a floating IP, or name another network"
            .to_owned()
    } else if refusal.message.to_ascii_lowercase().contains("policy")
        || refusal
            .message
            .to_ascii_lowercase()
            .contains("not authorized")
        || refusal.message.to_ascii_lowercase().contains("disallowed")
    {
        "the login has no role for this (it needs `member`); an application credential may have been made with fewer \
         roles or access rules"
            .to_owned()
    } else {
        format!("ask the cloud's operators why{}", request(refusal))
    }
}

fn unreachable(why: Unreached, host: &str) -> String {
    match why {
        Unreached::Name => format!(
            "look at the spelling of {host} in clouds.yaml, at this machine's DNS, and whether it needs a VPN"
        ),
        Unreached::Refused | Unreached::NoRoute | Unreached::Other => format!(
            "look at the address and port, at firewalls and proxies, and whether {host} needs a VPN"
        ),
        Unreached::Untrusted => {
            "give the authority's certificate as cacert in clouds.yaml (the cloud's operators have it)".to_owned()
        }
        Unreached::Certificate => {
            "it is out of date or for another name: use the name it is for, look at this machine's clock, or tell the \
             cloud's operators"
                .to_owned()
        }
        Unreached::Protocol => {
            format!("is it http and not https (or the other way round) at {host}?")
        }
    }
}

fn fault_hint(message: &str) -> String {
    let lower = message.to_ascii_lowercase();
    if lower.contains("no valid host") {
        "the cloud has no room for this flavor now: try a smaller one, another availability zone, or later"
    } else if lower.contains("quota") {
        "a quota was used up while the server was made: free some, or ask for more"
    } else if lower.contains("image") {
        "look at the image: `openstack image show`"
    } else if lower.contains("volume") || lower.contains("block device") {
        "its boot volume could not be made: look at the volume quota and the flavor's disk"
    } else if lower.contains("network") || lower.contains("port") {
        "its network could not be set up: look at the network and at free addresses in its subnet"
    } else {
        "destroy and provision again, or try another flavor or image; the cloud's operators know more"
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, kind: &str, message: &str) -> Box<Refusal> {
        Box::new(Refusal {
            act: "creating server class".into(),
            status,
            message: message.into(),
            kind: Some(kind.into()),
            request_id: Some("req-1".into()),
        })
    }

    #[test]
    fn a_quota_is_told_with_its_arithmetic() {
        let message = "Quota exceeded for cores, ram: Requested 2, 4096, but already used 9, 20480 of 10, 20480 cores, ram";
        let error = super::super::fault::translate(*refusal(403, "forbidden", message));
        assert_eq!(
            error.hint().unwrap(),
            "free some (cores: 2 needed, 1 left of 10; memory (MiB): 4096 needed, 0 left of 20480), or ask the cloud's \
             operators for more quota"
        );
        let message = "Quota exceeded for resources: ['floatingip'].";
        let error = super::super::fault::translate(*refusal(409, "OverQuota", message));
        assert_eq!(
            error.hint().unwrap(),
            "free some (floating IPs), or ask the cloud's operators for more quota"
        );
    }

    #[test]
    fn what_can_be_done_is_said() {
        for (error, word) in [
            (
                CloudError::Conflict(refusal(409, "SecurityGroupInUse", "in use")),
                "port list",
            ),
            (
                CloudError::Conflict(refusal(
                    409,
                    "conflictingRequest",
                    "Multiple possible networks found, use a Network ID to be more specific.",
                )),
                "network.name",
            ),
            (
                CloudError::Forbidden(refusal(
                    403,
                    "forbidden",
                    "Policy doesn't allow x to be performed.",
                )),
                "`member`",
            ),
            (
                CloudError::Forbidden(refusal(
                    403,
                    "HTTPForbidden",
                    "Tenant 62724 not allowed to create port on this network",
                )),
                "leave `network.name`",
            ),
            (
                CloudError::Refused(refusal(
                    400,
                    "badRequest",
                    "Flavor's disk is smaller than the minimum size specified in image metadata.",
                )),
                "server.boot_volume",
            ),
            (
                CloudError::Broken(refusal(500, "computeFault", "Unexpected API Error.")),
                "req-1",
            ),
            (
                CloudError::Unreachable {
                    act: "x".into(),
                    host: "h".into(),
                    why: Unreached::Untrusted,
                    reason: String::new(),
                },
                "cacert",
            ),
            (
                CloudError::Fault {
                    name: "class".into(),
                    fault: Some(crate::cloud::Fault {
                        code: 500,
                        message: "No valid host was found. There are not enough hosts available."
                            .into(),
                        created: None,
                    }),
                },
                "smaller",
            ),
        ] {
            let hint = error.hint().unwrap();
            assert!(hint.contains(word), "{hint}");
        }
    }
}
