//! hubproxy: a reverse proxy for notebook hubs that takes `configurable-http-proxy`'s place.
//!
//! The way of a request: [`serve`] accepts it, [`routes`] says where it goes, [`forward`] takes it there and the answer
//! back. [`api`] is how the hub changes the routes, [`tls`] where certificates come from.

pub mod api;
pub mod cli;
pub mod forward;
pub mod log;
pub mod routes;
pub mod serve;
pub mod tls;
