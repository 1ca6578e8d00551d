//! The data plane from outside: real sockets, bytes as clients and targets send them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod failing;
mod forwarding;
mod hardening;
mod limits;
mod proxy;
mod serving;
mod smuggling;
mod target;
mod tls;
mod websocket;
