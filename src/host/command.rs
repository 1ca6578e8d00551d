//! Command words and their quoting.

use std::fmt;

/// A remote command as words. Its text quotes each word for the remote shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
}

impl Command {
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            words: vec![program.into()],
        }
    }

    #[must_use]
    pub fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    #[must_use]
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.words.extend(words.into_iter().map(Into::into));
        self
    }

    /// The program alone, for messages: without `sudo` and its options.
    pub fn name(&self) -> String {
        self.words
            .iter()
            .find(|word| *word != "sudo" && !word.starts_with('-'))
            .cloned()
            .unwrap_or_default()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_more_into_them() {
        for (word, text) in [
            ("plain-1.0/x=y:z,@%+", "plain-1.0/x=y:z,@%+"),
            ("Ada Lovelace", "'Ada Lovelace'"),
            ("", "''"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("a;b", "'a;b'"),
            ("~root", "'~root'"),
            ("two\nlines", "'two\nlines'"),
            ("ümlaut", "'ümlaut'"),
        ] {
            assert_eq!(
                Command::new("echo").arg(word).to_string(),
                format!("echo {text}")
            );
        }
    }

    #[test]
    fn a_name_is_the_program_behind_sudo() {
        assert_eq!(
            Command::new("sudo").args(["-n", "python3", "-"]).name(),
            "python3"
        );
    }
}
