//! The root helper of the hub: what takes root, and nothing else.
//!
//! The hub has no privileges. It asks over a Unix socket that only its account may open, and that account is looked
//! at again for each connection ([`serve`]). What may be asked is a few verbs ([`verb`]): whether a password is an
//! account's ([`pam`]), to start, stop or kill the unit of a user's server ([`systemd`], [`unit`]; [`container`] where servers run in containers), and, where root said
//! so, to make an account for a notebook user ([`create`]). Who is
//! refused ([`account`]), what a server may use ([`options`]) and what may be in its environment ([`environment`])
//! is decided here, from files that only root writes. How a server ended is noted by [`ended`], as the unit ends.

pub mod account;
pub mod container;
pub mod create;
pub mod ended;
pub mod environment;
pub mod options;
pub mod pam;
pub mod places;
pub mod refusal;
pub mod serve;
pub mod systemd;
pub mod unit;
pub mod verb;
