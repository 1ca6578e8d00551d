//! Secrets that come from the operator, or are made for a person.

use anyhow::Context as _;

use super::Deployment;
use crate::secret::Secret;
use crate::setup::names::NOTEBOOK_ACCOUNT;
use crate::spec::{AuthenticatorKind, HubKind};
use crate::users::{Credential, Credentials, password};

impl Deployment<'_> {
    /// What the authenticator's provider knows this hub by, from where the spec says.
    pub(super) fn client_secret(&self) -> anyhow::Result<Option<Secret>> {
        let asked = &self.spec.authenticator;
        if asked.kind == AuthenticatorKind::Pam {
            return Ok(None);
        }
        let secret = match (&asked.client_secret_file, &asked.client_secret_env) {
            (Some(path), _) => std::fs::read_to_string(path)
                .with_context(|| format!("reading {}", path.display()))?,
            (None, Some(name)) => std::env::var(name).map_err(|_| {
                anyhow::anyhow!("the variable {name} is not set, in which `authenticator.client_secret_env` says the client's secret is")
            })?,
            (None, None) => String::new(),
        };
        anyhow::ensure!(
            !secret.trim().is_empty(),
            "the client's secret of `authenticator` is empty: name its file in `authenticator.client_secret_file`"
        );
        Ok(Some(Secret::new(secret.trim())))
    }

    /// The password of a notebook server, from the credentials file or made for it, and its hash.
    pub(super) fn notebook_password(&mut self) -> anyhow::Result<Option<(Secret, Secret)>> {
        if self.spec.hub.kind != HubKind::Notebook {
            return Ok(None);
        }
        let salt = self.receipt.secret("notebook-salt", 16);
        let mut credentials = Credentials::load(&self.state)?;
        let known = credentials
            .of(NOTEBOOK_ACCOUNT)
            .filter(|known| !known.password.reveal().is_empty());
        let password = known.map_or_else(password::generate, |known| known.password.clone());
        credentials.put(Credential {
            url: self
                .outcome
                .as_ref()
                .map(|outcome| self.url(outcome))
                .unwrap_or_default(),
            user: NOTEBOOK_ACCOUNT.to_owned(),
            password: password.clone(),
            ..Credential::default()
        });
        credentials.save(&self.state)?;
        let hash = password::jupyter_hash(&password, &salt)?;
        Ok(Some((password, hash)))
    }
}
