//! What lies beneath an entry (its profile) and above it (its region).

use serde_json::Value;

use super::super::CloudError;
use super::entry::{Entry, did_you_mean};
use super::files;
use super::load::Builder;

impl Builder<'_> {
    /// Lays the entry over the profile it names.
    pub(super) fn lay_profile(&mut self, looked: &mut Vec<String>) -> Result<(), CloudError> {
        if self.from_environment {
            return Ok(());
        }
        let Some(profile) = self.text(&["profile", "cloud"])? else {
            return Ok(());
        };
        let public = files::find("clouds-public", None, self.places, looked)?;
        let found = public
            .content
            .get("public-clouds")
            .and_then(|clouds| clouds.get(&profile));
        let Some(found) = found else {
            // As the other clients: an entry that has all it needs needs no profile.
            self.notes.push(format!(
                "profile {profile} of cloud {} is in no clouds-public.yaml: passed over",
                self.name
            ));
            return Ok(());
        };
        let mut entry = Entry::new(found);
        entry.lay_over(&self.entry);
        self.entry = entry;
        Ok(())
    }

    /// Chooses the region and lays its values over the entry.
    pub(super) fn lay_region(&mut self) -> Result<(), CloudError> {
        let asked = self
            .env
            .get("OS_REGION_NAME")
            .filter(|region| !region.is_empty())
            .cloned();
        let regions = self.regions()?;
        let region = match (&asked, regions.as_slice()) {
            (_, []) => {
                if let Some(asked) = asked {
                    self.entry
                        .fields
                        .insert("region_name".to_owned(), Value::String(asked));
                }
                return Ok(());
            }
            (None, [first, others @ ..]) => {
                if !others.is_empty() {
                    self.notes.push(format!(
                        "region {} of cloud {}, the first of {}",
                        first.0,
                        self.name,
                        regions.len()
                    ));
                }
                first.clone()
            }
            (Some(asked), _) => match regions.iter().find(|(name, _)| name == asked) {
                Some(region) => region.clone(),
                // Not a list of all there are, but one name to start with.
                None if !self.entry.fields.contains_key("regions") => (asked.clone(), Value::Null),
                None => {
                    let names: Vec<_> = regions.iter().map(|(name, _)| name.clone()).collect();
                    return Err(CloudError::Config {
                        message: format!(
                            "cloud {} has no region {asked}{}",
                            self.name,
                            did_you_mean(asked, &names)
                        ),
                        hint: Some(format!(
                            "OS_REGION_NAME asks for it; {} lists: {}",
                            self.source,
                            names.join(", ")
                        )),
                    });
                }
            },
        };
        let (name, values) = region;
        self.entry.lay_over(&Entry::new(&values));
        self.entry
            .fields
            .insert("region_name".to_owned(), Value::String(name));
        Ok(())
    }

    /// `regions:` (names, or names with values), else `region_name`.
    fn regions(&self) -> Result<Vec<(String, Value)>, CloudError> {
        if let Some(regions) = self.entry.fields.get("regions").and_then(Value::as_array) {
            return regions
                .iter()
                .map(|region| match region {
                    Value::String(name) => Ok((name.clone(), Value::Null)),
                    Value::Object(map) => {
                        let name = map
                            .get("name")
                            .and_then(Value::as_str)
                            .ok_or_else(|| self.error("an entry of regions has no name"))?;
                        let values = map.get("values").cloned().unwrap_or_default();
                        Ok((name.to_owned(), values))
                    }
                    _ => Err(self.error("an entry of regions is neither a name nor a mapping")),
                })
                .collect();
        }
        Ok(match self.entry.fields.get("region_name") {
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .map(|name| (name.to_owned(), Value::Null))
                .collect(),
            _ => self
                .text(&["region_name"])?
                .into_iter()
                .flat_map(|names| {
                    names
                        .split(',')
                        .map(|name| (name.trim().to_owned(), Value::Null))
                        .collect::<Vec<_>>()
                })
                .collect(),
        })
    }
}
