//! The server: made, made anew, started, and waited for.

use super::super::desired::ServerWish;
use super::super::plan::{Wake, Work};
use super::super::{InfraError, tag};
use super::Run;
use crate::cloud::{CloudError, Filter, NewServer, Port, Server, ServerAction, Volume};
use crate::wait::Probe;

impl Run<'_> {
    /// The server, running, and whether this run made it.
    pub(super) async fn server(
        &self,
        port: &Port,
        volume: Option<&Volume>,
    ) -> Result<(Server, bool), InfraError> {
        if let Some((change, wish)) = self.find(|work| match work {
            Work::CreateServer(wish) => Some(wish),
            _ => None,
        }) {
            return self
                .step(change, async {
                    Ok((self.create_server(wish, port, volume).await?, true))
                })
                .await;
        }
        if let Some((change, (server, wish))) = self.find(|work| match work {
            Work::ReplaceServer { server, wish } => Some((server, wish)),
            _ => None,
        }) {
            return self
                .step(change, async {
                    self.delete_server(server).await?;
                    Ok((self.create_server(wish, port, volume).await?, true))
                })
                .await;
        }
        let server = self
            .inventory()
            .server()
            .ok_or(InfraError::Incomplete("server"))?;
        let id = &server.id;
        let wake = self.find(|work| match work {
            Work::WakeServer { wake, .. } => Some(Some(*wake)),
            Work::AwaitServer { .. } => Some(None),
            _ => None,
        });
        let mut current = server.clone();
        if let Some((change, wake)) = wake {
            current = self
                .step(change, async {
                    if let Some(wake) = wake {
                        self.cloud.server_action(id, &action(wake)).await?;
                    }
                    self.running(id).await
                })
                .await?;
        }
        if let Some(change) = self.has(&Work::AttachPort { server: id.clone() }) {
            self.step(change, async {
                Ok(self.cloud.attach_port(id, &port.id).await?)
            })
            .await?;
        }
        Ok((current, false))
    }

    async fn create_server(
        &self,
        wish: &ServerWish,
        port: &Port,
        volume: Option<&Volume>,
    ) -> Result<Server, InfraError> {
        if let Some(volume) = volume {
            self.volume_free(volume).await?;
        }
        let deployment = &self.desired().name;
        let new = NewServer {
            name: self.name.clone(),
            flavor_id: wish.flavor.id.clone(),
            image_id: wish.image.id.clone(),
            boot_volume: wish.boot_volume,
            volume_ids: volume.iter().map(|volume| volume.id.clone()).collect(),
            key_name: Some(self.name.clone()),
            port_ids: vec![port.id.clone()],
            user_data: wish
                .user_data
                .as_ref()
                .map(|document| document.reveal().as_bytes().to_vec()),
            metadata: wish.metadata.clone(),
            tags: tag::tags(deployment),
            availability_zone: wish.availability_zone.clone(),
            description: None,
            config_drive: None,
        };
        let before: Vec<&str> = self
            .inventory()
            .servers
            .iter()
            .map(|server| server.id.as_str())
            .collect();
        let id = self
            .made(
                async || self.cloud.create_server(&new).await,
                async || {
                    let named = self.cloud.list_servers(&Filter::name(&self.name)).await?;
                    Ok(named
                        .into_iter()
                        .find(|server| {
                            tag::of_metadata(&server.metadata) == Some(deployment)
                                && !before.contains(&server.id.as_str())
                                && !server.is_deleted()
                        })
                        .map(|server| server.id))
                },
            )
            .await?;
        self.running(&id).await
    }

    /// Waits until the server runs; an error of the cloud's is told with its reason.
    async fn running(&self, id: &str) -> Result<Server, InfraError> {
        let wait = self
            .pace
            .wait(format!("server {} to run", self.name), self.pace.server);
        let server = wait
            .until(self.observer, async || {
                let server = self.cloud.get_server(id).await?;
                match server.status.as_str() {
                    "ACTIVE" => Ok(Probe::Ready(server)),
                    "ERROR" => Err(CloudError::Fault {
                        name: server.name,
                        fault: server.fault,
                    }),
                    status => Ok(Probe::Pending(match &server.task_state {
                        Some(task) => format!("{status}, {task}"),
                        None => status.to_owned(),
                    })),
                }
            })
            .await?;
        Ok(server)
    }

    pub(super) async fn delete_server(&self, id: &str) -> Result<(), InfraError> {
        super::super::destroy::delete_server(self.cloud, id, self.pace, self.observer).await
    }
}

fn action(wake: Wake) -> ServerAction {
    match wake {
        Wake::Start => ServerAction::Start,
        Wake::Unpause => ServerAction::Unpause,
        Wake::Resume => ServerAction::Resume,
        Wake::Unshelve => ServerAction::Unshelve,
    }
}
