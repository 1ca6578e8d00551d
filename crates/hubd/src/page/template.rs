//! Templates: compiled in, every value escaped, and the frame that all pages share.

use serde::Serialize;
use tera::{Context, Tera};

/// Every template, by name.
const TEMPLATES: &[(&str, &str)] = &[
    (
        "admin_group.html",
        include_str!("../../templates/admin_group.html"),
    ),
    (
        "admin_groups.html",
        include_str!("../../templates/admin_groups.html"),
    ),
    (
        "admin_secrets.html",
        include_str!("../../templates/admin_secrets.html"),
    ),
    (
        "admin_servers.html",
        include_str!("../../templates/admin_servers.html"),
    ),
    (
        "admin_tabs.html",
        include_str!("../../templates/admin_tabs.html"),
    ),
    (
        "admin_user.html",
        include_str!("../../templates/admin_user.html"),
    ),
    (
        "admin_users.html",
        include_str!("../../templates/admin_users.html"),
    ),
    ("base.html", include_str!("../../templates/base.html")),
    ("consent.html", include_str!("../../templates/consent.html")),
    ("error.html", include_str!("../../templates/error.html")),
    ("home.html", include_str!("../../templates/home.html")),
    (
        "installing.html",
        include_str!("../../templates/installing.html"),
    ),
    ("login.html", include_str!("../../templates/login.html")),
    ("logout.html", include_str!("../../templates/logout.html")),
    (
        "not_running.html",
        include_str!("../../templates/not_running.html"),
    ),
    ("paging.html", include_str!("../../templates/paging.html")),
    (
        "password.html",
        include_str!("../../templates/password.html"),
    ),
    ("pending.html", include_str!("../../templates/pending.html")),
    ("server.html", include_str!("../../templates/server.html")),
    ("spawn.html", include_str!("../../templates/spawn.html")),
    ("tokens.html", include_str!("../../templates/tokens.html")),
];

/// What is around every page.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// The name in the header and the title.
    pub site: String,
    pub icon: String,
    pub css: String,
    pub logo: String,
    pub announcement: Option<String>,
    pub contact: Option<Contact>,
    /// `{base}hub/`.
    pub hub: String,
    /// Where the name in the header leads.
    pub home: String,
    /// Who is logged in.
    pub user: Option<String>,
    pub links: Vec<Link>,
    /// The XSRF token of the page's forms.
    pub xsrf: String,
    /// What was just done.
    pub notice: Option<&'static str>,
    /// Whether what notebooks run in is still being installed.
    pub installing: bool,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    pub href: String,
    pub text: String,
    /// Whether it leads to the page it is on; on pages with several ways on, whether it is the first one to take.
    pub current: bool,
}

impl Link {
    /// A link to another page.
    pub fn new(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            href: href.into(),
            text: text.into(),
            current: false,
        }
    }

    /// The same, current if so.
    pub fn current(self, current: bool) -> Self {
        Self { current, ..self }
    }
}

/// Whom to write to when something fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    pub href: String,
    pub text: String,
}

impl Contact {
    /// From an e-mail address or a URL; anything else is text that leads nowhere, so it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let href = match url::Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "https" | "http" | "mailto") => url.to_string(),
            Ok(_) => return None,
            Err(_) if text.contains('@') && !text.contains(char::is_whitespace) => {
                format!("mailto:{text}")
            }
            Err(_) => return None,
        };
        let text = text.trim_start_matches("mailto:").to_owned();
        Some(Self { href, text })
    }
}

/// The templates.
pub struct Templates(Tera);

impl Templates {
    /// Parses all of them.
    pub fn new() -> Result<Self, tera::Error> {
        let mut tera = Tera::default();
        tera.add_raw_templates(TEMPLATES.iter().copied())?;
        Ok(Self(tera))
    }

    /// A page: its template's own values beside `frame`.
    pub fn render(
        &self,
        name: &str,
        frame: &Frame,
        page: &impl Serialize,
    ) -> Result<String, tera::Error> {
        let mut context = Context::from_serialize(page)?;
        context.insert("frame", frame);
        self.0.render(name, &context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_templates_parse_and_none_is_forgotten() {
        Templates::new().unwrap();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(
            files,
            TEMPLATES.iter().map(|(name, _)| *name).collect::<Vec<_>>()
        );
    }

    #[test]
    fn no_template_carries_script_or_style_of_its_own() {
        for (name, text) in TEMPLATES {
            let lower = text.to_lowercase();
            for bad in [
                "<style",
                " style=",
                "javascript:",
                " onclick=",
                " onload=",
                " onsubmit=",
                "|safe",
                "| safe",
            ] {
                assert!(!lower.contains(bad), "{name} has {bad}");
            }
            for script in lower.match_indices("<script") {
                assert!(
                    lower[script.0..].starts_with("<script src="),
                    "{name} has a script inside"
                );
            }
        }
    }

    #[test]
    fn every_form_that_posts_carries_the_token() {
        for (name, text) in TEMPLATES {
            for (at, _) in text.match_indices("<form") {
                let form = &text[at..at + text[at..].find("</form>").expect(name)];
                let posts = form.contains("method=\"post\"");
                assert_eq!(posts, form.contains("name=\"_xsrf\""), "{name}: {form}");
            }
        }
    }

    #[test]
    fn contacts() {
        for (text, href) in [
            ("help@uni.example", Some("mailto:help@uni.example")),
            ("mailto:help@uni.example", Some("mailto:help@uni.example")),
            ("https://uni.example/help", Some("https://uni.example/help")),
            ("javascript:alert(1)", None),
            ("the help desk", None),
        ] {
            assert_eq!(
                Contact::parse(text).map(|contact| contact.href).as_deref(),
                href,
                "{text}"
            );
        }
    }
}
