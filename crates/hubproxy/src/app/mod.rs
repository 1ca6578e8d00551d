//! Makes the parts of the proxy from its settings, and lets them run until they are told to end.

mod certificates;
mod listening;
mod pid_file;
mod plain;
mod reload;
mod service_manager;
mod side;
mod sockets;
mod start;
mod wiring;

use std::io;
use std::path::PathBuf;

use crate::forward::ClientTlsError;
use crate::routes::TargetError;
use crate::state::StateError;
use crate::tls::acme::AcmeError;
use crate::tls::{CertificateError, ConfigError, PemError};

pub use reload::Reload;
pub use sockets::SocketError;
pub use start::{Ended, run};
pub use wiring::check;

/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is nothing to listen on.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The certificates are of no use.
    #[error(transparent)]
    Tls(#[from] ConfigError),
    /// The self-signed certificate cannot be made.
    #[error(transparent)]
    SelfSigned(#[from] CertificateError),
    /// What is shown to targets is of no use.
    #[error("TLS with targets: {0}")]
    Targets(#[from] PemError),
    /// What is shown to targets does not fit together.
    #[error("TLS with targets: {0}")]
    TargetsTls(#[from] ClientTlsError),
    /// The server of error pages is no URL.
    #[error("the error target: {0}")]
    ErrorTarget(#[from] TargetError),
    /// The saved routes cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The folder of ACME is of no use.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// A file cannot be written.
    #[error("writing {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine gives no threads, timers or signals.
    #[error("{act}: {source}")]
    System {
        /// What was being done.
        act: &'static str,
        /// Why.
        source: io::Error,
    },
}
