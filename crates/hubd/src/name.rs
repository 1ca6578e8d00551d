//! Names of users and servers: what they may be, and how they stand in URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What Python's `quote(name, safe="@~")` leaves as it is, which is what JupyterHub writes into paths.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b'@');
/// What Python's `quote(name)` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b'/');

/// A name as it stands in a path.
pub fn escape(name: &str) -> String {
    utf8_percent_encode(name, PATH).to_string()
}

/// A name as it stands in the identifier of an OAuth client.
pub fn escape_plain(name: &str) -> String {
    utf8_percent_encode(name, PLAIN).to_string()
}

/// The one form of a user's name: lower case.
pub fn normalize_user(name: &str) -> String {
    name.to_lowercase()
}

/// Whether a normalised name may be a user's: not empty, no slash, no spaces around it, not dots alone (a path).
pub fn is_valid_user(name: &str) -> bool {
    let dots = |text: &str| !text.is_empty() && text.chars().all(|c| c == '.');
    let unquoted = percent_decode_str(name).decode_utf8_lossy();
    !(name.is_empty()
        || name.contains('/')
        || dots(name)
        || dots(&unquoted)
        || name.trim() != name
        || name.contains(|c: char| c.is_control()))
}

/// Whether a new named server may be called so: up to 30 of `a-z0-9` and hyphens, a letter first, a letter or digit last,
/// no two hyphens together. It is safe as a host name, a file name and in a unit's name.
pub fn is_valid_server(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 30
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(plain)
        && !name.contains("--")
        && name.chars().all(|c| plain(c) || c == '-')
}

/// Whether a server may be shown under this name: up to 255 characters that can be seen, single spaces between them.
pub fn is_valid_display(name: &str) -> bool {
    let visible = |c: char| c == ' ' || !(c.is_whitespace() || c.is_control());
    (1..=255).contains(&name.chars().count())
        && name.trim() == name
        && !name.contains("  ")
        && name.chars().all(visible)
}

/// The identifier of a server's OAuth client.
pub fn server_client_id(user: &str, server: &str) -> String {
    let user = escape_plain(user);
    if server.is_empty() {
        format!("jupyterhub-user-{user}")
    } else {
        format!("jupyterhub-user-{user}-{}", escape_plain(server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_paths_as_jupyterhub_writes_them() {
        assert_eq!(escape("ada@x.org"), "ada@x.org");
        assert_eq!(escape("a b+ü~"), "a%20b%2B%C3%BC~");
        assert_eq!(
            server_client_id("ada@x", "my-lab"),
            "jupyterhub-user-ada%40x-my-lab"
        );
    }

    #[test]
    fn a_user_name_is_no_path() {
        for (name, good) in [
            ("ada", true),
            ("ada lovelace", true),
            ("", false),
            ("a/b", false),
            ("..", false),
            ("%2e%2E", false),
            (" ada", false),
            ("a\nb", false),
        ] {
            assert_eq!(is_valid_user(name), good, "{name:?}");
        }
    }
}
