//! The OpenStack seam against a cloud: every call once, every fault it is meant to bear, every way to log in.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod calls;
mod faults;
mod ipv6;
mod login;
mod odd;
mod reach;
mod script;
mod support;
