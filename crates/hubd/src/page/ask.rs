//! What pages know of a request: who asks, from where, with which token; and how they answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{Html, IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde::Serialize;

use super::template::{Frame, Link};
use super::{Nav, notice};
use crate::app::Hub;
use crate::session::Known;
use crate::session::origin::Origin;
use crate::store::StoreError;
use crate::store::requester::Requester;

/// The longest form, in bytes: a list of a few thousand names fits.
const LONGEST_FORM: usize = 256 * 1024;

/// A request for a page, by whomever.
pub struct Ask {
    pub hub: Arc<Hub>,
    pub method: Method,
    pub headers: HeaderMap,
    pub uri: Uri,
    pub origin: Origin,
    pub known: Option<Known>,
    xsrf: String,
    cookie: Option<HeaderValue>,
}

impl FromRequestParts<Arc<Hub>> for Ask {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Trouble> {
        let origin = Origin::of(parts);
        let known = hub
            .sessions
            .known(&hub.store, &parts.headers, &origin)
            .await?;
        let (xsrf, cookie) = hub
            .sessions
            .form_token(&parts.headers, &origin, known.as_ref());
        Ok(Self {
            hub: hub.clone(),
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
            origin,
            known,
            xsrf,
            cookie,
        })
    }
}

impl Ask {
    /// `{base}hub/` and a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.hub.prefix())
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The page to go to afterwards, if the query names one of this hub.
    pub fn next(&self) -> Option<String> {
        let next = self.query("next").filter(|next| !next.is_empty())?;
        crate::session::next::safe(&next, &self.hub.config.base_url)
    }

    /// The token for what a page's script asks of the API.
    pub fn xsrf(&self) -> &str {
        &self.xsrf
    }

    /// A page.
    pub fn page(
        &self,
        status: StatusCode,
        template: &str,
        nav: Nav,
        page: &impl Serialize,
    ) -> Response {
        let notice = self.query("done").and_then(|done| notice::text(&done));
        let frame = self.frame(nav, notice);
        match self.hub.pages.templates.render(template, &frame, page) {
            Ok(html) => self.with_cookie((status, Html(html)).into_response()),
            Err(error) => {
                tracing::error!(template, error = %error, "rendering a page");
                Trouble::Internal.into_response()
            }
        }
    }

    /// Sends the browser to a path of this host.
    pub fn redirect(&self, to: &str) -> Response {
        self.with_cookie(redirect(StatusCode::FOUND, to))
    }

    fn with_cookie(&self, mut response: Response) -> Response {
        if let Some(cookie) = &self.cookie {
            response
                .headers_mut()
                .append(header::SET_COOKIE, cookie.clone());
        }
        response
    }

    fn frame(&self, nav: Nav, notice: Option<&'static str>) -> Frame {
        let pages = &self.hub.pages;
        let mut links = Vec::new();
        if let Some(known) = &self.known {
            links.push(Link::new(self.at("home"), "Home").current(nav == Nav::Home));
            links.push(Link::new(self.at("token"), "Tokens").current(nav == Nav::Tokens));
            let passwords = self.hub.authenticators.passwords();
            if passwords.is_some_and(|passwords| passwords.knows(known.name())) {
                links
                    .push(Link::new(self.at("password"), "Password").current(nav == Nav::Password));
            }
            if known.requester.scopes.holds("admin-ui") {
                links.push(Link::new(self.at("admin"), "Admin").current(nav == Nav::Admin));
            }
        }
        Frame {
            site: pages.site.clone(),
            icon: pages.icon.clone(),
            css: pages.css.clone(),
            logo: pages.logo.clone(),
            announcement: pages.announcement.clone(),
            contact: pages.contact.clone(),
            hub: self.at(""),
            home: self.at(if self.known.is_some() {
                "home"
            } else {
                "login"
            }),
            user: self.known.as_ref().map(|known| known.name().to_owned()),
            links,
            xsrf: self.xsrf.clone(),
            notice,
            installing: !self.hub.servers.notebooks_are_ready(),
        }
    }
}

/// A redirect.
pub fn redirect(status: StatusCode, to: &str) -> Response {
    let location = HeaderValue::from_str(to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    (status, [(header::LOCATION, location)]).into_response()
}

/// A request for a page by somebody who is logged in; all others are sent to log in first.
pub struct User {
    pub ask: Ask,
    pub known: Known,
}

impl FromRequestParts<Arc<Hub>> for User {
    type Rejection = Instead;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Instead> {
        let ask = Ask::from_request_parts(parts, hub).await?;
        let user = Self::from_ask(ask)?;
        // A secret that was handed out opens nothing but the page on which to choose a password.
        if user.must_change() && !parts.uri.path().ends_with("/password") {
            return Err(user.ask.redirect(&user.ask.at("password")).into());
        }
        Ok(user)
    }
}

impl User {
    /// The user of a request, or the way to log in and back.
    pub fn from_ask(ask: Ask) -> Result<Self, Instead> {
        match ask.known.clone() {
            Some(known) => Ok(Self { ask, known }),
            None => {
                let here = ask.uri.path_and_query().map_or("", |here| here.as_str());
                let next = if ask.method == Method::GET { here } else { "" };
                Err(ask.redirect(&login_address(&ask.at("login"), next)).into())
            }
        }
    }

    /// Whether a new password is due before anything else.
    pub fn must_change(&self) -> bool {
        self.ask.hub.authenticators.must_change(self.known.name())
    }

    /// Who, and what they may.
    pub fn requester(&self) -> &Requester {
        &self.known.requester
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        self.known.name()
    }
}

/// The login page with the way back.
pub fn login_address(login: &str, next: &str) -> String {
    if next.is_empty() {
        return login.to_owned();
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next)
        .finish();
    format!("{login}?{query}")
}

/// The fields of a form that was sent with a good XSRF token.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field; "" if it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Every value of a field that may be sent several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| &**value)
    }
}

/// A form of somebody who is logged in.
pub struct Posted {
    pub user: User,
    pub form: Fields,
}

impl FromRequest<Arc<Hub>> for Posted {
    type Rejection = Instead;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, Instead> {
        let (mut parts, body) = request.into_parts();
        let user = User::from_request_parts(&mut parts, hub).await?;
        let form = fields(&user.ask, body).await?;
        Ok(Self { user, form })
    }
}

/// A form of anybody: the login.
pub struct PostedByAnyone {
    pub ask: Ask,
    pub form: Fields,
}

impl FromRequest<Arc<Hub>> for PostedByAnyone {
    type Rejection = Instead;

    async fn from_request(request: Request, hub: &Arc<Hub>) -> Result<Self, Instead> {
        let (mut parts, body) = request.into_parts();
        let ask = Ask::from_request_parts(&mut parts, hub).await?;
        let form = fields(&ask, body).await?;
        Ok(Self { ask, form })
    }
}

async fn fields(ask: &Ask, body: Body) -> Result<Fields, Instead> {
    let Ok(bytes) = to_bytes(body, LONGEST_FORM).await else {
        let text = "What was sent is longer than any form of this hub, or it did not arrive whole.";
        return Err(super::error::page(ask, StatusCode::PAYLOAD_TOO_LARGE, text).into());
    };
    let form = Fields(url::form_urlencoded::parse(&bytes).into_owned().collect());
    let in_header = crate::session::xsrf::sent(&ask.headers, ask.uri.query());
    let sent = Some(form.get("_xsrf"))
        .filter(|sent| !sent.is_empty())
        .or(in_header.as_deref());
    match ask
        .hub
        .sessions
        .check_form(&ask.headers, &ask.origin, ask.known.as_ref(), sent)
    {
        Ok(()) => Ok(form),
        Err(error) => {
            tracing::info!(path = ask.uri.path(), %error, "a form was turned away");
            Err(super::error::stale_form(ask).into())
        }
    }
}

/// Another answer than the one that was asked for: the way to log in, or an error page.
pub struct Instead(Box<Response>);

impl From<Response> for Instead {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<Trouble> for Instead {
    fn from(trouble: Trouble) -> Self {
        trouble.into_response().into()
    }
}

impl IntoResponse for Instead {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Why a page is not what was asked for.
pub enum Trouble {
    /// Something of the hub's own does not work; it is in the log.
    Internal,
    /// There is no room on the hub's disk.
    Full,
    /// There is another answer.
    Instead(Instead),
}

impl From<Instead> for Trouble {
    fn from(instead: Instead) -> Self {
        Self::Instead(instead)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "answering a page");
        if error.is_full() {
            Self::Full
        } else {
            Self::Internal
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, heading, text) = match self {
            Self::Instead(instead) => return instead.into_response(),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong",
                "It is not your fault, and it is in the hub’s log. Try again in a minute.",
            ),
            Self::Full => (
                StatusCode::INSUFFICIENT_STORAGE,
                "The hub’s disk is full",
                "It cannot write down what you asked for, nor let anybody in. Servers that run go on. Tell whoever runs this \
                 hub: they must make room.",
            ),
        };
        // Without template and store: either may be what is broken.
        let page = format!(
            "<!doctype html><html lang=\"en\"><title>{heading}</title><h1>{heading}</h1><p>{text}</p></html>"
        );
        (status, Html(page)).into_response()
    }
}
