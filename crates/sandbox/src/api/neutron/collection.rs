//! What can be done to each kind of resource: listed, shown, made, changed, taken away. The kinds say how they differ.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value};

use super::listing::{list, only_fields};
use super::standard::{self, Resource};
use super::{Net, NeutronError, create_all};
use crate::api::{self, Caller, Ctx, Payload, Query};

/// A kind of resource and what its create, update and delete do. Its name in bodies is [`Resource::POLICY`].
pub trait Collection: Resource + Clone + Send + Sync + 'static {
    /// In URLs: `security-groups`.
    const PATH: &'static str;
    /// Whether there is an update.
    const CHANGES: bool = true;

    fn all(net: &Net) -> &Vec<Self>;
    fn all_mut(net: &mut Net) -> &mut Vec<Self>;

    /// As the API shows it.
    fn view(&self, net: &Net) -> Value;

    /// Before a list: what is made when somebody first looks.
    fn before_list(_: &mut Net, _: &Caller) {}

    /// Makes one of a request's body, and returns what is answered.
    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError>;

    /// Changes one, which is put back only if all of the change was right.
    fn update(&mut self, net: &Net, caller: &Caller, body: &Value) -> Result<(), NeutronError>;

    /// What keeps it from being taken away.
    fn may_go(&self, _: &Net, _: &Caller) -> Result<(), NeutronError> {
        Ok(())
    }

    /// Takes it away, with what goes along.
    fn remove(state: &mut api::State, id: &str) {
        Self::all_mut(&mut state.network).retain(|r| r.id() != id);
    }
}

/// The name in bodies of several: `security_groups`.
fn many<C: Collection>() -> String {
    C::PATH.replace('-', "_")
}

fn one<C: Collection>(view: Value) -> Json<Value> {
    Json(Map::from_iter([(C::POLICY.to_owned(), view)]).into())
}

pub fn routes<C: Collection>() -> Router<Ctx> {
    let mut each = get(show::<C>).delete(delete::<C>);
    if C::CHANGES {
        each = each.put(update::<C>);
    }
    Router::new()
        .route(&format!("/{}", C::PATH), get(index::<C>).post(create::<C>))
        .route(&format!("/{}/{{id}}", C::PATH), each)
}

async fn index<C: Collection>(
    State(ctx): State<Ctx>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    C::before_list(&mut state.network, &caller);
    let net = &state.network;
    let seen = C::all(net).iter().filter(|r| r.visible(&caller));
    list(&ctx, C::PATH, &query, seen.map(|r| r.view(net)))
}

async fn show<C: Collection>(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let state = ctx.lock();
    let net = &state.network;
    let found = standard::get(C::all(net), &caller, &id)?;
    Ok(one::<C>(only_fields(found.view(net), &query)))
}

async fn create<C: Collection>(
    State(ctx): State<Ctx>,
    caller: Caller,
    Payload(body): Payload,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    create_all(net, &body, C::POLICY, &many::<C>(), |net, body| {
        C::create(net, &caller, body)
    })
}

async fn update<C: Collection>(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    let body = body
        .get(C::POLICY)
        .ok_or_else(|| NeutronError::no_body(C::POLICY))?;
    let mut changed = standard::get_mut(C::all_mut(net), &caller, &id, "update")?.clone();
    changed.update(net, &caller, body)?;
    changed.standard_mut().update(body);
    let view = changed.view(net);
    *standard::get_mut(C::all_mut(net), &caller, &id, "update")? = changed;
    Ok(one::<C>(view))
}

async fn delete<C: Collection>(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    let found = standard::get_mut(C::all_mut(&mut state.network), &caller, &id, "delete")?.clone();
    found.may_go(&state.network, &caller)?;
    C::remove(&mut state, &id);
    Ok(StatusCode::NO_CONTENT.into_response())
}
