//! Who may log in to JupyterHub: PAM, or a provider through `oauthenticator`.

use tera::Context;

use crate::secret::Secret;
use crate::setup::desired::Site;
use crate::setup::hub::HubPlaces;
use crate::setup::{SetupError, template};
use crate::spec::model::{AuthenticatorKind, Spec};

/// All that belongs to the authenticator.
pub(super) struct Authenticator {
    /// Of JupyterHub's configuration.
    pub(super) lines: String,
    /// A requirement of the hub's environment.
    pub(super) package: Option<&'static str>,
    /// The provider's secret for this hub.
    pub(super) secret: Option<Secret>,
    /// Whether people get an account at their first login.
    pub(super) makes_accounts: bool,
}

pub(super) fn authenticator(
    spec: &Spec,
    site: &Site,
    context: &Context,
    places: &HubPlaces,
) -> Result<Authenticator, SetupError> {
    let (title, module, class) = match spec.authenticator.kind {
        AuthenticatorKind::Pam => {
            return Ok(Authenticator {
                lines: template::render("jupyterhub/authenticator-pam.py", context)?,
                package: None,
                secret: None,
                makes_accounts: false,
            });
        }
        AuthenticatorKind::Github => ("GitHub", "github", "GitHubOAuthenticator"),
        AuthenticatorKind::Gitlab => ("GitLab", "gitlab", "GitLabOAuthenticator"),
        AuthenticatorKind::Google => ("Google", "google", "GoogleOAuthenticator"),
        AuthenticatorKind::Oidc => ("the provider", "generic", "GenericOAuthenticator"),
    };
    let asked = &spec.authenticator;
    let secret = site.oauth_client_secret.clone().ok_or_else(|| {
        SetupError::Configuration("a provider without the client's secret".to_owned())
    })?;
    let makes_accounts = places.account == "root";
    let python = |yes: bool| if yes { "True" } else { "False" };
    let set = |names: &[String]| format!("set({})", serde_json::Value::from(names.to_vec()));
    let text = |text: &Option<String>| {
        text.as_deref()
            .map(|text| serde_json::Value::from(text.trim_end_matches('/')).to_string())
    };
    let mut context = context.clone();
    context.insert("kind", asked.kind.word());
    context.insert("title", title);
    context.insert("module", module);
    context.insert("class", class);
    context.insert("make_accounts", python(makes_accounts));
    context.insert("client_id", &text(&asked.client_id));
    context.insert("issuer", &text(&asked.issuer));
    context.insert(
        "username_claim",
        &serde_json::Value::from(asked.username_claim.as_str()).to_string(),
    );
    context.insert("allowed_users", &set(&asked.allowed_users));
    context.insert("allowed_groups", &set(&asked.allowed_groups));
    context.insert("has_groups", &!asked.allowed_groups.is_empty());
    context.insert(
        "allowed_domains",
        &serde_json::Value::from(asked.allowed_domains.clone()).to_string(),
    );
    // Google's people are let in by their domain, or by name.
    let by_domain = asked.kind == AuthenticatorKind::Google
        && !asked.allowed_domains.is_empty()
        && asked.allowed_users.is_empty();
    context.insert("allow_all", python(by_domain));
    Ok(Authenticator {
        lines: template::render("jupyterhub/authenticator-oauth.py", &context)?,
        package: Some("oauthenticator>=17.3,<18"),
        secret: Some(secret),
        makes_accounts,
    })
}
