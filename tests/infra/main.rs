//! The cloud half from outside: plans as tables, and its whole life against an OpenStack in this process.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends there")]

mod acme;
mod any_cloud;
mod cloud;
mod door;
mod expiry;
mod fixture;
mod ipv6;
mod life;
mod plan;
mod preflight;
mod rotate;
