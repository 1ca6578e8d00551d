//! The end of everybody's logins.

use serde::Deserialize;

use super::remote::{Conversation, Root};
use super::{Settings, UsersError, WITHIN};

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LoggedOut {
    /// The hub is one that can be told to.
    pub logged_out: bool,
    /// Why it did not, where it did not.
    pub left: Option<String>,
}

/// Logs everybody out of every browser, in one exchange. Servers run on, and tokens that people made stay.
pub async fn log_out(root: &dyn Root) -> Result<LoggedOut, UsersError> {
    let talk = Conversation::open(root, &Settings::new("log-out"), WITHIN);
    let (talk, done) = talk.hear::<LoggedOut>().await?;
    talk.end().await?;
    Ok(done)
}
