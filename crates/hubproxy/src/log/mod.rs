//! The access log, with secrets redacted, and the metrics.
