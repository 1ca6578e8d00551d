//! A certificate from an ACME directory: ordered, kept on disk, renewed in time.

mod client;
mod order;
mod renewer;
mod responder;
mod schedule;
mod storage;
mod tokens;

pub use client::ClientError;
pub use order::AcmeError;
pub use renewer::Renewer;
pub use storage::StorageError;
pub use tokens::Tokens;
