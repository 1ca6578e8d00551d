//! The access log, with secrets redacted, the metrics, and the log itself.

mod access;
mod exposition;
mod lines;
mod metrics;
mod redact;
mod watcher;

pub use access::AccessLog;
pub use exposition::{CONTENT_TYPE, exposition};
pub use lines::{LogHandle, init};
pub use metrics::Metrics;
pub use watcher::Watcher;
