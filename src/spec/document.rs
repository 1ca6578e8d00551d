//! The text of a `hub.yaml` and where it came from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::problem::{Place, Problem, Problems};

/// Nobody's `hub.yaml` is larger; a video given by mistake is.
const LARGEST: u64 = 1024 * 1024;

/// A document that has been read and not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What problems call it: the path as it was given, or `stdin`.
    pub name: String,
    pub text: String,
    /// Where its relative paths start.
    pub folder: PathBuf,
    /// What `~/` stands for in its paths.
    pub home: Option<PathBuf>,
    /// The time, to tell whether a certificate has expired; without it that is not looked at.
    pub now: Option<OffsetDateTime>,
}

impl Document {
    /// A text that is no file, such as standard input. Its relative paths start in `folder`.
    pub fn new(
        name: impl Into<String>,
        text: impl Into<String>,
        folder: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            folder: folder.into(),
            home: None,
            now: None,
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let text = read(path).map_err(|(message, hint)| {
            let hint = if path.is_dir() {
                format!("give the file: {}", path.join("hub.yaml").display())
            } else {
                hint
            };
            Problem::new(Place::path(path), "", message).hint(hint)
        })?;
        Ok(Self::new(
            path.display().to_string(),
            text,
            path.parent().unwrap_or(Path::new("")),
        ))
    }

    /// Says what `~/` stands for.
    #[must_use]
    pub fn with_home(mut self, home: Option<PathBuf>) -> Self {
        self.home = home;
        self
    }

    /// Says what time it is.
    #[must_use]
    pub fn with_now(mut self, now: OffsetDateTime) -> Self {
        self.now = Some(now);
        self
    }
}

/// A text file's content; else what is wrong with it and what to do.
pub(super) fn read(path: &Path) -> Result<String, (String, String)> {
    let size = fs::metadata(path).map_err(|error| explain(&error))?;
    if size.is_dir() {
        return Err(("is a folder".to_owned(), "give the file".to_owned()));
    }
    if size.len() > LARGEST {
        return Err((
            format!(
                "has {} MiB, too much for a spec",
                size.len() / (1024 * 1024)
            ),
            "is it the right file?".to_owned(),
        ));
    }
    let bytes = fs::read(path).map_err(|error| explain(&error))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        (
            format!("is not UTF-8 text, first in line {line}"),
            "save it as UTF-8 in your editor".to_owned(),
        )
    })
}

fn explain(error: &io::Error) -> (String, String) {
    match error.kind() {
        io::ErrorKind::NotFound => (
            "does not exist".to_owned(),
            "`hubctl init` writes one".to_owned(),
        ),
        io::ErrorKind::PermissionDenied => (
            "may not be read by you".to_owned(),
            "look at it with `ls -l`".to_owned(),
        ),
        _ => (
            format!("cannot be read: {error}"),
            "look at it with `ls -l`".to_owned(),
        ),
    }
}
