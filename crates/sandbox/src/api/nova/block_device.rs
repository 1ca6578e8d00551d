//! The disks a server asks for: `block_device_mapping_v2`.

use serde_json::Value;

use super::NovaError;
use super::create::find_image;
use crate::api::glance::image::Image;
use crate::api::life::Disk;
use crate::api::{Caller, Fields, State};

/// Reads `block_device_mapping_v2`.
pub fn disks(
    state: &State,
    caller: &Caller,
    body: &Value,
    image: Option<&Image>,
) -> Result<Vec<Disk>, NovaError> {
    let Some(mapping) = body
        .get("block_device_mapping_v2")
        .and_then(Value::as_array)
    else {
        return Ok(Vec::new());
    };
    let mut disks = Vec::new();
    for one in mapping {
        let root = one.number("boot_index") == Some(0);
        let delete = one.flag("delete_on_termination").unwrap_or(false);
        let uuid = one.text("uuid");
        let local = one.text("destination_type").as_deref() == Some("local");
        match (one.text("source_type").as_deref(), uuid) {
            (Some("image"), Some(id)) if local => {
                if image.is_none_or(|i| i.id != id) {
                    return Err(NovaError::bad(
                        "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.",
                    ));
                }
            }
            (Some("image"), Some(id)) => {
                let image = find_image(state, caller, &id)?;
                let size = one.number("volume_size").and_then(|s| u64::try_from(s).ok()).ok_or_else(|| {
                    NovaError::bad("Block Device Mapping is Invalid: Images with destination_type 'volume' need to have a non-zero size specified")
                })?;
                if size < image.min_disk {
                    return Err(NovaError::bad(format!(
                        "Volume is smaller than the minimum size specified in image metadata. Volume size is {} bytes, minimum size is {} bytes.",
                        size << 30,
                        image.min_disk << 30
                    )));
                }
                disks.push(Disk::New {
                    size,
                    image: Some(id),
                    root,
                    delete,
                });
            }
            (Some("blank"), None) => {
                let size = one
                    .number("volume_size")
                    .and_then(|s| u64::try_from(s).ok())
                    .unwrap_or(1);
                disks.push(Disk::New {
                    size,
                    image: None,
                    root,
                    delete,
                });
            }
            (Some("volume"), Some(id)) => {
                let found = state
                    .volumes
                    .items
                    .iter()
                    .find(|v| v.id == id && caller.owns(&v.project_id));
                let found = found.ok_or_else(|| {
                    NovaError::bad(format!(
                        "Block Device Mapping is Invalid: failed to get volume {id}."
                    ))
                })?;
                if found.status != "available" {
                    return Err(NovaError::bad(format!(
                        "Invalid volume: volume '{id}' status must be 'available'. Currently in '{}'",
                        found.status
                    )));
                }
                disks.push(Disk::There { id, root, delete });
            }
            _ => {
                return Err(NovaError::bad(
                    "Block Device Mapping is Invalid: Invalid source type.",
                ));
            }
        }
    }
    Ok(disks)
}
