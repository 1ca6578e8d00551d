//! What `GET /api/status` on the API listener answers.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// How the proxy is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The proxy's version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Routes in the table.
    pub routes: u64,
    /// Client connections open now.
    pub connections: u64,
    /// Whether it is ending: no new connections, open ones get until the deadline.
    #[serde(default)]
    pub draining: bool,
    /// The certificates it answers with, the default one first.
    pub certificates: Vec<CertificateStatus>,
    /// ACME, if it is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeStatus>,
    /// What an operator should look at: a certificate file that could not be reloaded, a state file set aside, …
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A certificate in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Domain names and IP addresses it is for.
    pub names: Vec<String>,
    /// Where it comes from.
    pub source: CertificateSource,
    /// Who signed it.
    pub issuer: String,
    /// Valid from.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Valid until.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// Its serial number in hexadecimal.
    pub serial: String,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateSource {
    /// Files that somebody else keeps up to date.
    File,
    /// An ACME directory.
    Acme,
    /// Made by the proxy to have something until ACME succeeds; browsers warn about it.
    SelfSigned,
}

/// Where ACME stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeStatus {
    /// URL of the directory.
    pub directory: String,
    /// Domain names and IP addresses that one certificate is ordered for.
    pub names: Vec<String>,
    /// What is going on.
    pub phase: AcmePhase,
    /// Why the last try failed; none after a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the last try failed.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub last_failure: Option<OffsetDateTime>,
    /// Tries that failed in a row.
    #[serde(default)]
    pub failures: u32,
    /// When the last certificate was issued.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub last_success: Option<OffsetDateTime>,
    /// When it is tried next: the renewal, or the retry.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub next_try: Option<OffsetDateTime>,
}

/// What ACME is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcmePhase {
    /// The first certificate has not arrived; a self-signed one serves.
    Waiting,
    /// An order is under way.
    Ordering,
    /// A certificate from the directory serves.
    Issued,
    /// The last try failed; `next_try` says when it goes on.
    Failed,
}
