//! hubproxy: a reverse proxy for notebook hubs that takes `configurable-http-proxy`'s place.
//!
//! The way of a request: [`serve`] accepts it, [`routes`] says where it goes, [`forward`] takes it there and the answer
//! back. [`api`] is how the hub changes the routes, [`tls`] where certificates come from. [`cli`] and [`config`] become
//! one [`settings`], and [`app`] makes the parts of it and lets them run.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod forward;
pub mod log;
pub mod overview;
pub mod routes;
pub mod serve;
pub mod settings;
pub mod state;
mod stream;
pub mod tls;
