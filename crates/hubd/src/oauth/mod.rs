//! The OAuth provider that single-user servers and services know their visitors by.
