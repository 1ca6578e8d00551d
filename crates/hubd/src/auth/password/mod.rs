//! The authenticator with passwords of its own: Argon2id hashes in a file, changed by the users themselves.

pub mod file;
pub mod hash;

use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;

use self::file::{Entries, Entry, FileError, Stamp};
use self::hash::{HashError, Hasher};
use super::{Identity, PasswordAuthenticator, Refusal};

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The new one will not do.
    #[error("{0}")]
    Unfit(String),
    /// The file cannot be written now.
    #[error("{0}")]
    Unavailable(String),
}

/// What there is against a new password, in words for its owner. `shortest` is in characters.
pub fn unfit(name: &str, present: &str, new: &str, shortest: usize) -> Option<String> {
    let length = new.chars().count();
    let without_name = new
        .to_lowercase()
        .replace(&name.to_lowercase(), "")
        .chars()
        .count();
    if length < shortest {
        Some(format!("a password has {shortest} characters at least"))
    } else if new.len() > hash::LONGEST {
        Some(format!("a password has {} bytes at most", hash::LONGEST))
    } else if new == present {
        Some("the new password is the old one: choose another".to_owned())
    } else if without_name + 4 < shortest {
        Some(
            "your name is the first thing that is guessed: choose a password without it".to_owned(),
        )
    } else if new.chars().all(|c| new.starts_with(c)) {
        Some("one character over and over is soon guessed: choose another password".to_owned())
    } else {
        None
    }
}

/// The characters of first-login secrets: none looks like another.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// A new first-login secret: three groups of four characters, 59 bits, easy to copy from paper.
pub fn first_secret() -> String {
    let mut secret = String::with_capacity(14);
    for at in 0..12 {
        if at == 4 || at == 8 {
            secret.push('-');
        }
        let index = rand::random_range(0..ALPHABET.len());
        secret.push(char::from(ALPHABET[index]));
    }
    secret
}

/// The password file, read anew when it has changed.
pub struct PasswordFile {
    path: PathBuf,
    shortest: usize,
    hasher: Hasher,
    seen: RwLock<(Option<Stamp>, Arc<Entries>)>,
}

impl PasswordFile {
    /// Reads the file; there may be none yet. A password that people choose has `shortest` characters at least.
    pub fn open(path: PathBuf, shortest: usize, hasher: Hasher) -> Result<Self, FileError> {
        let stamp = file::stamp(&path)?;
        let entries = Arc::new(file::read(&path)?);
        Ok(Self {
            path,
            shortest,
            hasher,
            seen: RwLock::new((stamp, entries)),
        })
    }

    /// How many characters a password that people choose has at least.
    pub fn shortest(&self) -> usize {
        self.shortest
    }

    /// Whether the user must choose a new password before anything else.
    pub fn must_change(&self, name: &str) -> bool {
        self.entry(name)
            .is_ok_and(|entry| entry.is_some_and(|entry| entry.must_change))
    }

    /// Whether the user has a password here.
    pub fn knows(&self, name: &str) -> bool {
        self.entry(name).is_ok_and(|entry| entry.is_some())
    }

    /// Changes a user's password, whose `present` one was looked at already.
    pub async fn change(&self, name: &str, present: &str, new: &str) -> Result<(), ChangeError> {
        match unfit(name, present, new, self.shortest) {
            Some(why) => Err(ChangeError::Unfit(why)),
            None => self.set(name, new, false).await,
        }
    }

    /// Gives a user a password, whatever it was before; a first-login secret if it `must_change`.
    pub async fn set(&self, name: &str, new: &str, must_change: bool) -> Result<(), ChangeError> {
        let unavailable = |e: String| ChangeError::Unavailable(e);
        let hash = self
            .hasher
            .hash(new)
            .await
            .map_err(|e| unavailable(e.to_string()))?;
        let entry = Entry { hash, must_change };
        let name = name.to_owned();
        self.edit(move |entries| {
            entries.insert(name, entry);
        })
        .await
    }

    /// Takes a user's password away.
    pub async fn remove(&self, name: &str) -> Result<(), ChangeError> {
        let name = name.to_owned();
        self.edit(move |entries| {
            entries.remove(&name);
        })
        .await
    }

    /// Gives a user's password to the name that the user has now.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), ChangeError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.edit(move |entries| {
            // A password of the new name was somebody else's.
            entries.remove(&to);
            if let Some(entry) = entries.remove(&from) {
                entries.insert(to, entry);
            }
        })
        .await
    }

    async fn edit(
        &self,
        change: impl FnOnce(&mut Entries) + Send + 'static,
    ) -> Result<(), ChangeError> {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let entries = file::update(&path, change)?;
            Ok::<_, FileError>((file::stamp(&path)?, Arc::new(entries)))
        });
        let seen = written
            .await
            .map_err(|e| ChangeError::Unavailable(e.to_string()))?
            .map_err(|e| ChangeError::Unavailable(e.to_string()))?;
        if let Ok(mut current) = self.seen.write() {
            *current = seen;
        }
        Ok(())
    }

    /// The user's entry. One `stat` tells whether the shell has changed the file; only then it is read again.
    fn entry(&self, name: &str) -> Result<Option<Entry>, FileError> {
        let stamp = file::stamp(&self.path)?;
        if let Ok(seen) = self.seen.read()
            && seen.0 == stamp
        {
            return Ok(seen.1.get(name).cloned());
        }
        let entries = Arc::new(file::read(&self.path)?);
        let entry = entries.get(name).cloned();
        if let Ok(mut seen) = self.seen.write() {
            *seen = (stamp, entries);
        }
        Ok(entry)
    }
}

#[async_trait]
impl PasswordAuthenticator for PasswordFile {
    async fn authenticate(&self, name: &str, password: &str) -> Result<Identity, Refusal> {
        let entry = self
            .entry(name)
            .map_err(|e| Refusal::Unavailable(e.to_string()))?;
        let right = self
            .hasher
            .verify(entry.as_ref().map(|entry| &*entry.hash), password)
            .await;
        match right {
            Ok(true) => Ok(Identity::named(name)),
            Ok(false) => Err(Refusal::Denied),
            Err(error @ (HashError::Busy | HashError::Broken(_))) => {
                Err(Refusal::Unavailable(error.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(folder: &tempfile::TempDir) -> PasswordFile {
        PasswordFile::open(folder.path().join("passwords"), 8, Hasher::new().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_first_login_secret_lasts_until_it_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        let passwords = passwords(&folder);
        assert!(matches!(
            passwords.authenticate("alice", "first").await,
            Err(Refusal::Denied)
        ));
        passwords.set("alice", "first-secret", true).await.unwrap();
        assert_eq!(
            passwords
                .authenticate("alice", "first-secret")
                .await
                .unwrap(),
            Identity::named("alice")
        );
        assert!(
            passwords.must_change("alice") && passwords.knows("alice") && !passwords.knows("bob")
        );

        let short = passwords.change("alice", "first-secret", "short").await;
        assert!(matches!(short, Err(ChangeError::Unfit(_))));
        passwords
            .change("alice", "first-secret", "a new password")
            .await
            .unwrap();
        assert!(!passwords.must_change("alice"));
        assert!(
            passwords
                .authenticate("alice", "a new password")
                .await
                .is_ok()
        );
        assert!(matches!(
            passwords.authenticate("alice", "first-secret").await,
            Err(Refusal::Denied)
        ));
    }

    #[tokio::test]
    async fn what_the_shell_writes_counts_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (hub, shell) = (passwords(&folder), passwords(&folder));
        shell.set("bob", "from the shell", false).await.unwrap();
        assert!(hub.authenticate("bob", "from the shell").await.is_ok());
        shell.remove("bob").await.unwrap();
        assert!(matches!(
            hub.authenticate("bob", "from the shell").await,
            Err(Refusal::Denied)
        ));
    }

    #[tokio::test]
    async fn a_broken_file_lets_nobody_in_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let passwords = passwords(&folder);
        passwords.set("bob", "some password", false).await.unwrap();
        std::fs::write(folder.path().join("passwords"), "bob:plaintext\n").unwrap();
        let refusal = passwords.authenticate("bob", "plaintext").await;
        assert!(matches!(refusal, Err(Refusal::Unavailable(why)) if why.contains("line 1")));
    }

    #[tokio::test]
    async fn a_password_goes_with_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let passwords = passwords(&folder);
        passwords.set("ada", "of ada's", false).await.unwrap();
        passwords
            .set("grace", "of an old grace's", false)
            .await
            .unwrap();
        passwords.rename("ada", "grace").await.unwrap();
        assert!(!passwords.knows("ada"));
        assert!(passwords.authenticate("grace", "of ada's").await.is_ok());
        passwords.rename("nobody", "grace").await.unwrap();
        assert!(!passwords.knows("grace"), "the new grace has none");
    }

    #[test]
    fn first_secrets_are_easy_to_copy_and_never_the_same() {
        let (one, other) = (first_secret(), first_secret());
        assert_ne!(one, other);
        assert_eq!(one.len(), 14);
        let good = |part: &str| part.len() == 4 && part.bytes().all(|c| ALPHABET.contains(&c));
        assert!(one.split('-').all(good), "{one}");
    }

    #[test]
    fn what_will_not_do_as_a_password() {
        for (name, present, new, fit) in [
            ("alice", "old password", "a new password", true),
            ("", "old", "a new password", true),
            ("alice", "old", "1234567", false),
            ("alice", "old", "ééééééé", false),
            ("alice", "old", "éééééééà", true),
            ("alice", "old password", "old password", false),
            ("alice", "old", "alice123", false),
            ("al", "old", "alalalal", false),
            ("alice", "old", "Alice's summer holiday", true),
            ("alice", "old", "aaaaaaaaaaaa", false),
        ] {
            assert_eq!(unfit(name, present, new, 8).is_none(), fit, "{new}");
        }
        assert!(unfit("a", "b", &"x y".repeat(400), 8).is_some());
    }
}
