//! For tests: lets everyone in.

use async_trait::async_trait;
use subtle::ConstantTimeEq;

use super::{Identity, PasswordAuthenticator, Refusal};

/// Lets everyone in who knows the one password, or everyone.
pub struct Dummy {
    password: Option<String>,
}

impl Dummy {
    /// With that password for all; `None`: any.
    pub fn new(password: Option<String>) -> Self {
        Self { password }
    }
}

#[async_trait]
impl PasswordAuthenticator for Dummy {
    async fn authenticate(&self, name: &str, password: &str) -> Result<Identity, Refusal> {
        match &self.password {
            Some(right) if !bool::from(right.as_bytes().ct_eq(password.as_bytes())) => {
                Err(Refusal::Denied)
            }
            Some(_) | None => Ok(Identity::named(name)),
        }
    }
}
