//! The OpenStack seam: one session, typed calls, translated errors. Nothing else in the program speaks OpenStack.
//!
//! Every method of [`Cloud`] is one API call (lists follow their pages), named in its errors, with a deadline, and
//! repeated after 429, 5xx and connection resets where repeating is safe. `create_*` never repeats blindly: a lost
//! answer comes back as [`CloudError::Lost`], and the caller looks before it tries again. `find_*` and `list_*` find
//! nothing without an error, `get_*` must find, `delete_*` is content when the thing is gone already.

mod block_storage;
mod catalog;
mod compute;
pub mod config;
mod dns;
pub mod error;
mod fault;
mod flavor;
mod floating_ip;
mod hint;
mod image;
mod key_pair;
mod keystone;
mod microversion;
pub mod model;
mod network;
mod page;
mod quota;
mod reach;
pub mod request;
mod retry;
mod security_group;
mod session;
mod transport;

pub use config::{CloudConfig, Limits, Places};
pub use error::{Category, CloudError, Refusal, Shortage, Unreached};
pub use model::*;
pub use request::*;
pub use session::Cloud;
