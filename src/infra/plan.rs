//! What is to be done and why: the changes between what the spec wants and what the cloud has.

use std::fmt;

use serde::{Serialize, Serializer};

use super::desired::{Desired, ServerWish};
use super::inventory::Inventory;
use crate::cloud::RuleSpec;

/// Everything that [`apply`](super::apply()) will do, in the order it is told. Empty when the cloud is as the spec says.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    pub changes: Vec<Change>,
    /// Worth knowing, changes nothing: a flavor that differs, a kept volume.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub desired: Desired,
    #[serde(skip)]
    pub inventory: Inventory,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the server, or the way by which SSH reaches it, is about to change: the host is then better looked at
    /// afterwards.
    pub fn touches_server(&self) -> bool {
        let says_so_only =
            |change: &&Change| matches!(change.work, Work::Tag { .. } | Work::Expire { .. });
        let changes = self.changes.iter().filter(|change| !says_so_only(change));
        changes.into_iter().any(|change| match change.resource {
            Kind::Server | Kind::Port | Kind::FloatingIp | Kind::Volume => true,
            Kind::SecurityGroup => {
                change.verb != Verb::Update
                    || change
                        .details
                        .iter()
                        .any(|detail| detail.contains("tcp 22 "))
            }
            _ => false,
        })
    }

    /// The changes that lose something that cannot be had back.
    pub fn destructive(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.destructive)
    }
}

/// One change a line, then the notes.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in &self.changes {
            writeln!(f, "{change}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Create,
    Update,
    /// Deleted and made anew.
    Replace,
    Delete,
}

/// A kind of resource, in OpenStack's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    KeyPair,
    SecurityGroup,
    Network,
    Subnet,
    Router,
    Port,
    Volume,
    FloatingIp,
    Server,
    Record,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyPair => "key pair",
            Self::SecurityGroup => "security group",
            Self::Network => "network",
            Self::Subnet => "subnet",
            Self::Router => "router",
            Self::Port => "port",
            Self::Volume => "volume",
            Self::FloatingIp => "floating IP",
            Self::Server => "server",
            Self::Record => "DNS record",
        })
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One change of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub verb: Verb,
    pub resource: Kind,
    /// Its name, or the address of a floating IP.
    pub name: String,
    /// What it will be, or what about it changes.
    pub details: Vec<String>,
    /// Why it is replaced or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether something is lost by it: what is on the server's own disk, or a volume.
    pub destructive: bool,
    #[serde(skip)]
    pub(super) work: Work,
}

impl Change {
    pub(super) fn new(verb: Verb, resource: Kind, name: impl Into<String>, work: Work) -> Self {
        Self {
            verb,
            resource,
            name: name.into(),
            details: Vec::new(),
            reason: None,
            destructive: false,
            work,
        }
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    pub(super) fn destructive(mut self, destructive: bool) -> Self {
        self.destructive = destructive;
        self
    }

    /// Whether it needs more room than there was.
    pub(super) fn is_growth(&self) -> bool {
        matches!(self.work, Work::GrowVolume { .. })
    }

    /// The change in words, without its sign: `create server hubctl-class (m1.medium, Debian 12)`.
    pub fn words(&self) -> String {
        let details = self.details.join(", ");
        let reason = self.reason.as_deref().unwrap_or_default();
        let with = |text: &str| {
            if text.is_empty() {
                String::new()
            } else {
                format!(" ({text})")
            }
        };
        match self.verb {
            Verb::Create => format!("create {} {}{}", self.resource, self.name, with(&details)),
            Verb::Update => format!("update {}: {details}", self.resource),
            Verb::Replace if details.is_empty() => {
                format!("replace {} {}: {reason}", self.resource, self.name)
            }
            Verb::Replace => {
                format!(
                    "replace {} {} ({details}): {reason}",
                    self.resource, self.name
                )
            }
            Verb::Delete => format!("delete {} {}{}", self.resource, self.name, with(reason)),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.verb {
            Verb::Create => "+",
            Verb::Update => "~",
            Verb::Replace => "-/+",
            Verb::Delete => "-",
        };
        write!(f, "{sign} {}", self.words())
    }
}

/// A resource in a list of what is or was there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    pub resource: Kind,
    pub id: String,
    /// Its name, or the address of a floating IP.
    pub name: String,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource, self.name)?;
        if self.id == self.name {
            Ok(())
        } else {
            write!(f, " ({})", self.id)
        }
    }
}

/// The calls behind a change. What another change of the plan makes (a network for the port) is not named here.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    ImportKeyPair {
        public_key: String,
    },
    CreateGroup {
        rules: Vec<RuleSpec>,
    },
    ChangeRules {
        group: String,
        add: Vec<RuleSpec>,
        remove: Vec<String>,
    },
    CreateNetwork,
    CreateSubnet,
    CreateRouter,
    SetGateway {
        router: String,
    },
    AddInterface,
    CreatePort,
    SetPortGroups {
        port: String,
    },
    AttachPort {
        server: String,
    },
    CreateVolume {
        size: u32,
    },
    ReplaceVolume {
        volume: String,
    },
    GrowVolume {
        volume: String,
        from: u64,
        size: u32,
    },
    AttachVolume,
    CreateServer(Box<ServerWish>),
    ReplaceServer {
        server: String,
        wish: Box<ServerWish>,
    },
    WakeServer {
        server: String,
        wake: Wake,
    },
    AwaitServer {
        server: String,
    },
    AllocateFloatingIp,
    ClaimFloatingIp {
        id: String,
    },
    AssociateFloatingIp,
    CreateRecord {
        record: usize,
    },
    SetRecord {
        record: usize,
        id: String,
    },
    Tag {
        id: String,
        tags: Vec<String>,
    },
    /// Of a server or volume, in its metadata.
    Expire {
        id: String,
        time: String,
    },
    Delete {
        id: String,
    },
}

/// How a server that does not run is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    Start,
    Unpause,
    Resume,
    Unshelve,
}
