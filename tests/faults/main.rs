//! Whatever goes wrong on the way, the next run finishes what was begun, and destroy leaves nothing.
//!
//! `api` needs no root; `host` has a real machine, and takes a spread of the faults unless HUBCTL_TEST_FAULTS is `all`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends there")]

mod api;
#[path = "../infra/cloud.rs"]
#[allow(dead_code, reason = "each test takes its part")]
mod cloud;
mod host;
#[path = "../story/hubctl.rs"]
#[allow(dead_code, reason = "each test takes its part")]
mod hubctl;
mod machines;
#[path = "../story/server.rs"]
#[allow(dead_code, reason = "each test takes its part")]
mod server;
