//! Texts of a certain shape: the schema's `format` and the check behind it, each with its own words for what is wrong.

mod address;
mod file;
mod name;
mod package;
mod public_key;
mod time_zone;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

pub use name::user_name;

/// What is wrong with a text, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

/// `is `x`, wants …`, for texts that hold no secret.
fn unlike(text: &str, wants: &str) -> String {
    format!("is `{}`, {wants}", super::walk::shown(text))
}

pub(super) type Check = fn(&str) -> Result<(), Wrong>;

macro_rules! formats {
    ($($(#[$doc:meta])* $type:ident, $format:literal, $pattern:literal, $example:literal, $check:path;)*) => {
        $(
            $(#[$doc])*
            pub(super) struct $type;

            impl JsonSchema for $type {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> Cow<'static, str> {
                    stringify!($type).into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({
                        "type": "string", "format": $format, "pattern": $pattern, "examples": [$example]
                    })
                }
            }
        )*

        /// The check behind a `format` of the schema.
        pub(super) fn check(format: &str) -> Option<Check> {
            match format {
                $($format => Some($check),)*
                "floating-ip" => Some(address::floating_ip),
                "source" => Some(address::source),
                "memory" => Some(name::memory),
                "release-source" => Some(file::release_source),
                _ => None,
            }
        }
    };
}

formats! {
    /// A deployment's name; it becomes a host name and the names of cloud resources.
    DeploymentName, "deployment-name", "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", "class", name::deployment;
    /// A DNS name, fully qualified, without the last dot.
    Domain, "domain", r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}\.?$", "hub.example.org", name::domain;
    /// A Linux account.
    UserName, "user-name", "^[a-z_][a-z0-9_-]{0,31}$", "ada", name::login;
    /// An IPv4 network in CIDR form.
    Ipv4Network, "ipv4-network", r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$", "10.42.0.0/24", address::own_network;
    /// An IP address.
    Address, "address", "^[0-9a-fA-F:.]+$", "192.0.2.53", address::name_server;
    /// A line of an `authorized_keys` file.
    PublicKey, "public-key", r"^(ssh|ecdsa|sk)-\S+ [A-Za-z0-9+/]+={0,3}( .*)?$", "ssh-ed25519 AAAA… ada@laptop", public_key::check;
    /// A Debian package.
    DebianPackage, "debian-package", "^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=.+)?$", "r-base", package::debian;
    /// A name of the time zone database.
    TimeZone, "time-zone", "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$", "Europe/Zurich", time_zone::check;
    /// A URL for `http` or `https`.
    WebAddress, "web-address", "^https?://", "https://mirror.example.org/simple", address::url;
    /// The path part of a URL.
    UrlPath, "url-path", "^/", "/lab", name::url_path;
    /// A file on this machine; relative ones are beside the document that names them.
    LocalFile, "local-file", "^.+$", "certs/hub.pem", file::path;
    /// A checksum as `sha256sum` prints it.
    Sha256, "sha256", "^[0-9a-f]{64}$", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", file::sha256;
    /// A mail address.
    Email, "email", r"^[^\s@]+@[^\s@]+$", "ada@example.org", name::email;
    /// A version as package registries number them.
    Version, "version", r"^[0-9]+(\.[0-9]+)*([-.+]?[0-9A-Za-z]+)*$", "6.1.1", package::version;
    /// A pip requirement.
    Requirement, "requirement", r"^[A-Za-z0-9][A-Za-z0-9._-]*", "pandas>=2", package::requirement;
    /// A text of several lines.
    Lines, "lines", r"^[\s\S]*$", "c.JupyterHub.shutdown_on_logout = True", name::lines;
}

/// The check for texts without a format of their own: names and ids of what the cloud has.
pub(super) fn line(text: &str) -> Result<(), Wrong> {
    if text.trim().is_empty() {
        return Err(Wrong::new(
            "is empty",
            "remove the line for the default, or give a value",
        ));
    }
    if text.contains("PRIVATE KEY") {
        return Err(public_key::private());
    }
    if text.contains(char::is_control) {
        return Err(Wrong::new(
            "has a line break or another control character in it",
            "write it in one line, without `|` or `>`",
        ));
    }
    if text.trim() != text {
        return Err(Wrong::new(
            "has a space at its beginning or end",
            format!("write `{}`", text.trim()),
        ));
    }
    Ok(())
}
