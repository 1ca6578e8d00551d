//! What the people need of the server: a program that runs there as root, and a talk with it.

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::UsersError;

/// Runs Python programs as root on the server.
#[async_trait]
pub trait Root: Send + Sync {
    /// Starts `command` (its words, without `sudo`) with `input` on its standard input, which stays open. It may say
    /// nothing for as long as `silence`.
    async fn start(
        &self,
        command: &[&str],
        input: Vec<u8>,
        silence: std::time::Duration,
    ) -> Result<Box<dyn Talk>, RemoteError>;
}

/// A program under way. Dropping it ends the program's input.
#[async_trait]
pub trait Talk: Send {
    async fn say(&mut self, line: &[u8]) -> Result<(), RemoteError>;
    /// Ends its input.
    async fn hush(&mut self) -> Result<(), RemoteError>;
    /// The next line it says; `None` after the last.
    async fn hear(&mut self) -> Result<Option<String>, RemoteError>;
    /// Ends its input, waits for its end and gives what it wrote to standard error.
    async fn end(self: Box<Self>) -> Result<Ended, RemoteError>;
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub stderr: String,
}

/// The way to the server broke.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    pub message: String,
    pub hint: String,
}

/// Runs the program that follows its own length on standard input; what comes after is the program's to read. So
/// nothing but this line is ever seen in a process list.
const BOOT: &str =
    "import sys;b=sys.stdin.buffer;exec(compile(b.read(int(b.readline())),'hubctl','exec'))";
const PROGRAM: &str = concat!(
    include_str!("accounts.py"),
    include_str!("check.py"),
    include_str!("main.py")
);

/// A talk with `accounts.py`, in JSON.
pub(crate) struct Conversation {
    talk: Box<dyn Talk>,
}

impl Conversation {
    /// Starts it with its first line, which holds the verb and the settings.
    pub(crate) async fn open(
        root: &dyn Root,
        settings: &impl Serialize,
        silence: std::time::Duration,
    ) -> Result<Self, UsersError> {
        let mut input = format!("{}\n{PROGRAM}", PROGRAM.len()).into_bytes();
        input.extend(line(settings));
        let command = ["python3", "-I", "-B", "-c", BOOT];
        Ok(Self {
            talk: root.start(&command, input, silence).await?,
        })
    }

    pub(crate) async fn tell(&mut self, what: &impl Serialize) -> Result<(), UsersError> {
        Ok(self.talk.say(&line(what)).await?)
    }

    /// What it says next.
    pub(crate) async fn hear<T: DeserializeOwned>(mut self) -> Result<(Self, T), UsersError> {
        let Some(text) = self.talk.hear().await? else {
            let ended = self.talk.end().await?;
            return Err(UsersError::Broken {
                status: ended.status,
                stderr: ended.stderr.trim().to_owned(),
            });
        };
        if let Ok(Said { problem }) = serde_json::from_str(&text) {
            return Err(UsersError::Refused { problem });
        }
        match serde_json::from_str(&text) {
            Ok(value) => Ok((self, value)),
            Err(_) => Err(UsersError::Broken {
                status: 0,
                stderr: text.chars().take(300).collect(),
            }),
        }
    }

    /// Ends its input.
    pub(crate) async fn hush(mut self) -> Result<Self, UsersError> {
        self.talk.hush().await?;
        Ok(self)
    }

    pub(crate) async fn end(self) -> Result<Ended, UsersError> {
        Ok(self.talk.end().await?)
    }
}

#[derive(serde::Deserialize)]
struct Said {
    problem: String,
}

fn line(value: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "texts and numbers")]
    let mut line = serde_json::to_vec(value).expect("JSON");
    line.push(b'\n');
    line
}
