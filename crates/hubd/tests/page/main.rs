//! The pages, asked through the hub's own router: no socket, no browser.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may")]

mod admin;
mod advisories;
mod browser;
mod frame;
mod home;
mod hub;
mod installing;
mod login;
mod oidc;
mod password;
mod real;
mod session;
mod token;
