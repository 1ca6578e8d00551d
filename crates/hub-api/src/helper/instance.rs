//! How a server's unit is called: `jupyter@INSTANCE.service`.
//!
//! The default server's instance is its user's name. A named server's is `USER:SERVER`; no account has a colon in its
//! name, so that neither can be taken for the other. What a unit's name cannot hold is written `-XX` (hexadecimal, of
//! each byte of UTF-8), and what would be too long for the path of a socket is told by its hash, after `--`, which no byte is written as.

use sha2::{Digest, Sha256};

/// A socket's path may have 107 bytes; this is what `/run/jupyter/`, the user's name, `/` and `.sock` leave.
const LONGEST_SERVER: usize = 48;
/// As many characters as `useradd` allows.
const LONGEST_USER: usize = 32;

/// Why no unit can be called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstanceError {
    #[error(
        "{0:?} is no name of an account: it takes 1 to 32 of a-z, 0-9, '_', '-' and '.', a letter or '_' first"
    )]
    User(String),
    #[error("a server's name has at most 255 bytes")]
    Server,
}

/// The instance of a server's unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    user: String,
    server: String,
}

impl Instance {
    /// The instance of a user's server, "" for the default one.
    ///
    /// # Errors
    /// Where the user's name is none of an account, or the server's is too long.
    pub fn new(user: &str, server: &str) -> Result<Self, InstanceError> {
        if !is_account(user) {
            return Err(InstanceError::User(user.chars().take(64).collect()));
        }
        if server.len() > 255 {
            return Err(InstanceError::Server);
        }
        Ok(Self {
            user: user.to_owned(),
            server: escaped(server),
        })
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// The unit's full name.
    pub fn unit(&self) -> String {
        format!("jupyter@{self}.service")
    }

    /// The file name of its socket, in the folder of its user.
    pub fn socket(&self) -> String {
        if self.server.is_empty() {
            "server.sock".to_owned()
        } else {
            format!("server-{}.sock", self.server)
        }
    }
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.server.is_empty() {
            f.write_str(&self.user)
        } else {
            write!(f, "{}:{}", self.user, self.server)
        }
    }
}

/// Whether an account may be called so, as Debian's `adduser` has it.
fn is_account(name: &str) -> bool {
    let first = |c: u8| c.is_ascii_lowercase() || c == b'_';
    let other = |c: u8| first(c) || c.is_ascii_digit() || c == b'-' || c == b'.';
    let bytes = name.as_bytes();
    (1..=LONGEST_USER).contains(&bytes.len()) && first(bytes[0]) && bytes.iter().copied().all(other)
}

fn escaped(server: &str) -> String {
    let mut text = String::with_capacity(server.len());
    for byte in server.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("-{byte:02x}"));
        }
    }
    if text.len() <= LONGEST_SERVER {
        return text;
    }
    let hash = Sha256::digest(server.as_bytes());
    let hash: String = hash.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("--{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(user: &str, server: &str) -> String {
        Instance::new(user, server).unwrap().to_string()
    }

    #[test]
    fn no_two_servers_share_an_instance() {
        assert_eq!(instance("ada", ""), "ada");
        assert_eq!(instance("ada", "work"), "ada:work");
        assert_eq!(instance("ada", "my work"), "ada:my-20work");
        assert_eq!(instance("ada", "my-20work"), "ada:my-2d20work");
        assert_eq!(instance("ada", "a:b"), "ada:a-3ab");
        assert_eq!(instance("ada", "ä"), "ada:-c3-a4");
        assert_eq!(instance("ada", ".."), "ada:-2e-2e");
        let long = "x".repeat(60);
        let other = format!("{long}y");
        assert_ne!(instance("ada", &long), instance("ada", &other));
        assert!(instance("ada", &long).starts_with("ada:--"));
    }

    #[test]
    fn a_socket_s_path_is_never_too_long() {
        for server in ["", "work", &"ü".repeat(100)] {
            let socket = Instance::new(&"u".repeat(32), server).unwrap().socket();
            let path = format!("{}/{}/{socket}", super::super::SOCKETS, "u".repeat(32));
            assert!(path.len() <= 107, "{path}");
        }
    }

    #[test]
    fn only_names_of_accounts_are_taken() {
        for name in [
            "", "Ada", "a/b", "..", "-ada", "ada:x", "ä", "a b", "a\nb", "1ada", "a%i", "a@b",
        ] {
            assert!(Instance::new(name, "").is_err(), "{name:?}");
        }
        for name in ["ada", "_ada", "ada-b", "ada.b", "student01"] {
            assert!(Instance::new(name, "").is_ok(), "{name:?}");
        }
    }
}
