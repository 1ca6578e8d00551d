//! No proxy: the notebook server's own TLS on its own port.

use super::Proxy;
use crate::setup::desired::ManagedFile;
use crate::setup::names::{HUBPROXY_SERVICE, HUBPROXY_SOCKETS, PROXY_SERVICE};

/// The certificate, which the notebook server reads, and the end of what other kinds left.
pub(super) fn none(files: Vec<ManagedFile>) -> Proxy {
    // The sockets first: while one listens, the next visitor starts the service again.
    let mut retired = HUBPROXY_SOCKETS.map(|(unit, _, _)| unit).to_vec();
    retired.extend([HUBPROXY_SERVICE, PROXY_SERVICE]);
    Proxy {
        accounts: Vec::new(),
        folders: Vec::new(),
        files,
        units: Vec::new(),
        venv: None,
        npm: None,
        status: None,
        retired,
        absent: Vec::new(),
    }
}
