//! What the programs of this workspace say to one another: configuration files and wire types.
//!
//! `hubctl` writes with the very types that `hubd`, `hubproxy` and the root helper read.

pub mod helper;
pub mod hub;
pub mod line;
pub mod proxy;
