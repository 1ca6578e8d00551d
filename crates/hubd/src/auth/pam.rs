//! The server's accounts: name and password go to the root helper, which asks PAM.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use hub_api::helper::{Answer, Password, Verb};

use super::{Identity, PasswordAuthenticator, Refusal};
use crate::spawner::helper::Helper;

/// How long PAM may take; its modules delay a wrong password by some seconds themselves.
const WITHIN: Duration = Duration::from_secs(20);

/// The root helper's verb `authenticate`.
pub struct Pam {
    helper: Helper,
    admin_groups: Vec<String>,
}

impl Pam {
    /// Through the helper on that socket (`None`: its usual one); members of `admin_groups` are admins.
    pub fn new(socket: Option<PathBuf>, admin_groups: Vec<String>) -> Self {
        Self {
            helper: Helper::new(socket),
            admin_groups,
        }
    }
}

#[async_trait]
impl PasswordAuthenticator for Pam {
    async fn authenticate(&self, name: &str, password: &str) -> Result<Identity, Refusal> {
        // PAM would end the conversation at a NUL, and take what is before it for the whole.
        if name.contains('\0') || password.contains('\0') {
            return Err(Refusal::Denied);
        }
        let verb = Verb::Authenticate {
            name: name.to_owned(),
            password: Password::new(password),
        };
        let answer = self.helper.ask(verb, WITHIN).await;
        match answer.map_err(|error| Refusal::Unavailable(error.to_string()))? {
            Answer::Authenticated {
                name: account,
                groups,
            } if account == name => {
                let is_admin = groups.iter().any(|group| self.admin_groups.contains(group));
                let mut identity = Identity::named(name);
                identity.admin = (!self.admin_groups.is_empty()).then_some(is_admin);
                Ok(identity)
            }
            Answer::Authenticated { name: account, .. } => Err(Refusal::Unavailable(format!(
                "the root helper was asked for {name:?} and answered for {account:?}"
            ))),
            // What the helper refuses (root, members of sudo) is not told apart to the visitor.
            Answer::Denied => Err(Refusal::Denied),
            Answer::Refused { message } => {
                tracing::info!(name, message, "the root helper refused a login");
                Err(Refusal::Denied)
            }
            Answer::Unavailable { message } => Err(Refusal::Unavailable(message)),
            Answer::Started { .. } | Answer::Ended | Answer::Account { .. } => Err(
                Refusal::Unavailable("the root helper answered another question".to_owned()),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use hub_api::helper::VERSION;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::UnixListener;

    use super::*;

    /// A helper that gives one answer, and hands out the question.
    async fn asked(answer: &str) -> (Result<Identity, Refusal>, String) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("helper.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let answer = answer.to_owned();
        let helper = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut question = String::new();
            stream.read_line(&mut question).await.unwrap();
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            question
        });
        let result = Pam::new(Some(socket), vec!["teachers".to_owned()])
            .authenticate("ada", "s3cret")
            .await;
        (result, helper.await.unwrap())
    }

    #[tokio::test]
    async fn what_the_helper_says_counts() {
        let (result, question) =
            asked("{\"answer\":\"authenticated\",\"name\":\"ada\",\"groups\":[\"teachers\"]}\n")
                .await;
        assert_eq!(result.unwrap().admin, Some(true));
        let question: serde_json::Value = serde_json::from_str(&question).unwrap();
        assert_eq!(
            question,
            serde_json::json!({"version": VERSION, "verb": {"verb": "authenticate", "name": "ada", "password": "s3cret"}})
        );
        let (result, _) =
            asked("{\"answer\":\"authenticated\",\"name\":\"ada\",\"groups\":[]}\n").await;
        assert_eq!(result.unwrap().admin, Some(false));
        for denied in [
            "{\"answer\":\"denied\"}\n",
            "{\"answer\":\"refused\",\"message\":\"member of sudo\"}\n",
        ] {
            assert!(
                matches!(asked(denied).await.0, Err(Refusal::Denied)),
                "{denied}"
            );
        }
        for (unavailable, why) in [
            (
                "{\"answer\":\"unavailable\",\"message\":\"PAM is busy\"}\n",
                "PAM is busy",
            ),
            (
                "{\"answer\":\"authenticated\",\"name\":\"bob\",\"groups\":[]}\n",
                "answered for \"bob\"",
            ),
            ("{\"answer\":\"ended\"}\n", "another question"),
            ("", "closed the connection"),
            ("yes\n", "no answer"),
        ] {
            let (result, _) = asked(unavailable).await;
            assert!(
                matches!(&result, Err(Refusal::Unavailable(text)) if text.contains(why)),
                "{unavailable} {result:?}"
            );
        }
    }

    #[tokio::test]
    async fn no_helper_is_said() {
        let pam = Pam::new(Some(PathBuf::from("/nonexistent/helper.sock")), Vec::new());
        let result = pam.authenticate("ada", "x").await;
        assert!(
            matches!(result, Err(Refusal::Unavailable(text)) if text.contains("hub-helper.socket"))
        );
        assert!(matches!(
            pam.authenticate("ada", "x\0y").await,
            Err(Refusal::Denied)
        ));
    }
}
