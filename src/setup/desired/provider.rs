//! A provider that says to hubd who somebody is.

use hub_api::hub::{Oauth, OauthKind};

use crate::setup::hub::HubPlaces;
use crate::spec::model::{AuthenticatorKind, Spec};

/// The file with the client's secret.
pub(super) const SECRET: &str = "oauth-client-secret";

/// The provider of the spec, where it has one. Whoever may log in has an account of the server made, by the root helper.
pub(super) fn provider(spec: &Spec, places: &HubPlaces) -> Option<Oauth> {
    let asked = &spec.authenticator;
    let kind = match asked.kind {
        AuthenticatorKind::Pam => return None,
        AuthenticatorKind::Github => OauthKind::Github,
        AuthenticatorKind::Gitlab => OauthKind::Gitlab,
        AuthenticatorKind::Google => OauthKind::Google,
        AuthenticatorKind::Oidc => OauthKind::Oidc,
    };
    // At GitHub a team is a group, an organisation is none.
    let (groups, organizations) = asked
        .allowed_groups
        .iter()
        .cloned()
        .partition(|name| kind != OauthKind::Github || name.contains(':'));
    let oidc = kind == OauthKind::Oidc;
    let one_domain = match asked.allowed_domains.as_slice() {
        [domain] => Some(domain.clone()),
        _ => None,
    };
    Some(Oauth {
        id: asked.kind.word().to_owned(),
        kind,
        label: None,
        client_id: asked.client_id.clone().unwrap_or_default(),
        client_secret_file: places.secret(SECRET).into(),
        issuer: asked.issuer.clone(),
        scopes: None,
        username_claim: oidc.then(|| asked.username_claim.clone()),
        groups_claim: (oidc && !asked.allowed_groups.is_empty()).then(|| "groups".to_owned()),
        username_prefix: String::new(),
        strip_domain: one_domain,
        allow_all: false,
        require_account: false,
        create_accounts: true,
        allowed_groups: groups,
        admin_groups: Vec::new(),
        allowed_organizations: organizations,
        allowed_domains: asked.allowed_domains.clone(),
    })
}
