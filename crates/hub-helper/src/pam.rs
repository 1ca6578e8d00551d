//! Asks PAM whether a password is an account's: authentication and account, no session.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hub_api::helper::Password;
use nonstick::handle::PamShared;
use nonstick::items::Items;
use nonstick::{AuthnFlags, ConversationAdapter, ErrorCode, Transaction, TransactionBuilder};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::refusal::Refusal;

/// Conversations at once; each has a thread, and one with a wrong password sleeps in it for some seconds.
const AT_ONCE: usize = 64;
/// How long an answer may take, a wait for a thread in it: a module may ask another machine.
const WITHIN: Duration = Duration::from_secs(18);
/// As much as PAM takes as an answer.
const LONGEST_PASSWORD: usize = 511;

/// PAM, with as many conversations at once as there are threads for.
#[derive(Clone)]
pub struct Pam {
    service: String,
    threads: Arc<Semaphore>,
}

impl Pam {
    pub fn new(service: &str) -> Self {
        Self {
            service: service.to_owned(),
            threads: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Whether this is the account's password and the account may be used.
    ///
    /// # Errors
    /// Where PAM could not say.
    pub async fn authenticate(&self, name: &str, password: Password) -> Result<bool, Refusal> {
        let doing = "asking PAM";
        let converse = async {
            let permit = self.threads.clone().acquire_owned().await;
            let permit = permit.map_err(Refusal::doing(doing))?;
            let (service, name) = (self.service.clone(), name.to_owned());
            tokio::task::spawn_blocking(move || {
                // Given back when the thread ends, not when it is no longer waited for.
                let _permit = permit;
                converse(&service, &name, password)
            })
            .await
            .map_err(Refusal::doing(doing))?
        };
        timeout(WITHIN, converse)
            .await
            .map_err(|_| Refusal::late(doing))?
    }
}

fn converse(service: &str, name: &str, password: Password) -> Result<bool, Refusal> {
    // Without a file of its own PAM would take "other", which lets in more than meant.
    if !Path::new("/etc/pam.d").join(service).is_file() {
        return Err(Refusal::Unavailable {
            doing: "asking PAM",
            cause: format!("there is no /etc/pam.d/{service}"),
        });
    }
    if password.reveal().len() > LONGEST_PASSWORD || password.reveal().contains('\0') {
        return Ok(false);
    }
    match ask(service, name, password) {
        Ok(same) => Ok(same),
        Err(error) if is_denial(error) => {
            tracing::info!(name, reason = %error, "denied");
            Ok(false)
        }
        Err(error) => Err(Refusal::doing("asking PAM")(error)),
    }
}

fn ask(service: &str, name: &str, password: Password) -> nonstick::Result<bool> {
    let mut transaction = TransactionBuilder::new_with_service(service)
        .username(name)
        .build(Answers(password).into_conversation())?;
    let flags = AuthnFlags::SILENT | AuthnFlags::DISALLOW_NULL_AUTHTOK;
    transaction.authenticate(flags)?;
    transaction.account_management(flags)?;
    // A module may have made it another account.
    let user = transaction.items().user()?;
    Ok(user.as_deref() == Some(OsStr::new(name)))
}

fn is_denial(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::AuthenticationError
            | ErrorCode::UserUnknown
            | ErrorCode::PermissionDenied
            | ErrorCode::CredentialsInsufficient
            | ErrorCode::CredentialsExpired
            | ErrorCode::MaxTries
            | ErrorCode::NewAuthTokRequired
            | ErrorCode::AccountExpired
            | ErrorCode::AuthTokExpired
            | ErrorCode::ConversationError
    )
}

/// Answers what is asked hidden with the password, and nothing else: a second factor needs another way in.
struct Answers(Password);

impl ConversationAdapter for Answers {
    fn prompt(&self, _: impl AsRef<OsStr>) -> nonstick::Result<OsString> {
        Err(ErrorCode::ConversationError)
    }

    fn masked_prompt(&self, _: impl AsRef<OsStr>) -> nonstick::Result<OsString> {
        Ok(OsString::from(self.0.reveal()))
    }

    fn error_msg(&self, _: impl AsRef<OsStr>) {}

    fn info_msg(&self, _: impl AsRef<OsStr>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_without_a_file_lets_nobody_in() {
        let pam = Pam::new("hub-helper-test-no-such-service");
        let said = pam.authenticate("root", Password::new("x")).await;
        assert!(matches!(said, Err(Refusal::Unavailable { .. })), "{said:?}");
    }
}
