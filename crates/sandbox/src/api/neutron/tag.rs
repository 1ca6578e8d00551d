//! Tags on any resource.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::standard::{Resource, Standard};
use super::{Net, NeutronError};
use crate::api::{Caller, Ctx, Fields, Payload};

/// The longest tag Neutron before 2023.2 takes; later ones take 255.
const LONGEST: usize = 60;

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route(
            "/{collection}/{id}/tags",
            get(index).put(replace).delete(clear),
        )
        .route(
            "/{collection}/{id}/tags/{tag}",
            put(add).get(has).delete(remove),
        )
}

impl Net {
    fn tagged(
        &mut self,
        caller: &Caller,
        collection: &str,
        id: &str,
    ) -> Result<&mut Standard, NeutronError> {
        fn find<'a, R: Resource>(
            items: &'a mut [R],
            caller: &Caller,
            id: &str,
        ) -> Option<&'a mut Standard> {
            items
                .iter_mut()
                .find(|r| r.id() == id && r.visible(caller))
                .map(Resource::standard_mut)
        }
        let found = match collection {
            "networks" => find(&mut self.networks, caller, id),
            "subnets" => find(&mut self.subnets, caller, id),
            "ports" => find(&mut self.ports, caller, id),
            "routers" => find(&mut self.routers, caller, id),
            "floatingips" => find(&mut self.floating_ips, caller, id),
            "security-groups" | "security_groups" => find(&mut self.groups, caller, id),
            _ => None,
        };
        found.ok_or_else(|| {
            NeutronError::not_found(
                "TagResourceNotFound",
                format!(
                    "Resource {} {id} could not be found.",
                    collection.replace('-', "_")
                ),
            )
        })
    }

    /// The same, for a change.
    fn owned(
        &mut self,
        caller: &Caller,
        collection: &str,
        id: &str,
    ) -> Result<&mut Standard, NeutronError> {
        let standard = self.tagged(caller, collection, id)?;
        if caller.owns(&standard.project_id) {
            Ok(standard)
        } else {
            Err(NeutronError::policy(&format!("update_{collection}_tags")))
        }
    }
}

fn check(tag: &str) -> Result<(), NeutronError> {
    if tag.is_empty() || tag.chars().count() > LONGEST {
        return Err(NeutronError::invalid(format!(
            "'{tag}' exceeds maximum length of {LONGEST}"
        )));
    }
    Ok(())
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    Ok(Json(
        json!({"tags": state.network.tagged(&caller, &collection, &id)?.tags}),
    ))
}

async fn replace(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((collection, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    let standard = state.network.owned(&caller, &collection, &id)?;
    let mut tags = body
        .texts("tags")
        .ok_or_else(|| NeutronError::invalid("Invalid tags body"))?;
    tags.iter().try_for_each(|tag| check(tag))?;
    tags.sort();
    tags.dedup();
    standard.tags = tags;
    standard.touch();
    Ok(Json(json!({"tags": standard.tags})))
}

async fn clear(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((collection, id)): Path<(String, String)>,
) -> Result<StatusCode, NeutronError> {
    let mut state = ctx.lock();
    state.network.owned(&caller, &collection, &id)?.tags.clear();
    Ok(StatusCode::NO_CONTENT)
}

async fn add(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    let standard = state.network.owned(&caller, &collection, &id)?;
    check(&tag)?;
    if !standard.tags.contains(&tag) {
        standard.tags.push(tag);
        standard.touch();
    }
    Ok((StatusCode::CREATED, Json(Value::Null)).into_response())
}

async fn has(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<StatusCode, NeutronError> {
    let mut state = ctx.lock();
    match state
        .network
        .tagged(&caller, &collection, &id)?
        .tags
        .contains(&tag)
    {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_tag(&tag)),
    }
}

async fn remove(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((collection, id, tag)): Path<(String, String, String)>,
) -> Result<StatusCode, NeutronError> {
    let mut state = ctx.lock();
    let tags = &mut state.network.owned(&caller, &collection, &id)?.tags;
    let place = tags
        .iter()
        .position(|t| *t == tag)
        .ok_or_else(|| no_tag(&tag))?;
    tags.remove(place);
    Ok(StatusCode::NO_CONTENT)
}

fn no_tag(tag: &str) -> NeutronError {
    NeutronError::not_found("TagNotFound", format!("Tag {tag} could not be found."))
}
