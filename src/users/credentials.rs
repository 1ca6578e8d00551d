//! The credentials file: who logs in where with which password. Never forgets a row.

use std::collections::BTreeMap;

use super::UsersError;
use crate::secret::Secret;
use crate::state::{State, StateError};

/// The file in the deployment's state folder.
pub const FILE: &str = "credentials.csv";
const HEADER: &str = "url,user,password";

/// What one person needs to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub url: String,
    pub user: String,
    pub password: Secret,
}

/// The rows of the file, in the order people were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    rows: Vec<Credential>,
    /// Where each user's row is.
    places: BTreeMap<String, usize>,
}

impl Credentials {
    /// The file's rows; none where there is no file yet. A file that is not understood is an error: it would be
    /// written over, and the passwords in it exist nowhere else.
    pub fn load(state: &State) -> Result<Self, UsersError> {
        let Some(text) = state.read(FILE)? else {
            return Ok(Self::default());
        };
        Self::parse(&text).ok_or_else(|| UsersError::Credentials {
            path: state.path(FILE),
        })
    }

    /// Replaces the file (0600) unless it is the same.
    pub fn save(&self, state: &State) -> Result<(), StateError> {
        let text = self.text();
        if state.read(FILE)?.as_deref() == Some(text.as_str()) {
            return Ok(());
        }
        state.write(FILE, text.as_bytes())
    }

    pub fn rows(&self) -> &[Credential] {
        &self.rows
    }

    pub fn of(&self, user: &str) -> Option<&Credential> {
        self.rows.get(*self.places.get(user)?)
    }

    /// Adds a row; a row of the same user is replaced where it stands.
    pub fn put(&mut self, credential: Credential) {
        let next = self.rows.len();
        let place = *self.places.entry(credential.user.clone()).or_insert(next);
        match self.rows.get_mut(place) {
            Some(row) => *row = credential,
            None => self.rows.push(credential),
        }
    }

    pub fn remove(&mut self, user: &str) {
        if let Some(place) = self.places.remove(user) {
            self.rows.remove(place);
            for later in self.places.values_mut().filter(|later| **later > place) {
                *later -= 1;
            }
        }
    }

    /// All rows lead to `url`: the hub may have moved since they were written.
    pub fn lead_to(&mut self, url: &str) {
        for row in &mut self.rows {
            url.clone_into(&mut row.url);
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        for row in &self.rows {
            let fields = [&row.url, &row.user, row.password.reveal()].map(quoted);
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text
    }

    /// Reads what spreadsheets write as well: quotes, CRLF, a byte order mark, columns in another order.
    fn parse(text: &str) -> Option<Self> {
        let mut records = records(text.trim_start_matches('\u{feff}')).into_iter();
        let Some(header) = records.next() else {
            return Some(Self::default());
        };
        let column = |name: &str| {
            header
                .iter()
                .position(|field| field.trim().eq_ignore_ascii_case(name))
        };
        let (Some(user), Some(password)) = (column("user"), column("password")) else {
            return None;
        };
        let url = column("url");
        let mut found = Self::default();
        for record in records {
            let field = |place: usize| record.get(place).cloned().unwrap_or_default();
            if !field(user).is_empty() {
                found.put(Credential {
                    url: url.map(field).unwrap_or_default(),
                    user: field(user),
                    password: Secret::new(field(password)),
                });
            }
        }
        Some(found)
    }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The records of a CSV text (RFC 4180); empty lines are none.
fn records(text: &str) -> Vec<Vec<String>> {
    let mut records = Vec::new();
    let (mut record, mut field, mut inside) = (Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if inside && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => inside = !inside,
            ',' if !inside => record.push(std::mem::take(&mut field)),
            '\n' | '\r' if !inside => {
                if !(record.is_empty() && field.is_empty()) {
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
            }
            other => field.push(other),
        }
    }
    if !(record.is_empty() && field.is_empty()) {
        record.push(field);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn credential(user: &str, password: &str) -> Credential {
        Credential {
            url: "https://203.0.113.7/".to_owned(),
            user: user.to_owned(),
            password: Secret::new(password),
        }
    }

    #[test]
    fn earlier_rows_are_kept_in_order_and_the_file_is_private() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        let mut first = Credentials::load(&state).unwrap();
        first.put(credential("training01", "a-b-c-d-01"));
        first.save(&state).unwrap();
        let mut second = Credentials::load(&state).unwrap();
        second.put(credential("ada", "with,comma and \"quotes\""));
        second.save(&state).unwrap();
        let third = Credentials::load(&state).unwrap();
        assert_eq!(third, second);
        assert_eq!(
            state.read(FILE).unwrap().unwrap(),
            "url,user,password\nhttps://203.0.113.7/,training01,a-b-c-d-01\n\
             https://203.0.113.7/,ada,\"with,comma and \"\"quotes\"\"\"\n"
        );
        let mode = std::fs::metadata(state.path(FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{third:?}").contains("a-b-c-d-01"));
    }

    #[test]
    fn what_a_spreadsheet_saved_is_read() {
        let text = "\u{feff}Password,User,Group,URL\r\n\"x\",ada,red,https://a/\r\n\r\ny,bob,blue,https://a/\r\nz,ada,,";
        let found = Credentials::parse(text).unwrap();
        assert_eq!(found.rows().len(), 2);
        assert_eq!(found.of("ada").unwrap().password, Secret::new("z"));
        assert_eq!(found.of("bob").unwrap().url, "https://a/");
    }

    #[test]
    fn a_file_that_is_not_understood_is_not_written_over() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        state.write(FILE, b"training01;secret\n").unwrap();
        let error = Credentials::load(&state).unwrap_err();
        assert!(error.to_string().contains("credentials.csv"), "{error}");
    }
}
