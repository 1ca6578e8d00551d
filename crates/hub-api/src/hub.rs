//! The hub's configuration file, `hubd.toml`.
