//! Machines as the sandbox makes them, looked at over SSH. Needs root and, once, a minute to build the image.

mod first_boot;
mod support;
mod volumes;
