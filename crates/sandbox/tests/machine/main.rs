//! Machines as the sandbox makes them, looked at over SSH. Needs root and, once, a minute to build the image.

mod first_boot;
mod life;
mod network;
mod support;
mod sweep;
mod volumes;
