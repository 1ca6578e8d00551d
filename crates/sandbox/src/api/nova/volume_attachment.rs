//! Volumes on servers.

use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::server::{Attachment, Server};
use super::{NovaError, Version};
use crate::api::{Caller, Ctx, Fields, Payload, State, cinder, id};

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route(
            "/servers/{id}/os-volume_attachments",
            get(index).post(attach),
        )
        .route(
            "/servers/{id}/os-volume_attachments/{volume}",
            get(show).delete(detach),
        )
}

impl Attachment {
    fn json(&self, server: &Server, version: Version) -> Value {
        let mut view =
            json!({"serverId": server.id, "volumeId": self.volume_id, "device": self.device});
        if version < Version(89) {
            view["id"] = json!(self.volume_id);
        } else {
            view["attachment_id"] = json!(self.id);
            view["bdm_uuid"] = json!(self.id);
        }
        if version >= Version(70) {
            view["tag"] = Value::Null;
        }
        if version >= Version(79) {
            view["delete_on_termination"] = json!(self.delete_on_termination);
        }
        view
    }
}

impl Server {
    /// The next free device name: `/dev/vdb` after the root's `/dev/vda`.
    pub fn next_device(&self) -> String {
        let taken = |device: &String| self.attachments.iter().any(|a| a.device == *device);
        let mut names = (b'b'..=b'z').map(|letter| format!("/dev/vd{}", char::from(letter)));
        names
            .find(|name| !taken(name))
            .unwrap_or_else(|| "/dev/vdz".to_owned())
    }
}

async fn index(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let server = state.server(&caller, &id)?;
    let all: Vec<Value> = server
        .attachments
        .iter()
        .map(|a| a.json(server, version))
        .collect();
    Ok(Json(json!({"volumeAttachments": all})))
}

async fn show(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path((id, volume)): Path<(String, String)>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let server = state.server(&caller, &id)?;
    let found = server
        .attachments
        .iter()
        .find(|a| a.volume_id == volume)
        .ok_or_else(|| unattached(&id, &volume))?;
    Ok(Json(
        json!({"volumeAttachment": found.json(server, version)}),
    ))
}

fn unattached(server: &str, volume: &str) -> NovaError {
    NovaError::not_found(format!(
        "Instance {server} is not attached to volume {volume}"
    ))
}

async fn attach(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    let body = &body["volumeAttachment"];
    let volume_id = body.text("volumeId").ok_or_else(|| {
        NovaError::invalid(
            "volumeAttachment",
            "{…}",
            "'volumeId' is a required property",
        )
    })?;
    let running = {
        let mut state = ctx.lock();
        let running = state.server(&caller, &id)?.has_machine;
        state.reserve(&caller, &volume_id)?;
        running
    };
    // The machine says which device it became; without a machine any will do.
    let device = match running {
        false => None,
        true => {
            let file = cinder::file(&ctx.cloud.state_dir, &volume_id);
            let attached = ctx.cloud.machines.attach(&id, &file).await;
            Some(attached.map_err(|error| {
                ctx.lock().volumes.set_status(&volume_id, "available");
                NovaError::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("attaching the volume: {error}"),
                )
            })?)
        }
    };
    let mut state = ctx.lock();
    let server = state.server_mut(&caller, &id)?;
    let attachment = Attachment {
        id: id::uuid(),
        volume_id: volume_id.clone(),
        device: device
            .or(body.text("device"))
            .unwrap_or_else(|| server.next_device()),
        delete_on_termination: body.flag("delete_on_termination").unwrap_or(false),
    };
    server.attachments.push(attachment.clone());
    let answer = attachment.json(server, version);
    state.volumes.attach(&volume_id, &id, &attachment);
    Ok(Json(json!({"volumeAttachment": answer})))
}

impl State {
    /// Takes a volume out of everyone else's reach.
    fn reserve(&mut self, caller: &Caller, volume_id: &str) -> Result<(), NovaError> {
        let mut volumes = self.volumes.items.iter_mut();
        let volume = volumes.find(|v| v.id == volume_id && caller.owns(&v.project_id));
        let volume = volume.ok_or_else(|| {
            NovaError::not_found(format!("Volume {volume_id} could not be found."))
        })?;
        if volume.status != "available" {
            return Err(NovaError::bad(format!(
                "Invalid volume: volume '{volume_id}' status must be 'available'. Currently in '{}'",
                volume.status
            )));
        }
        volume.status = "attaching";
        Ok(())
    }
}

async fn detach(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    Path((id, volume)): Path<(String, String)>,
) -> Result<StatusCode, NovaError> {
    let running = {
        let mut state = ctx.lock();
        let server = state.server_mut(&caller, &id)?;
        let found = server.attachments.iter().find(|a| a.volume_id == volume);
        if found.ok_or_else(|| unattached(&id, &volume))?.device == "/dev/vda" {
            return Err(NovaError::forbidden("Cannot detach a root device volume"));
        }
        let running = server.has_machine;
        state.volumes.set_status(&volume, "detaching");
        running
    };
    if running {
        let file = cinder::file(&ctx.cloud.state_dir, &volume);
        if let Err(error) = ctx.cloud.machines.detach(&id, &file).await {
            tracing::error!(server = id, volume, %error, "detaching a volume");
        }
    }
    let mut state = ctx.lock();
    state
        .server_mut(&caller, &id)?
        .attachments
        .retain(|a| a.volume_id != volume);
    state.volumes.detach(&volume);
    Ok(StatusCode::ACCEPTED)
}
