//! The pages people see.
//!
//! Rendered here, from templates that are compiled in; every form is a plain POST with `_xsrf`, and the one script only
//! shows the progress of a start. [`ask`] is what a page knows of its request, [`template`] what is around every page.

mod admin;
pub mod ask;
mod asset;
pub mod consent;
pub mod error;
mod header;
mod home;
mod installing;
mod login;
mod moment;
mod notice;
mod password;
pub mod spawn;
mod template;
mod token;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use http::{HeaderMap, StatusCode};
use hub_api::hub::Hub as Config;

use self::ask::Ask;
use self::asset::{AssetError, Assets};
use self::template::{Contact, Templates};
use crate::app::Hub;
use crate::oauth;
use crate::server::visit;

/// Which link of the header leads to the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    Home,
    Tokens,
    Password,
    Admin,
    Other,
}

/// Why the pages cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    #[error("parsing a template: {0}")]
    Template(#[from] tera::Error),
    #[error(transparent)]
    Asset(#[from] AssetError),
}

/// What all pages share.
pub struct Pages {
    templates: Templates,
    assets: Assets,
    policy: String,
    site: String,
    icon: String,
    css: String,
    logo: String,
    script: String,
    announcement: Option<String>,
    login_text: Option<String>,
    contact: Option<Contact>,
}

impl Pages {
    /// Reads the operator's logo, and parses the templates.
    pub fn new(config: &Config) -> Result<Self, PagesError> {
        let texts = &config.pages;
        let assets = Assets::new(texts.logo_file.as_deref())?;
        let link = |name: &str| format!("{}hub/static/{}", config.base_url, assets.link(name));
        let (icon, css, logo, script) = (
            link("icon.svg"),
            link("hub.css"),
            link("logo"),
            link("pending.js"),
        );
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        Ok(Self {
            templates: Templates::new()?,
            assets,
            policy: header::policy(config),
            site: given(&texts.title).unwrap_or_else(|| "Notebook hub".to_owned()),
            icon,
            css,
            logo,
            script,
            announcement: given(&texts.announcement),
            login_text: given(&texts.login_text),
            contact: texts.contact.as_deref().and_then(Contact::parse),
        })
    }
}

/// Every page under `{base}hub/`, and the way in from outside.
pub fn router(hub: &Arc<Hub>) -> Router<Arc<Hub>> {
    let prefix = hub.prefix();
    let at = |path: &str| format!("{prefix}{path}");
    let routes = Router::new()
        .route(&at("/"), get(home::entrance))
        .route(&at("/login"), get(login::form).post(login::submit))
        .route(&at("/logout"), get(login::leave).post(login::leave_by_form))
        .route(&at("/oauth_login"), get(login::depart_to_only))
        .route(&at("/oauth_login/{provider}"), get(login::depart))
        .route(&at("/oauth_callback"), get(login::arrive))
        .route(&at("/home"), get(home::page))
        .route(&at("/home/stop"), post(home::stop))
        .route(&at("/home/remove"), post(home::remove))
        .route(&at("/home/servers"), post(home::add))
        .route(&at("/spawn"), get(spawn::own).post(spawn::submit_own))
        .route(
            &at("/spawn/{user}"),
            get(spawn::default).post(spawn::submit_default),
        )
        .route(
            &at("/spawn/{user}/{server}"),
            get(spawn::named).post(spawn::submit_named),
        )
        .route(&at("/spawn-pending/{user}"), get(spawn::pending_default))
        .route(
            &at("/spawn-pending/{user}/{server}"),
            get(spawn::pending_named),
        )
        .route(&at("/token"), get(token::page).post(token::create))
        .route(&at("/token/revoke"), post(token::revoke))
        .route(&at("/password"), get(password::page).post(password::change))
        .route(&at("/error/{code}"), get(error::of_proxy))
        .route(&at("/installing"), get(installing::notice))
        .route(&at("/security/csp-report"), post(header::report))
        .route(&at("/static/{file}"), get(file))
        .route(&at("/logo"), get(logo))
        .route(&at("/favicon.ico"), get(icon))
        .merge(admin::router(&prefix))
        .merge(oauth::http::pages(&prefix))
        .merge(visit::routes(&prefix))
        .route(&at("/{*path}"), any(error::not_found))
        .fallback(visit::outside);
    header::apply(hub, routes)
}

async fn file(ask: Ask, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let answer = ask.hub.pages.assets.answer(&name, &headers);
    answer.unwrap_or_else(|| error::usual(&ask, StatusCode::NOT_FOUND))
}

async fn logo(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    named(&hub, "logo", &headers)
}

async fn icon(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    named(&hub, "icon.svg", &headers)
}

fn named(hub: &Hub, name: &str, headers: &HeaderMap) -> Response {
    let answer = hub.pages.assets.answer(name, headers);
    answer.unwrap_or_else(|| ask::redirect(StatusCode::FOUND, &hub.prefix()))
}
