//! Certificates: from files, self-signed, by ACME; and how TLS is spoken with them.

pub mod acme;
mod certificate;
mod config;
mod files;
mod pem;
mod self_signed;
mod store;

pub use certificate::{Certificate, CertificateError};
pub use config::{ACME_TLS, ConfigError, api_config, public_config};
pub use files::{FileCertificates, load_client};
pub use pem::{PemError, authorities, chain, key};
pub use self_signed::self_signed;
pub use store::Store;
