//! OpenStack's error bodies: one shape a service, and whatever a load balancer in front of it says.

use serde_json::Value;

use super::{CloudError, Refusal, Shortage};

/// What an error body says, whoever wrote it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) message: Option<String>,
    pub(super) kind: Option<String>,
}

/// Reads an error body.
pub(super) fn read(body: &str) -> Said {
    if let Ok(json) = serde_json::from_str::<Value>(body) {
        return read_json(&json);
    }
    Said {
        message: read_text(body),
        kind: None,
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn read_json(json: &Value) -> Said {
    let Some(map) = json.as_object() else {
        return Said {
            message: text(Some(json)),
            kind: None,
        };
    };
    // Neutron: the type is its own field.
    if let Some(neutron) = map.get("NeutronError") {
        if neutron.is_string() {
            return Said {
                message: text(Some(neutron)),
                kind: None,
            };
        }
        let detail = text(neutron.get("detail"));
        let message = text(neutron.get("message"));
        return Said {
            message: match (message, detail) {
                (Some(message), Some(detail)) if !message.contains(&detail) => {
                    Some(format!("{message} ({detail})"))
                }
                (message, detail) => message.or(detail),
            },
            kind: text(neutron.get("type")),
        };
    }
    // Keystone.
    if let Some(error) = map.get("error").filter(|error| error.is_object()) {
        return Said {
            message: text(error.get("message")).or_else(|| text(error.get("title"))),
            kind: text(error.get("title")),
        };
    }
    // Designate; `errors` tells which field.
    if map.contains_key("request_id") && map.contains_key("type") {
        let message = text(map.get("message")).or_else(|| text(map.get("type")));
        let errors = map
            .get("errors")
            .and_then(|errors| errors.get("errors").or(Some(errors)))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|error| {
                let path = error.get("path").and_then(Value::as_array)?;
                let path: Vec<_> = path.iter().filter_map(Value::as_str).collect();
                Some(format!(
                    "{}: {}",
                    path.join("."),
                    error.get("message")?.as_str()?
                ))
            })
            .collect::<Vec<_>>();
        return Said {
            message: match (message, errors.is_empty()) {
                (Some(message), false) => Some(format!("{message} ({})", errors.join("; "))),
                (message, _) => message,
            },
            kind: text(map.get("type")),
        };
    }
    // WSME (Octavia, Ironic): a faultstring, perhaps as JSON within JSON.
    if let Some(message) = text(map.get("faultstring")) {
        return Said {
            message: Some(message),
            kind: text(map.get("faultcode")),
        };
    }
    if let Some(inner) = text(map.get("error_message")) {
        return read(&inner);
    }
    // An API gateway's JSON:API or Placement: {"errors": [{"title", "detail"}]}.
    if let Some(first) = map.get("errors").and_then(|errors| errors.get(0)) {
        return Said {
            message: text(first.get("detail")).or_else(|| text(first.get("title"))),
            kind: text(first.get("code")),
        };
    }
    // Nova and Cinder: the one key is the fault's name.
    if let Some((name, fault)) = map.iter().find(|(_, fault)| fault.get("message").is_some()) {
        return Said {
            message: text(fault.get("message")),
            kind: Some(name.clone()),
        };
    }
    Said {
        message: text(map.get("message")).or_else(|| text(map.get("title"))),
        kind: text(map.get("type")),
    }
}

/// A page of a load balancer or of a service's web framework, or plain text: its words, in one line.
fn read_text(body: &str) -> Option<String> {
    let lower = body.to_ascii_lowercase();
    let words = if lower.contains("<html") || lower.contains("<!doctype") {
        let heading = element(body, &lower, "h1").or_else(|| element(body, &lower, "title"));
        let rest = lower
            .find("</h1>")
            .map(|at| &body[at + "</h1>".len()..])
            .or_else(|| lower.find("<body").map(|at| &body[at..]))
            .map(strip_tags)
            .unwrap_or_default();
        let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        match heading {
            // A page made to be looked at: only its heading is worth a line.
            Some(heading) if rest.is_empty() || rest.len() > 300 => heading,
            Some(heading) => format!("{}: {rest}", heading.trim()),
            None => rest,
        }
    } else {
        strip_tags(body)
    };
    let mut line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 200 {
        line = line.chars().take(200).collect::<String>() + "…";
    }
    let line = line
        .replace("&#x27;", "'")
        .replace("&#39;", "'")
        .replace("&quot;", "\"")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    (!line.is_empty()).then_some(line)
}

fn element(body: &str, lower: &str, name: &str) -> Option<String> {
    // Byte offsets of the ASCII-lowered text are those of the text.
    let start = lower.find(&format!("<{name}"))?;
    let open = start + lower[start..].find('>')? + 1;
    let close = open + lower[open..].find(&format!("</{name}"))?;
    let text = strip_tags(&body[open..close]);
    (!text.trim().is_empty()).then_some(text)
}

fn strip_tags(text: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                plain.push(' ');
            }
            _ if !inside => plain.push(c),
            _ => {}
        }
    }
    plain
}

/// Sorts a refusal by what the caller can do about it. Statuses above 499 are for the retry policy first.
pub(super) fn translate(refusal: Refusal) -> CloudError {
    let refusal = Box::new(refusal);
    if is_quota(&refusal) {
        let shortages = shortages(&refusal.message);
        return CloudError::Quota { refusal, shortages };
    }
    match refusal.status {
        401 => CloudError::Auth {
            refusal,
            hint: None,
        },
        403 => CloudError::Forbidden(refusal),
        404 | 410 => CloudError::NotFound(refusal),
        409 => CloudError::Conflict(refusal),
        500.. => CloudError::Broken(refusal),
        _ => CloudError::Refused(refusal),
    }
}

fn is_quota(refusal: &Refusal) -> bool {
    let message = refusal.message.to_ascii_lowercase();
    let quota_words = message.contains("quota") && message.contains("exceed")
        || message.contains("over quota")
        || message.contains("maximum number of")
        || message.contains("exceeds allowed") && message.contains("quota");
    match refusal.status {
        // Neutron, by type; Octavia and Designate, by words.
        409 => refusal.kind.as_deref() == Some("OverQuota") || quota_words,
        // Nova today; 413 before, and Cinder. A 413 is also what a rate limiter of old Novas says.
        403 | 400 => quota_words || refusal.kind.as_deref() == Some("over_quota"),
        413 => true,
        _ => false,
    }
}

/// What a quota message says is short: Nova's three lists side by side, Cinder's sentence, Neutron's list of names.
pub(super) fn shortages(message: &str) -> Vec<Shortage> {
    nova_shortages(message)
        .or_else(|| cinder_shortage(message))
        .or_else(|| neutron_shortages(message))
        .unwrap_or_default()
}

/// `Quota exceeded for cores, ram: Requested 2, 4096, but already used 250, 512000 of 250, 512000 cores, ram`
fn nova_shortages(message: &str) -> Option<Vec<Shortage>> {
    let (_, rest) = message.split_once("uota exceeded for ")?;
    let (names, rest) = rest.split_once(": Requested ")?;
    let (requested, rest) = rest.split_once(", but already used ")?;
    let (used, rest) = rest.split_once(" of ")?;
    let names: Vec<&str> = names.split(", ").map(str::trim).collect();
    let requested = numbers(requested);
    let used = numbers(used);
    let limits = numbers(rest);
    Some(
        names
            .iter()
            .enumerate()
            .map(|(i, name)| Shortage {
                resource: (*name).to_owned(),
                requested: requested.get(i).copied(),
                used: used.get(i).copied(),
                limit: limits.get(i).copied(),
            })
            .collect(),
    )
}

/// The numbers at the head of `1, 2 cores, ram`. A limit of -1 counts as none told.
fn numbers(text: &str) -> Vec<u64> {
    text.split(',')
        .map_while(|word| word.split_whitespace().next()?.parse().ok())
        .collect()
}

/// `VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 20G,
/// quota is 100G and 90G has been consumed.`, and `Maximum number of volumes allowed (10) exceeded for quota 'volumes'.`
fn cinder_shortage(message: &str) -> Option<Vec<Shortage>> {
    let number = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .ok()
    };
    if let Some((_, rest)) = message.split_once("exceeds allowed ") {
        let (resource, rest) = rest.split_once(" quota")?;
        return Some(vec![Shortage {
            resource: resource.trim_matches('\'').to_owned(),
            requested: rest.split_once("Requested ").and_then(|(_, n)| number(n)),
            used: rest
                .split_once(" and ")
                .and_then(|(_, n)| number(n))
                .or_else(|| rest.split_once("used ").and_then(|(_, n)| number(n))),
            limit: rest.split_once("quota is ").and_then(|(_, n)| number(n)),
        }]);
    }
    let (_, rest) = message.split_once("aximum number of ")?;
    let resource = rest.split_whitespace().next()?.to_owned();
    Some(vec![Shortage {
        resource,
        requested: None,
        used: None,
        limit: rest.split_once("allowed (").and_then(|(_, n)| number(n)),
    }])
}

/// `Quota exceeded for resources: ['floatingip'].`, and Nova's newer `Quota exceeded, too many key pairs.`
fn neutron_shortages(message: &str) -> Option<Vec<Shortage>> {
    let shortage = |resource: &str| Shortage {
        resource: resource.to_owned(),
        requested: None,
        used: None,
        limit: None,
    };
    if let Some((_, rest)) = message.split_once("for resources: [") {
        let (names, _) = rest.split_once(']')?;
        return Some(
            names
                .split(',')
                .map(|name| shortage(name.trim().trim_matches(['\'', '"'])))
                .collect(),
        );
    }
    let (_, rest) = message.split_once("too many ")?;
    let name = rest.trim_end_matches(['.', ' ']).replace(' ', "_");
    Some(vec![shortage(&name)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> (String, String) {
        let said = read(body);
        (
            said.message.unwrap_or_default(),
            said.kind.unwrap_or_default(),
        )
    }

    #[test]
    fn every_service_is_understood() {
        for (body, message, kind) in [
            (
                r#"{"itemNotFound": {"code": 404, "message": "Instance x could not be found."}}"#,
                "Instance x could not be found.",
                "itemNotFound",
            ),
            (
                r#"{"NeutronError": {"type": "SecurityGroupInUse", "message": "Security Group x in use.", "detail": ""}}"#,
                "Security Group x in use.",
                "SecurityGroupInUse",
            ),
            (
                r#"{"NeutronError": "The resource could not be found."}"#,
                "The resource could not be found.",
                "",
            ),
            (
                r#"{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}"#,
                "The request you have made requires authentication.",
                "Unauthorized",
            ),
            (
                r#"{"code": 400, "type": "invalid_object", "message": "Provided object is not valid", "request_id": "req-1",
                    "errors": {"errors": [{"path": ["records"], "message": "not an address", "validator": "format"}]}}"#,
                "Provided object is not valid (records: not an address)",
                "invalid_object",
            ),
            (
                r#"{"error_message": "{\"faultstring\": \"no such node\", \"faultcode\": \"Client\"}"}"#,
                "no such node",
                "Client",
            ),
            (
                r#"{"errors": [{"status": 406, "title": "Not Acceptable", "detail": "Unacceptable version header: 9.9"}]}"#,
                "Unacceptable version header: 9.9",
                "",
            ),
            (
                "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n  No image found with ID x<br /><br />\n\n\n </body>\n</html>",
                "404 Not Found: No image found with ID x",
                "",
            ),
            (
                "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
                "503 Service Unavailable: No server is available to handle this request.",
                "",
            ),
            ("upstream connect error", "upstream connect error", ""),
            ("", "", ""),
            ("{}", "", ""),
            ("[]", "", ""),
        ] {
            assert_eq!(said(body), (message.to_owned(), kind.to_owned()), "{body}");
        }
    }

    fn refusal(status: u16, body: &str) -> Refusal {
        let said = read(body);
        Refusal {
            act: "creating server class".into(),
            status,
            message: said.message.unwrap_or_default(),
            kind: said.kind,
            request_id: Some("req-7".into()),
        }
    }

    #[test]
    fn quota_has_many_shapes() {
        for (status, body, expected) in [
            (
                403,
                r#"{"forbidden":{"message":"Quota exceeded for cores, ram: Requested 2, 4096, but already used 250, 512000 of 250, 512000 cores, ram","code":403}}"#,
                "cores 2+250/250 ram 4096+512000/512000",
            ),
            (
                413,
                r#"{"overLimit":{"message":"VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 20G, quota is 100G and 90G has been consumed.","code":413}}"#,
                "gigabytes 20+90/100",
            ),
            (
                413,
                r#"{"overLimit":{"message":"VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for quota 'volumes'.","code":413}}"#,
                "volumes ?+?/10",
            ),
            (
                409,
                r#"{"NeutronError":{"type":"OverQuota","message":"Quota exceeded for resources: ['floatingip'].","detail":""}}"#,
                "floatingip ?+?/?",
            ),
            (
                409,
                r#"{"NeutronError":{"type":"OverQuota","message":"Quota exceeded for resources: ['port', 'router'].","detail":""}}"#,
                "port ?+?/? router ?+?/?",
            ),
            (
                403,
                r#"{"forbidden":{"message":"Quota exceeded, too many key pairs.","code":403}}"#,
                "key_pairs ?+?/?",
            ),
            (
                403,
                r#"{"forbidden":{"message":"Maximum number of key pairs exceeded","code":403}}"#,
                "key ?+?/?",
            ),
        ] {
            let CloudError::Quota { shortages, .. } = translate(refusal(status, body)) else {
                panic!("not seen as quota: {body}")
            };
            let number = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
            let found: Vec<_> = shortages
                .iter()
                .map(|s| {
                    format!(
                        "{} {}+{}/{}",
                        s.resource,
                        number(s.requested),
                        number(s.used),
                        number(s.limit)
                    )
                })
                .collect();
            assert_eq!(found.join(" "), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_quota_is_not_taken_for_one() {
        for (status, body) in [
            (
                403,
                r#"{"forbidden":{"message":"Policy doesn't allow os_compute_api:servers:create to be performed.","code":403}}"#,
            ),
            (
                409,
                r#"{"conflictingRequest":{"message":"Key pair 'x' already exists.","code":409}}"#,
            ),
            (
                409,
                r#"{"NeutronError":{"type":"IpAddressGenerationFailure","message":"No more IP addresses available on network x.","detail":""}}"#,
            ),
        ] {
            let error = translate(refusal(status, body));
            assert!(!matches!(error, CloudError::Quota { .. }), "{body}");
        }
    }

    #[test]
    fn an_error_names_act_message_status_kind_and_request() {
        let error = translate(refusal(
            409,
            r#"{"NeutronError":{"type":"SecurityGroupInUse","message":"Security Group x in use.","detail":""}}"#,
        ));
        assert_eq!(
            error.to_string(),
            "creating server class: Security Group x in use. (HTTP 409, SecurityGroupInUse, request req-7)"
        );
        assert!(error.is_conflict());
        assert_eq!(error.kind(), Some("SecurityGroupInUse"));
    }
}
