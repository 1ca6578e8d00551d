//! What the people need of the server: a program that runs there as root, and a talk with it.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::UsersError;
use crate::host::{Command, Host, HostError, Limits, Output, Running};

/// Runs programs as root on the server.
pub trait Root: Send + Sync {
    /// Starts a command with `input` on its standard input, which stays open.
    fn start_as_root(&self, words: &[&str], input: Vec<u8>, limits: Limits) -> Box<dyn Talk>;
}

/// A program under way. Dropping it ends the program's input.
#[async_trait]
pub trait Talk: Send {
    async fn say(&mut self, bytes: &[u8]);
    /// Ends its input.
    async fn hush(&mut self);
    /// The next line it says; `None` after the last.
    async fn hear(&mut self) -> Option<String>;
    /// Waits for its end.
    async fn end(self: Box<Self>) -> Result<Output, HostError>;
}

impl Root for Host {
    fn start_as_root(&self, words: &[&str], input: Vec<u8>, limits: Limits) -> Box<dyn Talk> {
        let command = Command::new("sudo").arg("-n").args(words.iter().copied());
        Box::new(self.start(&command, input, limits))
    }
}

#[async_trait]
impl Talk for Running {
    async fn say(&mut self, bytes: &[u8]) {
        self.send(bytes);
    }

    async fn hush(&mut self) {
        self.finish();
    }

    async fn hear(&mut self) -> Option<String> {
        self.line().await
    }

    async fn end(self: Box<Self>) -> Result<Output, HostError> {
        Running::end(*self).await
    }
}

/// Runs the program that follows its own length on standard input; what comes after is the program's to read. So
/// nothing but this line is ever seen in a process list.
const BOOT: &str =
    "import sys;b=sys.stdin.buffer;exec(compile(b.read(int(b.readline())),'hubctl','exec'))";
const PROGRAM: &str = concat!(
    include_str!("accounts.py"),
    include_str!("hub.py"),
    include_str!("check.py"),
    include_str!("people.py"),
    include_str!("main.py")
);

/// A talk with `accounts.py`, in JSON.
pub(crate) struct Conversation {
    talk: Box<dyn Talk>,
}

impl Conversation {
    /// Starts it with its first line, which holds the verb and the settings. The whole talk takes `within` at most.
    pub(crate) fn open(root: &dyn Root, settings: &impl Serialize, within: Duration) -> Self {
        let mut input = format!("{}\n{PROGRAM}", PROGRAM.len()).into_bytes();
        input.extend(line(settings));
        Self {
            talk: root.start_as_root(
                &["python3", "-I", "-B", "-c", BOOT],
                input,
                Limits::new(within, within),
            ),
        }
    }

    pub(crate) async fn tell(&mut self, what: &impl Serialize) {
        self.talk.say(&line(what)).await;
    }

    /// What it says next.
    pub(crate) async fn hear<T: DeserializeOwned>(mut self) -> Result<(Self, T), UsersError> {
        let Some(text) = self.talk.hear().await else {
            let output = self.talk.end().await?;
            return Err(UsersError::Broken {
                status: output.exit_status,
                said: output.stderr.trim().to_owned(),
            });
        };
        if let Ok(Said { problem }) = serde_json::from_str(&text) {
            return Err(UsersError::Refused { problem });
        }
        match serde_json::from_str(&text) {
            Ok(value) => Ok((self, value)),
            Err(_) => Err(UsersError::Broken {
                status: 0,
                said: text.chars().take(300).collect(),
            }),
        }
    }

    /// Ends its input.
    pub(crate) async fn hush(&mut self) {
        self.talk.hush().await;
    }

    pub(crate) async fn end(self) -> Result<Output, UsersError> {
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
