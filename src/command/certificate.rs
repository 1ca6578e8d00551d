//! The certificate that the proxy gets by ACME: waiting for it, and how it stands.

use std::time::Duration;

use anyhow::Context as _;
use hub_api::proxy::{AcmePhase, AcmeStatus, CertificateSource, CertificateStatus, Status};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::event::{Observer, Silent};
use crate::health::{self, Broken, Endpoint, Part};
use crate::host::{Command, Host, Limits};
use crate::setup::names::HUBPROXY_SERVICE;
use crate::setup::{self, SetupError, StatusPlace};
use crate::wait::{Probe, Wait};

/// How long an order may take: a proof, and a slow authority.
const DEADLINE: Duration = Duration::from_secs(300);
/// Each look is an exchange.
const EVERY: Duration = Duration::from_secs(3);
/// A failure of a proxy that runs longer than that, in seconds, is an old one.
const FRESH: u64 = 60;

/// Waits until the proxy has a certificate of the directory's. A refusal ends it: the next try is a while away. Where the
/// proxy was refused earlier and still waits, it tries again now: whoever runs this has perhaps mended the cause.
pub(super) async fn wait(
    host: &Host,
    place: &StatusPlace,
    observer: &dyn Observer,
) -> anyhow::Result<()> {
    let wait = Wait::new("a certificate by ACME", EVERY, DEADLINE);
    let mut again = true;
    wait.until(observer, async || -> Result<Probe<()>, SetupError> {
        let status = match setup::proxy_status(host, place).await? {
            Ok(status) => status,
            Err(why) => {
                return Ok(Probe::Pending(format!(
                    "the proxy does not say how it is: {why}"
                )));
            }
        };
        let Some(acme) = &status.acme else {
            return Ok(Probe::Pending("the proxy has not begun".to_owned()));
        };
        match (acme.phase, &acme.last_error) {
            (AcmePhase::Issued, _) => Ok(Probe::Ready(())),
            (AcmePhase::Failed, _) if again && status.uptime_seconds > FRESH => {
                again = false;
                let restart =
                    Command::new("sudo").args(["-n", "systemctl", "restart", HUBPROXY_SERVICE]);
                host.run(&restart, Vec::new(), Limits::default()).await?;
                Ok(Probe::Pending(
                    "it was refused earlier, and tries again".to_owned(),
                ))
            }
            (AcmePhase::Failed, reason) => Err(SetupError::Certificate {
                directory: acme.directory.clone(),
                names: acme.names.join(", "),
                reason: reason
                    .clone()
                    .unwrap_or_else(|| "it does not say why".to_owned()),
            }),
            (phase, _) => Ok(Probe::Pending(word(phase).to_owned())),
        }
    })
    .await?;
    Ok(())
}

/// Waits until the hub shows a certificate that is to be believed. Another proxy than ours says no more of its orders.
pub(super) async fn wait_outside(
    endpoint: &Endpoint,
    observer: &dyn Observer,
) -> anyhow::Result<()> {
    let wait = Wait::new("a certificate by ACME", EVERY, DEADLINE);
    wait.until(observer, async || -> Result<Probe<()>, Broken> {
        let report = health::light(endpoint, &Silent).await;
        Ok(match report.broken {
            Some(broken) if matches!(broken.part, Part::Connection | Part::Certificate) => {
                Probe::Pending(broken.cause)
            }
            _ => Probe::Ready(()),
        })
    })
    .await
    .context("`hubctl logs proxy` shows what the directory said")?;
    Ok(())
}

/// Whether the directory gave a certificate.
pub(super) fn is_issued(status: &Status) -> bool {
    status
        .acme
        .as_ref()
        .is_some_and(|acme| acme.phase == AcmePhase::Issued)
}

/// How the proxy's certificates stand, for people: one line each.
pub(super) fn lines(status: &Status) -> Vec<String> {
    let mut lines: Vec<String> = status.certificates.iter().map(certificate).collect();
    lines.extend(status.acme.as_ref().map(acme));
    lines.extend(
        status
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    lines
}

fn certificate(found: &CertificateStatus) -> String {
    let source = match found.source {
        CertificateSource::File => "from a file",
        CertificateSource::Acme => "by ACME",
        CertificateSource::SelfSigned => "made by the proxy until a real one arrives",
    };
    format!(
        "{} until {}, {source} ({})",
        found.names.join(", "),
        day(found.not_after),
        found.issuer
    )
}

fn acme(acme: &AcmeStatus) -> String {
    let mut text = format!("ACME at {}: {}", acme.directory, word(acme.phase));
    if let Some(reason) = acme
        .last_error
        .as_ref()
        .filter(|_| acme.phase != AcmePhase::Issued)
    {
        let times = match acme.failures {
            0 | 1 => String::new(),
            n => format!(" ({n} times)"),
        };
        text.push_str(&format!("{times}: {reason}"));
    }
    if let Some(next) = acme.next_try {
        text.push_str(&format!("; tried next at {}", moment(next)));
    }
    text
}

fn word(phase: AcmePhase) -> &'static str {
    match phase {
        AcmePhase::Waiting => "nothing was ordered yet",
        AcmePhase::Ordering => "an order is under way",
        AcmePhase::Issued => "issued",
        AcmePhase::Failed => "failed",
    }
}

fn day(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]");
    time.format(format).unwrap_or_default()
}

fn moment(time: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    time.to_offset(time::UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(acme: &serde_json::Value) -> Status {
        serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "uptime_seconds": 9, "routes": 1, "connections": 2,
            "certificates": [{
                "names": ["hub.example.org"], "source": "self-signed", "issuer": "hubproxy",
                "not_before": "2026-11-01T00:00:00Z", "not_after": "2027-11-01T00:00:00Z", "serial": "01",
            }],
            "acme": acme,
        }))
        .unwrap()
    }

    #[test]
    fn a_failure_is_told_with_its_reason_and_the_next_try() {
        let failed = status(&serde_json::json!({
            "directory": "https://acme.example/directory", "names": ["hub.example.org"], "phase": "failed",
            "last_error": "connection refused on port 80", "failures": 3, "next_try": "2026-11-02T06:30:00Z",
        }));
        assert_eq!(
            lines(&failed),
            [
                "hub.example.org until 2027-11-01, made by the proxy until a real one arrives (hubproxy)",
                "ACME at https://acme.example/directory: failed (3 times): connection refused on port 80; tried next at 2026-11-02 06:30 UTC",
            ]
        );
        let issued = status(&serde_json::json!({
            "directory": "https://acme.example/directory", "names": ["hub.example.org"], "phase": "issued",
            "next_try": "2026-12-02T06:30:00Z",
        }));
        assert_eq!(
            lines(&issued)[1],
            "ACME at https://acme.example/directory: issued; tried next at 2026-12-02 06:30 UTC"
        );
    }
}
