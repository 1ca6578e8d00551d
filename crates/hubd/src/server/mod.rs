//! Single-user servers: their states, their way from requested to ready, and back.

pub mod activity;
pub mod address;
pub mod environment;
pub mod failure;
pub mod probe;
pub mod progress;
pub mod state;
