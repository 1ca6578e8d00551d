//! How the cloud is reached: certificates, endpoints, networks, time limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::super::CloudError;
use super::entry::Entry;
use super::load::Builder;
use super::{ConfiguredNetwork, files};
use crate::secret::Secret;

impl Builder<'_> {
    /// PEM itself, or a file of it.
    pub(super) fn pem(&self, field: &str, value: &str) -> Result<Vec<u8>, CloudError> {
        if value.trim_start().starts_with("-----BEGIN") {
            return Ok(value.as_bytes().to_vec());
        }
        let path = self
            .places
            .cwd
            .join(files::expand(Path::new(value), self.places));
        fs::read(&path)
            .map_err(|error| self.error(format!("{field}: reading {}: {error}", path.display())))
    }

    pub(super) fn identity(&self) -> Result<Option<Secret>, CloudError> {
        let Some(cert) = self.text(&["cert"])? else {
            return Ok(None);
        };
        let mut pem = self.pem("cert", &cert)?;
        if let Some(key) = self.text(&["key"])? {
            pem.push(b'\n');
            pem.extend(self.pem("key", &key)?);
        }
        let pem =
            String::from_utf8(pem).map_err(|_| self.error("cert and key must be in PEM form"))?;
        Ok(Some(Secret::new(pem)))
    }

    pub(super) fn seconds(&self) -> Result<Option<Duration>, CloudError> {
        match self.entry.value(&["api_timeout", "timeout"]) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .or_else(|| value.as_str()?.parse().ok())
                .filter(|seconds| *seconds > 0.0)
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .map(Some)
                .ok_or_else(|| self.error("api_timeout is no number of seconds")),
        }
    }

    pub(super) fn interfaces(&self) -> Result<Vec<String>, CloudError> {
        let told = match self.entry.value(&["interface", "endpoint_type"]) {
            None => return Ok(vec!["public".to_owned()]),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Some(_) => self
                .text(&["interface", "endpoint_type"])?
                .unwrap_or_default()
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect::<Vec<_>>(),
        };
        told.into_iter()
            .map(|name| match name.trim_end_matches("URL") {
                name @ ("public" | "internal" | "admin") => Ok(name.to_owned()),
                other => Err(self.error(format!(
                    "interface {other} is none of public, internal, admin"
                ))),
            })
            .collect()
    }

    pub(super) fn overrides(&self) -> BTreeMap<String, String> {
        self.entry
            .fields
            .iter()
            .filter_map(|(key, value)| {
                let service = key.strip_suffix("_endpoint_override")?;
                Some((service.to_owned(), value.as_str()?.to_owned()))
            })
            .collect()
    }

    pub(super) fn networks(&self) -> Result<Vec<ConfiguredNetwork>, CloudError> {
        let listed = self.entry.fields.get("networks").and_then(Value::as_array);
        let mut networks = Vec::new();
        for network in listed.into_iter().flatten() {
            let entry = Entry::new(network);
            let flag = |name: &str| {
                entry
                    .boolean(name)
                    .map(|flag| flag.unwrap_or(false))
                    .map_err(|message| self.error(format!("networks: {message}")))
            };
            networks.push(ConfiguredNetwork {
                name: entry
                    .text(&["name"])
                    .ok()
                    .flatten()
                    .ok_or_else(|| self.error("an entry of networks has no name"))?,
                routes_externally: flag("routes_externally")?,
                nat_destination: flag("nat_destination")?,
                default_interface: flag("default_interface")?,
            });
        }
        for (field, external) in [("external_network", true), ("internal_network", false)] {
            if let Some(name) = self.text(&[field])? {
                networks.push(ConfiguredNetwork {
                    name,
                    routes_externally: external,
                    nat_destination: !external,
                    default_interface: !external,
                });
            }
        }
        Ok(networks)
    }

    pub(super) fn force_ipv4(&self) -> Result<bool, CloudError> {
        if let Some(told) = self.env.get("OS_FORCE_IPV4") {
            return Ok(told.eq_ignore_ascii_case("true"));
        }
        Ok(self.boolean("force_ipv4")?.unwrap_or(false))
    }
}
