//! Key pairs: a user's, not a project's.

use std::path::Path as FilePath;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{NovaError, Version, quota};
use crate::api::query::page;
use crate::api::{Caller, Ctx, Fields, Payload, Query, clock};

#[derive(Debug, Clone)]
pub struct Keypair {
    pub number: usize,
    pub user_id: String,
    pub name: String,
    pub public_key: String,
    pub fingerprint: String,
    /// `ssh` or `x509`.
    pub kind: String,
    pub created: OffsetDateTime,
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/os-keypairs", get(index).post(create))
        .route("/os-keypairs/{name}", get(show).delete(delete))
}

impl Keypair {
    /// Name, public key, fingerprint and, from 2.2, the type.
    fn json(&self, version: Version) -> Value {
        let mut view = json!({"name": self.name, "public_key": self.public_key, "fingerprint": self.fingerprint});
        if version >= Version(2) {
            view["type"] = json!(self.kind);
        }
        view
    }
}

/// MD5 over the key's blob, as colon-separated hex.
fn fingerprint(public_key: &str) -> Option<String> {
    use md5::{Digest, Md5};
    let mut words = public_key.split_whitespace();
    let kind = words.next()?;
    let blob = base64::engine::general_purpose::STANDARD
        .decode(words.next()?)
        .ok()?;
    // The blob begins with the length of the type and the type itself.
    let named = blob.get(4..4 + kind.len())?;
    if named != kind.as_bytes() {
        return None;
    }
    let digest = Md5::digest(&blob);
    Some(
        digest
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<Vec<_>>()
            .join(":"),
    )
}

/// Whose key pairs are meant: from 2.10 an administrator may name another user.
fn owner(caller: &Caller, version: Version, asked: Option<String>) -> Result<String, NovaError> {
    match asked {
        Some(user) if version >= Version(10) && user != caller.user_id => {
            if caller.admin {
                Ok(user)
            } else {
                Err(NovaError::policy("os_compute_api:os-keypairs:index"))
            }
        }
        _ => Ok(caller.user_id.clone()),
    }
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    query: Query,
) -> Result<Json<Value>, NovaError> {
    let owner = owner(&caller, version, query.get("user_id").map(str::to_owned))?;
    let state = ctx.lock();
    let mut keypairs: Vec<&Keypair> = state
        .compute
        .keypairs
        .iter()
        .filter(|k| k.user_id == owner)
        .collect();
    keypairs.sort_by(|a, b| a.name.cmp(&b.name));
    // Pages came with 2.35.
    let paged = version >= Version(35);
    let limit = query
        .get("limit")
        .filter(|_| paged)
        .and_then(|l| l.parse().ok());
    let marker = query.get("marker").filter(|_| paged);
    let page = page(keypairs, marker, limit, |k| &k.name).map_err(|_| {
        NovaError::bad(format!("marker [{}] not found", marker.unwrap_or_default()))
    })?;
    let mut body = json!({"keypairs": page.items.iter().map(|k| json!({"keypair": k.json(version)})).collect::<Vec<_>>()});
    if let (true, Some(last)) = (page.more, page.items.last()) {
        let href = ctx.url(&format!(
            "/compute/v2.1/os-keypairs?{}",
            query.with_marker(&last.name)
        ));
        body["keypairs_links"] = json!([{"rel": "next", "href": href}]);
    }
    Ok(Json(body))
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, NovaError> {
    let owner = owner(&caller, version, query.get("user_id").map(str::to_owned))?;
    let state = ctx.lock();
    let found = state
        .compute
        .keypairs
        .iter()
        .find(|k| k.user_id == owner && k.name == name);
    let found = found.ok_or_else(|| missing(&name, &owner))?;
    let mut view = found.json(version);
    for (key, value) in [
        ("id", json!(found.number)),
        ("user_id", json!(found.user_id)),
        ("created_at", json!(clock::micros(found.created))),
        ("updated_at", Value::Null),
        ("deleted_at", Value::Null),
        ("deleted", json!(false)),
    ] {
        view[key] = value;
    }
    Ok(Json(json!({"keypair": view})))
}

fn missing(name: &str, user: &str) -> NovaError {
    NovaError::not_found(format!("Keypair {name} not found for user {user}"))
}

async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Payload(body): Payload,
) -> Result<Response, NovaError> {
    let body = &body["keypair"];
    let name = body.text("name").ok_or_else(|| required("name"))?;
    let name = valid_name(&name, version)?;
    let owner = owner(&caller, version, body.text("user_id"))?;
    let (public_key, private_key) = match body.text("public_key") {
        Some(key) => (key, None),
        None if version >= Version(92) => return Err(required("public_key")),
        None => {
            let (public, private) = generate().await?;
            (public, Some(private))
        }
    };
    let fingerprint = fingerprint(&public_key)
        .ok_or_else(|| NovaError::bad("Keypair data is invalid: failed to generate fingerprint"))?;
    let mut state = ctx.lock();
    let compute = &mut state.compute;
    if compute
        .keypairs
        .iter()
        .any(|k| k.user_id == owner && k.name == name)
    {
        return Err(NovaError::conflict(format!(
            "Key pair '{name}' already exists."
        )));
    }
    let count = compute
        .keypairs
        .iter()
        .filter(|k| k.user_id == owner)
        .count();
    if quota::reached(compute, "key_pairs", count) {
        return Err(NovaError::forbidden("Quota exceeded, too many key pairs."));
    }
    let keypair = Keypair {
        number: compute.keypairs.len() + 1,
        user_id: owner,
        name,
        public_key,
        fingerprint,
        kind: body.text("type").unwrap_or_else(|| "ssh".to_owned()),
        created: clock::now(),
    };
    let mut view = keypair.json(version);
    view["user_id"] = json!(keypair.user_id);
    if let Some(private) = private_key {
        view["private_key"] = json!(private);
    }
    compute.keypairs.push(keypair);
    let status = if version >= Version(2) {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(json!({"keypair": view}))).into_response())
}

fn required(property: &str) -> NovaError {
    NovaError::invalid(
        "keypair",
        "{…}",
        &format!("'{property}' is a required property"),
    )
}

fn valid_name(name: &str, version: Version) -> Result<String, NovaError> {
    let more = if version >= Version(92) {
        "@._- "
    } else {
        "_- "
    };
    let ok = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    if name.is_empty() || name.len() > 255 {
        return Err(NovaError::invalid(
            "name",
            name,
            &format!("'{name}' is too short or too long"),
        ));
    }
    if name.chars().all(ok) {
        Ok(name.to_owned())
    } else {
        Err(NovaError::bad(
            "Keypair data is invalid: Keypair name contains unsafe characters",
        ))
    }
}

/// Makes a pair, as Nova did before 2.92.
async fn generate() -> Result<(String, String), NovaError> {
    let failed = |why: String| {
        NovaError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("Unexpected API Error: ssh-keygen: {why}"),
        )
    };
    let dir = tempfile::tempdir().map_err(|e| failed(e.to_string()))?;
    let file = dir.path().join("key");
    let made = tokio::process::Command::new("ssh-keygen")
        .args([
            "-q",
            "-t",
            "rsa",
            "-b",
            "2048",
            "-m",
            "PEM",
            "-N",
            "",
            "-C",
            "Generated-by-Nova",
            "-f",
        ])
        .arg(&file)
        .output()
        .await
        .map_err(|e| failed(e.to_string()))?;
    if !made.status.success() {
        return Err(failed(String::from_utf8_lossy(&made.stderr).into_owned()));
    }
    let read = |path: &FilePath| std::fs::read_to_string(path).map_err(|e| failed(e.to_string()));
    Ok((read(&file.with_extension("pub"))?, read(&file)?))
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(name): Path<String>,
    query: Query,
) -> Result<StatusCode, NovaError> {
    let owner = owner(&caller, version, query.get("user_id").map(str::to_owned))?;
    let mut state = ctx.lock();
    let keypairs = &mut state.compute.keypairs;
    let place = keypairs
        .iter()
        .position(|k| k.user_id == owner && k.name == name);
    keypairs.remove(place.ok_or_else(|| missing(&name, &owner))?);
    Ok(if version >= Version(2) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::ACCEPTED
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_ssh_keygen() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example";
        assert_eq!(
            fingerprint(key).unwrap(),
            "65:96:2d:fc:e8:d5:a9:11:64:0c:0f:ea:00:6e:5b:bd"
        );
        assert_eq!(fingerprint("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMq"), None);
        assert_eq!(fingerprint("nonsense"), None);
    }
}
