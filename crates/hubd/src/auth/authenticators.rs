//! All ways to log in that the configuration opens, joined.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hub_api::helper::{Answer, Verb};
use hub_api::hub::Auth;

use super::limit::{Allowance, Limit, Verdict};
use super::password::PasswordFile;
use super::password::hash::Hasher;
use super::provider::claims::Person;
use super::provider::flow::{Flow, Flows};
use super::provider::{Provider, ProviderError, SetupError};
use super::{Identity, PasswordAuthenticator, Refusal, Subject, dummy, pam, password, provider};
use crate::session::key::Key;
use crate::spawner::helper::Helper;

/// How long an account may take to be made: others may be before it.
const CREATE_WITHIN: Duration = Duration::from_secs(60);

/// Why the authenticators of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Two authenticators would share one form: a name in both would be told by how long it takes.
    #[error(
        "auth: set one of pam, password_file and dummy, not several: they share the login form"
    )]
    SeveralForms,
    /// The dummy is not owned up to.
    #[error("auth.dummy lets anyone be anyone: it needs dangerous = true, and is for tests only")]
    Dummy,
    /// The password file cannot be used.
    #[error(transparent)]
    Passwords(#[from] password::file::FileError),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hash(#[from] password::hash::HashError),
    /// A provider cannot be used.
    #[error(transparent)]
    Provider(#[from] SetupError),
}

/// One try of name and password.
pub struct Attempt<'a> {
    /// Where it comes from.
    pub address: IpAddr,
    /// The name as typed.
    pub name: &'a str,
    /// The password as typed.
    pub password: &'a str,
    /// Whether the hub has a user of that (normalised) name.
    pub is_known: bool,
}

/// All ways to log in that the configuration opens.
pub struct Authenticators {
    config: Auth,
    form: Option<Form>,
    providers: Vec<Provider>,
    flows: Flows,
    helper: Helper,
    limit: Mutex<Limit>,
}

enum Form {
    Passwords(PasswordFile),
    Pam(pam::Pam),
    Dummy(dummy::Dummy),
}

impl Authenticators {
    /// Makes them from the configuration; `key` is the hub's.
    pub fn new(config: &Auth, key: &Key) -> Result<Self, AuthError> {
        let form = match (&config.pam, &config.password_file, &config.dummy) {
            (None, None, None) => None,
            (Some(pam), None, None) => Some(Form::Pam(pam::Pam::new(
                pam.helper.clone(),
                pam.admin_groups.clone(),
            ))),
            (None, Some(file), None) => Some(Form::Passwords(PasswordFile::open(
                file.path.clone(),
                file.minimum_length,
                Hasher::new()?,
            )?)),
            (None, None, Some(dummy)) if dummy.dangerous => {
                tracing::warn!("auth.dummy is on: anyone who reaches the hub can log in as anyone");
                Some(Form::Dummy(dummy::Dummy::new(dummy.password.clone())))
            }
            (None, None, Some(_)) => return Err(AuthError::Dummy),
            _ => return Err(AuthError::SeveralForms),
        };
        let mut providers: Vec<Provider> = Vec::new();
        if !config.oauth.is_empty() {
            let http = provider::http_client()?;
            for oauth in &config.oauth {
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                let taken = providers.iter().any(|other| other.config().id == oauth.id);
                if taken || oauth.id.is_empty() || !oauth.id.chars().all(fits) {
                    return Err(SetupError::Id(oauth.id.clone()).into());
                }
                providers.push(Provider::new(oauth, http.clone())?);
            }
        }
        Ok(Self {
            limit: Mutex::new(Limit::new(allowance(config.failures_per_minute))),
            config: with_names_as_kept(config.clone()),
            form,
            providers,
            flows: Flows::new(key),
            helper: Helper::new(None),
        })
    }

    /// The same, with accounts made by the root helper on this socket (`None`: its usual one).
    pub fn through(mut self, helper: Option<PathBuf>) -> Self {
        self.helper = Helper::new(helper);
        self
    }

    /// Sees that somebody whom a provider knows has an account of this server, where the configuration wants it so.
    ///
    /// # Errors
    /// Where the root helper makes none, or cannot be asked.
    pub async fn provide_account(&self, identity: &Identity) -> Result<(), AccountError> {
        let provider = identity.subject.as_ref().map(|subject| &subject.provider);
        let wanted = self
            .config
            .oauth
            .iter()
            .any(|oauth| oauth.create_accounts && Some(&oauth.id) == provider);
        if !wanted {
            return Ok(());
        }
        let name = identity.name.clone();
        let unavailable = |why: String| Err(AccountError::Unavailable(why));
        match self.helper.ask(Verb::Create { name }, CREATE_WITHIN).await {
            Ok(Answer::Account { .. }) => Ok(()),
            Ok(Answer::Refused { message }) => Err(AccountError::Refused(message)),
            Ok(Answer::Unavailable { message }) => unavailable(message),
            Ok(_) => unavailable("the root helper answered another question".to_owned()),
            Err(error) => unavailable(error.to_string()),
        }
    }

    /// Whether there is a form for name and password.
    pub fn has_form(&self) -> bool {
        self.form.is_some()
    }

    /// Whether anyone may be anyone here.
    pub fn is_dangerous(&self) -> bool {
        matches!(self.form, Some(Form::Dummy(_)))
    }

    /// The providers, in the configuration's order.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The cookies of logins that are under way at a provider.
    pub fn flows(&self) -> &Flows {
        &self.flows
    }

    /// The passwords that the hub keeps itself, if it does.
    pub fn passwords(&self) -> Option<&PasswordFile> {
        match &self.form {
            Some(Form::Passwords(passwords)) => Some(passwords),
            Some(Form::Pam(_) | Form::Dummy(_)) | None => None,
        }
    }

    /// Takes away what is kept here of a user who was deleted.
    pub async fn forget(&self, name: &str) {
        if let Some(passwords) = self.passwords()
            && let Err(error) = passwords.remove(name).await
        {
            tracing::error!(user = name, %error, "taking a deleted user's password away");
        }
    }

    /// Gives what is kept here of a user to the name that the user has now.
    pub async fn renamed(&self, from: &str, to: &str) {
        if let Some(passwords) = self.passwords()
            && let Err(error) = passwords.rename(from, to).await
        {
            tracing::error!(user = to, was = from, %error, "moving a renamed user's password");
        }
    }

    /// Whether a user must choose a password before anything else.
    pub fn must_change(&self, name: &str) -> bool {
        self.passwords()
            .is_some_and(|passwords| passwords.must_change(name))
    }

    /// Tries name and password. Failures are slowed down and counted, whether there is such a user or not.
    pub async fn login(&self, attempt: Attempt<'_>) -> Result<Identity, Refusal> {
        let Attempt {
            address,
            password,
            is_known,
            ..
        } = attempt;
        // What no user can be called is counted as it was typed, cut short: nobody fills the memory with it.
        let name = normalised(attempt.name);
        let counted: String = name
            .as_deref()
            .unwrap_or(attempt.name)
            .chars()
            .take(64)
            .collect();
        let delay = {
            let mut limit = self
                .limit
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match limit.look(Instant::now(), &counted, address) {
                Verdict::Refuse(wait) => return Err(Refusal::TooMany(wait)),
                Verdict::After(delay) => {
                    limit.failed(Instant::now(), &counted, address);
                    delay
                }
            }
        };
        tokio::time::sleep(delay).await;
        let result = match &self.form {
            Some(form) => {
                let form: &dyn PasswordAuthenticator = match form {
                    Form::Passwords(passwords) => passwords,
                    Form::Pam(pam) => pam,
                    Form::Dummy(dummy) => dummy,
                };
                form.authenticate(name.as_deref().unwrap_or_default(), password)
                    .await
            }
            None => Err(Refusal::Denied),
        };
        let result = match (name, result) {
            (Some(_), Ok(identity)) => self.admit(identity, is_known),
            (None, Ok(_)) => Err(Refusal::Denied),
            (_, Err(refusal)) => Err(refusal),
        };
        if !matches!(result, Err(Refusal::Denied | Refusal::TooMany(_))) {
            let mut limit = self
                .limit
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            limit.succeeded(&counted, address);
        }
        result
    }

    /// Who has come back from a provider, and may log in. `is_known` tells whether the hub has a user of a name.
    pub async fn arrive<F: Future<Output = bool>>(
        &self,
        code: &str,
        callback: &str,
        flow: &Flow,
        is_known: impl FnOnce(String) -> F,
    ) -> Result<Identity, ArrivalError> {
        let provider = self
            .providers
            .iter()
            .find(|provider| provider.config().id == flow.provider)
            .ok_or(ArrivalError::Gone)?;
        let person = provider.arrive(code, callback, flow).await?;
        let identity = identity(provider, &person)?;
        let known = is_known(identity.name.clone()).await;
        let allowed =
            provider::allow::is_allowed(&self.config, provider.config(), &identity.name, &person)
                || (self.config.allow_existing_users && known);
        if !allowed || self.config.blocked_users.contains(&identity.name) {
            return Err(ArrivalError::NotAllowed(identity.name));
        }
        if provider.config().require_account
            && !provider.config().create_accounts
            && !has_account(&identity.name).await
        {
            return Err(ArrivalError::NoAccount(identity.name));
        }
        Ok(self.promoted(identity))
    }

    /// What the configuration says of somebody whom the form's authenticator knows.
    fn admit(&self, identity: Identity, is_known: bool) -> Result<Identity, Refusal> {
        let config = &self.config;
        let listed = |list: &[String]| list.contains(&identity.name);
        // The dummy knows everybody: whoever switched it on wants them all.
        let allowed = config.allow_all
            || self.is_dangerous()
            || listed(&config.allowed_users)
            || listed(&config.admin_users)
            || identity.admin == Some(true)
            || (config.allow_existing_users && is_known);
        if !allowed || listed(&config.blocked_users) {
            tracing::info!(
                user = identity.name,
                "right password, but no list of auth lets this user in"
            );
            return Err(Refusal::Denied);
        }
        Ok(self.promoted(identity))
    }

    /// `admin_users` are admins, whatever the authenticator says.
    fn promoted(&self, mut identity: Identity) -> Identity {
        if self.config.admin_users.contains(&identity.name) {
            identity.admin = Some(true);
        }
        identity
    }
}

/// Why somebody has no account of this server. The texts are for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// There will be none, try again or not.
    #[error("{0}")]
    Refused(String),
    /// It did not work now.
    #[error("{0}")]
    Unavailable(String),
}

/// Why somebody who comes back from a provider is not logged in.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalError {
    /// The provider is not configured any more.
    #[error("this way to log in has been taken away")]
    Gone,
    /// The provider did not answer as it should; for the log.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// What the provider says is no user name.
    #[error("{0:?} cannot be a user name")]
    Name(String),
    /// Known to the provider, let in by no list.
    #[error("{0:?} may not log in here")]
    NotAllowed(String),
    /// Let in, but without an account of this server.
    #[error("{0:?} has no account on this server")]
    NoAccount(String),
}

/// The lists of names with each as the hub writes it: who is blocked as `Mallory` is blocked as `mallory`.
fn with_names_as_kept(mut config: Auth) -> Auth {
    for list in [
        &mut config.allowed_users,
        &mut config.admin_users,
        &mut config.blocked_users,
    ] {
        for name in list.iter_mut() {
            *name = crate::name::normalize_user(name);
        }
    }
    config
}

fn identity(provider: &Provider, person: &Person) -> Result<Identity, ArrivalError> {
    let name = provider::allow::username(provider.config(), person);
    let name = normalised(&name).ok_or(ArrivalError::Name(name))?;
    Ok(Identity {
        name,
        admin: provider::allow::is_admin(provider.config(), person),
        groups: provider
            .config()
            .groups_claim
            .is_some()
            .then(|| person.groups.clone()),
        user_info: (!person.info.is_empty()).then(|| person.info.clone().into()),
        subject: Some(Subject {
            provider: provider.config().id.clone(),
            id: person.subject.clone(),
        }),
    })
}

/// The hub's form of a name that was typed or that a provider said; `None` if no user can be called so.
pub fn normalised(typed: &str) -> Option<String> {
    let name = crate::name::normalize_user(typed);
    (crate::name::is_valid_user(&name) && name.chars().count() <= 255).then_some(name)
}

/// Whether the server has an account of that name.
async fn has_account(name: &str) -> bool {
    let name = name.to_owned();
    let found = tokio::task::spawn_blocking(move || nix::unistd::User::from_name(&name));
    matches!(found.await, Ok(Ok(Some(_))))
}

/// One address may fail so often a minute in the long run, and six times as often at once: a class sits behind one.
fn allowance(failures_per_minute: u32) -> Allowance {
    let each_minute = failures_per_minute.max(1);
    Allowance {
        address_failures: each_minute.saturating_mul(6),
        address_recovery: Duration::from_secs(60) / each_minute,
        ..Allowance::default()
    }
}

#[cfg(test)]
mod tests;
