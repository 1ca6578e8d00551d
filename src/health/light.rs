//! The check that changes nothing: connection, certificate, proxy, hub.

use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error};
use serde::Deserialize;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Check, Endpoint, Fault, Part, Report};
use crate::event::Observer;

const SHORT: Duration = Duration::from_secs(10);
/// A certificate with less time left is worth a word; one that lasts for weeks only, in its last quarter.
const SOON: time::Duration = time::Duration::days(30);

/// Looks at everything that can be seen without logging in. Milliseconds where all is well.
pub async fn light(endpoint: &Endpoint, observer: &dyn Observer) -> Report {
    let mut check = Check::new(observer);
    look(&mut check, endpoint).await;
    check.report
}

/// The links of a light check; whether all hold. Of a hub at the end of a tunnel neither the connection nor a certificate
/// can be seen: the tunnel takes every connection.
pub(super) async fn look(check: &mut Check<'_>, endpoint: &Endpoint) -> bool {
    if endpoint.has_tls() && !front(check, endpoint).await {
        return false;
    }
    let Some(answer) = check.link(Part::Proxy, SHORT, proxy(endpoint)).await else {
        return false;
    };
    let version = check.link(Part::Hub, SHORT, async { hub(&answer) }).await;
    check.report.hub_version.clone_from(&version);
    version.is_some()
}

/// The connection and the certificate; whether both hold.
async fn front(check: &mut Check<'_>, endpoint: &Endpoint) -> bool {
    let Some(stream) = check
        .link(Part::Connection, SHORT, connection(endpoint))
        .await
    else {
        return false;
    };
    let Some(validity) = check
        .link(Part::Certificate, SHORT, certificate(endpoint, stream))
        .await
    else {
        return false;
    };
    let (from, until) = validity;
    check.report.since = Some(from);
    check.report.expires = Some(until);
    if let Some(warning) = check.report.certificate_warning() {
        check.observer.warn(warning);
    }
    true
}

impl Report {
    /// What to say of a certificate that ends soon.
    pub fn certificate_warning(&self) -> Option<String> {
        self.warning_at(OffsetDateTime::now_utc())
    }

    fn warning_at(&self, now: OffsetDateTime) -> Option<String> {
        let (from, until) = (self.since?, self.expires?);
        let left = until - now;
        (left < SOON.min((until - from) / 4)).then(|| {
            format!(
                "the certificate ends on {}, in {} days: `hubctl provision` renews it",
                until.date(),
                left.whole_days()
            )
        })
    }
}

async fn connection(endpoint: &Endpoint) -> Result<(tokio::net::TcpStream, String), Fault> {
    let place = endpoint.place();
    match tokio::time::timeout(Duration::from_secs(5), endpoint.connect()).await {
        Ok(Ok(stream)) => Ok((stream, place)),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err(Fault::new(
            format!("{place} refuses connections"),
            "nothing listens there: `hubctl logs proxy` shows what the proxy says",
        )),
        Ok(Err(error)) => Err(Fault::plain(format!("{place}: {error}"))),
        Err(_) => Err(Fault::new(
            format!("{place} does not answer"),
            "the server may be down, or the security group keeps you out: `hubctl plan` compares its rules",
        )),
    }
}

async fn certificate(
    endpoint: &Endpoint,
    stream: tokio::net::TcpStream,
) -> Result<((OffsetDateTime, OffsetDateTime), String), Fault> {
    let stream = endpoint.secure(stream).await.map_err(tls_fault)?;
    let (from, until) = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first())
        .and_then(|der| X509Certificate::from_der(der).ok())
        .map(|(_, certificate)| {
            let validity = certificate.validity();
            (
                validity.not_before.to_datetime(),
                validity.not_after.to_datetime(),
            )
        })
        .ok_or_else(|| Fault::plain("the server showed no certificate".to_owned()))?;
    Ok(((from, until), format!("valid until {}", until.date())))
}

fn stranger() -> Fault {
    Fault::new(
        "the certificate is signed by an authority that is not trusted here",
        "another server may answer at this address; `hubctl provision` sends the deployment's certificate again",
    )
}

/// What a failed handshake means.
fn tls_fault(error: std::io::Error) -> Fault {
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    else {
        return Fault::new(
            format!("no TLS: {error}"),
            "`hubctl logs proxy` shows what the proxy says",
        );
    };
    match tls {
        // A signature that does not fit: another authority of the same name, from an earlier deployment say.
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::InvalidPurpose
            | CertificateError::InvalidPurposeContext { .. },
        ) => stranger(),
        // One that vouches for itself.
        Error::InvalidCertificate(CertificateError::Other(other))
            if format!("{other:?}").contains("CaUsedAsEndEntity") =>
        {
            stranger()
        }
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Fault::plain("the certificate has ended".to_owned()),
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => Fault::new(
            "the certificate is not valid yet",
            "compare this machine's clock with the server's",
        ),
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Fault::new(
            format!("the certificate is for another name: {tls}"),
            "`hubctl provision` makes one for the deployment's domain and address",
        ),
        Error::InvalidMessage(_) | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            Fault::new(
                "what answers does not speak TLS",
                "`hubctl logs proxy` shows what the proxy says",
            )
        }
        other => Fault::plain(other.to_string()),
    }
}

/// The answer to a question that only the hub can answer.
struct Answer {
    status: reqwest::StatusCode,
    /// The hub signs its answers with its version; a proxy's own answers have none.
    from_hub: bool,
    body: String,
}

async fn proxy(endpoint: &Endpoint) -> Result<(Answer, String), Fault> {
    let response = endpoint
        .client(None)?
        .get(endpoint.at(if endpoint.is_notebook() {
            "api"
        } else {
            "hub/api"
        }))
        .send()
        .await
        .map_err(|error| Fault::http("no answer", &error))?;
    let answer = Answer {
        status: response.status(),
        from_hub: response.headers().contains_key("x-jupyterhub-version"),
        body: response
            .text()
            .await
            .map_err(|error| Fault::http("half an answer", &error))?,
    };
    Ok((answer, "answers".to_owned()))
}

fn hub(answer: &Answer) -> Result<(String, String), Fault> {
    #[derive(Deserialize)]
    struct Api {
        version: String,
    }
    if answer.status.is_success()
        && let Ok(Api { version }) = serde_json::from_str(&answer.body)
    {
        return Ok((version.clone(), format!("version {version}")));
    }
    let status = answer.status;
    Err(match status.as_u16() {
        // A hub that starts answers for itself; only the proxy says 503 without having asked it.
        502..=504 if !answer.from_hub => Fault::new(
            format!("the proxy cannot reach the hub (HTTP {status})"),
            "the hub is down or starting: `hubctl logs hub` shows what it says",
        ),
        404 if !answer.from_hub => Fault::new(
            "the proxy knows no way to the hub",
            "the hub tells the proxy when it starts: `hubctl logs hub` shows what it says",
        ),
        _ => Fault::plain(format!("HTTP {status} instead of its version")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_warned_of_a_month_ahead_unless_it_is_short_lived() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000);
        let days = time::Duration::days;
        for (lasts, left, warned) in [
            (365, 31, false),
            (365, 29, true),
            // From a public authority: renewed by itself a month ahead.
            (90, 25, false),
            (90, 20, true),
            (6, 3, false),
            (6, 1, true),
        ] {
            let until = now + days(left);
            let report = Report {
                since: Some(until - days(lasts)),
                expires: Some(until),
                ..Report::default()
            };
            let told = report.warning_at(now);
            assert_eq!(told.is_some(), warned, "{lasts} {left}: {told:?}");
        }
    }
}
