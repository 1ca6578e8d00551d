//! The Docker spawner against a real engine, in namespaces of its own. Needs root and the packages of scripts/tools.

#[cfg(test)]
mod engine;
#[cfg(test)]
mod servers;
