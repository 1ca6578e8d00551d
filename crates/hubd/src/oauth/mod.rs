//! The OAuth provider that single-user servers and services know their visitors by.

pub mod authorization;
pub mod exchange;
pub mod pkce;
