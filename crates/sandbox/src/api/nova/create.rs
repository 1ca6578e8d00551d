//! `POST /servers`: what is checked before a server is promised.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State as Given;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::{Value, json};

use super::block_device::disks;
use super::flavor::Flavor;
use super::metadata::valid_metadata;
use super::nic::{groups, plugs};
use super::quota::{self, Usage};
use super::server::{Fate, Server, VmState};
use super::server_tag::valid_tag;
use super::{NovaError, Version, links};
use crate::api::glance::image::Image;
use crate::api::life::{self, Disk, Plug};
use crate::api::{Caller, Ctx, Fields, Payload, State, clock, id};

/// Bytes of base64 Nova takes as user data.
const USER_DATA: usize = 65_535;

pub async fn create(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    fate: Option<Extension<Fate>>,
    Payload(body): Payload,
) -> Result<Response, NovaError> {
    let body = body
        .get("server")
        .filter(|b| b.is_object())
        .ok_or_else(|| {
            NovaError::invalid(
                "server",
                &body.to_string(),
                "'server' is a required property",
            )
        })?;
    let (answer, work) = {
        let mut state = ctx.lock();
        let order = order(&mut state, &caller, version, body)?;
        let mut server = Server {
            fate: fate.map(|Extension(fate)| fate).unwrap_or_default(),
            ..order.server
        };
        server.note("create", &caller);
        let answer = json!({"server": {
            "id": server.id,
            "links": links(&ctx, &format!("/servers/{}", server.id)),
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": order.group_names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "adminPass": &id::secret()[..12],
        }});
        let work = life::build(
            ctx.clone(),
            server.id.clone(),
            order.plugs,
            order.disks,
            order.groups,
        );
        state.compute.servers.push(server);
        (answer, work)
    };
    tokio::spawn(work);
    let location = answer["server"]["links"][0]["href"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    Ok((
        StatusCode::ACCEPTED,
        [("location", location)],
        axum::Json(answer),
    )
        .into_response())
}

/// A server that may be built, and what is to be built with it.
struct Order {
    server: Server,
    plugs: Vec<Plug>,
    disks: Vec<Disk>,
    /// Ids of the groups for ports Nova makes.
    groups: Vec<String>,
    group_names: Vec<String>,
}

fn order(
    state: &mut State,
    caller: &Caller,
    version: Version,
    body: &Value,
) -> Result<Order, NovaError> {
    known(body, version)?;
    let name = valid_name(&body.text("name").ok_or_else(|| required(body, "name"))?)?;
    let flavor_ref = body
        .text("flavorRef")
        .ok_or_else(|| required(body, "flavorRef"))?;
    let flavor_id = flavor_ref.rsplit('/').next().unwrap_or(&flavor_ref);
    let flavor = state
        .compute
        .flavors
        .iter()
        .find(|f| f.id == flavor_id)
        .cloned();
    let flavor =
        flavor.ok_or_else(|| NovaError::bad(format!("Flavor {flavor_id} could not be found.")))?;
    let keypair = match body.text("key_name") {
        None => None,
        Some(name) => {
            let mut mine = state
                .compute
                .keypairs
                .iter()
                .filter(|k| k.user_id == caller.user_id);
            Some(
                mine.find(|k| k.name == name)
                    .cloned()
                    .ok_or_else(|| NovaError::bad("Invalid key_name provided."))?,
            )
        }
    };
    let user_data = match body.text("user_data") {
        None => None,
        Some(text) => Some(decoded(&text)?),
    };
    let metadata = match body.get("metadata") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(value) => valid_metadata(value)?,
    };
    let tags = match body.texts("tags") {
        Some(tags) => tags
            .iter()
            .map(|t| valid_tag(t))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let image_ref = body.text("imageRef").filter(|r| !r.is_empty());
    let image = match &image_ref {
        None => None,
        Some(image) => Some(find_image(state, caller, image)?.clone()),
    };
    let disks = disks(state, caller, body, image.as_ref())?;
    let from_volume = disks.iter().any(|d| d.is_root());
    if !from_volume {
        let image = image
            .as_ref()
            .ok_or_else(|| NovaError::bad("Invalid imageRef provided."))?;
        fits(&flavor, image)?;
    }
    let zone = body.text("availability_zone");
    if zone.as_deref().is_some_and(|z| z != super::zone::ZONE) {
        return Err(NovaError::bad(
            "The requested availability zone is not available",
        ));
    }
    let plugs = plugs(state, caller, version, body)?;
    let (groups, group_names) = groups(state, caller, body)?;
    let count = body.number("min_count").unwrap_or(1);
    if count != 1 || body.number("max_count").unwrap_or(1) != 1 {
        return Err(NovaError::bad("This cloud makes one server at a time."));
    }
    let ram = i64::try_from(flavor.ram).unwrap_or(i64::MAX);
    let more = Usage {
        instances: 1,
        cores: i64::from(flavor.vcpus),
        ram,
    };
    quota::check(&state.compute, &caller.project_id, more)?;
    let now = clock::now();
    let server = Server {
        id: id::uuid(),
        hostname: body.text("hostname").unwrap_or_else(|| hostname(&name)),
        description: body
            .text("description")
            .or_else(|| (version < Version(19)).then(|| name.clone())),
        name,
        project_id: caller.project_id.clone(),
        user_id: caller.user_id.clone(),
        flavor,
        image_id: image.filter(|_| !from_volume).map(|i| i.id),
        keypair,
        metadata,
        tags,
        config_drive: body.flag("config_drive").unwrap_or(false),
        user_data,
        created: now,
        updated: now,
        launched: None,
        vm_state: VmState::Building,
        task: Some("scheduling"),
        fault: None,
        locked: false,
        nics: Vec::new(),
        attachments: Vec::new(),
        fate: Fate::default(),
        events: Vec::new(),
        has_machine: false,
        rules: None,
    };
    Ok(Order {
        server,
        plugs,
        disks,
        groups,
        group_names,
    })
}

/// Properties of the body, and the microversion they came with.
const PROPERTIES: [(&str, u16); 24] = [
    ("name", 1),
    ("imageRef", 1),
    ("flavorRef", 1),
    ("adminPass", 1),
    ("metadata", 1),
    ("networks", 1),
    ("OS-DCF:diskConfig", 1),
    ("accessIPv4", 1),
    ("accessIPv6", 1),
    ("availability_zone", 1),
    ("block_device_mapping", 1),
    ("block_device_mapping_v2", 1),
    ("config_drive", 1),
    ("key_name", 1),
    ("min_count", 1),
    ("max_count", 1),
    ("return_reservation_id", 1),
    ("security_groups", 1),
    ("user_data", 1),
    ("description", 19),
    ("tags", 52),
    ("trusted_image_certificates", 63),
    ("host", 74),
    ("hostname", 90),
];

/// Refuses properties Nova does not have, or not yet at this version.
fn known(body: &Value, version: Version) -> Result<(), NovaError> {
    let has = |key: &str| {
        PROPERTIES
            .iter()
            .any(|(name, since)| *name == key && version >= Version(*since))
    };
    match body
        .as_object()
        .into_iter()
        .flatten()
        .find(|(key, _)| !has(key))
    {
        Some((key, _)) => Err(NovaError::invalid(
            "server",
            "{…}",
            &format!("Additional properties are not allowed ('{key}' was unexpected)"),
        )),
        None => Ok(()),
    }
}

pub fn required(body: &Value, property: &str) -> NovaError {
    let names: Vec<&String> = body
        .as_object()
        .map(|o| o.keys().collect())
        .unwrap_or_default();
    NovaError::invalid(
        "server",
        &format!("{names:?}"),
        &format!("'{property}' is a required property"),
    )
}

/// A name: 1 to 255 characters, no blanks around.
pub fn valid_name(name: &str) -> Result<String, NovaError> {
    let why = match name {
        "" => "'' is too short",
        n if n.chars().count() > 255 => "the name is too long",
        n if n.trim() != n => "the name does not match '^(?![\\s])[…]*(?<![\\s])$'",
        n => return Ok(n.to_owned()),
    };
    Err(NovaError::invalid("name", name, why))
}

/// The host name Nova makes of a server's name.
fn hostname(name: &str) -> String {
    let mut host: String = name
        .chars()
        .map(|c| if matches!(c, ' ' | '_' | '.') { '-' } else { c })
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect::<String>()
        .to_ascii_lowercase();
    host.truncate(63);
    let host = host.trim_matches('-').to_owned();
    if host.is_empty() {
        "server".to_owned()
    } else {
        host
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, NovaError> {
    if text.len() > USER_DATA {
        return Err(NovaError::invalid(
            "user_data",
            "…",
            "the user data is too long",
        ));
    }
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| NovaError::invalid("user_data", "…", "the user data is not a 'base64'"))
}

pub fn find_image<'a>(
    state: &'a State,
    caller: &Caller,
    reference: &str,
) -> Result<&'a Image, NovaError> {
    let id = reference.rsplit('/').next().unwrap_or(reference);
    let found = state
        .images
        .iter()
        .find(|i| i.id == id && i.visible(caller));
    let found = found.ok_or_else(|| NovaError::bad("Can not find requested image"))?;
    if found.status != "active" {
        return Err(NovaError::bad(format!("Image {id} is not active.")));
    }
    Ok(found)
}

/// Whether a flavor is big enough to boot an image from its own disk.
fn fits(flavor: &Flavor, image: &Image) -> Result<(), NovaError> {
    if flavor.disk == 0 {
        return Err(NovaError::forbidden(
            "Only volume-backed servers are allowed for flavors with zero disk.",
        ));
    }
    if flavor.ram < image.min_ram {
        return Err(NovaError::bad(
            "Flavor's memory is too small for requested image.",
        ));
    }
    if flavor.disk < image.min_disk {
        return Err(NovaError::bad(format!(
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is {} bytes, minimum size is {} bytes.",
            flavor.disk << 30,
            image.min_disk << 30
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_made_host_names() {
        assert!(valid_name("").is_err());
        assert!(valid_name(" x").is_err());
        assert!(valid_name(&"x".repeat(256)).is_err());
        assert_eq!(hostname("My hub_1.lab"), "my-hub-1-lab");
        assert_eq!(hostname("教室"), "server");
    }
}
