//! What the operator wants: `hub.yaml` over a profile, under `--set`, checked before anything is contacted.

pub mod model;

pub use model::*;
