//! The environment that a single-user server is started with.
//!
//! `jupyterhub-singleuser` takes no argument from the hub: all it must know is here.

use std::collections::BTreeMap;

use crate::name;
use crate::server::address;
use crate::spawner::{ServerKey, Target};

/// What the hub is to its single-user servers, the same for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HubAddress {
    /// The base URL of the whole deployment, with slashes at both ends.
    pub base: String,
    /// Where single-user servers reach the hub's API, without a slash at the end: `http://127.0.0.1:881/hub/api`.
    pub api_url: String,
    /// The URL people see, with a slash at the end, or "" if it is not known. `https` makes cookies `Secure`.
    pub public_url: String,
}

/// What the operator chose for single-user servers in general, and for this one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choices {
    /// How often activity is reported, in seconds.
    pub activity_interval: u64,
    /// The page people land on, such as `/lab`.
    pub default_url: Option<String>,
    /// The folder people see as the root.
    pub root_dir: Option<String>,
    pub debug: bool,
    pub disable_user_config: bool,
    /// Memory limit and guarantee, in bytes; processors as a number such as `1.5`. For information: the spawner enforces.
    pub mem_limit: Option<u64>,
    pub mem_guarantee: Option<u64>,
    pub cpu_limit: Option<String>,
    pub cpu_guarantee: Option<String>,
    /// More variables; they cannot take the place of those the hub sets.
    pub more: BTreeMap<String, String>,
}

/// The port in the service URL of a server that listens on a Unix socket: `jupyterhub-singleuser` insists on one, and
/// ends at once if it is another than its own default.
const SOCKET_PORT: u16 = 8888;

/// The scopes a visitor needs to be let in: any one of them.
pub fn access_scopes(key: &ServerKey) -> [String; 2] {
    [
        format!("access:servers!server={}", address::full_name(key)),
        format!("access:servers!user={}", key.user),
    ]
}

/// Makes the environment of one server. `token` is its API token and the secret of its OAuth client.
pub fn environment(
    hub: &HubAddress,
    choices: &Choices,
    key: &ServerKey,
    target: &Target,
    token: &str,
) -> BTreeMap<String, String> {
    let prefix = address::prefix(&hub.base, key);
    let scopes = serde_json::Value::from(access_scopes(key).to_vec()).to_string();
    let mut variables = choices.more.clone();
    let mut set = |name: &str, value: String| {
        variables.insert(name.to_owned(), value);
    };
    set("JUPYTERHUB_API_TOKEN", token.to_owned());
    set("JPY_API_TOKEN", token.to_owned());
    set(
        "JUPYTERHUB_CLIENT_ID",
        name::server_client_id(&key.user, &key.name),
    );
    set("JUPYTERHUB_API_URL", hub.api_url.clone());
    set(
        "JUPYTERHUB_ACTIVITY_URL",
        format!("{}/users/{}/activity", hub.api_url, name::escape(&key.user)),
    );
    set(
        "JUPYTERHUB_ACTIVITY_INTERVAL",
        choices.activity_interval.to_string(),
    );
    set("JUPYTERHUB_SERVICE_URL", service_url(target, &prefix));
    set("JUPYTERHUB_SERVICE_PREFIX", prefix.clone());
    set("JUPYTERHUB_BASE_URL", hub.base.clone());
    set(
        "JUPYTERHUB_OAUTH_CALLBACK_URL",
        address::callback(&hub.base, key),
    );
    set("JUPYTERHUB_OAUTH_ACCESS_SCOPES", scopes.clone());
    set("JUPYTERHUB_OAUTH_SCOPES", scopes);
    set("JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES", "[]".to_owned());
    set("JUPYTERHUB_USER", key.user.clone());
    set("JUPYTERHUB_SERVER_NAME", key.name.clone());
    set("JUPYTERHUB_HOST", String::new());
    set("JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED", "0".to_owned());
    let (public, public_hub) = public_urls(hub, &prefix);
    set("JUPYTERHUB_PUBLIC_URL", public);
    set("JUPYTERHUB_PUBLIC_HUB_URL", public_hub);
    let optional = [
        ("JUPYTERHUB_DEFAULT_URL", choices.default_url.clone()),
        ("JUPYTERHUB_ROOT_DIR", choices.root_dir.clone()),
        ("JUPYTERHUB_DEBUG", choices.debug.then(|| "1".to_owned())),
        (
            "JUPYTERHUB_DISABLE_USER_CONFIG",
            choices.disable_user_config.then(|| "1".to_owned()),
        ),
        ("MEM_LIMIT", choices.mem_limit.map(|n| n.to_string())),
        (
            "MEM_GUARANTEE",
            choices.mem_guarantee.map(|n| n.to_string()),
        ),
        ("CPU_LIMIT", choices.cpu_limit.clone()),
        ("CPU_GUARANTEE", choices.cpu_guarantee.clone()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, value);
        }
    }
    variables
}

fn service_url(target: &Target, prefix: &str) -> String {
    match target {
        Target::Tcp(address) => format!("http://{address}{prefix}"),
        Target::Unix(_) => format!("http://127.0.0.1:{SOCKET_PORT}{prefix}"),
    }
}

/// The URLs people see of the server and of the hub; both empty when the public URL is not known.
fn public_urls(hub: &HubAddress, prefix: &str) -> (String, String) {
    if hub.public_url.is_empty() {
        return (String::new(), String::new());
    }
    let origin = hub
        .public_url
        .strip_suffix(&hub.base)
        .unwrap_or(hub.public_url.trim_end_matches('/'));
    (
        format!("{origin}{prefix}"),
        format!("{origin}{}hub/", hub.base),
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn hub() -> HubAddress {
        HubAddress {
            base: "/".to_owned(),
            api_url: "http://127.0.0.1:881/hub/api".to_owned(),
            public_url: "https://hub.example.org/".to_owned(),
        }
    }

    fn key(name: &str) -> ServerKey {
        ServerKey {
            user: "alice".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn it_is_complete() {
        let choices = Choices {
            activity_interval: 300,
            ..Choices::default()
        };
        let target = Target::Tcp(([127, 0, 0, 1], 58709).into());
        let got = environment(&hub(), &choices, &key(""), &target, "s3cret");
        let scopes = r#"["access:servers!server=alice/","access:servers!user=alice"]"#;
        let expected = [
            ("JPY_API_TOKEN", "s3cret"),
            ("JUPYTERHUB_ACTIVITY_INTERVAL", "300"),
            (
                "JUPYTERHUB_ACTIVITY_URL",
                "http://127.0.0.1:881/hub/api/users/alice/activity",
            ),
            ("JUPYTERHUB_API_TOKEN", "s3cret"),
            ("JUPYTERHUB_API_URL", "http://127.0.0.1:881/hub/api"),
            ("JUPYTERHUB_BASE_URL", "/"),
            ("JUPYTERHUB_CLIENT_ID", "jupyterhub-user-alice"),
            ("JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED", "0"),
            ("JUPYTERHUB_HOST", ""),
            ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", scopes),
            (
                "JUPYTERHUB_OAUTH_CALLBACK_URL",
                "/user/alice/oauth_callback",
            ),
            ("JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES", "[]"),
            ("JUPYTERHUB_OAUTH_SCOPES", scopes),
            ("JUPYTERHUB_PUBLIC_HUB_URL", "https://hub.example.org/hub/"),
            (
                "JUPYTERHUB_PUBLIC_URL",
                "https://hub.example.org/user/alice/",
            ),
            ("JUPYTERHUB_SERVER_NAME", ""),
            ("JUPYTERHUB_SERVICE_PREFIX", "/user/alice/"),
            (
                "JUPYTERHUB_SERVICE_URL",
                "http://127.0.0.1:58709/user/alice/",
            ),
            ("JUPYTERHUB_USER", "alice"),
        ];
        let got: Vec<(&str, &str)> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_socket_keeps_the_port_that_singleuser_insists_on() {
        let target = Target::Unix(PathBuf::from("/run/jupyter/alice/server.sock"));
        let got = environment(&hub(), &Choices::default(), &key("lab2"), &target, "t");
        assert_eq!(
            got["JUPYTERHUB_SERVICE_URL"],
            "http://127.0.0.1:8888/user/alice/lab2/"
        );
        assert_eq!(got["JUPYTERHUB_CLIENT_ID"], "jupyterhub-user-alice-lab2");
    }

    #[test]
    fn the_operator_adds_but_does_not_replace() {
        let choices = Choices {
            more: BTreeMap::from([
                ("LANG".to_owned(), "C.UTF-8".to_owned()),
                ("JUPYTERHUB_USER".to_owned(), "mallory".to_owned()),
            ]),
            mem_limit: Some(1 << 30),
            default_url: Some("/lab".to_owned()),
            ..Choices::default()
        };
        let target = Target::Tcp(([127, 0, 0, 1], 1).into());
        let got = environment(&hub(), &choices, &key(""), &target, "t");
        assert_eq!(got["LANG"], "C.UTF-8");
        assert_eq!(got["JUPYTERHUB_USER"], "alice");
        assert_eq!(got["MEM_LIMIT"], "1073741824");
        assert_eq!(got["JUPYTERHUB_DEFAULT_URL"], "/lab");
    }

    #[test]
    fn a_base_url_is_said_once() {
        let hub = HubAddress {
            base: "/class/".to_owned(),
            api_url: "http://127.0.0.1:881/class/hub/api".to_owned(),
            public_url: "https://example.org/class/".to_owned(),
        };
        let target = Target::Tcp(([127, 0, 0, 1], 1).into());
        let got = environment(&hub, &Choices::default(), &key(""), &target, "t");
        assert_eq!(
            got["JUPYTERHUB_PUBLIC_URL"],
            "https://example.org/class/user/alice/"
        );
        assert_eq!(
            got["JUPYTERHUB_PUBLIC_HUB_URL"],
            "https://example.org/class/hub/"
        );
    }
}
