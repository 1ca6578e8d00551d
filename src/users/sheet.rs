//! A list of people as a spreadsheet saves it (`people.csv`), read strictly: every problem at once, with its line.

use std::collections::BTreeMap;

use super::names;
use super::person::Person;
use crate::secret::Secret;

/// What the first line may name, each with other words for it.
const COLUMNS: [(&str, &[&str]); 5] = [
    ("name", &["user", "username", "login"]),
    ("password", &[]),
    ("admin", &[]),
    ("full_name", &["full name", "fullname", "person"]),
    ("email", &["e-mail", "mail", "address"]),
];
const YES: [&str; 5] = ["yes", "true", "1", "x", "admin"];
const NO: [&str; 4] = ["no", "false", "0", ""];
/// A password that is given has so many letters.
const PASSWORD: std::ops::RangeInclusive<usize> = 8..=128;
/// Nobody is called longer than this.
const LONGEST_TEXT: usize = 200;

/// One thing that is wrong with the list. Never tells a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct SheetProblem {
    /// Counted from one, as editors do.
    pub line: u64,
    pub message: String,
    pub hint: Option<String>,
}

struct Reading {
    problems: Vec<SheetProblem>,
}

impl Reading {
    fn problem(&mut self, line: u64, message: impl Into<String>, hint: Option<String>) {
        self.problems.push(SheetProblem {
            line,
            message: message.into(),
            hint,
        });
    }
}

/// Reads the list. Its first line names the columns, `name` among them; commas, semicolons or tabs separate.
pub fn read(bytes: &[u8]) -> Result<Vec<Person>, Vec<SheetProblem>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reading = Reading {
        problems: Vec::new(),
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
            reading.problem(
                line,
                "is not UTF-8",
                Some("save the list as CSV UTF-8".to_owned()),
            );
            return Err(reading.problems);
        }
    };
    let people = reading.people(text);
    if people.is_empty() && reading.problems.is_empty() {
        reading.problem(1, "there is nobody in the list", Some(shape()));
    }
    if reading.problems.is_empty() {
        Ok(people)
    } else {
        reading.problems.sort_by_key(|problem| problem.line);
        Err(reading.problems)
    }
}

fn shape() -> String {
    "the first line names the columns: name, and if you like password, admin, full_name, email"
        .to_owned()
}

/// What separates the fields of the first line.
fn separator(text: &str) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let first = first.unwrap_or_default();
    [b',', b';', b'\t']
        .into_iter()
        .max_by_key(|separator| first.bytes().filter(|byte| byte == separator).count())
        .filter(|separator| first.bytes().any(|byte| byte == *separator))
        .unwrap_or(b',')
}

/// Where a record begins: its position is before the empty lines above it.
fn line_of(text: &str, at: &csv::Position) -> u64 {
    let place = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let empty = text
        .bytes()
        .skip(place)
        .take_while(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|byte| *byte == b'\n');
    at.line() + empty.count() as u64
}

impl Reading {
    fn people(&mut self, text: &str) -> Vec<Person> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(separator(text))
            .from_reader(text.as_bytes());
        let mut columns: Option<Vec<&'static str>> = None;
        let mut people = Vec::new();
        let mut lines: BTreeMap<String, u64> = BTreeMap::new();
        let mut passwords: BTreeMap<String, u64> = BTreeMap::new();
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = error.position().map_or(1, csv::Position::line);
                    self.problem(line, format!("cannot be read: {error}"), None);
                    continue;
                }
            };
            let line = record.position().map_or(1, |at| line_of(text, at));
            if record.iter().all(str::is_empty) {
                continue;
            }
            let Some(columns) = &columns else {
                let Some(found) = self.columns(line, &record) else {
                    return Vec::new();
                };
                columns = Some(found);
                continue;
            };
            if record.len() != columns.len() {
                self.problem(
                    line,
                    format!(
                        "has {} fields, the first line {}",
                        record.len(),
                        columns.len()
                    ),
                    Some("put what has a separator in it between double quotes".to_owned()),
                );
                continue;
            }
            let person = self.person(line, columns, &record);
            if let Some(first) = lines.insert(person.name.clone(), line)
                && !person.name.is_empty()
            {
                self.problem(
                    line,
                    format!("{} is in line {first} already", person.name),
                    None,
                );
            }
            if let Some(password) = &person.password
                && let Some(first) = passwords.insert(password.reveal().to_owned(), line)
            {
                self.problem(
                    line,
                    format!("has the password of line {first}"),
                    Some("leave the field empty, and one of its own is made".to_owned()),
                );
            }
            people.push(person);
        }
        people
    }

    fn columns(&mut self, line: u64, record: &csv::StringRecord) -> Option<Vec<&'static str>> {
        let before = self.problems.len();
        let mut columns = Vec::new();
        for field in record {
            let word = field.to_lowercase();
            let known = COLUMNS
                .iter()
                .find(|(name, others)| *name == word || others.contains(&word.as_str()));
            match known {
                None => self.problem(
                    line,
                    format!("{field:?} is no column that is known"),
                    Some(shape()),
                ),
                Some((name, _)) if columns.contains(name) => {
                    self.problem(line, format!("the column {name} is there twice"), None);
                }
                Some((name, _)) => columns.push(*name),
            }
        }
        if self.problems.len() == before && !columns.contains(&"name") {
            self.problem(line, "no column is called name", Some(shape()));
        }
        (self.problems.len() == before).then_some(columns)
    }

    fn person(&mut self, line: u64, columns: &[&str], record: &csv::StringRecord) -> Person {
        let mut person = Person::default();
        for (column, field) in columns.iter().zip(record) {
            match *column {
                "name" => {
                    if let Err(problem) = names::check(field) {
                        self.problem(line, problem.to_string(), Some(problem.hint));
                    }
                    field.clone_into(&mut person.name);
                }
                "password" if field.is_empty() => {}
                "password" => {
                    if let Some(why) = weakness(field) {
                        self.problem(line, why, None);
                    }
                    person.password = Some(Secret::new(field));
                }
                "admin" => {
                    let word = field.to_lowercase();
                    person.admin = YES.contains(&word.as_str());
                    if !person.admin && !NO.contains(&word.as_str()) {
                        self.problem(line, format!("admin is {field:?}, not yes or no"), None);
                    }
                }
                other => {
                    if field.len() > LONGEST_TEXT || field.chars().any(char::is_control) {
                        self.problem(
                            line,
                            format!("{other} is longer than {LONGEST_TEXT} letters or has control characters"),
                            None,
                        );
                    }
                    let place = if other == "email" {
                        &mut person.email
                    } else {
                        &mut person.full_name
                    };
                    field.clone_into(place);
                }
            }
        }
        person
    }
}

/// Why a password must not be given, without telling it.
fn weakness(password: &str) -> Option<String> {
    let length = password.chars().count();
    if !PASSWORD.contains(&length) {
        return Some(format!(
            "the password has {length} letters; {} to {} can be",
            PASSWORD.start(),
            PASSWORD.end()
        ));
    }
    password
        .chars()
        .any(char::is_control)
        .then(|| "the password has control characters in it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_spreadsheets_save_it() {
        let full = Person {
            name: "ada".into(),
            password: Some(Secret::new("correct horse")),
            admin: true,
            full_name: "Lovelace, Ada".into(),
            email: "ada@example.org".into(),
        };
        let plain = Person::from("bob");
        for text in [
            "name,password,admin,full_name,email\nada,correct horse,yes,\"Lovelace, Ada\",ada@example.org\nbob,,,,\n",
            "\u{feff}User;Password;Admin;Full name;E-Mail\r\nada;correct horse;x;Lovelace, Ada;ada@example.org\r\n\r\nbob;;no;;\r\n",
            "email\tadmin\tname\tfull_name\tpassword\nada@example.org\tTRUE\tada\tLovelace, Ada\tcorrect horse\n\tfalse\tbob\t\t\n\t\t\t\t\n",
        ] {
            let found = read(text.as_bytes()).unwrap();
            assert_eq!(found, [full.clone(), plain.clone()], "{text}");
        }
        assert_eq!(read(b"name\nada\n").unwrap(), [Person::from("ada")]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_line() {
        let text = "name,password,admin\nada,short,no\nRoot,,maybe\n\nada,correct horse,no\nbob,correct horse,no\ncarl,x\n";
        let problems: Vec<String> = read(text.as_bytes())
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            problems,
            [
                "line 2: the password has 5 letters; 8 to 128 can be",
                "line 3: \"Root\" has 'R' in it",
                "line 3: admin is \"maybe\", not yes or no",
                "line 5: ada is in line 2 already",
                "line 6: has the password of line 5",
                "line 7: has 2 fields, the first line 3",
            ]
        );
        assert!(problems.iter().all(|text| !text.contains("correct horse")));
    }

    #[test]
    fn a_list_without_its_first_line_is_not_guessed_at() {
        for (text, expected) in [
            (
                &b"ada,secret\nbob,secret\n"[..],
                "line 1: \"ada\" is no column that is known",
            ),
            (b"", "line 1: there is nobody in the list"),
            (b"name\n\n", "line 1: there is nobody in the list"),
            (b"password\nx\n", "line 1: no column is called name"),
            (
                b"name,user\nx,y\n",
                "line 1: the column name is there twice",
            ),
            (b"name\nzo\xeb\n", "line 2: is not UTF-8"),
        ] {
            let problems = read(text).unwrap_err();
            assert_eq!(problems[0].to_string(), expected);
            assert!(problems[0].hint.is_some() || expected.contains("twice"));
        }
    }
}
