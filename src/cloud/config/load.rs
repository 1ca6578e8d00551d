//! From files and variables to one [`CloudConfig`].

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::super::CloudError;
use super::choose::{Choice, choose, entries, environment, is_credential};
use super::entry::Entry;
use super::{CloudConfig, Limits, Places, files};

pub(super) type Env = BTreeMap<String, String>;

pub(super) fn load(
    env: &Env,
    places: &Places,
    os_cloud: Option<&str>,
) -> Result<CloudConfig, CloudError> {
    let mut looked = Vec::new();
    let named = |variable: &'static str| {
        env.get(variable)
            .filter(|value| !value.is_empty())
            .map(|value| (variable, Path::new(value.as_str())))
    };
    let clouds = files::find(
        "clouds",
        named("OS_CLIENT_CONFIG_FILE"),
        places,
        &mut looked,
    )?;
    let mut elsewhere = Vec::new();
    let secure = files::find(
        "secure",
        named("OS_CLIENT_SECURE_FILE"),
        places,
        &mut elsewhere,
    )?;
    let entries = entries(&clouds, &secure)?;
    let choice = choose(env, &clouds, &entries, os_cloud, &looked)?;
    let source = match (&choice, &clouds.path, &secure.path) {
        (Choice::Environment(_), _, _) => "the OS_* variables".to_owned(),
        (_, Some(path), _) | (_, None, Some(path)) => path.display().to_string(),
        _ => String::new(),
    };
    let (name, own) = match choice {
        Choice::Environment(name) => (name, environment(env)),
        Choice::File(name) => {
            let entry = Entry::new(&entries[&name]);
            (name, entry)
        }
    };
    let from_environment = source == "the OS_* variables";
    let mut builder = Builder {
        name,
        source,
        env,
        places,
        entry: own,
        from_environment,
        notes: Vec::new(),
        missing: Vec::new(),
    };
    builder.lay_profile(&mut elsewhere)?;
    builder.lay_region()?;
    builder.fill_from_environment();
    if let Some(client) = clouds.content.get("client") {
        let client = Entry::new(client);
        let ipv4 = client.boolean("force_ipv4").unwrap_or_default();
        if let Some(ipv4) = ipv4 {
            builder
                .entry
                .fields
                .entry("force_ipv4")
                .or_insert(Value::Bool(ipv4));
        }
    }
    builder.build()
}

/// Puts one cloud together.
pub(super) struct Builder<'a> {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) env: &'a Env,
    pub(super) places: &'a Places,
    pub(super) entry: Entry,
    pub(super) from_environment: bool,
    pub(super) notes: Vec<String>,
    pub(super) missing: Vec<&'static str>,
}

impl Builder<'_> {
    pub(super) fn error(&self, message: impl std::fmt::Display) -> CloudError {
        CloudError::Config {
            message: format!("cloud {} in {}: {message}", self.name, self.source),
            hint: None,
        }
    }

    pub(super) fn text(&self, names: &[&str]) -> Result<Option<String>, CloudError> {
        self.entry
            .text(names)
            .map_err(|message| self.error(message))
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, CloudError> {
        self.entry
            .boolean(name)
            .map_err(|message| self.error(message))
    }

    /// Secrets that an entry leaves out on purpose may come from the environment; and where certificates are, which
    /// belongs to this machine more than to the entry.
    fn fill_from_environment(&mut self) {
        if self.from_environment {
            return;
        }
        let is_app = self
            .entry
            .value(&["application_credential_id", "application_credential_name"])
            .is_some();
        let needs: &[(&str, &str)] = if is_app {
            &[(
                "application_credential_secret",
                "OS_APPLICATION_CREDENTIAL_SECRET",
            )]
        } else if self.entry.value(&["token", "auth_token"]).is_some() {
            &[]
        } else {
            &[("password", "OS_PASSWORD")]
        };
        for (field, variable) in needs.iter().chain(&[("cacert", "OS_CACERT")]) {
            if self.entry.value(&[field]).is_none()
                && let Some(value) = self.env.get(*variable).filter(|value| !value.is_empty())
            {
                self.entry
                    .fields
                    .insert((*field).to_owned(), Value::String(value.clone()));
                self.notes
                    .push(format!("{field} of cloud {} is from {variable}", self.name));
            }
        }
    }

    fn build(mut self) -> Result<CloudConfig, CloudError> {
        let auth_url = match self.text(&["auth_url"])? {
            Some(url) => self.expand_url(url)?,
            None => {
                self.missing.push("auth_url");
                String::new()
            }
        };
        let auth = self.auth()?;
        let (Some(auth), true) = (auth, self.missing.is_empty()) else {
            return Err(self.missing_fields());
        };
        let insecure = self.boolean("insecure")?.unwrap_or(false);
        let mut cacert = self.text(&["cacert"])?;
        let verify = match self.entry.value(&["verify"]) {
            // As with `requests`: a path to what to verify with.
            Some(Value::String(path)) if path.contains(['/', '.']) => {
                cacert.get_or_insert(path.clone());
                true
            }
            _ => self.boolean("verify")?.unwrap_or(true),
        } && !insecure;
        let ca = match cacert {
            Some(cacert) if verify => self.pem("cacert", &cacert)?,
            _ => Vec::new(),
        };
        let identity = self.identity()?;
        let mut limits = Limits::default();
        if let Some(seconds) = self.seconds()? {
            limits.attempt = seconds;
            limits.total = limits.total.max(seconds * 3);
        }
        let interfaces = self.interfaces()?;
        let overrides = self.overrides();
        Ok(CloudConfig {
            auth_url,
            auth,
            region: self.text(&["region_name"])?,
            interfaces,
            verify,
            networks: self.networks()?,
            limits,
            ca,
            identity,
            overrides,
            force_ipv4: self.force_ipv4()?,
            unused: self.unused(),
            name: self.name,
            source: self.source,
            notes: self.notes,
        })
    }

    /// `https://{region_name}.cloud.example` is filled in from the entry.
    fn expand_url(&self, url: String) -> Result<String, CloudError> {
        let mut url = url;
        while let Some((before, rest)) = url.split_once('{') {
            let Some((name, after)) = rest.split_once('}') else {
                break;
            };
            let value = self
                .text(&[name])?
                .ok_or_else(|| self.error(format!("auth_url asks for {name}, which is not set")))?;
            url = format!("{before}{value}{after}");
        }
        Ok(url)
    }

    /// A field in the words of where it is from.
    pub(super) fn field(&self, name: &str) -> String {
        if self.from_environment {
            format!("OS_{}", name.to_ascii_uppercase())
        } else {
            name.to_owned()
        }
    }

    fn missing_fields(&self) -> CloudError {
        let fields: Vec<_> = self.missing.iter().map(|name| self.field(name)).collect();
        let verb = if fields.len() == 1 { "is" } else { "are" };
        let message = format!("{} {verb} missing", fields.join(", "));
        let hint = if self.from_environment {
            "source the openrc file of your cloud again, or choose a cloud of clouds.yaml with --os-cloud".to_owned()
        } else {
            format!(
                "add to the auth of cloud {}, or to secure.yaml beside it",
                self.name
            )
        };
        CloudError::Config {
            message: if self.from_environment {
                format!("the OS_* variables make no whole login: {message}")
            } else {
                format!("cloud {} in {}: {message}", self.name, self.source)
            },
            hint: Some(hint),
        }
    }

    /// Variables of a login that this cloud makes no use of: left over from another one.
    fn unused(&self) -> Vec<String> {
        if self.from_environment {
            return Vec::new();
        }
        let used: Vec<_> = self
            .notes
            .iter()
            .filter_map(|note| note.rsplit_once(" is from ").map(|(_, variable)| variable))
            .collect();
        self.env
            .iter()
            .filter(|(name, value)| {
                is_credential(name) && !value.is_empty() && !used.contains(&name.as_str())
            })
            .map(|(name, _)| name.clone())
            .collect()
    }
}
