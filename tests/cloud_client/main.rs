//! The OpenStack seam against a cloud: every call once, every fault it is meant to bear, every way to log in.

mod calls;
mod faults;
mod login;
mod reach;
mod support;
