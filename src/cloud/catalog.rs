//! The service catalog of a token, and which of its endpoints is ours.

use serde::Deserialize;
use url::Url;

use super::{Service, model::null_is_default};

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "null_is_default")]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Endpoint {
    #[serde(default, deserialize_with = "null_is_default")]
    interface: String,
    #[serde(default)]
    region: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
    url: String,
}

impl Endpoint {
    fn region(&self) -> Option<&str> {
        self.region_id.as_deref().or(self.region.as_deref())
    }
}

impl Service {
    /// Every service [`Cloud`](super::Cloud) speaks to.
    pub(super) const ALL: [Self; 5] = [
        Self::Compute,
        Self::Image,
        Self::Network,
        Self::BlockStorage,
        Self::Dns,
    ];

    /// What catalogs call it, the best first.
    pub(super) fn types(self) -> &'static [&'static str] {
        match self {
            Self::Compute => &["compute"],
            Self::Image => &["image"],
            Self::Network => &["network"],
            Self::BlockStorage => &["volumev3", "block-storage", "block-store", "volume"],
            Self::Dns => &["dns"],
        }
    }

    /// Words for messages.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Compute => "compute (Nova)",
            Self::Image => "image (Glance)",
            Self::Network => "network (Neutron)",
            Self::BlockStorage => "block storage (Cinder)",
            Self::Dns => "DNS (Designate)",
        }
    }

    /// Which version we speak: the path segment, and where the URL of a catalog stops short of it, what to add.
    fn version(self) -> &'static str {
        match self {
            Self::Compute => "v2.1",
            Self::Image | Self::Dns => "v2",
            Self::Network => "v2.0",
            Self::BlockStorage => "v3",
        }
    }
}

/// Which endpoint of a service is meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub(super) region: Option<String>,
    /// `public`, `internal`, `admin`; the best first.
    pub(super) interfaces: Vec<String>,
}

/// Finds the endpoint of a service.
pub(super) fn find<'a>(
    catalog: &'a [Entry],
    types: &[&str],
    choice: &Choice,
) -> Result<&'a str, String> {
    let entries: Vec<_> = types
        .iter()
        .filter_map(|kind| catalog.iter().find(|entry| entry.kind == *kind))
        .collect();
    if entries.is_empty() {
        return Err("the cloud's catalog has no such service".to_owned());
    }
    for entry in &entries {
        for interface in &choice.interfaces {
            let found = entry.endpoints.iter().find(|endpoint| {
                endpoint.interface == *interface
                    && choice
                        .region
                        .as_deref()
                        .is_none_or(|region| endpoint.region() == Some(region))
            });
            if let Some(endpoint) = found {
                return Ok(&endpoint.url);
            }
        }
    }
    let mut others: Vec<_> = entries
        .iter()
        .flat_map(|entry| &entry.endpoints)
        .map(|endpoint| {
            format!(
                "{} in {}",
                endpoint.interface,
                endpoint.region().unwrap_or("no region")
            )
        })
        .collect();
    others.sort();
    others.dedup();
    Err(format!(
        "the catalog has no {} endpoint{} (it has: {})",
        choice.interfaces.join(" or "),
        choice
            .region
            .as_ref()
            .map(|region| format!(" in region {region}"))
            .unwrap_or_default(),
        if others.is_empty() {
            "none at all".to_owned()
        } else {
            others.join(", ")
        }
    ))
}

/// The regions that have the service, sorted.
pub(super) fn regions(catalog: &[Entry], types: &[&str], interfaces: &[String]) -> Vec<String> {
    let mut regions: Vec<_> = catalog
        .iter()
        .filter(|entry| types.contains(&entry.kind.as_str()))
        .flat_map(|entry| &entry.endpoints)
        .filter(|endpoint| interfaces.contains(&endpoint.interface))
        .filter_map(|endpoint| endpoint.region().map(str::to_owned))
        .collect();
    regions.sort();
    regions.dedup();
    regions
}

/// The URL to put paths behind: catalogs name services with and without their version, and some an old one.
pub(super) fn base(service: Service, url: &str, project_id: &str) -> Result<Url, String> {
    let mut base = Url::parse(url).map_err(|error| format!("{url} is not a URL: {error}"))?;
    let version = service.version();
    let mut segments: Vec<String> = base
        .path_segments()
        .into_iter()
        .flatten()
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect();
    let is_version = |segment: &str| {
        segment
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.len() <= 4)
    };
    match segments.iter().position(|segment| is_version(segment)) {
        Some(at) => segments[at] = version.to_owned(),
        None => {
            segments.push(version.to_owned());
            if service == Service::BlockStorage {
                segments.push(project_id.to_owned());
            }
        }
    }
    base.set_path(&segments.join("/"));
    base.set_query(None);
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Vec<Entry> {
        serde_json::from_value(serde_json::json!([
            {"type": "compute", "name": "nova", "id": "x", "endpoints": [
                {"interface": "internal", "region": "one", "region_id": "one", "url": "http://in/v2.1", "id": "1"},
                {"interface": "public", "region": "one", "region_id": "one", "url": "https://one/v2.1", "id": "2"},
                {"interface": "public", "region": "two", "region_id": "two", "url": "https://two/v2.1", "id": "3"}]},
            {"type": "block-storage", "endpoints": [{"interface": "public", "region": "one", "url": "https://vol"}]},
            {"type": "metric", "endpoints": null}
        ]))
        .unwrap()
    }

    fn choice(region: Option<&str>, interface: &str) -> Choice {
        Choice {
            region: region.map(str::to_owned),
            interfaces: vec![interface.to_owned()],
        }
    }

    #[test]
    fn the_endpoint_of_region_and_interface_is_found() {
        let catalog = catalog();
        for (service, region, interface, url) in [
            (Service::Compute, Some("two"), "public", "https://two/v2.1"),
            (Service::Compute, None, "public", "https://one/v2.1"),
            (Service::Compute, None, "internal", "http://in/v2.1"),
            (Service::BlockStorage, None, "public", "https://vol"),
        ] {
            assert_eq!(
                find(&catalog, service.types(), &choice(region, interface)),
                Ok(url)
            );
        }
        assert_eq!(
            find(&catalog, Service::Dns.types(), &choice(None, "public")).unwrap_err(),
            "the cloud's catalog has no such service"
        );
        assert_eq!(
            find(&catalog, &["compute"], &choice(Some("One"), "public")).unwrap_err(),
            "the catalog has no public endpoint in region One (it has: internal in one, public in one, public in two)"
        );
        assert_eq!(
            regions(&catalog, &["compute"], &["public".into()]),
            ["one", "two"]
        );
    }

    #[test]
    fn urls_get_the_version_we_speak() {
        use Service::{BlockStorage, Compute, Dns, Image, Network};
        for (service, url, expected) in [
            (Compute, "https://c:8774/v2.1", "https://c:8774/v2.1"),
            (Compute, "https://c/compute/v2.1/", "https://c/compute/v2.1"),
            (Compute, "https://c:8774/v2/p1", "https://c:8774/v2.1/p1"),
            (Compute, "https://c/nova", "https://c/nova/v2.1"),
            (Network, "http://n:9696", "http://n:9696/v2.0"),
            (Network, "http://n:9696/v2.0/", "http://n:9696/v2.0"),
            (Network, "http://n/networking", "http://n/networking/v2.0"),
            (Image, "http://g:9292", "http://g:9292/v2"),
            (Image, "http://g/image/v1", "http://g/image/v2"),
            (BlockStorage, "http://v:8776/v3/p1", "http://v:8776/v3/p1"),
            (BlockStorage, "http://v/volume", "http://v/volume/v3/p1"),
            (Dns, "http://d:9001", "http://d:9001/v2"),
            (
                Compute,
                "http://vpc.example/v2.1",
                "http://vpc.example/v2.1",
            ),
        ] {
            assert_eq!(base(service, url, "p1").unwrap().as_str(), expected);
        }
        assert!(base(Compute, "nova", "p1").is_err());
    }
}
