//! Keeps a certificate in the store: the saved one, a self-signed one until there is one, a new one in time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hub_api::proxy::{AcmePhase, AcmeStatus};
use instant_acme::CertificateIdentifier;
use rand::RngExt;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

use super::super::{Certificate, Store, self_signed};
use super::Tokens;
use super::client::DirectoryClient;
use super::order::{AcmeError, Issued, account, order};
use super::responder::Responder;
use super::schedule::{backoff, renewal, suggested};
use super::storage::{Attempts, Storage};
use crate::settings::Acme;

/// The longest sleep: after it the clock is looked at again, which may have been set.
const NAP: Duration = Duration::from_secs(3600);
/// How long until saving is tried again where the disk was full.
const SAVE_AGAIN: Duration = Duration::from_secs(60);
/// Tries in a row after which a restart does not try at once.
const PATIENT: u32 = 3;
/// How often the directory is asked for its suggestion at most, and at least.
const ASK: (Duration, Duration) = (Duration::from_secs(3600), Duration::from_secs(86_400));

/// Orders and renews the certificate of one configuration.
pub struct Renewer {
    acme: Acme,
    storage: Storage,
    store: Arc<Store>,
    responder: Responder,
    status: watch::Sender<AcmeStatus>,
    current: Option<Certificate>,
    /// The one in use, where it is not on disk yet.
    unsaved: Option<Issued>,
    attempts: Attempts,
    kick: Arc<Notify>,
}

impl Renewer {
    /// Puts the saved certificate into the store, or a self-signed one. Talks to nobody.
    pub fn new(
        acme: Acme,
        store: Arc<Store>,
        tokens: Arc<Tokens>,
        kick: Arc<Notify>,
    ) -> Result<Self, AcmeError> {
        let storage = Storage::open(&acme.storage, &acme.directory)?;
        let current = storage.certificate()?;
        let mut attempts = storage.attempts()?;
        let is_for_these = current
            .as_ref()
            .is_some_and(|certificate| left_out(&acme, certificate).is_empty());
        if current.is_some() && !is_for_these {
            // Other names than those that failed.
            attempts = Attempts::default();
        }
        match &current {
            Some(certificate) => store.set_acme(certificate.clone()),
            None => {
                store.set_acme(
                    self_signed(&acme.names).map_err(|error| AcmeError::Challenge {
                        name: acme.names.join(", "),
                        reason: error.to_string(),
                    })?,
                )
            }
        }
        let (status, _) = watch::channel(AcmeStatus {
            directory: acme.directory.clone(),
            names: acme.names.clone(),
            phase: if is_for_these {
                AcmePhase::Issued
            } else {
                AcmePhase::Waiting
            },
            last_error: attempts.last_error.clone(),
            last_failure: attempts.last_failure,
            failures: attempts.failures,
            last_success: current
                .as_ref()
                .map(|certificate| certificate.status.not_before),
            next_try: None,
        });
        let responder = Responder {
            challenge: acme.challenge,
            tokens,
            store: Arc::clone(&store),
        };
        Ok(Self {
            acme,
            storage,
            store,
            responder,
            status,
            current,
            unsaved: None,
            attempts,
            kick,
        })
    }

    /// Where it stands, from now on.
    pub fn status(&self) -> watch::Receiver<AcmeStatus> {
        self.status.subscribe()
    }

    /// Runs for ever. A kick tries at once what failed before.
    pub async fn run(mut self) {
        let client = match DirectoryClient::new(self.acme.directory_ca.as_deref()) {
            Ok(client) => client,
            Err(error) => return self.give_up(&error.into()).await,
        };
        loop {
            let due = self.due(&client).await;
            self.status
                .send_modify(|status| status.next_try = Some(due));
            if self.sleep_until(due).await == Woken::Due {
                self.attempt(&client).await;
            }
        }
    }

    /// When the next order is due.
    async fn due(&mut self, client: &DirectoryClient) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        if let Some(next) = self
            .attempts
            .next_try
            .filter(|_| self.attempts.failures > 0)
        {
            // One that began with this process waits; one of an earlier process only if there were many.
            let is_ours = self.status.borrow().phase == AcmePhase::Failed;
            // One that is yet to come says that the clock was wrong then, as a machine's may be when it starts.
            let is_to_come = self.attempts.last_failure.is_some_and(|last| last > now);
            if !is_to_come && (is_ours || self.attempts.failures >= PATIENT) {
                return next;
            }
        }
        let Some(certificate) = &self.current else {
            return now;
        };
        if !left_out(&self.acme, certificate).is_empty() {
            return now;
        }
        let chance: f64 = rand::rng().random();
        let own = renewal(
            certificate.status.not_before,
            certificate.status.not_after,
            chance,
        );
        match self.suggestion(client).await {
            Some(suggestion) => suggestion.min(certificate.status.not_after),
            None => own,
        }
    }

    /// When the directory would like the certificate to be renewed, if it says so at all.
    async fn suggestion(&self, client: &DirectoryClient) -> Option<OffsetDateTime> {
        let directory = client.directory(&self.acme.directory).await.ok()?;
        directory.renewal_info.as_ref()?;
        let identifier = self.identifier()?;
        let account = account(&self.acme, client, &self.storage).await.ok()?;
        let (info, _) = account.renewal_info(&identifier).await.ok()?;
        let window = info.suggested_window;
        Some(suggested(window.start, window.end, rand::rng().random()))
    }

    fn identifier(&self) -> Option<CertificateIdentifier<'static>> {
        let certificate = self.current.as_ref()?;
        CertificateIdentifier::try_from(certificate.certified.cert.first()?)
            .ok()
            .map(CertificateIdentifier::into_owned)
    }

    async fn sleep_until(&mut self, due: OffsetDateTime) -> Woken {
        let mut asked_after = Duration::ZERO;
        let mut before = OffsetDateTime::now_utc();
        loop {
            let now = OffsetDateTime::now_utc();
            let left = Duration::try_from(due - now).unwrap_or_default();
            if left.is_zero() {
                return Woken::Due;
            }
            if now < before {
                // The clock was set back: what is due is another question.
                return Woken::AskAgain;
            }
            before = now;
            let most = if self.unsaved.is_some() {
                SAVE_AGAIN
            } else {
                NAP
            };
            let nap = left.min(most);
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = self.kick.notified() => {
                    if self.attempts.failures > 0 || self.current.is_none() {
                        return Woken::Due;
                    }
                }
            }
            asked_after += nap;
            self.save();
            // The directory may have changed its mind: certificates are revoked at times.
            if asked_after >= ASK.1.max(ASK.0) {
                return Woken::AskAgain;
            }
        }
    }

    async fn attempt(&mut self, client: &DirectoryClient) {
        self.status
            .send_modify(|status| status.phase = AcmePhase::Ordering);
        let names = self.acme.names.join(", ");
        info!(
            "ordering a certificate for {names} from {}",
            self.acme.directory
        );
        let result = self.order(client).await;
        let now = OffsetDateTime::now_utc();
        match result {
            Ok(certificate) => {
                info!(
                    "{names}: certificate from {}, valid until {}",
                    certificate.status.issuer, certificate.status.not_after
                );
                self.store.set_acme(certificate.clone());
                self.current = Some(certificate);
                self.attempts = Attempts::default();
                self.status.send_modify(|status| {
                    status.phase = AcmePhase::Issued;
                    status.last_error = None;
                    status.failures = 0;
                    status.last_success = Some(now);
                    // Said as soon as it is known.
                    status.next_try = None;
                });
            }
            Err(error) => {
                let failures = self.attempts.failures.saturating_add(1);
                let chance: f64 = rand::rng().random();
                let wait = backoff(error.failure(), failures, client.retry_after(), chance);
                let next = now + wait;
                error!(
                    "no certificate for {names}: {error}; trying again in {} min",
                    wait.as_secs().div_ceil(60)
                );
                self.attempts = Attempts {
                    failures,
                    next_try: Some(next),
                    last_error: Some(error.to_string()),
                    last_failure: Some(now),
                };
                self.status.send_modify(|status| {
                    status.phase = AcmePhase::Failed;
                    status.last_error = Some(error.to_string());
                    status.last_failure = Some(now);
                    status.failures = failures;
                    status.next_try = Some(next);
                });
            }
        }
        if let Err(error) = self.storage.save_attempts(&self.attempts) {
            warn!("{error}");
        }
    }

    async fn order(&mut self, client: &DirectoryClient) -> Result<Certificate, AcmeError> {
        // Where nothing can be kept nothing is asked for: each certificate counts against the directory's limits.
        self.storage.save_attempts(&self.attempts)?;
        let issued = order(
            &self.acme,
            client,
            &self.storage,
            &self.responder,
            self.identifier(),
        )
        .await?;
        self.take(issued)
    }

    /// Takes what the directory issued, if it is what was asked for. The one before it stays on disk until then.
    fn take(&mut self, issued: Issued) -> Result<Certificate, AcmeError> {
        let certificate = self.storage.issued(&issued)?;
        let left_out = left_out(&self.acme, &certificate);
        if !left_out.is_empty() {
            return Err(AcmeError::Incomplete(left_out));
        }
        self.unsaved = Some(issued);
        self.save();
        Ok(certificate)
    }

    /// Keeps the certificate on disk, if it is not there. Where that fails it serves all the same.
    fn save(&mut self) {
        let Some(issued) = &self.unsaved else { return };
        match self.storage.save_certificate(issued) {
            Ok(()) => self.unsaved = None,
            Err(error) => error!("{error}; a restart would lose the certificate, trying again"),
        }
    }

    /// There is no way to the directory at all: says so until somebody ends the process.
    async fn give_up(&self, error: &AcmeError) {
        error!("no certificate: {error}");
        self.status.send_modify(|status| {
            status.phase = AcmePhase::Failed;
            status.last_error = Some(error.to_string());
            status.last_failure = Some(OffsetDateTime::now_utc());
        });
        std::future::pending().await
    }
}

#[derive(PartialEq, Eq)]
enum Woken {
    Due,
    AskAgain,
}

/// Names that are wanted and that the certificate is not for.
fn left_out(acme: &Acme, certificate: &Certificate) -> Vec<String> {
    let has: BTreeSet<&str> = certificate.names().iter().map(String::as_str).collect();
    acme.names
        .iter()
        .filter(|name| !has.contains(name.as_str()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use hub_api::proxy::Challenge;

    use super::*;

    fn renewer(root: &std::path::Path) -> Renewer {
        let acme = Acme {
            directory: "https://ca.example/dir".to_owned(),
            names: vec!["hub.example.org".to_owned()],
            storage: root.to_owned(),
            contact: Vec::new(),
            profile: None,
            challenge: Challenge::Http01,
            directory_ca: None,
        };
        Renewer::new(acme, Arc::default(), Arc::default(), Arc::default()).unwrap()
    }

    fn issued(name: &str) -> Issued {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Issued {
            key: made.signing_key.serialize_pem(),
            chain: made.cert.pem(),
        }
    }

    #[test]
    fn a_certificate_for_other_names_leaves_the_old_one_on_disk() {
        let root = tempfile::tempdir().unwrap();
        let mut renewer = renewer(root.path());
        renewer.take(issued("hub.example.org")).unwrap();
        let wrong = renewer.take(issued("other.example.org"));
        assert!(matches!(wrong, Err(AcmeError::Incomplete(_))), "{wrong:?}");
        let kept = renewer.storage.certificate().unwrap().unwrap();
        assert_eq!(kept.names(), ["hub.example.org"]);
    }

    #[test]
    fn a_certificate_that_cannot_be_saved_is_used_and_saved_later() {
        let root = tempfile::tempdir().unwrap();
        let mut renewer = renewer(root.path());
        // In the way of the file, as a full disk is.
        let obstacle = root.path().join("ca.example-dir/certificate.pem.new");
        std::fs::create_dir(&obstacle).unwrap();
        renewer.take(issued("hub.example.org")).unwrap();
        assert!(renewer.storage.certificate().unwrap().is_none());
        std::fs::remove_dir(&obstacle).unwrap();
        renewer.save();
        assert!(renewer.storage.certificate().unwrap().is_some());
        assert!(renewer.unsaved.is_none());
    }

    #[tokio::test]
    async fn failures_of_a_clock_that_was_ahead_hold_nothing_up() {
        let root = tempfile::tempdir().unwrap();
        let authority = root.path().join("ca.pem");
        std::fs::write(&authority, issued("ca.example").chain).unwrap();
        let client = DirectoryClient::new(Some(&authority)).unwrap();
        let now = OffsetDateTime::now_utc();
        for (ahead, holds) in [
            (time::Duration::ZERO, true),
            (time::Duration::days(3650), false),
        ] {
            let mut renewer = renewer(root.path());
            renewer.attempts = Attempts {
                failures: PATIENT,
                next_try: Some(now + ahead + time::Duration::HOUR),
                last_error: Some("the certificate has expired".to_owned()),
                last_failure: Some(now + ahead),
            };
            let due = renewer.due(&client).await;
            assert_eq!(due > OffsetDateTime::now_utc(), holds, "{due}");
        }
    }
}
