//! Which cloud is meant, among those of the file and the variables.

use serde_json::{Map, Value};

use super::super::CloudError;
use super::entry::{Entry, did_you_mean};
use super::files::Found;
use super::load::Env;

/// Variables that choose or tell where, and make no cloud of their own.
const SELECTORS: [&str; 5] = [
    "OS_CLOUD",
    "OS_CLOUD_NAME",
    "OS_REGION_NAME",
    "OS_CLIENT_CONFIG_FILE",
    "OS_CLIENT_SECURE_FILE",
];

/// Where the cloud's entry is.
pub(super) enum Choice {
    File(String),
    Environment(String),
}

/// The entries of `clouds.yaml` with those of `secure.yaml` laid over them.
pub(super) fn entries(clouds: &Found, secure: &Found) -> Result<Map<String, Value>, CloudError> {
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

/// Chooses the cloud: the one asked for, else the variables, else the only one of the file.
pub(super) fn choose(
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

/// Whether the variable is part of a login.
pub(super) fn is_credential(name: &str) -> bool {
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
pub(super) fn environment(env: &Env) -> Entry {
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
