//! What a server's container is: its name, what it may, what it sees.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use hub_api::hub::Docker as Configuration;

use super::NANO;
use crate::spawner::{Launch, ServerKey};

/// The container's name. An escaped name has no two dashes in a row, so that no two servers share a container.
pub(super) fn name(key: &ServerKey) -> String {
    let user = escaped(&key.user);
    if key.name.is_empty() {
        format!("hubd-{user}")
    } else {
        format!("hubd-{user}--{}", escaped(&key.name))
    }
}

/// What the engine takes in names of containers and volumes; other bytes are written `-XX`.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("-{byte:02x}"));
        }
    }
    text
}

pub(super) fn body(
    configuration: &Configuration,
    network: &str,
    launch: &Launch,
    image: &str,
) -> ContainerCreateBody {
    let profile = launch.profile.as_ref();
    let memory = profile
        .and_then(|profile| profile.mem_limit)
        .or(configuration.mem_limit)
        .and_then(|bytes| i64::try_from(bytes).ok());
    let cpus = profile
        .and_then(|profile| profile.cpu_limit)
        .or(configuration.cpu_limit);
    let key = &launch.key;
    let labels = [
        ("hubd.user", key.user.as_str()),
        ("hubd.server", key.name.as_str()),
    ];
    ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(configuration.command.clone()),
        env: Some(
            launch
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        labels: Some(
            labels
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        ),
        host_config: Some(HostConfig {
            memory,
            // The same number: no swap beside it.
            memory_swap: memory,
            // Nine digits are more than enough for any number of processors.
            nano_cpus: cpus.map(|cpus| (cpus * NANO) as i64),
            pids_limit: Some(configuration.pids_limit),
            network_mode: Some(network.to_owned()),
            mounts: home(configuration, key).map(|home| vec![home]),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            privileged: Some(false),
            // Reaps what kernels leave.
            init: Some(configuration.init),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn home(configuration: &Configuration, key: &ServerKey) -> Option<Mount> {
    let source = configuration
        .home
        .as_ref()?
        .replace("{username}", &escaped(&key.user));
    let typ = if source.starts_with('/') {
        MountType::BIND
    } else {
        MountType::VOLUME
    };
    Some(Mount {
        target: Some(configuration.mount.clone()),
        source: Some(source),
        typ: Some(typ),
        ..Mount::default()
    })
}

/// The image's name and its tag, `latest` where it has none; a digest stays with the name.
pub(super) fn split(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    match image.rsplit_once(':') {
        // What is before a slash is a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, Some("latest")),
    }
}

/// The options of the servers' own network: whoever is in it does not reach the others.
pub(super) fn network_options() -> HashMap<String, String> {
    HashMap::from([(
        "com.docker.network.bridge.enable_icc".to_owned(),
        "false".to_owned(),
    )])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn key(user: &str, name: &str) -> ServerKey {
        ServerKey {
            user: user.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn no_two_servers_share_a_container() {
        let pairs = [
            ("a", ""),
            ("a", "b"),
            ("a-b", ""),
            ("a--b", ""),
            ("a", "-b"),
            ("a@b.org", ""),
        ];
        let names: std::collections::BTreeSet<String> = pairs
            .iter()
            .map(|(user, name_)| name(&key(user, name_)))
            .collect();
        assert_eq!(names.len(), pairs.len(), "{names:?}");
        assert_eq!(name(&key("a@b.org", "")), "hubd-a-40b-2eorg");
    }

    #[test]
    fn a_profile_says_more_than_the_configuration_and_nothing_is_privileged() {
        let configuration: Configuration = toml::from_str(
            "image = \"lab\"\nhome = \"home-{username}\"\nmem_limit = 100\ncpu_limit = 2.0",
        )
        .unwrap();
        let profile: hub_api::hub::Profile =
            toml::from_str("slug = \"small\"\ndisplay_name = \"Small\"\nmem_limit = 50").unwrap();
        let launch = Launch {
            key: key("a/b", ""),
            environment: BTreeMap::from([("A".to_owned(), "x=y".to_owned())]),
            profile: Some(profile),
            within: Duration::from_secs(1),
        };
        let body = body(&configuration, "hubd", &launch, "lab");
        assert_eq!(body.env.unwrap(), ["A=x=y"]);
        let host = body.host_config.unwrap();
        assert_eq!(
            (host.memory, host.memory_swap, host.nano_cpus),
            (Some(50), Some(50), Some(2_000_000_000))
        );
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert!(host.binds.is_none() && host.privileged == Some(false));
        let mounts = host.mounts.unwrap();
        assert_eq!(mounts.len(), 1);
        assert_eq!(mounts[0].source.as_deref(), Some("home-a-2fb"));
        assert_eq!(mounts[0].typ, Some(MountType::VOLUME));
    }

    #[test]
    fn images_are_split_as_registries_do() {
        assert_eq!(split("lab"), ("lab", Some("latest")));
        assert_eq!(split("quay.io/x/lab:2.1"), ("quay.io/x/lab", Some("2.1")));
        assert_eq!(
            split("localhost:5000/lab"),
            ("localhost:5000/lab", Some("latest"))
        );
        assert_eq!(split("lab@sha256:00"), ("lab@sha256:00", None));
    }
}
