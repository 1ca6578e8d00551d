//! Actions on servers: `POST /servers/{id}/action`.

use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::server::{Server, VmState};
use super::{NovaError, Version, server_tag};
use crate::api::life::{self, Move};
use crate::api::{Caller, Ctx, Fields, Payload, State, clock};

pub fn routes() -> Router<Ctx> {
    Router::new().route("/servers/{id}/action", post(act))
}

async fn act(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Response, NovaError> {
    let entry = body.as_object().and_then(|o| o.iter().next());
    let (action, given) = entry.ok_or_else(|| NovaError::bad("Malformed request body"))?;
    ctx.lock().server(&caller, &id)?;
    let accepted = || StatusCode::ACCEPTED.into_response();
    match action.as_str() {
        "os-getConsoleOutput" => console(&ctx, &caller, &id, given).await,
        "os-start" => moved(
            &ctx,
            &caller,
            &id,
            "start",
            &[VmState::Stopped],
            Move::Start,
        )
        .map(|()| accepted()),
        "os-stop" => moved(
            &ctx,
            &caller,
            &id,
            "stop",
            &[VmState::Active, VmState::Error],
            Move::Stop,
        )
        .map(|()| accepted()),
        "reboot" => {
            let hard = given
                .text("type")
                .is_some_and(|kind| kind.eq_ignore_ascii_case("hard"));
            let from: &[VmState] = if hard {
                &[VmState::Active, VmState::Stopped, VmState::Error]
            } else {
                &[VmState::Active]
            };
            moved(&ctx, &caller, &id, "reboot", from, Move::Reboot { hard }).map(|()| accepted())
        }
        "rebuild" => rebuild(&ctx, &caller, version, &id, given),
        "addSecurityGroup" => group(&ctx, &caller, &id, given, true).map(|()| accepted()),
        "removeSecurityGroup" => group(&ctx, &caller, &id, given, false).map(|()| accepted()),
        "lock" | "unlock" => {
            ctx.lock().server_mut(&caller, &id)?.locked = action == "lock";
            Ok(accepted())
        }
        "forceDelete" => {
            ctx.lock().server_mut(&caller, &id)?.task = Some("deleting");
            tokio::spawn(life::destroy(ctx.clone(), id));
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        "resize" | "migrate" | "os-migrateLive" | "createImage" | "createBackup" | "shelve"
        | "suspend" | "pause" | "rescue" => {
            Err(NovaError::policy(&format!("os_compute_api:os-{action}")))
        }
        other => Err(NovaError::bad(format!("There is no such action: {other}"))),
    }
}

/// The console's text, the last lines of it when a length is given.
async fn console(
    ctx: &Ctx,
    caller: &Caller,
    id: &str,
    given: &Value,
) -> Result<Response, NovaError> {
    if !ctx.cloud.scenario.console {
        return Err(NovaError::policy("os_compute_api:os-console-output"));
    }
    let machine = {
        let state = ctx.lock();
        let server = state.server(caller, id)?;
        if server.vm_state == VmState::Building {
            return Err(NovaError::conflict(format!("Instance {id} is not ready")));
        }
        server.has_machine
    };
    let text = match machine {
        true => ctx
            .cloud
            .machines
            .console(id)
            .await
            .map_err(|e| NovaError::not_found(e.to_string()))?,
        false => String::new(),
    };
    let text = match given.number("length").and_then(|n| usize::try_from(n).ok()) {
        None => text,
        Some(length) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(length)..].join("\n")
        }
    };
    Ok(Json(json!({"output": text})).into_response())
}

/// Starts a move from one power state to another.
fn moved(
    ctx: &Ctx,
    caller: &Caller,
    id: &str,
    word: &str,
    from: &[VmState],
    to: Move,
) -> Result<(), NovaError> {
    let mut state = ctx.lock();
    let server = state.server_mut(caller, id)?;
    ready(server, word, from)?;
    server.task = Some(to.task());
    server.note(word, caller);
    server.updated = clock::now();
    drop(state);
    tokio::spawn(life::make_move(ctx.clone(), id.to_owned(), to));
    Ok(())
}

/// Refuses what the server's state does not allow.
fn ready(server: &Server, word: &str, from: &[VmState]) -> Result<(), NovaError> {
    let id = &server.id;
    if server.locked {
        return Err(NovaError::conflict(format!("Instance {id} is locked")));
    }
    if let Some(task) = server.task {
        return Err(NovaError::conflict(format!(
            "Cannot '{word}' instance {id} while it is in task_state {task}"
        )));
    }
    if !from.contains(&server.vm_state) {
        let now = server.vm_state_word();
        return Err(NovaError::conflict(format!(
            "Cannot '{word}' instance {id} while it is in vm_state {now}"
        )));
    }
    Ok(())
}

fn rebuild(
    ctx: &Ctx,
    caller: &Caller,
    version: Version,
    id: &str,
    given: &Value,
) -> Result<Response, NovaError> {
    let image_id = given
        .text("imageRef")
        .ok_or_else(|| NovaError::invalid("rebuild", "{…}", "'imageRef' is a required property"))?;
    let view = {
        let mut state = ctx.lock();
        if !state
            .images
            .iter()
            .any(|i| i.id == image_id && i.visible(caller))
        {
            return Err(NovaError::bad("Cannot find image for rebuild"));
        }
        let server = state.server_mut(caller, id)?;
        ready(
            server,
            "rebuild",
            &[VmState::Active, VmState::Stopped, VmState::Error],
        )?;
        if let Some(tags) = given.texts("tags") {
            server.tags = tags
                .iter()
                .map(|t| server_tag::valid_tag(t))
                .collect::<Result<_, _>>()?;
        }
        if let Some(name) = given.text("name") {
            server.name = super::create::valid_name(&name)?;
        }
        if let Some(metadata) = given.get("metadata") {
            server.metadata = super::metadata::valid_metadata(metadata)?;
        }
        if server.image_id.is_some() {
            server.image_id = Some(image_id);
        }
        server.task = Some("rebuilding");
        server.note("rebuild", caller);
        server.fault = None;
        server.updated = clock::now();
        let server = state.server(caller, id)?;
        let mut view = server.json(ctx, &state, caller, version);
        view["adminPass"] = json!(&crate::api::id::secret()[..12]);
        view
    };
    tokio::spawn(life::rebuild(ctx.clone(), id.to_owned()));
    Ok((StatusCode::ACCEPTED, Json(json!({"server": view}))).into_response())
}

/// Adds a group to every port of a server, or takes it away.
fn group(ctx: &Ctx, caller: &Caller, id: &str, given: &Value, add: bool) -> Result<(), NovaError> {
    let name = given
        .text("name")
        .ok_or_else(|| NovaError::bad("Missing parameter dict"))?;
    let mut state = ctx.lock();
    let nics = state.server(caller, id)?.nics.clone();
    let State { network, .. } = &mut *state;
    let group = network
        .groups
        .iter()
        .find(|g| caller.owns(&g.std.project_id) && (g.std.name == name || g.std.id == name));
    let group = group.map(|g| g.std.id.clone()).ok_or_else(|| {
        NovaError::not_found(format!(
            "Security group {name} not found for project {}.",
            caller.project_id
        ))
    })?;
    let mut found = false;
    for port in network
        .ports
        .iter_mut()
        .filter(|p| nics.iter().any(|n| n.id == p.std.id))
    {
        found |= port.security_groups.contains(&group);
        port.security_groups.retain(|g| *g != group);
        if add {
            port.security_groups.push(group.clone());
        }
    }
    if !add && !found {
        return Err(NovaError::not_found(format!(
            "Security group {group} not associated with the instance {id}"
        )));
    }
    Ok(())
}
