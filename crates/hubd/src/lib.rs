//! hubd: a multi-user notebook hub that speaks JupyterHub's protocol.
//!
//! The way of a request: [`app`] binds the listeners and joins the parts; [`session`] says who asks from a browser,
//! [`store`] who asks with a token, [`scope`] what they may; [`page`] and [`api`] answer; [`server`] starts and stops
//! single-user servers through a [`spawner`], and tells the proxy; [`oauth`] lets those servers know their visitors.

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod dial;
pub mod housekeeping;
pub mod listen;
pub mod log;
pub mod metrics;
pub mod name;
pub mod notebooks;
pub mod oauth;
pub mod page;
pub mod proxy;
pub mod scope;
pub mod server;
pub mod service;
pub mod session;
pub mod spawner;
pub mod store;
