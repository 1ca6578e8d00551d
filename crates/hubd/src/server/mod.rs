//! Single-user servers: their states, their way from requested to ready, and back.

pub mod address;
pub mod environment;
pub mod probe;
pub mod state;
