//! A small OpenStack on loopback whose servers are real machines.
//!
//! [`api`] speaks Keystone v3, Glance v2, Nova 2.1 and Neutron 2.0 out of memory; [`machine`] is what a server is made
//! of. The two meet in the [`machine::Machines`] trait and nowhere else.

pub mod api;
pub mod machine;
