//! The OAuth provider that single-user servers and services know their visitors by.

pub mod authorization;
pub mod exchange;
pub mod grant;
pub mod http;
pub mod pkce;
pub mod provider;
#[cfg(test)]
mod tests;
