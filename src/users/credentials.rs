//! The credentials file: who logs in where with which password. Never forgets a row.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Account, PasswordState, Person, UsersError};
use crate::secret::Secret;
use crate::state::{State, StateError};

/// The file in the deployment's state folder.
pub const FILE: &str = "credentials.csv";
const HEADER: [&str; 6] = ["url", "user", "password", "full_name", "email", "note"];

/// What one person needs to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub url: String,
    pub user: String,
    pub password: Secret,
    /// What the person is called, where that is known.
    pub full_name: String,
    pub email: String,
    pub note: Note,
}

impl Default for Credential {
    fn default() -> Self {
        Self {
            url: String::new(),
            user: String::new(),
            password: Secret::new(""),
            full_name: String::new(),
            email: String::new(),
            note: Note::None,
        }
    }
}

/// What was seen on the server that makes a row hold no longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// It holds.
    #[default]
    None,
    /// The password is another now.
    Changed,
    /// The account was locked.
    Locked,
    /// There is no such account.
    NoAccount,
}

impl Note {
    pub fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Changed => "password changed on the server",
            Self::Locked => "account locked on the server",
            Self::NoAccount => "account removed on the server",
        }
    }

    fn of_text(text: &str) -> Self {
        [Self::Changed, Self::Locked, Self::NoAccount]
            .into_iter()
            .find(|note| note.text() == text)
            .unwrap_or_default()
    }
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
        if state.read(FILE)?.map(String::into_bytes).as_ref() == Some(&text) {
            return Ok(());
        }
        state.write(FILE, &text)
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

    /// Writes down what was done by hand on the server: a password that is another, an account that is gone.
    pub fn note(&mut self, accounts: &[Account]) {
        let found: BTreeMap<&str, &Account> = accounts
            .iter()
            .map(|account| (account.name.as_str(), account))
            .collect();
        for row in &mut self.rows {
            row.note = match found.get(row.user.as_str()).map(|account| account.password) {
                None => Note::NoAccount,
                Some(PasswordState::Changed) => Note::Changed,
                Some(PasswordState::Locked) => Note::Locked,
                Some(_) => Note::None,
            };
        }
    }

    /// Rows that hold no longer.
    pub fn noted(&self) -> impl Iterator<Item = &Credential> {
        self.rows.iter().filter(|row| row.note != Note::None)
    }

    /// What is known of a person besides the account, where a list said it.
    pub fn describe(&mut self, person: &Person) {
        if let Some(row) = self
            .places
            .get(&person.name)
            .and_then(|place| self.rows.get_mut(*place))
        {
            for (new, known) in [
                (&person.full_name, &mut row.full_name),
                (&person.email, &mut row.email),
            ] {
                if !new.is_empty() {
                    new.clone_into(known);
                }
            }
        }
    }

    /// All rows lead to `url`: the hub may have moved since they were written.
    pub fn lead_to(&mut self, url: &str) {
        for row in &mut self.rows {
            url.clone_into(&mut row.url);
        }
    }

    fn text(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = self.rows.iter().map(|row| {
            [
                &row.url,
                &row.user,
                row.password.reveal(),
                &row.full_name,
                &row.email,
                row.note.text(),
            ]
        });
        for row in std::iter::once(HEADER).chain(rows) {
            #[expect(clippy::expect_used, reason = "memory is written to")]
            writer.write_record(row).expect("six fields");
        }
        writer.into_inner().unwrap_or_default()
    }

    /// Reads what spreadsheets write as well: quotes, CRLF, a byte order mark, columns in another order.
    fn parse(text: &str) -> Option<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader.headers().ok()?.clone();
        if header.is_empty() {
            return Some(Self::default());
        }
        let column = |name: &str| {
            header
                .iter()
                .position(|field| field.trim().eq_ignore_ascii_case(name))
        };
        let (Some(user), Some(password)) = (column("user"), column("password")) else {
            return None;
        };
        let [url, full_name, email, note] = ["url", "full_name", "email", "note"].map(column);
        let mut found = Self::default();
        for record in reader.records() {
            let record = record.ok()?;
            let field = |place: Option<usize>| {
                let text = place.and_then(|place| record.get(place));
                text.unwrap_or_default().to_owned()
            };
            if !field(Some(user)).is_empty() {
                found.put(Credential {
                    url: field(url),
                    user: field(Some(user)),
                    password: Secret::new(field(Some(password))),
                    full_name: field(full_name),
                    email: field(email),
                    note: Note::of_text(&field(note)),
                });
            }
        }
        Some(found)
    }
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
            ..Credential::default()
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
            "url,user,password,full_name,email,note\nhttps://203.0.113.7/,training01,a-b-c-d-01,,,\n\
             https://203.0.113.7/,ada,\"with,comma and \"\"quotes\"\"\",,,\n"
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
