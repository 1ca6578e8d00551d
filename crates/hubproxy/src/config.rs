//! Reading a TOML file strictly: every problem at once, each with its line and path.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hub_api::proxy::LogLevel;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::settings::Note;

/// Something wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1; none for a command line.
    pub line: Option<usize>,
    /// The field (`tls.files[0].key`) or option (`--ssl-key`); empty if the file as a whole is meant.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Problems as they are found, with the lines of the fields they are about.
#[derive(Debug, Default)]
pub struct Problems {
    lines: BTreeMap<String, usize>,
    found: Vec<Problem>,
    notes: Vec<Note>,
}

impl Problems {
    /// Adds a problem with the field at `path`; a field that is not written is shown at the table it belongs to.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        let path = path.into();
        let mut at = path.as_str();
        let line = loop {
            match self.lines.get(at) {
                Some(line) => break Some(*line),
                None => match at.rfind(['.', '[']) {
                    Some(end) => at = &at[..end],
                    None => break None,
                },
            }
        };
        self.found.push(Problem {
            line,
            path,
            message: message.into(),
        });
    }

    /// Notes that others may read a file that holds a secret.
    pub fn note_if_open(&mut self, path: &str, file: &Path) {
        if std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
        {
            let text = format!("{path}: others may read {}: chmod o= it", file.display());
            self.notes.push(Note {
                level: LogLevel::Warn,
                text,
            });
        }
    }

    /// What is not wrong but should be said.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All problems, in the order of the file.
    pub fn into_vec(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.line);
        self.found
    }
}

/// Reads `text`. What comes back with the value knows the lines of its fields.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<(T, Problems), Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: toml::de::Error| Problem {
            line: error.span().map(|span| line_of(text, span.start)),
            path: String::new(),
            message: error.message().to_owned(),
        };
        return Err(errors.into_iter().map(problem).collect());
    }
    let mut fields = Vec::new();
    collect(table.get_ref(), "", &mut fields);
    let mut problems = Problems {
        lines: fields
            .iter()
            .map(|field| (field.path.clone(), line_of(text, field.key.start)))
            .collect(),
        found: Vec::new(),
        notes: Vec::new(),
    };

    // serde stops at the first error: note it, take the field out, and try again without it.
    let mut rest = table;
    let mut removed: Vec<String> = Vec::new();
    loop {
        let error = match T::deserialize(toml::de::Deserializer::from(rest.clone())) {
            Ok(value) if problems.is_empty() => return Ok((value, problems)),
            Ok(_) => return Err(problems.into_vec()),
            Err(error) => error,
        };
        let at = error
            .span()
            .and_then(|span| innermost(&fields, &removed, &span));
        let path = at.clone().unwrap_or_default();
        // A field that was taken out for its own problem is not missing.
        let missing = error
            .message()
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next());
        let is_echo = missing.is_some_and(|field| removed.contains(&join(&path, field)));
        if !is_echo {
            problems.add(path.clone(), error.message().trim_end());
        }
        match at {
            Some(path) if remove(rest.get_mut(), &path) => removed.push(path),
            _ => return Err(problems.into_vec()),
        }
    }
}

struct Field {
    path: String,
    key: Range<usize>,
    value: Range<usize>,
}

fn collect(table: &DeTable<'_>, at: &str, fields: &mut Vec<Field>) {
    for (key, value) in table {
        let path = join(at, key.get_ref());
        fields.push(Field {
            path: path.clone(),
            key: key.span(),
            value: value.span(),
        });
        collect_value(value, &path, fields);
    }
}

fn collect_value(value: &Spanned<DeValue<'_>>, path: &str, fields: &mut Vec<Field>) {
    match value.get_ref() {
        DeValue::Table(table) => collect(table, path, fields),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                fields.push(Field {
                    path: path.clone(),
                    key: item.span(),
                    value: item.span(),
                });
                collect_value(item, &path, fields);
            }
        }
        _ => {}
    }
}

/// The deepest field that is still there and that an error is about.
fn innermost(fields: &[Field], removed: &[String], span: &Range<usize>) -> Option<String> {
    let within = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
    fields
        .iter()
        .filter(|field| within(&field.key) || within(&field.value))
        .filter(|field| !removed.contains(&field.path))
        .max_by_key(|field| {
            (
                field.path.matches(['.', '[']).count(),
                std::cmp::Reverse(field.value.len()),
            )
        })
        .map(|field| field.path.clone())
}

/// Takes the field out. Of an array, the whole goes: the numbers of its other items stay true.
fn remove(table: &mut DeTable<'_>, path: &str) -> bool {
    let (key, rest) = match path.find(['.', '[']) {
        None => return table.remove(path).is_some(),
        Some(end) => path.split_at(end),
    };
    let Some(value) = table.get_mut(key) else {
        return false;
    };
    match (value.get_mut(), rest.strip_prefix('.')) {
        (DeValue::Table(inner), Some(rest)) => remove(inner, rest),
        _ => table.remove(key).is_some(),
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() {
        key.to_owned()
    } else {
        format!("{at}.{key}")
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
mod tests {
    use hub_api::proxy::File;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read::<File>(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn every_problem_is_said_at_once_with_line_and_path() {
        let found = problems(
            "worker = 3\n\
             drain_seconds = \"long\"\n\
             [http]\n\
             listen = [\"0.0.0.0:80\", \"eighty\"]\n\
             [limits]\n\
             headers = -1\n\
             [tls.acme]\n\
             names = [\"hub.example.org\"]\n\
             stagin = true\n",
        );
        let starts = |prefix: &str| found.iter().any(|line| line.starts_with(prefix));
        assert!(starts("line 1: worker: unknown field"), "{found:#?}");
        assert!(starts("line 2: drain_seconds: invalid type"), "{found:#?}");
        assert!(
            starts("line 4: http.listen: \"eighty\" is not an address"),
            "{found:#?}"
        );
        assert!(starts("line 6: limits.headers: "), "{found:#?}");
        assert!(
            starts("line 7: tls.acme: missing field `storage`"),
            "{found:#?}"
        );
        assert!(
            starts("line 9: tls.acme.stagin: unknown field"),
            "{found:#?}"
        );
        assert_eq!(found.len(), 6, "{found:#?}");
    }

    #[test]
    fn bad_syntax_has_its_line() {
        let found = problems("workers = 1\nhttp = [\n");
        assert!(found[0].starts_with("line "), "{found:?}");
    }

    #[test]
    fn a_field_that_is_not_there_is_shown_at_its_table() {
        let (_, mut problems) =
            read::<File>("workers = 1\n[tls]\n[[tls.files]]\ncertificate=\"/c\"\nkey=\"/k\"")
                .unwrap();
        problems.add("tls.files[0].key_passphrase_file", "wanted");
        problems.add("https", "wanted");
        let found: Vec<_> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "https: wanted",
                "line 3: tls.files[0].key_passphrase_file: wanted"
            ]
        );
    }

    #[test]
    fn what_hubctl_writes_reads_back() {
        let text = "[http]\nlisten = [\"[::]:80\"]\n[https]\nlisten = [\"[::]:443\"]\n[tls.acme]\nnames = [\"a.example\"]\n\
                    storage = \"/var/lib/hubproxy/acme\"\n[api]\nlisten = \"unix:/run/hubproxy/api.sock\"\n";
        let (file, _) = read::<File>(text).unwrap();
        let written = toml::to_string(&file).unwrap();
        let (again, _) =
            read::<File>(&written).unwrap_or_else(|found| panic!("{found:?} in\n{written}"));
        assert_eq!(again, file);
    }
}
