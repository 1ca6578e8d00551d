//! The REST API of the routes: configurable-http-proxy's.
