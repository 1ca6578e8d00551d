//! The parts, made from the settings.

use std::sync::Arc;

use http::HeaderValue;

use super::AppError;
use super::plain::Plain;
use crate::forward::{ClientTls, ErrorPages, Options};
use crate::routes::Target;
use crate::settings::{self, Settings};
use crate::tls::acme::Tokens;
use crate::tls::{FileCertificates, Store, api_config, authorities, load_client, public_config};

/// Finds out whether a start would fail for what is in files, without starting.
pub fn check(settings: &Settings) -> Result<(), AppError> {
    if let Some(tls) = &settings.tls {
        let store = Arc::new(Store::default());
        FileCertificates::load(tls.files.clone(), Arc::clone(&store))?;
        public_config(tls, store)?;
    }
    api_config(&settings.api)?;
    options(settings, Arc::default())?;
    Ok(())
}

/// How requests are forwarded.
pub(super) fn options(settings: &Settings, tokens: Arc<Tokens>) -> Result<Options, AppError> {
    let forward = &settings.forward;
    let has_intercept =
        settings.redirect.is_some() || settings.tls.as_ref().is_some_and(|tls| tls.acme.is_some());
    Ok(Options {
        prepend_path: forward.prepend_path,
        include_prefix: forward.include_prefix,
        x_forward: forward.x_forward,
        trust_forwarded: forward.trust_forwarded,
        change_origin: forward.change_origin,
        host_routing: settings.host_routing,
        custom_headers: forward.headers.clone(),
        auto_rewrite: forward.auto_rewrite,
        protocol_rewrite: forward.protocol_rewrite.clone(),
        client_tls: Arc::new(client_tls(forward)?),
        connect_timeout: forward.connect_time,
        proxy_timeout: forward.answer_time,
        errors: match &settings.error_pages {
            settings::ErrorPages::Own => ErrorPages::Own,
            settings::ErrorPages::Target(url) => ErrorPages::Target(Target::parse(url)?),
            settings::ErrorPages::Folder(path) => ErrorPages::Path(path.clone()),
        },
        hsts: settings
            .tls
            .as_ref()
            .and_then(|tls| tls.hsts.as_ref())
            .and_then(hsts),
        intercept: has_intercept.then(|| {
            Arc::new(Plain {
                tokens,
                redirect: settings.redirect,
            }) as _
        }),
        ..Options::default()
    })
}

fn client_tls(forward: &settings::Forward) -> Result<ClientTls, AppError> {
    let authorities = forward.ca.as_deref().map(authorities).transpose()?;
    let identity = forward.client.as_ref().map(load_client).transpose()?;
    let has_own = authorities.is_some() || identity.is_some();
    let mut tls = ClientTls::new(authorities, identity, forward.insecure);
    if let Some(name) = &forward.server_name {
        tls = tls.named(name.clone());
    }
    // Hear of a bad key now; without one, most hubs have no https target at all.
    if has_own {
        tls.config()?;
    }
    Ok(tls)
}

fn hsts(hsts: &hub_api::proxy::Hsts) -> Option<HeaderValue> {
    let mut value = format!("max-age={}", hsts.max_age_seconds);
    if hsts.include_subdomains {
        value.push_str("; includeSubDomains");
    }
    if hsts.preload {
        value.push_str("; preload");
    }
    HeaderValue::try_from(value).ok()
}
