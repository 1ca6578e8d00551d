//! Containers. Whoever may use the engine's socket is root of its machine, the hub too then: an operator chooses it
//! knowing that. Containers get no privileges, and a network in which they reach the hub and the world, not each other.

mod container;
mod engine;

use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;
use hub_api::hub::Docker as Configuration;
use serde_json::{Value, json};

use super::{Ending, Launch, ServerKey, SpawnError, Spawner, Started, Status, Target};
use engine::Engine;

/// The port single-user servers listen on, each on an address of its own.
const PORT: u16 = 8888;
/// The network where the configuration names none.
const NETWORK: &str = "hubd";
/// How long a server has to end politely.
const POLITE: Duration = Duration::from_secs(10);
/// What a container was killed with, as its exit code says it.
const KILLED: i64 = 128 + 9;
/// Bytes in a gigabyte of container memory are the engine's own; this one turns processors into its unit.
const NANO: f64 = 1e9;

/// The Docker spawner.
pub struct Docker {
    configuration: Configuration,
    engine: Engine,
}

impl Docker {
    /// # Errors
    /// Where a limit makes no sense.
    pub fn new(configuration: &Configuration) -> Result<Self, SpawnError> {
        if configuration.command.is_empty() {
            return Err(SpawnError::Engine {
                doing: "choosing the spawner".to_owned(),
                cause: "spawn.docker.command is empty".to_owned(),
            });
        }
        Ok(Self {
            engine: Engine::new(&configuration.socket),
            configuration: configuration.clone(),
        })
    }

    fn network(&self) -> &str {
        self.configuration.network.as_deref().unwrap_or(NETWORK)
    }
}

#[async_trait]
impl Spawner for Docker {
    /// Which address it will have is the engine's to say; inside, it listens on all it has.
    async fn prepare(&self, _: &ServerKey) -> Result<Target, SpawnError> {
        Ok(Target::Tcp(([0, 0, 0, 0], PORT).into()))
    }

    async fn start(&self, launch: &Launch, _: &Target) -> Result<Started, SpawnError> {
        let run = async {
            let name = container::name(&launch.key);
            let chosen = launch
                .profile
                .as_ref()
                .and_then(|profile| profile.image.as_deref());
            let image = chosen.unwrap_or(&self.configuration.image);
            self.engine.image(image, self.configuration.pull).await?;
            self.engine
                .network(self.network(), self.configuration.subnet.as_deref())
                .await?;
            self.engine.remove(&name).await?;
            let body = container::body(&self.configuration, self.network(), launch, image);
            let id = self.engine.run(&name, body).await?;
            let seen = self.engine.inspect(&name).await?;
            let address = seen.as_ref().and_then(|seen| address(seen, self.network()));
            let Some(address) = address else {
                // It ended before it could be looked at: the hub's next look says how.
                return match seen {
                    Some(_) => Ok((id, std::net::Ipv4Addr::UNSPECIFIED.into())),
                    None => Err(engine::failed(
                        "looking for a container's address",
                        "it is gone",
                    )),
                };
            };
            Ok((id, address))
        };
        let (id, address) = tokio::time::timeout(launch.within, run)
            .await
            .map_err(|_| SpawnError::Late {
                doing: "starting a container".to_owned(),
                within: launch.within,
            })??;
        Ok(Started {
            target: Target::Tcp((address, PORT).into()),
            state: json!({"container": id}),
        })
    }

    async fn poll(&self, key: &ServerKey, state: &Value) -> Result<Status, SpawnError> {
        let own = state.get("container").and_then(Value::as_str);
        let name = container::name(key);
        let seen = self.engine.inspect(own.unwrap_or(&name)).await?;
        let Some(state) = seen.and_then(|seen| seen.state) else {
            return Ok(Status::Ended(Ending::default()));
        };
        if state.running == Some(true) || state.restarting == Some(true) {
            return Ok(Status::Running);
        }
        let code = state.exit_code;
        Ok(Status::Ended(Ending {
            code: code.and_then(|code| i32::try_from(code).ok()),
            // The engine also notes where only a kernel of the server's was killed, and the server went on.
            out_of_memory: state.oom_killed == Some(true) && code == Some(KILLED),
            last_lines: self.engine.last_lines(own.unwrap_or(&name)).await,
        }))
    }

    async fn stop(&self, key: &ServerKey, _: &Value) -> Result<(), SpawnError> {
        let name = container::name(key);
        self.engine.stop(&name, POLITE).await?;
        self.engine.remove(&name).await
    }
}

fn address(seen: &ContainerInspectResponse, network: &str) -> Option<std::net::IpAddr> {
    let networks = seen.network_settings.as_ref()?.networks.as_ref()?;
    networks.get(network)?.ip_address.as_ref()?.parse().ok()
}
