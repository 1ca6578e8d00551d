//! Each profile as a whole system: provisioned on a real machine and used through HTTPS, until nothing is left of it.
//!
//! Needs root: the sandbox makes its servers of namespaces.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests"
)]

#[path = "../story/cloud.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod cloud;
#[path = "../story/directory.rs"]
mod directory;
#[path = "../story/hub.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod hub;
#[path = "../story/hubctl.rs"]
#[allow(dead_code, reason = "each test binary uses its part")]
mod hubctl;
#[path = "../story/server.rs"]
mod server;

mod environments;
mod hard_way;
mod hubd_docker;
mod notebook;
mod provider;
mod sdsc;
mod story;
mod sudo;
mod tunnel;
