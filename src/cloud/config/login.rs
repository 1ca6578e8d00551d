//! As whom: the kind of login, its user, its project.

use super::super::CloudError;
use super::load::Builder;
use super::{Auth, Domain, Scope, UserRef};
use crate::secret::Secret;

impl Builder<'_> {
    /// The login; fields it lacks are noted in `missing`.
    pub(super) fn auth(&mut self) -> Result<Option<Auth>, CloudError> {
        let told = self
            .text(&["auth_type", "auth_plugin"])?
            .map(|kind| kind.to_ascii_lowercase());
        let has = |names: &[&str]| self.entry.value(names).is_some();
        let app = has(&["application_credential_id", "application_credential_name"]);
        let user = has(&["username", "user_name", "user_id"]);
        let kind = match told.as_deref() {
            Some("v3applicationcredential" | "applicationcredential") => "app",
            Some("token" | "v3token") => "token",
            // Whoever has a credential and no password means the credential.
            Some("password" | "v3password") | None if app && !has(&["password"]) => "app",
            Some("password" | "v3password") => "password",
            None if app && has(&["application_credential_secret"]) => "app",
            None if has(&["token", "auth_token"]) && !user => "token",
            None => "password",
            Some(other) => {
                return Err(CloudError::Config {
                    message: format!(
                        "cloud {} in {}: auth_type {other} is not supported",
                        self.name, self.source
                    ),
                    hint: Some(
                        "log in as you do and make an application credential, which needs no further login: \
                         `openstack application credential create hubctl`"
                            .to_owned(),
                    ),
                });
            }
        };
        match kind {
            "app" => self.application_credential(),
            "token" => {
                let token = self.secret("token", &["token", "auth_token"])?;
                let scope = self.scope(None)?;
                Ok(token.map(|token| Auth::Token { token, scope }))
            }
            _ => {
                let user = self.user()?;
                let password = self.secret("password", &["password"])?;
                let domain = match &user {
                    Some(UserRef::Name { domain, .. }) => Some(domain.clone()),
                    _ => None,
                };
                let scope = self.scope(domain)?;
                if self.entry.value(&["system_scope"]).is_some() && scope.is_none() {
                    return Err(self.error(
                        "system_scope has no project to make servers in; name a project instead",
                    ));
                }
                Ok(user.zip(password).map(|(user, password)| Auth::Password {
                    user,
                    password,
                    scope,
                }))
            }
        }
    }

    fn application_credential(&mut self) -> Result<Option<Auth>, CloudError> {
        let id = self.text(&["application_credential_id"])?;
        let name = self.text(&["application_credential_name"])?;
        let secret = self.secret(
            "application_credential_secret",
            &["application_credential_secret"],
        )?;
        if id.is_none() && name.is_none() {
            self.missing.push("application_credential_id");
        }
        let stale: Vec<&str> = [
            "project_id",
            "project_name",
            "tenant_id",
            "tenant_name",
            "password",
        ]
        .into_iter()
        .filter(|field| self.entry.value(&[field]).is_some())
        .collect();
        if !stale.is_empty() {
            let words: Vec<_> = stale.iter().map(|field| self.field(field)).collect();
            self.notes.push(format!(
                "{} not used: an application credential brings its own project",
                words.join(", ")
            ));
        }
        Ok(match (id, name) {
            (Some(id), _) => secret.map(|secret| Auth::ApplicationCredential { id, secret }),
            (None, Some(name)) => {
                let user = self.user()?;
                user.zip(secret)
                    .map(|(user, secret)| Auth::NamedApplicationCredential { name, user, secret })
            }
            (None, None) => None,
        })
    }

    fn user(&mut self) -> Result<Option<UserRef>, CloudError> {
        if let Some(id) = self.text(&["user_id"])? {
            return Ok(Some(UserRef::Id(id)));
        }
        let Some(name) = self.text(&["username", "user_name"])? else {
            self.missing.push("username");
            return Ok(None);
        };
        let domain = self.domain("user_domain_id", "user_domain_name", None)?;
        Ok(Some(UserRef::Name { name, domain }))
    }

    fn scope(&self, user_domain: Option<Domain>) -> Result<Option<Scope>, CloudError> {
        if let Some(id) = self.text(&["trust_id"])? {
            return Ok(Some(Scope::Trust(id)));
        }
        if let Some(id) = self.text(&["project_id", "tenant_id"])? {
            return Ok(Some(Scope::ProjectId(id)));
        }
        let Some(name) = self.text(&["project_name", "tenant_name"])? else {
            return Ok(None);
        };
        let domain = self.domain("project_domain_id", "project_domain_name", user_domain)?;
        Ok(Some(Scope::ProjectName { name, domain }))
    }

    /// The domain told for this, else for all, else `fallback`, else the one every Keystone has.
    fn domain(&self, id: &str, name: &str, fallback: Option<Domain>) -> Result<Domain, CloudError> {
        if let Some(id) = self.text(&[id, "domain_id"])? {
            return Ok(Domain::Id(id));
        }
        if let Some(name) = self.text(&[name, "domain_name"])? {
            return Ok(Domain::Name(name));
        }
        if let Some(name) = self.text(&["default_domain_name"])? {
            return Ok(Domain::Name(name));
        }
        if let Some(id) = self.text(&["default_domain", "default_domain_id"])? {
            return Ok(Domain::Id(id));
        }
        Ok(fallback.unwrap_or_else(|| Domain::Id("default".to_owned())))
    }

    fn secret(
        &mut self,
        field: &'static str,
        names: &[&str],
    ) -> Result<Option<Secret>, CloudError> {
        let value = self.text(names)?;
        if value.is_none() {
            self.missing.push(field);
        }
        Ok(value.map(Secret::new))
    }
}
