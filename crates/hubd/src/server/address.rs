//! The addresses of a single-user server: its path, its OAuth client, its route, its target as the proxy writes it.

use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::name::escape;
use crate::spawner::{ServerKey, Target};

/// What stays as it is in the host part of an `http+unix://` target: nothing that could end it.
const SOCKET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');

/// The path under which a server lives, with slashes at both ends: `/user/alice/` or `/user/alice/lab2/`.
/// `base` is the hub's base URL, such as `/` or `/class/`.
pub fn prefix(base: &str, key: &ServerKey) -> String {
    path(base, &key.user, &key.name)
}

/// The same by the names.
pub fn path(base: &str, user: &str, server: &str) -> String {
    let mut path = format!("{base}user/{}/", escape(user));
    if !server.is_empty() {
        path.push_str(&escape(server));
        path.push('/');
    }
    path
}

/// The path of the server's OAuth callback: the only redirect URI its client has.
pub fn callback(base: &str, key: &ServerKey) -> String {
    format!("{}oauth_callback", prefix(base, key))
}

/// The server's path as the proxy keeps it in its table: decoded, without the slash at the end.
pub fn routespec(base: &str, key: &ServerKey) -> String {
    let mut spec = format!("{base}user/{}", key.user);
    if !key.name.is_empty() {
        spec.push('/');
        spec.push_str(&key.name);
    }
    spec
}

/// The note of a server's token. Activity seen through tokens of such a note is not the user's.
pub fn token_note(base: &str, key: &ServerKey) -> String {
    format!("Server at {}", prefix(base, key))
}

/// The server as scopes name it: `alice/` or `alice/lab2`.
pub fn full_name(key: &ServerKey) -> String {
    format!("{}/{}", key.user, key.name)
}

/// The target as the proxy's routes API takes it.
pub fn target_url(target: &Target) -> String {
    match target {
        Target::Tcp(address) => format!("http://{address}"),
        Target::Unix(path) => {
            let path = path.to_string_lossy();
            format!("http+unix://{}", utf8_percent_encode(&path, SOCKET))
        }
    }
}

/// The target that [`target_url`] wrote.
pub fn parse_target(url: &str) -> Option<Target> {
    if let Some(path) = url.strip_prefix("http+unix://") {
        let path = percent_decode_str(path).decode_utf8().ok()?;
        return path
            .starts_with('/')
            .then(|| Target::Unix(PathBuf::from(path.as_ref())));
    }
    let address = url.strip_prefix("http://")?.trim_end_matches('/');
    Some(Target::Tcp(address.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str, name: &str) -> ServerKey {
        ServerKey {
            user: user.to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn names_are_escaped_as_jupyterhub_escapes_them() {
        for (user, name, path, spec) in [
            ("alice", "", "/user/alice/", "/user/alice"),
            ("alice", "lab2", "/user/alice/lab2/", "/user/alice/lab2"),
            (
                "ada@example.org",
                "",
                "/user/ada@example.org/",
                "/user/ada@example.org",
            ),
            ("a b~", "ü", "/user/a%20b~/%C3%BC/", "/user/a b~/ü"),
        ] {
            let key = key(user, name);
            assert_eq!(prefix("/", &key), path);
            assert_eq!(routespec("/", &key), spec);
        }
        assert_eq!(
            callback("/class/", &key("ada", "")),
            "/class/user/ada/oauth_callback"
        );
        assert_eq!(full_name(&key("ada", "")), "ada/");
    }

    #[test]
    fn targets_are_written_as_the_proxy_reads_them() {
        let tcp = Target::Tcp(([127, 0, 0, 1], 8888).into());
        assert_eq!(target_url(&tcp), "http://127.0.0.1:8888");
        let unix = Target::Unix(PathBuf::from("/run/jupyter/ada/server.sock"));
        assert_eq!(
            target_url(&unix),
            "http+unix://%2Frun%2Fjupyter%2Fada%2Fserver.sock"
        );
        for target in [tcp, unix] {
            assert_eq!(parse_target(&target_url(&target)), Some(target));
        }
        for other in ["", "http://", "http://host:80", "http+unix://run%2Fx"] {
            assert_eq!(parse_target(other), None, "{other}");
        }
    }
}
