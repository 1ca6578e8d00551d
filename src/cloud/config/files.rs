//! `clouds.yaml`, `secure.yaml`, `clouds-public.yaml`: where they are, and what they hold.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::CloudError;
use super::Places;

/// A file that was found, and what it holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) path: Option<PathBuf>,
    pub(super) content: Value,
}

/// Looks for the first file of a kind (`clouds`, `secure`, `clouds-public`), and notes in `looked` where. `named` is a
/// path from the environment, which comes first.
pub(super) fn find(
    kind: &str,
    named: Option<(&str, &Path)>,
    places: &Places,
    looked: &mut Vec<String>,
) -> Result<Found, CloudError> {
    if let Some((variable, path)) = named {
        let path = places.cwd.join(expand(path, places));
        return match fs::read_to_string(&path) {
            Ok(text) => parse(path, &text),
            Err(error) => Err(CloudError::Config {
                message: format!("reading {}: {error}", path.display()),
                hint: Some(format!("{variable} names it")),
            }),
        };
    }
    for folder in folders(places) {
        for suffix in ["yaml", "yml", "json"] {
            let path = folder.join(format!("{kind}.{suffix}"));
            match fs::read_to_string(&path) {
                Ok(text) => return parse(path, &text),
                // As the other clients do: what may not be read is passed over, but not in silence.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    looked.push(format!("{} (not readable)", path.display()));
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Err(CloudError::Config {
                        message: format!("{} is not text in UTF-8", path.display()),
                        hint: None,
                    });
                }
                Err(_) => {}
            }
        }
        looked.push(folder.join(format!("{kind}.yaml")).display().to_string());
    }
    Ok(Found::default())
}

fn folders(places: &Places) -> Vec<PathBuf> {
    let mut folders = vec![places.cwd.clone()];
    if let Some(config) = &places.xdg_config_home {
        folders.push(config.join("openstack"));
    }
    if let Some(home) = &places.home {
        folders.push(home.join(".config/openstack"));
        if cfg!(target_os = "macos") {
            folders.push(home.join("Library/Application Support/openstack"));
        }
    }
    folders.push(places.system.clone());
    let mut unique = Vec::new();
    for folder in folders {
        if !unique.contains(&folder) {
            unique.push(folder);
        }
    }
    unique
}

/// `~` is the home.
pub(super) fn expand(path: &Path, places: &Places) -> PathBuf {
    match (path.strip_prefix("~"), &places.home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

fn parse(path: PathBuf, text: &str) -> Result<Found, CloudError> {
    let broken = |reason: String| CloudError::Config {
        message: format!("{}: {reason}", path.display()),
        hint: Some("it must be YAML as your cloud's dashboard gives it (API Access)".to_owned()),
    };
    let mut yaml: serde_yaml::Value =
        serde_yaml::from_str(text).map_err(|error| broken(error.to_string()))?;
    // `<<: *defaults` is common where several clouds differ in little.
    yaml.apply_merge()
        .map_err(|error| broken(error.to_string()))?;
    let content = to_json(yaml).map_err(broken)?;
    if !content.is_object() && !content.is_null() {
        return Err(broken("it holds no mapping".to_owned()));
    }
    Ok(Found {
        path: Some(path),
        content,
    })
}

/// Keys become text: a cloud may be called `2024`.
fn to_json(yaml: serde_yaml::Value) -> Result<Value, String> {
    use serde_yaml::Value as Yaml;
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(n), _, _) => n.into(),
            (_, Some(n), _) => n.into(),
            (_, _, Some(n)) => n.into(),
            _ => Value::Null,
        },
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => {
            Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?)
        }
        Yaml::Mapping(pairs) => {
            let mut map = serde_json::Map::new();
            for (key, value) in pairs {
                let key = match key {
                    Yaml::String(text) => text,
                    Yaml::Number(number) => number.to_string(),
                    Yaml::Bool(value) => value.to_string(),
                    other => return Err(format!("a key that is no text: {other:?}")),
                };
                map.insert(key, to_json(value)?);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => to_json(tagged.value)?,
    })
}
