//! All users, searched and paged; and new ones.

use axum::response::Response;
use futures::future::join_all;
use http::StatusCode;
use serde::Serialize;

use super::{
    Admin, Paging, Tab, address, check, forbidden, here, names, page_number, tabs, with_query,
};
use crate::app::Hub;
use crate::auth::password::{ChangeError, PasswordFile, first_secret};
use crate::clock::Timestamp;
use crate::name;
use crate::page::Nav;
use crate::page::ask::{Posted, Trouble};
use crate::page::home::Card;
use crate::page::moment::Moment;
use crate::page::template::Link;
use crate::scope::Filter;
use crate::spawner::ServerKey;
use crate::store::StoreError;
use crate::store::server::{self, Server};
use crate::store::user::{self, Query, Sort, User};

/// Users on a page.
const SIZE: u32 = 50;

#[derive(Serialize)]
struct UsersPage {
    tabs: Vec<Link>,
    page: Paging,
    filter: String,
    states: Vec<Choice>,
    sorts: Vec<Choice>,
    users: Vec<Row>,
    here: String,
    is_changing: bool,
    has_passwords: bool,
    error: Option<String>,
    typed: String,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    text: &'static str,
    chosen: bool,
}

#[derive(Serialize)]
struct Row {
    name: String,
    href: String,
    admin: bool,
    groups: String,
    last_activity: Option<Moment>,
    server: Card,
    servers: Vec<Card>,
}

#[derive(Serialize)]
struct SecretsPage {
    tabs: Vec<Link>,
    secrets: Vec<Secret>,
    back: String,
}

/// A first-login secret, to be handed out.
#[derive(Serialize)]
pub(super) struct Secret {
    pub name: String,
    pub secret: String,
}

/// `GET /admin`.
pub async fn page(admin: Admin) -> Result<Response, Trouble> {
    list(&admin, StatusCode::OK, None, "").await
}

async fn list(
    admin: &Admin,
    status: StatusCode,
    error: Option<String>,
    typed: &str,
) -> Result<Response, Trouble> {
    let ask = admin.ask();
    let hub = &ask.hub;
    let filter = ask.query("name_filter").unwrap_or_default();
    let state = ask.query("state").unwrap_or_default();
    let sort = ask.query("sort").unwrap_or_default();
    let number = page_number(ask);
    let (by, descending) = match &*sort {
        "-last_activity" => (Sort::LastActivity, true),
        "-id" => (Sort::Id, true),
        _ => (Sort::Name, false),
    };
    let query = Query {
        active: match &*state {
            "active" => Some(true),
            "inactive" => Some(false),
            _ => None,
        },
        name_part: Some(filter.clone()).filter(|part| !part.is_empty()),
        only: visible(admin),
        sort: by,
        descending,
        offset: (number - 1).saturating_mul(SIZE),
        limit: SIZE,
    };
    let (users, total, servers) = hub
        .store
        .read(move |connection| {
            let (users, total) = user::list(connection, &query)?;
            let servers = server::of_users(connection, users.iter().map(|user| user.id))?;
            Ok::<_, StoreError>((users, total, servers))
        })
        .await?;
    let now = hub.clock.now();
    let none = Vec::new();
    let rows: Vec<Row> = users
        .iter()
        .map(|user| row(admin, user, servers.get(&user.id).unwrap_or(&none), now))
        .collect();
    let list_address = ask.at("admin");
    let choice = |chosen: &str, value: &'static str, text: &'static str| Choice {
        value,
        text,
        chosen: chosen == value,
    };
    let page = UsersPage {
        tabs: tabs(ask, Tab::Users),
        page: Paging::new(number, SIZE, total, "user", |page| {
            let page = page.to_string();
            with_query(
                &list_address,
                &[
                    ("name_filter", &filter),
                    ("state", &state),
                    ("sort", &sort),
                    ("page", &page),
                ],
            )
        }),
        states: vec![
            choice(&state, "", "Any"),
            choice(&state, "active", "Running"),
            choice(&state, "inactive", "None running"),
        ],
        sorts: vec![
            choice(&sort, "", "By name"),
            choice(&sort, "-last_activity", "Last active first"),
            choice(&sort, "-id", "Newest first"),
        ],
        is_changing: rows
            .iter()
            .any(|row| row.servers.iter().any(Card::is_changing)),
        users: rows,
        here: if error.is_some() {
            list_address.clone()
        } else {
            here(ask)
        },
        has_passwords: hub.authenticators.passwords().is_some(),
        error,
        typed: typed.to_owned(),
        filter: filter.clone(),
    };
    Ok(ask.page(status, "admin_users.html", Nav::Admin, &page))
}

/// Whom an admin of some may see; `None`: all.
fn visible(admin: &Admin) -> Option<(Vec<String>, Vec<String>)> {
    match admin.0.requester().scopes.filter("list:users") {
        Some(Filter::All) => None,
        Some(Filter::Only(names)) => Some((
            names.users.iter().cloned().collect(),
            names.groups.iter().cloned().collect(),
        )),
        None => Some((Vec::new(), Vec::new())),
    }
}

fn row(admin: &Admin, user: &User, kept: &[Server], now: Timestamp) -> Row {
    let hub = &admin.ask().hub;
    let (server, servers) = cards(hub, user, kept, now);
    Row {
        name: user.name.clone(),
        href: address(admin.ask(), "users", &user.name),
        admin: user.admin,
        groups: user.groups.join(", "),
        last_activity: user.last_activity.map(|at| Moment::new(at, now)),
        server,
        servers,
    }
}

/// A user's default server, and all of them, the default one first.
pub(super) fn cards(hub: &Hub, user: &User, kept: &[Server], now: Timestamp) -> (Card, Vec<Card>) {
    let card = |name: &str| {
        let key = ServerKey {
            user: user.name.clone(),
            name: name.to_owned(),
        };
        Card::new(
            hub,
            &key,
            kept.iter().find(|server| server.name == name),
            now,
        )
    };
    let named = kept
        .iter()
        .filter(|server| !server.name.is_empty())
        .map(|server| card(&server.name));
    (card(""), std::iter::once(card("")).chain(named).collect())
}

/// `POST /admin/users`.
pub async fn add(Posted { user, form }: Posted) -> Result<Response, Trouble> {
    let admin = check(user, "admin:users")?;
    let typed = form.get("names");
    let wanted = names(typed);
    let bad: Vec<&str> = wanted
        .iter()
        .filter(|name| !name::is_valid_user(name))
        .map(|name| &**name)
        .collect();
    if wanted.is_empty() || !bad.is_empty() {
        let text = if bad.is_empty() {
            "There is no name in it.".to_owned()
        } else {
            format!(
                "These cannot be names of users: {}. Nobody was added.",
                bad.join(", ")
            )
        };
        return list(&admin, StatusCode::BAD_REQUEST, Some(text), typed).await;
    }
    let hub = &admin.ask().hub;
    let (as_admins, now) = (form.get("admin") == "yes", hub.clock.now());
    if as_admins && !admin.0.requester().is_admin() {
        return Ok(forbidden(&admin.0));
    }
    let created = hub
        .store
        .write(move |connection| {
            let mut created = Vec::new();
            for name in wanted {
                if user::find(connection, &name)?.is_none() {
                    user::create(connection, now, &name, as_admins)?;
                    created.push(name);
                }
            }
            Ok::<_, StoreError>(created)
        })
        .await?;
    if created.is_empty() {
        let text = "All of them are users already.".to_owned();
        return list(&admin, StatusCode::CONFLICT, Some(text), typed).await;
    }
    tracing::info!(
        by = admin.0.name(),
        users = created.join(" "),
        as_admins,
        "added users"
    );
    match hub.authenticators.passwords() {
        Some(passwords) => give_secrets(&admin, passwords, created, &admin.ask().at("admin")).await,
        None => Ok(admin
            .ask()
            .redirect(&format!("{}?done=added", admin.ask().at("admin")))),
    }
}

/// Gives each a first-login secret in place of any password, ends their sessions, and shows the secrets once.
pub(super) async fn give_secrets(
    admin: &Admin,
    passwords: &PasswordFile,
    names: Vec<String>,
    back: &str,
) -> Result<Response, Trouble> {
    let ask = admin.ask();
    let secrets: Vec<Secret> = names
        .into_iter()
        .map(|name| Secret {
            name,
            secret: first_secret(),
        })
        .collect();
    let written = join_all(
        secrets
            .iter()
            .map(|one| passwords.set(&one.name, &one.secret, true)),
    )
    .await;
    if let Some(Err(ChangeError::Unavailable(why) | ChangeError::Unfit(why))) =
        written.into_iter().find(Result::is_err)
    {
        tracing::error!(why, "giving first-login secrets");
        return Err(Trouble::Internal);
    }
    let who: Vec<String> = secrets.iter().map(|one| one.name.clone()).collect();
    ask.hub
        .store
        .write(move |connection| {
            for name in &who {
                if let Some(user) = user::find(connection, name)? {
                    crate::store::session::end_of_user(connection, user.id, None)?;
                }
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    let page = SecretsPage {
        tabs: tabs(ask, Tab::Users),
        secrets,
        back: back.to_owned(),
    };
    Ok(ask.page(StatusCode::OK, "admin_secrets.html", Nav::Admin, &page))
}
