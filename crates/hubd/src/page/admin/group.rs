//! Groups and their members.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use super::{Admin, Paging, Tab, address, check, forbidden, names, page_number, tabs, with_query};
use crate::page::ask::{Posted, Trouble};
use crate::page::template::Link;
use crate::page::{Nav, error};
use crate::store::group::{self, Group};
use crate::store::{StoreError, user};

/// Groups on a page.
const SIZE: u32 = 50;
/// Members on a page.
const MEMBERS: u32 = 200;

#[derive(Serialize)]
struct GroupsPage {
    tabs: Vec<Link>,
    page: Paging,
    groups: Vec<Row>,
    error: Option<String>,
    typed: String,
}

#[derive(Serialize)]
struct Row {
    name: String,
    href: String,
    members: usize,
}

#[derive(Serialize)]
struct GroupPage {
    tabs: Vec<Link>,
    page: Paging,
    group: Row,
    members: Vec<Member>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Member {
    name: String,
    href: String,
}

/// `GET /admin/groups`.
pub async fn list(admin: Admin) -> Result<Response, Trouble> {
    if !admin.may("list:groups") {
        return Ok(forbidden(&admin.0));
    }
    show_list(&admin, StatusCode::OK, None, "").await
}

async fn show_list(
    admin: &Admin,
    status: StatusCode,
    error: Option<String>,
    typed: &str,
) -> Result<Response, Trouble> {
    let ask = admin.ask();
    let number = page_number(ask);
    let offset = (number - 1).saturating_mul(SIZE);
    let (groups, total) = ask
        .hub
        .store
        .read(move |connection| group::list(connection, None, offset, SIZE))
        .await?;
    let list_address = ask.at("admin/groups");
    let page = GroupsPage {
        tabs: tabs(ask, Tab::Groups),
        page: Paging::new(number, SIZE, total, "group", |page| {
            with_query(&list_address, &[("page", &page.to_string())])
        }),
        groups: groups.iter().map(|group| row(admin, group)).collect(),
        error,
        typed: typed.to_owned(),
    };
    Ok(ask.page(status, "admin_groups.html", Nav::Admin, &page))
}

fn row(admin: &Admin, group: &Group) -> Row {
    Row {
        name: group.name.clone(),
        href: address(admin.ask(), "groups", &group.name),
        members: group.users.len(),
    }
}

/// `POST /admin/groups`.
pub async fn create(Posted { user, form }: Posted) -> Result<Response, Trouble> {
    let admin = check(user, "admin:groups")?;
    let name = form.get("name").trim().to_owned();
    if name.is_empty()
        || name.chars().count() > 255
        || name.contains(|c: char| c == '/' || c.is_control())
    {
        let text = "A group’s name has 1 to 255 characters and no slash.".to_owned();
        return show_list(&admin, StatusCode::BAD_REQUEST, Some(text), &name).await;
    }
    let wanted = name.clone();
    let created = admin
        .ask()
        .hub
        .store
        .write(move |connection| {
            let is_new = group::find(connection, &wanted)?.is_none();
            if is_new {
                group::create(connection, &wanted)?;
            }
            Ok::<_, StoreError>(is_new)
        })
        .await?;
    if !created {
        let text = "There is a group of that name already.".to_owned();
        return show_list(&admin, StatusCode::CONFLICT, Some(text), &name).await;
    }
    let to = address(admin.ask(), "groups", &name);
    Ok(admin.ask().redirect(&format!("{to}?done=added")))
}

/// `GET /admin/groups/{name}`.
pub async fn page(admin: Admin, Path(name): Path<String>) -> Result<Response, Trouble> {
    if !admin.may("list:groups") {
        return Ok(forbidden(&admin.0));
    }
    show(&admin, &name, StatusCode::OK, None).await
}

async fn show(
    admin: &Admin,
    name: &str,
    status: StatusCode,
    error: Option<String>,
) -> Result<Response, Trouble> {
    let ask = admin.ask();
    let Some(group) = find(admin, name).await? else {
        return Ok(error::usual(ask, StatusCode::NOT_FOUND));
    };
    let number = page_number(ask);
    let total = u32::try_from(group.users.len()).unwrap_or(u32::MAX);
    let here = address(ask, "groups", &group.name);
    let page = Paging::new(number, MEMBERS, total, "member", |page| {
        with_query(&here, &[("page", &page.to_string())])
    });
    let first = (page.number - 1) * MEMBERS;
    let mut users = group.users.clone();
    users.sort();
    let members = users
        .into_iter()
        .skip(first as usize)
        .take(MEMBERS as usize)
        .map(|name| Member {
            href: address(ask, "users", &name),
            name,
        })
        .collect();
    let page = GroupPage {
        tabs: tabs(ask, Tab::Groups),
        page,
        group: row(admin, &group),
        members,
        error,
    };
    Ok(ask.page(status, "admin_group.html", Nav::Admin, &page))
}

async fn find(admin: &Admin, name: &str) -> Result<Option<Group>, Trouble> {
    let name = name.to_owned();
    Ok(admin
        .ask()
        .hub
        .store
        .read(move |connection| group::find(connection, &name))
        .await?)
}

/// `POST /admin/groups/{name}/add`.
pub async fn add(
    Path(name): Path<String>,
    Posted { user, form }: Posted,
) -> Result<Response, Trouble> {
    let admin = check(user, "groups")?;
    let Some(group) = find(&admin, &name).await? else {
        return Ok(error::usual(admin.ask(), StatusCode::NOT_FOUND));
    };
    let wanted = names(form.get("names"));
    let id = group.id;
    let unknown = admin
        .ask()
        .hub
        .store
        .write(move |connection| {
            let mut unknown = Vec::new();
            for name in wanted {
                match user::find(connection, &name)? {
                    Some(user) => group::add_user(connection, id, user.id)?,
                    None => unknown.push(name),
                }
            }
            Ok::<_, StoreError>(unknown)
        })
        .await?;
    if !unknown.is_empty() {
        let text = format!(
            "These are no users of the hub: {}. The others were added.",
            unknown.join(", ")
        );
        return show(&admin, &group.name, StatusCode::BAD_REQUEST, Some(text)).await;
    }
    let to = address(admin.ask(), "groups", &group.name);
    Ok(admin.ask().redirect(&format!("{to}?done=added")))
}

/// `POST /admin/groups/{name}/remove`.
pub async fn remove(
    Path(name): Path<String>,
    Posted { user, form }: Posted,
) -> Result<Response, Trouble> {
    let admin = check(user, "groups")?;
    let Some(group) = find(&admin, &name).await? else {
        return Ok(error::usual(admin.ask(), StatusCode::NOT_FOUND));
    };
    let (id, member) = (group.id, form.get("user").to_owned());
    admin
        .ask()
        .hub
        .store
        .write(move |connection| {
            if let Some(user) = user::find(connection, &member)? {
                group::remove_user(connection, id, user.id)?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    let to = address(admin.ask(), "groups", &group.name);
    Ok(admin.ask().redirect(&format!("{to}?done=saved")))
}

/// `POST /admin/groups/{name}/delete`.
pub async fn delete(
    Path(name): Path<String>,
    Posted { user, .. }: Posted,
) -> Result<Response, Trouble> {
    let admin = check(user, "delete:groups")?;
    let Some(group) = find(&admin, &name).await? else {
        return Ok(error::usual(admin.ask(), StatusCode::NOT_FOUND));
    };
    let id = group.id;
    admin
        .ask()
        .hub
        .store
        .write(move |connection| group::delete(connection, id))
        .await?;
    tracing::info!(by = admin.0.name(), group = group.name, "deleted a group");
    Ok(admin
        .ask()
        .redirect(&format!("{}?done=deleted", admin.ask().at("admin/groups"))))
}
