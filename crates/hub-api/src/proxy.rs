//! The proxy's configuration file, `hubproxy.toml`, and its routes API.
