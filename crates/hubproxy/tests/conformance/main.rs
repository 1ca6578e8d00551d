//! The same cases against configurable-http-proxy and against hubproxy: each states what the first does, and, where the
//! second differs on purpose, what it does and why.

#![expect(clippy::expect_used, reason = "a test may")]

mod activity;
#[path = "../support/address.rs"]
mod address;
mod authority;
mod cli;
mod failure;
mod header;
mod metrics;
mod program;
mod rest;
mod routing;
mod socket;
mod table;
mod tls;
mod upstream;
mod websocket;
mod wire;

use program::Program;

/// A test for each program of each case.
macro_rules! on_both {
    ($($module:ident :: $case:ident),* $(,)?) => {
        mod chp {
            $(#[tokio::test] async fn $case() { crate::$module::$case(crate::Program::Chp).await; })*
        }
        mod hubproxy {
            $(#[tokio::test] async fn $case() { crate::$module::$case(crate::Program::Hubproxy).await; })*
        }
    };
}

on_both! {
    rest::authorization, rest::bodies, rest::paths, rest::inactive_since,
    routing::by_path, routing::without_a_root, routing::by_host, routing::path_options, routing::default_target,
    routing::replaced_and_removed,
    header::request, header::answer, header::options, header::keep_alive,
    failure::plain, failure::target, failure::target_gone, failure::path, failure::timeouts,
    failure::keep_alive_timeout,
    websocket::echo, websocket::early_bytes, websocket::refused, websocket::idle, websocket::outlives_its_route,
    activity::of_requests, activity::of_websockets,
    socket::targets, socket::listeners,
    metrics::page,
    tls::to_clients, tls::of_clients, tls::of_the_api, tls::to_targets, tls::redirect,
    cli::refusals, cli::as_the_hub_does, cli::the_ports, cli::without_a_token, cli::signals,
}
