//! Checks from outside, as a user: TLS, proxy, hub, login, spawn, a kernel that computes.
