//! The catalog: where each service of each region is.

use serde_json::{Value, json};

use crate::api::Cloud;

/// Type, name and path of each service; `{project}` stands for the project's id.
const SERVICES: [(&str, &str, &str); 6] = [
    ("identity", "keystone", ""),
    ("image", "glance", "/image"),
    ("compute", "nova", "/compute/v2.1"),
    ("network", "neutron", "/network"),
    ("volumev3", "cinder", "/volume/v3/{project}"),
    ("dns", "designate", "/dns"),
];

/// The catalog of a token of this project.
pub fn json(cloud: &Cloud, project_id: &str) -> Value {
    let has = |kind: &str| match kind {
        "volumev3" => cloud.scenario.volumes,
        "dns" => cloud.scenario.dns,
        _ => true,
    };
    SERVICES
        .iter()
        .filter(|(kind, _, _)| has(kind))
        .map(|(kind, name, path)| {
            let endpoints: Vec<Value> = cloud
                .regions
                .iter()
                .flat_map(|region| {
                    // Keystone is one for all regions.
                    let prefix = if *kind == "identity" {
                        ""
                    } else {
                        region.prefix.as_str()
                    };
                    let url = format!(
                        "{}{prefix}{}",
                        cloud.base_url,
                        path.replace("{project}", project_id)
                    );
                    ["public", "internal", "admin"].map(|interface| {
                        json!({
                            "id": stable_id(&[kind, &region.name, interface]),
                            "interface": interface,
                            "region": region.name,
                            "region_id": region.name,
                            "url": url,
                        })
                    })
                })
                .collect();
            json!({"id": stable_id(&[kind]), "type": kind, "name": name, "endpoints": endpoints})
        })
        .collect()
}

/// An id that stays the same from one token to the next.
fn stable_id(words: &[&str]) -> String {
    use md5::{Digest, Md5};
    Md5::digest(words.join("/"))
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}
