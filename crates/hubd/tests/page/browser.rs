//! As much of a browser as pages need: cookies with paths, forms, redirects.

use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use hubd::listen::Arrival;
use scraper::{Html, Selector};
use tower::ServiceExt;

/// A cookie that was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub name: String,
    pub value: String,
    pub path: String,
    pub attributes: String,
}

/// A browser.
#[derive(Clone)]
pub struct Browser {
    router: Router,
    pub cookies: Vec<Stored>,
    /// Sent with every request.
    pub headers: Vec<(&'static str, String)>,
}

/// What came back.
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Browser {
    pub fn new(router: Router) -> Self {
        let headers = vec![
            ("user-agent", "test".to_owned()),
            ("x-forwarded-for", "192.0.2.1".to_owned()),
            ("accept", "text/html".to_owned()),
        ];
        Self {
            router,
            cookies: Vec::new(),
            headers,
        }
    }

    /// Sends this header from now on, in place of one of that name.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub fn cookie(&self, name: &str) -> Option<&Stored> {
        self.cookies.iter().find(|cookie| cookie.name == name)
    }

    pub async fn get(&mut self, path: &str) -> Page {
        self.send(Method::GET, path, &[], None).await
    }

    /// A form, with the XSRF token of the hub's cookie.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self
            .cookie("_xsrf")
            .map(|cookie| cookie.value.clone())
            .unwrap_or_default();
        let mut all = fields.to_vec();
        all.push(("_xsrf", &token));
        self.post_as_it_is(path, &all).await
    }

    /// A form with these fields alone.
    pub async fn post_as_it_is(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &kind, Some(body)).await
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Page {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let plain = path.split(['?', '#']).next().unwrap_or_default();
        // As browsers do: the longest path first.
        let mut fitting: Vec<&Stored> = self
            .cookies
            .iter()
            .filter(|cookie| plain.starts_with(&cookie.path))
            .collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let line: Vec<String> = fitting
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !line.is_empty() {
            request = request.header(COOKIE, line.join("; "));
        }
        let mut request = request
            .body(body.map_or_else(Body::empty, Body::from))
            .unwrap();
        request.extensions_mut().insert(Arrival {
            public: true,
            peer: None,
        });
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        self.keep(&parts.headers);
        let text = String::from_utf8(to_bytes(body, 10 << 20).await.unwrap().to_vec()).unwrap();
        Page {
            status: parts.status,
            headers: parts.headers,
            text,
        }
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let path = attributes
                .split(';')
                .find_map(|one| one.trim().strip_prefix("Path="))
                .unwrap_or("/");
            self.cookies
                .retain(|cookie| !(cookie.name == name && cookie.path == path));
            if !attributes.contains("Max-Age=0") {
                self.cookies.push(Stored {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    path: path.to_owned(),
                    attributes: attributes.trim().to_owned(),
                });
            }
        }
    }

    /// Gets a page, and the one it leads to, and so on.
    pub async fn visit(&mut self, path: &str) -> Page {
        let mut page = self.get(path).await;
        for _ in 0..10 {
            if !page.status.is_redirection() {
                return page;
            }
            let to = page.location().to_owned();
            page = self.get(&to).await;
        }
        panic!("{path} leads in circles");
    }

    pub async fn log_in(&mut self, name: &str, password: &str) -> Page {
        self.get("/hub/login").await;
        let page = self
            .post("/hub/login", &[("username", name), ("password", password)])
            .await;
        assert_eq!(page.status, StatusCode::FOUND, "{}", page.text);
        page
    }
}

impl Page {
    pub fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    pub fn location_or_none(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The texts of what a selector finds, with single spaces.
    pub fn all(&self, selector: &str) -> Vec<String> {
        let html = Html::parse_document(&self.text);
        let selector = Selector::parse(selector).unwrap();
        html.select(&selector)
            .map(|found| {
                found
                    .text()
                    .collect::<String>()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    /// The text of the one thing that a selector finds.
    pub fn one(&self, selector: &str) -> String {
        let all = self.all(selector);
        assert_eq!(all.len(), 1, "{selector} in {}", self.text);
        all.into_iter().next().unwrap()
    }

    /// The values of an attribute of what a selector finds.
    pub fn attributes(&self, selector: &str, attribute: &str) -> Vec<String> {
        let html = Html::parse_document(&self.text);
        let selector = Selector::parse(selector).unwrap();
        html.select(&selector)
            .filter_map(|found| found.attr(attribute))
            .map(str::to_owned)
            .collect()
    }

    pub fn is_html(&self) -> bool {
        self.headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/html; charset=utf-8")
    }
}
