//! Machines as the sandbox makes them, looked at over SSH. Needs root and, once, a minute to build the image.

#[cfg(test)]
mod first_boot;
#[cfg(test)]
mod life;
#[cfg(test)]
mod network;
#[cfg(test)]
mod saved;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod volumes;
