//! The hub's secret key, and the keys made from it: one for each purpose.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How many bytes a key has.
pub const LENGTH: usize = 32;

/// A key for one purpose. Its Debug shows nothing of it.
#[derive(Clone)]
pub struct Key([u8; LENGTH]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Key {
    /// A new key from the system's randomness.
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// A key that was kept, as [`Key::generate`] made it.
    pub fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The key for one purpose: what is signed for one can never pass for another.
    pub fn purpose(&self, purpose: &str) -> Self {
        Self(self.sign(&[purpose.as_bytes()]))
    }

    /// Signs the parts, each with its length, so that no two lists of parts sign alike.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; LENGTH] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `signature` is this key's of these parts, in constant time.
    pub fn verifies(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.sign(parts).ct_eq(signature).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_purposes_are_kept_apart() {
        let key = Key::generate();
        assert_ne!(key.sign(&[b"ab", b"c"]), key.sign(&[b"a", b"bc"]));
        assert_ne!(
            key.purpose("xsrf").sign(&[b"x"]),
            key.purpose("state").sign(&[b"x"])
        );
        assert!(key.verifies(&[b"x"], &key.sign(&[b"x"])));
        assert!(!key.verifies(&[b"x"], &key.sign(&[b"y"])));
        assert!(!key.verifies(&[b"x"], b""));
        assert!(!format!("{key:?}").contains(char::is_numeric));
    }
}
