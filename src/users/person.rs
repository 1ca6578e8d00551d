//! Someone who is to be added.

use crate::secret::Secret;

/// Someone to add, as the operator names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The user's name on the hub and the server.
    pub name: String,
    /// The password asked for; else one is made.
    pub password: Option<Secret>,
    /// Gets the hub's admin rights.
    pub admin: bool,
    /// For the hand-out alone; it never goes to the server, where everybody could read it.
    pub full_name: String,
    /// For the hand-out alone.
    pub email: String,
}

impl From<&str> for Person {
    fn from(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}
