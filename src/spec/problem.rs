//! What is wrong with a spec, where, and what to do about it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Where a value of the spec was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum Place {
    /// In a file: lines and columns count from 1, columns in characters.
    Text {
        #[serde(serialize_with = "text")]
        file: Arc<str>,
        line: usize,
        column: usize,
    },
    /// The file as a whole (it cannot be read, or a field is missing).
    File {
        #[serde(serialize_with = "text")]
        file: Arc<str>,
    },
    /// A command line argument, as it was given.
    Argument {
        #[serde(serialize_with = "text")]
        argument: Arc<str>,
    },
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl Place {
    /// The `n`th line (from 1) of a file, at its beginning.
    pub(super) fn line(file: &Arc<str>, line: usize, column: usize) -> Self {
        Self::Text {
            file: Arc::clone(file),
            line,
            column,
        }
    }

    pub(super) fn file(name: &str) -> Self {
        Self::File { file: name.into() }
    }

    pub(super) fn path(path: &Path) -> Self {
        Self::file(&path.display().to_string())
    }

    /// `hub.yaml`, or the argument.
    pub fn source(&self) -> &str {
        match self {
            Self::Text { file, .. } | Self::File { file } => file,
            Self::Argument { argument } => argument,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::File { file } => f.write_str(file),
            Self::Argument { argument } => f.write_str(argument),
        }
    }
}

/// One thing that is wrong. Displays as `hub.yaml:4:3: server.flavour: is not a field`, the hint indented below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub place: Place,
    /// The field, as `--set` takes it: `server.flavor`, `access.ssh[0]`. Empty for the document as a whole.
    pub path: String,
    /// What is the matter: a predicate to `path`.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn new(place: Place, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place,
            path: path.into(),
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

impl Problem {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.line(f)?;
        match &self.hint {
            Some(hint) => write!(f, "\n    {hint}"),
            None => Ok(()),
        }
    }
}

/// A file with more problems than this is not a spec; naming each would hide that.
const MOST_SHOWN: usize = 60;

/// Everything that is wrong with a spec, in the order of the file. Never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// `3 problems in hub.yaml`, for a heading.
    pub fn summary(&self) -> String {
        let mut sources: Vec<&str> = Vec::new();
        for problem in &self.0 {
            if !sources.contains(&problem.place.source()) {
                sources.push(problem.place.source());
            }
        }
        let count = match self.0.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        format!("{count} in {}", sources.join(", "))
    }

    pub(super) fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub(super) fn extend(&mut self, more: Self) {
        for problem in more.0 {
            self.push(problem);
        }
    }

    /// Orders them as they are read: `first`, other files by name, then the arguments as they were given; by line within.
    pub(super) fn sort(&mut self, first: &str, sets: &[String]) {
        let sets: Vec<String> = sets.iter().map(|set| super::set::shown(set)).collect();
        self.0.sort_by_cached_key(|problem| {
            let source = problem.place.source();
            let argument = sets.iter().position(|set| set == source).unwrap_or(0);
            let name = if source == first { "" } else { source };
            match &problem.place {
                Place::File { .. } => (0, name.to_owned(), 0, 0),
                Place::Text { line, column, .. } => (0, name.to_owned(), *line, *column),
                Place::Argument { .. } => (1, String::new(), argument, 0),
            }
        });
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index == MOST_SHOWN {
                return write!(
                    f,
                    "\n… and {} more: is it the right file?",
                    self.0.len() - index
                );
            }
            if index > 0 {
                f.write_str("\n")?;
            }
            // The same long hint under each of a row of lines would hide the lines.
            let before = index
                .checked_sub(1)
                .and_then(|before| self.0[before].hint.as_ref());
            match &problem.hint {
                Some(hint) if hint.len() > 100 && Some(hint) == before => problem.line(f)?,
                _ => problem.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
