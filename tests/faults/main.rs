//! Whatever goes wrong on the way, the next run finishes what was begun, and destroy leaves nothing.
//!
//! `api` needs no root; `host` and `matrix` have real machines, and `make test-long` alone takes the matrix.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test ends there, and says how far it is"
)]

mod api;
mod bed;
#[path = "../infra/cloud.rs"]
#[allow(dead_code, reason = "each test takes its part")]
mod cloud;
#[path = "../story/disk.rs"]
mod disk;
mod host;
#[path = "../story/hubctl.rs"]
#[allow(dead_code, reason = "each test takes its part")]
mod hubctl;
mod machines;
mod matrix;
mod page;
#[path = "../story/server.rs"]
#[allow(dead_code, reason = "each test takes its part")]
mod server;
mod survey;
