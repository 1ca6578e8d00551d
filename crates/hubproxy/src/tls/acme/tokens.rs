//! What HTTP-01 (RFC 8555, 8.3) is answered.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Key authorizations by token, while an order is under way.
#[derive(Debug, Default)]
pub struct Tokens(RwLock<HashMap<String, String>>);

impl Tokens {
    /// The answer to a token.
    pub fn get(&self, token: &str) -> Option<String> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(token)
            .cloned()
    }

    /// Answers a token from now on.
    pub fn set(&self, token: &str, answer: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.to_owned(), answer.to_owned());
    }

    /// Answers it no more.
    pub fn remove(&self, token: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(token);
    }
}
