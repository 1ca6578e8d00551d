//! The root helper: its configuration file and the verbs on its socket.
//!
//! One connection carries one request and one answer, each a line of JSON. Versions of hub and helper that do not
//! match are told apart by `version`, before anything is done.

pub mod container;
pub mod instance;
pub mod memory;
pub mod options;
mod password;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use container::Container;
pub use instance::{Instance, InstanceError};
pub use options::{Accounts, Options, Profile};
pub use password::Password;

/// The version both sides must speak.
pub const VERSION: u32 = 1;
/// The longest request, in bytes, the newline included.
pub const REQUEST_LIMIT: usize = 256 * 1024;
/// The longest answer, in bytes, the newline included.
pub const ANSWER_LIMIT: usize = 64 * 1024;
/// Where the helper listens.
pub const SOCKET: &str = "/run/hub-helper.sock";
/// Where the helper reads its own configuration.
pub const CONFIGURATION: &str = "/etc/hub-helper/helper.toml";
/// Where the helper keeps how servers ended, one `INSTANCE.json` each ([`Ended`]); the hub may read it.
pub const ENDED: &str = "/run/hub-helper/ended";
/// Where servers listen: `USER/SERVER.sock`.
pub const SOCKETS: &str = "/run/jupyter";

/// What the hub asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub version: u32,
    pub verb: Verb,
}

/// The things the helper does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verb {
    /// Asks PAM, authentication and account, whether this is the person.
    Authenticate { name: String, password: Password },
    /// Starts the user's server as a unit.
    Start(Start),
    /// Ends it politely, then by force; answers when it is gone.
    Stop(Server),
    /// Ends it by force; answers when it is gone.
    Kill(Server),
    /// Makes an account for a notebook user whom the hub knows by other means, unless there is one. Refused unless the
    /// helper's file has [`Accounts`].
    Create { name: String },
}

/// A single-user server: its owner's account and its own name, "" for the default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub user: String,
    #[serde(default)]
    pub name: String,
}

/// A start.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub server: Server,
    /// Its environment, with secrets.
    pub environment: BTreeMap<String, String>,
    /// One of the profiles of the helper's file; its default where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How long it may take, in seconds.
    pub within: u32,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start")
            .field("server", &self.server)
            .field("environment", &self.environment.keys())
            .field("profile", &self.profile)
            .field("within", &self.within)
            .finish()
    }
}

/// What the helper answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It is the person.
    Authenticated {
        /// The account's name.
        name: String,
        /// Those of its groups that the helper's file names.
        groups: Vec<String>,
    },
    /// Wrong name or password, or somebody who may not log in: never told apart.
    Denied,
    /// The server's process runs.
    Started {
        /// Where it will listen.
        socket: PathBuf,
        unit: String,
        /// systemd's id of this very run, 32 hex digits.
        invocation: String,
    },
    /// The server is gone.
    Ended,
    /// There is an account for that user.
    Account {
        /// Whether it was made just now.
        created: bool,
    },
    /// What was asked is not allowed, or makes no sense; the text says why.
    Refused { message: String },
    /// What it takes did not work, or not in time; worth another try.
    Unavailable { message: String },
}

/// How a server ended, as noted when it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// systemd's id of the run that ended.
    pub invocation: String,
    /// The exit status, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<String>,
    /// Whether it was killed for using more memory than it may.
    pub out_of_memory: bool,
    /// Its last lines, without what looks like a secret.
    pub last_lines: Vec<String>,
}
