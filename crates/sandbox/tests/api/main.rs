//! The sandbox's API over HTTP, as clients meet it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's helpers fail as the test does"
)]

mod answers;
mod dns;
mod faults;
mod identity;
mod ipv6;
mod network;
mod openstackclient;
mod refusals;
mod servers;
mod support;
mod volumes;
