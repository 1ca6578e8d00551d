//! One user: servers, rights, groups, a new first-login secret, the end.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::{Admin, Tab, address, check, forbidden, here, tabs};
use crate::page::ask::{Posted, Trouble};
use crate::page::home::Card;
use crate::page::moment::Moment;
use crate::page::template::Link;
use crate::page::{Nav, error};
use crate::scope::Subject;
use crate::store::user::{self, User};
use crate::store::{StoreError, group, server};

/// How many groups the page offers.
const GROUPS: u32 = 500;

#[derive(Serialize)]
struct UserPage {
    tabs: Vec<Link>,
    user: Shown,
    groups: Vec<Choice>,
    has_passwords: bool,
    is_changing: bool,
    here: String,
    error: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    href: String,
    admin: bool,
    created: Moment,
    last_activity: Option<Moment>,
    servers: Vec<Card>,
    has_password: bool,
    is_self: bool,
}

#[derive(Serialize)]
struct Choice {
    name: String,
    chosen: bool,
}

/// `GET /admin/users/{name}`.
pub async fn page(admin: Admin, Path(name): Path<String>) -> Result<Response, Trouble> {
    show(&admin, &name, StatusCode::OK, None).await
}

/// The user of that name, if the admin may see him.
async fn find(admin: &Admin, name: &str) -> Result<Option<User>, Trouble> {
    let name = name.to_owned();
    let found = admin
        .ask()
        .hub
        .store
        .read(move |connection| user::find(connection, &name))
        .await?;
    Ok(found.filter(|user| {
        let subject = Subject::User {
            name: &user.name,
            groups: &user.groups,
        };
        admin.0.requester().may("list:users", &subject)
    }))
}

async fn show(
    admin: &Admin,
    name: &str,
    status: StatusCode,
    error: Option<String>,
) -> Result<Response, Trouble> {
    let ask = admin.ask();
    let hub = &ask.hub;
    let Some(user) = find(admin, name).await? else {
        return Ok(error::usual(ask, StatusCode::NOT_FOUND));
    };
    let id = user.id;
    let (kept, (groups, _)) = hub
        .store
        .read(move |connection| {
            Ok::<_, StoreError>((
                server::of_user(connection, id)?,
                group::list(connection, None, 0, GROUPS)?,
            ))
        })
        .await?;
    let now = hub.clock.now();
    let (_, servers) = super::users::cards(hub, &user, &kept, now);
    let passwords = hub.authenticators.passwords();
    let page = UserPage {
        tabs: tabs(ask, Tab::Users),
        groups: groups
            .into_iter()
            .map(|group| Choice {
                chosen: user.groups.contains(&group.name),
                name: group.name,
            })
            .collect(),
        has_passwords: passwords.is_some(),
        is_changing: servers.iter().any(Card::is_changing),
        here: if error.is_some() {
            address(ask, "users", &user.name)
        } else {
            here(ask)
        },
        error,
        user: Shown {
            href: address(ask, "users", &user.name),
            admin: user.admin,
            created: Moment::new(user.created, now),
            last_activity: user.last_activity.map(|at| Moment::new(at, now)),
            servers,
            has_password: passwords.is_some_and(|passwords| passwords.knows(&user.name)),
            is_self: user.name == admin.0.name(),
            name: user.name,
        },
    };
    Ok(ask.page(status, "admin_user.html", Nav::Admin, &page))
}

/// `POST /admin/users/{name}`: rights and groups.
pub async fn save(
    Path(name): Path<String>,
    Posted { user, form }: Posted,
) -> Result<Response, Trouble> {
    let admin = check(user, "admin:users")?;
    let Some(target) = find(&admin, &name).await? else {
        return Ok(error::usual(admin.ask(), StatusCode::NOT_FOUND));
    };
    let is_self = target.name == admin.0.name();
    let wanted = form.get("admin") == "yes";
    // Who may manage users makes no admins by it, and changes none.
    if !admin.0.requester().is_admin() && (target.admin || wanted) {
        return Ok(forbidden(&admin.0));
    }
    let chosen: Vec<String> = form.all("group").map(str::to_owned).collect();
    let (id, was) = (target.id, target.admin);
    let before = target.groups.clone();
    admin
        .ask()
        .hub
        .store
        .write(move |connection| {
            if !is_self && wanted != was {
                user::set_admin(connection, id, wanted)?;
            }
            // The page offers so many groups; those it did not offer stay as they are.
            let (offered, _) = group::list(connection, None, 0, GROUPS)?;
            for group in offered {
                match (chosen.contains(&group.name), before.contains(&group.name)) {
                    (true, false) => group::add_user(connection, group.id, id)?,
                    (false, true) => group::remove_user(connection, group.id, id)?,
                    (true, true) | (false, false) => {}
                }
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    tracing::info!(
        by = admin.0.name(),
        user = target.name,
        admin = wanted,
        "changed a user"
    );
    let to = address(admin.ask(), "users", &target.name);
    Ok(admin.ask().redirect(&format!("{to}?done=saved")))
}

/// `POST /admin/users/{name}/secret`.
pub async fn give_secret(
    Path(name): Path<String>,
    Posted { user, .. }: Posted,
) -> Result<Response, Trouble> {
    let admin = check(user, "admin:users")?;
    let hub = admin.ask().hub.clone();
    let (Some(target), Some(passwords)) =
        (find(&admin, &name).await?, hub.authenticators.passwords())
    else {
        return Ok(error::usual(admin.ask(), StatusCode::NOT_FOUND));
    };
    // Whoever has an admin's secret is that admin.
    if target.admin && !admin.0.requester().is_admin() {
        return Ok(forbidden(&admin.0));
    }
    tracing::info!(
        by = admin.0.name(),
        user = target.name,
        "gave a first-login secret"
    );
    let back = address(admin.ask(), "users", &target.name);
    super::users::give_secrets(&admin, passwords, vec![target.name], &back).await
}

/// `POST /admin/users/{name}/delete`.
pub async fn delete(
    Path(name): Path<String>,
    Posted { user, form }: Posted,
) -> Result<Response, Trouble> {
    let admin = check(user, "delete:users")?;
    let Some(target) = find(&admin, &name).await? else {
        return Ok(error::usual(admin.ask(), StatusCode::NOT_FOUND));
    };
    if target.admin && !admin.0.requester().is_admin() {
        return Ok(forbidden(&admin.0));
    }
    let refused = if target.name == admin.0.name() {
        Some("You cannot delete yourself; another admin can.".to_owned())
    } else if form.get("confirm").trim() != target.name {
        Some(format!("Not deleted: type {} to confirm.", target.name))
    } else {
        None
    };
    if refused.is_some() {
        return show(&admin, &target.name, StatusCode::BAD_REQUEST, refused).await;
    }
    let hub = &admin.ask().hub;
    hub.servers.stop_all_of(&target.name).await;
    let id = target.id;
    hub.store
        .write(move |connection| user::delete(connection, id))
        .await?;
    hub.authenticators.forget(&target.name).await;
    tracing::info!(by = admin.0.name(), user = target.name, "deleted a user");
    Ok(admin
        .ask()
        .redirect(&format!("{}?done=deleted", admin.ask().at("admin"))))
}
