//! `hubctl` takes one `hub.yaml` to a running notebook hub on OpenStack, keeps it so, and takes it away again.
//!
//! Three words carry the program. A [`spec::Spec`] is what the operator wants. A plan is what differs
//! from it, found by observing and comparing, never by remembering: [`infra`] for the cloud half,
//! [`setup`] for the host half. Applying a plan leaves nothing to plan.
//!
//! [`cloud`] and [`host`] are the only ways out to the world, [`ui`] the only part that prints,
//! [`command`] the runbooks that tie them together.

pub mod cli;
pub mod cloud;
pub mod command;
pub mod doctor;
pub mod event;
pub mod handout;
pub mod health;
pub mod host;
pub mod infra;
pub mod key;
pub mod release;
pub mod secret;
pub mod setup;
pub mod spec;
pub mod state;
pub mod tls;
pub mod ui;
pub mod users;
pub mod wait;
