//! The OpenStack seam: one session, typed calls, translated errors. Nothing else in the program speaks OpenStack.
//!
//! Every method of [`Cloud`] is one API call (lists follow their pages), named in its errors, with a deadline, and
//! repeated after 429, 5xx and connection resets where repeating is safe. `create_*` never repeats blindly: a lost
//! answer comes back as [`CloudError::Lost`], and the caller looks before it tries again. `find_*` and `list_*` find
//! nothing without an error, `get_*` must find, `delete_*` is content when the thing is gone already.
//!
//! What is whose: the session is `openstack`'s (that is, `osauth`'s), and [`Cloud::sdk`] lends it to the `openstack`
//! crate for typed reads that this module has no call for. Logging in and every call of this module are our own, on
//! `reqwest`, behind that session's authentication interface: the crate reads neither ids of domains nor
//! `OS_CLIENT_CONFIG_FILE` nor `verify`, sets no time limit, repeats nothing, cannot replace a revoked token, and
//! drops request ids, Neutron's types and the reason a connection failed. It also knows no security groups, tags,
//! quotas, or faults of servers.

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
