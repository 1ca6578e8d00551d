//! What is asked of the engine, over its own API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, Ipam, IpamConfig, NetworkCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, InspectContainerOptions, InspectNetworkOptions,
    LogsOptions, RemoveContainerOptions, StartContainerOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::{StreamExt, TryStreamExt};
use hub_api::hub::Pull;
use hub_api::line::shown;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::container::{network_options, split};
use crate::spawner::SpawnError;

/// How long one answer of the engine may take, in seconds; a pull goes on as long as the start may take.
const WITHIN: u64 = 60;
const LOG_WITHIN: Duration = Duration::from_secs(5);
/// As many last lines as are shown.
const LINES: &str = "20";

/// The engine behind its socket.
pub(super) struct Engine {
    socket: PathBuf,
    client: Mutex<Option<Docker>>,
}

impl Engine {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            client: Mutex::default(),
        }
    }

    /// A client that speaks the engine's version of the API, made when it is first needed.
    async fn client(&self) -> Result<Docker, SpawnError> {
        let mut kept = self.client.lock().await;
        if let Some(client) = &*kept {
            return Ok(client.clone());
        }
        let doing = format!("connecting to the engine on {}", self.socket.display());
        let socket = self.socket.to_string_lossy();
        let client = Docker::connect_with_unix(&socket, WITHIN, API_DEFAULT_VERSION)
            .map_err(|error| failed(&doing, error))?
            .negotiate_version()
            .await
            .map_err(|error| failed(&doing, error))?;
        *kept = Some(client.clone());
        Ok(client)
    }

    /// Sees to it that the image is there, as far as the policy allows.
    pub(super) async fn image(&self, image: &str, pull: Pull) -> Result<(), SpawnError> {
        let client = self.client().await?;
        if pull != Pull::Always {
            match client.inspect_image(image).await {
                Ok(_) => return Ok(()),
                Err(error) if is_not_found(&error) && pull == Pull::Missing => {}
                Err(error) if is_not_found(&error) => {
                    return Err(failed(
                        "looking for an image",
                        format!("{image} is not there, and spawn.docker.pull is \"never\""),
                    ));
                }
                Err(error) => return Err(failed("looking for an image", error)),
            }
        }
        let (name, tag) = split(image);
        let options = CreateImageOptions {
            from_image: Some(name.to_owned()),
            tag: tag.map(str::to_owned),
            ..CreateImageOptions::default()
        };
        client
            .create_image(Some(options), None, None)
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(|error| failed(&format!("pulling the image {image}"), error))
    }

    /// Makes the servers' network where there is none of this name.
    pub(super) async fn network(&self, name: &str, subnet: Option<&str>) -> Result<(), SpawnError> {
        let client = self.client().await?;
        match client
            .inspect_network(name, None::<InspectNetworkOptions>)
            .await
        {
            Ok(_) => return Ok(()),
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(failed("looking for the servers' network", error)),
        }
        let ipam = subnet.map(|subnet| Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.to_owned()),
                ..IpamConfig::default()
            }]),
            ..Ipam::default()
        });
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            options: Some(network_options()),
            ipam,
            ..NetworkCreateRequest::default()
        };
        match client.create_network(request).await {
            Ok(_) => Ok(()),
            // Another start was faster.
            Err(Error::DockerResponseServerError {
                status_code: 409, ..
            }) => Ok(()),
            Err(error) => Err(failed("making the servers' network", error)),
        }
    }

    /// Creates and starts a container; returns its id.
    pub(super) async fn run(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<String, SpawnError> {
        let client = self.client().await?;
        let options = CreateContainerOptions {
            name: Some(name.to_owned()),
            ..CreateContainerOptions::default()
        };
        let created = client
            .create_container(Some(options), body)
            .await
            .map_err(|error| failed("creating a container", error))?;
        client
            .start_container(&created.id, None::<StartContainerOptions>)
            .await
            .map_err(|error| failed("starting a container", error))?;
        Ok(created.id)
    }

    pub(super) async fn inspect(
        &self,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, SpawnError> {
        let client = self.client().await?;
        match client
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
        {
            Ok(seen) => Ok(Some(seen)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(failed("looking at a container", error)),
        }
    }

    /// Ends a container politely, then by force; one that is not there has ended.
    pub(super) async fn stop(&self, name: &str, within: Duration) -> Result<(), SpawnError> {
        let client = self.client().await?;
        let options = StopContainerOptions {
            t: i32::try_from(within.as_secs()).ok(),
            ..StopContainerOptions::default()
        };
        match client.stop_container(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(failed("stopping a container", error)),
        }
    }

    /// Removes a container, running or not; its home stays.
    pub(super) async fn remove(&self, name: &str) -> Result<(), SpawnError> {
        let client = self.client().await?;
        let options = RemoveContainerOptions {
            force: true,
            ..RemoveContainerOptions::default()
        };
        match client.remove_container(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(failed("removing a container", error)),
        }
    }

    /// What the container wrote last; nothing where the engine does not say.
    pub(super) async fn last_lines(&self, name: &str) -> Vec<String> {
        let Ok(client) = self.client().await else {
            return Vec::new();
        };
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: LINES.to_owned(),
            ..LogsOptions::default()
        };
        let read = client
            .logs(name, Some(options))
            .filter_map(|part| async move { part.ok() })
            .fold(Vec::new(), |mut text, part| async move {
                text.extend_from_slice(part.as_ref());
                text
            });
        let text = timeout(LOG_WITHIN, read).await.unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(shown).collect()
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

pub(super) fn failed(doing: &str, cause: impl std::fmt::Display) -> SpawnError {
    SpawnError::Engine {
        doing: doing.to_owned(),
        cause: cause.to_string(),
    }
}
