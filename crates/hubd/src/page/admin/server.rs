//! Servers that run; started and stopped for their owners.

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::{Admin, Paging, Tab, address, back, forbidden, here, page_number, tabs, with_query};
use crate::name;
use crate::page::ask::{Fields, Posted, Trouble};
use crate::page::home::{Card, PATIENCE, refused};
use crate::page::template::Link;
use crate::page::{Nav, error, spawn};
use crate::server::{Outcome, Refusal, Wish};
use crate::spawner::ServerKey;
use crate::store::server;

/// Servers on a page.
const SIZE: u32 = 50;

#[derive(Serialize)]
struct ServersPage {
    tabs: Vec<Link>,
    page: Paging,
    servers: Vec<Row>,
    here: String,
}

#[derive(Serialize)]
struct Row {
    user: String,
    user_href: String,
    #[serde(flatten)]
    card: Card,
}

/// `GET /admin/servers`.
pub async fn list(admin: Admin) -> Result<Response, Trouble> {
    if !admin.may("read:servers") {
        return Ok(forbidden(&admin.0));
    }
    let ask = admin.ask();
    let hub = &ask.hub;
    let mut active = hub.store.read(server::active).await?;
    active.sort_by(|a, b| (&a.user, &a.name).cmp(&(&b.user, &b.name)));
    let total = u32::try_from(active.len()).unwrap_or(u32::MAX);
    let list_address = ask.at("admin/servers");
    let page = Paging::new(page_number(ask), SIZE, total, "server", |page| {
        with_query(&list_address, &[("page", &page.to_string())])
    });
    let first = (page.number - 1) * SIZE;
    let now = hub.clock.now();
    let servers = active
        .iter()
        .skip(first as usize)
        .take(SIZE as usize)
        .map(|server| {
            let key = ServerKey {
                user: server.user.clone(),
                name: server.name.clone(),
            };
            Row {
                user_href: address(ask, "users", &server.user),
                user: server.user.clone(),
                card: Card::new(hub, &key, Some(server), now),
            }
        })
        .collect();
    let page = ServersPage {
        tabs: tabs(ask, Tab::Servers),
        page,
        servers,
        here: here(ask),
    };
    Ok(ask.page(StatusCode::OK, "admin_servers.html", Nav::Admin, &page))
}

/// The server that a form is about, if the admin may do this with it.
async fn target(posted: Posted, scope: &str) -> Result<(Admin, ServerKey, Fields), Trouble> {
    let Posted { user, form } = posted;
    let admin = Admin::check(user)?;
    let key = ServerKey {
        user: name::normalize_user(form.get("user")),
        name: form.get("name").to_owned(),
    };
    if spawn::allowed(&admin.0, scope, &key).await?.is_none() {
        let instead = error::usual(admin.ask(), StatusCode::NOT_FOUND);
        return Err(Trouble::Instead(instead.into()));
    }
    Ok((admin, key, form))
}

/// `POST /admin/servers/start`.
pub async fn start(posted: Posted) -> Result<Response, Trouble> {
    let (admin, key, form) = target(posted, "start:servers").await?;
    let ask = admin.ask();
    tracing::info!(
        by = admin.0.name(),
        user = key.user,
        server = key.name,
        "starts a server"
    );
    let done =
        match tokio::time::timeout(PATIENCE, ask.hub.servers.start(&key, Wish::default())).await {
            Ok(Ok(Outcome::Done) | Err(Refusal::Running(_))) => "started",
            Ok(Ok(Outcome::Pending) | Err(Refusal::Pending { .. })) | Err(_) => "starting",
            Ok(Err(refusal)) => return Ok(refused(&admin.0, &refusal)),
        };
    Ok(back(ask, &form, &address(ask, "users", &key.user), done))
}

/// `POST /admin/servers/stop`.
pub async fn stop(posted: Posted) -> Result<Response, Trouble> {
    let (admin, key, form) = target(posted, "delete:servers").await?;
    let ask = admin.ask();
    tracing::info!(
        by = admin.0.name(),
        user = key.user,
        server = key.name,
        "stops a server"
    );
    let done = match tokio::time::timeout(PATIENCE, ask.hub.servers.stop(&key)).await {
        Ok(Ok(Outcome::Done)) => "stopped",
        Ok(Ok(Outcome::Pending)) | Err(_) => "stopping",
        Ok(Err(refusal)) => return Ok(refused(&admin.0, &refusal)),
    };
    Ok(back(ask, &form, &address(ask, "users", &key.user), done))
}
