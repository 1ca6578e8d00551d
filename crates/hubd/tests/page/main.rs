//! The pages, asked through the hub's own router: no socket, no browser.

#![allow(clippy::unwrap_used)]

mod admin;
mod advisories;
mod browser;
mod frame;
mod home;
mod hub;
mod login;
mod oidc;
mod password;
mod real;
mod token;
