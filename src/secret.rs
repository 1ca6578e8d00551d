//! Values that must never be seen: passwords, tokens, private keys.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// A secret text. `Debug` and `Display` print `***`; the memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The secret itself, for the one place that sends it. Easy to find by its name.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// `bytes` random bytes from the operating system, as lowercase hexadecimal.
    pub fn random_hex(bytes: usize) -> Self {
        use rand::TryRng;
        let mut buffer = vec![0_u8; bytes];
        #[expect(
            clippy::expect_used,
            reason = "a system without randomness cannot go on"
        )]
        rand::rngs::SysRng
            .try_fill_bytes(&mut buffer)
            .expect("the operating system gives random bytes");
        Self::new(
            buffer
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        )
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_it() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "Secret(***) ***");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn random_is_as_long_as_asked_and_never_the_same() {
        let (a, b) = (Secret::random_hex(16), Secret::random_hex(16));
        assert_eq!(a.reveal().len(), 32);
        assert_ne!(a, b);
    }
}
