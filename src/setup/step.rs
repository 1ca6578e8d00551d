//! One step on the host: what it is called, why it is needed, and what `templates/runner/apply` does for it.

use serde::Serialize;

use super::desired::Content;

/// A step of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What is done, in the operator's words: `restart jupyterhub.service`.
    pub name: String,
    /// What was observed that makes it needed: `/etc/jupyterhub/jupyterhub_config.py changed since it started`.
    pub why: String,
    /// Unified diff of a file, where it is no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Neighbours of different lanes are done side by side.
    #[serde(skip)]
    pub(super) lane: Option<&'static str>,
    #[serde(skip)]
    pub(super) action: Action,
    /// The content that goes with it.
    #[serde(skip)]
    pub(super) content: Option<Content>,
}

/// An operation of the remote program; the names and fields are its.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub(super) enum Action {
    Dpkg,
    Apt {
        upgrade: bool,
        install: Vec<String>,
    },
    Write {
        path: String,
        owner: String,
        group: String,
        mode: String,
    },
    Folder {
        path: String,
        owner: String,
        group: String,
        mode: String,
    },
    /// Sets the mode, and the owner where one is given.
    Owner {
        paths: Vec<String>,
        owner: Option<String>,
        group: Option<String>,
        mode: String,
    },
    Remove {
        path: String,
    },
    Group {
        name: String,
    },
    Account {
        name: String,
        home: String,
    },
    /// An account with a home, whose password opens nothing.
    Person {
        name: String,
    },
    Join {
        group: String,
        accounts: Vec<String>,
    },
    Run {
        commands: Vec<Vec<String>>,
        deadline: u32,
    },
    Uv {
        folder: String,
        requirement: String,
        index: Option<String>,
    },
    Venv {
        folder: String,
        uv: String,
        requirements: String,
        system: bool,
        fresh: bool,
        index: Option<String>,
        links: Vec<(String, String)>,
        /// Modules that are imported once, so that they are compiled.
        warm: Vec<String>,
        /// What was installed for the same requirements before, as the remote program keeps it.
        #[serde(skip_serializing_if = "Option::is_none")]
        lock: Option<String>,
    },
    Conda {
        folder: String,
        kernel: String,
        requirements: String,
        channel: String,
        /// What runs the program that goes with it, which does it.
        python: String,
        /// Of `micromamba`, which does it in that one's place.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lock: Option<String>,
    },
    Npm {
        folder: String,
        package: String,
        node: String,
        npm: String,
        registry: Option<String>,
    },
    /// Takes a program out of an archive.
    Fetch {
        folder: String,
        member: String,
        url: String,
        sha256: String,
        stamp: String,
        stamp_file: String,
    },
    /// A network of the container engine's, made anew where it is another one.
    ContainerNetwork {
        name: String,
        device: String,
        subnet: String,
    },
    /// An image of the container engine's.
    ContainerImage {
        name: String,
        /// `registry`, `nothing`, `dockerfile` or `archive`.
        from: String,
    },
    Unit {
        name: String,
        enable: bool,
        verb: String,
        ready: Vec<String>,
        deadline: u32,
    },
    /// Ends a unit for good.
    Retire {
        name: String,
        path: String,
    },
    /// Ends a hub and its users' servers.
    EndServers {
        /// The hub's units. Servers may run in one of them.
        hub: Vec<&'static str>,
        /// Pattern of the servers' own units.
        servers: String,
        /// Patterns of the units that lead to them.
        ways: Vec<&'static str>,
        /// The folder with the folders of their sockets.
        sockets: String,
    },
    /// Gives a database another name beside it.
    SetAside {
        path: String,
    },
    Sshd {
        path: String,
        unit: String,
        expect: Vec<String>,
        deadline: u32,
    },
    Swap {
        path: String,
        size_mb: u64,
    },
    Volume {
        device: String,
        format: bool,
    },
}
