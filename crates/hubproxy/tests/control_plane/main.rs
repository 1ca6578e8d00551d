//! The control plane through the real binary: command line, routes API, TLS, ACME, restarts, access log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod access_log;
mod acme;
mod api;
mod command_line;
mod program;
mod restart;
mod tls;
