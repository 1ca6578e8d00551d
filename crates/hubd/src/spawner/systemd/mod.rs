//! Units of this server, started and ended by the root helper; their state is read without it.

mod unit;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use hub_api::helper::memory::{self, CONTROL_GROUPS};
use hub_api::helper::{Answer, ENDED, Ended, Instance, SOCKETS, Server, Start, Verb};
use serde_json::{Value, json};

use super::helper::{Helper, HelperError};
use super::{Ending, Launch, ServerKey, SpawnError, Spawner, Started, Status, Target};
use unit::{State, Units};

/// More than the helper gives a unit to end politely.
const END_WITHIN: Duration = Duration::from_secs(65);
const KILL_WITHIN: Duration = Duration::from_secs(25);
/// What the helper takes beside the start itself.
const BESIDE: Duration = Duration::from_secs(5);

/// The systemd spawner.
pub struct Systemd {
    helper: Helper,
    units: Units,
    /// Where the helper notes how servers ended.
    ended: PathBuf,
}

impl Systemd {
    pub fn new(configuration: &hub_api::hub::Systemd) -> Self {
        Self {
            helper: Helper::new(configuration.helper.clone()),
            units: Units::default(),
            ended: PathBuf::from(ENDED),
        }
    }

    /// How the run ended, as the helper noted; nothing where that note is of another run.
    async fn noted(&self, instance: &Instance, invocation: Option<&str>) -> Option<Ending> {
        let path = self.ended.join(format!("{instance}.json"));
        let text = tokio::fs::read(&path).await.ok()?;
        let ended: Ended = serde_json::from_slice(&text).ok()?;
        if invocation.is_some_and(|invocation| invocation != ended.invocation) {
            return None;
        }
        Some(Ending {
            code: ended.code,
            out_of_memory: ended.out_of_memory,
            last_lines: ended.last_lines,
        })
    }
}

#[async_trait]
impl Spawner for Systemd {
    async fn prepare(&self, key: &ServerKey) -> Result<Target, SpawnError> {
        let instance = instance(key)?;
        let folder = Path::new(SOCKETS).join(instance.user());
        Ok(Target::Unix(folder.join(instance.socket())))
    }

    async fn start(&self, launch: &Launch, _: &Target) -> Result<Started, SpawnError> {
        let seconds = u32::try_from(launch.within.as_secs()).unwrap_or(u32::MAX);
        let verb = Verb::Start(Start {
            server: server(&launch.key),
            environment: launch.environment.clone(),
            profile: launch.profile.as_ref().map(|profile| profile.slug.clone()),
            within: seconds.max(1),
        });
        let doing = "starting a server";
        match self.helper.ask(verb, launch.within + BESIDE).await {
            Ok(Answer::Started {
                socket,
                unit,
                invocation,
            }) => Ok(Started {
                target: Target::Unix(socket),
                state: json!({"unit": unit, "invocation": invocation}),
            }),
            Ok(Answer::Refused { message }) => Err(SpawnError::Refused { message }),
            Ok(other) => Err(not_done(doing, &other)),
            Err(HelperError::Late { .. }) => Err(SpawnError::Late {
                doing: doing.to_owned(),
                within: launch.within,
            }),
            Err(error) => Err(engine(doing, &error)),
        }
    }

    async fn poll(&self, key: &ServerKey, state: &Value) -> Result<Status, SpawnError> {
        let instance = instance(key)?;
        let invocation = state.get("invocation").and_then(Value::as_str);
        let seen = self
            .units
            .state(&instance.unit())
            .await
            .map_err(|error| engine("asking systemd for the state of a server", &error))?;
        match seen {
            State::Running(running) if invocation.is_none_or(|own| own == running) => {
                Ok(Status::Running)
            }
            // Another run of the same unit: this one is over.
            State::Running(_) => Ok(Status::Ended(Ending::default())),
            State::Ended {
                code,
                out_of_memory,
            } => {
                let noted = self.noted(&instance, invocation).await;
                Ok(Status::Ended(noted.unwrap_or_else(|| Ending {
                    code,
                    out_of_memory,
                    last_lines: Vec::new(),
                })))
            }
        }
    }

    async fn memory_kills(&self, key: &ServerKey) -> u64 {
        let Ok(instance) = instance(key) else {
            return 0;
        };
        match self.units.control_group(&instance.unit()).await {
            Ok(Some(group)) => memory::kills(
                &format!("0::{group}\n1:memory:{group}\n"),
                Path::new(CONTROL_GROUPS),
            ),
            Ok(None) => 0,
            Err(error) => {
                tracing::warn!(user = key.user, server = key.name, %error, "asking how often memory was short");
                0
            }
        }
    }

    async fn stop(&self, key: &ServerKey, _: &Value) -> Result<(), SpawnError> {
        let doing = "ending a server";
        match self.helper.ask(Verb::Stop(server(key)), END_WITHIN).await {
            Ok(Answer::Ended) => return Ok(()),
            Ok(Answer::Refused { message }) => return Err(SpawnError::Refused { message }),
            Ok(other) => tracing::warn!(
                user = key.user,
                server = key.name,
                "{}",
                not_done(doing, &other)
            ),
            Err(error) => tracing::warn!(user = key.user, server = key.name, "{doing}: {error}"),
        }
        match self.helper.ask(Verb::Kill(server(key)), KILL_WITHIN).await {
            Ok(Answer::Ended) => Ok(()),
            Ok(other) => Err(not_done(doing, &other)),
            Err(error) => Err(engine(doing, &error)),
        }
    }
}

fn instance(key: &ServerKey) -> Result<Instance, SpawnError> {
    Instance::new(&key.user, &key.name).map_err(|error| SpawnError::Refused {
        message: format!("{error}; servers run as accounts of this machine"),
    })
}

fn server(key: &ServerKey) -> Server {
    Server {
        user: key.user.clone(),
        name: key.name.clone(),
    }
}

fn engine(doing: &str, error: &impl std::fmt::Display) -> SpawnError {
    SpawnError::Engine {
        doing: doing.to_owned(),
        cause: error.to_string(),
    }
}

fn not_done(doing: &str, answer: &Answer) -> SpawnError {
    let cause = match answer {
        Answer::Unavailable { message } | Answer::Refused { message } => message.clone(),
        other => format!("the root helper answered another question: {other:?}"),
    };
    SpawnError::Engine {
        doing: doing.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str, name: &str) -> ServerKey {
        ServerKey {
            user: user.to_owned(),
            name: name.to_owned(),
        }
    }

    #[tokio::test]
    async fn servers_listen_in_the_folder_of_their_user() {
        let spawner = Systemd::new(&hub_api::hub::Systemd::default());
        for (name, path) in [
            ("", "/run/jupyter/ada/server.sock"),
            ("my work", "/run/jupyter/ada/server-my-20work.sock"),
        ] {
            let target = spawner.prepare(&key("ada", name)).await.unwrap();
            assert_eq!(target, Target::Unix(path.into()));
        }
        let stranger = spawner.prepare(&key("ada@example.org", "")).await;
        assert!(matches!(stranger, Err(SpawnError::Refused { .. })));
    }

    #[tokio::test]
    async fn a_note_counts_for_its_own_run_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut spawner = Systemd::new(&hub_api::hub::Systemd::default());
        spawner.ended = folder.path().to_owned();
        let note = r#"{"invocation":"aa","code":null,"signal":"KILL","out_of_memory":true,"last_lines":["x"]}"#;
        std::fs::write(folder.path().join("ada:work.json"), note).unwrap();
        let instance = Instance::new("ada", "work").unwrap();
        let ending = spawner.noted(&instance, Some("aa")).await.unwrap();
        assert!(ending.out_of_memory && ending.last_lines == ["x"]);
        assert_eq!(spawner.noted(&instance, Some("bb")).await, None);
        assert_eq!(
            spawner
                .noted(&Instance::new("ada", "").unwrap(), None)
                .await,
            None
        );
    }
}
