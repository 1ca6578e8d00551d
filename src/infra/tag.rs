//! The mark that every resource of a deployment carries, and the names they get. The one place that knows the scheme.
//!
//! Neutron takes no tags in a create, so a run killed between create and tagging would leave something nobody finds.
//! The description is set by the create itself and says the same; either makes a resource ours. Servers and volumes
//! carry metadata, which their creates take; a key pair has nothing but its name.

use std::collections::BTreeMap;

/// Metadata key of servers and volumes; its value is the deployment's name.
pub const KEY: &str = "hubctl:deployment";
/// Metadata of servers and volumes, and tag of network resources: when the deployment may be removed (RFC 3339, UTC), or
/// [`NEVER`].
pub const EXPIRES: &str = "hubctl:expires";
/// In a time's place: the deployment stays until it is destroyed, however old it is.
pub const NEVER: &str = "never";
/// Server metadata: the login of the image's sudo user.
pub const LOGIN: &str = "hubctl:login";
/// Server metadata: id of the image it was made from (Nova does not tell for a server that boots from a volume).
pub const IMAGE: &str = "hubctl:image";
/// Server metadata, one a key type: `hubctl:host-key:ssh-ed25519` is `SHA256:…`.
pub const HOST_KEY: &str = "hubctl:host-key:";

/// Tag that every network resource of every deployment has.
const ANY: &str = "hubctl";
const PREFIX: &str = "hubctl-";
/// Ends the mark in the description of a floating IP that the project had before; what it was follows.
const REUSED: &str = "; reused, was: ";

/// What resources of the deployment are called.
pub fn name(deployment: &str) -> String {
    format!("{PREFIX}{deployment}")
}

/// The deployment that a resource of this name belongs to, for those that have nothing but a name.
pub fn of_name(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX).filter(|name| !name.is_empty())
}

/// The description network resources are created with.
pub fn description(deployment: &str) -> String {
    format!("{KEY}={deployment}")
}

/// The description of a floating IP that was the project's before, and will be again.
pub fn description_of_reused(deployment: &str, before: &str) -> String {
    // Neutron holds 255 characters; what does not fit is cut rather than refused.
    let text = format!("{KEY}={deployment}{REUSED}{before}");
    text.chars().take(255).collect()
}

/// What the description was before the floating IP was taken into use; `None` for one that is the deployment's own.
pub fn before_reuse(description: &str) -> Option<&str> {
    description
        .starts_with(KEY)
        .then(|| description.split_once(REUSED))
        .flatten()
        .map(|(_, before)| before)
}

/// The deployment that a description names.
pub fn of_description(description: &str) -> Option<&str> {
    let rest = description.strip_prefix(KEY)?.strip_prefix('=')?;
    let name = rest.split_once(REUSED).map_or(rest, |(name, _)| name);
    (!name.is_empty() && !name.contains(char::is_whitespace)).then_some(name)
}

/// The Neutron tags of a deployment's resources (at most 60 characters each).
pub fn tags(deployment: &str) -> Vec<String> {
    vec![ANY.to_owned(), format!("{KEY}={deployment}")]
}

/// The deployment that tags name.
pub fn of_tags(tags: &[String]) -> Option<&str> {
    tags.iter().find_map(|tag| of_description(tag))
}

/// The same with the time from when on they may be removed.
pub fn tags_until(deployment: &str, expires: Option<&str>) -> Vec<String> {
    let mut all = tags(deployment);
    all.extend(expiry(expires));
    all
}

/// The tag of a time.
pub fn expiry(expires: Option<&str>) -> Option<String> {
    expires.map(|time| format!("{EXPIRES}={time}"))
}

/// The time that tags name.
pub fn expires_of_tags(tags: &[String]) -> Option<&str> {
    tags.iter()
        .find_map(|tag| tag.strip_prefix(EXPIRES)?.strip_prefix('='))
}

/// The time that metadata names.
pub fn expires_of_metadata(metadata: &BTreeMap<String, String>) -> Option<&str> {
    metadata.get(EXPIRES).map(String::as_str)
}

/// Whether the tags are complete.
pub fn is_tagged(tags: &[String], deployment: &str) -> bool {
    self::tags(deployment).iter().all(|tag| tags.contains(tag))
}

/// Tags without ours: what a reused floating IP had before.
pub fn without_ours(tags: &[String]) -> Vec<String> {
    tags.iter()
        .filter(|tag| *tag != ANY && of_description(tag).is_none() && !tag.starts_with(EXPIRES))
        .cloned()
        .collect()
}

/// The metadata of servers and volumes.
pub fn metadata(deployment: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(KEY.to_owned(), deployment.to_owned())])
}

/// The deployment that metadata names.
pub fn of_metadata(metadata: &BTreeMap<String, String>) -> Option<&str> {
    metadata.get(KEY).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_names_its_deployment_and_nothing_else_does() {
        assert_eq!(of_description(&description("class")), Some("class"));
        assert_eq!(of_tags(&tags("class")), Some("class"));
        assert_eq!(of_metadata(&metadata("class")), Some("class"));
        assert_eq!(of_name(&name("class")), Some("class"));
        for foreign in [
            "",
            "hubctl",
            "hubctl:deployment=",
            "my hubctl:deployment=class",
            "class",
        ] {
            assert_eq!(of_description(foreign), None, "{foreign}");
        }
        assert_eq!(of_name("hubctl-"), None);
        assert_eq!(of_description("hubctl:deployment=class2"), Some("class2"));
    }

    #[test]
    fn a_reused_floating_ip_gets_its_description_back() {
        let marked = description_of_reused("class", "for the web shop");
        assert_eq!(of_description(&marked), Some("class"));
        assert_eq!(before_reuse(&marked), Some("for the web shop"));
        assert_eq!(before_reuse(&description("class")), None);
        assert_eq!(before_reuse(&description_of_reused("class", "")), Some(""));
        assert_eq!(description_of_reused("class", &"x".repeat(300)).len(), 255);
    }

    #[test]
    fn the_longest_name_fits_neutrons_tags() {
        let all = tags_until(&"n".repeat(40), Some("2026-11-26T08:00:00Z"));
        assert!(all.len() == 3 && all.iter().all(|tag| tag.len() <= 60));
    }

    #[test]
    fn a_time_is_told_from_the_rest() {
        let all = tags_until("class", Some("2026-11-26T08:00:00Z"));
        assert_eq!(expires_of_tags(&all), Some("2026-11-26T08:00:00Z"));
        assert_eq!(of_tags(&all), Some("class"));
        assert_eq!(expires_of_tags(&tags("class")), None);
        assert_eq!(without_ours(&all), [""; 0]);
        let metadata = |time: &str| BTreeMap::from([(EXPIRES.to_owned(), time.to_owned())]);
        assert_eq!(expires_of_metadata(&metadata("2026")), Some("2026"));
    }
}
