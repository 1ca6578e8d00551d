//! What is handed out: one page of slips to print and cut, a person each, from the credentials file.

mod qr;

use std::io;
use std::path::Path;

use serde::Serialize;
use tera::Tera;
use url::Url;

use crate::state::{self, Certificate, State, StateError};
use crate::users::Credentials;
use crate::users::credentials::Note;

/// The page in the deployment's state folder.
pub const FILE: &str = "handout.html";
const TEMPLATE: &str = include_str!("page.html.tera");
/// By which our own page is told from somebody else's file.
const MARK: &str = "<!-- hubctl hand-out -->";

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum HandoutError {
    #[error("{} is there already, and is no hand-out", path.display())]
    Foreign { path: std::path::PathBuf },
    #[error("{action} {}", path.display())]
    Io {
        action: &'static str,
        path: std::path::PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{url} is no address that a slip can lead to")]
    Url { url: String },
    #[error("rendering the hand-out")]
    Render(#[source] Box<tera::Error>),
    #[error(transparent)]
    State(#[from] StateError),
}

impl HandoutError {
    pub fn hint(&self) -> String {
        match self {
            Self::Foreign { path } => {
                format!("name another file, or move {} away", path.display())
            }
            Self::Io { path, .. } => format!(
                "check that the folder of {} exists, is yours and has room",
                path.display()
            ),
            Self::Url { .. } => {
                "`hubctl provision` finds out where the hub is; then run this again".to_owned()
            }
            Self::Render(_) => "report this; credentials.csv has all that is on it".to_owned(),
            Self::State(error) => error.hint(),
        }
    }
}

/// What the page says of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    /// The deployment's name.
    pub name: String,
    pub url: String,
    pub certificate: Certificate,
}

#[derive(Serialize)]
struct Slip<'a> {
    user: &'a str,
    /// The user's name has no room beside the code in the usual size.
    is_long: bool,
    full_name: &'a str,
    /// `None` for one whose password is known to nobody but them.
    password: Option<&'a str>,
}

/// The page for everybody in the file who can log in. Nothing on it comes from elsewhere.
pub fn page(hub: &Hub, credentials: &Credentials) -> Result<String, HandoutError> {
    let wrong_url = || HandoutError::Url {
        url: hub.url.clone(),
    };
    let login = Url::parse(&hub.url)
        .and_then(|url| url.join("hub/login"))
        .map_err(|_| wrong_url())?;
    let code = qr::svg(login.as_str()).ok_or_else(wrong_url)?;
    let slips: Vec<Slip> = credentials
        .rows()
        .iter()
        .filter(|row| matches!(row.note, Note::None | Note::Changed))
        .map(|row| Slip {
            user: &row.user,
            is_long: row.user.len() > 22,
            full_name: &row.full_name,
            password: (row.note == Note::None).then(|| row.password.reveal()),
        })
        .collect();
    let left_out: Vec<String> = credentials
        .noted()
        .filter(|row| row.note != Note::Changed)
        .map(|row| format!("{} ({})", row.user, row.note.text()))
        .collect();
    let mut context = tera::Context::new();
    context.insert("mark", MARK);
    context.insert("name", &hub.name);
    context.insert("url", hub.url.trim_end_matches('/'));
    context.insert(
        "own_certificate",
        &(hub.certificate == Certificate::Deployment),
    );
    context.insert("code_size", &code.size);
    context.insert("code_path", &code.path);
    context.insert("slips", &slips);
    context.insert("left_out", &left_out);
    let render = || {
        let mut tera = Tera::new();
        tera.autoescape_on(vec![".html"]);
        tera.add_raw_template("page.html", TEMPLATE)?;
        tera.render("page.html", &context)
    };
    render().map_err(|error| HandoutError::Render(Box::new(error)))
}

/// Writes the page (0600) into the state folder, and to `copy` where that is asked for.
pub fn write(
    state: &State,
    hub: &Hub,
    credentials: &Credentials,
    copy: Option<&Path>,
) -> Result<(), HandoutError> {
    let page = page(hub, credentials)?;
    state.write(FILE, page.as_bytes())?;
    let Some(path) = copy else { return Ok(()) };
    check(path)?;
    state::write_private(path, page.as_bytes()).map_err(|source| HandoutError::Io {
        action: "writing",
        path: path.to_owned(),
        source,
    })
}

/// Whether a page can be written there: before anything is done that it would have to tell of.
pub fn check(path: &Path) -> Result<(), HandoutError> {
    let failed = |action| {
        move |source| HandoutError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    };
    let foreign = || HandoutError::Foreign {
        path: path.to_owned(),
    };
    match std::fs::read_to_string(path) {
        Ok(text) if text.contains(MARK) => Ok(()),
        Ok(_) => Err(foreign()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(foreign()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("reading")(error)),
        Err(_) => std::fs::read_dir(state::folder_of(path))
            .map(drop)
            .map_err(failed("writing")),
    }
}

#[cfg(test)]
mod tests;
