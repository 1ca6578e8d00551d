//! From files and variables to one [`CloudConfig`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::CloudError;
use super::entry::{Entry, did_you_mean};
use super::files::{self, Found};
use super::{Auth, CloudConfig, ConfiguredNetwork, Domain, Limits, Places, Scope, UserRef};
use crate::secret::Secret;

type Env = BTreeMap<String, String>;

/// Variables that choose or tell where, and make no cloud of their own.
const SELECTORS: [&str; 5] = [
    "OS_CLOUD",
    "OS_CLOUD_NAME",
    "OS_REGION_NAME",
    "OS_CLIENT_CONFIG_FILE",
    "OS_CLIENT_SECURE_FILE",
];

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

enum Choice {
    File(String),
    Environment(String),
}

/// The entries of `clouds.yaml` with those of `secure.yaml` laid over them.
fn entries(clouds: &Found, secure: &Found) -> Result<Map<String, Value>, CloudError> {
    let of = |found: &Found| match found.content.get("clouds") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(CloudError::Config {
            message: format!(
                "{}: clouds is no mapping of names to clouds",
                found
                    .path
                    .as_ref()
                    .map(|path| path.display().to_string())
                    .unwrap_or_default()
            ),
            hint: None,
        }),
    };
    let mut entries = of(clouds)?;
    for (name, upper) in of(secure)? {
        merge(entries.entry(name).or_insert(Value::Null), upper);
    }
    Ok(entries)
}

fn merge(lower: &mut Value, upper: Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                merge(lower.entry(key).or_insert(Value::Null), value);
            }
        }
        (lower, upper) => *lower = upper,
    }
}

fn choose(
    env: &Env,
    clouds: &Found,
    entries: &Map<String, Value>,
    os_cloud: Option<&str>,
    looked: &[String],
) -> Result<Choice, CloudError> {
    let set = |name: &str| env.get(name).map(String::as_str).filter(|v| !v.is_empty());
    let envvars = set("OS_CLOUD_NAME").unwrap_or("envvars");
    let names: Vec<String> = entries.keys().cloned().collect();
    let file = clouds
        .path
        .as_ref()
        .map_or("clouds.yaml".to_owned(), |path| path.display().to_string());
    let asked = os_cloud
        .map(|name| (name, "--os-cloud"))
        .or_else(|| set("OS_CLOUD").map(|name| (name, "OS_CLOUD")));
    let in_environment = has_credentials(env);
    if let Some((name, by)) = asked {
        if entries.contains_key(name) {
            return if name == envvars && in_environment {
                Err(CloudError::Config {
                    message: format!("cloud {name} is in {file} and in the OS_* variables"),
                    hint: Some("rename one: set OS_CLOUD_NAME to another name".to_owned()),
                })
            } else {
                Ok(Choice::File(name.to_owned()))
            };
        }
        if name == envvars {
            return Ok(Choice::Environment(name.to_owned()));
        }
        if clouds.path.is_none() {
            return Err(no_file(looked, &format!("for cloud {name} ({by})")));
        }
        return Err(CloudError::Config {
            message: format!(
                "there is no cloud {name} in {file}{}",
                did_you_mean(name, &names)
            ),
            hint: Some(if names.is_empty() {
                format!("{file} has no clouds at all")
            } else {
                format!("it has: {}", names.join(", "))
            }),
        });
    }
    if in_environment {
        return Ok(Choice::Environment(envvars.to_owned()));
    }
    match names.as_slice() {
        [] if clouds.path.is_none() => Err(no_file(looked, "and no OS_* variables")),
        [] => Err(CloudError::Config {
            message: format!("{file} has no clouds"),
            hint: Some("an entry is `clouds: {NAME: {auth: {auth_url: …}}}`".to_owned()),
        }),
        [only] => Ok(Choice::File(only.clone())),
        _ => Err(CloudError::Config {
            message: format!("{file} has several clouds: {}", names.join(", ")),
            hint: Some("choose one with --os-cloud NAME or OS_CLOUD=NAME".to_owned()),
        }),
    }
}

fn no_file(looked: &[String], why: &str) -> CloudError {
    CloudError::Config {
        message: format!("no clouds.yaml found {why}; looked for {}", looked.join(", ")),
        hint: Some(
            "get one from your cloud's dashboard (API Access, Download OpenStack clouds.yaml File) and put it into \
             ~/.config/openstack/"
                .to_owned(),
        ),
    }
}

/// Whether the variables are meant as a cloud: a stray `OS_CACERT` is not.
fn has_credentials(env: &Env) -> bool {
    env.iter().any(|(name, value)| {
        !value.is_empty() && !SELECTORS.contains(&name.as_str()) && is_credential(name)
    })
}

fn is_credential(name: &str) -> bool {
    matches!(
        name,
        "OS_AUTH_URL"
            | "OS_AUTH_TYPE"
            | "OS_USERNAME"
            | "OS_USER_ID"
            | "OS_PASSWORD"
            | "OS_TOKEN"
            | "OS_AUTH_TOKEN"
            | "OS_PROJECT_ID"
            | "OS_PROJECT_NAME"
            | "OS_TENANT_ID"
            | "OS_TENANT_NAME"
            | "OS_APPLICATION_CREDENTIAL_ID"
            | "OS_APPLICATION_CREDENTIAL_NAME"
            | "OS_APPLICATION_CREDENTIAL_SECRET"
    )
}

/// The variables as an entry.
fn environment(env: &Env) -> Entry {
    let fields = env
        .iter()
        .filter(|(name, value)| {
            !value.is_empty()
                && !["OS_TEST", "OS_STD", "OS_LOG"]
                    .iter()
                    .any(|other| name.starts_with(other))
                && !matches!(name.as_str(), "OS_CLOUD" | "OS_CLOUD_NAME")
        })
        .filter_map(|(name, value)| {
            let key = name.strip_prefix("OS_")?.to_ascii_lowercase();
            Some((key, Value::String(value.clone())))
        })
        .collect();
    Entry { fields }
}

/// Puts one cloud together.
struct Builder<'a> {
    name: String,
    source: String,
    env: &'a Env,
    places: &'a Places,
    entry: Entry,
    from_environment: bool,
    notes: Vec<String>,
    missing: Vec<&'static str>,
}

impl Builder<'_> {
    fn error(&self, message: impl std::fmt::Display) -> CloudError {
        CloudError::Config {
            message: format!("cloud {} in {}: {message}", self.name, self.source),
            hint: None,
        }
    }

    fn text(&self, names: &[&str]) -> Result<Option<String>, CloudError> {
        self.entry
            .text(names)
            .map_err(|message| self.error(message))
    }

    fn boolean(&self, name: &str) -> Result<Option<bool>, CloudError> {
        self.entry
            .boolean(name)
            .map_err(|message| self.error(message))
    }

    /// Lays the entry over the profile it names.
    fn lay_profile(&mut self, looked: &mut Vec<String>) -> Result<(), CloudError> {
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
    fn lay_region(&mut self) -> Result<(), CloudError> {
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

    fn auth(&mut self) -> Result<Option<Auth>, CloudError> {
        let told = self
            .text(&["auth_type", "auth_plugin"])?
            .map(|kind| kind.to_ascii_lowercase());
        let has = |names: &[&str]| self.entry.value(names).is_some();
        let app = has(&["application_credential_id", "application_credential_name"]);
        let user = has(&["username", "user_name", "user_id"]);
        let kind = match told.as_deref() {
            Some("v3applicationcredential" | "applicationcredential") => "app",
            Some("token" | "v3token") => "token",
            // Whoever has a credential and no password means the credential.
            Some("password" | "v3password") | None if app && !has(&["password"]) => "app",
            Some("password" | "v3password") => "password",
            None if app && has(&["application_credential_secret"]) => "app",
            None if has(&["token", "auth_token"]) && !user => "token",
            None => "password",
            Some(other) => {
                return Err(CloudError::Config {
                    message: format!(
                        "cloud {} in {}: auth_type {other} is not supported",
                        self.name, self.source
                    ),
                    hint: Some(
                        "log in as you do and make an application credential, which needs no further login: \
                         `openstack application credential create hubctl`"
                            .to_owned(),
                    ),
                });
            }
        };
        match kind {
            "app" => self.application_credential(),
            "token" => {
                let token = self.secret("token", &["token", "auth_token"])?;
                let scope = self.scope(None)?;
                Ok(token.map(|token| Auth::Token { token, scope }))
            }
            _ => {
                let user = self.user()?;
                let password = self.secret("password", &["password"])?;
                let domain = match &user {
                    Some(UserRef::Name { domain, .. }) => Some(domain.clone()),
                    _ => None,
                };
                let scope = self.scope(domain)?;
                if self.entry.value(&["system_scope"]).is_some() && scope.is_none() {
                    return Err(self.error(
                        "system_scope has no project to make servers in; name a project instead",
                    ));
                }
                Ok(user.zip(password).map(|(user, password)| Auth::Password {
                    user,
                    password,
                    scope,
                }))
            }
        }
    }

    fn application_credential(&mut self) -> Result<Option<Auth>, CloudError> {
        let id = self.text(&["application_credential_id"])?;
        let name = self.text(&["application_credential_name"])?;
        let secret = self.secret(
            "application_credential_secret",
            &["application_credential_secret"],
        )?;
        if id.is_none() && name.is_none() {
            self.missing.push("application_credential_id");
        }
        let stale: Vec<&str> = [
            "project_id",
            "project_name",
            "tenant_id",
            "tenant_name",
            "password",
        ]
        .into_iter()
        .filter(|field| self.entry.value(&[field]).is_some())
        .collect();
        if !stale.is_empty() {
            let words: Vec<_> = stale.iter().map(|field| self.field(field)).collect();
            self.notes.push(format!(
                "{} not used: an application credential brings its own project",
                words.join(", ")
            ));
        }
        Ok(match (id, name) {
            (Some(id), _) => secret.map(|secret| Auth::ApplicationCredential { id, secret }),
            (None, Some(name)) => {
                let user = self.user()?;
                user.zip(secret)
                    .map(|(user, secret)| Auth::NamedApplicationCredential { name, user, secret })
            }
            (None, None) => None,
        })
    }

    fn user(&mut self) -> Result<Option<UserRef>, CloudError> {
        if let Some(id) = self.text(&["user_id"])? {
            return Ok(Some(UserRef::Id(id)));
        }
        let Some(name) = self.text(&["username", "user_name"])? else {
            self.missing.push("username");
            return Ok(None);
        };
        let domain = self.domain("user_domain_id", "user_domain_name", None)?;
        Ok(Some(UserRef::Name { name, domain }))
    }

    fn scope(&self, user_domain: Option<Domain>) -> Result<Option<Scope>, CloudError> {
        if let Some(id) = self.text(&["trust_id"])? {
            return Ok(Some(Scope::Trust(id)));
        }
        if let Some(id) = self.text(&["project_id", "tenant_id"])? {
            return Ok(Some(Scope::ProjectId(id)));
        }
        let Some(name) = self.text(&["project_name", "tenant_name"])? else {
            return Ok(None);
        };
        let domain = self.domain("project_domain_id", "project_domain_name", user_domain)?;
        Ok(Some(Scope::ProjectName { name, domain }))
    }

    /// The domain told for this, else for all, else `fallback`, else the one every Keystone has.
    fn domain(&self, id: &str, name: &str, fallback: Option<Domain>) -> Result<Domain, CloudError> {
        if let Some(id) = self.text(&[id, "domain_id"])? {
            return Ok(Domain::Id(id));
        }
        if let Some(name) = self.text(&[name, "domain_name"])? {
            return Ok(Domain::Name(name));
        }
        if let Some(name) = self.text(&["default_domain_name"])? {
            return Ok(Domain::Name(name));
        }
        if let Some(id) = self.text(&["default_domain", "default_domain_id"])? {
            return Ok(Domain::Id(id));
        }
        Ok(fallback.unwrap_or_else(|| Domain::Id("default".to_owned())))
    }

    fn secret(
        &mut self,
        field: &'static str,
        names: &[&str],
    ) -> Result<Option<Secret>, CloudError> {
        let value = self.text(names)?;
        if value.is_none() {
            self.missing.push(field);
        }
        Ok(value.map(Secret::new))
    }

    /// A field in the words of where it is from.
    fn field(&self, name: &str) -> String {
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

    /// PEM itself, or a file of it.
    fn pem(&self, field: &str, value: &str) -> Result<Vec<u8>, CloudError> {
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

    fn identity(&self) -> Result<Option<Secret>, CloudError> {
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

    fn seconds(&self) -> Result<Option<Duration>, CloudError> {
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

    fn interfaces(&self) -> Result<Vec<String>, CloudError> {
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

    fn overrides(&self) -> BTreeMap<String, String> {
        self.entry
            .fields
            .iter()
            .filter_map(|(key, value)| {
                let service = key.strip_suffix("_endpoint_override")?;
                Some((service.to_owned(), value.as_str()?.to_owned()))
            })
            .collect()
    }

    fn networks(&self) -> Result<Vec<ConfiguredNetwork>, CloudError> {
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

    fn force_ipv4(&self) -> Result<bool, CloudError> {
        if let Some(told) = self.env.get("OS_FORCE_IPV4") {
            return Ok(told.eq_ignore_ascii_case("true"));
        }
        Ok(self.boolean("force_ipv4")?.unwrap_or(false))
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
