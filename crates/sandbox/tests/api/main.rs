//! The sandbox's API over HTTP, as clients meet it.

mod dns;
mod faults;
mod identity;
mod network;
mod openstackclient;
mod refusals;
mod servers;
mod support;
mod volumes;
