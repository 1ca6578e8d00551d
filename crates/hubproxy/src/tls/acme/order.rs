//! One order: for all the names, or for none of them.

use std::net::IpAddr;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, Error, Identifier,
    NewAccount, NewOrder, OrderStatus, Problem, RetryPolicy,
};

use super::client::{ClientError, Directory, DirectoryClient};
use super::responder::Responder;
use super::schedule::Failure;
use super::storage::{Storage, StorageError};
use crate::settings::Acme;

/// How long the directory may take to look at all names.
const VALIDATION: Duration = Duration::from_secs(120);
/// How long it may take to issue.
const ISSUANCE: Duration = Duration::from_secs(90);
/// The act of an order's first step.
const ORDERING: &str = "ordering a certificate";
/// Asked for by default where a name is an IP address: Let's Encrypt issues for those under this profile alone.
const FOR_ADDRESSES: &str = "shortlived";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The directory cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Something cannot be kept on disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The profile is not offered.
    #[error(
        "the directory does not offer the profile \"{wanted}\": {}",
        offers(offered)
    )]
    Profile {
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// The type of challenge is not offered.
    #[error("{name}: the directory does not offer {wanted}, but {}", offered.join(", "))]
    NoChallenge {
        /// The name to be proven.
        name: String,
        /// What was to be done.
        wanted: &'static str,
        /// What there is.
        offered: Vec<String>,
    },
    /// The directory could not see that the names are ours.
    #[error("{}", reasons.join("; "))]
    NotProven {
        /// Each name, and why.
        reasons: Vec<String>,
    },
    /// The directory says no.
    #[error("{act}: {source}")]
    Directory {
        /// What was being done.
        act: &'static str,
        /// What it said.
        source: Error,
    },
    /// The answer to a challenge cannot be made.
    #[error("preparing the challenge for {name}: {reason}")]
    Challenge {
        /// The name to be proven.
        name: String,
        /// Why.
        reason: String,
    },
    /// The certificate is not for all that was asked for.
    #[error("the directory's certificate leaves out {}", .0.join(", "))]
    Incomplete(Vec<String>),
}

fn offers(offered: &[String]) -> String {
    if offered.is_empty() {
        "it has no profiles".to_owned()
    } else {
        format!("it has {}", offered.join(", "))
    }
}

impl AcmeError {
    fn said(act: &'static str) -> impl Fn(Error) -> Self {
        move |source| Self::Directory { act, source }
    }

    /// How soon it may be tried again.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Client(_) | Self::Storage(_) => Failure::Unreachable,
            Self::Directory {
                source: Error::Api(problem),
                ..
            } if kind(problem) == Some("rateLimited") => Failure::RateLimited,
            Self::Directory {
                source: Error::Api(problem),
                ..
            } if problem.status.is_some_and(|status| status >= 500) => Failure::Unreachable,
            Self::Directory {
                source: Error::Api(_),
                ..
            } => Failure::Refused,
            Self::Directory {
                source: Error::Timeout(_),
                ..
            } => Failure::Refused,
            Self::Directory { .. } => Failure::Unreachable,
            Self::Profile { .. }
            | Self::NoChallenge { .. }
            | Self::NotProven { .. }
            | Self::Challenge { .. }
            | Self::Incomplete(_) => Failure::Refused,
        }
    }

    /// The order itself was refused, before anything had to be proven.
    fn is_refused_order(&self) -> bool {
        let is_order =
            matches!(self, Self::Directory { act, source: Error::Api(_) } if *act == ORDERING);
        is_order && self.failure() == Failure::Refused
    }

    fn is_about(&self, what: &str) -> bool {
        matches!(self, Self::Directory { source: Error::Api(problem), .. } if kind(problem) == Some(what))
    }
}

/// The last part of `urn:ietf:params:acme:error:rateLimited`.
fn kind(problem: &Problem) -> Option<&str> {
    problem.r#type.as_deref()?.rsplit(':').next()
}

/// A key and the chain for it, both PEM.
pub(super) struct Issued {
    pub key: String,
    pub chain: String,
}

impl Issued {
    /// Both, one after the other.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.key.trim_end(), self.chain)
    }
}

/// The profile to ask for; an error if the directory does not offer it.
pub(super) fn profile(acme: &Acme, directory: &Directory) -> Result<Option<String>, AcmeError> {
    let offered = directory.profiles();
    match &acme.profile {
        Some(wanted) if offered.contains(wanted) => Ok(Some(wanted.clone())),
        Some(wanted) => Err(AcmeError::Profile {
            wanted: wanted.clone(),
            offered,
        }),
        None => {
            let has_address = acme.names.iter().any(|name| name.parse::<IpAddr>().is_ok());
            Ok(
                (has_address && offered.iter().any(|name| name == FOR_ADDRESSES))
                    .then(|| FOR_ADDRESSES.to_owned()),
            )
        }
    }
}

/// The account of the folder; a new one if there is none, or if the directory does not know it.
pub(super) async fn account(
    acme: &Acme,
    client: &DirectoryClient,
    storage: &Storage,
) -> Result<Account, AcmeError> {
    let builder = || Account::builder_with_http(Box::new(client.clone()));
    if let Some(credentials) = storage.account()? {
        return builder()
            .from_credentials(credentials)
            .await
            .map_err(AcmeError::said("opening the account"));
    }
    let contact: Vec<&str> = acme.contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let (account, credentials) = builder()
        .create(&new, acme.directory.clone(), None)
        .await
        .map_err(AcmeError::said("making an account at the directory"))?;
    storage.save_account(&credentials)?;
    Ok(account)
}

/// Orders a certificate for all names. `replaces` is the one that it takes the place of, where the directory counts
/// renewals apart from new certificates (RFC 9773).
pub(super) async fn order(
    acme: &Acme,
    client: &DirectoryClient,
    storage: &Storage,
    responder: &Responder,
    replaces: Option<CertificateIdentifier<'_>>,
) -> Result<Issued, AcmeError> {
    let directory = client.directory(&acme.directory).await?;
    let profile = profile(acme, &directory)?;
    let replaces = replaces.filter(|_| directory.renewal_info.is_some());
    let mut account = self::account(acme, client, storage).await?;
    let mut result = place(
        acme,
        &account,
        responder,
        profile.as_deref(),
        replaces.clone(),
    )
    .await;
    if result
        .as_ref()
        .is_err_and(|error| error.is_about("accountDoesNotExist"))
    {
        storage.forget_account()?;
        account = self::account(acme, client, storage).await?;
        result = place(
            acme,
            &account,
            responder,
            profile.as_deref(),
            replaces.clone(),
        )
        .await;
    }
    // It was replaced already, by an order that got no further, or belongs to another account: it is not needed.
    if replaces.is_some() && result.as_ref().is_err_and(AcmeError::is_refused_order) {
        result = place(acme, &account, responder, profile.as_deref(), None).await;
    }
    result
}

async fn place(
    acme: &Acme,
    account: &Account,
    responder: &Responder,
    profile: Option<&str>,
    replaces: Option<CertificateIdentifier<'_>>,
) -> Result<Issued, AcmeError> {
    let identifiers: Vec<Identifier> = acme
        .names
        .iter()
        .map(|name| match name.parse::<IpAddr>() {
            Ok(address) => Identifier::Ip(address),
            Err(_) => Identifier::Dns(name.clone()),
        })
        .collect();
    let mut new = NewOrder::new(&identifiers);
    if let Some(profile) = profile {
        new = new.profile(profile);
    }
    if let Some(replaces) = replaces {
        new = new.replaces(replaces);
    }
    let mut order = account
        .new_order(&new)
        .await
        .map_err(AcmeError::said(ORDERING))?;

    // The answers stand as long as these live.
    let mut standing = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization =
            authorization.map_err(AcmeError::said("asking what is to be proven"))?;
        let name = authorization.identifier().to_string();
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let offered: Vec<String> = authorization
            .challenges
            .iter()
            .map(|challenge| kind_of(&challenge.r#type))
            .collect();
        let Some(mut challenge) = authorization.challenge(responder.kind()) else {
            return Err(AcmeError::NoChallenge {
                name,
                wanted: responder.name(),
                offered,
            });
        };
        let answer = responder.answer(&name, &challenge.token, &challenge.key_authorization());
        standing.push(answer.map_err(|reason| AcmeError::Challenge {
            name: name.clone(),
            reason,
        })?);
        challenge
            .set_ready()
            .await
            .map_err(AcmeError::said("asking to be looked at"))?;
    }

    let patience = RetryPolicy::new()
        .initial_delay(Duration::from_millis(500))
        .backoff(1.5)
        .timeout(VALIDATION);
    let ready = order.poll_ready(&patience).await;
    if !matches!(ready, Ok(OrderStatus::Ready)) {
        // The order says that something is wrong, the authorizations say what.
        let reasons = reasons(&mut order, responder.name()).await;
        if !reasons.is_empty() {
            return Err(AcmeError::NotProven { reasons });
        }
        ready.map_err(AcmeError::said("proving control over the names"))?;
        return Err(AcmeError::NotProven {
            reasons: vec!["the directory gives no reason".to_owned()],
        });
    }
    drop(standing);

    let key = order
        .finalize()
        .await
        .map_err(AcmeError::said("asking for the certificate"))?;
    let patience = RetryPolicy::new()
        .initial_delay(Duration::from_millis(500))
        .backoff(1.5)
        .timeout(ISSUANCE);
    let chain = order
        .poll_certificate(&patience)
        .await
        .map_err(AcmeError::said("fetching the certificate"))?;
    Ok(Issued { key, chain })
}

/// What the directory found wrong with each name.
async fn reasons(order: &mut instant_acme::Order, challenge: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let name = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        if state.status == AuthorizationStatus::Valid {
            continue;
        }
        for problem in state.challenges.iter().filter_map(|challenge| {
            challenge
                .error
                .as_ref()
                .filter(|_| challenge.status == ChallengeStatus::Invalid)
        }) {
            let detail = problem.detail.as_deref().unwrap_or("no reason is given");
            let kind = kind(problem).unwrap_or("unknown");
            reasons.push(format!("{name}: {challenge} failed: {detail} ({kind})"));
        }
        if state.status == AuthorizationStatus::Pending {
            reasons.push(format!("{name}: {challenge} was not looked at in time"));
        }
    }
    reasons
}

fn kind_of(kind: &instant_acme::ChallengeType) -> String {
    use instant_acme::ChallengeType::{Dns01, Http01, TlsAlpn01, Unknown};
    match kind {
        Http01 => "http-01".to_owned(),
        Dns01 => "dns-01".to_owned(),
        TlsAlpn01 => "tls-alpn-01".to_owned(),
        Unknown(name) => name.clone(),
        _ => "another one".to_owned(),
    }
}
